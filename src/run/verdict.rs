//! What became of a target, from what its job says and what its state shows afterwards. Pure.
//!
//! Owns the table of design §7, step 4. State decides over the job. Invariant: a target counts as
//! stopped only if it was seen off, or if its sub-job says so and the workflow wants no reading.

use std::time::Duration;

use crate::bms::StateClass;
use crate::outcome::{Outcome, Proof, Reason};

/// Error code of a server that was off when its stop was tried.
pub(super) const ALREADY_OFF: &str = "BMS.0039";

/// What is known of a target before its state is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Told {
    /// Its sub-job succeeded.
    Succeeded,
    /// Its sub-job failed because it was off already.
    FoundOff,
    /// Its sub-job failed.
    Failed,
    /// The job ended well and says nothing of it.
    Nothing,
    /// The job was not final in time, or could not be read.
    Unfinished,
    /// The cloud does not know the job.
    JobGone,
    /// Its stop request was accepted, though the answer was lost.
    Lost,
    /// It was powering off before the run came to it, and was never sent.
    StoppingBefore,
}

/// How much time has passed at the reading since the job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timing {
    /// From the end of the job, or of the failed request, to the reading.
    pub(super) passed: Duration,
    /// How long a state may lag.
    pub(super) grace: Duration,
    /// How long powering off may take.
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
        Told::Succeeded => Some(Outcome::Stopped(Proof::Job)),
        Told::FoundOff => Some(Outcome::AlreadyOff),
        Told::Failed => Some(Outcome::Failed(Reason::JobFailed)),
        Told::Nothing | Told::Unfinished => Some(Outcome::Unknown(Reason::JobUnfinished)),
        Told::JobGone | Told::Lost | Told::StoppingBefore => None,
    }
}

/// The verdict on a target that is in `state`.
pub(super) fn judge(told: Told, state: StateClass, timing: Timing) -> Verdict {
    let within = |allowed: Duration, outcome: Outcome| {
        if timing.passed < allowed {
            Verdict::TooEarly
        } else {
            Verdict::Settled(outcome)
        }
    };
    match state {
        StateClass::Off => Verdict::Settled(seen_off(told)),
        StateClass::Stopping => within(timing.limit, too_long_stopping(told)),
        StateClass::On | StateClass::Locked => match told {
            Told::Failed | Told::Unfinished => Verdict::Settled(seen_on(told)),
            Told::Lost => within(timing.limit, seen_on(told)),
            Told::Succeeded
            | Told::FoundOff
            | Told::Nothing
            | Told::JobGone
            | Told::StoppingBefore => within(timing.grace, seen_on(told)),
        },
        StateClass::Busy => within(timing.grace, seen_otherwise(told, Reason::Busy)),
        StateClass::Error => Verdict::Settled(seen_otherwise(told, Reason::ErrorState)),
        StateClass::Gone => Verdict::Settled(seen_otherwise(told, Reason::Missing)),
    }
}

fn seen_off(told: Told) -> Outcome {
    match told {
        Told::Succeeded | Told::Failed | Told::Nothing | Told::Unfinished | Told::JobGone => {
            Outcome::Stopped(Proof::Job)
        }
        Told::FoundOff | Told::StoppingBefore => Outcome::AlreadyOff,
        Told::Lost => Outcome::Stopped(Proof::AnswerLost),
    }
}

fn seen_on(told: Told) -> Outcome {
    match told {
        Told::Succeeded | Told::FoundOff | Told::Nothing | Told::Lost | Told::StoppingBefore => {
            Outcome::Failed(Reason::StillOn)
        }
        Told::Failed => Outcome::Failed(Reason::JobFailed),
        Told::Unfinished => Outcome::Unknown(Reason::JobUnfinished),
        Told::JobGone => Outcome::Unknown(Reason::JobGone),
    }
}

fn too_long_stopping(told: Told) -> Outcome {
    match told {
        Told::Succeeded | Told::FoundOff | Told::Failed | Told::Nothing | Told::StoppingBefore => {
            Outcome::Failed(Reason::StuckStopping)
        }
        Told::Unfinished => Outcome::Unknown(Reason::JobUnfinished),
        Told::JobGone => Outcome::Unknown(Reason::JobGone),
        Told::Lost => Outcome::Failed(Reason::StillOn),
    }
}

