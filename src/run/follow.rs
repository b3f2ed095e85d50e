//! Following the job of one accepted request to its end.
//!
//! Owns the polling and the reading of sub-jobs. Results per server come from the sub-jobs, never from
//! the parent alone. Invariant: following ends when the job is final, or when polls have been answered
//! for `jobs.timeout`, or when they are not answered for `retry_for`.

use std::collections::HashMap;
use std::time::Duration;

use super::batch::Suspense;
use super::opening::doubtful_sends;
use super::send::{Fate, Request};
use super::verdict::Told;
use super::{Context, RunError};
use crate::bms::{Job, JobError, JobStatus, SubJob, Unanswered};
use crate::event::{Attempt, Event, JobEnd, JobResult, Slot, Slots, grouped};
use crate::ids::{BatchIndex, JobId, ServerId};
use crate::plan::Batch;
use crate::power::Action;

/// When a job is asked after for the first time.
const FIRST_POLL: Duration = Duration::from_secs(2);

/// Follows a request to the end of its job; returns what is known of each of its servers.
pub(super) async fn follow(
    context: &Context,
    batch: &Batch,
    request: Request,
) -> Result<Vec<Suspense>, RunError> {
    let Request {
        attempt,
        servers,
        fate,
    } = request;
    let job = match fate {
        Fate::Job(job) => job,
        Fate::Lost(since) => {
            let lost = |slot| Suspense {
                slot,
                told: Told::Lost,
                since,
            };
            return Ok(servers.iter().map(lost).collect());
        }
    };
    let (end, last) = poll(context, &job, (batch.index(), attempt)).await?;
    let results = results(batch, &servers, last.as_ref());
    let (since, action) = (context.clock.elapsed(), context.plan.action);
    let suspense = results
        .iter()
        .flat_map(|(result, slots)| slots.iter().map(|slot| (told(action, &end, result), slot)))
        .map(|(told, slot)| {
            let told = in_view_of_the_first(context, batch, slot, told);
            Suspense { slot, told, since }
        })
        .collect();
    context
        .recorder
        .record(Event::JobEnded {
            batch: batch.index(),
            attempt,
            end,
            results,
        })
        .await?;
    Ok(suspense)
}

/// A server that a later request found where it should be was brought there by an earlier one, whose
/// answer was lost.
fn in_view_of_the_first(context: &Context, batch: &Batch, slot: Slot, told: Told) -> Told {
    let sent_before = || {
        context.recorder.read(|ledger| {
            let record = ledger.batch(batch.index());
            record.is_some_and(|record| doubtful_sends(record, slot) > 1)
        })
    };
    if told == Told::FoundThere && sent_before() {
        Told::Lost
    } else {
        told
    }
}

/// Asks until following ends; returns how, and the last answer.
async fn poll(
    context: &Context,
    id: &JobId,
    (batch, attempt): (BatchIndex, Attempt),
) -> Result<(JobEnd, Option<Job>), RunError> {
    let jobs = context.plan.jobs;
    let mut pause = FIRST_POLL.min(jobs.poll);
    let mut waited = Duration::ZERO;
    let mut last: Option<Job> = None;
    loop {
        context.clock.sleep(pause).await;
        waited += pause;
        let wanted = context.clock.elapsed();
        let job = match context
            .patience()
            .answer(wanted, || context.client.job(id))
            .await
        {
            Ok(job) => job,
            Err(Unanswered::NotFound(_)) => return Ok((JobEnd::Gone, None)),
            Err(Unanswered::GaveUp(_) | Unanswered::Refused(_)) => {
                return Ok((JobEnd::Unreadable, last));
            }
        };
        if job.is_final() {
            let status = job.status.clone();
            return Ok((JobEnd::Final { status }, Some(job)));
        }
        if context
            .recorder
            .read(|ledger| ledger.is_job_left(batch, attempt))
        {
            let seen = Event::JobSeenRunning { batch, attempt };
            context.recorder.record(seen).await?;
        }
        let status = Some(job.status.clone());
        last = Some(job);
        if waited >= jobs.timeout {
            return Ok((JobEnd::TimedOut { status }, last));
        }
        pause = jobs.poll.min(jobs.timeout - waited);
    }
}

/// What the job says of each server of the request.
fn results(batch: &Batch, servers: &Slots, job: Option<&Job>) -> Vec<(JobResult, Slots)> {
    let sub_jobs = job.map_or(&[][..], |job| &job.sub_jobs);
    let by_server: HashMap<ServerId, &SubJob> = sub_jobs
        .iter()
        .filter_map(|sub| Some((sub.server?, sub)))
        .collect();
    grouped(servers.iter().filter_map(|slot| {
        let server = batch.servers().get(usize::from(slot))?;
        let result = match by_server.get(server) {
            Some(sub) => result_of(&sub.status, sub.error.as_ref()),
            None => untold(job),
        };
        Some((result, slot))
    }))
}

fn result_of(status: &JobStatus, error: Option<&JobError>) -> JobResult {
    match status {
        JobStatus::Success => JobResult::Succeeded,
        JobStatus::Fail => JobResult::Failed(error.cloned().unwrap_or_default()),
        JobStatus::Init | JobStatus::Running | JobStatus::Other(_) => JobResult::Untold,
    }
}

/// What a job says of a server that none of its sub-jobs names: nothing, unless all of it failed.
fn untold(job: Option<&Job>) -> JobResult {
    match job {
        Some(Job {
            status: JobStatus::Fail,
            error,
            sub_jobs,
        }) if sub_jobs.is_empty() => JobResult::Failed(error.clone().unwrap_or_default()),
        Some(_) | None => JobResult::Untold,
    }
}

fn told(action: Action, end: &JobEnd, result: &JobResult) -> Told {
    match (result, end) {
        (JobResult::Succeeded, _) => Told::Succeeded,
        (JobResult::Failed(error), _) if error.tells_of_goal(action) => Told::FoundThere,
        (JobResult::Failed(_), _) => Told::Failed,
        (JobResult::Untold, JobEnd::Final { .. }) => Told::Nothing,
        (JobResult::Untold, JobEnd::TimedOut { .. } | JobEnd::Unreadable) => Told::Unfinished,
        (JobResult::Untold, JobEnd::Gone) => Told::JobGone,
    }
}
