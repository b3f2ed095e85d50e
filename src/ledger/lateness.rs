//! Whether a run was late: left, or standing still, for so long that its servers may be in use again.
//!
//! Owns the gap rule. The gap counts from the last record of a process that was allowed to send, by wall clock
//! and by the clock that counts while a machine is suspended; each can be wrong, so one of them is enough.
//! Invariant: a run that was late stays late, whichever process writes next.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::Uptime;
use crate::event::{Event, Mode, Stamped, StopCause};

/// After so long without a record of a process that may send, a run is late.
pub const LATE: Duration = Duration::from_secs(15 * 60);

const GAP: SignedDuration = SignedDuration::from_mins(15);

/// A last record further ahead of the clock than this is late, too: the clock was set back since.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// What is known of the gaps between the records of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Lateness {
    /// Whether real servers are meant. A rehearsal stands still together with its servers.
    is_real: bool,
    /// The last record of a process that was allowed to send.
    last: Option<Timestamp>,
    /// The last uptime that such a process read, and when.
    uptime: Option<(Timestamp, Uptime)>,
    /// Whether the process that writes now is allowed to send.
    may_send: bool,
    /// Whether it has written nothing but that it resumed the run.
    just_resumed: bool,
    /// Whether it stood still itself.
    stood_still: bool,
    late: bool,
}

impl Lateness {
    pub(super) fn apply(&mut self, stamped: &Stamped) {
        let at = stamped.at;
        let uptime = uptime_of(&stamped.event);
        let mut begins = false;
        if let Event::Began { launch, .. } = &stamped.event {
            self.is_real = launch.mode == Mode::Run;
            self.may_send = true;
        }
        if let Event::Resumed { forbidden, .. } = &stamped.event {
            begins = true;
            self.may_send = forbidden.is_none();
            self.stood_still = false;
        }
        self.late |= names_it(&stamped.event);
        if begins || self.just_resumed {
            self.late |= self.is_gap(at, uptime);
        } else if self.may_send && self.is_pause(at, uptime) {
            self.late = true;
            self.stood_still = true;
        }
        // Until its first record after that one, the gap behind it is not measured by both clocks.
        self.just_resumed = begins;
        if self.may_send && !begins {
            self.last = Some(at);
            if let Some(uptime) = uptime {
                self.uptime = Some((at, uptime.clone()));
            }
        }
    }

    /// Whether a process that resumes the run at this time comes late.
    fn is_gap(&self, at: Timestamp, uptime: Option<&Uptime>) -> bool {
        let by_wall = self.last.map(|last| at.duration_since(last));
        let by_uptime = uptime.and_then(|uptime| self.up_since(uptime));
        let mut gaps = by_wall.into_iter().chain(by_uptime);
        gaps.any(|gap| gap > GAP || gap < -AHEAD)
    }

    /// Whether the process that writes now wrote nothing for too long. Its own clock may have been set back.
    fn is_pause(&self, at: Timestamp, uptime: Option<&Uptime>) -> bool {
        let by_wall = self.last.map(|last| at.duration_since(last));
        let by_uptime = uptime.and_then(|uptime| self.up_since(uptime));
        by_wall.into_iter().chain(by_uptime).any(|gap| gap > GAP)
    }

    /// Time since the last record of a process that was allowed to send, by the uptime.
    fn up_since(&self, now: &Uptime) -> Option<SignedDuration> {
        let (read_at, uptime) = self.uptime.as_ref()?;
        let up = SignedDuration::from_millis(now.since(uptime)?);
        Some(up.saturating_sub(self.last?.duration_since(*read_at)))
    }

    /// Whether the run was late, or is for a process that resumes it now.
    pub(super) fn is_late_at(&self, now: Timestamp, uptime: &Uptime) -> bool {
        self.is_late() || (self.is_real && self.is_gap(now, Some(uptime)))
    }

    pub(super) fn is_late(&self) -> bool {
        self.is_real && self.late
    }

    pub(super) fn stood_still(&self) -> bool {
        self.is_real && self.stood_still
    }

    pub(super) fn is_real(&self) -> bool {
        self.is_real
    }

    pub(super) fn last(&self) -> Option<Timestamp> {
        self.last
    }
}

fn uptime_of(event: &Event) -> Option<&Uptime> {
    let Event::UptimeRead { uptime } = event else {
        return None;
    };
    Some(uptime)
}

/// Whether a process says itself that the run is late.
fn names_it(event: &Event) -> bool {
    matches!(
        event,
        Event::Resumed {
            forbidden: Some(StopCause::Late),
            ..
        } | Event::SendingStopped {
            cause: StopCause::Late,
            ..
        }
    )
}
