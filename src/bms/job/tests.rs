//! Job answers in every form that the documents and the SDK show.

use rstest::rstest;

use super::*;

const ONE: &str = "616fb98f-46ca-475e-917e-2563e5a8cd19";
const TWO: &str = "726fb98f-46ca-475e-917e-2563e5a8cd20";

fn job(body: &str) -> Job {
    parse(body.as_bytes()).unwrap()
}

fn sub_job(status: &str, entities: &str) -> SubJob {
    let body = format!(
        r#"{{"status":"RUNNING","entities":{{"sub_jobs_total":1,"sub_jobs":[
            {{"status":"{status}","job_id":"x","entities":{entities},"error_code":null}}]}}}}"#
    );
    job(&body).sub_jobs.remove(0)
}

#[test]
fn the_documented_sample_is_read() {
    let sample = format!(
        r#"{{"job_id":"ff8080816a5b1b3c016a5b1ddbba0014","status":"SUCCESS","job_type":"baremetalBatchOperate",
        "begin_time":"2019-04-25T20:04:47.591Z","end_time":"2019-04-25T20:26:34.604Z","error_code":null,"fail_reason":null,
        "entities":{{"sub_jobs_total":2,"sub_jobs":[
          {{"status":"SUCCESS","job_id":"a","job_type":"baremetalSingleOperate","entities":{{"server_id":"{ONE}"}},
            "begin_time":"2019-04-25T20:04:47.591Z","end_time":null,"error_code":null,"fail_reason":null}},
          {{"status":"FAIL","job_id":"b","entities":{{"server_id":"{TWO}","errorcode_message":"third"}},
            "error_code":"BMS.0039","fail_reason":"The server is stopped."}}]}}}}"#
    );
    let job = job(&sample);
    assert!(job.is_final());
    assert_eq!((&job.status, &job.error), (&JobStatus::Success, &None));
    assert_eq!(job.sub_jobs[0].server, ONE.parse().ok());
    assert_eq!(job.sub_jobs[0].error, None);
    assert_eq!(job.sub_jobs[1].server, TWO.parse().ok());
    assert_eq!(job.sub_jobs[1].status, JobStatus::Fail);
    let error = job.sub_jobs[1].error.clone().unwrap();
    assert_eq!(error.code, "BMS.0039");
    assert_eq!(error.message, "The server is stopped.");
}

#[rstest]
#[case(r#"{"status":"INIT"}"#)]
#[case(r#"{"status":"INIT","entities":null}"#)]
#[case(r#"{"status":"INIT","entities":""}"#)]
#[case(r#"{"status":"INIT","entities":[]}"#)]
#[case(r#"{"status":"INIT","entities":{}}"#)]
#[case(r#"{"status":"INIT","entities":{"sub_jobs":null}}"#)]
#[case(r#"{"status":"INIT","entities":{"sub_jobs":""}}"#)]
#[case(r#"{"status":"INIT","entities":{"sub_jobs":" "}}"#)]
#[case(r#"{"status":"INIT","entities":{"sub_jobs":[],"sub_jobs_total":0}}"#)]
fn no_sub_jobs_may_be_said_in_many_ways(#[case] body: &str) {
    let expected = Job {
        status: JobStatus::Init,
        error: None,
        sub_jobs: Vec::new(),
    };
    assert_eq!(job(body), expected);
}

