//! What one answer to a read means: whether it can be used, tried again, or never will be.
//!
//! Owns the classes of failed reads. Invariant: a server counts as not found only if the service
//! itself says so; a 404 of the gateway or of something in between is another class.

use std::time::Duration;

use super::answer::{Evidence, Meaning, failure_evidence, meaning, odd_evidence};
use super::error_body::{Fault, evidence, fault, shorten};
use super::foreign::foreign;
use super::retry_after::retry_after;
use crate::http::{Failure, Response};
use crate::power::StateClass;

/// Why a read gave nothing, as far as the next step depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFailure {
    /// The same read may succeed later.
    Retry {
        /// How long the cloud asks to wait.
        after: Option<Duration>,
    },
    /// The service says that there is no such thing.
    NotFound,
    /// The credentials were not accepted, even after they were read anew.
    Credentials,
    /// The project or the permission is refused, for every read alike.
    Refused,
    /// This read is refused and would be again.
    Rejected,
    /// Something between here and the API must be changed first. That is certain after this many tries.
    Blocked {
        /// The number of tries in a row.
        tries: u32,
    },
}

/// A web page instead of an answer can come from a gateway that restarts. So many in a row do not.
const PAGES: u32 = 3;

/// A read that gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// What to do about it.
    pub class: ReadFailure,
    /// What the cloud or the network said.
    pub evidence: Evidence,
}

/// The answer of a read if it is a success, else the class of the failure.
pub fn classify_read(result: Result<Response, Failure>) -> Result<Response, ReadError> {
    let response = match result {
        Ok(response) if (200..300).contains(&response.status) => return Ok(response),
        Ok(response) => response,
        Err(failure) => {
            return Err(ReadError {
                class: match failure {
                    Failure::Blocked(_) => ReadFailure::Blocked { tries: 1 },
                    Failure::NotConnected { .. }
                    | Failure::TimedOut { .. }
                    | Failure::Broken { .. }
                    | Failure::TooLarge { .. } => ReadFailure::Retry { after: None },
                },
                evidence: failure_evidence(&failure),
            });
        }
    };
    if let Some(error) = not_the_api(&response) {
        return Err(error);
    }
    let fault = fault(&response);
    Err(ReadError {
        class: class(&response, &fault),
        evidence: evidence(&response, fault),
    })
}

/// The error for a success whose body is not what it should be: perhaps cut off, so tried again.
pub(super) fn unreadable(response: &Response) -> ReadError {
    let cut_off = || ReadError {
        class: ReadFailure::Retry { after: None },
        evidence: odd_evidence(response),
    };
    not_the_api(response).unwrap_or_else(cut_off)
}

/// The error for an answer that is not the API's.
pub(super) fn not_the_api(response: &Response) -> Option<ReadError> {
    let what = foreign(response)?;
    Some(ReadError {
        class: ReadFailure::Blocked { tries: PAGES },
        evidence: Evidence {
            http_status: Some(response.status),
            code: Some("not-the-api".to_owned()),
            message: Some(shorten(&format!(
                "{what}: something else answers instead of the API"
            ))),
            ..Evidence::default()
        },
    })
}

fn class(response: &Response, fault: &Fault) -> ReadFailure {
    match meaning(response.status, &fault.code) {
        Meaning::Busy | Meaning::Unclear => ReadFailure::Retry {
            after: retry_after(response),
        },
        Meaning::Credentials => ReadFailure::Credentials,
        Meaning::Refused => ReadFailure::Refused,
        // No read depends on a state; that a server does not exist is what a 404 says.
        Meaning::Conflict(StateClass::Stopping | StateClass::Off) => ReadFailure::Rejected,
        Meaning::Conflict(_) | Meaning::Rejected { .. } => rejection(response, fault),
    }
}