fn seen_otherwise(told: Told, reason: Reason) -> Outcome {
    match told {
        Told::Failed => Outcome::Failed(Reason::JobFailed),
        Told::Unfinished => Outcome::Unknown(Reason::JobUnfinished),
        Told::Succeeded
        | Told::FoundOff
        | Told::Nothing
        | Told::JobGone
        | Told::Lost
        | Told::StoppingBefore => Outcome::Failed(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const GRACE: Duration = Duration::from_secs(120);
    const LIMIT: Duration = Duration::from_secs(1800);
    const TOLD: [Told; 8] = [
        Told::Succeeded,
        Told::FoundOff,
        Told::Failed,
        Told::Nothing,
        Told::Unfinished,
        Told::JobGone,
        Told::Lost,
        Told::StoppingBefore,
    ];
    const STATES: [StateClass; 7] = [
        StateClass::On,
        StateClass::Off,
        StateClass::Stopping,
        StateClass::Gone,
        StateClass::Error,
        StateClass::Locked,
        StateClass::Busy,
    ];

    fn at(passed: Duration) -> Timing {
        Timing {
            passed,
            grace: GRACE,
            limit: LIMIT,
        }
    }

    #[rstest]
    #[case(Told::Succeeded, StateClass::Off, Outcome::Stopped(Proof::Job))]
    #[case(Told::FoundOff, StateClass::Off, Outcome::AlreadyOff)]
    #[case(Told::Failed, StateClass::Off, Outcome::Stopped(Proof::Job))]
    #[case(Told::Lost, StateClass::Off, Outcome::Stopped(Proof::AnswerLost))]
    #[case(Told::StoppingBefore, StateClass::Off, Outcome::AlreadyOff)]
    #[case(Told::Failed, StateClass::On, Outcome::Failed(Reason::JobFailed))]
    #[case(
        Told::Unfinished,
        StateClass::On,
        Outcome::Unknown(Reason::JobUnfinished)
    )]
    #[case(Told::Succeeded, StateClass::Gone, Outcome::Failed(Reason::Missing))]
    #[case(
        Told::Unfinished,
        StateClass::Error,
        Outcome::Unknown(Reason::JobUnfinished)
    )]
    fn what_is_clear_at_once(
        #[case] told: Told,
        #[case] state: StateClass,
        #[case] outcome: Outcome,
    ) {
        assert_eq!(
            judge(told, state, at(Duration::ZERO)),
            Verdict::Settled(outcome)
        );
    }

    #[rstest]
    #[case(
        Told::Succeeded,
        StateClass::On,
        GRACE,
        Outcome::Failed(Reason::StillOn)
    )]
    #[case(
        Told::Succeeded,
        StateClass::Locked,
        GRACE,
        Outcome::Failed(Reason::StillOn)
    )]
    #[case(Told::Lost, StateClass::On, LIMIT, Outcome::Failed(Reason::StillOn))]
    #[case(
        Told::JobGone,
        StateClass::On,
        GRACE,
        Outcome::Unknown(Reason::JobGone)
    )]
    #[case(
        Told::Succeeded,
        StateClass::Busy,
        GRACE,
        Outcome::Failed(Reason::Busy)
    )]
    #[case(
        Told::Succeeded,
        StateClass::Stopping,
        LIMIT,
        Outcome::Failed(Reason::StuckStopping)
    )]
    #[case(
        Told::StoppingBefore,
        StateClass::Stopping,
        LIMIT,
        Outcome::Failed(Reason::StuckStopping)
    )]
    #[case(
        Told::Lost,
        StateClass::Stopping,
        LIMIT,
        Outcome::Failed(Reason::StillOn)
    )]
    fn what_needs_time(
        #[case] told: Told,
        #[case] state: StateClass,
        #[case] allowed: Duration,
        #[case] outcome: Outcome,
    ) {
        let just_before = at(allowed - Duration::from_millis(1));
        assert_eq!(judge(told, state, just_before), Verdict::TooEarly);
        assert_eq!(judge(told, state, at(allowed)), Verdict::Settled(outcome));
    }

    proptest! {
        #[test]
        fn only_a_server_seen_off_counts_as_stopped(
            told in prop::sample::select(TOLD.as_slice()),
            state in prop::sample::select(STATES.as_slice()),
            seconds in 0u64..4000,
        ) {
            let verdict = judge(told, state, at(Duration::from_secs(seconds)));
            let off = matches!(
                verdict,
                Verdict::Settled(Outcome::Stopped(_) | Outcome::AlreadyOff)
            );
            prop_assert_eq!(off, state == StateClass::Off);
        }

        #[test]
        fn every_wait_ends(
            told in prop::sample::select(TOLD.as_slice()),
            state in prop::sample::select(STATES.as_slice()),
        ) {
            prop_assert_ne!(judge(told, state, at(LIMIT)), Verdict::TooEarly);
        }
    }
}
