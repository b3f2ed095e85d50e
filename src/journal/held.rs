//! Whether a file is still the one that this process opened.
//!
//! Owns the comparison of a path with an open file. A lock that another process can take, because its file was
//! removed, excludes no process, and a journal that was replaced keeps nothing. Invariant: a path that cannot be
//! looked at does not count as in place.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// An open file and the path by which other processes find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl HeldFile {
    /// The file that was opened by this path.
    pub fn of(path: &Path, file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Self {
            path: path.to_owned(),
            device: found.dev(),
            inode: found.ino(),
        })
    }

    /// Whether the path still leads to the file.
    pub fn is_in_place(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|found| self.is(&found))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn is(&self, found: &Metadata) -> bool {
        (found.dev(), found.ino()) == (self.device, self.inode)
    }
}

/// What a run no longer has, so that another process may be at work on the same run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Its lock.
    #[error("the lock `{}` was removed or replaced", .0.display())]
    Lock(PathBuf),
    /// Its journal.
    #[error("the journal `{}` was removed, replaced, truncated or written by another process", .0.display())]
    Journal(PathBuf),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_in_place_until_its_path_leads_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let file = File::create(&path).unwrap();
        let held = HeldFile::of(&path, &file).unwrap();
        assert!(held.is_in_place());
        fs::rename(&path, folder.path().join("other")).unwrap();
        assert!(!held.is_in_place());
        File::create(&path).unwrap();
        assert!(!held.is_in_place());
        fs::rename(folder.path().join("other"), &path).unwrap();
        assert!(held.is_in_place());
    }
}
