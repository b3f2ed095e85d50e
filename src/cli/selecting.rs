//! From a workflow to its plan, where groups may select servers of the project.
//!
//! Owns where the listing comes from: the cloud, a saved listing, or the committed plan that has frozen
//! what was found. Invariant: a workflow without `select` opens no connection and needs no credentials,
//! and what is taken from a committed plan is never looked for again.

use std::path::Path;

use super::args::CloudFlags;
use super::cloud::{Account, Connected};
use super::sources::{Extent, Planned};
use super::{Invocation, binding, cloud, logging, policies, signals, sources};
use crate::bms::{Patience, ServerDetail};
use crate::diagnostic::{Diagnostic, to_text};
use crate::error::Error;
use crate::inventory::{self, Known, Listing};
use crate::plan::Plan;
use crate::workflow::{Inputs, Workflow};

/// Where what groups select is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'a> {
    /// In the cloud's listing, as it is now.
    Cloud(&'a CloudFlags),
    /// In a saved listing.
    Saved(&'a Path),
    /// In the plan beside the workflow, which must have been made for the same question.
    Frozen,
    /// The same, for a comparison with that plan: one made for another question differs from it.
    Committed,
    /// In a listing that is invented for the workflow.
    Invented,
    /// Nowhere, as no connection is to be opened.
    Nowhere,
}

/// A plan, and what it was made with.
pub(super) struct Made {
    pub(super) plan: Plan,
    /// How the cloud was reached, if it was.
    pub(super) connected: Option<Connected>,
    /// The servers of the project, as far as a file or an invention tells them.
    pub(super) listed: Vec<ServerDetail>,
}

impl Made {
    /// A plan that needed nothing but files.
    pub(super) fn offline(plan: Plan) -> Self {
        Self {
            plan,
            connected: None,
            listed: Vec::new(),
        }
    }
}

/// The plan that a workflow makes; its warnings are told.
pub(super) fn plan_of(
    invocation: &Invocation<'_>,
    path: &Path,
    inputs: &Inputs,
    source: Source<'_>,
) -> Result<Made, Error> {
    let workflow = sources::workflow(path, inputs)?;
    tell(invocation, &workflow.warnings);
    match source {
        Source::Saved(saved) => {
            let listing = read(saved, &workflow)?;
            let plan = from_listing(invocation, path, &workflow, &listing)?;
            Ok(Made {
                listed: listing.servers().to_vec(),
                ..Made::offline(plan)
            })
        }
        _ if !workflow.selects() => {
            let planned = sources::plan(path, &workflow, Known::Listing(&[]), Vec::new())?;
            Ok(Made::offline(told(invocation, planned)))
        }
        Source::Cloud(flags) => {
            policies::admit_account(invocation, &workflow)?;
            let (connected, listing) = ask(invocation, flags, &workflow)?;
            let plan = from_listing(invocation, path, &workflow, &listing)?;
            Ok(Made {
                connected: Some(connected),
                ..Made::offline(plan)
            })
        }
        Source::Committed => {
            let planned = frozen(path, &workflow)?;
            Ok(Made::offline(told(invocation, planned)))
        }
        Source::Frozen => {
            let plan = told(invocation, frozen(path, &workflow)?);
            // Else what was found for one question would be written down as the answer to another.
            match binding::committed(path)?.asked().eq(plan.asked()) {
                true => Ok(Made::offline(plan)),
                false => Err(Error::OtherSelection(binding::place(path))),
            }
        }
        Source::Invented => {
            let listed = inventory::invented(&workflow);
            let planned = sources::plan(path, &workflow, Known::Listing(&listed), Vec::new())?;
            Ok(Made {
                listed,
                ..Made::offline(told(invocation, planned))
            })
        }
        Source::Nowhere => Err(Error::NoListing),
    }
}

/// The listing of the workflow's project, from the cloud.
pub(super) fn ask(
    invocation: &Invocation<'_>,
    flags: &CloudFlags,
    workflow: &Workflow,
) -> Result<(Connected, Listing), Error> {
    let connected = cloud::connect(invocation, flags, &Account::of_workflow(workflow))?;
    logging::start(&invocation.printer, connected.clock);
    let patience = Patience {
        clock: connected.clock,
        retry_for: workflow.rollout.retry_for,
    };
    let survey = signals::read_heeding(
        &invocation.signals,
        inventory::survey(&connected.client, patience),
    )?;
    let (project, endpoint) = (workflow.project.clone(), workflow.endpoint.clone());
    Ok((connected, Listing::of(project, endpoint, survey)))
}

/// A saved listing, which must be of the workflow's own project.
pub(super) fn read(path: &Path, workflow: &Workflow) -> Result<Listing, Error> {
    let source = sources::read(path)?;
    let listing = Listing::read(source.text());
    let listing = listing.map_err(|error| Error::SavedListing(path.to_owned(), error))?;
    if (&listing.project, &listing.endpoint) == (&workflow.project, &workflow.endpoint) {
        return Ok(listing);
    }
    Err(Error::OtherListing {
        path: path.to_owned(),
        listed: format!("{} at {}", listing.project, listing.endpoint),
        wanted: format!("{} at {}", workflow.project, workflow.endpoint),
    })
}

fn from_listing(
    invocation: &Invocation<'_>,
    path: &Path,
    workflow: &Workflow,
    listing: &Listing,
) -> Result<Plan, Error> {
    let known = Known::Listing(listing.servers());
    let further = listing.warning().into_iter().collect();
    let planned = sources::plan(path, workflow, known, further)?;
    Ok(told(invocation, planned))
}

/// Warnings about the listing, which is not read again where the committed plan has frozen what was found.
const OF_LISTING: [&str; 2] = ["listing-moved", "select-near-miss"];

/// The plan with what the committed one has frozen.
fn frozen(path: &Path, workflow: &Workflow) -> Result<Planned, Error> {
    let committed = binding::committed(path)?;
    // They are about what the listing showed, which is not looked at again.
    let codes = OF_LISTING.into_iter().chain(inventory::UNCLEAR);
    let warnings = codes.flat_map(|code| {
        let found = committed.warnings.iter().filter(move |it| it.code == code);
        found.map(move |found| Diagnostic::warning(code, &*found.message))
    });
    let known = Known::Frozen(&committed.selections, &committed.names);
    sources::plan(path, workflow, known, warnings.collect())
}

/// The plan that a workflow makes without asking anybody: what it selects as the committed plan has it,
/// and not at all where there is none.
pub(super) fn offline(path: &Path, inputs: &Inputs) -> Result<(Plan, Extent), Error> {
    let workflow = sources::workflow(path, inputs)?;
    let Planned { plan, .. } = match (workflow.selects(), binding::committed(path)) {
        (true, Err(_)) => {
            let planned = sources::plan(path, &workflow, Known::Nothing, Vec::new())?;
            return Ok((planned.plan, Extent::Open));
        }
        (true, Ok(_)) => frozen(path, &workflow)?,
        (false, _) => sources::plan(path, &workflow, Known::Nothing, Vec::new())?,
    };
    let extent = Extent::Counted(plan.target_count());
    Ok((plan, extent))
}

/// The plan, once its warnings are shown.
fn told(invocation: &Invocation<'_>, planned: Planned) -> Plan {
    tell(invocation, &planned.warnings);
    planned.plan
}

/// Prints the warnings about a workflow.
pub(super) fn tell(invocation: &Invocation<'_>, warnings: &[Diagnostic]) {
    if !warnings.is_empty() {
        let text = to_text(warnings, invocation.printer.voice().colour_err);
        invocation.printer.note(text.trim_end_matches('\n'));
    }
}
