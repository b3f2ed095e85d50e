//! `lightsout report`: the report of a run, again.
//!
//! Owns choosing the source and the form. Invariant: nothing is read but the named file, or plan and
//! journal of the run; the `report.json` that the run wrote is not among them.

use std::path::Path;

use super::args::{AccountFormat, ReportFlags};
use super::chosen::{Choice, Subject};
use super::{Invocation, print, settings, sources};
use crate::error::Error;
use crate::exit::Exit;
use crate::report::{Ending, Report, RunFacts, Written, to_text};
use crate::state::{Recorded, StateError, live_holder};

pub(super) fn report(invocation: &Invocation<'_>, flags: &ReportFlags) -> Result<Exit, Error> {
    match &flags.subject {
        Subject::File(path) => of_file(invocation, path, flags.format),
        Subject::Run(choice) => of_run(invocation, choice, flags.format),
    }
}

fn of_file(invocation: &Invocation<'_>, path: &Path, format: AccountFormat) -> Result<Exit, Error> {
    let source = sources::read(path)?;
    let written = Written::read(source.text());
    let written = written.map_err(|error| Error::Report(path.to_owned(), error))?;
    match format {
        AccountFormat::Text => print(&invocation.printer, written.to_text().as_bytes()),
        AccountFormat::Json => print(&invocation.printer, source.text().as_bytes()),
    }
}

fn of_run(
    invocation: &Invocation<'_>,
    choice: &Choice,
    format: AccountFormat,
) -> Result<Exit, Error> {
    let state = settings::state_folder_to_read(&invocation.general, invocation.around)?;
    let (keep, run) = choice.find(&state, settings::date(invocation.around)?)?;
    // Before the journal is read: a run that ends in between is finished, not left behind.
    let holder = live_holder(&state, &run);
    let recorded = Recorded::read(&state, keep, &run)?;
    let (plan, ledger) = (&recorded.plan, &recorded.ledger);
    let finished = ledger.finished_at().is_some();
    let facts = match holder {
        Some(_) if !finished => RunFacts::of_live(plan, ledger),
        Some(_) | None => RunFacts::of(plan, ledger),
    };
    let facts = facts.ok_or_else(|| StateError::OtherPlan(recorded.folder.journal()))?;
    if !finished {
        let state = match facts.ending {
            Ending::Running => "still running",
            Ending::Over(_) => "not finished",
        };
        let note = format!("run {run} is {state}: this is what is known so far");
        invocation.printer.note(note);
    }
    let report = Report::build(plan, ledger, &facts);
    let printed = invocation.printer.data(|out| match format {
        AccountFormat::Text => out.write_all(to_text(&report).as_bytes()),
        AccountFormat::Json => report.write_json(out),
    });
    printed.map_err(Error::Stdout)?;
    Ok(Exit::Success)
}
