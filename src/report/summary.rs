//! A report in a few lines, for the end of a run's log.
//!
//! Owns the wording. Names and codes come from outside and are escaped. Invariant: the first line says
//! how it ended, and the text stays short however many servers there are.

use std::path::Path;

use super::overview::{Named, Overview};
use super::stopped_by::error_text;
use super::{Counts, Report};
use crate::event::Mode;
use crate::outcome::OutcomeKind;
use crate::power::Action;
use crate::untrusted::{for_terminal, shorten};
use crate::window::Occurrence;

/// Longest text from outside that is shown, in characters.
const LONGEST: usize = 60;
/// Longest reason of a person, or error text of the API, that is shown, in characters.
const REASON: usize = 200;

/// Where the account of a run is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept<'a> {
    /// In reports at these paths. A dry run can have none.
    Reports(&'a [String]),
    /// In this journal, as no report could be written.
    Journal(&'a Path),
    /// Neither report nor journal could be written. The job IDs were printed.
    Nowhere,
}

/// What happened, and where the account of it is kept, as lines without a final line end.
pub fn summary(report: &Report<'_>, kept: Kept<'_>) -> String {
    let overview = Overview::of(report);
    let mut lines = vec![headline(&overview)];
    lines.extend(stopped(&overview));
    lines.extend(window(&overview));
    lines.extend(overridden(&overview));
    lines.extend(trouble(&overview));
    lines.extend(where_kept(&overview, kept));
    lines.extend(next(&overview));
    lines.join("\n")
}

/// Where job IDs and outcomes are, and how to write the report later if there is none.
fn where_kept(overview: &Overview<'_>, kept: Kept<'_>) -> Vec<String> {
    let jobs = overview.jobs.len();
    let jobs = (jobs > 0).then(|| count(jobs, "job ID"));
    let ids = |place: &str| jobs.as_ref().map(|jobs| format!("  {jobs} {place}"));
    match kept {
        Kept::Reports(places) => {
            let report = |place: &String| format!("  report: {}", for_terminal(place));
            let reports = places.iter().map(report);
            ids("in the report").into_iter().chain(reports).collect()
        }
        Kept::Journal(path) => {
            let journal = path.display().to_string();
            let journal = format!("  journal: {}", for_terminal(&journal));
            let mut lines = vec!["  report: not written, the journal has every outcome".to_owned()];
            lines.push(journal);
            lines.extend(ids("in the journal, printed above"));
            let later = |run| {
                format!("  write it later: lightsout report {run} --format json > {run}.json")
            };
            lines.extend(overview.run_id.map(later));
            lines
        }
        Kept::Nowhere => {
            let mut lines =
                vec!["  report: not written, and the journal is not complete".to_owned()];
            lines.extend(ids("printed above: keep them"));
            lines
        }
    }
}

/// How it ended.
pub(super) fn headline(overview: &Overview<'_>) -> String {
    let verdict = overview.verdict.phrase(overview.action);
    let (totals, action) = (&overview.totals, overview.action);
    match overview.mode {
        Mode::Run => format!("{verdict}: {}", tally(totals, action)),
        Mode::Rehearsal => {
            format!(
                "rehearsal, no real server was touched: {verdict}: {}",
                tally(totals, action)
            )
        }
        Mode::DryRun => {
            let targets = count(totals.targets(), "target");
            format!("dry run, nothing was sent: {verdict}: {targets}")
        }
    }
}

/// How many targets have which outcome.
pub(super) fn tally(totals: &Counts, action: Action) -> String {
    let present = OutcomeKind::ALL
        .into_iter()
        .filter(|kind| totals.of(*kind) > 0);
    let parts: Vec<String> = present
        .map(|kind| format!("{} {}", grouped(totals.of(kind)), words(kind, action)))
        .collect();
    if parts.is_empty() {
        return "no targets".to_owned();
    }
    let targets = count(totals.targets(), "target");
    format!("{} of {targets}", parts.join(", "))
}

/// What a person should look at, by outcome and reason.
pub(super) fn trouble(overview: &Overview<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for ((kind, reason), trouble) in &overview.trouble {
        let total = grouped(trouble.targets);
        lines.push(format!(
            "  {} ({}): {total}",
            words(*kind, overview.action),
            reason.as_str()
        ));
        lines.extend(trouble.named.iter().map(describe));
        let more = trouble.targets - trouble.named.len();
        if more > 0 {
            lines.push(format!("    and {} more", grouped(more)));
        }
    }
    lines
}

/// The occurrence of the window in which the run began.
pub(super) fn window(overview: &Overview<'_>) -> Option<String> {
    let (timezone, occurrence) = overview.window?;
    Some(format!("  window: {}", hours(timezone, &occurrence)))
}

/// When an occurrence of a window of this zone is open, and from when on it sends no more.
pub fn hours(timezone: &str, occurrence: &Occurrence) -> String {
    let Occurrence {
        opens,
        closes,
        cutoff,
    } = occurrence;
    let timezone = for_terminal(&shorten(timezone, LONGEST)).into_owned();
    let cutoff = match cutoff == closes {
        true => String::new(),
        false => format!(", cutoff {cutoff:.0}"),
    };
    format!("{opens:.0} to {closes:.0}{cutoff} ({timezone})")
}

/// What a person lifted for the run, and why.
pub(super) fn overridden(overview: &Overview<'_>) -> Option<String> {
    let (_, reason) = overview.overrides.first()?;
    let rules = overview.overrides.iter();
    let rules: Vec<&str> = rules.map(|(rule, _)| rule.as_str()).collect();
    let reason = for_terminal(&shorten(reason, REASON)).into_owned();
    Some(format!("  overridden: {} ({reason})", rules.join(", ")))
}

/// What stopped the sending.
pub(super) fn stopped(overview: &Overview<'_>) -> Option<String> {
    let stopped = overview.stopped_by?;
    Some(format!("  sending stopped: {}", stopped.line()))
}

/// The command to type next.
pub(super) fn next(overview: &Overview<'_>) -> Option<String> {
    let next = overview.next?;
    Some(format!("  next: {}", for_terminal(next)))
}

fn describe(target: &Named<'_>) -> String {
    let shown = |text: &str, longest| for_terminal(&shorten(text, longest)).into_owned();
    let name = target.name.map(|name| shown(name, LONGEST));
    let error = error_text(target.error_code, target.error_message);
    let error = error.map(|error| shown(&error, REASON));
    let words: Vec<String> = std::iter::once(target.id.to_string())
        .chain(name)
        .chain(error)
        .collect();
    format!("    {}", words.join("  "))
}

/// An outcome of `action` in words for people.
pub fn words(kind: OutcomeKind, action: Action) -> &'static str {
    match kind {
        OutcomeKind::Done => action.done(),
        OutcomeKind::Already => match action {
            Action::Stop(_) => "already off",
            Action::Start => "already on",
        },
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
