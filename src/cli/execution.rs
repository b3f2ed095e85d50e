//! From a plan that may be executed to an exit code: the part that `run` and `rehearse` share.
//!
//! Owns the order: keep the plan, execute it while telling what happens, write the reports, sum up.
//! Invariant: once [`perform`] has begun, a report is written whatever becomes of the run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::progress::Bars;
use super::signals::{Listener, Signals};
use super::{Invocation, internal, logging, narrate, runtime, signals};
use crate::bms::Client;
use crate::clock::{Clock, Latest};
use crate::error::Error;
use crate::event::{Event, Launch, Slots, Stamped, StopCause};
use crate::exit::Exit;
use crate::ids::BatchIndex;
use crate::journal::{CrashPoint, HeldFile, Journal, Lost, Replayed, Terms};
use crate::ledger::{BatchRecord, Ledger, SendRecord};
use crate::plan::{self, Plan, Ruling};
use crate::report::{Kept, Report, RunFacts, summary};
use crate::run::{self, Gates, Hours, Observer, Opening, Recorder, RunError, Work};
use crate::state::{ReportPlace, RunFolder, StateError};
use crate::untrusted::for_terminal;

/// Whose voice the log lines are.
const RUN: &str = "lightsout::run";

/// A plan, and all that its execution needs.
pub(super) struct Execution {
    pub(super) plan: Arc<Plan>,
    pub(super) client: Client,
    /// Its clock, and the latest that it can be.
    pub(super) latest: Latest,
    pub(super) folder: RunFolder,
    /// The further place that a report was asked for.
    pub(super) place: Option<ReportPlace>,
    /// The state folder whose stop switch is obeyed.
    pub(super) switch: Option<PathBuf>,
    /// When it may send.
    pub(super) hours: Hours,
    /// Whether gates are asked.
    pub(super) gates: Gates,
    /// The lock that it must hold to the end; none in a rehearsal.
    pub(super) lock: Option<HeldFile>,
    /// Where a test wants the process to die.
    pub(super) crash: Option<CrashPoint>,
}

/// Whether a run begins, or is taken up again.
pub(super) enum Beginning {
    Fresh(Box<Launch>, Vec<(BatchIndex, Slots)>),
    Resumed(Box<Resumption>),
}

/// What a run goes on from.
pub(super) struct Resumption {
    pub(super) replayed: Replayed,
    pub(super) ledger: Ledger,
    /// Why nothing more may be sent, if so.
    pub(super) forbidden: Option<StopCause>,
    /// Whether a person wants to send even if the run is late.
    pub(super) even_late: bool,
    /// What guards and policies make of the plan now, where that was asked.
    pub(super) guards: Vec<Ruling>,
}

/// What drives the runs of one invocation. A signal that comes between two runs is heard by the second.
pub(super) struct Engine {
    runtime: Runtime,
    signals: Signals,
}

impl Engine {
    /// The one that is there already, or a new one.
    pub(super) fn of<'e>(
        engine: &'e mut Option<Self>,
        invocation: &Invocation<'_>,
        clock: Clock,
    ) -> Result<&'e mut Self, Error> {
        match engine {
            Some(engine) => Ok(engine),
            none => Ok(none.insert(Self::start(invocation, clock)?)),
        }
    }

    /// Begins to log and to catch signals: from here on none of them ends the process unheard.
    pub(super) fn start(invocation: &Invocation<'_>, clock: Clock) -> Result<Self, Error> {
        logging::start(&invocation.printer, clock);
        let runtime = runtime()?;
        let signals = invocation.signals.clone();
        signals.catch()?;
        signals.keep();
        Ok(Self { runtime, signals })
    }
}

impl Engine {
    /// The signals that reach its runs.
    pub(super) fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Waits for something that comes before a run, unless a signal or the stop switch ends that.
    pub(super) fn heed<T>(
        &mut self,
        state: &Path,
        clock: Clock,
        work: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let Self { runtime, signals } = self;
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = signals.next() => Err(Error::InterruptedReading),
                done = work => Ok(done),
                switch = signals::switched(state, clock) => Err(Error::Halted(switch)),
            }
        })
    }
}

/// Executes the plan and reports.
pub(super) fn perform(
    invocation: &Invocation<'_>,
    engine: &mut Engine,
    execution: Execution,
    beginning: Beginning,
) -> Result<Exit, Error> {
    let Engine { runtime, signals } = engine;
    let (opening, ledger, journal) = begin(&execution, beginning)?;
    let unchanged = unchanged(&execution, &opening);
    let observer = observer(execution.plan.clone());
    let recorder = Recorder::new(ledger, execution.latest, Some(journal), observer);
    let recorder = Arc::new(recorder);
    let ended = runtime.block_on(async {
        let execute = execute(invocation, &execution, signals, opening, recorder.clone());
        let ended = execute.await;
        if let Err(RunError::NotContinued) = ended {
            return Err(RunError::NotContinued);
        }
        // Whatever became of the run, what is known of it is reported.
        let exit = report(invocation, &execution, &recorder).await?;
        ended.map(|()| exit)
    });
    ended.map_err(|error| match error {
        RunError::NotContinued => unchanged,
        error @ (RunError::Bookkeeping(_) | RunError::Broken(_) | RunError::Undelivered) => {
            internal("go on with the run", error)
        }
    })
}

/// The error of an earlier run whose journal takes no more records.
fn unchanged(execution: &Execution, opening: &Opening) -> Error {
    let settling = Some(StopCause::Settling);
    let settles = matches!(opening, Opening::Resumed { forbidden, .. } if *forbidden == settling);
    Error::NotContinued {
        run: execution.folder.run().clone(),
        journal: execution.folder.journal(),
        command: if settles { "settle" } else { "resume" },
    }
}

