//! Every file under `tests/fixtures/invalid` is refused for the one reason that its name says.
//!
//! What an operator reads is kept as a snapshot for each. Invariant: an error, with a place.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use lightsout::diagnostic::{Severity, SourceFile, to_text};
use lightsout::workflow::{Inputs, parse};

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/invalid");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_invalid_workflow_is_refused_at_its_place() {
    let files = fixtures();
    assert!(files.len() >= 50, "{} files", files.len());
    for path in files {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let source = SourceFile::new(&format!("{stem}.yaml"), &text);
        let Err(findings) = parse(&source, &Inputs::default()) else {
            panic!("{stem} is accepted")
        };
        let errors = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error);
        let reasons = match stem {
            "several-mistakes" => 5,
            "alias-bomb" | "anchor-and-alias" => 2,
            _ => 1,
        };
        assert_eq!(errors.clone().count(), reasons, "{stem}");
        assert!(errors.clone().all(|error| error.place.is_some()), "{stem}");
        let shown = to_text(&findings, false);
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("invalid__{stem}"), shown);
        });
    }
}
