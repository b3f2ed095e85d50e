//! One simulated server: what state it is in, at any moment, and what a stop or a start does to it.
//!
//! A server's life is a list of changes with their moments, some of them in the future, so nothing has
//! to run for time to pass. Knows nothing of requests or jobs. Invariant: changes are in order of time,
//! and what is seen is what was true `lag` ago.

use std::sync::Arc;
use std::time::Duration;

use super::particulars::{Particulars, Written};
use super::row_faults::RowFault;
use crate::clock::Moment;
use crate::ids::ServerId;
use crate::power::Action;
use crate::workflow::StopType;

/// How long a simulated server takes to come up, or go down, where somebody does it by hand.
const HAND_TAKES: Duration = Duration::from_secs(30);

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

/// What a server does with a stop or a start that the cloud has accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Fate {
    /// It goes off, or comes up.
    #[default]
    Obeys,
    /// The cloud reports success, and it stays as it is: so do all with a SOFT stop.
    Ignores,
    /// It stays as it is, and its sub-job fails with this code.
    Fails(String),
    /// It takes so much longer, or for ever.
    Sticks(Option<Duration>),
}

impl Fate {
    /// Whether the server moves, late or for good in between, and does not come back by itself.
    pub(super) fn is_effective(&self) -> bool {
        match self {
            Self::Obeys | Self::Sticks(_) => true,
            Self::Ignores | Self::Fails(_) => false,
        }
    }
}

/// What becomes of a request for one action.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Disposition {
    pub(super) fate: Fate,
    /// The cloud refuses every request, with this code.
    pub(super) refused: Option<String>,
    /// Somebody else does the opposite, this long after it is done.
    pub(super) undone_after: Option<Duration>,
}

