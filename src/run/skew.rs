//! Whether this machine's clock can tell a window.
//!
//! Owns holding the cloud's dates against ours, once for each, and asking for one where none was told for a
//! while. A paused machine has neither a right date nor the time that passed: only others can tell it.
//! Invariant: a run without a window is never stopped for its clock.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::Context;
use super::hours::earlier;
use crate::bms::{CloudDate, Probe, Skew};
use crate::clock::Moment;
use crate::event::StopCause;

/// How old a date may be that the run need not ask for.
const FRESH: Duration = Duration::from_secs(60);

/// What the newest date of the cloud came to.
#[derive(Debug)]
pub(super) struct Compared {
    /// Dates from before are too old to be held against anything.
    since: Moment,
    newest: Mutex<Newest>,
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
        }
    }
}

impl Context {
    /// That our clock and the cloud's differ too much, by the newest answer, where that matters.
    pub(super) fn skew(&self) -> Option<Skew> {
        self.hours.occurrence?;
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
        match self.skew() {
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
        if self.hours.occurrence.is_none() || is_known {
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
