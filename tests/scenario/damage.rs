//! Journals that are not as they were written: a torn end is cut off, anything else refused.
//!
//! Invariant: whatever is wrong with a journal, nothing is sent on the strength of it.

use std::fs;
use std::path::PathBuf;

use lightsout::event::{Event, SendAnswer};
use sha2::{Digest, Sha256};

use crate::scenario::{Ended, Scenario, Stage, ids};

/// A run that was killed when its first batch of two was accepted.
fn left_behind() -> Stage {
    let stage = Scenario::new(&ids(4))
        .with("rollout: { batch_size: 2 }\nchecks: { grace: 20s }\njobs: { poll: 5s }")
        .start();
    let mut running = stage.spawn("run night.yaml");
    running.until("an answer", |stage| {
        stage.knows(|event| {
            matches!(
                event,
                Event::SendAnswered {
                    answer: SendAnswer::Accepted { .. },
                    ..
                }
            )
        })
    });
    running.kill();
    stage
}

fn journal(stage: &Stage) -> PathBuf {
    stage.run_folder().join("journal.jsonl")
}

fn change(stage: &Stage, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(journal(stage)).unwrap();
    change(&mut bytes);
    fs::write(journal(stage), bytes).unwrap();
}

/// A whole line around any record.
fn line(record: &str) -> String {
    let hash = Sha256::digest(record.as_bytes());
    let sum: String = hash
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{{\"sum\":\"{sum}\",\"record\":{record}}}\n")
}

/// Nothing more than the first batch was ever sent, whatever verb is tried.
#[track_caller]
fn refused(stage: &Stage, code: i32, why: &str) {
    let run = stage.run_id();
    for line in [
        "resume".to_owned(),
        format!("resume {run}"),
        format!("settle {run}"),
    ] {
        let ended: Ended = stage.run(&line).with_code(code).saying(&[why, "hint:"]);
        assert_eq!(ended.accepted_sizes(), [2], "{line}");
    }
    let ended = stage
        .run("run night.yaml")
        .with_code(21)
        .saying(&[why, &run]);
    assert_eq!(ended.accepted_sizes(), [2]);
}

#[test]
fn a_torn_last_line_is_cut_off() {
    let torn: [fn(&mut Vec<u8>); 3] = [
        |bytes| bytes.truncate(bytes.len() - 5),
        |bytes| bytes.extend_from_slice(b"{\"sum\":\"0123"),
        |bytes| bytes.extend_from_slice(&[0; 4096]),
    ];
    for tear in torn {
        let stage = left_behind();
        change(&stage, tear);
        let ended = stage.run("resume --send").with_code(0);
        assert_eq!(ended.total("stopped"), 4);
        assert_eq!(ended.accepted_sizes(), [2, 2]);
        let bytes = fs::read(journal(&stage)).unwrap();
        lightsout::journal::replay(&bytes).unwrap();
        assert!(bytes.ends_with(b"\n"));
    }
}

#[test]
fn damage_elsewhere_is_refused() {
    let stage = left_behind();
    change(&stage, |bytes| bytes[60] ^= 1);
    refused(&stage, 2, "line 1 of the journal is damaged");
}

#[test]
fn a_missing_line_is_refused() {
    let stage = left_behind();
    change(&stage, |bytes| {
        let first = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        bytes.drain(..=first);
    });
    refused(&stage, 2, "sequence number");
}

#[test]
fn a_newer_format_is_refused() {
    let stage = left_behind();
    change(&stage, |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let (first, rest) = text.split_once('\n').unwrap();
        let record = first.split_once("\"record\":").unwrap().1;
        let record = record.strip_suffix('}').unwrap();
        let newer = record.replace("lightsout/journal/v2", "lightsout/journal/v3");
        assert_ne!(record, newer);
        *bytes = (line(&newer) + rest).into_bytes();
    });
    refused(&stage, 2, "`lightsout/journal/v3`");
}

#[test]
fn a_whole_line_that_does_not_fit_the_plan_is_refused() {
    let stage = left_behind();
    let seq = stage.lines();
    change(&stage, |bytes| {
        // The last line once more, about a batch that the plan does not have.
        let text = String::from_utf8(bytes.clone()).unwrap();
        let last = text.lines().last().unwrap();
        let record = last.split_once("\"record\":").unwrap().1;
        let record = record.strip_suffix('}').unwrap();
        let record = record.replace(&format!("\"seq\":{}", seq - 1), &format!("\"seq\":{seq}"));
        let record = record.replace("\"batch\":0", "\"batch\":99");
        bytes.extend_from_slice(line(&record).as_bytes());
    });
    refused(&stage, 2, "does not belong to the plan");
}

#[test]
fn the_plan_of_another_run_is_refused() {
    let stage = left_behind();
    let plan = stage.run_folder().join("plan.json");
    let text = stage
        .read("night.yaml")
        .replace("batch_size: 2", "batch_size: 3");
    stage.write("other.yaml", text);
    let other = stage.run("plan other.yaml --format json").with_code(0).out;
    fs::write(plan, other).unwrap();
    refused(&stage, 22, "another plan");
}

#[test]
fn a_journal_cut_to_nothing_is_refused() {
    let stage = left_behind();
    change(&stage, Vec::clear);
    refused(&stage, 2, "the journal holds nothing");
}

#[test]
fn a_journal_that_was_removed_is_refused() {
    let stage = left_behind();
    fs::remove_file(journal(&stage)).unwrap();
    refused(&stage, 2, "journal.jsonl");
}

#[test]
fn runs_that_are_not_there_or_not_unfinished_are_named() {
    let stage = Scenario::new(&ids(1)).start();
    stage
        .run("resume")
        .with_code(2)
        .saying(&["no unfinished run"]);
    stage
        .run("settle")
        .with_code(2)
        .saying(&["no unfinished run"]);
    let missing = "20261128T170000Z-000000";
    stage
        .run(&format!("resume {missing}"))
        .with_code(2)
        .saying(&["there is no run", missing]);
    stage.run("run night.yaml").with_code(0);
    let run = stage.run_id();
    stage
        .run(&format!("resume {run}"))
        .with_code(2)
        .saying(&["is finished"]);
    // Settling looks again, and changes nothing.
    let ended = stage.run(&format!("settle {run}")).with_code(0);
    ended.with_outcomes(&[("stopped", 1)]);
}
