//! The way back: `undo` starts exactly the servers that a run has stopped, and never a server twice.
//!
//! Invariant: what the cloud saw is the judge; no server is started that the run did not see on before its
//! stop and off after it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lightsout::ids::ServerId;
use serde_json::{Value, json};

use crate::scenario::{Ended, Scenario, Stage, ids};

const SETTINGS: &str =
    "checks: { grace: 20s, on_state: { locked: skip } }\njobs: { poll: 5s, timeout: 1m }";

/// One group in batches of two.
pub(crate) fn scenario(count: u32) -> Scenario {
    Scenario::new(&ids(count))
        .with(SETTINGS)
        .with("rollout: { batch_size: 2, retry_for: 20s }")
        .pace(30)
}

/// A run that stopped all of its servers.
pub(crate) fn stopped(scenario: Scenario) -> (Stage, String) {
    let stage = scenario.start();
    stage.run("run night.yaml").with_code(0);
    let run = stage.run_id();
    (stage, run)
}

/// How often each server was started.
pub(crate) fn started(ended: &Ended) -> BTreeMap<ServerId, u32> {
    ended.stats.started.clone()
}

pub(crate) fn once(servers: &[ServerId]) -> BTreeMap<ServerId, u32> {
    servers.iter().map(|id| (*id, 1)).collect()
}

/// The folder of the only other run than this one: its undo.
pub(crate) fn undo_folder(stage: &Stage, run: &str) -> Option<PathBuf> {
    let mut folders = stage.run_folders();
    // By the compressed clock, an undo may begin before its run.
    folders.retain(|folder| !folder.ends_with(run));
    assert!(folders.len() < 2, "{folders:?}");
    folders.pop()
}

