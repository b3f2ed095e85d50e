//! Findings as annotations of a pull request: workflow commands of GitHub Actions.
//!
//! Owns the escaping that the runner undoes, and how many findings are told: GitHub shows ten errors and
//! ten warnings of a step and drops the rest without a word. Invariant: one command a line, whatever a
//! message holds, and what is left out is counted.

use std::fmt::Write;

use super::{Diagnostic, Place, Severity};
use crate::untrusted::{for_terminal, shorten};

/// Annotations of one severity that GitHub shows of a step.
const SHOWN: usize = 10;
/// Longest message, in characters.
const MESSAGE: usize = 4_000;
/// Further places that a message names.
const RELATED: usize = 10;

/// Renders findings as workflow commands, for `validate --format github`.
pub fn to_github(findings: &[Diagnostic]) -> String {
    let mut text = String::new();
    for severity in [Severity::Error, Severity::Warning] {
        let own: Vec<_> = findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .collect();
        for finding in own.iter().take(SHOWN) {
            text.push_str(&command(finding));
        }
        if own.len() > SHOWN {
            let (more, noun) = (own.len() - SHOWN, word(severity));
            let plural = if more == 1 { "" } else { "s" };
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "::notice title=lightsout::{more} more {noun}{plural} not annotated here%0A\
                 without `--format github`, all are shown"
            );
        }
    }
    text
}

fn command(finding: &Diagnostic) -> String {
    let mut properties = finding.place.as_ref().map_or_else(String::new, place);
    let _ = write!(properties, "title={}", property(finding.code));
    format!(
        "::{} {properties}::{}\n",
        word(finding.severity),
        data(&message(finding))
    )
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn place(place: &Place) -> String {
    let (file, line) = (property(&place.file), place.line);
    let (from, to) = (place.column, place.column + place.width);
    format!("file={file},line={line},col={from},endColumn={to},")
}

/// The message, where else to look, and what to do, each on a line of its own.
fn message(finding: &Diagnostic) -> String {
    let mut text = for_terminal(&finding.message).into_owned();
    for (place, label) in finding.related.iter().take(RELATED) {
        let place = place.to_string();
        let _ = write!(text, "\n{}: {}", for_terminal(&place), for_terminal(label));
    }
    if let Some(hint) = &finding.hint {
        let _ = write!(text, "\nhelp: {}", for_terminal(hint));
    }
    shorten(&text, MESSAGE).into_owned()
}

/// Text behind the last `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Text behind a property's `=`.
fn property(text: &str) -> String {
    data(&for_terminal(text))
        .replace(':', "%3A")
        .replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diagnostic::SourceFile;
    use crate::untrusted::is_hidden;

    #[test]
    fn a_finding_is_one_command_with_its_place() {
        let file = SourceFile::new("w/a,b:100%.yaml", "version: 1\nnmae: x\n");
        let finding = Diagnostic::error("unknown-key", "unknown key `nmae`, 100% wrong")
            .at(file.place(11..15))
            .with_related(file.place(0..7), "near here")
            .with_hint("did you mean `name`?");
        assert_eq!(
            to_github(&[finding]),
            "::error file=w/a%2Cb%3A100%25.yaml,line=2,col=1,endColumn=5,title=unknown-key::\
             unknown key `nmae`, 100%25 wrong%0Aw/a,b:100%25.yaml:1:1: near here%0A\
             help: did you mean `name`?\n"
        );
    }

    #[test]
    fn a_finding_without_a_place_has_only_a_title() {
        let text = to_github(&[Diagnostic::warning("guard", "too many")]);
        assert_eq!(text, "::warning title=guard::too many\n");
    }

    #[test]
    fn what_github_would_drop_is_counted() {
        let mut findings = vec![Diagnostic::warning("b", "x"); 11];
        findings.extend(vec![Diagnostic::error("a", "x"); 14]);
        findings.extend(vec![Diagnostic::warning("b", "x"); 2]);
        let text = to_github(&findings);
        let of = |word: &str| text.lines().filter(|line| line.starts_with(word)).count();
        assert_eq!(
            (of("::error "), of("::warning "), of("::notice ")),
            (10, 10, 2)
        );
        assert!(text.contains("::4 more errors not"), "{text}");
        assert!(text.contains("::3 more warnings not"), "{text}");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_command_or_a_property_of_its_own(text in "[ -~\n\r\t\u{1b}\u{85}\u{202e}é]{0,200}") {
            let file = SourceFile::new(&format!("f{text}"), "x");
            let finding = Diagnostic::error("a-code", text.clone())
                .at(file.place(0..1))
                .with_related(file.place(0..1), text.clone())
                .with_hint(text);
            let shown = to_github(&[finding]);
            prop_assert_eq!(shown.lines().count(), 1);
            prop_assert!(!shown.trim_end_matches('\n').chars().any(is_hidden));
            let (properties, _) = shown.strip_prefix("::error ").unwrap().split_once("::").unwrap();
            let names: Vec<_> = properties.split(',').map(|pair| pair.split_once('=').unwrap().0).collect();
            prop_assert_eq!(names, ["file", "line", "col", "endColumn", "title"]);
        }
    }
}
