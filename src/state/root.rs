//! Where the state folder is (design §8).
//!
//! Owns the order of the candidates, and what is to be known of the place. Invariant: every process of a user
//! that is given the same flags and variables finds the same folder, whatever its current folder is.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::StateError;

/// The folder of the whole machine.
const SYSTEM: &str = "/var/lib/lightsout";

/// What flags and environment say about the state folder. Empty variables count as absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wishes<'a> {
    /// `--state-dir`.
    pub flag: Option<&'a Path>,
    /// `LIGHTSOUT_STATE_DIR`.
    pub variable: Option<&'a OsStr>,
    /// `XDG_STATE_HOME`.
    pub xdg_state_home: Option<&'a OsStr>,
    /// `HOME`.
    pub home: Option<&'a OsStr>,
}

/// What a command does with the state folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It only reads.
    Read,
    /// It writes, so a folder of the machine that it cannot write is an error.
    Write,
}

/// What is found in the place of the machine's folder.
#[derive(Debug)]
pub enum SystemFolder {
    /// Nothing.
    Absent,
    /// A folder that this process can write.
    Writable,
    /// Something that this process cannot write.
    Unwritable(io::Error),
}

impl SystemFolder {
    /// Looks at the machine's folder without writing.
    pub fn look() -> Self {
        Self::look_at(Path::new(SYSTEM))
    }

    fn look_at(folder: &Path) -> Self {
        match folder.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::Absent,
            Err(error) => return Self::Unwritable(error),
            Ok(_) => {}
        }
        match rustix::fs::access(folder, wanted()) {
            Ok(()) if folder.is_dir() => Self::Writable,
            Ok(()) => Self::Unwritable(io::ErrorKind::NotADirectory.into()),
            Err(error) => Self::Unwritable(error.into()),
        }
    }
}

/// The state folder. A relative path is an error: it would be another folder for each process.
pub fn locate(
    wishes: Wishes<'_>,
    access: Access,
    look: impl FnOnce() -> SystemFolder,
) -> Result<PathBuf, StateError> {
    let given = |value: Option<&OsStr>| value.filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(folder) = wishes.flag {
        return absolute("--state-dir", folder.to_owned());
    }
    if let Some(folder) = given(wishes.variable) {
        return absolute("LIGHTSOUT_STATE_DIR", folder);
    }
    match (look(), access) {
        (SystemFolder::Absent, _) => {}
        (SystemFolder::Writable, _) | (SystemFolder::Unwritable(_), Access::Read) => {
            return Ok(PathBuf::from(SYSTEM));
        }
        (SystemFolder::Unwritable(error), Access::Write) => {
            return Err(StateError::SystemFolder(PathBuf::from(SYSTEM), error));
        }
    }
    let xdg = given(wishes.xdg_state_home).filter(|folder| folder.is_absolute());
    if let Some(folder) = xdg {
        return Ok(folder.join("lightsout"));
    }
    let home = given(wishes.home).ok_or(StateError::NoPlace)?;
    Ok(absolute("HOME", home)?.join(".local/state/lightsout"))
}

/// The folder, if it is the same for every process.
fn absolute(source: &'static str, folder: PathBuf) -> Result<PathBuf, StateError> {
    if folder.is_absolute() {
        Ok(folder)
    } else {
        Err(StateError::Relative {
            source_name: source,
            folder,
        })
    }
}

/// What a process must be allowed in a folder to write there.
fn wanted() -> rustix::fs::Access {
    rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK
}

/// Whether `folder` is on a file system of another machine, where a lock may not hold and a sync may
/// not mean what it says. What cannot be found out counts as no.
pub fn is_on_network(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|found| is_network(found.f_type as u32))
}

/// Whether this magic number, from `statfs(2)`, is that of a network file system.
fn is_network(magic: u32) -> bool {
    const NETWORK: [u32; 9] = [
        0x6969,      // NFS
        0x517b,      // SMB
        0xff53_4d42, // CIFS
        0xfe53_4d42, // SMB 2
        0x00c3_6400, // Ceph
        0x5346_414f, // AFS
        0x6b41_4653, // AFS of the kernel
        0x0102_1997, // 9P
        0x0bd0_0bd0, // Lustre
    ];
    NETWORK.contains(&magic)
}

