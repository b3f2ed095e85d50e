//! The state classes of servers, and what a state means for an action.
//!
//! Owns the words of design §2 and the table from state and action to [`Standing`]; which state an
//! answer of the cloud shows is `bms`'s to say. Invariant: a server is [`Standing::Opposite`] only in
//! the one state from which the action may be asked for.

use serde::{Deserialize, Serialize};

use super::Action;

/// State of a server as every later step uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateClass {
    /// Powered on and idle.
    On,
    /// Powered off and idle.
    Off,
    /// Being powered off.
    Stopping,
    /// Being powered on; reports call it busy.
    Starting,
    /// Deleted, or unknown to the cloud.
    Gone,
    /// In status ERROR.
    Error,
    /// On, and locked against changes.
    Locked,
    /// Anything else: rebooting, rebuilding, or not understood.
    Busy,
}

impl StateClass {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Stopping => "stopping",
            Self::Gone => "gone",
            Self::Error => "error",
            Self::Locked => "locked",
            Self::Starting | Self::Busy => "busy",
        }
    }

    /// What the state means for a server that `action` is to be done to.
    pub fn under(self, action: Action) -> Standing {
        match self {
            _ if self == action.goal() => Standing::There,
            _ if self == action.passage() => Standing::UnderWay,
            Self::On | Self::Off => Standing::Opposite,
            Self::Locked => match action {
                Action::Stop(_) => Standing::Locked,
                Action::Start => Standing::There,
            },
            Self::Gone => Standing::Gone,
            Self::Error => Standing::Error,
            Self::Stopping | Self::Starting | Self::Busy => Standing::Busy,
        }
    }
}

/// Where a server stands, seen from what an action wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Where the action wants it.
    There,
    /// On its way there.
    UnderWay,
    /// In the other state, and idle: the action may be asked for.
    Opposite,
    /// In the other state, and locked against changes.
    Locked,
    /// In status ERROR.
    Error,
    /// Deleted, or unknown to the cloud.
    Gone,
    /// At work on something else, or not understood.
    Busy,
}

impl Standing {
    /// Whether it shows that somebody's request for the action was accepted.
    pub fn shows_acceptance(self) -> bool {
        match self {
            Self::There | Self::UnderWay => true,
            Self::Opposite | Self::Locked | Self::Error | Self::Gone | Self::Busy => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::workflow::StopType;

    #[rstest]
    #[case(StateClass::On, Standing::Opposite, Standing::There)]
    #[case(StateClass::Off, Standing::There, Standing::Opposite)]
    #[case(StateClass::Stopping, Standing::UnderWay, Standing::Busy)]
    #[case(StateClass::Starting, Standing::Busy, Standing::UnderWay)]
    #[case(StateClass::Locked, Standing::Locked, Standing::There)]
    #[case(StateClass::Gone, Standing::Gone, Standing::Gone)]
    #[case(StateClass::Error, Standing::Error, Standing::Error)]
    #[case(StateClass::Busy, Standing::Busy, Standing::Busy)]
    fn each_state_for_a_stop_and_for_a_start(
        #[case] state: StateClass,
        #[case] stop: Standing,
        #[case] start: Standing,
    ) {
        assert_eq!(state.under(Action::Stop(StopType::Hard)), stop);
        assert_eq!(state.under(Action::Start), start);
    }

    #[test]
    fn reports_know_the_words_of_the_contract_only() {
        assert_eq!(StateClass::Starting.as_str(), "busy");
        assert_eq!(StateClass::Busy.as_str(), "busy");
    }
}
