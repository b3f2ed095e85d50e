//! Settling: what became of requests nobody could tell of, found out later by reads and polls alone.
//!
//! Invariant: settling sends nothing, whatever it finds.

use serde_json::{Value, json};

use crate::scenario::{Scenario, Stage, at_once, ids};

/// Faults that are over three minutes after the start.
fn passing(calls: Value, servers: Value, jobs: Value) -> Value {
    json!({"calls": calls, "servers": servers, "jobs": jobs, "calm_after": "3m"})
}

fn stage(faults: Value) -> Stage {
    Scenario::new(&ids(4))
        .with("checks: { before: false, grace: 20s }\nrollout: { retry_for: 20s }")
        .with("jobs: { poll: 5s, timeout: 30s }")
        .faults(faults)
        .pace(40)
        .start()
}

/// Waits until the faults are over.
fn calm() {
    std::thread::sleep(std::time::Duration::from_secs(5));
}

#[test]
fn what_was_unknown_is_known_when_the_cloud_answers_again() {
    let lost = json!([{"fault": "reset", "accepted": true, "first": 1}]);
    let dead = json!([{"fault": "error", "status": 500, "rate": 1.0}]);
    let failing = json!({"failing": {"ids": [ids(4)[3]]}});
    let cases = [
        (
            passing(
                json!({"stop": lost, "list": dead, "show": dead}),
                json!({}),
                json!({}),
            ),
            "unknown/states_unreadable",
            vec![("stopped/answer_lost", 4)],
            0,
        ),
        (
            passing(json!({"list": dead, "show": dead}), json!({}), json!({})),
            "unknown/states_unreadable",
            vec![("stopped", 4)],
            0,
        ),
        (
            passing(json!({}), failing.clone(), json!({"forgotten": 1.0})),
            "unknown/job_gone",
            vec![("stopped", 3), ("failed/job_failed", 1)],
            30,
        ),
        (
            passing(
                json!({}),
                json!({"stuck": {"ids": [ids(4)[3]], "for": "2m"}}),
                json!({}),
            ),
            "unknown/job_unfinished",
            vec![("stopped", 4)],
            0,
        ),
    ];
    at_once(&cases, |(faults, unknown, outcomes, code)| {
        let stage = stage(faults.clone());
        let ended = stage.run("run night.yaml").with_code(33);
        assert!(
            ended.outcomes().contains_key(*unknown),
            "{:?}",
            ended.outcomes()
        );
        let run = stage.run_id();
        let next = ended.report()["next"].as_str().unwrap();
        assert_eq!(next, format!("lightsout settle {run}"));
        calm();
        let jobs = ended.report()["job_ids"].clone();
        let settled = stage.run(&format!("settle {run}")).with_code(*code);
        assert_eq!(settled.reports.len(), 1);
        assert_eq!(settled.report()["job_ids"], jobs);
        assert_eq!(settled.report()["resumed"], 1);
        assert_eq!(settled.stats.stops.len(), 1, "settling sent something");
        let settled = settled.with_outcomes(outcomes);
        // Once more changes nothing but the count.
        let again = stage.run(&format!("settle {run}")).with_code(*code);
        assert_eq!(again.outcomes(), settled.outcomes());
        assert_eq!(again.stats.stops.len(), 1);
    });
}

#[test]
fn settling_while_the_cloud_is_dead_leaves_what_is_unknown_unknown() {
    let dead = json!([{"fault": "error", "status": 500, "rate": 1.0}]);
    let stage = stage(json!({"calls": {"list": dead, "show": dead}}));
    stage.run("run night.yaml").with_code(33);
    let ended = stage
        .run(&format!("settle {}", stage.run_id()))
        .with_code(33);
    assert_eq!(ended.outcomes()["unknown/states_unreadable"], 4);
    assert_eq!(ended.stats.stops.len(), 1);
}
