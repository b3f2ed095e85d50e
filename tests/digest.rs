//! The program of `docs/digest.md`, run on real plans: it must compute the digest that they state.
//!
//! Owns finding the program in the page and the plans that it is run on. It uses an independent library for
//! RFC 8785, installed by `tests/sdk/prepare`. Without it the test says so and, under `CI=true`, fails.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The workflows that the repository shows, and one with everything that a digest can cover.
const EXAMPLES: &[&str] = &[
    "racks.yaml",
    "saturday-window.yaml",
    "smallest.yaml",
    "tiers.yaml",
    "weekly-stop.yaml",
    "compatible-cloud.yaml",
];

const EVERYTHING: &str = r#"version: 1
name: everything
description: "Übernacht 機房 😀"
project: bbf1946d374b44a0a2a95533562ba954
region: ap-southeast-1
stop_type: HARD
report: "reports/{{ run.id }}.json"
window:
  timezone: Asia/Singapore
  opens: [{ days: [sat, sun], at: "01:00" }, { from: 2026-12-24T22:00 }]
  duration: 4h
  cutoff: 45m
  freeze: [freeze.yaml, missing.yaml]
rollout:
  waves: [1, "20%", rest]
  soak: 5m
  gate: { http: "https://gate.example.com/ok?name=機房", expect: [204, 200] }
  max_failures: 0
guards: { max_servers: 10, max_percent: 20 }
groups:
  - name: canary
    servers_from: { file: list.csv, name_column: name, expect_count: 3 }
    expect: { min: 1, max: 5 }
    in_flight: 4
  - name: plain
    servers: [616fb98f-46ca-475e-917e-2563e5a8cd19]
    gate: { http: "http://127.0.0.1/b", retries: 0 }
    soak: 0s
"#;

const LIST: &str = "id,name\n\
    616fb98f-46ca-475e-917e-2563e5a8cd10,\"größe \"\"1\"\"\"\n\
    616fb98f-46ca-475e-917e-2563e5a8cd11,\u{1F600}\u{FF61}\n\
    616fb98f-46ca-475e-917e-2563e5a8cd12,db/3 \\ tab\n";

const FREEZE: &str = "version: 1\nclosures: []\n";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program that the page shows.
fn program() -> String {
    let page = fs::read_to_string(root().join("docs/digest.md")).unwrap();
    let (_, rest) = page.split_once("```python\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// The Python that has the library, if it has been prepared.
#[expect(clippy::print_stdout, reason = "a test that does nothing must say so")]
fn python() -> Option<PathBuf> {
    let venv = root().join("target/sdk-venv");
    let pins = fs::read(root().join("tests/sdk/requirements.txt")).unwrap();
    if fs::read(venv.join("installed.txt")).is_ok_and(|installed| installed == pins) {
        return Some(venv.join("bin/python"));
    }
    assert!(option_env!("CI").is_none(), "run tests/sdk/prepare first");
    println!("skipped: tests/sdk/prepare installs what this needs");
    None
}

fn lightsout(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lightsout"));
    command.args(arguments).env_clear().output().unwrap()
}

/// Writes the plan of a workflow.
fn plan(workflow: &Path, plan: &Path) {
    let (workflow, out) = (workflow.to_str().unwrap(), plan.to_str().unwrap());
    let made = lightsout(&["plan", workflow, "--format", "json", "--out", out]);
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{workflow}: {said}");
}

#[test]
fn an_independent_program_computes_the_same_digest() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("digest.py"), program()).unwrap();
    fs::write(path("everything.yaml"), EVERYTHING).unwrap();
    fs::write(path("list.csv"), LIST).unwrap();
    fs::write(path("freeze.yaml"), FREEZE).unwrap();
    let shown = EXAMPLES
        .iter()
        .map(|name| root().join("workflows").join(name));
    for workflow in shown.chain([path("everything.yaml")]) {
        plan(&workflow, &path("plan.json"));
        let run = || {
            let mut command = Command::new(&python);
            command.arg(path("digest.py")).arg(path("plan.json"));
            command.output().unwrap()
        };
        let agreed = run();
        let said = String::from_utf8_lossy(&agreed.stderr).into_owned();
        assert!(agreed.status.success(), "{}: {said}", workflow.display());
        // A protection that is taken away is noticed.
        let text = fs::read_to_string(path("plan.json")).unwrap();
        let edited = text.replacen(
            "\"max_servers\",\n      \"limit\": ",
            "\"max_servers\",\n      \"limit\": 1",
            1,
        );
        assert_ne!(edited, text);
        fs::write(path("plan.json"), edited).unwrap();
        assert_eq!(run().status.code(), Some(1), "{}", workflow.display());
    }
}
