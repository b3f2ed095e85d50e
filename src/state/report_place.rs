//! The further place that a report is asked for, beside the run's folder.
//!
//! Owns proving the place before anything is sent, and writing there at the end. Invariant: a place
//! that was proven was free and writable then, and what appeared there since is never replaced.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{StateError, atomic};
use crate::ids::RunId;

/// A place that was free and writable when it was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportPlace {
    path: PathBuf,
    /// Whether the run's own earlier report is there.
    own: bool,
}

impl ReportPlace {
    /// Finds out whether a report can be written to `path`. Makes no folders.
    pub fn prove(path: &Path) -> Result<Self, StateError> {
        if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(StateError::NoFileName(path.to_owned()));
        }
        if path.symlink_metadata().is_ok() {
            return Err(StateError::Occupied(path.to_owned()));
        }
        match atomic::prove(path) {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                own: false,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StateError::NoFolder(path.to_owned()))
            }
            Err(error) => Err(StateError::Write(path.to_owned(), error)),
        }
    }

    /// The same for a run that may have left its own report there already: that one is replaced.
    pub fn prove_for(path: &Path, run: &RunId) -> Result<Self, StateError> {
        match Self::prove(path) {
            Err(StateError::Occupied(_)) if run_of(path).as_ref() == Some(run) => Ok(Self {
                path: path.to_owned(),
                own: true,
            }),
            proven => proven,
        }
    }

    /// Whether the run's own earlier report is there, to be replaced.
    pub fn is_own(&self) -> bool {
        self.own
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the report.
    pub fn write(
        &self,
        content: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), StateError> {
        if self.own {
            atomic::write_over(&self.path, content)
        } else {
            atomic::write_new(&self.path, content)
        }
    }
}

/// The run whose report a file is, if it is one.
fn run_of(path: &Path) -> Option<RunId> {
    #[derive(Deserialize)]
    struct Part {
        run_id: Option<RunId>,
    }
    let file = io::BufReader::new(File::open(path).ok()?);
    serde_json::from_reader::<_, Part>(file).ok()?.run_id
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_free_place_is_proven_and_then_written() {
        let folder = tempfile::tempdir().unwrap();
        let place = ReportPlace::prove(&folder.path().join("report.json")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        place.write(|file| file.write_all(b"{}")).unwrap();
        assert_eq!(std::fs::read(place.path()).unwrap(), b"{}");
    }

    #[test]
    fn places_that_cannot_take_a_report_are_named_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("taken.json"), "old").unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling.json")).unwrap();
        let refused = |name: &str| ReportPlace::prove(&at(name)).unwrap_err();
        assert!(matches!(refused("taken.json"), StateError::Occupied(_)));
        assert!(matches!(refused("dangling.json"), StateError::Occupied(_)));
        assert!(matches!(
            refused("none/report.json"),
            StateError::NoFolder(_)
        ));
        assert!(matches!(refused("reports/"), StateError::NoFileName(_)));
        assert!(matches!(refused("taken.json/x"), StateError::Write(..)));
    }

    #[test]
    fn what_appeared_in_the_meantime_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let place = ReportPlace::prove(&folder.path().join("report.json")).unwrap();
        std::fs::write(place.path(), "other").unwrap();
        let error = place.write(|file| file.write_all(b"{}")).unwrap_err();
        assert!(matches!(error, StateError::Occupied(_)));
        assert_eq!(std::fs::read(place.path()).unwrap(), b"other");
    }
}
