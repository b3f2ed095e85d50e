//! `plan --base`: what a merge changes, without a pipeline around it.
//!
//! Owns the formats and exit codes; whole pull requests are in `pipelines`. Invariant: nothing is sent.

use std::fs;

use serde_json::Value;

use crate::scenario::{Ended, Scenario, Stage, ids, ids_from};

/// A workflow with its plan, and the same in the folder `base`.
fn approved() -> Stage {
    let stage = Scenario::of_groups(&[("canary", &ids(1)), ("rest", &ids_from(2, 2))]).start();
    stage.run("plan night.yaml --write").with_code(0);
    fs::create_dir(stage.path("base")).unwrap();
    for file in ["night.yaml", "night.plan.json"] {
        stage.write(&format!("base/{file}"), stage.read(file));
    }
    stage
}

fn review(stage: &Stage, format: &str) -> Ended {
    let line = format!("plan night.yaml --base base --exit-code --format {format}");
    stage.run(&line).with_nothing_sent()
}

fn document(ended: &Ended) -> Value {
    serde_json::from_str(&ended.out).unwrap()
}

#[test]
fn a_workflow_as_in_the_base_is_nothing_to_look_at() {
    let stage = approved();
    for format in ["text", "json", "md"] {
        review(&stage, format).with_code(0);
    }
    let ended = review(&stage, "json");
    assert_eq!(document(&ended)["base"]["state"], "approved");
}

#[test]
fn one_more_server_is_shown_in_every_format() {
    let stage = approved();
    let id = ids_from(4, 1)[0];
    let text = stage.read("night.yaml");
    stage.write("night.yaml", format!("{text}      - {id}\n"));
    let text = review(&stage, "text").with_code(10);
    assert!(
        text.out.contains("1 server would newly lose power"),
        "{}",
        text.out
    );
    assert!(
        text.out.contains("  night.yaml: workflow changed\n"),
        "{}",
        text.out
    );
    let json = document(&review(&stage, "json").with_code(10));
    assert_eq!(json["base"]["difference"]["added"][0]["id"], id.to_string());
    assert_eq!(json["files"][0]["path"], "night.yaml");
    let md = review(&stage, "md").with_code(10);
    assert!(
        md.out.starts_with("<!-- lightsout plan night.yaml -->\n"),
        "{}",
        md.out
    );
    assert!(
        md.out
            .contains("night will power off 4 servers (HARD), 1 more than before\n"),
        "{}",
        md.out
    );
}

#[test]
fn without_a_base_every_server_is_new() {
    let stage = approved();
    for file in ["night.yaml", "night.plan.json"] {
        fs::remove_file(stage.path(&format!("base/{file}"))).unwrap();
    }
    let text = review(&stage, "text").with_code(10);
    assert!(
        text.out
            .starts_with("NEW: all 3 servers newly lose power ("),
        "{}",
        text.out
    );
    for id in ids(3) {
        assert!(text.out.contains(&format!("  {id} in ")), "{}", text.out);
    }
    assert_eq!(document(&review(&stage, "json"))["base"]["state"], "absent");
}

#[test]
fn a_removed_workflow_is_shown_as_removed() {
    let stage = approved();
    fs::remove_file(stage.path("night.yaml")).unwrap();
    let text = review(&stage, "text").with_code(10);
    assert_eq!(text.out, "removed: night.yaml\n");
    assert_eq!(document(&review(&stage, "json"))["removed"], "night.yaml");
    let md = review(&stage, "md").with_code(10);
    assert!(
        md.out
            .contains("The base branch has the workflow night here, with 3 servers."),
        "{}",
        md.out
    );
    fs::remove_file(stage.path("base/night.yaml")).unwrap();
    let md = review(&stage, "md").with_code(2);
    assert!(
        md.out.contains("**`lightsout plan` exited with code 2."),
        "{}",
        md.out
    );
}

#[test]
fn a_base_that_is_no_folder_is_an_error() {
    let stage = approved();
    let line = "plan night.yaml --base absent --format md";
    let ended = stage
        .run(line)
        .with_code(2)
        .saying(&["cannot read `absent`"]);
    assert!(ended.out.contains("exited with code 2."), "{}", ended.out);
}

#[test]
fn a_violated_guard_is_shown_with_what_changes() {
    let stage = approved();
    let text = stage.read("night.yaml");
    stage.write(
        "night.yaml",
        format!("{text}guards: {{ max_servers: 2 }}\n"),
    );
    let md = review(&stage, "md").with_code(23);
    assert!(
        md.out
            .contains("**BREACHED: a run would refuse this plan.**"),
        "{}",
        md.out
    );
    assert!(
        md.out.contains("- guards.max\\_servers: 100 → 2\n"),
        "{}",
        md.out
    );
    assert!(!md.out.contains("After the merge"), "{}", md.out);
}
