//! `window FILE`: what it says of a moment, by the workflow's window and its freeze files and those of policies.
//!
//! Invariant: every answer ends with 0, opens no connection and leaves nothing behind.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::freeze::write;
use crate::scenario::{Scenario, Stage, ids};

const FREEZE: &str = "version: 1\nclosures:\n  - { from: '2026-11-28T03:00:00+08:00', to: '2026-12-05T03:00:00+08:00', reason: stock taking }\n";

/// A workflow with a window of weekend nights in Singapore, and no cloud.
fn stage(more: &str) -> Stage {
    offline(&format!(
        "window:\n  timezone: Asia/Singapore\n  opens: {{ days: [sat], at: '01:00' }}\n  duration: 4h\n  cutoff: 45m\n{more}"
    ))
}

fn offline(settings: &str) -> Stage {
    let groups = format!("groups:\n  - name: canary\n    servers: [{}]\n", ids(1)[0]);
    Scenario::offline(&groups)
        .with(settings)
        .without_keys()
        .start()
}

fn told(stage: &Stage, at: &str) -> String {
    let ended = stage
        .run(&format!("window night.yaml --at {at}"))
        .with_code(0);
    assert_eq!(ended.err, "");
    assert!(!stage.path("state").exists());
    ended.out
}

#[test]
fn an_open_moment_is_explained_with_the_next_five_openings() {
    insta::assert_snapshot!(told(&stage(""), "2026-11-28T01:30"));
}

#[test]
fn a_moment_may_be_given_with_its_offset_or_on_the_clocks_of_the_zone() {
    let stage = stage("");
    let local = told(&stage, "2026-11-28T01:30");
    for same in [
        "2026-11-28T01:30:00+08:00",
        "2026-11-27T17:30:00Z",
        "2026-11-27T18:30+01:00",
    ] {
        assert_eq!(told(&stage, same), local, "{same}");
    }
    stage.run("window night.yaml --at noon").with_code(2);
}

#[test]
fn the_present_moment_is_that_of_the_clock() {
    let groups = format!("groups:\n  - name: canary\n    servers: [{}]\n", ids(1)[0]);
    let stage = Scenario::offline(&groups)
        .endpoint("http://127.0.0.1:9")
        .with("window: { timezone: Asia/Singapore, opens: { days: [sat], at: '01:00' }, duration: 4h }")
        .variable("LIGHTSOUT_CLOCK", "compressed:60@2026-11-27T17:00:00Z")
        .start();
    let ended = stage.run("window night.yaml").with_code(0);
    assert!(
        ended.out.starts_with("open       Sat 2026-11-28 01:0"),
        "{}",
        ended.out
    );
}

#[test]
fn every_change_of_a_night_is_told() {
    let stage = stage("  freeze: [freeze.yaml]\n");
    stage.write("freeze.yaml", FREEZE);
    let heads: Vec<String> = [
        "2026-11-28T00:59:59",
        "2026-11-28T01:00",
        "2026-11-28T02:59:59",
        "2026-11-28T03:00",
        "2026-11-28T04:15",
        "2026-11-28T05:00",
        "2026-12-05T01:00",
        "2026-12-05T03:00",
        "2026-12-05T04:15",
    ]
    .iter()
    .map(|at| told(&stage, at))
    .map(|text| text.split("\nwindow").next().unwrap().to_owned())
    .collect();
    insta::assert_snapshot!(heads.join("\n"));
}

#[test]
fn closures_of_a_policy_close_too() {
    let mut stage = stage("");
    write(&stage, "closed.yaml", FREEZE, 0o644);
    write(
        &stage,
        "policy.yaml",
        "version: 1\nfreeze: [closed.yaml]\n",
        0o644,
    );
    let path = stage.path("policy.yaml").display().to_string();
    stage.set("LIGHTSOUT_POLICY", &path);
    let text = told(&stage, "2026-11-28T03:30");
    for part in [
        "closed     ",
        "closed.yaml` of a policy forbids it: stock taking",
    ] {
        assert!(text.contains(part), "{text}");
    }
    // With a policy that cannot be relied on, nobody can tell.
    write(&stage, "policy.yaml", "version: 1\n", 0o666);
    stage.run("window night.yaml").with_code(23);
}

