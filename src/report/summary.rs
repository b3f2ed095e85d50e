//! A report in a few lines, for the end of a run's log.
//!
//! Owns the wording. Names and codes come from outside and are escaped. Invariant: the first line says
//! how it ended, and the text stays short however many servers there are.

use std::collections::BTreeMap;

use super::{Counts, Report, Target};
use crate::event::Mode;
use crate::outcome::{OutcomeKind, Reason};
use crate::untrusted::{for_terminal, shorten};

/// Most servers that are named for one reason.
const NAMED: usize = 10;
/// Longest text from outside that is shown, in characters.
const LONGEST: usize = 60;

/// What happened, and where the report is kept, as lines without a final line end.
pub fn summary(report: &Report<'_>, places: &[String]) -> String {
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
    for place in places {
        lines.push(format!("  report: {}", for_terminal(place)));
    }
    if let Some(next) = &report.facts.next {
        lines.push(format!("  next: {}", for_terminal(next)));
    }
    lines.join("\n")
}

fn headline(report: &Report<'_>) -> String {
    let verdict = report.verdict().phrase();
    let totals = report.totals();
    match report.mode() {
        Mode::Run => format!("{verdict}: {}", tally(totals)),
        Mode::Rehearsal => {
            format!(
                "rehearsal, no real server was touched: {verdict}: {}",
                tally(totals)
            )
        }
        Mode::DryRun => {
            let targets = count(totals.targets(), "target");
            format!("dry run, nothing was sent: {verdict}: {targets}")
        }
    }
}

fn tally(totals: &Counts) -> String {
    let present = OutcomeKind::ALL
        .into_iter()
        .filter(|kind| totals.of(*kind) > 0);
    let parts: Vec<String> = present
        .map(|kind| format!("{} {}", grouped(totals.of(kind)), words(kind)))
        .collect();
    if parts.is_empty() {
        return "no targets".to_owned();
    }
    let targets = count(totals.targets(), "target");
    format!("{} of {targets}", parts.join(", "))
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

/// An outcome in words for people.
pub fn words(kind: OutcomeKind) -> &'static str {
    match kind {
        OutcomeKind::Stopped => "stopped",
        OutcomeKind::AlreadyOff => "already off",
        OutcomeKind::Skipped => "skipped",
        OutcomeKind::Failed => "failed",
        OutcomeKind::Unknown => "unknown",
        OutcomeKind::NotSent => "not sent",
    }
}

/// A number with its noun: `1 target`, `2,500 targets`.
pub fn count(number: impl ToString + Copy, noun: &str) -> String {
    let number = grouped(number);
    let plural = if number == "1" { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A whole number with commas between its thousands.
pub fn grouped(number: impl ToString) -> String {
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
