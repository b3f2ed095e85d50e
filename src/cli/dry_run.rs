//! `lightsout run --dry-run` and `lightsout undo --dry-run`: plan and report, and nothing else.
//!
//! Owns a run in which every target is `not_sent`, `dry_run`. Invariant: no connection is opened, no
//! credentials are read, and nothing is written but what `--report` asks for.

use super::cloud::Account;
use super::fresh::Wish;
use super::policies::{self, InForce};
use super::timing::{self, Timing, Turn};
use super::{Invocation, again, cloud, internal, narrowing, runtime};
use crate::clock::Latest;
use crate::error::Error;
use crate::event::{Launch, Mode, Permit};
use crate::exit::Exit;
use crate::ids::RunId;
use crate::ledger::Ledger;
use crate::plan::{self, Judgement, NextCommands};
use crate::report::{Kept, Report, RunFacts, summary};
use crate::run::{self, Recorder};
use crate::state::ReportPlace;

pub(super) fn dry_run(invocation: &Invocation<'_>, wish: Wish<'_>) -> Result<Exit, Error> {
    let place = wish.report.map(ReportPlace::prove).transpose()?;
    let plan = &wish.plan;
    let left_out = narrowing::narrowing(invocation, wish.told.narrowing, plan)?;
    left_out.tell(invocation);
    let lifts = wish.told.lifts;
    let in_force = InForce::read(invocation, wish.told.approval);
    let in_force = in_force.map(|in_force| in_force.with(timing::lifting(lifts)));
    let judgement = match &in_force {
        Ok(in_force) => in_force.judge(plan),
        Err(_) => Judgement::of(plan),
    };
    let commands = NextCommands {
        rehearse: again::of_typed(invocation, "rehearse"),
        run: wish.told.again.clone(),
    };
    let shown = plan::to_text(plan, &judgement, &commands);
    invocation.printer.note(shown.trim_end_matches('\n'));
    let clock = cloud::clock(invocation, &Account::of_plan(plan))?;
    let (permit, not_now) = match &in_force {
        Ok(in_force) => {
            let timing = Timing::of(in_force, plan, wish.told.beside, lifts);
            timing.check_calendars()?;
            let warning = timing.warn(invocation, clock.now());
            (timing.permit(clock.now(), Turn::default()), warning)
        }
        Err(_) => (Permit::default(), None),
    };
    timing::tell_idle(invocation, &permit);
    let recorder = Recorder::new(
        Ledger::new(plan),
        Latest::new(clock),
        None,
        Box::new(|_| {}),
    );
    let launch = Launch {
        // Never shown: a dry run has no folder that an ID could name.
        run: RunId::new(clock.now(), 0),
        project: Some(plan.project.clone()),
        mode: Mode::DryRun,
        labels: wish.told.labels,
        again: wish.told.again,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        warnings: left_out.warning.into_iter().chain(not_now).collect(),
        narrowed: left_out.narrowed,
        quarantined: Vec::new(),
        release: None,
        undoes: wish.told.undoes,
        report: None,
        approval: wish.told.approval,
        permit,
        guards: judgement.rulings.clone(),
    };
    let ended = runtime()?.block_on(run::dry_run(launch, plan, left_out.slots, &recorder));
    ended.map_err(|error| internal("go through the plan", error))?;
    recorder.read(|ledger| match RunFacts::of(plan, ledger) {
        Some(facts) => deliver(invocation, &Report::build(plan, ledger, &facts), place),
        None => Ok(()),
    })?;
    in_force?;
    policies::refuse(&judgement)?;
    Ok(Exit::Success)
}

fn deliver(
    invocation: &Invocation<'_>,
    report: &Report<'_>,
    place: Option<ReportPlace>,
) -> Result<(), Error> {
    let mut places = Vec::new();
    match place {
        Some(place) => {
            place.write(|file| report.write_json(file))?;
            places.push(place.path().display().to_string());
        }
        None => {
            let printed = invocation.printer.data(|out| report.write_json(out));
            printed.map_err(Error::Stdout)?;
        }
    }
    invocation
        .printer
        .note(summary(report, Kept::Reports(&places)));
    Ok(())
}
