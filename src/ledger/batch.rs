//! What is known of one batch: its targets, and the requests that it took.
//!
//! Owns the folding of events that concern a single batch. Invariant: attempts are numbered from 1
//! without a gap, and every slot that an event names exists.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Misfit;
use crate::bms::{Evidence, JobError, JobStatus, StateClass};
use crate::event::{Attempt, JobEnd, JobResult, Phase, SendAnswer, Slot, Slots, WaitReason};
use crate::ids::JobId;
use crate::outcome::{Outcome, Reason};
use crate::power::Action;

/// What is known of one batch.
#[derive(Debug, Clone)]
pub struct BatchRecord {
    action: Action,
    group: usize,
    targets: Vec<TargetRecord>,
    sends: Vec<SendRecord>,
    /// How the API last described targets that were at work or not understood; untrusted.
    said: BTreeMap<Slot, String>,
    waiting: Option<WaitReason>,
}

/// What is known of one target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TargetRecord {
    before: Option<StateClass>,
    after: Option<StateClass>,
    outcome: Option<Outcome>,
    attempt: Option<Attempt>,
}

impl TargetRecord {
    /// Its last state seen before its request.
    pub fn before(&self) -> Option<StateClass> {
        self.before
    }

    /// Its last state seen after its request.
    pub fn after(&self) -> Option<StateClass> {
        self.after
    }

    /// What became of it, once that is known.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// The last request that it was part of.
    pub fn attempt(&self) -> Option<Attempt> {
        self.attempt
    }
}

/// What is known of one request.
#[derive(Debug, Clone)]
pub struct SendRecord {
    /// The targets in it.
    pub servers: Slots,
    /// When it was about to leave.
    pub sent_at: Timestamp,
    /// Whether it was withdrawn at the last moment.
    pub withdrawn: bool,
    /// What its answer means, once there is one.
    pub answer: Option<SendAnswer>,
    /// What the cloud said.
    pub evidence: Evidence,
    /// Whether one of its servers was seen there or on its way afterwards, or a later request was
    /// refused for that: then it was taken, for all.
    pub seen_taken: bool,
    /// How following its job ended.
    pub end: Option<JobEnd>,
    /// What the job says of the targets.
    pub results: Vec<(JobResult, Slots)>,
    /// When the answer came, or, where it named a job, when that ended.
    pub settled_at: Option<Timestamp>,
}

impl SendRecord {
    /// The jobs that the answer named.
    pub fn jobs(&self) -> &[JobId] {
        self.answer.as_ref().map_or(&[], SendAnswer::jobs)
    }

    /// The first of the jobs that the answer named.
    pub fn job(&self) -> Option<&JobId> {
        self.jobs().first()
    }

    /// The last status of the job that is known.
    pub fn job_status(&self) -> Option<&JobStatus> {
        match self.end.as_ref()? {
            JobEnd::Final { status } => Some(status),
            JobEnd::TimedOut { status } => status.as_ref(),
            JobEnd::Gone | JobEnd::Unreadable => None,
        }
    }

    /// Whether the cloud took it, or may have.
    pub fn may_be_accepted(&self) -> bool {
        match &self.answer {
            None => !self.withdrawn,
            Some(answer) => answer.may_be_acceptance(),
        }
    }

    /// The error that the job reports for a target.
    pub fn job_error(&self, slot: Slot) -> Option<&JobError> {
        self.results
            .iter()
            .find_map(|(result, slots)| match result {
                JobResult::Failed(error) => slots.contains(slot).then_some(error),
                JobResult::Succeeded | JobResult::Untold => None,
            })
    }
}

impl BatchRecord {
    pub(super) fn new(action: Action, group: usize, size: usize) -> Self {
        let targets = vec![TargetRecord::default(); size];
        Self {
            action,
            group,
            targets,
            sends: Vec::new(),
            said: BTreeMap::new(),
            waiting: None,
        }
    }

    /// What is done to its targets.
    pub fn action(&self) -> Action {
        self.action
    }

    /// Index of its group in the plan.
    pub fn group(&self) -> usize {
        self.group
    }

    /// Its targets, by slot.
    pub fn targets(&self) -> &[TargetRecord] {
        &self.targets
    }

    /// Its requests; attempt `n` is at index `n - 1`.
    pub fn sends(&self) -> &[SendRecord] {
        &self.sends
    }

    /// One of its requests.
    pub fn send(&self, attempt: Attempt) -> Option<&SendRecord> {
        self.sends.get((attempt as usize).checked_sub(1)?)
    }

    /// How the API last described a target that was at work or not understood; untrusted.
    pub fn said(&self, slot: Slot) -> Option<&str> {
        self.said.get(&slot).map(String::as_str)
    }

    /// What it waits for at present.
    pub fn waiting(&self) -> Option<WaitReason> {
        self.waiting
    }

    /// Whether every target has its outcome.
    pub fn is_settled(&self) -> bool {
        self.targets.iter().all(|target| target.outcome.is_some())
    }

    pub(super) fn wait(&mut self, reason: WaitReason) {
        self.waiting = Some(reason);
    }

    pub(super) fn observe(
        &mut self,
        phase: Phase,
        states: &[(StateClass, Slots)],
        said: &[(String, Slots)],
    ) -> Result<(), Misfit> {
        for (words, slots) in said {
            let words = slots.iter().map(|slot| (slot, words.clone()));
            self.said.extend(words);
        }
        for (state, slots) in states {
            self.each(slots, |target| match phase {
                Phase::Before => target.before = Some(*state),
                Phase::After => target.after = Some(*state),
            })?;
            let acceptance = state.under(self.action).shows_acceptance();
            if phase == Phase::After && acceptance {
                self.see_taken(slots);
            }
        }
        Ok(())
    }

