//! Whether a run can be undone, and how: its plan and what is known of it → the plan of the way back. Pure.
//!
//! Owns which servers a run has stopped for sure, and every reason not to undo it; finding the run and its
//! earlier undos is for those who ask. Invariant: a server is on the way back only if the run saw it on
//! before its stop and off after it.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::duration;
use crate::exit::Exit;
use crate::ids::{RunId, ServerId};
use crate::ledger::{Ledger, TargetRecord};
use crate::outcome::OutcomeKind;
use crate::plan::{Plan, reverse};
use crate::power::{Action, Standing};

/// How a run is undone.
#[derive(Debug)]
pub struct WayBack {
    /// What is started.
    pub plan: Plan,
    /// When the run began.
    pub began_at: Timestamp,
    /// How many servers count as stopped that the run did not see on before and off after.
    pub unseen: usize,
}

/// Why a run is not undone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its own work is not over.
    #[error("run {0} is not finished")]
    Unfinished(RunId),
    /// It is an undo itself.
    #[error("run {run} is itself an undo, of run {of}")]
    Undo {
        /// The run.
        run: RunId,
        /// The run that it has undone.
        of: RunId,
    },
    /// It touched nothing real.
    #[error("it is a {0}: no real server was stopped")]
    NotReal(&'static str),
    /// It is too long ago.
    #[error("run {run} began {} ago, and the limit is {}", duration::format(*age), duration::format(*limit))]
    TooOld {
        /// The run.
        run: RunId,
        /// How long ago it began.
        age: Duration,
        /// How long ago it may have begun.
        limit: Duration,
    },
    /// An undo of it has done its work, or has begun to.
    #[error("run {run} was undone before, by run {by}")]
    UndoneBefore {
        /// The run.
        run: RunId,
        /// The undo.
        by: RunId,
        /// Whether that is over.
        over: bool,
    },
    /// There is nothing to start.
    #[error("run {0} has stopped no server that it saw on before and off after")]
    NothingStopped(RunId),
    /// The state folder has no run of the workflow.
    #[error("there is no run of a workflow named `{0}`")]
    NoneOf(String),
    /// A report names a run that the state folder does not have.
    #[error("the run {0} of the report is not in the state folder")]
    NotHere(RunId),
    /// A report and the run that it names are of different plans.
    #[error("the report is not that of run {0}: their plans differ")]
    OtherPlan(RunId),
    /// More became known of the run while it was looked at.
    #[error("run {0} has changed in the meantime")]
    Changed(RunId),
}

impl Refused {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unfinished(run) => format!(
                "first `lightsout resume {run}` goes on with it, or `lightsout settle {run}` ends it"
            ),
            Self::Undo { .. } => "to stop the servers again, run the workflow".to_owned(),
            Self::NotReal(_) => "name a run of real servers".to_owned(),
            Self::TooOld { .. } => {
                "see that its servers are still to be started, then give a longer `--max-age`"
                    .to_owned()
            }
            Self::UndoneBefore { by, over: true, .. } => format!(
                "see `lightsout report {by}`: what it did not start is to be started by hand"
            ),
            Self::UndoneBefore { by, .. } => {
                format!("that is not finished: `lightsout resume {by}` goes on with it")
            }
            Self::NothingStopped(run) => {
                format!("see `lightsout report {run}` for what became of its servers")
            }
            Self::NoneOf(_) => "give the name as it stands in the workflow, or the ID of a run; \
                                check `--state-dir`"
                .to_owned(),
            Self::NotHere(run) => format!(
                "undo it on the machine that ran it, or copy its folder `runs/{run}` from there into \
                 the state folder; a report alone does not prove what was stopped"
            ),
            Self::OtherPlan(_) => "name the run by its ID".to_owned(),
            Self::Changed(_) => "look at it, and try again".to_owned(),
        }
    }
}

/// The way back of a run, `now`, if it began at most `max_age` ago.
pub fn way_back(
    run: &RunId,
    (plan, ledger): (&Plan, &Ledger),
    now: Timestamp,
    max_age: Duration,
) -> Result<WayBack, Refused> {
    let Some(began) = ledger.began() else {
        return Err(Refused::Unfinished(run.clone()));
    };
    if let Some(of) = &began.launch.undoes {
        let (run, of) = (run.clone(), of.clone());
        return Err(Refused::Undo { run, of });
    }
    if ledger.finished_at().is_none() {
        return Err(Refused::Unfinished(run.clone()));
    }
    // A run that seems to begin only in the future is not old.
    let age = Duration::try_from(now.duration_since(began.at)).unwrap_or_default();
    if age > max_age {
        // To the minute: nobody decides by seconds.
        let age = Duration::from_secs(age.as_secs() / 60 * 60);
        return Err(Refused::TooOld {
            run: run.clone(),
            age,
            limit: max_age,
        });
    }
    let (stopped, unseen) = stopped(plan, ledger);
    if stopped.is_empty() {
        return Err(Refused::NothingStopped(run.clone()));
    }
    Ok(WayBack {
        plan: reverse(plan, run, &stopped),
        began_at: began.at,
        unseen,
    })
}

/// The servers that were stopped for sure, and how many more count as stopped.
fn stopped(plan: &Plan, ledger: &Ledger) -> (HashSet<ServerId>, usize) {
    let batches = plan.batches.iter().zip(ledger.batches());
    let targets = batches.flat_map(|(batch, record)| batch.servers().iter().zip(record.targets()));
    let done = targets.filter(|(_, target)| {
        let outcome = target.outcome();
        outcome.is_some_and(|outcome| outcome.kind() == OutcomeKind::Done)
    });
    let (seen, unseen): (Vec<_>, Vec<_>) =
        done.partition(|(_, target)| was_moved(plan.action, target));
    let stopped = seen.into_iter().map(|(id, _)| *id).collect();
    (stopped, unseen.len())
}

/// Whether a target was seen on the one side before its request and on the other after it.
fn was_moved(action: Action, target: &TargetRecord) -> bool {
    let stood = |state: Option<crate::power::StateClass>, standing| {
        state.is_some_and(|state| state.under(action) == standing)
    };
    stood(target.before(), Standing::Opposite) && stood(target.after(), Standing::There)
}

/// Whether an undo stands in the way of another one: it has, or may have, started something, or found
/// all as it should be. One that was refused or halted before its first request does not.
pub fn counts(undo: &Ledger) -> bool {
    undo.may_have_acted() || (undo.finished_at().is_some() && undo.exit() == Exit::Success)
}
