//! From the paths on the command line to a workflow or a plan.
//!
//! Owns reading the named files and running the pure stages over them in order. Invariant: nothing is
//! printed but warnings, and no connection is opened.

use std::fmt;
use std::path::Path;

use super::args::VariableFlags;
use super::{Invocation, calendar, policies};
use crate::diagnostic::{Diagnostic, Severity, SourceFile};
use crate::error::Error;
use crate::inventory::{self, Folders, Known};
use crate::named_file;
use crate::plan::{self, Judgement, Plan};
use crate::workflow::{self, EnvVariables, Inputs, Workflow};

/// How much is known of a valid workflow's targets.
#[derive(Debug, Clone, Copy)]
pub(super) enum Extent {
    /// So many.
    Counted(usize),
    /// Its groups select servers, and nobody was asked which.
    Open,
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counted(1) => f.write_str("1 target"),
            Self::Counted(targets) => write!(f, "{targets} targets"),
            Self::Open => f.write_str("targets not counted, as it selects servers"),
        }
    }
}

/// The text of a file, under the name that the user knows it by.
pub(super) fn read(path: &Path) -> Result<SourceFile, Error> {
    let text = named_file::read_located(path);
    let text = text.map_err(|error| Error::Unreadable(path.to_owned(), error))?;
    Ok(SourceFile::new(&path.display().to_string(), &text))
}

/// What flags and environment bring beside a workflow. An environment variable that is not granted is a warning.
pub(super) fn inputs(
    invocation: &Invocation<'_>,
    variables: &VariableFlags,
) -> Result<Inputs, Error> {
    gather(invocation, variables, Severity::Warning)
}

/// The same for a command that obeys the machine's policies: there it is an error.
pub(super) fn inputs_of_run(
    invocation: &Invocation<'_>,
    variables: &VariableFlags,
) -> Result<Inputs, Error> {
    gather(invocation, variables, Severity::Error)
}

fn gather(
    invocation: &Invocation<'_>,
    variables: &VariableFlags,
    ungranted: Severity,
) -> Result<Inputs, Error> {
    let grants = policies::env_grants(invocation);
    let vars_files = variables.vars_file.iter();
    Ok(Inputs {
        vars: variables.var.clone(),
        vars_files: vars_files
            .map(|path| read(path))
            .collect::<Result<_, _>>()?,
        env: EnvVariables::new(invocation.around.variables.clone(), grants, ungranted),
        labels: Vec::new(),
    })
}

/// The workflow in a file.
pub(super) fn workflow(path: &Path, inputs: &Inputs) -> Result<Workflow, Error> {
    let source = read(path)?;
    let workflow = workflow::parse(&source, inputs);
    workflow.map_err(|findings| Error::Findings(path.to_owned(), findings))
}

/// A plan, and what is to be looked at in its targets.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) warnings: Vec<Diagnostic>,
}

/// The plan that a workflow makes with what is known of its project.
pub(super) fn plan(
    path: &Path,
    workflow: &Workflow,
    known: Known<'_>,
    further: Vec<Diagnostic>,
) -> Result<Planned, Error> {
    let folders = Folders::of(path).map_err(|error| Error::Unreadable(path.to_owned(), error))?;
    let targets = inventory::resolve(workflow, &folders, known);
    let targets = targets.map_err(|findings| Error::Findings(path.to_owned(), findings))?;
    let targets = targets.warned(further);
    let warnings = targets.warnings().to_vec();
    let calendars = calendar::contents(workflow, path);
    let plan = plan::make(workflow, targets, calendars);
    Ok(Planned { plan, warnings })
}

/// What the plan's own guards forbid, as an error.
pub(super) fn check_guards(plan: &Plan) -> Result<(), Error> {
    policies::refuse(&Judgement::of(plan))
}
