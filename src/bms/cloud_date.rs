//! What the cloud's clock showed, as its answers tell, and how far that is from ours. Pure.
//!
//! Owns the reading of the `Date` header and the comparison. An answer took time and its date has whole
//! seconds, so a date is held against the whole while from the request to the answer. Invariant: a
//! difference is never larger than the clocks' own.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::retry_after::date;
use crate::clock::Moment;
use crate::http::Response;

/// The largest difference that a window can be told by.
const MOST: SignedDuration = SignedDuration::from_mins(5);

/// The date of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloudDate {
    /// What the cloud's clock showed, in whole seconds.
    pub told: Timestamp,
    /// When the answer was there.
    pub heard: Moment,
    /// What this machine's clock showed then.
    pub wall: Timestamp,
    /// How long the request took.
    took: Duration,
}

/// Two clocks that differ too much. Shown as both times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// What the cloud's clock showed.
    pub cloud: Timestamp,
    /// What it was by our time then.
    pub ours: Timestamp,
}

impl CloudDate {
    /// The date of an answer to a request of the moment `asked`, if it has one that can be read.
    pub(super) fn of(response: &Response, asked: Moment, now: (Moment, Timestamp)) -> Option<Self> {
        let (heard, wall) = now;
        Some(Self {
            told: date(response.header("date")?)?,
            heard,
            wall,
            took: heard.since(asked),
        })
    }

    /// How far the cloud's clock is ahead of ours, which showed `ours` when the answer was there.
    pub fn ahead_of(&self, ours: Timestamp) -> SignedDuration {
        let past = self.told.duration_since(ours);
        if past.is_positive() {
            return past;
        }
        let took = SignedDuration::try_from(self.took).unwrap_or(SignedDuration::MAX);
        let before = past
            .saturating_add(took)
            .saturating_add(SignedDuration::from_secs(1));
        before.min(SignedDuration::ZERO)
    }

    /// That the clocks differ too much, if they do.
    pub fn skew(&self, ours: Timestamp) -> Option<Skew> {
        (self.ahead_of(ours).abs() > MOST).then_some(Skew {
            cloud: self.told,
            ours,
        })
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "it is {:.0} by the cloud's clock and {:.0} by this machine's",
            self.cloud, self.ours
        )
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// An answer with this date, after three seconds.
    fn answered(header: Option<(&str, &str)>) -> Option<CloudDate> {
        let headers = header.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let response = Response {
            status: 401,
            headers: headers.into_iter().collect(),
            body: "{}".into(),
        };
        let asked = Moment::default().after(Duration::from_secs(60));
        let heard = asked.after(Duration::from_secs(3));
        CloudDate::of(&response, asked, (heard, at("2026-11-28T17:00:03Z")))
    }

    #[rstest]
    #[case("Sat, 28 Nov 2026 16:59:58 GMT", -1)]
    // The last moment of that second is the first of the while.
    #[case("Sat, 28 Nov 2026 16:59:59 GMT", 0)]
    #[case("Sat, 28 Nov 2026 17:00:00 GMT", 0)]
    #[case("Sat, 28 Nov 2026 17:00:03 GMT", 0)]
    #[case("Sat, 28 Nov 2026 17:00:04 GMT", 1)]
    #[case("Sat, 28 Nov 2026 19:00:03 GMT", 7200)]
    #[case("Sat, 28 Nov 2026 14:59:59 GMT", -7200)]
    fn a_date_is_held_against_the_while_of_the_request(#[case] told: &str, #[case] seconds: i64) {
        let date = answered(Some(("date", told))).unwrap();
        assert_eq!(date.ahead_of(date.wall).as_secs(), seconds);
    }

    #[rstest]
    #[case("Sat, 28 Nov 2026 17:05:03 GMT", None)]
    #[case("Sat, 28 Nov 2026 17:05:04 GMT", Some("2026-11-28T17:05:04Z"))]
    #[case("Sat, 28 Nov 2026 16:54:59 GMT", None)]
    #[case("Sat, 28 Nov 2026 16:54:58 GMT", Some("2026-11-28T16:54:58Z"))]
    fn five_minutes_are_borne(#[case] told: &str, #[case] skewed: Option<&str>) {
        let date = answered(Some(("Date", told))).unwrap();
        let expected = skewed.map(|cloud| {
            format!("it is {cloud} by the cloud's clock and 2026-11-28T17:00:03Z by this machine's")
        });
        assert_eq!(date.skew(date.wall).map(|skew| skew.to_string()), expected);
    }

    #[rstest]
    #[case(None)]
    #[case(Some(("date", "yesterday")))]
    #[case(Some(("date", "")))]
    #[case(Some(("date", "Sat, 99 Nov 2026 17:00:00 GMT")))]
    #[case(Some(("age", "Sat, 28 Nov 2026 17:00:00 GMT")))]
    fn no_date_is_no_difference(#[case] header: Option<(&str, &str)>) {
        assert_eq!(answered(header), None);
    }

    #[test]
    fn dates_at_the_ends_of_time_are_compared_too() {
        let date = answered(Some(("date", "Wed, 29 Dec 9999 23:59:59 GMT"))).unwrap();
        assert!(date.skew(Timestamp::MIN).is_some());
        let date = answered(Some(("date", "Thu, 01 Jan 1970 00:00:00 GMT"))).unwrap();
        assert!(date.skew(Timestamp::MAX).is_some());
    }
}
