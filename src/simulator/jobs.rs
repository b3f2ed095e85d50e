//! Jobs as the cloud keeps them: a parent with one sub-job for each server, told in time.
//!
//! Owns a job's status at any moment and its JSON; what happens to the servers is the model's. Invariant:
//! a sub-job never changes once it is final, and the parent is final only when all of them are.

use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;

use super::draw::Draw;
use super::faults::PartialFailure;
use crate::clock::Moment;
use crate::ids::ServerId;

/// How a sub-job ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    Success,
    Fail { code: String, message: String },
    Never,
}

/// The part of a job that concerns one server.
#[derive(Debug)]
pub(super) struct SubJob {
    pub(super) server: ServerId,
    pub(super) takes: Duration,
    pub(super) ending: Ending,
    /// Whether it takes the server down: a success can be without effect.
    pub(super) effective: bool,
}

/// One accepted request.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) number: u64,
    pub(super) accepted: Moment,
    pub(super) accepted_at: Timestamp,
    pub(super) takes: Duration,
    pub(super) stuck: bool,
    pub(super) sub_jobs: Vec<SubJob>,
}

/// What all sub-jobs of one answer share: the job's age, and when it began, as it is spelled.
#[derive(Clone, Copy)]
struct Asked<'a> {
    age: Duration,
    begin: &'a str,
}

/// The words for the status of a job or sub-job.
const INIT: &str = "INIT";
const RUNNING: &str = "RUNNING";
const SUCCESS: &str = "SUCCESS";
const FAIL: &str = "FAIL";

impl SubJob {
    fn status(&self, age: Duration) -> &'static str {
        match &self.ending {
            Ending::Never => RUNNING,
            Ending::Success | Ending::Fail { .. } if age < self.takes => RUNNING,
            Ending::Success => SUCCESS,
            Ending::Fail { .. } => FAIL,
        }
    }
}

impl Job {
    /// The job's ID: with hyphens or without, as the cloud does both.
    pub(super) fn id_of(draw: Draw, number: u64) -> String {
        let id = uuid::Uuid::from_u128(draw.wide("job", number));
        if number.is_multiple_of(2) {
            id.hyphenated().to_string()
        } else {
            id.simple().to_string()
        }
    }

