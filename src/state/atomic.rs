//! Files that appear whole or not at all.
//!
//! Owns writing beside the place, syncing, and moving into it. Invariant: after an error or a crash the
//! place holds what it held before, and after success file and folder entry are on disk.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

use super::StateError;

/// Writes a file that must not exist yet.
pub fn write_new(
    path: &Path,
    content: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), StateError> {
    let file = written(path, content)?;
    let placed = file.persist_noclobber(path);
    finish(path, placed.map_err(|error| error.error))
}

/// Writes a file, in place of the one that may be there.
pub fn write_over(
    path: &Path,
    content: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), StateError> {
    let file = written(path, content)?;
    let placed = file.persist(path);
    finish(path, placed.map_err(|error| error.error))
}

/// Makes and removes a file beside `path`, to find out whether that can be done.
pub(super) fn prove(path: &Path) -> io::Result<()> {
    beside(path)?.close()
}

/// The folder that holds `path`.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(".lightsout-").suffix(".part");
    // As any program makes files: the user's mask decides who else may read.
    builder.permissions(Permissions::from_mode(0o666));
    builder.tempfile_in(folder_of(path))
}

fn written(
    path: &Path,
    content: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<NamedTempFile, StateError> {
    let write = || {
        let mut file = beside(path)?;
        content(file.as_file_mut())?;
        file.flush()?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(|error| StateError::Write(path.to_owned(), error))
}

fn finish(path: &Path, placed: io::Result<File>) -> Result<(), StateError> {
    match placed.and_then(|_| sync_folder(folder_of(path))) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(StateError::Occupied(path.to_owned()))
        }
        Err(error) => Err(StateError::Write(path.to_owned(), error)),
    }
}

/// Makes the folder's entries durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn a_new_file_is_there_whole_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        write_new(&path, |file| file.write_all(b"{}")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"{}");
        assert_eq!(names(folder.path()), ["report.json"]);
        let plain = File::create(folder.path().join("plain")).unwrap();
        let mode = |file: &File| file.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&File::open(&path).unwrap()), mode(&plain));
    }

    #[test]
    fn a_file_that_is_there_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        std::fs::write(&path, "old").unwrap();
        let error = write_new(&path, |file| file.write_all(b"new")).unwrap_err();
        assert!(matches!(error, StateError::Occupied(_)));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["report.json"]);
    }

    #[test]
    fn a_failure_half_way_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        std::fs::write(&path, "old").unwrap();
        let half = |file: &mut File| {
            file.write_all(b"ha")?;
            Err(io::Error::other("disk full"))
        };
        let error = write_over(&path, half).unwrap_err();
        assert!(matches!(error, StateError::Write(..)));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["plan.json"]);
        write_over(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }
}
