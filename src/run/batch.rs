//! The life of one batch: before → send → follow → after. Servers that are at work at first do not delay the others:
//! they follow in a request of their own.
//!
//! Owns the order of the steps and the batch's view of its targets; each step is a neighbour's work.
//! Invariant: when [`live`] returns well, every target of the batch has its outcome.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::place::Place;
use super::verdict::Told;
use super::{Context, RunError, after, before, follow, opening, send};
use crate::bms::StateClass;
use crate::clock::Moment;
use crate::event::{Event, Phase, Slot, Slots, WaitReason, grouped};
use crate::ids::{BatchIndex, ServerId};
use crate::outcome::Outcome;
use crate::plan::Batch;
use crate::power::Standing;

/// A target on its way to an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Suspense {
    /// Its place in the batch.
    pub(super) slot: Slot,
    /// What is known of it.
    pub(super) told: Told,
    /// When its job ended, or its request failed: readings from before prove nothing.
    pub(super) since: Moment,
}

/// Lives the life of one batch of the plan, from what the ledger knows of it to the end.
pub(super) async fn live(
    context: Arc<Context>,
    index: BatchIndex,
    place: Place,
) -> Result<(), RunError> {
    let plan = context.plan.clone();
    let Some(batch) = plan.batch(index) else {
        return Ok(());
    };
    let now = context.clock.elapsed();
    let rest = context
        .recorder
        .read(|ledger| ledger.batch(index).map(|record| opening::rest(record, now)))
        .unwrap_or_default();
    let mut suspense: Vec<Suspense> = rest
        .under_way
        .iter()
        .map(|slot| Suspense {
            slot,
            told: Told::UnderWayBefore,
            since: now,
        })
        .collect();
    let ready = before::prepare(&context, batch, rest.unsent).await?;
    let mut waiting: Vec<Slot> = ready.waiting.iter().collect();
    let dispatched = send::dispatch(&context, batch, rest.lost, ready).await?;
    suspense.extend(dispatched.under_way);
    waiting.extend(dispatched.waiting);
    let first = async {
        let requests = rest.accepted.into_iter().chain(dispatched.requests);
        finish(&context, batch, suspense, requests).await?;
        place.leave().await;
        Ok(())
    };
    let later = stragglers(&context, batch, waiting.into_iter().collect(), &place);
    tokio::try_join!(first, later)?;
    Ok(())
}

/// Follows requests to their end, and finds the outcome of every target in suspense.
async fn finish(
    context: &Context,
    batch: &Batch,
    mut suspense: Vec<Suspense>,
    requests: impl Iterator<Item = send::Request>,
) -> Result<(), RunError> {
    let followed = requests.map(|request| follow::follow(context, batch, request));
    suspense.extend(try_join_all(followed).await?.into_iter().flatten());
    after::verify(context, batch, suspense).await
}

/// Waits for the servers that were at work when the others were sent, without a place, and sends them together.
async fn stragglers(
    context: &Arc<Context>,
    batch: &Batch,
    mut waiting: Slots,
    place: &Place,
) -> Result<(), RunError> {
    while !waiting.is_empty() {
        let ready = before::wait_for(context, batch, &waiting).await?;
        place.enter().await;
        let dispatched = send::dispatch(context, batch, Vec::new(), ready).await?;
        waiting = dispatched.waiting.into_iter().collect();
        let requests = dispatched.requests.into_iter();
        finish(context, batch, dispatched.under_way, requests).await?;
        place.leave().await;
    }
    Ok(())
}

/// The IDs of some places of a batch.
pub(super) fn servers_at(batch: &Batch, slots: impl Iterator<Item = Slot>) -> Vec<ServerId> {
    slots
        .filter_map(|slot| batch.servers().get(usize::from(slot)).copied())
        .collect()
}

/// Records the outcomes that some targets have.
pub(super) async fn settle(
    context: &Context,
    batch: &Batch,
    outcomes: impl IntoIterator<Item = (Outcome, Slot)>,
) -> Result<(), RunError> {
    context.settle(batch.index(), grouped(outcomes)).await
}

/// Records the same outcome for several targets.
pub(super) async fn settle_all(
    context: &Context,
    batch: &Batch,
    slots: &Slots,
    outcome: Outcome,
) -> Result<(), RunError> {
    settle(context, batch, slots.iter().map(|slot| (outcome, slot))).await
}

/// Records what readings showed, and how the API describes the servers that are at work or not understood.
pub(super) async fn observed(
    context: &Context,
    batch: &Batch,
    phase: Phase,
    readings: impl IntoIterator<Item = (StateClass, Slot)>,
) -> Result<(), RunError> {
    let readings: Vec<_> = readings.into_iter().collect();
    let at_work = |state: StateClass| matches!(state.under(context.plan.action), Standing::Busy);
    let described = readings.iter().filter(|(state, _)| at_work(*state));
    let said = described.filter_map(|(_, slot)| {
        let server = batch.servers().get(usize::from(*slot))?;
        Some((context.states.said(*server)?, *slot))
    });
    let observed = Event::Observed {
        batch: batch.index(),
        phase,
        said: grouped(said),
        states: grouped(readings),
    };
    context.recorder.record(observed).await
}

/// Says that the batch waits before it sends something, and waits, unless nothing more may be sent.
pub(super) async fn wait_to_send(
    context: &Context,
    batch: &Batch,
    reason: WaitReason,
    pause: Duration,
) -> Result<(), RunError> {
    tell_wait(context, batch, reason, pause).await?;
    context.sleep_while_sending(pause).await;
    Ok(())
}

/// Says that the batch waits, and waits.
pub(super) async fn wait(
    context: &Context,
    batch: &Batch,
    reason: WaitReason,
    pause: Duration,
) -> Result<(), RunError> {
    tell_wait(context, batch, reason, pause).await?;
    context.clock.sleep(pause).await;
    Ok(())
}

/// Says that the batch waits, for so long at the most.
pub(super) async fn tell_wait(
    context: &Context,
    batch: &Batch,
    reason: WaitReason,
    longest: Duration,
) -> Result<(), RunError> {
    let batch = batch.index();
    let milliseconds = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
    let waiting = Event::Waiting {
        batch,
        reason,
        milliseconds,
    };
    context.recorder.record(waiting).await
}