impl Disposition {
    /// How long it takes where others take `usual`.
    pub(super) fn takes(&self, usual: Duration) -> Duration {
        match self.fate {
            Fate::Sticks(Some(longer)) => usual + longer,
            Fate::Sticks(None) | Fate::Obeys | Fate::Ignores | Fate::Fails(_) => usual,
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
    /// What it is apart from its state, as rows tell it.
    pub(super) shown: Arc<Written>,
    pub(super) when_stopped: Disposition,
    pub(super) when_started: Disposition,
    /// What is odd about its rows.
    pub(super) row_faults: Vec<RowFault>,
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
            shown: Particulars::default().written(),
            when_stopped: Disposition::default(),
            when_started: Disposition::default(),
            row_faults: Vec::new(),
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

    /// Whether it began to go the other way than `action` after `earlier` and by `now`.
    pub(super) fn turned_between(&self, action: Action, earlier: Moment, now: Moment) -> bool {
        let other = match action {
            Action::Stop(_) => Phase::Starting,
            Action::Start => Phase::Stopping,
        };
        self.timeline
            .iter()
            .any(|change| change.at > earlier && change.at <= now && change.phase == other)
    }

    /// What becomes of a request for `action`.
    pub(super) fn when(&self, action: Action) -> &Disposition {
        match action {
            Action::Stop(_) => &self.when_stopped,
            Action::Start => &self.when_started,
        }
    }

    /// Takes an accepted request at `now` that needs `takes`, and goes the way of its fate.
    pub(super) fn obey(&mut self, action: Action, now: Moment, takes: Duration) {
        let (passage, goal) = way(action);
        let Disposition {
            fate, undone_after, ..
        } = self.when(action).clone();
        let done = now.after(takes);
        match fate {
            Fate::Ignores => {}
            Fate::Sticks(None) => {
                self.forget_after(now);
                self.change(now, passage);
            }
            Fate::Fails(_) => {
                let before = self.phase(now);
                self.forget_after(now);
                self.change(now, passage);
                self.change(done, before);
            }
            Fate::Obeys | Fate::Sticks(Some(_)) => {
                self.forget_after(now);
                self.change(now, passage);
                self.change(done, goal);
                if let Some(after) = undone_after {
                    self.turn(opposite(action), done.after(after));
                }
            }
        }
    }

    /// Is started at `now` by hand if it is off; whether it is.
    pub(super) fn start(&mut self, now: Moment) -> bool {
        self.by_hand(Action::Start, Phase::Off, now)
    }

    /// Is stopped at `now` by hand if it is on; whether it is.
    pub(super) fn stop(&mut self, now: Moment) -> bool {
        self.by_hand(Action::Stop(StopType::Hard), Phase::On, now)
    }

    fn by_hand(&mut self, action: Action, from: Phase, now: Moment) -> bool {
        let idle = self.phase(now) == from;
        if idle {
            self.forget_after(now);
            self.turn(action, now);
        }
        idle
    }

    /// Somebody does `action` at this moment.
    fn turn(&mut self, action: Action, at: Moment) {
        let (passage, goal) = way(action);
        self.change(at, passage);
        self.change(at.after(HAND_TAKES), goal);
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

/// Through which phase an action leads, and where to.
fn way(action: Action) -> (Phase, Phase) {
    match action {
        Action::Stop(_) => (Phase::Stopping, Phase::Off),
        Action::Start => (Phase::Starting, Phase::On),
    }
}

fn opposite(action: Action) -> Action {
    match action {
        Action::Stop(_) => Action::Start,
        Action::Start => Action::Stop(StopType::Hard),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const STOP: Action = Action::Stop(StopType::Hard);

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
        server.obey(STOP, second(10), Duration::from_secs(5));
        let phases = [9, 10, 14, 15, 900].map(|at| server.phase(second(at)));
        use Phase::{Off, On, Stopping};
        assert_eq!(phases, [On, Stopping, Stopping, Off, Off]);
    }

    #[test]
    fn what_is_seen_lags_behind_what_is_true() {
        let mut server = server(Condition::On);
        server.obey(STOP, second(10), Duration::from_secs(5));
        let lag = Duration::from_secs(3);
        let seen = [12, 13, 17, 18].map(|at| server.seen(second(at), lag).0);
        use Phase::{Off, On, Stopping};
        assert_eq!(seen, [On, Stopping, Stopping, Off]);
    }

    #[rstest]
    #[case(Fate::Obeys, Phase::Stopping, Phase::Off)]
    #[case(Fate::Ignores, Phase::On, Phase::On)]
    #[case(Fate::Fails("BMS.1007".to_owned()), Phase::Stopping, Phase::On)]
    #[case(Fate::Sticks(None), Phase::Stopping, Phase::Stopping)]
    fn each_fate_has_its_way(#[case] fate: Fate, #[case] during: Phase, #[case] after: Phase) {
        let mut server = server(Condition::On);
        server.when_stopped.fate = fate;
        server.obey(STOP, second(1), Duration::from_secs(5));
        assert_eq!(server.phase(second(2)), during);
        assert_eq!(server.phase(second(60)), after);
    }

    #[test]
    fn somebody_else_may_start_it_again() {
        let mut server = server(Condition::On);
        server.when_stopped.undone_after = Some(Duration::from_secs(60));
        server.obey(STOP, second(0), Duration::from_secs(5));
        let phases = [5, 64, 65, 94, 95].map(|at| server.phase(second(at)));
        use Phase::{Off, On, Starting};
        assert_eq!(phases, [Off, Off, Starting, Starting, On]);
        assert!(server.turned_between(STOP, second(0), second(65)));
        assert!(!server.turned_between(STOP, second(0), second(64)));
        assert!(!server.turned_between(STOP, second(65), second(99)));
    }

    #[test]
    fn only_a_server_that_is_off_can_be_started() {
        let mut server = server(Condition::On);
        assert!(!server.start(second(1)));
        server.obey(STOP, second(1), Duration::from_secs(5));
        assert!(server.start(second(10)));
        assert!(server.turned_between(STOP, second(1), second(10)));
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

    #[rstest]
    #[case(Fate::Obeys, Phase::Starting, Phase::On)]
    #[case(Fate::Ignores, Phase::Off, Phase::Off)]
    #[case(Fate::Fails("BMS.1007".to_owned()), Phase::Starting, Phase::Off)]
    #[case(Fate::Sticks(None), Phase::Starting, Phase::Starting)]
    fn a_start_has_a_fate_of_its_own(
        #[case] fate: Fate,
        #[case] during: Phase,
        #[case] after: Phase,
    ) {
        let mut server = server(Condition::Off);
        server.when_stopped.fate = Fate::Ignores;
        server.when_started.fate = fate;
        server.obey(Action::Start, second(1), Duration::from_secs(5));
        assert_eq!(server.phase(second(2)), during);
        assert_eq!(server.phase(second(60)), after);
    }

    #[test]
    fn somebody_else_may_stop_it_again() {
        let mut server = server(Condition::Off);
        server.when_started.undone_after = Some(Duration::from_secs(60));
        server.obey(Action::Start, second(0), Duration::from_secs(5));
        let phases = [5, 64, 65, 95].map(|at| server.phase(second(at)));
        use Phase::{Off, On, Stopping};
        assert_eq!(phases, [On, On, Stopping, Off]);
        assert!(server.turned_between(Action::Start, second(0), second(65)));
        assert!(!server.turned_between(Action::Start, second(0), second(64)));
    }
}
