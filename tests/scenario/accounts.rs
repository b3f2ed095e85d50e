//! What is told of a run while it is on and afterwards: `report`, `status` and `halt`.
//!
//! Invariant: what a run wrote and what is made again from its journal are the same bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lightsout::event::{Event, SendAnswer};
use serde_json::{Value, json};

use crate::process::now;
use crate::scenario::{Scenario, Stage, ids};

/// Two batches, one after the other.
fn two_batches() -> Scenario {
    Scenario::new(&ids(4))
        .with("rollout: { batch_size: 2 }\nchecks: { grace: 20s }\njobs: { poll: 5s, timeout: 1m }")
}

fn an_answer(event: &Event) -> bool {
    matches!(
        event,
        Event::SendAnswered {
            answer: SendAnswer::Accepted { .. },
            ..
        }
    )
}

/// Leaves a run that was killed when its first batch was accepted.
fn left_behind() -> Stage {
    let stage = two_batches().start();
    let mut running = stage.spawn("run night.yaml");
    running.until("the first answer", |stage| stage.knows(an_answer));
    running.kill();
    stage
}

/// What a verb said that only looks. The stage's own checks are for verbs that send.
struct Seen {
    out: String,
    err: String,
}

#[track_caller]
fn look(stage: &Stage, line: &str, code: i32) -> Seen {
    seen(stage.command(line), code)
}

#[track_caller]
fn seen(mut command: Command, code: i32) -> Seen {
    let output = command.output().unwrap();
    let seen = Seen {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    assert_eq!(output.status.code(), Some(code), "{}", seen.err);
    seen
}

impl Seen {
    /// Insists on these parts of what stands on stderr.
    #[track_caller]
    fn saying(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.err.contains(part), "no {part:?} in:\n{}", self.err);
        }
        self
    }
}

fn name_of(folder: &Path) -> &str {
    folder.file_name().unwrap().to_str().unwrap()
}

fn only_rehearsal(stage: &Stage) -> PathBuf {
    let list = fs::read_dir(stage.path("state/rehearsals")).unwrap();
    let folders: Vec<PathBuf> = list.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(folders.len(), 1);
    folders[0].clone()
}

/// Insists that the report of this run can be made again, byte for byte, without the report.
#[track_caller]
fn comes_again(stage: &Stage, folder: &Path) {
    let run = name_of(folder);
    let file = folder.join("report.json");
    let written = fs::read_to_string(&file).unwrap();
    let of_file = format!("report {}", file.display());
    let as_file = look(stage, &format!("{of_file} --format json"), 0);
    assert_eq!(as_file.out, written);
    let text_of_file = look(stage, &of_file, 0).out;
    fs::rename(&file, stage.path("aside.json")).unwrap();
    let again = look(stage, &format!("report {run} --format json"), 0);
    assert_eq!(again.out, written);
    let text = look(stage, &format!("report {run}"), 0).out;
    assert_eq!(text, text_of_file);
    assert!(text.contains(run), "{text}");
    fs::rename(stage.path("aside.json"), &file).unwrap();
}

