//! Where a batch goes on, from what the ledger knows of it. Pure.
//!
//! Owns the one rule by which a fresh run and a run taken up again are the same: every target without
//! a final outcome is either still to be sent, or was part of a request that is to be followed.
//! Invariant: a target of a request that was, or may have been, accepted is never among those to send.

use std::collections::BTreeMap;

use super::send::{Fate, Request};
use crate::bms::StateClass;
use crate::clock::Moment;
use crate::event::{Attempt, Slot, Slots};
use crate::ledger::{BatchRecord, SendRecord, TargetRecord};
use crate::outcome::Outcome;

/// What is left to do for a batch.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// Targets that may still be sent.
    pub(super) unsent: Slots,
    /// Targets that were powering off before the run came to them.
    pub(super) stopping: Slots,
    /// Requests that were accepted.
    pub(super) accepted: Vec<Request>,
    /// Requests of which nobody knows whether they were.
    pub(super) lost: Vec<Request>,
}

/// What is left to do for the batch of this record. Readings from before `now` prove nothing.
pub(super) fn rest(record: &BatchRecord, now: Moment) -> Rest {
    let mut unsent = Vec::new();
    let mut stopping = Vec::new();
    let mut requests: BTreeMap<Attempt, Vec<Slot>> = BTreeMap::new();
    for (slot, target) in (0..)
        .zip(record.targets())
        .filter(|(_, target)| is_open(target))
    {
        match last_request(record, slot) {
            Some(attempt) => requests.entry(attempt).or_default().push(slot),
            None if target.before() == Some(StateClass::Stopping) => stopping.push(slot),
            None => unsent.push(slot),
        }
    }
    let mut rest = Rest {
        unsent: unsent.into_iter().collect(),
        stopping: stopping.into_iter().collect(),
        ..Rest::default()
    };
    for (attempt, slots) in requests {
        let servers = slots.into_iter().collect();
        match record.send(attempt).and_then(|send| send.job()) {
            Some(job) => {
                let fate = Fate::Job(job.clone());
                rest.accepted.push(Request {
                    attempt,
                    servers,
                    fate,
                });
            }
            None => rest.lost.push(Request {
                attempt,
                servers,
                fate: Fate::Lost(now),
            }),
        }
    }
    rest
}

/// Whether something is still to be found out about a target.
fn is_open(target: &TargetRecord) -> bool {
    match target.outcome() {
        None | Some(Outcome::Unknown(_)) => true,
        Some(
            Outcome::Stopped(_)
            | Outcome::AlreadyOff
            | Outcome::Skipped(_)
            | Outcome::Failed(_)
            | Outcome::NotSent(_),
        ) => false,
    }
}

/// The last request with a target that the cloud took, or may have.
fn last_request(record: &BatchRecord, slot: Slot) -> Option<Attempt> {
    let taken = (1..)
        .zip(record.sends())
        .filter(|(_, send)| taken_with(send, slot));
    taken.last().map(|(attempt, _)| attempt)
}

/// How many requests with a target the cloud may have taken, or is known to have.
pub(super) fn doubtful_sends(record: &BatchRecord, slot: Slot) -> usize {
    record
        .sends()
        .iter()
        .filter(|send| taken_with(send, slot))
        .count()
}

fn taken_with(send: &SendRecord, slot: Slot) -> bool {
    send.may_be_accepted() && send.servers.contains(slot)
}
