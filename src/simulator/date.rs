//! The date that the cloud's answers carry.
//!
//! Owns a clock that is wrong by so much from some moment on. Invariant: only dates are wrong; quotas, jobs
//! and the record go by the true clock.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::rule::Span;

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

#[cfg(test)]
mod tests {
    use super::*;
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
