//! `lightsout run`: stopping the servers of a workflow or a plan.
//!
//! Owns where the plan comes from; what must be right before its first request is `fresh`'s to check.
//! Invariant: a plan that starts servers is never run by itself.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

use super::args::RunFlags;
use super::cloud::Account;
use super::confirm::Terminal;
use super::execution::Engine;
use super::fresh::{Consent, Told, Wish, begin};
use super::policies::InForce;
use super::selecting::{Made, Source};
use super::{Invocation, again, binding, dry_run, selecting, sources, waiting};
use crate::error::Error;
use crate::exit::Exit;
use crate::ids::Digest;
use crate::plan;
use crate::policy::Approval;
use crate::power::Action;
use crate::untrusted::for_terminal;
use crate::workflow::Inputs;

pub(super) fn run(invocation: &Invocation<'_>, flags: &RunFlags) -> Result<Exit, Error> {
    let (agreed, mut engine) = (Cell::new(None), None);
    let consent = consent(invocation, flags, &agreed)?;
    loop {
        let made = planned(invocation, flags)?;
        let account = Account::of_plan(&made.plan);
        match try_now(invocation, flags, made, (consent, &mut engine)) {
            Err(Error::NotNow(why)) if flags.wait => {
                waiting::wait(invocation, &mut engine, &account, why)?;
            }
            ended => return ended,
        }
    }
}

/// Begins the run, if this is a time for it.
fn try_now(
    invocation: &Invocation<'_>,
    flags: &RunFlags,
    made: Made,
    (consent, engine): (Consent<'_>, &mut Option<Engine>),
) -> Result<Exit, Error> {
    let Made {
        plan, connected, ..
    } = made;
    if flags.wait && plan.window.is_none() {
        let note = "`--wait`: the workflow has no window to wait for";
        invocation.printer.note(note);
    }
    let wish = Wish {
        plan,
        connected,
        cloud: &flags.cloud,
        report: flags.report.as_deref(),
        told: Told {
            narrowing: &flags.narrowing,
            labels: labels(flags),
            again: again::run(invocation, flags),
            undoes: None,
            approval: approval(flags),
            beside: beside(flags),
            lifts: flags.lifting.reason(),
        },
        consent,
    };
    if flags.dry_run {
        return dry_run::dry_run(invocation, wish);
    }
    begin(invocation, engine, wish, |_| Ok(()))
}

/// Only a run of a reviewed plan, one with `--yes` and a dry run need no confirmation.
fn consent<'a>(
    invocation: &Invocation<'_>,
    flags: &RunFlags,
    agreed: &'a Cell<Option<Digest>>,
) -> Result<Consent<'a>, Error> {
    if flags.plan.is_some() || flags.locked || flags.yes || flags.dry_run {
        return Ok(Consent::Given);
    }
    let terminal = Terminal::require(invocation, || again::unattended(invocation, flags))?;
    Ok(if flags.wait {
        Consent::Ahead(terminal, agreed)
    } else {
        Consent::ToBeAsked(terminal)
    })
}

/// The file that the window is in.
fn beside(flags: &RunFlags) -> &Path {
    let file = flags.file.as_deref().or(flags.plan.as_deref());
    file.unwrap_or(Path::new(""))
}

/// How the plan that the flags mean came to be run.
fn approval(flags: &RunFlags) -> Approval {
    if flags.locked {
        Approval::Committed
    } else {
        Approval::Other
    }
}

fn labels(flags: &RunFlags) -> BTreeMap<String, String> {
    flags.label.iter().cloned().collect()
}

fn planned(invocation: &Invocation<'_>, flags: &RunFlags) -> Result<Made, Error> {
    match (&flags.plan, &flags.file) {
        (Some(path), _) => {
            let source = sources::read(path)?;
            let plan = plan::load(source.text());
            let plan = plan.map_err(|error| Error::Plan(path.clone(), error))?;
            if plan.action == Action::Start {
                return Err(Error::PlanOfUndo(path.clone()));
            }
            for warning in &plan.warnings {
                let message = for_terminal(&warning.message);
                invocation.printer.note(format!("warning: {message}"));
            }
            Ok(Made::offline(plan))
        }
        (None, file) => {
            let file = file.as_deref().unwrap_or(Path::new(""));
            if !flags.dry_run {
                // A policy that cannot be relied on is the cause to name, not what it would have granted.
                InForce::read(invocation, approval(flags))?;
            }
            let inputs = Inputs {
                labels: flags.label.clone(),
                ..sources::inputs_of_run(invocation, &flags.variables)?
            };
            let source = match (flags.locked, flags.dry_run) {
                (true, _) => Source::Committed,
                (false, true) => Source::Nowhere,
                (false, false) => Source::Cloud(&flags.cloud),
            };
            let made = selecting::plan_of(invocation, file, &inputs, source)?;
            if !flags.dry_run {
                // A dry run shows the whole plan, and with it these.
                selecting::tell(invocation, &plan::cautions(&made.plan));
            }
            if flags.locked {
                binding::require(invocation, file, &made.plan)?;
            }
            Ok(made)
        }
    }
}
