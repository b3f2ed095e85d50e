//! How a run is going, or went: plan, ledger and what surrounds the run → [`Status`]. Pure.
//!
//! Owns what is told and the difference between running, finished and left behind; two neighbours own
//! the text and the JSON form, which `schemas/status.schema.json` describes. Invariant: what the journal
//! does not say is never guessed; a run that nobody is seen working on is not called running.

mod document;
#[cfg(test)]
mod tests;
mod text;

use jiff::Timestamp;

use crate::event::{Mode, Opened, SendAnswer, StopCause, WaitReason};
use crate::ids::RunId;
use crate::ledger::{BatchRecord, Ledger, SendRecord, Soak, Totals};
use crate::outcome::OutcomeKind;
use crate::plan::{Batch, Plan};
use crate::report::{RunFacts, StoppedBy};
use crate::state::{Holder, Switch};

/// The format that this version writes.
pub const FORMAT: &str = "lightsout/status/v1";

/// The JSON Schema of a status.
pub const SCHEMA: &str = include_str!("../../schemas/status.schema.json");

/// What surrounds a run beside its plan and journal.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// The run.
    pub run: RunId,
    /// Whether it is real.
    pub mode: Mode,
    /// Who works on it, as far as this host can tell.
    pub holder: Option<Holder>,
    /// The stop switch, if it is in force.
    pub switch: Option<Switch>,
    /// When the last readable event happened.
    pub last_at: Option<Timestamp>,
    /// Why the rest of the journal cannot be read, if so.
    pub problem: Option<String>,
}

/// The status of one run.
#[derive(Debug)]
pub struct Status<'a> {
    plan: &'a Plan,
    ledger: &'a Ledger,
    around: &'a Circumstances,
    /// What it comes to so far; nothing of a run that cannot be read to the end.
    facts: Option<RunFacts>,
    life: Life,
}

/// Whether somebody works on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// A process of this host does.
    Running,
    /// Its journal says that it is over.
    Finished,
    /// Nobody is seen working on it, and it is not over.
    Unfinished,
    /// Nobody is seen working on it, and its journal cannot be read to the end.
    Unreadable,
}

/// What a batch waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// What the run says that it waits for.
    Said(WaitReason),
    /// The answer to a stop request.
    Answer,
    /// The end of a job.
    Job,
    /// States of servers.
    States,
}

/// Counts of the stop requests of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sends {
    sent: u32,
    accepted: u32,
    unanswered: u32,
}

impl<'a> Status<'a> {
    /// The status of the run of `plan` of which `ledger` knows.
    pub fn new(plan: &'a Plan, ledger: &'a Ledger, around: &'a Circumstances) -> Self {
        let finished = ledger.finished_at().is_some();
        let life = match (&around.holder, &around.problem) {
            (_, None) if finished => Life::Finished,
            (Some(_), _) => Life::Running,
            (None, Some(_)) => Life::Unreadable,
            (None, None) => Life::Unfinished,
        };
        let facts = match life {
            Life::Running => RunFacts::of_live(plan, ledger),
            Life::Finished | Life::Unfinished => RunFacts::of(plan, ledger),
            Life::Unreadable => None,
        };
        Self {
            plan,
            ledger,
            around,
            facts,
            life,
        }
    }

    /// The facts of the run once it is finished.
    fn end(&self) -> Option<&RunFacts> {
        self.facts.as_ref().filter(|_| self.life == Life::Finished)
    }

    /// The command to type next: the one that summary and report name.
    fn next(&self) -> Option<&str> {
        let facts = self.facts.as_ref();
        let facts = facts.filter(|_| self.around.mode == Mode::Run || self.life == Life::Finished);
        facts?.next.as_deref()
    }

    /// The command that only reads the outcomes of the run, if it can be resumed.
    fn settle(&self) -> Option<String> {
        let resume = format!("lightsout resume {}", self.around.run);
        let resumes = self.next().is_some_and(|next| next.starts_with(&resume));
        resumes.then(|| format!("lightsout settle {}", self.around.run))
    }

    /// What stopped the sending, if anything did.
    fn stopped_by(&self) -> Option<&StoppedBy> {
        self.facts.as_ref()?.stopped_by.as_ref()
    }

