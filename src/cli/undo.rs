//! `lightsout undo`: starting again what a run has stopped.
//!
//! Owns finding the run and its earlier undos; what the way back is, and when there is none, is `undo`'s
//! to say. Invariant: what is started was made from the run's own plan and journal, read again under the
//! lock.

use std::collections::BTreeMap;
use std::path::Path;

use super::args::{NarrowingFlags, UndoFlags};
use super::chosen::Undone;
use super::cloud::Account;
use super::confirm::Terminal;
use super::fresh::{Consent, Told, Wish, begin};
use super::{Invocation, again, cloud, dry_run, settings, sources};
use crate::error::Error;
use crate::event::Mode;
use crate::exit::Exit;
use crate::ids::RunId;
use crate::policy::Approval;
use crate::report::{Written, count};
use crate::state::{Keep, Recorded, StateError, find, latest_of, undos_of};
use crate::undo::{self, Earlier, Refused, WayBack};

pub(super) fn undo(invocation: &Invocation<'_>, flags: &UndoFlags) -> Result<Exit, Error> {
    let state = settings::state_folder(&invocation.general, invocation.around)?;
    let run = run(invocation, &state, flags)?;
    let again = again::undo(invocation, &run, flags);
    let consent = if flags.yes || flags.dry_run {
        Consent::Given
    } else {
        Consent::ToBeAsked(Terminal::require(invocation, || format!("{again} --yes"))?)
    };
    let back = way_back(invocation, &state, &run, flags)?;
    tell(invocation, &run, &back);
    let digest = back.plan.digest;
    let narrowing = NarrowingFlags {
        only: Vec::new(),
        exclude: flags.exclude.clone(),
        remaining: false,
    };
    let wish = Wish {
        plan: back.plan,
        connected: None,
        cloud: &flags.cloud,
        report: flags.report.as_deref(),
        told: Told {
            narrowing: &narrowing,
            labels: BTreeMap::new(),
            again,
            undoes: Some(run.clone()),
            approval: Approval::Other,
            beside: Path::new(""),
            lifts: flags.lifting.reason(),
        },
        consent,
    };
    if flags.dry_run {
        return dry_run::dry_run(invocation, wish);
    }
    begin(invocation, &mut None, wish, |state| {
        let now = way_back(invocation, state, &run, flags)?;
        if now.plan.digest == digest {
            Ok(())
        } else {
            Err(Error::Undo(Refused::Changed(run.clone())))
        }
    })
}

/// The run that the flags mean.
fn run(invocation: &Invocation<'_>, state: &Path, flags: &UndoFlags) -> Result<RunId, Error> {
    match (&flags.run, &flags.last) {
        (Some(Undone::Run(run)), _) => real(state, run.clone()),
        (Some(Undone::Report(path)), _) => of_report(state, path),
        (None, name) => {
            let now = settings::date(invocation.around)?;
            let name = name.as_deref().unwrap_or_default();
            let last = latest_of(state, name, now)?;
            last.ok_or_else(|| Error::Undo(Refused::NoneOf(name.to_owned())))
        }
    }
}

/// A run of the state folder that stopped real servers.
fn real(state: &Path, run: RunId) -> Result<RunId, Error> {
    match find(state, &run)? {
        Keep::Runs => Ok(run),
        Keep::Rehearsals => Err(Error::Undo(Refused::NotReal("rehearsal"))),
    }
}

/// A report only names its run: what was stopped is told by the run's own journal.
fn of_report(state: &Path, path: &Path) -> Result<RunId, Error> {
    let source = sources::read(path)?;
    let report = Written::read(source.text());
    let report = report.map_err(|error| Error::Report(path.to_owned(), error))?;
    let named = match (report.mode(), report.run_id()) {
        (Mode::Run, Some(run)) => run.clone(),
        (Mode::Rehearsal, _) => return Err(Error::Undo(Refused::NotReal("rehearsal"))),
        (Mode::DryRun, _) | (_, None) => return Err(Error::Undo(Refused::NotReal("dry run"))),
    };
    let run = match real(state, named.clone()) {
        Err(Error::State(StateError::NoRun(_))) => {
            return Err(Error::Undo(Refused::NotHere(named)));
        }
        found => found?,
    };
    let recorded = Recorded::read(state, Keep::Runs, &run)?;
    if recorded.plan.digest != report.digest() {
        return Err(Error::Undo(Refused::OtherPlan(run)));
    }
    Ok(run)
}

/// The way back of a run, as far as it was not undone before.
fn way_back(
    invocation: &Invocation<'_>,
    state: &Path,
    run: &RunId,
    flags: &UndoFlags,
) -> Result<WayBack, Error> {
    let recorded = Recorded::read(state, Keep::Runs, run)?;
    let account = Account::of_plan(&recorded.plan);
    let now = cloud::clock(invocation, &account)?.now();
    let mut earlier = Vec::new();
    for undo in undos_of(state, run)? {
        let Recorded { plan, ledger, .. } = Recorded::read(state, Keep::Runs, &undo)?;
        earlier.push(Earlier {
            run: undo,
            plan,
            ledger,
        });
    }
    let this = (&recorded.plan, &recorded.ledger);
    undo::way_back(run, this, &earlier, now, flags.max_age).map_err(Error::Undo)
}

fn tell(invocation: &Invocation<'_>, run: &RunId, back: &WayBack) {
    let servers = count(back.plan.target_count(), "server");
    let mut text = format!(
        "the way back of run {run} of {}, which began {:.0}: {servers} to be started",
        back.plan.workflow.name, back.began_at
    );
    if back.unseen > 0 {
        let unseen = count(back.unseen, "stopped server");
        text.push_str(&format!(
            "\n  {unseen} left out: the run did not see them on before and off after"
        ));
    }
    if back.undone > 0 {
        let undone = count(back.undone, "stopped server");
        text.push_str(&format!(
            "\n  {undone} left out: an earlier undo has started them, or may have"
        ));
    }
    invocation.printer.note(text);
}
