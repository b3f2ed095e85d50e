//! Where reports go and what they are called.
//!
//! Invariant: a file that is there is never replaced.

use serde_json::Value;

use crate::checks::valid_report;
use crate::scenario::{Scenario, ids};

#[test]
fn a_report_goes_to_the_run_folder_and_where_the_workflow_says() {
    let stage = Scenario::new(&ids(5))
        .with("rollout: { batch_size: 2 }\nreport: \"{{ workflow.name }}-{{ run.id }}.json\"")
        .start();
    let ended = stage
        .run("run night.yaml --label change=CHG0042")
        .with_code(0)
        .saying(&[
            "all well: 5 stopped of 5 targets",
            "3 job IDs in the report",
        ]);
    let report = ended.report();
    let run = report["run_id"].as_str().unwrap();
    assert_eq!(
        &valid_report(&stage.read(&format!("night-{run}.json"))),
        report
    );
    assert_eq!(report["labels"]["change"], "CHG0042");
    let folder = stage.path("state/runs").join(run);
    let plan: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("plan.json")).unwrap()).unwrap();
    assert_eq!(plan["digest"], report["plan"]["digest"]);
}

#[test]
fn a_place_that_is_taken_or_missing_forbids_the_run() {
    let stage = Scenario::new(&ids(1)).file("taken.json", "theirs").start();
    stage.write(
        "fixed.yaml",
        format!("{}report: taken.json\n", stage.read("night.yaml")),
    );
    std::os::unix::fs::symlink("nowhere", stage.path("link.json")).unwrap();
    std::fs::create_dir(stage.path("state")).unwrap();
    for line in [
        "run night.yaml --report taken.json",
        "run night.yaml --report none/report.json",
        "run night.yaml --report link.json",
        "run night.yaml --report state",
        "run night.yaml --report reports/",
        "run fixed.yaml",
    ] {
        stage
            .run(line)
            .with_code(2)
            .with_nothing_sent()
            .saying(&["hint: "]);
    }
    assert_eq!(stage.read("taken.json"), "theirs");
    let runs = std::fs::read_dir(stage.path("state/runs"));
    assert_eq!(
        runs.map_or(0, Iterator::count),
        0,
        "a folder of a run that never was"
    );
}

#[test]
fn the_report_of_a_workflow_stays_in_its_work_tree() {
    let stage = Scenario::new(&ids(1)).start();
    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), stage.path("out")).unwrap();
    std::os::unix::fs::symlink("state", stage.path("st")).unwrap();
    std::fs::create_dir_all(stage.path("state/locks")).unwrap();
    std::fs::create_dir(stage.path("sub")).unwrap();
    let night = stage.read("night.yaml");
    let inside = "outside the git work tree that holds the workflow";
    for (template, why) in [
        ("../{{ run.id }}.json", inside),
        ("sub/../../{{ run.id }}.json", inside),
        ("out/{{ run.id }}.json", inside),
        ("state/halt.json", "in the state folder"),
        ("st/halt.json", "in the state folder"),
        ("state/locks/{{ run.id }}", "in the state folder"),
    ] {
        stage.write("w.yaml", format!("{night}report: \"{template}\"\n"));
        let ended = stage.run("run w.yaml").with_code(2).with_nothing_sent();
        ended.saying(&["the workflow's `report` cannot be written", why, "hint: "]);
    }
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    assert!(!stage.path("state/halt.json").exists());
    let runs = std::fs::read_dir(stage.path("state/runs")).unwrap();
    assert_eq!(runs.count(), 0);
    stage.write("w.yaml", format!("{night}report: /tmp/report.json\n"));
    let refused = stage.run("validate w.yaml").with_code(2);
    refused.saying(&["report-path", "must be a relative path"]);
    // A plan that was changed afterwards is refused.
    stage.run("plan night.yaml --out a.plan.json").with_code(0);
    let plan = stage.read("a.plan.json");
    let changed = plan.replace("\"report\": null", "\"report\": \"/tmp/report.json\"");
    assert_ne!(plan, changed);
    stage.write("a.plan.json", changed);
    let refused = stage.run("run --plan a.plan.json").with_code(22);
    refused.with_nothing_sent().saying(&["digest"]);
    // The command line is the operator's.
    stage.write("w.yaml", format!("{night}report: out/x.json\n"));
    stage.run("run w.yaml --report out/mine.json").with_code(0);
    assert!(elsewhere.path().join("mine.json").exists());
}

