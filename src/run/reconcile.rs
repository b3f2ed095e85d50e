//! Finding out whether a request whose answer was lost was accepted, by reads only.
//!
//! Owns the loop of design §7, Reconcile; the decision is `acceptance`. Invariant: only readings that
//! began after the request failed count, and of a request that was accepted nothing is sent again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::acceptance::{Acceptance, Apart, disturbed, judge, unfit};
use super::batch::{observed, servers_at, settle, settle_all, tell_wait};
use super::opening::doubtful_sends;
use super::send::{Fate, Request};
use super::states::{READING_AGE, Reading};
use super::{Context, RunError};
use crate::clock::Moment;
use crate::event::{Phase, Slot, Slots, StopCause, WaitReason};
use crate::outcome::{Outcome, Proof, Reason};
use crate::plan::Batch;
use crate::power::Standing;

/// Most requests that a server may be part of in a run, refused ones not counted.
const SENDS_OF_A_SERVER: usize = 3;

/// How often servers are read again because their readings grew old in the meantime.
const ROUNDS: usize = 3;

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
    let grace = context.plan.checks.grace;
    let mut first = FirstReadings::default();
    let (mut since, mut told) = (failed_at, false);
    let mut spoilt: BTreeMap<Slot, Reason> = BTreeMap::new();
    loop {
        let Some(seen) = look(context, batch, &request.servers, since).await? else {
            unreadable(context, batch, &request.servers).await?;
            return Ok(Found::NotAccepted(Slots::default()));
        };
        let disturbed =
            |(slot, r): &(Slot, Reading)| Some((*slot, disturbed(r.state.under(action))?));
        spoilt.extend(seen.iter().filter_map(disturbed));
        let left = first.left(&seen, grace);
        let now = context.clock.elapsed();
        // Readings that grew old while another server of the round was slow to read prove nothing now.
        let old = seen.iter().any(|(_, reading)| reading.is_old(now));
        let apart = if left.is_zero() && !old {
            Apart::All
        } else {
            Apart::NotAll
        };
        let standings: Vec<Standing> = seen
            .iter()
            .map(|(_, reading)| reading.state.under(action))
            .collect();
        match judge(&standings, apart) {
            Acceptance::Accepted => return accepted(context, batch, request, &seen).await,
            Acceptance::NotAccepted => return not_accepted(context, batch, &seen, &spoilt).await,
            Acceptance::TooEarly => {}
        }
        if left.is_zero() {
            let tried = now.since(first.complete_at(grace));
            if tried > context.plan.rollout.retry_for {
                unreadable(context, batch, &request.servers).await?;
                return Ok(Found::NotAccepted(Slots::default()));
            }
            since = now.before(READING_AGE).max(failed_at);
            continue;
        }
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

/// When each server of a request was seen first after that had failed.
#[derive(Default)]
struct FirstReadings(BTreeMap<Slot, Moment>);

impl FirstReadings {
    /// How long it takes at least until each of these servers has two readings so far apart. A first reading counts
    /// from its response, a later one from its request.
    fn left(&mut self, seen: &[(Slot, Reading)], grace: Duration) -> Duration {
        let left = seen.iter().map(|(slot, reading)| {
            let first = *self.0.entry(*slot).or_insert(reading.arrived);
            first.after(grace).since(reading.at)
        });
        left.max().unwrap_or_default()
    }

    /// When the first readings of all servers are long enough ago.
    fn complete_at(&self, grace: Duration) -> Moment {
        let last = self.0.values().max().copied();
        last.unwrap_or_default().after(grace)
    }
}

/// Readings of some servers, none of a request that began before `since`; `None` if they cannot be read.
async fn look(
    context: &Context,
    batch: &Batch,
    slots: &Slots,
    since: Moment,
) -> Result<Option<Vec<(Slot, Reading)>>, RunError> {
    let servers = servers_at(batch, slots.iter());
    let readings = match context.states.read(context, &servers, since).await {
        Ok(readings) => readings,
        Err(unanswered) => {
            tracing::warn!(batch = %batch.index(), "states cannot be read: {unanswered}");
            return Ok(None);
        }
    };
    let seen: Vec<(Slot, Reading)> = slots.iter().zip(readings).collect();
    let states = seen.iter().map(|(slot, reading)| (reading.state, *slot));
    observed(context, batch, Phase::After, states).await?;
    Ok(Some(seen))
}

async fn unreadable(context: &Context, batch: &Batch, slots: &Slots) -> Result<(), RunError> {
    let unreadable = Outcome::Unknown(Reason::StatesUnreadable);
    settle_all(context, batch, slots, unreadable).await
}

/// What another look at servers showed whose request seemed not to have been accepted.
#[derive(Debug)]
pub(super) enum Rechecked {
    /// It was accepted: these are still to be followed. The others are settled.
    Accepted(Slots),
    /// Nothing speaks for that.
    Unmoved {
        /// Servers that have not moved. The others are settled.
        slots: Slots,
        /// When the oldest of their readings began.
        read_at: Option<Moment>,
    },
}

/// Looks once more at servers of a request that seemed not to have been accepted. What they show decides over all of
/// them but those that have not moved.
pub(super) async fn recheck(
    context: &Context,
    batch: &Batch,
    slots: &Slots,
) -> Result<Rechecked, RunError> {
    let (mut since, mut rounds) = (context.clock.elapsed(), 0);
    let seen = loop {
        let Some(seen) = look(context, batch, slots, since).await? else {
            unreadable(context, batch, slots).await?;
            return Ok(Rechecked::Unmoved {
                slots: Slots::default(),
                read_at: None,
            });
        };
        let now = context.clock.elapsed();
        rounds += 1;
        if rounds >= ROUNDS || !seen.iter().any(|(_, reading)| reading.is_old(now)) {
            break seen;
        }
        since = now.before(READING_AGE);
    };
    let action = context.plan.action;
    let standing = |reading: &Reading| reading.state.under(action);
    if seen.iter().any(|(_, r)| standing(r).shows_acceptance()) {
        return Ok(Rechecked::Accepted(
            settle_there(context, batch, &seen).await?,
        ));
    }
    let reason = |reading: &Reading| unfit(standing(reading), reading.renamed);
    let settled = seen
        .iter()
        .filter_map(|(slot, reading)| Some((Outcome::Failed(reason(reading)?), *slot)));
    settle(context, batch, settled).await?;
    let unmoved = || seen.iter().filter(|(_, r)| reason(r).is_none());
    Ok(Rechecked::Unmoved {
        slots: unmoved().map(|(slot, _)| *slot).collect(),
        read_at: unmoved().map(|(_, reading)| reading.at).min(),
    })
}

/// Settles what is where it should be by a reading that is not old; returns the rest.
async fn settle_there(
    context: &Context,
    batch: &Batch,
    seen: &[(Slot, Reading)],
) -> Result<Slots, RunError> {
    let (action, now) = (context.plan.action, context.clock.elapsed());
    let (there, rest): (Vec<_>, Vec<_>) = seen.iter().partition(|(_, reading)| {
        reading.state.under(action) == Standing::There && !reading.is_old(now)
    });
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
    let (forbidden, late) = (context.sending_stopped(), context.is_late());
    let mut again = Vec::new();
    let mut settled = Vec::new();
    for ((slot, reading), sends) in seen.iter().zip(sends) {
        let unfit = unfit(reading.state.under(context.plan.action), reading.renamed);
        let reason = match unfit.or(spoilt.get(slot).copied()) {
            None if forbidden.is_some_and(StopCause::leaves_unfinished) => continue,
            None if forbidden.is_none() && !late && sends < SENDS_OF_A_SERVER => {
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
            Fate::Job(_) | Fate::Named(_) => None,
            Fate::Lost(at) => Some(at),
        }
    }
}