/// Whether a run could keep things in `folder`, or make it; found out without writing.
pub fn can_be_used(folder: &Path) -> bool {
    let absolute = std::path::absolute(folder).unwrap_or_default();
    let nearest = absolute
        .ancestors()
        .find(|it| it.symlink_metadata().is_ok());
    nearest.is_some_and(|it| it.is_dir() && rustix::fs::access(it, wanted()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_file_system_of_another_machine_is_known_by_its_number() {
        assert!(is_network(0x6969) && is_network(0xff53_4d42));
        // ext4, XFS, tmpfs
        assert!(
            ![0xef53, 0x5846_5342, 0x0102_1994]
                .iter()
                .any(|magic| is_network(*magic))
        );
        assert!(!is_on_network(Path::new("/proc")));
        assert!(!is_on_network(Path::new("/nowhere")));
    }

    const ALL: [Option<&str>; 4] = [Some("/flag"), Some("/var"), Some("/xdg"), Some("/home/me")];

    fn place(
        wishes: [Option<&str>; 4],
        access: Access,
        system: SystemFolder,
    ) -> Result<String, StateError> {
        let wishes = Wishes {
            flag: wishes[0].map(Path::new),
            variable: wishes[1].map(OsStr::new),
            xdg_state_home: wishes[2].map(OsStr::new),
            home: wishes[3].map(OsStr::new),
        };
        let found = locate(wishes, access, || system)?;
        Ok(found.to_str().unwrap().to_owned())
    }

    #[rstest]
    #[case(0, true, Some("/flag"))]
    #[case(1, true, Some("/var"))]
    #[case(2, true, Some("/var/lib/lightsout"))]
    #[case(2, false, Some("/xdg/lightsout"))]
    #[case(3, false, Some("/home/me/.local/state/lightsout"))]
    #[case(4, true, Some("/var/lib/lightsout"))]
    #[case(4, false, None)]
    fn the_first_candidate_that_exists_wins(
        #[case] missing: usize,
        #[case] system: bool,
        #[case] expected: Option<&str>,
    ) {
        let mut wishes = ALL;
        wishes[..missing].fill(None);
        let system = if system {
            SystemFolder::Writable
        } else {
            SystemFolder::Absent
        };
        let found = place(wishes, Access::Write, system).ok();
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn empty_variables_and_a_relative_xdg_folder_do_not_count() {
        let wishes = [None, Some(""), Some("state"), Some("/home/me")];
        let found = place(wishes, Access::Write, SystemFolder::Absent).unwrap();
        assert_eq!(found, "/home/me/.local/state/lightsout");
    }

    #[rstest]
    #[case([Some("state"), None, None, None], "`--state-dir` is `state`")]
    #[case([Some(""), None, None, None], "`--state-dir` is ``")]
    #[case([None, Some("~/st"), None, None], "`LIGHTSOUT_STATE_DIR` is `~/st`")]
    #[case([None, Some("$HOME/st"), None, None], "`LIGHTSOUT_STATE_DIR` is `$HOME/st`")]
    #[case([None, Some("./st"), None, None], "`LIGHTSOUT_STATE_DIR` is `./st`")]
    #[case([None, None, None, Some("me")], "`HOME` is `me`")]
    fn a_relative_path_is_refused(#[case] wishes: [Option<&str>; 4], #[case] expected: &str) {
        for access in [Access::Read, Access::Write] {
            let refused = place(wishes, access, SystemFolder::Absent).unwrap_err();
            let message = refused.to_string();
            assert!(message.starts_with(expected), "{message}");
        }
    }

    #[test]
    fn a_folder_of_the_machine_that_cannot_be_written_is_never_passed_over() {
        let wishes = [None, None, Some("/xdg"), Some("/home/me")];
        let denied = || SystemFolder::Unwritable(io::ErrorKind::PermissionDenied.into());
        let refused = place(wishes, Access::Write, denied()).unwrap_err();
        assert!(
            matches!(refused, StateError::SystemFolder(..)),
            "{refused:?}"
        );
        // Who may only read it sees its runs, and not those of another folder.
        let found = place(wishes, Access::Read, denied()).unwrap();
        assert_eq!(found, "/var/lib/lightsout");
        // An explicit choice needs no folder of the machine.
        let wishes = [None, Some("/var"), None, None];
        assert_eq!(place(wishes, Access::Write, denied()).unwrap(), "/var");
    }

    #[test]
    fn what_is_found_in_the_place_of_the_machine_s_folder_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        let look = |name| SystemFolder::look_at(&at(name));
        assert!(matches!(look("missing"), SystemFolder::Absent));
        assert!(matches!(look(""), SystemFolder::Writable));
        assert!(matches!(look("file"), SystemFolder::Unwritable(_)));
        assert!(matches!(look("dangling"), SystemFolder::Unwritable(_)));
        let unwritable = Path::new("/proc/self");
        assert!(matches!(
            SystemFolder::look_at(unwritable),
            SystemFolder::Unwritable(_)
        ));
    }

    #[test]
    fn a_folder_can_be_used_if_it_could_be_made() {
        let folder = tempfile::tempdir().unwrap();
        assert!(can_be_used(&folder.path().join("a/b")));
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(!can_be_used(&folder.path().join("file")));
        assert!(!can_be_used(&folder.path().join("file/below")));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