    /// Status at `now`.
    pub(super) fn status(&self, now: Moment, partial: PartialFailure) -> &'static str {
        let age = now.since(self.accepted);
        let unfinished = |sub: &SubJob| sub.status(age) == RUNNING;
        if age < self.begins_after() {
            INIT
        } else if age < self.takes || self.stuck || self.sub_jobs.iter().any(unfinished) {
            RUNNING
        } else {
            self.verdict(partial)
        }
    }

    /// How many sub-jobs have failed at `now`.
    pub(super) fn failed(&self, now: Moment) -> usize {
        let age = now.since(self.accepted);
        let failed = |sub: &&SubJob| sub.status(age) == FAIL;
        self.sub_jobs.iter().filter(failed).count()
    }

    fn verdict(&self, partial: PartialFailure) -> &'static str {
        let failed = |sub: &&SubJob| matches!(sub.ending, Ending::Fail { .. });
        let failures = self.sub_jobs.iter().filter(failed).count();
        let lenient = partial == PartialFailure::Success && failures < self.sub_jobs.len();
        if failures == 0 || lenient {
            SUCCESS
        } else {
            FAIL
        }
    }

    /// The first tenth of a job's time it is only known, not begun.
    fn begins_after(&self) -> Duration {
        self.takes / 10
    }

    /// The answer to a query at `now`.
    pub(super) fn body(&self, now: Moment, draw: Draw, partial: PartialFailure) -> Vec<u8> {
        let status = self.status(now, partial);
        let mut body = Vec::with_capacity(300 + 330 * self.sub_jobs.len());
        let begin = stamp(self.accepted_at, Duration::ZERO);
        body.extend_from_slice(b"{\"status\":\"");
        body.extend_from_slice(status.as_bytes());
        body.extend_from_slice(b"\",\"entities\":{");
        if status == INIT {
            body.extend_from_slice(b"\"sub_jobs_total\":0,\"sub_jobs\":[]");
        } else {
            let age = now.since(self.accepted);
            let asked = Asked { age, begin: &begin };
            self.write_sub_jobs(&mut body, draw, asked);
        }
        body.extend_from_slice(b"},");
        let end = matches!(status, SUCCESS | FAIL).then(|| stamp(self.accepted_at, self.takes));
        let message = "some of the sub-jobs failed";
        let error = (status == FAIL).then_some(("BMS.1007", message));
        write_common(&mut body, &self.id, "baremetalBatchOperate", &begin);
        write_end(&mut body, end.as_deref(), error);
        body.push(b'}');
        body
    }

    fn write_sub_jobs(&self, body: &mut Vec<u8>, draw: Draw, asked: Asked<'_>) {
        let total = self.sub_jobs.len().to_string();
        body.extend_from_slice(b"\"sub_jobs_total\":");
        body.extend_from_slice(total.as_bytes());
        body.extend_from_slice(b",\"sub_jobs\":[");
        for (place, sub) in self.sub_jobs.iter().enumerate() {
            if place > 0 {
                body.push(b',');
            }
            let number = (self.number << 10) | place as u64;
            let mut buffer = [0; 32];
            let id = uuid::Uuid::from_u128(draw.wide("sub-job", number));
            let id = id.simple().encode_lower(&mut buffer);
            self.write_sub_job(body, sub, id, asked);
        }
        body.push(b']');
    }

    fn write_sub_job(&self, body: &mut Vec<u8>, sub: &SubJob, id: &str, asked: Asked<'_>) {
        let status = sub.status(asked.age);
        body.extend_from_slice(b"{\"status\":\"");
        body.extend_from_slice(status.as_bytes());
        body.extend_from_slice(b"\",\"entities\":{\"server_id\":\"");
        body.extend_from_slice(sub.server.encode(&mut [0; 36]).as_bytes());
        body.extend_from_slice(b"\"},");
        write_common(body, id, "baremetalSingleOperate", asked.begin);
        let end = (status != RUNNING).then(|| stamp(self.accepted_at, sub.takes));
        let error = match &sub.ending {
            Ending::Fail { code, message } if status == FAIL => Some((&code[..], &message[..])),
            Ending::Fail { .. } | Ending::Success | Ending::Never => None,
        };
        write_end(body, end.as_deref(), error);
        body.push(b'}');
    }
}

fn write_common(body: &mut Vec<u8>, id: &str, job_type: &str, begin: &str) {
    for part in [
        "\"job_id\":\"",
        id,
        "\",\"job_type\":\"",
        job_type,
        "\",\"begin_time\":\"",
        begin,
        "\",",
    ] {
        body.extend_from_slice(part.as_bytes());
    }
}

/// Writes the members that are null until the end; writing to memory cannot fail.
fn write_end(body: &mut Vec<u8>, end: Option<&str>, error: Option<(&str, &str)>) {
    match end {
        Some(end) => body.extend_from_slice(format!("\"end_time\":\"{end}\"").as_bytes()),
        None => body.extend_from_slice(b"\"end_time\":null"),
    }
    match error {
        None => body.extend_from_slice(b",\"error_code\":null,\"fail_reason\":null"),
        Some((code, reason)) => {
            let (code, reason) = (serde_json::json!(code), serde_json::json!(reason));
            let _ = write!(body, ",\"error_code\":{code},\"fail_reason\":{reason}");
        }
    }
}

