//! What changes between two plans, or from the base branch, as the part of a pull request comment.
//!
//! Owns the layout, and the budget of every list that can grow. Invariant: the servers that newly lose power
//! come first, protections come before settings of groups, and what is left out is counted.

use std::collections::HashMap;
use std::fmt::Write;

use super::difference::{Difference, Moved, NameChange, Placed, SettingChange, placed};
use super::markdown::{Budget, Changes, named, text, within};
use super::model::Plan;
use super::notice::shown_path;
use super::review::{ABSENT, Base, ChangedFile, new_servers};
use super::server_rows;
use super::value_pair::value_pair;
use super::words::counted;
use crate::untrusted::{for_markdown, shorten};

/// What the servers of a plan without an approved base may take.
const NEW: Budget = Budget {
    bytes: 30_000,
    lines: 600,
};
/// What the servers that newly lose power may take.
const ADDED: Budget = Budget {
    bytes: 12_000,
    lines: 150,
};
/// What protections may take. All of them are shown, or the comment says that it is incomplete.
const PROTECTIONS: Budget = Budget {
    bytes: 14_000,
    lines: 100,
};
/// What the servers that go earlier may take.
const EARLIER: Budget = Budget {
    bytes: 6_000,
    lines: 60,
};
/// What each of the other lists may take.
const LIST: Budget = Budget {
    bytes: 4_000,
    lines: 20,
};
/// Groups that are named where a setting changes alike in many.
const GROUPS: usize = 5;
/// Longest sentence from outside that is shown.
const SENTENCE: usize = 400;

/// Whether everything that must be in a comment is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Completeness {
    Complete,
    /// Protections are left out.
    Incomplete,
}

/// The part of the comment that shows what changes.
pub(super) fn write(
    out: &mut String,
    plan: &Plan,
    changes: &Changes<'_>,
) -> Result<Completeness, std::fmt::Error> {
    let review = match changes {
        Changes::NotCompared => return Ok(Completeness::Complete),
        Changes::Against(difference) => {
            writeln!(out, "\n### What changes\n")?;
            return of_plans(out, difference);
        }
        Changes::Base(review) => review,
    };
    writeln!(out, "\n### What changes\n")?;
    let completeness = match &review.base {
        Base::Absent => all_new(out, plan, ABSENT)?,
        Base::Unapproved { why } => all_new(out, plan, why)?,
        Base::Approved {
            moved_from,
            difference,
        } => {
            if let Some(from) = moved_from {
                writeln!(
                    out,
                    "The workflow has moved here from {}.\n",
                    shown_path(from)
                )?;
            }
            of_plans(out, difference)?
        }
    };
    files(out, &review.files)?;
    Ok(completeness)
}

/// Every server of a plan for which the base branch has no approved one.
fn all_new(out: &mut String, plan: &Plan, why: &str) -> Result<Completeness, std::fmt::Error> {
    let loser = new_servers(plan.target_count());
    let why = for_markdown(&shorten(why, SENTENCE));
    writeln!(out, "**NEW: {loser} power.** Reason: {why}.\n")?;
    server_rows::write(out, NEW, &placed(plan).collect::<Vec<_>>())?;
    Ok(Completeness::Complete)
}

