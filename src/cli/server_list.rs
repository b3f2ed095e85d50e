//! A file of server IDs that a flag names: one a line, `#` begins a comment.
//!
//! Owns the form. Invariant: a line that is no ID is an error that names the line.

use std::path::Path;

use crate::diagnostic::SourceFile;
use crate::error::Error;
use crate::ids::{InvalidId, ServerId};

/// The servers of a file.
pub(super) fn read(source: &SourceFile, path: &Path) -> Result<Vec<ServerId>, Error> {
    let lines = source.text().lines().zip(1..);
    let entries = lines.map(|(text, line)| {
        let text = text.split('#').next().unwrap_or_default();
        (text.trim(), line)
    });
    let parsed = entries
        .filter(|(text, _)| !text.is_empty())
        .map(|(text, line)| {
            text.parse().map_err(|error: InvalidId| Error::ServerList {
                path: path.to_owned(),
                line,
                problem: error.0,
            })
        });
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_ids_may_have_comments_and_names_its_bad_line() {
        let good = "# fleet\r\n616FB98F-46CA-475E-917E-2563E5A8CD19 # first\n\n";
        let list = |text: &str| read(&SourceFile::new("list.txt", text), Path::new("list.txt"));
        assert_eq!(list(good).unwrap().len(), 1);
        let error = list(&format!("{good}bms-1\n")).unwrap_err();
        assert!(
            error.to_string().starts_with("line 4 of `list.txt`"),
            "{error}"
        );
    }
}
