//! Windows: nothing is sent before one opens, nor from its cutoff on, whatever a run is at by then.
//!
//! Invariant: the cloud saw no request outside the window, by its own clock.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::scenario::{Ended, Scenario, Stage, TOKEN, at_once, ids};

/// Opens 2026-11-27T17:00:00Z, sends until 20:15:00Z, closes 21:00:00Z; again a week later.
pub(crate) const WEEKLY: &str = "window:\n  timezone: Asia/Singapore\n  opens: { days: [sat], at: \"01:00\" }\n  duration: 4h\n  cutoff: 45m\n";
pub(crate) const OPENS: &str = "2026-11-27T17:00:00Z";
pub(crate) const CUTOFF: &str = "2026-11-27T20:15:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Servers that are stopped one by one, by jobs that take so long.
pub(crate) fn one_by_one(servers: u32, job: Duration) -> Scenario {
    Scenario::new(&ids(servers))
        .with("rollout: { batch_size: 1 }\nchecks: { before: false, after: false }")
        .with(WEEKLY)
        .settings(move |cloud| cloud.job_duration = job)
}

/// Insists that the cloud saw requests in the window only.
#[track_caller]
pub(crate) fn seen_inside(ended: &Ended) {
    for stop in &ended.stats.stops {
        let inside = at(OPENS) <= stop.at && stop.at < at(CUTOFF);
        assert!(inside, "a request at {}:\n{}", stop.at, ended.err);
    }
}

/// Lets so much time of the stage pass, at the usual pace.
pub(crate) fn pass(seconds: u64) {
    std::thread::sleep(Duration::from_millis(seconds * 1000 / 20));
}

#[test]
fn a_second_before_the_opening_and_from_the_cutoff_on_nothing_begins() {
    for (date, part) in [
        (
            "2026-11-27T16:59:59Z",
            "the window is closed; a run may begin at 2026-11-28T01:00:00+08:00 Asia/Singapore (2026-11-27T17:00:00Z)",
        ),
        (
            "2026-11-27T20:15:00Z",
            "the window's cutoff was 2026-11-28T04:15:00+08:00 Asia/Singapore (2026-11-27T20:15:00Z); a run may begin at 2026-12-05T01:00:00+08:00",
        ),
        (
            "2026-11-27T21:00:00Z",
            "a run may begin at 2026-12-05T01:00:00+08:00",
        ),
    ] {
        let stage = Scenario::new(&ids(1))
            .with(WEEKLY)
            .pace(1)
            .clock(date)
            .start();
        let ended = stage.run("run night.yaml").with_code(20);
        let ended = ended
            .with_nothing_sent()
            .saying(&[part, "--override REASON"]);
        assert_eq!((ended.reports.len(), stage.stats().requests.list), (0, 0));
    }
}

#[test]
fn in_the_window_a_run_begins_and_its_report_tells_which() {
    for date in ["2026-11-27T17:00:00Z", "2026-11-27T20:14:50Z"] {
        let ended = Scenario::new(&ids(1))
            .with(WEEKLY)
            .pace(1)
            .clock(date)
            .run("run night.yaml")
            .with_code(0);
        seen_inside(&ended);
        let window = json!({
            "timezone": "Asia/Singapore",
            "opens": "2026-11-27T17:00:00.000Z",
            "closes": "2026-11-27T21:00:00.000Z",
            "cutoff": "2026-11-27T20:15:00.000Z",
        });
        assert_eq!(ended.report()["window"], window);
        ended.saying(&["window: 2026-11-27T17:00:00Z to 2026-11-27T21:00:00Z, cutoff 2026-11-27T20:15:00Z (Asia/Singapore)"]);
    }
}

#[test]
fn the_cutoff_ends_the_sending_and_jobs_are_followed_to_their_end() {
    let ended = one_by_one(12, Duration::from_secs(30))
        .clock("2026-11-27T20:13:00Z")
        .run("run night.yaml")
        .with_code(32)
        .saying(&["the window leaves no time for more"]);
    seen_inside(&ended);
    let outcomes = ended.outcomes();
    let stopped = outcomes["stopped"];
    assert!((1..12).contains(&stopped), "{stopped}");
    assert_eq!(outcomes["not_sent/cutoff"], 12 - stopped);
    assert_eq!(ended.stats.stops.len(), stopped);
    let batches = ended.report()["batches"].as_array().unwrap().iter();
    let sends: Vec<&Value> = batches
        .flat_map(|it| it["sends"].as_array().unwrap())
        .collect();
    assert!(sends.iter().all(|send| send["job_status"] == "SUCCESS"));
    assert_eq!(ended.report()["next"], "lightsout run night.yaml --wait");
    assert_eq!(ended.report()["outcome"], "cut_off");
}

