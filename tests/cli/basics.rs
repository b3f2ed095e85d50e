//! What holds for every verb: usage, help, schemas, completions, closed pipes.
//!
//! Invariant: nothing here needs a file or a cloud.

use std::process::Stdio;

use serde_json::Value;

use crate::bench::{ABROAD, Bench, ended, ids, workflow};

#[test]
fn usage_errors_end_with_2_and_help_with_0() {
    let bench = Bench::new();
    for line in [
        "",
        "stop",
        "run",
        "plan",
        "validate",
        "run a.yaml --wait",
        "schema policy",
    ] {
        let ended = bench.run(line);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{line}");
        assert!(!ended.err.is_empty());
    }
    for line in ["--version", "--help", "run --help", "rehearse -h"] {
        let ended = bench.run(line);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{line}");
        assert!(!ended.out.is_empty());
    }
}

#[test]
fn schemas_and_completions_go_to_stdout() {
    let bench = Bench::new();
    for name in ["workflow", "plan", "report", "status"] {
        let schema: Value =
            serde_json::from_str(&bench.run(&format!("schema {name}")).out).unwrap();
        assert!(jsonschema::meta::is_valid(&schema), "{name}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = bench.run(&format!("completions {shell}")).out;
        assert!(script.contains("rehearse"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let bench = Bench::new();
    bench.file(
        "night.yaml",
        &workflow(ABROAD, &ids(5000), "guards: { max_servers: 5000 }\n"),
    );
    let mut command = bench.command("plan night.yaml --format json");
    let mut running = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(running.stdout.take());
    let ended = ended(running.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
}
