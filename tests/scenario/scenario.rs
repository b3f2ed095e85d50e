//! One scenario: a folder with a workflow, a simulated cloud, perhaps somebody in between, and the real
//! program that is run there.
//!
//! Owns the builder, and what holds after every invocation whatever the test is about: no panic, reports
//! that match their schema and add up, no server stopped twice, no job ID lost, an exit code that agrees
//! with what the cloud accepted. Invariant: nothing outside loopback is touched, and no port is fixed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use lightsout::clock::{Clock, Course};
use lightsout::ids::ServerId;
use lightsout::simulator::{DateSource, Faults, Keys, Settings, SimulatedServer, Simulator, Stats};
use serde_json::Value;
use tempfile::TempDir;

use crate::checks;
use crate::interloper::{Interloper, Rule};

pub(crate) const PROJECT: &str = "bbf1946d374b44a0a2a95533562ba954";
pub(crate) const ACCESS_KEY: &str = "CANARYACCESSKEY00001";
pub(crate) const SECRET_KEY: &str = "canarysecretkey0000000000000000000000001";
pub(crate) const TOKEN: &str = "canarytoken00000000000000000000000000000000000000001";
/// An endpoint that no credentials may go to.
pub(crate) const ABROAD: &str = "https://bms.example.com";

/// Time passes this many times as fast, unless a test says otherwise.
const PACE: u32 = 20;

/// What the test wants.
pub(crate) struct Scenario {
    workflow: String,
    files: Vec<(String, Vec<u8>)>,
    cloud: Option<Settings>,
    pace: u32,
    /// The date at which all begins, and the jumps that both sides make.
    date: Option<String>,
    /// The jumps that only the program's clock makes.
    jumps: String,
    /// The jumps that only the cloud's clock makes.
    cloud_jumps: String,
    variables: BTreeMap<String, String>,
    rule: Option<Rule>,
    elsewhere: Option<String>,
}

impl Scenario {
    /// A workflow with one group of these servers, `canary`, which a calm cloud has.
    pub(crate) fn new(servers: &[ServerId]) -> Self {
        Self::of_groups(&[("canary", servers)])
    }

    /// A workflow with these groups, whose servers a calm cloud has.
    pub(crate) fn of_groups(groups: &[(&str, &[ServerId])]) -> Self {
        let servers = groups.iter().flat_map(|(_, servers)| servers.iter());
        let cloud = cloud(servers.copied());
        let list = |servers: &[ServerId]| -> String {
            servers.iter().map(|id| format!("      - {id}\n")).collect()
        };
        let groups = groups
            .iter()
            .map(|(name, servers)| format!("  - name: {name}\n    servers:\n{}", list(servers)));
        Self {
            cloud: Some(cloud),
            ..Self::offline(&format!("groups:\n{}", groups.collect::<String>()))
        }
    }

    /// A workflow with this text for `groups`, and a calm cloud with these servers.
    pub(crate) fn with_cloud(groups: &str, servers: &[ServerId]) -> Self {
        Self {
            cloud: Some(cloud(servers.iter().copied())),
            ..Self::offline(groups)
        }
    }

    /// A workflow with this text for `groups`, and no cloud at all.
    pub(crate) fn offline(groups: &str) -> Self {
        let mut scenario = Self {
            workflow: format!(
                "version: 1\nname: night\nproject: {PROJECT}\nendpoint: ENDPOINT\nstop_type: HARD\n{groups}"
            ),
            files: Vec::new(),
            cloud: None,
            pace: PACE,
            date: None,
            jumps: String::new(),
            cloud_jumps: String::new(),
            variables: BTreeMap::new(),
            rule: None,
            elsewhere: None,
        };
        scenario.set("HUAWEICLOUD_SDK_AK", ACCESS_KEY);
        scenario.set("HUAWEICLOUD_SDK_SK", SECRET_KEY);
        scenario
    }

    /// With further settings at the end of the workflow.
    pub(crate) fn with(mut self, settings: &str) -> Self {
        self.workflow.push_str(settings);
        self.workflow.push('\n');
        self
    }

    /// With a workflow whose runs go on whatever fails. Comes after what else it says of the rollout.
    pub(crate) fn bearing_failures(mut self) -> Self {
        const ALL: &str = "max_failures: 100%";
        if self.workflow.contains("rollout: { ") {
            let with = format!("rollout: {{ {ALL}, ");
            self.workflow = self.workflow.replace("rollout: { ", &with);
            return self;
        }
        self.with(&format!("rollout: {{ {ALL} }}"))
    }

