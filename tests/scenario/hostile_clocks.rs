//! Clocks that jump, are set, stand still and are wrong, while a window is to be kept.
//!
//! Invariant: the cloud saw no request outside the window, by its own clock, which is the true one.

use std::time::Duration;

use serde_json::{Value, json};

use crate::scenario::{Ended, Scenario, Stage, TOKEN, ids};
use crate::windows::{WEEKLY, one_by_one, pass, seen_inside};

/// Servers that are stopped one by one, under a token: what a wrong clock signs would be refused anyway.
fn with_token(servers: u32, job: u64) -> Scenario {
    one_by_one(servers, Duration::from_secs(job))
        .without_keys()
        .variable("OS_AUTH_TOKEN", TOKEN)
}

/// How many targets have this outcome and reason.
fn count(ended: &Ended, outcome: &str) -> usize {
    ended.outcomes().get(outcome).copied().unwrap_or_default()
}

#[test]
fn a_machine_that_is_suspended_past_the_cutoff_sends_nothing_more() {
    // While a job is followed, which goes on meanwhile. The two clocks jump a moment apart, so it is done between
    // polls, and without signatures.
    let ended = with_token(3, 600)
        .clock("2026-11-27T17:00:00Z,jump:+4h@304s")
        .pace(40)
        .run("run night.yaml");
    // A response between the two jumps shows a wrong clock, which stops the run just as well.
    let (code, not_sent) = match ended.code {
        30 => (30, "not_sent/clock"),
        _ => (32, "not_sent/cutoff"),
    };
    let ended = ended
        .with_code(code)
        .with_outcomes(&[("stopped", 1), (not_sent, 2)]);
    seen_inside(&ended);
    // In a pause between waves.
    let ended = Scenario::new(&ids(3))
        .with("rollout: { waves: [1, rest], soak: 10m }")
        .with(WEEKLY)
        .clock("2026-11-27T17:00:00Z,jump:+4h@5m")
        .pace(40)
        .run("run night.yaml")
        .with_code(32)
        .with_outcomes(&[("stopped", 1), ("not_sent/cutoff", 2)]);
    seen_inside(&ended);
    // In a backoff, when nothing was ever taken.
    let throttled = json!({ "fault": "throttle", "retry_after": "4m", "rate": 1.0 });
    let ended = one_by_one(2, Duration::from_secs(1))
        .faults(json!({ "calls": { "stop": [throttled] } }))
        .clock("2026-11-27T17:00:00Z,jump:+4h@2m")
        .run("run night.yaml")
        .with_code(20)
        .with_outcomes(&[("not_sent/cutoff", 2)]);
    seen_inside(&ended);
    assert_eq!(ended.stats.stops.len(), 1);
}

#[test]
fn a_machine_that_is_suspended_within_the_window_goes_on() {
    let ended = Scenario::new(&ids(3))
        .with("rollout: { waves: [1, rest], soak: 10m }")
        .with(WEEKLY)
        .clock("2026-11-27T17:00:00Z,jump:+2h@5m")
        .pace(40)
        .run("run night.yaml")
        .with_code(0);
    seen_inside(&ended);
}

#[test]
fn a_clock_that_is_set_back_does_not_prolong_the_window() {
    for jump in [",jump:-3h@1m", ",jump:-10m@1m,jump:-10m@90s,jump:-10m@2m"] {
        let ended = with_token(12, 30)
            .clock("2026-11-27T20:11:00Z")
            .jumps(jump)
            .run("run night.yaml")
            .with_code(32);
        seen_inside(&ended);
        let stopped = count(&ended, "stopped");
        assert!((1..12).contains(&stopped), "{stopped}");
        assert_eq!(count(&ended, "not_sent/cutoff"), 12 - stopped);
    }
}

#[test]
fn a_clock_that_is_set_forward_ends_the_sending_early() {
    let ended = with_token(6, 30)
        .clock("2026-11-27T17:00:00Z")
        .jumps(",jump:+1h@1m")
        .run("run night.yaml")
        .with_code(30);
    seen_inside(&ended);
    let stopped = count(&ended, "stopped");
    assert!((1..6).contains(&stopped), "{stopped}");
    assert_eq!(count(&ended, "not_sent/clock"), 6 - stopped);
}

/// A run that is killed right after its first request was taken.
fn left(scenario: Scenario) -> Stage {
    let stage = scenario.start();
    assert!(stage.crash("run night.yaml", "after:answer").is_none());
    stage
}

#[test]
fn a_clock_that_is_set_back_before_a_resume_does_not_prolong_the_window() {
    // By the journal it is at least 20:14.
    let mut stage = left(with_token(6, 30).clock("2026-11-27T20:14:00Z"));
    stage.jumps(",jump:-3h@0s");
    let ended = stage.run("resume").with_code(32);
    seen_inside(&ended);
    assert!(count(&ended, "not_sent/cutoff") > 0);
}

#[test]
fn a_clock_that_signs_in_vain_at_a_resume_is_told_before_what_comes_of_it() {
    let mut stage = left(one_by_one(3, Duration::from_secs(30)).clock("2026-11-27T18:00:00Z"));
    stage.jumps(",jump:+1h@0s");
    let ended = stage.run("resume").with_code(33);
    let ended = ended.saying(&["by the cloud's clock", "NTP"]);
    let unknown = ("unknown/job_unfinished", 1);
    ended.with_outcomes(&[unknown, ("not_sent/clock", 2)]);
}