#[test]
fn a_run_whose_last_request_is_out_is_not_stopped_by_the_cutoff() {
    let ended = one_by_one(1, Duration::from_secs(120))
        .clock("2026-11-27T20:14:30Z")
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped", 1)]);
    assert!(!ended.err.contains("nothing more is sent"), "{}", ended.err);
}

#[test]
fn a_backoff_ends_with_the_window() {
    // Nothing was ever taken: 20.
    let ended = one_by_one(2, Duration::from_secs(1))
        .faults(json!({ "calls": { "stop": [{ "fault": "throttle", "retry_after": "4m", "rate": 1.0 }] } }))
        .clock("2026-11-27T20:14:00Z")
        .run("run night.yaml")
        .with_code(20)
        .with_outcomes(&[("not_sent/cutoff", 2)]);
    seen_inside(&ended);
    assert_eq!(ended.stats.stops.len(), 1, "{}", ended.err);
    // Nor is a state tried to be read any longer.
    let ended = Scenario::new(&ids(2))
        .with(WEEKLY)
        .faults(json!({ "calls": {
            "list": [{ "fault": "error", "status": 500, "rate": 1.0 }],
            "show": [{ "fault": "error", "status": 500, "rate": 1.0 }],
        } }))
        .clock("2026-11-27T20:14:00Z")
        .run("run night.yaml")
        .with_code(20)
        .with_nothing_sent()
        .with_outcomes(&[("not_sent/cutoff", 2)]);
    let over = at(ended.report()["finished_at"].as_str().unwrap());
    assert!(over < at("2026-11-27T20:16:00Z"), "{over}");
}

#[test]
fn what_leaves_no_time_for_the_longest_job_so_far_is_not_sent() {
    // Ten minutes; the second job would not end before the window does.
    let ended = Scenario::new(&ids(3))
        .with("rollout: { batch_size: 1 }\nchecks: { before: false, after: false }")
        .with("window:\n  timezone: Asia/Singapore\n  opens: { days: [sat], at: \"01:00\" }\n  duration: 10m\n")
        .settings(|cloud| cloud.job_duration = Duration::from_secs(240))
        .clock("2026-11-27T17:05:00Z")
        .run("run night.yaml")
        .with_code(32)
        .with_outcomes(&[("stopped", 1), ("not_sent/cutoff", 2)]);
    assert_eq!(ended.stats.stops.len(), 1);
}

/// A run that is killed right after its first request was taken.
fn left(scenario: Scenario) -> Stage {
    let stage = scenario.start();
    assert!(stage.crash("run night.yaml", "after:answer").is_none());
    stage
}

#[test]
fn a_run_that_is_taken_up_in_its_window_goes_on_however_late() {
    // Both clocks jump before it is taken up.
    let scenario = one_by_one(3, Duration::from_secs(1));
    let stage = left(scenario.clock("2026-11-27T17:00:10Z,jump:+2h@40s"));
    pass(45);
    let ended = stage.run("resume").with_code(0);
    seen_inside(&ended);
    let ended = ended.with_outcomes(&[("stopped", 3)]);
    assert_eq!(
        ended.report()["window"]["opens"],
        "2026-11-27T17:00:00.000Z"
    );
}

#[test]
fn a_run_that_is_taken_up_after_its_cutoff_is_only_followed() {
    for line in ["resume", "resume --send"] {
        let scenario = one_by_one(3, Duration::from_secs(1));
        let stage = left(scenario.clock("2026-11-27T20:14:00Z,jump:+1m@40s"));
        pass(45);
        let ended = stage.run(line).with_code(32);
        seen_inside(&ended);
        let ended = ended.with_outcomes(&[("stopped", 1), ("not_sent/cutoff", 2)]);
        assert_eq!(ended.report()["resumed"], 1);
    }
    // Also where the next occurrence is open: the run's own is over.
    let scenario = one_by_one(3, Duration::from_secs(1));
    let stage = left(scenario.clock("2026-11-27T20:14:00Z,jump:+165h@40s"));
    pass(45);
    stage.run("resume --send").with_code(32);
}

