//! One simulated server: what state it is in, at any moment, and what a stop does to it.
//!
//! A server's life is a list of changes with their moments, some of them in the future, so nothing has
//! to run for time to pass. Knows nothing of requests or jobs. Invariant: changes are in order of time,
//! and what is seen is what was true `lag` ago.

use std::time::Duration;

use crate::clock::Moment;
use crate::ids::ServerId;

/// How long a simulated server takes to come up again.
const START_TAKES: Duration = Duration::from_secs(30);

/// The condition of a server when the simulator starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// Running and idle.
    #[default]
    On,
    /// Shut off.
    Off,
    /// Running, and locked against changes.
    Locked,
    /// In status ERROR.
    Error,
    /// Unknown to the cloud.
    Missing,
    /// Being powered off, for this long or for ever.
    Stopping(Option<Duration>),
    /// Being powered on, for this long or for ever.
    Starting(Option<Duration>),
    /// Being rebooted, for this long or for ever.
    Rebooting(Option<Duration>),
}

/// What a server does with a stop that the cloud has accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Fate {
    /// It goes off.
    #[default]
    Stops,
    /// The cloud reports success, and it stays on: so do all with a SOFT stop.
    Ignores,
    /// It stays on, and its sub-job fails with this code.
    Fails(String),
    /// Powering it off takes so much longer, or for ever.
    Sticks(Option<Duration>),
}

impl Fate {
    /// Whether the server goes off, late or for good in between, and does not come up by itself.
    pub(super) fn powers_off(&self) -> bool {
        match self {
            Self::Stops | Self::Sticks(_) => true,
            Self::Ignores | Self::Fails(_) => false,
        }
    }
}

/// What a server is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    On,
    Stopping,
    Off,
    Starting,
    Rebooting,
    Error,
}

/// The cloud's words for a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) status: &'static str,
    pub(super) task: Option<&'static str>,
    pub(super) power: u8,
    pub(super) vm_state: &'static str,
}

impl Phase {
    pub(super) fn words(self) -> Words {
        let (status, task, power, vm_state) = match self {
            Self::On => ("ACTIVE", None, 1, "active"),
            Self::Stopping => ("ACTIVE", Some("powering-off"), 1, "active"),
            Self::Off => ("SHUTOFF", None, 4, "stopped"),
            Self::Starting => ("SHUTOFF", Some("powering-on"), 4, "stopped"),
            Self::Rebooting => ("HARD_REBOOT", Some("reboot_started_hard"), 1, "active"),
            Self::Error => ("ERROR", None, 0, "error"),
        };
        Words {
            status,
            task,
            power,
            vm_state,
        }
    }
}

/// From this moment on, this phase.
#[derive(Debug, Clone, Copy)]
struct Change {
    at: Moment,
    phase: Phase,
}

/// One server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) id: ServerId,
    pub(super) name: String,
    pub(super) locked: bool,
    pub(super) fate: Fate,
    /// The cloud refuses every request to stop it, with this code.
    pub(super) refused: Option<String>,
    /// Somebody else starts it this long after it has gone off.
    pub(super) restarted_after: Option<Duration>,
    timeline: Vec<Change>,
}

impl Server {
    /// A server in `condition` since `at`; `None` if the cloud does not know it.
    pub(super) fn new(
        id: ServerId,
        name: String,
        condition: Condition,
        at: Moment,
    ) -> Option<Self> {
        let (first, then) = match condition {
            Condition::On | Condition::Locked => (Phase::On, None),
            Condition::Off => (Phase::Off, None),
            Condition::Error => (Phase::Error, None),
            Condition::Missing => return None,
            Condition::Stopping(lasts) => (Phase::Stopping, lasts.map(|for_| (for_, Phase::Off))),
            Condition::Starting(lasts) => (Phase::Starting, lasts.map(|for_| (for_, Phase::On))),
            Condition::Rebooting(lasts) => (Phase::Rebooting, lasts.map(|for_| (for_, Phase::On))),
        };
        let mut server = Self {
            id,
            name,
            locked: condition == Condition::Locked,
            fate: Fate::default(),
            refused: None,
            restarted_after: None,
            timeline: Vec::with_capacity(1),
        };
        server.change(at, first);
        if let Some((after, phase)) = then {
            server.change(at.after(after), phase);
        }
        Some(server)
    }

    /// What is true at `now`.
    pub(super) fn phase(&self, now: Moment) -> Phase {
        self.at(now).phase
    }

    /// What a reading at `now` shows when states lag by `lag`, and since when.
    pub(super) fn seen(&self, now: Moment, lag: Duration) -> (Phase, Moment) {
        let start = Moment::default();
        let seen = self.at(start.after(now.since(start).saturating_sub(lag)));
        (seen.phase, seen.at)
    }

    /// Whether somebody started or rebooted it after `earlier` and by `now`.
    pub(super) fn started_between(&self, earlier: Moment, now: Moment) -> bool {
        self.timeline.iter().any(|change| {
            change.at > earlier && change.at <= now && change.phase == Phase::Starting
        })
    }

    /// How long a stop takes that takes others `usual`.
    pub(super) fn takes(&self, usual: Duration) -> Duration {
        match self.fate {
            Fate::Sticks(Some(longer)) => usual + longer,
            Fate::Sticks(None) | Fate::Stops | Fate::Ignores | Fate::Fails(_) => usual,
        }
    }

