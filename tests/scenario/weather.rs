//! Clouds that throttle, dawdle and fail: every job is followed to its end all the same.

use serde_json::{Value, json};

use crate::scenario::{Ended, Scenario, at_once, ids};

const SERVERS: u32 = 60;

fn run(scenario: Scenario) -> Ended {
    scenario
        .settings(|cloud| cloud.job_duration = std::time::Duration::from_secs(25))
        .with("rollout: { batch_size: 10, in_flight: 3 }")
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped", SERVERS as usize)])
}

/// That every accepted request's job was followed to its end.
fn followed(ended: &Ended) {
    let batches = ended.report()["batches"].as_array().unwrap();
    let sends = batches
        .iter()
        .flat_map(|batch| batch["sends"].as_array().unwrap());
    let statuses: Vec<&Value> = sends
        .filter(|send| send["job_id"].is_string())
        .map(|send| &send["job_status"])
        .collect();
    assert_eq!(statuses.len(), ended.stats.jobs.len());
    assert!(
        statuses.iter().all(|status| *status == "SUCCESS"),
        "{statuses:?}"
    );
    assert!(ended.stats.accepted.values().all(|times| *times == 1));
}

#[test]
fn throttled_and_slow_answers_are_borne() {
    at_once(&[1, 2, 3], |seed| {
        let ended = run(Scenario::new(&ids(SERVERS)).storm("throttled", *seed));
        assert!(ended.stats.errors.contains_key("APIGW.0308"), "it was calm");
        followed(&ended);
    });
}

#[test]
fn reads_that_fail_are_made_again() {
    at_once(&[1, 2, 3], |seed| {
        let ended = run(Scenario::new(&ids(SERVERS)).storm("flaky-reads", *seed));
        assert!(ended.stats.errors.values().sum::<u64>() > 0, "it was calm");
        followed(&ended);
    });
}

#[test]
fn throttling_slowness_and_failing_reads_together_are_borne() {
    let slow = json!({"fault": "slow", "delay": "3s", "rate": 0.2});
    let throttled = json!({"fault": "throttle", "rate": 0.3});
    let failed = json!({"fault": "error", "status": 500, "rate": 0.3});
    let reads = json!([slow, throttled, failed]);
    at_once(&[1, 2, 3], |seed| {
        let calls = json!({"stop": [slow, throttled], "job": reads, "list": reads, "show": reads});
        let scenario = Scenario::new(&ids(SERVERS)).faults(json!({"calls": calls}));
        followed(&run(scenario.settings(|cloud| cloud.seed = *seed)));
    });
}

#[test]
fn retry_after_is_waited_for() {
    let throttled = json!([{"fault": "throttle", "retry_after": "45s", "first": 1}]);
    let ended = Scenario::new(&ids(2))
        .faults(json!({"calls": {"stop": throttled}}))
        .run("run night.yaml")
        .with_code(0);
    let [first, second] = &ended.stats.stops[..] else {
        panic!("{:?}", ended.stats.stops)
    };
    let waited = second.at.duration_since(first.at).as_secs();
    assert!(waited >= 44, "{waited} s");
    assert_eq!(ended.report()["batches"][0]["sends"][0]["http_status"], 429);
}

#[test]
fn throttling_without_end_is_given_up_and_nothing_was_sent() {
    Scenario::new(&ids(2))
        .with("rollout: { retry_for: 2m }")
        .faults(json!({"calls": {"stop": [{"fault": "throttle", "rate": 1.0}]}}))
        .pace(60)
        .run("run night.yaml")
        .with_code(30)
        .with_outcomes(&[("not_sent/throttled", 2)]);
}

#[test]
fn whatever_rages_no_server_is_stopped_twice_and_no_job_is_lost() {
    at_once(&[1, 2, 3, 4], |seed| {
        let ended = Scenario::new(&ids(SERVERS))
            .with("rollout: { batch_size: 10, in_flight: 3 }\njobs: { timeout: 3m }\nchecks: { grace: 30s }")
            .storm("storm", *seed)
            .pace(40)
            .run("run night.yaml --quiet");
        assert!(
            [0, 30, 33].contains(&ended.code),
            "{}: {}",
            ended.code,
            ended.err
        );
        assert!(ended.total("stopped") > 40, "{:?}", ended.outcomes());
    });
}
