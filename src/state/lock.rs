//! One run at a time for each project: a file lock that dies with its process.
//!
//! Owns the lock files and what they say of their holder. They are never deleted, so two processes
//! always mean the same file. Invariant: while a [`Lock`] lives, no other process that uses the same
//! state folder has one for the same endpoint and project. Other state folders are not excluded.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{StateError, run_folder};
use crate::ids::RunId;
use crate::journal::{HeldFile, Lost};
use crate::named_file;
use crate::plan::Project;

/// How often the lock is tried again if its file is replaced while it is taken.
const ATTEMPTS: usize = 10;

/// Longest text that a lock file is expected to hold, in bytes.
const LONGEST: u64 = 4096;

/// The right to send requests to a project.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its run, once it has one.
    pub run: Option<RunId>,
    /// Its host.
    pub host: String,
    /// Its process ID.
    pub process: u32,
}

impl Holder {
    /// This process, for `run`.
    pub fn this(run: Option<RunId>) -> Self {
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        Self {
            run,
            host,
            process: std::process::id(),
        }
    }

    /// Whether its process still runs, as far as this host can tell.
    pub fn is_alive(&self) -> bool {
        let here = Self::this(None).host == self.host;
        here && Path::new("/proc").join(self.process.to_string()).exists()
    }
}

impl Lock {
    /// Takes the lock of a project, or says at once who has it.
    pub fn take(state: &Path, project: &Project) -> Result<Self, StateError> {
        let path = path(state, project);
        let failed = |error| StateError::Lock(path.clone(), error);
        if let Some(folder) = path.parent() {
            run_folder::private()
                .recursive(true)
                .create(folder)
                .map_err(failed)?;
        }
        for _ in 0..ATTEMPTS {
            let mut lock = Self::open(&path).map_err(failed)?;
            match lock.file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(StateError::Locked(holder(&path).map(Box::new)));
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            // A file that was removed in between can be locked, and excludes no process.
            if lock.held().map_err(failed)?.is_in_place() {
                lock.name(&Holder::this(None))?;
                return Ok(lock);
            }
        }
        Err(failed(io::Error::other("it is replaced again and again")))
    }

    fn open(path: &Path) -> io::Result<Self> {
        let at_once = OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(at_once.bits() as i32)
            .open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// The lock file, to be compared with what its path leads to later.
    pub fn held(&self) -> io::Result<HeldFile> {
        HeldFile::of(&self.path, &self.file)
    }

    /// Fails if another process could take the lock by now.
    pub fn check(&self) -> Result<HeldFile, StateError> {
        let failed = |error| StateError::Lock(self.path.clone(), error);
        let held = self.held().map_err(failed)?;
        if held.is_in_place() {
            Ok(held)
        } else {
            Err(StateError::Lost(Lost::Lock(self.path.clone())))
        }
    }

    /// Writes down who holds the lock.
    pub fn name(&mut self, holder: &Holder) -> Result<(), StateError> {
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(serde_json::to_string(holder)?.as_bytes())
        };
        write(&mut self.file).map_err(|error| StateError::Lock(self.path.clone(), error))
    }
}

/// The processes that hold a lock in this state folder, as far as this host can tell.
pub fn live_holders(state: &Path) -> Vec<Holder> {
    let Ok(entries) = fs::read_dir(state.join("locks")) else {
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let held = paths.filter(|path| may_be_held(path));
    let holders = held.filter_map(|path| holder(&path));
    holders.filter(Holder::is_alive).collect()
}

/// The process that holds the lock for this run, as far as this host can tell.
pub fn live_holder(state: &Path, run: &RunId) -> Option<Holder> {
    let mut holders = live_holders(state).into_iter();
    holders.find(|holder| holder.run.as_ref() == Some(run))
}

/// Whether the system knows of a lock on a file; `true` where it does not tell.
///
/// A process ID may be another's by now, and trying the lock would be in the way of a run that begins.
fn may_be_held(path: &Path) -> bool {
    let (Ok(file), Ok(locks)) = (fs::metadata(path), fs::read_to_string("/proc/locks")) else {
        return true;
    };
    let inode = format!(":{}", file.ino());
    locks
        .split_whitespace()
        .any(|field| field.ends_with(&inode))
}

/// The lock file of a project.
fn path(state: &Path, project: &Project) -> PathBuf {
    let hash = Sha256::digest(format!("{}\n{}", project.endpoint, project.id));
    let name: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    state.join("locks").join(name)
}

/// What a lock file says; nothing if its holder has not written it yet.
fn holder(path: &Path) -> Option<Holder> {
    let read = || -> io::Result<String> {
        let mut text = String::new();
        named_file::open(path)?
            .take(LONGEST)
            .read_to_string(&mut text)?;
        Ok(text)
    };
    serde_json::from_str(&read().ok()?).ok()
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

    #[test]
    fn a_lock_excludes_another_one_and_names_its_holder() {
        let state = tempfile::tempdir().unwrap();
        let run: RunId = "20261128T170000Z-3f9a1c".parse().unwrap();
        let mut lock = Lock::take(state.path(), &project("https://bms.example.com")).unwrap();
        lock.name(&Holder::this(Some(run.clone()))).unwrap();
        let refused = Lock::take(state.path(), &project("https://bms.example.com")).unwrap_err();
        let StateError::Locked(Some(holder)) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(
            (holder.run.as_ref(), holder.process),
            (Some(&run), std::process::id())
        );
        assert_eq!(live_holders(state.path()), [*holder]);
    }

    #[test]
    fn a_holder_whose_lock_is_gone_is_not_live_though_its_process_id_is() {
        let state = tempfile::tempdir().unwrap();
        let mut lock = Lock::take(state.path(), &project("https://bms.example.com")).unwrap();
        lock.name(&Holder::this(None)).unwrap();
        assert_eq!(live_holders(state.path()).len(), 1);
        drop(lock);
        assert_eq!(live_holders(state.path()), []);
    }

    #[test]
    fn a_lock_whose_file_was_removed_is_lost() {
        let state = tempfile::tempdir().unwrap();
        let lock = Lock::take(state.path(), &project("https://bms.example.com")).unwrap();
        assert!(lock.check().is_ok());
        fs::remove_dir_all(state.path().join("locks")).unwrap();
        let lost = lock.check().unwrap_err();
        assert!(matches!(lost, StateError::Lost(_)), "{lost:?}");
        let _other = Lock::take(state.path(), &project("https://bms.example.com")).unwrap();
        assert!(lock.check().is_err());
    }

    #[test]
    fn a_pipe_in_the_place_of_a_lock_is_refused_at_once() {
        let state = tempfile::tempdir().unwrap();
        let project = project("https://bms.example.com");
        let path = path(state.path(), &project);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        )
        .unwrap();
        let refused = Lock::take(state.path(), &project).unwrap_err();
        assert!(matches!(refused, StateError::Lock(..)), "{refused:?}");
    }

    #[test]
    fn projects_do_not_exclude_each_other_and_a_lock_can_be_taken_again() {
        let state = tempfile::tempdir().unwrap();
        let one = Lock::take(state.path(), &project("https://one.example.com")).unwrap();
        let _other = Lock::take(state.path(), &project("https://other.example.com")).unwrap();
        drop(one);
        Lock::take(state.path(), &project("https://one.example.com")).unwrap();
        assert_eq!(fs::read_dir(state.path().join("locks")).unwrap().count(), 2);
    }
}
