//! What a fault makes of an answer, and how that travels back.
//!
//! Owns the errors and broken bodies that faults bring; which fault falls on which call is decided elsewhere.
//! Invariant: a job ID that leaves whole is recorded as sent to the client.

use super::reply::{Refusal, Reply};
use super::rule::{Fault, OddBody, Point};
use super::stats::{AnswerSeen, PowerSeen, Record};

/// How an answer travels back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    Whole,
    /// The head and half of the body, then the connection breaks.
    Half,
    /// The connection breaks without an answer.
    Cut,
    /// Nothing, for ever.
    Never,
    /// The whole body, of which the head announces more, then the connection is closed.
    TooShort,
    /// The whole body in chunks, without the last one, then the connection is closed.
    NoLastChunk,
}

pub(super) fn throttled(limit: u32) -> Refusal {
    let message = format!(
        "The throttling threshold has been reached: policy user over ratelimit,limit:{limit},time:1 minute"
    );
    Refusal::new(429, "APIGW.0308", message)
}

pub(super) fn no_job(id: &str) -> Refusal {
    Refusal::new(404, "BMS.0022", format!("The job {id} does not exist."))
}

/// What the fault makes of an answer; `acted` is `None` if it struck before the call.
pub(super) fn spoil(
    acted: Option<Result<Vec<u8>, Refusal>>,
    fault: Option<Fault>,
    request_id: &str,
) -> (Reply, Delivery) {
    let reply = match acted {
        Some(Ok(body)) => Reply::json(body),
        Some(Err(refusal)) => Reply::refusal(refusal, request_id),
        None => Reply::page(502),
    };
    match fault {
        None | Some(Fault::Slow(_)) => (reply, Delivery::Whole),
        Some(Fault::Throttle { retry_after }) => {
            let reply = Reply::refusal(throttled(10), request_id);
            (
                Reply {
                    retry_after,
                    ..reply
                },
                Delivery::Whole,
            )
        }
        Some(Fault::NotFound) => (
            Reply::refusal(no_job("asked for"), request_id),
            Delivery::Whole,
        ),
        Some(Fault::Error { status, point }) => {
            (server_error(status, point, request_id), Delivery::Whole)
        }
        Some(Fault::Html(point)) => {
            let status = if point == Point::After { 200 } else { 502 };
            (Reply::page(status), Delivery::Whole)
        }
        Some(Fault::BrokenBody) => (reply, Delivery::Half),
        Some(Fault::ErrorWithJob { status }) => {
            (with_job(status, reply, request_id), Delivery::Whole)
        }
        Some(Fault::OddBody(form)) => odd(reply, form),
        Some(Fault::Reset(_)) => (reply, Delivery::Cut),
        Some(Fault::Hang(_)) => (reply, Delivery::Never),
    }
}

/// A 5xx. Only the gateway's own 503, with its code, says that nothing was passed on.
fn server_error(status: u16, point: Point, request_id: &str) -> Reply {
    match (status, point) {
        (503, Point::Before) => {
            let refusal = Refusal::new(503, "APIGW.0801", "The service is unavailable.");
            Reply::refusal(refusal, request_id)
        }
        (503, Point::After | Point::Late(_)) => Reply::page(503),
        (500, _) => {
            let refusal = Refusal::new(500, "BMS.1007", "The interface call failed.");
            Reply::refusal(refusal, request_id)
        }
        (_, _) => {
            let refusal = Refusal::new(status, "APIGW.0201", "The backend does not answer.");
            Reply::refusal(refusal, request_id)
        }
    }
}

/// An error of this status whose body names the job of `reply`, if that has one.
fn with_job(status: u16, reply: Reply, request_id: &str) -> Reply {
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let Some(job) = body.get("job_id").cloned() else {
        return reply;
    };
    let code = match status {
        401 => "APIGW.0301",
        403 => "BMS.0033",
        429 => "APIGW.0308",
        503 => "APIGW.0801",
        _ => "BMS.1007",
    };
    let refusal = Refusal::new(status, code, "The job was started, and something failed.");
    let error = Reply::refusal(refusal, request_id);
    let mut body: serde_json::Value = serde_json::from_slice(&error.body).unwrap_or_default();
    body["job_id"] = job;
    Reply {
        body: body.to_string().into_bytes(),
        ..error
    }
}

/// What a form makes of a body that names a job.
fn odd(reply: Reply, form: OddBody) -> (Reply, Delivery) {
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    let (body, delivery) = match form {
        OddBody::TooLong => (text, Delivery::TooShort),
        OddBody::NoLastChunk => (text, Delivery::NoLastChunk),
        OddBody::ByteOrderMark => (format!("\u{feff}{text}"), Delivery::Whole),
        OddBody::TrailingByte => (format!("{text}\u{0}"), Delivery::Whole),
        OddBody::DoubledKey => {
            let inner = text.trim_matches(['{', '}']);
            (format!("{{{inner},{inner}}}"), Delivery::Whole)
        }
    };
    let body = body.into_bytes();
    (Reply { body, ..reply }, delivery)
}

fn is_told(delivery: Delivery) -> bool {
    match delivery {
        Delivery::Whole | Delivery::Half | Delivery::TooShort | Delivery::NoLastChunk => true,
        Delivery::Cut | Delivery::Never => false,
    }
}

pub(super) fn note(record: &mut Record, reply: &Reply, delivery: Delivery) {
    if reply.status >= 400 && is_told(delivery) {
        record.refused(reply.status, reply.code.as_deref());
    }
}

/// Records how the answer to a power request was delivered.
pub(super) fn note_answer(
    seen: &mut PowerSeen,
    reply: &Reply,
    delivery: Delivery,
    fault: Option<Fault>,
) {
    let replaced = fault.is_some_and(|fault| match fault {
        Fault::Error { point, .. } | Fault::Html(point) => point != Point::Before,
        Fault::Throttle { .. } | Fault::NotFound | Fault::Slow(_) => false,
        // The job ID arrives whole.
        Fault::ErrorWithJob { .. } | Fault::OddBody(_) => false,
        Fault::Reset(_) | Fault::Hang(_) | Fault::BrokenBody => true,
    });
    seen.http_status = is_told(delivery).then_some(reply.status);
    seen.code.clone_from(&reply.code);
    seen.answer = if replaced {
        AnswerSeen::Lost
    } else {
        AnswerSeen::Sent
    };
}
