//! What follows from the answer to a power request. Pure.
//!
//! Owns the second half of the table of design §7: the class of an answer, and what was tried before,
//! to the next step. Waiting and sending are the neighbour's work. Invariant: a request is repeated
//! only after an answer that proves that the cloud did not act on it.

use std::time::Duration;

use crate::bms::{Conflict, JobIds, PowerAnswer, next_wait};
use crate::event::{StopCause, WaitReason};
use crate::ids::JobId;
use crate::outcome::Reason;

/// What was tried before for the same servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct History {
    /// How many servers the request names.
    pub(super) servers: usize,
    /// Requests in a row that were throttled or never connected, this one included.
    pub(super) refusals: u32,
    /// Time since the first of them.
    pub(super) refused_for: Duration,
    /// Whether the servers were all seen unmoved after an earlier conflict.
    pub(super) sifted: bool,
    /// Whether the credentials were read anew for these servers.
    pub(super) renewed: bool,
    /// Whether a request of this run was accepted.
    pub(super) accepted_before: bool,
    /// Whether an earlier request with one of the servers may have been accepted.
    pub(super) lost_before: bool,
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Poll the job.
    Follow(JobId),
    /// Poll the jobs that a response named that is no clear acceptance.
    FollowNamed(JobIds),
    /// Whether it was accepted is unknown: find out from the states.
    FindOut,
    /// An earlier request, whose answer was lost, was accepted.
    AcceptedEarlier,
    /// Wait, then send the same again.
    Again(Duration, WaitReason),
    /// Read the states singly, leave out what is to be left out, and send the rest.
    Sift,
    /// Send each half of the servers by itself.
    Halve,
    /// Read the credentials anew and send the same again.
    Renew,
    /// The servers of the request are refused.
    Reject,
    /// The servers of the request are never sent.
    GiveUp(Reason),
    /// Nothing more can be sent by this run.
    Stop(StopCause),
}

