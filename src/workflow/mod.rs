//! Stage 1, pure: YAML text → [`Workflow`].
//!
//! The text is parsed, checked against `schemas/workflow.schema.json`, its templates are expanded, and
//! the result is checked again and turned into typed settings. Reads no file: the caller brings every
//! text and the environment. Invariant: a [`Workflow`] needs no further check of its own, and all that
//! is wrong with a file is found in one go.

mod expand;
mod gate;
mod meaning;
mod model;
mod read;
mod render;
mod rollout;
mod schema;
mod spelling;
mod template;
mod template_error;
mod variables;

pub use gate::{Expected, FinalStatus, Gate, Retries};
pub use model::{
    BatchSize, Checks, Definition, Exclude, Expect, FailOrSkip, FailSkipOrSend, Group, Guards,
    InFlight, InventoryFile, Jobs, OnState, Percent, Rate, Select, StopType, Workflow,
};
pub use rollout::{MaxFailures, RestNotLast, Rollout, WaveSize, Waves};
pub use schema::SCHEMA;
pub use variables::{EnvGrants, EnvPrefix, EnvVariables, Inputs, SECRET_VARIABLES};

use serde_json::{Value, json};

use crate::diagnostic::{Diagnostic, Place, Severity, SourceFile};
use crate::document::finding::{Finding, Spot, diagnose};
use crate::document::origins::Origins;
use crate::document::outline::Outline;
use crate::document::schema::check;
use crate::document::{messages, yaml};
use crate::ids::RunId;
use schema::WORKFLOW;

/// Reads a workflow; what does not forbid it is in [`Definition::warnings`].
///
/// # Errors
/// Everything that is wrong with the file, warnings included, in the order of the places.
pub fn parse(source: &SourceFile, inputs: &Inputs) -> Result<Workflow, Vec<Diagnostic>> {
    let expanded = expanded(source, inputs)?;
    let mut definition = read::read(source, expanded.value, &expanded.origins)
        .map_err(|error| vec![defect(&error)])?;
    definition.warnings = expanded.warnings;
    Ok(Workflow::new(definition))
}

/// The file with every template expanded, as YAML that means the same, and the warnings about it.
///
/// # Errors
/// As [`parse`].
pub fn render(
    source: &SourceFile,
    inputs: &Inputs,
) -> Result<(String, Vec<Diagnostic>), Vec<Diagnostic>> {
    let expanded = expanded(source, inputs)?;
    let text = render::write(&expanded.value).map_err(|error| vec![defect(&error)])?;
    Ok((text, expanded.warnings))
}

/// Fills in a `report` template. `date` is the day of the run, such as `2026-11-28`.
///
/// # Errors
/// A fragment that says what the template has wrong.
pub fn expand_report(
    template: &str,
    workflow: &str,
    run: &RunId,
    date: &str,
) -> Result<String, String> {
    let values = json!({
        "workflow": { "name": workflow },
        "run": { "id": run.as_str(), "date": date },
    });
    template::fill(template, values).map_err(|error| error.to_string())
}

/// The place of the value at a JSON pointer, or of its nearest ancestor that exists.
pub fn locate(source: &SourceFile, pointer: &str) -> Place {
    source.place(Outline::of(source.text()).value(pointer))
}

/// The places of several values; much cheaper than [`locate`] for each.
pub fn locate_all(source: &SourceFile, pointers: &[String]) -> Vec<Place> {
    let outline = Outline::of(source.text());
    source.places(pointers.iter().map(|pointer| outline.value(pointer)))
}

/// The place of the key at a JSON pointer, or of the value where it has no key.
pub fn locate_key(source: &SourceFile, pointer: &str) -> Place {
    source.place(Outline::of(source.text()).key(pointer))
}

/// A file that passed every check, with its templates expanded.
struct Expanded {
    value: Value,
    origins: Origins,
    warnings: Vec<Diagnostic>,
}

fn expanded(source: &SourceFile, inputs: &Inputs) -> Result<Expanded, Vec<Diagnostic>> {
    let reading = yaml::read(source.text());
    let mut findings = reading.findings;
    let Some(mut value) = reading.value else {
        return Err(diagnose(source, findings));
    };
    findings.extend(spelling::keep(&mut value, reading.respelled));
    findings.extend(check(&WORKFLOW, &value, &Origins::default()));
    let vars = value
        .as_object_mut()
        .and_then(|fields| fields.remove("vars"));
    let names = names(vars.as_ref());
    let variables = variables::resolve(vars, inputs);
    let mut templates = variables.templates;
    findings.extend(variables.findings);
    let (origins, later) = expand::expand(&mut value, &mut templates);
    expand::add_labels(&mut value, &inputs.labels);
    findings.extend(later.into_iter().map(|finding| to_raw(finding, &origins)));
    let later = check_expanded(&value, &origins);
    findings.extend(later.into_iter().map(|finding| to_raw(finding, &origins)));
    if findings
        .iter()
        .all(|finding| finding.severity == Severity::Warning)
    {
        let idle = names.into_iter().filter(|name| !templates.was_used(name));
        findings.extend(idle.map(unused));
    }
    let mut warnings = diagnose(source, findings);
    warnings.extend(variables.elsewhere);
    if warnings
        .iter()
        .any(|finding| finding.severity == Severity::Error)
    {
        return Err(warnings);
    }
    Ok(Expanded {
        value,
        origins,
        warnings,
    })
}

/// What is wrong with the expanded file; what the raw file has wrong by itself is found again.
fn check_expanded(value: &Value, origins: &Origins) -> Vec<Finding> {
    let mut findings = meaning::check(value, origins);
    if !origins.is_empty() {
        findings.extend(check(&WORKFLOW, value, origins));
    }
    findings
}

/// The finding with its pointers leading into the raw file.
fn to_raw(finding: Finding, origins: &Origins) -> Finding {
    let raw = |spot: Spot| spot.translate(|pointer| origins.raw(pointer));
    Finding {
        spot: raw(finding.spot),
        related: finding.related.map(|(spot, label)| (raw(spot), label)),
        ..finding
    }
}

fn names(vars: Option<&Value>) -> Vec<String> {
    let vars = vars.and_then(Value::as_object);
    vars.into_iter()
        .flat_map(|vars| vars.keys().cloned())
        .collect()
}

fn unused(name: String) -> Finding {
    let spot = Spot::Key(format!("/vars/{}", messages::escape_token(&name)));
    Finding::warning(
        "unused-variable",
        spot,
        format!("the variable `{name}` is not used"),
    )
}

/// A file that passed every check and still cannot be read: the checks are at fault.
fn defect(error: &str) -> Diagnostic {
    Diagnostic::error(
        "internal",
        format!("the file passed every check but cannot be read: {error}"),
    )
    .with_hint("this is a defect of lightsout; please report it with the file")
}

#[cfg(test)]
mod tests;