pub(crate) fn undo_id(stage: &Stage, run: &str) -> String {
    let folder = undo_folder(stage, run).unwrap();
    folder.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn after_every_kind_of_outcome_exactly_what_was_stopped_is_started_and_only_once() {
    let all = ids(13);
    let faults = json!({
        "calls": {"stop": [{"fault": "error", "status": 504, "accepted": true, "only": 2}]},
        "servers": {
            "off": {"ids": [all[1]]},
            "locked": {"ids": [all[2]]},
            "missing": {"ids": [all[3]]},
            "error": {"ids": [all[4]]},
            "failing": {"ids": [all[5]]},
            "ignored": {"ids": [all[6]]},
            "stuck": {"ids": [all[7]]},
            "refused": {"ids": [all[11]], "code": "BMS.0212"},
        }
    });
    let groups = [
        ("mixed", &all[..9]),
        ("lost", &all[9..11]),
        ("throttled", &all[11..12]),
        ("last", &all[12..]),
    ];
    let stage = Scenario::of_groups(&groups)
        .with(SETTINGS)
        .with("rollout: { retry_for: 20s, max_failures: 100% }")
        .faults(faults)
        .pace(30)
        .file("not-tonight.txt", all[8].to_string())
        .start();
    let ended = stage
        .run("run night.yaml --exclude not-tonight.txt")
        .with_code(33);
    let ended = ended.with_outcomes(&[
        ("stopped", 2),
        ("stopped/answer_lost", 2),
        ("already_off", 1),
        ("skipped/locked", 1),
        ("skipped/narrowed", 1),
        ("failed/missing", 1),
        ("failed/error_state", 1),
        ("failed/job_failed", 1),
        ("failed/still_on", 1),
        ("unknown/job_unfinished", 1),
        ("not_sent/throttled", 1),
    ]);
    let run = ended.report()["run_id"].as_str().unwrap().to_owned();

    let undone = stage.run(&format!("undo {run}"));
    let undone = undone.with_code(0).with_outcomes(&[("started", 4)]);
    let back = [all[0], all[9], all[10], all[12]];
    assert_eq!(started(&undone), once(&back), "{}", undone.err);
    let sizes: Vec<usize> = undone.stats.starts.iter().map(|start| start.size).collect();
    assert_eq!(sizes, [1, 2, 1]);
    let report = undone.report();
    assert_eq!(report["action"], "os-start");
    assert_eq!(report["undoes"], run.as_str());
    assert_eq!(report["stop_type"], Value::Null);
    let totals = json!({"targets": 4, "started": 4, "already_on": 0, "skipped": 0, "failed": 0,
        "unknown": 0, "not_sent": 0});
    assert_eq!(report["totals"], totals);
    let groups: Vec<&str> = report["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["name"].as_str().unwrap())
        .collect();
    assert_eq!(groups, ["mixed", "lost", "throttled", "last"]);

    let undo = undo_id(&stage, &run);
    let again = stage.run(&format!("undo {run}")).with_code(2);
    let again = again.saying(&["was undone before, by run", &undo, "lightsout report"]);
    assert_eq!(started(&again), once(&back));
    assert_eq!(again.stats.starts.len(), 3);
}

#[test]
fn servers_that_do_not_come_up_are_told_by_words_of_their_own() {
    let all = ids(7);
    let faults = json!({"servers": {"starts": {
        "failing": {"ids": [all[1]]},
        "ignored": {"ids": [all[2]]},
        "stuck": {"ids": [all[3]]},
        "refused": {"ids": [all[4]]},
    }}});
    let scenario = Scenario::new(&all).with(SETTINGS).faults(faults).pace(30);
    let (stage, run) = stopped(scenario);
    // Somebody has started two already; one of them is on its way.
    assert!(stage.simulator().start_by_hand(all[5]));
    std::thread::sleep(std::time::Duration::from_millis(1200));
    assert!(stage.simulator().start_by_hand(all[6]));
    let ended = stage.run(&format!("undo {run}")).with_code(33);
    let ended = ended.with_outcomes(&[
        ("started", 1),
        ("already_on", 2),
        ("failed/job_failed", 1),
        ("failed/still_off", 1),
        ("failed/rejected", 1),
        ("unknown/job_unfinished", 1),
    ]);
    assert_eq!(ended.server(all[4])["error_code"], "BMS.0360");
    let next = ended.report()["next"].as_str().unwrap().to_owned();
    assert!(next.starts_with("lightsout settle "), "{next}");
    assert!(!started(&ended).contains_key(&all[5]));
    assert!(!started(&ended).contains_key(&all[6]));
}

#[test]
fn a_server_that_is_starting_already_is_waited_for_but_not_for_ever() {
    let scenario = |timeout: &str| {
        let jobs = format!("jobs: {{ poll: 2s, timeout: {timeout} }}");
        Scenario::new(&ids(1)).with(&jobs).pace(20)
    };
    // By hand a start takes half a minute.
    for (timeout, code, outcome) in [("1m", 0, "already_on"), ("4s", 30, "failed/stuck_starting")] {
        let (stage, run) = stopped(scenario(timeout));
        assert!(stage.simulator().start_by_hand(ids(1)[0]));
        let ended = stage.run(&format!("undo {run}")).with_code(code);
        let ended = ended.with_outcomes(&[(outcome, 1)]);
        assert_eq!(ended.stats.starts, []);
        let before = ended.server(ids(1)[0])["before"].clone();
        assert_eq!(before, "busy");
    }
}

#[test]
fn one_server_that_the_cloud_will_not_start_does_not_keep_the_others_off() {
    let all = ids(4);
    let scenario = Scenario::new(&all)
        .with("checks: { grace: 1m }\njobs: { poll: 5s, timeout: 2m }")
        .faults(json!({"state_lag": "20s"}))
        .pace(10);
    let (stage, run) = stopped(scenario);
    // Off as far as readings tell for a while, and starting in truth.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(stage.simulator().start_by_hand(all[1]));
    let ended = stage.run(&format!("undo {run}")).with_code(30);
    let ended = ended.with_outcomes(&[("started", 3), ("failed/rejected", 1)]);
    assert_eq!(ended.server(all[1])["error_code"], "BMS.0035");
    assert_eq!(started(&ended), once(&[all[0], all[2], all[3]]));
}

#[test]
fn what_a_policy_protects_is_not_started_either() {
    let (mut stage, run) = stopped(scenario(2));
    let text = format!("version: 1\nprotected: {{ servers: [{}] }}\n", ids(2)[1]);
    stage.write("policy.yaml", text);
    let path = stage.path("policy.yaml");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, mode).unwrap();
    stage.set("LIGHTSOUT_POLICY", path.to_str().unwrap());
    for line in [format!("undo {run}"), format!("undo {run} --dry-run")] {
        let refused = stage.run(&line).with_code(23);
        let refused = refused.saying(&["protected.servers", &ids(2)[1].to_string()]);
        assert_eq!(refused.stats.starts, []);
    }
    // What the policy asks of a workflow it does not ask of the way back.
    stage.write("policy.yaml", "version: 1\nrequire: [locked]\n");
    let ended = stage.run(&format!("undo {run}")).with_code(0);
    assert_eq!(started(&ended), once(&ids(2)));
}

#[test]
fn the_answer_to_a_start_may_be_lost_too() {
    let lost = json!({"fault": "error", "status": 504, "accepted": true, "only": 2});
    let cut = json!({"fault": "broken_body", "only": 2});
    let not_taken = json!({"fault": "error", "status": 502, "only": 2});
    for (fault, outcome, requests) in [
        (lost, "started/answer_lost", 1),
        (cut, "started/answer_lost", 1),
        (not_taken, "started", 2),
    ] {
        let faults = json!({"calls": {"stop": [fault]}});
        let (stage, run) = stopped(scenario(2).faults(faults));
        let ended = stage.run(&format!("undo {run}")).with_code(0);
        let ended = ended.with_outcomes(&[(outcome, 2)]);
        assert_eq!(started(&ended), once(&ids(2)), "{}", ended.err);
        assert_eq!(ended.stats.starts.len(), requests, "{}", ended.err);
    }
}

#[test]
fn a_server_that_somebody_stopped_again_is_not_started_again() {
    // The answer to the start is lost, and while its fate is found out the servers go down again.
    let faults = json!({
        "calls": {"stop": [{"fault": "error", "status": 504, "accepted": true, "only": 2}]},
        "servers": {"starts": {"stopped_again": {"ids": ids(2), "for": "1s"}}}
    });
    let (stage, run) = stopped(scenario(2).faults(faults));
    let ended = stage.run(&format!("undo {run}"));
    assert_eq!(started(&ended), once(&ids(2)), "{}", ended.err);
    assert_eq!(ended.stats.double_starts, []);
    assert_ne!(ended.code, 0, "{}", ended.err);
}

#[test]
fn a_dry_run_shows_the_way_back_and_touches_nothing() {
    let (stage, run) = stopped(scenario(3).file("stay.txt", ids(3)[1].to_string()));
    let before = stage.stats();
    let shown = stage.run(&format!("undo {run} --dry-run --exclude stay.txt"));
    let shown = shown
        .with_code(0)
        .saying(&["the way back of run", "3 servers", "start "]);
    let report = crate::checks::valid_report(&shown.out);
    assert_eq!(report["mode"], "dry-run");
    assert_eq!(report["action"], "os-start");
    assert_eq!(report["undoes"], run.as_str());
    assert_eq!(report["totals"]["not_sent"], 2);
    assert_eq!(report["totals"]["skipped"], 1);
    let next = report["next"].as_str().unwrap();
    assert_eq!(next, format!("lightsout undo {run} --exclude stay.txt"));
    assert_eq!(stage.stats(), before);
    assert_eq!(stage.run_folders().len(), 1);

    let ended = stage
        .run(next.strip_prefix("lightsout ").unwrap())
        .with_code(0);
    let ended = ended.with_outcomes(&[("started", 2), ("skipped/narrowed", 1)]);
    assert_eq!(started(&ended), once(&[ids(3)[0], ids(3)[2]]));
}

#[test]
fn what_cannot_be_undone_is_refused_with_a_reason() {
    let stage = scenario(4).clock("2026-11-27T17:00:00Z").start();
    let none = stage.run("undo --last night").with_code(2);
    none.saying(&["there is no run of a workflow named `night`"]);
    stage.run("undo 20261128T170000Z-3f9a1c").with_code(2);

    assert!(stage.crash("run night.yaml", "after:answer").is_none());
    let run = stage.run_id();
    for line in [format!("undo {run}"), "undo --last night".to_owned()] {
        let open = stage.run(&line).with_code(2);
        open.saying(&["is not finished", &format!("lightsout resume {run}")]);
    }
    stage.run("resume --send").with_code(0);
    let old = stage.run(&format!("undo {run} --max-age 0s")).with_code(2);
    old.saying(&["and the limit is 0s", "--max-age"]);
    assert_eq!(stage.stats().starts, []);

    stage
        .run(&format!("undo {run} --max-age 1d12h"))
        .with_code(0);
    let undo = undo_id(&stage, &run);
    let undone = stage.run(&format!("undo {undo}")).with_code(2);
    undone.saying(&["is itself an undo, of run", &run, "run the workflow"]);
    let last = stage.run("undo --last night").with_code(2);
    last.saying(&["was undone before", &run]);
}

#[test]
fn the_last_run_is_not_looked_behind_unless_it_never_began() {
    let (stage, run) = stopped(scenario(2));
    assert!(stage.crash("run night.yaml", "before:0").is_none());
    let shown = stage.run("undo --last night --dry-run").with_code(0);
    shown.saying(&[&format!("the way back of run {run}")]);

    stage.run("run night.yaml").with_code(0);
    let nothing = stage.run("undo --last night").with_code(2);
    let nothing = nothing.saying(&["has stopped no server"]);
    let second = nothing.reports.last().unwrap()["run_id"].as_str().unwrap();
    let plan = stage.path(&format!("state/runs/{second}/plan.json"));
    std::fs::write(plan, "{\"action\":").unwrap();
    let refused = stage.run("undo --last night").with_code(2);
    refused.saying(&["plan.json", second]);
    assert_eq!(stage.stats().starts, []);
    stage.run(&format!("undo {run}")).with_code(0);
}

#[test]
fn a_rehearsal_and_a_run_that_stopped_nothing_are_not_undone() {
    let scenario = scenario(2).faults(json!({"servers": {"off": {"ids": ids(2)}}}));
    let stage = scenario.start();
    stage
        .run("rehearse night.yaml --report rehearsal.json")
        .with_code(0);
    let report: Value = serde_json::from_str(&stage.read("rehearsal.json")).unwrap();
    let rehearsal = report["run_id"].as_str().unwrap();
    for line in [
        format!("undo {rehearsal}"),
        "undo rehearsal.json".to_owned(),
    ] {
        stage.run(&line).with_code(2).saying(&["it is a rehearsal"]);
    }
    stage
        .run("run night.yaml --dry-run --report dry.json")
        .with_code(0);
    stage
        .run("undo dry.json")
        .with_code(2)
        .saying(&["it is a dry run"]);
    stage
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("already_off", 2)]);
    let nothing = stage.run("undo --last night").with_code(2);
    nothing.saying(&["has stopped no server"]);
    assert_eq!(stage.stats().starts, []);
}