/// The step after `answer`, where `status` is its HTTP status. `jitter` is from 0 to 1.
pub(super) fn react(
    answer: PowerAnswer,
    status: Option<u16>,
    history: History,
    retry_for: Duration,
    jitter: f64,
) -> Reaction {
    let wait = |after| {
        next_wait(
            history.refusals,
            history.refused_for,
            retry_for,
            after,
            jitter,
        )
    };
    match answer {
        PowerAnswer::Accepted(job) => Reaction::Follow(job),
        PowerAnswer::Ambiguous => Reaction::FindOut,
        PowerAnswer::AmbiguousWithJobs(jobs) => Reaction::FollowNamed(jobs),
        PowerAnswer::NotSent => match wait(None) {
            Some(pause) => Reaction::Again(pause, WaitReason::Unreachable),
            None => Reaction::Stop(StopCause::Unreachable),
        },
        PowerAnswer::Blocked => Reaction::Stop(StopCause::Unreachable),
        PowerAnswer::Throttled { retry_after } => match wait(retry_after) {
            Some(pause) => Reaction::Again(pause, WaitReason::Throttled),
            None => Reaction::GiveUp(Reason::Throttled),
        },
        PowerAnswer::Conflict(Conflict::There) if history.lost_before => Reaction::AcceptedEarlier,
        PowerAnswer::Conflict(_) if !history.sifted => Reaction::Sift,
        PowerAnswer::Conflict(_) | PowerAnswer::Rejected { one_server: true } => {
            if history.servers > 1 {
                Reaction::Halve
            } else {
                Reaction::Reject
            }
        }
        PowerAnswer::Rejected { one_server: false } => Reaction::Reject,
        PowerAnswer::Credentials if !history.renewed => Reaction::Renew,
        PowerAnswer::RefusedForAll if status == Some(403) && history.accepted_before => {
            Reaction::Reject
        }
        PowerAnswer::Credentials | PowerAnswer::RefusedForAll => Reaction::Stop(StopCause::Refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const HOUR: Duration = Duration::from_secs(3600);

    fn first() -> History {
        History {
            servers: 10,
            refusals: 1,
            ..History::default()
        }
    }

    fn step(answer: PowerAnswer, history: History) -> Reaction {
        react(answer, Some(400), history, HOUR, 0.5)
    }

    #[rstest]
    #[case(PowerAnswer::Ambiguous, Reaction::FindOut)]
    #[case(PowerAnswer::Conflict(Conflict::There), Reaction::Sift)]
    #[case(PowerAnswer::Conflict(Conflict::Other), Reaction::Sift)]
    #[case(PowerAnswer::Credentials, Reaction::Renew)]
    #[case(PowerAnswer::RefusedForAll, Reaction::Stop(StopCause::Refused))]
    #[case(PowerAnswer::Blocked, Reaction::Stop(StopCause::Unreachable))]
    #[case(PowerAnswer::Rejected { one_server: true }, Reaction::Halve)]
    #[case(PowerAnswer::Rejected { one_server: false }, Reaction::Reject)]
    fn the_first_answer(#[case] answer: PowerAnswer, #[case] reaction: Reaction) {
        assert_eq!(step(answer, first()), reaction);
    }

    #[test]
    fn a_conflict_with_all_seen_on_is_halved_down_to_one_server() {
        let conflict = PowerAnswer::Conflict(Conflict::Other);
        let history = History {
            sifted: true,
            ..first()
        };
        assert_eq!(step(conflict.clone(), history), Reaction::Halve);
        let history = History {
            servers: 1,
            ..history
        };
        assert_eq!(step(conflict, history), Reaction::Reject);
    }

    #[test]
    fn a_server_found_there_after_a_lost_answer_was_moved_by_that_request() {
        let history = History {
            lost_before: true,
            ..first()
        };
        let off = PowerAnswer::Conflict(Conflict::There);
        assert_eq!(step(off, history), Reaction::AcceptedEarlier);
        assert_eq!(
            step(PowerAnswer::Conflict(Conflict::Other), history),
            Reaction::Sift
        );
    }

    #[test]
    fn credentials_are_read_anew_once() {
        let history = History {
            renewed: true,
            ..first()
        };
        assert_eq!(
            step(PowerAnswer::Credentials, history),
            Reaction::Stop(StopCause::Refused)
        );
    }

    #[test]
    fn a_403_after_an_accepted_request_concerns_these_servers_only() {
        let history = History {
            accepted_before: true,
            ..first()
        };
        let react = |status| react(PowerAnswer::RefusedForAll, Some(status), history, HOUR, 0.5);
        assert_eq!(react(403), Reaction::Reject);
        assert_eq!(react(404), Reaction::Stop(StopCause::Refused));
    }

    #[test]
    fn throttling_is_waited_out_and_then_given_up() {
        let throttled = PowerAnswer::Throttled {
            retry_after: Some(Duration::from_secs(90)),
        };
        let asked = Reaction::Again(Duration::from_secs(90), WaitReason::Throttled);
        assert_eq!(step(throttled.clone(), first()), asked);
        let history = History {
            refused_for: HOUR,
            ..first()
        };
        assert_eq!(
            step(throttled, history),
            Reaction::GiveUp(Reason::Throttled)
        );
    }

    #[test]
    fn a_cloud_that_cannot_be_reached_stops_the_run_in_the_end() {
        assert!(matches!(
            step(PowerAnswer::NotSent, first()),
            Reaction::Again(..)
        ));
        let history = History {
            refused_for: HOUR,
            ..first()
        };
        assert_eq!(
            step(PowerAnswer::NotSent, history),
            Reaction::Stop(StopCause::Unreachable)
        );
    }

    proptest! {
        #[test]
        fn what_may_have_been_accepted_is_never_repeated(
            servers in 1usize..1000, refusals in 0u32..9, sifted: bool, renewed: bool,
            accepted_before: bool, lost_before: bool, refused in 0u64..5000,
            jitter in 0.0f64..1.0, status in prop::option::of(200u16..600),
        ) {
            let refused_for = Duration::from_secs(refused);
            let history = History {
                servers, refusals, refused_for, sifted, renewed, accepted_before, lost_before,
            };
            let job: JobId = "70a599e0".parse().unwrap();
            let named = PowerAnswer::AmbiguousWithJobs(job.clone().into());
            for answer in [PowerAnswer::Ambiguous, PowerAnswer::Accepted(job), named] {
                let reaction = react(answer, status, history, HOUR, jitter);
                let follows = matches!(reaction, Reaction::Follow(_) | Reaction::FollowNamed(_));
                prop_assert!(follows || reaction == Reaction::FindOut);
            }
        }
    }
}
