//! A plan as Markdown, for the comment on a pull request.
//!
//! Owns the layout and its size: every part that can grow has a budget of bytes, and says how much it
//! leaves out. Invariant: the result is under 60,000 characters for any plan, and text from outside
//! is plain words in it, never markup, link, mention or table.

use std::fmt::Write;

use super::model::Plan;
use super::words::{GroupView, breached, counted, settings, verdict};
use crate::ids::ServerId;
use crate::untrusted::{for_markdown, shorten};

/// Bytes that the rows of groups may take.
const GROUPS_BUDGET: usize = 30_000;
/// Bytes that labels, and warnings, may each take.
const LIST_BUDGET: usize = 6_000;
/// Longest description that is shown; escaped, a character takes up to 14 bytes.
const DESCRIPTION: usize = 500;
/// Longest other text that is shown.
const TEXT: usize = 80;
/// Longest warning that is shown.
const MESSAGE: usize = 300;

/// The plan for a reviewer: which servers lose power, in which order, under which limits.
pub fn to_markdown(plan: &Plan) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_markdown(&mut text, plan);
    text
}

fn write_markdown(out: &mut String, plan: &Plan) -> std::fmt::Result {
    head(out, plan)?;
    groups(out, plan)?;
    guards(out, plan)?;
    warnings(out, plan)?;
    writeln!(out, "\n### Settings\n\n| setting | value |\n| --- | --- |")?;
    for (name, value) in settings(plan) {
        writeln!(out, "| `{name}` | {value} |")?;
    }
    writeln!(out, "\nDigest: `{}`", plan.digest)
}

fn head(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let project = &plan.project;
    writeln!(
        out,
        "## Power-off plan of {} ({})\n",
        text(&plan.workflow.name),
        text(&plan.workflow.file)
    )?;
    if let Some(description) = &plan.workflow.description {
        writeln!(
            out,
            "> {}\n",
            for_markdown(&shorten(description, DESCRIPTION))
        )?;
    }
    if breached(plan) {
        writeln!(
            out,
            "**A guard is BREACHED: a run would refuse this plan.**\n"
        )?;
    }
    writeln!(
        out,
        "**{}** in {} would be powered off ({}) with {}. Nothing has been sent.\n",
        counted(plan.target_count(), "server"),
        counted(plan.groups.len(), "group"),
        plan.stop_type.as_str(),
        counted(plan.batches.len(), "request")
    )?;
    writeln!(out, "- Project: `{}`", project.id)?;
    if let Some(region) = &project.region {
        writeln!(out, "- Region: {}", text(region))?;
    }
    writeln!(out, "- Endpoint: `{}`", project.endpoint)?;
    let labels = plan.labels.iter();
    let labels = labels.map(|(key, value)| format!("- Label {}: {}\n", text(key), text(value)));
    within(out, LIST_BUDGET, "- ", "label", labels)
}

fn groups(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let views = GroupView::all(plan);
    let loser = views.iter().find_map(|view| Some((view, view.first()?)));
    let Some((first, server)) = loser else {
        return writeln!(out, "\nThe plan has no targets.");
    };
    writeln!(
        out,
        "\n### Order\n\nPower is cut first in group {}, beginning with {}.\n",
        text(&first.group.name),
        named(plan, server)
    )?;
    writeln!(
        out,
        "| group | servers | excluded | waves | batches | first | last |"
    )?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: | --- | --- |")?;
    let end = |server: Option<ServerId>| server.map_or(String::new(), |server| named(plan, server));
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
    within(out, GROUPS_BUDGET, "\n", "group", rows)
}

fn guards(out: &mut String, plan: &Plan) -> std::fmt::Result {
    writeln!(
        out,
        "\n### Guards\n\n| guard | limit | plan | verdict |\n| --- | ---: | ---: | --- |"
    )?;
    for guard in &plan.guards {
        let actual = guard
            .actual
            .map_or("?".to_owned(), |actual| actual.to_string());
        let name = text(&guard.name);
        writeln!(
            out,
            "| {name} | {} | {actual} | {} |",
            guard.limit,
            verdict(guard)
        )?;
    }
    Ok(())
}

fn warnings(out: &mut String, plan: &Plan) -> std::fmt::Result {
    if plan.warnings.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### Warnings\n")?;
    let told = plan.warnings.iter().map(|warning| {
        let message = for_markdown(&shorten(&warning.message, MESSAGE));
        format!("- **{}**: {message}\n", text(&warning.code))
    });
    within(out, LIST_BUDGET, "- ", "warning", told)
}

