//! What one answer to the power call means: the classes of design §7.
//!
//! Owns the vocabulary and the one pure table from answer to class. Invariant: an answer is `NotSent`
//! only if no byte of the request can have reached the cloud, `Accepted` only with a job ID, and a response that names
//! a job is one of `Accepted` and `AmbiguousWithJobs`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error_body::{evidence, fault, request_id, shorten};
use super::job::JobError;
use super::job_ids::{self, JobIds};
use super::retry_after::retry_after;
use crate::http::{Failure, Response};
use crate::ids::JobId;
use crate::power::{Action, StateClass};

/// Class of one answer to the call that stops or starts servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PowerAnswer {
    /// The cloud took the request and named a job.
    Accepted(JobId),
    /// The connection was never established.
    NotSent,
    /// The connection cannot be established until somebody changes something.
    Blocked,
    /// The cloud is throttling or busy, and did not act.
    Throttled {
        /// How long the cloud asks to wait.
        retry_after: Option<Duration>,
    },
    /// A server of the request is in a state that forbids it, or does not exist.
    Conflict(Conflict),
    /// The request may or may not have been accepted.
    Ambiguous,
    /// The response is no clear acceptance, and names jobs all the same.
    AmbiguousWithJobs(JobIds),
    /// The credentials were not accepted.
    Credentials,
    /// The project or the permission is refused, for every request alike.
    RefusedForAll,
    /// The request was refused.
    Rejected {
        /// Whether a single server of the request may be the cause.
        one_server: bool,
    },
}

/// Which state stands against a request, by error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// A server is where the request would bring it, or on its way: BMS.0036 and 0039 for a stop,
    /// BMS.0035 and 0038 for a start.
    There,
    /// A server is in any other state, gone or locked.
    Other,
}

/// What the cloud said, for reports and messages. Texts are untrusted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// The cloud's request ID.
    pub request_id: Option<String>,
    /// Error code: the cloud's, or the transport's such as `timeout`.
    pub code: Option<String>,
    /// Error text: the cloud's, or the transport's.
    pub message: Option<String>,
}

impl Evidence {
    /// Whether it is the refusal of `action` because a server is there already, or on its way.
    pub fn tells_of_there(&self, action: Action) -> bool {
        match self.code.as_deref().and_then(by_code) {
            Some(Meaning::Conflict(state)) => conflict(state, action) == Conflict::There,
            Some(_) | None => false,
        }
    }
}

impl JobError {
    /// Whether `action` failed because the server was there already: BMS.0039 for a stop, BMS.0038 for
    /// a start.
    pub fn tells_of_goal(&self, action: Action) -> bool {
        by_code(&self.code) == Some(Meaning::Conflict(action.goal()))
    }
}

/// Class and evidence of what came back for one request for `action`.
pub fn classify_power(
    action: Action,
    result: &Result<Response, Failure>,
) -> (PowerAnswer, Evidence) {
    let response = match result {
        Ok(response) => response,
        Err(failure) => return (of_failure(failure), failure_evidence(failure)),
    };
    if (200..300).contains(&response.status) {
        return of_success(response);
    }
    let fault = fault(response);
    let meaning = meaning(response.status, &fault.code);
    if let Some(jobs) = JobIds::new(job_ids::find(&response.body)) {
        return (
            PowerAnswer::AmbiguousWithJobs(jobs),
            evidence(response, fault),
        );
    }
    let answer = match meaning {
        Meaning::Busy => PowerAnswer::Throttled {
            retry_after: retry_after(response),
        },
        Meaning::Conflict(state) => PowerAnswer::Conflict(conflict(state, action)),
        Meaning::Unclear => PowerAnswer::Ambiguous,
        Meaning::Credentials => PowerAnswer::Credentials,
        Meaning::Refused => PowerAnswer::RefusedForAll,
        Meaning::Rejected { one_server } => PowerAnswer::Rejected { one_server },
    };
    (answer, evidence(response, fault))
}

/// Class and evidence of a response of which only a part arrived before `failure`.
pub(super) fn classify_part(failure: &Failure, part: &Response) -> (PowerAnswer, Evidence) {
    let evidence = Evidence {
        http_status: Some(part.status),
        request_id: request_id(part),
        ..failure_evidence(failure)
    };
    let answer = match JobIds::new(job_ids::find(&part.body)) {
        Some(jobs) => PowerAnswer::AmbiguousWithJobs(jobs),
        None => of_failure(failure),
    };
    (answer, evidence)
}

fn of_failure(failure: &Failure) -> PowerAnswer {
    match failure {
        Failure::NotConnected { .. } => PowerAnswer::NotSent,
        Failure::Blocked(_) => PowerAnswer::Blocked,
        Failure::TimedOut { .. } | Failure::Broken { .. } | Failure::TooLarge { .. } => {
            PowerAnswer::Ambiguous
        }
    }
}

