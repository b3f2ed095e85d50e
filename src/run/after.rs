//! After the jobs: reading states until every target of a batch has its outcome.
//!
//! Owns the readings of design §7, step 4; the decision is `verdict`. Invariant: only readings that
//! began after a target's job ended, or its request failed, count for it.

use std::time::Duration;

use super::batch::{Suspense, observed, servers_at, settle, wait};
use super::verdict::{Timing, Verdict, by_job_alone, judge};
use super::{Context, RunError};
use crate::event::{Phase, WaitReason};
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
    while !open.is_empty() {
        let servers = servers_at(batch, open.iter().map(|target| target.slot));
        let readings = match context.states.read(context, &servers, since).await {
            Ok(readings) => readings,
            Err(unanswered) => {
                tracing::warn!(batch = %batch.index(), ?unanswered, "states cannot be read");
                let unreadable = Outcome::Unknown(Reason::StatesUnreadable);
                return settle(context, batch, open.iter().map(|t| (unreadable, t.slot))).await;
            }
        };
        let seen = || open.iter().zip(&readings);
        observed(
            context,
            batch,
            Phase::After,
            seen().map(|(t, r)| (r.state, t.slot)),
        )
        .await?;
        let judged: Vec<(Suspense, Verdict)> = seen()
            .map(|(target, reading)| {
                let action = context.plan.action;
                let timing = timing(context, reading.at.since(target.since));
                (
                    *target,
                    judge(action, target.told, reading.state.under(action), timing),
                )
            })
            .collect();
        let settled = judged.iter().filter_map(|(target, verdict)| match verdict {
            Verdict::Settled(outcome) => Some((*outcome, target.slot)),
            Verdict::TooEarly => None,
        });
        settle(context, batch, settled).await?;
        open = judged
            .into_iter()
            .filter_map(|(target, verdict)| (verdict == Verdict::TooEarly).then_some(target))
            .collect();
        if !open.is_empty() {
            pause(context, batch, &open).await?;
            since = context.clock.elapsed();
        }
    }
    Ok(())
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
