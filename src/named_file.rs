//! Reading a file that a person named, or that lies in the state folder.
//!
//! Owns what counts as one, and the work tree that reviewed files must lie in: a link in a pull request must
//! not make an error message show a file of this machine. A pipe without a writer would block for ever, and
//! a device may never end, so neither is opened. Invariant: reading ends, and takes no more memory than the
//! limit; what [`locate`] returns lies in its work tree, with all links resolved.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::OFlags;

/// Largest file that is read: six times a million IDs.
const SIZE_LIMIT: u64 = 256 << 20;

/// The content of a regular file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_up_to(SIZE_LIMIT, path)
}

/// The content of a regular file of any size.
pub fn read_all(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open(path)?.read_to_end(&mut content)?;
    Ok(content)
}

/// Opens a regular file for reading. A folder, a pipe or a device is an error, without waiting for a writer.
pub fn open(path: &Path) -> io::Result<File> {
    // Even to open a device can have an effect.
    if !fs::metadata(path)?.is_file() {
        return Err(refused(NOT_REGULAR));
    }
    // Another program can put a pipe there in between.
    let at_once = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(at_once.bits() as i32)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(refused(NOT_REGULAR))
    }
}

/// What is said of a folder, a pipe or a device.
const NOT_REGULAR: &str = "not a regular file";

/// A file of a work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The file, with links resolved.
    pub file: PathBuf,
    /// The git work tree that holds its name, else the folder that does; with links resolved.
    pub tree: PathBuf,
}

/// Where a file is, if it lies in the git work tree that holds its name (in its own folder where there is
/// none), and not among git's own files.
pub fn locate(path: &Path) -> io::Result<Located> {
    let Spelled { tree, .. } = spelled(path)?;
    let file = fs::canonicalize(path).map_err(|error| match fs::metadata(path) {
        // A pipe that a shell has opened has no place in any folder.
        Ok(found) if !found.is_file() => refused(NOT_REGULAR),
        Ok(_) | Err(_) => error,
    })?;
    let tree = fs::canonicalize(tree)?;
    match file.strip_prefix(&tree) {
        Err(_) => Err(refused(
            "a link leads out of the git work tree that holds it; name the file itself",
        )),
        Ok(inside) if is_gits(inside) => Err(refused("it is one of git's own files")),
        Ok(_) => Ok(Located { file, tree }),
    }
}

/// The root of the git work tree that holds a name, if one does.
fn tree_above(spelled: &Path) -> Option<&Path> {
    let mut above = spelled.ancestors().skip(1);
    above.find(|above| above.join(GIT).exists())
}

/// A path from the root of the git work tree that holds its name; `None` outside of any. The file need not
/// exist.
pub fn in_work_tree(path: &Path) -> Option<PathBuf> {
    let spelled = without_dots(&std::path::absolute(path).ok()?);
    let tree = tree_above(&spelled)?;
    spelled.strip_prefix(tree).ok().map(Path::to_owned)
}

/// A path as it is spelled, in two parts; the file need not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spelled {
    /// The git work tree that holds the name, else the folder that does; links are not resolved.
    pub tree: PathBuf,
    /// The rest of the path.
    pub inside: PathBuf,
}

/// Where a path leads as it is spelled. One of its folders may be a link that the work tree brings along.
pub fn spelled(path: &Path) -> io::Result<Spelled> {
    let spelled = without_dots(&std::path::absolute(path)?);
    let folder = spelled.parent().unwrap_or(&spelled);
    let tree = tree_above(&spelled).unwrap_or(folder);
    let inside = spelled.strip_prefix(tree).unwrap_or(&spelled);
    Ok(Spelled {
        tree: tree.to_owned(),
        inside: inside.to_owned(),
    })
}

/// Whether a path below `tree`, or a folder on it, is a link.
pub fn has_link(tree: &Path, inside: &Path) -> bool {
    let steps = inside
        .ancestors()
        .filter(|step| !step.as_os_str().is_empty());
    let mut steps = steps.map(|step| tree.join(step));
    steps.any(|step| {
        step.symlink_metadata()
            .is_ok_and(|found| found.is_symlink())
    })
}

/// The content of a regular file of a work tree that must be UTF-8; see [`locate`].
pub fn read_located(path: &Path) -> io::Result<String> {
    read_text(&locate(path)?.file)
}

