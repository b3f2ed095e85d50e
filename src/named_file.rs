//! Reading a file that a person named: workflow, plan, variables, credentials, certificates.
//!
//! Owns what counts as one. A pipe without a writer would block for ever, and a device may never end,
//! so neither is opened. Invariant: reading ends, and takes no more memory than the limit.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Largest file that is read: six times a million IDs.
const SIZE_LIMIT: u64 = 256 << 20;

/// The content of a regular file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_up_to(SIZE_LIMIT, path)
}

/// The content of a regular file that must be UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|_| refused("not UTF-8 text"))
}

fn read_up_to(limit: u64, path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(refused("not a regular file"));
    }
    let mut content = Vec::new();
    File::open(path)?
        .take(limit + 1)
        .read_to_end(&mut content)?;
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
    fn a_file_may_be_as_large_as_the_limit_and_no_larger() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_up_to(5, &path).unwrap(), b"12345");
        let error = read_up_to(4, &path).unwrap_err();
        assert_eq!(error.to_string(), "larger than 256 MiB");
    }
}
