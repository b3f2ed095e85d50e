//! What became of a target, from what its job says and what its state shows afterwards. Pure.
//!
//! Owns the table of design §7, step 4. State decides over the job. Invariant: a target counts as
//! stopped or started only if it was seen so, or if its sub-job says so and the workflow wants no
//! reading.

use std::time::Duration;

use crate::outcome::{Outcome, Proof, Reason};
use crate::power::{Action, Standing};

/// What is known of a target before its state is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Told {
    /// Its sub-job succeeded.
    Succeeded,
    /// Its sub-job failed because it was there already.
    FoundThere,
    /// Its sub-job failed.
    Failed,
    /// The job ended well and says nothing of it.
    Nothing,
    /// The job was not final in time, or could not be read.
    Unfinished,
    /// The cloud does not know the job.
    JobGone,
    /// Its request was accepted, though the answer was lost.
    Lost,
    /// It was on its way before the run came to it, and was never sent.
    UnderWayBefore,
}

/// How much time has passed at the reading since the job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timing {
    /// From the end of the job, or of the failed request, to the reading.
    pub(super) passed: Duration,
    /// How long a state may lag.
    pub(super) grace: Duration,
    /// How long powering off or on may take.
    pub(super) limit: Duration,
}

/// The outcome, or that it is too early to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This is it.
    Settled(Outcome),
    /// Read again later.
    TooEarly,
}

/// The verdict without any reading, where the workflow wants none and none is needed.
pub(super) fn by_job_alone(told: Told) -> Option<Outcome> {
    match told {
        Told::Succeeded => Some(Outcome::Done(Proof::Job)),
        Told::FoundThere => Some(Outcome::Already),
        Told::Failed => Some(Outcome::Failed(Reason::JobFailed)),
        Told::Nothing | Told::Unfinished => Some(Outcome::Unknown(Reason::JobUnfinished)),
        Told::JobGone | Told::Lost | Told::UnderWayBefore => None,
    }
}

/// The verdict on a target of `action` that stands so.
pub(super) fn judge(action: Action, told: Told, standing: Standing, timing: Timing) -> Verdict {
    let within = |allowed: Duration, outcome: Outcome| {
        if timing.passed < allowed {
            Verdict::TooEarly
        } else {
            Verdict::Settled(outcome)
        }
    };
    let unmoved = unmoved(action, told);
    match standing {
        Standing::There => Verdict::Settled(seen_there(told)),
        Standing::UnderWay => within(timing.limit, too_long(action, told)),
        Standing::Opposite | Standing::Locked => match told {
            Told::Failed | Told::Unfinished => Verdict::Settled(unmoved),
            Told::Lost => within(timing.limit, unmoved),
            Told::Succeeded
            | Told::FoundThere
            | Told::Nothing
            | Told::JobGone
            | Told::UnderWayBefore => within(timing.grace, unmoved),
        },
        Standing::Busy => within(timing.grace, seen_otherwise(told, Reason::Busy)),
        Standing::Error => Verdict::Settled(seen_otherwise(told, Reason::ErrorState)),
        Standing::Gone => Verdict::Settled(seen_otherwise(told, Reason::Missing)),
    }
}

fn seen_there(told: Told) -> Outcome {
    match told {
        Told::Succeeded | Told::Failed | Told::Nothing | Told::Unfinished | Told::JobGone => {
            Outcome::Done(Proof::Job)
        }
        Told::FoundThere | Told::UnderWayBefore => Outcome::Already,
        Told::Lost => Outcome::Done(Proof::AnswerLost),
    }
}

fn unmoved(action: Action, told: Told) -> Outcome {
    match told {
        Told::Succeeded | Told::FoundThere | Told::Nothing | Told::Lost | Told::UnderWayBefore => {
            Outcome::Failed(Reason::unmoved(action))
        }
        Told::Failed => Outcome::Failed(Reason::JobFailed),
        Told::Unfinished => Outcome::Unknown(Reason::JobUnfinished),
        Told::JobGone => Outcome::Unknown(Reason::JobGone),
    }
}

fn too_long(action: Action, told: Told) -> Outcome {
    match told {
        Told::Succeeded
        | Told::FoundThere
        | Told::Failed
        | Told::Nothing
        | Told::UnderWayBefore => Outcome::Failed(Reason::stuck(action)),
        Told::Unfinished => Outcome::Unknown(Reason::JobUnfinished),
        Told::JobGone => Outcome::Unknown(Reason::JobGone),
        Told::Lost => Outcome::Failed(Reason::unmoved(action)),
    }
}

