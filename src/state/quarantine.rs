//! Runs that a person has set aside, because they can neither be read nor brought to an end.
//!
//! Owns `STATE/quarantine/RUN_ID.json`. It lies outside the run's own folder, which may be damaged. Invariant:
//! the servers of a quarantined run are kept out of new runs until a person releases it, and a record that
//! cannot be read is an error, not a release.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{StateError, atomic, run_folder};
use crate::ids::{RunId, ServerId};
use crate::named_file;
use crate::plan::Project;

/// The format that this version writes and reads.
const FORMAT: &str = "lightsout/quarantine/v1";

/// A run that is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quarantine {
    schema: String,
    /// The run.
    pub run: RunId,
    /// Its project; `None` if neither its plan nor its journal names one.
    pub project: Option<Project>,
    /// Why the run cannot be read, for people; `None` if it can.
    pub problem: Option<String>,
    /// When it was set aside.
    pub quarantined_at: Timestamp,
    /// Since when its servers may be sent again.
    pub released_at: Option<Timestamp>,
    /// The servers whose requests may have been accepted; `None` if they cannot be found out.
    pub servers: Option<Vec<ServerId>>,
}

/// What quarantined runs keep out of a new run of their project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// These servers, each with the run that holds it.
    pub servers: BTreeMap<ServerId, RunId>,
    /// Runs whose servers are not known, so that every server of the project may be one of theirs.
    pub unknown: Vec<RunId>,
}

impl Quarantine {
    /// The record of a run that is set aside now.
    pub fn new(
        run: RunId,
        now: Timestamp,
        (project, servers): (Option<Project>, Option<Vec<ServerId>>),
        problem: Option<String>,
    ) -> Self {
        Self {
            schema: FORMAT.to_owned(),
            run,
            project,
            problem,
            quarantined_at: now,
            released_at: None,
            servers,
        }
    }

    /// The record of a run, if it was ever set aside.
    pub fn of(state: &Path, run: &RunId) -> Result<Option<Self>, StateError> {
        if is_quarantined(state, run) {
            read(&path(state, run)).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Sets the run aside.
    pub fn keep(&self, state: &Path) -> Result<(), StateError> {
        let list = list(state);
        let made = run_folder::private().recursive(true).create(&list);
        made.map_err(|error| StateError::Folder(list, error))?;
        let text = serde_json::to_vec_pretty(self);
        atomic::write_new(&path(state, &self.run), |file| file.write_all(&text?))
    }

    /// Lets new runs send its servers again. The run itself stays set aside.
    pub fn release(self, state: &Path, now: Timestamp) -> Result<(), StateError> {
        let path = path(state, &self.run);
        let released = Self {
            released_at: Some(now),
            ..self
        };
        let text = serde_json::to_vec_pretty(&released);
        atomic::write_over(&path, |file| file.write_all(&text?))
    }

    /// Whether it keeps servers out of new runs.
    pub fn holds(&self) -> bool {
        self.released_at.is_none()
    }
}

/// Whether a run is set aside, released or not. A record that cannot be read counts.
pub fn is_quarantined(state: &Path, run: &RunId) -> bool {
    path(state, run).symlink_metadata().is_ok()
}

/// Every record of the state folder, by run ID.
pub fn quarantines(state: &Path) -> Result<Vec<Quarantine>, StateError> {
    let list = list(state);
    let entries = match fs::read_dir(&list) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StateError::Read(list, error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|error| StateError::Read(list.clone(), error))?
            .path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

/// What quarantined runs keep out of a new run of this project.
pub fn held(state: &Path, project: &Project) -> Result<Held, StateError> {
    let mut held = Held::default();
    let all = quarantines(state)?.into_iter().filter(Quarantine::holds);
    for quarantine in all {
        let Quarantine { run, servers, .. } = quarantine;
        match quarantine.project {
            Some(own) if own.is_same(project) => match servers {
                Some(servers) => {
                    let servers = servers.into_iter().map(|server| (server, run.clone()));
                    held.servers.extend(servers);
                }
                None => held.unknown.push(run),
            },
            // Of a run that names no project nothing is known to keep out: setting it aside said so.
            Some(_) | None => {}
        }
    }
    Ok(held)
}

fn read(path: &Path) -> Result<Quarantine, StateError> {
    let unreadable = |error| StateError::Read(path.to_owned(), error);
    let bytes = named_file::read(path).map_err(unreadable)?;
    let record: Quarantine =
        serde_json::from_slice(&bytes).map_err(|error| unreadable(error.into()))?;
    if record.schema == FORMAT {
        Ok(record)
    } else {
        let why = format!("its format is `{}`, not `{FORMAT}`", record.schema);
        Err(unreadable(io::Error::new(io::ErrorKind::InvalidData, why)))
    }
}

fn list(state: &Path) -> PathBuf {
    state.join("quarantine")
}

fn path(state: &Path, run: &RunId) -> PathBuf {
    list(state).join(format!("{run}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(endpoint: &str) -> Project {
        Project {
            id: "bbf1946d374b44a0a2a95533562ba954".parse().unwrap(),
            region: None,
            endpoint: endpoint.parse().unwrap(),
        }
    }

    fn record(run: &str, servers: Option<Vec<ServerId>>) -> Quarantine {
        let at = "2026-11-28T17:00:00Z".parse().unwrap();
        let project = Some(project("https://bms.example.com"));
        Quarantine::new(run.parse().unwrap(), at, (project, servers), None)
    }

    const RUN: &str = "20261128T170000Z-3f9a1c";
    const OTHER: &str = "20261128T170000Z-3f9a1d";

    #[test]
    fn servers_are_held_until_they_are_released_and_only_in_their_project() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        let own = project("https://bms.example.com");
        assert_eq!(held(state, &own).unwrap(), Held::default());
        let server = ServerId::from_bytes([7; 16]);
        let quarantine = record(RUN, Some(vec![server]));
        quarantine.keep(state).unwrap();
        record(OTHER, None).keep(state).unwrap();
        let found = held(state, &own).unwrap();
        assert_eq!(found.servers, [(server, RUN.parse().unwrap())].into());
        assert_eq!(found.unknown, [OTHER.parse().unwrap()]);
        let elsewhere = project("https://other.example.com");
        assert_eq!(held(state, &elsewhere).unwrap(), Held::default());

        let run = RUN.parse().unwrap();
        assert_eq!(
            Quarantine::of(state, &run).unwrap(),
            Some(quarantine.clone())
        );
        quarantine.release(state, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(held(state, &own).unwrap().servers, BTreeMap::new());
        assert!(is_quarantined(state, &run));
    }

    #[test]
    fn a_record_that_cannot_be_read_is_no_release() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        record(RUN, None).keep(state).unwrap();
        let run = RUN.parse().unwrap();
        for text in ["", "{}", "{\"schema\":\"lightsout/quarantine/v2\"}"] {
            fs::write(path(state, &run), text).unwrap();
            let refused = held(state, &project("https://bms.example.com"));
            assert!(matches!(refused, Err(StateError::Read(..))), "{text}");
            assert!(is_quarantined(state, &run));
        }
    }

    #[test]
    fn a_run_is_set_aside_once() {
        let state = tempfile::tempdir().unwrap();
        record(RUN, None).keep(state.path()).unwrap();
        let again = record(RUN, None).keep(state.path());
        assert!(matches!(again, Err(StateError::Occupied(_))));
    }
}
