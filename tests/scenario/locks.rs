//! Two runs of one project: the second is refused, or settles what the first left behind.
//!
//! Invariant: the lock dies with its process, whatever way that dies.

use std::path::Path;
use std::time::Duration;

use lightsout::event::{Event, SendAnswer};
use serde_json::{Value, json};

use crate::process::{Running, now};
use crate::scenario::{Scenario, Stage, ids};

/// How fast a refusal must be, even on a busy machine; what it takes is printed.
const GENEROUS: Duration = Duration::from_secs(3);

/// Two workflow files for the same servers, `night.yaml` and `other.yaml`, and slow jobs.
fn stage() -> Stage {
    let stage = Scenario::new(&ids(4))
        .with("rollout: { batch_size: 2 }\nchecks: { grace: 30s }\njobs: { poll: 5s }")
        .settings(|cloud| cloud.job_duration = Duration::from_secs(40))
        .pace(40)
        .start();
    let text = stage
        .read("night.yaml")
        .replace("name: night", "name: other");
    // The region is another word for the endpoint, so this is the same project.
    let text = text.replace("stop_type:", "region: eu-x\nstop_type:");
    stage.write("other.yaml", text);
    stage
}

fn accepted(event: &Event) -> bool {
    matches!(
        event,
        Event::SendAnswered {
            answer: SendAnswer::Accepted { .. },
            ..
        }
    )
}

#[test]
fn a_second_run_of_the_project_is_refused_at_once_and_names_the_first() {
    let stage = stage();
    let mut first = stage.spawn("run night.yaml");
    first.until("an answer", |stage| stage.knows(accepted));
    let (run, process) = (stage.run_id(), first.id().to_string());
    let lines = [
        "run night.yaml",
        "run other.yaml",
        &format!("resume {run}"),
        &format!("settle {run}"),
        "resume",
    ];
    for line in lines {
        let began = now();
        let output = stage.command(line).output().unwrap();
        let took = began.elapsed();
        println!("{line}: refused after {} ms", took.as_millis());
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(21), "{line}: {err}");
        assert!(took < GENEROUS, "{line}: {took:?}");
        let host = rustix::system::uname();
        let host = host.nodename().to_str().unwrap().to_owned();
        for part in [&run, &process, &host] {
            assert!(err.contains(part.as_str()), "no {part} in {err}");
        }
    }
    let (ended, _) = first.ended();
    ended.with_code(0).with_outcomes(&[("stopped", 4)]);
    assert_eq!(stage.run_folders().len(), 1);
}

#[test]
fn the_run_after_a_killed_one_settles_it_and_goes_on() {
    for next in ["night.yaml", "other.yaml"] {
        let stage = stage();
        let mut first = stage.spawn("run night.yaml");
        first.until("an answer", |stage| stage.knows(accepted));
        let run = stage.run_id();
        first.kill();
        let ended = stage
            .run(&format!("run {next}"))
            .with_code(0)
            .saying(&[&format!("the earlier run {run}"), "settling it"]);
        assert_eq!(ended.reports.len(), 2);
        let is_first = |report: &&Value| report["run_id"] == run;
        let settled = ended.reports.iter().find(is_first).unwrap();
        let own = ended
            .reports
            .iter()
            .find(|report| !is_first(report))
            .unwrap();
        assert_eq!(settled["exit_code"], 30);
        assert_eq!(settled["totals"]["stopped"], 2, "{}", ended.err);
        assert_eq!(settled["totals"]["not_sent"], 2);
        assert_eq!(own["totals"]["already_off"], 2);
        assert_eq!(own["totals"]["stopped"], 2);
        assert_eq!(ended.accepted_sizes(), [2, 2]);
    }
}

#[test]
fn a_signal_while_an_earlier_run_is_settled_begins_nothing() {
    let stage = stage();
    let mut first = stage.spawn("run night.yaml");
    first.until("an answer", |stage| stage.knows(accepted));
    let run = stage.run_id();
    first.kill();
    let mut next = stage.spawn("run other.yaml");
    next.until("the earlier run taken up", |stage| {
        stage.knows(|event| matches!(event, Event::Resumed { .. }))
    });
    next.signal("TERM");
    let output = next.output();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(24), "{err}");
    let told = format!("interrupted while the earlier run {run} of this project was settled");
    assert!(err.contains(&told), "{err}");
    assert_eq!(stage.run_folders().len(), 1);
    assert_eq!(stage.stats().accepted.len(), 2);
    let ended = stage.run("run other.yaml").with_code(0);
    assert_eq!(ended.accepted_sizes(), [2, 2]);
}

