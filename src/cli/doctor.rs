//! `lightsout doctor`: whether everything that a run of a workflow needs is in order.
//!
//! Owns the order of looking: files, places, host, credentials, and then three reads of the cloud. Invariant:
//! nothing is sent but those reads, nothing is written, and no credentials go where a run may not send them.

use std::path::Path;

use super::args::{AccountFormat, DoctorFlags};
use super::calendar::{calendar, freeze_files};
use super::cloud::Account;
use super::policies::InForce;
use super::quarantine;
use super::{
    Invocation, again, binding, cloud, print, print_json, runtime, selecting, settings, sources,
    tell,
};
use crate::bms::{Client, Credentials, Page, Probe, Probed, parse_page};
use crate::clock::Clock;
use crate::doctor::{self, Check, Checkup};
use crate::error::Error;
use crate::exit::Exit;
use crate::http::Route;
use crate::ids::{JobId, ServerId};
use crate::plan::Plan;
use crate::policy::{Approval, Untagged};
use crate::report::count;
use crate::run::{NotNow, Told};
use crate::state::{
    Keep, Recorded, Switch, can_be_used, concerns, is_on_network, quarantines, unfinished,
};
use crate::untrusted::TYPED;
use crate::window::Calendar;

/// A job that no cloud has: whether jobs may be asked for shows by what is said of it.
const NO_JOB: &str = "00000000-0000-4000-8000-000000000000";

pub(super) fn doctor(invocation: &Invocation<'_>, flags: &DoctorFlags) -> Result<Exit, Error> {
    let mut checkup = Checkup {
        file: flags.file.display().to_string(),
        checks: Vec::new(),
    };
    look(invocation, flags, &mut checkup.checks)?;
    for check in &mut checkup.checks {
        check.hint = check
            .hint
            .take()
            .map(|hint| again::filled(invocation, &hint));
    }
    match flags.format {
        AccountFormat::Text => print(&invocation.printer, checkup.to_text().as_bytes())?,
        AccountFormat::Json => print_json(&invocation.printer, &checkup.to_json())?,
    };
    Ok(checkup.exit())
}

fn look(
    invocation: &Invocation<'_>,
    flags: &DoctorFlags,
    checks: &mut Vec<Check>,
) -> Result<(), Error> {
    let inputs = sources::inputs_of_run(invocation, &flags.variables)?;
    let (plan, extent) = match selecting::offline(&flags.file, &inputs) {
        Ok(made) => made,
        Err(error) => {
            if matches!(error, Error::Findings(..)) {
                tell(invocation, &error);
            }
            checks.push(failed("workflow", &error));
            checks.push(Check::skipped(
                "rest",
                "everything else depends on the workflow",
            ));
            return Ok(());
        }
    };
    checks.push(Check::ok("workflow", format!("valid, {extent}")));
    let untagged = forbidden(invocation, &plan, (&flags.file, checks));
    checks.push(committed(&flags.file, &plan));
    checks.push(state_folder(invocation));
    checks.extend(earlier_runs(invocation, &plan));
    let Some(credentials) = credentials(invocation, flags, &plan, checks) else {
        checks.push(Check::skipped("cloud", "nothing was asked"));
        checks.push(doctor::stop());
        return Ok(());
    };
    let account = Account::of_plan(&plan);
    let clock = cloud::clock(invocation, &account)?;
    let proxy = proxy(invocation, &account);
    let is_readable = !proxy.is_problem();
    checks.push(proxy);
    if !is_readable {
        checks.push(Check::skipped("cloud", "nothing was asked"));
        checks.push(doctor::stop());
        return Ok(());
    }
    match cloud::client(invocation, &flags.cloud, &account, (clock, credentials)) {
        Ok(client) => runtime()?.block_on(ask(&client, (&plan, untagged), checks)),
        Err(error) => {
            checks.push(failed("connection", &error));
            checks.push(doctor::stop());
        }
    }
    Ok(())
}

/// Whether calls go through a proxy.
fn proxy(invocation: &Invocation<'_>, account: &Account) -> Check {
    const NAME: &str = "proxy";
    match cloud::route(invocation, account) {
        Ok(Route::Direct) => Check::ok(NAME, "none is used"),
        Ok(Route::Excepted(variable)) => {
            Check::ok(NAME, format!("none is used: `{variable}` excepts the host"))
        }
        Ok(Route::Proxy { variable, address }) => {
            Check::ok(NAME, format!("calls go through `{address}` (`{variable}`)"))
        }
        Err(error) => failed(NAME, &error),
    }
}

