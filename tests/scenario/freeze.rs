//! Dated closures of a policy: while one lasts nothing is sent, and one that begins ends the sending.
//!
//! Invariant: what the report says was sent was sent before the closure began.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::scenario::{Scenario, Stage, ids};

#[expect(
    clippy::disallowed_methods,
    reason = "the program's clock begins at the wall's time"
)]
pub(crate) fn from_now(seconds: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(seconds)
}

pub(crate) fn write(stage: &Stage, name: &str, text: &str, mode: u32) {
    stage.write(name, text);
    fs::set_permissions(stage.path(name), fs::Permissions::from_mode(mode)).unwrap();
}

/// Makes a policy apply whose file of closures has this one.
pub(crate) fn close(stage: &mut Stage, from: Timestamp, to: Timestamp) {
    let text = format!(
        "version: 1\nclosures:\n  - {{ from: '{from:.0}', to: '{to:.0}', reason: end of the year }}\n"
    );
    write(stage, "freeze.yaml", &text, 0o644);
    name_closures(stage);
}

fn name_closures(stage: &mut Stage) {
    write(
        stage,
        "policy.yaml",
        "version: 1\nfreeze: [freeze.yaml]\n",
        0o644,
    );
    let path = stage.path("policy.yaml").display().to_string();
    stage.set("LIGHTSOUT_POLICY", &path);
}

#[test]
fn nothing_begins_in_a_closure_and_everything_else_works() {
    let mut stage = Scenario::new(&ids(2)).start();
    stage.run("plan night.yaml --write").with_code(0);
    let run = stage.run("run night.yaml").with_code(0).report()["run_id"].clone();
    let undo = format!("undo {}", run.as_str().unwrap());
    close(&mut stage, from_now(-100), from_now(9_000));
    let seen = stage.stats().requests;
    let lines = [
        "run night.yaml",
        "run night.yaml --locked",
        "run --plan night.plan.json",
        undo.as_str(),
    ];
    for line in lines {
        let ended = stage.run(line).with_code(20);
        ended.saying(&["freeze.yaml", "end of the year", "until"]);
    }
    assert_eq!(stage.stats().requests, seen);
    stage.run("plan night.yaml --check").with_code(0);
    let told = &["a real run would be refused now", "end of the year"];
    stage
        .run("run night.yaml --dry-run")
        .with_code(0)
        .saying(told);
    stage.run("rehearse night.yaml").with_code(0).saying(told);
    let ended = stage.run("doctor night.yaml").with_code(0);
    assert!(ended.out.contains("warning  freeze"), "{}", ended.out);
}

#[test]
fn a_closure_that_is_over_or_yet_to_come_forbids_nothing() {
    let mut stage = Scenario::new(&ids(2)).start();
    close(&mut stage, from_now(-9_000), from_now(-100));
    stage.run("run night.yaml").with_code(0);
    close(&mut stage, from_now(80_000), from_now(90_000));
    stage.run("run night.yaml").with_code(0);
    let ended = stage.run("doctor night.yaml").with_code(0);
    assert!(ended.out.contains("ok       freeze"), "{}", ended.out);
}

#[test]
fn a_run_sends_nothing_from_the_moment_on_at_which_a_closure_begins() {
    let mut stage = Scenario::new(&ids(12))
        .with("rollout: { batch_size: 1, in_flight: 1 }\nchecks: { before: false, after: false }")
        .settings(|cloud| cloud.job_duration = std::time::Duration::from_secs(30))
        .start();
    let begins = from_now(120);
    close(&mut stage, begins, from_now(90_000));
    let ended = stage.run("run night.yaml").with_code(30);
    let ended = ended.saying(&["a closure forbids it now"]);
    let report = ended.report();
    let batches = report["batches"].as_array().unwrap().iter();
    let sends: Vec<&Value> = batches
        .flat_map(|batch| batch["sends"].as_array().unwrap())
        .collect();
    assert!(!sends.is_empty() && sends.len() < 12, "{}", sends.len());
    for send in &sends {
        let at: Timestamp = send["sent_at"].as_str().unwrap().parse().unwrap();
        assert!(at < begins, "{at} is not before {begins}");
        // What was under way is followed to its end.
        assert_eq!(send["job_status"], "SUCCESS");
    }
    let outcomes = ended.outcomes();
    assert_eq!(outcomes["stopped"], sends.len());
    assert_eq!(outcomes["not_sent/policy"], 12 - sends.len());
    assert_eq!(ended.stats.stops.len(), sends.len());
}

#[test]
fn a_run_that_is_taken_up_in_a_closure_is_only_followed() {
    let mut stage = Scenario::new(&ids(2))
        .with("rollout: { batch_size: 1 }")
        .start();
    assert!(stage.crash("run night.yaml", "after:answer").is_none());
    close(&mut stage, from_now(-100), from_now(9_000));
    let ended = stage.run("resume --send").with_code(30);
    let ended = ended.with_outcomes(&[("not_sent/policy", 1), ("stopped", 1)]);
    assert_eq!(ended.accepted_sizes(), [1]);
}

#[test]
fn closures_that_cannot_be_relied_on_close() {
    let mut stage = Scenario::new(&ids(1)).start();
    let good = "version: 1\nclosures: []\n";
    name_closures(&mut stage);
    let refused = |stage: &Stage, code: i32, part: &str| {
        let ended = stage.run("run night.yaml").with_code(code);
        ended.with_nothing_sent().saying(&["freeze.yaml", part]);
    };
    refused(&stage, 23, "cannot be relied on");
    write(&stage, "freeze.yaml", good, 0o666);
    refused(&stage, 23, "may be written by");
    write(
        &stage,
        "freeze.yaml",
        "version: 1\nclosures: never\n",
        0o644,
    );
    refused(&stage, 2, "a list of closures");
    write(&stage, "freeze.yaml", good, 0o644);
    stage.run("run night.yaml").with_code(0);
}
