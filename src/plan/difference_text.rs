//! A difference between two plans for people: as text, and as Markdown for a pull request.
//!
//! Owns the layout and how much of long lists is shown. Names come from outside and are escaped.
//! Invariant: the machines that newly lose power come first, and the Markdown of any difference is
//! under 60,000 characters.

use std::fmt::Write;

use super::difference::{Difference, Moved, Placed, SettingChange};
use super::words::counted;
use crate::untrusted::{for_markdown, for_terminal, shorten};

/// Servers that are named in each list.
const NAMED: usize = 50;
/// Settings that are named.
const SETTINGS: usize = 40;
/// Longest name from outside that is shown.
const NAME: usize = 60;

/// How a form escapes and marks what it shows.
struct Form {
    escape: fn(&str) -> String,
    heading: &'static str,
    item: &'static str,
    code: &'static str,
}

const TEXT: Form = Form {
    escape: |text| for_terminal(text).into_owned(),
    heading: "",
    item: "  ",
    code: "",
};
const MARKDOWN: Form = Form {
    escape: for_markdown,
    heading: "### ",
    item: "- ",
    code: "`",
};

impl Difference<'_> {
    /// The difference for a terminal or a log.
    pub fn to_text(&self) -> String {
        self.shown(&TEXT)
    }

    /// The difference for a pull request comment.
    pub fn to_markdown(&self) -> String {
        self.shown(&MARKDOWN)
    }

    fn shown(&self, form: &Form) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out, form);
        out
    }

    fn write(&self, out: &mut String, form: &Form) -> std::fmt::Result {
        if self.same {
            return writeln!(
                out,
                "no difference: both plans have digest {}",
                self.quoted(form, self.new)
            );
        }
        list(out, form, "would newly lose power", &self.added, |server| {
            form.placed(server)
        })?;
        list(
            out,
            form,
            "would no longer lose power",
            &self.removed,
            |server| form.placed(server),
        )?;
        list(
            out,
            form,
            "in another group or batch",
            &self.moved,
            |server| form.moved(server),
        )?;
        self.write_settings(out, form)?;
        let (old, new) = (self.quoted(form, self.old), self.quoted(form, self.new));
        writeln!(
            out,
            "{}digest\n{}from {old}\n{}to {new}",
            form.heading, form.item, form.item
        )
    }

    fn write_settings(&self, out: &mut String, form: &Form) -> std::fmt::Result {
        if self.settings.is_empty() {
            return Ok(());
        }
        let heading = counted(self.settings.len(), "setting");
        writeln!(out, "{}{heading} changed", form.heading)?;
        for change in self.settings.iter().take(SETTINGS) {
            writeln!(out, "{}{}", form.item, form.setting(change))?;
        }
        more(out, form, self.settings.len(), SETTINGS)
    }

    fn quoted(&self, form: &Form, digest: crate::ids::Digest) -> String {
        format!("{code}{digest}{code}", code = form.code)
    }
}

fn list<T>(
    out: &mut String,
    form: &Form,
    what: &str,
    servers: &[T],
    line: impl Fn(&T) -> String,
) -> std::fmt::Result {
    if servers.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "{}{} {what}",
        form.heading,
        counted(servers.len(), "server")
    )?;
    for server in servers.iter().take(NAMED) {
        writeln!(out, "{}{}", form.item, line(server))?;
    }
    more(out, form, servers.len(), NAMED)
}

fn more(out: &mut String, form: &Form, all: usize, shown: usize) -> std::fmt::Result {
    if all > shown {
        writeln!(out, "{}and {} more", form.item, all - shown)?;
    }
    writeln!(out)
}

impl Form {
    fn outside(&self, text: &str) -> String {
        (self.escape)(&shorten(text, NAME))
    }

    fn server(&self, id: crate::ids::ServerId, name: Option<&str>) -> String {
        let id = format!("{code}{id}{code}", code = self.code);
        match name {
            Some(name) => format!("{id} {}", self.outside(name)),
            None => id,
        }
    }

    fn placed(&self, server: &Placed<'_>) -> String {
        let group = self.outside(server.group);
        format!(
            "{} in {group}, batch {}",
            self.server(server.id, server.name),
            server.batch
        )
    }

    fn moved(&self, server: &Moved<'_>) -> String {
        let (from, to) = (
            self.outside(server.from_group),
            self.outside(server.to_group),
        );
        let id = self.server(server.id, server.name);
        format!(
            "{id} from {from}, batch {} to {to}, batch {}",
            server.from_batch, server.to_batch
        )
    }

    fn setting(&self, change: &SettingChange) -> String {
        let value = |value: &Option<String>| {
            value
                .as_deref()
                .map_or_else(|| "none".to_owned(), |value| self.outside(value))
        };
        let name = self.outside(&change.name);
        format!("{name}: {} → {}", value(&change.old), value(&change.new))
    }
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
        insta::assert_snapshot!(Difference::between(&old, &new).to_markdown());
    }

    #[test]
    fn the_markdown_of_any_difference_stays_small_and_says_what_it_leaves_out() {
        let hostile = |prefix: &str, from: u32| {
            let name = format!("{prefix}{}", "|<b>@all\u{202e}".repeat(2_000));
            group(&name, from, 20_000)
        };
        let old = sample::plan(vec![hostile("a", 0), hostile("b", 20_000)]);
        let new = sample::plan(vec![hostile("c", 10_000), hostile("d", 30_000)]);
        let text = Difference::between(&old, &new).to_markdown();
        assert!(text.chars().count() < 60_000, "{}", text.chars().count());
        assert!(text.contains("and 9950 more"), "{text}");
        assert!(!text.contains("<b>") && !text.contains('\u{202e}'));
    }
}