fn status(stage: &Stage, line: &str, code: i32) -> Value {
    let ended = look(stage, &format!("status {line} --format json"), code);
    let status: Value = serde_json::from_str(&ended.out).unwrap();
    let schema: Value = serde_json::from_str(lightsout::status::SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&status)
        .map(|e| e.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    status
}

#[test]
fn the_report_of_a_good_run_comes_again_with_names_and_labels() {
    let servers = ids(3);
    let list = format!(
        "id,name\n{},机房-1\n{},\"a\u{9b}b, \"\"c\"\"\"\n{},\u{202e}x\n",
        servers[0], servers[1], servers[2]
    );
    let groups =
        "groups:\n  - name: canary\n    servers_from: { file: fleet.csv, name_column: name }\n";
    let stage = Scenario::with_cloud(groups, &servers)
        .file("fleet.csv", list)
        .with("checks: { before: false, after: false }")
        .start();
    stage
        .run("run night.yaml --label change=CHG0042")
        .with_code(0);
    comes_again(&stage, &stage.run_folder());
    let latest = look(&stage, "report latest", 0).out;
    assert!(latest.contains("label: change=CHG0042"), "{latest}");
    assert!(
        latest.contains("all well: 3 stopped of 3 targets"),
        "{latest}"
    );
}

#[test]
fn the_report_of_a_run_with_failures_and_lost_answers_comes_again() {
    let stage = Scenario::new(&ids(30))
        .with(
            "rollout: { batch_size: 4, in_flight: 3 }\nchecks: { grace: 20s }\njobs: { poll: 5s }",
        )
        .storm("storm", 5)
        .start();
    let ended = stage.run("run night.yaml");
    assert!(ended.code >= 30, "{}: {}", ended.code, ended.err);
    comes_again(&stage, &stage.run_folder());
}

#[test]
fn the_report_of_a_refused_run_and_of_one_without_its_place_comes_again() {
    let refused = Scenario::new(&ids(1))
        .variable("HUAWEICLOUD_SDK_SK", "wrong")
        .start();
    refused.run("run night.yaml").with_code(3);
    comes_again(&refused, &refused.run_folder());

    let stage = two_batches().start();
    fs::create_dir(stage.path("reports")).unwrap();
    let mut running = stage.spawn("run night.yaml --report reports/night.json");
    running.until("the first answer", |stage| stage.knows(an_answer));
    fs::remove_dir_all(stage.path("reports")).unwrap();
    running.ended().0.with_code(40);
    comes_again(&stage, &stage.run_folder());
}

#[test]
fn the_report_of_a_rehearsal_is_found_by_its_id() {
    let stage = Scenario::new(&ids(30)).start();
    let ended = stage.run("rehearse night.yaml --faults storm --seed 3");
    comes_again(&stage, &only_rehearsal(&stage));
    let rehearsed = name_of(&only_rehearsal(&stage)).to_owned();
    let latest = look(&stage, "report latest", 0).out;
    assert!(
        latest.starts_with(&format!("rehearsal {rehearsed} of night")),
        "{latest}"
    );
    let state = status(&stage, "", 0);
    assert_eq!(
        (&state["mode"], &state["state"]),
        (&"rehearsal".into(), &"finished".into())
    );
    assert_eq!(state["exit_code"], ended.code);
    // From now on a run is the latest, whatever is rehearsed.
    stage.run("run night.yaml").with_code(0);
    stage.run("rehearse night.yaml -q").with_code(0);
    let latest = look(&stage, "report latest", 0).out;
    assert!(
        latest.starts_with(&format!("run {} of night", stage.run_id())),
        "{latest}"
    );
}

#[test]
fn a_report_of_a_run_that_is_left_says_that_it_is_not_the_end() {
    let stage = left_behind();
    let ended = look(&stage, "report latest", 0);
    let ended = ended.saying(&["is not finished: this is what is known so far"]);
    let resume = format!(
        "exit code: 34\n  next: lightsout resume {}\n",
        stage.run_id()
    );
    for part in [&stage.durable_jobs()[0], "not finished: ", &resume] {
        assert!(ended.out.contains(part), "{part}\n{}", ended.out);
    }
    stage.run("resume").with_code(0);
    comes_again(&stage, &stage.run_folder());
    let text = look(&stage, "report latest", 0).out;
    assert!(text.contains("  resumed: 1 time\n"), "{text}");
}

#[test]
fn a_file_that_is_no_report_ends_with_2() {
    let stage = two_batches().start();
    let report = stage.run("run night.yaml --dry-run").with_code(0).out;
    stage.write("dry.json", &report);
    let text = look(&stage, "report dry.json", 0).out;
    assert!(text.starts_with("dry run of night"), "{text}");
    stage.write("newer.json", report.replacen("report/v1", "report/v2", 1));
    stage.write(
        "changed.json",
        report.replacen("\"not_sent\": 4", "\"not_sent\": 3", 1),
    );
    stage.write("torn.json", &report[..report.len() / 2]);
    stage.run("plan night.yaml --out plan.json").with_code(0);
    for (file, saying) in [
        (
            "newer.json",
            "format `lightsout/report/v2`, which this version of lightsout does not know",
        ),
        ("changed.json", "its totals are not those of its servers"),
        ("torn.json", "it is not a report"),
        ("plan.json", "it is a file of format `lightsout/plan/v1`"),
        ("missing.json", "cannot read `missing.json`"),
        (
            "20261128T170000Z-3f9a1c",
            "there is no run `20261128T170000Z-3f9a1c`",
        ),
        ("latest", "there is no run in"),
    ] {
        for format in ["text", "json"] {
            let ended = look(&stage, &format!("report {file} --format {format}"), 2);
            let ended = ended.saying(&[saying]);
            assert_eq!(ended.out, "", "{file}");
        }
    }
}

#[test]
fn a_live_run_shows_where_it_is() {
    let stage = two_batches().pace(5).start();
    let mut running = stage.spawn("run night.yaml");
    running.until("the first answer", |stage| stage.knows(an_answer));
    let state = status(&stage, "latest", 0);
    assert_eq!(state["state"], "running");
    assert_eq!(state["process"]["id"], running.id());
    assert_eq!(
        (&state["totals"]["pending"], &state["next"]),
        (&4.into(), &Value::Null)
    );
    let batch = &state["batches"][0];
    assert_eq!(
        (&batch["index"], &batch["waiting_for"]),
        (&0.into(), &"job".into())
    );
    assert_eq!(batch["sends"][0]["job_id"], stage.durable_jobs()[0]);
    let text = look(&stage, "status", 0).out;
    let process = format!("  state: running: process {} on `", running.id());
    assert!(text.contains(&process), "{text}");
    assert!(
        text.contains("batch 0 (canary), 2 of 2 pending: waits for the job"),
        "{text}"
    );
    assert!(text.contains(&stage.durable_jobs()[0]), "{text}");
    running.ended().0.with_code(0);
    let state = status(&stage, &stage.run_id(), 0);
    assert_eq!(
        (&state["state"], &state["exit_code"]),
        (&"finished".into(), &0.into())
    );
    assert_eq!(state["process"], Value::Null);
}

#[test]
fn a_run_left_behind_says_what_to_type_and_it_works() {
    let stage = left_behind();
    let run = stage.run_id();
    let state = status(&stage, "", 0);
    assert_eq!(
        (&state["state"], &state["process"]),
        (&"unfinished".into(), &Value::Null)
    );
    assert_eq!(
        state["sends"],
        json!({"sent": 1, "accepted": 1, "unanswered": 0})
    );
    let text = look(&stage, "status", 0).out;
    for command in ["resume", "settle"] {
        assert!(
            text.contains(&format!(": lightsout {command} {run}\n")),
            "{text}"
        );
    }
    let next = state["next"].as_str().unwrap();
    stage
        .run(next.strip_prefix("lightsout ").unwrap())
        .with_code(0);
    let state = status(&stage, "", 0);
    assert_eq!(
        (&state["state"], &state["resumed"]),
        (&"finished".into(), &1.into())
    );
}

#[test]
fn a_damaged_journal_is_told_as_far_as_it_goes() {
    let stage = two_batches().start();
    stage.run("run night.yaml").with_code(0);
    let path = stage.run_folder().join("journal.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    let last = whole.trim_end().rfind('\n').unwrap();
    // A changed byte in the line before the last.
    let before = whole[..last].rfind("event").unwrap();
    let mut changed = whole.clone().into_bytes();
    changed[before] = b'E';
    fs::write(&path, changed).unwrap();
    let ended = look(&stage, "status", 2);
    let ended = ended.saying(&["is damaged", "hint: "]);
    assert!(
        ended.out.contains("what stands before the damage"),
        "{}",
        ended.out
    );
    assert!(
        ended.out.contains("1 accepted") || ended.out.contains("2 accepted"),
        "{}",
        ended.out
    );
    let state = status(&stage, "", 2);
    assert_eq!(
        (&state["state"], &state["next"]),
        (&"unreadable".into(), &Value::Null)
    );
    assert!(state["problem"].as_str().unwrap().contains("is damaged"));
    let report = look(&stage, "report latest", 2);
    assert_eq!(report.out, "");
    fs::write(&path, "").unwrap();
    look(&stage, "status", 2).saying(&["the journal holds nothing"]);
    fs::remove_file(&path).unwrap();
    look(&stage, "status", 2).saying(&["cannot read"]);
}

#[test]
fn a_state_folder_without_runs_says_so() {
    let stage = two_batches().start();
    look(&stage, "status", 2).saying(&["there is no run in", "--state-dir"]);
    look(&stage, "status 20261128T170000Z-3f9a1c", 2).saying(&["there is no run"]);
    look(&stage, "status ../x", 2).saying(&["neither `latest` nor a run ID"]);
}

#[test]
fn halt_names_the_live_run_which_ends_at_once_and_resumes_later() {
    let stage = two_batches().pace(5).start();
    let mut running = stage.spawn("run night.yaml");
    running.until("the first answer", |stage| stage.knows(an_answer));
    let process = format!("process {} on `", running.id());
    let halted = now();
    let line = "halt --for 4h --reason";
    let mut command = stage.command(line);
    command.arg("cooling\u{1b}[2J failed");
    let ended = seen(command, 0);
    let named = format!("run {}, {process}", stage.run_id());
    let ended = ended.saying(&["halted: no run", &named, "lightsout resume"]);
    assert_eq!(ended.out, "");
    let ended = running.ended().0.with_code(34);
    // Beside the second that is promised, for a machine that is busy.
    assert!(halted.elapsed().as_secs() < 5, "{:?}", halted.elapsed());
    assert_eq!(ended.accepted_sizes(), [2]);
    comes_again(&stage, &stage.run_folder());

    let state = status(&stage, "", 0);
    assert_eq!(
        (&state["state"], &state["sending_stopped"]),
        (&"unfinished".into(), &"halted".into())
    );
    assert_eq!(state["stop_switch"]["reason"], "cooling\u{1b}[2J failed");
    let text = look(&stage, "status", 0).out;
    assert!(text.contains(r"cooling\u{1b}[2J failed"), "{text}");
    stage
        .run("run night.yaml")
        .with_code(24)
        .saying(&["halt --clear"]);

    let again = look(&stage, "halt --reason drill", 0);
    let again = again.saying(&["in place of the one set at", r"cooling\u{1b}[2J failed"]);
    assert!(
        again.err.contains("no run of this host is under way"),
        "{}",
        again.err
    );
    let run = stage.run_id();
    let resume = format!("`lightsout resume {run}`");
    look(&stage, "halt --clear", 0).saying(&["runs may send again", "drill", &resume]);
    look(&stage, "halt --clear", 0).saying(&["no stop switch was set"]);
    stage
        .run("resume")
        .with_code(0)
        .with_outcomes(&[("stopped", 4)]);
}

#[test]
fn halt_is_quiet_if_asked_and_refuses_what_makes_no_sense() {
    let stage = two_batches().start();
    for line in [
        "halt",
        "halt --for 4h",
        "halt --reason x --for 0s",
        "halt --reason x --clear",
    ] {
        look(&stage, line, 2);
        assert!(!stage.path("state/halt.json").exists(), "{line}");
    }
    let ended = look(&stage, "halt --reason x --quiet", 0);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("", ""));
    assert!(stage.path("state/halt.json").exists());
    stage
        .run("run night.yaml")
        .with_code(24)
        .with_nothing_sent();
}
