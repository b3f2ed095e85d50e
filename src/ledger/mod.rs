//! Stage 5, pure: [`Event`]s → what is known of every batch and target.
//!
//! The one fold that the run's own limits, progress and the report read. Knows nothing of requests or
//! files. Invariant: the totals of a group always add up to its targets, whatever events came.

mod batch;
mod exit;
mod job_times;
mod lateness;
mod limit;
#[cfg(test)]
mod tests;
mod totals;
mod wave;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::bms::Evidence;
use crate::clock::Uptime;
use crate::event::{Attempt, Event, Launch, Slots, Stamped, StopCause};
use crate::ids::{BatchIndex, Digest};
use crate::outcome::{Outcome, OutcomeKind, Reason};
use crate::plan::{Plan, Ruling};
use crate::power::Action;

use job_times::JobTimes;
use lateness::Lateness;

pub use batch::{BatchRecord, SendRecord, TargetRecord};
pub use lateness::LATE;
pub use totals::Totals;
pub use wave::{Soak, WaveRecord};

use limit::Limit;
use wave::WaveProgress;

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
    lateness: Lateness,
    stopped: Option<(StopCause, Evidence)>,
    stopped_before: Option<(StopCause, Evidence)>,
    guards: Vec<Ruling>,
    batches: Vec<BatchRecord>,
    waves: Vec<WaveRecord>,
    soak: Option<Soak>,
    limit: Limit,
    groups: Vec<Totals>,
    totals: Totals,
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
        let of_targets =
            |group: &crate::plan::PlannedGroup| Totals::of_targets(u64::from(group.targets));
        let groups: Vec<Totals> = plan.groups.iter().map(of_targets).collect();
        let totals = groups
            .iter()
            .fold(Totals::default(), |sum, group| sum.plus(group));
        Self {
            action: plan.action,
            began: None,
            resumed: 0,
            report_misplaced: false,
            finished_at: None,
            has_run: false,
            newest: None,
            jobs: JobTimes::default(),
            lateness: Lateness::default(),
            stopped: None,
            stopped_before: None,
            guards: Vec::new(),
            batches: plan.batches.iter().map(batch).collect(),
            waves: WaveRecord::all(plan),
            soak: None,
            limit: Limit::new(plan.max_failures()),
            groups,
            totals,
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
                self.leave_out(left_out, Outcome::Skipped(Reason::Narrowed))?;
                let quarantined = Outcome::NotSent(Reason::Quarantined);
                self.leave_out(&launch.quarantined, quarantined)?;
                self.guards.clone_from(&launch.guards);
                let (launch, plan) = (launch.clone(), *plan);
                self.began = Some(Began { launch, plan, at });
            }
            Event::Resumed { forbidden, guards } => {
                if !guards.is_empty() {
                    self.guards.clone_from(guards);
                }
                self.resumed += 1;
                self.jobs.resumed(self.newest.unwrap_or(at));
                self.soak = None;
                self.finished_at = None;
                self.report_misplaced = false;
                self.stopped_before = self.left_for().cloned();
                self.stopped = forbidden.map(|cause| (cause, Evidence::default()));
            }
            Event::WaveBegan { group, wave } => {
                let wave = self.wave_at(*group, *wave)?;
                self.begin_wave(wave);
                self.soak = None;
            }
            Event::Soaking {
                group,
                wave,
                milliseconds,
            } => self.soak(*group, *wave, at, *milliseconds)?,
            Event::Observed {
                batch,
                phase,
                states,
                said,
            } => {
                self.batch_mut(*batch)?.observe(*phase, states, said)?;
                self.begin_wave_of(*batch);
            }
            Event::Waiting { batch, reason, .. } => self.batch_mut(*batch)?.wait(*reason),
            Event::SendIntended {
                batch,
                attempt,
                servers,
            } => {
                self.batch_mut(*batch)?.intend(*attempt, servers, at)?;
                self.begin_wave_of(*batch);
            }
            Event::SendAnswered {
                batch,
                attempt,
                answer,
                evidence,
            } => {
                self.batch_mut(*batch)?
                    .answer(*attempt, answer, evidence, at)?;
                if !answer.jobs().is_empty() {
                    self.jobs.accepted(*batch, *attempt, at);
                }
            }
            Event::SendWithdrawn { batch, attempt, .. } => {
                self.batch_mut(*batch)?.withdraw(*attempt, at)?;
            }
            Event::JobSeenRunning { batch, attempt } => self.jobs.seen_running(*batch, *attempt),
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
            Event::Settled { batch, outcomes } => self.settle(*batch, outcomes, Some(at))?,
            Event::SendingStopped { cause, evidence } => {
                self.soak = None;
                if self.is_news(*cause) {
                    self.stopped = Some((*cause, evidence.clone()));
                }
            }
            // Its time is all that it says; the other is for the lateness.
            Event::StillRunning | Event::UptimeRead { .. } => {}
            // The log tells of it; who goes on with the run asks again.
            Event::GateAnswered { group, wave, .. } => {
                self.wave_at(*group, *wave)?;
            }
            Event::Finished => {
                self.finished_at = Some(at);
                self.has_run |= self.is_a_run();
            }
            Event::ReportMisplaced => self.report_misplaced = true,
        }
        self.lateness.apply(stamped);
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

    /// Targets that are never looked at have this outcome from the beginning.
    fn leave_out(
        &mut self,
        targets: &[(BatchIndex, Slots)],
        outcome: Outcome,
    ) -> Result<(), Misfit> {
        for (batch, slots) in targets {
            self.settle(*batch, &[(outcome, slots.clone())], None)?;
        }
        Ok(())
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
        at: Option<Timestamp>,
    ) -> Result<(), Misfit> {
        let changes = self.batch_mut(index)?.settle(outcomes)?;
        let group = self.batches.get(index.position()).map(BatchRecord::group);
        if let Some(totals) = group.and_then(|group| self.groups.get_mut(group)) {
            for (old, new) in changes {
                totals.replace(old, new);
                self.totals.replace(old, new);
            }
        }
        if let Some(wave) = self.wave_of(index) {
            self.waves[wave].settled_at = at.or(self.waves[wave].settled_at);
        }
        Ok(())
    }

    /// Where the wave of this place stands.
    fn wave_at(&self, group: u32, wave: u32) -> Result<usize, Misfit> {
        let place = (group as usize, wave);
        let found = self
            .waves
            .binary_search_by_key(&place, |record| (record.group(), record.wave()));
        found.map_err(|_| Misfit(format!("the plan has no wave {wave} of group {group}")))
    }

    /// Where the wave of this batch stands.
    fn wave_of(&self, batch: BatchIndex) -> Option<usize> {
        let position = batch.position();
        let after = self
            .waves
            .partition_point(|wave| wave.batches().end <= position);
        (after < self.waves.len()).then_some(after)
    }

    /// Counts in the wave of a batch of which something is told; journals may be older than waves.
    fn begin_wave_of(&mut self, batch: BatchIndex) {
        if let Some(wave) = self.wave_of(batch) {
            self.begin_wave(wave);
        }
    }

    fn begin_wave(&mut self, wave: usize) {
        if self.waves[wave].has_begun() {
            return;
        }
        self.waves[wave].progress = WaveProgress::Begun;
        let narrowed = Some(Outcome::Skipped(Reason::Narrowed));
        let own = &self.batches[self.waves[wave].batches()];
        let targets = own.iter().flat_map(BatchRecord::targets);
        let targets = targets.filter(|target| target.outcome() != narrowed);
        self.limit
            .begin(u32::try_from(targets.count()).unwrap_or(u32::MAX));
    }

    fn soak(
        &mut self,
        group: u32,
        wave: u32,
        at: Timestamp,
        milliseconds: u64,
    ) -> Result<(), Misfit> {
        let record = &self.waves[self.wave_at(group, wave)?];
        let pause = SignedDuration::from_millis(i64::try_from(milliseconds).unwrap_or(i64::MAX));
        self.soak = Some(Soak {
            group: record.group(),
            wave: record.wave(),
            until: at.saturating_add(pause).unwrap_or(Timestamp::MAX),
        });
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

    /// Whether the run was late at any time: left, or standing still, for over 15 minutes.
    pub fn is_late(&self) -> bool {
        self.lateness.is_late()
    }

    /// Whether the run was late, or is for a process that resumes it at this moment.
    pub fn is_late_at(&self, now: Timestamp, uptime: &Uptime) -> bool {
        self.lateness.is_late_at(now, uptime)
    }

    /// Whether the process that wrote last stood still for over 15 minutes.
    pub fn stood_still(&self) -> bool {
        self.lateness.stood_still()
    }

    /// Whether a run like this can be late: only one that touches real servers.
    pub fn can_be_late(&self) -> bool {
        self.lateness.is_real()
    }

    /// The last record of a process that was allowed to send.
    pub fn last_sender_at(&self) -> Option<Timestamp> {
        self.lateness.last()
    }

    /// Whether nobody knows if a job still runs, as the run was left in the meantime.
    pub fn is_job_left(&self, batch: BatchIndex, attempt: Attempt) -> bool {
        self.jobs.is_left(batch, attempt)
    }

    /// How long the longest job has taken so far; one that has not ended, until now.
    pub fn longest_job(&self, now: Timestamp) -> Duration {
        self.jobs.longest(now)
    }

    /// Why nothing more is sent, if so, with what the cloud said.
    pub fn stopped(&self) -> Option<&(StopCause, Evidence)> {
        self.stopped.as_ref()
    }

    /// Why targets were left unsent, by whichever process, with what the cloud or a gate said.
    pub fn left_for(&self) -> Option<&(StopCause, Evidence)> {
        let mut causes = self.stopped_before.iter().chain(&self.stopped);
        causes.find(|(cause, _)| self.left_unsent(*cause))
    }

    /// What stopped the sending: the cause for which targets were left unsent, else the one that a run with
    /// unresolved, failed or unknown targets was stopped for.
    pub fn stopped_by(&self) -> Option<&(StopCause, Evidence)> {
        let bad = self.failures() + self.totals.count(OutcomeKind::NotSent);
        let incomplete = self.totals.pending() + bad > 0;
        let stopped = self.stopped.as_ref();
        let stopped = stopped.filter(|(cause, _)| incomplete && *cause != StopCause::Settling);
        self.left_for().or(stopped)
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
        self.totals
    }

    /// How far each wave has come, in plan order.
    pub fn waves(&self) -> &[WaveRecord] {
        &self.waves
    }

    /// The pause between waves that the run is in, if it is in one.
    pub fn soaking(&self) -> Option<&Soak> {
        self.soak.as_ref()
    }

    /// How many targets have failed or are unknown.
    pub fn failures(&self) -> u64 {
        self.totals.count(OutcomeKind::Failed) + self.totals.count(OutcomeKind::Unknown)
    }

    /// How many such targets are borne by the waves begun so far, if that is limited.
    pub fn failures_borne(&self) -> Option<u32> {
        self.limit.borne()
    }

    /// Whether more targets have failed, or are unknown, than are borne.
    pub fn has_failed_too_often(&self) -> bool {
        self.limit.is_passed(self.failures())
    }

    /// Whether a request was, or may have been, accepted.
    pub fn may_have_acted(&self) -> bool {
        self.batches
            .iter()
            .flat_map(BatchRecord::sends)
            .any(SendRecord::may_be_accepted)
    }

    /// How many targets have this reason.
    pub fn count_of_reason(&self, reason: Reason) -> u64 {
        let targets = self.batches.iter().flat_map(BatchRecord::targets);
        let matching =
            targets.filter(|target| target.outcome().and_then(Outcome::reason) == Some(reason));
        matching.count() as u64
    }
}
