//! The further place that a report is asked for, beside the run's folder.
//!
//! Owns proving the place before anything is sent, and writing there at the end. A path of the workflow comes from a
//! pull request, so it is confined to the work tree of the workflow, like inventories. Invariant: a place that was
//! proven was free and writable then, and what appeared there since is never replaced.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{StateError, atomic};
use crate::ids::RunId;
use crate::named_file::{self, Located};

/// A place that was free and writable when it was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportPlace {
    /// The path as it was given.
    path: PathBuf,
    /// The path with links resolved, if it is confined: no folder of it may be a link when the report is written.
    real: Option<PathBuf>,
    /// Whether the run's own earlier report is there.
    own: bool,
}

/// Why a workflow's path is refused.
mod why {
    pub(super) const ABSOLUTE: &str = "it is an absolute path";
    pub(super) const OUTSIDE: &str = "it lies outside the git work tree that holds the workflow";
    pub(super) const GIT: &str = "it lies in git's own folder";
    pub(super) const STATE: &str = "it lies in the state folder";
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
                real: None,
                own: false,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StateError::NoFolder(path.to_owned()))
            }
            Err(error) => Err(StateError::Write(path.to_owned(), error)),
        }
    }

    /// The same for a path that a workflow names, relative to the current folder. It must lie in the work tree that
    /// holds the workflow (or plan) at `beside`, and not in the state folder, with links resolved.
    pub fn prove_confined(path: &Path, beside: &Path, state: &Path) -> Result<Self, StateError> {
        let refused = |why| StateError::Confined {
            path: path.to_owned(),
            why,
        };
        let unreadable = |error| StateError::Read(path.to_owned(), error);
        if path.has_root() {
            return Err(refused(why::ABSOLUTE));
        }
        let Located { tree, .. } = named_file::locate(beside).map_err(unreadable)?;
        let spelled = std::path::absolute(path).map_err(unreadable)?;
        // Nothing outside is even looked for.
        if !named_file::without_dots(&spelled).starts_with(&tree) {
            return Err(refused(why::OUTSIDE));
        }
        let folder = real_folder(path)?;
        let real = folder.join(path.file_name().unwrap_or_default());
        let Ok(inside) = real.strip_prefix(&tree) else {
            return Err(refused(why::OUTSIDE));
        };
        if named_file::is_gits(inside) {
            return Err(refused(why::GIT));
        }
        let state = fs::canonicalize(state).map_err(unreadable)?;
        if real.starts_with(&state) {
            return Err(refused(why::STATE));
        }
        let proven = Self::prove(path)?;
        Ok(Self {
            real: Some(real),
            ..proven
        })
    }

    /// The same for the confined path with which a run began. The run's own report may be there already: that one is
    /// replaced.
    pub fn prove_for(path: &Path, run: &RunId) -> Result<Self, StateError> {
        unmoved(path)?;
        let proven = match Self::prove(path) {
            Err(StateError::Occupied(_)) if run_of(path).as_ref() == Some(run) => Self {
                path: path.to_owned(),
                real: None,
                own: true,
            },
            proven => proven?,
        };
        Ok(Self {
            real: Some(path.to_owned()),
            ..proven
        })
    }

    /// The confined path with links resolved, for a resume of the run. `None` if it is not text.
    pub fn confined(&self) -> Option<String> {
        self.real.as_ref()?.to_str().map(str::to_owned)
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
        let path = match &self.real {
            Some(real) => {
                unmoved(real)?;
                real
            }
            None => &self.path,
        };
        if self.own {
            atomic::write_over(path, content)
        } else {
            atomic::write_new(path, content)
        }
    }
}

/// The folder of a path, with links resolved.
fn real_folder(path: &Path) -> Result<PathBuf, StateError> {
    fs::canonicalize(atomic::folder_of(path)).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            StateError::NoFolder(path.to_owned())
        } else {
            StateError::Read(path.to_owned(), error)
        }
    })
}

/// That a path which was resolved once still contains no link.
fn unmoved(real: &Path) -> Result<(), StateError> {
    if real_folder(real)? == atomic::folder_of(real) {
        Ok(())
    } else {
        Err(StateError::Moved(real.to_owned()))
    }
}

/// The run whose report a file is, if it is one.
fn run_of(path: &Path) -> Option<RunId> {
    #[derive(Deserialize)]
    struct Part {
        run_id: Option<RunId>,
    }
    let file = io::BufReader::new(named_file::open(path).ok()?);
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
    fn a_path_of_a_workflow_is_confined_to_its_work_tree() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let at = |name: &str| root.join(name);
        for made in [
            "tree/.git/hooks",
            "tree/w",
            "tree/reports",
            "tree/state/runs",
            "elsewhere",
        ] {
            fs::create_dir_all(at(made)).unwrap();
        }
        fs::write(at("tree/w/a.yaml"), "").unwrap();
        for (link, target) in [
            ("tree/out", "../elsewhere"),
            ("tree/in", "reports"),
            ("tree/st", "state/runs"),
            ("tree/hooks", ".git/hooks"),
        ] {
            std::os::unix::fs::symlink(target, at(link)).unwrap();
        }
        // Tests share the current folder, so the paths climb from it.
        let here = std::path::absolute(".").unwrap();
        let up = "../".repeat(here.components().count());
        let relative =
            |name: &str| PathBuf::from(format!("{up}{}", at(name).display()).replace("//", "/"));
        let prove = |name: &str| {
            ReportPlace::prove_confined(&relative(name), &at("tree/w/a.yaml"), &at("tree/state"))
        };
        for (good, real) in [
            ("tree/reports/a.json", "tree/reports/a.json"),
            ("tree/w/../in/a.json", "tree/reports/a.json"),
        ] {
            let place = prove(good).unwrap();
            assert_eq!(place.confined(), Some(at(real).display().to_string()));
        }
        for (wrong, expected) in [
            ("elsewhere/a.json", why::OUTSIDE),
            ("tree/../elsewhere/a.json", why::OUTSIDE),
            ("tree/out/a.json", why::OUTSIDE),
            ("tree/state/halt.json", why::STATE),
            ("tree/st/a.json", why::STATE),
            ("tree/hooks/post-merge", why::GIT),
            ("tree/.git", why::GIT),
        ] {
            match prove(wrong) {
                Err(StateError::Confined { why, .. }) => assert_eq!(why, expected, "{wrong}"),
                other => panic!("{wrong}: {other:?}"),
            }
        }
        let absolute = ReportPlace::prove_confined(&at("tree/a.json"), &at("tree/w/a.yaml"), &root);
        assert!(matches!(
            absolute,
            Err(StateError::Confined {
                why: why::ABSOLUTE,
                ..
            })
        ));
    }

    #[test]
    fn a_folder_that_becomes_a_link_during_the_run_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir(root.join("reports")).unwrap();
        fs::create_dir(root.join("elsewhere")).unwrap();
        let run: RunId = "20261128T170000Z-3f9a1c".parse().unwrap();
        let path = root.join("reports/a.json");
        let place = ReportPlace::prove_for(&path, &run).unwrap();
        fs::remove_dir(root.join("reports")).unwrap();
        std::os::unix::fs::symlink("elsewhere", root.join("reports")).unwrap();
        let written = place.write(|file| file.write_all(b"{}"));
        assert!(matches!(written, Err(StateError::Moved(_))));
        let again = ReportPlace::prove_for(&path, &run);
        assert!(matches!(again, Err(StateError::Moved(_))));
        assert_eq!(fs::read_dir(root.join("elsewhere")).unwrap().count(), 0);
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
