//! Every folder under `tests/fixtures/invalid-inventories` is refused for the one reason in its name.
//!
//! What an operator reads is kept as a snapshot for each. Invariant: an error, with a place.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use lightsout::diagnostic::{SourceFile, to_text};
use lightsout::inventory::{Folders, Known, resolve};
use lightsout::workflow::{Inputs, parse};

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/invalid-inventories");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut folders: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

#[test]
fn every_invalid_inventory_is_refused_at_its_place() {
    let folders = fixtures();
    assert!(folders.len() >= 35, "{} folders", folders.len());
    for folder in folders {
        let reason = folder.file_name().unwrap().to_str().unwrap();
        let file = folder.join("workflow.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let source = SourceFile::new("workflow.yaml", &text);
        let workflow = match parse(&source, &Inputs::default()) {
            Ok(workflow) => workflow,
            Err(findings) => panic!("{reason}: {}", to_text(&findings, false)),
        };
        let Err(errors) = resolve(&workflow, &Folders::of(&file).unwrap(), Known::Listing(&[]))
        else {
            panic!("{reason} is accepted")
        };
        let placed = |error: &lightsout::diagnostic::Diagnostic| {
            error.place.is_some() || error.code == "more-errors"
        };
        assert!(errors.iter().all(placed), "{reason}");
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("inventory__{reason}"), to_text(&errors, false));
        });
    }
}
