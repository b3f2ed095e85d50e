//! Late runs: left, or standing still, for over 15 minutes, and resumed by the next process.
//!
//! Invariant: a run that was late sends nothing without `--send` outside its own window, and never a server of a
//! request that was, or may have been, accepted; however often somebody interrupted those who resumed it.

use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use lightsout::event::{Event, Stamped};
use lightsout::journal::{self, Journal, Terms};
use serde_json::{Value, json};

use crate::process::Running;
use crate::scenario::{Ended, Scenario, TOKEN, at_once, ids};
use crate::undo::{stopped, undo_folder};
use crate::windows::WEEKLY;

/// Makes a journal so much older, or younger.
pub(crate) fn age(run: &Path, by: SignedDuration) {
    let path = run.join("journal.jsonl");
    let replayed = journal::replay(&std::fs::read(&path).unwrap()).unwrap();
    std::fs::remove_file(&path).unwrap();
    let journal = Journal::create(&path, Terms::default()).unwrap();
    for Stamped { at, event } in replayed.events {
        let at = at - by;
        journal.append(vec![Stamped { at, event }]);
    }
}

const EIGHT_HOURS: SignedDuration = SignedDuration::from_hours(8);

/// Four servers in two batches.
fn scenario() -> Scenario {
    Scenario::new(&ids(4))
        .with("rollout: { batch_size: 2 }\nchecks: { grace: 60s }\njobs: { poll: 5s, timeout: 2m }")
        .bearing_failures()
        .pace(30)
}

/// A cloud whose first stop request goes wrong.
fn once(mut fault: Value) -> Value {
    fault["first"] = json!(1);
    json!({ "calls": { "stop": [fault] } })
}

/// Takes the request, and never answers.
fn unanswered() -> Value {
    json!({ "fault": "hang", "accepted": true })
}

/// How often the run of this folder was resumed.
fn resumed(folder: &Path) -> usize {
    let bytes = std::fs::read(folder.join("journal.jsonl")).unwrap_or_default();
    let events = journal::replay(&bytes).map_or(Vec::new(), |replayed| replayed.events);
    let like = |stamped: &&Stamped| matches!(stamped.event, Event::Resumed { .. });
    events.iter().filter(like).count()
}

/// Interrupts a process as soon as it has resumed the run of this folder.
#[track_caller]
fn interrupt(mut running: Running<'_>, folder: &Path, signal: &str) {
    let before = resumed(folder);
    running.until("resumed", |_| resumed(folder) > before);
    if signal == "KILL" {
        running.kill();
    } else {
        running.signal(signal);
        running.output();
    }
}

#[test]
fn a_late_run_sends_nothing_however_often_those_who_resume_it_are_interrupted() {
    let lines = ["resume", "settle", "run night.yaml"];
    let cases: Vec<(&str, &str)> = lines
        .iter()
        .flat_map(|line| ["INT", "TERM", "KILL"].map(|signal| (*line, signal)))
        .collect();
    at_once(&cases, |(line, signal)| {
        let stage = scenario().faults(once(unanswered())).start();
        let mut running = stage.spawn("run night.yaml");
        running.until("accepted", |stage| !stage.stats().accepted.is_empty());
        running.kill();
        // The two servers went off; by the next morning somebody has started them again.
        std::thread::sleep(Duration::from_millis(300));
        assert!(ids(2).iter().all(|id| stage.simulator().start_by_hand(*id)));
        std::thread::sleep(Duration::from_millis(1500));
        let folder = stage.run_folder();
        age(&folder, EIGHT_HOURS);
        interrupt(stage.spawn(line), &folder, signal);
        let ended = stage.run("resume");
        assert_eq!(
            ended.stats.stops.len(),
            1,
            "{line}, {signal}: {}",
            ended.err
        );
        let ended = ended.with_code(30);
        ended.with_outcomes(&[("failed/still_on", 2), ("not_sent/late", 2)]);
    });
}