    /// Notes which lost request these servers show to have been taken.
    fn see_taken(&mut self, slots: &Slots) {
        if self.sends.iter().all(|send| send.job().is_some()) {
            return;
        }
        for slot in slots.iter() {
            let of_slot =
                |send: &&mut SendRecord| send.may_be_accepted() && send.servers.contains(slot);
            if let Some(send) = self.sends.iter_mut().rev().find(of_slot) {
                send.seen_taken = true;
            }
        }
    }

    pub(super) fn intend(
        &mut self,
        attempt: Attempt,
        servers: &Slots,
        at: Timestamp,
    ) -> Result<(), Misfit> {
        if attempt as usize != self.sends.len() + 1 {
            return Err(Misfit(format!(
                "attempt {attempt} follows {}",
                self.sends.len()
            )));
        }
        self.waiting = None;
        self.each(servers, |target| target.attempt = Some(attempt))?;
        self.sends.push(SendRecord {
            servers: servers.clone(),
            sent_at: at,
            withdrawn: false,
            answer: None,
            evidence: Evidence::default(),
            seen_taken: false,
            end: None,
            results: Vec::new(),
            settled_at: None,
        });
        Ok(())
    }

    pub(super) fn answer(
        &mut self,
        attempt: Attempt,
        answer: &SendAnswer,
        evidence: &Evidence,
        at: Timestamp,
    ) -> Result<(), Misfit> {
        let there = evidence.tells_of_there(self.action);
        let send = self.send_mut(attempt)?;
        send.answer = Some(answer.clone());
        send.evidence = evidence.clone();
        send.settled_at = send.job().is_none().then_some(at);
        if *answer == SendAnswer::Conflict && there {
            // A refusal for this shows what a reading would: an earlier request was taken.
            let servers = send.servers.clone();
            self.see_taken(&servers);
        }
        Ok(())
    }

    pub(super) fn withdraw(&mut self, attempt: Attempt, at: Timestamp) -> Result<(), Misfit> {
        let send = self.send_mut(attempt)?;
        send.withdrawn = true;
        send.settled_at = Some(at);
        Ok(())
    }

    pub(super) fn end_job(
        &mut self,
        attempt: Attempt,
        end: &JobEnd,
        results: &[(JobResult, Slots)],
        at: Timestamp,
    ) -> Result<(), Misfit> {
        self.waiting = None;
        let send = self.send_mut(attempt)?;
        send.end = Some(end.clone());
        send.results = results.to_vec();
        send.settled_at = Some(at);
        Ok(())
    }

    /// Sets outcomes; returns the old and the new one of each target. A target of a request that was, or may have
    /// been, accepted is never `not_sent`, whatever a journal says of it: it is unknown.
    pub(super) fn settle(
        &mut self,
        outcomes: &[(Outcome, Slots)],
    ) -> Result<Vec<(Option<Outcome>, Outcome)>, Misfit> {
        let mut changes = Vec::new();
        for (outcome, slots) in outcomes {
            let (sent, rest) = match outcome {
                Outcome::NotSent(_) => self.split_by_request(slots),
                Outcome::Done(_)
                | Outcome::Already
                | Outcome::Skipped(_)
                | Outcome::Failed(_)
                | Outcome::Unknown(_) => (Slots::default(), slots.clone()),
            };
            let reason = outcome.reason().unwrap_or(Reason::Interrupted);
            for (outcome, slots) in [(Outcome::Unknown(reason), sent), (*outcome, rest)] {
                self.each(&slots, |target| {
                    changes.push((target.outcome.replace(outcome), outcome))
                })?;
            }
        }
        if self.is_settled() {
            self.waiting = None;
        }
        Ok(changes)
    }

    /// Which of these targets were in a request that was, or may have been, accepted, and which were not.
    pub fn split_by_request(&self, slots: &Slots) -> (Slots, Slots) {
        let (sent, rest): (Vec<Slot>, Vec<Slot>) =
            slots.iter().partition(|slot| self.may_have_acted_on(*slot));
        (sent.into_iter().collect(), rest.into_iter().collect())
    }

    /// Whether a request with this target was, or may have been, accepted.
    pub fn may_have_acted_on(&self, slot: Slot) -> bool {
        let mut sends = self.sends.iter();
        sends.any(|send| send.may_be_accepted() && send.servers.contains(slot))
    }

    fn send_mut(&mut self, attempt: Attempt) -> Result<&mut SendRecord, Misfit> {
        let index = (attempt as usize).checked_sub(1);
        index
            .and_then(|index| self.sends.get_mut(index))
            .ok_or_else(|| Misfit(format!("attempt {attempt} was never intended")))
    }

    fn each(
        &mut self,
        slots: &Slots,
        mut change: impl FnMut(&mut TargetRecord),
    ) -> Result<(), Misfit> {
        if slots
            .last()
            .is_some_and(|last| usize::from(last) >= self.targets.len())
        {
            return Err(Misfit(format!(
                "slots {slots} of {} targets",
                self.targets.len()
            )));
        }
        for slot in slots.iter() {
            change(&mut self.targets[usize::from(slot)]);
        }
        Ok(())
    }
}
