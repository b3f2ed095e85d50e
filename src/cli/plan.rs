//! `lightsout plan`: what a run would do, and whether that is what was reviewed.
//!
//! Owns choosing the form and writing files. Invariant: a plan that breaks a guard is shown and written
//! whole all the same, and the exit code tells; no file that is not a plan is replaced by one.

use super::args::{PlanFlags, PlanFormat};
use super::policies::{self, InForce};
use super::selecting::{Made, Source};
use super::{Invocation, again, binding, live, review, selecting, sources};
use crate::error::Error;
use crate::exit::Exit;
use crate::outlook::Outlook;
use crate::plan::{self, Changes, Judgement, NextCommands, Plan};
use crate::policy::Approval;
use crate::state;

pub(super) fn plan(invocation: &Invocation<'_>, flags: &PlanFlags) -> Result<Exit, Error> {
    if let Some(base) = &flags.base {
        return review::review(invocation, flags, base);
    }
    let inputs = sources::inputs(invocation, &flags.variables)?;
    let made = selecting::plan_of(invocation, &flags.file, &inputs, source(flags))?;
    let Made {
        plan: made,
        connected,
        ..
    } = made;
    let in_force = InForce::read(invocation, Approval::Open);
    let judgement = match &in_force {
        Ok(in_force) => in_force.judge(&made),
        Err(_) => Judgement::of(&made),
    };
    if let Some(path) = &flags.out {
        binding::check_replaceable(path)?;
    }
    let written = flags.write.then(|| binding::place(&flags.file));
    for path in flags.out.iter().chain(&written) {
        state::write_over(path, |file| plan::write_json(&made, file))?;
    }
    let compared = if flags.check {
        binding::check(invocation, (&made, &judgement), flags)?
    } else if let Some(old) = &flags.against {
        let exit = binding::compare(invocation, &binding::load(old)?, (&made, &judgement), flags)?;
        if flags.exit_code { exit } else { Exit::Success }
    } else if flags.live {
        let seen = live::read(invocation, &flags.cloud, &made, connected)?;
        let outlook = Outlook::of(&made, &seen);
        show_live(invocation, flags, &outlook, (&made, &judgement))?;
        Exit::Success
    } else {
        show(invocation, flags, (&made, &judgement))?;
        Exit::Success
    };
    in_force?;
    policies::refuse(&judgement)?;
    Ok(compared)
}

/// What can be typed after a plan.
fn next(invocation: &Invocation<'_>, flags: &PlanFlags) -> NextCommands {
    NextCommands {
        rehearse: again::of_typed(invocation, "rehearse"),
        run: again::of_file(invocation, &flags.file, &flags.variables),
    }
}

/// Where what groups select is looked for.
pub(super) fn source(flags: &PlanFlags) -> Source<'_> {
    match &flags.inventory {
        _ if flags.check => Source::Committed,
        _ if flags.frozen => Source::Frozen,
        Some(listing) => Source::Saved(listing),
        None => Source::Cloud(&flags.cloud),
    }
}

/// The comment on a plan that is compared with nothing.
fn comment(flags: &PlanFlags, made: &Plan, judgement: &Judgement) -> String {
    let path = review::shown_path(&flags.file);
    plan::to_markdown(made, &path, &Changes::NotCompared, judgement)
}

fn show(
    invocation: &Invocation<'_>,
    flags: &PlanFlags,
    (made, judgement): (&Plan, &Judgement),
) -> Result<(), Error> {
    let next = next(invocation, flags);
    let printed = invocation.printer.data(|out| match flags.format {
        _ if flags.requests => plan::write_requests(made, out),
        PlanFormat::Text => out.write_all(plan::to_text(made, judgement, &next).as_bytes()),
        PlanFormat::Json => plan::write_json(made, out),
        PlanFormat::Md => out.write_all(comment(flags, made, judgement).as_bytes()),
    });
    printed.map_err(Error::Stdout)?;
    if flags.requests && !made.batches.is_empty() {
        invocation
            .printer
            .note(format_args!("{} request", plan::ONE_MORE_REQUEST));
    }
    Ok(())
}

fn show_live(
    invocation: &Invocation<'_>,
    flags: &PlanFlags,
    outlook: &Outlook<'_>,
    (made, judgement): (&Plan, &Judgement),
) -> Result<(), Error> {
    let next = next(invocation, flags);
    let printed = invocation.printer.data(|out| match flags.format {
        PlanFormat::Text => {
            let plan = plan::to_text(made, judgement, &next);
            write!(out, "{plan}\n{}", outlook.to_text())
        }
        PlanFormat::Json => outlook.write_json(out),
        PlanFormat::Md => {
            let plan = comment(flags, made, judgement);
            write!(out, "{plan}{}", outlook.to_markdown())
        }
    });
    printed.map_err(Error::Stdout)
}