    /// Takes a hard stop at `now` that needs `takes`, and goes the way of its fate.
    pub(super) fn stop(&mut self, now: Moment, takes: Duration) {
        let done = now.after(takes);
        match self.fate {
            Fate::Ignores => {}
            Fate::Sticks(None) => {
                self.forget_after(now);
                self.change(now, Phase::Stopping);
            }
            Fate::Fails(_) => {
                let before = self.phase(now);
                self.forget_after(now);
                self.change(now, Phase::Stopping);
                self.change(done, before);
            }
            Fate::Stops | Fate::Sticks(Some(_)) => {
                self.forget_after(now);
                self.change(now, Phase::Stopping);
                self.change(done, Phase::Off);
                self.let_others_start(done);
            }
        }
    }

    /// Is started at `now` if it is off; whether it is.
    pub(super) fn start(&mut self, now: Moment) -> bool {
        let off = self.phase(now) == Phase::Off;
        if off {
            self.forget_after(now);
            self.change(now, Phase::Starting);
            self.change(now.after(START_TAKES), Phase::On);
        }
        off
    }

    fn let_others_start(&mut self, off: Moment) {
        if let Some(after) = self.restarted_after {
            self.change(off.after(after), Phase::Starting);
            self.change(off.after(after).after(START_TAKES), Phase::On);
        }
    }

    fn change(&mut self, at: Moment, phase: Phase) {
        self.timeline.push(Change { at, phase });
    }

    fn forget_after(&mut self, now: Moment) {
        self.timeline.retain(|change| change.at <= now);
    }

    fn at(&self, moment: Moment) -> Change {
        let passed = |change: &&Change| change.at <= moment;
        let known = self
            .timeline
            .iter()
            .rev()
            .find(passed)
            .or(self.timeline.first());
        known.copied().unwrap_or(Change {
            at: moment,
            phase: Phase::On,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn second(at: u64) -> Moment {
        Moment::default().after(Duration::from_secs(at))
    }

    fn server(condition: Condition) -> Server {
        let id = ServerId::from_bytes([1; 16]);
        Server::new(id, "one".to_owned(), condition, second(0)).unwrap()
    }

    #[test]
    fn a_stop_passes_through_powering_off() {
        let mut server = server(Condition::On);
        server.stop(second(10), Duration::from_secs(5));
        let phases = [9, 10, 14, 15, 900].map(|at| server.phase(second(at)));
        use Phase::{Off, On, Stopping};
        assert_eq!(phases, [On, Stopping, Stopping, Off, Off]);
    }

    #[test]
    fn what_is_seen_lags_behind_what_is_true() {
        let mut server = server(Condition::On);
        server.stop(second(10), Duration::from_secs(5));
        let lag = Duration::from_secs(3);
        let seen = [12, 13, 17, 18].map(|at| server.seen(second(at), lag).0);
        use Phase::{Off, On, Stopping};
        assert_eq!(seen, [On, Stopping, Stopping, Off]);
    }

    #[rstest]
    #[case(Fate::Stops, Phase::Stopping, Phase::Off)]
    #[case(Fate::Ignores, Phase::On, Phase::On)]
    #[case(Fate::Fails("BMS.1007".to_owned()), Phase::Stopping, Phase::On)]
    #[case(Fate::Sticks(None), Phase::Stopping, Phase::Stopping)]
    fn each_fate_has_its_way(#[case] fate: Fate, #[case] during: Phase, #[case] after: Phase) {
        let mut server = server(Condition::On);
        server.fate = fate;
        server.stop(second(1), Duration::from_secs(5));
        assert_eq!(server.phase(second(2)), during);
        assert_eq!(server.phase(second(60)), after);
    }

    #[test]
    fn somebody_else_may_start_it_again() {
        let mut server = server(Condition::On);
        server.restarted_after = Some(Duration::from_secs(60));
        server.stop(second(0), Duration::from_secs(5));
        let phases = [5, 64, 65, 94, 95].map(|at| server.phase(second(at)));
        use Phase::{Off, On, Starting};
        assert_eq!(phases, [Off, Off, Starting, Starting, On]);
        assert!(server.started_between(second(0), second(65)));
        assert!(!server.started_between(second(0), second(64)));
        assert!(!server.started_between(second(65), second(99)));
    }

    #[test]
    fn only_a_server_that_is_off_can_be_started() {
        let mut server = server(Condition::On);
        assert!(!server.start(second(1)));
        server.stop(second(1), Duration::from_secs(5));
        assert!(server.start(second(10)));
        assert!(server.started_between(second(1), second(10)));
        let phases = [39, 40].map(|at| server.phase(second(at)));
        assert_eq!(phases, [Phase::Starting, Phase::On]);
    }

    #[rstest]
    #[case(
        Condition::Rebooting(Some(Duration::from_secs(9))),
        Phase::Rebooting,
        Phase::On
    )]
    #[case(
        Condition::Starting(Some(Duration::from_secs(9))),
        Phase::Starting,
        Phase::On
    )]
    #[case(
        Condition::Stopping(Some(Duration::from_secs(9))),
        Phase::Stopping,
        Phase::Off
    )]
    #[case(Condition::Stopping(None), Phase::Stopping, Phase::Stopping)]
    fn passing_conditions_pass(
        #[case] condition: Condition,
        #[case] early: Phase,
        #[case] late: Phase,
    ) {
        let server = server(condition);
        assert_eq!(server.phase(second(8)), early);
        assert_eq!(server.phase(second(9)), late);
    }

    #[test]
    fn a_missing_server_is_none() {
        let id = ServerId::from_bytes([1; 16]);
        assert!(Server::new(id, String::new(), Condition::Missing, second(0)).is_none());
    }
}
