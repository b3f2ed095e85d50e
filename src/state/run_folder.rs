//! A run's own folder, `STATE/runs/RUN_ID/` or `STATE/rehearsals/RUN_ID/`.
//!
//! Owns making the folder, the names of the files in it, and the file `STATE/starting/RUN_ID`, which is made
//! before the folder and removed with the run's first record. Invariant: each folder was made by exactly
//! one run, and only its owner can read it. A run without its starting file may have sent requests.

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

/// The folder of the state folder with a file for each run that has no record yet.
const STARTING: &str = "starting";

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
    starting: PathBuf,
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
        Self {
            run: run.clone(),
            path: keep.folder(state).join(run.as_str()),
            starting: state.join(STARTING).join(run.as_str()),
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
        let marks = state.join(STARTING);
        let made = private().recursive(true).create(&marks);
        let made = made.and_then(|()| atomic::sync_folder(state));
        made.map_err(|error| StateError::Folder(marks.clone(), error))?;
        for salt in salts.take(ATTEMPTS) {
            let folder = Self::of(state, keep, &RunId::new(at, salt));
            match folder.make(&list, &marks) {
                Ok(()) => return Ok(folder),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StateError::Folder(folder.path, error)),
            }
        }
        Err(failed(io::Error::other("too many runs in one second")))
    }

    /// Makes the starting file and then the folder, both durable. An error leaves neither.
    fn make(&self, list: &Path, marks: &Path) -> io::Result<()> {
        // The starting file must not appear beside a folder of another run.
        if self.path.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        File::create_new(&self.starting)?;
        let made = atomic::sync_folder(marks).and_then(|()| private().create(&self.path));
        if let Err(error) = made {
            let _ = fs::remove_file(&self.starting);
            return Err(error);
        }
        atomic::sync_folder(list)
    }

    /// Whether the run is known to have no durable record, so that it has sent nothing.
    pub fn is_starting(&self) -> bool {
        self.starting.symlink_metadata().is_ok()
    }

    /// Removes the folder again, if it is empty.
    pub fn discard(self) {
        let list = atomic::folder_of(&self.path);
        let removed = fs::remove_dir(&self.path).and_then(|()| atomic::sync_folder(list));
        // With its starting file, a folder that remains blocks no run.
        if removed.is_ok() {
            let _ = fs::remove_file(&self.starting);
        }
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
        let terms = self.with_starting(terms);
        Journal::create(&path, terms).map_err(|error| StateError::Write(path, error))
    }

    /// Goes on with the journal that was read back.
    pub fn continue_journal(
        &self,
        replayed: &Replayed,
        terms: Terms,
    ) -> Result<Journal, StateError> {
        let path = self.journal();
        let journal = Journal::reopen(&path, replayed, self.with_starting(terms));
        journal.map_err(|error| StateError::Write(path, error))
    }

    fn with_starting(&self, terms: Terms) -> Terms {
        Terms {
            starting: Some(self.starting.clone()),
            ..terms
        }
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
        assert!(!empty.is_starting());
    }

    #[tokio::test]
    async fn a_run_is_starting_until_its_first_record() {
        let state = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(state.path(), Keep::Runs, at()).unwrap();
        assert!(folder.is_starting());
        folder.write_plan(|_| Ok(())).unwrap();
        let journal = folder.start_journal(Terms::default()).unwrap();
        assert!(folder.is_starting());
        let event = crate::event::Event::StillRunning;
        let stamped = crate::event::Stamped { at: at(), event };
        assert!(journal.append(vec![stamped]).durable().await);
        assert!(!RunFolder::of(state.path(), Keep::Runs, folder.run()).is_starting());
    }

    #[test]
    fn a_state_folder_that_cannot_be_made_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = RunFolder::create(file.path(), Keep::Runs, at()).unwrap_err();
        assert!(matches!(error, StateError::Folder(..)));
    }
}