/// Git's own folder, or a file that names it.
const GIT: &str = ".git";

/// Whether a path leads into git's own folder.
pub fn is_gits(path: &Path) -> bool {
    let named = |part: Component<'_>| part.as_os_str().eq_ignore_ascii_case(GIT);
    path.components().any(named)
}

/// The path with `.` and `..` worked out as text, so that nothing outside is even looked for.
pub fn without_dots(path: &Path) -> PathBuf {
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

/// The content of a regular file that must be UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|_| refused("not UTF-8 text"))
}

fn read_up_to(limit: u64, path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open(path)?.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(refused("larger than 256 MiB"));
    }
    Ok(content)
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, "größe").unwrap();
        assert_eq!(read_text(&path).unwrap(), "größe");
        fs::write(&path, b"gr\xf6\xdfe").unwrap();
        assert_eq!(read_text(&path).unwrap_err().to_string(), "not UTF-8 text");
        for odd in [folder.path(), Path::new("/dev/zero")] {
            assert_eq!(read(odd).unwrap_err().to_string(), "not a regular file");
        }
        let missing = read(&folder.path().join("b.yaml")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_link_may_lead_about_in_its_work_tree_and_not_out_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for made in ["tree/.git", "tree/w/deep", "elsewhere"] {
            fs::create_dir_all(at(made)).unwrap();
        }
        for file in ["tree/a.yaml", "tree/.git/config", "elsewhere/secret.yaml"] {
            fs::write(at(file), "x").unwrap();
        }
        for (link, target) in [
            ("tree/w/inside.yaml", "../a.yaml"),
            ("tree/w/out.yaml", "../../elsewhere/secret.yaml"),
            ("tree/w/git.yaml", "../.git/config"),
            ("tree/folder", "../elsewhere"),
            ("elsewhere/plain.yaml", "secret.yaml"),
            ("elsewhere/up.yaml", "../tree/a.yaml"),
        ] {
            std::os::unix::fs::symlink(target, at(link)).unwrap();
        }
        let good = [
            "tree/a.yaml",
            "tree/w/../a.yaml",
            "tree/w/inside.yaml",
            "elsewhere/plain.yaml",
        ];
        for good in good {
            assert_eq!(read_located(&at(good)).unwrap(), "x", "{good}");
        }
        let outside = [
            "tree/w/out.yaml",
            "tree/folder/secret.yaml",
            "elsewhere/up.yaml",
        ];
        for outside in outside {
            let error = read_located(&at(outside)).unwrap_err().to_string();
            assert!(
                error.contains("leads out of the git work tree"),
                "{outside}: {error}"
            );
        }
        for gits in ["tree/w/git.yaml", "tree/.git/config"] {
            let error = read_located(&at(gits)).unwrap_err().to_string();
            assert_eq!(error, "it is one of git's own files", "{gits}");
        }
    }

    #[test]
    fn a_path_is_split_at_its_work_tree_as_it_is_spelled() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("tree/.git")).unwrap();
        fs::create_dir_all(at("tree/w")).unwrap();
        std::os::unix::fs::symlink("w", at("tree/v")).unwrap();
        for (path, inside) in [
            ("tree/w/../w/absent.yaml", "w/absent.yaml"),
            ("tree/v/a.yaml", "v/a.yaml"),
        ] {
            let spelled = spelled(&at(path)).unwrap();
            assert_eq!(spelled.tree, at("tree"), "{path}");
            assert_eq!(spelled.inside, Path::new(inside), "{path}");
        }
        let alone = spelled(&at("alone.yaml")).unwrap();
        assert_eq!((alone.tree, alone.inside), (at(""), "alone.yaml".into()));
        assert!(has_link(&at("tree"), Path::new("v/a.yaml")));
        assert!(!has_link(&at("tree"), Path::new("w/a.yaml")));
        // The work tree itself may be reached by a link.
        std::os::unix::fs::symlink("tree", at("link")).unwrap();
        assert!(!has_link(&at("link"), Path::new("w/a.yaml")));
    }

    #[test]
    fn a_file_may_be_as_large_as_the_limit_and_no_larger() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_up_to(5, &path).unwrap(), b"12345");
        let error = read_up_to(4, &path).unwrap_err();
        assert_eq!(error.to_string(), "larger than 256 MiB");
    }
}
