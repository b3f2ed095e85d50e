//! The process is killed at every line of its journal, before it and after it, and taken up again.
//!
//! What must come of it is what came of a run that nobody disturbed. Invariant: the cloud outlives the
//! process, and its ledger is the judge.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::SignedDuration;
use lightsout::bms::StateClass;
use lightsout::event::{Event, Phase};
use lightsout::ids::ServerId;
use serde_json::{Value, json};

use crate::scenario::{Ended, Scenario, Stage, ids};

/// How many batches are under way together.
const IN_FLIGHT: usize = 3;
/// Scenarios that are played together: they wait more than they work.
const TOGETHER: usize = 14;
/// Who is off before the run begins.
const OFF: usize = 1;
/// Whose sub-job fails.
const FAILING: usize = 6;

/// Two groups of two waves with pauses, five batches; one server is off, and one sub-job fails.
fn scenario() -> Scenario {
    let servers = ids(10);
    let faults = json!({"servers": {
        "off": {"ids": [servers[OFF]]},
        "failing": {"ids": [servers[FAILING]]},
    }});
    Scenario::of_groups(&[("one", &servers[..6]), ("two", &servers[6..])])
        .with("rollout: { batch_size: 2, in_flight: 3, waves: [2, rest], soak: 10s }")
        .with("checks: { grace: 20s }\njobs: { poll: 5s, timeout: 1m }")
        // What a process that was killed often gives up is not to keep others from being tried.
        .bearing_failures()
        .faults(faults)
        .pace(30)
}

/// Outcome and reason of each server.
fn outcomes(report: &Value) -> BTreeMap<String, String> {
    let rows = report["servers"].as_array().unwrap().iter();
    let word = |row: &Value| match row["reason"].as_str() {
        Some(reason) => format!("{}/{reason}", row["outcome"].as_str().unwrap()),
        None => row["outcome"].as_str().unwrap().to_owned(),
    };
    rows.map(|row| (row["id"].as_str().unwrap().to_owned(), word(row)))
        .collect()
}

/// What comes of it if nobody disturbs.
fn undisturbed() -> BTreeMap<String, String> {
    let word = |place: usize| match place {
        OFF => "already_off",
        FAILING => "failed/job_failed",
        _ => "stopped",
    };
    let named = |(place, id): (usize, ServerId)| (id.to_string(), word(place).to_owned());
    ids(10).into_iter().enumerate().map(named).collect()
}

/// Whether what came of a server may be called the same.
fn same(undisturbed: &str, found: &str) -> bool {
    undisturbed == found
        || matches!(
            (undisturbed, found),
            ("stopped", "stopped/answer_lost") | ("failed/job_failed", "failed/still_on")
        )
}

/// The requests whose answer was lost and that were taken all the same.
fn lost_answers(report: &Value) -> usize {
    let rows = report["servers"].as_array().unwrap().iter();
    let lost = rows.filter(|row| row["reason"] == "answer_lost");
    let batches = lost.map(|row| row["batch"].as_u64().unwrap());
    batches.collect::<std::collections::BTreeSet<u64>>().len()
}

/// Everything that must hold at the end, however often the process died.
#[track_caller]
fn holds(case: &str, stage: &Stage, ended: &Ended, jobs: &[String], kills: usize) {
    let report = ended.report();
    let found = outcomes(report);
    let mut spent = 0;
    for (id, expected) in undisturbed() {
        let found = &found[&id];
        // Three intents that nobody knows the answer of are all that a server gets.
        let is_spent = kills > 2 && expected == "stopped" && found == "failed/still_on";
        spent += usize::from(is_spent);
        assert!(
            is_spent || same(&expected, found),
            "{case}: {id} is {found}, not {expected}\n{}",
            ended.err
        );
    }
    let told = report["job_ids"].as_array().unwrap();
    for job in jobs {
        assert!(told.contains(&json!(job)), "{case}: job {job} is lost");
    }
    let lost = lost_answers(report);
    assert!(lost <= IN_FLIGHT * kills, "{case}: {lost} answers lost");
    let accepted: Vec<u32> = stage.stats().accepted.values().copied().collect();
    assert_eq!(accepted, [1; 9][spent..], "{case}\n{}", ended.err);
    assert_eq!(ended.code, 30, "{case}");
}

