//! Job IDs in the bytes of a response, whatever else is wrong with it. Pure.
//!
//! A response that was cut off, has a byte order mark, a doubled key or an error status can still name the job that
//! the API started. Owns the search for such IDs and the type for what it found. Invariant: what is found looks like a
//! job ID and stands behind a key `job_id`, so that request IDs and server IDs are never taken for one.

use serde::{Deserialize, Serialize};

use crate::ids::JobId;

/// Most job IDs that one response can name: one for each server of the largest request.
const MOST: usize = 1000;
/// Spellings of the key, in lower case.
const KEYS: [&[u8]; 2] = [b"job_id", b"jobid"];
/// What can stand between a key and its value, quotes inside of quoted text included.
const BETWEEN: &[u8] = b"\\\"'=: \t\r\n";

/// The jobs that one response names: at least one, each once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<JobId>", into = "Vec<JobId>")]
pub struct JobIds(Vec<JobId>);

impl JobIds {
    /// These jobs; `None` if there are none. A job that is named twice counts once.
    pub fn new(jobs: impl IntoIterator<Item = JobId>) -> Option<Self> {
        let mut distinct: Vec<JobId> = Vec::new();
        for job in jobs {
            if distinct.len() < MOST && !distinct.contains(&job) {
                distinct.push(job);
            }
        }
        (!distinct.is_empty()).then_some(Self(distinct))
    }

    /// The jobs in the order in which the response names them.
    pub fn as_slice(&self) -> &[JobId] {
        &self.0
    }
}

impl From<JobId> for JobIds {
    fn from(job: JobId) -> Self {
        Self(vec![job])
    }
}

impl TryFrom<Vec<JobId>> for JobIds {
    type Error = &'static str;

    fn try_from(jobs: Vec<JobId>) -> Result<Self, Self::Error> {
        Self::new(jobs).ok_or("no job ID")
    }
}

impl From<JobIds> for Vec<JobId> {
    fn from(jobs: JobIds) -> Self {
        jobs.0
    }
}

/// The job IDs that stand in these bytes, in order, repetitions included.
pub(super) fn find(body: &[u8]) -> impl Iterator<Item = JobId> + '_ {
    let starts = (0..body.len()).filter(|at| matches!(body[*at], b'j' | b'J'));
    starts.filter_map(|at| {
        let before = at.checked_sub(1).and_then(|before| body.get(before));
        if before.is_some_and(|byte| JobId::can_hold(*byte)) {
            return None;
        }
        let rest = body.get(at..)?;
        let key = KEYS.iter().find(|key| starts_with(rest, key))?;
        value(rest.get(key.len()..)?)
    })
}

fn starts_with(text: &[u8], key: &[u8]) -> bool {
    let start = text.get(..key.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(key))
}

/// The job ID behind a key, if what stands there is one and has arrived whole.
fn value(after_key: &[u8]) -> Option<JobId> {
    let length = |text: &[u8], part: &dyn Fn(u8) -> bool| {
        let end = text.iter().position(|byte| !part(*byte));
        end.unwrap_or(text.len())
    };
    let (between, rest) = after_key.split_at(length(after_key, &|byte| BETWEEN.contains(&byte)));
    if !between.iter().any(|byte| matches!(byte, b':' | b'=')) {
        return None;
    }
    let (token, rest) = rest.split_at(length(rest, &JobId::can_hold));
    let quoted = between.ends_with(b"\"") && matches!(rest, [b'"', ..] | [b'\\', b'"', ..]);
    let ends = match rest.first() {
        None => true,
        Some(next) => next.is_ascii_whitespace() || b"\"'\\,}]<&;".contains(next),
    };
    let whole = quoted || (ends && is_usual(token));
    let text = std::str::from_utf8(token).ok().filter(|_| whole)?;
    text.parse().ok()
}

