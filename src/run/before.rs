//! Before a batch is sent: which of its targets are to be, and what becomes of the others.
//!
//! Owns the readings of design §7, step 1, and the waiting for servers that are at work. Invariant:
//! with `checks.before`, a target is ready only by a reading that said that it can be sent.

use std::time::Duration;

use super::batch::{Suspense, observed, servers_at, settle, settle_all, wait_to_send};
use super::states::Reading;
use super::verdict::Told;
use super::{Context, RunError};
use crate::bms::Unanswered;
use crate::clock::Moment;
use crate::duration;
use crate::event::{Phase, Slot, Slots, StopCause, WaitReason};
use crate::outcome::{Outcome, Reason};
use crate::outlook::{Step, triage};
use crate::plan::Batch;
use crate::untrusted::for_terminal;

/// How long to wait for a server that is at work.
const BUSY_PATIENCE: Duration = Duration::from_secs(120);
/// How often targets are read again because their readings grew old in the meantime.
const ROUNDS: usize = 3;
/// How many servers a log line names.
const NAMED: usize = 3;
/// How often to look at a server that is at work.
const BUSY_POLL: Duration = Duration::from_secs(5);

/// The targets of a batch after their states were read.
#[derive(Debug, Default)]
pub(super) struct Ready {
    /// Those to be sent.
    pub(super) send: Slots,
    /// When the oldest reading of these began; `None` without checks.
    pub(super) read_at: Option<Moment>,
    /// Those that are on their way already.
    pub(super) under_way: Vec<Suspense>,
    /// Those that are at work, or not understood.
    pub(super) waiting: Slots,
}

/// Finds out which of the targets that were not sent yet are to be, and settles what is clear already.
pub(super) async fn prepare(
    context: &Context,
    batch: &Batch,
    unsent: Slots,
) -> Result<Ready, RunError> {
    if let Some(cause) = context.sending_stopped() {
        context.leave(batch.index(), &unsent, cause).await?;
        return Ok(Ready::default());
    }
    if !context.plan.checks.before {
        return Ok(Ready {
            send: unsent,
            ..Ready::default()
        });
    }
    let from = context.readings_from();
    sift(context, batch, &unsent, How::NotBefore(from)).await
}

/// How to read states.
#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    /// As is cheapest, by requests that began at this moment or later.
    NotBefore(Moment),
    /// Each server by itself, now.
    Singly,
}

/// Reads the states of some targets, and sorts them.
pub(super) async fn sift(
    context: &Context,
    batch: &Batch,
    slots: &Slots,
    how: How,
) -> Result<Ready, RunError> {
    let mut sorted = Sorted::default();
    let mut under_way = Vec::new();
    let (mut open, mut how) = (slots.clone(), how);
    while !open.is_empty() {
        let readings = match read(context, batch, &open, how).await {
            Ok(readings) => readings,
            Err(unanswered) => {
                let sorted = sorted.send.iter().chain(&sorted.wait).copied();
                let unsettled = sorted.chain(open.iter()).collect();
                give_up(context, batch, &unsettled, unanswered).await?;
                return Ok(Ready {
                    under_way,
                    ..Ready::default()
                });
            }
        };
        let states = readings.iter().map(|(slot, r)| (r.state, *slot));
        observed(context, batch, Phase::Before, states).await?;
        sorted.rounds += 1;
        let now = context.clock.elapsed();
        for (slot, reading) in readings {
            sorted.sort(context, slot, reading, now);
        }
        settle(context, batch, sorted.settled.drain(..)).await?;
        let suspense = |slot| Suspense {
            slot,
            told: Told::UnderWayBefore,
            since: now,
        };
        under_way.extend(sorted.under_way.drain(..).map(suspense));
        open = sorted.old.drain(..).collect();
        how = How::NotBefore(context.readings_from());
    }
    let waiting: Slots = sorted.wait.into_iter().collect();
    Ok(Ready {
        send: sorted.send.into_iter().collect(),
        read_at: sorted.oldest,
        under_way,
        waiting,
    })
}

