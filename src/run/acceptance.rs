//! Whether a stop request whose answer was lost was accepted, from the states of its servers. Pure.
//!
//! Owns the rules of Reconcile in design §7. Invariant: a request counts as not accepted only if all of
//! its servers that can still be stopped were seen on twice, at least the grace time apart, and none
//! was seen off or stopping.

use std::time::Duration;

use crate::bms::StateClass;
use crate::outcome::Reason;

/// What the states of the servers of a lost request say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acceptance {
    /// It was accepted, for all its servers.
    Accepted,
    /// It was not accepted.
    NotAccepted,
    /// It is too early to tell.
    TooEarly,
}

/// The verdict of one reading of all servers, `since_failure` after the request failed and
/// `since_first` after the first reading.
pub(super) fn judge(
    states: &[StateClass],
    since_failure: Duration,
    since_first: Duration,
    grace: Duration,
) -> Acceptance {
    let down = |state: &StateClass| matches!(state, StateClass::Off | StateClass::Stopping);
    if states.iter().any(down) {
        Acceptance::Accepted
    } else if since_failure >= grace && since_first >= grace {
        Acceptance::NotAccepted
    } else {
        Acceptance::TooEarly
    }
}

/// Why a server that was seen in `state` is not sent again, whatever it shows later: that it came up,
/// or was made anew, in between may be what somebody did after its stop.
pub(super) fn disturbed(state: StateClass) -> Option<Reason> {
    match state {
        StateClass::Busy | StateClass::Error | StateClass::Gone => unfit(state, false),
        StateClass::On | StateClass::Locked | StateClass::Off | StateClass::Stopping => None,
    }
}

/// Why a server of a request that was not accepted is not sent again, whatever the workflow says of
/// servers in its state: only one that is on is in no doubt.
pub(super) fn unfit(state: StateClass, renamed: bool) -> Option<Reason> {
    if renamed {
        return Some(Reason::NameMismatch);
    }
    match state {
        StateClass::On => None,
        StateClass::Locked => Some(Reason::Locked),
        StateClass::Error => Some(Reason::ErrorState),
        StateClass::Gone => Some(Reason::Missing),
        // One that is off or stopping would have meant that the request was accepted.
        StateClass::Busy | StateClass::Off | StateClass::Stopping => Some(Reason::Busy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const GRACE: Duration = Duration::from_secs(120);

    #[rstest]
    #[case(&[StateClass::On, StateClass::Off], 0, 0, Acceptance::Accepted)]
    #[case(&[StateClass::On, StateClass::Stopping], 500, 500, Acceptance::Accepted)]
    #[case(&[StateClass::On, StateClass::On], 0, 0, Acceptance::TooEarly)]
    #[case(&[StateClass::On, StateClass::On], 119, 119, Acceptance::TooEarly)]
    #[case(&[StateClass::On, StateClass::On], 500, 119, Acceptance::TooEarly)]
    #[case(&[StateClass::On, StateClass::On], 120, 120, Acceptance::NotAccepted)]
    #[case(&[StateClass::On, StateClass::Busy], 119, 119, Acceptance::TooEarly)]
    #[case(&[StateClass::Error, StateClass::Gone], 120, 120, Acceptance::NotAccepted)]
    fn each_row(
        #[case] states: &[StateClass],
        #[case] since_failure: u64,
        #[case] since_first: u64,
        #[case] expected: Acceptance,
    ) {
        let seconds = Duration::from_secs;
        let verdict = judge(states, seconds(since_failure), seconds(since_first), GRACE);
        assert_eq!(verdict, expected);
    }

    #[test]
    fn a_server_that_was_starting_in_between_is_not_sent_again() {
        assert_eq!(disturbed(StateClass::Busy), Some(Reason::Busy));
        assert_eq!(disturbed(StateClass::Error), Some(Reason::ErrorState));
        assert_eq!(disturbed(StateClass::Gone), Some(Reason::Missing));
        assert_eq!(disturbed(StateClass::On), None);
        assert_eq!(disturbed(StateClass::Locked), None);
    }

    #[test]
    fn only_a_server_that_is_on_and_the_right_one_is_sent_again() {
        assert_eq!(unfit(StateClass::On, false), None);
        assert_eq!(unfit(StateClass::On, true), Some(Reason::NameMismatch));
        assert_eq!(unfit(StateClass::Error, false), Some(Reason::ErrorState));
        assert_eq!(unfit(StateClass::Gone, false), Some(Reason::Missing));
        assert_eq!(unfit(StateClass::Locked, false), Some(Reason::Locked));
        assert_eq!(unfit(StateClass::Busy, false), Some(Reason::Busy));
    }
}
