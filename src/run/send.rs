//! Sending the requests of one batch.
//!
//! Owns the loop around the power call: portions of the batch that are to be sent, and requests whose
//! fate is to be found out. Invariant: every request is repeated, halved or given up only as `reaction`
//! and `reconcile` allow, and a batch takes at most 24 requests that the cloud looked at.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::batch::{Suspense, servers_at, settle_all, wait_to_send};
use super::before::{How, Ready, sift};
use super::deliver::{Delivered, Parcel, deliver};
use super::reaction::{History, Reaction, react};
use super::reconcile::{Found, Rechecked, recheck, reconcile};
use super::{Context, RunError, accepted_before};
use crate::bms::{Evidence, JobIds, PowerAnswer, PowerSlot};
use crate::clock::Moment;
use crate::event::{Attempt, SendAnswer, Slot, Slots, StopCause};
use crate::ids::JobId;
use crate::ledger::SendRecord;
use crate::outcome::{Outcome, Reason};
use crate::plan::Batch;

/// Most requests of a batch that the cloud looked at: enough to single out one server of 1000.
const SENDS_OF_A_BATCH: usize = 24;

const REJECTED: Outcome = Outcome::Failed(Reason::Rejected);

/// How often readings that have grown old are made anew before a request.
const RENEWALS: usize = 2;

/// A power request that was, or may have been, accepted.
#[derive(Debug)]
pub(super) struct Request {
    /// Its number within the batch.
    pub(super) attempt: Attempt,
    /// The servers in it that are not settled.
    pub(super) servers: Slots,
    /// What is to be followed.
    pub(super) fate: Fate,
}

/// What became of a power request.
#[derive(Debug)]
pub(super) enum Fate {
    /// A job was named.
    Job(JobId),
    /// These jobs were named by a response that is no clear acceptance: its servers are never sent again.
    Named(JobIds),
    /// The answer was lost at this moment.
    Lost(Moment),
}

/// What the sending of a batch leaves to be followed.
#[derive(Debug, Default)]
pub(super) struct Dispatched {
    /// Requests that were accepted.
    pub(super) requests: Vec<Request>,
    /// Servers that turned out to be on their way already.
    pub(super) under_way: Vec<Suspense>,
    /// Servers that turned out to be at work: they are to be sent later.
    pub(super) waiting: Vec<Slot>,
}

/// A part of the batch that is to be sent in one request.
#[derive(Debug, Default)]
struct Portion {
    slots: Slots,
    /// When the oldest of its readings began; `None` without checks.
    read_at: Option<Moment>,
    refusals: u32,
    refused_since: Option<Moment>,
    /// Whether its states were read after a conflict.
    sifted: bool,
    /// Whether an earlier request with its servers was lost, and seemed not to have been taken.
    doubtful: bool,
    renewed: bool,
}

/// What is still to be done.
#[derive(Debug)]
enum Task {
    Send(Portion),
    FindOut(Request, Moment),
}

/// Sends what is ready, and finds out what became of `lost` requests, until each is accepted,
/// refused or given up.
pub(super) async fn dispatch(
    context: &Arc<Context>,
    batch: &Batch,
    lost: Vec<Request>,
    ready: Ready,
) -> Result<Dispatched, RunError> {
    let find_out = |request: Request| request.lost_at().map(|at| Task::FindOut(request, at));
    let mut sending = Sending {
        context,
        batch,
        tasks: lost.into_iter().filter_map(find_out).collect(),
        dispatched: Dispatched {
            under_way: ready.under_way,
            ..Dispatched::default()
        },
    };
    let portion = Portion {
        slots: ready.send,
        read_at: ready.read_at,
        ..Portion::default()
    };
    sending.tasks.push_back(Task::Send(portion));
    while let Some(task) = sending.tasks.pop_front() {
        match task {
            Task::FindOut(request, at) => sending.find_out(request, at).await?,
            Task::Send(portion) if portion.slots.is_empty() => {}
            Task::Send(portion) => sending.send(portion).await?,
        }
    }
    Ok(sending.dispatched)
}

