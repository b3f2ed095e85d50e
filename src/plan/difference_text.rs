//! A difference between two plans as text, for a terminal or a log.
//!
//! Owns the layout and how much of long lists is shown. Names come from outside and are escaped.
//! Invariant: the machines that newly lose power come first.

use std::fmt::Write;

use super::difference::{Difference, Moved, NameChange, Placed, SettingChange};
use super::value_pair::value_pair;
use super::words::counted;
use crate::ids::ServerId;
use crate::untrusted::{for_terminal, shorten};

/// Servers that are named in each list.
const NAMED: usize = 50;
/// Settings that are named.
const SETTINGS: usize = 40;
/// Longest name from outside that is shown.
const NAME: usize = 60;
/// Longest name of a setting that is shown, group included.
const SETTING: usize = 150;

impl Difference<'_> {
    /// The difference for a terminal or a log.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        if self.same {
            writeln!(
                out,
                "no difference in what a run does: both plans have digest {}",
                self.new
            )?;
            if self.is_empty() {
                return Ok(());
            }
            writeln!(out)?;
        }
        let servers = |count| counted(count, "server");
        let added = self.added.iter().map(placed);
        let what = format!("{} would newly lose power", servers(added.len()));
        list(out, &what, NAMED, added)?;
        let removed = self.removed.iter().map(placed);
        let what = format!("{} would no longer lose power", servers(removed.len()));
        list(out, &what, NAMED, removed)?;
        let elsewhere = self.moved.iter().map(moved);
        let what = format!("{} in another group or batch", servers(elsewhere.len()));
        list(out, &what, NAMED, elsewhere)?;
        let names = self.names.iter().map(name_change);
        let what = format!("{} with another name to compare", servers(names.len()));
        list(out, &what, NAMED, names)?;
        let settings = self.settings.iter().map(setting);
        let what = format!("{} changed", counted(settings.len(), "setting"));
        list(out, &what, SETTINGS, settings)?;
        if self.is_order_only() {
            writeln!(out, "the same servers and settings, in another order\n")?;
        }
        if self.same {
            return Ok(());
        }
        writeln!(out, "digest\n  from {}\n  to {}", self.old, self.new)
    }
}

/// A heading, and the first of these servers.
pub(super) fn servers(out: &mut String, heading: &str, servers: &[Placed<'_>]) -> std::fmt::Result {
    list(out, heading, NAMED, servers.iter().map(placed))
}

/// Writes the first lines of a list, then how many more there are.
fn list(
    out: &mut String,
    heading: &str,
    most: usize,
    lines: impl ExactSizeIterator<Item = String>,
) -> std::fmt::Result {
    let all = lines.len();
    if all == 0 {
        return Ok(());
    }
    writeln!(out, "{heading}")?;
    for line in lines.take(most) {
        writeln!(out, "  {line}")?;
    }
    if all > most {
        writeln!(out, "  and {} more", all - most)?;
    }
    writeln!(out)
}

fn outside(text: &str) -> String {
    for_terminal(&shorten(text, NAME)).into_owned()
}

fn server(id: ServerId, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{id} {}", outside(name)),
        None => id.to_string(),
    }
}

fn placed(it: &Placed<'_>) -> String {
    let (server, group) = (server(it.id, it.name), outside(it.group));
    format!("{server} in {group}, batch {}", it.batch)
}

fn moved(it: &Moved<'_>) -> String {
    let (server, from, to) = (
        server(it.id, it.name),
        outside(it.from_group),
        outside(it.to_group),
    );
    let earlier = if it.earlier { " (earlier)" } else { "" };
    format!(
        "{server} from {from}, batch {} to {to}, batch {}{earlier}",
        it.from_batch, it.to_batch
    )
}

fn name_change(it: &NameChange<'_>) -> String {
    let name = |name: Option<&str>| name.map_or("no name".to_owned(), outside);
    format!("{}: {} → {}", it.id, name(it.old), name(it.new))
}

fn setting(change: &SettingChange) -> String {
    let pair = value_pair(change.old.as_deref(), change.new.as_deref());
    let value = |value: Option<String>| match value {
        Some(value) => for_terminal(&value).into_owned(),
        None => "(not set)".to_owned(),
    };
    let name = for_terminal(&shorten(&change.name, SETTING)).into_owned();
    let note = pair
        .note
        .map_or_else(String::new, |note| format!(" ({note})"));
    format!("{name}: {} → {}{note}", value(pair.old), value(pair.new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample::{self, group};

    #[test]
    fn a_difference_as_text() {
        let old = sample::plan(vec![group("a", 0, 3), group("b", 3, 2)]);
        let mut workflow = sample::workflow();
        workflow.guards.max_servers = 7;
        let new = sample::plan_of(&workflow, vec![group("a", 1, 3), group("b", 4, 2)]);
        insta::assert_snapshot!(Difference::between(&old, &new).to_text());
    }

    #[test]
    fn a_difference_that_is_none_says_so() {
        let plan = sample::fleet();
        let text = Difference::between(&plan, &plan).to_text();
        assert!(
            text.starts_with("no difference in what a run does: both"),
            "{text}"
        );
    }

    #[test]
    fn long_lists_are_cut_and_names_escaped() {
        let hostile = |prefix: &str, from: u32| {
            let name = format!("{prefix}{}", "|<b>@all\u{202e}".repeat(2_000));
            group(&name, from, 20_000)
        };
        let old = sample::plan(vec![hostile("a", 0), hostile("b", 20_000)]);
        let new = sample::plan(vec![hostile("c", 10_000), hostile("d", 30_000)]);
        let text = Difference::between(&old, &new).to_text();
        assert!(text.len() < 60_000, "{}", text.len());
        assert!(text.contains("  and 9950 more\n"), "{text}");
        assert!(!text.contains('\u{202e}'));
    }
}
