//! Reading a policy's file with suspicion: others must not be able to have written it.
//!
//! Owns who may own and write the file, its folders and every link on the way. Invariant: what is
//! returned was read from the very file that was looked at, and only root, or who runs the program, could
//! have put it there.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::diagnostic::SourceFile;

/// Largest policy that is read: a hundred thousand IDs, with room.
const SIZE_LIMIT: u64 = 16 << 20;
/// Most links on the way to a file.
const LINKS: usize = 40;
/// Bits of a mode that let others than the owner write.
const OTHERS_WRITE: u32 = 0o022;
/// Bit of a folder's mode that lets only owners remove what is in it.
const STICKY: u32 = 0o1000;

/// Whether a file may be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    /// Nobody asked for it by name.
    Allowed,
    /// Somebody did.
    Refused,
}

/// Why a policy's file is not relied on.
#[derive(Debug, thiserror::Error)]
pub enum Distrust {
    /// It cannot be looked at or read.
    #[error("cannot read `{}`", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// It is a folder, a pipe or a device.
    #[error("`{}` is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// Others than its owner may write to it.
    #[error("`{}` may be written by its group or by others", .0.display())]
    Writable(PathBuf),
    /// Neither root nor who runs the program owns it.
    #[error("`{}` is owned by user {owner}, neither root nor who runs this", .path.display())]
    Owner {
        /// The file, folder or link.
        path: PathBuf,
        /// The user's number.
        owner: u32,
    },
    /// Links lead to links without end.
    #[error("`{}` leads through too many links", .0.display())]
    Links(PathBuf),
    /// It is far larger than a policy.
    #[error("`{}` is larger than 16 MiB", .0.display())]
    TooLarge(PathBuf),
    /// Its bytes are no text.
    #[error("`{}` is not UTF-8 text", .0.display())]
    NotText(PathBuf),
}

impl Distrust {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable(..) => {
                "let who runs this read it, or take away what names it; without it nothing is sent"
                    .to_owned()
            }
            Self::Writable(path) => format!("chmod go-w '{}'", path.display()),
            Self::Owner { path, .. } => format!("chown root '{}'", path.display()),
            Self::NotAFile(_) | Self::Links(_) | Self::TooLarge(_) | Self::NotText(_) => {
                "name the policy file itself; without it nothing is sent".to_owned()
            }
        }
    }
}

/// The text of a policy under the name that it was given; `None` where it is absent and may be.
pub(super) fn read(path: &Path, absence: Absence) -> Result<Option<SourceFile>, Distrust> {
    let unreadable = |error| Distrust::Unreadable(path.to_owned(), error);
    let given = std::path::absolute(path).map_err(unreadable)?;
    let found = match resolve(&given) {
        Err(Way::Absent(..)) if absence == Absence::Allowed => return Ok(None),
        Err(Way::Absent(path, error)) => return Err(Distrust::Unreadable(path, error)),
        Err(Way::Distrusted(why)) => return Err(why),
        Ok(found) => found,
    };
    let text = content(&found)?;
    Ok(Some(SourceFile::new(&path.display().to_string(), &text)))
}

/// Why a path leads to no file that can be relied on.
enum Way {
    /// There is nothing at a place of the path itself, not of what a link says.
    Absent(PathBuf, io::Error),
    Distrusted(Distrust),
}

impl From<Distrust> for Way {
    fn from(why: Distrust) -> Self {
        Self::Distrusted(why)
    }
}

/// Follows an absolute path through every link, trusting each folder and link on the way.
fn resolve(given: &Path) -> Result<PathBuf, Way> {
    let mut links = 0;
    let mut at = PathBuf::from("/");
    let mut rest: Vec<PathBuf> = parts(given);
    trust_folder(&at)?;
    while let Some(part) = rest.pop() {
        let next = match part.to_str() {
            Some("..") => at.parent().unwrap_or(Path::new("/")).to_owned(),
            Some(_) | None => at.join(&part),
        };
        let seen = match fs::symlink_metadata(&next) {
            Ok(seen) => seen,
            Err(error) if error.kind() == io::ErrorKind::NotFound && links == 0 => {
                return Err(Way::Absent(next, error));
            }
            Err(error) => return Err(Distrust::Unreadable(next, error).into()),
        };
        if seen.is_symlink() {
            links += 1;
            if links > LINKS {
                return Err(Distrust::Links(given.to_owned()).into());
            }
            trust_owner(&next, &seen)?;
            let target = fs::read_link(&next);
            let target = target.map_err(|error| Distrust::Unreadable(next, error))?;
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            rest.extend(parts(&target));
            continue;
        }
        if !rest.is_empty() {
            trust_folder(&next)?;
        }
        at = next;
    }
    Ok(at)
}

/// The parts of a path, the last one first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let parts = path.components().rev();
    let named = parts.filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    named.map(|part| PathBuf::from(part.as_os_str())).collect()
}

/// Others must not be able to put another file into a folder on the way.
fn trust_folder(path: &Path) -> Result<(), Distrust> {
    let seen = fs::symlink_metadata(path);
    let seen = seen.map_err(|error| Distrust::Unreadable(path.to_owned(), error))?;
    trust_owner(path, &seen)?;
    if seen.mode() & OTHERS_WRITE != 0 && seen.mode() & STICKY == 0 {
        return Err(Distrust::Writable(path.to_owned()));
    }
    Ok(())
}

fn trust_owner(path: &Path, seen: &Metadata) -> Result<(), Distrust> {
    let owner = seen.uid();
    if owner == 0 || owner == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let path = path.to_owned();
    Err(Distrust::Owner { path, owner })
}

