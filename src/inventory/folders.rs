//! Where inventories may lie: inside the git work tree that holds the workflow.
//!
//! Owns turning a path of the workflow into one that may be opened; opening it is the neighbour's work.
//! Invariant: a path that is returned lies, with all links resolved, inside the work tree, and is
//! none of git's own files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::named_file::{self, Located};

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
    #[error("is one of git's own files")]
    Git,
    #[error("cannot be found")]
    NotFound,
    #[error("cannot be opened: {0}")]
    Unreadable(io::Error),
}

impl Folders {
    /// The folders of a workflow file, which must exist.
    ///
    /// The work tree is the nearest folder above with a `.git`; without one, the file's own folder. A workflow
    /// whose links lead out of it is refused.
    pub fn of(workflow_file: &Path) -> io::Result<Self> {
        let Located { file, tree } = named_file::locate(workflow_file)?;
        let folder = file.parent().unwrap_or(&file).to_owned();
        Ok(Self { folder, root: tree })
    }

    /// Where another file is that the workflow names, with links resolved, or why it is not read, as in
    /// "cannot be found".
    pub fn locate(&self, path: &str) -> Result<PathBuf, String> {
        self.find(path).map_err(|error| error.to_string())
    }

    /// The file that the workflow calls `path`, with links resolved.
    pub(super) fn find(&self, path: &str) -> Result<PathBuf, PathError> {
        let path = Path::new(path);
        if path.has_root() || path.is_absolute() {
            return Err(PathError::Absolute);
        }
        let spelled = self.folder.join(path);
        if !self.holds(&named_file::without_dots(&spelled)) {
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
        match real.strip_prefix(&self.root) {
            Ok(inside) if named_file::is_gits(inside) => Err(PathError::Git),
            Ok(_) => Ok(real),
            Err(_) => Err(PathError::Outside),
        }
    }

    fn holds(&self, path: &Path) -> bool {
        path.starts_with(&self.root)
    }
}
