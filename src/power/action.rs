//! What a plan does to its servers: cuts their power, or gives it back.
//!
//! Owns the words: the API's, those of the two good outcomes, and those for people. Invariant: a stop
//! has a stop type and a start has none.

use super::StateClass;
use crate::workflow::StopType;

/// What a plan does to its servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Power off, in this way.
    Stop(StopType),
    /// Power on: the way back.
    Start,
}

impl Action {
    /// The action with this word of the API; `None` if there is none, or not with this stop type.
    pub fn of(word: &str, stop_type: Option<StopType>) -> Option<Self> {
        match (word, stop_type) {
            ("os-stop", Some(stop_type)) => Some(Self::Stop(stop_type)),
            ("os-start", None) => Some(Self::Start),
            (_, _) => None,
        }
    }

    /// The API's word, in requests and files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop(_) => "os-stop",
            Self::Start => "os-start",
        }
    }

    /// How servers are stopped, if they are.
    pub fn stop_type(self) -> Option<StopType> {
        match self {
            Self::Stop(stop_type) => Some(stop_type),
            Self::Start => None,
        }
    }

    /// The state that it brings servers into.
    pub fn goal(self) -> StateClass {
        match self {
            Self::Stop(_) => StateClass::Off,
            Self::Start => StateClass::On,
        }
    }

    /// The state in which servers are on their way.
    pub fn passage(self) -> StateClass {
        match self {
            Self::Stop(_) => StateClass::Stopping,
            Self::Start => StateClass::Starting,
        }
    }

    /// The outcome, in files, of a server that it brought where it should be.
    pub fn done(self) -> &'static str {
        match self {
            Self::Stop(_) => "stopped",
            Self::Start => "started",
        }
    }

    /// The outcome, in files, of a server that was there already.
    pub fn already(self) -> &'static str {
        match self {
            Self::Stop(_) => "already_off",
            Self::Start => "already_on",
        }
    }

    /// The request as a noun, before "request".
    pub fn noun(self) -> &'static str {
        match self {
            Self::Stop(_) => "stop",
            Self::Start => "start",
        }
    }

    /// What happens to the servers, after "are".
    pub fn powered(self) -> &'static str {
        match self {
            Self::Stop(_) => "powered off",
            Self::Start => "powered on",
        }
    }

    /// The same with the manner in which they are: `powered off (HARD)`.
    pub fn powered_how(self) -> String {
        match self {
            Self::Stop(stop_type) => format!("{} ({})", self.powered(), stop_type.as_str()),
            Self::Start => self.powered().to_owned(),
        }
    }

    /// What servers on their way are doing, after "servers are".
    pub fn powering(self) -> &'static str {
        match self {
            Self::Stop(_) => "powering off",
            Self::Start => "powering on",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_reads_back_from_its_word_and_stop_type() {
        for action in [
            Action::Stop(StopType::Hard),
            Action::Stop(StopType::Soft),
            Action::Start,
        ] {
            assert_eq!(
                Action::of(action.word(), action.stop_type()),
                Some(action),
                "{action:?}"
            );
        }
    }

    #[test]
    fn a_stop_has_a_type_and_a_start_has_none() {
        assert_eq!(Action::of("os-stop", None), None);
        assert_eq!(Action::of("os-start", Some(StopType::Hard)), None);
        assert_eq!(Action::of("reboot", Some(StopType::Hard)), None);
    }
}
