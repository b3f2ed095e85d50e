//! Stage 4: [`Plan`] → [`Event`]s, by asking the cloud.
//!
//! Groups in order, waves in order, up to `in_flight` batches at a time; the life of one batch is
//! before → send → follow → after. Everything that happens is said through the [`Recorder`]; what
//! became of a target is decided by the pure tables in `outlook::triage`, `reaction`, `acceptance` and
//! `verdict`. A run that is taken up again is the same code: each batch goes on from what the ledger
//! knows of it. Invariant: when [`execute`] returns well and was not interrupted, every target has its
//! outcome, and no request was sent again unless the cloud had not taken it.

mod acceptance;
mod after;
mod batch;
mod before;
mod deliver;
mod follow;
mod gate;
mod hours;
mod late;
mod narrow;
mod not_now;
mod opening;
mod place;
mod presence;
mod pulse;
mod reaction;
mod reconcile;
mod recorder;
mod send;
mod skew;
mod states;
#[cfg(test)]
mod tests;
mod verdict;
mod waves;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::bms::{Client, Evidence, Patience};
use crate::clock::Clock;
use crate::event::{Event, Launch, SendAnswer, Slots, StopCause};
use crate::ids::BatchIndex;
use crate::ledger::{BatchRecord, Ledger, Misfit};
use crate::outcome::{Outcome, Reason};
use crate::plan::{Plan, Ruling};

pub use gate::Gates;
pub use hours::Hours;
pub use narrow::{Narrowing, left_out};
pub use not_now::{NotNow, Told};
pub use opening::untouched;
pub use recorder::{Observer, Recorder};

/// How soon a wait before a request notices that nothing more may be sent.
const NOTICE: Duration = Duration::from_secs(1);

