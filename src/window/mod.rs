//! When sends are allowed: a workflow's window, and its occurrences. Pure.
//!
//! Owns what a window says and which instants that means; the time that it is, and what a run does with the
//! answer, are for others. A window belongs to the local day on which it opens, across midnight. A local time
//! that the clocks skip is the next valid instant, one that comes twice is the first, and durations are time
//! that passes. Invariant: in an occurrence `opens < cutoff <= closes`, and of those that contain a moment
//! the one that ends last counts.

mod calendar;
mod opening;
mod text;
mod written;
mod zone;

pub use calendar::{Calendar, Closed, Dated, End, Explanation, Keeper, Unread};
pub use opening::{DAYS, Opening, date_time, day, day_name, time};
pub use written::{WindowError, WrittenOpening, WrittenWindow};
pub use zone::{Pitfall, UnknownZone, Zone};

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// When sends are allowed. Made from what a workflow or a plan says, by [`WrittenWindow`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenWindow", into = "WrittenWindow")]
pub struct Window {
    zone: Zone,
    opens: Vec<Opening>,
    duration: Duration,
    cutoff: Duration,
    freeze: Vec<String>,
}

/// One time that a window is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Occurrence {
    /// Its first moment.
    pub opens: Timestamp,
    /// The first moment after it.
    pub closes: Timestamp,
    /// The first moment from which nothing is sent any more; not after `closes`.
    pub cutoff: Timestamp,
}

impl Occurrence {
    /// Whether it contains a moment, be it past the cutoff or not.
    pub fn contains(&self, moment: Timestamp) -> bool {
        self.opens <= moment && moment < self.closes
    }
}

/// What a window says of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Sends are allowed until the cutoff of this occurrence.
    Open(Occurrence),
    /// The occurrence is not over, but nothing is sent any more until the next opens, if one does.
    PastCutoff {
        /// The one that is not over.
        occurrence: Occurrence,
        /// The next.
        next: Option<Occurrence>,
    },
    /// No occurrence contains the moment; the next, if there is one.
    Outside(Option<Occurrence>),
}

impl Window {
    /// The zone whose clocks it goes by.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// In which ways it opens; at least one.
    pub fn opens(&self) -> &[Opening] {
        &self.opens
    }

    /// How long an occurrence lasts; never zero.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// How long before its end an occurrence sends no more; less than [`Window::duration`].
    pub fn cutoff(&self) -> Duration {
        self.cutoff
    }

    /// Names of the files of closures, relative to the workflow, as written.
    pub fn freeze(&self) -> &[String] {
        &self.freeze
    }

    /// The occurrence that contains a moment; of several, the one that ends last.
    pub fn occurrence_at(&self, moment: Timestamp) -> Option<Occurrence> {
        // All last equally long, so the one that ends last has opened last.
        let opened = self
            .opens
            .iter()
            .filter_map(|it| it.last(&self.zone, moment));
        let occurrence = self.occurrence(opened.max()?);
        occurrence.contains(moment).then_some(occurrence)
    }

    /// The first occurrence that opens after a moment.
    pub fn next_after(&self, moment: Timestamp) -> Option<Occurrence> {
        self.upcoming(moment, 1).first().copied()
    }

    /// The occurrences that open after a moment, at most `count`, in their order.
    pub fn upcoming(&self, moment: Timestamp, count: usize) -> Vec<Occurrence> {
        let opens = self.opens.iter();
        let mut next: Vec<Timestamp> = opens
            .flat_map(|it| it.next(&self.zone, moment, count))
            .collect();
        next.sort_unstable();
        next.dedup();
        next.truncate(count);
        next.into_iter().map(|it| self.occurrence(it)).collect()
    }

    /// What the window says of a moment.
    pub fn standing(&self, moment: Timestamp) -> Standing {
        match self.occurrence_at(moment) {
            Some(occurrence) if moment < occurrence.cutoff => Standing::Open(occurrence),
            Some(occurrence) => Standing::PastCutoff {
                occurrence,
                next: self.next_after(moment),
            },
            None => Standing::Outside(self.next_after(moment)),
        }
    }

    fn occurrence(&self, opens: Timestamp) -> Occurrence {
        let sending = self.duration.saturating_sub(self.cutoff);
        Occurrence {
            opens,
            closes: later(opens, self.duration),
            cutoff: later(opens, sending),
        }
    }
}

/// The moment `time` after another, or the end of all time.
fn later(moment: Timestamp, time: Duration) -> Timestamp {
    SignedDuration::try_from(time)
        .ok()
        .and_then(|time| moment.checked_add(time).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