/// Writes lines while they fit, then how many are left out, after `lead`.
fn within(
    out: &mut String,
    budget: usize,
    lead: &str,
    noun: &str,
    lines: impl ExactSizeIterator<Item = String>,
) -> std::fmt::Result {
    let end = out.len() + budget;
    let count = lines.len();
    for (written, line) in lines.enumerate() {
        if out.len() + line.len() > end {
            let more = counted(count - written, noun).replacen(' ', " more ", 1);
            return writeln!(out, "{lead}… and {more}");
        }
        out.push_str(&line);
    }
    Ok(())
}

/// An ID, and the name that the inventory gives.
fn named(plan: &Plan, server: ServerId) -> String {
    match plan.name_of(server) {
        Some(name) => format!("`{server}` {}", text(name)),
        None => format!("`{server}`"),
    }
}

fn text(outside: &str) -> String {
    for_markdown(&shorten(outside, TEXT))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;
    use crate::diagnostic::Diagnostic;
    use crate::inventory::Targets;
    use crate::plan::make::expand;
    use crate::plan::sample::{self, group, server};

    /// What GitHub takes, less a margin.
    const LIMIT: usize = 60_000;

    #[test]
    fn a_reviewer_sees_who_loses_power_first() {
        assert_snapshot!(to_markdown(&sample::fleet()));
    }

    #[test]
    fn many_groups_are_cut_and_counted() {
        let groups = (0..3000).map(|n| group(&format!("rack-{n}"), n, 1));
        let text = to_markdown(&sample::plan(groups.collect()));
        assert!(text.len() < LIMIT);
        let shown = text
            .lines()
            .filter(|line| line.starts_with("| rack"))
            .count();
        assert!(
            text.contains(&format!("\n… and {} more groups\n", 3000 - shown)),
            "{shown}"
        );
    }

    /// A plan in which everything that may come from outside is `text`.
    fn hostile(text: &str, groups: u32) -> Plan {
        let mut workflow = sample::workflow();
        workflow.description = Some(text.to_owned());
        workflow.region = Some(text.to_owned());
        workflow.name = text.to_owned();
        let label = |n| (format!("{n}{text}"), text.to_owned());
        workflow.labels = (0..groups).map(label).collect();
        workflow.warnings = vec![Diagnostic::warning("a-code", text); groups as usize];
        let names = (0..groups).map(|n| (server(n), text.to_owned()));
        let targets = (0..groups).map(|n| group(&format!("g{n}"), n, 1)).collect();
        expand(
            &workflow,
            Targets::for_tests(targets, names.collect::<BTreeMap<_, _>>()),
        )
    }

    #[test]
    fn the_longest_texts_still_fit() {
        for text in ["\u{e0001}", "@", "|", "\u{1f5a5}"] {
            let plan = hostile(&text.repeat(1000), 500);
            let length = to_markdown(&plan).len();
            assert!(length < LIMIT, "{length} bytes of {text:?}");
        }
    }

    #[test]
    fn a_hostile_text_stays_words() {
        let text = "<img src=x onerror=alert(1)> [a](https://evil) ![b](c) @team #1 ```\n| x | y |\n# head";
        let shown = to_markdown(&hostile(text, 1));
        assert_snapshot!(shown);
    }

    proptest! {
        #[test]
        fn hostile_text_changes_no_structure(text in "[ -~\n\r\t\u{80}-\u{9f}\u{202e}é]{0,120}", groups in 1u32..4) {
            let shown = to_markdown(&hostile(&text, groups));
            let plain = to_markdown(&hostile("x", groups));
            prop_assert!(shown.len() < LIMIT);
            prop_assert_eq!(shown.lines().count(), plain.lines().count());
            for (shown, plain) in shown.lines().zip(plain.lines()) {
                prop_assert_eq!(cells(shown), cells(plain));
                prop_assert_eq!(shown.contains('<'), plain.contains('<'));
                prop_assert_eq!(shown.chars().take(2).collect::<String>(), plain.chars().take(2).collect::<String>());
            }
        }
    }

    /// How many bars of a line separate cells.
    fn cells(line: &str) -> usize {
        line.replace("\\\\", "")
            .replace("\\|", "")
            .matches('|')
            .count()
    }
}