#[test]
fn entities_of_a_sub_job_may_be_an_object_or_a_list() {
    let server = ONE.parse().ok();
    let object = format!(r#"{{"server_id":"{ONE}","nic_id":"n"}}"#);
    for entities in [
        object.clone(),
        format!("[{object}]"),
        format!(r#"[{{"nic_id":"n"}},{object},{{"server_id":"{TWO}"}}]"#),
        format!(r#"{{"server_id":"{}"}}"#, ONE.to_uppercase()),
    ] {
        assert_eq!(sub_job("SUCCESS", &entities).server, server, "{entities}");
    }
    for entities in ["null", "{}", "[]", "\"\"", r#"{"server_id":"x"}"#, "[{}]"] {
        assert_eq!(sub_job("SUCCESS", entities).server, None, "{entities}");
    }
}

#[rstest]
#[case("SUCCESS", true)]
#[case("FAIL", true)]
#[case("INIT", false)]
#[case("RUNNING", false)]
#[case("PENDING_PAYMENT", false)]
#[case("success", false)]
fn a_job_is_final_with_all_its_sub_jobs(#[case] word: &str, #[case] is_final: bool) {
    let with = |parent: &str, sub: &str| {
        let sub_jobs = format!(r#"[{{"status":"SUCCESS"}},{{"status":"{sub}"}}]"#);
        let body = format!(r#"{{"status":"{parent}","entities":{{"sub_jobs":{sub_jobs}}}}}"#);
        job(&body).is_final()
    };
    assert_eq!(with("SUCCESS", word), is_final);
    assert_eq!(with(word, "FAIL"), is_final);
    assert_eq!(JobStatus::from(word.to_owned()).as_str(), word);
}

#[test]
fn a_sub_job_without_status_is_not_final() {
    let body = r#"{"status":"SUCCESS","entities":{"sub_jobs":[{}]}}"#;
    assert!(!job(body).is_final());
}

#[rstest]
#[case(r#""error_code":"A","fail_reason":"m""#, "A", "m")]
#[case(r#""code":"B","message":"m""#, "B", "m")]
#[case(
    r#""error_code":"","code":"B","fail_reason":null,"message":"m""#,
    "B",
    "m"
)]
#[case(r#""error_code":39,"fail_reason":"m""#, "39", "m")]
#[case(r#""fail_reason":"m""#, "", "m")]
#[case(r#""error_code":"A","entities":{"errorcode_message":"e"}"#, "A", "e")]
fn the_error_is_found_under_each_name(
    #[case] members: &str,
    #[case] code: &str,
    #[case] message: &str,
) {
    let job = job(&format!(r#"{{"status":"FAIL",{members}}}"#));
    let error = job.error.unwrap();
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        (code, message)
    );
}

#[test]
fn a_job_of_one_server_may_name_it_itself() {
    let body =
        format!(r#"{{"status":"FAIL","error_code":"A","entities":{{"server_id":"{ONE}"}}}}"#);
    let job = job(&body);
    assert_eq!(job.sub_jobs.len(), 1);
    assert_eq!(job.sub_jobs[0].server, ONE.parse().ok());
    assert_eq!(job.sub_jobs[0].error, job.error);
}

#[rstest]
#[case("")]
#[case("{}")]
#[case("null")]
#[case("<html>")]
#[case(r#"{"status":""}"#)]
#[case(r#"{"status":{}}"#)]
#[case(r#"{"status":"SUCCESS","entities":"x"}"#)]
#[case(r#"{"status":"SUCCESS","entities":7}"#)]
#[case(r#"{"status":"SUCCESS","entities":{"sub_jobs":{}}}"#)]
#[case(r#"{"status":"SUCCESS","entities":{"sub_jobs":"x"}}"#)]
#[case(r#"{"status":"SUCCESS","entities":{"sub_jobs":[7]}}"#)]
#[case(r#"{"status":"SUCCESS","entities":{"sub_jobs":[{"status":"SUCC"#)]
#[case(r#"{"error":{"code":"x","message":"y"}}"#)]
fn anything_else_is_not_a_job(#[case] body: &str) {
    assert_eq!(parse(body.as_bytes()), None);
}

#[test]
fn a_thousand_sub_jobs_keep_their_order() {
    let ids: Vec<ServerId> = (0..1000_u32)
        .map(|n| ServerId::from_bytes(u128::from(n).to_be_bytes()))
        .collect();
    let rows: Vec<String> = ids
        .iter()
        .map(|id| format!(r#"{{"status":"SUCCESS","entities":{{"server_id":"{id}"}}}}"#))
        .collect();
    let body = format!(
        r#"{{"status":"SUCCESS","entities":{{"sub_jobs":[{}]}}}}"#,
        rows.join(",")
    );
    let found: Vec<_> = job(&body)
        .sub_jobs
        .iter()
        .filter_map(|s| s.server)
        .collect();
    assert_eq!(found, ids);
}