#[test]
fn a_reviewer_sees_where_the_report_goes() {
    let stage = Scenario::new(&ids(1))
        .with("report: \"out/{{ run.id }}.json\"")
        .start();
    let text = stage.run("plan night.yaml").with_code(0).out;
    assert!(
        text.contains("report                out/{{ run.id }}.json"),
        "{text}"
    );
    let markdown = stage.run("plan night.yaml --format md").with_code(0).out;
    assert!(markdown.contains("| `report` | out/"), "{markdown}");
    stage.run("plan night.yaml --write").with_code(0);
    let text = stage.read("night.yaml").replace("out/", "other/");
    stage.write("night.yaml", text);
    stage.run("plan night.yaml --check").with_code(10);
    stage.run("run night.yaml --locked").with_code(22);
}

#[test]
fn a_resumed_run_writes_its_report_where_the_run_began() {
    let stage = Scenario::new(&ids(2))
        .with("report: \"night.json\"")
        .start();
    std::fs::create_dir(stage.path("sub")).unwrap();
    assert!(stage.crash("run night.yaml", "after:intent").is_none());
    let mut command = stage.command("resume --send");
    let output = command.current_dir(stage.path("sub")).output().unwrap();
    stage.ended(output).with_code(0);
    valid_report(&stage.read("night.json"));
    assert!(!stage.path("sub/night.json").exists());
}

#[test]
fn a_run_that_died_before_its_first_record_does_not_stand_in_the_way() {
    let stage = Scenario::new(&ids(2)).start();
    let died = stage
        .command("run night.yaml")
        .env("LIGHTSOUT_CRASH", "before:0")
        .output()
        .unwrap();
    assert_eq!(died.status.code(), None, "it lives");
    let ended = stage.run("run night.yaml").with_code(0);
    assert_eq!((ended.total("stopped"), ended.reports.len()), (2, 1));
}

#[test]
fn what_an_operator_reads_in_the_morning() {
    let all = ids(6);
    let faults = serde_json::json!({"servers": {
        "failing": {"ids": [all[0]], "code": "BMS.0217"}, "locked": {"ids": [all[1]]}, "off": {"ids": [all[2]]}
    }});
    let mut told = String::new();
    for (title, scenario, line) in [
        ("all well", Scenario::new(&all), "run night.yaml"),
        (
            "some failed",
            Scenario::new(&all).bearing_failures().faults(faults),
            "run night.yaml",
        ),
        (
            "wrong keys",
            Scenario::new(&all).variable("HUAWEICLOUD_SDK_SK", "wrong"),
            "run night.yaml",
        ),
        (
            "nothing sent",
            Scenario::new(&all),
            "run night.yaml --dry-run --report dry.json",
        ),
        (
            "a guard",
            Scenario::new(&all).with("guards: { max_servers: 5 }"),
            "run night.yaml",
        ),
        (
            "a strange host",
            Scenario::offline(
                "groups:\n  - name: canary\n    servers: [a0000000-0000-0000-0000-000000000001]\n",
            ),
            "run night.yaml",
        ),
        ("no file", Scenario::new(&all), "run missing.yaml"),
    ] {
        let ended = scenario.pace(10).run(line);
        told += &format!("== {title}: {line}: {}\n{}\n", ended.code, ended.err);
    }
    insta::with_settings!({
        prepend_module_to_snapshot => false, omit_expression => true,
        snapshot_path => "../snapshots",
        filters => vec![
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[time]"),
            (r"\d{8}T\d{6}Z-[0-9a-f]{6}", "[run]"),
            (r"/\S*/state/", "[state]/"),
            (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
            (r"sha256:[0-9a-f]{64}", "sha256:[digest]"),
            (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[1-9a-f][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b", "[job]"),
            (r"\b[0-9a-f]{32}\b", "[hex]"),
        ],
    }, {
        insta::assert_snapshot!("scenario__what_an_operator_reads", told);
    });
}
