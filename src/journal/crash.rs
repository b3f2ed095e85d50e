//! Dying at a chosen record, so that tests can see what a crash leaves.
//!
//! Owns the point and the death. Honoured only against loopback endpoints, which the shell sees to.
//! Invariant: the death is a SIGKILL, so nothing of the process runs after it.

use std::str::FromStr;

/// Where to die: just before a line is written, or as soon as it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// Before the line with this number is written.
    Before(u64),
    /// When the line with this number is durable.
    After(u64),
}

impl CrashPoint {
    pub(super) fn die_if_before(point: Option<Self>, seq: u64) {
        if point == Some(Self::Before(seq)) {
            die();
        }
    }

    pub(super) fn die_if_after(point: Option<Self>, seq: u64) {
        if point == Some(Self::After(seq)) {
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
        const EXPECTED: &str = "neither `before:N` nor `after:N`";
        let (word, number) = text.split_once(':').ok_or(EXPECTED)?;
        let number = number.parse().map_err(|_| EXPECTED)?;
        match word {
            "before" => Ok(Self::Before(number)),
            "after" => Ok(Self::After(number)),
            _ => Err(EXPECTED),
        }
    }
}