fn rejection(response: &Response, fault: &Fault) -> ReadFailure {
    let by_gateway = fault.code.starts_with("APIG");
    match response.status {
        404 if by_gateway => ReadFailure::Refused,
        404 if fault.recognised => ReadFailure::NotFound,
        _ => ReadFailure::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const RETRY: ReadFailure = ReadFailure::Retry { after: None };

    fn classify(status: u16, body: &str) -> ReadFailure {
        let response = Response {
            status,
            headers: Vec::new(),
            body: body.to_owned().into(),
        };
        classify_read(Ok(response)).unwrap_err().class
    }

    #[rstest]
    #[case(404, "BMS.0040", ReadFailure::NotFound)]
    #[case(404, "404", ReadFailure::NotFound)]
    #[case(404, "APIGW.0101", ReadFailure::Refused)]
    #[case(404, "APIG.0101", ReadFailure::Refused)]
    #[case(404, "APIGW.0103", ReadFailure::Refused)]
    #[case(400, "BMS.0040", ReadFailure::Rejected)]
    #[case(400, "BMS.0018", ReadFailure::Rejected)]
    #[case(400, "BMS.0039", ReadFailure::Rejected)]
    #[case(400, "BMS.0032", ReadFailure::Credentials)]
    #[case(401, "APIGW.0301", ReadFailure::Credentials)]
    #[case(401, "401", ReadFailure::Credentials)]
    #[case(403, "BMS.0033", ReadFailure::Refused)]
    #[case(403, "403", ReadFailure::Refused)]
    #[case(400, "Common.0018", ReadFailure::Refused)]
    #[case(429, "APIGW.0308", RETRY)]
    #[case(400, "BMS.0212", RETRY)]
    #[case(400, "BMS.1006", RETRY)]
    #[case(400, "BMS.1007", RETRY)]
    #[case(408, "408", RETRY)]
    #[case(500, "BMS.0006", RETRY)]
    #[case(502, "APIGW.0201", RETRY)]
    #[case(503, "x", RETRY)]
    #[case(504, "x", RETRY)]
    #[case(302, "x", ReadFailure::Blocked { tries: PAGES })]
    #[case(511, "x", ReadFailure::Blocked { tries: PAGES })]
    #[case(405, "x", ReadFailure::Rejected)]
    #[case(413, "APIGW.0201", ReadFailure::Rejected)]
    fn each_row(#[case] status: u16, #[case] code: &str, #[case] expected: ReadFailure) {
        let body = format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#);
        assert_eq!(classify(status, &body), expected);
    }

    #[rstest]
    #[case("<html>404 Not Found</html>")]
    #[case("")]
    #[case("{}")]
    fn a_404_from_something_in_between_proves_nothing(#[case] body: &str) {
        assert_eq!(classify(404, body), ReadFailure::Rejected);
    }

    #[test]
    fn a_read_is_tried_again_after_every_failure_of_the_network() {
        let message = || "m".to_owned();
        for failure in [
            Failure::NotConnected { message: message() },
            Failure::TimedOut { message: message() },
            Failure::Broken { message: message() },
            Failure::TooLarge {
                status: 200,
                limit: 1,
            },
        ] {
            assert_eq!(classify_read(Err(failure)).unwrap_err().class, RETRY);
        }
    }

    #[test]
    fn what_cannot_pass_is_another_class() {
        let blocked = Failure::Blocked(crate::http::Obstacle::UnknownAuthority);
        let error = classify_read(Err(blocked)).unwrap_err();
        assert_eq!(error.class, ReadFailure::Blocked { tries: 1 });
        let message = error.evidence.message.unwrap();
        assert!(message.contains("not trusted here"), "{message}");
        let page = Response {
            status: 200,
            headers: Vec::new(),
            body: "<html>Sign in</html>".into(),
        };
        let error = unreadable(&page);
        assert_eq!(error.class, ReadFailure::Blocked { tries: PAGES });
        let cut_off = Response {
            body: "{\"servers\":[".into(),
            ..page
        };
        assert_eq!(unreadable(&cut_off).class, RETRY);
    }

    #[test]
    fn the_wait_that_is_asked_for_is_passed_on() {
        let response = Response {
            status: 503,
            headers: vec![("retry-after".into(), "9".into())],
            body: "".into(),
        };
        let expected = ReadFailure::Retry {
            after: Some(Duration::from_secs(9)),
        };
        assert_eq!(classify_read(Ok(response)).unwrap_err().class, expected);
    }
}
