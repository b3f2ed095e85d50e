//! The life of one batch: before → send → follow → after.
//!
//! Owns the order of the steps and the batch's view of its targets; each step is a neighbour's work.
//! Invariant: when [`live`] returns well, every target of the batch has its outcome.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::verdict::Told;
use super::{Context, RunError, after, before, follow, opening, send};
use crate::bms::StateClass;
use crate::clock::Moment;
use crate::event::{Event, Phase, Slot, Slots, WaitReason, grouped};
use crate::ids::{BatchIndex, ServerId};
use crate::outcome::Outcome;
use crate::plan::Batch;

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
pub(super) async fn live(context: Arc<Context>, index: BatchIndex) -> Result<(), RunError> {
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
    let dispatched = send::dispatch(&context, batch, rest.lost, ready).await?;
    suspense.extend(dispatched.under_way);
    let requests = rest.accepted.into_iter().chain(dispatched.requests);
    let followed = requests.map(|request| follow::follow(&context, batch, request));
    suspense.extend(try_join_all(followed).await?.into_iter().flatten());
    after::verify(&context, batch, suspense).await
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

/// Records what readings showed.
pub(super) async fn observed(
    context: &Context,
    batch: &Batch,
    phase: Phase,
    readings: impl IntoIterator<Item = (StateClass, Slot)>,
) -> Result<(), RunError> {
    let states = grouped(readings);
    context
        .recorder
        .record(Event::Observed {
            batch: batch.index(),
            phase,
            states,
        })
        .await
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