#[test]
fn a_machine_that_comes_back_with_the_time_of_its_death_sends_nothing() {
    // Ten minutes have passed since, and its window with them.
    let mut stage = left(with_token(3, 30).clock("2026-11-27T20:13:00Z,jump:+10m@30s"));
    pass(40);
    stage.jumps(",jump:-10m@0s");
    let ended = stage.run("resume");
    seen_inside(&ended);
    let ended = ended.with_code(30).saying(&["by the cloud's clock", "NTP"]);
    ended.with_outcomes(&[("stopped", 1), ("not_sent/clock", 2)]);
}

#[test]
fn a_machine_that_was_paused_sends_nothing_more() {
    // Neither its date nor its time has moved, and by the cloud the window is over.
    let ended = with_token(3, 600)
        .clock("2026-11-27T19:00:00Z")
        .cloud_jumps(",jump:+2h@5m")
        .pace(40)
        .run("run night.yaml")
        .with_code(30)
        .with_outcomes(&[("stopped", 1), ("not_sent/clock", 2)]);
    seen_inside(&ended);
    // In a pause in which nobody would have told it the date.
    let ended = Scenario::new(&ids(3))
        .with("rollout: { waves: [1, rest], soak: 10m }\nchecks: { before: false, after: false }")
        .with(WEEKLY)
        .clock("2026-11-27T19:00:00Z")
        .cloud_jumps(",jump:+2h@5m")
        .pace(40)
        .run("run night.yaml")
        .with_code(30)
        .with_outcomes(&[("stopped", 1), ("not_sent/clock", 2)]);
    seen_inside(&ended);
}

#[test]
fn a_paused_machine_whose_signatures_are_refused_sends_nothing_more_either() {
    let ended = one_by_one(3, Duration::from_secs(600))
        .with("jobs: { timeout: 15m }")
        .clock("2026-11-27T19:00:00Z")
        .cloud_jumps(",jump:+2h@5m")
        .pace(40)
        .run("run night.yaml")
        .with_code(33);
    seen_inside(&ended);
    assert_eq!(ended.stats.stops.len(), 1);
}

#[test]
fn clocks_that_differ_are_told_before_anything_is_sent() {
    for date in [json!({ "ahead": "10m" }), json!({ "behind": "10m" })] {
        let ended = one_by_one(2, Duration::from_secs(1))
            .faults(json!({ "date": date }))
            .clock("2026-11-27T18:00:00Z")
            .run("run night.yaml")
            .with_code(20)
            .with_nothing_sent()
            .with_outcomes(&[("not_sent/clock", 2)]);
        let warnings = ended.report()["warnings"].as_array().unwrap();
        let told = |warning: &&Value| warning["code"] == "clock";
        let message = warnings.iter().find(told).unwrap()["message"]
            .as_str()
            .unwrap();
        assert!(ended.err.contains(message), "{}", ended.err);
        for part in [
            "this machine's clock differs from the cloud's",
            "by the cloud's clock and 2026-11-27T18:00:",
            "set this machine's clock, best by NTP",
        ] {
            assert!(ended.err.contains(part), "no {part:?} in:\n{}", ended.err);
        }
    }
}

#[test]
fn a_clock_that_is_off_stops_a_run_without_a_window_too() {
    let unread = "checks: { before: false, after: false }";
    for (date, more, line) in [
        (json!({ "ahead": "10m" }), "", "run night.yaml"),
        (json!({ "behind": "10m" }), "", "run night.yaml"),
        (json!({ "ahead": "10m" }), unread, "run night.yaml"),
        (
            json!({ "ahead": "10m" }),
            WEEKLY,
            "run night.yaml --override CHG0042",
        ),
    ] {
        Scenario::new(&ids(2))
            .with(more)
            .faults(json!({ "date": date }))
            .clock("2026-11-27T18:00:00Z")
            .run(line)
            .with_code(20)
            .with_nothing_sent()
            .with_outcomes(&[("not_sent/clock", 2)])
            .saying(&["by the cloud's clock", "NTP"]);
    }
}

#[test]
fn a_clock_that_goes_wrong_stops_the_rest_of_a_run_without_a_window() {
    let ended = Scenario::new(&ids(3))
        .with("rollout: { waves: [1, rest], soak: 10m }")
        .faults(json!({ "date": { "ahead": "10m", "after": "5m" } }))
        .pace(40)
        .run("run night.yaml")
        .with_code(30)
        .with_outcomes(&[("stopped", 1), ("not_sent/clock", 2)]);
    assert_eq!(ended.accepted_sizes(), [1]);
}

#[test]
fn a_clock_that_is_off_by_less_stops_nothing() {
    for date in [json!({ "ahead": "4m" }), json!({ "behind": "4m" })] {
        Scenario::new(&ids(2))
            .faults(json!({ "date": date }))
            .run("run night.yaml")
            .with_code(0);
    }
}

#[test]
fn an_undo_and_settling_warn_of_a_clock_that_is_off_and_go_on() {
    const WARNING: &str = "this machine's clock differs from that of the API";
    let mut stage = Scenario::new(&ids(2)).clock("2026-11-28T01:00:00Z").start();
    let ended = stage.run("run night.yaml").with_code(0);
    assert!(!ended.err.contains(WARNING), "{}", ended.err);
    let run = stage.run_id();
    stage.jumps(",jump:+10m@0s");
    let undone = stage.run(&format!("undo {run} --yes")).with_code(0);
    assert_eq!(undone.saying(&[WARNING]).total("started"), 2);

    let mut stage = left(Scenario::new(&ids(2)).clock("2026-11-28T01:00:00Z"));
    stage.jumps(",jump:+10m@0s");
    let ended = stage.run("settle").with_code(0).saying(&[WARNING]);
    ended.with_outcomes(&[("stopped", 2)]);
}
