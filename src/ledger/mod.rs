//! Stage 5, pure: [`Event`]s → what is known of every batch and target.
//!
//! The one fold that the run's own limits, progress and the report read. Knows nothing of requests or
//! files. Invariant: the totals of a group always add up to its targets, whatever events came.

mod batch;
mod job_times;
#[cfg(test)]
mod tests;
mod totals;

use std::time::Duration;

use jiff::Timestamp;

use crate::bms::Evidence;
use crate::event::{Event, Launch, Mode, SendAnswer, Stamped, StopCause};
use crate::exit::Exit;
use crate::ids::{BatchIndex, Digest};
use crate::outcome::{Outcome, OutcomeKind, Reason};
use crate::plan::{Plan, Ruling};
use crate::power::Action;

use job_times::JobTimes;

pub use batch::{BatchRecord, SendRecord, TargetRecord};
pub use totals::Totals;

/// What is known of a run.
#[derive(Debug, Clone)]
pub struct Ledger {
    action: Action,
    began: Option<Began>,
    resumed: u32,
    report_misplaced: bool,
    finished_at: Option<Timestamp>,
    has_run: bool,
    newest: Option<Timestamp>,
    jobs: JobTimes,
    stopped: Option<(StopCause, Evidence)>,
    guards: Vec<Ruling>,
    batches: Vec<BatchRecord>,
    groups: Vec<Totals>,
}

/// How the run began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Began {
    /// How it was started.
    pub launch: Box<Launch>,
    /// The plan that it executes.
    pub plan: Digest,
    /// When.
    pub at: Timestamp,
}

/// An event that cannot belong to the plan's run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event that does not fit the plan: {0}")]
pub struct Misfit(pub String);

impl Ledger {
    /// The ledger of a run of which nothing is known yet.
    pub fn new(plan: &Plan) -> Self {
        let batch = |batch: &crate::plan::Batch| {
            BatchRecord::new(plan.action, batch.group(), batch.servers().len())
        };
        Self {
            action: plan.action,
            began: None,
            resumed: 0,
            report_misplaced: false,
            finished_at: None,
            has_run: false,
            newest: None,
            jobs: JobTimes::default(),
            stopped: None,
            guards: Vec::new(),
            batches: plan.batches.iter().map(batch).collect(),
            groups: plan
                .groups
                .iter()
                .map(|group| Totals::of_targets(u64::from(group.targets)))
                .collect(),
        }
    }

    /// Takes in one event. An event that does not fit the plan changes nothing.
    pub fn apply(&mut self, stamped: &Stamped) -> Result<(), Misfit> {
        let at = stamped.at;
        match &stamped.event {
            Event::Began {
                launch,
                plan,
                left_out,
            } => {
                for (batch, slots) in left_out {
                    let skipped = Outcome::Skipped(Reason::Narrowed);
                    self.settle(*batch, &[(skipped, slots.clone())])?;
                }
                self.guards.clone_from(&launch.guards);
                let (launch, plan) = (launch.clone(), *plan);
                self.began = Some(Began { launch, plan, at });
            }
            Event::Resumed { forbidden, guards } => {
                if !guards.is_empty() {
                    self.guards.clone_from(guards);
                }
                self.resumed += 1;
                self.jobs.resumed();
                self.finished_at = None;
                self.report_misplaced = false;
                self.stopped = forbidden.map(|cause| (cause, Evidence::default()));
            }
            Event::Observed {
                batch,
                phase,
                states,
            } => {
                self.batch_mut(*batch)?.observe(*phase, states)?;
            }
            Event::Waiting { batch, reason, .. } => self.batch_mut(*batch)?.wait(*reason),
            Event::SendIntended {
                batch,
                attempt,
                servers,
            } => {
                self.batch_mut(*batch)?.intend(*attempt, servers, at)?;
            }
            Event::SendAnswered {
                batch,
                attempt,
                answer,
                evidence,
            } => {
                self.batch_mut(*batch)?
                    .answer(*attempt, answer, evidence, at)?;
                if matches!(answer, SendAnswer::Accepted { .. }) {
                    self.jobs.accepted(*batch, *attempt, at);
                }
            }
            Event::SendWithdrawn { batch, attempt, .. } => {
                self.batch_mut(*batch)?.withdraw(*attempt, at)?;
            }
            Event::JobEnded {
                batch,
                attempt,
                end,
                results,
            } => {
                self.batch_mut(*batch)?
                    .end_job(*attempt, end, results, at)?;
                self.jobs.ended(*batch, *attempt, at);
            }
            Event::Settled { batch, outcomes } => self.settle(*batch, outcomes)?,
            Event::SendingStopped { cause, evidence } => {
                if self.is_news(*cause) {
                    self.stopped = Some((*cause, evidence.clone()));
                }
            }
            Event::Finished => {
                self.finished_at = Some(at);
                self.has_run |= self.is_a_run();
            }
            Event::ReportMisplaced => self.report_misplaced = true,
        }
        self.newest = self.newest.max(Some(at));
        Ok(())
    }

    /// Whether `cause` changes how the run ends: the first cause counts, but one that leaves the run
    /// unfinished outweighs one that does not.
    pub fn is_news(&self, cause: StopCause) -> bool {
        match &self.stopped {
            None => true,
            Some((known, _)) => cause.leaves_unfinished() && !known.leaves_unfinished(),
        }
    }

    fn batch_mut(&mut self, index: BatchIndex) -> Result<&mut BatchRecord, Misfit> {
        self.batches
            .get_mut(index.position())
            .ok_or_else(|| Misfit(format!("the plan has no batch {index}")))
    }