#[test]
fn a_late_undo_starts_nothing_twice_however_often_it_is_interrupted() {
    let cases = ["INT", "TERM", "KILL"].map(|signal| ("resume", signal));
    let cases = [
        &cases[..],
        &[("settle", "TERM"), ("run night.yaml", "KILL")],
    ]
    .concat();
    at_once(&cases, |(line, signal)| {
        // The first request of the undo is the third one of all.
        let mut fault = unanswered();
        fault["only"] = json!(3);
        let faults = json!({ "calls": { "stop": [fault] } });
        let (stage, run) = stopped(scenario().faults(faults));
        let mut running = stage.spawn(&format!("undo {run}"));
        running.until("accepted", |stage| !stage.stats().started.is_empty());
        running.kill();
        std::thread::sleep(Duration::from_millis(300));
        assert!(ids(2).iter().all(|id| stage.simulator().stop_by_hand(*id)));
        std::thread::sleep(Duration::from_millis(1500));
        let folder = undo_folder(&stage, &run).unwrap();
        age(&folder, EIGHT_HOURS);
        interrupt(stage.spawn(line), &folder, signal);
        let undo = folder.file_name().unwrap().to_str().unwrap();
        let ended = stage.run(&format!("resume {undo}"));
        assert_eq!(
            ended.stats.starts.len(),
            1,
            "{line}, {signal}: {}",
            ended.err
        );
        assert_eq!(ended.code, 30, "{line}, {signal}: {}", ended.err);
    });
}

#[test]
fn once_late_only_what_was_in_no_request_that_may_have_been_accepted_is_sent() {
    let throttled = json!({ "fault": "throttle", "retry_after": "2m" });
    let error = json!({ "fault": "error", "status": 500 });
    let gave_up = [("failed/still_on", 2), ("stopped", 2)];
    let cases = [
        (json!({}), "after:intent", &gave_up[..], 30),
        (once(error), "after:answer", &gave_up[..], 30),
        (once(throttled), "after:answer", &[("stopped", 4)][..], 0),
    ];
    at_once(&cases, |(faults, point, outcomes, code)| {
        let stage = scenario().faults(faults.clone()).start();
        assert!(stage.crash("run night.yaml", point).is_none());
        age(&stage.run_folder(), EIGHT_HOURS);
        let ended = stage.run("resume --send").with_code(*code);
        ended.with_outcomes(outcomes);
    });
}

#[test]
fn in_its_own_window_a_late_run_goes_on_but_sends_no_intent_again() {
    let stage = scenario()
        .with(WEEKLY)
        .clock("2026-11-27T18:00:00Z")
        .start();
    assert!(stage.crash("run night.yaml", "after:intent").is_none());
    age(&stage.run_folder(), SignedDuration::from_mins(30));
    let ended = stage.run("resume").with_code(30);
    ended.with_outcomes(&[("failed/still_on", 2), ("stopped", 2)]);
}

#[test]
fn a_last_record_from_the_future_is_late() {
    for (minutes, outcomes) in [
        (-4, &[("stopped", 4)][..]),
        (-7, &[("failed/still_on", 2), ("not_sent/late", 2)]),
        (14 * 60, &[("failed/still_on", 2), ("not_sent/late", 2)]),
    ] {
        let stage = scenario().start();
        assert!(stage.crash("run night.yaml", "after:intent").is_none());
        age(&stage.run_folder(), SignedDuration::from_mins(minutes));
        stage.run("resume").with_outcomes(outcomes);
    }
}

#[test]
fn a_late_resume_warns_and_names_the_run_of_the_rest() {
    let stage = scenario().start();
    assert!(stage.crash("run night.yaml", "after:answer").is_none());
    let run = stage.run_id();
    age(&stage.run_folder(), EIGHT_HOURS);
    let ended = stage.run("resume").with_code(30).saying(&[
        &format!("warning: run {run} is late: its last record is of 20"),
        "2 servers will be `not_sent`, and this finishes the run",
        &format!("lightsout resume {run} --send"),
    ]);
    let next = ended.report()["next"].as_str().unwrap();
    assert_eq!(next, "lightsout run night.yaml --remaining");
    // It is what stops the rest, and only that.
    let ended = stage.run(next.strip_prefix("lightsout ").unwrap());
    let ended = ended.with_code(0);
    ended.with_outcomes(&[("stopped", 2), ("skipped/narrowed", 2)]);
}

