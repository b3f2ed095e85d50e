//! How the program speaks: to people, to machines, to nobody; and whom it asks.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::checks::valid_report;
use crate::scenario::{Ended, Scenario, Stage, ids};

const ESCAPE: char = '\u{1b}';

#[test]
fn a_dry_run_sees_no_cloud_and_leaves_nothing() {
    let stage = Scenario::new(&ids(3)).without_keys().start();
    let ended = stage
        .run("run night.yaml --dry-run --label change=CHG0042")
        .with_code(0);
    let report = valid_report(&ended.out);
    assert_eq!(
        (&report["mode"], &report["run_id"]),
        (&"dry-run".into(), &Value::Null)
    );
    assert_eq!(report["totals"]["not_sent"], 3);
    let reasons = report["servers"].as_array().unwrap().iter();
    assert!(
        reasons
            .map(|row| &row["reason"])
            .all(|reason| reason == "dry_run")
    );
    assert_eq!(ended.stats.requests, Default::default());
    stage
        .run("run night.yaml --dry-run --report dry.json")
        .with_code(0);
    valid_report(&stage.read("dry.json"));
    assert!(!stage.path("state").exists());
}

#[test]
fn a_report_that_exists_is_never_replaced() {
    let stage = Scenario::new(&ids(1)).start();
    stage.write("taken.json", "theirs");
    for line in [
        "run night.yaml --report taken.json",
        "run night.yaml --dry-run --report taken.json",
        "rehearse night.yaml --report taken.json",
    ] {
        stage
            .run(line)
            .with_code(2)
            .with_nothing_sent()
            .saying(&["`taken.json`", "hint: "]);
    }
    assert_eq!(stage.read("taken.json"), "theirs");
}

#[test]
fn quiet_means_silent_where_all_is_well_and_heard_where_not() {
    let ended = Scenario::new(&ids(2))
        .run("run night.yaml --quiet")
        .with_code(0);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("", ""));
    let faults = serde_json::json!({"servers": {"locked": {"share": 1.0}}});
    let ended = Scenario::new(&ids(2))
        .faults(faults)
        .run("run night.yaml -q")
        .with_code(30);
    assert!(
        ended.err.contains("locked") && ended.err.contains("exit code: 30"),
        "{}",
        ended.err
    );
}

#[test]
fn verbosity_only_adds() {
    let lines = |flag: &str| {
        let ended = Scenario::new(&ids(2))
            .run(&format!("run night.yaml {flag}"))
            .with_code(0);
        assert_eq!(ended.out, "");
        ended.err
    };
    let (usual, more) = (lines(""), lines("-v"));
    assert!(
        usual.contains("INFO") && !usual.contains("DEBUG"),
        "{usual}"
    );
    assert!(more.contains("INFO") && more.contains("DEBUG"), "{more}");
}

#[test]
fn machines_get_one_json_object_a_line_whatever_happens() {
    let faults = serde_json::json!({"servers": {"locked": {"share": 0.5}}});
    for (line, code) in [
        ("run night.yaml --log-format json", 30),
        ("run night.yaml --log-format json -vv", 30),
        ("run missing.yaml --log-format json", 2),
        ("run bad.yaml --log-format json", 2),
        ("rehearse night.yaml --log-format json", 0),
        ("plan large.yaml --log-format json", 23),
    ] {
        let stage = Scenario::new(&ids(8))
            .faults(faults.clone())
            .bearing_failures()
            .start();
        let text = stage.read("night.yaml");
        stage.write("bad.yaml", "version: 2\n");
        stage.write(
            "large.yaml",
            format!("{text}guards: {{ max_servers: 1 }}\n"),
        );
        let ended = stage.run(line).with_code(code);
        for line in ended.err.lines() {
            let object: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
            assert!(
                object["message"].is_string() && object["level"].is_string(),
                "{line}"
            );
        }
        assert!(!ended.err.is_empty());
    }
}

#[test]
fn colour_comes_only_where_it_is_wanted() {
    let coloured = |line: &str, no_color: &str| {
        let stage = Scenario::new(&ids(1))
            .file("bad.yaml", "version: 2\n")
            .variable("NO_COLOR", no_color)
            .start();
        let ended = stage.run(line);
        ended.err.contains(ESCAPE) || ended.out.contains(ESCAPE)
    };
    for line in ["run night.yaml", "validate bad.yaml", "plan night.yaml"] {
        assert!(!coloured(line, ""), "{line}");
        assert!(!coloured(&format!("{line} --color never"), ""), "{line}");
    }
    assert!(coloured("validate bad.yaml --color always", ""));
    assert!(
        coloured("validate bad.yaml --color always", "1"),
        "the flag is nearer than the variable"
    );
}

#[test]
fn data_is_all_that_reaches_stdout() {
    let stage = Scenario::new(&ids(2)).start();
    for line in [
        "run night.yaml -vv",
        "rehearse night.yaml -vv",
        "validate night.yaml -vv",
    ] {
        assert_eq!(stage.run(line).with_code(0).out, "", "{line}");
    }
    for line in [
        "plan night.yaml --format json -vv",
        "run night.yaml --dry-run -vv",
        "schema report -vv",
    ] {
        let ended = stage.run(line).with_code(0);
        serde_json::from_str::<Value>(&ended.out)
            .unwrap_or_else(|_| panic!("{line}: {}", ended.out));
    }
}