    fn settle(
        &mut self,
        index: BatchIndex,
        outcomes: &[(Outcome, crate::event::Slots)],
    ) -> Result<(), Misfit> {
        let changes = self.batch_mut(index)?.settle(outcomes)?;
        let group = self.batches.get(index.position()).map(BatchRecord::group);
        if let Some(totals) = group.and_then(|group| self.groups.get_mut(group)) {
            changes
                .into_iter()
                .for_each(|(old, new)| totals.replace(old, new));
        }
        Ok(())
    }

    /// What the run does to its targets.
    pub fn action(&self) -> Action {
        self.action
    }

    /// How the run began, once it has.
    pub fn began(&self) -> Option<&Began> {
        self.began.as_ref()
    }

    /// How often the run was taken up again.
    pub fn resumed(&self) -> u32 {
        self.resumed
    }

    /// When the run was over, once it is.
    pub fn finished_at(&self) -> Option<Timestamp> {
        self.finished_at
    }

    /// Whether the run has come to its end and the cloud may have been asked to act: not if it was refused
    /// or ended before, nor if what was left of it was only settled.
    pub fn has_run(&self) -> bool {
        self.has_run
    }

    fn is_a_run(&self) -> bool {
        let cause = self.stopped.as_ref().map(|(cause, _)| *cause);
        cause != Some(StopCause::Settling) && !(2..30).contains(&self.exit_by_outcomes().code())
    }

    /// The greatest date of any event.
    pub fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// How long the longest job has taken so far; one that has not ended, until now.
    pub fn longest_job(&self, now: Timestamp) -> Duration {
        self.jobs.longest(now)
    }

    /// Why nothing more is sent, if so, with what the cloud said.
    pub fn stopped(&self) -> Option<&(StopCause, Evidence)> {
        self.stopped.as_ref()
    }

    /// What guards and policies made of the plan when the run was last begun or taken up.
    pub fn guards(&self) -> &[Ruling] {
        &self.guards
    }

    /// What is known of each batch, in plan order.
    pub fn batches(&self) -> &[BatchRecord] {
        &self.batches
    }

    /// What is known of one batch.
    pub fn batch(&self, index: BatchIndex) -> Option<&BatchRecord> {
        self.batches.get(index.position())
    }

    /// The totals of each group, in plan order.
    pub fn groups(&self) -> &[Totals] {
        &self.groups
    }

    /// The totals of the whole run.
    pub fn totals(&self) -> Totals {
        self.groups
            .iter()
            .fold(Totals::default(), |sum, group| sum.plus(group))
    }

    /// Whether a request was, or may have been, accepted.
    pub fn may_have_acted(&self) -> bool {
        self.batches
            .iter()
            .flat_map(BatchRecord::sends)
            .any(SendRecord::may_be_accepted)
    }

    /// The exit code that this run has earned so far (design §13).
    pub fn exit(&self) -> Exit {
        let exit = self.exit_by_outcomes();
        if self.report_misplaced {
            exit.without_report()
        } else {
            exit
        }
    }

    fn exit_by_outcomes(&self) -> Exit {
        let totals = self.totals();
        let any = |kind| totals.count(kind) > 0;
        let cause = self.stopped.as_ref().map(|(cause, _)| *cause);
        let dry = self
            .began
            .as_ref()
            .is_some_and(|began| began.launch.mode == Mode::DryRun);
        if cause == Some(StopCause::Journal) {
            // The journal cannot say that the run is over, so it is not.
            return self.exit_if_left();
        }
        if totals.pending() > 0 {
            return match cause {
                Some(cause) if cause.leaves_unfinished() => self.exit_if_left(),
                Some(_) | None => Exit::Internal,
            };
        }
        if any(OutcomeKind::Unknown) {
            Exit::SomeUnknown
        } else if cause.is_some_and(StopCause::is_refusal) && !self.may_have_acted() {
            Exit::Refused
        } else if cause == Some(StopCause::Policy) && !self.may_have_acted() {
            Exit::Guard
        } else if cause.is_some_and(StopCause::is_for_now) && !self.may_have_acted() {
            Exit::NotNow
        } else if cause.is_some_and(|cause| self.left_unsent(cause)) {
            match cause {
                Some(StopCause::MaxFailures | StopCause::Gate) => Exit::StoppedEarly,
                Some(StopCause::Cutoff) => Exit::CutOff,
                Some(_) | None => Exit::SomeFailed,
            }
        } else if any(OutcomeKind::Failed) || (any(OutcomeKind::NotSent) && !dry) {
            Exit::SomeFailed
        } else {
            Exit::Success
        }
    }

    /// Whether a target was left unsent because of `cause`.
    fn left_unsent(&self, cause: StopCause) -> bool {
        let unsent = Some(Outcome::NotSent(cause.reason()));
        let mut targets = self.batches.iter().flat_map(BatchRecord::targets);
        targets.any(|target| target.outcome() == unsent)
    }

    /// The exit code of a process that leaves without waiting for anything more.
    pub fn exit_if_left(&self) -> Exit {
        let sends = self.batches.iter().flat_map(BatchRecord::sends);
        if sends.filter(|send| !send.withdrawn).count() > 0 {
            Exit::Resumable
        } else {
            Exit::Halted
        }
    }

    /// How many targets have this reason.
    pub fn count_of_reason(&self, reason: Reason) -> u64 {
        let targets = self.batches.iter().flat_map(BatchRecord::targets);
        let matching =
            targets.filter(|target| target.outcome().and_then(Outcome::reason) == Some(reason));
        matching.count() as u64
    }
}
