//! A plan as Markdown, for the comment on a pull request.
//!
//! Owns the layout and its size: every part that can grow has a budget of bytes, and says how much it
//! leaves out. Invariant: the result is under 60,000 characters for any plan and difference, and text from
//! outside is plain words in it, never markup, link, mention or table.

use std::fmt::Write;

use super::difference::Difference;
use super::difference_markdown::{self, Completeness};
use super::exposure::{self, Risk};
use super::judgement::{Breach, Judgement};
use super::model::Plan;
use super::notice::{marker, shown_path};
use super::review::{Base, Review};
use super::schedule;
use super::words::{GroupView, counted, finding, gates, least_time, paths, pause, settings};
use crate::ids::ServerId;
use crate::power::Action;
use crate::untrusted::{for_markdown, shorten};

/// How much a list may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    pub(super) bytes: usize,
    pub(super) lines: usize,
}

/// Where lists end, whatever their budgets: GitHub takes 65,536 characters, and settings follow the lists.
const LISTS_END: usize = 45_000;
/// What the rows of groups may take.
const GROUPS: Budget = Budget {
    bytes: 12_000,
    lines: 200,
};
/// What the rows of waves may take.
const WAVES: Budget = Budget {
    bytes: 8_000,
    lines: 120,
};
/// What selections may take.
const SELECTIONS: Budget = Budget {
    bytes: 6_000,
    lines: 50,
};
/// What labels, guards and warnings may each take.
const LIST: Budget = Budget {
    bytes: 4_000,
    lines: 50,
};
/// Longest description that is shown; escaped, a character takes up to 14 bytes.
const DESCRIPTION: usize = 300;
/// Longest other text that is shown.
const TEXT: usize = 60;
/// Longest value of a setting that is shown.
const VALUE: usize = 300;
/// Longest warning that is shown.
const MESSAGE: usize = 200;

/// What a plan is compared with in a comment.
#[derive(Debug, Clone, Copy)]
pub enum Changes<'a> {
    /// With nothing.
    NotCompared,
    /// With another plan.
    Against(&'a Difference<'a>),
    /// With what the base branch has approved.
    Base(&'a Review<'a>),
}

impl Changes<'_> {
    /// How many servers the older plan has, if there is one.
    fn targets_before(&self, plan: &Plan) -> Option<usize> {
        let difference = match self {
            Self::NotCompared => return None,
            Self::Against(difference) => *difference,
            Self::Base(review) => match &review.base {
                Base::Absent | Base::Unapproved { .. } => return None,
                Base::Approved { difference, .. } => difference,
            },
        };
        Some(plan.target_count() + difference.removed.len() - difference.added.len())
    }
}

/// The second line of a comment in which protections are left out; pipelines look for it.
const INCOMPLETE: &str = "<!-- lightsout incomplete -->\n";

/// The plan for a reviewer: which servers lose power, in which order, what that changes, under which limits.
///
/// `path` is that of the workflow in its work tree. The first line is invisible, and made of it: a pipeline
/// finds its own comment of this workflow by that line.
pub fn to_markdown(
    plan: &Plan,
    path: &str,
    changes: &Changes<'_>,
    judgement: &Judgement,
) -> String {
    let mut text = format!("{}\n", marker(path));
    let body = text.len();
    // Writing to a string cannot fail.
    let completeness = write_markdown(&mut text, plan, (path, changes), judgement);
    if completeness == Ok(Completeness::Incomplete) {
        text.insert_str(body, INCOMPLETE);
    }
    text
}