/// A batch that is being sent.
struct Sending<'a> {
    context: &'a Arc<Context>,
    batch: &'a Batch,
    tasks: VecDeque<Task>,
    dispatched: Dispatched,
}

impl Sending<'_> {
    async fn find_out(&mut self, request: Request, at: Moment) -> Result<(), RunError> {
        match reconcile(self.context, self.batch, request, at).await? {
            Found::Accepted(request) => self.dispatched.requests.push(request),
            Found::NotAccepted(slots) => {
                // These were seen unmoved just now; the workflow's checks decide whether that ages.
                let checked = self.context.plan.checks.before;
                let read_at = checked.then(|| self.context.clock.elapsed());
                let portion = Portion {
                    slots,
                    read_at,
                    doubtful: true,
                    ..Portion::default()
                };
                self.tasks.push_front(Task::Send(portion));
            }
        }
        Ok(())
    }

    /// One step for one portion.
    async fn send(&mut self, mut portion: Portion) -> Result<(), RunError> {
        let batch = self.batch.index();
        if let Some(attempt) = self.context.never_again(batch, &portion.slots) {
            self.find_out_again(portion, attempt);
            return Ok(());
        }
        if let Some(cause) = self.context.sending_stopped() {
            return self.leave(&portion, cause).await;
        }
        if self.looked_at() >= SENDS_OF_A_BATCH {
            return self.give_up(&portion, REJECTED).await;
        }
        let quota = tokio::select! {
            quota = self.context.client.power_slot() => quota,
            // Others that were waiting need not take their turns to learn that.
            () = self.context.stopped() => {
                self.tasks.push_front(Task::Send(portion));
                return Ok(());
            }
        };
        // The wait for the quota may have been long; the readings are made anew with the place kept.
        // A cloud that cannot tell all states within their age would keep a batch waiting for ever.
        for _ in 0..RENEWALS {
            if self.is_outdated(&portion) {
                let now = self.context.clock.elapsed();
                self.sift(&mut portion, How::NotBefore(now)).await?;
            }
        }
        if portion.slots.is_empty() {
            return Ok(());
        }
        let (attempt, delivered) = self.deliver(&portion, quota).await?;
        match delivered {
            Delivered::Withdrawn(cause) => {
                match self.context.never_again(self.batch.index(), &portion.slots) {
                    Some(attempt) => self.find_out_again(portion, attempt),
                    None => self.leave(&portion, cause).await?,
                }
                Ok(())
            }
            Delivered::Stale => {
                self.tasks.push_front(Task::Send(portion));
                Ok(())
            }
            Delivered::Answered(answer, evidence) => {
                let reaction = self.react(&mut portion, answer, &evidence);
                self.act(portion, attempt, reaction, evidence).await
            }
        }
    }

    fn is_outdated(&self, portion: &Portion) -> bool {
        let from = self.context.readings_from();
        portion.read_at.is_some_and(|at| at < from)
    }

    /// Looks again at servers of a request that may have been accepted, since the run has become late by now: they
    /// are not sent again, and their outcomes come from readings from now on.
    fn find_out_again(&mut self, portion: Portion, attempt: Attempt) {
        let now = self.context.clock.elapsed();
        let request = Request {
            attempt,
            servers: portion.slots,
            fate: Fate::Lost(now),
        };
        self.tasks.push_front(Task::FindOut(request, now));
    }

    async fn deliver(
        &self,
        portion: &Portion,
        quota: PowerSlot,
    ) -> Result<(Attempt, Delivered), RunError> {
        let attempt = self.attempts().saturating_add(1);
        let servers = portion.slots.clone();
        let ids = servers_at(self.batch, servers.iter());
        let parcel = Parcel {
            batch: self.batch.index(),
            attempt,
            servers,
            ids,
            quota,
            made: self.context.clock.elapsed(),
        };
        Ok((attempt, deliver(self.context, parcel).await?))
    }

    /// Counts the answer in, and decides the next step.
    fn react(&self, portion: &mut Portion, answer: PowerAnswer, evidence: &Evidence) -> Reaction {
        let now = self.context.clock.elapsed();
        if matches!(answer, PowerAnswer::NotSent | PowerAnswer::Throttled { .. }) {
            portion.refusals += 1;
            portion.refused_since.get_or_insert(now);
        }
        let history = History {
            servers: portion.slots.len(),
            refusals: portion.refusals,
            refused_for: portion
                .refused_since
                .map_or(Duration::ZERO, |at| now.since(at)),
            sifted: portion.sifted,
            renewed: portion.renewed,
            accepted_before: self.context.recorder.read(accepted_before),
            lost_before: portion.doubtful,
        };
        let retry_for = self.context.plan.rollout.retry_for;
        react(
            answer,
            evidence.http_status,
            history,
            retry_for,
            fastrand::f64(),
        )
    }

    async fn act(
        &mut self,
        mut portion: Portion,
        attempt: Attempt,
        reaction: Reaction,
        evidence: Evidence,
    ) -> Result<(), RunError> {
        let now = self.context.clock.elapsed();
        let servers = portion.slots.clone();
        match reaction {
            Reaction::Follow(job) => self.follow(attempt, servers, Fate::Job(job)),
            Reaction::FollowNamed(jobs) => self.follow(attempt, servers, Fate::Named(jobs)),
            Reaction::FindOut => {
                let request = Request {
                    attempt,
                    servers,
                    fate: Fate::Lost(now),
                };
                self.tasks.push_front(Task::FindOut(request, now));
            }
            Reaction::AcceptedEarlier => self.follow(attempt, servers, Fate::Lost(now)),
            Reaction::Again(pause, reason) => {
                wait_to_send(self.context, self.batch, reason, pause).await?;
                self.tasks.push_front(Task::Send(portion));
            }
            Reaction::Sift => {
                portion.sifted = true;
                self.sift(&mut portion, How::Singly).await?;
                self.tasks.push_front(Task::Send(portion));
            }
            Reaction::Halve => self.halve(portion),
            Reaction::Renew => {
                portion.renewed = true;
                self.renew(portion, evidence).await?;
            }
            Reaction::Reject => self.give_up(&portion, REJECTED).await?,
            Reaction::GiveUp(reason) => self.give_up(&portion, Outcome::NotSent(reason)).await?,
            Reaction::Stop(cause) => self.stop(&portion, cause, evidence).await?,
        }
        Ok(())
    }

    /// Reads states anew and keeps what is to be sent.
    async fn sift(&mut self, portion: &mut Portion, how: How) -> Result<(), RunError> {
        if portion.doubtful {
            return self.recheck(portion).await;
        }
        let ready = sift(self.context, self.batch, &portion.slots, how).await?;
        portion.slots = ready.send;
        portion.read_at = portion.read_at.and(ready.read_at);
        self.dispatched.under_way.extend(ready.under_way);
        self.dispatched.waiting.extend(ready.waiting.iter());
        Ok(())
    }

    /// Reads again the states of servers whose earlier request seemed not to have been accepted. What they show can
    /// settle them, or prove that it was: then they are followed. The rest is kept.
    async fn recheck(&mut self, portion: &mut Portion) -> Result<(), RunError> {
        match recheck(self.context, self.batch, &portion.slots).await? {
            Rechecked::Accepted(servers) => {
                let lost = Fate::Lost(self.context.clock.elapsed());
                self.follow(self.attempts(), servers, lost);
                portion.slots = Slots::default();
            }
            Rechecked::Unmoved { slots, read_at } => {
                portion.slots = slots;
                portion.read_at = portion.read_at.and(read_at);
            }
        }
        Ok(())
    }

    fn follow(&mut self, attempt: Attempt, servers: Slots, fate: Fate) {
        self.dispatched.requests.push(Request {
            attempt,
            servers,
            fate,
        });
    }

    /// How many requests the batch has taken so far.
    fn attempts(&self) -> Attempt {
        let sends = self.context.recorder.read(|ledger| {
            let record = ledger.batch(self.batch.index());
            record.map_or(0, |record| record.sends().len())
        });
        Attempt::try_from(sends).unwrap_or(Attempt::MAX)
    }

    fn halve(&mut self, portion: Portion) {
        let slots: Vec<Slot> = portion.slots.iter().collect();
        let (one, other) = slots.split_at(slots.len() / 2);
        for half in [other, one] {
            let slots = half.iter().copied().collect();
            let half = Portion {
                slots,
                read_at: portion.read_at,
                sifted: true,
                doubtful: portion.doubtful,
                renewed: portion.renewed,
                ..Portion::default()
            };
            self.tasks.push_front(Task::Send(half));
        }
    }

    async fn renew(&mut self, portion: Portion, evidence: Evidence) -> Result<(), RunError> {
        match self.context.client.renew_credentials() {
            Ok(()) => {
                self.tasks.push_front(Task::Send(portion));
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "the credentials could not be read anew");
                self.stop(&portion, StopCause::Refused, evidence).await
            }
        }
    }

    async fn stop(
        &mut self,
        portion: &Portion,
        cause: StopCause,
        evidence: Evidence,
    ) -> Result<(), RunError> {
        let cause = self.context.explained(cause);
        self.context.stop_sending(cause, evidence).await?;
        self.leave(portion, cause).await
    }

    /// Leaves a portion because nothing more is sent: for good, or for when the run is resumed.
    async fn leave(&mut self, portion: &Portion, cause: StopCause) -> Result<(), RunError> {
        if !portion.doubtful || cause.leaves_unfinished() {
            let batch = self.batch.index();
            return self.context.leave(batch, &portion.slots, cause).await;
        }
        self.context
            .stop_sending(cause, Evidence::default())
            .await?;
        self.give_up(portion, Outcome::NotSent(cause.reason()))
            .await
    }

    /// Gives up a portion with this outcome. Servers of an earlier request that may have been accepted are never
    /// `not_sent`: what their states show now decides.
    async fn give_up(&mut self, portion: &Portion, outcome: Outcome) -> Result<(), RunError> {
        if !portion.doubtful {
            return settle_all(self.context, self.batch, &portion.slots, outcome).await;
        }
        let outcome = match outcome {
            Outcome::NotSent(_) => Outcome::Failed(Reason::unmoved(self.context.plan.action)),
            Outcome::Done(_)
            | Outcome::Already
            | Outcome::Skipped(_)
            | Outcome::Failed(_)
            | Outcome::Unknown(_) => outcome,
        };
        let mut rest = Portion {
            slots: portion.slots.clone(),
            ..Portion::default()
        };
        self.recheck(&mut rest).await?;
        settle_all(self.context, self.batch, &rest.slots, outcome).await
    }

    /// How many requests of the batch the cloud looked at.
    fn looked_at(&self) -> usize {
        let looked_at = |send: &&SendRecord| match send.answer {
            None => !send.withdrawn,
            Some(
                SendAnswer::Accepted { .. }
                | SendAnswer::Conflict
                | SendAnswer::Ambiguous
                | SendAnswer::AmbiguousWithJobs { .. }
                | SendAnswer::RefusedForAll
                | SendAnswer::Rejected,
            ) => true,
            Some(SendAnswer::NotConnected | SendAnswer::Throttled | SendAnswer::Credentials) => {
                false
            }
        };
        self.context.recorder.read(|ledger| {
            let record = ledger.batch(self.batch.index());
            record.map_or(0, |record| record.sends().iter().filter(looked_at).count())
        })
    }
}