    /// With a workflow that names this endpoint.
    pub(crate) fn endpoint(mut self, endpoint: &str) -> Self {
        self.elsewhere = Some(endpoint.to_owned());
        self
    }

    /// With a file beside the workflow.
    pub(crate) fn file(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.files
            .push((name.to_owned(), content.as_ref().to_vec()));
        self
    }

    /// With a cloud in which this goes wrong.
    pub(crate) fn faults(self, faults: Value) -> Self {
        self.settings(|cloud| cloud.faults = Faults::from_value(faults).unwrap())
    }

    /// With a cloud in which the storm of this name rages.
    pub(crate) fn storm(self, name: &str, seed: u64) -> Self {
        self.settings(|cloud| {
            cloud.faults = Faults::named(name).unwrap();
            cloud.seed = seed;
        })
    }

    /// With a cloud that is set up differently.
    pub(crate) fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(self.cloud.as_mut().unwrap());
        self
    }

    /// With somebody between the program and the cloud who treats each call by this rule.
    pub(crate) fn through(mut self, rule: Rule) -> Self {
        self.rule = Some(rule);
        self
    }

    /// With time that passes so many times as fast.
    pub(crate) fn pace(mut self, factor: u32) -> Self {
        self.pace = factor;
        self
    }

    /// With clocks on both sides that begin at this date, and jump as is said behind it:
    /// `2026-11-28T01:00:00Z,jump:+2h@10m` is a machine, or a cloud, that is suspended for two hours. Whenever
    /// the program is started, it starts at the date that the cloud has by then.
    pub(crate) fn clock(mut self, date: &str) -> Self {
        self.date = Some(date.to_owned());
        self
    }

    /// With a clock of the program that also makes these jumps, `,jump:-2h@10m`, after each start.
    pub(crate) fn jumps(mut self, jumps: &str) -> Self {
        self.jumps = jumps.to_owned();
        self
    }

    /// With a cloud whose clock also makes these jumps, `,jump:+2h@10m`: that is a program whose machine is paused
    /// for two hours and knows nothing of it.
    pub(crate) fn cloud_jumps(mut self, jumps: &str) -> Self {
        self.cloud_jumps = jumps.to_owned();
        self
    }

    /// With a variable in the environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// With no cloud, and an endpoint abroad.
    pub(crate) fn without_cloud(mut self) -> Self {
        self.cloud = None;
        self
    }

    /// Without any credentials in the environment.
    pub(crate) fn without_keys(mut self) -> Self {
        self.variables.clear();
        self
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Sets the stage.
    pub(crate) fn start(self) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let Self {
            workflow,
            files,
            cloud,
            pace,
            date,
            jumps,
            cloud_jumps,
            variables,
            rule,
            elsewhere,
        } = self;
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let course = match &date {
            Some(date) => format!("compressed:{pace}@{date}").parse().unwrap(),
            None => Course::compressed(NonZeroU32::new(pace).unwrap()),
        };
        let clock = Clock::new(course);
        // Processes that each began at the present date would write records of the future, as their time passes
        // faster.
        let time = match (&date, &cloud) {
            (Some(_), _) | (None, Some(_)) => Time::Shared(clock, jumps),
            (None, None) => Time::Wall,
        };
        let simulator = cloud.map(|mut settings| {
            let other = || Clock::new(format!("{course}{cloud_jumps}").parse().unwrap());
            // Without a date of its own, the program starts at another moment each time.
            if date.is_none() && cloud_jumps.is_empty() {
                settings.date_source = DateSource::Caller;
            }
            settings.clock = if cloud_jumps.is_empty() {
                clock
            } else {
                other()
            };
            Simulator::start(settings).unwrap()
        });
        let behind = simulator.as_ref().map(address);
        let interloper = rule.map(|rule| Interloper::start(behind, rule));
        let nearest = match (&interloper, &simulator) {
            (Some(interloper), _) => format!("http://{}", interloper.address()),
            (None, Some(simulator)) => simulator.endpoint().to_string(),
            (None, None) => ABROAD.to_owned(),
        };
        let endpoint = elsewhere.unwrap_or(nearest);
        let text = workflow.replace("ENDPOINT", &endpoint);
        fs::write(folder.path().join("night.yaml"), text).unwrap();
        Stage {
            folder,
            variables,
            time,
            simulator,
            interloper,
            crashed: Cell::default(),
            runs: RefCell::default(),
            accepted: Cell::default(),
        }
    }

    /// Runs the program there; `line` is what is typed after its name.
    pub(crate) fn run(self, line: &str) -> Ended {
        self.start().run(line)
    }
}

