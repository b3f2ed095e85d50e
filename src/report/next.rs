//! The one next step that summary, report and status name.
//!
//! Owns which command follows which end of a run. Invariant: the command is safe to paste. After the
//! failure limit it is never another run, as the failed servers must be looked at first.

use crate::event::{Launch, Mode, StopCause};
use crate::exit::Exit;
use crate::ledger::Ledger;
use crate::outcome::{OutcomeKind, Reason};

/// The command to type next: after a good rehearsal the real run, after a bad run the one that helps.
pub(super) fn next(launch: &Launch, ledger: &Ledger, exit: Exit) -> Option<String> {
    let of_run = |verb: &str| Some(format!("lightsout {verb} {}", launch.run));
    let not_sent = ledger.totals().count(OutcomeKind::NotSent);
    match (launch.mode, exit) {
        (Mode::Rehearsal | Mode::DryRun, Exit::Success) => Some(launch.again.clone()),
        (Mode::Rehearsal | Mode::DryRun, _) => None,
        (Mode::Run, Exit::Resumable) => of_run("resume"),
        (Mode::Run, Exit::SomeUnknown) => of_run("settle"),
        (Mode::Run, Exit::SomeFailed | Exit::StoppedEarly | Exit::CutOff | Exit::NotNow)
            if ledger.has_failed_too_often() =>
        {
            of_run("report")
        }
        (Mode::Run, Exit::SomeFailed) if only_quarantined(ledger) => launch.release.clone(),
        // What an undo tried in vain, no other one tries again.
        (Mode::Run, Exit::SomeFailed) if launch.undoes.is_some() && not_sent == 0 => None,
        (
            Mode::Run,
            Exit::Refused
            | Exit::NotNow
            | Exit::Halted
            | Exit::SomeFailed
            | Exit::StoppedEarly
            | Exit::CutOff,
        ) => Some(again(launch, ledger.left_unsent(StopCause::Late))),
        (
            Mode::Run,
            Exit::Success
            | Exit::Invalid
            | Exit::PlansDiffer
            | Exit::Locked
            | Exit::PlanMismatch
            | Exit::Guard
            | Exit::ReportNotWritten
            | Exit::Internal,
        ) => None,
    }
}

/// Whether every target without success was left out because of a run in quarantine: another run would
/// leave out the same targets.
fn only_quarantined(ledger: &Ledger) -> bool {
    let totals = ledger.totals();
    let [not_sent, failed] =
        [OutcomeKind::NotSent, OutcomeKind::Failed].map(|kind| totals.count(kind));
    let quarantined = ledger.count_of_reason(Reason::Quarantined);
    quarantined > 0 && quarantined == not_sent && failed == 0
}

/// The command for another run of the same: where there is a window, one that waits for it to open, and after a
/// late run one that leaves out what it has stopped.
fn again(launch: &Launch, late: bool) -> String {
    let asked = launch.narrowed.as_ref().is_some_and(|it| it.remaining);
    let rest = if late && launch.undoes.is_none() && !asked {
        " --remaining"
    } else {
        ""
    };
    let again = &launch.again;
    match (&launch.permit.window, &launch.permit.lifted) {
        (Some(_), None) => format!("{again}{rest} --wait"),
        (_, _) => format!("{again}{rest}"),
    }
}
