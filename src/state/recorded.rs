//! Runs that are in the state folder already, read back from their plan and journal.
//!
//! Owns finding them and the check that plan and journal belong together. Takes no lock, so it works on
//! live, crashed and finished runs alike. Invariant: the ledger of a [`Recorded`] run is the fold of
//! every whole line of its journal, over the plan that the run began with; a [`Glimpse`] is the fold of
//! the lines before the first damage, and never of a wrong one.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Keep, RunFolder, StateError, is_quarantined, launch_of};
use crate::ids::{Digest, RunId};
use crate::journal::{self, JournalError, Replayed};
use crate::ledger::Ledger;
use crate::named_file;
use crate::plan::{self, Plan, Project};

/// More than the longest line that ends a journal, in bytes.
const TAIL: u64 = 256 * 1024;

/// A run as its folder tells it.
#[derive(Debug)]
pub struct Recorded {
    /// Its folder.
    pub folder: RunFolder,
    /// Its plan.
    pub plan: Plan,
    /// What its journal holds.
    pub replayed: Replayed,
    /// What follows from that.
    pub ledger: Ledger,
}

/// A run of which only a part may be readable.
#[derive(Debug)]
pub struct Glimpse {
    /// Its plan.
    pub plan: Plan,
    /// What follows from the readable part of its journal.
    pub ledger: Ledger,
    /// When the last readable event happened.
    pub last_at: Option<Timestamp>,
    /// Why the rest cannot be read, if so.
    pub problem: Option<StateError>,
}

impl Recorded {
    /// Reads a run back.
    pub fn read(state: &Path, keep: Keep, run: &RunId) -> Result<Self, StateError> {
        let folder = RunFolder::of(state, keep, run);
        let plan = plan_of(&folder)?;
        let path = folder.journal();
        let bytes = named_file::read_all(&path);
        let bytes = bytes.map_err(|error| StateError::Read(path.clone(), error))?;
        let damaged = |error| StateError::Journal(path.clone(), error);
        let replayed = journal::replay(&bytes).map_err(damaged)?;
        match folded(&plan, &replayed, &path) {
            (ledger, None) => Ok(Self {
                folder,
                plan,
                replayed,
                ledger,
            }),
            (_, Some(problem)) => Err(problem),
        }
    }

    /// When the journal's last event happened.
    pub fn last_at(&self) -> Option<Timestamp> {
        self.replayed.events.last().map(|event| event.at)
    }
}

/// The project that a run's plan is for, without reading the rest of the plan into memory.
pub(super) fn project_of(state: &Path, run: &RunId) -> Result<Project, StateError> {
    #[derive(Deserialize)]
    struct Part {
        project: Project,
    }
    part_of_plan(state, run).map(|part: Part| part.project)
}

/// Whether a run may be one of this project, by its plan and by the first record of its journal. A run of which
/// neither can be read may be one of any project.
pub fn concerns(state: &Path, run: &RunId, project: &Project) -> bool {
    let plan = project_of(state, run).ok();
    let journal = launch_of(state, run).ok().flatten();
    let journal = journal.and_then(|launch| launch.project);
    let mut named = plan.iter().chain(&journal).peekable();
    named.peek().is_none() || named.any(|named| named.is_same(project))
}

/// The digest that a run's plan states, without reading the rest of the plan into memory.
pub fn digest_of(state: &Path, run: &RunId) -> Result<Digest, StateError> {
    #[derive(Deserialize)]
    struct Part {
        digest: Digest,
    }
    part_of_plan(state, run).map(|part: Part| part.digest)
}

/// Some members of a run's plan.
pub(super) fn part_of_plan<T: DeserializeOwned>(
    state: &Path,
    run: &RunId,
) -> Result<T, StateError> {
    let path = RunFolder::of(state, Keep::Runs, run).plan();
    let read = || -> io::Result<T> {
        let file = io::BufReader::new(named_file::open(&path)?);
        Ok(serde_json::from_reader(file)?)
    };
    read().map_err(|error| StateError::Read(path.clone(), error))
}

impl Glimpse {
    /// Reads what can be read of a run; an error only where there is no plan to hold it against.
    pub fn read(state: &Path, keep: Keep, run: &RunId) -> Result<Self, StateError> {
        let folder = RunFolder::of(state, keep, run);
        let plan = plan_of(&folder)?;
        let path = folder.journal();
        let bytes = match named_file::read_all(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                return Ok(Self {
                    ledger: Ledger::new(&plan),
                    plan,
                    last_at: None,
                    problem: Some(StateError::Read(path, error)),
                });
            }
        };
        let (replayed, damage) = journal::salvage(&bytes);
        let (ledger, misfit) = folded(&plan, &replayed, &path);
        // A journal of which nothing is readable does not even tell whose it is.
        let problem = match damage {
            Some(error) if replayed.events.is_empty() => Some(StateError::Journal(path, error)),
            damage => misfit.or(damage.map(|error| StateError::Journal(path, error))),
        };
        Ok(Self {
            plan,
            ledger,
            last_at: replayed.events.last().map(|event| event.at),
            problem,
        })
    }
}

