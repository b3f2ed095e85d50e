//! Late storms: runs that are left and resumed over days, by people and cron jobs that are interrupted themselves.
//!
//! Owns the order of invocations, interruptions, gaps and what operators do to servers in between; what must hold
//! after each is for `late_judge`. The cloud is calm but for answers that are lost. A gap is a journal that grows
//! older, so that the clocks of program and cloud still agree. Invariant: it ends, since the last invocations are
//! left alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use fastrand::Rng;
use jiff::SignedDuration;
use lightsout::clock::Clock;
use lightsout::event::Stamped;
use lightsout::ids::ServerId;
use lightsout::journal::{self, Journal, Terms};
use lightsout::simulator::{Faults, Keys, Settings, SimulatedServer, Simulator};
use serde_json::{Value, json};

use crate::cloud::PACE;
use crate::late_judge::{Judge, Told};
use crate::late_tally::LateStory;

const PROJECT: &str = "0123456789abcdef0123456789abcdef";

/// Invocations that are interrupted or followed by a gap.
const ROUGH: usize = 5;
/// Invocations without either, after which the run must be over.
const CALM: usize = 4;
/// In one of so many storms a process is stopped for longer than a run may be silent.
const STOPPED: u64 = 8;
/// For how long, by the clock of the wall: 17 minutes of the compressed one.
const FOR: Duration = Duration::from_secs(17);

/// What is done with a server by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Stopping,
    Starting,
}

/// The place where it happens. It is kept if the storm does harm.
pub(crate) struct Night {
    pub(crate) seed: u64,
    pub(crate) folder: PathBuf,
    pub(crate) simulator: Simulator,
    pub(crate) servers: Vec<ServerId>,
    /// Whether the run has a window, which is always open.
    pub(crate) window: bool,
    clock: Clock,
    token: String,
    rng: Rng,
    number: usize,
    harmless: bool,
}

