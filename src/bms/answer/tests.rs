//! A row for every documented code and every kind of status, held against design §7.

use std::time::Duration;

use rstest::rstest;

use super::*;
use crate::workflow::StopType;

const STOP: Action = Action::Stop(StopType::Hard);
const THERE: PowerAnswer = PowerAnswer::Conflict(Conflict::There);
const OTHER: PowerAnswer = PowerAnswer::Conflict(Conflict::Other);
const BUSY: PowerAnswer = PowerAnswer::Throttled { retry_after: None };
const ALL: PowerAnswer = PowerAnswer::Rejected { one_server: false };
const ONE: PowerAnswer = PowerAnswer::Rejected { one_server: true };
use PowerAnswer::{Ambiguous, Credentials, NotSent, RefusedForAll};

fn answered(status: u16, body: &str) -> Result<Response, Failure> {
    Ok(Response {
        status,
        headers: vec![("X-Request-Id".into(), "r-1".into())],
        body: body.to_owned().into(),
    })
}

fn with_code(status: u16, code: &str) -> PowerAnswer {
    let body = format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#);
    classify_power(STOP, &answered(status, &body)).0
}

#[rstest]
#[case("BMS.0001", 400, ALL)]
#[case("BMS.0002", 400, ALL)]
#[case("BMS.0004", 400, RefusedForAll)]
#[case("BMS.0005", 400, RefusedForAll)]
#[case("BMS.0006", 400, Ambiguous)]
#[case("BMS.0018", 400, ALL)]
#[case("BMS.0022", 400, ALL)]
#[case("BMS.0032", 400, Credentials)]
#[case("BMS.0033", 403, RefusedForAll)]
#[case("BMS.0288", 403, RefusedForAll)]
#[case("BMS.0035", 400, OTHER)]
#[case("BMS.0036", 400, THERE)]
#[case("BMS.0037", 400, OTHER)]
#[case("BMS.0039", 400, THERE)]
#[case("BMS.0040", 400, OTHER)]
#[case("BMS.0205", 400, ALL)]
#[case("BMS.0212", 400, BUSY)]
#[case("BMS.0360", 400, ONE)]
#[case("BMS.0605", 400, OTHER)]
#[case("BMS.1006", 400, BUSY)]
#[case("BMS.1007", 400, Ambiguous)]
#[case("BMS.9999", 400, ONE)]
#[case("Common.0018", 400, RefusedForAll)]
#[case("Common.9999", 400, ALL)]
#[case("APIGW.0101", 404, RefusedForAll)]
#[case("APIGW.0103", 404, ALL)]
#[case("APIGW.0104", 400, ALL)]
#[case("APIGW.0105", 400, ALL)]
#[case("APIGW.0106", 400, ALL)]
#[case("APIGW.0201", 400, ALL)]
#[case("APIGW.0201", 413, ALL)]
#[case("APIGW.0201", 414, ALL)]
#[case("APIGW.0201", 494, ALL)]
#[case("APIGW.0201", 500, Ambiguous)]
#[case("APIGW.0201", 502, Ambiguous)]
#[case("APIGW.0201", 503, BUSY)]
#[case("APIGW.0201", 504, Ambiguous)]
#[case("APIGW.0301", 401, Credentials)]
#[case("APIGW.0308", 429, BUSY)]
#[case("APIGW.0705", 500, Ambiguous)]
#[case("APIGW.0801", 503, BUSY)]
fn each_documented_code(#[case] code: &str, #[case] status: u16, #[case] expected: PowerAnswer) {
    assert_eq!(with_code(status, code), expected);
    // A dedicated gateway spells the same codes with another prefix.
    let dedicated = code.replace("APIGW.", "APIG.");
    assert_eq!(with_code(status, &dedicated), expected, "{dedicated}");
}

#[rstest]
#[case("BMS.0035", THERE)]
#[case("BMS.0036", OTHER)]
#[case("BMS.0037", OTHER)]
#[case("BMS.0038", THERE)]
#[case("BMS.0039", OTHER)]
#[case("BMS.0040", OTHER)]
#[case("BMS.0605", OTHER)]
fn the_states_that_stand_against_a_start(#[case] code: &str, #[case] expected: PowerAnswer) {
    let body = format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#);
    let (answer, evidence) = classify_power(Action::Start, &answered(400, &body));
    assert_eq!(answer, expected);
    assert_eq!(evidence.tells_of_there(Action::Start), expected == THERE);
}