/// A calm cloud with these servers and the canary keys.
pub(crate) fn cloud(servers: impl Iterator<Item = ServerId>) -> Settings {
    let servers = servers.map(SimulatedServer::new).collect();
    let mut settings = Settings::new(PROJECT.parse().unwrap(), servers);
    // Over when a job is first asked after, so that a calm run waits only once.
    settings.job_duration = Duration::from_millis(1500);
    settings.keys = Keys {
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
        token: TOKEN.to_owned(),
        security_token: None,
    };
    settings
}

/// Where a simulator listens.
pub(crate) fn address(simulator: &Simulator) -> std::net::SocketAddr {
    let endpoint = simulator.endpoint().to_string();
    endpoint.strip_prefix("http://").unwrap().parse().unwrap()
}

/// `count` servers, numbered from 1 on.
pub(crate) fn ids(count: u32) -> Vec<ServerId> {
    ids_from(1, count)
}

/// `count` servers, numbered from `first` on.
pub(crate) fn ids_from(first: u32, count: u32) -> Vec<ServerId> {
    let id =
        |number: u32| ServerId::from_bytes((0xa0_u128 << 120 | u128::from(number)).to_be_bytes());
    (first..first + count).map(id).collect()
}

/// The time of the program.
enum Time {
    /// The cloud's at each start, with jumps of its own from there on.
    Shared(Clock, String),
    /// The wall's.
    Wall,
}

/// Everything in its place; the program can be run as often as one likes.
pub(crate) struct Stage {
    folder: TempDir,
    variables: BTreeMap<String, String>,
    time: Time,
    simulator: Option<Simulator>,
    interloper: Option<Interloper>,
    /// Whether the program was killed here, so that an answer may have reached nobody.
    crashed: Cell<bool>,
    /// The folders of all runs with a report so far, in the order in which those were found.
    runs: RefCell<Vec<PathBuf>>,
    /// How many servers had been accepted before this invocation.
    accepted: Cell<u32>,
}

impl Stage {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Lets the program's clock make these jumps after each start, and no others of its own.
    pub(crate) fn jumps(&mut self, text: &str) {
        if let Time::Shared(_, jumps) = &mut self.time {
            *jumps = text.to_owned();
        }
    }

    pub(crate) fn interloper(&self) -> &Interloper {
        self.interloper.as_ref().unwrap()
    }

    pub(crate) fn simulator(&self) -> &Simulator {
        self.simulator.as_ref().unwrap()
    }

    /// The program was killed: an answer of the cloud may have reached nobody.
    pub(crate) fn crashed(&self) {
        self.crashed.set(true);
        self.find_runs();
        self.accepted.set(accepted(&self.stats()));
    }

    /// What the cloud saw so far.
    pub(crate) fn stats(&self) -> Stats {
        let simulator = self.simulator.as_ref();
        simulator.map(Simulator::stats).unwrap_or_default()
    }

    /// The program, about to be run without a terminal. A run or undo that needs a confirmation gets `--yes`.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = self.unconfirmed(line);
        if needs_confirmation(line) {
            command.arg("--yes");
        }
        command
    }

    /// The program with exactly these arguments.
    pub(crate) fn unconfirmed(&self, line: &str) -> Command {
        self.surrounded(env!("CARGO_BIN_EXE_lightsout"), line.split_whitespace())
    }

    /// Any program, in the surroundings of this one.
    pub(crate) fn surrounded<'a>(
        &self,
        program: &str,
        words: impl Iterator<Item = &'a str>,
    ) -> Command {
        let mut command = Command::new(program);
        let clock = match &self.time {
            Time::Shared(clock, jumps) => clock.from_here().to_string() + jumps,
            Time::Wall => String::new(),
        };
        command
            .args(words)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("LIGHTSOUT_STATE_DIR", self.path("state"))
            .env("LIGHTSOUT_CLOCK", clock)
            .envs(&self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Ended {
        self.ended(self.command(line).output().unwrap())
    }

    /// What became of an invocation here, checked for what always holds.
    #[track_caller]
    pub(crate) fn ended(&self, output: Output) -> Ended {
        let earlier = self.runs.borrow().len();
        self.find_runs();
        let runs = self.runs.borrow();
        let ended = Ended {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            stats: self.stats(),
            reports: reports(&runs),
        };
        let accepted = accepted(&ended.stats);
        let before = self.accepted.replace(accepted);
        checks::after_every_invocation(&ended);
        if self.interloper.is_none() && !self.crashed.get() {
            checks::no_job_is_lost(&ended);
        }
        checks::of_this_one(&ended, &reports(&runs[earlier..]), accepted > before);
        ended
    }

    /// Looks for reports of runs and rehearsals that were not there before.
    fn find_runs(&self) {
        let lists = ["state/runs", "state/rehearsals"].map(|list| fs::read_dir(self.path(list)));
        let folders = lists.into_iter().flatten().flatten();
        let mut known = self.runs.borrow_mut();
        let mut folders: Vec<PathBuf> = folders.map(|folder| folder.unwrap().path()).collect();
        folders.sort();
        for folder in folders {
            if !known.contains(&folder) && folder.join("report.json").exists() {
                known.push(folder);
            }
        }
    }

    /// Everything that the program has kept: state folder, journal, plans and reports.
    pub(crate) fn everything_kept(&self) -> String {
        let mut text = String::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    text += &format!("== {}\n", path.display());
                    text += &String::from_utf8_lossy(&fs::read(path).unwrap());
                }
            }
        }
        text
    }
}

