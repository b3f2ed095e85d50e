//! Where inventories may lie: inside the git work tree that holds the workflow.
//!
//! Owns turning a path of the workflow into one that may be opened; opening it is the neighbour's work.
//! Invariant: a path that is returned lies, with all links resolved, inside the work tree.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The workflow's folder, and the work tree around it; both with links resolved.
#[derive(Debug, Clone)]
pub struct Folders {
    folder: PathBuf,
    root: PathBuf,
}

/// Why a path may not be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum PathError {
    #[error("is an absolute path")]
    Absolute,
    #[error("lies outside the git work tree that holds the workflow")]
    Outside,
    #[error("cannot be found")]
    NotFound,
    #[error("cannot be opened: {0}")]
    Unreadable(io::Error),
}

impl Folders {
    /// The folders of a workflow file, which must exist.
    ///
    /// The work tree is the nearest folder above with a `.git`; without one, the file's own folder.
    pub fn of(workflow_file: &Path) -> io::Result<Self> {
        let file = fs::canonicalize(workflow_file)?;
        let folder = file.parent().unwrap_or(&file).to_owned();
        let root = folder
            .ancestors()
            .find(|above| above.join(".git").exists())
            .unwrap_or(&folder)
            .to_owned();
        Ok(Self { folder, root })
    }

    /// The file that the workflow calls `path`, with links resolved.
    pub(super) fn find(&self, path: &str) -> Result<PathBuf, PathError> {
        let path = Path::new(path);
        if path.has_root() || path.is_absolute() {
            return Err(PathError::Absolute);
        }
        let spelled = self.folder.join(path);
        if !self.holds(&without_dots(&spelled)) {
            return Err(PathError::Outside);
        }
        let real = fs::canonicalize(&spelled).map_err(|error| {
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) {
                PathError::NotFound
            } else {
                PathError::Unreadable(error)
            }
        })?;
        if self.holds(&real) {
            Ok(real)
        } else {
            Err(PathError::Outside)
        }
    }

    fn holds(&self, path: &Path) -> bool {
        path.starts_with(&self.root)
    }
}

/// The path with `.` and `..` worked out as text, so that nothing outside is even looked for.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}
