//! A checkup for people and for machines.
//!
//! Owns the layout and the JSON members: `schema`, `file`, `checks[{name, health, message, hint}]`,
//! `exit_code`. Invariant: words of the cloud and of files are escaped in the text.

use std::fmt::Write;

use super::{Check, Checkup, FORMAT, Health};
use crate::untrusted::for_terminal;

impl Checkup {
    /// A line a check, its hint below it, and the sum.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let file = for_terminal(&self.file);
        writeln!(out, "checkup for {file}: reads only, nothing is sent\n")?;
        for check in &self.checks {
            let message = for_terminal(&check.message);
            writeln!(
                out,
                "{:<8} {:<17} {message}",
                word(check.health),
                check.name
            )?;
            if let Some(hint) = &check.hint {
                writeln!(out, "{:26} hint: {}", "", for_terminal(hint))?;
            }
        }
        writeln!(out, "\n{}", self.sum())
    }

    fn sum(&self) -> String {
        let count = |health| self.checks.iter().filter(|it| it.health == health).count();
        let (problems, warnings, unknown) = (
            count(Health::Problem),
            count(Health::Warning),
            count(Health::Unknown),
        );
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let looked_at = match problems {
            0 => "all that can be known is in order".to_owned(),
            some => format!("{some} problem{}", plural(some)),
        };
        let warned = match warnings {
            0 => String::new(),
            some => format!(", {some} warning{}", plural(some)),
        };
        format!("{looked_at}{warned}, {unknown} unknown")
    }

    /// The same as a JSON document.
    pub fn to_json(&self) -> serde_json::Value {
        let checks: &[Check] = &self.checks;
        serde_json::json!({
            "schema": FORMAT,
            "file": self.file,
            "checks": checks,
            "exit_code": self.exit().code(),
        })
    }
}

fn word(health: Health) -> &'static str {
    match health {
        Health::Ok => "ok",
        Health::Warning => "warning",
        Health::Problem => "PROBLEM",
        Health::Unknown => "unknown",
        Health::Skipped => "skipped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn a_checkup_reads_well_and_hides_nothing_behind_escapes() {
        let checkup = Checkup {
            file: "w\u{202e}.yaml".to_owned(),
            checks: vec![
                Check::ok("workflow", "valid, 2 targets"),
                Check::warning("clock", "40s behind the cloud's").with_hint("set it"),
                Check::problem("bms:servers:list", Exit::Refused, "refused: \u{1b}[2J"),
                crate::doctor::stop(),
                Check::skipped("policy", "none"),
            ],
        };
        insta::assert_snapshot!(checkup.to_text());
        insta::assert_snapshot!(format!("{:#}", checkup.to_json()));
    }
}