/// The reads, each as far as the one before makes it worth while.
async fn ask(
    client: &Client,
    (plan, untagged): (&Plan, Option<Untagged>),
    checks: &mut Vec<Check>,
) {
    let listed = client.probe(&Probe::List).await;
    checks.push(doctor::connection(&listed));
    checks.push(doctor::clock(&listed));
    checks.push(doctor::sign_in(&listed));
    checks.push(doctor::project(&listed, &plan.project.id));
    checks.push(doctor::list(&listed));
    checks.push(doctor::tags(&listed, untagged));
    let is_reached = !checks
        .iter()
        .any(|check| check.name == "connection" && check.is_problem());
    if is_reached {
        checks.push(match known_server(plan, &listed) {
            Some(server) => {
                let shown = client.probe(&Probe::Show(server)).await;
                doctor::show(&shown, server)
            }
            None => Check::unknown("bms:servers:get", "there is no server to ask for"),
        });
        if let Ok(job) = NO_JOB.parse::<JobId>() {
            checks.push(doctor::job_query(&client.probe(&Probe::Job(job)).await));
        }
    }
    checks.push(doctor::stop());
}

/// A target, or else any server of the project.
fn known_server(plan: &Plan, listed: &Probed) -> Option<ServerId> {
    let targets = plan.batches.first().map(|batch| batch.servers());
    let target = targets.and_then(|servers| servers.first()).copied();
    let any = || {
        let page: Page = parse_page(listed.result.as_ref().ok()?)?;
        page.rows.first().map(|row| row.id)
    };
    target.or_else(any)
}

/// The policies that apply, and whether they or the guards forbid the plan. Returns what they make of servers
/// without reported tags, if they have a rule about tags.
fn forbidden(
    invocation: &Invocation<'_>,
    plan: &Plan,
    (file, checks): (&Path, &mut Vec<Check>),
) -> Option<Untagged> {
    let in_force = match InForce::read(invocation, Approval::Open) {
        Ok(in_force) => in_force,
        Err(error) => {
            if matches!(error, Error::Findings(..)) {
                tell(invocation, &error);
            }
            checks.push(failed("policy", &error));
            return None;
        }
    };
    let names: Vec<String> = in_force.names().map(|name| format!("`{name}`")).collect();
    checks.push(match names.as_slice() {
        [] => Check::ok("policy", "none applies"),
        some => Check::ok("policy", format!("in force: {}", some.join(", "))),
    });
    checks.extend(timing(invocation, plan, (file, &in_force)));
    checks.push(in_force.admit(plan).map_or_else(
        |error| failed("guards", &error),
        |()| Check::ok("guards", "none is broken, and no policy forbids the plan"),
    ));
    in_force.policies().untagged()
}

/// Whether closures and the workflow's window let a run begin now.
fn timing(
    invocation: &Invocation<'_>,
    plan: &Plan,
    (file, in_force): (&Path, &InForce),
) -> [Check; 2] {
    let clock = cloud::clock(invocation, &Account::of_plan(plan));
    let now = clock.unwrap_or_else(|_| Clock::real()).now();
    let window = plan.window.as_ref();
    let files = freeze_files(window, file);
    let closures = calendar(None, &files, in_force.policies());
    let refused = |name, why: NotNow| {
        let hint = why.hint();
        Check::warning(name, Error::from(why).message()).with_hint(hint)
    };
    let freeze = match NotNow::of_moment(&closures, now) {
        None => Check::ok("freeze", "no closure forbids a run now"),
        Some(why) => refused("freeze", why),
    };
    let Some(window) = window else {
        let message = "the workflow has none: a run may begin at any time";
        return [freeze, Check::ok("window", message)];
    };
    let zone = window.zone();
    let window = Calendar::new(Some(window.clone()));
    let window = match (NotNow::of_moment(&window, now), window.occurrence_at(now)) {
        (Some(why), _) => refused("window", why),
        (None, occurrence) => {
            let until = occurrence.map(|it| Told::of(Some(zone), it.cutoff).to_string());
            let message = format!("it is open until {}", until.unwrap_or_default());
            Check::ok("window", message)
        }
    };
    [freeze, window]
}

