//! What becomes of a stop or a start that a server is asked for: its faults, by action.
//!
//! Owns the faults of starts, and the one rule from faults to a [`Disposition`]; carrying it out is the
//! model's work. Invariant: a share falls on stops and on starts independently.

use serde::Deserialize;

use super::draw::Draw;
use super::faults::{Chosen, Failing, ServerFaults};
use super::model::{Disposition, Fate};
use crate::ids::ServerId;

/// What goes wrong when servers are started.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StartFaults {
    /// A start request that names it is refused, and it looks well.
    pub refused: Failing,
    /// Its sub-job fails, and it stays off.
    pub failing: Failing,
    /// Its sub-job succeeds, and it stays off.
    pub ignored: Chosen,
    /// Is being powered on for ever, or `for` so much longer than others.
    pub stuck: Chosen,
    /// Is stopped again by somebody else, so long after it has come up.
    pub stopped_again: Chosen,
}

impl ServerFaults {
    /// What becomes of a stop of this server.
    pub(super) fn when_stopped(&self, draw: Draw, id: ServerId) -> Disposition {
        let words = Words {
            refused: ("refused", &self.refused),
            failing: ("failing", &self.failing),
            ignored: ("ignored", &self.ignored),
            stuck: ("stuck", &self.stuck),
            undone: ("restarted", &self.restarted),
        };
        words.disposition(draw, id)
    }

    /// What becomes of a start of this server.
    pub(super) fn when_started(&self, draw: Draw, id: ServerId) -> Disposition {
        let words = Words {
            refused: ("start-refused", &self.starts.refused),
            failing: ("start-failing", &self.starts.failing),
            ignored: ("start-ignored", &self.starts.ignored),
            stuck: ("start-stuck", &self.starts.stuck),
            undone: ("stopped-again", &self.starts.stopped_again),
        };
        words.disposition(draw, id)
    }
}

/// The faults of one action, each with the purpose by which its share is drawn.
struct Words<'a> {
    refused: (&'a str, &'a Failing),
    failing: (&'a str, &'a Failing),
    ignored: (&'a str, &'a Chosen),
    stuck: (&'a str, &'a Chosen),
    undone: (&'a str, &'a Chosen),
}

impl Words<'_> {
    fn disposition(&self, draw: Draw, id: ServerId) -> Disposition {
        let fails = |(purpose, failing): (&str, &Failing), usual: &str| {
            failing
                .has(draw, purpose, id)
                .then(|| failing.code_or(usual))
        };
        let meets = |(purpose, chosen): (&str, &Chosen)| chosen.has(draw, purpose, id);
        let fate = if let Some(code) = fails(self.failing, "BMS.1007") {
            Fate::Fails(code)
        } else if meets(self.ignored) {
            Fate::Ignores
        } else if meets(self.stuck) {
            Fate::Sticks(self.stuck.1.span())
        } else {
            Fate::Obeys
        };
        Disposition {
            fate,
            refused: fails(self.refused, "BMS.0360"),
            undone_after: meets(self.undone).then(|| self.undone.1.span().unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::simulator::Faults;

    #[test]
    fn a_fault_of_stops_is_none_of_starts() {
        let id = ServerId::from_bytes([1; 16]);
        let faults = json!({"servers": {
            "ignored": {"ids": [id]},
            "starts": {"failing": {"ids": [id]}, "refused": {"ids": [id], "code": "BMS.0212"}}
        }});
        let faults = Faults::from_value(faults).unwrap().servers;
        let stop = faults.when_stopped(Draw::new(1), id);
        assert_eq!((stop.fate, stop.refused), (Fate::Ignores, None));
        let start = faults.when_started(Draw::new(1), id);
        assert_eq!(start.fate, Fate::Fails("BMS.1007".to_owned()));
        assert_eq!(start.refused.as_deref(), Some("BMS.0212"));
    }
}
