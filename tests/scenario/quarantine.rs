//! Runs that cannot be read: whom they block, and how a person sets them aside.
//!
//! Invariant: no server of a request that may have been accepted is sent again before a person releases it.

use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, SystemTime};

use jiff::SignedDuration;
use lightsout::clock::Clock;
use lightsout::event::Event;

use crate::scenario::{Ended, Scenario, Stage, ids};

/// A run of long ago that was killed when its first batch of two servers was accepted; two are left.
fn left() -> (Stage, String) {
    let stage = Scenario::new(&ids(4))
        .with("rollout: { batch_size: 2 }\nchecks: { grace: 20s }")
        .clock("2024-02-29T23:00:00Z")
        .start();
    assert!(stage.crash("run night.yaml", "after:answer").is_none());
    let run = stage.run_id();
    (stage, run)
}

/// How a run of another project ends that uses the same state folder.
fn neighbour_ends_with(stage: &Stage, code: i32) {
    let other = Scenario::new(&ids(1)).start();
    let mut command = other.command("run night.yaml");
    command.env("LIGHTSOUT_STATE_DIR", stage.path("state"));
    let output = command.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{err}");
    assert_eq!(other.stats().stops.len(), usize::from(code == 0));
}

/// Damages the journal behind its last line.
fn damage_end(stage: &Stage) {
    let journal = stage.run_folder().join("journal.jsonl");
    let mut file = File::options().append(true).open(journal).unwrap();
    file.write_all(b"garbage\nand more\n").unwrap();
}

/// Damages the first line of the journal.
fn damage_begin(stage: &Stage) {
    let journal = stage.run_folder().join("journal.jsonl");
    let mut bytes = fs::read(&journal).unwrap();
    bytes[40] ^= 1;
    fs::write(&journal, bytes).unwrap();
}

fn remove_plan(stage: &Stage) {
    fs::remove_file(stage.run_folder().join("plan.json")).unwrap();
}

fn remove_journal(stage: &Stage) {
    fs::remove_file(stage.run_folder().join("journal.jsonl")).unwrap();
}

fn empty_journal(stage: &Stage) {
    fs::write(stage.run_folder().join("journal.jsonl"), "").unwrap();
}

/// Leaves a part of the first line.
fn tear_begin(stage: &Stage) {
    let journal = stage.run_folder().join("journal.jsonl");
    let bytes = fs::read(&journal).unwrap();
    fs::write(journal, &bytes[..40]).unwrap();
}

/// Gives the files of the run, and its folder, the age of its records.
fn age(stage: &Stage) {
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_200_000);
    for name in ["journal.jsonl", "plan.json"] {
        let path = stage.run_folder().join(name);
        if let Ok(file) = File::options().append(true).open(path) {
            file.set_modified(long_ago).unwrap();
        }
    }
    let folder = File::open(stage.run_folder()).unwrap();
    folder.set_modified(long_ago).unwrap();
}

fn quarantine(stage: &Stage, run: &str, flags: &str) -> Ended {
    stage.run(&format!("runs quarantine {run} {flags}"))
}

#[test]
fn a_run_that_cannot_be_read_blocks_only_its_own_project() {
    let damages: [fn(&Stage); 7] = [
        damage_end,
        damage_begin,
        remove_plan,
        remove_journal,
        empty_journal,
        tear_begin,
        |stage| fs::write(stage.run_folder().join("plan.json"), "{").unwrap(),
    ];
    for damage in damages {
        let (stage, run) = left();
        damage(&stage);
        let folder = stage.run_folder();
        let ended = stage.run("run night.yaml").with_code(21);
        let ended = ended.saying(&[
            &format!("the earlier run {run}"),
            folder.to_str().unwrap(),
            &format!("`lightsout runs quarantine {run}`"),
        ]);
        assert_eq!(ended.accepted_sizes(), [2]);
        let ended = stage.run("doctor night.yaml");
        assert!(ended.out.contains("runs quarantine"), "{}", ended.out);
        neighbour_ends_with(&stage, 0);
    }
}

#[test]
fn a_run_that_names_no_project_blocks_all_until_it_is_set_aside() {
    for damage in [damage_begin, remove_journal, empty_journal] {
        let (stage, run) = left();
        damage(&stage);
        remove_plan(&stage);
        neighbour_ends_with(&stage, 21);
        age(&stage);
        let ended = quarantine(&stage, &run, "--yes").with_code(0);
        ended.saying(&[
            "its project is not known",
            "none is kept out",
            "check them now",
        ]);
        neighbour_ends_with(&stage, 0);
    }
}

#[test]
fn a_run_whose_journal_is_lost_may_have_sent_each_of_its_servers() {
    for lose in [remove_journal, empty_journal] {
        // Its request was about to leave, so it is not known whether it was accepted.
        let stage = Scenario::new(&ids(2)).clock("2024-02-29T23:00:00Z").start();
        assert!(stage.crash("run night.yaml", "after:intent").is_none());
        let run = stage.run_id();
        age(&stage);
        lose(&stage);
        let output = stage.command("status").output().unwrap();
        let out = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(2), "{out}");
        assert!(out.contains("at least 0 sent"), "{out}");
        // The loss is younger than 15 minutes.
        stage.run("run night.yaml").with_code(21);
        quarantine(&stage, &run, "--yes").with_code(21);
        age(&stage);
        let ended = quarantine(&stage, &run, "--yes").with_code(0);
        ended.saying(&["2 servers will be kept out"]);
        let ended = stage.run("run night.yaml").with_code(30);
        let ended = ended.with_outcomes(&[("not_sent/quarantined", 2)]);
        assert_eq!(ended.stats.stops, []);
        let release = ended.report()["next"].as_str().unwrap();
        let line = format!("lightsout runs quarantine {run} --release");
        assert_eq!(release, line);
    }
}

