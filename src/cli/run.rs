//! `lightsout run`: stopping the servers of a workflow or a plan.
//!
//! Owns the order of what must be right before the first request: plan, guards, clock, host,
//! credentials, report place, consent. Invariant: whatever fails here, nothing has been sent.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::args::RunFlags;
use super::execution::{Execution, perform};
use super::{Invocation, again, confirm, dry_run, settings, sources};
use crate::bms::{Client, ClientSettings, Credentials, named_hosts, permitted};
use crate::clock::Clock;
use crate::error::Error;
use crate::event::{Launch, Mode};
use crate::exit::Exit;
use crate::http::{CaFile, Reach, Transport, TransportSettings};
use crate::plan::{self, Plan, PlanWarning};
use crate::state::{Keep, ReportPlace, RunFolder};
use crate::untrusted::for_terminal;
use crate::workflow;

pub(super) fn run(invocation: &Invocation<'_>, flags: &RunFlags) -> Result<Exit, Error> {
    let plan = planned(invocation, flags)?;
    if flags.dry_run {
        return dry_run::dry_run(invocation, flags, &plan);
    }
    sources::check_guards(&plan)?;
    let clock = clock(invocation, &plan)?;
    let credentials = credentials(invocation, flags, &plan)?;
    let warnings = warnings(invocation, &credentials);
    let client = client(flags, &plan, credentials, clock)?;
    let asked = flags
        .report
        .as_deref()
        .map(ReportPlace::prove)
        .transpose()?;
    if flags.plan.is_none() && !flags.yes {
        confirm::confirm(invocation, &plan)?;
    }
    let state = settings::state_folder(&invocation.general, invocation.around)?;
    let folder = RunFolder::create(&state, Keep::Runs, clock.now())?;
    let place = match place(&plan, asked, &folder, clock) {
        Ok(place) => place,
        Err(error) => {
            folder.discard();
            return Err(error);
        }
    };
    let launch = Launch {
        run: folder.run().clone(),
        mode: Mode::Run,
        labels: labels(flags),
        again: again::run(flags),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        warnings,
    };
    let execution = Execution {
        plan: Arc::new(plan),
        client,
        clock,
        folder,
        place,
        launch,
    };
    perform(invocation, execution)
}

pub(super) fn labels(flags: &RunFlags) -> BTreeMap<String, String> {
    flags.label.iter().cloned().collect()
}

fn planned(invocation: &Invocation<'_>, flags: &RunFlags) -> Result<Plan, Error> {
    match (&flags.plan, &flags.file) {
        (Some(path), _) => {
            let source = sources::read(path)?;
            let plan = plan::load(source.text());
            let plan = plan.map_err(|error| Error::Plan(path.clone(), error))?;
            for warning in &plan.warnings {
                let message = for_terminal(&warning.message);
                invocation.printer.note(format!("warning: {message}"));
            }
            Ok(plan)
        }
        (None, file) => {
            let file = file.as_deref().unwrap_or(Path::new(""));
            let inputs = sources::inputs(invocation, &flags.variables, &flags.label)?;
            sources::plan_of(invocation, file, &inputs)
        }
    }
}

fn clock(invocation: &Invocation<'_>, plan: &Plan) -> Result<Clock, Error> {
    let factor = settings::compression(invocation.around, &plan.project.endpoint)?;
    Ok(factor.map_or_else(Clock::real, Clock::compressed))
}

/// The credentials, if they may go where the plan's calls go.
fn credentials(
    invocation: &Invocation<'_>,
    flags: &RunFlags,
    plan: &Plan,
) -> Result<Credentials, Error> {
    let variables = &invocation.around.variables;
    let named = variables.get("LIGHTSOUT_ENDPOINTS");
    let named = named_hosts(named.map_or("", String::as_str));
    permitted(&plan.project.endpoint, &named).map_err(Error::Host)?;
    let choice = flags.credentials.clone().unwrap_or_default();
    Credentials::load(&choice, variables).map_err(Error::Credentials)
}

/// What is odd about the credentials, told now and kept for the report.
fn warnings(invocation: &Invocation<'_>, credentials: &Credentials) -> Vec<PlanWarning> {
    let warnings = credentials.warnings().iter();
    warnings
        .map(|message| {
            invocation.printer.note(format!("warning: {message}"));
            PlanWarning {
                code: "credentials-readable".to_owned(),
                message: message.clone(),
            }
        })
        .collect()
}

fn client(
    flags: &RunFlags,
    plan: &Plan,
    credentials: Credentials,
    clock: Clock,
) -> Result<Client, Error> {
    let endpoint = plan.project.endpoint.clone();
    let ca_file = flags.ca_file.as_deref().map(CaFile::read);
    let transport = Transport::new(TransportSettings {
        reach: Reach::of(&endpoint),
        ca_file: ca_file.transpose().map_err(Error::Http)?,
        clock,
    });
    let settings = ClientSettings {
        endpoint,
        project: plan.project.id.clone(),
        rate: plan.rate,
        clock,
    };
    let transport = transport.map_err(Error::Http)?;
    Ok(Client::new(settings, transport, credentials))
}

/// The further place of the report: `--report`, else what the workflow's `report` gives.
fn place(
    plan: &Plan,
    asked: Option<ReportPlace>,
    folder: &RunFolder,
    clock: Clock,
) -> Result<Option<ReportPlace>, Error> {
    let (None, Some(template)) = (&asked, &plan.report) else {
        return Ok(asked);
    };
    let date = clock.now().strftime("%Y-%m-%d").to_string();
    let path = workflow::expand_report(template, &plan.workflow.name, folder.run(), &date);
    let path = path.map_err(Error::ReportTemplate)?;
    Ok(Some(ReportPlace::prove(Path::new(&path))?))
}
