//! The date that the cloud's answers carry.
//!
//! Owns a clock that is wrong by so much from some moment on, and one that follows the date of the caller.
//! Invariant: only dates are wrong; quotas, jobs and the record go by the true clock.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::rule::Span;
pub(super) use crate::bms::signing::DATE_HEADER as HEADER;

/// A cloud whose clock is wrong: `{ ahead: 10m, after: 3m }`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DateFaults {
    /// How far it is ahead.
    pub ahead: Span,
    /// How far it is behind.
    pub behind: Span,
    /// How long after the start that begins.
    pub after: Span,
}

impl DateFaults {
    /// What the clock shows at `now`, so long after the start.
    pub(super) fn shown(&self, now: Timestamp, passed: Duration) -> Timestamp {
        if passed < self.after.0 {
            return now;
        }
        let signed = |span: Span| SignedDuration::try_from(span.0).unwrap_or(SignedDuration::MAX);
        let off = signed(self.ahead).saturating_sub(signed(self.behind));
        now.checked_add(off).unwrap_or(now)
    }
}

/// By whose clock answers are dated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DateSource {
    /// By the simulator's own.
    #[default]
    Own,
    /// By the caller's, as its signatures show it. Two compressed clocks that start at different moments never
    /// agree, and a test that moves the date of the program moves that of the API with it.
    Caller,
}

/// How far the date of the caller is ahead of the simulator's clock.
#[derive(Debug)]
pub(super) struct Followed {
    source: DateSource,
    ahead: Mutex<SignedDuration>,
}

impl Followed {
    pub(super) fn new(source: DateSource) -> Self {
        Self {
            source,
            ahead: Mutex::new(SignedDuration::ZERO),
        }
    }

    /// Notes the date of a signature, `20261128T170000Z`, that arrived at `now`.
    pub(super) fn hear(&self, signed: Option<&str>, now: Timestamp) {
        let date = signed.and_then(|text| DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok());
        let date = date.and_then(|date| TimeZone::UTC.to_timestamp(date).ok());
        if let (DateSource::Caller, Some(date)) = (self.source, date) {
            let ahead = date.duration_since(now);
            *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = ahead;
        }
    }

    /// The date that goes with the simulator's `now`.
    pub(super) fn date(&self, now: Timestamp) -> Timestamp {
        let ahead = *self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        now.checked_add(ahead).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_that_follows_the_caller_goes_on_from_its_last_signature() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let now = at("2026-11-28T17:00:00Z");
        let later = at("2026-11-28T17:00:30Z");
        let followed = Followed::new(DateSource::Caller);
        assert_eq!(followed.date(now), now);
        followed.hear(Some("20361128T170000Z"), now);
        assert_eq!(followed.date(later), at("2036-11-28T17:00:30Z"));
        // A token, or a signature that is none, shows nothing.
        followed.hear(None, later);
        followed.hear(Some("yesterday"), later);
        assert_eq!(followed.date(later), at("2036-11-28T17:00:30Z"));
        let own = Followed::new(DateSource::Own);
        own.hear(Some("20361128T170000Z"), now);
        assert_eq!(own.date(later), later);
    }
    use crate::simulator::Faults;
    use rstest::rstest;

    #[rstest]
    #[case("{}", "2026-11-28T17:00:00Z")]
    #[case("{ ahead: 10m }", "2026-11-28T17:10:00Z")]
    #[case("{ behind: 1h, after: 30s }", "2026-11-28T16:00:00Z")]
    #[case("{ ahead: 10m, after: 31s }", "2026-11-28T17:00:00Z")]
    #[case("{ ahead: 99999999h }", "2026-11-28T17:00:00Z")]
    fn a_wrong_clock_shows_this(#[case] faults: &str, #[case] shown: &str) {
        let faults = Faults::from_text(&format!("date: {faults}")).unwrap().date;
        let now = "2026-11-28T17:00:00Z".parse().unwrap();
        assert_eq!(
            faults.shown(now, Duration::from_secs(30)).to_string(),
            shown
        );
    }
}
