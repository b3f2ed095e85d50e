//! The verbs that only read files: usage, help, schemas, `validate`, `render`, `plan`.
//!
//! Invariant: none of them leaves anything behind that was not asked for.

use std::process::Stdio;

use serde_json::Value;

use crate::checks::valid_report;
use crate::scenario::{Scenario, Stage, ids};

/// A workflow of three servers, and no cloud.
fn offline(more: &str) -> Stage {
    of(3, more).start()
}

fn of(servers: u32, more: &str) -> Scenario {
    let list: Vec<String> = ids(servers).iter().map(ToString::to_string).collect();
    let groups = format!(
        "groups:\n  - name: canary\n    servers: [{}]\n",
        list.join(", ")
    );
    Scenario::offline(&groups).with(more).without_keys()
}

#[test]
fn usage_errors_end_with_2_and_help_with_0() {
    let stage = offline("");
    let wrong = [
        "",
        "stop",
        "run",
        "plan",
        "validate",
        "run a.yaml --wait",
        "schema policies",
        "run night.yaml --plan a.json",
        "plan night.yaml --var rack",
        "run night.yaml --colour always",
        "rehearse night.yaml --seed soon",
    ];
    for line in wrong {
        assert_eq!(stage.run(line).with_code(2).out, "", "{line}");
    }
    for line in ["--version", "--help", "run --help", "rehearse -h"] {
        let ended = stage.run(line).with_code(0);
        assert!(ended.err.is_empty() && !ended.out.is_empty(), "{line}");
    }
    assert!(!stage.path("state").exists());
}

