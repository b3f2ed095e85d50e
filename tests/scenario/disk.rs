//! A disk that is full, read-only or gone, at any record: nothing more is sent, no job ID is lost.
//!
//! A limit on file sizes stands for the full disk, because it strikes at any byte and needs no rights;
//! a small tmpfs is mounted besides where that works. Invariant: the cloud is asked for what was sent.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lightsout::event::{Event, SendAnswer};
use lightsout::simulator::AnswerSeen;
use serde_json::json;

use crate::scenario::{Scenario, Stage, at_once, ids};

/// Three batches, two of them together.
fn scenario() -> Scenario {
    Scenario::new(&ids(6))
        .with("rollout: { batch_size: 2, in_flight: 2 }")
        .with("checks: { grace: 20s }\njobs: { poll: 5s, timeout: 1m }")
        .pace(40)
}

/// How many requests the journal says were about to leave.
fn intents(stage: &Stage) -> usize {
    let events = stage.durable();
    let intended = |event: &Event| matches!(event, Event::SendIntended { .. });
    events
        .iter()
        .filter(|stamped| intended(&stamped.event))
        .count()
}

/// What holds after the disk failed, and after the run was taken up with a good one.
#[track_caller]
fn holds(case: &str, stage: &Stage, output: &Output) -> i32 {
    let err = String::from_utf8_lossy(&output.stderr);
    // The lock is written before signals are caught, so a limit of nothing is the end.
    let code = output.status.code().unwrap_or(2);
    assert!(!err.contains("panicked"), "{case}: {err}");
    let stats = stage.stats();
    let sent = stats.stops.len();
    assert!(sent <= intents(stage), "{case}: {sent} sent\n{err}");
    let report = stage
        .run_folders()
        .pop()
        .map(|folder| folder.join("report.json"));
    let report = report.and_then(|path| fs::read_to_string(path).ok());
    let kept = format!(
        "{err}\n{}\n{:?}",
        report.clone().unwrap_or_default(),
        stage.durable_jobs()
    );
    for stop in stats
        .stops
        .iter()
        .filter(|stop| stop.answer == AnswerSeen::Sent)
    {
        if let Some(job) = &stop.job_id {
            assert!(
                kept.contains(job.as_str()),
                "{case}: job {job} is lost\n{err}"
            );
        }
    }
    let whole = stage.knows(|event| matches!(event, Event::Finished));
    let expected: &[i32] = match (sent, intents(stage), whole) {
        (0, 0, _) => &[2, 24],
        // Where a request stood before its last look, it may be known or not that it did not leave.
        (0, _, false) => &[24, 34],
        (_, _, false) => &[34],
        (_, _, true) => &[0, 40],
    };
    assert!(
        expected.contains(&code),
        "{case}: {code}, {sent} sent\n{err}"
    );
    if code == 34 || code == 24 {
        assert!(err.contains("nothing more is sent"), "{case}: {err}");
    }
    stage.crashed();
    let ended = match (code, intents(stage)) {
        (34, _) => stage.run("resume --send"),
        _ => stage.run("run night.yaml"),
    };
    assert_eq!(ended.code, 0, "{case}: {}", ended.err);
    let accepted = ended.stats.accepted.values().copied();
    assert_eq!(accepted.collect::<Vec<u32>>(), [1; 6], "{case}");
    code
}

/// The program under a limit on the size of its files, in blocks of 512 bytes. The path of the workflow
/// is `padding` bytes longer than it need be, which makes the first record of the journal longer.
fn limited(stage: &Stage, blocks: usize, padding: usize) -> Output {
    let program = env!("CARGO_BIN_EXE_lightsout");
    let file = format!("{}night.yaml", "./".repeat(padding / 2));
    let script = format!("ulimit -f {blocks}; exec {program} run {file} --yes");
    let mut command = stage.surrounded("sh", std::iter::empty());
    command.args(["-c", &script]).output().unwrap()
}