/// What the transport has to say, as evidence.
pub(super) fn failure_evidence(failure: &Failure) -> Evidence {
    let (code, http_status) = match failure {
        Failure::NotConnected { .. } => ("not-connected", None),
        Failure::Blocked(obstacle) => (obstacle.code(), None),
        Failure::TimedOut { .. } => ("timeout", None),
        Failure::Broken { .. } => ("broken", None),
        Failure::TooLarge { status, .. } => ("too-large", Some(*status)),
    };
    Evidence {
        http_status,
        request_id: None,
        code: Some(code.to_owned()),
        message: Some(shorten(&failure.to_string())),
    }
}

fn of_success(response: &Response) -> (PowerAnswer, Evidence) {
    #[derive(Deserialize)]
    struct Accepted {
        job_id: JobId,
    }
    let accepted = serde_json::from_slice::<Accepted>(&response.body);
    let clear = accepted.map(|accepted| accepted.job_id).ok();
    let all = JobIds::new(clear.iter().cloned().chain(job_ids::find(&response.body)));
    match (clear, all) {
        (Some(job), Some(all)) if all.as_slice().len() == 1 => {
            (PowerAnswer::Accepted(job), plain_evidence(response))
        }
        (_, Some(all)) => (PowerAnswer::AmbiguousWithJobs(all), odd_evidence(response)),
        // A success without a job may have been acted on.
        (_, None) => (PowerAnswer::Ambiguous, odd_evidence(response)),
    }
}

fn plain_evidence(response: &Response) -> Evidence {
    Evidence {
        http_status: Some(response.status),
        request_id: request_id(response),
        ..Evidence::default()
    }
}

/// Evidence of a success whose body is not what it should be.
pub(super) fn odd_evidence(response: &Response) -> Evidence {
    let fault = fault(response);
    let code = if fault.recognised {
        fault.code
    } else {
        "unexpected-body".to_owned()
    };
    Evidence {
        code: Some(code),
        message: Some(fault.message).filter(|text| !text.is_empty()),
        ..plain_evidence(response)
    }
}

/// What an error answer means, for stops and reads alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Busy,
    /// A server is in this state, as far as a code can tell.
    Conflict(StateClass),
    Unclear,
    Credentials,
    Refused,
    Rejected {
        one_server: bool,
    },
}

/// By error code first, then by status; redirects are unclear whatever they say.
pub(super) fn meaning(status: u16, code: &str) -> Meaning {
    if !(400..600).contains(&status) {
        return Meaning::Unclear;
    }
    let code = gateway_spelling(code);
    by_code(&code).unwrap_or_else(|| by_status(status, &code))
}

/// Dedicated gateways write `APIG.` where the shared one writes `APIGW.`.
fn gateway_spelling(code: &str) -> String {
    match code.strip_prefix("APIG.") {
        Some(number) => format!("APIGW.{number}"),
        None => code.to_owned(),
    }
}

fn by_code(code: &str) -> Option<Meaning> {
    let meaning = match code {
        "APIGW.0308" | "BMS.0212" | "BMS.1006" => Meaning::Busy,
        "BMS.0035" => Meaning::Conflict(StateClass::Starting),
        "BMS.0036" => Meaning::Conflict(StateClass::Stopping),
        "BMS.0038" => Meaning::Conflict(StateClass::On),
        "BMS.0039" => Meaning::Conflict(StateClass::Off),
        "BMS.0040" => Meaning::Conflict(StateClass::Gone),
        // Rebooting; locked, whatever its power.
        "BMS.0037" | "BMS.0605" => Meaning::Conflict(StateClass::Busy),
        "BMS.0006" | "BMS.1007" => Meaning::Unclear,
        "BMS.0032" | "APIGW.0301" => Meaning::Credentials,
        "BMS.0004" | "BMS.0005" | "BMS.0033" | "BMS.0288" | "APIGW.0101" | "Common.0018" => {
            Meaning::Refused
        }
        _ => return None,
    };
    Some(meaning)
}

fn conflict(state: StateClass, action: Action) -> Conflict {
    if state.under(action).shows_acceptance() {
        Conflict::There
    } else {
        Conflict::Other
    }
}

fn by_status(status: u16, code: &str) -> Meaning {
    match status {
        401 => Meaning::Credentials,
        403 => Meaning::Refused,
        408 => Meaning::Unclear,
        429 => Meaning::Busy,
        400..500 => Meaning::Rejected {
            one_server: may_be_one_server(status, code),
        },
        503 if code.starts_with("APIGW.") => Meaning::Busy,
        _ => Meaning::Unclear,
    }
}

/// Whether one server of the request may be what the cloud objects to.
fn may_be_one_server(status: u16, code: &str) -> bool {
    match code {
        // About the request as a whole, or its type.
        "BMS.0001" | "BMS.0002" | "BMS.0018" | "BMS.0022" | "BMS.0205" => false,
        _ if code.starts_with("APIGW.") || code.starts_with("Common.") => false,
        _ if code.starts_with("BMS.") => true,
        _ => matches!(status, 404 | 409 | 423),
    }
}

#[cfg(test)]
mod tests;
