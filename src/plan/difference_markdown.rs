//! What changes between two plans, as the part of a pull request comment.
//!
//! Owns the layout, and the budget of every list that can grow. Invariant: the machines that newly
//! lose power come first, and what is left out is counted.

use std::fmt::Write;

use super::difference::{Difference, Moved, Placed, SettingChange};
use super::markdown::{Budget, named, text, within};
use super::words::counted;

/// What the servers that newly lose power may take.
const ADDED: Budget = Budget {
    bytes: 9_000,
    lines: 100,
};
/// What each of the other lists may take.
const LIST: Budget = Budget {
    bytes: 4_000,
    lines: 20,
};

/// The part of the comment that tells what changes from an older plan.
pub(super) fn write(out: &mut String, it: &Difference<'_>) -> std::fmt::Result {
    writeln!(out, "\n### What changes\n")?;
    if it.same {
        return writeln!(
            out,
            "Nothing that a run would do: the older plan has the same digest."
        );
    }
    writeln!(out, "{}", summary(it))?;
    let servers = |count| counted(count, "server");
    let added = it.added.iter().map(placed);
    let what = format!("{} would newly lose power", servers(added.len()));
    list(out, (&what, "server"), ADDED, added)?;
    let removed = it.removed.iter().map(placed);
    let what = format!("{} would no longer lose power", servers(removed.len()));
    list(out, (&what, "server"), LIST, removed)?;
    // One server less moves all that come after it to other batches; who looks at each of those sees nothing else.
    let (shifted, elsewhere): (Vec<_>, Vec<_>) =
        it.moved.iter().partition(|server| is_shifted(server));
    let what = format!("{} in another group", servers(elsewhere.len()));
    let lines = elsewhere.into_iter().map(moved);
    list(out, (&what, "server"), LIST, lines)?;
    if !shifted.is_empty() {
        let shifted = servers(shifted.len());
        writeln!(out, "\n{shifted} in another batch of the same group.")?;
    }
    let settings = it.settings.iter().map(setting);
    let what = format!("{} changed", counted(settings.len(), "setting"));
    list(out, (&what, "setting"), LIST, settings)?;
    writeln!(out, "\nDigest before: `{}`", it.old)
}

/// The counts in one line.
fn summary(it: &Difference<'_>) -> String {
    if it.is_order_only() {
        return "The same servers and settings, in another order.".to_owned();
    }
    format!(
        "Servers that newly lose power: **{}**, that no longer do: {}, in another group: {}; settings: {}.",
        it.added.len(),
        it.removed.len(),
        it.moved.iter().filter(|server| !is_shifted(server)).count(),
        it.settings.len()
    )
}

/// Whether only the batch is another one.
fn is_shifted(it: &Moved<'_>) -> bool {
    it.from_group == it.to_group
}

/// A heading, and the lines of a list of things that are called so.
fn list(
    out: &mut String,
    (heading, noun): (&str, &str),
    budget: Budget,
    lines: impl ExactSizeIterator<Item = String>,
) -> std::fmt::Result {
    if lines.len() == 0 {
        return Ok(());
    }
    writeln!(out, "\n#### {heading}\n")?;
    let lines = lines.map(|line| format!("- {line}\n"));
    within(out, budget, "- ", noun, lines)
}

fn placed(it: &Placed<'_>) -> String {
    let (server, group) = (named(it.id, it.name), text(it.group));
    format!("{server} in {group}, batch {}", it.batch)
}

fn moved(it: &Moved<'_>) -> String {
    let (from, to) = (text(it.from_group), text(it.to_group));
    format!(
        "{} from {from}, batch {} to {to}, batch {}",
        named(it.id, it.name),
        it.from_batch,
        it.to_batch
    )
}

fn setting(change: &SettingChange) -> String {
    let value = |value: &Option<String>| value.as_deref().map_or("none".to_owned(), text);
    let name = text(&change.name);
    format!("{name}: {} → {}", value(&change.old), value(&change.new))
}
