//! `validate`, `render`, `plan` and `run --dry-run`: the verbs that only read files.
//!
//! Invariant: none of them leaves anything behind that was not asked for.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::bench::{ABROAD, Bench, checked_report, ids, simulator, stops, workflow};

#[test]
fn validate_looks_at_every_file() {
    let bench = Bench::new();
    bench.file("good.yaml", &workflow(ABROAD, &ids(2), ""));
    bench.file("bad.yaml", &workflow(ABROAD, &ids(1), "color: red\n"));
    bench.file("large.yaml", &workflow(ABROAD, &ids(101), ""));
    let ended = bench.run("validate good.yaml");
    assert_eq!((ended.code, ended.out.as_str()), (0, ""));
    assert_eq!(ended.err, "`good.yaml`: valid, 2 targets\n");
    let ended = bench.run("validate missing.yaml bad.yaml good.yaml");
    assert_eq!(ended.code, 2);
    for part in [
        "cannot read `missing.yaml`",
        "bad.yaml:6:1",
        "`color`",
        "`good.yaml`: valid",
    ] {
        assert!(ended.err.contains(part), "{part} in {}", ended.err);
    }
    assert_eq!(bench.run("validate large.yaml").code, 0);
    assert_eq!(bench.run("validate large.yaml --deny-warnings").code, 2);
}

#[test]
fn validate_tells_machines_in_json() {
    let bench = Bench::new();
    bench.file("bad.yaml", &workflow(ABROAD, &ids(1), "color: red\n"));
    let ended = bench.run("validate bad.yaml missing.yaml --format json");
    assert_eq!((ended.code, ended.err.as_str()), (2, ""));
    let findings: Value = serde_json::from_str(&ended.out).unwrap();
    let findings = findings.as_array().unwrap();
    assert_eq!(findings[0]["line"], 6);
    assert_eq!(findings[1]["code"], "unreadable-file");
}

#[test]
fn render_fills_in_variables() {
    let bench = Bench::new();
    let text = workflow(
        ABROAD,
        &ids(1),
        "description: \"rack {{ rack }}\"\nvars: { rack: b7 }\n",
    );
    bench.file("night.yaml", &text);
    assert!(bench.run("render night.yaml").out.contains("rack b7"));
    assert!(
        bench
            .run("render night.yaml --var rack=b9")
            .out
            .contains("rack b9")
    );
    let ended = bench.run("render night.yaml --var rock=b9");
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
}

#[test]
fn a_plan_is_shown_in_every_form_and_kept_where_asked() {
    let bench = Bench::new();
    bench.file("night.yaml", &workflow(ABROAD, &ids(3), ""));
    let json = bench.run("plan night.yaml --format json --out night.plan.json");
    assert_eq!((json.code, json.err.as_str()), (0, ""));
    assert_eq!(
        fs::read_to_string(bench.path("night.plan.json")).unwrap(),
        json.out
    );
    assert_eq!(bench.run("plan night.yaml --format json").out, json.out);
    assert!(
        bench
            .run("plan night.yaml")
            .out
            .contains("3 servers in 1 group")
    );
    assert!(
        bench
            .run("plan night.yaml --format md")
            .out
            .contains("**3 servers**")
    );
    assert!(
        bench
            .run("plan night.yaml --requests")
            .out
            .contains("\"os-stop\"")
    );
    assert!(!bench.path("state").exists());
}

#[test]
fn a_plan_beyond_a_guard_is_shown_whole_and_ends_with_23() {
    let bench = Bench::new().with_credentials();
    let simulator = simulator(&ids(3), "calm");
    let endpoint = simulator.endpoint().to_string();
    let guards = "guards: { max_servers: 2 }\n";
    bench.file("night.yaml", &workflow(&endpoint, &ids(3), guards));
    let ended = bench.run("plan night.yaml --format json --out night.plan.json");
    assert_eq!(ended.code, 23);
    let plan: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(plan["totals"]["targets"], 3);
    assert!(ended.err.contains("guard `max_servers`"), "{}", ended.err);
    for line in [
        "run night.yaml",
        "run --plan night.plan.json",
        "rehearse night.yaml",
    ] {
        assert_eq!(bench.run(line).code, 23, "{line}");
    }
    let dry = bench.run("run night.yaml --dry-run");
    assert_eq!(
        (dry.code, &checked_report(&dry.out)["outcome"]),
        (23, &"forbidden".into())
    );
    assert_eq!(stops(&simulator), 0);
    assert!(!bench.path("state").exists());
}

#[test]
fn a_dry_run_needs_and_leaves_nothing() {
    let bench = Bench::new();
    bench.file("night.yaml", &workflow(ABROAD, &ids(3), ""));
    let ended = bench.run("run night.yaml --dry-run --label change=CHG0042");
    assert_eq!(ended.code, 0);
    let report = checked_report(&ended.out);
    assert_eq!(report["mode"], "dry-run");
    assert_eq!(report["totals"]["not_sent"], 3);
    assert_eq!(report["labels"]["change"], "CHG0042");
    assert_eq!(report["next"], "lightsout run night.yaml");
    assert!(ended.err.contains("3 servers in 1 group"), "{}", ended.err);
    let kept = bench.run("run night.yaml --dry-run --report dry.json");
    assert_eq!((kept.code, kept.out.as_str()), (0, ""));
    checked_report(&fs::read_to_string(bench.path("dry.json")).unwrap());
    assert!(!bench.path("state").exists());
}

#[test]
fn the_shipped_workflows_are_fine_and_can_be_rehearsed() {
    let workflows = Path::new(env!("CARGO_MANIFEST_DIR")).join("workflows");
    let bench = Bench::new();
    let mut count = 0;
    for entry in fs::read_dir(workflows).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let path = path.to_str().unwrap();
            let ended = bench.run(&format!("validate --deny-warnings {path}"));
            assert_eq!(ended.code, 0, "{}", ended.err);
            let ended = bench.run(&format!("rehearse --quiet {path}"));
            assert_eq!(ended.code, 0, "{}", ended.err);
            count += 1;
        }
    }
    assert!(count >= 5);
}
