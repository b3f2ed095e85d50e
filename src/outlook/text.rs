//! The outlook for people: behind the plan as text, and as a part of a comment in Markdown.
//!
//! Owns layout and size. Invariant: it is counted what happens to all targets, and named are those that
//! would not simply be sent, up to a limit; text from outside is escaped.

use std::fmt::Write;

use super::{Outlook, Prospect};
use crate::untrusted::{for_markdown, for_terminal, shorten};

/// Servers that are named.
const NAMED: usize = 50;
/// Longest name that is shown.
const NAME: usize = 40;

impl Outlook<'_> {
    /// The outlook for a terminal.
    pub fn to_text(&self) -> String {
        let mut out = "as things stand\n".to_owned();
        // Writing to a string cannot fail.
        for (step, count) in self.totals() {
            let _ = writeln!(out, "  {step:<22} {count}");
        }
        let odd = self.odd();
        if !odd.is_empty() {
            out.push('\n');
        }
        for prospect in odd.iter().take(NAMED) {
            let name = for_terminal(&shorten(prospect.name.unwrap_or_default(), NAME)).into_owned();
            let (group, state) = (for_terminal(prospect.group), prospect.state);
            let line = format!(
                "  {} {state:<8} {:<19} {group} {name}",
                prospect.id,
                prospect.step()
            );
            let _ = writeln!(out, "{}", line.trim_end());
        }
        if odd.len() > NAMED {
            let _ = writeln!(out, "  and {} more", odd.len() - NAMED);
        }
        out
    }

    /// The outlook as a section of Markdown.
    pub fn to_markdown(&self) -> String {
        let mut out =
            "\n### As things stand\n\n| a run would | servers |\n| --- | ---: |\n".to_owned();
        // Writing to a string cannot fail.
        for (step, count) in self.totals() {
            let _ = writeln!(out, "| {} | {count} |", for_markdown(&step));
        }
        let odd = self.odd();
        if !odd.is_empty() {
            out.push_str("\n| server | name | state | a run would |\n| --- | --- | --- | --- |\n");
        }
        for prospect in odd.iter().take(NAMED) {
            let name = for_markdown(&shorten(prospect.name.unwrap_or_default(), NAME));
            let step = for_markdown(&prospect.step());
            let _ = writeln!(
                out,
                "| `{}` | {name} | {} | {step} |",
                prospect.id, prospect.state
            );
        }
        if odd.len() > NAMED {
            let _ = writeln!(out, "\nand {} more", odd.len() - NAMED);
        }
        out
    }

    /// The targets that would not simply be sent.
    fn odd(&self) -> Vec<&Prospect<'_>> {
        let odd = self.prospects().iter().filter(|one| one.would != "send");
        odd.collect()
    }
}
