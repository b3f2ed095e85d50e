//! From a plan to a run that begins: what `run` and `undo` share.
//!
//! Owns the order of what must be right before the first request: policies and guards, clock, host,
//! credentials, report place, consent, lock, stop switch, earlier runs, and what servers must be read for. Invariant: whatever fails here, nothing has
//! been sent.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::args::{CloudFlags, NarrowingFlags};
use super::cloud::{Account, Connected};
use super::confirm::Terminal;
use super::execution::{Beginning, Engine, Execution, perform};
use super::policies::{self, Asking, InForce};
use super::quarantine::{self, KeptOut};
use super::timing::{self, Timing};
use super::{Invocation, cloud, confirm, narrowing, settings, take_up};
use crate::bms::Client;
use crate::clock::Latest;
use crate::error::Error;
use crate::event::{Launch, Mode, Permit};
use crate::exit::Exit;
use crate::ids::{Digest, RunId};
use crate::plan::{Plan, PlanWarning, Ruling};
use crate::policy::Approval;
use crate::run::{Gates, Hours};
use crate::state::{Holder, Keep, Lock, ReportPlace, RunFolder, Switch};

/// What is to be run, and how.
pub(super) struct Wish<'a> {
    pub(super) plan: Plan,
    /// How the cloud was reached for the plan, if it was.
    pub(super) connected: Option<Connected>,
    pub(super) cloud: &'a CloudFlags,
    /// The further place for the report that the command line asks for.
    pub(super) report: Option<&'a Path>,
    pub(super) told: Told<'a>,
    pub(super) consent: Consent<'a>,
}

/// What the run's journal tells of how it was asked for.
pub(super) struct Told<'a> {
    pub(super) narrowing: &'a NarrowingFlags,
    pub(super) labels: BTreeMap<String, String>,
    /// The command that would start a real run of the same.
    pub(super) again: String,
    /// The run that is undone, if it is an undo.
    pub(super) undoes: Option<RunId>,
    /// How the plan came to be run, for policies that require something of that; nothing of an undo.
    pub(super) approval: Approval,
    /// The file that names the window, if any does: a workflow, or a plan.
    pub(super) beside: &'a Path,
    /// Why window, closures and earlier runs are not to keep it from sending, if somebody says so.
    pub(super) lifts: Option<&'a str>,
}

/// Whether somebody has agreed to the number of servers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Consent<'a> {
    Given,
    /// The person at the terminal is asked.
    ToBeAsked(Terminal),
    /// The person at the terminal is asked before the run waits, because later the terminal can be unattended. The answer holds
    /// for the plan of this digest.
    Ahead(Terminal, &'a Cell<Option<Digest>>),
}

/// A plan that may be run, and whom to ask.
pub(super) struct Prepared {
    pub(super) plan: Plan,
    pub(super) client: Client,
    /// Its clock, and the latest that it can be.
    pub(super) latest: Latest,
    warnings: Vec<PlanWarning>,
    /// What guards and policies make of the plan.
    guards: Vec<Ruling>,
    /// When it may send.
    permit: Permit,
    /// When it may send, as far as that is known.
    hours: Hours,
    /// The servers that runs in quarantine keep out.
    kept_out: KeptOut,
    /// Whom gates are asked by.
    gates: Gates,
    /// The further place that the command line asks for.
    asked: Option<ReportPlace>,
}

