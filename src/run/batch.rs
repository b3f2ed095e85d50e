//! The life of one batch: before → send → follow → after.
//!
//! Owns the order of the steps and the batch's view of its targets; each step is a neighbour's work.
//! Invariant: when [`live`] returns well, every target of the batch has its outcome.

use std::sync::Arc;

use super::verdict::Told;
use super::{Context, RunError, after, before, follow, send};
use crate::clock::Moment;
use crate::event::{Event, Phase, Slot, Slots, grouped};
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

/// Lives the life of one batch of the plan.
pub(super) async fn live(context: Arc<Context>, index: BatchIndex) -> Result<(), RunError> {
    let plan = context.plan.clone();
    let Some(batch) = plan.batch(index) else {
        return Ok(());
    };
    let ready = before::prepare(&context, batch).await?;
    let mut suspense = ready.stopping.clone();
    let sent = send::dispatch(&context, batch, ready).await?;
    suspense.extend(sent.stopping);
    for request in sent.requests {
        suspense.extend(follow::follow(&context, batch, request).await?);
    }
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
    readings: impl IntoIterator<Item = (crate::bms::StateClass, Slot)>,
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
