//! The documented quotas, as the gateway would count them: so many calls of a kind in any 60 seconds.
//!
//! Owns the sliding windows; which answer an exceeded quota gets is not decided here. Invariant: a call
//! that is turned away does not count.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Moment;

const WINDOW: Duration = Duration::from_secs(60);

/// The kinds of call that have a quota and faults of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `POST …/baremetalservers/action`.
    Stop,
    /// `GET …/jobs/{job_id}`.
    Job,
    /// `GET …/baremetalservers/detail`.
    List,
    /// `GET …/baremetalservers/{server_id}`.
    Show,
}

impl Kind {
    /// The word in files and statistics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Job => "job",
            Self::List => "list",
            Self::Show => "show",
        }
    }
}

/// One value for each kind of call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerKind<T> {
    /// For stop requests.
    pub stop: T,
    /// For job queries.
    pub job: T,
    /// For list pages.
    pub list: T,
    /// For single reads.
    pub show: T,
}

impl<T> PerKind<T> {
    /// The value for `kind`.
    pub fn of(&self, kind: Kind) -> &T {
        match kind {
            Kind::Stop => &self.stop,
            Kind::Job => &self.job,
            Kind::List => &self.list,
            Kind::Show => &self.show,
        }
    }

    /// The value for `kind`, to be changed.
    pub fn of_mut(&mut self, kind: Kind) -> &mut T {
        match kind {
            Kind::Stop => &mut self.stop,
            Kind::Job => &mut self.job,
            Kind::List => &mut self.list,
            Kind::Show => &mut self.show,
        }
    }
}

/// Most calls of each kind in any 60 seconds.
pub type Quotas = PerKind<u32>;

impl Quotas {
    /// The numbers of the documentation.
    pub fn documented() -> Self {
        Self {
            stop: 50,
            job: 2000,
            list: 500,
            show: 1000,
        }
    }
}

/// The calls of the last minute.
#[derive(Debug, Default)]
pub(super) struct Meter {
    calls: PerKind<VecDeque<Moment>>,
}

impl Meter {
    /// Counts a call of `kind` if `limit` admits it at `now`.
    pub(super) fn admits(&mut self, kind: Kind, limit: u32, now: Moment) -> bool {
        let calls = self.calls.of_mut(kind);
        while calls.front().is_some_and(|call| now.since(*call) >= WINDOW) {
            calls.pop_front();
        }
        let admitted = calls.len() < limit as usize;
        if admitted {
            calls.push_back(now);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides() {
        let mut meter = Meter::default();
        let mut at = |seconds| {
            let now = Moment::default().after(Duration::from_secs(seconds));
            meter.admits(Kind::Stop, 2, now)
        };
        let admitted = [0, 30, 31, 59, 60, 61, 89, 90].map(&mut at);
        assert_eq!(
            admitted,
            [true, true, false, false, true, false, false, true]
        );
    }

    #[test]
    fn kinds_do_not_share_a_window() {
        let mut meter = Meter::default();
        assert!(meter.admits(Kind::Stop, 1, Moment::default()));
        assert!(meter.admits(Kind::Job, 1, Moment::default()));
        assert!(!meter.admits(Kind::Stop, 1, Moment::default()));
    }
}
