//! A run's own folder, `STATE/runs/RUN_ID/` or `STATE/rehearsals/RUN_ID/`.
//!
//! Owns making the folder and the names of the files in it. Invariant: each folder was made by exactly
//! one run, and only its owner can read it.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::recorded::runs;
use super::{StateError, atomic};
use crate::ids::RunId;
use crate::journal::{Journal, Replayed, Terms};

/// How many runs may begin in the same second before a new one gives up on an ID of its own.
const ATTEMPTS: usize = 100;

/// Which of the state folder's lists a run belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Runs against real servers.
    Runs,
    /// Rehearsals.
    Rehearsals,
}

impl Keep {
    /// Where the list is kept.
    pub(super) fn folder(self, state: &Path) -> PathBuf {
        state.join(match self {
            Self::Runs => "runs",
            Self::Rehearsals => "rehearsals",
        })
    }
}

/// The folder of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    run: RunId,
    path: PathBuf,
}

impl RunFolder {
    /// Makes the folder of a run that begins at `at`, under an ID that no other run has and that comes
    /// after those of the same second.
    pub fn create(state: &Path, keep: Keep, at: Timestamp) -> Result<Self, StateError> {
        // A list that cannot be read fails below, with the folder's name.
        let earlier = runs(state, keep).ok().and_then(|mut runs| runs.pop());
        let same_second = earlier.filter(|run| run.second() == RunId::new(at, 0).second());
        let first = match same_second {
            Some(run) => run.salt().saturating_add(1),
            // The lower half leaves room for those that follow.
            None => fastrand::u32(..1 << 23),
        };
        Self::with_salts(state, keep, at, first..)
    }

    /// The folder of a run that was made earlier.
    pub fn of(state: &Path, keep: Keep, run: &RunId) -> Self {
        let path = keep.folder(state).join(run.as_str());
        Self {
            run: run.clone(),
            path,
        }
    }

    fn with_salts(
        state: &Path,
        keep: Keep,
        at: Timestamp,
        salts: impl Iterator<Item = u32>,
    ) -> Result<Self, StateError> {
        let list = keep.folder(state);
        let failed = |error| StateError::Folder(list.clone(), error);
        private().recursive(true).create(&list).map_err(failed)?;
        for salt in salts.take(ATTEMPTS) {
            let run = RunId::new(at, salt);
            let path = list.join(run.as_str());
            match private().create(&path) {
                Ok(()) => {
                    atomic::sync_folder(&list).map_err(failed)?;
                    return Ok(Self { run, path });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StateError::Folder(path, error)),
            }
        }
        Err(failed(io::Error::other("too many runs in one second")))
    }

    /// Gives the folder up again, as long as nothing is in it.
    pub fn discard(self) {
        // A folder that stays behind is empty and does no harm.
        let _ = fs::remove_dir(self.path);
    }

    /// The run's ID.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// Where the plan is kept.
    pub fn plan(&self) -> PathBuf {
        self.path.join("plan.json")
    }

    /// Where the report is kept.
    pub fn report(&self) -> PathBuf {
        let path = fs::canonicalize(&self.path);
        path.as_ref().unwrap_or(&self.path).join("report.json")
    }

    /// Where the journal is kept.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    /// Starts the journal.
    pub fn start_journal(&self, terms: Terms) -> Result<Journal, StateError> {
        let path = self.journal();
        Journal::create(&path, terms).map_err(|error| StateError::Write(path, error))
    }

    /// Goes on with the journal that was read back.
    pub fn continue_journal(
        &self,
        replayed: &Replayed,
        terms: Terms,
    ) -> Result<Journal, StateError> {
        let path = self.journal();
        let journal = Journal::reopen(&path, replayed, terms);
        journal.map_err(|error| StateError::Write(path, error))
    }

    /// Writes the plan.
    pub fn write_plan(
        &self,
        content: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), StateError> {
        atomic::write_new(&self.plan(), content)
    }

    /// Writes the report, in place of an earlier one of the same run.
    pub fn write_report(
        &self,
        content: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), StateError> {
        atomic::write_over(&self.report(), content)
    }
}

/// Makes folders that only their owner can read.
pub(super) fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn at() -> Timestamp {
        "2026-11-28T17:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_run_folder_is_private_and_named_by_its_run() {
        let state = tempfile::tempdir().unwrap();
        let root = state.path().join("deep/state");
        let folder = RunFolder::create(&root, Keep::Rehearsals, at()).unwrap();
        let path = root.join("rehearsals").join(folder.run().as_str());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(folder.plan(), path.join("plan.json"));
    }

    #[test]
    fn two_runs_of_the_same_second_have_folders_of_their_own() {
        let state = tempfile::tempdir().unwrap();
        let make = |salts: &[u32]| {
            let salts = salts.iter().copied();
            RunFolder::with_salts(state.path(), Keep::Runs, at(), salts)
        };
        let (first, second) = (make(&[7, 8]).unwrap(), make(&[7, 8]).unwrap());
        assert_eq!(first.run().as_str(), "20261128T170000Z-000007");
        assert_eq!(second.run().as_str(), "20261128T170000Z-000008");
        assert!(matches!(make(&[7, 8]), Err(StateError::Folder(..))));
    }

    #[test]
    fn of_two_runs_of_the_same_second_the_later_comes_last() {
        let state = tempfile::tempdir().unwrap();
        let make = || RunFolder::create(state.path(), Keep::Runs, at()).unwrap();
        let made: Vec<RunId> = (0..20).map(|_| make().run().clone()).collect();
        assert!(made.is_sorted_by(|one, next| one < next), "{made:?}");
        assert_eq!(runs(state.path(), Keep::Runs).unwrap(), made);
    }

    #[test]
    fn a_folder_with_something_in_it_is_not_given_up() {
        let state = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(state.path(), Keep::Runs, at()).unwrap();
        folder.write_plan(|_| Ok(())).unwrap();
        folder.clone().discard();
        assert!(folder.plan().exists());
        let empty = RunFolder::create(state.path(), Keep::Runs, at()).unwrap();
        empty.clone().discard();
        assert!(!empty.plan().parent().unwrap().exists());
    }

    #[test]
    fn a_state_folder_that_cannot_be_made_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = RunFolder::create(file.path(), Keep::Runs, at()).unwrap_err();
        assert!(matches!(error, StateError::Folder(..)));
    }
}