#[test]
fn without_readings_nothing_was_seen_and_nothing_is_started() {
    let unread = Scenario::new(&ids(2))
        .with("checks: { before: false, after: false }")
        .pace(30);
    let (stage, run) = stopped(unread);
    let refused = stage.run(&format!("undo {run}")).with_code(2);
    refused.saying(&["no server that it saw on before and off after"]);
    assert_eq!(stage.stats().starts, []);
}

#[test]
fn a_report_names_its_run_and_proves_nothing_more() {
    let (mut stage, run) = stopped(scenario(3).file("more.txt", ""));
    let report = stage.run_folder().join("report.json");
    let text = std::fs::read_to_string(&report).unwrap();

    // A server that the run did not stop is smuggled in: the run's own journal does not know it.
    let stranger = ids(9)[8].to_string();
    stage.write(
        "smuggled.json",
        text.replace(&ids(3)[2].to_string(), &stranger),
    );
    let ended = stage.run("undo smuggled.json --dry-run").with_code(0);
    assert!(!ended.out.contains(&stranger));
    assert!(ended.out.contains(&ids(3)[2].to_string()));

    // Another plan's report, and one of a run that is not here.
    let digest = crate::checks::valid_report(&text)["plan"]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let other = format!("sha256:{}", "0".repeat(64));
    stage.write("other.json", text.replace(&digest, &other));
    stage
        .run("undo other.json")
        .with_code(2)
        .saying(&["their plans differ"]);
    stage.write("copied.json", &text);
    stage.set(
        "LIGHTSOUT_STATE_DIR",
        stage.path("elsewhere").to_str().unwrap(),
    );
    let refused = stage.run("undo copied.json").with_code(2);
    refused.saying(&["is not in the state folder", "on the machine that ran it"]);
    stage.set("LIGHTSOUT_STATE_DIR", stage.path("state").to_str().unwrap());
    stage.write("broken.json", "{}");
    stage.run("undo broken.json").with_code(2);
    assert_eq!(stage.stats().starts, []);

    let ended = stage.run("undo copied.json").with_code(0);
    assert_eq!(started(&ended), once(&ids(3)));
    assert_eq!(ended.report()["undoes"], run.as_str());
}

