//! Where a batch goes on, from what the ledger knows of it. Pure.
//!
//! Owns the one rule by which a fresh run and a run taken up again are the same: every target without
//! a final outcome is either still to be sent, or was part of a request that is to be followed.
//! Invariant: a target of a request that was, or may have been, accepted is never among those to send.

use std::collections::BTreeMap;

use super::send::{Fate, Request};
use crate::clock::Moment;
use crate::event::{Attempt, SendAnswer, Slot, Slots};
use crate::ledger::{BatchRecord, Ledger, SendRecord, TargetRecord};
use crate::outcome::Outcome;
use crate::power::Standing;

/// What is left to do for a batch.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// Targets that may still be sent.
    pub(super) unsent: Slots,
    /// Targets that were on their way before the run came to them.
    pub(super) under_way: Slots,
    /// Requests that were accepted.
    pub(super) accepted: Vec<Request>,
    /// Requests of which nobody knows whether they were.
    pub(super) lost: Vec<Request>,
}

/// What is left to do for the batch of this record. Readings from before `now` prove nothing.
pub(super) fn rest(record: &BatchRecord, now: Moment) -> Rest {
    let mut unsent = Vec::new();
    let mut under_way = Vec::new();
    let mut requests: BTreeMap<Attempt, Vec<Slot>> = BTreeMap::new();
    for (slot, target) in (0..)
        .zip(record.targets())
        .filter(|(_, target)| is_open(target))
    {
        match last_request(record, slot) {
            Some(attempt) => requests.entry(attempt).or_default().push(slot),
            None if was_under_way(record, target) => under_way.push(slot),
            None => unsent.push(slot),
        }
    }
    let mut rest = Rest {
        unsent: unsent.into_iter().collect(),
        under_way: under_way.into_iter().collect(),
        ..Rest::default()
    };
    for (attempt, slots) in requests {
        let servers = slots.into_iter().collect();
        let answer = record.send(attempt).and_then(|send| send.answer.as_ref());
        match answer.and_then(named) {
            Some(fate) => {
                rest.accepted.push(Request {
                    attempt,
                    servers,
                    fate,
                });
            }
            None => {
                let fate = Fate::Lost(now);
                let request = Request {
                    attempt,
                    servers,
                    fate,
                };
                // What its other servers showed holds for these, whatever they show by now.
                let taken = record.send(attempt).is_some_and(|send| send.seen_taken);
                if taken {
                    rest.accepted.push(request);
                } else {
                    rest.lost.push(request);
                }
            }
        }
    }
    rest
}

/// The jobs to follow, if the answer named any.
fn named(answer: &SendAnswer) -> Option<Fate> {
    match answer {
        SendAnswer::Accepted { job } => Some(Fate::Job(job.clone())),
        SendAnswer::AmbiguousWithJobs { jobs } => Some(Fate::Named(jobs.clone())),
        SendAnswer::NotConnected
        | SendAnswer::Throttled
        | SendAnswer::Conflict
        | SendAnswer::Ambiguous
        | SendAnswer::Credentials
        | SendAnswer::RefusedForAll
        | SendAnswer::Rejected => None,
    }
}

/// Whether something is still to be found out about a target.
fn is_open(target: &TargetRecord) -> bool {
    match target.outcome() {
        None | Some(Outcome::Unknown(_)) => true,
        Some(
            Outcome::Done(_)
            | Outcome::Already
            | Outcome::Skipped(_)
            | Outcome::Failed(_)
            | Outcome::NotSent(_),
        ) => false,
    }
}

/// Whether a target was on its way when its state was read, before it was in any request.
fn was_under_way(record: &BatchRecord, target: &TargetRecord) -> bool {
    let before = target.before();
    before.is_some_and(|state| state.under(record.action()) == Standing::UnderWay)
}

