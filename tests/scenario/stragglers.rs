//! Servers that are at work, or in a state that is not understood: the others do not wait for them.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::scenario::{Ended, Scenario, ids};

/// How long after the start of the run each request left.
fn after_the_start(ended: &Ended) -> Vec<i64> {
    let began: Timestamp = ended.report()["started_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let stops = ended.stats.stops.iter();
    stops
        .map(|stop| stop.at.duration_since(began).as_secs())
        .collect()
}

#[test]
fn a_server_that_stays_at_work_does_not_hold_up_the_others() {
    let all = ids(4);
    let ended = Scenario::new(&all)
        .faults(json!({"servers": {"busy": {"ids": [all[1]]}}}))
        .run("run night.yaml")
        .with_code(30)
        .with_outcomes(&[("stopped", 3), ("failed/busy", 1)])
        .saying(&[&format!("not ready: {} (status HARD_REBOOT", all[1])]);
    assert_eq!(ended.accepted_sizes(), [3]);
    let row = ended.server(all[1]);
    let message = row["error_message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("status HARD_REBOOT, "), "{message}");
    assert_eq!(row["error_code"], Value::Null);
    let ended = ended.saying(&[&format!("    {}  {message}", all[1])]);
    assert!(
        after_the_start(&ended)[0] < 90,
        "{:?}",
        after_the_start(&ended)
    );
}

#[test]
fn servers_that_come_back_follow_together_in_a_request_of_their_own() {
    let all = ids(6);
    let ended = Scenario::new(&all)
        .faults(json!({"servers": {"busy": {"ids": [all[1], all[4]], "for": "40s"}}}))
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped", 6)]);
    assert_eq!(ended.accepted_sizes(), [4, 2]);
}

#[test]
fn a_server_that_is_waited_for_keeps_no_place_in_flight() {
    let all = ids(4);
    let ended = Scenario::new(&all)
        .with("rollout: { batch_size: 2, in_flight: 1 }")
        .settings(|cloud| cloud.job_duration = Duration::from_secs(5))
        .bearing_failures()
        .faults(json!({"servers": {"busy": {"ids": [all[0]]}}}))
        .run("run night.yaml")
        .with_code(30)
        .with_outcomes(&[("stopped", 3), ("failed/busy", 1)]);
    assert_eq!(ended.accepted_sizes(), [1, 2]);
    assert!(
        after_the_start(&ended)[1] < 100,
        "{:?}",
        after_the_start(&ended)
    );
}

#[test]
fn a_status_that_is_null_holds_up_its_own_server_only_and_the_report_says_so() {
    let all = ids(2);
    let faults = json!({"rows": [
        {"member": "status", "form": "null_value", "in": "all", "ids": [all[0]]}
    ]});
    let stage = Scenario::new(&all).faults(faults).start();
    let ended = stage
        .run("run night.yaml")
        .with_code(30)
        .with_outcomes(&[("stopped", 1), ("failed/busy", 1)]);
    assert_eq!(ended.accepted_sizes(), [1]);
    let message = &ended.server(all[0])["error_message"];
    let message = message.as_str().unwrap().to_owned();
    assert!(message.starts_with("status null, "), "{message}");
    assert_eq!(ended.server(all[1])["error_message"], Value::Null);
    let shown = stage.run("report latest").out;
    assert!(shown.contains(&message), "{shown}");
    ended.saying(&[&format!("not ready: {} ({message})", all[0])]);
}

#[test]
fn a_server_that_is_waited_for_is_not_sent_once_the_failure_limit_is_exceeded() {
    let all = ids(3);
    let ended = Scenario::new(&all)
        .faults(json!({"servers": {
            "busy": {"ids": [all[0]]}, "failing": {"ids": [all[1]]},
        }}))
        .run("run night.yaml")
        .with_outcomes(&[
            ("stopped", 1),
            ("failed/job_failed", 1),
            ("not_sent/max_failures", 1),
        ]);
    assert_eq!(ended.accepted_sizes(), [2]);
    assert_eq!(ended.server(all[0])["error_message"], Value::Null);
}

#[test]
fn the_requests_of_a_plan_come_with_a_note_that_a_batch_can_take_one_more() {
    let stage = Scenario::new(&ids(2)).start();
    let requests = stage.run("plan night.yaml --requests").with_code(0);
    requests.saying(&["can take one more request"]);
    let plan = stage.run("plan night.yaml").with_code(0);
    assert!(
        plan.out.contains("requests 1; a batch with servers"),
        "{}",
        plan.out
    );
}
