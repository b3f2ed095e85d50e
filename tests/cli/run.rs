//! `run` against a simulator in this process: outcomes, credentials, logs, secrets.
//!
//! Invariant: what the program tells agrees with what the simulator saw.

use std::fs;

use serde_json::Value;

use crate::bench::{
    ABROAD, ACCESS_KEY, Bench, SECRET_KEY, checked_report, ids, simulator, stops, workflow,
};

#[test]
fn a_run_stops_every_server_and_reports() {
    let simulator = simulator(&ids(5), "calm");
    let bench = Bench::new().with_credentials();
    let endpoint = simulator.endpoint().to_string();
    let more = "rollout: { batch_size: 2 }\nreport: \"{{ workflow.name }}-{{ run.id }}.json\"\n";
    bench.file("night.yaml", &workflow(&endpoint, &ids(5), more));
    let ended = bench.run("run night.yaml");
    assert_eq!((ended.code, ended.out.as_str()), (0, ""), "{}", ended.err);
    let report = bench.report("runs");
    assert_eq!(report["totals"]["stopped"], 5);
    assert_eq!(report["job_ids"].as_array().unwrap().len(), 3);
    assert_eq!(stops(&simulator), 3);
    let run = report["run_id"].as_str().unwrap();
    let further = fs::read_to_string(bench.path(&format!("night-{run}.json"))).unwrap();
    assert_eq!(checked_report(&further), report);
    assert!(
        ended.err.contains("all well: 5 stopped of 5 targets"),
        "{}",
        ended.err
    );
}

#[test]
fn a_run_of_a_written_plan_does_the_same() {
    let simulator = simulator(&ids(2), "calm");
    let bench = Bench::new().with_credentials();
    bench.file(
        "night.yaml",
        &workflow(simulator.endpoint().to_string().as_str(), &ids(2), ""),
    );
    bench.run("plan night.yaml --out night.plan.json");
    let plan = fs::read_to_string(bench.path("night.plan.json")).unwrap();
    bench.file("forged.json", &plan.replace("0000000002\"", "0000000003\""));
    assert_eq!(bench.run("run --plan forged.json").code, 22);
    assert_eq!(stops(&simulator), 0);
    let ended = bench.run("run --plan night.plan.json --quiet --label change=CHG0042");
    assert_eq!(
        (ended.code, ended.out.as_str(), ended.err.as_str()),
        (0, "", "")
    );
    let report = bench.report("runs");
    assert_eq!(report["totals"]["stopped"], 2);
    assert_eq!(report["labels"]["change"], "CHG0042");
}

#[test]
fn failed_servers_end_with_30_and_are_named() {
    let servers = ids(60);
    let simulator = simulator(&servers, "failing-jobs");
    let bench = Bench::new().with_credentials();
    bench.file(
        "night.yaml",
        &workflow(simulator.endpoint().to_string().as_str(), &servers, ""),
    );
    let ended = bench.run("run night.yaml --quiet");
    assert_eq!(ended.code, 30, "{}", ended.err);
    let report = bench.report("runs");
    let failed = report["totals"]["failed"].as_u64().unwrap();
    assert!(failed > 0);
    assert_eq!(report["totals"]["stopped"].as_u64().unwrap() + failed, 60);
    let rows = report["servers"].as_array().unwrap();
    let bad = rows.iter().find(|row| row["outcome"] == "failed").unwrap();
    assert!(
        ended.err.contains(bad["id"].as_str().unwrap()),
        "{}",
        ended.err
    );
    assert!(
        ended.err.contains("next: lightsout run night.yaml"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("exit code: 30"), "{}", ended.err);
}

#[test]
fn nothing_is_connected_to_without_credentials_or_to_a_strange_host() {
    let bench = Bench::new();
    bench.file("night.yaml", &workflow("http://127.0.0.1:9", &ids(1), ""));
    let ended = bench.run("run night.yaml");
    assert_eq!(ended.code, 3);
    assert!(ended.err.contains("HUAWEICLOUD_SDK_AK"), "{}", ended.err);
    let bench = Bench::new()
        .with("HW_ACCESS_KEY", ACCESS_KEY)
        .with("HW_SECRET_KEY", SECRET_KEY);
    bench.file("night.yaml", &workflow(ABROAD, &ids(1), ""));
    let ended = bench.run("run night.yaml");
    assert_eq!(ended.code, 3);
    assert!(
        ended.err.contains("LIGHTSOUT_ENDPOINTS=bms.example.com"),
        "{}",
        ended.err
    );
    let bench = bench.with("OS_AUTH_TOKEN", "token");
    bench.file("night.yaml", &workflow("http://127.0.0.1:9", &ids(1), ""));
    assert_eq!(bench.run("run night.yaml").code, 2);
    assert!(!bench.path("state").exists());
}

#[test]
fn wrong_credentials_end_with_3_and_a_report() {
    let simulator = simulator(&ids(1), "calm");
    let bench = Bench::new()
        .with_credentials()
        .with("HUAWEICLOUD_SDK_SK", "wrong");
    bench.file(
        "night.yaml",
        &workflow(simulator.endpoint().to_string().as_str(), &ids(1), ""),
    );
    let ended = bench.run("run night.yaml");
    assert_eq!(ended.code, 3, "{}", ended.err);
    let report = bench.report("runs");
    assert_eq!(
        (&report["outcome"], &report["totals"]["not_sent"]),
        (&"refused".into(), &1.into())
    );
}

#[test]
fn the_clock_of_tests_is_refused_for_a_real_cloud() {
    let bench = Bench::new().with_credentials();
    bench.file("night.yaml", &workflow(ABROAD, &ids(1), ""));
    let ended = bench.run("run night.yaml");
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("`LIGHTSOUT_CLOCK`"), "{}", ended.err);
}

#[test]
fn no_secret_is_ever_told() {
    let simulator = simulator(&ids(2), "storm");
    let bench = Bench::new().with_credentials();
    bench.file(
        "night.yaml",
        &workflow(simulator.endpoint().to_string().as_str(), &ids(2), ""),
    );
    let told = bench.run("run night.yaml -vv");
    let json = bench.run("run night.yaml -vv --log-format json --color always");
    let mut kept = String::new();
    for run in fs::read_dir(bench.path("state/runs")).unwrap() {
        for file in fs::read_dir(run.unwrap().path()).unwrap() {
            kept += &fs::read_to_string(file.unwrap().path()).unwrap();
        }
    }
    assert!(told.err.contains("DEBUG"), "{}", told.err);
    for text in [told.out, told.err, json.out, json.err, kept] {
        assert!(
            !text.contains(SECRET_KEY) && !text.contains(ACCESS_KEY),
            "{text}"
        );
    }
}

#[test]
fn machines_get_one_json_object_a_line() {
    let simulator = simulator(&ids(2), "calm");
    let bench = Bench::new().with_credentials();
    bench.file(
        "night.yaml",
        &workflow(simulator.endpoint().to_string().as_str(), &ids(2), ""),
    );
    let ended = bench.run("run night.yaml --log-format json");
    assert_eq!(ended.code, 0, "{}", ended.err);
    let lines: Vec<Value> = ended
        .err
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines.iter().all(|line| line["message"].is_string()));
    assert!(lines.iter().any(|line| line["event.batch"] == 0));
}
