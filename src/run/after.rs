//! After the jobs: reading states until every target of a batch has its outcome.
//!
//! Owns the readings of design §7, step 4; the decision is `verdict`. Invariant: only readings that
//! began after a target's job ended, or its request failed, count for it, and none that is over a minute old.

use std::time::Duration;

use super::batch::{Suspense, observed, servers_at, settle, wait};
use super::states::Reading;
use super::verdict::{Timing, by_job_alone, judge};
use super::{Context, RunError, verdict};
use crate::bms::{StateClass, Unanswered};
use crate::clock::Moment;
use crate::event::{Phase, Slot, WaitReason};
use crate::outcome::{Outcome, Reason};
use crate::plan::Batch;

/// Finds the outcome of every target that is still in suspense.
pub(super) async fn verify(
    context: &Context,
    batch: &Batch,
    suspense: Vec<Suspense>,
) -> Result<(), RunError> {
    let mut open = without_reading(context, batch, suspense).await?;
    let mut since = open
        .iter()
        .map(|target| target.since)
        .max()
        .unwrap_or_default();
    let mut only_old_since: Option<Moment> = None;
    while !open.is_empty() {
        let servers = servers_at(batch, open.iter().map(|target| target.slot));
        let readings = context.states.read_each(context, &servers, since).await;
        let now = context.clock.elapsed();
        let round = Round::of(context, open, readings, now);
        observed(context, batch, Phase::After, round.states()).await?;
        settle(context, batch, round.settled()).await?;
        let some_old = round.any(Verdict::TooOld);
        if round.all(Verdict::TooOld) {
            let first = *only_old_since.get_or_insert(now);
            if now.since(first) > context.plan.rollout.retry_for {
                let unreadable = Outcome::Unknown(Reason::StatesUnreadable);
                return settle(context, batch, round.slots().map(|slot| (unreadable, slot))).await;
            }
        } else {
            only_old_since = None;
        }
        open = round.open();
        if !open.is_empty() && !some_old {
            pause(context, batch, &open).await?;
        }
        since = context.clock.elapsed();
    }
    Ok(())
}

/// One reading of all targets that are still in suspense.
struct Round(Vec<Seen>);

/// What one reading made of a target.
struct Seen {
    target: Suspense,
    state: Option<StateClass>,
    verdict: Verdict,
}

/// The outcome, or why there is none yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Settled(Outcome),
    TooEarly,
    /// The reading grew old while another server of the round was slow to read.
    TooOld,
}

impl Round {
    fn of(
        context: &Context,
        open: Vec<Suspense>,
        readings: Vec<Result<Reading, Unanswered>>,
        now: Moment,
    ) -> Self {
        let seen = |(target, reading): (Suspense, Result<Reading, Unanswered>)| match reading {
            Ok(reading) => Seen {
                target,
                state: Some(reading.state),
                verdict: verdict_on(context, target, &reading, now),
            },
            Err(unanswered) => {
                tracing::warn!(slot = target.slot, "a state cannot be read: {unanswered}");
                Seen {
                    target,
                    state: None,
                    verdict: Verdict::Settled(Outcome::Unknown(Reason::StatesUnreadable)),
                }
            }
        };
        Self(open.into_iter().zip(readings).map(seen).collect())
    }

    fn states(&self) -> impl Iterator<Item = (StateClass, Slot)> {
        let states = self.0.iter();
        states.filter_map(|seen| Some((seen.state?, seen.target.slot)))
    }

    fn slots(&self) -> impl Iterator<Item = Slot> {
        self.0.iter().map(|seen| seen.target.slot)
    }

    fn settled(&self) -> Vec<(Outcome, Slot)> {
        let settled = |seen: &Seen| match seen.verdict {
            Verdict::Settled(outcome) => Some((outcome, seen.target.slot)),
            Verdict::TooEarly | Verdict::TooOld => None,
        };
        self.0.iter().filter_map(settled).collect()
    }

    fn any(&self, verdict: Verdict) -> bool {
        self.0.iter().any(|seen| seen.verdict == verdict)
    }

    fn all(&self, verdict: Verdict) -> bool {
        self.0.iter().all(|seen| seen.verdict == verdict)
    }

    fn open(self) -> Vec<Suspense> {
        let open = |seen: Seen| match seen.verdict {
            Verdict::Settled(_) => None,
            Verdict::TooEarly | Verdict::TooOld => Some(seen.target),
        };
        self.0.into_iter().filter_map(open).collect()
    }
}

fn verdict_on(context: &Context, target: Suspense, reading: &Reading, now: Moment) -> Verdict {
    if reading.is_old(now) {
        return Verdict::TooOld;
    }
    let action = context.plan.action;
    let timing = timing(context, reading.at.since(target.since));
    match judge(action, target.told, reading.state.under(action), timing) {
        verdict::Verdict::Settled(outcome) => Verdict::Settled(outcome),
        verdict::Verdict::TooEarly => Verdict::TooEarly,
    }
}

/// Settles what needs no reading where the workflow wants none; returns the rest.
async fn without_reading(
    context: &Context,
    batch: &Batch,
    suspense: Vec<Suspense>,
) -> Result<Vec<Suspense>, RunError> {
    if context.plan.checks.after {
        return Ok(suspense);
    }
    let decided = suspense
        .iter()
        .filter_map(|t| Some((by_job_alone(t.told)?, t.slot)));
    settle(context, batch, decided).await?;
    Ok(suspense
        .into_iter()
        .filter(|target| by_job_alone(target.told).is_none())
        .collect())
}

fn timing(context: &Context, passed: Duration) -> Timing {
    Timing {
        passed,
        grace: context.plan.checks.grace,
        limit: context.plan.jobs.timeout,
    }
}

/// Waits for the next reading: the usual pause, or less if the grace time of a target ends before.
async fn pause(context: &Context, batch: &Batch, open: &[Suspense]) -> Result<(), RunError> {
    let now = context.clock.elapsed();
    let grace = context.plan.checks.grace;
    let until_grace = |target: &Suspense| target.since.after(grace).since(now);
    let next = open
        .iter()
        .map(until_grace)
        .filter(|left: &Duration| !left.is_zero())
        .min();
    let pause = next.map_or(context.plan.jobs.poll, |left| {
        left.min(context.plan.jobs.poll)
    });
    let reason = if next.is_some() {
        WaitReason::Grace
    } else {
        WaitReason::Moving
    };
    wait(context, batch, reason, pause).await
}
