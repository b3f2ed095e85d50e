//! The official Python SDK drives the simulator: what keeps the simulator honest.
//!
//! Owns the comparison of what the SDK saw with what the simulator recorded. The SDK must have been
//! installed by `tests/sdk/prepare`; without it the test says so and, under `CI=true`, fails.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lightsout::ids::ServerId;
use lightsout::simulator::{Faults, Settings, SimulatedServer, Simulator, Stats, invented_name};
use serde_json::{Value, json};

const PROJECT: &str = "bbf1946d374b44a0a2a95533562ba954";
const SERVERS: u32 = 2_500;

fn id(number: u32) -> ServerId {
    format!("5da1cafe-0000-4000-8000-{number:012x}")
        .parse()
        .unwrap()
}

/// The Python that has the SDK, if it has been prepared.
fn python() -> Option<PathBuf> {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sdk-venv");
    let python = venv.join("bin/python");
    // The prepared version is recorded last, so a half-made environment does not count.
    (python.exists() && venv.join("installed.txt").exists()).then_some(python)
}

/// What `drive.py` saw of this simulator.
fn driven(python: &Path, simulator: &Simulator) -> Value {
    let home = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/drive.py");
    let servers: Vec<ServerId> = (0..SERVERS).map(id).collect();
    let task = json!({
        "endpoint": simulator.endpoint(),
        "access_key": simulator.access_key(),
        "secret_key": simulator.secret_key(),
        "project": simulator.project(),
        "servers": servers,
        "batch": 1000,
    });
    // The SDK writes below HOME, reads it for credentials, and obeys proxies even on loopback.
    let mut child = Command::new(python)
        .arg(script)
        .env_clear()
        .env("HOME", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(task.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "`drive.py` failed; its messages are above"
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no `main` that collects it"
)]
fn the_official_sdk_and_the_simulator_agree() {
    let Some(python) = python() else {
        let advice = "the Python SDK is not installed: run `tests/sdk/prepare`";
        let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!in_ci, "{advice}");
        eprintln!("SKIPPED the_official_sdk_and_the_simulator_agree: {advice}");
        return;
    };
    // Three more servers than are stopped, so that the last page is short and something stays on.
    let servers = (0..SERVERS + 3).map(|number| SimulatedServer::new(id(number)));
    let simulator = Simulator::start(Settings {
        job_duration: Duration::from_secs(2),
        faults: Faults::from_value(json!({"servers": {"locked": {"ids": [id(SERVERS)]}}})).unwrap(),
        ..Settings::new(PROJECT.parse().unwrap(), servers.collect())
    })
    .unwrap();
    let seen = driven(&python, &simulator);
    let stats = simulator.stats();
    check_listing(&seen);
    check_jobs(&seen, &stats);
    check_errors(&seen);
    check_record(&stats);
}

fn check_listing(seen: &Value) {
    assert_eq!(seen["pages"], json!([1000, 1000, 503]));
    let state = |when: &str, number: u32| {
        let row = &seen[when][id(number).to_string()];
        json!([
            row["status"],
            row["task"],
            row["power"],
            row["vm_state"],
            row["locked"]
        ])
    };
    let (on, off) = (
        json!(["ACTIVE", null, 1, "active", false]),
        json!(["SHUTOFF", null, 4, "stopped", false]),
    );
    for number in 0..SERVERS {
        assert_eq!(state("before", number), on);
        assert_eq!(state("after", number), off);
    }
    assert_eq!(
        state("after", SERVERS),
        json!(["ACTIVE", null, 1, "active", true])
    );
    assert_eq!(state("after", SERVERS + 1), on);
    assert_eq!(seen["single"], "SHUTOFF");
    let row = &seen["before"][id(7).to_string()];
    assert_eq!(row["name"], invented_name(id(7)));
    assert_eq!(row["vcpus"], "32");
}

fn check_jobs(seen: &Value, stats: &Stats) {
    let recorded: Vec<&str> = stats.jobs.iter().map(|job| &job.id[..]).collect();
    assert_eq!(seen["job_ids"], json!(recorded));
    let sizes: Vec<usize> = stats.jobs.iter().map(|job| job.size).collect();
    assert_eq!(sizes, [1000, 1000, 500]);
    let jobs = seen["jobs"].as_array().unwrap();
    for (job, recorded) in jobs.iter().zip(&stats.jobs) {
        assert_eq!(job["id"], recorded.id);
        assert_eq!(job["type"], "baremetalBatchOperate");
        assert_eq!(job["total"], recorded.size);
        assert_eq!(job["error_code"], Value::Null);
        assert_eq!(
            job["statuses"].as_array().unwrap().last().unwrap(),
            "SUCCESS"
        );
        assert!(job["begin"].as_str() < job["end"].as_str(), "{job}");
    }
    let mut told = BTreeMap::new();
    for (server, status) in jobs
        .iter()
        .flat_map(|job| job["servers"].as_object().unwrap())
    {
        assert_eq!(status, "SUCCESS");
        *told.entry(server.parse().unwrap()).or_insert(0) += 1;
    }
    assert_eq!(told, stats.accepted);
}

fn check_errors(seen: &Value) {
    for (what, status, code) in [
        ("stopped_again", 400, json!("BMS.0039")),
        ("no_servers", 400, json!("BMS.0205")),
        ("unknown_server", 404, json!(404)),
        ("wrong_key", 401, json!("APIGW.0301")),
    ] {
        let error = &seen["errors"][what];
        let expected =
            json!({"status": status, "code": code, "has_message": true, "has_request_id": true});
        assert_eq!(error, &expected, "{what}");
    }
}

fn check_record(stats: &Stats) {
    assert_eq!(stats.accepted.len(), SERVERS as usize);
    assert!(stats.accepted.values().all(|times| *times == 1));
    assert!(stats.double_stops.is_empty());
    let stops: Vec<(usize, Option<u16>)> = stats
        .stops
        .iter()
        .map(|stop| (stop.size, stop.http_status))
        .collect();
    let fine = [(1000, Some(200)), (1000, Some(200)), (500, Some(200))];
    assert_eq!(stops[..3], fine);
    // The three errors that were provoked: stopped again, no servers, wrong key.
    assert_eq!(stops[3..], [(1, Some(400)), (0, Some(400)), (1, Some(401))]);
    assert_eq!(stats.requests.list, 6);
    assert_eq!(stats.unknown_paths, 0);
}
