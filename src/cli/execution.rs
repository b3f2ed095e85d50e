//! From a plan that may be executed to an exit code: the part that `run` and `rehearse` share.
//!
//! Owns the order: keep the plan, execute it while telling what happens, write the reports, sum up.
//! Invariant: once [`perform`] has begun, a report is written whatever becomes of the run.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use super::progress::Bars;
use super::{Invocation, internal, logging, narrate, runtime};
use crate::bms::Client;
use crate::clock::Clock;
use crate::error::Error;
use crate::event::{Mode, Stamped};
use crate::exit::Exit;
use crate::ledger::Ledger;
use crate::plan::{self, Plan, PlanWarning};
use crate::report::{Report, RunFacts, summary};
use crate::run::{self, Observer, Opening, Recorder, RunError, Work};
use crate::state::{ReportPlace, RunFolder};

/// Whose voice the log lines are.
const RUN: &str = "lightsout::run";

/// A plan, and all that its execution needs.
pub(super) struct Execution {
    pub(super) plan: Arc<Plan>,
    pub(super) mode: Mode,
    pub(super) client: Client,
    pub(super) clock: Clock,
    pub(super) folder: RunFolder,
    /// The further place that a report was asked for.
    pub(super) place: Option<ReportPlace>,
    pub(super) labels: BTreeMap<String, String>,
    /// What arose before the run, for the report.
    pub(super) warnings: Vec<PlanWarning>,
    /// The command that would do the same again.
    pub(super) again: String,
}

/// Executes the plan and reports.
pub(super) fn perform(invocation: &Invocation<'_>, execution: Execution) -> Result<Exit, Error> {
    let plan = execution.plan.clone();
    execution
        .folder
        .write_plan(|file| plan::write_json(&plan, file))?;
    logging::start(&invocation.printer, execution.clock);
    let journal = execution.folder.start_journal(None)?;
    let recorder = Arc::new(Recorder::new(
        Ledger::new(&plan),
        execution.clock,
        Some(journal),
        observer(plan.clone()),
    ));
    let ended = runtime()?.block_on(execute(invocation, &execution, recorder.clone()));
    let exit = recorder.read(|ledger| {
        let earned = if ended.is_ok() {
            ledger.exit()
        } else {
            Exit::Internal
        };
        report(invocation, &execution, ledger, earned)
    });
    match ended {
        Ok(()) => Ok(exit),
        Err(error) => Err(internal("go on with the run", error)),
    }
}

/// Tells every event as a log line.
fn observer(plan: Arc<Plan>) -> Observer {
    Box::new(move |stamped: &Stamped| {
        let line = narrate::narrate(&plan, &stamped.event);
        let batch = line.batch.map(|batch| batch.0);
        let text = line.text;
        // `tracing` wants levels that are known when it is compiled.
        match line.level {
            tracing::Level::ERROR => {
                tracing::error!(target: RUN, { event.batch = batch }, "{text}")
            }
            tracing::Level::WARN => tracing::warn!(target: RUN, { event.batch = batch }, "{text}"),
            tracing::Level::INFO => tracing::info!(target: RUN, { event.batch = batch }, "{text}"),
            _ => tracing::debug!(target: RUN, { event.batch = batch }, "{text}"),
        }
    })
}

async fn execute(
    invocation: &Invocation<'_>,
    execution: &Execution,
    recorder: Arc<Recorder>,
) -> Result<(), RunError> {
    let opening = Opening::Fresh {
        run: execution.folder.run().clone(),
        mode: execution.mode,
        labels: execution.labels.clone(),
    };
    let (_nobody, stop) = watch::channel(None);
    let work = Work {
        plan: execution.plan.clone(),
        client: execution.client.clone(),
        clock: execution.clock,
        opening,
        stop,
    };
    if !invocation.printer.voice().bars {
        return run::execute(work, recorder).await;
    }
    let bars = Bars::new(&execution.plan, invocation.printer.bars());
    let ended = tokio::select! {
        ended = run::execute(work, recorder.clone()) => ended,
        never = bars.follow(&recorder) => match never {},
    };
    bars.clear();
    ended
}

/// Writes the reports and sums up; returns the exit code with what came of the writing.
fn report(
    invocation: &Invocation<'_>,
    execution: &Execution,
    ledger: &Ledger,
    earned: Exit,
) -> Exit {
    let facts = |exit| RunFacts {
        version: env!("CARGO_PKG_VERSION"),
        mode: execution.mode,
        labels: execution.labels.clone(),
        exit,
        next: next(execution, exit),
        warnings: execution.warnings.clone(),
    };
    let mut exit = earned;
    let mut places = Vec::new();
    if let Some(place) = &execution.place {
        let facts = facts(exit);
        let report = Report::build(&execution.plan, ledger, &facts);
        let written = place.write(|file| report.write_json(file));
        note_written(invocation, written, place.path(), &mut places, &mut exit);
    }
    let facts = facts(exit);
    let report = Report::build(&execution.plan, ledger, &facts);
    let path = execution.folder.report();
    let written = execution.folder.write_report(write_to(&report));
    note_written(invocation, written, &path, &mut places, &mut exit);
    sum_up(invocation, &report, &places, exit);
    exit
}

fn write_to<'a>(report: &'a Report<'a>) -> impl FnOnce(&mut File) -> io::Result<()> + 'a {
    |file| report.write_json(file)
}

fn note_written(
    invocation: &Invocation<'_>,
    written: Result<(), crate::state::StateError>,
    path: &Path,
    places: &mut Vec<String>,
    exit: &mut Exit,
) {
    match written {
        Ok(()) => places.push(path.display().to_string()),
        Err(error) => {
            invocation.printer.problem(Error::from(error).explain());
            *exit = exit.without_report();
        }
    }
}

fn sum_up(invocation: &Invocation<'_>, report: &Report<'_>, places: &[String], exit: Exit) {
    let mut text = summary(report, places);
    if exit == Exit::Success {
        invocation.printer.note(text);
    } else {
        text.push_str(&format!("\n  exit code: {}", exit.code()));
        invocation.printer.problem(text);
    }
}

/// The command to type next: after a good rehearsal the real run, after a bad run the same again.
fn next(execution: &Execution, exit: Exit) -> Option<String> {
    let advised = match (execution.mode, exit) {
        (Mode::Rehearsal | Mode::DryRun, Exit::Success) => true,
        (Mode::Run, Exit::Refused | Exit::SomeFailed | Exit::SomeUnknown) => true,
        (
            Mode::Run | Mode::Rehearsal | Mode::DryRun,
            Exit::Success
            | Exit::Invalid
            | Exit::Refused
            | Exit::Locked
            | Exit::PlanMismatch
            | Exit::Guard
            | Exit::Halted
            | Exit::SomeFailed
            | Exit::SomeUnknown
            | Exit::Resumable
            | Exit::ReportNotWritten
            | Exit::Internal,
        ) => false,
    };
    advised.then(|| execution.again.clone())
}
