//! The stop switch: one file that forbids sending to every run that uses the state folder.
//!
//! Owns setting, lifting and reading it. Invariant: a switch that cannot be read counts as set.

use std::fs;
use std::io;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{StateError, atomic, run_folder};
use crate::named_file;

/// Why sending is forbidden, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Why; for people.
    pub reason: String,
    /// When it was set.
    pub set_at: Timestamp,
    /// When it lifts itself; `None` means never.
    pub until: Option<Timestamp>,
}

impl Switch {
    /// Sets the switch, in place of an earlier one.
    pub fn set(&self, state: &Path) -> Result<(), StateError> {
        let failed = |error| StateError::Folder(state.to_owned(), error);
        run_folder::private()
            .recursive(true)
            .create(state)
            .map_err(failed)?;
        let text = serde_json::to_vec_pretty(self);
        atomic::write_over(&path(state), |file| file.write_all(&text?))
    }

    /// Lifts the switch; says whether it was set.
    pub fn lift(state: &Path) -> Result<bool, StateError> {
        match fs::remove_file(path(state)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StateError::Write(path(state), error)),
        }
    }

    /// The switch, if it forbids sending at `now`.
    pub fn in_force(state: &Path, now: Timestamp) -> Option<Self> {
        let unreadable = |why: String| Self {
            reason: format!("the stop switch cannot be read: {why}"),
            set_at: now,
            until: None,
        };
        let path = path(state);
        // Needs no file descriptor: a process that has run out of them can still see that nothing is there.
        if is_absent(&path) {
            return None;
        }
        let switch = match named_file::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).unwrap_or_else(|error| unreadable(error.to_string()))
            }
            // It was lifted in between.
            Err(_) if is_absent(&path) => return None,
            Err(error) => unreadable(error.to_string()),
        };
        let lifted = switch.until.is_some_and(|until| until <= now);
        (!lifted).then_some(switch)
    }
}

/// Whether nothing has this name, not even a link that leads nowhere.
fn is_absent(path: &Path) -> bool {
    let seen = fs::symlink_metadata(path);
    seen.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn path(state: &Path) -> PathBuf {
    state.join("halt.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_switch_is_in_force_until_it_is_lifted() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(Switch::in_force(state.path(), at(5)), None);
        let switch = Switch {
            reason: "cooling failed".to_owned(),
            set_at: at(0),
            until: None,
        };
        switch.set(state.path()).unwrap();
        assert_eq!(Switch::in_force(state.path(), at(5)), Some(switch));
        assert!(Switch::lift(state.path()).unwrap());
        assert!(!Switch::lift(state.path()).unwrap());
        assert_eq!(Switch::in_force(state.path(), at(5)), None);
    }

    #[test]
    fn a_switch_lifts_itself_when_its_time_is_over() {
        let state = tempfile::tempdir().unwrap();
        let switch = Switch {
            reason: "drill".to_owned(),
            set_at: at(0),
            until: Some(at(10)),
        };
        switch.set(state.path()).unwrap();
        assert!(Switch::in_force(state.path(), at(9)).is_some());
        assert!(Switch::in_force(state.path(), at(10)).is_none());
    }

    #[test]
    fn a_switch_that_cannot_be_read_is_in_force() {
        let state = tempfile::tempdir().unwrap();
        fs::write(path(state.path()), "{").unwrap();
        assert!(Switch::in_force(state.path(), at(0)).is_some());
        fs::remove_file(path(state.path())).unwrap();
        fs::create_dir(path(state.path())).unwrap();
        assert!(Switch::in_force(state.path(), at(0)).is_some());
    }
}
