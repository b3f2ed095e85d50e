//! `rehearse` and `simulate`: the program's own simulator.
//!
//! Invariant: no credentials of a real cloud are needed or used.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::bench::{ABROAD, Bench, PROJECT, ids, workflow};

#[test]
fn a_rehearsal_needs_no_credentials_and_touches_nothing_real() {
    let bench = Bench::new().with("HTTP_PROXY", "http://127.0.0.1:9");
    let bench = bench.with("HTTPS_PROXY", "http://127.0.0.1:9");
    bench.file("night.yaml", &workflow(ABROAD, &ids(3), ""));
    let ended = bench.run("rehearse night.yaml --report rehearsed.json");
    assert_eq!((ended.code, ended.out.as_str()), (0, ""), "{}", ended.err);
    let report = bench.report("rehearsals");
    assert_eq!(report["mode"], "rehearsal");
    assert_eq!(report["totals"]["stopped"], 3);
    assert_eq!(report["project"]["endpoint"], ABROAD);
    assert!(
        ended.err.contains("no real server was touched"),
        "{}",
        ended.err
    );
    assert!(
        ended.err.contains("report: rehearsed.json"),
        "{}",
        ended.err
    );
    assert!(!bench.path("state/runs").exists());
}

#[test]
fn faults_come_by_name_or_file() {
    let bench = Bench::new();
    bench.file("night.yaml", &workflow(ABROAD, &ids(3), ""));
    bench
        .file("calm.json", "{}")
        .file("odd.json", "{\"storms\": 1}");
    assert_eq!(
        bench
            .run("rehearse night.yaml -q --faults throttled --seed 3")
            .code,
        0
    );
    assert_eq!(
        bench.run("rehearse night.yaml -q --faults calm.json").code,
        0
    );
    for faults in ["strom", "odd.json", "missing.json"] {
        let ended = bench.run(&format!("rehearse night.yaml --faults {faults}"));
        assert_eq!(ended.code, 2, "{faults}");
    }
}

#[test]
fn the_simulator_serves_until_it_is_told_to_end() {
    let bench = Bench::new();
    bench.file("ids.txt", &format!("{} # first\n", ids(1)[0]));
    let mut command = bench.command("simulate --ids ids.txt --seed 5");
    let mut running = command.stdout(Stdio::piped()).spawn().unwrap();
    let line = first_line(running.stdout.take().unwrap());
    let told: Value = serde_json::from_str(&line).unwrap();
    let set = |member: &str| told[member].as_str().unwrap().to_owned();
    let client = Bench::new()
        .with("HUAWEICLOUD_SDK_AK", &set("access_key"))
        .with("HUAWEICLOUD_SDK_SK", &set("secret_key"));
    let text = workflow(&set("endpoint"), &ids(1), "jobs: { poll: 1s }\n");
    client.file("night.yaml", &text.replace(PROJECT, &set("project")));
    let kill = |signal: &str| {
        let pid = running.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    };
    kill("-0");
    assert_eq!(client.run("run night.yaml --dry-run").code, 0);
    kill("-TERM");
    assert_eq!(running.wait().unwrap().code(), Some(0));
    assert!(bench.run("simulate --ids missing.txt").code == 2);
}

fn first_line(out: impl std::io::Read) -> String {
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
    line
}