/// An hour in which two jobs of 14 minutes began after 37 minutes; a third server waits for one of them. The
/// run is killed so much later and taken up at once.
fn taken_up_with_long_jobs_under_way(later: Duration) -> Ended {
    let stage = Scenario::new(&ids(3))
        .with("rollout: { batch_size: 1, in_flight: 2 }\njobs: { timeout: 1h }\nchecks: { before: false }")
        .with("window:\n  timezone: Asia/Singapore\n  opens: { days: [sat], at: \"01:00\" }\n  duration: 1h\n")
        .settings(|cloud| cloud.job_duration = Duration::from_secs(14 * 60))
        .clock("2026-11-27T17:37:00Z")
        .pace(100)
        .start();
    let mut running = stage.spawn("run night.yaml");
    running.until("two answers", |stage| stage.durable_jobs().len() == 2);
    std::thread::sleep(later);
    running.kill();
    stage.run("resume").with_code(32)
}

#[test]
fn a_job_that_is_open_when_the_run_is_left_still_counts_for_the_time_that_is_left() {
    // Right after the two began; and when there has been no time left for a third for a minute.
    at_once(&[0, 7_500], |later| {
        let ended = taken_up_with_long_jobs_under_way(Duration::from_millis(*later));
        let ended = ended.with_outcomes(&[("stopped", 2), ("not_sent/cutoff", 1)]);
        assert_eq!(ended.accepted_sizes(), [1, 1]);
    });
}

#[test]
fn a_second_run_in_the_same_occurrence_is_refused_once_one_has_finished() {
    let stage = Scenario::new(&ids(2)).with(WEEKLY).clock(OPENS).start();
    let ended = stage.run("run night.yaml").with_code(0);
    let run = ended.report()["run_id"].as_str().unwrap().to_owned();
    let told = format!("run {run} has finished in this occurrence of the window");
    let again = stage.run("run night.yaml").with_code(20);
    again.saying(&[&told, "2026-12-05T01:00:00+08:00", "--override REASON"]);
    // Another workflow of the same servers is another matter.
    let other = stage
        .read("night.yaml")
        .replace("name: night", "name: other");
    stage.write("other.yaml", other);
    stage.run("run other.yaml").with_code(0);
    // So is an undo, and a rehearsal.
    stage.run(&format!("undo {run}")).with_code(0);
    stage.run("rehearse night.yaml").with_code(0);

    let ended = stage.run("run night.yaml --override CHG0042").with_code(0);
    let lifted = ["window", "already-ran"].map(|what| json!({ "what": what, "reason": "CHG0042" }));
    assert_eq!(ended.report()["overrides"], json!(lifted));
    assert_eq!(
        ended.report()["window"]["opens"],
        "2026-11-27T17:00:00.000Z"
    );
}

#[test]
fn a_run_that_never_was_or_was_only_settled_does_not_use_up_the_occurrence() {
    // Refused before anything was sent.
    let mut stage = one_by_one(2, Duration::from_secs(1)).clock(OPENS).start();
    stage.set("HUAWEICLOUD_SDK_SK", "wrong");
    stage.run("run night.yaml").with_code(3);
    stage.set("HUAWEICLOUD_SDK_SK", crate::scenario::SECRET_KEY);
    stage.run("run night.yaml").with_code(0);

    // Left, and settled by the next, which does what is left.
    let stage = left(one_by_one(3, Duration::from_secs(1)).clock(OPENS));
    stage.run("run night.yaml").with_code(0);
    assert_eq!(stage.stats().accepted.len(), 3);

    // Left, resumed and finished: it was a run.
    let stage = left(one_by_one(3, Duration::from_secs(1)).clock(OPENS));
    stage.run("resume").with_code(0);
    stage.run("run night.yaml").with_code(20);
}

