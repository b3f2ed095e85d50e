//! The command to type for a real run of the same thing, for reports and summaries.
//!
//! Owns spelling flags out again for a shell. Invariant: what is printed can be pasted, and
//! means the same targets under the same policies.

use std::path::Path;

use super::args::{LiftingFlags, NarrowingFlags, RunFlags, UndoFlags, VariableFlags};
use super::{Invocation, binding};
use crate::ids::RunId;

/// The run that these flags ask for, without `--dry-run`, `--report` and the like.
pub(super) fn run(invocation: &Invocation<'_>, flags: &RunFlags) -> String {
    let mut command = match (&flags.plan, &flags.file) {
        (Some(plan), _) => format!("lightsout run{}", with("--plan", &path(plan))),
        (None, file) => of_variables(file.as_deref().unwrap_or(Path::new("")), &flags.variables),
    };
    for (name, text) in &flags.label {
        command.push_str(&with("--label", &format!("{name}={text}")));
    }
    if flags.locked {
        command.push_str(" --locked");
    }
    command.push_str(&narrowed(&flags.narrowing));
    command.push_str(&lifted(&flags.lifting));
    under(invocation, command)
}

/// The same run without a person at a terminal: of the committed plan if there is one, else with `--yes`.
pub(super) fn unattended(invocation: &Invocation<'_>, flags: &RunFlags) -> String {
    let file = flags.file.as_deref();
    let committed = file.is_some_and(|file| binding::place(file).exists());
    let approval = if committed { "--locked" } else { "--yes" };
    let wait = if flags.wait { " --wait" } else { "" };
    format!("{} {approval}{wait}", run(invocation, flags))
}

/// The undo of a run.
pub(super) fn undo(invocation: &Invocation<'_>, run: &RunId, flags: &UndoFlags) -> String {
    let mut command = format!("lightsout undo {run}");
    if let Some(file) = &flags.exclude {
        command.push_str(&with("--exclude", &path(file)));
    }
    command.push_str(&lifted(&flags.lifting));
    under(invocation, command)
}

/// The run of a workflow file with these variables.
pub(super) fn of_file(
    invocation: &Invocation<'_>,
    file: &Path,
    variables: &VariableFlags,
) -> String {
    under(invocation, of_variables(file, variables))
}

fn of_variables(file: &Path, variables: &VariableFlags) -> String {
    let mut command = format!("lightsout run {}", quoted(&path(file)));
    for file in &variables.vars_file {
        command.push_str(&with("--vars-file", &path(file)));
    }
    for (name, value) in &variables.var {
        command.push_str(&with("--var", &format!("{name}={value}")));
    }
    command
}

fn narrowed(flags: &NarrowingFlags) -> String {
    let only = flags.only.iter().map(|group| with("--only", group));
    let exclude = flags.exclude.iter();
    let exclude = exclude.map(|file| with("--exclude", &path(file)));
    let remaining = flags.remaining.then(|| " --remaining".to_owned());
    only.chain(exclude).chain(remaining).collect()
}

/// With the reason for which a time at which nothing may be sent was lifted.
fn lifted(flags: &LiftingFlags) -> String {
    let reason = flags.reason();
    reason.map_or_else(String::new, |reason| with("--override", reason))
}

/// With the policy that the command line adds; those of machine and environment apply again by themselves.
fn under(invocation: &Invocation<'_>, command: String) -> String {
    match &invocation.general.policy {
        Some(policy) => command + &with("--policy", &path(policy)),
        None => command,
    }
}

/// A flag and its value, after a space. A value that looks like a flag is bound to its own.
fn with(flag: &str, value: &str) -> String {
    let between = if value.starts_with('-') { '=' } else { ' ' };
    format!(" {flag}{between}{}", quoted(value))
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// The word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell_where_needed() {
        assert_eq!(
            quoted("workflows/weekly-stop.yaml"),
            "workflows/weekly-stop.yaml"
        );
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_command_keeps_the_variables() {
        let variables = VariableFlags {
            var: vec![("rack".to_owned(), "b 7".to_owned())],
            vars_file: vec!["prod.yaml".into()],
        };
        let expected = "lightsout run a.yaml --vars-file prod.yaml --var 'rack=b 7'";
        assert_eq!(of_variables(Path::new("a.yaml"), &variables), expected);
    }

    #[test]
    fn a_value_that_looks_like_a_flag_stays_a_value() {
        let lifted = |reason: &str| with("--override", reason);
        assert_eq!(lifted("CHG0042"), " --override CHG0042");
        assert_eq!(lifted("-x; go"), " --override='-x; go'");
        assert_eq!(lifted("--yes"), " --override=--yes");
    }

    #[test]
    fn a_command_leaves_out_what_was_left_out() {
        let flags = NarrowingFlags {
            only: vec!["rack-b7".to_owned(), "rack b8".to_owned()],
            exclude: Some("wait.txt".into()),
            remaining: true,
        };
        let expected = " --only rack-b7 --only 'rack b8' --exclude wait.txt --remaining";
        assert_eq!(narrowed(&flags), expected);
    }
}
