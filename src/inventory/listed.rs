//! The servers that one inventory lists, without a workflow around it.
//!
//! Owns the way from a text to IDs with the same three readers that groups use. Invariant: either every
//! entry of the text is understood, or there is a finding.

use std::collections::BTreeMap;
use std::path::Path;

use super::findings::Findings;
use super::library::{Format, Loaded, unknown_format};
use super::reading::{Reading, Sink, read};
use crate::diagnostic::Diagnostic;
use crate::ids::ServerId;
use crate::workflow::InventoryFile;

/// The servers that the text of an inventory lists, in its order; the name says how it is read.
///
/// # Errors
/// All that is wrong with the text, up to a limit.
pub fn listed(name: &Path, text: &str) -> Result<Vec<ServerId>, Vec<Diagnostic>> {
    let file = name.to_string_lossy().into_owned();
    let format = Format::of(&file).ok_or_else(|| vec![unknown_format(&file)])?;
    let inventory = InventoryFile {
        file: file.clone(),
        column: None,
        name_column: None,
        matching: BTreeMap::new(),
        expect_count: None,
        sha256: None,
        origin: String::new(),
    };
    let reading = Reading {
        inventory: &inventory,
        split_by: None,
    };
    let loaded = Loaded::new(file, format, text.to_owned());
    let (mut servers, mut findings) = (Vec::new(), Findings::default());
    let mut sink = Sink {
        entry: &mut |entry| servers.push(entry.server),
        findings: &mut findings,
        misses: &mut Vec::new(),
    };
    read(&loaded, reading, &mut sink);
    match findings.into_errors() {
        errors if errors.is_empty() => Ok(servers),
        errors => Err(errors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "616fb98f-46ca-475e-917e-2563e5a8cd19";

    #[test]
    fn each_format_lists_its_servers() {
        for (name, text) in [
            ("a.txt", format!("# first\n{}\n", ID.to_uppercase())),
            ("a.csv", format!("name,id\nx,{ID}\n")),
            ("a.json", format!("[{{\"id\": \"{ID}\"}}]")),
        ] {
            let expected = vec![ID.parse().unwrap()];
            assert_eq!(listed(Path::new(name), &text), Ok(expected), "{name}");
        }
    }

    #[test]
    fn what_is_not_understood_is_a_finding() {
        for (name, text, code) in [
            ("a.txt", "x\n", "invalid-server-id"),
            ("a.csv", "name\nx\n", "unknown-column"),
            ("a.yaml", "", "inventory-format"),
        ] {
            let findings = listed(Path::new(name), text).unwrap_err();
            assert_eq!(findings[0].code, code, "{name}");
        }
    }
}
