//! Stage 6, pure: plan and [`Ledger`] → [`Report`], the account of a run that people keep.
//!
//! Everything in a report is derived from the plan and the ledger; [`RunFacts`] adds the little that
//! neither can know. Writing it into a file is the neighbours' work. Invariant: every target of the
//! plan has exactly one row and one outcome, and all totals are counts of those rows.

mod counts;
mod document;
mod layout;
mod next;
mod overview;
mod stopped_by;
mod summary;
mod target;
#[cfg(test)]
mod tests;
mod text;
mod verdict;
mod written;

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use crate::event::{Lifted, Mode, Narrowed, Opened, StopCause, TimeRule};
use crate::exit::Exit;
use crate::ids::{JobId, RunId};
use crate::ledger::{BatchRecord, Ledger, SendRecord};
use crate::plan::{Plan, PlanWarning, Ruling};

use next::next;

pub use counts::{Counts, WordedCounts};
pub use stopped_by::{StoppedBy, cause_text};
pub use summary::{Kept, count, grouped, hours, summary, words};
pub use target::Target;
pub use text::to_text;
pub use verdict::{Ending, Verdict};
pub use written::{ReportError, Written};

/// The format that this version writes and reads.
pub const FORMAT: &str = "lightsout/report/v1";

/// The JSON Schema of a report.
pub const SCHEMA: &str = include_str!("../../schemas/report.schema.json");

/// What the whole run comes to.
#[derive(Debug, Clone)]
pub struct RunFacts {
    /// Version of the program that started it.
    pub version: String,
    /// Whether real servers were meant.
    pub mode: Mode,
    /// Labels of the command line; stronger than the workflow's.
    pub labels: BTreeMap<String, String>,
    /// How far it has come.
    pub ending: Ending,
    /// The command to type next, if there is one.
    pub next: Option<String>,
    /// What stopped the sending, if anything did.
    pub stopped_by: Option<StoppedBy>,
    /// Warnings that arose beside the plan's own.
    pub warnings: Vec<PlanWarning>,
    /// What the command line leaves out of the plan.
    pub narrowed: Option<Narrowed>,
    /// What guards and policies made of the plan.
    pub guards: Vec<Ruling>,
}

/// What stopped the sending, where a person should know more of it than the reason.
fn stop(ledger: &Ledger) -> Option<PlanWarning> {
    let (cause, evidence) = ledger.left_for()?;
    let code = match cause {
        StopCause::Gate => "gate",
        StopCause::Clock => "clock",
        StopCause::MaxFailures => "max-failures",
        StopCause::Refused
        | StopCause::Unreachable
        | StopCause::Interrupted
        | StopCause::Halted
        | StopCause::Journal
        | StopCause::Late
        | StopCause::Policy
        | StopCause::Frozen
        | StopCause::Cutoff
        | StopCause::Settling => return None,
    };
    Some(PlanWarning {
        code: code.to_owned(),
        message: evidence.message.clone()?,
    })
}

impl RunFacts {
    /// The facts of a run that a process is working on; `None` if it never began.
    pub fn of_live(plan: &Plan, ledger: &Ledger) -> Option<Self> {
        Some(Self {
            ending: Ending::Running,
            next: None,
            ..Self::of(plan, ledger)?
        })
    }

    /// The facts of the run that `ledger` knows, which no process goes on with; `None` if it never began.
    pub fn of(plan: &Plan, ledger: &Ledger) -> Option<Self> {
        let launch = &ledger.began()?.launch;
        let guards = guards(plan, ledger);
        let breached = guards.iter().any(|guard| guard.ok == Some(false));
        let exit = match launch.mode {
            Mode::DryRun if breached => Exit::Guard,
            Mode::DryRun | Mode::Run | Mode::Rehearsal => ledger.exit(),
        };
        Some(Self {
            version: launch.version.clone(),
            mode: launch.mode,
            labels: launch.labels.clone(),
            warnings: launch
                .warnings
                .iter()
                .cloned()
                .chain(stop(ledger))
                .collect(),
            narrowed: launch.narrowed.clone(),
            guards,
            ending: Ending::Over(exit),
            next: next(launch, ledger, exit),
            stopped_by: StoppedBy::of(ledger),
        })
    }
}

