//! The command to type for a real run of the same thing, for reports and summaries.
//!
//! Pure. Owns spelling flags out again for a shell. Invariant: what is printed can be pasted, and
//! means the same targets.

use std::path::Path;

use super::args::{RunFlags, VariableFlags};
use crate::ids::RunId;

/// The run that these flags ask for, without `--dry-run`, `--report` and the like.
pub(super) fn run(flags: &RunFlags) -> String {
    match (&flags.plan, &flags.file) {
        (Some(plan), _) => format!(
            "lightsout run --plan {}",
            quoted(&plan.display().to_string())
        ),
        (None, file) => {
            let file = file.as_deref().unwrap_or(Path::new(""));
            let locked = if flags.locked { " --locked" } else { "" };
            format!("{}{locked}", of_file(file, &flags.variables))
        }
    }
}

/// The undo of a run.
pub(super) fn undo(run: &RunId, exclude: Option<&Path>) -> String {
    let exclude = exclude.map(|path| quoted(&path.display().to_string()));
    let exclude = exclude.map_or_else(String::new, |path| format!(" --exclude {path}"));
    format!("lightsout undo {run}{exclude}")
}

/// The run of a workflow file with these variables.
pub(super) fn of_file(file: &Path, variables: &VariableFlags) -> String {
    let mut command = format!("lightsout run {}", quoted(&file.display().to_string()));
    for path in &variables.vars_file {
        command.push_str(&format!(
            " --vars-file {}",
            quoted(&path.display().to_string())
        ));
    }
    for (name, value) in &variables.var {
        command.push_str(&format!(" --var {}", quoted(&format!("{name}={value}"))));
    }
    command
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
        assert_eq!(of_file(Path::new("a.yaml"), &variables), expected);
    }
}
