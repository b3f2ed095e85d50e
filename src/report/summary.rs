//! A report in a few lines, for the end of a run's log.
//!
//! Owns the wording. Names and codes come from outside and are escaped. Invariant: the first line says
//! how it ended, and the text stays short however many servers there are.

use std::collections::BTreeMap;

use super::{Report, Target};
use crate::event::Mode;
use crate::outcome::{OutcomeKind, Reason};
use crate::untrusted::{for_terminal, shorten};

/// Most servers that are named for one reason.
const NAMED: usize = 10;
/// Longest text from outside that is shown, in characters.
const LONGEST: usize = 60;

/// What happened, as lines without a final line end.
pub fn summary(report: &Report<'_>) -> String {
    let mut lines = vec![headline(report)];
    for ((kind, reason), targets) in trouble(report) {
        let total = grouped(targets.len());
        lines.push(format!("  {} ({}): {total}", words(kind), reason.as_str()));
        lines.extend(targets.iter().take(NAMED).map(describe));
        if targets.len() > NAMED {
            lines.push(format!("    and {} more", grouped(targets.len() - NAMED)));
        }
    }
    let jobs = report.job_ids().count();
    if jobs > 0 {
        lines.push(format!("  {} in the report", count(jobs, "job ID")));
    }
    if report.mode() == Mode::Rehearsal {
        lines.push("  this was a rehearsal: no real server was touched".to_owned());
    }
    if let Some(next) = &report.facts.next {
        lines.push(format!("  next: {}", for_terminal(next)));
    }
    lines.join("\n")
}

fn headline(report: &Report<'_>) -> String {
    let totals = report.totals();
    let parts: Vec<String> = OutcomeKind::ALL
        .into_iter()
        .filter(|kind| totals.of(*kind) > 0)
        .map(|kind| format!("{} {}", grouped(totals.of(kind)), words(kind)))
        .collect();
    let verdict = report.verdict().phrase();
    if parts.is_empty() {
        return format!("{verdict}: no targets");
    }
    let targets = count(totals.targets(), "target");
    format!("{verdict}: {} of {targets}", parts.join(", "))
}

/// The targets that a person should look at, by outcome and reason.
fn trouble<'a>(report: &Report<'a>) -> BTreeMap<(OutcomeKind, Reason), Vec<Target<'a>>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for target in report.targets() {
        let outcome = target.outcome();
        let worrying = match outcome.kind() {
            OutcomeKind::Failed | OutcomeKind::Unknown | OutcomeKind::NotSent => true,
            OutcomeKind::Stopped | OutcomeKind::AlreadyOff | OutcomeKind::Skipped => false,
        };
        let reason = outcome.reason().filter(|reason| *reason != Reason::DryRun);
        if let Some(reason) = reason.filter(|_| worrying) {
            let same = groups.entry((outcome.kind(), reason)).or_default();
            same.push(target);
        }
    }
    groups
}

fn describe(target: &Target<'_>) -> String {
    let outside = [target.name(), target.error_code()];
    let outside = outside.into_iter().flatten();
    let shown = outside.map(|text| for_terminal(&shorten(text, LONGEST)).into_owned());
    let words: Vec<String> = std::iter::once(target.id().to_string())
        .chain(shown)
        .collect();
    format!("    {}", words.join("  "))
}

fn words(kind: OutcomeKind) -> &'static str {
    match kind {
        OutcomeKind::Stopped => "stopped",
        OutcomeKind::AlreadyOff => "already off",
        OutcomeKind::Skipped => "skipped",
        OutcomeKind::Failed => "failed",
        OutcomeKind::Unknown => "unknown",
        OutcomeKind::NotSent => "not sent",
    }
}

/// `1 target`, `2,500 targets`.
fn count(number: impl ToString + Copy, noun: &str) -> String {
    let number = grouped(number);
    let plural = if number == "1" { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A whole number with commas between its thousands.
fn grouped(number: impl ToString) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
