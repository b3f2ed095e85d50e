//! Credentials files: the SDK's INI with a `[basic]` section, and a file that holds a token alone.
//!
//! Owns their format and the look at who else can read them. Invariant: no error repeats any part of
//! the content.

use std::fs;
use std::path::Path;

use super::{CredentialsError, Secrets, secret};
use crate::named_file;

/// Reads the `[basic]` section: `ak`, `sk` and, for temporary keys, `security_token`.
pub(super) fn read_keys(path: &Path) -> Result<Secrets, CredentialsError> {
    let name = path.display().to_string();
    let text = read(path)?;
    let entries = basic_section(&text).ok_or(CredentialsError::Malformed {
        path: name.clone(),
        problem: "has no section `[basic]`",
    })?;
    let find = |key: &str| {
        entries
            .iter()
            .rev()
            .find(|(given, value)| given == key && !value.is_empty())
            .map(|(_, value)| value)
    };
    let place = |key: &str| format!("{key} in {name}");
    let needed = |key: &str, problem: &'static str| match find(key) {
        Some(value) => secret(value, &place(key)),
        None => Err(CredentialsError::Malformed {
            path: name.clone(),
            problem,
        }),
    };
    Ok(Secrets::Keys {
        access_key: needed("ak", "has no `ak` in its section `[basic]`")?,
        secret_key: needed("sk", "has no `sk` in its section `[basic]`")?,
        security_token: find("security_token")
            .map(|value| secret(value, &place("security_token")))
            .transpose()?,
    })
}

/// Reads a file that holds nothing but a token.
pub(super) fn read_token(path: &Path) -> Result<Secrets, CredentialsError> {
    let text = read(path)?;
    secret(&text, &path.display().to_string()).map(Secrets::Token)
}

fn read(path: &Path) -> Result<String, CredentialsError> {
    let text = named_file::read_text(path).map_err(|cause| CredentialsError::Unreadable {
        path: path.display().to_string(),
        cause,
    })?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

/// Keys in lower case and values of the section; `None` if there is no such section.
fn basic_section(text: &str) -> Option<Vec<(String, String)>> {
    let mut entries = None;
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            inside = header.trim_end() == "basic]";
            if inside {
                entries.get_or_insert_with(Vec::new);
            }
        } else if let (true, Some((key, value))) = (inside, line.split_once(['=', ':'])) {
            // The SDK's reader takes a doubled percent sign for one.
            let value = value.trim().replace("%%", "%");
            entries
                .get_or_insert_with(Vec::new)
                .push((key.trim().to_ascii_lowercase(), value));
        }
    }
    entries
}

/// Whether anyone but the owner can read the file.
#[cfg(unix)]
pub(super) fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    const GROUP_OR_OTHERS: u32 = 0o044;
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & GROUP_OR_OTHERS != 0)
}

/// Whether anyone but the owner can read the file: not told apart on this system.
#[cfg(not(unix))]
pub(super) fn others_can_read(_: &Path) -> bool {
    false
}
