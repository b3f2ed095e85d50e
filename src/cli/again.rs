//! The command to type for a real run of the same thing, for reports and summaries.
//!
//! Owns spelling flags out again for a shell. Invariant: what is printed can be pasted, and
//! means the same targets under the same policies.

use std::path::Path;

use super::args::{
    CloudFlags, LiftingFlags, NarrowingFlags, RunFlags, UndoFlags, VariableFlags, Verb,
};
use super::{Invocation, binding};
use crate::ids::RunId;
use crate::untrusted::{TYPED, for_shell, for_terminal};

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
    command.push_str(&reached(&flags.cloud));
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
    command.push_str(&reached(&flags.cloud));
    under(invocation, command)
}

/// The workflow file of a command with its variables, as words for a shell; `None` if it has none.
pub(super) fn typed(verb: &Verb) -> Option<String> {
    let (file, variables) = match verb {
        Verb::Render(flags) => (&flags.file, &flags.variables),
        Verb::Plan(flags) => (&flags.file, &flags.variables),
        Verb::Inventory(flags) => (&flags.file, &flags.variables),
        Verb::Run(flags) => (flags.file.as_ref()?, &flags.variables),
        Verb::Doctor(flags) => (&flags.file, &flags.variables),
        Verb::Window(flags) => (&flags.file, &flags.variables),
        Verb::Rehearse(flags) => (&flags.file, &flags.variables),
        Verb::Validate(_)
        | Verb::Resume(_)
        | Verb::Settle(_)
        | Verb::Status(_)
        | Verb::Report(_)
        | Verb::Undo(_)
        | Verb::Halt(_)
        | Verb::Runs(_)
        | Verb::Simulate(_)
        | Verb::Schema(_)
        | Verb::Completions(_) => return None,
    };
    Some(words(file, variables))
}

/// Another command on the workflow of this invocation.
pub(super) fn of_typed(invocation: &Invocation<'_>, verb: &str) -> Option<String> {
    let typed = invocation.typed.as_ref()?;
    Some(under(invocation, format!("lightsout {verb} {typed}")))
}

/// A message with the workflow of this invocation, and its state folder, in the commands of the hint. Without a
/// workflow, a hint that needs one is left out.
pub(super) fn filled(invocation: &Invocation<'_>, message: &str) -> String {
    let mut text = message.to_owned();
    if text.contains(TYPED) {
        text = match &invocation.typed {
            Some(typed) => text.replace(TYPED, &for_terminal(typed)),
            None => text
                .split("\n  hint: ")
                .next()
                .unwrap_or_default()
                .to_owned(),
        };
    }
    match &invocation.general.state_dir {
        Some(folder) if !text.contains("--state-dir") => {
            let folder = with("--state-dir", &path(folder));
            text.replace(
                "`lightsout ",
                &format!("`lightsout{} ", for_terminal(&folder)),
            )
        }
        Some(_) | None => text,
    }
}

/// Setting a run aside.
pub(super) fn quarantine(invocation: &Invocation<'_>, run: &RunId) -> String {
    let folder = invocation.general.state_dir.as_deref();
    let folder = folder.map(|folder| with("--state-dir", &path(folder)));
    format!(
        "lightsout runs quarantine {run}{}",
        folder.unwrap_or_default()
    )
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
    format!("lightsout run {}", words(file, variables))
}

/// A workflow file with these variables.
fn words(file: &Path, variables: &VariableFlags) -> String {
    let mut command = operand(file);
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

/// With the policy and the state folder that the command line names; those of machine and environment apply again by
/// themselves.
fn under(invocation: &Invocation<'_>, mut command: String) -> String {
    if let Some(policy) = &invocation.general.policy {
        command.push_str(&with("--policy", &path(policy)));
    }
    if let Some(folder) = &invocation.general.state_dir {
        command.push_str(&with("--state-dir", &path(folder)));
    }
    command
}

/// With where credentials and certificates come from.
fn reached(flags: &CloudFlags) -> String {
    let credentials = flags.credentials.iter();
    let credentials = credentials.map(|choice| with("--credentials", &choice.to_string()));
    let ca_file = flags
        .ca_file
        .iter()
        .map(|file| with("--ca-file", &path(file)));
    credentials.chain(ca_file).collect()
}

/// A file as an argument of its own: one that looks like a flag is named by its folder, too.
fn operand(file: &Path) -> String {
    let text = path(file);
    match text.starts_with('-') {
        true => for_shell(&format!("./{text}")).into_owned(),
        false => for_shell(&text).into_owned(),
    }
}

/// A flag and its value, after a space. A value that looks like a flag is bound to its own.
fn with(flag: &str, value: &str) -> String {
    let between = if value.starts_with('-') { '=' } else { ' ' };
    format!(" {flag}{between}{}", for_shell(value))
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_looks_like_a_flag_stays_a_file() {
        assert_eq!(operand(Path::new("-x.yaml")), "./-x.yaml");
        assert_eq!(operand(Path::new("w/a b;c.yaml")), "'w/a b;c.yaml'");
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
