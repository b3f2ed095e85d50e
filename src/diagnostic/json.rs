//! Findings for machines: a list of objects with a stable shape.
//!
//! Owns the shape `{code, severity, message, file, line, column, end_column, hint, related[]}`, in which
//! what is absent is `null`; `related` holds `{message, file, line, column, end_column}`. Lines and
//! columns count characters from 1, `end_column` is that of the character behind. Invariant: every
//! member is always there.

use serde::Serialize;

use super::{Diagnostic, Place, Severity};

#[derive(Serialize)]
struct Finding<'a> {
    code: &'a str,
    severity: Severity,
    message: &'a str,
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    end_column: Option<usize>,
    hint: Option<&'a str>,
    related: Vec<Related<'a>>,
}

#[derive(Serialize)]
struct Related<'a> {
    message: &'a str,
    file: &'a str,
    line: usize,
    column: usize,
    end_column: usize,
}

/// Renders findings as a JSON list, for `validate --format json`.
pub fn to_json(findings: &[Diagnostic]) -> serde_json::Value {
    let findings: Vec<_> = findings.iter().map(finding).collect();
    serde_json::json!(findings)
}

fn finding(finding: &Diagnostic) -> Finding<'_> {
    let place = finding.place.as_ref();
    Finding {
        code: finding.code,
        severity: finding.severity,
        message: &finding.message,
        file: place.map(|place| &*place.file),
        line: place.map(|place| place.line),
        column: place.map(|place| place.column),
        end_column: place.map(end_column),
        hint: finding.hint.as_deref(),
        related: finding.related.iter().map(related).collect(),
    }
}

fn related((place, message): &(Place, String)) -> Related<'_> {
    Related {
        message,
        file: &place.file,
        line: place.line,
        column: place.column,
        end_column: end_column(place),
    }
}

fn end_column(place: &Place) -> usize {
    place.column + place.width
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::SourceFile;
    use serde_json::json;

    #[test]
    fn every_member_is_there_also_when_there_is_nothing_to_say() {
        assert_eq!(
            to_json(&[Diagnostic::warning("lost", "nothing is left")]),
            json!([{
                "code": "lost", "severity": "warning", "message": "nothing is left",
                "file": null, "line": null, "column": null, "end_column": null,
                "hint": null, "related": [],
            }])
        );
    }

    #[test]
    fn places_are_given_as_line_and_columns() {
        let file = SourceFile::new("a.yaml", "é: 1\né: 2\n");
        let finding = Diagnostic::error("duplicate-key", "twice")
            .at(file.place(6..8))
            .with_related(file.place(0..2), "first")
            .with_hint("remove one");
        assert_eq!(
            to_json(&[finding]),
            json!([{
                "code": "duplicate-key", "severity": "error", "message": "twice",
                "file": "a.yaml", "line": 2, "column": 1, "end_column": 2, "hint": "remove one",
                "related": [{ "message": "first", "file": "a.yaml", "line": 1, "column": 1, "end_column": 2 }],
            }])
        );
    }
}