/// Puts on disk what must be there before the first request.
fn begin(execution: &Execution, beginning: Beginning) -> Result<(Opening, Ledger, Journal), Error> {
    let Execution {
        plan,
        folder,
        lock,
        crash,
        ..
    } = execution;
    if let Some(lock) = lock.as_ref().filter(|lock| !lock.is_in_place()) {
        return Err(StateError::Lost(Lost::Lock(lock.path().to_owned())).into());
    }
    let terms = Terms {
        lock: lock.clone(),
        crash: *crash,
        starting: None,
    };
    match beginning {
        Beginning::Fresh(launch, left_out) => {
            folder.write_plan(|file| plan::write_json(plan, file))?;
            let journal = folder.start_journal(terms)?;
            Ok((Opening::Fresh(launch, left_out), Ledger::new(plan), journal))
        }
        Beginning::Resumed(resumption) => {
            let Resumption {
                replayed,
                ledger,
                forbidden,
                even_late,
                guards,
            } = *resumption;
            let journal = folder.continue_journal(&replayed, terms)?;
            let opening = Opening::Resumed {
                forbidden,
                even_late,
                guards,
            };
            Ok((opening, ledger, journal))
        }
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
    signals: &Signals,
    opening: Opening,
    recorder: Arc<Recorder>,
) -> Result<(), RunError> {
    let (raise, stop) = watch::channel(None);
    let work = Work {
        plan: execution.plan.clone(),
        client: execution.client.clone(),
        clock: execution.latest.clock(),
        opening,
        hours: execution.hours,
        gates: execution.gates.clone(),
        stop,
    };
    let switch = execution.switch.as_deref();
    let listener = Listener::new(signals, raise, switch, execution.latest.clock());
    let listen = listener.listen(&recorder);
    let bars = invocation.printer.voice().bars;
    let bars = bars.then(|| Bars::new(&execution.plan, invocation.printer.bars()));
    let draw = async {
        match &bars {
            Some(bars) => bars.follow(&recorder).await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        // First, so that a pending signal is heard before anything is sent.
        biased;
        never = listen => match never {},
        ended = run::execute(work, recorder.clone()) => ended,
        never = draw => match never {},
    };
    if let Some(bars) = &bars {
        bars.clear();
    }
    ended
}

/// Writes the reports and sums up; returns the exit code with what came of the writing.
async fn report(
    invocation: &Invocation<'_>,
    execution: &Execution,
    recorder: &Recorder,
) -> Result<Exit, RunError> {
    if let Some(lost) = lost(recorder) {
        return Ok(leave(invocation, recorder, lost));
    }
    let plan = &execution.plan;
    let mut places = Vec::new();
    if let Some(place) = &execution.place {
        let written = recorder.read(|ledger| {
            written(plan, ledger, |report| {
                place.write(|file| report.write_json(file))
            })
        });
        if !note_written(invocation, written, place.path(), &mut places) {
            misplaced(recorder).await?;
        }
    }
    let folder = &execution.folder;
    let kept = recorder.read(|ledger| {
        written(plan, ledger, |report| {
            folder.write_report(|file| report.write_json(file))
        })
    });
    if !note_written(invocation, kept, &folder.report(), &mut places) {
        misplaced(recorder).await?;
        recorder.read(|ledger| tell_job_ids(invocation, ledger));
    }
    let journal = folder.journal();
    let kept = match (places.as_slice(), recorder.journal_failed()) {
        ([], false) => Kept::Journal(&journal),
        ([], true) => Kept::Nowhere,
        (places, _) => Kept::Reports(places),
    };
    Ok(recorder.read(|ledger| sum_up(invocation, plan, ledger, kept)))
}

/// What a run has lost that has not come to a durable end.
fn lost(recorder: &Recorder) -> Option<&Lost> {
    let finished = recorder.read(|ledger| ledger.finished_at().is_some());
    let over = finished && !recorder.journal_failed();
    (!over).then(|| recorder.lost()).flatten()
}

/// Ends a run that another process may be at work on: nothing is written, so the job IDs go to stderr.
fn leave(invocation: &Invocation<'_>, recorder: &Recorder, lost: &Lost) -> Exit {
    let error = Error::from(StateError::Lost(lost.clone()));
    invocation.printer.problem(error.explain());
    recorder.read(|ledger| {
        tell_job_ids(invocation, ledger);
        let exit = ledger.exit_if_left();
        let text = "the run has ended without a report; exit code:";
        invocation
            .printer
            .problem(format!("{text} {}", exit.code()));
        exit
    })
}

/// Records that a finished run's report is not where it should be; an unfinished run will try again.
async fn misplaced(recorder: &Recorder) -> Result<(), RunError> {
    if recorder.read(|ledger| ledger.finished_at().is_some()) {
        recorder.record(Event::ReportMisplaced).await?;
    }
    Ok(())
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
    for job in sends.flat_map(SendRecord::jobs) {
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

fn sum_up(invocation: &Invocation<'_>, plan: &Plan, ledger: &Ledger, kept: Kept<'_>) -> Exit {
    let Some(facts) = RunFacts::of(plan, ledger) else {
        return Exit::Internal;
    };
    let mut text = summary(&Report::build(plan, ledger, &facts), kept);
    let exit = ledger.exit();
    if exit == Exit::Success {
        invocation.printer.note(text);
    } else {
        text.push_str(&format!("\n  exit code: {}", exit.code()));
        invocation.printer.problem(text);
    }
    exit
}