#[test]
fn a_closed_window_is_lifted_for_a_reason_and_its_cutoff_too() {
    let stage = one_by_one(3, Duration::from_secs(30))
        .clock("2026-11-27T20:14:40Z")
        .start();
    let ended = stage.run("run night.yaml --override CHG0042").with_code(0);
    let lifted = json!([{ "what": "window", "reason": "CHG0042" }]);
    assert_eq!(ended.report()["overrides"], lifted);

    let policy = "version: 1\nallow_override: false\n";
    crate::freeze::write(&stage, "policy.yaml", policy, 0o644);
    let line = "run night.yaml --override CHG0042 --policy policy.yaml";
    stage.run(line).with_code(23).saying(&["allow_override"]);

    let ended = Scenario::new(&ids(1))
        .with(WEEKLY)
        .clock("2026-11-27T22:00:00Z")
        .run("run night.yaml --override CHG0042")
        .with_code(0);
    assert_eq!(ended.report()["window"], Value::Null);
}

#[test]
fn a_dry_run_and_the_doctor_tell_that_the_window_is_closed() {
    let stage = Scenario::new(&ids(1))
        .with(WEEKLY)
        .clock("2026-11-27T22:00:00Z")
        .start();
    let told = "warning: a real run would be refused now: the window is closed";
    let ended = stage
        .run("run night.yaml --dry-run")
        .with_code(0)
        .saying(&[told]);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    let warning = &report["warnings"][0];
    assert_eq!(warning["code"], "not-now");
    let message = warning["message"].as_str().unwrap();
    assert!(
        told.ends_with(message.split_once("; ").unwrap().0),
        "{message}"
    );
    let ended = stage.run("doctor night.yaml").with_code(0);
    assert!(ended.out.contains("warning  window"), "{}", ended.out);
    let stage = Scenario::new(&ids(1)).with(WEEKLY).clock(OPENS).start();
    let ended = stage.run("doctor night.yaml").with_code(0);
    assert!(ended.out.contains("ok       window"), "{}", ended.out);
}

#[test]
fn a_pause_between_waves_ends_with_the_window() {
    let ended = Scenario::new(&ids(3))
        .with("rollout: { waves: [1, rest], soak: 30m }")
        .with(WEEKLY)
        .clock("2026-11-27T20:14:00Z")
        .run("run night.yaml")
        .with_code(32)
        .with_outcomes(&[("stopped", 1), ("not_sent/cutoff", 2)]);
    seen_inside(&ended);
    let over = at(ended.report()["finished_at"].as_str().unwrap());
    assert!(over < at("2026-11-27T20:16:00Z"), "{over}");
}

#[test]
fn no_clock_that_jumps_lets_a_request_out_of_the_window() {
    // The machine and the cloud's clock are past the cutoff after a suspension.
    // Under a token: the two clocks jump a moment apart, and a signature from in between would be refused.
    let ended = one_by_one(12, Duration::from_secs(30))
        .without_keys()
        .variable("OS_AUTH_TOKEN", TOKEN)
        .clock("2026-11-27T18:00:00Z,jump:+3h@100s")
        .run("run night.yaml");
    // A response between the two jumps shows a wrong clock, which stops the run just as well (30).
    assert!([30, 32].contains(&ended.code), "{}", ended.err);
    seen_inside(&ended);
    assert!(ended.outcomes()["stopped"] < 12);
    // The machine's clock is set back, and the window closes all the same.
    let ended = one_by_one(12, Duration::from_secs(30))
        .clock("2026-11-27T20:13:00Z")
        .jumps(",jump:-4m@60s")
        .run("run night.yaml")
        .with_code(32);
    seen_inside(&ended);
    assert!(ended.outcomes()["stopped"] < 12);
}

/// With a file of closures that the workflow names, and this closure in it.
fn frozen(scenario: Scenario, from: &str, to: &str) -> Scenario {
    let text = format!(
        "version: 1\nclosures:\n  - {{ from: '{from}', to: '{to}', reason: cooling works }}\n"
    );
    scenario
        .with("  freeze: [freeze.yaml]")
        .file("freeze.yaml", text)
}

#[test]
fn a_closure_of_the_workflow_forbids_to_begin_and_ends_the_sending() {
    let ended = frozen(
        one_by_one(1, Duration::from_secs(1)),
        "2026-11-27T16:00:00Z",
        "2026-11-27T18:00:00Z",
    )
    .clock("2026-11-27T17:30:00Z")
    .run("run night.yaml")
    .with_code(20);
    ended.with_nothing_sent().saying(&[
        "`freeze.yaml` of the workflow forbids it until 2026-11-27T18:00:00Z: cooling works",
    ]);

    let begins = "2026-11-27T18:02:00Z";
    let ended = frozen(
        one_by_one(12, Duration::from_secs(30)),
        begins,
        "2026-11-29T00:00:00Z",
    )
    .clock("2026-11-27T18:00:00Z")
    .run("run night.yaml")
    .with_code(30);
    let outcomes = ended.outcomes();
    assert_eq!(outcomes["stopped"] + outcomes["not_sent/policy"], 12);
    assert!(ended.stats.stops.iter().all(|stop| stop.at < at(begins)));
}

