//! Parts of error messages: lists and counts in words.
//!
//! Owns texts that are put together from several things. Invariant: each part is one line.

use crate::bms::Unanswered;
use crate::diagnostic::{Diagnostic, Severity};
use crate::ids::RunId;
use crate::plan::Breach;
use crate::state::Switch;

/// The first thing that stands against a plan, and how many more there are.
pub(super) fn forbidden(breaches: &[Breach]) -> String {
    let mut lines = breaches.iter().flat_map(Breach::lines);
    let first = lines.next().unwrap_or_default();
    match lines.count() {
        0 => first,
        1 => format!("{first}; and 1 more reason"),
        more => format!("{first}; and {more} more reasons"),
    }
}

pub(super) fn list(runs: &[RunId]) -> String {
    let runs: Vec<&str> = runs.iter().map(RunId::as_str).collect();
    runs.join(", ")
}

/// What the cloud or the network said, as the end of a message.
pub(super) fn said(unanswered: &Unanswered) -> String {
    let evidence = unanswered.evidence();
    let parts = [&evidence.code, &evidence.message].into_iter().flatten();
    parts.fold(String::new(), |text, part| text + ": " + part)
}

pub(super) fn until(switch: &Switch) -> String {
    switch
        .until
        .map_or_else(String::new, |until| format!(" until {until}"))
}

pub(super) fn errors(findings: &[Diagnostic]) -> String {
    let errors = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    match errors.count() {
        1 => "1 error".to_owned(),
        several => format!("{several} errors"),
    }
}