    /// The run that is undone, if this is an undo.
    fn undoes(&self) -> Option<&'a RunId> {
        self.ledger.began()?.launch.undoes.as_ref()
    }

    /// The occurrence of the window in which the run began.
    fn window(&self) -> Option<&'a Opened> {
        self.ledger.began()?.launch.permit.window.as_ref()
    }

    /// Why the run sends nothing more, if so.
    fn stopped(&self) -> Option<StopCause> {
        self.ledger.stopped().map(|(cause, _)| *cause)
    }

    fn sends(&self) -> Sends {
        let mut counts = Sends::default();
        let sends = self.ledger.batches().iter().flat_map(BatchRecord::sends);
        for send in sends.filter(|send| !send.withdrawn) {
            counts.sent += 1;
            counts.accepted += u32::from(matches!(send.answer, Some(SendAnswer::Accepted { .. })));
            counts.unanswered += u32::from(send.answer.is_none());
        }
        counts
    }

    /// The pause between waves that the run is in, with the name of the group before it; untrusted.
    fn soak(&self) -> Option<(&'a str, &'a Soak)> {
        let soak = self
            .ledger
            .soaking()
            .filter(|_| self.life != Life::Finished)?;
        let group = self.plan.groups.get(soak.group)?;
        Some((&group.name, soak))
    }

    /// How many waves each group has, and how many of them have begun.
    fn waves(&self) -> Vec<(u32, u32)> {
        let mut waves = vec![(0, 0); self.plan.groups.len()];
        for wave in self.ledger.waves() {
            if let Some((total, begun)) = waves.get_mut(wave.group()) {
                *total += 1;
                *begun += u32::from(wave.has_begun());
            }
        }
        waves
    }

    /// The wave of a group that began last, from 1, where it has several: named as the log names it, of which
    /// some may have been left out.
    fn wave_of(&self, group: usize) -> Option<(u32, u32)> {
        let total = self.plan.waves_of(group);
        let mut waves = self.ledger.waves().iter();
        let last = waves.rfind(|wave| wave.group() == group && wave.has_begun())?;
        (total > 1).then(|| (last.wave() + 1, total))
    }

    /// The batches that have begun and are not settled.
    fn under_way(&self) -> impl Iterator<Item = (&'a Batch, &'a BatchRecord)> + use<'a> {
        let batches = self.plan.batches.iter().zip(self.ledger.batches());
        batches.filter(|(_, record)| has_begun(record) && !record.is_settled())
    }

    /// The name of a batch's group; untrusted.
    fn group_of(&self, batch: &Batch) -> &'a str {
        let group = self.plan.groups.get(batch.group());
        group.map_or("", |group| &group.name)
    }
}

fn has_begun(record: &BatchRecord) -> bool {
    let seen = |target: &crate::ledger::TargetRecord| {
        target.before().is_some() || target.outcome().is_some()
    };
    record.waiting().is_some() || !record.sends().is_empty() || record.targets().iter().any(seen)
}

/// What a batch waits for.
fn waiting(record: &BatchRecord) -> Waiting {
    if let Some(reason) = record.waiting() {
        return Waiting::Said(reason);
    }
    let last = record.sends().iter().rfind(|send| !send.withdrawn);
    match last {
        Some(SendRecord { answer: None, .. }) => Waiting::Answer,
        Some(SendRecord {
            answer: Some(SendAnswer::Accepted { .. } | SendAnswer::AmbiguousWithJobs { .. }),
            end: None,
            ..
        }) => Waiting::Job,
        Some(_) | None => Waiting::States,
    }
}

/// Targets of a batch without an outcome.
fn pending(record: &BatchRecord) -> usize {
    let targets = record.targets().iter();
    targets.filter(|target| target.outcome().is_none()).count()
}

/// The outcomes that there are so far, with their counts.
fn outcomes(totals: &Totals) -> impl Iterator<Item = (OutcomeKind, u64)> + '_ {
    let counts = OutcomeKind::ALL.map(|kind| (kind, totals.count(kind)));
    counts.into_iter().filter(|(_, count)| *count > 0)
}