fn seen_otherwise(told: Told, reason: Reason) -> Outcome {
    match told {
        Told::Failed => Outcome::Failed(Reason::JobFailed),
        Told::Unfinished => Outcome::Unknown(Reason::JobUnfinished),
        Told::Succeeded
        | Told::FoundThere
        | Told::Nothing
        | Told::JobGone
        | Told::Lost
        | Told::UnderWayBefore => Outcome::Failed(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    use crate::workflow::StopType;

    const STOP: Action = Action::Stop(StopType::Hard);
    const GRACE: Duration = Duration::from_secs(120);
    const LIMIT: Duration = Duration::from_secs(1800);
    const TOLD: [Told; 8] = [
        Told::Succeeded,
        Told::FoundThere,
        Told::Failed,
        Told::Nothing,
        Told::Unfinished,
        Told::JobGone,
        Told::Lost,
        Told::UnderWayBefore,
    ];
    const STATES: [Standing; 7] = [
        Standing::Opposite,
        Standing::There,
        Standing::UnderWay,
        Standing::Gone,
        Standing::Error,
        Standing::Locked,
        Standing::Busy,
    ];

    fn at(passed: Duration) -> Timing {
        Timing {
            passed,
            grace: GRACE,
            limit: LIMIT,
        }
    }

    #[rstest]
    #[case(Told::Succeeded, Standing::There, Outcome::Done(Proof::Job))]
    #[case(Told::FoundThere, Standing::There, Outcome::Already)]
    #[case(Told::Failed, Standing::There, Outcome::Done(Proof::Job))]
    #[case(Told::Lost, Standing::There, Outcome::Done(Proof::AnswerLost))]
    #[case(Told::UnderWayBefore, Standing::There, Outcome::Already)]
    #[case(Told::Failed, Standing::Opposite, Outcome::Failed(Reason::JobFailed))]
    #[case(
        Told::Unfinished,
        Standing::Opposite,
        Outcome::Unknown(Reason::JobUnfinished)
    )]
    #[case(Told::Succeeded, Standing::Gone, Outcome::Failed(Reason::Missing))]
    #[case(
        Told::Unfinished,
        Standing::Error,
        Outcome::Unknown(Reason::JobUnfinished)
    )]
    fn what_is_clear_at_once(
        #[case] told: Told,
        #[case] state: Standing,
        #[case] outcome: Outcome,
    ) {
        assert_eq!(
            judge(STOP, told, state, at(Duration::ZERO)),
            Verdict::Settled(outcome)
        );
    }

    #[rstest]
    #[case(
        Told::Succeeded,
        Standing::Opposite,
        GRACE,
        Outcome::Failed(Reason::StillOn)
    )]
    #[case(
        Told::Succeeded,
        Standing::Locked,
        GRACE,
        Outcome::Failed(Reason::StillOn)
    )]
    #[case(
        Told::Lost,
        Standing::Opposite,
        LIMIT,
        Outcome::Failed(Reason::StillOn)
    )]
    #[case(
        Told::JobGone,
        Standing::Opposite,
        GRACE,
        Outcome::Unknown(Reason::JobGone)
    )]
    #[case(Told::Succeeded, Standing::Busy, GRACE, Outcome::Failed(Reason::Busy))]
    #[case(
        Told::Succeeded,
        Standing::UnderWay,
        LIMIT,
        Outcome::Failed(Reason::StuckStopping)
    )]
    #[case(
        Told::UnderWayBefore,
        Standing::UnderWay,
        LIMIT,
        Outcome::Failed(Reason::StuckStopping)
    )]
    #[case(
        Told::Lost,
        Standing::UnderWay,
        LIMIT,
        Outcome::Failed(Reason::StillOn)
    )]
    fn what_needs_time(
        #[case] told: Told,
        #[case] state: Standing,
        #[case] allowed: Duration,
        #[case] outcome: Outcome,
    ) {
        let just_before = at(allowed - Duration::from_millis(1));
        assert_eq!(judge(STOP, told, state, just_before), Verdict::TooEarly);
        assert_eq!(
            judge(STOP, told, state, at(allowed)),
            Verdict::Settled(outcome)
        );
    }

    #[rstest]
    #[case(Told::Succeeded, Standing::Opposite, GRACE, Reason::StillOff)]
    #[case(Told::Succeeded, Standing::UnderWay, LIMIT, Reason::StuckStarting)]
    #[case(Told::UnderWayBefore, Standing::UnderWay, LIMIT, Reason::StuckStarting)]
    #[case(Told::UnderWayBefore, Standing::Opposite, GRACE, Reason::StillOff)]
    #[case(Told::Lost, Standing::Opposite, LIMIT, Reason::StillOff)]
    #[case(Told::Failed, Standing::Opposite, Duration::ZERO, Reason::JobFailed)]
    fn a_start_that_fails_has_words_of_its_own(
        #[case] told: Told,
        #[case] standing: Standing,
        #[case] allowed: Duration,
        #[case] reason: Reason,
    ) {
        let verdict = judge(Action::Start, told, standing, at(allowed));
        assert_eq!(verdict, Verdict::Settled(Outcome::Failed(reason)));
    }

    #[test]
    fn a_stop_and_a_start_are_judged_alike_but_for_two_words() {
        let failed = |reason| Verdict::Settled(Outcome::Failed(reason));
        let mirrored = |verdict| {
            if verdict == failed(Reason::StillOn) {
                failed(Reason::StillOff)
            } else if verdict == failed(Reason::StuckStopping) {
                failed(Reason::StuckStarting)
            } else {
                verdict
            }
        };
        for told in TOLD {
            for standing in STATES {
                for passed in [Duration::ZERO, GRACE, LIMIT] {
                    let stop = judge(STOP, told, standing, at(passed));
                    let start = judge(Action::Start, told, standing, at(passed));
                    assert_eq!(mirrored(stop), start, "{told:?} {standing:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn only_a_server_seen_there_counts_as_done(
            told in prop::sample::select(TOLD.as_slice()),
            state in prop::sample::select(STATES.as_slice()),
            seconds in 0u64..4000,
        ) {
            let verdict = judge(STOP, told, state, at(Duration::from_secs(seconds)));
            let off = matches!(
                verdict,
                Verdict::Settled(Outcome::Done(_) | Outcome::Already)
            );
            prop_assert_eq!(off, state == Standing::There);
        }

        #[test]
        fn every_wait_ends(
            told in prop::sample::select(TOLD.as_slice()),
            state in prop::sample::select(STATES.as_slice()),
        ) {
            prop_assert_ne!(judge(STOP, told, state, at(LIMIT)), Verdict::TooEarly);
        }
    }
}
