//! One storm from beginning to end: the run, whoever kills it, and those who take it up again.
//!
//! Owns the order of invocations; what must hold after each is for the judge. Invariant: it ends, because
//! the cloud's faults do.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use fastrand::Rng;
use lightsout::clock::Clock;
use serde_json::Value;

use crate::cloud::{Cloud, PACE};
use crate::invention::{CALM_AFTER, Invention};
use crate::judge;
use crate::way_back;

/// Invocations in calm weather after which everything must be known.
const PATIENCE: usize = 4;
/// The run of every so many storms is undone.
const UNDONE: u64 = 3;

/// What came of a storm.
pub(crate) struct Story {
    pub(crate) kinds: BTreeSet<String>,
    /// How the first invocation ended, then the others.
    pub(crate) ends: Vec<String>,
    pub(crate) report: Value,
    /// Requests whose answer was lost.
    pub(crate) lost: usize,
    /// Accepted stops.
    pub(crate) accepted: usize,
    /// How many runs were undone: one or none.
    pub(crate) undos: usize,
    /// How often the undo was killed or interrupted.
    pub(crate) broken_off: usize,
    /// Servers that it started.
    pub(crate) started: usize,
    /// Servers accepted twice where nobody could know.
    pub(crate) repeated: usize,
}

/// The place where a storm rages. It is kept if the storm does harm.
pub(crate) struct Scene {
    pub(crate) folder: PathBuf,
    pub(crate) cloud: Cloud,
    pub(crate) invention: Invention,
    /// The time of the cloud and of all its clients.
    clock: Clock,
    began: Instant,
    harmless: bool,
}

impl Drop for Scene {
    fn drop(&mut self) {
        if self.harmless {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl Scene {
    fn set(seed: u64) -> Self {
        let invention = Invention::of(seed);
        let folder =
            std::env::temp_dir().join(format!("lightsout-storm-{}-{seed}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        let ids: String = invention
            .servers
            .iter()
            .map(|id| format!("{id}\n"))
            .collect();
        write("servers.txt", &ids);
        write("faults.json", &invention.faults.to_string());
        for (name, text) in &invention.files {
            write(name, text);
        }
        let clock = Clock::compressed(PACE.try_into().unwrap());
        let cloud = Cloud::start(&folder, seed, clock);
        write(
            "storm.yaml",
            &invention.workflow.replace("ENDPOINT", &cloud.endpoint),
        );
        Self {
            folder,
            cloud,
            invention,
            clock,
            began: now(),
            harmless: false,
        }
    }

    /// Whether the faults of calls and jobs are over.
    fn is_calm(&self) -> bool {
        self.began.elapsed() * PACE > Duration::from_secs((CALM_AFTER + 1) * 60)
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
            .env("OS_AUTH_TOKEN", &self.cloud.token)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The folders of all runs.
    pub(crate) fn runs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.join("state/runs"));
        let mut runs: Vec<PathBuf> = entries
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .collect();
        runs.sort();
        runs
    }

    pub(crate) fn keep(&self, number: usize, line: &str, output: &Output) {
        let err = String::from_utf8_lossy(&output.stderr);
        let text = format!("$ lightsout {line}\n{err}\n{}\n", output.status);
        fs::write(self.folder.join(format!("{number}.log")), text).unwrap();
    }
}

/// Plays the storm of a seed; panics if it does harm.
pub(crate) fn storm(seed: u64) -> Story {
    let mut scene = Scene::set(seed);
    let mut rng = scene.invention.rng.clone();
    let mut line = "run storm.yaml --yes".to_owned();
    let (mut ends, mut calm) = (Vec::new(), 0);
    for number in 0.. {
        let in_calm = scene.is_calm();
        calm += usize::from(in_calm);
        assert!(
            calm <= PATIENCE,
            "seed {seed}: still not known: {}",
            scene.folder.display()
        );
        let violence = if in_calm { 0.0 } else { 0.4 };
        let output = invocation(&scene, &line, &mut rng, (violence, 4000));
        scene.keep(number, &line, &output);
        let code = output.status.code();
        ends.push(code.map_or("killed".to_owned(), |code| code.to_string()));
        let told = judge::Invocation {
            seed,
            line: &line,
            code,
            err: &String::from_utf8_lossy(&output.stderr),
        };
        judge::after(&scene, &told);
        match next(&scene, code) {
            Some(next) => line = next,
            None => break,
        }
        // Faults may last; taking a run up again and again in the meantime shows nothing new.
        std::thread::sleep(Duration::from_millis(100 * ends.len() as u64));
    }
    let (report, stats) = judge::in_the_end(seed, &scene);
    let lost = stats.stops.iter().filter(|stop| stop.job_id.is_some());
    let lost = lost.filter(|stop| stop.answer == lightsout::simulator::AnswerSeen::Lost);
    let way_back = seed
        .is_multiple_of(UNDONE)
        .then(|| way_back::undo(seed, &scene, &report, &mut rng));
    scene.harmless = true;
    Story {
        started: way_back.as_ref().map_or(0, |back| back.started),
        undos: usize::from(way_back.is_some()),
        broken_off: way_back.map_or(0, |back| back.broken_off),
        kinds: scene.invention.kinds.clone(),
        ends,
        report,
        repeated: stats.repeated_stops.len(),
        lost: lost.count(),
        accepted: stats
            .stops
            .iter()
            .filter(|stop| stop.job_id.is_some())
            .count(),
    }
}

/// What an operator does next, if anything.
fn next(scene: &Scene, code: Option<i32>) -> Option<String> {
    let run = scene.runs().pop();
    let run = run.as_deref().and_then(Path::file_name);
    let run = run.and_then(|name| name.to_str()).unwrap_or_default();
    let over = judge::is_finished(scene);
    match code {
        // Killed after its last record: whoever looks again gets the report.
        None if over => Some(format!("settle {run}")),
        None if !judge::has_begun(scene) => Some("run storm.yaml --yes".to_owned()),
        None | Some(24 | 34) => Some(format!("resume {run} --send")),
        Some(33) => Some(format!("settle {run}")),
        Some(_) => None,
    }
}

/// Runs the program; with some probability somebody signals or kills it within so many milliseconds.
pub(crate) fn invocation(
    scene: &Scene,
    line: &str,
    rng: &mut Rng,
    (violence, within): (f64, u64),
) -> Output {
    let mut child = scene.command(line).spawn().unwrap();
    if rng.f64() < violence {
        let signal = ["TERM", "INT", "KILL", "KILL"][rng.usize(..4)];
        std::thread::sleep(Duration::from_millis(rng.u64(5..within)));
        if child.try_wait().unwrap().is_none() {
            let id = child.id().to_string();
            let _ = Command::new("kill").args(["-s", signal, &id]).status();
        }
    }
    child.wait_with_output().unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the cloud's calm comes by the wall's clock"
)]
fn now() -> Instant {
    Instant::now()
}