/// The plan of a run.
fn plan_of(folder: &RunFolder) -> Result<Plan, StateError> {
    let path = folder.plan();
    let text = match named_file::read_all(&path) {
        Ok(bytes) => String::from_utf8(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StateError::NoRun(folder.run().clone()));
        }
        Err(error) => return Err(StateError::Read(path, error)),
    };
    let text = text.map_err(|error| {
        StateError::Read(
            path.clone(),
            io::Error::new(io::ErrorKind::InvalidData, error),
        )
    })?;
    plan::load(&text).map_err(|error| StateError::Plan(path, error))
}

/// The ledger of these events, and why they cannot be the run of this plan, if so.
fn folded(plan: &Plan, replayed: &Replayed, path: &Path) -> (Ledger, Option<StateError>) {
    let mut ledger = Ledger::new(plan);
    for event in &replayed.events {
        if let Err(error) = ledger.apply(event) {
            return (ledger, Some(StateError::Misfit(path.to_owned(), error)));
        }
    }
    match ledger.began() {
        Some(began) if began.plan == plan.digest => (ledger, None),
        Some(_) | None => {
            let other = StateError::OtherPlan(path.to_owned());
            (Ledger::new(plan), Some(other))
        }
    }
}

/// The list that a run is in.
pub fn find(state: &Path, run: &RunId) -> Result<Keep, StateError> {
    let lists = [Keep::Runs, Keep::Rehearsals].into_iter();
    let mut holding = lists.filter(|keep| keep.folder(state).join(run.as_str()).exists());
    holding.next().ok_or_else(|| StateError::NoRun(run.clone()))
}

/// How far the ID of a run may be ahead of the clock.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// Whether a run began later than now, by its ID: then a clock was wrong, this one's or that of then.
pub(super) fn is_ahead(run: &RunId, now: Timestamp) -> bool {
    let limit = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    run.second() > RunId::new(limit, 0).second()
}

/// The newest run; the newest rehearsal only where there was never a run. A run from the future is the newest
/// only if there is no other.
pub fn latest(state: &Path, now: Timestamp) -> Result<(Keep, RunId), StateError> {
    for keep in [Keep::Runs, Keep::Rehearsals] {
        let mut runs = runs(state, keep)?;
        let past = runs.iter().rposition(|run| !is_ahead(run, now));
        if let Some(last) = past.or(runs.len().checked_sub(1)) {
            return Ok((keep, runs.swap_remove(last)));
        }
    }
    Err(StateError::NoRuns(state.to_owned()))
}

/// Every run of the state folder, the oldest first.
pub fn runs(state: &Path, keep: Keep) -> Result<Vec<RunId>, StateError> {
    let list = keep.folder(state);
    let entries = match fs::read_dir(&list) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StateError::Read(list, error)),
    };
    let run = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    let mut runs: Vec<RunId> = entries.filter_map(run).collect();
    runs.sort();
    Ok(runs)
}

/// The runs that may have sent requests and whose journal does not say that they are over, the oldest first.
pub fn unfinished(state: &Path) -> Result<Vec<RunId>, StateError> {
    let mut open = runs(state, Keep::Runs)?;
    open.retain(|run| !is_quarantined(state, run));
    open.retain(|run| is_open(&RunFolder::of(state, Keep::Runs, run)));
    Ok(open)
}

/// Whether a run may have sent requests and is not known to be over.
fn is_open(folder: &RunFolder) -> bool {
    match tail(&folder.journal()) {
        // Without its starting file, a run had a record that is lost.
        Ok((tail, true)) if journal::replay(&tail) == Err(JournalError::Empty) => {
            !folder.is_starting()
        }
        Ok((tail, _)) => !journal::is_over(&tail),
        Err(error) if error.kind() == io::ErrorKind::NotFound => !folder.is_starting(),
        // An unreadable file may be the journal of a run that has sent requests.
        Err(_) => true,
    }
}

