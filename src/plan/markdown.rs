//! A plan as Markdown, for the comment on a pull request.
//!
//! Owns the layout and its size: every part that can grow has a budget of bytes, and says how much it
//! leaves out. Invariant: the result is under 60,000 characters for any plan and difference, and text from
//! outside is plain words in it, never markup, link, mention or table.

use std::fmt::Write;

use super::difference::Difference;
use super::difference_markdown;
use super::exposure::{self, Risk};
use super::judgement::{Breach, Judgement};
use super::model::Plan;
use super::schedule;
use super::words::{GroupView, counted, finding, gates, least_time, paths, pause, settings};
use crate::ids::ServerId;
use crate::untrusted::{for_markdown, shorten};

/// How much a list may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    pub(super) bytes: usize,
    pub(super) lines: usize,
}

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
    bytes: 1_500,
    lines: 12,
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

/// The plan for a reviewer: which servers lose power, in which order, what that changes, under which limits.
///
/// The first line is invisible; by it a pipeline finds its own comment of this workflow again.
pub fn to_markdown(plan: &Plan, changes: Option<&Difference<'_>>, judgement: &Judgement) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_markdown(&mut text, plan, changes, judgement);
    text
}

fn write_markdown(
    out: &mut String,
    plan: &Plan,
    changes: Option<&Difference<'_>>,
    judgement: &Judgement,
) -> std::fmt::Result {
    head(out, plan, judgement)?;
    groups(out, plan)?;
    waves(out, plan)?;
    selections(out, plan)?;
    if let Some(changes) = changes {
        difference_markdown::write(out, changes)?;
    }
    settled(out, plan)?;
    guards(out, judgement)?;
    warnings(out, plan)?;
    writeln!(out, "\nDigest: `{}`", plan.digest)
}

/// The invisible line: nothing of a name can end the comment that it stands in.
fn marker(name: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let name: String = name.chars().filter(plain).take(TEXT).collect();
    format!("<!-- lightsout plan {name} -->")
}

fn head(out: &mut String, plan: &Plan, judgement: &Judgement) -> std::fmt::Result {
    let summary = &plan.workflow;
    writeln!(
        out,
        "{}\n## Power-off plan of {} ({})\n",
        marker(&summary.name),
        text(&summary.name),
        text(&summary.file)
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
    writeln!(
        out,
        "**{}** in {} would be {} with {}. Nothing has been sent.",
        counted(plan.target_count(), "server"),
        counted(plan.groups.len(), "group"),
        plan.action.powered_how(),
        counted(plan.batches.len(), "request")
    )?;
    if plan.batches.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\nThat takes {}. A batch with servers that are still at work can take one more request.",
        least_time(&schedule::of(plan))
    )
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
    within(out, GROUPS, "\n", "group", rows)
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
    within(out, WAVES, "\n", "wave", rows)
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
    within(out, SELECTIONS, "- ", "group", lines)
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
    within(out, LIST, "\n", "label", labels)
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
    within(out, LIST, "\n", "guard", rows)
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
    within(out, LIST, "- ", "warning", told)
}

/// Writes lines while they fit, then how many are left out, after `lead`.
pub(super) fn within(
    out: &mut String,
    budget: Budget,
    lead: &str,
    noun: &str,
    lines: impl ExactSizeIterator<Item = String>,
) -> std::fmt::Result {
    let end = out.len() + budget.bytes;
    let count = lines.len();
    for (written, line) in lines.enumerate() {
        if written == budget.lines || out.len() + line.len() > end {
            let more = counted(count - written, noun).replacen(' ', " more ", 1);
            return writeln!(out, "{lead}… and {more}");
        }
        out.push_str(&line);
    }
    Ok(())
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
