//! Whether this machine's clock can be relied on.
//!
//! Owns holding the cloud's dates against ours, once for each, and asking for one where none was told for a
//! while. A paused machine has neither a right date nor the time that passed: only others can tell it.
//! Invariant: a clock that is off by more than five minutes stops every run that stops servers, and no undo,
//! which restores them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::Context;
use super::hours::{earlier, has_unsent};
use crate::bms::{CloudDate, Probe, Skew};
use crate::clock::Moment;
use crate::event::StopCause;
use crate::ledger::Ledger;
use crate::power::Action;

/// How old a date may be that the run need not ask for.
const FRESH: Duration = Duration::from_secs(60);

/// What the newest date of the cloud came to.
#[derive(Debug)]
pub(super) struct Compared {
    /// Dates from before are too old to be held against anything.
    since: Moment,
    newest: Mutex<Newest>,
    warned: AtomicBool,
}

#[derive(Debug, Default)]
struct Newest {
    heard: Option<Moment>,
    skew: Option<Skew>,
}

impl Compared {
    /// Nothing was compared yet, in a run that begins now.
    pub(super) fn nothing(now: Moment) -> Self {
        Self {
            since: now.before(FRESH),
            newest: Mutex::default(),
            warned: AtomicBool::new(false),
        }
    }
}

impl Context {
    /// That our clock and the cloud's differ too much, by the newest answer, where that forbids to send.
    pub(super) fn forbidding_skew(&self) -> Option<Skew> {
        self.needs_clock().then(|| self.skew()).flatten()
    }

    /// Whether a wrong clock forbids to send.
    fn needs_clock(&self) -> bool {
        matches!(self.plan.action, Action::Stop(_))
    }

    /// Warns once of a clock that is off if that stops nothing: an undo restores, and reading does no harm.
    pub(super) fn warn_of_skew(&self) {
        let recorded = |ledger: &Ledger| matches!(ledger.stopped(), Some((StopCause::Clock, _)));
        let Some(skew) = self.skew() else {
            return;
        };
        let stops = self.needs_clock() && self.recorder.read(has_unsent);
        if stops
            || self.recorder.read(recorded)
            || self.compared.warned.swap(true, Ordering::Relaxed)
        {
            return;
        }
        tracing::warn!(
            "this machine's clock differs from that of the API: {skew}; set it, best by NTP"
        );
    }

    /// That our clock and the cloud's differ too much, by the newest answer.
    pub(super) fn skew(&self) -> Option<Skew> {
        let date = self.fresh_date()?;
        let newest = self.compared.newest.lock();
        let mut newest = newest.unwrap_or_else(PoisonError::into_inner);
        if newest.heard != Some(date.heard) {
            let passed = self.clock.elapsed().since(date.heard);
            let ours = earlier(self.recorder.latest(), passed);
            *newest = Newest {
                heard: Some(date.heard),
                skew: compared(&date, ours),
            };
        }
        newest.skew
    }

    fn fresh_date(&self) -> Option<CloudDate> {
        let date = self.client.date();
        date.filter(|date| date.heard >= self.compared.since)
    }

    /// The cause behind a cause: what a clock that is far off signs is refused.
    pub(super) fn explained(&self, cause: StopCause) -> StopCause {
        match self.forbidding_skew() {
            Some(_) if cause == StopCause::Refused => StopCause::Clock,
            Some(_) | None => cause,
        }
    }

    /// Asks the cloud something cheap where its date matters and was not told for a while; what else it says
    /// does not matter.
    pub(super) async fn ask_the_date(&self) {
        let now = self.clock.elapsed();
        let date = self.client.date();
        let is_known = date.is_some_and(|date| now.since(date.heard) <= FRESH);
        let may_send =
            self.needs_clock() && self.recorder.read(|ledger| ledger.stopped().is_none());
        if !may_send || is_known {
            return;
        }
        let first = self.plan.batches.first();
        if let Some(server) = first.and_then(|batch| batch.servers().first()) {
            let _ = self.client.probe(&Probe::Show(*server)).await;
        }
    }
}

/// What a date comes to, when `ours` is the latest that it can have been by our time. That may have jumped since,
/// as a suspended machine's does when it goes on; and the clock on the wall may have been set back before. So
/// one of them is enough: where the wall's agrees, ours, which is no earlier, is not behind either.
fn compared(date: &CloudDate, ours: Timestamp) -> Option<Skew> {
    let skew = date.skew(ours)?;
    date.skew(date.wall).map(|_| skew)
}