#[rstest]
#[case("BMS.0038", false, true)]
#[case("BMS.0039", true, false)]
#[case("BMS.0036", false, false)]
#[case("BMS.1007", false, false)]
fn a_sub_job_may_find_its_server_there(
    #[case] code: &str,
    #[case] stop: bool,
    #[case] start: bool,
) {
    let error = JobError {
        code: code.to_owned(),
        message: String::new(),
    };
    assert_eq!(error.tells_of_goal(STOP), stop);
    assert_eq!(error.tells_of_goal(Action::Start), start);
}

#[rstest]
#[case("BMS.0039", THERE)]
#[case("BMS.0037", OTHER)]
#[case("BMS.0212", BUSY)]
#[case("APIGW.0308", BUSY)]
#[case("BMS.0006", Ambiguous)]
#[case("BMS.0032", Credentials)]
#[case("BMS.0033", RefusedForAll)]
fn the_code_counts_before_the_status(#[case] code: &str, #[case] expected: PowerAnswer) {
    for status in [400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 504] {
        assert_eq!(with_code(status, code), expected, "{status}");
    }
}

#[rstest]
#[case(100, Ambiguous)]
#[case(101, Ambiguous)]
#[case(200, Ambiguous)]
#[case(202, Ambiguous)]
#[case(204, Ambiguous)]
#[case(301, Ambiguous)]
#[case(302, Ambiguous)]
#[case(304, Ambiguous)]
#[case(307, Ambiguous)]
#[case(308, Ambiguous)]
#[case(400, ALL)]
#[case(401, Credentials)]
#[case(402, ALL)]
#[case(403, RefusedForAll)]
#[case(404, ONE)]
#[case(405, ALL)]
#[case(406, ALL)]
#[case(407, ALL)]
#[case(408, Ambiguous)]
#[case(409, ONE)]
#[case(410, ALL)]
#[case(411, ALL)]
#[case(413, ALL)]
#[case(414, ALL)]
#[case(415, ALL)]
#[case(421, ALL)]
#[case(422, ALL)]
#[case(423, ONE)]
#[case(425, ALL)]
#[case(429, BUSY)]
#[case(451, ALL)]
#[case(494, ALL)]
#[case(499, ALL)]
#[case(500, Ambiguous)]
#[case(501, Ambiguous)]
#[case(502, Ambiguous)]
#[case(503, Ambiguous)]
#[case(504, Ambiguous)]
#[case(505, Ambiguous)]
#[case(520, Ambiguous)]
#[case(599, Ambiguous)]
#[case(600, Ambiguous)]
#[case(999, Ambiguous)]
fn each_status_without_a_code(#[case] status: u16, #[case] expected: PowerAnswer) {
    for body in [
        "",
        "<html>an error page</html>",
        "null",
        "{}",
        "{\"error\":",
    ] {
        let (answer, evidence) = classify_power(STOP, &answered(status, body));
        assert_eq!(answer, expected, "{body}");
        assert_eq!(evidence.http_status, Some(status));
    }
}

#[rstest]
#[case(
    200,
    r#"{"job_id":"70a599e0-31e7-49b7-b260-868f441e862b"}"#,
    "70a599e0-31e7-49b7-b260-868f441e862b"
)]
#[case(
    202,
    r#"{"job_id":"ff8080816a5b1b3c016a5b1ddbba0014","new":{"a":[1]}}"#,
    "ff8080816a5b1b3c016a5b1ddbba0014"
)]
#[case(201, r#"{"error_code":"BMS.0039","error_msg":"m","job_id":"7"}"#, "7")]
fn a_success_with_a_job_is_accepted(#[case] status: u16, #[case] body: &str, #[case] job: &str) {
    let (answer, evidence) = classify_power(STOP, &answered(status, body));
    assert_eq!(answer, PowerAnswer::Accepted(job.parse().unwrap()));
    let expected = Evidence {
        http_status: Some(status),
        request_id: Some("r-1".into()),
        code: None,
        message: None,
    };
    assert_eq!(evidence, expected);
}

#[rstest]
#[case(200, r#"{"job_id":""}"#)]
#[case(200, r#"{"job_id":null}"#)]
#[case(200, r#"{"job_id":7}"#)]
#[case(200, r#"{"job_id":"70a5"#)]
#[case(200, r#"{"error":{"code":"BMS.0039","message":"m"}}"#)]
#[case(200, r#"{"error_code":"APIGW.0308","error_msg":"m"}"#)]
#[case(302, r#"{"error_code":"BMS.0212","error_msg":"m"}"#)]
#[case(200, r#"{"job_id":".."}"#)]
#[case(200, r#"{"job_id":"a/b"}"#)]
#[case(500, r#"{"job_id":"../x"}"#)]
fn without_a_job_in_a_success_nothing_is_accepted_and_nothing_excluded(
    #[case] status: u16,
    #[case] body: &str,
) {
    assert_eq!(classify_power(STOP, &answered(status, body)).0, Ambiguous);
}

