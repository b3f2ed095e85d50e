//! Dying at a chosen record, so that tests can see what a crash leaves.
//!
//! Owns the point and the death. Which events share a line differs from run to run, so a test that needs
//! to know what was durable names an event and not a line. Honoured only against loopback endpoints, which the shell sees to.
//! Invariant: the death is a SIGKILL, so nothing of the process runs after it.

use std::str::FromStr;

use crate::event::{Event, Stamped};

/// Where to die: just before a line is written, or as soon as one is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// Before the line with this number is written.
    Before(u64),
    /// When the line with this number is durable.
    After(u64),
    /// When it is durable that a power request is about to leave.
    AfterIntent,
    /// When the answer to a power request is durable.
    AfterAnswer,
}

impl CrashPoint {
    pub(super) fn die_if_before(point: Option<Self>, seq: u64) {
        if point == Some(Self::Before(seq)) {
            die();
        }
    }

    pub(super) fn die_if_after(point: Option<Self>, seq: u64, events: &[Stamped]) {
        let holds =
            |wanted: fn(&Event) -> bool| events.iter().any(|stamped| wanted(&stamped.event));
        let reached = match point {
            None | Some(Self::Before(_)) => false,
            Some(Self::After(line)) => line == seq,
            Some(Self::AfterIntent) => holds(|event| matches!(event, Event::SendIntended { .. })),
            Some(Self::AfterAnswer) => holds(|event| matches!(event, Event::SendAnswered { .. })),
        };
        if reached {
            die();
        }
    }
}

fn die() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    // The signal is on its way to the whole process; nothing may happen in the meantime.
    loop {
        std::thread::park();
    }
}

impl FromStr for CrashPoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "none of `before:N`, `after:N`, `after:intent` and `after:answer`";
        let (word, place) = text.split_once(':').ok_or(EXPECTED)?;
        let line = || place.parse().map_err(|_| EXPECTED);
        match (word, place) {
            ("after", "intent") => Ok(Self::AfterIntent),
            ("after", "answer") => Ok(Self::AfterAnswer),
            ("before", _) => line().map(Self::Before),
            ("after", _) => line().map(Self::After),
            _ => Err(EXPECTED),
        }
    }
}
