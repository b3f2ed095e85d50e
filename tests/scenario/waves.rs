//! Waves, the pauses between them, and how far a run goes when servers fail.
//!
//! Owns what an operator sees of design §9 through the real program. Invariant: the cloud's own order of
//! requests is the judge of what was sent when.

use std::time::Duration;

use lightsout::event::Event;
use lightsout::ids::ServerId;
use lightsout::simulator::{Handled, Stats};
use serde_json::{Value, json};

use crate::scenario::{Ended, Scenario, Stage, at_once, ids};

/// A group of so many servers with these settings for all of it.
fn fleet(count: u32, rollout: &str) -> Scenario {
    Scenario::new(&ids(count)).with(&format!(
        "guards: {{ max_servers: 10000 }}\nrollout: {{ {rollout} }}"
    ))
}

/// The servers at these places fail when they are stopped.
fn failing(places: &[usize], count: u32) -> Value {
    let servers: Vec<ServerId> = places.iter().map(|place| ids(count)[*place]).collect();
    json!({"servers": {"failing": {"ids": servers}}})
}

/// Seconds from the end of the jobs before to each stop request.
fn gaps(stats: &Stats) -> Vec<i64> {
    let stops = stats.stops.windows(2);
    stops
        .map(|pair| pair[1].at.duration_since(pair[0].at).as_secs())
        .collect()
}