#[test]
fn a_disk_that_is_full_at_any_record_stops_sending_and_loses_no_job() {
    // The plan needs about 3 KiB, the journal 6 KiB and the report more.
    let by_limit = (0..26).map(|blocks| (blocks, 0));
    let by_padding = (1..24).map(|step| (8, step * 170));
    let cases: Vec<(usize, usize)> = by_limit.chain(by_padding).collect();
    let codes = Mutex::new(BTreeMap::<i32, usize>::new());
    let lines = AtomicUsize::new(0);
    at_once(&cases, |(blocks, padding)| {
        let stage = scenario().start();
        let output = limited(&stage, *blocks, *padding);
        if let Some(folder) = stage.run_folders().pop() {
            let bytes = fs::read(folder.join("journal.jsonl")).unwrap_or_default();
            let whole = bytes.iter().filter(|byte| **byte == b'\n').count();
            lines.fetch_or(1 << whole, Ordering::Relaxed);
        }
        let case = format!("{blocks} blocks, {padding} bytes of padding");
        let code = holds(&case, &stage, &output);
        *codes.lock().unwrap().entry(code).or_default() += 1;
    });
    let (codes, lines) = (codes.into_inner().unwrap(), lines.into_inner());
    println!("full disk: {} cases, by exit code {codes:?}", cases.len());
    println!(
        "the journal ended after each of {} numbers of lines",
        lines.count_ones()
    );
    assert!(codes.len() >= 4, "{codes:?}");
    assert!(lines.count_ones() >= 8, "{lines:b}");
}

/// A small file system of its own; unmounted when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mut command = Command::new("mount");
        let command = command
            .args(["-t", "tmpfs", "-o", "size=64k", "none"])
            .arg(at);
        let mounted = command.output().ok()?;
        if !mounted.status.success() {
            let why = String::from_utf8_lossy(&mounted.stderr).into_owned();
            skipped(why.trim());
            return None;
        }
        Some(Self(at.to_owned()))
    }
}

#[expect(clippy::print_stdout, reason = "a test that does nothing must say so")]
fn skipped(why: &str) {
    println!("skipped: {why}");
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_file_system_that_is_full_stops_sending_and_loses_no_job() {
    for pages in 0..8 {
        let stage = scenario().start();
        let Some(small) = Small::mount(&stage.path("state")) else {
            return;
        };
        let filler = stage.path("state/filler");
        let all = vec![0; 64 * 1024];
        // As much as fits; the write ends where the file system does.
        let _ = fs::write(&filler, &all);
        let full = fs::metadata(&filler).unwrap().len();
        let file = fs::OpenOptions::new().write(true).open(&filler).unwrap();
        file.set_len(full.saturating_sub(pages * 4096)).unwrap();
        drop(file);
        let output = stage.command("run night.yaml").output().unwrap();
        fs::remove_file(filler).unwrap();
        let code = holds(&format!("{pages} pages free"), &stage, &output);
        println!("tmpfs with {pages} pages free: exit code {code}");
        drop(small);
    }
}

#[test]
fn a_state_folder_that_cannot_be_written_is_refused_before_anything_is_sent() {
    let stage = scenario().start();
    let mut command = stage.command("run night.yaml");
    let output = command.env("LIGHTSOUT_STATE_DIR", "/proc/nowhere").output();
    let output = output.unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("hint:"), "{err}");
    assert_eq!(stage.stats().stops, []);
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
fn a_run_folder_that_is_removed_stops_sending_and_leaves_the_job_ids_on_stderr() {
    let stage = scenario().start();
    let mut running = stage.spawn("run night.yaml");
    running.until("an answer", |stage| stage.knows(accepted));
    fs::remove_dir_all(stage.run_folder()).unwrap();
    let output = running.output();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(34), "{err}");
    let stats = stage.stats();
    assert!(stats.stops.len() <= 2, "{err}");
    for stop in &stats.stops {
        let job = stop.job_id.as_deref().unwrap();
        assert!(err.contains(&format!("job ID: {job}")), "{err}");
    }
}

#[test]
fn a_report_that_cannot_be_written_where_asked_is_all_that_is_wrong() {
    let stage = scenario().file("keep", "").start();
    fs::create_dir(stage.path("reports")).unwrap();
    let mut running = stage.spawn("run night.yaml --report reports/night.json");
    running.until("an answer", |stage| stage.knows(accepted));
    fs::remove_dir_all(stage.path("reports")).unwrap();
    let (ended, _) = running.ended();
    let ended = ended.with_code(40).saying(&["reports/night.json"]);
    assert_eq!(ended.report()["exit_code"], 40);
    assert_eq!(ended.total("stopped"), 6);
    assert_eq!(ended.report()["outcome"], json!("succeeded"));
}

/// The program with files of at most `bytes`, which is a full disk for a journal of that size.
fn with_files_up_to(stage: &Stage, bytes: u64, line: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_lightsout");
    let script = format!("exec prlimit --fsize={bytes} {program} {line}");
    let mut command = stage.surrounded("sh", std::iter::empty());
    command.args(["-c", &script]).output().unwrap()
}

