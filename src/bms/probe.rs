//! A read whose content matters less than whether it is allowed, and when it was answered.
//!
//! Owns what is kept of such an answer. Invariant: a probe is a read, made once; nothing of it is tried
//! again, and nothing of it holds a secret.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::answer::Evidence;
use super::read::{ReadError, classify_read, not_the_api};
use super::retry_after::date;
use crate::http::{Failure, Obstacle, Response};
use crate::ids::{JobId, ServerId};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// The first page of the project's servers.
    List,
    /// One server.
    Show(ServerId),
    /// One job.
    Job(JobId),
}

/// What came back.
#[derive(Debug)]
pub struct Probed {
    /// How far the cloud's clock is ahead of ours, if it told the time.
    pub ahead: Option<SignedDuration>,
    /// The body, or why there is none.
    pub result: Result<Bytes, ProbeError>,
}

/// Why a probe gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeError {
    /// No connection was established.
    NotConnected(String),
    /// No connection can be established until somebody changes something.
    Blocked(Obstacle),
    /// A connection, but no complete answer.
    Broken(String),
    /// An answer that is no success.
    Answered(ReadError),
}

/// When a probe was sent, and when its answer was there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Between {
    pub(super) asked: Timestamp,
    pub(super) heard: Timestamp,
}

impl Probed {
    pub(super) fn of(
        result: Result<Response, Failure>,
        between: Between,
        clean: impl Fn(Evidence) -> Evidence,
    ) -> Self {
        let ahead = result.as_ref().ok().and_then(|it| between.ahead(it));
        let result = match result {
            Err(Failure::NotConnected { message }) => Err(ProbeError::NotConnected(message)),
            Err(Failure::Blocked(obstacle)) => Err(ProbeError::Blocked(obstacle)),
            Err(failure) => Err(ProbeError::Broken(failure.to_string())),
            Ok(response) => not_the_api(&response)
                .map_or_else(|| classify_read(Ok(response)), Err)
                .map(|response| response.body)
                .map_err(|error| {
                    ProbeError::Answered(ReadError {
                        evidence: clean(error.evidence),
                        ..error
                    })
                }),
        };
        Self { ahead, result }
    }
}

impl Between {
    /// The `Date` of an answer held against the middle of our two times; it has no fractions of a second.
    fn ahead(self, response: &Response) -> Option<SignedDuration> {
        let told = date(response.header("date")?)? + SignedDuration::from_millis(500);
        let half = self.heard.duration_since(self.asked) / 2;
        Some(told.duration_since(self.asked + half))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn probed(header: Option<(&str, &str)>) -> Probed {
        let response = Response {
            status: 200,
            headers: header
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into_iter()
                .collect(),
            body: "{}".into(),
        };
        let at = |text: &str| text.parse().unwrap();
        let between = Between {
            asked: at("2026-11-28T17:00:00Z"),
            heard: at("2026-11-28T17:00:03Z"),
        };
        Probed::of(Ok(response), between, |evidence| evidence)
    }

    #[rstest]
    #[case(Some(("Date", "Sat, 28 Nov 2026 17:00:01 GMT")), Some(0))]
    #[case(Some(("date", "Sat, 28 Nov 2026 17:10:01 GMT")), Some(600))]
    #[case(Some(("Date", "Sat, 28 Nov 2026 16:59:01 GMT")), Some(-60))]
    #[case(Some(("Date", "yesterday")), None)]
    #[case(None, None)]
    fn clocks_are_compared_in_the_middle(
        #[case] header: Option<(&str, &str)>,
        #[case] seconds: Option<i64>,
    ) {
        let ahead = probed(header).ahead;
        assert_eq!(ahead.map(|ahead| ahead.as_secs()), seconds);
    }
}