/// `2019-04-25T20:04:47.591Z`, `after` the given time.
fn stamp(at: Timestamp, after: Duration) -> String {
    let at = at.checked_add(after).unwrap_or(at);
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn job(endings: Vec<Ending>) -> Job {
        let sub_jobs = endings
            .into_iter()
            .enumerate()
            .map(|(place, ending)| SubJob {
                server: ServerId::from_bytes([place as u8; 16]),
                takes: Duration::from_secs(8),
                ending,
                effective: true,
            });
        Job {
            id: Job::id_of(Draw::new(1), 0),
            number: 0,
            accepted: Moment::default(),
            accepted_at: "2026-11-28T17:00:00.5Z".parse().unwrap(),
            takes: Duration::from_secs(10),
            stuck: false,
            sub_jobs: sub_jobs.collect(),
        }
    }

    fn told(job: &Job, second: u64, partial: PartialFailure) -> Value {
        let now = Moment::default().after(Duration::from_secs(second));
        serde_json::from_slice(&job.body(now, Draw::new(1), partial)).unwrap()
    }

    fn failed() -> Ending {
        Ending::Fail {
            code: "BMS.0039".to_owned(),
            message: "the server is \"stopped\"".to_owned(),
        }
    }

    #[test]
    fn a_job_begins_runs_and_ends() {
        let job = job(vec![Ending::Success]);
        let at = |second| told(&job, second, PartialFailure::Fail);
        assert_eq!(at(0)["status"], "INIT");
        assert_eq!(at(0)["entities"]["sub_jobs"], json!([]));
        assert_eq!(at(1)["status"], "RUNNING");
        assert_eq!(at(1)["entities"]["sub_jobs"][0]["status"], "RUNNING");
        assert_eq!(at(9)["status"], "RUNNING");
        assert_eq!(at(9)["entities"]["sub_jobs"][0]["status"], "SUCCESS");
        assert_eq!(at(9)["end_time"], Value::Null);
        assert_eq!(at(10)["status"], "SUCCESS");
        assert_eq!(at(10)["begin_time"], "2026-11-28T17:00:00.500Z");
        assert_eq!(at(10)["end_time"], "2026-11-28T17:00:10.500Z");
        assert_eq!(at(10)["error_code"], Value::Null);
        assert_eq!(at(10)["job_type"], "baremetalBatchOperate");
    }

    #[test]
    fn a_failed_sub_job_tells_why() {
        let job = job(vec![Ending::Success, failed()]);
        let body = told(&job, 10, PartialFailure::Fail);
        let sub = &body["entities"]["sub_jobs"][1];
        assert_eq!(sub["status"], "FAIL");
        assert_eq!(sub["error_code"], "BMS.0039");
        assert_eq!(sub["fail_reason"], "the server is \"stopped\"");
        assert_eq!(sub["job_type"], "baremetalSingleOperate");
        assert_eq!(body["status"], "FAIL");
        let lenient = told(&job, 10, PartialFailure::Success);
        assert_eq!(lenient["status"], "SUCCESS");
    }

    #[test]
    fn nothing_of_a_failure_shows_before_its_time() {
        let body = told(&job(vec![failed()]), 7, PartialFailure::Fail);
        let sub = &body["entities"]["sub_jobs"][0];
        assert_eq!(
            (&sub["status"], &sub["error_code"]),
            (&json!("RUNNING"), &Value::Null)
        );
    }

    #[test]
    fn a_stuck_job_runs_for_ever() {
        let mut stuck = job(vec![Ending::Success]);
        stuck.stuck = true;
        assert_eq!(
            told(&stuck, 90_000, PartialFailure::Fail)["status"],
            "RUNNING"
        );
        let never = job(vec![Ending::Never]);
        assert_eq!(
            told(&never, 90_000, PartialFailure::Fail)["status"],
            "RUNNING"
        );
    }

    #[test]
    fn ids_come_in_both_spellings() {
        let length = |number| Job::id_of(Draw::new(1), number).len();
        assert_eq!((length(0), length(1)), (36, 32));
    }
}