#[test]
fn a_finished_run_that_cannot_be_settled_on_a_full_disk_stays_as_it_was() {
    let dead = json!([{"fault": "error", "status": 500, "rate": 1.0}]);
    let stage = Scenario::new(&ids(2))
        .with("checks: { before: false, grace: 20s }\nrollout: { retry_for: 20s }")
        .faults(json!({"calls": {"list": dead, "show": dead}, "calm_after": "3m"}))
        .pace(40)
        .start();
    stage.run("run night.yaml").with_code(33);
    std::thread::sleep(std::time::Duration::from_secs(5));
    let run = stage.run_id();
    let folder = stage.run_folder();
    let files =
        || ["journal.jsonl", "report.json"].map(|name| fs::read(folder.join(name)).unwrap());
    let before = files();
    let room = before[0].len() as u64 + 20;
    let output = with_files_up_to(&stage, room, &format!("settle {run}"));
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    let hint = format!("Free disk space, then `lightsout settle {run}`");
    for part in [&format!("run {run} cannot be continued"), &hint] {
        assert!(err.contains(part), "{part}: {err}");
    }
    assert!(!err.contains("resume"), "{err}");
    let after = files();
    assert_eq!(after[1], before[1], "the report changed: {err}");
    assert!(after[0].starts_with(&before[0]), "{err}");
    let status = stage.command("status").output().unwrap();
    let status = String::from_utf8_lossy(&status.stdout);
    assert!(status.contains("(exit code 33)"), "{status}");
    // The command of the hint works.
    let ended = stage.run(&format!("settle {run}")).with_code(0);
    assert_eq!(ended.total("stopped"), 2);
}

#[test]
fn an_unfinished_run_that_cannot_be_resumed_on_a_full_disk_stays_as_it_was() {
    let stage = scenario().start();
    let mut running = stage.spawn("run night.yaml");
    running.until("an answer", |stage| stage.knows(accepted));
    running.kill();
    let (run, folder) = (stage.run_id(), stage.run_folder());
    let journal = fs::read(folder.join("journal.jsonl")).unwrap();
    let room = journal.len() as u64 + 20;
    let output = with_files_up_to(&stage, room, &format!("resume {run}"));
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    let hint = format!("Free disk space, then `lightsout resume {run}`");
    assert!(err.contains(&hint), "{err}");
    assert!(!folder.join("report.json").exists(), "{err}");
    let ended = stage.run(&format!("resume {run}")).with_code(0);
    assert_eq!(ended.total("stopped"), 6);
}

#[test]
fn a_run_without_any_report_says_what_there_is_and_how_to_write_it_later() {
    // No report is written over a folder.
    let stage = scenario().start();
    let mut running = stage.spawn("run night.yaml");
    running.until("an answer", |stage| stage.knows(accepted));
    let (run, folder) = (stage.run_id(), stage.run_folder());
    fs::create_dir(folder.join("report.json")).unwrap();
    let output = running.output();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(40), "{err}");
    fs::remove_dir(folder.join("report.json")).unwrap();
    assert!(!err.contains("in the report"), "{err}");
    let journal = folder.join("journal.jsonl").display().to_string();
    let jobs = stage.durable_jobs();
    for part in [
        "  report: not written, the journal has every outcome\n",
        &format!("  journal: {journal}\n"),
        "  3 job IDs in the journal, printed above\n",
        &format!("job ID: {}\n", jobs[2]),
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
    let mut lines = err
        .lines()
        .filter_map(|line| line.trim().split_once("write it later: "));
    let (_, command) = lines.next().unwrap();
    let program = env!("CARGO_BIN_EXE_lightsout");
    let command = command.replacen("lightsout", program, 1);
    let mut shell = stage.surrounded("sh", std::iter::empty());
    assert!(shell.args(["-c", &command]).status().unwrap().success());
    let report = crate::checks::valid_report(&stage.read(&format!("{run}.json")));
    assert_eq!(
        (&report["exit_code"], &report["run_id"]),
        (&json!(40), &json!(run))
    );
}

#[test]
fn too_few_open_files_are_an_internal_error_before_anything_is_sent() {
    let stage = scenario().start();
    let mut codes = Vec::new();
    for files in 4..8 {
        let program = env!("CARGO_BIN_EXE_lightsout");
        let script = format!("ulimit -n {files}; exec {program} run night.yaml --yes");
        let mut command = stage.surrounded("sh", std::iter::empty());
        let output = command.args(["-c", &script]).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        codes.extend(output.status.code());
        assert_eq!(stage.stats().stops, [], "{err}");
    }
    println!("from 4 to 7 open files: exit codes {codes:?}");
    assert!(codes.contains(&70), "{codes:?}");
}
