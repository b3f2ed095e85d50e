//! The exit code that a run has earned (design §13).
//!
//! Owns the precedence. Invariant: the code of a run that is over follows from what became of its targets,
//! whichever of its processes left them; only a process that ends early adds why it does.

use super::{BatchRecord, Ledger};
use crate::event::{Mode, StopCause};
use crate::exit::Exit;
use crate::outcome::{Outcome, OutcomeKind};

/// The causes that a target tells by its reason alone.
const TOLD_BY_REASON: [StopCause; 5] = [
    StopCause::Late,
    StopCause::MaxFailures,
    StopCause::Gate,
    StopCause::Cutoff,
    StopCause::Clock,
];

impl Ledger {
    /// The exit code that this run has earned so far (design §13).
    pub fn exit(&self) -> Exit {
        let exit = self.exit_by_outcomes();
        if self.report_misplaced {
            exit.without_report()
        } else {
            exit
        }
    }

    pub(super) fn exit_by_outcomes(&self) -> Exit {
        let totals = self.totals();
        let any = |kind| totals.count(kind) > 0;
        let cause = self.stopped.as_ref().map(|(cause, _)| *cause);
        let dry = self
            .began
            .as_ref()
            .is_some_and(|began| began.launch.mode == Mode::DryRun);
        if cause == Some(StopCause::Journal) {
            // The journal cannot say that the run is over, so it is not.
            return self.exit_if_left();
        }
        if totals.pending() > 0 {
            return match cause {
                Some(cause) if cause.leaves_unfinished() => self.exit_if_left(),
                // Its process died, or is still at work.
                Some(_) | None => Exit::Resumable,
            };
        }
        if any(OutcomeKind::Unknown) {
            Exit::SomeUnknown
        } else if cause.is_some_and(StopCause::is_refusal) && !self.may_have_acted() {
            Exit::Refused
        } else if cause == Some(StopCause::Policy) && !self.may_have_acted() {
            Exit::Guard
        } else if self.is_put_off() {
            Exit::NotNow
        } else if self.left_unsent(StopCause::MaxFailures) || self.left_unsent(StopCause::Gate) {
            Exit::StoppedEarly
        } else if self.left_unsent(StopCause::Cutoff) {
            Exit::CutOff
        } else if any(OutcomeKind::Failed) || (any(OutcomeKind::NotSent) && !dry) {
            Exit::SomeFailed
        } else {
            Exit::Success
        }
    }

    /// Whether nothing was sent, and something was left unsent that another time may do.
    fn is_put_off(&self) -> bool {
        let cause = self.stopped.iter().map(|(cause, _)| *cause);
        let mut causes = cause.chain(TOLD_BY_REASON);
        let put_off = causes.any(|cause| cause.is_for_now() && self.left_unsent(cause));
        put_off && !self.may_have_acted()
    }

    /// Whether a target was left unsent because of `cause`.
    pub fn left_unsent(&self, cause: StopCause) -> bool {
        let unsent = Some(Outcome::NotSent(cause.reason()));
        let mut targets = self.batches.iter().flat_map(BatchRecord::targets);
        targets.any(|target| target.outcome() == unsent)
    }

    /// The exit code of a process that leaves without waiting for anything more.
    pub fn exit_if_left(&self) -> Exit {
        let sends = self.batches.iter().flat_map(BatchRecord::sends);
        if sends.filter(|send| !send.withdrawn).count() > 0 {
            Exit::Resumable
        } else {
            Exit::Halted
        }
    }
}