/// The text of the file at a path without links; the open file is the one that is looked at.
fn content(path: &Path) -> Result<String, Distrust> {
    let unreadable = |error: io::Error| Distrust::Unreadable(path.to_owned(), error);
    // A pipe is opened without waiting for a writer, and refused then.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let mut file = File::from(opened.map_err(|error| unreadable(error.into()))?);
    let seen = file.metadata().map_err(unreadable)?;
    if !seen.is_file() {
        return Err(Distrust::NotAFile(path.to_owned()));
    }
    trust_owner(path, &seen)?;
    if seen.mode() & OTHERS_WRITE != 0 {
        return Err(Distrust::Writable(path.to_owned()));
    }
    let mut bytes = Vec::new();
    let limited = file.by_ref().take(SIZE_LIMIT + 1);
    { limited }.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > SIZE_LIMIT {
        return Err(Distrust::TooLarge(path.to_owned()));
    }
    String::from_utf8(bytes).map_err(|_| Distrust::NotText(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use tempfile::TempDir;

    const TEXT: &str = "version: 1\n";

    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        put(&folder.path().join("policy.yaml"));
        folder
    }

    fn put(path: &Path) {
        fs::write(path, TEXT).unwrap();
        allow(path, 0o644);
    }

    fn allow(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn refused(path: &Path) -> String {
        for absence in [Absence::Allowed, Absence::Refused] {
            let error = read(path, absence).unwrap_err();
            if absence == Absence::Refused {
                let cause = std::error::Error::source(&error);
                return format!(
                    "{error}{}",
                    cause.map_or(String::new(), |why| format!(": {why}"))
                );
            }
        }
        unreachable!()
    }

    #[test]
    fn a_file_that_only_its_owner_writes_is_read() {
        let folder = folder();
        let path = folder.path().join("policy.yaml");
        let source = read(&path, Absence::Refused).unwrap().unwrap();
        assert_eq!(source.text(), TEXT);
        assert_eq!(source.name(), path.display().to_string());
        allow(&path, 0o600);
        assert!(read(&path, Absence::Refused).unwrap().is_some());
    }

    #[test]
    fn only_what_nobody_named_may_be_absent() {
        let folder = folder();
        for absent in ["none.yaml", "none/policy.yaml"] {
            let path = folder.path().join(absent);
            assert!(read(&path, Absence::Allowed).unwrap().is_none());
            let error = read(&path, Absence::Refused).unwrap_err();
            assert!(matches!(error, Distrust::Unreadable(..)), "{error}");
        }
    }

    #[test]
    fn what_only_seems_absent_is_not() {
        let folder = folder();
        let link = folder.path().join("link.yaml");
        symlink("nowhere.yaml", &link).unwrap();
        assert!(refused(&link).contains("nowhere.yaml"));
        let below = folder.path().join("policy.yaml/policy.yaml");
        assert!(refused(&below).starts_with("cannot read"));
        let circle = folder.path().join("circle.yaml");
        symlink("circle.yaml", &circle).unwrap();
        assert!(refused(&circle).contains("too many links"));
    }

    #[test]
    fn a_file_that_others_may_write_is_refused() {
        let folder = folder();
        let path = folder.path().join("policy.yaml");
        for mode in [0o664, 0o646, 0o666] {
            allow(&path, mode);
            assert!(refused(&path).contains("may be written by"), "{mode:o}");
        }
    }

    #[test]
    fn a_folder_that_others_may_write_is_refused_unless_only_owners_remove() {
        let folder = folder();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        put(&inner.join("policy.yaml"));
        let path = inner.join("policy.yaml");
        allow(&inner, 0o777);
        assert!(refused(&path).contains("inner` may be written by"));
        allow(&inner, 0o1777);
        assert!(read(&path, Absence::Refused).is_ok());
        allow(&inner, 0o755);
        assert!(read(&path, Absence::Refused).is_ok());
    }

    #[test]
    fn links_are_followed_and_every_folder_on_the_way_is_looked_at() {
        let folder = folder();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("open")).unwrap();
        allow(&path("open"), 0o777);
        symlink("policy.yaml", path("good.yaml")).unwrap();
        assert!(read(&path("good.yaml"), Absence::Refused).is_ok());
        symlink(path("good.yaml"), path("again.yaml")).unwrap();
        assert!(read(&path("again.yaml"), Absence::Refused).is_ok());
        // A link in a folder that others write, on the way to a file that is all right.
        symlink("../policy.yaml", path("open/back.yaml")).unwrap();
        symlink("open/back.yaml", path("round.yaml")).unwrap();
        assert!(refused(&path("round.yaml")).contains("open` may be written by"));
    }

    #[test]
    fn what_is_no_file_or_no_text_is_refused_at_once() {
        let folder = folder();
        assert!(refused(folder.path()).contains("not a regular file"));
        assert!(refused(Path::new("/dev/null")).contains("not a regular file"));
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::from_raw_mode(0o600)).unwrap();
        assert!(refused(&pipe).contains("not a regular file"));
        let path = folder.path().join("policy.yaml");
        fs::write(&path, b"\xff").unwrap();
        assert!(refused(&path).contains("not UTF-8"));
        File::create(&path)
            .unwrap()
            .set_len(SIZE_LIMIT + 1)
            .unwrap();
        assert!(refused(&path).contains("larger than 16 MiB"));
    }

    /// Only root can give a file away; elsewhere there is nothing to try.
    #[test]
    fn a_strangers_file_is_refused() {
        if rustix::process::geteuid().as_raw() != 0 {
            return;
        }
        let folder = folder();
        let path = folder.path().join("policy.yaml");
        chown(&path, Some(1234), None).unwrap();
        assert!(refused(&path).contains("owned by user 1234"));
    }
}
