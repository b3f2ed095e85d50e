//! One power request on its way: intent, last look, request, answer.
//!
//! Owns the moment at which a server's power is cut or given back. A delivery is a task of its own, so that a run
//! that is told to end still hears the answer to a request that has left. Invariant: no byte leaves
//! before its intent is durable and nothing stands against sending; the answer is durable before
//! anything follows from it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::{Context, RunError};
use crate::bms::{Evidence, PowerAnswer, PowerSlot};
use crate::clock::{Clock, Moment};
use crate::event::{Attempt, Event, SendAnswer, Slots, StopCause};
use crate::ids::{BatchIndex, ServerId};

/// How long a run that is to end waits for answers to requests that have left.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// How long a request may take to leave. One that took longer was held up by a machine that stood still.
const LEAVES_WITHIN: Duration = Duration::from_secs(120);

/// The requests that are under way.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    tasks: Mutex<JoinSet<()>>,
    /// When each of them was made up.
    made: Mutex<Vec<Moment>>,
}

impl Deliveries {
    fn made(&self) -> MutexGuard<'_, Vec<Moment>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one that is over off the list.
    fn over(&self, moment: Moment) {
        let mut made = self.made();
        if let Some(place) = made.iter().position(|one| *one == moment) {
            made.swap_remove(place);
        }
    }

    /// Waits for the answers that are still to come, but not for long.
    pub(super) async fn finish(&self, clock: Clock) {
        let mut under_way =
            std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async { while under_way.join_next().await.is_some() {} };
        if clock.timeout(LAST_ANSWERS, all).await.is_err() {
            tracing::warn!("a request has no answer yet: its servers are in doubt");
        }
    }
}

/// A power request that is to leave.
#[derive(Debug)]
pub(super) struct Parcel {
    /// Its batch.
    pub(super) batch: BatchIndex,
    /// Its number within the batch.
    pub(super) attempt: Attempt,
    /// The targets in it.
    pub(super) servers: Slots,
    /// Their IDs.
    pub(super) ids: Vec<ServerId>,
    /// Leave by the quota.
    pub(super) quota: PowerSlot,
    /// When it was made up, after its servers were read.
    pub(super) made: Moment,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Delivered {
    /// It did not leave.
    Withdrawn(StopCause),
    /// It did not leave, since the machine stood still after it was made up: its readings are too old.
    Stale,
    /// It was answered, or never will be.
    Answered(PowerAnswer, Evidence),
}

/// Delivers a request; goes on to its answer even if the caller is dropped.
pub(super) async fn deliver(context: &Arc<Context>, parcel: Parcel) -> Result<Delivered, RunError> {
    let (told, answer) = oneshot::channel();
    let made = parcel.made;
    context.deliveries.made().push(made);
    let carrier = context.clone();
    let delivery = async move {
        let delivered = carry(carrier.clone(), parcel).await;
        carrier.deliveries.over(made);
        delivered
    };
    {
        let mut under_way = context
            .deliveries
            .tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while under_way.try_join_next().is_some() {}
        under_way.spawn(async move {
            // Nobody to tell means that the run is ending; the answer is recorded all the same.
            let _ = told.send(delivery.await);
        });
    }
    answer.await.map_err(|_| RunError::Undelivered)?
}

async fn carry(context: Arc<Context>, parcel: Parcel) -> Result<Delivered, RunError> {
    let Parcel {
        batch,
        attempt,
        servers,
        ids,
        quota,
        made,
    } = parcel;
    let recorder = &context.recorder;
    context.ask_the_date().await;
    if let Some(cause) = context.sending_stopped() {
        return Ok(Delivered::Withdrawn(cause));
    }
    if context.is_stale(made) {
        return Ok(Delivered::Stale);
    }
    recorder
        .record(Event::SendIntended {
            batch,
            attempt,
            servers,
        })
        .await?;
    let (stopped, stale) = (context.sending_stopped(), context.is_stale(made));
    if stopped.is_some() || stale {
        let cause = stopped.unwrap_or(StopCause::Late);
        recorder
            .record(Event::SendWithdrawn {
                batch,
                attempt,
                cause,
            })
            .await?;
        return Ok(stopped.map_or(Delivered::Stale, Delivered::Withdrawn));
    }
    let (answer, evidence) = context.client.power(quota, context.plan.action, &ids).await;
    let said = recorded(&answer);
    let answered = Event::SendAnswered {
        batch,
        attempt,
        answer: said,
        evidence: evidence.clone(),
    };
    recorder.record(answered).await?;
    let not_sent = matches!(answer, PowerAnswer::NotSent | PowerAnswer::Blocked);
    if let (true, Some(cause)) = (not_sent, context.sending_stopped()) {
        return Ok(Delivered::Withdrawn(cause));
    }
    Ok(Delivered::Answered(answer, evidence))
}

impl Context {
    /// Whether a request that was made up at this moment is not to leave any more.
    fn is_stale(&self, made: Moment) -> bool {
        let took = self.clock.elapsed().since(made);
        took > LEAVES_WITHIN || self.recorder.trusted_from() > made
    }

    /// Whether one of the requests under way is not to leave any more; which of them connects is not known.
    pub(super) fn holds_stale_requests(&self) -> bool {
        let made = self.deliveries.made().clone();
        made.into_iter().any(|made| self.is_stale(made))
    }
}

fn recorded(answer: &PowerAnswer) -> SendAnswer {
    match answer {
        PowerAnswer::Accepted(job) => SendAnswer::Accepted { job: job.clone() },
        PowerAnswer::NotSent | PowerAnswer::Blocked => SendAnswer::NotConnected,
        PowerAnswer::Throttled { .. } => SendAnswer::Throttled,
        PowerAnswer::Conflict(_) => SendAnswer::Conflict,
        PowerAnswer::Ambiguous => SendAnswer::Ambiguous,
        PowerAnswer::AmbiguousWithJobs(jobs) => {
            SendAnswer::AmbiguousWithJobs { jobs: jobs.clone() }
        }
        PowerAnswer::Credentials => SendAnswer::Credentials,
        PowerAnswer::RefusedForAll => SendAnswer::RefusedForAll,
        PowerAnswer::Rejected { .. } => SendAnswer::Rejected,
    }
}