fn of_plans(out: &mut String, it: &Difference<'_>) -> Result<Completeness, std::fmt::Error> {
    if it.same {
        writeln!(
            out,
            "Nothing that a run would do: the older plan has the same digest."
        )?;
    } else {
        writeln!(out, "{}", summary(it))?;
    }
    if it.same && it.is_empty() {
        return Ok(Completeness::Complete);
    }
    let count = |count| counted(count, "server");
    if !it.added.is_empty() {
        writeln!(
            out,
            "\n#### {} would newly lose power\n",
            count(it.added.len())
        )?;
        server_rows::write(out, ADDED, &it.added)?;
    }
    let (protections, others): (Vec<_>, Vec<_>) =
        it.settings.iter().partition(|change| is_protection(change));
    let names_shown = names_of(out, &it.names)?;
    let completeness = protections_of(out, &protections)?;
    let (earlier, later): (Vec<_>, Vec<_>) = it.moved.iter().partition(|server| server.earlier);
    let what = format!("{} in an earlier wave", count(earlier.len()));
    list(
        out,
        (&what, "server"),
        EARLIER,
        earlier.into_iter().map(moved),
    )?;
    let what = format!("{} would no longer lose power", count(it.removed.len()));
    list(out, (&what, "server"), LIST, it.removed.iter().map(row))?;
    // One server less moves all that come after it to other batches, which hides everything else.
    let (shifted, elsewhere): (Vec<&Moved<'_>>, Vec<_>) =
        later.into_iter().partition(|server| is_shifted(server));
    let what = format!("{} in another group", count(elsewhere.len()));
    list(
        out,
        (&what, "server"),
        LIST,
        elsewhere.into_iter().map(moved),
    )?;
    if !shifted.is_empty() {
        let shifted = count(shifted.len());
        writeln!(out, "\n{shifted} in another batch of the same group.")?;
    }
    let lines = setting_lines(&others);
    let what = format!("{} changed", counted(others.len(), "setting"));
    list(out, (&what, "line"), LIST, lines.into_iter())?;
    writeln!(out, "\nDigest before: `{}`", it.old)?;
    Ok(match names_shown {
        Completeness::Complete => completeness,
        Completeness::Incomplete => Completeness::Incomplete,
    })
}

/// The names that the run would compare otherwise: without one, a server that was replaced is stopped.
fn names_of(out: &mut String, names: &[NameChange<'_>]) -> Result<Completeness, std::fmt::Error> {
    let servers = counted(names.len(), "server");
    let what = format!("{servers} with another name to compare");
    let shown = list(
        out,
        (&what, "server"),
        EARLIER,
        names.iter().map(name_change),
    )?;
    Ok(match shown == names.len() {
        true => Completeness::Complete,
        false => Completeness::Incomplete,
    })
}

fn protections_of(
    out: &mut String,
    protections: &[&SettingChange],
) -> Result<Completeness, std::fmt::Error> {
    let lines = setting_lines(protections);
    let count = lines.len();
    let what = format!("{} changed", counted(protections.len(), "protection"));
    let shown = list(out, (&what, "line"), PROTECTIONS, lines.into_iter())?;
    Ok(match shown == count {
        true => Completeness::Complete,
        false => Completeness::Incomplete,
    })
}

/// The counts in one line.
fn summary(it: &Difference<'_>) -> String {
    if it.is_order_only() {
        return "The same servers and settings, in another order.".to_owned();
    }
    let elsewhere = it.moved.iter().filter(|server| !is_shifted(server));
    let mut parts = format!(
        "Servers that newly lose power: **{}**, that no longer do: {}, in another group: {}",
        it.added.len(),
        it.removed.len(),
        elsewhere.count()
    );
    let earlier = it.moved.iter().filter(|server| server.earlier).count();
    if earlier > 0 {
        let _ = write!(parts, ", in an earlier wave: **{earlier}**");
    }
    format!("{parts}. Settings: {}.", it.settings.len())
}

/// Whether only wave or batch are others.
fn is_shifted(it: &Moved<'_>) -> bool {
    it.from_group == it.to_group
}

/// Whether a change must never be left out. A setting that is not known here counts as one.
fn is_protection(change: &SettingChange) -> bool {
    let name = change.name.as_str();
    let key = name.split_once(" of ").map_or(name, |(key, _)| key);
    !matches!(
        key,
        "in_flight"
            | "waves"
            | "soak"
            | "batch_size"
            | "rollout.in_flight"
            | "rollout.waves"
            | "rollout.soak"
            | "rollout.batch_size"
            | "rollout.retry_for"
            | "jobs.timeout"
            | "jobs.poll"
            | "rate"
            | "description"
            | "workflow file"
            | "workflow sha256"
            | "servers left out"
            | "source"
    ) && !key.starts_with("labels")
        && !key.starts_with("warning ")
}

/// The lines of changed settings; groups in which a setting changes alike share one.
fn setting_lines(changes: &[&SettingChange]) -> Vec<String> {
    type Values<'a> = (&'a str, Option<&'a str>, Option<&'a str>);
    let mut places: HashMap<Values<'_>, usize> = HashMap::new();
    let mut lines: Vec<(&SettingChange, &str, Vec<&str>)> = Vec::new();
    for change in changes {
        let (key, group) = match change.name.split_once(" of ") {
            Some((key, group)) => (key, Some(group)),
            None => (change.name.as_str(), None),
        };
        let values = (key, change.old.as_deref(), change.new.as_deref());
        let at = match group.and_then(|_| places.get(&values)) {
            Some(at) => *at,
            None => {
                lines.push((change, key, Vec::new()));
                lines.len() - 1
            }
        };
        if let Some(group) = group {
            places.insert(values, at);
            if let Some((_, _, groups)) = lines.get_mut(at) {
                groups.push(group);
            }
        }
    }
    let line = |(change, key, groups): (&SettingChange, &str, Vec<&str>)| {
        format!("{}{}: {}", text(key), of_groups(&groups), values(change))
    };
    lines.into_iter().map(line).collect()
}

/// ` of a`, ` of a, b and 3 more groups`; empty without groups.
fn of_groups(groups: &[&str]) -> String {
    let names: Vec<String> = groups.iter().take(GROUPS).map(|name| text(name)).collect();
    match groups.len().saturating_sub(GROUPS) {
        _ if groups.is_empty() => String::new(),
        0 => format!(" of {}", names.join(", ")),
        more => format!(" of {} and {more} more groups", names.join(", ")),
    }
}

fn values(change: &SettingChange) -> String {
    let pair = value_pair(change.old.as_deref(), change.new.as_deref());
    let value = |value: Option<String>| match value {
        Some(value) => for_markdown(&value),
        None => "**not set**".to_owned(),
    };
    let note = pair
        .note
        .map_or_else(String::new, |note| format!(" ({note})"));
    format!("{} → {}{note}", value(pair.old), value(pair.new))
}

/// Files that differ, also those that change nothing in the plan.
fn files(out: &mut String, files: &[ChangedFile]) -> std::fmt::Result {
    let lines = files.iter().map(|file| {
        let (kind, change) = (file.kind.word(), file.change.word());
        format!("{}: {kind} {change}", shown_path(&file.path))
    });
    let what = format!("{} changed", counted(files.len(), "file"));
    list(out, (&what, "file"), LIST, lines)?;
    Ok(())
}

/// A heading, and the lines of a list of things that are called so. Returns how many are shown.
fn list(
    out: &mut String,
    (heading, noun): (&str, &str),
    budget: Budget,
    lines: impl ExactSizeIterator<Item = String>,
) -> Result<usize, std::fmt::Error> {
    if lines.len() == 0 {
        return Ok(0);
    }
    writeln!(out, "\n#### {heading}\n")?;
    let lines = lines.map(|line| format!("- {line}\n"));
    within(out, budget, "- ", noun, lines)
}

fn row(it: &Placed<'_>) -> String {
    let (server, group) = (named(it.id, it.name), text(it.group));
    format!("{server} in {group}, batch {}", it.batch)
}

fn moved(it: &Moved<'_>) -> String {
    let (from, to) = (text(it.from_group), text(it.to_group));
    format!(
        "{} from {from}, wave {}, batch {} to {to}, wave {}, batch {}",
        named(it.id, it.name),
        it.from_wave + 1,
        it.from_batch,
        it.to_wave + 1,
        it.to_batch
    )
}

fn name_change(it: &NameChange<'_>) -> String {
    let name = |name: Option<&str>| name.map_or("no name".to_owned(), text);
    format!("`{}`: {} → {}", it.id, name(it.old), name(it.new))
}