/// Why a run itself cannot go on; what happened to servers is never an error.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The run said something that cannot be true of its plan.
    #[error("internal error in the run's bookkeeping")]
    Bookkeeping(#[from] Misfit),
    /// A part of the run ended without saying what it did.
    #[error("internal error: a batch ended abnormally")]
    Broken(#[source] tokio::task::JoinError),
    /// The request of a batch ended without saying what it did.
    #[error("internal error: a request ended abnormally")]
    Undelivered,
    /// The journal of an earlier run takes no more records, so nothing was read or sent.
    #[error("the journal cannot be continued")]
    NotContinued,
}

/// What a run needs.
pub struct Work {
    /// What to do.
    pub plan: Arc<Plan>,
    /// Whom to ask.
    pub client: Client,
    /// By which time.
    pub clock: Clock,
    /// How it begins.
    pub opening: Opening,
    /// When it may send.
    pub hours: Hours,
    /// Whether gates are asked.
    pub gates: Gates,
    /// Says, from outside, that the run is to end.
    pub stop: StopSignal,
}

/// How a run begins.
#[derive(Debug, Clone)]
pub enum Opening {
    /// For the first time, without some targets of the plan.
    Fresh(Box<Launch>, Vec<(BatchIndex, Slots)>),
    /// Again, after an earlier process left it.
    Resumed {
        /// Why nothing more may be sent, if so.
        forbidden: Option<StopCause>,
        /// Whether a person wants to send even if the run is late.
        even_late: bool,
        /// What guards and policies make of the plan now, where that was asked.
        guards: Vec<Ruling>,
    },
}

/// Holds the cause as soon as a run is to end from outside.
pub type StopSignal = watch::Receiver<Option<StopCause>>;

/// What every part of a run shares.
struct Context {
    plan: Arc<Plan>,
    client: Client,
    clock: Clock,
    recorder: Arc<Recorder>,
    states: states::States,
    hours: Hours,
    gates: Gates,
    /// Whether a person wants to send even if the run is late.
    even_late: bool,
    stop: StopSignal,
    deliveries: deliver::Deliveries,
    compared: skew::Compared,
}

impl Context {
    /// How long this run tries a read again.
    fn patience(&self) -> Patience {
        Patience {
            clock: self.clock,
            retry_for: self.plan.rollout.retry_for,
        }
    }

    /// Why nothing more may be sent, if so.
    fn sending_stopped(&self) -> Option<StopCause> {
        let raised = *self.stop.borrow();
        raised
            .or_else(|| {
                self.recorder.read(|ledger| {
                    let too_many = ledger.has_failed_too_often();
                    let stopped = ledger.stopped().map(|(cause, _)| *cause);
                    stopped.or(too_many.then_some(StopCause::MaxFailures))
                })
            })
            .or_else(|| self.cannot_record().then_some(StopCause::Journal))
            .or_else(|| self.out_of_hours())
            .or_else(|| self.too_late())
    }

    /// Whether what happens next could not be kept, or another process may be at work on the same run.
    fn cannot_record(&self) -> bool {
        self.recorder.journal_failed() || self.recorder.lost().is_some()
    }

    /// Waits until lock or journal are lost, and warns of a wrong clock meanwhile.
    async fn watch_custody(&self) {
        while self.recorder.lost().is_none() {
            self.warn_of_skew();
            self.clock.sleep(NOTICE).await;
        }
    }

    /// Records that more targets have failed than are borne, as soon as they have and others are left.
    async fn heed_failures(&self) -> Result<(), RunError> {
        let matters =
            |ledger: &Ledger| ledger.has_failed_too_often() && ledger.totals().pending() > 0;
        if self.recorder.read(matters) {
            self.stop_sending(StopCause::MaxFailures, Evidence::default())
                .await?;
        }
        Ok(())
    }

    /// Waits until nothing more may be sent.
    async fn stopped(&self) {
        while self.sending_stopped().is_none() {
            self.clock.sleep(NOTICE).await;
        }
    }

    /// Waits for so long before something is sent; ends early when nothing more may be.
    async fn sleep_while_sending(&self, pause: Duration) {
        tokio::select! {
            () = self.clock.sleep(pause) => {}
            () = self.stopped() => {}
        }
    }

    async fn stop_sending(&self, cause: StopCause, evidence: Evidence) -> Result<(), RunError> {
        if self.recorder.read(|ledger| ledger.is_news(cause)) {
            let evidence = self.evidence_of(cause, evidence);
            self.recorder
                .record(Event::SendingStopped { cause, evidence })
                .await?;
        }
        Ok(())
    }

    /// What tells of the cause, where that is known better here.
    fn evidence_of(&self, cause: StopCause, evidence: Evidence) -> Evidence {
        let message = match cause {
            StopCause::Clock => self.skew().map(|skew| skew.to_string()),
            StopCause::MaxFailures => Some(self.recorder.read(told_failures)),
            StopCause::Refused
            | StopCause::Unreachable
            | StopCause::Interrupted
            | StopCause::Halted
            | StopCause::Journal
            | StopCause::Late
            | StopCause::Policy
            | StopCause::Frozen
            | StopCause::Gate
            | StopCause::Cutoff
            | StopCause::Settling => None,
        };
        let message = message.or(evidence.message);
        Evidence {
            message,
            ..evidence
        }
    }

    /// Leaves targets unsent because of `cause`: for good, or for when the run is taken up again.
    async fn leave(
        &self,
        batch: BatchIndex,
        slots: &Slots,
        cause: StopCause,
    ) -> Result<(), RunError> {
        if cause.leaves_unfinished() || slots.is_empty() {
            return Ok(());
        }
        self.stop_sending(cause, Evidence::default()).await?;
        let outcomes = vec![(Outcome::NotSent(cause.reason()), slots.clone())];
        self.settle(batch, outcomes).await
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
            .await?;
        self.heed_failures().await
    }
}

/// Executes a plan, or goes on with it. When this returns, every target has its outcome in the ledger
/// of `recorder`, unless the run was stopped in a way that leaves it unfinished.
pub async fn execute(work: Work, recorder: Arc<Recorder>) -> Result<(), RunError> {
    let Work {
        plan,
        client,
        clock,
        opening,
        hours,
        gates,
        mut stop,
    } = work;
    let resumed = matches!(opening, Opening::Resumed { .. });
    let even_late = matches!(
        opening,
        Opening::Resumed {
            even_late: true,
            ..
        }
    );
    recorder.record(opening_event(opening, &plan)).await?;
    if resumed && recorder.journal_failed() {
        return Err(RunError::NotContinued);
    }
    let states = states::States::new(&plan);
    let deliveries = deliver::Deliveries::default();
    let context = Context {
        plan,
        client,
        clock,
        recorder,
        states,
        hours,
        gates,
        even_late,
        stop: stop.clone(),
        deliveries,
        compared: skew::Compared::nothing(clock.elapsed()),
    };
    let context = Arc::new(context);
    let own = Arc::downgrade(&context);
    // Asked once more when the connection stands: to connect can take seconds.
    let may_leave = move || {
        own.upgrade()
            .is_some_and(|run| run.sending_stopped().is_none() && !run.holds_stale_requests())
    };
    context.client.ask_before_leaving(Arc::new(may_leave));
    context.heed_failures().await?;
    let ended = tokio::select! {
        biased;
        cause = raised(&mut stop) => Some(cause),
        () = context.watch_custody() => Some(StopCause::Journal),
        never = context.watch_hours() => match never? {},
        never = context.keep_present() => match never? {},
        worked = work_through(&context) => { worked?; None }
    };
    if let Some(cause) = ended {
        context.stop_sending(cause, Evidence::default()).await?;
        context.deliveries.finish(clock).await;
    }
    context.warn_of_skew();
    context.recorder.notice_failure()?;
    let settled = context
        .recorder
        .read(|ledger| ledger.totals().pending() == 0);
    if settled && context.recorder.lost().is_none() {
        context.recorder.record(Event::Finished).await?;
    }
    Ok(())
}

/// Every wave, by a clock that agrees with the cloud's where that matters. One that does not is told before
/// what comes of it.
async fn work_through(context: &Arc<Context>) -> Result<(), RunError> {
    context.ask_the_date().await;
    context.heed_hours().await?;
    waves::run_waves(context).await
}

fn opening_event(opening: Opening, plan: &Plan) -> Event {
    match opening {
        Opening::Fresh(launch, left_out) => Event::Began {
            launch,
            plan: plan.digest,
            left_out,
        },
        Opening::Resumed {
            forbidden, guards, ..
        } => Event::Resumed { forbidden, guards },
    }
}

/// How many have failed, and how many of those are borne.
fn told_failures(ledger: &Ledger) -> String {
    let (failures, borne) = (ledger.failures(), ledger.failures_borne());
    let borne = borne.map_or_else(|| "all".to_owned(), |borne| borne.to_string());
    format!("{failures} failed or unknown when the sending stopped, {borne} borne")
}

/// Waits until the run is to end; for ever if nobody can say so.
async fn raised(stop: &mut StopSignal) -> StopCause {
    let raised = stop.wait_for(Option::is_some).await.map(|cause| *cause);
    match raised {
        Ok(Some(cause)) => cause,
        Ok(None) | Err(_) => std::future::pending().await,
    }
}

/// Says of every target of a plan that a dry run sends nothing.
pub async fn dry_run(
    launch: Launch,
    plan: &Plan,
    left_out: Vec<(BatchIndex, Slots)>,
    recorder: &Recorder,
) -> Result<(), RunError> {
    let began = Event::Began {
        launch: Box::new(launch),
        plan: plan.digest,
        left_out,
    };
    recorder.record(began).await?;
    for batch in &plan.batches {
        let left = recorder.read(|ledger| pending(ledger, batch.index()));
        let outcomes = vec![(Outcome::NotSent(Reason::DryRun), left)];
        recorder
            .record(Event::Settled {
                batch: batch.index(),
                outcomes,
            })
            .await?;
    }
    recorder.record(Event::Finished).await
}

/// The targets of a batch that have no outcome.
fn pending(ledger: &Ledger, index: BatchIndex) -> Slots {
    let targets = ledger.batch(index).map_or(&[][..], BatchRecord::targets);
    let open = (0..)
        .zip(targets)
        .filter(|(_, target)| target.outcome().is_none());
    open.map(|(slot, _)| slot).collect()
}

/// Whether some request of the run was accepted for sure.
fn accepted_before(ledger: &Ledger) -> bool {
    ledger
        .batches()
        .iter()
        .flat_map(BatchRecord::sends)
        .any(|send| matches!(send.answer, Some(SendAnswer::Accepted { .. })))
}