/// Whether the plan that was reviewed is still the workflow's.
fn committed(file: &Path, plan: &Plan) -> Check {
    const NAME: &str = "committed-plan";
    let path = binding::place(file);
    match binding::committed(file) {
        Err(Error::NoCommittedPlan(_)) => {
            let message = format!("there is none; `run --locked` needs `{}`", path.display());
            Check::skipped(NAME, message)
        }
        Err(error) => failed(NAME, &error),
        Ok(committed) if committed.digest == plan.digest => Check::ok(
            NAME,
            format!("`{}` is that of the workflow", path.display()),
        ),
        Ok(_) => {
            let message = format!(
                "`{}` is not that of the workflow: `run --locked` would end with 22",
                path.display()
            );
            Check::warning(NAME, message).with_hint(format!(
                "`lightsout plan {TYPED} --write` makes it again; have it reviewed and committed"
            ))
        }
    }
}

/// Whether runs can be kept, and whether any is forbidden.
fn state_folder(invocation: &Invocation<'_>) -> Check {
    const NAME: &str = "state-folder";
    let folder = match settings::state_folder(&invocation.general, invocation.around) {
        Ok(folder) => folder,
        Err(error) => return failed(NAME, &error),
    };
    let shown = folder.display();
    if !can_be_used(&folder) {
        let message = format!("`{shown}` cannot be written");
        let hint = "check who may write there, or name another with `--state-dir`";
        return Check::problem(NAME, Exit::Invalid, message).with_hint(hint);
    }
    if let Some(switch) = Switch::in_force(&folder, Clock::real().now()) {
        let message = format!("`{shown}`: the stop switch is set: {}", switch.reason);
        return Check::warning(NAME, message)
            .with_hint("runs send nothing until it is lifted: `lightsout halt --clear`");
    }
    if is_on_network(&folder) {
        let message = format!("`{shown}` is on a network file system");
        return Check::warning(NAME, message).with_hint("its lock may not keep other runs away");
    }
    Check::ok(NAME, format!("`{shown}` can be written"))
}

/// The earlier runs that are in the way of a run, or keep servers out of it.
fn earlier_runs(invocation: &Invocation<'_>, plan: &Plan) -> Vec<Check> {
    const NAME: &str = "earlier-runs";
    let folder = settings::state_folder_to_read(&invocation.general, invocation.around);
    // That it cannot be had was told before.
    let Ok(folder) = folder else {
        return Vec::new();
    };
    let mut checks = Vec::new();
    match unfinished(&folder) {
        Err(error) => checks.push(failed(NAME, &error.into())),
        Ok(open) => checks.extend(open.iter().filter_map(|run| {
            let concerned = concerns(&folder, run, &plan.project);
            let error = concerned.then(|| Recorded::read(&folder, Keep::Runs, run).err());
            let error = quarantine::unreadable(invocation, &folder, run, error.flatten()?);
            Some(failed(NAME, &error))
        })),
    }
    match quarantines(&folder) {
        Err(error) => checks.push(failed(NAME, &error.into())),
        Ok(all) => checks.extend(all.iter().filter(|it| it.holds()).map(|record| {
            let servers = record.servers.as_ref();
            let held = servers.map_or_else(
                || "its servers are not known".to_owned(),
                |servers| format!("{} kept out of new runs", count(servers.len(), "server")),
            );
            let run = &record.run;
            let release = format!("{} --release", again::quarantine(invocation, run));
            Check::warning(NAME, format!("run {run} is in quarantine: {held}"))
                .with_hint(format!("when they were checked: `{release}`"))
        })),
    }
    checks
}

/// The credentials, if there are any that may be used.
fn credentials(
    invocation: &Invocation<'_>,
    flags: &DoctorFlags,
    plan: &Plan,
    checks: &mut Vec<Check>,
) -> Option<Credentials> {
    let host = plan.project.endpoint.authority();
    if let Err(error) = cloud::permit(invocation, &Account::of_plan(plan)) {
        checks.push(failed("endpoint", &error));
        checks.push(Check::skipped(
            "credentials",
            "not looked for, as none may go there",
        ));
        return None;
    }
    checks.push(Check::ok(
        "endpoint",
        format!("credentials may go to `{host}`"),
    ));
    match cloud::load_credentials(invocation, &flags.cloud) {
        Ok(found) => {
            checks.push(Check::ok("credentials", found.describe()));
            checks.extend(found.warnings().iter().map(|message| {
                Check::warning("credentials-file", message)
                    .with_hint("whoever can read them can cut the power too")
            }));
            Some(found)
        }
        Err(error) => {
            checks.push(failed("credentials", &error));
            None
        }
    }
}

fn failed(name: &'static str, error: &Error) -> Check {
    let check = Check::problem(name, error.exit(), error.message());
    match error.hint() {
        Some(hint) => check.with_hint(hint),
        None => check,
    }
}