fn waves_of(ended: &Ended) -> Vec<(u64, u64)> {
    let batches = ended.report()["batches"].as_array().unwrap().iter();
    batches
        .map(|batch| {
            (
                batch["wave"].as_u64().unwrap(),
                batch["size"].as_u64().unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_fleet_goes_wave_by_wave_with_pauses_in_between() {
    let ended = fleet(30, "waves: [1, 10%, rest], soak: 2m, batch_size: 20")
        .pace(60)
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped", 30)])
        .saying(&[
            "group canary, wave 1 of 3 begins: 1 target in 1 batch",
            "group canary, wave 1 of 3 is settled; waiting 2m before",
            "group canary, wave 3 of 3 begins: 26 targets in 2 batches",
        ]);
    assert_eq!(ended.accepted_sizes(), [1, 3, 20, 6]);
    assert_eq!(waves_of(&ended), [(0, 1), (1, 3), (2, 20), (2, 6)]);
    let gaps = gaps(&ended.stats);
    assert!(gaps[0] >= 122 && gaps[1] >= 122, "{gaps:?}");
    assert!(gaps[2] < 60, "no pause within a wave: {gaps:?}");
}

#[test]
fn a_failure_in_the_canary_leaves_everybody_else_alone() {
    let ended = fleet(
        30,
        "waves: [1, 10%, rest], soak: 2m, in_flight: 4, batch_size: 2",
    )
    .faults(failing(&[0], 30))
    .run("run night.yaml")
    .with_code(31)
    .saying(&["more targets failed, or are unknown, than are borne \
         (1 failed or unknown when the sending stopped, 0 borne)"]);
    assert_eq!(ended.report()["warnings"][0]["code"], "max-failures");
    assert_eq!(ended.stats.accepted.len(), 1, "exactly one server was sent");
    assert_eq!(ended.accepted_sizes(), [1]);
    assert_eq!(ended.outcomes()["failed/job_failed"], 1);
    assert_eq!(ended.outcomes()["not_sent/max_failures"], 29);
    assert_eq!(ended.report()["outcome"], "stopped_early");
    assert_eq!(ended.report()["exit_code"], 31);
    assert!(!ended.err.contains("waiting 2m"), "no pause after the end");
}

#[expect(clippy::print_stdout, reason = "the proof is shown with --nocapture")]
/// Where the failures told so far first pass `borne`, and the power requests before and after that.
fn around_the_limit(limit: &str, stats: &Stats, borne: usize) -> (usize, usize) {
    println!("max_failures: {limit}, the order in which the cloud handled requests:");
    let (mut told, mut before, mut after) = (0, 0, 0);
    for step in &stats.order {
        let passed = told > borne;
        match step {
            Handled::Power { size } => {
                *(if passed { &mut after } else { &mut before }) += 1;
                println!("  stop request for {size} servers");
            }
            Handled::Job { failed, .. } => {
                told += failed;
                let now = told > borne && !passed;
                let note = if now { " <- passes the limit" } else { "" };
                println!("  job told: {failed} failed, {told} in all of {borne} borne{note}");
            }
        }
    }
    (before, after)
}

#[test]
fn nothing_is_sent_after_the_failure_that_passes_the_limit() {
    // Every batch of four has one that fails, and three are under way together: they end together, so that the
    // failure that passes a limit of three or six is told a job's time after the last request was allowed.
    let every_fourth: Vec<usize> = (0..40).step_by(4).collect();
    for (limit, borne) in [("3", 3), ("15%", 6), ("0", 0)] {
        let ended = fleet(
            40,
            &format!("batch_size: 4, in_flight: 3, max_failures: {limit}"),
        )
        .with("checks: { before: false, after: false }")
        .faults(failing(&every_fourth, 40))
        .pace(10)
        .run("run night.yaml")
        .with_code(31);
        let (before, after) = around_the_limit(limit, &ended.stats, borne);
        assert_eq!(after, 0, "sent after the limit was passed");
        let most = borne + 3;
        assert!((borne + 1..=most).contains(&before), "{before} requests");
        let failed = ended.outcomes()["failed/job_failed"];
        assert_eq!(failed, before, "what was in flight is finished and told");
        assert_eq!(ended.outcomes()["not_sent/max_failures"], 40 - 4 * before);
    }
}

#[test]
fn a_limit_that_is_not_passed_stops_nobody() {
    for (limit, failures) in [("2", 2), ("10%", 1), ("100%", 12)] {
        let places: Vec<usize> = (0..failures).collect();
        let ended = fleet(12, &format!("batch_size: 3, max_failures: {limit}"))
            .faults(failing(&places, 12))
            .run("run night.yaml")
            .with_code(30);
        assert_eq!(ended.outcomes()["failed/job_failed"], failures);
        assert_eq!(ended.stats.accepted.len(), 12);
    }
}

#[test]
fn where_all_fails_no_more_are_hit_than_the_plan_says() {
    let rollouts = [
        ("batch_size: 2, in_flight: 3, max_failures: 2", 8),
        ("batch_size: 2, in_flight: 3, max_failures: 0", 6),
        ("batch_size: 1, in_flight: 1, max_failures: 25%", 4),
        ("waves: [1, 2, rest], batch_size: 4, max_failures: 1", 3),
    ];
    at_once(&rollouts, |(rollout, hit)| {
        let all: Vec<usize> = (0..12).collect();
        let stage = fleet(12, rollout)
            .faults(failing(&all, 12))
            .pace(10)
            .start();
        let plan = stage.run("plan night.yaml").with_code(0).out;
        let waves = plan.split_once("hit if all fail").unwrap().1;
        let first = waves.lines().nth(1).unwrap().split_whitespace();
        let said: usize = first.last().unwrap().parse().unwrap();
        assert_eq!(said, *hit, "{waves}");
        let ended = stage.run("run night.yaml").with_code(31);
        assert!(
            (1..=said).contains(&ended.stats.accepted.len()),
            "{}",
            ended.err
        );
    });
}

#[test]
fn what_is_unknown_counts_as_what_failed() {
    let ended = fleet(6, "batch_size: 2, max_failures: 1, retry_for: 20s")
        .with("jobs: { timeout: 20s, poll: 5s }\nchecks: { after: false }")
        .faults(json!({"servers": {"stuck": {"ids": &ids(2)}}}))
        .pace(60)
        .run("run night.yaml")
        .with_code(33);
    assert_eq!(ended.accepted_sizes(), [2]);
    assert_eq!(ended.outcomes()["unknown/job_unfinished"], 2);
    assert_eq!(ended.outcomes()["not_sent/max_failures"], 4);
}

#[test]
fn failures_before_the_first_request_mean_that_nothing_was_sent() {
    let missing = json!({"servers": {"missing": {"ids": &ids(4)[..1]}}});
    let ended = fleet(4, "waves: [1, rest]")
        .faults(missing)
        .run("run night.yaml")
        .with_code(20)
        .with_nothing_sent();
    assert_eq!(ended.outcomes()["failed/missing"], 1);
    assert_eq!(ended.outcomes()["not_sent/max_failures"], 3);
}

/// A run in the pause after its canary, of which nothing else is durable.
fn in_a_soak(pace: u32) -> Stage {
    fleet(4, "waves: [1, rest], soak: 10m").pace(pace).start()
}

fn soaks(event: &Event) -> bool {
    matches!(event, Event::Soaking { .. })
}

#[test]
fn a_signal_in_a_pause_ends_it_at_once_and_a_resume_waits_for_what_is_left() {
    at_once(&["TERM", "INT"], |signal| {
        let stage = in_a_soak(60);
        let mut running = stage.spawn("run night.yaml");
        running.until("the pause", |stage| stage.knows(soaks));
        let status = stage.command("status latest").output().unwrap();
        let status = String::from_utf8(status.stdout).unwrap();
        assert!(status.contains("pause: after wave 1 of canary"), "{status}");
        assert!(
            status.contains("canary, wave 1 of 2: 1 stopped"),
            "{status}"
        );
        running.signal(signal);
        let (ended, took) = running.ended();
        assert!(took < Duration::from_secs(5), "{took:?}");
        let ended = ended.with_code(34);
        assert_eq!(ended.accepted_sizes(), [1]);
        let ended = stage
            .run("resume")
            .with_code(0)
            .with_outcomes(&[("stopped", 4)]);
        assert_eq!(ended.accepted_sizes(), [1, 3]);
        assert_pause_kept(&ended, 600);
    });
}

/// The pause counts from the end of the wave, whichever process waited for it. The compressed clocks of two processes and of
/// the API differ by the time that each took to start: at most a minute.
fn assert_pause_kept(ended: &Ended, soak: i64) {
    let gap = gaps(&ended.stats)[0];
    assert!(
        (soak - 60..soak + 300).contains(&gap),
        "{gap} seconds apart"
    );
}

#[test]
fn a_crash_in_a_pause_does_not_make_it_any_shorter() {
    let stage = in_a_soak(60);
    let mut running = stage.spawn("run night.yaml");
    running.until("the pause", |stage| stage.knows(soaks));
    running.kill();
    let ended = stage
        .run("resume")
        .with_code(0)
        .with_outcomes(&[("stopped", 4)]);
    assert_eq!(ended.accepted_sizes(), [1, 3]);
    assert_pause_kept(&ended, 600);
    assert!(ended.err.contains("is settled; waiting "), "{}", ended.err);
}

/// A run of four servers that is killed a quarter of an hour after it last had anything to tell, and is taken
/// up at once.
fn taken_up_out_of_a_silence(scenario: Scenario) -> Ended {
    let stage = scenario.clock("2026-11-27T17:00:00Z").pace(100).start();
    let mut running = stage.spawn("run night.yaml");
    running.until("ten minutes", |stage| {
        stage.knows(|event| *event == Event::StillRunning)
    });
    // Six minutes more: whatever began, it began more than a quarter of an hour ago.
    std::thread::sleep(Duration::from_millis(3600));
    running.kill();
    let ended = stage.run("resume").with_code(0);
    ended.with_outcomes(&[("stopped", 4)])
}

#[test]
fn a_crash_late_in_a_long_pause_does_not_make_the_run_late() {
    let ended = taken_up_out_of_a_silence(fleet(4, "waves: [1, rest], soak: 25m"));
    assert_eq!(ended.accepted_sizes(), [1, 3]);
    assert_pause_kept(&ended, 25 * 60);
}

#[test]
fn a_crash_late_in_a_long_job_does_not_make_the_run_late() {
    let scenario = fleet(4, "batch_size: 2")
        .with("jobs: { timeout: 1h }")
        .settings(|cloud| cloud.job_duration = Duration::from_secs(25 * 60));
    let ended = taken_up_out_of_a_silence(scenario);
    assert_eq!(ended.accepted_sizes(), [2, 2]);
}

#[test]
fn the_stop_switch_ends_a_pause() {
    let stage = in_a_soak(60);
    let mut running = stage.spawn("run night.yaml");
    running.until("the pause", |stage| stage.knows(soaks));
    let halted = stage.command("halt --reason storm").status().unwrap();
    assert!(halted.success());
    let (ended, took) = running.ended();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(ended.with_code(34).accepted_sizes(), [1]);
}

#[test]
fn a_limit_that_was_passed_before_a_crash_holds_after_it() {
    let stage = fleet(6, "waves: [2, rest], batch_size: 1")
        .faults(failing(&[0], 6))
        .start();
    let mut running = stage.spawn("run night.yaml");
    running.until("a failure", |stage| {
        stage.knows(|event| matches!(event, Event::Settled { .. }))
    });
    running.kill();
    if stage.knows(|event| matches!(event, Event::Finished)) {
        return; // it was too quick to be caught
    }
    let ended = stage.run("resume --send").with_code(31);
    assert_eq!(ended.accepted_sizes(), [1]);
    assert_eq!(ended.outcomes()["not_sent/max_failures"], 5);
}

#[test]
fn a_wave_that_is_left_out_is_neither_waited_for_nor_counted() {
    let stage = fleet(12, "waves: [2, rest], soak: 30m, max_failures: 10%")
        .file("out.txt", format!("{}\n{}\n", ids(12)[0], ids(12)[1]))
        .faults(failing(&[2, 3], 12))
        .start();
    let ended = stage.run("run night.yaml --exclude out.txt").with_code(30);
    assert!(!ended.err.contains("waiting 30m"), "{}", ended.err);
    // Two of ten have failed; with those left out it would have been two of twelve, and one is borne.
    assert_eq!(ended.outcomes()["failed/job_failed"], 2);
    assert_eq!(ended.outcomes()["skipped/narrowed"], 2);
}

#[test]
fn the_way_back_goes_in_the_same_waves_and_no_failure_bars_it() {
    let stage = fleet(6, "waves: [2, 50%], soak: 5m, batch_size: 2")
        .pace(60)
        .start();
    stage.run("run night.yaml").with_code(0);
    let back = stage
        .run(&format!("undo {} --dry-run", stage.run_id()))
        .with_code(0);
    let told = back.out + &back.err;
    assert!(told.contains("no limit on the way back"), "{told}");
    let ended = stage
        .run(&format!("undo {} --yes", stage.run_id()))
        .with_code(0);
    assert_eq!(waves_of(&ended), [(0, 2), (1, 2), (1, 1), (2, 1)]);
    let starts = ended.stats.starts.windows(2);
    let gaps: Vec<i64> = starts
        .map(|pair| pair[1].at.duration_since(pair[0].at).as_secs())
        .collect();
    assert!(
        gaps[0] >= 300 && gaps[1] < 300 && gaps[2] >= 300,
        "{gaps:?}"
    );
}

#[test]
fn a_wait_for_another_try_ends_when_too_many_have_failed() {
    // One of two requests is told to come back in five minutes; in both a server fails.
    let mut faults = failing(&[0, 2], 4);
    faults["calls"] = json!({"stop": [{"fault": "throttle", "retry_after": "5m", "only": 2}]});
    let ended = fleet(4, "batch_size: 2, in_flight: 2, max_failures: 0")
        .faults(faults)
        .run("run night.yaml")
        .with_code(31);
    assert_eq!(ended.outcomes()["not_sent/max_failures"], 2);
    let began = ended.report()["started_at"].as_str().unwrap();
    let over = ended.report()["finished_at"].as_str().unwrap();
    let [began, over] = [began, over].map(|at| at.parse::<jiff::Timestamp>().unwrap());
    let took = over.duration_since(began).as_secs();
    assert!(took < 200, "{took} seconds, though nothing was left to do");
}
