//! Responses that name a job and are no clear acceptance: the job is recorded, followed and reported, and the
//! request is never sent again.

use serde_json::{Value, json};

use crate::interloper::{Call, Request, Treatment, answer, first};
use crate::scenario::{Ended, Scenario, at_once, ids};

fn scenario() -> Scenario {
    Scenario::new(&ids(4)).with("checks: { grace: 30s }\njobs: { poll: 5s }")
}

/// The paths of the jobs that were polled.
fn polled(requests: &[Request]) -> Vec<String> {
    let path = |request: &Request| request.head.split_whitespace().nth(1).map(str::to_owned);
    let mut paths: Vec<String> = requests.iter().filter_map(path).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Sent once, and known by its job.
#[track_caller]
fn followed(ended: &Ended) {
    let [stop] = &ended.stats.stops[..] else {
        panic!("sent again: {:?}\n{}", ended.stats.stops, ended.err)
    };
    let send = &ended.report()["batches"][0]["sends"][0];
    let job = stop.job_id.as_deref().unwrap();
    assert_eq!(ended.report()["job_ids"], json!([job]));
    assert_eq!(
        (&send["job_id"], &send["job_status"]),
        (&json!(job), &json!("SUCCESS"))
    );
    assert!(ended.stats.jobs[0].polls > 0);
}

#[test]
fn the_job_of_an_error_is_followed_whatever_its_status() {
    let statuses = [302, 400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 504];
    at_once(&statuses, |status| {
        let fault = json!({"fault": "error_with_job", "status": status, "first": 1});
        let ended = scenario()
            .faults(json!({"calls": {"stop": [fault]}}))
            .run("run night.yaml")
            .with_code(0)
            .with_outcomes(&[("stopped", 4)]);
        followed(&ended);
        assert_eq!(
            ended.report()["batches"][0]["sends"][0]["http_status"],
            *status
        );
    });
}

#[test]
fn the_job_of_a_broken_body_is_followed() {
    let forms = [
        "too_long",
        "no_last_chunk",
        "byte_order_mark",
        "trailing_byte",
        "doubled_key",
    ];
    at_once(&forms, |form| {
        let fault = json!({"fault": "odd_body", "form": form, "first": 1});
        let ended = scenario()
            .faults(json!({"calls": {"stop": [fault]}}))
            .run("run night.yaml")
            .with_code(0)
            .with_outcomes(&[("stopped", 4)]);
        followed(&ended);
    });
}

#[test]
fn jobs_that_the_api_does_not_know_are_reported_and_the_states_decide() {
    let body = r#"{"job_id":"job-1","jobs":[{"job_id":"job-2"}],"job_id":".."}"#;
    let named = answer("500 Internal Server Error", "application/json", body);
    let stage = scenario()
        .through(first(Call::Stop, Treatment::Afterwards(named)))
        .start();
    let ended = stage
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped/answer_lost", 4)]);
    assert_eq!(ended.report()["job_ids"], json!(["job-1", "job-2"]));
    let send = &ended.report()["batches"][0]["sends"][0];
    assert_eq!(
        (&send["job_id"], &send["other_job_ids"]),
        (&json!("job-1"), &json!(["job-2"]))
    );
    let paths = polled(&stage.interloper().seen(Call::Job));
    assert_eq!(paths.len(), 2, "{paths:?}");
    assert!(
        paths[0].ends_with("/jobs/job-1") && paths[1].ends_with("/jobs/job-2"),
        "{paths:?}"
    );
}

#[test]
fn a_request_whose_response_named_a_job_is_never_sent_again() {
    at_once(
        &[
            "401 Unauthorized",
            "429 Too Many Requests",
            "503 Service Unavailable",
        ],
        |status| {
            let body = r#"{"error_code":"APIGW.0308","error_msg":"m","job_id":"job-1"}"#;
            let named = answer(status, "application/json", body);
            let stage = scenario()
                .through(first(Call::Stop, Treatment::Instead(named)))
                .start();
            let ended = stage
                .run("run night.yaml")
                .with_code(30)
                .with_outcomes(&[("failed/still_on", 4)]);
            assert_eq!(
                stage.interloper().seen(Call::Stop).len(),
                1,
                "{}",
                ended.err
            );
            assert_eq!(ended.report()["job_ids"], json!(["job-1"]));
        },
    );
}

#[test]
fn a_run_that_was_killed_follows_the_job_of_an_error_when_it_is_resumed() {
    let fault = json!({"fault": "error_with_job", "status": 503, "first": 1});
    let mut stage = scenario()
        .faults(json!({"calls": {"stop": [fault]}}))
        .start();
    stage.set("LIGHTSOUT_CRASH", "after:answer");
    let output = stage.command("run night.yaml").output().unwrap();
    assert_eq!(output.status.code(), None);
    stage.crashed();
    stage.set("LIGHTSOUT_CRASH", "after:9999");
    let ended = stage
        .run("resume --send")
        .with_code(0)
        .with_outcomes(&[("stopped", 4)]);
    followed(&ended);
    let journal = stage.everything_kept();
    assert!(journal.contains("lightsout/journal/v2"), "{journal}");
}

#[test]
fn a_request_that_is_accepted_late_is_found_out() {
    let faults = ["hang", "reset", "html"]
        .map(|fault| json!({"fault": fault, "accepted_after": "12s", "first": 1}));
    at_once(&faults, |fault| {
        let ended = scenario()
            .faults(json!({"calls": {"stop": [fault]}}))
            .run("run night.yaml")
            .with_code(0)
            .with_outcomes(&[("stopped/answer_lost", 4)]);
        assert_eq!(ended.stats.stops.len(), 1, "{:?}", ended.stats.stops);
        assert_eq!(
            ended.report()["batches"][0]["sends"][0]["job_id"],
            Value::Null
        );
    });
}

#[test]
fn odd_responses_in_any_order_never_stop_a_server_twice_nor_lose_a_job() {
    at_once(&[1, 2, 3], |seed| {
        let ended = Scenario::new(&ids(30))
            .with("rollout: { batch_size: 3, in_flight: 4 }\nchecks: { grace: 40s }\njobs: { poll: 5s }")
            .storm("odd-responses", *seed)
            .run("run night.yaml")
            .with_code(0);
        assert_eq!(ended.total("stopped"), 30);
        assert!(ended.stats.accepted.values().all(|times| *times == 1));
    });
}
