//! Clocks that begin on another day, and jump: what the rest of the tests on dates rest upon.
//!
//! Invariant: a date that jumps moves no waiting and no quota; it only makes readings and runs look older.

use jiff::Timestamp;
use serde_json::Value;

use crate::scenario::{Scenario, TOKEN, ids};

/// The moment that stands in this member of a report.
#[track_caller]
fn moment(report: &Value, member: &str) -> Timestamp {
    report[member].as_str().unwrap().parse().unwrap()
}

#[test]
fn both_sides_begin_on_the_day_that_the_test_names() {
    let stage = Scenario::new(&ids(1)).clock("2024-02-29T23:00:00Z").start();
    let ended = stage.run("run night.yaml").with_code(0);
    let sent = &ended.report()["batches"][0]["sends"][0];
    let seen = ended.stats.stops[0].at;
    let apart = moment(sent, "sent_at").duration_since(seen).abs();
    assert!(apart.as_secs() < 60, "{apart:#}");
    // A later process goes on where the cloud is by then.
    stage.run("run night.yaml").with_code(0);
    let runs = stage.run_folders();
    let names: Vec<&str> = runs.iter().map(|run| run.to_str().unwrap()).collect();
    assert!(
        names.iter().all(|name| name.contains("/20240229T23")),
        "{names:?}"
    );
}

#[test]
fn a_suspended_machine_loses_the_time_and_nothing_else() {
    // Two hours pass while the job, of five minutes, is followed.
    let ended = Scenario::new(&ids(1))
        .settings(|cloud| cloud.job_duration = std::time::Duration::from_secs(300))
        // The two clocks jump a moment apart: what is signed then would be refused.
        .without_keys()
        .variable("OS_AUTH_TOKEN", TOKEN)
        .clock("2026-11-28T01:00:00Z,jump:+2h@3m")
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped", 1)]);
    let (began, ended_at) = (
        moment(ended.report(), "started_at"),
        moment(ended.report(), "finished_at"),
    );
    let took = ended_at.duration_since(began).as_secs();
    assert!((7_200 + 300..7_200 + 420).contains(&took), "{took} s");
}

#[test]
fn a_clock_of_the_program_that_is_set_is_not_the_cloud_s() {
    // The cloud takes no signature that is off by more than a quarter of an hour.
    Scenario::new(&ids(1))
        .clock("2026-11-28T01:00:00Z")
        .jumps(",jump:-2h@0s")
        .run("run night.yaml")
        .with_code(20)
        .with_nothing_sent()
        .saying(&["this machine's clock differs from the cloud's", "NTP"]);
}

#[test]
fn a_clock_that_is_not_understood_is_said_to_be() {
    let ended = Scenario::new(&ids(1))
        .clock("2026-11-28T01:00:00Z")
        .jumps(",leap:1s")
        .run("run night.yaml")
        .with_code(2)
        .with_nothing_sent();
    insta::assert_snapshot!(ended.err);
}
