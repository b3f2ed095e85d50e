//! `lightsout validate`: whether workflow files, their inventories and their freeze files are fine.
//!
//! Owns gathering the findings of all files. Invariant: every file is looked at, whatever is wrong with
//! the ones before it.

use std::collections::BTreeSet;
use std::path::Path;

use super::args::{FindingsFormat, ValidateFlags};
use super::sources::{Extent, Planned};
use super::{Invocation, annotations, attributes, binding, calendar, review, settings, sources};
use crate::diagnostic::{Diagnostic, Severity, SourceFile, to_github, to_json, to_sarif, to_text};
use crate::error::Error;
use crate::exit::Exit;
use crate::inventory::Known;
use crate::named_file::{self, Spelled};
use crate::plan;
use crate::workflow::{Inputs, Workflow};

pub(super) fn validate(invocation: &Invocation<'_>, flags: &ValidateFlags) -> Result<Exit, Error> {
    let inputs = sources::inputs(invocation, &flags.variables)?;
    let mut findings = Vec::new();
    let mut fine = Vec::new();
    for file in &flags.files {
        let (of_file, extent) = examine(file, &inputs);
        findings.extend(match flags.format {
            FindingsFormat::Text | FindingsFormat::Json => of_file,
            FindingsFormat::Github | FindingsFormat::Sarif => {
                let workspace = settings::github_workspace(invocation.around);
                annotations::from_root(anchored(of_file, file), workspace.as_deref())
            }
        });
        fine.extend(extent.map(|extent| (file, extent)));
    }
    match flags.format {
        FindingsFormat::Text => show(invocation, &findings, &fine),
        FindingsFormat::Json => {
            super::print_json(&invocation.printer, &to_json(&findings))?;
        }
        FindingsFormat::Github => {
            super::print(&invocation.printer, to_github(&findings).as_bytes())?;
        }
        FindingsFormat::Sarif => {
            super::print_json(&invocation.printer, &to_sarif(&findings))?;
        }
    }
    Ok(verdict(&findings, flags.deny_warnings))
}

/// Findings that all have a place: annotations are shown beside a file, and those without one nowhere.
fn anchored(findings: Vec<Diagnostic>, file: &Path) -> Vec<Diagnostic> {
    let top = SourceFile::new(&file.to_string_lossy(), "").place(0..0);
    let anchor = |finding: Diagnostic| match finding.place {
        Some(_) => finding,
        None => finding.at(top.clone()),
    };
    findings.into_iter().map(anchor).collect()
}

/// The findings of one file, and how many targets it has if there is no error among them.
fn examine(path: &Path, inputs: &Inputs) -> (Vec<Diagnostic>, Option<Extent>) {
    let workflow = sources::workflow(path, inputs);
    let hidden = hidden_differences(path, workflow.as_ref().ok());
    let (mut findings, extent) = examine_workflow(path, workflow);
    findings.extend(hidden);
    (findings, extent)
}

/// Files of the workflow whose changes a pull request would not show.
fn hidden_differences(path: &Path, workflow: Option<&Workflow>) -> Vec<Diagnostic> {
    let Ok(Spelled { tree, inside }) = named_file::spelled(path) else {
        return Vec::new();
    };
    let files = match workflow {
        Some(workflow) => {
            let files = review::files_of(&inside, workflow).into_iter();
            let files: BTreeSet<_> = files.map(|(_, path)| path).collect();
            files.into_iter().collect()
        }
        None => vec![inside.clone(), binding::place(&inside)],
    };
    attributes::findings(&tree, &files)
}

fn examine_workflow(
    path: &Path,
    workflow: Result<Workflow, Error>,
) -> (Vec<Diagnostic>, Option<Extent>) {
    let made = workflow.and_then(|workflow| {
        let planned = sources::plan(path, &workflow, Known::Nothing, Vec::new())?;
        Ok((workflow, planned))
    });
    match made {
        Ok((workflow, Planned { plan, warnings })) => {
            let mut findings = workflow.warnings.clone();
            findings.extend(warnings);
            findings.extend(plan::cautions(&plan));
            findings.extend(sources::check_guards(&plan).err().map(broken_guard));
            findings.extend(calendar::findings(&workflow, path));
            let is_valid = findings.iter().all(|it| it.severity == Severity::Warning);
            let extent = match workflow.selects() {
                true => Extent::Open,
                false => Extent::Counted(plan.target_count()),
            };
            (findings, is_valid.then_some(extent))
        }
        Err(Error::Findings(_, findings)) => (findings, None),
        Err(error) => (vec![without_place(&error)], None),
    }
}

/// A guard is for `plan` and `run` to enforce; here it is only told.
fn broken_guard(error: Error) -> Diagnostic {
    let finding = Diagnostic::warning("guard", error.to_string());
    match error.hint() {
        Some(hint) => finding.with_hint(hint),
        None => finding,
    }
}

fn without_place(error: &Error) -> Diagnostic {
    let message = match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    Diagnostic::error("unreadable-file", message)
}

fn show(
    invocation: &Invocation<'_>,
    findings: &[Diagnostic],
    fine: &[(&std::path::PathBuf, Extent)],
) {
    let printer = &invocation.printer;
    if !findings.is_empty() {
        let text = to_text(findings, printer.voice().colour_err);
        printer.problem(text.trim_end_matches('\n'));
    }
    for (file, extent) in fine {
        printer.note(format!("`{}`: valid, {extent}", file.display()));
    }
}

fn verdict(findings: &[Diagnostic], deny_warnings: bool) -> Exit {
    let counts = |finding: &Diagnostic| match finding.severity {
        Severity::Error => true,
        Severity::Warning => deny_warnings,
    };
    if findings.iter().any(counts) {
        Exit::Invalid
    } else {
        Exit::Success
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_count_only_where_they_are_denied() {
        let warnings = [Diagnostic::warning("soft-stop-invalid", "x")];
        assert_eq!(verdict(&warnings, false), Exit::Success);
        assert_eq!(verdict(&warnings, true), Exit::Invalid);
        let errors = [Diagnostic::error("unknown-key", "x")];
        assert_eq!(verdict(&errors, false), Exit::Invalid);
    }
}
