//! `lightsout runs quarantine`: setting aside a run that can neither be read nor brought to an end.
//!
//! Owns what must hold before that, what a person is shown, and what it means for other commands. Invariant: a
//! run is set aside only under the lock of its project, and only after a person has confirmed what is listed.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::args::QuarantineFlags;
use super::confirm::Terminal;
use super::{Invocation, again, internal, settings};
use crate::clock::Clock;
use crate::error::Error;
use crate::event::Slots;
use crate::exit::Exit;
use crate::ids::{BatchIndex, RunId, ServerId};
use crate::plan::{Plan, PlanWarning};
use crate::report::count;
use crate::run::{Narrowing, left_out};
use crate::state::{
    self, Keep, Lock, PossibleRequest, Quarantine, Remains, RunFolder, StateError, live_holders,
};
use crate::untrusted::for_terminal;

/// How old the newest record of a run must be.
const SETTLED: SignedDuration = SignedDuration::from_mins(15);

/// Most requests that are listed.
const SHOWN: usize = 20;

pub(super) fn quarantine(
    invocation: &Invocation<'_>,
    flags: &QuarantineFlags,
) -> Result<Exit, Error> {
    let state = settings::state_folder(&invocation.general, invocation.around)?;
    let now = Clock::real().now();
    if flags.release {
        return release(invocation, flags, (&state, now));
    }
    let run = &flags.run;
    if state::find(&state, run)? != Keep::Runs {
        return Err(StateError::NoRun(run.clone()).into());
    }
    if state::is_quarantined(&state, run) {
        return Err(Error::Quarantined(run.clone(), command(invocation, run)));
    }
    let _lock = lock(&state, run)?;
    // Read under the lock, so that no other process writes.
    let remains = Remains::of(&state, run);
    if remains.is_finished {
        return Err(Error::NothingToQuarantine(run.clone()));
    }
    let young = remains.times.iter().filter(|at| is_young(**at, now)).max();
    if let Some(young) = young {
        return Err(Error::TooYoung(run.clone(), *young));
    }
    invocation.printer.note(listed(&state, run, &remains));
    confirm(invocation, flags, "set the run aside")?;
    let known = (remains.project, remains.servers);
    let problem = remains
        .problem
        .map(|problem| Error::from(problem).message());
    let record = Quarantine::new(run.clone(), now, known, problem);
    record.keep(&state)?;
    let release = format!("{} --release", command(invocation, run));
    let note = format!(
        "run {run} is in quarantine: it blocks no other run\n  \
         when its servers were checked: `{release}`"
    );
    invocation.printer.note(note);
    Ok(Exit::Success)
}

/// Whether a time is in the last minutes, or in the future: the clock of the run may have been fast.
fn is_young(at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(at) < SETTLED
}

/// The lock of the run's project. A run whose project is not known must not meet any live run.
fn lock(state: &Path, run: &RunId) -> Result<Option<Lock>, Error> {
    let project = Remains::of(state, run).project;
    let mut holders = live_holders(state).into_iter();
    let live = holders.find(|holder| project.is_none() || holder.run.as_ref() == Some(run));
    if let Some(holder) = live {
        return Err(StateError::Locked(Some(Box::new(holder))).into());
    }
    let lock = project.map(|project| Lock::take(state, &project));
    Ok(lock.transpose()?)
}

/// What a person must know before the run is set aside.
fn listed(state: &Path, run: &RunId, remains: &Remains) -> String {
    let mut lines = vec![match &remains.problem {
        Some(problem) => {
            let folder = RunFolder::of(state, Keep::Runs, run);
            let folder = folder.plan();
            let folder = folder.parent().unwrap_or(state).display().to_string();
            let message = for_terminal(&problem.to_string()).into_owned();
            format!(
                "run {run} in `{}` cannot be read: {message}",
                for_terminal(&folder)
            )
        }
        None => format!(
            "run {run} can be read, and is not finished: `lightsout settle {run}` may end it"
        ),
    }];
    match &remains.project {
        Some(project) => lines.push(format!("  project {} at {}", project.id, project.endpoint)),
        None => lines.push("  its project is not known".to_owned()),
    }
    let known = count(remains.requests.len(), "request");
    lines.push(format!("  {known} that may have been accepted:"));
    lines.extend(remains.requests.iter().take(SHOWN).map(shown));
    if let Some(more) = remains
        .requests
        .len()
        .checked_sub(SHOWN)
        .filter(|more| *more > 0)
    {
        lines.push(format!("    and {more} more"));
    }
    if remains.problem.is_some() {
        lines.push("  there may be more, as not every record can be read".to_owned());
    }
    lines.push(match (&remains.servers, &remains.project) {
        (Some(servers), _) => {
            let servers = count(servers.len(), "server");
            format!("  {servers} will be kept out of new runs until `--release`")
        }
        (None, Some(_)) => {
            "  the servers cannot be found out: new runs of this project are refused until `--release`"
                .to_owned()
        }
        (None, None) => "  the servers cannot be found out, so that none is kept out of new runs: check them now"
            .to_owned(),
    });
    lines.join("\n")
}