fn write_markdown(
    out: &mut String,
    plan: &Plan,
    (path, changes): (&str, &Changes<'_>),
    judgement: &Judgement,
) -> Result<Completeness, std::fmt::Error> {
    head(out, plan, (path, changes), judgement)?;
    let completeness = difference_markdown::write(out, plan, changes)?;
    groups(out, plan)?;
    waves(out, plan)?;
    selections(out, plan)?;
    settled(out, plan)?;
    guards(out, judgement)?;
    warnings(out, plan)?;
    writeln!(out, "\nDigest: `{}`", plan.digest)?;
    if completeness == Completeness::Incomplete {
        writeln!(
            out,
            "\n**This comment is incomplete: it leaves protections out. Compare the plan files.**"
        )?;
    }
    Ok(completeness)
}

fn head(
    out: &mut String,
    plan: &Plan,
    (path, changes): (&str, &Changes<'_>),
    judgement: &Judgement,
) -> std::fmt::Result {
    let summary = &plan.workflow;
    let count = plan.target_count();
    let before = match changes.targets_before(plan) {
        Some(before) if before < count => format!(", {} more than before", count - before),
        Some(before) if before > count => format!(", {} fewer than before", before - count),
        Some(_) | None => String::new(),
    };
    let servers = counted(count, "server");
    let power = match plan.action {
        Action::Stop(stop_type) => format!("off {servers} ({})", stop_type.as_str()),
        Action::Start => format!("on {servers}"),
    };
    writeln!(
        out,
        "### lightsout: {} will power {power}{before}\n\nWorkflow: {}\n",
        text(&summary.name),
        shown_path(path)
    )?;
    if let Some(description) = &summary.description {
        // Shown in one line, as its own lines may mean something to Markdown.
        let words: Vec<&str> = description.split_whitespace().collect();
        if !words.is_empty() {
            let shown = for_markdown(&shorten(&words.join(" "), DESCRIPTION));
            writeln!(out, "> {shown}\n")?;
        }
    }
    breaches(out, judgement)?;
    write!(
        out,
        "**{servers}** in {}, {}.",
        counted(plan.groups.len(), "group"),
        counted(plan.batches.len(), "request")
    )?;
    if !plan.batches.is_empty() {
        let time = least_time(&schedule::of(plan));
        write!(
            out,
            " A run takes {time}. A batch with servers that are still at work can take one more request."
        )?;
    }
    writeln!(out, " Nothing has been sent.")?;
    match plan.action {
        Action::Stop(_) if !judgement.is_breached() => writeln!(
            out,
            "\nAfter the merge, `run --locked` powers off exactly these servers and refuses any other plan."
        ),
        Action::Stop(_) | Action::Start => Ok(()),
    }
}

fn groups(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let views = GroupView::all(plan);
    let loser = views.iter().find_map(|view| Some((view, view.first()?)));
    let Some((first, server)) = loser else {
        return writeln!(out, "\nThe plan has no targets.");
    };
    writeln!(
        out,
        "\n### Who loses power\n\nPower is cut first in group {}, beginning with {}.\n",
        text(&first.group.name),
        target(plan, server)
    )?;
    writeln!(
        out,
        "| group | servers | excluded | waves | batches | first | last |"
    )?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: | --- | --- |")?;
    let end =
        |server: Option<ServerId>| server.map_or(String::new(), |server| target(plan, server));
    let rows = views.iter().map(|view| {
        format!(
            "| {} | {} | {} | {} | {} | {} | {} |\n",
            text(&view.group.name),
            view.group.targets,
            view.group.excluded,
            view.waves(),
            view.batches.len(),
            end(view.first()),
            end(view.last())
        )
    });
    within(out, GROUPS, "\n", "group", rows)?;
    Ok(())
}

/// What each wave is, and how far a run goes in which it fails.
fn waves(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let views = exposure::waves(plan);
    if views.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### Waves\n")?;
    if plan.max_failures().is_some() {
        writeln!(
            out,
            "A run sends nothing more when more servers have failed, or are unknown, than are borne. So many servers \
             are hit by then, at most, if all goes well before a wave and all fail from it on.\n"
        )?;
    }
    writeln!(
        out,
        "| group | wave | servers | batches | failures borne | hit if all fail | then waits |"
    )?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: | --- |")?;
    let rows = views.iter().map(|view| {
        let risk = match view.risk {
            Some(Risk { borne, hit }) => format!("{borne} | {hit}"),
            None => "no limit | no limit".to_owned(),
        };
        format!(
            "| {} | {} | {} | {} | {risk} | {} |\n",
            text(&plan.groups[view.group].name),
            view.wave + 1,
            view.servers,
            view.batches.len(),
            pause(view.soak)
        )
    });
    within(out, WAVES, "\n", "wave", rows)?;
    Ok(())
}

/// What groups asked of the project's listing, and what that found.
fn selections(out: &mut String, plan: &Plan) -> std::fmt::Result {
    if plan.selections.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\nFound in the project's listing and frozen in the plan:\n"
    )?;
    let lines = plan.selections.iter().map(|selection| {
        let (group, found) = (text(&selection.asked.group), message(&finding(selection)));
        format!("- **{group}**: {found}\n")
    });
    within(out, SELECTIONS, "- ", "group", lines)?;
    Ok(())
}

fn settled(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let project = &plan.project;
    writeln!(out, "\n### Settings\n\n| setting | value |\n| --- | --- |")?;
    writeln!(out, "| `project` | `{}` |", project.id)?;
    if let Some(region) = &project.region {
        writeln!(out, "| `region` | {} |", text(region))?;
    }
    writeln!(
        out,
        "| `endpoint` | {} |",
        text(&project.endpoint.to_string())
    )?;
    for (name, value) in settings(plan) {
        let value = shorten(&value, VALUE);
        // What stands between the colons of times could be taken for an emoji's name.
        match value.contains(':') {
            true => writeln!(out, "| `{name}` | `{value}` |")?,
            false => writeln!(out, "| `{name}` | {value} |")?,
        }
    }
    for (name, path) in paths(plan) {
        writeln!(
            out,
            "| `{name}` | {} |",
            for_markdown(&shorten(&path, VALUE))
        )?;
    }
    let row = |(name, gate): (String, String)| {
        let gate = for_markdown(&shorten(&gate, VALUE));
        format!("| {} | {gate} |\n", text(&name))
    };
    let gates = gates(plan).into_iter().map(row);
    within(out, LIST, "\n", "gate", gates)?;
    let labels = plan.labels.iter();
    let labels = labels.map(|(key, value)| format!("| label {} | {} |\n", text(key), text(value)));
    within(out, LIST, "\n", "label", labels)?;
    Ok(())
}

/// What forbids the plan, before anything else is told of it.
fn breaches(out: &mut String, judgement: &Judgement) -> std::fmt::Result {
    if !judgement.is_breached() {
        return Ok(());
    }
    writeln!(out, "**BREACHED: a run would refuse this plan.**\n")?;
    let reasons: Vec<_> = judgement
        .breaches
        .iter()
        .flat_map(Breach::reasons)
        .collect();
    let lines = reasons.iter().map(|reason| {
        let (rule, why) = (message(&reason.rule), message(&reason.text));
        match reason.server {
            Some(server) => format!("- {rule}: server `{server}` {why}\n"),
            None => format!("- {rule}: {why}\n"),
        }
    });
    within(out, LIST, "- ", "reason", lines)?;
    writeln!(out)
}

fn guards(out: &mut String, judgement: &Judgement) -> std::fmt::Result {
    writeln!(
        out,
        "\n### Guards\n\n| guard | from | plan | verdict |\n| --- | --- | --- | --- |"
    )?;
    let rows = judgement.rulings.iter().map(|ruling| {
        let from = ruling.policy.as_deref().unwrap_or("the workflow");
        let (name, from, word) = (text(&ruling.name), text(from), ruling.word());
        format!("| {name} | {from} | {} | {word} |\n", ruling.measure())
    });
    within(out, LIST, "\n", "guard", rows)?;
    Ok(())
}

fn message(outside: &str) -> String {
    for_markdown(&shorten(outside, MESSAGE))
}

fn warnings(out: &mut String, plan: &Plan) -> std::fmt::Result {
    if plan.warnings.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### Warnings\n")?;
    let told = plan.warnings.iter().map(|warning| {
        let message = message(&warning.message);
        format!("- **{}**: {message}\n", text(&warning.code))
    });
    within(out, LIST, "- ", "warning", told)?;
    Ok(())
}

/// How many bytes of a budget are left in a comment.
pub(super) fn room(out: &str, budget: Budget) -> usize {
    budget.bytes.min(LISTS_END.saturating_sub(out.len()))
}

/// Writes lines while they fit, then how many are left out, after `lead`. Returns how many are shown.
pub(super) fn within(
    out: &mut String,
    budget: Budget,
    lead: &str,
    noun: &str,
    lines: impl ExactSizeIterator<Item = String>,
) -> Result<usize, std::fmt::Error> {
    let end = out.len() + room(out, budget);
    let count = lines.len();
    for (written, line) in lines.enumerate() {
        if written == budget.lines || out.len() + line.len() > end {
            let more = counted(count - written, noun).replacen(' ', " more ", 1);
            writeln!(out, "{lead}… and {more}")?;
            return Ok(written);
        }
        out.push_str(&line);
    }
    Ok(count)
}

fn target(plan: &Plan, server: ServerId) -> String {
    named(server, plan.name_of(server))
}

/// An ID, and the name that the inventory gives.
pub(super) fn named(server: ServerId, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("`{server}` {}", text(name)),
        None => format!("`{server}`"),
    }
}

/// A short text from outside.
pub(super) fn text(outside: &str) -> String {
    for_markdown(&shorten(outside, TEXT))
}

#[cfg(test)]
mod tests;