/// Takes the run up again until its report is there.
#[track_caller]
fn taken_up(stage: &Stage) -> Ended {
    let begun = !stage.durable().is_empty();
    if !begun {
        // Nothing became durable, so nothing was sent, and there is nothing to resume.
        let refused = stage.run("resume").with_code(2);
        assert_eq!(refused.stats.stops, [], "{}", refused.err);
        return stage.run("run night.yaml");
    }
    if stage.knows(|event| matches!(event, Event::Finished)) {
        stage
            .run("resume")
            .with_code(2)
            .saying(&["no unfinished run"]);
        return stage.run(&format!("settle {}", stage.run_id()));
    }
    stage.run("resume")
}

/// Plays all cases, many together.
fn each<T: Sync>(cases: &[T], play: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    play(case);
                }
            });
        }
    });
}

fn points(lines: std::ops::Range<u64>) -> Vec<String> {
    let both = |line| [format!("before:{line}"), format!("after:{line}")];
    lines.flat_map(both).collect()
}

#[test]
fn a_run_killed_at_any_line_ends_as_if_nothing_had_happened() {
    let stage = scenario().start();
    let ended = stage.run("run night.yaml");
    holds("undisturbed", &stage, &ended, &stage.durable_jobs(), 0);
    let lines = stage.lines();
    assert!(lines > 8, "{lines} lines");

    let died = AtomicUsize::new(0);
    // How events share lines differs from run to run, so a few points may lie behind the end.
    each(&points(0..lines + 2), |point| {
        let stage = scenario().start();
        let Some(ended) = stage.crash("run night.yaml", point) else {
            died.fetch_add(1, Ordering::Relaxed);
            let jobs = stage.durable_jobs();
            let ended = taken_up(&stage);
            return holds(point, &stage, &ended, &jobs, 1);
        };
        holds(point, &stage, &ended, &stage.durable_jobs(), 0);
    });
    let died = died.into_inner();
    println!("crash matrix: {lines} lines, killed at {died} points");
    assert!(died as u64 >= lines, "killed at {died} points only");
}

#[test]
fn a_resume_killed_at_any_line_changes_nothing() {
    // Killed in the midst of the first group: intents without answers, jobs under way, targets to come.
    let firsts = ["after:1", "after:3"];
    let mut cases = Vec::new();
    for first in firsts {
        let seconds = points(0..14);
        cases.extend(seconds.into_iter().map(|second| (first, second)));
    }
    let died = Mutex::new(BTreeMap::<usize, usize>::new());
    each(&cases, |(first, second)| {
        let case = format!("{first}, then {second} of the resume");
        let stage = scenario().start();
        assert!(stage.crash("run night.yaml", first).is_none(), "{case}");
        let (mut jobs, mut kills) = (stage.durable_jobs(), 1);
        let (word, line) = second.split_once(':').unwrap();
        // Twice: the second resume is killed as early or as late as the first.
        for _ in 0..2 {
            let line = stage.lines() + line.parse::<u64>().unwrap();
            if stage
                .crash("resume --send", &format!("{word}:{line}"))
                .is_none()
            {
                kills += 1;
                jobs.extend(stage.durable_jobs());
            }
            if stage.knows(|event| matches!(event, Event::Finished)) {
                break;
            }
        }
        *died.lock().unwrap().entry(kills).or_default() += 1;
        let ended = taken_up(&stage);
        holds(&case, &stage, &ended, &jobs, kills);
    });
    let died = died.into_inner().unwrap();
    println!(
        "killed while resuming: {} cases, by number of kills: {died:?}",
        cases.len()
    );
    assert!(died.get(&3).is_some_and(|cases| *cases > 10), "{died:?}");
}

/// Makes the journal of the only run so much older.
fn age(stage: &Stage, by: SignedDuration) {
    crate::late::age(&stage.run_folder(), by);
}

