//! What a state that was read before the stop means for a target. Pure.
//!
//! Owns the table of design §7, step 1. Invariant: only a server that is on, or in error where the
//! workflow says so, is ever to be sent.

use crate::bms::StateClass;
use crate::outcome::{Outcome, Reason};
use crate::workflow::{FailOrSkip, FailSkipOrSend, OnState};

/// What to do with a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// Put it into the stop request.
    Send,
    /// It is powering off already: follow its state.
    Follow,
    /// It is at work: read again.
    Wait,
    /// It has its outcome.
    Settle(Outcome),
}

/// The step for a target in `state` whose live name differs from the inventory's if `renamed`.
pub(super) fn triage(state: StateClass, renamed: bool, on_state: OnState) -> Step {
    if renamed {
        return Step::Settle(Outcome::Failed(Reason::NameMismatch));
    }
    match state {
        StateClass::On => Step::Send,
        StateClass::Off => Step::Settle(Outcome::AlreadyOff),
        StateClass::Stopping => Step::Follow,
        StateClass::Busy => Step::Wait,
        StateClass::Gone => Step::Settle(fail_or_skip(on_state.missing, Reason::Missing)),
        StateClass::Locked => Step::Settle(fail_or_skip(on_state.locked, Reason::Locked)),
        StateClass::Error => match on_state.error {
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
    #[case(StateClass::On, Step::Send, Step::Send)]
    #[case(StateClass::Stopping, Step::Follow, Step::Follow)]
    #[case(StateClass::Busy, Step::Wait, Step::Wait)]
    #[case(
        StateClass::Off,
        Step::Settle(Outcome::AlreadyOff),
        Step::Settle(Outcome::AlreadyOff)
    )]
    #[case(
        StateClass::Gone,
        Step::Settle(Outcome::Failed(Reason::Missing)),
        Step::Settle(Outcome::Skipped(Reason::Missing))
    )]
    #[case(
        StateClass::Locked,
        Step::Settle(Outcome::Failed(Reason::Locked)),
        Step::Settle(Outcome::Skipped(Reason::Locked))
    )]
    #[case(
        StateClass::Error,
        Step::Settle(Outcome::Failed(Reason::ErrorState)),
        Step::Settle(Outcome::Skipped(Reason::ErrorState))
    )]
    fn each_state_by_default_and_with_skip(
        #[case] state: StateClass,
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
        assert_eq!(triage(StateClass::Error, false, on_state), Step::Send);
    }

    #[test]
    fn a_renamed_server_is_never_sent() {
        let mismatch = Step::Settle(Outcome::Failed(Reason::NameMismatch));
        assert_eq!(triage(StateClass::On, true, OnState::default()), mismatch);
        assert_eq!(triage(StateClass::Off, true, SKIP), mismatch);
    }
}
