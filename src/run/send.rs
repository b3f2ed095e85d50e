//! Sending the stop requests of one batch.
//!
//! Owns the loop around the stop call: quota, intent, request, and the step that the answer calls for.
//! Invariant: every request is said to be intended before it leaves, and is repeated only as
//! `reaction` allows.

use std::time::Duration;

use super::batch::{Suspense, servers_at, settle_all};
use super::before::{How, READING_AGE, Ready, sift};
use super::reaction::{History, Reaction, react};
use super::{Context, RunError, accepted_before, reason_of};
use crate::bms::{Evidence, StopAnswer};
use crate::clock::Moment;
use crate::event::{Attempt, Event, SendAnswer, Slots, StopCause, WaitReason};
use crate::ids::JobId;
use crate::outcome::{Outcome, Reason};
use crate::plan::Batch;

/// A stop request that was, or may have been, accepted.
#[derive(Debug)]
pub(super) struct Request {
    /// Its number within the batch.
    pub(super) attempt: Attempt,
    /// The servers in it.
    pub(super) servers: Slots,
    /// What is to be followed.
    pub(super) fate: Fate,
}

/// What became of a stop request.
#[derive(Debug)]
pub(super) enum Fate {
    /// A job was named.
    Job(JobId),
    /// The answer was lost at this moment.
    Lost(Moment),
}

/// What the sending of a batch leaves to be followed.
#[derive(Debug, Default)]
pub(super) struct Dispatched {
    /// Requests that were, or may have been, accepted.
    pub(super) requests: Vec<Request>,
    /// Servers that turned out to be powering off already.
    pub(super) stopping: Vec<Suspense>,
}

/// Sends what is ready until it is accepted, lost, refused or given up.
pub(super) async fn dispatch(
    context: &Context,
    batch: &Batch,
    ready: Ready,
) -> Result<Dispatched, RunError> {
    let mut sending = Sending {
        context,
        batch,
        slots: ready.send,
        read_at: ready.read_at,
        tried: Tried::default(),
    };
    let mut dispatched = Dispatched::default();
    while !sending.slots.is_empty() {
        if let Some(reason) = context.sending_stopped() {
            sending.settle_rest(Outcome::NotSent(reason)).await?;
            break;
        }
        if sending.reading_is_old() {
            let since = context.clock.elapsed();
            dispatched
                .stopping
                .extend(sending.sift(How::NotBefore(since)).await?);
            continue;
        }
        let (attempt, answer, evidence) = sending.send_once().await?;
        let reaction = sending.react(answer, &evidence);
        let servers = sending.slots.clone();
        match reaction {
            Reaction::Follow(job) => {
                dispatched.requests.push(Request {
                    attempt,
                    servers,
                    fate: Fate::Job(job),
                });
                break;
            }
            Reaction::Lost => {
                let fate = Fate::Lost(context.clock.elapsed());
                dispatched.requests.push(Request {
                    attempt,
                    servers,
                    fate,
                });
                break;
            }
            Reaction::Again(pause, reason) => sending.wait(pause, reason).await?,
            Reaction::Sift => dispatched.stopping.extend(sending.sift(How::Singly).await?),
            Reaction::Renew => sending.renew(evidence).await?,
            Reaction::Reject => {
                sending
                    .settle_rest(Outcome::Failed(Reason::Rejected))
                    .await?
            }
            Reaction::GiveUp(reason) => sending.settle_rest(Outcome::NotSent(reason)).await?,
            Reaction::Stop(cause) => sending.stop(cause, evidence).await?,
        }
    }
    Ok(dispatched)
}

/// A batch that is being sent.
struct Sending<'a> {
    context: &'a Context,
    batch: &'a Batch,
    slots: Slots,
    read_at: Option<Moment>,
    tried: Tried,
}

/// What was tried before for this batch.
#[derive(Default)]
struct Tried {
    attempts: Attempt,
    refusals: u32,
    refused_since: Option<Moment>,
    conflicts: u32,
    renewed: bool,
}