#[test]
fn a_freeze_file_that_cannot_be_used_closes_every_moment() {
    let stage = stage("  freeze: [freeze.yaml]\n");
    fs::create_dir_all(stage.path(".git")).unwrap();
    let cannot = |what: &str| {
        let text = told(&stage, "2026-11-28T01:30");
        let first = text.lines().next().unwrap();
        assert!(first.starts_with("closed"), "{text}");
        assert!(text.contains(what), "{what}: {text}");
    };
    cannot("`freeze.yaml` of the workflow, which says when nothing may be sent, cannot be found");
    stage.write(
        "freeze.yaml",
        "version: 1\nclosures: [{ from: yesterday }]\n",
    );
    cannot("is not understood: freeze.yaml:2:");
    stage.write("freeze.yaml", b"version: 1\nclosures: []\n# gr\xf6\xdfe\n");
    cannot("cannot be read: not UTF-8 text");
    fs::remove_file(stage.path("freeze.yaml")).unwrap();
    fs::create_dir(stage.path("freeze.yaml")).unwrap();
    cannot("cannot be read: not a regular file");
    fs::remove_dir(stage.path("freeze.yaml")).unwrap();
    let outside = stage
        .folder()
        .parent()
        .unwrap()
        .join("night-of-others.yaml");
    fs::write(&outside, FREEZE).unwrap();
    symlink(&outside, stage.path("freeze.yaml")).unwrap();
    cannot("lies outside the git work tree that holds the workflow");
    fs::remove_file(stage.path("freeze.yaml")).unwrap();
    stage.write(".git/config", FREEZE);
    symlink(stage.path(".git/config"), stage.path("freeze.yaml")).unwrap();
    cannot("is one of git's own files");
    fs::remove_file(stage.path("freeze.yaml")).unwrap();
    stage.write("freeze.yaml", FREEZE);
    let text = told(&stage, "2026-11-28T01:30");
    assert!(text.starts_with("open"), "{text}");
}

#[test]
fn validate_looks_into_freeze_files() {
    let stage = stage("  freeze: [freeze.yaml]\n");
    let ended = stage.run("validate night.yaml").with_code(0);
    insta::assert_snapshot!("freeze_file_is_missing", ended.err);
    stage
        .run("validate night.yaml --deny-warnings")
        .with_code(2);
    stage.write("freeze.yaml", "version: 1\nclosures:\n  - { from: 2026-11-28T03:00:00+08:00, to: 2026-11-28T02:00:00+08:00, reason: stock taking }\n");
    let ended = stage.run("validate night.yaml").with_code(2);
    insta::assert_snapshot!("freeze_file_is_not_understood", ended.err);
    stage.write("freeze.yaml", FREEZE);
    stage
        .run("validate night.yaml --deny-warnings")
        .with_code(0);
}

#[test]
fn a_workflow_without_a_window_says_so() {
    let stage = offline("");
    insta::assert_snapshot!(told(&stage, "2026-11-27T17:30:00Z"));
    let ended = stage
        .run("window night.yaml --at 2026-11-28T01:30")
        .with_code(2);
    ended.saying(&["`night.yaml` has no window", "give the offset"]);
}

#[test]
fn variables_reach_the_window() {
    let stage = offline(
        "vars: { zone: Europe/Berlin, hours: 2 }\nwindow:\n  timezone: '{{ zone }}'\n  opens: [{ from: 2026-11-28T01:00 }]\n  duration: '{{ hours }}h'\n",
    );
    let text = told(&stage, "2026-11-28T00:30");
    assert!(
        text.contains(
            "2026-11-28T01:00 in Europe/Berlin (UTC+01:00 or UTC+02:00)\n           for 2h\n"
        ),
        "{text}"
    );
    let line = "window night.yaml --at 2026-11-28T00:30 --var zone=Asia/Tokyo --var hours=3";
    let ended = stage.run(line).with_code(0);
    let part = "2026-11-28T01:00 in Asia/Tokyo (UTC+09:00)\n           for 3h\n";
    assert!(ended.out.contains(part), "{}", ended.out);
    stage
        .run("window night.yaml --var zone=Asia/Tokio")
        .with_code(2)
        .saying(&[
            "there is no time zone `Asia/Tokio`",
            "did you mean `Asia/Tokyo`?",
        ]);
}

#[test]
fn the_zones_of_the_machine_are_not_asked() {
    let mut stage = stage("");
    let before = told(&stage, "2026-11-28T01:30");
    stage.set("TZDIR", "/nonexistent");
    stage.set("TZ", "America/New_York");
    assert_eq!(told(&stage, "2026-11-28T01:30"), before);
}

#[test]
fn the_content_of_freeze_calendars_is_part_of_a_plan() {
    let stage = stage("  freeze: [freeze.yaml]\n");
    let plan = |stage: &Stage| -> Value {
        let out = stage.run("plan night.yaml --format json").with_code(0).out;
        serde_json::from_str(&out).unwrap()
    };
    let without = plan(&stage);
    assert_eq!(
        without["freeze_calendars"],
        json!([{ "file": "freeze.yaml", "sha256": null }])
    );
    stage.write("freeze.yaml", FREEZE);
    let with = plan(&stage);
    assert_eq!(
        with["freeze_calendars"][0]["sha256"]
            .as_str()
            .unwrap()
            .len(),
        64
    );
    assert_ne!(with["digest"], without["digest"]);
}
