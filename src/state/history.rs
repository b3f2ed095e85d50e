//! What runs there were, by how they began: the first line of a journal tells, without the rest.
//!
//! Owns finding the undos of a run, and the last run of a workflow. Takes no lock. Invariant: a run that
//! may be an undo of the one asked for is never passed over because it cannot be read.

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
            Ok(Some(launch))
        }
    }
}

fn first_line(path: &Path) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    BufReader::new(fs::File::open(path)?).read_until(b'\n', &mut line)?;
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

/// The newest run of the workflow of this name, undos apart.
pub fn latest_of(state: &Path, workflow: &str) -> Result<Option<RunId>, StateError> {
    let mut newest_first = runs(state, Keep::Runs)?;
    newest_first.reverse();
    let found = newest_first.into_iter().find(|run| {
        let stops = action_of(state, run).is_ok_and(|action| action == "os-stop");
        stops && workflow_of(state, run).is_ok_and(|name| name == workflow)
    });
    Ok(found)
}

fn action_of(state: &Path, run: &RunId) -> Result<String, StateError> {
    #[derive(Deserialize)]
    struct Part {
        action: String,
    }
    part_of_plan(state, run).map(|part: Part| part.action)
}

fn workflow_of(state: &Path, run: &RunId) -> Result<String, StateError> {
    #[derive(Deserialize)]
    struct Part {
        workflow: Named,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    part_of_plan(state, run).map(|part: Part| part.workflow.name)
}
