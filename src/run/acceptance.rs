//! Whether a request whose answer was lost was accepted, from the states of its servers. Pure.
//!
//! Owns the rules of Reconcile in design §7. Invariant: a request counts as not accepted only if each of
//! its servers that it can still act on was seen unmoved twice, at least the grace time apart by the server's own
//! reading times, and none was seen where it should be or on its way.

use crate::outcome::Reason;
use crate::power::Standing;

/// What the standing of the servers of a lost request say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acceptance {
    /// It was accepted, for all its servers.
    Accepted,
    /// It was not accepted.
    NotAccepted,
    /// It is too early to tell.
    TooEarly,
}

/// How the readings of the servers of a lost request lie in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Apart {
    /// Each server has two readings that are at least the grace time apart, and the later one is not old.
    All,
    /// Some server has not.
    NotAll,
}

/// The verdict of one reading of all servers.
pub(super) fn judge(standings: &[Standing], apart: Apart) -> Acceptance {
    if standings.iter().any(|one| one.shows_acceptance()) {
        return Acceptance::Accepted;
    }
    match apart {
        Apart::All => Acceptance::NotAccepted,
        Apart::NotAll => Acceptance::TooEarly,
    }
}

/// Why a server that was seen to stand so is not sent again, whatever it shows later: that it went the
/// other way, or was made anew, in between may be what somebody did after the request.
pub(super) fn disturbed(standing: Standing) -> Option<Reason> {
    match standing {
        Standing::Busy | Standing::Error | Standing::Gone => unfit(standing, false),
        Standing::Opposite | Standing::Locked | Standing::There | Standing::UnderWay => None,
    }
}

/// Why a server of a request that was not accepted is not sent again, whatever the workflow says of
/// servers in its state: only one that has not moved is in no doubt.
pub(super) fn unfit(standing: Standing, renamed: bool) -> Option<Reason> {
    if renamed {
        return Some(Reason::NameMismatch);
    }
    match standing {
        Standing::Opposite => None,
        Standing::Locked => Some(Reason::Locked),
        Standing::Error => Some(Reason::ErrorState),
        Standing::Gone => Some(Reason::Missing),
        // One that is there or on its way would have meant that the request was accepted.
        Standing::Busy | Standing::There | Standing::UnderWay => Some(Reason::Busy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&[Standing::Opposite, Standing::There], Apart::NotAll, Acceptance::Accepted)]
    #[case(&[Standing::Opposite, Standing::UnderWay], Apart::All, Acceptance::Accepted)]
    #[case(&[Standing::Opposite, Standing::Opposite], Apart::NotAll, Acceptance::TooEarly)]
    #[case(&[Standing::Opposite, Standing::Opposite], Apart::All, Acceptance::NotAccepted)]
    #[case(&[Standing::Opposite, Standing::Busy], Apart::NotAll, Acceptance::TooEarly)]
    #[case(&[Standing::Error, Standing::Gone], Apart::All, Acceptance::NotAccepted)]
    fn each_row(#[case] states: &[Standing], #[case] apart: Apart, #[case] expected: Acceptance) {
        assert_eq!(judge(states, apart), expected);
    }

    #[test]
    fn a_server_that_was_at_work_in_between_is_not_sent_again() {
        assert_eq!(disturbed(Standing::Busy), Some(Reason::Busy));
        assert_eq!(disturbed(Standing::Error), Some(Reason::ErrorState));
        assert_eq!(disturbed(Standing::Gone), Some(Reason::Missing));
        assert_eq!(disturbed(Standing::Opposite), None);
        assert_eq!(disturbed(Standing::Locked), None);
    }

    #[test]
    fn only_a_server_that_has_not_moved_and_the_right_one_is_sent_again() {
        assert_eq!(unfit(Standing::Opposite, false), None);
        assert_eq!(unfit(Standing::Opposite, true), Some(Reason::NameMismatch));
        assert_eq!(unfit(Standing::Error, false), Some(Reason::ErrorState));
        assert_eq!(unfit(Standing::Gone, false), Some(Reason::Missing));
        assert_eq!(unfit(Standing::Locked, false), Some(Reason::Locked));
        assert_eq!(unfit(Standing::Busy, false), Some(Reason::Busy));
    }
}
