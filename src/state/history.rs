//! What runs there were, by how they began: the first line of a journal tells, without the rest.
//!
//! Owns finding the undos of a run, and the last run of a workflow. Takes no lock. Invariant: a run that
//! may be an undo of the one asked for, or the last one, is never passed over because it cannot be read.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;

use super::recorded::part_of_plan;
use super::{Keep, RunFolder, StateError, runs};
use crate::event::{Event, Launch};
use crate::ids::RunId;
use crate::journal;

/// How a run began; nothing if it never did.
pub fn launch_of(state: &Path, run: &RunId) -> Result<Option<Launch>, StateError> {
    let path = RunFolder::of(state, Keep::Runs, run).journal();
    let line = match first_line(&path) {
        Ok(line) => line,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StateError::Read(path, error)),
    };
    match journal::salvage(&line) {
        (_, Some(journal::JournalError::Empty)) => Ok(None),
        (_, Some(error)) => Err(StateError::Journal(path, error)),
        (replayed, None) => {
            let began = replayed.events.into_iter().next();
            let Some(Event::Began { launch, .. }) = began.map(|stamped| stamped.event) else {
                return Ok(None);
            };
            Ok(Some(*launch))
        }
    }
}

/// The first line, and a byte of what stands behind it: a line that nothing follows may be torn, another
/// is damaged.
fn first_line(path: &Path) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut reader = BufReader::new(fs::File::open(path)?);
    reader.read_until(b'\n', &mut line)?;
    line.extend(reader.fill_buf()?.first());
    Ok(line)
}

/// The undos of a run, the oldest first.
pub fn undos_of(state: &Path, run: &RunId) -> Result<Vec<RunId>, StateError> {
    let mut undos = Vec::new();
    for other in runs(state, Keep::Runs)? {
        match launch_of(state, &other) {
            Ok(launch) => {
                let undone = launch.and_then(|launch| launch.undoes);
                undos.extend((undone.as_ref() == Some(run)).then_some(other));
            }
            Err(_) if action_of(state, &other).is_ok_and(|action| action == "os-stop") => {}
            Err(error) => return Err(error),
        }
    }
    Ok(undos)
}

/// The newest run of the workflow of this name; undos apart, and runs that never began.
pub fn latest_of(state: &Path, workflow: &str) -> Result<Option<RunId>, StateError> {
    for run in runs(state, Keep::Runs)?.into_iter().rev() {
        match launch_of(state, &run) {
            Ok(None) => continue,
            Ok(Some(launch)) if launch.undoes.is_some() => continue,
            // How a damaged run began, its plan tells.
            Ok(Some(_)) | Err(_) => {}
        }
        let part: Part = part_of_plan(state, &run)?;
        if part.action == "os-stop" && part.workflow.name == workflow {
            return Ok(Some(run));
        }
    }
    Ok(None)
}

/// What a plan says of its kind.
#[derive(Deserialize)]
struct Part {
    action: String,
    workflow: Named,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

fn action_of(state: &Path, run: &RunId) -> Result<String, StateError> {
    part_of_plan(state, run).map(|part: Part| part.action)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use jiff::Timestamp;

    use super::*;
    use crate::event::{Mode, Permit, Stamped};
    use crate::plan::{self, Plan, reverse, sample};
    use crate::policy::Approval;

    /// A run of this plan, begun so many hours after the first.
    async fn recorded(state: &Path, plan: &Plan, hours: i64, undoes: Option<&RunId>) -> RunId {
        let first: Timestamp = "2026-11-28T17:00:00Z".parse().unwrap();
        let at = first + jiff::SignedDuration::from_hours(hours);
        let folder = RunFolder::create(state, Keep::Runs, at).unwrap();
        folder
            .write_plan(|file| plan::write_json(plan, file))
            .unwrap();
        let launch = Launch {
            run: folder.run().clone(),
            mode: Mode::Run,
            labels: std::collections::BTreeMap::new(),
            again: String::new(),
            version: "0.1.0".to_owned(),
            warnings: Vec::new(),
            narrowed: None,
            undoes: undoes.cloned(),
            approval: Approval::Other,
            permit: Permit::default(),
            guards: Vec::new(),
        };
        let event = Event::Began {
            launch: Box::new(launch),
            plan: plan.digest,
            left_out: Vec::new(),
        };
        let journal = folder.start_journal(None).unwrap();
        assert!(journal.append(vec![Stamped { at, event }]).durable().await);
        folder.run().clone()
    }

    fn damage(state: &Path, run: &RunId) {
        let journal = RunFolder::of(state, Keep::Runs, run).journal();
        fs::write(journal, "{\"what\":\"is this\"}\n{}\n").unwrap();
    }

    #[tokio::test]
    async fn undos_are_found_and_the_last_run_is_never_one() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        let plan = sample::plan(vec![sample::group("all", 0, 2)]);
        let first = recorded(state, &plan, 0, None).await;
        let second = recorded(state, &plan, 1, None).await;
        let all: HashSet<_> = plan.batches[0].servers().iter().copied().collect();
        let back = reverse(&plan, &first, &all);
        let undo = recorded(state, &back, 2, Some(&first)).await;
        assert_eq!(
            undos_of(state, &first).unwrap(),
            std::slice::from_ref(&undo)
        );
        assert_eq!(undos_of(state, &second).unwrap(), []);
        let latest = latest_of(state, &plan.workflow.name).unwrap();
        assert_eq!(latest, Some(second.clone()));
        assert_eq!(latest_of(state, "other").unwrap(), None);
        assert_eq!(
            launch_of(state, &undo).unwrap().unwrap().undoes,
            Some(first.clone())
        );

        // A damaged run that stops servers is no undo; a damaged undo may be that of any run.
        damage(state, &second);
        assert_eq!(
            undos_of(state, &first).unwrap(),
            std::slice::from_ref(&undo)
        );
        damage(state, &undo);
        assert!(matches!(
            undos_of(state, &first),
            Err(StateError::Journal(..))
        ));
    }

    #[tokio::test]
    async fn a_run_that_never_began_is_no_undo() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        let plan = sample::plan(vec![sample::group("all", 0, 2)]);
        let run = recorded(state, &plan, 0, None).await;
        let journal = RunFolder::of(state, Keep::Runs, &run).journal();
        fs::write(&journal, "{\"torn").unwrap();
        assert_eq!(launch_of(state, &run).unwrap(), None);
        let name = &plan.workflow.name;
        assert_eq!(latest_of(state, name).unwrap(), None);
        fs::remove_file(journal).unwrap();
        assert_eq!(launch_of(state, &run).unwrap(), None);
        assert_eq!(latest_of(state, name).unwrap(), None);
        assert_eq!(undos_of(state, &run).unwrap(), []);
    }
}