#[test]
fn a_run_that_was_killed_before_its_first_record_blocks_nothing() {
    let losses: [fn(&Stage); 4] = [
        |_| {},
        remove_journal,
        empty_journal,
        |stage| {
            remove_journal(stage);
            remove_plan(stage);
        },
    ];
    for lose in losses {
        let stage = Scenario::new(&ids(1)).start();
        assert!(stage.crash("run night.yaml", "before:0").is_none());
        lose(&stage);
        let ended = stage.run("resume").with_code(2);
        ended.saying(&["no unfinished run"]);
        neighbour_ends_with(&stage, 0);
        stage.run("run night.yaml").with_code(0);
    }
}

#[test]
fn a_run_with_any_young_time_is_not_set_aside() {
    let hour = Duration::from_secs(3600);
    let fast = (Clock::real().now() + SignedDuration::from_hours(1)).to_string();
    let stage = Scenario::new(&ids(2)).clock(&fast).start();
    assert!(stage.crash("run night.yaml", "after:answer").is_none());
    let run = stage.run_id();
    // Its record is in the future, and its files are new, then old.
    let young = |stage: &Stage| {
        let ended = quarantine(stage, &run, "--yes").with_code(21);
        ended.saying(&["less than 15 minutes ago, or in the future"]);
    };
    young(&stage);
    age(&stage);
    young(&stage);

    let (stage, run) = left();
    for name in ["journal.jsonl", "plan.json"] {
        for time in [clock_now(), clock_now() + hour] {
            age(&stage);
            let path = stage.run_folder().join(name);
            let file = File::options().append(true).open(path).unwrap();
            file.set_modified(time).unwrap();
            quarantine(&stage, &run, "--yes").with_code(21);
        }
    }
    age(&stage);
    quarantine(&stage, &run, "--yes").with_code(0);
}

fn clock_now() -> SystemTime {
    let now = Clock::real().now().as_second();
    SystemTime::UNIX_EPOCH + Duration::from_secs(now.unsigned_abs())
}

#[test]
fn servers_of_a_run_in_quarantine_are_sent_again_only_after_their_release() {
    let (stage, run) = left();
    damage_end(&stage);
    age(&stage);
    let asked = quarantine(&stage, &run, "").with_code(2);
    asked.saying(&[
        "not terminals",
        &format!("`lightsout runs quarantine {run} --yes`"),
    ]);
    stage.run("run night.yaml").with_code(21);
    let ended = quarantine(&stage, &run, "--yes").with_code(0);
    let job = stage.stats().jobs[0].id.to_string();
    ended.saying(&[
        "1 request that may have been accepted",
        "batch 0, request 1",
        "2 servers",
        &job,
        "4 servers will be kept out",
    ]);
    let line = format!("lightsout runs quarantine {run} --release");
    let ended = stage.run("run night.yaml").with_code(30).saying(&[&line]);
    assert_eq!(ended.accepted_sizes(), [2]);
    let ended = ended.with_outcomes(&[("not_sent/quarantined", 4)]);
    let codes = ended.report()["warnings"].as_array().unwrap();
    assert!(codes.iter().any(|warning| warning["code"] == "quarantined"));
    let ended = stage.run("doctor night.yaml");
    assert!(ended.out.contains("4 servers kept out"), "{}", ended.out);
    quarantine(&stage, &run, "--yes")
        .with_code(2)
        .saying(&["is in quarantine"]);
    stage
        .run(&format!("resume {run}"))
        .with_code(2)
        .saying(&["is in quarantine"]);

    quarantine(&stage, &run, "--release --yes").with_code(0);
    quarantine(&stage, &run, "--release --yes").with_code(2);
    let ended = stage.run("run night.yaml").with_code(0);
    assert_eq!(ended.accepted_sizes(), [2, 2]);
    ended.with_outcomes(&[("already_off", 2), ("stopped", 2)]);
}

#[test]
fn without_a_plan_a_quarantine_holds_the_whole_project() {
    let (stage, run) = left();
    remove_plan(&stage);
    age(&stage);
    let ended = quarantine(&stage, &run, "--yes").with_code(0);
    ended.saying(&[
        "1 request that may have been accepted",
        "runs of this project are refused",
    ]);
    let ended = stage.run("run night.yaml").with_code(21);
    ended.saying(&[&format!("`lightsout runs quarantine {run} --release`")]);
    quarantine(&stage, &run, "--release --yes").with_code(0);
    stage.run("run night.yaml").with_code(0);
}

#[test]
fn a_live_a_young_and_a_finished_run_are_not_set_aside() {
    let stage = Scenario::new(&ids(2))
        .settings(|cloud| cloud.job_duration = Duration::from_secs(60))
        .pace(10)
        .start();
    let mut running = stage.spawn("run night.yaml");
    running.until("an answer", |stage| {
        stage.knows(|event| matches!(event, Event::SendAnswered { .. }))
    });
    let run = stage.run_id();
    age(&stage);
    let line = format!("runs quarantine {run} --yes");
    let output = stage.command(&line).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(21), "{err}");
    let told = format!("the project is locked by run {run}");
    assert!(err.contains(&told), "{err}");
    running.kill();
    let ended = quarantine(&stage, &run, "--yes").with_code(21);
    ended.saying(&["less than 15 minutes ago"]);
    stage.run("settle").with_code(0);
    let ended = quarantine(&stage, &run, "--yes").with_code(2);
    ended.saying(&["is finished"]);
    let missing = "20200101T000000Z-000000";
    quarantine(&stage, missing, "--yes").with_code(2);
}
