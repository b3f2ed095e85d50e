//! Taking up a run that an earlier process left: what `resume`, `settle` and the next `run` share.
//!
//! Owns which run is meant, whether it may still send, and under which lock it goes on. Invariant:
//! nothing is read from a journal to go on with before the lock of its project is held.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::args::EarlierFlags;
use super::cloud::{Account, Connected};
use super::execution::{Beginning, Engine, Execution, Resumption, perform};
use super::policies::{self, Asking, InForce};
use super::quarantine;
use super::timing::{self, Timing};
use super::{Invocation, cloud, settings, tell};
use crate::clock::Latest;
use crate::duration;
use crate::error::Error;
use crate::event::{Permit, StopCause};
use crate::exit::Exit;
use crate::ids::RunId;
use crate::plan::{Judgement, Ruling};
use crate::policy::Approval;
use crate::report::count;
use crate::run::{Gates, Hours, untouched};
use crate::state::{Holder, Keep, Lock, Recorded, ReportPlace, Switch, concerns, unfinished};

/// What is to be done with the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// Go on; `even_late` if what is left is sent however long ago the run was left.
    Resume { even_late: bool },
    /// Only find out what became of what was sent.
    Settle,
}

/// Takes up the run that the flags mean.
pub(super) fn take_up(
    invocation: &Invocation<'_>,
    flags: &EarlierFlags,
    aim: Aim,
) -> Result<Exit, Error> {
    let state = settings::state_folder(&invocation.general, invocation.around)?;
    let run = match &flags.run {
        Some(run) => run.clone(),
        None => only_unfinished(&state)?,
    };
    quarantine::refuse(invocation, &state, &run)?;
    let project = Recorded::read(&state, Keep::Runs, &run)?
        .plan
        .project
        .clone();
    let mut lock = Lock::take(&state, &project)?;
    lock.name(&Holder::this(Some(run.clone())))?;
    // Again, under the lock: the process that held it until now has gone on writing.
    let recorded = Recorded::read(&state, Keep::Runs, &run)?;
    if aim != Aim::Settle && recorded.ledger.finished_at().is_some() {
        return Err(Error::AlreadyFinished(run));
    }
    let account = Account::of_plan(&recorded.plan);
    let Connected { client, clock, .. } = cloud::connect(invocation, &flags.cloud, &account)?;
    let permit = permit(&recorded);
    let lifts = permit.lifted.as_ref().map(|lifted| lifted.reason.as_str());
    let in_force = InForce::read(invocation, approval(&recorded));
    let in_force = in_force.map(|in_force| in_force.with(timing::lifting(lifts)));
    let asked = flags
        .report
        .as_deref()
        .map(ReportPlace::prove)
        .transpose()?;
    cloud::odd_state(invocation, &state);
    let place = cloud::place(&recorded, asked)?;
    let mut engine = Engine::start(invocation, clock)?;
    let mut latest = Latest::new(clock);
    let newest = recorded.ledger.newest();
    newest.into_iter().for_each(|at| latest.see(at));
    let hours = match &in_force {
        Ok(in_force) => Timing::of_earlier(in_force, &permit).hours(latest.now(), permit.obeyed()),
        Err(_) => Hours {
            occurrence: permit.obeyed(),
            freezes: None,
        },
    };
    let standing = Standing {
        state: &state,
        latest,
        hours,
        permit: &permit,
    };
    let (forbidden, guards) = match forbidden(&recorded, aim, &standing) {
        Some(cause) => (Some(cause), Vec::new()),
        None => {
            let asking = Asking {
                client: &client,
                clock,
                state: &state,
            };
            let decided = in_force.and_then(|in_force| {
                let judgement = in_force.decide(&mut engine, &recorded.plan, &asking)?;
                Timing::of_earlier(&in_force, &permit).check(latest.now())?;
                Ok(judgement)
            });
            ruled(invocation, decided)?
        }
    };
    if forbidden == Some(StopCause::Late) {
        warn_late(invocation, &recorded, clock.now());
    }
    let gates = match forbidden {
        Some(_) => Gates::NotAsked,
        None => cloud::gates(&flags.cloud, &recorded.plan, clock)?,
    };
    let crash = settings::crash(invocation.around, &recorded.plan.project.endpoint)?;
    let execution = Execution {
        plan: Arc::new(recorded.plan),
        client,
        latest,
        folder: recorded.folder,
        place,
        // Where nothing is sent, a stop switch has nothing to stop: what was sent is still followed.
        switch: forbidden.is_none().then_some(state),
        hours,
        gates,
        lock: Some(lock.check()?),
        crash,
    };
    let beginning = Beginning::Resumed(Box::new(Resumption {
        replayed: recorded.replayed,
        ledger: recorded.ledger,
        forbidden,
        even_late: aim == Aim::Resume { even_late: true },
        guards,
    }));
    perform(invocation, &mut engine, execution, beginning)
}

fn only_unfinished(state: &Path) -> Result<RunId, Error> {
    let mut runs = unfinished(state)?;
    match (runs.len(), runs.pop()) {
        (1, Some(run)) => Ok(run),
        (0, _) | (_, None) => Err(Error::NoUnfinished),
        (_, Some(last)) => {
            runs.push(last);
            Err(Error::SeveralUnfinished(runs))
        }
    }
}

/// How the plan of an earlier run came to be run.
fn approval(recorded: &Recorded) -> Approval {
    let began = recorded.ledger.began();
    began.map_or(Approval::Other, |began| began.launch.approval)
}

