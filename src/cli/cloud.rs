//! What a verb needs to talk to the cloud of a plan, and where its report and its state go.
//!
//! Owns the order host, credentials, transport: credentials are not even read for a host that they may
//! not go to. Invariant: nothing here opens a connection.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::args::CloudFlags;
use super::{Invocation, policies, settings};
use crate::bms::{Client, ClientSettings, Credentials, named_hosts, permitted};
use crate::clock::Clock;
use crate::error::Error;
use crate::event::Launch;
use crate::http::{self, CaFile, Enquirer, Reach, Route, Transport, TransportSettings};
use crate::ids::{Endpoint, ProjectId, RunId};
use crate::plan::{Plan, PlanWarning};
use crate::run::Gates;
use crate::state::{Recorded, ReportPlace, is_on_network};
use crate::workflow::{self, Rate, Workflow};

/// Whom to ask, and how often.
#[derive(Debug, Clone)]
pub(super) struct Account {
    endpoint: Endpoint,
    project: ProjectId,
    rate: Rate,
}

impl Account {
    /// The account of a plan's servers.
    pub(super) fn of_plan(plan: &Plan) -> Self {
        Self {
            endpoint: plan.project.endpoint.clone(),
            project: plan.project.id.clone(),
            rate: plan.rate,
        }
    }

    /// The account of a workflow's servers.
    pub(super) fn of_workflow(workflow: &Workflow) -> Self {
        Self {
            endpoint: workflow.endpoint.clone(),
            project: workflow.project.clone(),
            rate: workflow.rate,
        }
    }
}

/// A client for an account, its clock, and what is odd about its credentials.
#[derive(Debug, Clone)]
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) clock: Clock,
    pub(super) warnings: Vec<PlanWarning>,
}

/// All that is needed to ask the cloud; nothing is asked yet.
pub(super) fn connect(
    invocation: &Invocation<'_>,
    flags: &CloudFlags,
    account: &Account,
) -> Result<Connected, Error> {
    let clock = clock(invocation, account)?;
    permit(invocation, account)?;
    let credentials = load_credentials(invocation, flags)?;
    let warnings = warnings(invocation, &credentials);
    let client = client(invocation, flags, account, (clock, credentials))?;
    Ok(Connected {
        client,
        clock,
        warnings,
    })
}

/// The clock that everything asked of an account goes by.
pub(super) fn clock(invocation: &Invocation<'_>, account: &Account) -> Result<Clock, Error> {
    let course = settings::course(invocation.around, &account.endpoint)?;
    Ok(*invocation.clock.get_or_init(|| Clock::new(course)))
}

/// A client with these credentials, which may go where the account's calls go.
pub(super) fn client(
    invocation: &Invocation<'_>,
    flags: &CloudFlags,
    account: &Account,
    (clock, credentials): (Clock, Credentials),
) -> Result<Client, Error> {
    route(invocation, account)?;
    let Account {
        endpoint,
        project,
        rate,
    } = account.clone();
    let ca_file = flags.ca_file.as_deref().map(CaFile::read);
    let transport = Transport::new(TransportSettings {
        reach: Reach::of(&endpoint),
        ca_file: ca_file.transpose().map_err(Error::Http)?,
        clock,
    });
    let settings = ClientSettings {
        endpoint,
        project,
        rate,
        clock,
    };
    let transport = transport.map_err(Error::Http)?;
    Ok(Client::new(settings, transport, credentials))
}

/// How the calls of an account get to the API; an error if the environment names a proxy that cannot be read.
pub(super) fn route(invocation: &Invocation<'_>, account: &Account) -> Result<Route, Error> {
    match Reach::of(&account.endpoint) {
        // Calls to this machine never go through a proxy.
        Reach::PlainLoopback | Reach::TlsLoopback => return Ok(Route::Direct),
        Reach::Network => {}
    }
    let variables = &invocation.around.variables;
    let get = |name: &str| variables.get(name).map(String::as_str);
    http::route(account.endpoint.host(), get).map_err(Error::Http)
}

/// What asks the gates of a plan; nothing is asked yet.
pub(super) fn gates(flags: &CloudFlags, plan: &Plan, clock: Clock) -> Result<Gates, Error> {
    let ca_file = flags.ca_file.as_deref().map(CaFile::read);
    let ca_file = ca_file.transpose().map_err(Error::Http)?;
    let gates = plan.groups.iter().filter_map(|group| group.gate.as_ref());
    let urls = gates.map(|gate| &gate.http);
    let enquirer = Enquirer::new(urls, ca_file.as_ref(), clock).map_err(Error::Http)?;
    Ok(Gates::Asked(enquirer))
}

/// Refuses an account whose calls go where no credentials may go.
pub(super) fn permit(invocation: &Invocation<'_>, account: &Account) -> Result<(), Error> {
    let variables = &invocation.around.variables;
    let named = variables.get("LIGHTSOUT_ENDPOINTS");
    let mut named = named_hosts(named.map_or("", String::as_str));
    named.extend(policies::hosts(invocation));
    permitted(&account.endpoint, &named).map_err(Error::Host)
}

/// The credentials that the flags and the environment name.
pub(super) fn load_credentials(
    invocation: &Invocation<'_>,
    flags: &CloudFlags,
) -> Result<Credentials, Error> {
    let variables = &invocation.around.variables;
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

/// What is odd about the state folder, told now and for the report.
pub(super) fn odd_state(invocation: &Invocation<'_>, state: &Path) -> Option<PlanWarning> {
    if !is_on_network(state) {
        return None;
    }
    let message =
        "the state folder is on a network file system: its lock may not keep other runs away";
    invocation.printer.note(format!("warning: {message}"));
    Some(PlanWarning {
        code: "state-on-network".to_owned(),
        message: message.to_owned(),
    })
}

/// Where the workflow's `report` says that the report of a run goes, if it says so.
pub(super) fn templated(
    plan: &Plan,
    run: &RunId,
    began: Timestamp,
) -> Result<Option<PathBuf>, Error> {
    let Some(template) = &plan.report else {
        return Ok(None);
    };
    let date = began.strftime("%Y-%m-%d").to_string();
    let path = workflow::expand_report(template, &plan.workflow.name, run, &date);
    Ok(Some(
        Path::new(&path.map_err(Error::ReportTemplate)?).to_owned(),
    ))
}

/// The additional path of the report of a resumed run: the one of its start, whatever the current folder is now. Its
/// own earlier report may be replaced there.
pub(super) fn place(
    recorded: &Recorded,
    asked: Option<ReportPlace>,
) -> Result<Option<ReportPlace>, Error> {
    let (None, Some(began)) = (&asked, recorded.ledger.began()) else {
        return Ok(asked);
    };
    let Launch { run, report, .. } = &*began.launch;
    let path = report.as_deref().map(Path::new);
    let place = path.map(|path| ReportPlace::prove_for(path, run));
    Ok(place.transpose()?)
}