impl Sending<'_> {
    fn reading_is_old(&self) -> bool {
        let now = self.context.clock.elapsed();
        self.read_at.is_some_and(|at| now.since(at) > READING_AGE)
    }

    /// One request and its answer, both recorded.
    async fn send_once(&mut self) -> Result<(Attempt, StopAnswer, Evidence), RunError> {
        let Context {
            client,
            recorder,
            plan,
            ..
        } = self.context;
        let quota = client.stop_slot().await;
        self.tried.attempts += 1;
        let (batch, attempt, servers) =
            (self.batch.index(), self.tried.attempts, self.slots.clone());
        let ids = servers_at(self.batch, servers.iter());
        recorder
            .record(Event::SendIntended {
                batch,
                attempt,
                servers,
            })
            .await?;
        let (answer, evidence) = client.stop(quota, plan.stop_type, &ids).await;
        let said = recorded(&answer);
        recorder
            .record(Event::SendAnswered {
                batch,
                attempt,
                answer: said,
                evidence: evidence.clone(),
            })
            .await?;
        Ok((attempt, answer, evidence))
    }

    /// Counts the answer in, and decides the next step.
    fn react(&mut self, answer: StopAnswer, evidence: &Evidence) -> Reaction {
        let now = self.context.clock.elapsed();
        let tried = &mut self.tried;
        match answer {
            StopAnswer::NotSent | StopAnswer::Throttled { .. } => {
                tried.refusals += 1;
                tried.refused_since.get_or_insert(now);
            }
            StopAnswer::Conflict(_) => tried.conflicts += 1,
            StopAnswer::Accepted(_)
            | StopAnswer::Ambiguous
            | StopAnswer::Credentials
            | StopAnswer::RefusedForAll
            | StopAnswer::Rejected { .. } => {}
        }
        let history = History {
            refusals: tried.refusals,
            refused_for: tried
                .refused_since
                .map_or(Duration::ZERO, |at| now.since(at)),
            conflicts: tried.conflicts,
            renewed: tried.renewed,
            accepted_before: self.context.recorder.read(accepted_before),
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

    async fn wait(&self, pause: Duration, reason: WaitReason) -> Result<(), RunError> {
        let milliseconds = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let waiting = Event::Waiting {
            batch: self.batch.index(),
            reason,
            milliseconds,
        };
        self.context.recorder.record(waiting).await?;
        self.context.clock.sleep(pause).await;
        Ok(())
    }

    /// Reads states anew and keeps what is on; returns what is powering off already.
    async fn sift(&mut self, how: How) -> Result<Vec<Suspense>, RunError> {
        let ready = sift(self.context, self.batch, &self.slots, how).await?;
        self.slots = ready.send;
        self.read_at = self.read_at.and(ready.read_at);
        Ok(ready.stopping)
    }

    async fn renew(&mut self, evidence: Evidence) -> Result<(), RunError> {
        self.tried.renewed = true;
        match self.context.client.renew_credentials() {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::error!(%error, "the credentials could not be read anew");
                self.stop(StopCause::Refused, evidence).await
            }
        }
    }

    async fn stop(&mut self, cause: StopCause, evidence: Evidence) -> Result<(), RunError> {
        self.context.stop_sending(cause, evidence).await?;
        self.settle_rest(Outcome::NotSent(reason_of(cause))).await
    }

    async fn settle_rest(&mut self, outcome: Outcome) -> Result<(), RunError> {
        let rest = std::mem::take(&mut self.slots);
        settle_all(self.context, self.batch, &rest, outcome).await
    }
}

fn recorded(answer: &StopAnswer) -> SendAnswer {
    match answer {
        StopAnswer::Accepted(job) => SendAnswer::Accepted { job: job.clone() },
        StopAnswer::NotSent => SendAnswer::NotConnected,
        StopAnswer::Throttled { .. } => SendAnswer::Throttled,
        StopAnswer::Conflict(_) => SendAnswer::Conflict,
        StopAnswer::Ambiguous => SendAnswer::Ambiguous,
        StopAnswer::Credentials => SendAnswer::Credentials,
        StopAnswer::RefusedForAll => SendAnswer::RefusedForAll,
        StopAnswer::Rejected { .. } => SendAnswer::Rejected,
    }
}
