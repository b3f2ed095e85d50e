//! From a plan that may be executed to an exit code: the part that `run` and `rehearse` share.
//!
//! Owns the order: keep the plan, execute it while telling what happens, write the reports, sum up.
//! Invariant: once [`perform`] has begun, a report is written whatever becomes of the run.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use super::progress::Bars;
use super::{Invocation, internal, logging, narrate, runtime};
use crate::bms::Client;
use crate::clock::Clock;
use crate::error::Error;
use crate::event::{Event, Launch, Stamped};
use crate::exit::Exit;
use crate::ledger::{BatchRecord, Ledger, SendRecord};
use crate::plan::{self, Plan};
use crate::report::{Report, RunFacts, summary};
use crate::run::{self, Observer, Opening, Recorder, RunError, Work};
use crate::state::{ReportPlace, RunFolder, StateError};
use crate::untrusted::for_terminal;

/// Whose voice the log lines are.
const RUN: &str = "lightsout::run";

/// A plan, and all that its execution needs.
pub(super) struct Execution {
    pub(super) plan: Arc<Plan>,
    pub(super) client: Client,
    pub(super) clock: Clock,
    pub(super) folder: RunFolder,
    /// The further place that a report was asked for.
    pub(super) place: Option<ReportPlace>,
    pub(super) launch: Launch,
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
    let ended = runtime()?.block_on(async {
        let ended = execute(invocation, &execution, recorder.clone()).await;
        // Whatever became of the run, what is known of it is reported.
        let exit = report(invocation, &execution, &recorder).await?;
        ended.map(|()| exit)
    });
    ended.map_err(|error| internal("go on with the run", error))
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
    let opening = Opening::Fresh(execution.launch.clone());
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
async fn report(
    invocation: &Invocation<'_>,
    execution: &Execution,
    recorder: &Recorder,
) -> Result<Exit, RunError> {
    let plan = &execution.plan;
    let mut places = Vec::new();
    if let Some(place) = &execution.place {
        let written = recorder.read(|ledger| {
            written(plan, ledger, |report| {
                place.write(|file| report.write_json(file))
            })
        });
        if !note_written(invocation, written, place.path(), &mut places) {
            recorder.record(Event::ReportMisplaced).await?;
        }
    }
    let folder = &execution.folder;
    let kept = recorder.read(|ledger| {
        written(plan, ledger, |report| {
            folder.write_report(|file| report.write_json(file))
        })
    });
    if !note_written(invocation, kept, &folder.report(), &mut places) {
        recorder.record(Event::ReportMisplaced).await?;
        recorder.read(|ledger| tell_job_ids(invocation, ledger));
    }
    Ok(recorder.read(|ledger| sum_up(invocation, plan, ledger, &places)))
}

fn written(
    plan: &Plan,
    ledger: &Ledger,
    write: impl FnOnce(&Report<'_>) -> Result<(), StateError>,
) -> Result<(), StateError> {
    // A run that never began has nothing to report.
    let Some(facts) = RunFacts::of(plan, ledger) else {
        return Ok(());
    };
    write(&Report::build(plan, ledger, &facts))
}

/// With no report to be had, what must not be lost goes to stderr.
fn tell_job_ids(invocation: &Invocation<'_>, ledger: &Ledger) {
    let sends = ledger.batches().iter().flat_map(BatchRecord::sends);
    for job in sends.filter_map(SendRecord::job) {
        let job = for_terminal(job.as_str());
        invocation.printer.problem(format!("job ID: {job}"));
    }
}

/// Whether a report was written; tells if it was not.
fn note_written(
    invocation: &Invocation<'_>,
    written: Result<(), StateError>,
    path: &Path,
    places: &mut Vec<String>,
) -> bool {
    match written {
        Ok(()) => {
            places.push(path.display().to_string());
            true
        }
        Err(error) => {
            invocation.printer.problem(Error::from(error).explain());
            false
        }
    }
}

fn sum_up(invocation: &Invocation<'_>, plan: &Plan, ledger: &Ledger, places: &[String]) -> Exit {
    let Some(facts) = RunFacts::of(plan, ledger) else {
        return Exit::Internal;
    };
    let mut text = summary(&Report::build(plan, ledger, &facts), places);
    if facts.exit == Exit::Success {
        invocation.printer.note(text);
    } else {
        text.push_str(&format!("\n  exit code: {}", facts.exit.code()));
        invocation.printer.problem(text);
    }
    facts.exit
}