/// When an earlier run may send, as was found when it began.
fn permit(recorded: &Recorded) -> Permit {
    let began = recorded.ledger.began();
    began.map_or_else(Permit::default, |began| began.launch.permit.clone())
}

/// What policies and guards make of a plan whose run is taken up: a breach, or not to know, forbids sends
/// only, and what was sent is still followed.
fn ruled(
    invocation: &Invocation<'_>,
    decided: Result<Judgement, Error>,
) -> Result<(Option<StopCause>, Vec<Ruling>), Error> {
    let (refused, rulings) = match decided {
        Ok(judgement) => (policies::refuse(&judgement).err(), judgement.rulings),
        Err(error) => (Some(error), Vec::new()),
    };
    match refused {
        None => Ok((None, rulings)),
        Some(Error::Halted(_)) => Ok((Some(StopCause::Halted), rulings)),
        Some(error @ Error::InterruptedReading) => Err(error),
        Some(error @ Error::NotNow(_)) => {
            tell(invocation, &error);
            Ok((Some(StopCause::Frozen), rulings))
        }
        Some(error) => {
            tell(invocation, &error);
            Ok((Some(StopCause::Policy), rulings))
        }
    }
}

/// How things stand where a run is taken up.
struct Standing<'a> {
    state: &'a Path,
    latest: Latest,
    hours: Hours,
    permit: &'a Permit,
}

/// Why a run that is taken up may not send, if so.
fn forbidden(recorded: &Recorded, aim: Aim, standing: &Standing<'_>) -> Option<StopCause> {
    let now = standing.latest.now();
    let Aim::Resume { even_late } = aim else {
        return Some(StopCause::Settling);
    };
    // How long the open jobs ran after that, nobody knows who was not there.
    let longest = recorded
        .ledger
        .longest_job(recorded.last_at().unwrap_or(now));
    let over = standing.hours.refuse(now, longest);
    // A closure is told with its file and reason, when the policies are asked.
    if let Some(StopCause::Cutoff) = over {
        return over;
    }
    // Waves are not passed over: what follows those that a gate held back is held back too.
    if recorded.ledger.left_unsent(StopCause::Gate) {
        return Some(StopCause::Gate);
    }
    let clock = standing.latest.clock();
    let late = recorded.ledger.is_late_at(clock.now(), &clock.uptime());
    let window = standing.permit.window.as_ref();
    let open = window.is_some_and(|window| window.occurrence.contains(now));
    if late && !even_late && !open {
        return Some(StopCause::Late);
    }
    let switch = Switch::in_force(standing.state, clock.now());
    switch.map(|_| StopCause::Halted)
}

/// Warns before a late run is finished without what was never sent.
fn warn_late(invocation: &Invocation<'_>, recorded: &Recorded, now: Timestamp) {
    let untouched = untouched(&recorded.ledger);
    if untouched == 0 {
        return;
    }
    let run = recorded.folder.run();
    let left = recorded.ledger.last_sender_at().map(|last| {
        let ago = Duration::try_from(now.duration_since(last)).unwrap_or_default();
        let ago = duration::format(Duration::from_secs(ago.as_secs()));
        format!(" its last record is of {last:.0}, {ago} ago.")
    });
    let servers = count(untouched, "server");
    let left = left.unwrap_or_default();
    invocation.printer.note(format!(
        "warning: run {run} is late:{left} {servers} will be `not_sent`, and this finishes the run.\n  \
         The summary names the command for a new run of them. In this run, only `lightsout resume {run} --send` sends them."
    ));
}

/// Settles the unfinished runs of a project, so that the next one can begin.
pub(super) fn settle_earlier(
    invocation: &Invocation<'_>,
    engine: &mut Engine,
    (state, lock): (&Path, &mut Lock),
    next: &super::fresh::Prepared,
) -> Result<(), Error> {
    for run in unfinished(state)? {
        if !concerns(state, &run, &next.plan.project) {
            continue;
        }
        let unreadable = |error| quarantine::unreadable(invocation, state, &run, error);
        let recorded = Recorded::read(state, Keep::Runs, &run).map_err(unreadable)?;
        lock.name(&Holder::this(Some(run.clone())))?;
        let note =
            format!("the earlier run {run} of this project was left unfinished: settling it");
        invocation.printer.note(note);
        // A place that is not its own report's may be the one that the next run wants.
        let place = cloud::place(&recorded, None).ok().flatten();
        let place = place.filter(ReportPlace::is_own);
        let execution = Execution {
            plan: Arc::new(recorded.plan),
            client: next.client.clone(),
            latest: next.latest,
            folder: recorded.folder,
            place,
            switch: None,
            hours: Hours::default(),
            gates: Gates::NotAsked,
            lock: Some(lock.check()?),
            crash: None,
        };
        let beginning = Beginning::Resumed(Box::new(Resumption {
            replayed: recorded.replayed,
            ledger: recorded.ledger,
            forbidden: Some(StopCause::Settling),
            even_late: false,
            guards: Vec::new(),
        }));
        let taken = engine.signals().taken();
        let exit = perform(invocation, engine, execution, beginning)
            .map_err(|error| Error::Unsettled(run.clone(), Some(Box::new(error))))?;
        if unfinished(state)?.contains(&run) {
            let interrupted = matches!(exit, Exit::Resumable | Exit::Halted);
            return Err(if interrupted {
                Error::InterruptedBefore(run)
            } else {
                Error::Unsettled(run, None)
            });
        }
        // It came too late for the earlier run, but it was meant for the next one, too.
        if let Some(name) = engine.signals().taken_beyond(taken) {
            return Err(Error::InterruptedEarly(name));
        }
    }
    Ok(())
}
