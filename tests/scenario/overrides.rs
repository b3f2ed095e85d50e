//! `--override`: what keeps a run from sending at its time, lifted for a reason that is kept.
//!
//! Invariant: nothing is lifted where any policy says that nothing may be.

use serde_json::json;

use crate::freeze::{close, from_now, write};
use crate::scenario::{Scenario, ids};
use crate::windows::{OPENS, WEEKLY};

#[test]
fn a_closure_is_lifted_for_a_reason_that_the_report_keeps() {
    let mut stage = Scenario::new(&ids(2)).start();
    close(&mut stage, from_now(-100), from_now(9_000));
    let refused = stage.run("run night.yaml").with_code(20);
    refused
        .with_nothing_sent()
        .saying(&["end of the year", "--override REASON"]);
    let ended = stage.run("run night.yaml --override CHG0042").with_code(0);
    let ended = ended.saying(&["overridden: freeze (CHG0042)"]);
    let lifted = json!([{ "what": "freeze", "reason": "CHG0042" }]);
    assert_eq!(ended.report()["overrides"], lifted);
    let run = ended.report()["run_id"].as_str().unwrap().to_owned();
    let text = stage.run(&format!("report {run}")).with_code(0).out;
    assert!(text.contains("overridden: freeze (CHG0042)"), "{text}");

    stage.run(&format!("undo {run}")).with_code(20);
    let undo = format!("undo {run} --override CHG0043");
    let ended = stage.run(&undo).with_code(0);
    let lifted = json!([{ "what": "freeze", "reason": "CHG0043" }]);
    assert_eq!(ended.report()["overrides"], lifted);
}

#[test]
fn what_is_lifted_stays_lifted_where_the_run_is_resumed() {
    let mut stage = Scenario::new(&ids(2))
        .with("rollout: { batch_size: 1 }")
        .start();
    close(&mut stage, from_now(-100), from_now(90_000));
    assert!(
        stage
            .crash("run night.yaml --override CHG0042", "after:answer")
            .is_none()
    );
    let ended = stage.run("resume").with_code(0);
    ended.with_outcomes(&[("stopped", 2)]);

    // A policy that allows nothing of the kind by now is obeyed.
    let mut stage = Scenario::new(&ids(2))
        .with("rollout: { batch_size: 1 }")
        .start();
    close(&mut stage, from_now(-100), from_now(90_000));
    assert!(
        stage
            .crash("run night.yaml --override CHG0042", "after:answer")
            .is_none()
    );
    let policy = "version: 1\nfreeze: [freeze.yaml]\nallow_override: false\n";
    write(&stage, "policy.yaml", policy, 0o644);
    let ended = stage.run("resume").with_code(30);
    ended.with_outcomes(&[("not_sent/policy", 1), ("stopped", 1)]);
}

#[test]
fn a_policy_may_forbid_it() {
    let mut stage = Scenario::new(&ids(2)).start();
    close(&mut stage, from_now(-100), from_now(9_000));
    let policy = "version: 1\nfreeze: [freeze.yaml]\nallow_override: false\n";
    write(&stage, "policy.yaml", policy, 0o644);
    for line in [
        "run night.yaml --override CHG0042",
        "run night.yaml --override CHG0042 --dry-run",
    ] {
        let ended = stage.run(line).with_code(23);
        ended
            .with_nothing_sent()
            .saying(&["rule `allow_override`", "policy.yaml", "not allowed"]);
    }
    // Another policy that allows it changes nothing.
    write(
        &stage,
        "other.yaml",
        "version: 1\nallow_override: true\n",
        0o644,
    );
    let other = "run night.yaml --override CHG0042 --policy other.yaml";
    stage.run(other).with_code(23).with_nothing_sent();
}

#[test]
fn a_reason_is_asked_for_and_nothing_is_claimed_where_there_is_nothing_to_lift() {
    let stage = Scenario::new(&ids(1)).start();
    let ended = stage.run("run night.yaml --override").with_code(2);
    ended.with_nothing_sent();
    let line = "run night.yaml --override CHG0042";
    let dry = stage.run(&format!("{line} --dry-run")).with_code(0);
    assert!(dry.out.contains(&format!("\"next\": \"lightsout {line}\"")));
    let ended = stage.run(line).with_code(0);
    let ended = ended.saying(&["`--override` lifts nothing"]);
    assert_eq!(ended.report()["overrides"], json!([]));
}

#[test]
fn a_run_that_cannot_be_read_is_lifted_like_one_that_has_finished() {
    let stage = Scenario::new(&ids(1)).with(WEEKLY).clock(OPENS).start();
    stage.run("run night.yaml").with_code(0);
    let journal = stage.run_folder().join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen("job", "jab", 1)).unwrap();
    let refused = stage.run("run night.yaml").with_code(2);
    let why = "it cannot be told whether run ";
    refused.saying(&[why, "of the journal is damaged", "--override REASON"]);
    let ended = stage.run("run night.yaml --override CHG0042").with_code(0);
    ended.saying(&["overridden: window, already-ran (CHG0042)"]);
    assert_eq!(stage.stats().requests.stop, 1);
}