#[test]
fn closures_of_the_workflow_that_cannot_be_read_keep_the_window_closed() {
    let scenario = one_by_one(1, Duration::from_secs(1)).with("  freeze: [freeze.yaml]");
    let stage = scenario.clock(OPENS).start();
    let refused = |stage: &Stage, part: &str| {
        let ended = stage.run("run night.yaml").with_code(20);
        ended.with_nothing_sent().saying(&["freeze.yaml", part]);
    };
    refused(&stage, "cannot be found");
    stage.write("freeze.yaml", "version: 1\nclosures: never\n");
    refused(&stage, "is not understood");
    stage.write("freeze.yaml", "version: 1\nclosures: []\n");
    stage.run("run night.yaml").with_code(0);
}

#[test]
fn the_closures_of_a_run_that_is_taken_up_are_read_again_where_they_were() {
    let later = ("2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z");
    let closed = "version: 1\nclosures:\n  - { from: '2026-11-27T00:00:00Z', to: '2026-11-28T00:00:00Z', reason: works }\n";
    let crashed = || {
        let scenario = one_by_one(2, Duration::from_secs(1));
        left(frozen(scenario, later.0, later.1).clock(OPENS))
    };
    // A calendar that is gone, or does not hold what it held when the plan was made, counts as closed.
    for text in [Some(closed), None, Some("version: 1\nclosures: []\n")] {
        let stage = crashed();
        match text {
            Some(text) => stage.write("freeze.yaml", text),
            None => std::fs::remove_file(stage.path("freeze.yaml")).unwrap(),
        }
        stage
            .run("resume --send")
            .with_code(30)
            .with_outcomes(&[("stopped", 1), ("not_sent/policy", 1)]);
    }
    crashed().run("resume --send").with_code(0);
}

#[test]
fn a_rehearsal_tells_of_the_window_and_keeps_to_it_where_a_time_is_given() {
    let stage = one_by_one(12, Duration::from_secs(30))
        .clock("2026-11-27T22:00:00Z")
        .start();
    let told = "warning: a real run would be refused now: the window is closed";
    let ended = stage
        .run("rehearse night.yaml")
        .with_code(0)
        .saying(&[told]);
    assert_eq!(ended.report()["window"], Value::Null);
    let line = "rehearse night.yaml --at 2026-11-28T05:30";
    stage
        .run(line)
        .with_code(20)
        .saying(&["the window is closed"]);
    let line = "rehearse night.yaml --at 2026-11-28T04:13:00+08:00";
    let ended = stage.run(line).with_code(32);
    let stopped = ended.outcomes()["stopped"];
    assert!((1..12).contains(&stopped), "{stopped}");
    let began = at(ended.report()["started_at"].as_str().unwrap());
    let apart = began.duration_since(at("2026-11-27T20:13:00Z"));
    assert!(apart.as_secs() < 30, "{apart:#}");
    // So it does to policies.
    let policy = "version: 1\nmax_servers: 3\n";
    crate::freeze::write(&stage, "policy.yaml", policy, 0o644);
    let at_night = "rehearse night.yaml --policy policy.yaml --at 2026-11-28T01:00";
    stage.run(at_night).with_code(23);
    stage
        .run("rehearse night.yaml --policy policy.yaml")
        .with_code(0);
}

#[test]
fn a_status_tells_of_the_window() {
    let stage = left(one_by_one(2, Duration::from_secs(1)).clock(OPENS));
    let ended = stage.run("status").with_code(0);
    let told = "window: 2026-11-27T17:00:00Z to 2026-11-27T21:00:00Z, cutoff 2026-11-27T20:15:00Z (Asia/Singapore)";
    assert!(ended.out.contains(told), "{}", ended.out);
    let json: Value = serde_json::from_str(&stage.run("status --format json").out).unwrap();
    assert_eq!(json["window"]["cutoff"], "2026-11-27T20:15:00.000Z");
}
