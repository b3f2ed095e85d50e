//! Every file under `tests/fixtures/invalid-policies` is refused for the one reason that its name says.
//!
//! What an operator reads is kept as a snapshot for each. Invariant: an error, with a place.

use std::path::Path;

use lightsout::diagnostic::{Severity, SourceFile, to_text};
use lightsout::policy::parse;

#[test]
fn every_invalid_policy_is_refused_at_its_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/invalid-policies");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 20, "{} files", files.len());
    for path in files {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let findings = parse(&SourceFile::new(&format!("{stem}.yaml"), &text)).unwrap_err();
        let errors = findings.iter().filter(|it| it.severity == Severity::Error);
        let reasons = match stem {
            "several-mistakes" => 5,
            _ => 1,
        };
        assert_eq!(errors.clone().count(), reasons, "{stem}");
        assert!(errors.clone().all(|error| error.place.is_some()), "{stem}");
        let shown = to_text(&findings, false);
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("policy__{stem}"), shown);
        });
    }
}