impl Drop for Night {
    fn drop(&mut self) {
        if self.harmless {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Plays the late storm of a seed; panics if it does harm.
pub(crate) fn storm(seed: u64) -> LateStory {
    let mut night = Night::set(seed);
    let mut story = LateStory::default();
    let run = night.phase("run night.yaml --yes", Doing::Stopping, &mut story);
    if let (Some(run), true) = (run, seed.is_multiple_of(3)) {
        let run = run.file_name().unwrap().to_str().unwrap();
        night.phase(&format!("undo {run} --yes"), Doing::Starting, &mut story);
    }
    night.harmless = true;
    story
}

impl Night {
    fn set(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x1a7e);
        let folder =
            std::env::temp_dir().join(format!("lightsout-late-{}-{seed}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let servers: Vec<ServerId> = (0..rng.u128(2..=8))
            .map(|number| ServerId::from_bytes((0xd0_u128 << 120 | number).to_be_bytes()))
            .collect();
        let clock = Clock::compressed(PACE.try_into().unwrap());
        let simulated = servers.iter().copied().map(SimulatedServer::new).collect();
        let mut settings = Settings::new(PROJECT.parse().unwrap(), simulated);
        settings.clock = clock;
        settings.seed = seed;
        settings.keys = Keys::from_seed(seed);
        settings.job_duration = Duration::from_secs(rng.u64(5..40));
        settings.faults = Faults::from_value(faults(&mut rng)).unwrap();
        let simulator = Simulator::start(settings).unwrap();
        let window = rng.u8(..4) == 0;
        let endpoint = simulator.endpoint().to_string();
        let text = workflow(&mut rng, &servers, &endpoint, window);
        fs::write(folder.join("night.yaml"), text).unwrap();
        let all: String = servers.iter().map(|id| format!("{id}\n")).collect();
        fs::write(folder.join("all.txt"), all).unwrap();
        Self {
            seed,
            folder,
            simulator,
            servers,
            window,
            clock,
            token: Keys::from_seed(seed).token,
            rng,
            number: 0,
            harmless: false,
        }
    }

    /// A run or an undo, resumed until it is over; returns its folder, unless there was nothing to undo.
    fn phase(&mut self, first: &str, doing: Doing, story: &mut LateStory) -> Option<PathBuf> {
        let known = self.runs();
        let mut judge = Judge::default();
        let mut line = first.to_owned();
        for step in 0..ROUGH + CALM {
            let rough = step < ROUGH;
            let folder = self.new_run(&known);
            let seen = judge.seen(self, doing);
            let output = self.invocation(&line, folder.as_deref(), rough, story);
            let folder = self.new_run(&known).or(folder);
            let told = Told {
                line: &line,
                output: &output,
                seen,
                doing,
            };
            let Some(folder) = folder else {
                if output.status.code() == Some(2) {
                    return None;
                }
                // Nothing became durable: it is begun once more.
                continue;
            };
            judge.after(self, &folder, &told, story);
            if judge.is_over() {
                return Some(folder);
            }
            self.in_between(&folder, &mut judge, rough, doing, story);
            line = self.next(&folder, rough);
        }
        panic!("seed {}: no end: {}", self.seed, self.folder.display());
    }

    /// The first run that was not there before, once something of it is durable.
    fn new_run(&self, known: &[PathBuf]) -> Option<PathBuf> {
        let mut runs = self.runs();
        runs.retain(|run| !known.contains(run) && !events(run).is_empty());
        runs.into_iter().next()
    }

    fn runs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.join("state/runs"));
        let entries = entries.into_iter().flatten();
        let mut runs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        runs.sort();
        runs
    }

    /// Who comes next.
    fn next(&mut self, folder: &Path, rough: bool) -> String {
        let run = folder.file_name().unwrap().to_str().unwrap();
        let lines = [
            format!("resume {run}"),
            format!("resume {run}"),
            format!("resume {run} --send"),
            format!("settle {run}"),
            "run night.yaml --yes --exclude all.txt".to_owned(),
        ];
        let choice = if rough {
            self.rng.usize(..lines.len())
        } else {
            0
        };
        lines[choice].clone()
    }

    /// Time passes, and operators do what they do.
    fn in_between(
        &mut self,
        folder: &Path,
        judge: &mut Judge,
        rough: bool,
        doing: Doing,
        story: &mut LateStory,
    ) {
        std::thread::sleep(Duration::from_millis(self.rng.u64(..400)));
        for server in &self.servers {
            if self.rng.bool() {
                let done = match doing {
                    Doing::Stopping => self.simulator.start_by_hand(*server),
                    Doing::Starting => self.simulator.stop_by_hand(*server),
                };
                story.by_hand += usize::from(done);
            }
        }
        if !rough || self.rng.u8(..3) == 0 {
            return;
        }
        let minutes = [4, 12, 20, 120, 9 * 60, 3 * 24 * 60, -3, -8, -120];
        let by = SignedDuration::from_mins(*self.rng.choice(&minutes).unwrap());
        age(folder, by);
        judge.older(by);
        story.gaps += 1;
    }

    /// Runs the program; if it is to be rough, somebody interrupts, kills or stops it.
    fn invocation(
        &mut self,
        line: &str,
        folder: Option<&Path>,
        rough: bool,
        story: &mut LateStory,
    ) -> Output {
        let mut child = self.command(line).spawn().unwrap();
        let verb = line.split(' ').next().unwrap();
        story.invocations += 1;
        if rough && self.rng.u8(..10) < 8 {
            let signal = self.signal();
            self.wait(&mut child, folder);
            if child.try_wait().unwrap().is_none() {
                *story.signals.entry(format!("{verb} {signal}")).or_default() += 1;
                send(&child, signal);
                if signal == "STOP" {
                    std::thread::sleep(FOR);
                    send(&child, "CONT");
                }
            }
        }
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        let text = format!("$ lightsout {line}\n{err}\n{}\n", output.status);
        fs::write(self.folder.join(format!("{}.log", self.number)), text).unwrap();
        self.number += 1;
        output
    }

    fn signal(&mut self) -> &'static str {
        if self.seed.is_multiple_of(STOPPED) && self.rng.u8(..4) == 0 {
            return "STOP";
        }
        ["INT", "TERM", "KILL"][self.rng.usize(..3)]
    }

    /// Waits a moment, half of the time for one that begins when the run is resumed.
    fn wait(&mut self, child: &mut std::process::Child, folder: Option<&Path>) {
        if let (Some(folder), true) = (folder, self.rng.bool()) {
            let known = events(folder).len();
            while child.try_wait().unwrap().is_none() && events(folder).len() == known {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        std::thread::sleep(Duration::from_millis(self.rng.u64(5..1500)));
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lightsout"));
        command
            .args(line.split_whitespace())
            .current_dir(&self.folder)
            .env_clear()
            .env("HOME", &self.folder)
            .env("LIGHTSOUT_STATE_DIR", self.folder.join("state"))
            .env("LIGHTSOUT_CLOCK", self.clock.from_here().to_string())
            .env("OS_AUTH_TOKEN", &self.token)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

fn send(child: &std::process::Child, signal: &str) {
    let id = child.id().to_string();
    let _ = Command::new("kill").args(["-s", signal, &id]).status();
}

/// What is durable of a run.
pub(crate) fn events(run: &Path) -> Vec<Stamped> {
    let bytes = fs::read(run.join("journal.jsonl")).unwrap_or_default();
    journal::replay(&bytes).map_or(Vec::new(), |replayed| replayed.events)
}

/// Makes a journal so much older, or younger.
fn age(run: &Path, by: SignedDuration) {
    let events = events(run);
    let path = run.join("journal.jsonl");
    fs::remove_file(&path).unwrap();
    let journal = Journal::create(&path, Terms::default()).unwrap();
    for Stamped { at, event } in events {
        let at = at - by;
        journal.append(vec![Stamped { at, event }]);
    }
}

fn workflow(rng: &mut Rng, servers: &[ServerId], endpoint: &str, window: bool) -> String {
    let list: String = servers.iter().map(|id| format!("      - {id}\n")).collect();
    let (size, flight) = (rng.u32(1..=3), rng.u32(1..=2));
    let (before, grace) = (rng.u8(..4) != 0, rng.u32(30..=60));
    let window = if window {
        "window:\n  timezone: Etc/UTC\n  opens: { days: [mon, tue, wed, thu, fri, sat, sun], at: \"00:00\" }\n  \
         duration: 24h\n"
    } else {
        ""
    };
    format!(
        "version: 1\nname: night\nproject: {PROJECT}\nendpoint: {endpoint}\nstop_type: HARD\n\
         groups:\n  - name: all\n    servers:\n{list}\
         rollout: {{ batch_size: {size}, in_flight: {flight}, retry_for: 3m, max_failures: 100% }}\n\
         jobs: {{ poll: 5s, timeout: 2m }}\n\
         checks: {{ before: {before}, grace: {grace}s }}\n{window}"
    )
}

/// Answers to stop and start requests that are lost, late or refused.
fn faults(rng: &mut Rng) -> Value {
    let kinds = [
        json!({"fault": "hang", "accepted": true}),
        json!({"fault": "hang"}),
        json!({"fault": "reset", "accepted": true}),
        json!({"fault": "error", "status": 500, "accepted": true}),
        json!({"fault": "error", "status": 502}),
        json!({"fault": "throttle", "retry_after": "20s"}),
    ];
    let rules = (0..rng.usize(1..=2)).map(|_| {
        let mut rule = kinds[rng.usize(..kinds.len())].clone();
        rule["rate"] = json!(0.2 + rng.f64() / 2.0);
        rule
    });
    let rules: Vec<Value> = rules.collect();
    json!({ "calls": { "stop": rules } })
}