fn shown(request: &PossibleRequest) -> String {
    let PossibleRequest {
        batch,
        attempt,
        servers,
        at,
        jobs,
    } = request;
    let servers = count(*servers, "server");
    let jobs: Vec<_> = jobs.iter().map(|job| for_terminal(job.as_str())).collect();
    let answer = if jobs.is_empty() {
        "no response".to_owned()
    } else {
        format!("job {}", jobs.join(", "))
    };
    format!("    batch {batch}, request {attempt}, {at:.0}: {servers}, {answer}")
}

/// Asks for the run's ID, unless `--yes` is given.
fn confirm(
    invocation: &Invocation<'_>,
    flags: &QuarantineFlags,
    action: &str,
) -> Result<(), Error> {
    if flags.yes {
        return Ok(());
    }
    let run = &flags.run;
    let release = if flags.release { " --release" } else { "" };
    let unasked = || format!("{}{release} --yes", command(invocation, run));
    let _terminal = Terminal::require(invocation, unasked)?;
    let answer = invocation
        .printer
        .ask(format!("Type the run ID to {action}:"));
    let answer = answer.map_err(|error| internal("ask for confirmation", error))?;
    if answer == run.as_str() {
        Ok(())
    } else {
        Err(Error::NotConfirmed(run.clone(), answer))
    }
}

fn release(
    invocation: &Invocation<'_>,
    flags: &QuarantineFlags,
    (state, now): (&Path, Timestamp),
) -> Result<Exit, Error> {
    let run = &flags.run;
    let record = Quarantine::of(state, run)?.filter(Quarantine::holds);
    let record = record.ok_or_else(|| Error::NotInQuarantine(run.clone()))?;
    let servers = record
        .servers
        .as_ref()
        .map(|servers| count(servers.len(), "server"));
    let servers = servers.unwrap_or_else(|| "all servers of its project".to_owned());
    let note = format!("run {run}: new runs may send {servers} again");
    invocation.printer.note(note);
    confirm(invocation, flags, "release its servers")?;
    record.release(state, now)?;
    invocation.printer.note(format!("run {run} is released"));
    Ok(Exit::Success)
}

fn command(invocation: &Invocation<'_>, run: &RunId) -> String {
    again::quarantine(invocation, run)
}

/// That an earlier run cannot be read, with its folder and what to do.
pub(super) fn unreadable(
    invocation: &Invocation<'_>,
    state: &Path,
    run: &RunId,
    error: StateError,
) -> Error {
    let plan = RunFolder::of(state, Keep::Runs, run).plan();
    Error::UnreadableRun {
        run: run.clone(),
        folder: plan.parent().unwrap_or(state).to_owned(),
        command: command(invocation, run),
        cause: Box::new(error.into()),
    }
}

/// Refuses a run that is in quarantine.
pub(super) fn refuse(invocation: &Invocation<'_>, state: &Path, run: &RunId) -> Result<(), Error> {
    if state::is_quarantined(state, run) {
        return Err(Error::Quarantined(run.clone(), command(invocation, run)));
    }
    Ok(())
}

/// The targets that runs in quarantine keep out of a new run.
#[derive(Debug, Default)]
pub(super) struct KeptOut {
    slots: Vec<(BatchIndex, Slots)>,
    /// What the report says about it.
    pub(super) warning: Option<PlanWarning>,
    /// The command that releases the first of these runs.
    pub(super) release: Option<String>,
}

impl KeptOut {
    /// Without the targets that the command line leaves out anyway.
    pub(super) fn without(&self, narrowed: &[(BatchIndex, Slots)]) -> Vec<(BatchIndex, Slots)> {
        let left = self.slots.iter().map(|(batch, slots)| {
            let out = narrowed.iter().find(|(other, _)| other == batch);
            let is_out = |slot: &u16| out.is_some_and(|(_, out)| out.contains(*slot));
            let slots = slots.iter().filter(|slot| !is_out(slot)).collect::<Slots>();
            (*batch, slots)
        });
        left.filter(|(_, slots)| !slots.is_empty()).collect()
    }
}

/// What runs in quarantine keep out of a new run of this plan; an error if it may be any of its servers.
pub(super) fn kept_out(
    invocation: &Invocation<'_>,
    state: &Path,
    plan: &Plan,
) -> Result<KeptOut, Error> {
    let held = state::held(state, &plan.project)?;
    if let Some(run) = held.unknown.first() {
        return Err(Error::HeldProject(run.clone(), command(invocation, run)));
    }
    let without: HashSet<ServerId> = held.servers.keys().copied().collect();
    let narrowing = Narrowing {
        without,
        ..Narrowing::default()
    };
    let slots = left_out(plan, &narrowing);
    let targets: usize = slots.iter().map(|(_, slots)| slots.len()).sum();
    let runs: BTreeSet<&RunId> = held.servers.values().collect();
    let commands = runs
        .iter()
        .map(|run| format!("{} --release", command(invocation, run)));
    let commands: Vec<String> = commands.collect();
    let warning = (targets > 0).then(|| PlanWarning {
        code: "quarantined".to_owned(),
        message: format!(
            "{} kept out by runs in quarantine; when they were checked: `{}`",
            count(targets, "target"),
            commands.join("`, `")
        ),
    });
    if let Some(warning) = &warning {
        let message = for_terminal(&warning.message);
        invocation.printer.note(format!("warning: {message}"));
    }
    Ok(KeptOut {
        slots,
        warning,
        release: commands.into_iter().next(),
    })
}