/// Begins the run and follows it to its end. `last_look` is what else must be right, looked at under the
/// lock and before anything is settled.
pub(super) fn begin(
    invocation: &Invocation<'_>,
    engine: &mut Option<Engine>,
    wish: Wish<'_>,
    last_look: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<Exit, Error> {
    let Wish { told, consent, .. } = wish;
    let in_force = InForce::read(invocation, told.approval)?.with(timing::lifting(told.lifts));
    let timing = Timing::of(&in_force, &wish.plan, told.beside, told.lifts);
    timing.check_calendars()?;
    in_force.admit(&wish.plan)?;
    let mut prepared = prepare(
        invocation,
        wish.plan,
        wish.connected,
        (wish.cloud, wish.report),
    )?;
    if let Consent::Ahead(terminal, agreed) = consent {
        if agreed.get() != Some(prepared.plan.digest) {
            agree(invocation, terminal, &told, &prepared.plan)?;
        }
        agreed.set(Some(prepared.plan.digest));
    }
    timing.check(prepared.latest.now())?;
    let clock = prepared.latest.clock();
    let state = settings::state_folder(&invocation.general, invocation.around)?;
    if let Consent::ToBeAsked(terminal) = consent {
        agree(invocation, terminal, &told, &prepared.plan)?;
    }
    let mut lock = Lock::take(&state, &prepared.plan.project)?;
    if let Some(switch) = Switch::in_force(&state, clock.now()) {
        return Err(Error::Halted(switch));
    }
    last_look(&state)?;
    let turn = timing.turn(prepared.latest.now(), &prepared.plan, &state)?;
    prepared
        .warnings
        .extend(cloud::odd_state(invocation, &state));
    let engine = Engine::of(engine, invocation, clock)?;
    take_up::settle_earlier(invocation, engine, (&state, &mut lock), &prepared)?;
    prepared.kept_out = quarantine::kept_out(invocation, &state, &prepared.plan)?;
    let kept_out = prepared.kept_out.warning.iter().cloned();
    prepared.warnings.extend(kept_out);
    let asking = Asking {
        client: &prepared.client,
        clock,
        state: &state,
    };
    let judgement = in_force.decide(engine, &prepared.plan, &asking)?;
    policies::refuse(&judgement)?;
    prepared.guards = judgement.rulings;
    let now = prepared.latest.now();
    timing.check_turn(now, &turn)?;
    prepared.permit = timing.permit(now, turn);
    prepared.hours = timing.hours(now, prepared.permit.obeyed());
    timing::tell_idle(invocation, &prepared.permit);
    let folder = RunFolder::create(&state, Keep::Runs, clock.now())?;
    lock.name(&Holder::this(Some(folder.run().clone())))?;
    let made = lock.check().map_err(Error::from).and_then(|lock| {
        let (execution, beginning) = execution(invocation, told, prepared, folder.clone(), &state)?;
        let lock = Some(lock);
        Ok((Execution { lock, ..execution }, beginning))
    });
    let (execution, beginning) = match made {
        Ok(made) => made,
        Err(error) => {
            folder.discard();
            return Err(error);
        }
    };
    perform(invocation, engine, execution, beginning)
}

/// Asks for consent to what is left of a plan.
fn agree(
    invocation: &Invocation<'_>,
    terminal: Terminal,
    told: &Told<'_>,
    plan: &Plan,
) -> Result<(), Error> {
    let left_out = narrowing::narrowing(invocation, told.narrowing, plan)?;
    let left = plan.target_count() - left_out.count();
    confirm::confirm(invocation, terminal, plan, left)
}

fn prepare(
    invocation: &Invocation<'_>,
    plan: Plan,
    connected: Option<Connected>,
    (cloud, report): (&CloudFlags, Option<&Path>),
) -> Result<Prepared, Error> {
    let connected = match connected {
        Some(connected) => connected,
        None => cloud::connect(invocation, cloud, &Account::of_plan(&plan))?,
    };
    let Connected {
        client,
        clock,
        warnings,
    } = connected;
    let asked = report.map(ReportPlace::prove).transpose()?;
    Ok(Prepared {
        gates: cloud::gates(cloud, &plan, clock)?,
        plan,
        client,
        latest: Latest::new(clock),
        warnings,
        guards: Vec::new(),
        permit: Permit::default(),
        hours: Hours::default(),
        kept_out: KeptOut::default(),
        asked,
    })
}

fn execution(
    invocation: &Invocation<'_>,
    told: Told<'_>,
    prepared: Prepared,
    folder: RunFolder,
    state: &Path,
) -> Result<(Execution, Beginning), Error> {
    let Prepared {
        plan,
        client,
        latest,
        warnings,
        guards,
        permit,
        hours,
        kept_out,
        gates,
        asked,
    } = prepared;
    let templated = cloud::templated(&plan, folder.run(), latest.clock().now())?;
    let place = match (asked, templated) {
        (Some(place), _) => Some(place),
        (None, Some(path)) => Some(ReportPlace::prove_confined(&path, told.beside, state)?),
        (None, None) => None,
    };
    let left_out = narrowing::narrowing(invocation, told.narrowing, &plan)?;
    left_out.tell(invocation);
    let launch = Launch {
        run: folder.run().clone(),
        project: Some(plan.project.clone()),
        mode: Mode::Run,
        labels: told.labels,
        again: told.again,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        warnings: warnings.into_iter().chain(left_out.warning).collect(),
        narrowed: left_out.narrowed,
        quarantined: kept_out.without(&left_out.slots),
        release: kept_out.release,
        undoes: told.undoes,
        report: place.as_ref().and_then(ReportPlace::confined),
        approval: told.approval,
        permit,
        guards,
    };
    let execution = Execution {
        crash: settings::crash(invocation.around, &plan.project.endpoint)?,
        plan: Arc::new(plan),
        client,
        latest,
        folder,
        place,
        switch: Some(state.to_owned()),
        hours,
        gates,
        lock: None,
    };
    Ok((
        execution,
        Beginning::Fresh(Box::new(launch), left_out.slots),
    ))
}
