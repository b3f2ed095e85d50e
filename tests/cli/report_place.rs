//! Where reports go: places that are taken, missing, or go away while the run is on.
//!
//! Invariant: a file that is there is never replaced.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::bench::{Bench, ended, ids, simulator, stops, workflow};

#[test]
fn a_report_place_that_is_taken_forbids_the_run() {
    let simulator = simulator(&ids(1), "calm");
    let bench = Bench::new().with_credentials();
    let endpoint = simulator.endpoint().to_string();
    bench.file("plain.yaml", &workflow(&endpoint, &ids(1), ""));
    bench.file(
        "fixed.yaml",
        &workflow(&endpoint, &ids(1), "report: taken.json\n"),
    );
    bench.file("taken.json", "old");
    for line in [
        "run plain.yaml --report taken.json",
        "run plain.yaml --report none/report.json",
        "run fixed.yaml",
    ] {
        let ended = bench.run(line);
        assert_eq!(ended.code, 2, "{line}");
        assert!(ended.err.contains("hint: "), "{}", ended.err);
    }
    assert_eq!(stops(&simulator), 0);
    assert_eq!(fs::read_to_string(bench.path("taken.json")).unwrap(), "old");
    let runs = bench.path("state/runs");
    assert!(!runs.exists() || fs::read_dir(runs).unwrap().count() == 0);
}

#[test]
fn a_report_place_that_goes_away_ends_with_40() {
    let simulator = simulator(&ids(1), "calm");
    let bench = Bench::new()
        .with_credentials()
        .with("LIGHTSOUT_CLOCK", "compressed:10");
    bench.file(
        "night.yaml",
        &workflow(simulator.endpoint().to_string().as_str(), &ids(1), ""),
    );
    fs::create_dir(bench.path("reports")).unwrap();
    let mut command = bench.command("run night.yaml --report reports/night.json");
    let running = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(|| stops(&simulator) > 0);
    fs::remove_dir(bench.path("reports")).unwrap();
    let ended = ended(running.wait_with_output().unwrap());
    assert_eq!(ended.code, 40, "{}", ended.err);
    assert!(
        ended.err.contains("cannot write `reports/night.json`"),
        "{}",
        ended.err
    );
    let report = bench.report("runs");
    assert_eq!(
        (&report["exit_code"], &report["outcome"]),
        (&40.into(), &"succeeded".into())
    );
}

fn wait_for(condition: impl Fn() -> bool) {
    for _ in 0..2000 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("waited in vain");
}
