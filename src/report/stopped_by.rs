//! Why a run stopped sending: the cause, and what the API or a gate answered.
//!
//! Owns the words for each cause and the member `stopped_by` of report and status. Texts in it come
//! from outside and are escaped only by [`StoppedBy::line`]. Invariant: report, summary and status give
//! the same cause with the same words.

use serde::{Deserialize, Serialize};

use crate::bms::Evidence;
use crate::event::StopCause;
use crate::ledger::Ledger;
use crate::untrusted::{for_terminal, shorten};

/// Longest text from outside that is shown, in characters.
const LONGEST: usize = 300;

/// What stopped the sending of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoppedBy {
    /// The cause.
    pub cause: StopCause,
    /// Status of the response, if there was one.
    #[serde(deserialize_with = "Option::deserialize")]
    pub http_status: Option<u16>,
    /// Error code of the API, or the kind of a connection failure.
    #[serde(deserialize_with = "Option::deserialize")]
    pub error_code: Option<String>,
    /// Error text of the API or gate, or the measured fact for a clock or a failure limit.
    #[serde(deserialize_with = "Option::deserialize")]
    pub error_message: Option<String>,
    /// The API's ID of the request.
    #[serde(deserialize_with = "Option::deserialize")]
    pub request_id: Option<String>,
}

impl StoppedBy {
    /// What stopped the run of `ledger`; `None` if nothing did.
    pub fn of(ledger: &Ledger) -> Option<Self> {
        let (cause, evidence) = ledger.stopped_by()?.clone();
        let Evidence {
            http_status,
            request_id,
            code,
            message,
        } = evidence;
        Some(Self {
            cause,
            http_status,
            error_code: code,
            error_message: message,
            request_id,
        })
    }

    /// The cause and the answer on one line, for people.
    pub fn line(&self) -> String {
        let status = self.http_status.map(|status| format!("HTTP {status}"));
        let status =
            status.filter(|_| self.error_code != self.http_status.map(|it| it.to_string()));
        let error = error_text(self.error_code.as_deref(), self.error_message.as_deref());
        let request = self.request_id.as_deref().map(|id| format!("request {id}"));
        let parts: Vec<String> = [status, error, request].into_iter().flatten().collect();
        let answer = match parts.as_slice() {
            [] => String::new(),
            parts => format!(" ({})", shown(&parts.join(", "))),
        };
        format!("{}{answer}", cause_text(self.cause))
    }
}

/// Code and text of an error, as far as there are any: `BMS.0217: the server has no power`.
pub(super) fn error_text(code: Option<&str>, message: Option<&str>) -> Option<String> {
    match (code, message) {
        (Some(code), Some(message)) => Some(format!("{code}: {message}")),
        (Some(text), None) | (None, Some(text)) => Some(text.to_owned()),
        (None, None) => None,
    }
}

/// A cause, for people.
pub fn cause_text(cause: StopCause) -> &'static str {
    match cause {
        StopCause::Refused => "credentials, permission or project were refused",
        StopCause::Unreachable => "the API cannot be reached",
        StopCause::Interrupted => "the run was interrupted",
        StopCause::Halted => "the run was halted",
        StopCause::Journal => "the journal could not be written",
        StopCause::Late => "the run is late: it was left, or stood still, for over 15m",
        StopCause::Policy => "a policy or guard forbids the plan",
        StopCause::Frozen => "a freeze period applies",
        StopCause::MaxFailures => "failure limit exceeded",
        StopCause::Gate => "the gate did not respond as expected",
        StopCause::Cutoff => "the window left no time for more",
        StopCause::Clock => "this machine's clock differs from the API's",
        StopCause::Settling => "the run was only settled",
    }
}

fn shown(text: &str) -> String {
    for_terminal(&shorten(text, LONGEST)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_follows_the_cause() {
        let mut stopped = StoppedBy {
            cause: StopCause::Refused,
            http_status: Some(401),
            error_code: Some("APIGW.0301".to_owned()),
            error_message: Some("Incorrect IAM \u{1b}authentication".to_owned()),
            request_id: Some("c2e9".to_owned()),
        };
        let expected = "credentials, permission or project were refused \
             (HTTP 401, APIGW.0301: Incorrect IAM \\u{1b}authentication, request c2e9)";
        assert_eq!(stopped.line(), expected);
        // Without a code of its own, an error has that of its status.
        stopped.error_code = Some("401".to_owned());
        stopped.error_message = None;
        assert!(
            stopped.line().ends_with(" (401, request c2e9)"),
            "{}",
            stopped.line()
        );
    }

    #[test]
    fn a_cause_without_an_answer_stands_alone() {
        let stopped = StoppedBy {
            cause: StopCause::Cutoff,
            http_status: None,
            error_code: None,
            error_message: None,
            request_id: None,
        };
        assert_eq!(stopped.line(), "the window left no time for more");
    }
}
