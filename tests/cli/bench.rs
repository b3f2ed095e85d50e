//! The bench that every test stands on: a folder of its own, the real program, and a simulator.
//!
//! Invariant: the program sees no environment but what a test gives it.

use std::fs;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use lightsout::clock::Clock;
use lightsout::ids::ServerId;
use lightsout::simulator::{Faults, Keys, Settings, SimulatedServer, Simulator};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const PROJECT: &str = "bbf1946d374b44a0a2a95533562ba954";
pub(crate) const ACCESS_KEY: &str = "CANARYACCESSKEY00001";
pub(crate) const SECRET_KEY: &str = "canarysecretkey0000000000000000000000001";

/// A folder with files, and the program run in it.
pub(crate) struct Bench {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

/// How an invocation ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// With the simulator's credentials and a clock like its own.
    pub(crate) fn with_credentials(self) -> Self {
        self.with("HUAWEICLOUD_SDK_AK", ACCESS_KEY)
            .with("HUAWEICLOUD_SDK_SK", SECRET_KEY)
            .with("LIGHTSOUT_CLOCK", "compressed:60")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> &Self {
        fs::write(self.path(name), text).unwrap();
        self
    }

    pub(crate) fn command(&self, line: &str) -> Command {
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

    pub(crate) fn run(&self, line: &str) -> Ended {
        ended(self.command(line).output().unwrap())
    }

    /// The only report in a list of the state folder.
    pub(crate) fn report(&self, list: &str) -> Value {
        let runs = fs::read_dir(self.path("state").join(list)).unwrap();
        let runs: Vec<PathBuf> = runs.map(|run| run.unwrap().path()).collect();
        assert_eq!(runs.len(), 1, "{runs:?}");
        assert!(runs[0].join("plan.json").exists());
        checked_report(&fs::read_to_string(runs[0].join("report.json")).unwrap())
    }
}

pub(crate) fn ended(output: Output) -> Ended {
    Ended {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A report, held against its schema.
pub(crate) fn checked_report(text: &str) -> Value {
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

pub(crate) fn ids(count: u32) -> Vec<ServerId> {
    let id = |number: u32| ServerId::from_bytes(u128::from(number + 1).to_be_bytes());
    (0..count).map(id).collect()
}

pub(crate) fn workflow(endpoint: &str, servers: &[ServerId], more: &str) -> String {
    let list: String = servers.iter().map(|id| format!("      - {id}\n")).collect();
    format!(
        "version: 1\nname: night\nproject: {PROJECT}\nendpoint: {endpoint}\nstop_type: HARD\n\
         {more}groups:\n  - name: canary\n    servers:\n{list}"
    )
}

pub(crate) fn simulator(servers: &[ServerId], faults: &str) -> Simulator {
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

pub(crate) fn stops(simulator: &Simulator) -> usize {
    simulator.stats().stops.len()
}

pub(crate) const ABROAD: &str = "https://bms.example.com";