const JOB: &str = "70a599e0-31e7-49b7-b260-868f441e862b";

fn with_jobs(ids: &[&str]) -> PowerAnswer {
    let jobs = ids.iter().map(|id| id.parse().unwrap());
    PowerAnswer::AmbiguousWithJobs(JobIds::new(jobs).unwrap())
}

#[test]
fn a_response_that_names_a_job_is_at_least_ambiguous_whatever_its_status_and_code() {
    for status in [
        302, 307, 400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 504,
    ] {
        for code in [
            "BMS.0039",
            "BMS.0212",
            "APIGW.0301",
            "APIGW.0308",
            "BMS.0018",
            "x",
        ] {
            let body = format!(r#"{{"error":{{"code":"{code}","message":"m"}},"job_id":"{JOB}"}}"#);
            let (answer, evidence) = classify_power(STOP, &answered(status, &body));
            assert_eq!(answer, with_jobs(&[JOB]), "{status} {code}");
            assert_eq!(evidence.http_status, Some(status));
        }
    }
}

#[rstest]
#[case::byte_order_mark("\u{feff}{\"job_id\":\"JOB\"}", &[JOB])]
#[case::trailing_byte("{\"job_id\":\"JOB\"}\u{0}", &[JOB])]
#[case::doubled(r#"{"job_id":"JOB","job_id":"JOB"}"#, &[JOB])]
#[case::two(r#"{"job_id":"JOB","job_id":"job-2"}"#, &[JOB, "job-2"])]
#[case::nested(r#"{"result":{"job_id":"JOB"}}"#, &[JOB])]
#[case::one_beside(r#"{"job_id":"JOB","jobs":[{"job_id":"job-2"}]}"#, &[JOB, "job-2"])]
#[case::beside_a_path(r#"{"job_id":"..","job_id":"JOB"}"#, &[JOB])]
fn a_success_that_is_not_clear_names_its_jobs(#[case] body: &str, #[case] jobs: &[&str]) {
    let (answer, evidence) = classify_power(STOP, &answered(200, &body.replace("JOB", JOB)));
    assert_eq!(answer, with_jobs(jobs));
    assert_eq!(evidence.code.as_deref(), Some("unexpected-body"));
}

#[test]
fn a_part_of_a_response_names_its_job_too() {
    let failure = Failure::Broken {
        message: "m".to_owned(),
    };
    let part = |body: &str| answered(200, body).unwrap();
    let (answer, evidence) = classify_part(&failure, &part(&format!("{{\"job_id\":\"{JOB}\"")));
    assert_eq!(answer, with_jobs(&[JOB]));
    assert_eq!(evidence.http_status, Some(200));
    assert_eq!(evidence.code.as_deref(), Some("broken"));
    let (answer, _) = classify_part(&failure, &part("{\"job_id\":\"70a5"));
    assert_eq!(answer, Ambiguous);
}

#[test]
fn an_odd_success_says_what_came_instead() {
    let (_, evidence) = classify_power(STOP, &answered(200, "<html>welcome</html>"));
    assert_eq!(evidence.code.as_deref(), Some("unexpected-body"));
    assert_eq!(evidence.message.as_deref(), Some("<html>welcome</html>"));
}

#[test]
fn only_a_missing_connection_is_surely_not_sent() {
    let message = || "m".to_owned();
    for (failure, expected, code) in [
        (
            Failure::NotConnected { message: message() },
            NotSent,
            "not-connected",
        ),
        (
            Failure::TimedOut { message: message() },
            Ambiguous,
            "timeout",
        ),
        (Failure::Broken { message: message() }, Ambiguous, "broken"),
        (
            Failure::TooLarge {
                status: 400,
                limit: 9,
            },
            Ambiguous,
            "too-large",
        ),
    ] {
        let (answer, evidence) = classify_power(STOP, &Err(failure));
        assert_eq!(answer, expected);
        assert_eq!(evidence.code.as_deref(), Some(code));
    }
}

#[test]
fn a_throttled_answer_says_how_long_to_wait() {
    for (status, code, expected) in [
        (429, "x", Some(120)),
        (503, "APIGW.0801", Some(120)),
        (400, "BMS.0212", Some(120)),
    ] {
        let response = Response {
            status,
            headers: vec![("retry-after".into(), "120".into())],
            body: format!(r#"{{"error_code":"{code}","error_msg":"m"}}"#).into(),
        };
        let retry_after = expected.map(Duration::from_secs);
        let (answer, _) = classify_power(STOP, &Ok(response));
        assert_eq!(answer, PowerAnswer::Throttled { retry_after });
    }
}
