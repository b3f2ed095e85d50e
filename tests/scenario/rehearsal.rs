//! `rehearse` and `simulate`: the program's own cloud.
//!
//! Invariant: no credentials of a real cloud are needed or used.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::checks::valid_report;
use crate::scenario::{ABROAD, PROJECT, Scenario, at_once, ids};

fn abroad() -> Scenario {
    Scenario::new(&ids(3)).without_cloud().without_keys()
}

#[test]
fn a_rehearsal_needs_no_credentials_and_touches_nothing_real() {
    let stage = abroad()
        .variable("HTTP_PROXY", "http://127.0.0.1:9")
        .variable("HTTPS_PROXY", "http://127.0.0.1:9")
        .start();
    let ended = stage
        .run("rehearse night.yaml --report rehearsed.json")
        .with_code(0)
        .with_outcomes(&[("stopped", 3)])
        .saying(&["no real server was touched", "report: rehearsed.json"]);
    let report = ended.report();
    assert_eq!(
        (&report["mode"], &report["project"]["endpoint"]),
        (&"rehearsal".into(), &ABROAD.into())
    );
    assert_eq!(&valid_report(&stage.read("rehearsed.json")), report);
    assert!(ended.out.is_empty() && !stage.path("state/runs").exists());
}

#[test]
fn faults_come_by_name_or_file() {
    let stage = abroad()
        .file("calm.json", "{}")
        .file("odd.json", "{\"storms\": 1}")
        .start();
    stage
        .run("rehearse night.yaml -q --faults throttled --seed 3")
        .with_code(0);
    stage
        .run("rehearse night.yaml -q --faults calm.json")
        .with_code(0);
    for faults in ["strom", "odd.json", "missing.json"] {
        stage
            .run(&format!("rehearse night.yaml --faults {faults}"))
            .with_code(2)
            .saying(&[faults]);
    }
}

#[test]
fn every_storm_by_name_can_be_rehearsed() {
    let names: Vec<&str> = lightsout::simulator::names()
        .iter()
        .map(|(name, _)| *name)
        .collect();
    assert!(names.contains(&"storm"));
    at_once(&names, |name| {
        let ended = abroad()
            .with("checks: { grace: 20s }\njobs: { timeout: 3m }")
            .run(&format!("rehearse night.yaml -q --faults {name}"));
        assert!(
            [0, 30, 33].contains(&ended.code),
            "{name}: {} {}",
            ended.code,
            ended.err
        );
    });
}

#[test]
fn the_shipped_workflows_are_fine_and_can_be_rehearsed() {
    let workflows = Path::new(env!("CARGO_MANIFEST_DIR")).join("workflows");
    let files = std::fs::read_dir(workflows)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    assert!(files.len() >= 5);
    at_once(&files, |path| {
        let stage = abroad().start();
        let path = path.to_str().unwrap();
        stage
            .run(&format!("validate --deny-warnings {path}"))
            .with_code(0);
        stage.run(&format!("rehearse --quiet {path}")).with_code(0);
    });
}

#[test]
fn a_simulator_in_another_process_goes_by_the_same_date() {
    const NIGHT: &str = "2026-11-28T01:00:00Z";
    let stage = Scenario::offline("").clock(NIGHT).start();
    let mut running = stage.command("simulate --servers 1").spawn().unwrap();
    let told: Value = serde_json::from_str(&first_line(running.stdout.take().unwrap())).unwrap();
    let endpoint = told["endpoint"].as_str().unwrap();
    let date = date_of(endpoint.strip_prefix("http://").unwrap());
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(date.starts_with("Sat, 28 Nov 2026 01:0"), "{date}");
}

/// The `Date` of an answer from there.
fn date_of(address: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let request = format!("GET /__stats HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    let date = answer.lines().find_map(|line| line.strip_prefix("date: "));
    date.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[test]
fn the_simulator_serves_until_it_is_told_to_end() {
    let stage = Scenario::offline("")
        .file("ids.txt", format!("{} # first\n", ids(1)[0]))
        .start();
    let mut running = stage
        .command("simulate --ids ids.txt --seed 5 --job-duration 2s")
        .spawn()
        .unwrap();
    let told: Value = serde_json::from_str(&first_line(running.stdout.take().unwrap())).unwrap();
    let told = |member: &str| told[member].as_str().unwrap().to_owned();
    let client = Scenario::new(&ids(1))
        .without_cloud()
        .with("jobs: { poll: 1s }")
        .endpoint(&told("endpoint"))
        .variable("HUAWEICLOUD_SDK_AK", &told("access_key"))
        .variable("HUAWEICLOUD_SDK_SK", &told("secret_key"))
        .start();
    client.write(
        "night.yaml",
        client.read("night.yaml").replace(PROJECT, &told("project")),
    );
    client
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped", 1)]);
    let pid = running.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(running.wait().unwrap().code(), Some(0));
    stage.run("simulate --ids missing.txt").with_code(2);
}

fn first_line(out: impl std::io::Read) -> String {
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
    line
}
