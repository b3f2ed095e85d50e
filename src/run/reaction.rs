//! What follows from the answer to a stop request. Pure.
//!
//! Owns the second half of the table of design §7: the class of an answer, and what was tried before,
//! to the next step. Waiting and sending are the neighbour's work. Invariant: a request is repeated
//! only after an answer that proves that the cloud did not act on it.

use std::time::Duration;

use crate::bms::{StopAnswer, next_wait};
use crate::event::{StopCause, WaitReason};
use crate::ids::JobId;
use crate::outcome::Reason;

/// What was tried before for the same servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct History {
    /// Requests in a row that were throttled or never connected, this one included.
    pub(super) refusals: u32,
    /// Time since the first of them.
    pub(super) refused_for: Duration,
    /// Conflicts so far, this one included.
    pub(super) conflicts: u32,
    /// Whether the credentials were read anew for this batch.
    pub(super) renewed: bool,
    /// Whether a request of this run was accepted.
    pub(super) accepted_before: bool,
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Poll the job.
    Follow(JobId),
    /// Whether it was accepted is unknown: look at the states.
    Lost,
    /// Wait, then send the same again.
    Again(Duration, WaitReason),
    /// Read the states singly, leave out what is not on, and send the rest.
    Sift,
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
    answer: StopAnswer,
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
        StopAnswer::Accepted(job) => Reaction::Follow(job),
        StopAnswer::Ambiguous => Reaction::Lost,
        StopAnswer::NotSent => match wait(None) {
            Some(pause) => Reaction::Again(pause, WaitReason::Unreachable),
            None => Reaction::Stop(StopCause::Unreachable),
        },
        StopAnswer::Throttled { retry_after } => match wait(retry_after) {
            Some(pause) => Reaction::Again(pause, WaitReason::Throttled),
            None => Reaction::GiveUp(Reason::Throttled),
        },
        StopAnswer::Conflict(_) if history.conflicts == 1 => Reaction::Sift,
        StopAnswer::Conflict(_) | StopAnswer::Rejected { .. } => Reaction::Reject,
        StopAnswer::Credentials if !history.renewed => Reaction::Renew,
        StopAnswer::RefusedForAll if status == Some(403) && history.accepted_before => {
            Reaction::Reject
        }
        StopAnswer::Credentials | StopAnswer::RefusedForAll => Reaction::Stop(StopCause::Refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bms::Conflict;
    use proptest::prelude::*;
    use rstest::rstest;

    const HOUR: Duration = Duration::from_secs(3600);

    fn first() -> History {
        History {
            refusals: 1,
            conflicts: 1,
            ..History::default()
        }
    }

    fn step(answer: StopAnswer, history: History) -> Reaction {
        react(answer, Some(400), history, HOUR, 0.5)
    }

    #[rstest]
    #[case(StopAnswer::Ambiguous, Reaction::Lost)]
    #[case(StopAnswer::Conflict(Conflict::StoppingOrOff), Reaction::Sift)]
    #[case(StopAnswer::Conflict(Conflict::Other), Reaction::Sift)]
    #[case(StopAnswer::Credentials, Reaction::Renew)]
    #[case(StopAnswer::RefusedForAll, Reaction::Stop(StopCause::Refused))]
    #[case(StopAnswer::Rejected { one_server: true }, Reaction::Reject)]
    #[case(StopAnswer::Rejected { one_server: false }, Reaction::Reject)]
    fn the_first_answer(#[case] answer: StopAnswer, #[case] reaction: Reaction) {
        assert_eq!(step(answer, first()), reaction);
    }

    #[test]
    fn a_second_conflict_is_a_refusal() {
        let history = History {
            conflicts: 2,
            ..first()
        };
        assert_eq!(
            step(StopAnswer::Conflict(Conflict::Other), history),
            Reaction::Reject
        );
    }

    #[test]
    fn credentials_are_read_anew_once() {
        let history = History {
            renewed: true,
            ..first()
        };
        assert_eq!(
            step(StopAnswer::Credentials, history),
            Reaction::Stop(StopCause::Refused)
        );
    }

    #[test]
    fn a_403_after_an_accepted_request_concerns_these_servers_only() {
        let history = History {
            accepted_before: true,
            ..first()
        };
        let react = |status| react(StopAnswer::RefusedForAll, Some(status), history, HOUR, 0.5);
        assert_eq!(react(403), Reaction::Reject);
        assert_eq!(react(404), Reaction::Stop(StopCause::Refused));
    }

    #[test]
    fn throttling_is_waited_out_and_then_given_up() {
        let throttled = StopAnswer::Throttled {
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
            step(StopAnswer::NotSent, first()),
            Reaction::Again(..)
        ));
        let history = History {
            refused_for: HOUR,
            ..first()
        };
        assert_eq!(
            step(StopAnswer::NotSent, history),
            Reaction::Stop(StopCause::Unreachable)
        );
    }

    proptest! {
        #[test]
        fn what_may_have_been_accepted_is_never_repeated(
            refusals in 0u32..9, conflicts in 0u32..3, renewed: bool, accepted_before: bool,
            refused in 0u64..5000, jitter in 0.0f64..1.0, status in prop::option::of(200u16..600),
        ) {
            let refused_for = Duration::from_secs(refused);
            let history = History { refusals, refused_for, conflicts, renewed, accepted_before };
            let job: JobId = "70a599e0".parse().unwrap();
            for answer in [StopAnswer::Ambiguous, StopAnswer::Accepted(job)] {
                let reaction = react(answer, status, history, HOUR, jitter);
                prop_assert!(matches!(reaction, Reaction::Lost | Reaction::Follow(_)));
            }
        }
    }
}