/// Whether it has one of the two usual forms, whose length shows that nothing of it is missing.
fn is_usual(token: &[u8]) -> bool {
    let hyphen = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    match token.len() {
        32 => token.iter().all(u8::is_ascii_hexdigit),
        36 => (0..).zip(token).all(|(at, byte)| match hyphen(at) {
            true => *byte == b'-',
            false => byte.is_ascii_hexdigit(),
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const UUID: &str = "70a599e0-31e7-49b7-b260-868f441e862b";
    const BARE: &str = "ff8080816a5b1b3c016a5b1ddbba0014";

    fn found(body: &str) -> Vec<String> {
        let jobs = find(body.as_bytes());
        jobs.map(|job| job.as_str().to_owned()).collect()
    }

    #[rstest]
    #[case::plain(r#"{"job_id":"UUID"}"#)]
    #[case::bare(r#"{"job_id": "BARE"}"#)]
    #[case::spaced("{ \"job_id\" :\r\n\t\"UUID\" }")]
    #[case::camel_case(r#"{"jobId":"UUID"}"#)]
    #[case::byte_order_mark("\u{feff}{\"job_id\":\"UUID\"}")]
    #[case::trailing_byte(r#"{"job_id":"UUID"}x"#)]
    #[case::cut_after_the_quote(r#"{"job_id":"UUID""#)]
    #[case::cut_after_the_id(r#"{"job_id":"UUID"#)]
    #[case::in_an_error(r#"{"error":{"code":"BMS.1007","message":"m","job_id":"UUID"}}"#)]
    #[case::in_a_text(r#"{"error":{"message":"backend said {\"job_id\":\"UUID\"}"}}"#)]
    #[case::in_a_page("<html>job_id=UUID</html>")]
    #[case::doubled(r#"{"job_id":"..","job_id":"UUID"}"#)]
    #[case::not_text("\u{0}{\"job_id\":\"UUID\"}")]
    fn an_id_is_found(#[case] body: &str) {
        let body = body.replace("UUID", UUID).replace("BARE", BARE);
        let expected = if body.contains(BARE) { BARE } else { UUID };
        assert_eq!(found(&body), [expected]);
    }

    #[test]
    fn another_form_of_id_needs_its_quotes() {
        assert_eq!(found(r#"{"job_id":"job-1","x":1}"#), ["job-1"]);
        assert!(found(r#"{"job_id":"job-1"#).is_empty());
        assert!(found(r#"{"job_id":7}"#).is_empty());
        assert!(found("job_id=job-1&x").is_empty());
    }

    #[test]
    fn every_id_is_found() {
        let body = format!(r#"{{"job_id":"{UUID}","jobs":[{{"job_id":"{BARE}"}}]}}"#);
        assert_eq!(found(&body), [UUID, BARE]);
    }

    #[rstest]
    #[case::parent_folder(r#"{"job_id":".."}"#)]
    #[case::path(r#"{"job_id":"UUID/.."}"#)]
    #[case::longer(r#"{"job_id":"UUID.x"}"#)]
    #[case::cut_off(r#"{"job_id":"70a599e0-31e7"#)]
    #[case::empty(r#"{"job_id":""}"#)]
    #[case::null(r#"{"job_id":null}"#)]
    #[case::blank(r#"{"job_id":"a b"}"#)]
    #[case::other_key(r#"{"request_id":"UUID","server_id":"UUID"}"#)]
    #[case::longer_key(r#"{"parent_job_id":"UUID"}"#)]
    #[case::no_value(r#"the job_id UUID"#)]
    #[case::request_id(r#"{"job_id":,"request_id":"UUID"}"#)]
    fn nothing_else_is_an_id(#[case] body: &str) {
        assert!(found(&body.replace("UUID", UUID)).is_empty());
    }

    #[test]
    fn a_job_counts_once() {
        let job: JobId = UUID.parse().unwrap();
        let jobs = JobIds::new([job.clone(), job.clone()]).unwrap();
        assert_eq!(jobs.as_slice(), [job]);
        assert_eq!(JobIds::new([]), None);
        assert!(serde_json::from_str::<JobIds>("[]").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_give_job_ids_or_nothing(body in prop::collection::vec(any::<u8>(), 0..200)) {
            for job in find(&body) {
                prop_assert!(job.as_str().bytes().all(JobId::can_hold));
            }
        }

        #[test]
        fn an_id_survives_whatever_stands_around_it(before in "[^jJ]{0,40}", after in ".{0,40}") {
            let body = format!("{before}{{\"job_id\":\"{UUID}\"}}{after}");
            let found = found(&body);
            prop_assert_eq!(found.first().map(String::as_str), Some(UUID));
        }
    }
}