#[test]
fn a_late_run_that_never_sent_anything_may_be_run_another_time() {
    let stage = scenario().start();
    assert!(stage.crash("run night.yaml", "after:0").is_none());
    age(&stage.run_folder(), EIGHT_HOURS);
    let ended = stage.run("resume").with_code(20).with_nothing_sent();
    ended.with_outcomes(&[("not_sent/late", 4)]);
}

/// The servers one by one, each by a job of five minutes.
fn slowly() -> Scenario {
    Scenario::new(&ids(3))
        .with(
            "rollout: { batch_size: 1 }\nchecks: { grace: 20s }\njobs: { poll: 5s, timeout: 15m }",
        )
        .settings(|cloud| cloud.job_duration = Duration::from_secs(300))
        .without_keys()
        .variable("OS_AUTH_TOKEN", TOKEN)
        .clock("2026-11-28T01:00:00Z")
        .pace(40)
}

#[track_caller]
fn sent_one(ended: Ended) {
    let ended = ended.with_code(30);
    assert_eq!(ended.stats.stops.len(), 1, "{}", ended.err);
    assert_eq!(
        ended.report()["next"],
        "lightsout run night.yaml --remaining"
    );
    ended.with_outcomes(&[("stopped", 1), ("not_sent/late", 2)]);
}

/// A machine that is suspended, while its date shows nothing of it.
fn hidden(time: &str) -> String {
    format!(",sleep:{time}@3m,jump:-{time}@3m")
}

#[test]
fn a_machine_that_was_suspended_is_late_also_where_its_date_hides_it() {
    sent_one(slowly().jumps(&hidden("20m")).run("run night.yaml"));
}

#[test]
fn a_machine_whose_date_shows_that_time_has_passed_sends_nothing_more() {
    // Suspended, or a virtual machine that was paused; the cloud's date tells the same.
    at_once(&[",sleep:20m@3m", ",jump:+20m@3m"], |jumps| {
        let scenario = slowly().jumps(jumps).cloud_jumps(",jump:+20m@3m");
        let ended = scenario.run("run night.yaml").with_code(30);
        assert_eq!(ended.stats.stops.len(), 1, "{}", ended.err);
        // While the two jump a moment apart, the clocks differ.
        let found: usize = ["not_sent/late", "not_sent/clock"]
            .iter()
            .filter_map(|name| ended.outcomes().get(*name).copied())
            .sum();
        assert_eq!(found, 2, "{}", ended.err);
    });
}

#[test]
fn a_short_suspension_is_none() {
    let ended = slowly().jumps(&hidden("8m")).run("run night.yaml");
    ended.with_code(0).with_outcomes(&[("stopped", 3)]);
}

#[test]
fn a_process_that_was_stopped_is_late_when_it_goes_on() {
    let stage = slowly().pace(100).start();
    let mut running = stage.spawn("run night.yaml");
    running.until("accepted", |stage| {
        stage.knows(|event| matches!(event, Event::SendAnswered { .. }))
    });
    running.signal("STOP");
    std::thread::sleep(Duration::from_secs(10));
    running.signal("CONT");
    sent_one(running.ended().0);
}

#[test]
fn a_clock_that_was_set_back_between_two_processes_hides_no_gap() {
    let mut stage = slowly().start();
    assert!(stage.crash("run night.yaml", "after:answer").is_none());
    stage.jumps(",sleep:20m@0s,jump:-20m@0s");
    sent_one(stage.run("resume"));
}

#[test]
fn who_wanted_to_send_late_wanted_it_before_the_machine_was_suspended() {
    let mut stage = slowly().start();
    assert!(stage.crash("run night.yaml", "after:0").is_none());
    age(&stage.run_folder(), EIGHT_HOURS);
    stage.jumps(&hidden("20m"));
    sent_one(stage.run("resume --send"));
}
