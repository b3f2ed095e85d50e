//! A process of the program that a test treats badly: kills, signals, waits for.
//!
//! Owns the living process and what its journal says meanwhile. Invariant: no process outlives its test.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use lightsout::event::{Event, SendAnswer, Stamped};
use lightsout::journal;

use crate::scenario::{Ended, Stage};

/// Longest that any process of a test may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A living process.
pub(crate) struct Running<'a> {
    stage: &'a Stage,
    child: Option<Child>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Running<'_> {
    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success(), "{name} to {id}");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Waits until this holds.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&Stage) -> bool) {
        let began = now();
        while !holds(self.stage) {
            let child = self.child.as_mut().unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                let output = self.child.take().unwrap().wait_with_output().unwrap();
                let err = String::from_utf8_lossy(&output.stderr).into_owned();
                panic!("ended with {status} before {what}: {err}");
            }
            assert!(began.elapsed() < PATIENCE, "never: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn output(mut self) -> Output {
        self.child.take().unwrap().wait_with_output().unwrap()
    }

    /// Waits for its end in good order, and tells how long that took.
    #[track_caller]
    pub(crate) fn ended(self) -> (Ended, Duration) {
        let (stage, began) = (self.stage, now());
        let output = self.output();
        let took = began.elapsed();
        (stage.ended(output), took)
    }

    /// Kills it where it stands.
    pub(crate) fn kill(self) {
        self.stage.crashed();
        drop(self);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a process takes to obey is a fact of the wall's clock"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

impl Stage {
    /// Starts the program and leaves it running.
    pub(crate) fn spawn(&self, line: &str) -> Running<'_> {
        self.spawned(self.command(line))
    }

    pub(crate) fn spawned(&self, mut command: Command) -> Running<'_> {
        let child = Some(command.spawn().unwrap());
        Running { stage: self, child }
    }

    /// Runs the program with this crash point. `None` if it died there, else how it ended.
    #[track_caller]
    pub(crate) fn crash(&self, line: &str, point: &str) -> Option<Ended> {
        let output = self.command(line).env("LIGHTSOUT_CRASH", point).output();
        let output = output.unwrap();
        if output.status.code().is_some() {
            return Some(self.ended(output));
        }
        self.crashed();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.to_string().contains("SIGKILL"), "{err}");
        None
    }

    /// The folders of all runs, the oldest first.
    pub(crate) fn run_folders(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path("state/runs")) else {
            return Vec::new();
        };
        let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        folders
    }

    /// The folder of the only run.
    #[track_caller]
    pub(crate) fn run_folder(&self) -> PathBuf {
        let [folder] = &self.run_folders()[..] else {
            panic!("{:?}", self.run_folders())
        };
        folder.clone()
    }

    /// The ID of the only run.
    #[track_caller]
    pub(crate) fn run_id(&self) -> String {
        let folder = self.run_folder();
        folder.file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// What is durable of the latest run.
    pub(crate) fn durable(&self) -> Vec<Stamped> {
        let folder = self.run_folders().pop();
        let bytes = folder.and_then(|folder| fs::read(folder.join("journal.jsonl")).ok());
        let replayed = bytes.map(|bytes| journal::replay(&bytes));
        match replayed {
            Some(Ok(replayed)) => replayed.events,
            Some(Err(_)) | None => Vec::new(),
        }
    }

    /// How many lines the journal of the only run has.
    #[track_caller]
    pub(crate) fn lines(&self) -> u64 {
        let bytes = fs::read(self.run_folder().join("journal.jsonl")).unwrap();
        bytes.iter().filter(|byte| **byte == b'\n').count() as u64
    }

    /// Whether an event like this is durable.
    pub(crate) fn knows(&self, like: impl Fn(&Event) -> bool) -> bool {
        self.durable().iter().any(|stamped| like(&stamped.event))
    }

    /// The job IDs that are durable.
    pub(crate) fn durable_jobs(&self) -> Vec<String> {
        let events = self.durable();
        let job = |stamped: &Stamped| {
            let Event::SendAnswered { answer, .. } = &stamped.event else {
                return None;
            };
            let SendAnswer::Accepted { job } = answer else {
                return None;
            };
            Some(job.as_str().to_owned())
        };
        events.iter().filter_map(job).collect()
    }
}