#[test]
fn without_a_terminal_a_run_and_an_undo_need_an_approval() {
    let stage = Scenario::new(&ids(2)).start();
    let refused = |line: &str, hint: &str| {
        // An open pipe with nothing in it: reading from it would block for ever.
        let mut command = stage.unconfirmed(line);
        let running = command.stdin(Stdio::piped()).spawn().unwrap();
        let ended = stage.ended(running.wait_with_output().unwrap());
        ended.with_code(2).saying(&[
            "error: cannot ask for confirmation: stdin and stderr are not terminals",
            &format!("hint: to run without confirmation: `{hint}`"),
        ])
    };
    for (line, hint) in [
        ("run night.yaml", "lightsout run night.yaml --yes"),
        (
            "run ./night.yaml --only canary",
            "lightsout run ./night.yaml --only canary --yes",
        ),
        (
            "run night.yaml --wait",
            "lightsout run night.yaml --yes --wait",
        ),
    ] {
        refused(line, hint).with_nothing_sent();
    }
    assert!(!stage.path("state").exists());
    stage.run("plan night.yaml --write").with_code(0);
    refused("run night.yaml", "lightsout run night.yaml --locked").with_nothing_sent();
    stage.run("run night.yaml --dry-run").with_code(0);
    stage.run("run night.yaml --locked").with_code(0);
    let undo = format!("lightsout undo {} --yes", stage.run_id());
    assert_eq!(refused("undo --last night", &undo).stats.starts, []);
    stage.run("undo --last night --dry-run").with_code(0);
    stage.run("undo --last night --yes").with_code(0);
}

#[test]
fn the_stream_that_is_no_terminal_is_named() {
    let stage = Scenario::new(&ids(2)).start();
    let program = env!("CARGO_BIN_EXE_lightsout");
    for (redirected, named) in [
        ("< /dev/null", "stdin is not a terminal"),
        (
            "2>&1 | cat; exit ${PIPESTATUS[0]}",
            "stderr is not a terminal",
        ),
    ] {
        let script = format!("bash -c '{program} run night.yaml {redirected}'");
        if let Some(ended) = typed_on_a_terminal(&stage, &script, "2\n") {
            let named = format!("cannot ask for confirmation: {named}");
            ended.with_code(2).with_nothing_sent().saying(&[&named]);
        }
    }
}

/// Runs the program on a terminal on which somebody types.
fn on_a_terminal(stage: &Stage, line: &str, typed: &str) -> Option<Ended> {
    let program = env!("CARGO_BIN_EXE_lightsout");
    typed_on_a_terminal(stage, &format!("{program} {line}"), typed)
}

/// Runs a command of a shell on a terminal on which somebody types.
fn typed_on_a_terminal(stage: &Stage, command: &str, typed: &str) -> Option<Ended> {
    let mut script = stage.surrounded("script", ["-qec", command, "/dev/null"].into_iter());
    let running = script.env("TERM", "xterm").stdin(Stdio::piped()).spawn();
    let mut running = match running {
        Ok(running) => running,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // There is none on this system, and without a terminal there is nothing to test.
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    running
        .stdin
        .take()
        .unwrap()
        .write_all(typed.as_bytes())
        .unwrap();
    let mut output = running.wait_with_output().unwrap();
    // The terminal has one stream.
    output.stderr.extend_from_slice(&output.stdout);
    Some(stage.ended(output))
}

#[test]
fn on_a_terminal_the_number_of_targets_is_asked_for() {
    let stage = Scenario::new(&ids(3)).start();
    for typed in ["2\n", "yes\n", "\n"] {
        if let Some(ended) = on_a_terminal(&stage, "run night.yaml", typed) {
            ended
                .with_code(24)
                .with_nothing_sent()
                .saying(&["3 servers of project", "not confirmed"]);
        }
    }
    assert!(!stage.path("state").exists());
    if let Some(ended) = on_a_terminal(&stage, "run night.yaml", "3\n") {
        let ended = ended.with_code(0).saying(&["Type the number"]);
        assert_eq!(ended.total("stopped"), 3);
    }
}

#[test]
fn on_a_terminal_an_undo_asks_for_the_number_too() {
    let stage = Scenario::new(&ids(2)).start();
    stage.run("run night.yaml").with_code(0);
    if let Some(ended) = on_a_terminal(&stage, "undo --last night", "yes\n") {
        let ended = ended.with_code(24);
        let ended = ended.saying(&[
            "2 servers of project",
            "will be powered on",
            "were to be started",
        ]);
        assert_eq!(ended.stats.starts, []);
    }
    if let Some(ended) = on_a_terminal(&stage, "undo --last night", "2\n") {
        assert_eq!(ended.with_code(0).stats.started.len(), 2);
    }
}

#[test]
fn on_a_terminal_a_plan_and_a_yes_are_not_asked_about() {
    let stage = Scenario::new(&ids(2)).start();
    stage
        .run("plan night.yaml --out night.plan.json")
        .with_code(0);
    for line in ["run --plan night.plan.json", "run night.yaml --yes"] {
        if let Some(ended) = on_a_terminal(&stage, line, "") {
            let ended = ended.with_code(0);
            assert!(!ended.err.contains("Type the number"), "{}", ended.err);
        }
    }
}