/// The last request with a target that the cloud took, or may have.
pub(super) fn last_request(record: &BatchRecord, slot: Slot) -> Option<Attempt> {
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

/// How many targets without an outcome are in no request that was, or may have been, accepted.
pub fn untouched(ledger: &Ledger) -> usize {
    let records = ledger.batches().iter();
    records
        .map(|record| rest(record, Moment::default()).unsent.len())
        .sum()
}

fn taken_with(send: &SendRecord, slot: Slot) -> bool {
    send.may_be_accepted() && send.servers.contains(slot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bms::{Evidence, StateClass};
    use crate::event::{Event, Phase, Stamped, StopCause};
    use crate::ids::BatchIndex;
    use crate::outcome::Reason;
    use crate::plan::sample;

    const BATCH: BatchIndex = BatchIndex(0);

    fn rest_after(events: Vec<Event>) -> Rest {
        let plan = sample::plan(vec![sample::group("all", 0, 4)]);
        let mut ledger = Ledger::new(&plan);
        let at = jiff::Timestamp::UNIX_EPOCH;
        for event in events {
            ledger.apply(&Stamped { at, event }).unwrap();
        }
        rest(ledger.batch(BATCH).unwrap(), Moment::default())
    }

    fn intended(attempt: Attempt, slots: &str) -> Event {
        Event::SendIntended {
            batch: BATCH,
            attempt,
            servers: slots.parse().unwrap(),
        }
    }

    fn answered(attempt: Attempt, answer: SendAnswer) -> Event {
        Event::SendAnswered {
            batch: BATCH,
            attempt,
            answer,
            evidence: Evidence::default(),
        }
    }

    fn settled(outcome: Outcome, slots: &str) -> Event {
        let outcomes = vec![(outcome, slots.parse().unwrap())];
        Event::Settled {
            batch: BATCH,
            outcomes,
        }
    }

    fn accepted() -> SendAnswer {
        SendAnswer::Accepted {
            job: "70a599e0".parse().unwrap(),
        }
    }

    #[test]
    fn a_fresh_batch_is_all_to_be_sent() {
        let rest = rest_after(Vec::new());
        assert_eq!(rest.unsent, Slots::all(4));
        assert!(rest.accepted.is_empty() && rest.lost.is_empty() && rest.under_way.is_empty());
    }

    #[test]
    fn an_intent_without_an_answer_is_lost_and_the_others_are_still_to_be_sent() {
        let rest = rest_after(vec![intended(1, "0-1")]);
        assert_eq!(rest.unsent.to_string(), "2-3");
        assert_eq!(rest.lost[0].servers.to_string(), "0-1");
    }

    #[test]
    fn requests_that_the_cloud_did_not_take_leave_their_servers_to_be_sent() {
        let cause = StopCause::Interrupted;
        let withdrawn = Event::SendWithdrawn {
            batch: BATCH,
            attempt: 2,
            cause,
        };
        let throttled = answered(1, SendAnswer::Throttled);
        let rest = rest_after(vec![
            intended(1, "0-3"),
            throttled,
            intended(2, "0-3"),
            withdrawn,
        ]);
        assert_eq!(rest.unsent, Slots::all(4));
        assert!(rest.lost.is_empty());
    }

    #[test]
    fn a_throttled_repetition_does_not_hide_that_the_first_request_was_lost() {
        let rest = rest_after(vec![
            intended(1, "0-3"),
            answered(1, SendAnswer::Ambiguous),
            intended(2, "0-3"),
            answered(2, SendAnswer::Throttled),
        ]);
        assert!(rest.unsent.is_empty());
        assert_eq!((rest.lost[0].attempt, rest.lost[0].servers.len()), (1, 4));
    }

    #[test]
    fn a_refused_repetition_proves_the_first_request_also_to_who_comes_later() {
        let refused = |code: &str| Event::SendAnswered {
            batch: BATCH,
            attempt: 2,
            answer: SendAnswer::Conflict,
            evidence: Evidence {
                code: Some(code.to_owned()),
                ..Evidence::default()
            },
        };
        let rest = |code: &str| {
            rest_after(vec![
                intended(1, "0-3"),
                answered(1, SendAnswer::Ambiguous),
                intended(2, "0-3"),
                refused(code),
            ])
        };
        let proven = rest("BMS.0036");
        assert_eq!((proven.accepted.len(), proven.lost.len()), (1, 0));
        let open = rest("BMS.0605");
        assert_eq!((open.accepted.len(), open.lost.len()), (0, 1));
    }

    #[test]
    fn jobs_that_an_unclear_response_named_are_followed_and_their_servers_never_sent() {
        let jobs: crate::bms::JobIds = serde_json::from_str(r#"["job-1","job-2"]"#).unwrap();
        let named = SendAnswer::AmbiguousWithJobs { jobs: jobs.clone() };
        let rest = rest_after(vec![intended(1, "0-3"), answered(1, named)]);
        assert!(rest.unsent.is_empty() && rest.lost.is_empty());
        assert!(matches!(&rest.accepted[0].fate, Fate::Named(found) if *found == jobs));
    }

    #[test]
    fn accepted_requests_are_followed_for_what_is_not_settled() {
        let rest = rest_after(vec![
            intended(1, "0-3"),
            answered(1, accepted()),
            settled(Outcome::Done(crate::outcome::Proof::Job), "0"),
            settled(Outcome::Unknown(Reason::JobUnfinished), "1"),
        ]);
        assert_eq!(rest.accepted[0].servers.to_string(), "1-3");
        assert!(rest.unsent.is_empty());
    }

    #[test]
    fn what_was_powering_on_is_never_sent_by_an_undo_and_waits_its_turn_in_a_stop() {
        let back = {
            let stop = sample::plan(vec![sample::group("all", 0, 4)]);
            let all = stop.batches[0].servers().iter().copied().collect();
            crate::plan::reverse(&stop, &"20261128T170000Z-3f9a1c".parse().unwrap(), &all)
        };
        let event = Event::Observed {
            batch: BATCH,
            phase: Phase::Before,
            states: vec![(StateClass::Starting, "1".parse().unwrap())],
            said: Vec::new(),
        };
        let mut ledger = Ledger::new(&back);
        let at = jiff::Timestamp::UNIX_EPOCH;
        ledger
            .apply(&Stamped {
                at,
                event: event.clone(),
            })
            .unwrap();
        let of_undo = rest(ledger.batch(BATCH).unwrap(), Moment::default());
        assert_eq!(of_undo.under_way.to_string(), "1");
        assert_eq!(rest_after(vec![event]).unsent, Slots::all(4));
    }

    #[test]
    fn what_was_powering_off_is_never_sent() {
        let states = vec![(StateClass::Stopping, "1".parse().unwrap())];
        let phase = Phase::Before;
        let rest = rest_after(vec![Event::Observed {
            batch: BATCH,
            phase,
            states,
            said: Vec::new(),
        }]);
        assert_eq!(
            (rest.under_way.to_string(), rest.unsent.to_string()),
            ("1".into(), "0,2-3".into())
        );
    }
}
