//! Where the state folder is (design §8).
//!
//! Owns the order of the candidates, and what is to be known of the place. Invariant: an explicit wish
//! always wins, and the system's folder is used only where this user can really write there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::{StateError, atomic};

/// The folder of the whole machine.
const SYSTEM: &str = "/var/lib/lightsout";

/// What flags and environment say about the state folder. Empty values count as absent.
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

/// The state folder; `usable` tells whether a folder is there and can be written.
pub fn locate(
    wishes: Wishes<'_>,
    usable: impl FnOnce(&Path) -> bool,
) -> Result<PathBuf, StateError> {
    let given = |value: Option<&OsStr>| value.filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(folder) = wishes.flag {
        return Ok(folder.to_owned());
    }
    if let Some(folder) = given(wishes.variable) {
        return Ok(folder);
    }
    if usable(Path::new(SYSTEM)) {
        return Ok(PathBuf::from(SYSTEM));
    }
    let xdg = given(wishes.xdg_state_home).filter(|folder| folder.is_absolute());
    let home = || given(wishes.home).map(|home| home.join(".local/state"));
    xdg.or_else(home)
        .map(|folder| folder.join("lightsout"))
        .ok_or(StateError::NoPlace)
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
    let wanted = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    nearest.is_some_and(|it| it.is_dir() && rustix::fs::access(it, wanted).is_ok())
}

/// Whether `folder` is there and this process can write in it.
pub fn is_usable(folder: &Path) -> bool {
    folder.is_dir() && atomic::prove(&folder.join("probe")).is_ok()
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

    fn place(wishes: [Option<&str>; 4], system: bool) -> Option<String> {
        let wishes = Wishes {
            flag: wishes[0].map(Path::new),
            variable: wishes[1].map(OsStr::new),
            xdg_state_home: wishes[2].map(OsStr::new),
            home: wishes[3].map(OsStr::new),
        };
        let found = locate(wishes, |_| system).ok()?;
        Some(found.to_str().unwrap().to_owned())
    }

    #[rstest]
    #[case(0, true, Some("/flag"))]
    #[case(1, true, Some("/var"))]
    #[case(2, true, Some("/var/lib/lightsout"))]
    #[case(2, false, Some("/xdg/lightsout"))]
    #[case(3, false, Some("/home/me/.local/state/lightsout"))]
    #[case(4, true, Some("/var/lib/lightsout"))]
    #[case(4, false, None)]
    fn the_first_candidate_that_is_there_wins(
        #[case] missing: usize,
        #[case] system: bool,
        #[case] expected: Option<&str>,
    ) {
        let mut wishes = ALL;
        wishes[..missing].fill(None);
        assert_eq!(place(wishes, system).as_deref(), expected);
    }

    #[test]
    fn empty_variables_and_a_relative_xdg_folder_do_not_count() {
        let wishes = [None, Some(""), Some("state"), Some("/home/me")];
        let expected = Some("/home/me/.local/state/lightsout".to_owned());
        assert_eq!(place(wishes, false), expected);
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

    #[test]
    fn a_folder_is_usable_if_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        assert!(is_usable(folder.path()));
        assert!(!is_usable(&folder.path().join("missing")));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
