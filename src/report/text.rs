//! A report as text for people: what `lightsout report` shows.
//!
//! Owns the wording beyond the summary's. Names, labels and job IDs come from outside and are escaped.
//! Invariant: a report that was read from a file gives the same text as the run it tells of.

use jiff::Timestamp;

use super::overview::Overview;
use super::summary::{count, headline, next, overridden, stopped, tally, trouble, window};
use super::{Report, Verdict, Written};
use crate::duration;
use crate::event::Mode;
use crate::power::Action;
use crate::untrusted::{for_terminal, shorten};

/// Most job IDs that are told; the JSON form has all.
const JOBS: usize = 50;
/// Most groups that are told.
const GROUPS: usize = 50;
/// Longest text from outside that is shown, in characters.
const LONGEST: usize = 300;

/// The report as text, the final line end included.
pub fn to_text(report: &Report<'_>) -> String {
    text(&Overview::of(report))
}

impl Written {
    /// The report as text, the final line end included.
    pub fn to_text(&self) -> String {
        text(&self.overview())
    }
}

fn text(overview: &Overview<'_>) -> String {
    let mut lines = vec![title(overview), headline(overview)];
    lines.extend(stopped(overview));
    lines.extend(circumstances(overview));
    lines.extend(groups(overview));
    lines.extend(trouble(overview));
    lines.extend(jobs(overview));
    lines.extend(warnings(overview));
    let code = overview.exit_code;
    lines.extend(code.map(|code| format!("  exit code: {code}")));
    lines.extend(next(overview));
    lines.push(String::new());
    lines.join("\n")
}

/// The warnings, without the one that repeats what stopped the sending.
fn warnings(overview: &Overview<'_>) -> Vec<String> {
    let cause = overview
        .stopped_by
        .and_then(|stopped| stopped.error_message.as_deref());
    let warnings = overview
        .warnings
        .iter()
        .map(|warning| warning.message.as_str());
    let others = warnings.filter(|message| cause != Some(*message));
    others
        .map(|message| format!("  warning: {}", shown(message)))
        .collect()
}

fn title(overview: &Overview<'_>) -> String {
    let workflow = overview.workflow;
    let of = format!("of {} (`{}`)", shown(&workflow.name), shown(&workflow.file));
    let what = match (overview.mode, overview.action) {
        (Mode::Run, Action::Stop(_)) => "run",
        (Mode::Run, Action::Start) => "undo",
        (Mode::DryRun, Action::Stop(_)) => "dry run",
        (Mode::DryRun, Action::Start) => "dry run of an undo",
        (Mode::Rehearsal, _) => "rehearsal",
    };
    match overview.run_id {
        Some(run) => format!("{what} {run} {of}"),
        None => format!("{what} {of}"),
    }
}

fn circumstances(overview: &Overview<'_>) -> Vec<String> {
    let project = overview.project;
    let mut lines = vec![
        format!("  project: {} at {}", project.id.as_str(), project.endpoint),
        format!("  plan: {}", overview.digest),
    ];
    if let Some(run) = overview.undoes {
        lines.insert(0, format!("  undoes: run {run}"));
    }
    for (name, value) in &overview.labels {
        lines.push(format!("  label: {}={}", shown(name), shown(value)));
    }
    lines.extend(window(overview));
    lines.extend(overridden(overview));
    if let Some(began) = overview.started_at {
        lines.push(format!("  began: {began:.0}"));
    }
    lines.push(match (overview.started_at, overview.finished_at) {
        (Some(began), Some(over)) => format!("  ended: {over:.0}, after {}", between(began, over)),
        (None, Some(over)) => format!("  ended: {over:.0}"),
        (_, None) if overview.verdict == Verdict::Running => "  ended: not yet".to_owned(),
        (_, None) => "  ended: it is not finished".to_owned(),
    });
    if overview.resumed > 0 {
        lines.push(format!("  resumed: {}", count(overview.resumed, "time")));
    }
    lines
}

/// Time from `earlier` to `later`, in whole seconds.
fn between(earlier: Timestamp, later: Timestamp) -> String {
    let seconds = later.as_second().saturating_sub(earlier.as_second());
    let seconds = u64::try_from(seconds).unwrap_or(0);
    duration::format(std::time::Duration::from_secs(seconds))
}

/// The groups, where there are several.
fn groups(overview: &Overview<'_>) -> Vec<String> {
    let groups = overview.groups.iter();
    if groups.len() < 2 {
        return Vec::new();
    }
    let mut lines: Vec<String> = groups
        .take(GROUPS)
        .map(|(name, totals)| {
            format!(
                "  group {}: {}",
                shown(name),
                tally(totals, overview.action)
            )
        })
        .collect();
    lines.extend(rest(overview.groups.len(), GROUPS, "group"));
    lines
}

fn jobs(overview: &Overview<'_>) -> Vec<String> {
    let jobs = overview.jobs.iter().take(JOBS);
    let mut lines: Vec<String> = jobs
        .map(|job| format!("  job ID: {}", shown(job)))
        .collect();
    lines.extend(rest(overview.jobs.len(), JOBS, "job ID"));
    lines
}

/// How many are not told.
fn rest(all: usize, told: usize, noun: &str) -> Option<String> {
    let rest = all.checked_sub(told).filter(|rest| *rest > 0)?;
    let more = count(rest, &format!("more {noun}"));
    Some(format!("  and {more} in the JSON form"))
}

fn shown(text: &str) -> String {
    for_terminal(&shorten(text, LONGEST)).into_owned()
}
