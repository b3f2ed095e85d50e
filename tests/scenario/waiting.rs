//! `run --wait`: what waits begins at the opening, by what is there by then, and holds nothing meanwhile.
//!
//! Invariant: the cloud saw no request before the opening, by its own clock.

use std::time::Duration;

use jiff::Timestamp;

use crate::scenario::{Ended, Scenario, Stage, ids};

/// Opens 2026-11-27T17:00:00Z and again two minutes later, for a minute each.
const TWICE: &str = "window:\n  timezone: Asia/Singapore\n  opens: [{ days: [sat], at: \"01:00\" }, { days: [sat], at: \"01:02\" }]\n  duration: 1m\n";
/// Opens 2026-11-27T17:00:00Z.
const ONCE: &str =
    "window: { timezone: Asia/Singapore, opens: { from: 2026-11-28T01:00 }, duration: 4h }\n";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Insists that the cloud saw all requests within a minute and a half from this moment on.
#[track_caller]
fn seen_from(ended: &Ended, opens: &str) {
    let seen: Vec<Timestamp> = ended.stats.stops.iter().map(|stop| stop.at).collect();
    let soon = at(opens) + Duration::from_secs(90);
    let all = seen.iter().all(|seen| at(opens) <= *seen && *seen < soon);
    assert!(all && !seen.is_empty(), "{seen:?}:\n{}", ended.err);
}

fn stage(window: &str, date: &str) -> Stage {
    Scenario::new(&ids(1)).with(window).clock(date).start()
}

/// Lets the program begin to wait.
fn begin_to_wait() {
    std::thread::sleep(Duration::from_millis(500));
}

#[test]
fn a_run_waits_for_the_opening() {
    let stage = stage(ONCE, "2026-11-27T16:59:15Z");
    let ended = stage.run("run night.yaml --wait").with_code(0);
    seen_from(&ended, "2026-11-27T17:00:00Z");
    ended.saying(&[
        "waiting: the window is closed; a run may begin at 2026-11-28T01:00:00+08:00 Asia/Singapore (2026-11-27T17:00:00Z)",
        "the time has come",
    ]);
    // It never opens again.
    let ended = stage.run("run night.yaml --wait").with_code(20);
    ended.saying(&["has finished in this occurrence", "it never opens again"]);
}

#[test]
fn a_run_in_the_window_does_not_wait() {
    let ended = stage(ONCE, "2026-11-27T17:00:00Z").run("run night.yaml --wait");
    assert!(!ended.err.contains("waiting"), "{}", ended.err);
    ended.with_code(0);
}

#[test]
fn a_machine_that_is_suspended_wakes_up_within_a_minute() {
    let stage = stage(ONCE, "2026-11-27T14:59:00Z,jump:+2h2m@20s");
    let ended = stage.run("run night.yaml --wait").with_code(0);
    // It was 17:01:20 right after the jump.
    seen_from(&ended, "2026-11-27T17:01:20Z");
}

#[test]
fn an_occurrence_that_is_used_up_is_not_waited_in() {
    let stage = stage(TWICE, "2026-11-27T17:00:00Z");
    stage.run("run night.yaml").with_code(0);
    let ended = stage.run("run night.yaml --wait").with_code(0);
    assert_eq!(ended.stats.stops.len(), 1);
    let began = at(ended.report()["started_at"].as_str().unwrap());
    assert!(began >= at("2026-11-27T17:02:00Z"), "{began}");
    ended.saying(&["waiting: run", "has finished in this occurrence"]);
}

#[test]
fn a_closure_is_waited_for_with_or_without_a_window() {
    let closure = "version: 1\nclosures:\n  - { from: '2026-11-27T00:00:00Z', to: '2026-11-27T18:00:30Z', reason: works }\n";
    let stage = Scenario::new(&ids(1))
        .with(ONCE.trim_end().strip_suffix(" }").unwrap())
        .with(", freeze: [freeze.yaml] }")
        .file("freeze.yaml", closure)
        .clock("2026-11-27T17:59:50Z")
        .start();
    let ended = stage.run("run night.yaml --wait").with_code(0);
    seen_from(&ended, "2026-11-27T18:00:30Z");
    let stage = Scenario::new(&ids(1)).clock("2026-11-27T17:59:50Z").start();
    let ended = stage.run("run night.yaml --wait").with_code(0);
    ended.saying(&["the workflow has no window to wait for"]);
}

#[test]
fn a_signal_and_the_stop_switch_end_the_waiting() {
    for end in ["TERM", "halt"] {
        let stage = stage(ONCE, "2026-11-27T12:00:00Z");
        let running = stage.spawn("run night.yaml --wait");
        begin_to_wait();
        match end {
            "halt" => drop(stage.run("halt --reason cooling").with_code(0)),
            signal => running.signal(signal),
        }
        let ended = running.ended().0.with_code(24).with_nothing_sent();
        assert!(stage.run_folders().is_empty(), "{}", ended.err);
    }
}

#[test]
fn nothing_is_held_while_it_is_waited_and_everything_is_read_anew() {
    let stage = stage(ONCE, "2026-11-27T16:58:30Z");
    stage.run("plan night.yaml --write").with_code(0);
    let running = stage.spawn("run night.yaml --locked --wait");
    begin_to_wait();
    // Another run of the same project may go on, and the workflow be changed.
    let other = stage
        .read("night.yaml")
        .replace(ONCE, "")
        .replace("name: night", "name: other");
    stage.write("other.yaml", other);
    stage.run("run other.yaml").with_code(0);
    let changed = stage
        .read("night.yaml")
        .replace("duration: 4h", "duration: 3h");
    stage.write("night.yaml", changed);
    let ended = running.ended().0.with_code(22);
    ended.saying(&["the time has come", "night.plan.json"]);
}

#[test]
fn waiting_makes_no_sense_in_a_dry_run() {
    let stage = stage(ONCE, "2026-11-27T12:00:00Z");
    stage.run("run night.yaml --wait --dry-run").with_code(2);
}

#[test]
fn a_closure_that_outlasts_an_opening_tells_the_one_after_it() {
    let closure = "version: 1\nclosures:\n  - { from: '2026-11-27T00:00:00Z', to: '2026-11-27T17:01:30Z', reason: works }\n";
    let ended = Scenario::new(&ids(1))
        .with(TWICE.trim_end())
        .with("  freeze: [freeze.yaml]")
        .file("freeze.yaml", closure)
        .clock("2026-11-27T17:00:10Z")
        .run("run night.yaml --wait")
        .with_code(0);
    seen_from(&ended, "2026-11-27T17:02:00Z");
    ended.saying(&[
        "waiting: `freeze.yaml` of the workflow forbids it until 2026-11-27T17:01:30Z: works; a run may begin at 2026-11-28T01:02:00+08:00",
    ]);
}