/// What was decided at the run; before that, what the plan itself tells.
fn guards(plan: &Plan, ledger: &Ledger) -> Vec<Ruling> {
    match ledger.guards() {
        [] => plan.guards.iter().map(Ruling::from).collect(),
        decided => decided.to_vec(),
    }
}

/// The account of one run.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    plan: &'a Plan,
    ledger: &'a Ledger,
    facts: &'a RunFacts,
    groups: Vec<Counts>,
    totals: Counts,
}

impl<'a> Report<'a> {
    /// The report of what `ledger` knows of the run of `plan`.
    pub fn build(plan: &'a Plan, ledger: &'a Ledger, facts: &'a RunFacts) -> Self {
        let mut groups = vec![Counts::default(); plan.groups.len()];
        for target in target::all(plan, ledger, facts.ending) {
            if let Some(counts) = groups.get_mut(target.group_index()) {
                counts.add(target.outcome().kind());
            }
        }
        let totals = groups
            .iter()
            .fold(Counts::default(), |sum, group| sum.plus(group));
        Self {
            plan,
            ledger,
            facts,
            groups,
            totals,
        }
    }

    /// Counts of all targets.
    pub fn totals(&self) -> &Counts {
        &self.totals
    }

    /// The run in one word.
    pub fn verdict(&self) -> Verdict {
        Verdict::of(self.facts.ending)
    }

    /// How the process ends; none while it runs.
    pub fn exit(&self) -> Option<Exit> {
        self.facts.ending.exit()
    }

    /// Whether real servers were meant.
    pub fn mode(&self) -> Mode {
        self.facts.mode
    }

    /// The run's ID; a dry run keeps nothing that an ID could name.
    pub fn run_id(&self) -> Option<&'a RunId> {
        let began = self.ledger.began()?;
        (self.facts.mode != Mode::DryRun).then_some(&began.launch.run)
    }

    /// The run that is undone, if it is an undo.
    pub fn undoes(&self) -> Option<&'a RunId> {
        self.ledger.began()?.launch.undoes.as_ref()
    }

    /// The occurrence of the window in which the run began, if it did in one.
    pub fn window(&self) -> Option<&'a Opened> {
        self.ledger.began()?.launch.permit.window.as_ref()
    }

    /// What a person lifted for the run, and why; untrusted.
    pub fn overrides(&self) -> impl Iterator<Item = (TimeRule, &'a str)> + use<'a> {
        let permit = self.ledger.began().map(|began| &began.launch.permit);
        let lifted = permit.and_then(|permit| permit.lifted.as_ref());
        let rules = |lifted: &'a Lifted| {
            let rules = lifted.rules.iter();
            rules.map(|rule| (*rule, lifted.reason.as_str()))
        };
        lifted.into_iter().flat_map(rules)
    }

    /// Every target in plan order.
    pub fn targets(&self) -> impl Iterator<Item = Target<'a>> + use<'a> {
        target::all(self.plan, self.ledger, self.facts.ending)
    }

    /// Every job ID in plan order.
    pub fn job_ids(&self) -> impl Iterator<Item = &'a JobId> + use<'a> {
        let batches = self.ledger.batches().iter();
        batches
            .flat_map(BatchRecord::sends)
            .flat_map(SendRecord::jobs)
    }

    /// Writes the report as JSON: an entry a line, each server on a line of its own.
    ///
    /// Nothing is built up in memory, so a report of any size costs only its writing.
    pub fn write_json(&self, out: impl io::Write) -> io::Result<()> {
        write_entries(&document::Document::of(self), out)
    }
}

/// Writes a document as JSON, an entry a line, with nothing in it that a terminal obeys.
pub fn write_entries(document: &impl Serialize, out: impl io::Write) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(64 * 1024, out);
    let mut serializer =
        serde_json::Serializer::with_formatter(&mut out, layout::LineAnEntry::default());
    document.serialize(&mut serializer)?;
    io::Write::write_all(&mut out, b"\n")?;
    io::Write::flush(&mut out)
}