/// Looks at servers that are at work until none is, and sorts them. Nothing else waits for them.
pub(super) async fn wait_for(
    context: &Context,
    batch: &Batch,
    waiting: &Slots,
) -> Result<Ready, RunError> {
    let began = context.clock.elapsed();
    name_stragglers(context, batch, waiting);
    let (mut send, mut ready) = (Vec::new(), Ready::default());
    let mut open = waiting.clone();
    while !open.is_empty() {
        if let Some(cause) = context.sending_stopped() {
            context.leave(batch.index(), &open, cause).await?;
            break;
        }
        if context.clock.elapsed().since(began) >= BUSY_PATIENCE {
            settle_all(context, batch, &open, Outcome::Failed(Reason::Busy)).await?;
            break;
        }
        wait_to_send(context, batch, WaitReason::Busy, BUSY_POLL).await?;
        let now = How::NotBefore(context.clock.elapsed());
        let pass = sift(context, batch, &open, now).await?;
        send.extend(pass.send.iter());
        ready.read_at = match (ready.read_at, pass.read_at) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        ready.under_way.extend(pass.under_way);
        open = pass.waiting;
    }
    ready.send = send.into_iter().collect();
    Ok(ready)
}

/// Logs which servers are waited for, and how the API reports them.
fn name_stragglers(context: &Context, batch: &Batch, waiting: &Slots) {
    let servers = servers_at(batch, waiting.iter());
    let named = servers.iter().take(NAMED).map(|server| {
        let said = context.states.said(*server);
        let said = said.unwrap_or_else(|| "state not reported".to_owned());
        format!("{server} ({})", for_terminal(&said))
    });
    let named = named.collect::<Vec<_>>().join(", ");
    let more = servers.len().saturating_sub(NAMED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let patience = duration::format(BUSY_PATIENCE);
    tracing::warn!(
        "batch {}: not ready: {named}{more}. The others go first, these follow in a request of their own if they are ready within {patience}",
        batch.index()
    );
}

/// What has been made of the targets so far.
#[derive(Default)]
struct Sorted {
    rounds: usize,
    send: Vec<Slot>,
    oldest: Option<Moment>,
    under_way: Vec<Slot>,
    wait: Vec<Slot>,
    settled: Vec<(Outcome, Slot)>,
    /// Those whose readings grew old while another server was slow to read.
    old: Vec<Slot>,
}

impl Sorted {
    fn sort(&mut self, context: &Context, slot: Slot, reading: Reading, now: Moment) {
        let standing = reading.state.under(context.plan.action);
        let step = triage(standing, reading.renamed, context.plan.checks.on_state);
        let old = reading.is_old(now) && self.rounds < ROUNDS;
        match step {
            Step::Settle(_) | Step::Follow if old => self.old.push(slot),
            Step::Send => {
                self.send.push(slot);
                self.oldest = Some(self.oldest.map_or(reading.at, |at| at.min(reading.at)));
            }
            Step::Follow => self.under_way.push(slot),
            Step::Wait => self.wait.push(slot),
            Step::Settle(outcome) => self.settled.push((outcome, slot)),
        }
    }
}

async fn read(
    context: &Context,
    batch: &Batch,
    slots: &Slots,
    how: How,
) -> Result<Vec<(Slot, Reading)>, Unanswered> {
    let servers = servers_at(batch, slots.iter());
    let readings = match how {
        How::NotBefore(since) => {
            context
                .states
                .read_to_send(context, &servers, since)
                .await?
        }
        How::Singly => context.states.read_singly(context, &servers).await?,
    };
    Ok(slots.iter().zip(readings).collect())
}

/// States cannot be read: nothing of this batch, and nothing more of this run, is sent.
async fn give_up(
    context: &Context,
    batch: &Batch,
    slots: &Slots,
    unanswered: Unanswered,
) -> Result<(), RunError> {
    let (cause, evidence) = match unanswered {
        // They may have been given up for that.
        Unanswered::GaveUp(evidence) => match context.out_of_hours() {
            Some(cause) => (cause, evidence),
            None => (StopCause::Unreachable, evidence),
        },
        Unanswered::Blocked(evidence) => (StopCause::Unreachable, evidence),
        Unanswered::NotFound(evidence) | Unanswered::Refused(evidence) => {
            (context.explained(StopCause::Refused), evidence)
        }
    };
    context.stop_sending(cause, evidence).await?;
    context.leave(batch.index(), slots, cause).await
}