/// The end of a file, and whether that is all of it.
fn tail(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    let mut file = named_file::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((bytes, length <= TAIL))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::event::{Event, Launch, Stamped};
    use crate::plan::sample;

    fn at() -> Timestamp {
        "2026-11-28T17:00:00Z".parse().unwrap()
    }

    /// A run whose journal holds these events, in lines of one.
    async fn recorded(state: &Path, plan: &Plan, events: Vec<Event>) -> RunFolder {
        let folder = RunFolder::create(state, Keep::Runs, at()).unwrap();
        folder
            .write_plan(|file| plan::write_json(plan, file))
            .unwrap();
        let journal = folder
            .start_journal(crate::journal::Terms::default())
            .unwrap();
        for event in events {
            assert!(
                journal
                    .append(vec![Stamped { at: at(), event }])
                    .durable()
                    .await
            );
        }
        folder
    }

    fn began(plan: &Plan) -> Event {
        let launch = Launch {
            run: "20261128T170000Z-3f9a1c".parse().unwrap(),
            ..Launch::for_tests()
        };
        Event::Began {
            launch: Box::new(launch),
            plan: plan.digest,
            left_out: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_run_reads_back_and_is_unfinished_until_it_says_otherwise() {
        let state = tempfile::tempdir().unwrap();
        let plan = sample::fleet();
        let folder = recorded(state.path(), &plan, vec![began(&plan)]).await;
        let over = recorded(state.path(), &plan, vec![began(&plan), Event::Finished]).await;
        assert_eq!(unfinished(state.path()).unwrap(), [folder.run().clone()]);
        assert_eq!(runs(state.path(), Keep::Runs).unwrap().len(), 2);
        let read = Recorded::read(state.path(), Keep::Runs, over.run()).unwrap();
        assert_eq!(read.plan, plan);
        assert_eq!(read.ledger.finished_at(), Some(at()));
        assert_eq!(read.last_at(), Some(at()));
    }

    #[tokio::test]
    async fn a_torn_end_leaves_a_run_unfinished() {
        let state = tempfile::tempdir().unwrap();
        let plan = sample::fleet();
        let folder = recorded(state.path(), &plan, vec![began(&plan), Event::Finished]).await;
        let bytes = fs::read(folder.journal()).unwrap();
        fs::write(folder.journal(), &bytes[..bytes.len() - 3]).unwrap();
        assert_eq!(unfinished(state.path()).unwrap(), [folder.run().clone()]);
    }

    #[tokio::test]
    async fn a_run_of_which_nothing_became_durable_is_not_unfinished() {
        let state = tempfile::tempdir().unwrap();
        let plan = sample::fleet();
        let folder = recorded(state.path(), &plan, vec![began(&plan)]).await;
        let bytes = fs::read(folder.journal()).unwrap();
        let starting = state.path().join("starting").join(folder.run().as_str());
        fs::write(&starting, "").unwrap();
        for whole in [0, 1, bytes.len() - 1] {
            fs::write(folder.journal(), &bytes[..whole]).unwrap();
            assert_eq!(unfinished(state.path()).unwrap(), [], "{whole} bytes");
        }
        fs::remove_file(folder.journal()).unwrap();
        assert_eq!(unfinished(state.path()).unwrap(), []);
        // A crash between the first record and the removal of the starting file.
        fs::write(folder.journal(), &bytes).unwrap();
        assert_eq!(unfinished(state.path()).unwrap(), [folder.run().clone()]);
    }

    #[tokio::test]
    async fn a_run_whose_journal_is_lost_is_unfinished() {
        let state = tempfile::tempdir().unwrap();
        let plan = sample::fleet();
        let folder = recorded(state.path(), &plan, vec![began(&plan)]).await;
        let bytes = fs::read(folder.journal()).unwrap();
        let open = [folder.run().clone()];
        for whole in [0, 1, bytes.len() - 1] {
            fs::write(folder.journal(), &bytes[..whole]).unwrap();
            assert_eq!(unfinished(state.path()).unwrap(), open, "{whole} bytes");
        }
        fs::remove_file(folder.journal()).unwrap();
        assert_eq!(unfinished(state.path()).unwrap(), open);
        fs::remove_file(folder.plan()).unwrap();
        assert_eq!(unfinished(state.path()).unwrap(), open);
        assert!(concerns(state.path(), folder.run(), &plan.project));
    }

    #[tokio::test]
    async fn a_journal_that_cannot_be_read_is_not_taken_for_finished() {
        let state = tempfile::tempdir().unwrap();
        let plan = sample::fleet();
        let folder = recorded(state.path(), &plan, vec![began(&plan), Event::Finished]).await;
        assert_eq!(unfinished(state.path()).unwrap(), []);
        fs::remove_file(folder.journal()).unwrap();
        assert_eq!(unfinished(state.path()).unwrap(), [folder.run().clone()]);
        // Not even root reads a folder as a file.
        fs::create_dir(folder.journal()).unwrap();
        assert_eq!(unfinished(state.path()).unwrap(), [folder.run().clone()]);
    }

    #[tokio::test]
    async fn a_journal_of_another_plan_is_refused() {
        let state = tempfile::tempdir().unwrap();
        let plan = sample::fleet();
        let folder = recorded(state.path(), &plan, vec![began(&plan)]).await;
        let other = sample::plan(vec![sample::group("other", 0, 3)]);
        fs::remove_file(folder.plan()).unwrap();
        folder
            .write_plan(|file| plan::write_json(&other, file))
            .unwrap();
        let refused = Recorded::read(state.path(), Keep::Runs, folder.run()).unwrap_err();
        assert!(matches!(refused, StateError::OtherPlan(_)), "{refused:?}");
        let glimpse = Glimpse::read(state.path(), Keep::Runs, folder.run()).unwrap();
        assert!(matches!(glimpse.problem, Some(StateError::OtherPlan(_))));
        assert_eq!(glimpse.ledger.began(), None);
    }

    #[tokio::test]
    async fn what_can_be_read_of_a_damaged_journal_is_told() {
        let state = tempfile::tempdir().unwrap();
        let plan = sample::fleet();
        let events = vec![began(&plan), Event::Finished, Event::ReportMisplaced];
        let folder = recorded(state.path(), &plan, events).await;
        let text = fs::read_to_string(folder.journal()).unwrap();
        fs::write(
            folder.journal(),
            text.replace("\"finished\"", "\"fnished\""),
        )
        .unwrap();
        let glimpse = Glimpse::read(state.path(), Keep::Runs, folder.run()).unwrap();
        assert!(matches!(glimpse.problem, Some(StateError::Journal(..))));
        assert!(glimpse.ledger.began().is_some());
        assert_eq!(glimpse.last_at, Some(at()));
    }

    #[tokio::test]
    async fn the_latest_run_is_a_real_one_where_there_is_any() {
        let state = tempfile::tempdir().unwrap();
        assert!(matches!(
            latest(state.path(), Timestamp::MAX),
            Err(StateError::NoRuns(_))
        ));
        let later = "2026-11-29T17:00:00Z".parse().unwrap();
        let rehearsal = RunFolder::create(state.path(), Keep::Rehearsals, later).unwrap();
        let rehearsed = (Keep::Rehearsals, rehearsal.run().clone());
        assert_eq!(latest(state.path(), Timestamp::MAX).unwrap(), rehearsed);
        let run = recorded(state.path(), &sample::fleet(), Vec::new()).await;
        assert_eq!(
            latest(state.path(), Timestamp::MAX).unwrap(),
            (Keep::Runs, run.run().clone())
        );
        assert_eq!(find(state.path(), run.run()).unwrap(), Keep::Runs);
        assert_eq!(
            find(state.path(), rehearsal.run()).unwrap(),
            Keep::Rehearsals
        );
        let missing = "20261128T170000Z-ffffff".parse().unwrap();
        assert!(matches!(
            find(state.path(), &missing),
            Err(StateError::NoRun(_))
        ));
    }

    #[test]
    fn a_run_from_the_future_is_the_latest_only_if_there_is_no_other() {
        let state = tempfile::tempdir().unwrap();
        let make = |text: &str| {
            let at = text.parse().unwrap();
            let folder = RunFolder::create(state.path(), Keep::Runs, at).unwrap();
            folder.run().clone()
        };
        let latest = |text: &str| latest(state.path(), text.parse().unwrap()).unwrap().1;
        let future = make("2036-01-01T00:00:00Z");
        assert_eq!(latest("2026-11-28T17:00:00Z"), future);
        let first = make("2026-11-27T17:00:00Z");
        let second = make("2026-11-28T17:00:00Z");
        assert_eq!(latest("2026-11-28T17:00:00Z"), second);
        // Clocks of a few minutes apart are nothing odd.
        assert_eq!(latest("2026-11-28T16:56:00Z"), second);
        assert_eq!(latest("2026-11-28T16:54:00Z"), first);
        assert_eq!(latest("2036-01-01T00:00:00Z"), future);
    }

    #[tokio::test]
    async fn a_damaged_journal_is_refused() {
        let state = tempfile::tempdir().unwrap();
        let plan = sample::fleet();
        let folder = recorded(state.path(), &plan, vec![began(&plan), Event::Finished]).await;
        let mut file = fs::OpenOptions::new()
            .write(true)
            .open(folder.journal())
            .unwrap();
        file.write_all(b"#").unwrap();
        let refused = Recorded::read(state.path(), Keep::Runs, folder.run()).unwrap_err();
        assert!(matches!(refused, StateError::Journal(..)), "{refused:?}");
        let glimpse = Glimpse::read(state.path(), Keep::Runs, folder.run()).unwrap();
        assert!(matches!(glimpse.problem, Some(StateError::Journal(..))));
        assert_eq!((glimpse.last_at, glimpse.ledger.began()), (None, None));
        let missing = "20261128T170000Z-000000".parse().unwrap();
        let refused = Recorded::read(state.path(), Keep::Runs, &missing).unwrap_err();
        assert!(matches!(refused, StateError::NoRun(_)), "{refused:?}");
    }
}