#[test]
fn schemas_and_completions_go_to_stdout() {
    let stage = offline("");
    for name in ["workflow", "plan", "report", "status"] {
        let ended = stage.run(&format!("schema {name}")).with_code(0);
        let schema: Value = serde_json::from_str(&ended.out).unwrap();
        assert!(jsonschema::meta::is_valid(&schema), "{name}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let ended = stage.run(&format!("completions {shell}")).with_code(0);
        assert!(ended.out.contains("rehearse"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let stage = of(5000, "guards: { max_servers: 5000 }").start();
    let mut running = stage
        .command("plan night.yaml --format json")
        .spawn()
        .unwrap();
    drop(running.stdout.take());
    let ended = stage
        .ended(running.wait_with_output().unwrap())
        .with_code(0);
    assert_eq!(ended.err, "");
    let mut running = stage.command("validate night.yaml -v").spawn().unwrap();
    drop(running.stderr.take());
    stage
        .ended(running.wait_with_output().unwrap())
        .with_code(0);
}

#[test]
fn validate_looks_at_every_file() {
    let stage = offline("");
    let text = stage.read("night.yaml");
    stage.write(
        "bad.yaml",
        text.replace("stop_type", "color: red\nstop_type"),
    );
    stage.write(
        "large.yaml",
        format!("{text}guards: {{ max_servers: 2 }}\n"),
    );
    let ended = stage.run("validate night.yaml").with_code(0);
    assert_eq!(
        (ended.out.as_str(), ended.err.as_str()),
        ("", "`night.yaml`: valid, 3 targets\n")
    );
    let parts = [
        "cannot read `missing.yaml`",
        "bad.yaml:5:1",
        "`color`",
        "`night.yaml`: valid",
    ];
    stage
        .run("validate missing.yaml bad.yaml night.yaml")
        .with_code(2)
        .saying(&parts);
    stage.run("validate large.yaml").with_code(0);
    stage
        .run("validate large.yaml --deny-warnings")
        .with_code(2);
}

#[test]
fn validate_tells_machines_in_json() {
    let stage = offline("color: red");
    let ended = stage
        .run("validate night.yaml missing.yaml --format json")
        .with_code(2);
    assert_eq!(ended.err, "");
    let findings: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(
        (&findings[0]["line"], &findings[0]["column"]),
        (&9.into(), &1.into())
    );
    assert_eq!(findings[1]["code"], "unreadable-file");
}

#[test]
fn render_fills_in_variables() {
    let mut stage = offline(
        "description: \"rack {{ rack }}\"\nvars: { rack: { default: b7, env: LIGHTSOUT_VAR_RACK } }",
    );
    let shows = |stage: &Stage, line: &str| stage.run(line).with_code(0).out;
    assert!(shows(&stage, "render night.yaml").contains("rack b7"));
    stage.set("LIGHTSOUT_VAR_RACK", "b8");
    stage.write("vars.yaml", "rack: b9\n");
    assert!(shows(&stage, "render night.yaml").contains("rack b8"));
    assert!(shows(&stage, "render night.yaml --vars-file vars.yaml").contains("rack b9"));
    assert!(
        shows(
            &stage,
            "render night.yaml --vars-file vars.yaml --var rack=c1"
        )
        .contains("rack c1")
    );
    assert_eq!(
        stage
            .run("render night.yaml --var rock=b9")
            .with_code(2)
            .out,
        ""
    );
}

#[test]
fn a_plan_is_shown_in_every_form_and_kept_where_asked() {
    let stage = offline("");
    let shown = |line: &str| stage.run(line).with_code(0).out;
    let json = stage
        .run("plan night.yaml --format json --out night.plan.json")
        .with_code(0);
    assert_eq!(
        (json.err.as_str(), stage.read("night.plan.json")),
        ("", json.out.clone())
    );
    assert_eq!(shown("plan night.yaml --format json"), json.out);
    assert!(shown("plan night.yaml").contains("3 servers in 1 group"));
    assert!(shown("plan night.yaml --format md").contains("**3 servers**"));
    assert!(shown("plan night.yaml --requests").contains("\"os-stop\""));
    assert!(!stage.path("state").exists());
}

#[test]
fn a_plan_beyond_a_guard_is_shown_whole_and_never_run() {
    let stage = Scenario::new(&ids(3))
        .with("guards: { max_servers: 2 }")
        .start();
    let ended = stage
        .run("plan night.yaml --format json --out night.plan.json")
        .with_code(23);
    let plan: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(plan["totals"]["targets"], 3);
    stage
        .run("run --plan night.plan.json")
        .with_code(23)
        .with_nothing_sent();
    let dry = stage.run("run night.yaml --dry-run").with_code(23);
    assert_eq!(valid_report(&dry.out)["outcome"], "forbidden");
    assert!(!stage.path("state").exists());
}

#[test]
fn a_dry_run_says_what_would_be_typed_next() {
    let ended = offline("")
        .run("run night.yaml --dry-run --label change=CHG0042")
        .with_code(0);
    let report = valid_report(&ended.out);
    assert_eq!(report["labels"]["change"], "CHG0042");
    assert!(
        report["next"]
            .as_str()
            .unwrap()
            .starts_with("lightsout run night.yaml")
    );
    assert!(ended.err.contains("3 servers in 1 group"), "{}", ended.err);
}

#[test]
fn the_clock_of_tests_is_refused_for_a_real_cloud() {
    of(1, "")
        .variable("HUAWEICLOUD_SDK_AK", "x")
        .variable("HUAWEICLOUD_SDK_SK", "y")
        .variable("LIGHTSOUT_CLOCK", "compressed:60")
        .run("run night.yaml")
        .with_code(2)
        .saying(&["`LIGHTSOUT_CLOCK`"]);
}

#[test]
fn whoever_has_no_credentials_is_told_where_they_go() {
    let stage = of(1, "").endpoint("http://127.0.0.1:9").start();
    stage
        .run("run night.yaml")
        .with_code(3)
        .saying(&["HUAWEICLOUD_SDK_AK"]);
    assert!(!stage.path("state").exists());
}

#[test]
fn a_pipe_nobody_reads_the_errors_of_changes_no_exit_code() {
    let stage = offline("color: red");
    let running = stage
        .command("validate night.yaml")
        .stderr(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(running.status.code(), Some(2));
}