#[test]
fn the_plan_of_an_undo_is_not_run_by_itself() {
    let (stage, run) = stopped(scenario(2));
    stage.run(&format!("undo {run}")).with_code(0);
    let plan = undo_folder(&stage, &run).unwrap().join("plan.json");
    let line = format!("run --plan {}", plan.display());
    let refused = stage.run(&line).with_code(22);
    refused.saying(&[
        "starts servers: it is that of an undo",
        "undo the run itself",
    ]);
    assert_eq!(stage.stats().started, once(&ids(2)));
}

#[test]
fn an_undo_is_told_of_like_any_run() {
    let faults = json!({"servers": {"starts": {"ignored": {"ids": [ids(3)[1]]}}}});
    let (stage, run) = stopped(scenario(3).faults(faults));
    let ended = stage
        .run(&format!("undo {run} --report back.json"))
        .with_code(30);
    assert_eq!(ended.report()["next"], Value::Null);
    let undo = undo_id(&stage, &run);
    let kept = undo_folder(&stage, &run).unwrap().join("report.json");
    let kept = std::fs::read_to_string(kept).unwrap();
    assert_eq!(stage.read("back.json"), kept);
    let again = stage
        .run(&format!("report {undo} --format json"))
        .with_code(0);
    assert_eq!(again.out, kept);
    let of_file = stage.run("report back.json").with_code(0);
    let of_run = stage.run(&format!("report {undo}")).with_code(0);
    assert_eq!(of_file.out, of_run.out);
    let status = stage.run(&format!("status {undo}")).with_code(0);
    let shown = format!("{}\n---\n{}\n---\n{}", ended.err, of_run.out, status.out);
    let folder = stage.folder().to_str().unwrap().replace('.', r"\.");
    let filters = [
        (folder.as_str(), "FOLDER"),
        (r"\d{8}T\d{6}Z-[0-9a-f]{6}", "RUN_ID"),
        (r"127\.0\.0\.1:\d+", "HOST:PORT"),
        (r"sha256:[0-9a-f]{64}", "DIGEST"),
        (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", "TIME"),
        (r"job(s| ID:)? [0-9a-f-]{32,36}", "job JOB"),
        (r"(after|waiting) [0-9hms]+", "$1 SOME TIME"),
        // By the compressed clock, a run may not seem to have begun yet.
        (r"(TIME), [0-9hms]+ ago", "$1"),
    ];
    insta::with_settings!({filters => filters}, {
        insta::assert_snapshot!(shown);
    });
}
