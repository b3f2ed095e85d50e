//! The real program, verb by verb: exit codes, what goes to which stream, and what is left on disk.
//!
//! Each test has a folder, a state folder and an environment of its own; runs go to a simulator in this
//! process, by a clock that passes sixty times as fast. Invariant: nothing outside loopback is touched.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use lightsout::clock::Clock;
use lightsout::ids::ServerId;
use lightsout::simulator::{Faults, Keys, Settings, SimulatedServer, Simulator};
use serde_json::Value;
use tempfile::TempDir;

const PROJECT: &str = "bbf1946d374b44a0a2a95533562ba954";
const ACCESS_KEY: &str = "CANARYACCESSKEY00001";
const SECRET_KEY: &str = "canarysecretkey0000000000000000000000001";

/// A folder with files, and the program run in it.
struct Bench {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

/// How an invocation ended.
struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
        }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// With the simulator's credentials and a clock like its own.
    fn with_credentials(self) -> Self {
        self.with("HUAWEICLOUD_SDK_AK", ACCESS_KEY)
            .with("HUAWEICLOUD_SDK_SK", SECRET_KEY)
            .with("LIGHTSOUT_CLOCK", "compressed:60")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> &Self {
        fs::write(self.path(name), text).unwrap();
        self
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lightsout"));
        command
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("LIGHTSOUT_STATE_DIR", self.path("state"))
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, line: &str) -> Ended {
        ended(self.command(line).output().unwrap())
    }

    /// The only report in a list of the state folder.
    fn report(&self, list: &str) -> Value {
        let runs = fs::read_dir(self.path("state").join(list)).unwrap();
        let runs: Vec<PathBuf> = runs.map(|run| run.unwrap().path()).collect();
        assert_eq!(runs.len(), 1, "{runs:?}");
        assert!(runs[0].join("plan.json").exists());
        checked_report(&fs::read_to_string(runs[0].join("report.json")).unwrap())
    }
}

fn ended(output: Output) -> Ended {
    Ended {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A report, held against its schema.
fn checked_report(text: &str) -> Value {
    let schema: Value = serde_json::from_str(lightsout::report::SCHEMA).unwrap();
    let report: Value = serde_json::from_str(text).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&report)
        .map(|e| e.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    report
}

fn ids(count: u32) -> Vec<ServerId> {
    let id = |number: u32| ServerId::from_bytes(u128::from(number + 1).to_be_bytes());
    (0..count).map(id).collect()
}

fn workflow(endpoint: &str, servers: &[ServerId], more: &str) -> String {
    let list: String = servers.iter().map(|id| format!("      - {id}\n")).collect();
    format!(
        "version: 1\nname: night\nproject: {PROJECT}\nendpoint: {endpoint}\nstop_type: HARD\n\
         {more}groups:\n  - name: canary\n    servers:\n{list}"
    )
}

fn simulator(servers: &[ServerId], faults: &str) -> Simulator {
    let servers = servers.iter().copied().map(SimulatedServer::new).collect();
    let mut settings = Settings::new(PROJECT.parse().unwrap(), servers);
    settings.clock = Clock::compressed(NonZeroU32::new(60).unwrap());
    settings.faults = Faults::named(faults).unwrap();
    settings.keys = Keys {
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
        ..Keys::from_seed(1)
    };
    Simulator::start(settings).unwrap()
}

fn stops(simulator: &Simulator) -> usize {
    simulator.stats().stops.len()
}

const ABROAD: &str = "https://bms.example.com";

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
    for name in ["workflow", "plan", "report"] {
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