/// A run that was killed when its first batch was accepted, and whose servers have gone off since.
fn left_behind() -> Stage {
    let stage = Scenario::new(&ids(4))
        .with("rollout: { batch_size: 2 }\nchecks: { grace: 20s }\njobs: { poll: 5s, timeout: 1m }")
        .bearing_failures()
        .pace(30)
        .start();
    assert!(stage.crash("run night.yaml", "after:answer").is_none());
    // The job that it began ends in the meantime.
    std::thread::sleep(std::time::Duration::from_millis(500));
    stage
}

#[test]
fn a_late_resume_does_not_stop_again_what_an_operator_started() {
    let stage = left_behind();
    age(&stage, SignedDuration::from_mins(16));
    assert!(stage.simulator().start_by_hand(ids(1)[0]));
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let ended = stage.run("resume").with_code(30);
    assert_eq!(ended.accepted_sizes(), [2]);
    assert_eq!(ended.server(ids(4)[0])["outcome"], "failed");
    assert_eq!(ended.server(ids(4)[0])["reason"], "still_on");
    assert_eq!(ended.server(ids(4)[1])["outcome"], "stopped");
    for unsent in &ids(4)[2..] {
        assert_eq!(ended.server(*unsent)["outcome"], "not_sent");
        assert_eq!(ended.server(*unsent)["reason"], "late");
    }
}

#[test]
fn a_late_resume_settles_an_intent_without_sending_it_again() {
    let stage = Scenario::new(&ids(2))
        .with("checks: { grace: 20s }\njobs: { poll: 5s, timeout: 1m }")
        .pace(30)
        .start();
    assert!(stage.crash("run night.yaml", "after:intent").is_none());
    age(&stage, SignedDuration::from_mins(16));
    let ended = stage.run("resume").with_code(30);
    assert_eq!(ended.stats.stops, []);
    assert_eq!(ended.outcomes()["failed/still_on"], 2);
}

#[test]
fn an_early_resume_or_one_that_is_told_to_goes_on_sending() {
    for (minutes, line) in [(14, "resume"), (16, "resume --send")] {
        let stage = left_behind();
        age(&stage, SignedDuration::from_mins(minutes));
        let ended = stage
            .run(line)
            .with_code(0)
            .with_outcomes(&[("stopped", 4)]);
        assert_eq!(ended.accepted_sizes(), [2, 2]);
        assert_eq!(ended.report()["resumed"], 1);
    }
}

#[test]
fn a_server_started_by_hand_is_not_stopped_again_by_an_early_resume_either() {
    // Its stop was accepted and followed by its job: what happens to it afterwards is not the run's.
    let stage = left_behind();
    assert!(stage.simulator().start_by_hand(ids(1)[0]));
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let ended = stage.run("resume").with_code(30);
    assert_eq!(ended.accepted_sizes(), [2, 2]);
    assert_eq!(ended.outcomes()["failed/still_on"], 1);
    assert!(ended.stats.accepted.values().all(|times| *times == 1));
}

#[test]
fn what_showed_once_that_a_lost_request_was_taken_is_not_forgotten() {
    // The sub-job of the only server, or of one of two, fails, so it is on again when the run goes on.
    for count in [1, 2] {
        let failing = json!({"failing": {"ids": [ids(2)[0]]}});
        let lost = json!({"stop": [{"fault": "reset", "accepted": true, "first": 1}]});
        let stage = Scenario::new(&ids(count))
            .with("checks: { grace: 20s }\njobs: { poll: 2s, timeout: 1m }")
            .faults(json!({"servers": failing, "calls": lost}))
            .pace(30)
            .start();
        let mut running = stage.spawn("run night.yaml");
        running.until("a server seen stopping", |stage| {
            stage.knows(|event| {
                let Event::Observed { phase, states, .. } = event else {
                    return false;
                };
                let mut states = states.iter().map(|(state, _)| *state);
                *phase == Phase::After && states.any(|state| state == StateClass::Stopping)
            })
        });
        running.kill();
        std::thread::sleep(std::time::Duration::from_millis(500));
        let ended = stage.run("resume").with_code(30);
        assert_eq!(ended.stats.stops.len(), 1, "sent again: {}", ended.err);
        assert_eq!(ended.server(ids(2)[0])["reason"], "still_on");
        assert_eq!(ended.total("stopped"), u64::from(count) - 1);
    }
}