/// Whether the program would ask a person before it sends.
pub(crate) fn needs_confirmation(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let approved = |word| ["--yes", "--locked", "--plan", "--dry-run", "--help"].contains(&word);
    words
        .next()
        .is_some_and(|verb| ["run", "undo"].contains(&verb))
        && !words.any(approved)
}

/// How many servers were in accepted requests.
fn accepted(stats: &Stats) -> u32 {
    stats.accepted.values().chain(stats.started.values()).sum()
}

/// The reports of these runs.
fn reports(runs: &[PathBuf]) -> Vec<Value> {
    let text = |folder: &PathBuf| fs::read_to_string(folder.join("report.json")).unwrap();
    let texts = runs.iter().map(text);
    texts.map(|text| checks::valid_report(&text)).collect()
}

/// Does something with each item, several at a time: scenarios wait more than they work.
pub(crate) fn at_once<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    for few in items.chunks(6) {
        std::thread::scope(|scope| {
            for item in few {
                scope.spawn(|| work(item));
            }
        });
    }
}

/// How an invocation ended, and what the cloud had seen by then.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) stats: Stats,
    pub(crate) reports: Vec<Value>,
}

impl Ended {
    /// Insists on the exit code.
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.err, self.out);
        self
    }

    /// Insists on these parts of what stands on stderr.
    #[track_caller]
    pub(crate) fn saying(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.err.contains(part), "no {part:?} in:\n{}", self.err);
        }
        self
    }

    /// Insists that no stop request reached the cloud.
    #[track_caller]
    pub(crate) fn with_nothing_sent(self) -> Self {
        assert_eq!(self.stats.stops, [], "{}", self.err);
        self
    }

    /// The report of the last run.
    #[track_caller]
    pub(crate) fn report(&self) -> &Value {
        let last = self.reports.last();
        last.unwrap_or_else(|| panic!("no report: {}", self.err))
    }

    /// How many targets have this outcome.
    #[track_caller]
    pub(crate) fn total(&self, outcome: &str) -> u64 {
        self.report()["totals"][outcome].as_u64().unwrap()
    }

    /// How many targets ended with each outcome and reason, such as `failed/locked`.
    #[track_caller]
    pub(crate) fn outcomes(&self) -> BTreeMap<String, usize> {
        let mut outcomes = BTreeMap::new();
        for row in self.report()["servers"].as_array().unwrap() {
            let outcome = row["outcome"].as_str().unwrap();
            let name = match row["reason"].as_str() {
                Some(reason) => format!("{outcome}/{reason}"),
                None => outcome.to_owned(),
            };
            *outcomes.entry(name).or_default() += 1;
        }
        outcomes
    }

    /// Insists on exactly these outcomes.
    #[track_caller]
    pub(crate) fn with_outcomes(self, expected: &[(&str, usize)]) -> Self {
        let expected: BTreeMap<String, usize> = expected
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect();
        assert_eq!(self.outcomes(), expected, "{}", self.err);
        self
    }

    /// What the report says of one server.
    #[track_caller]
    pub(crate) fn server(&self, id: ServerId) -> &Value {
        let rows = self.report()["servers"].as_array().unwrap();
        rows.iter().find(|row| row["id"] == id.to_string()).unwrap()
    }

    /// The sizes of the stop requests that the cloud accepted, in order.
    pub(crate) fn accepted_sizes(&self) -> Vec<usize> {
        let stops = self.stats.stops.iter();
        let accepted = stops.filter(|stop| stop.job_id.is_some());
        accepted.map(|stop| stop.size).collect()
    }
}
