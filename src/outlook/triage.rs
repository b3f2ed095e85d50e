//! What a state that was read before the request means for a target. Pure.
//!
//! Owns the table of design §7, step 1. Invariant: only a server that is in the state from which it is to be
//! taken, or in error where the workflow says so, is ever to be sent.

use crate::outcome::{Outcome, Reason};
use crate::power::Standing;
use crate::workflow::{FailOrSkip, FailSkipOrSend, OnState};

/// What to do with a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Put it into the request.
    Send,
    /// It is on its way already: follow its state.
    Follow,
    /// It is at work: read again.
    Wait,
    /// It has its outcome.
    Settle(Outcome),
}

/// The step for a target that stands so, and whose live name differs from the inventory's if `renamed`.
pub fn triage(standing: Standing, renamed: bool, on_state: OnState) -> Step {
    if renamed {
        return Step::Settle(Outcome::Failed(Reason::NameMismatch));
    }
    match standing {
        Standing::Opposite => Step::Send,
        Standing::There => Step::Settle(Outcome::Already),
        Standing::UnderWay => Step::Follow,
        Standing::Busy => Step::Wait,
        Standing::Gone => Step::Settle(fail_or_skip(on_state.missing, Reason::Missing)),
        Standing::Locked => Step::Settle(fail_or_skip(on_state.locked, Reason::Locked)),
        Standing::Error => match on_state.error {
            FailSkipOrSend::Fail => Step::Settle(Outcome::Failed(Reason::ErrorState)),
            FailSkipOrSend::Skip => Step::Settle(Outcome::Skipped(Reason::ErrorState)),
            FailSkipOrSend::Send => Step::Send,
        },
    }
}

fn fail_or_skip(choice: FailOrSkip, reason: Reason) -> Outcome {
    match choice {
        FailOrSkip::Fail => Outcome::Failed(reason),
        FailOrSkip::Skip => Outcome::Skipped(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const SKIP: OnState = OnState {
        missing: FailOrSkip::Skip,
        error: FailSkipOrSend::Skip,
        locked: FailOrSkip::Skip,
    };

    #[rstest]
    #[case(Standing::Opposite, Step::Send, Step::Send)]
    #[case(Standing::UnderWay, Step::Follow, Step::Follow)]
    #[case(Standing::Busy, Step::Wait, Step::Wait)]
    #[case(
        Standing::There,
        Step::Settle(Outcome::Already),
        Step::Settle(Outcome::Already)
    )]
    #[case(
        Standing::Gone,
        Step::Settle(Outcome::Failed(Reason::Missing)),
        Step::Settle(Outcome::Skipped(Reason::Missing))
    )]
    #[case(
        Standing::Locked,
        Step::Settle(Outcome::Failed(Reason::Locked)),
        Step::Settle(Outcome::Skipped(Reason::Locked))
    )]
    #[case(
        Standing::Error,
        Step::Settle(Outcome::Failed(Reason::ErrorState)),
        Step::Settle(Outcome::Skipped(Reason::ErrorState))
    )]
    fn each_state_by_default_and_with_skip(
        #[case] state: Standing,
        #[case] by_default: Step,
        #[case] skipping: Step,
    ) {
        assert_eq!(triage(state, false, OnState::default()), by_default);
        assert_eq!(triage(state, false, SKIP), skipping);
    }

    #[test]
    fn a_server_in_error_is_sent_only_on_request() {
        let on_state = OnState {
            error: FailSkipOrSend::Send,
            ..OnState::default()
        };
        assert_eq!(triage(Standing::Error, false, on_state), Step::Send);
    }

    #[test]
    fn a_renamed_server_is_never_sent() {
        let mismatch = Step::Settle(Outcome::Failed(Reason::NameMismatch));
        assert_eq!(
            triage(Standing::Opposite, true, OnState::default()),
            mismatch
        );
        assert_eq!(triage(Standing::There, true, SKIP), mismatch);
    }
}
