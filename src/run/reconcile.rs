//! Finding out whether a request whose answer was lost was accepted, by reads only.
//!
//! Owns the loop of design §7, Reconcile; the decision is `acceptance`. Invariant: only readings that
//! began after the request failed count, and of a request that was accepted nothing is sent again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::acceptance::{Acceptance, disturbed, judge, unfit};
use super::batch::{observed, servers_at, settle, settle_all, tell_wait};
use super::opening::doubtful_sends;
use super::send::{Fate, Request};
use super::states::Reading;
use super::{Context, RunError};
use crate::clock::Moment;
use crate::event::{Phase, Slot, Slots, StopCause, WaitReason};
use crate::outcome::{Outcome, Proof, Reason};
use crate::plan::Batch;
use crate::power::Standing;

/// Most requests that a server may be part of in a run, refused ones not counted.
const SENDS_OF_A_SERVER: usize = 3;

/// What became of a lost request.
#[derive(Debug)]
pub(super) enum Found {
    /// It was accepted: these of its servers are still to be followed.
    Accepted(Request),
    /// It was not: these of its servers may be sent again. The others are settled.
    NotAccepted(Slots),
}

/// Watches the servers of a lost request until it is clear whether it was accepted.
pub(super) async fn reconcile(
    context: &Context,
    batch: &Batch,
    request: Request,
    failed_at: Moment,
) -> Result<Found, RunError> {
    let action = context.plan.action;
    let mut first: Option<Moment> = None;
    let mut since = failed_at;
    let mut told = false;
    let mut spoilt: BTreeMap<Slot, Reason> = BTreeMap::new();
    loop {
        let servers = servers_at(batch, request.servers.iter());
        let readings = match context.states.read(context, &servers, since).await {
            Ok(readings) => readings,
            Err(unanswered) => {
                tracing::warn!(batch = %batch.index(), ?unanswered, "states cannot be read");
                let unreadable = Outcome::Unknown(Reason::StatesUnreadable);
                settle_all(context, batch, &request.servers, unreadable).await?;
                return Ok(Found::NotAccepted(Slots::default()));
            }
        };
        let seen: Vec<(Slot, Reading)> = request.servers.iter().zip(readings).collect();
        observed(
            context,
            batch,
            Phase::After,
            seen.iter().map(|(slot, r)| (r.state, *slot)),
        )
        .await?;
        spoilt.extend(
            seen.iter()
                .filter_map(|(slot, r)| Some((*slot, disturbed(r.state.under(action))?))),
        );
        let at = seen
            .iter()
            .map(|(_, reading)| reading.at)
            .min()
            .unwrap_or(since);
        let standings: Vec<Standing> = seen
            .iter()
            .map(|(_, reading)| reading.state.under(action))
            .collect();
        let began = *first.get_or_insert(at);
        let grace = context.plan.checks.grace;
        match judge(&standings, at.since(failed_at), at.since(began), grace) {
            Acceptance::Accepted => return accepted(context, batch, request, &seen).await,
            Acceptance::NotAccepted => return not_accepted(context, batch, &seen, &spoilt).await,
            Acceptance::TooEarly => {}
        }
        let left = began
            .max(failed_at)
            .after(grace)
            .since(context.clock.elapsed());
        if !told {
            told = true;
            // Said once, for as long as it may take; the readings in between are not worth a line.
            tell_wait(context, batch, WaitReason::Reconcile, left).await?;
        }
        let pause = left
            .min(context.plan.jobs.poll)
            .max(Duration::from_millis(1));
        context.clock.sleep(pause).await;
        since = context.clock.elapsed();
    }
}

/// Looks once more at servers of a request that seemed not to have been taken. If one of them is there
/// or on its way now, it was: what is there is settled, and the rest returned to be followed.
pub(super) async fn taken(
    context: &Context,
    batch: &Batch,
    slots: &Slots,
) -> Result<Option<Slots>, RunError> {
    let servers = servers_at(batch, slots.iter());
    let now = context.clock.elapsed();
    let Ok(readings) = context.states.read(context, &servers, now).await else {
        // The reading that follows says so.
        return Ok(None);
    };
    let action = context.plan.action;
    let moved = |reading: &Reading| reading.state.under(action).shows_acceptance();
    if !readings.iter().any(moved) {
        return Ok(None);
    }
    let seen: Vec<(Slot, Reading)> = slots.iter().zip(readings).collect();
    observed(
        context,
        batch,
        Phase::After,
        seen.iter().map(|(slot, r)| (r.state, *slot)),
    )
    .await?;
    settle_there(context, batch, &seen).await.map(Some)
}

/// Settles what is where it should be; returns the rest.
async fn settle_there(
    context: &Context,
    batch: &Batch,
    seen: &[(Slot, Reading)],
) -> Result<Slots, RunError> {
    let action = context.plan.action;
    let (there, rest): (Vec<_>, Vec<_>) = seen
        .iter()
        .partition(|(_, reading)| reading.state.under(action) == Standing::There);
    let done = Outcome::Done(Proof::AnswerLost);
    settle(context, batch, there.iter().map(|(slot, _)| (done, *slot))).await?;
    Ok(rest.iter().map(|(slot, _)| *slot).collect())
}

/// Settles what is there already; the rest is followed.
async fn accepted(
    context: &Context,
    batch: &Batch,
    request: Request,
    seen: &[(Slot, Reading)],
) -> Result<Found, RunError> {
    let servers = settle_there(context, batch, seen).await?;
    let Request { attempt, fate, .. } = request;
    Ok(Found::Accepted(Request {
        attempt,
        servers,
        fate,
    }))
}

/// Settles what cannot or may not be sent again, as a reading showed, or an earlier one (`spoilt`);
/// the rest may be.
async fn not_accepted(
    context: &Context,
    batch: &Batch,
    seen: &[(Slot, Reading)],
    spoilt: &BTreeMap<Slot, Reason>,
) -> Result<Found, RunError> {
    let sends: Vec<usize> = context.recorder.read(|ledger| {
        let record = ledger.batch(batch.index());
        let count = |slot: Slot| record.map_or(0, |record| doubtful_sends(record, slot));
        seen.iter().map(|(slot, _)| count(*slot)).collect()
    });
    let forbidden = context.sending_stopped();
    let mut again = Vec::new();
    let mut settled = Vec::new();
    for ((slot, reading), sends) in seen.iter().zip(sends) {
        let unfit = unfit(reading.state.under(context.plan.action), reading.renamed);
        let reason = match unfit.or(spoilt.get(slot).copied()) {
            None if forbidden.is_some_and(StopCause::leaves_unfinished) => continue,
            None if forbidden.is_none() && sends < SENDS_OF_A_SERVER => {
                again.push(*slot);
                continue;
            }
            None => Reason::unmoved(context.plan.action),
            Some(reason) => reason,
        };
        settled.push((Outcome::Failed(reason), *slot));
    }
    settle(context, batch, settled).await?;
    Ok(Found::NotAccepted(again.into_iter().collect()))
}

impl Request {
    /// When it failed, if its answer was lost.
    pub(super) fn lost_at(&self) -> Option<Moment> {
        match self.fate {
            Fate::Job(_) => None,
            Fate::Lost(at) => Some(at),
        }
    }
}
