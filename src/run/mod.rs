//! Stage 4: [`Plan`] → [`Event`]s, by asking the cloud.
//!
//! Groups in order, waves in order, up to `in_flight` batches at a time; the life of one batch is
//! before → send → follow → after. Everything that happens is said through the [`Recorder`]; what
//! became of a target is decided by the pure tables in `triage`, `reaction` and `verdict`. Invariant:
//! when [`execute`] returns well, every target has its outcome, and no request was sent again unless
//! the cloud had surely not taken it.

mod after;
mod batch;
mod before;
mod follow;
mod patience;
mod reaction;
mod recorder;
mod send;
mod states;
#[cfg(test)]
mod tests;
mod triage;
mod verdict;

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::bms::{Client, Evidence};
use crate::clock::Clock;
use crate::event::{Event, Mode, Slots, StopCause};
use crate::ids::{BatchIndex, RunId};
use crate::ledger::{Ledger, Misfit};
use crate::outcome::{Outcome, Reason};
use crate::plan::{Batch, Plan};

pub use recorder::{Observer, Recorder};

/// Why a run itself cannot go on; what happened to servers is never an error.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The run said something that cannot be true of its plan.
    #[error("internal error in the run's bookkeeping")]
    Bookkeeping(#[from] Misfit),
    /// A part of the run ended without saying what it did.
    #[error("internal error: a batch ended abnormally")]
    Broken(#[source] tokio::task::JoinError),
}

/// What a run needs.
pub struct Work {
    /// The run's ID.
    pub run: RunId,
    /// Whether it is real.
    pub mode: Mode,
    /// What to do.
    pub plan: Arc<Plan>,
    /// Whom to ask.
    pub client: Client,
    /// By which time.
    pub clock: Clock,
}

/// What every part of a run shares.
struct Context {
    plan: Arc<Plan>,
    client: Client,
    clock: Clock,
    recorder: Arc<Recorder>,
    states: states::States,
}

impl Context {
    /// Why nothing more may be sent, if so, as the reason of the targets concerned.
    fn sending_stopped(&self) -> Option<Reason> {
        self.recorder
            .read(|ledger| ledger.stopped().map(|(cause, _)| reason_of(*cause)))
    }

    async fn stop_sending(&self, cause: StopCause, evidence: Evidence) -> Result<(), RunError> {
        if self.sending_stopped().is_none() {
            self.recorder
                .record(Event::SendingStopped { cause, evidence })
                .await?;
        }
        Ok(())
    }

    async fn settle(
        &self,
        batch: BatchIndex,
        outcomes: Vec<(Outcome, Slots)>,
    ) -> Result<(), RunError> {
        if outcomes.is_empty() {
            return Ok(());
        }
        self.recorder
            .record(Event::Settled { batch, outcomes })
            .await
    }
}

fn reason_of(cause: StopCause) -> Reason {
    match cause {
        StopCause::Refused => Reason::Credentials,
        StopCause::Unreachable => Reason::Unreachable,
    }
}

/// Executes a plan. Returns when every target has its outcome; the ledger of `recorder` has them.
pub async fn execute(work: Work, recorder: Arc<Recorder>) -> Result<(), RunError> {
    let Work {
        run,
        mode,
        plan,
        client,
        clock,
    } = work;
    recorder
        .record(Event::Began {
            run,
            mode,
            plan: plan.digest,
        })
        .await?;
    let states = states::States::new(&plan);
    let context = Arc::new(Context {
        plan,
        client,
        clock,
        recorder,
        states,
    });
    for wave in waves(&context.plan) {
        run_wave(&context, wave).await?;
    }
    context.recorder.record(Event::Finished).await
}

/// Says of every target of a plan that a dry run sends nothing.
pub async fn dry_run(run: RunId, plan: &Plan, recorder: &Recorder) -> Result<(), RunError> {
    recorder
        .record(Event::Began {
            run,
            mode: Mode::DryRun,
            plan: plan.digest,
        })
        .await?;
    for batch in &plan.batches {
        let all = Slots::all(batch.servers().len());
        let outcomes = vec![(Outcome::NotSent(Reason::DryRun), all)];
        recorder
            .record(Event::Settled {
                batch: batch.index(),
                outcomes,
            })
            .await?;
    }
    recorder.record(Event::Finished).await
}

/// The batches that may be under way together: those of one wave of one group.
fn waves(plan: &Plan) -> impl Iterator<Item = &[Batch]> {
    plan.batches
        .chunk_by(|one, next| (one.group(), one.wave()) == (next.group(), next.wave()))
}

async fn run_wave(context: &Arc<Context>, wave: &[Batch]) -> Result<(), RunError> {
    let group = wave
        .first()
        .and_then(|batch| context.plan.groups.get(batch.group()));
    let in_flight = group.map_or(1, |group| usize::from(group.in_flight.get()));
    let mut under_way = JoinSet::new();
    for batch in wave {
        if under_way.len() >= in_flight {
            finish_one(&mut under_way).await?;
        }
        under_way.spawn(batch::live(context.clone(), batch.index()));
    }
    while !under_way.is_empty() {
        finish_one(&mut under_way).await?;
    }
    Ok(())
}

async fn finish_one(under_way: &mut JoinSet<Result<(), RunError>>) -> Result<(), RunError> {
    match under_way.join_next().await {
        Some(ended) => ended.map_err(RunError::Broken)?,
        None => Ok(()),
    }
}

/// Whether some stop request of the run was accepted for sure.
fn accepted_before(ledger: &Ledger) -> bool {
    ledger
        .batches()
        .iter()
        .flat_map(|batch| batch.sends())
        .any(|send| send.job().is_some())
}