#[test]
fn a_run_killed_before_anything_was_durable_is_in_nobodys_way() {
    let stage = stage();
    assert!(stage.crash("run night.yaml", "before:0").is_none());
    stage.run("run night.yaml").with_code(0);
}

#[test]
fn an_earlier_run_that_cannot_be_settled_is_named() {
    let stage = stage();
    let mut first = stage.spawn("run night.yaml");
    first.until("an answer", |stage| stage.knows(accepted));
    let run = stage.run_id();
    first.kill();
    let journal = stage.run_folder().join("journal.jsonl");
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    let ended = stage.run("run other.yaml").with_code(21);
    let ended = ended.saying(&[
        &run,
        "cannot be read",
        "line 1 of the journal is damaged",
        &format!("`lightsout runs quarantine {run}`"),
    ]);
    assert_eq!(ended.accepted_sizes(), [2]);
}

#[test]
fn another_project_is_not_excluded() {
    let (one, other) = (stage(), stage());
    let mut first = one.spawn("run night.yaml");
    first.until("an answer", |stage| stage.knows(accepted));
    let mut command = other.command("run night.yaml");
    let output = command
        .env("LIGHTSOUT_STATE_DIR", one.path("state"))
        .output();
    let output = output.unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(!err.contains("settling"), "{err}");
    assert_eq!(other.stats().accepted.len(), 4);
    drop(first);
}

/// Ends a run whose lock or journal a test has spoiled: it writes no report, and tells its jobs.
fn ended_without_a_word(stage: &Stage, running: Running<'_>, told: &str) {
    let journal = stage.run_folder().join("journal.jsonl");
    let before = std::fs::read(&journal).ok();
    let jobs = stage.stats().jobs.len();
    stage.crashed();
    let (ended, _) = running.ended();
    let ended = ended.with_code(if jobs > 0 { 34 } else { 24 });
    let ended = ended.saying(&[told, "lightsout status"]);
    assert_eq!(ended.err.matches("job ID: ").count(), jobs, "{}", ended.err);
    assert!(ended.reports.is_empty(), "{}", ended.err);
    assert_eq!(std::fs::read(&journal).ok(), before);
    assert_eq!(stage.stats().jobs.len(), jobs);
}

#[test]
fn a_run_that_has_lost_its_lock_writes_and_sends_nothing_more() {
    let spoil: [fn(&Stage); 2] = [
        |stage| std::fs::remove_dir_all(stage.path("state/locks")).unwrap(),
        |stage| {
            let locks = stage.path("state/locks");
            std::fs::rename(&locks, stage.path("state/other")).unwrap();
        },
    ];
    for spoil in spoil {
        let stage = stage();
        let mut first = stage.spawn("run night.yaml");
        first.until("an answer", |stage| stage.knows(accepted));
        spoil(&stage);
        ended_without_a_word(&stage, first, "was removed or replaced");
        // Another process has the run to itself.
        let ended = stage.run("run night.yaml").with_code(0);
        assert_eq!(ended.accepted_sizes(), [2, 2]);
    }
}

#[test]
fn a_run_that_loses_its_lock_before_it_sends_ends_with_24() {
    let slow = json!([{ "fault": "slow", "delay": "60s", "first": 1 }]);
    let stage = Scenario::new(&ids(2))
        .faults(json!({ "calls": { "list": slow, "show": slow } }))
        .pace(10)
        .start();
    let mut first = stage.spawn("run night.yaml");
    first.until("the beginning", |stage| {
        stage.knows(|event| matches!(event, Event::Began { .. }))
    });
    std::fs::remove_dir_all(stage.path("state/locks")).unwrap();
    ended_without_a_word(&stage, first, "was removed or replaced");
}

#[test]
fn a_run_whose_journal_is_spoiled_writes_and_sends_nothing_more() {
    let spoil: [fn(&Path); 3] = [
        |journal| {
            let file = std::fs::OpenOptions::new().write(true).open(journal);
            file.unwrap().set_len(0).unwrap();
        },
        |journal| {
            let copy = journal.with_extension("copy");
            std::fs::copy(journal, &copy).unwrap();
            std::fs::rename(copy, journal).unwrap();
        },
        |journal| std::fs::remove_file(journal).unwrap(),
    ];
    for spoil in spoil {
        let stage = stage();
        let mut first = stage.spawn("run night.yaml");
        first.until("an answer", |stage| stage.knows(accepted));
        spoil(&stage.run_folder().join("journal.jsonl"));
        ended_without_a_word(&stage, first, "was removed, replaced, truncated or written");
    }
}
