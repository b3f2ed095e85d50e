//! Following the job of one accepted request to its end.
//!
//! Owns the polling and the reading of sub-jobs. Results per server come from the sub-jobs, never from
//! the parent alone. Invariant: following ends when the job is final, or when polls have been answered
//! for `jobs.timeout`, or when they are not answered for `retry_for`.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::batch::{Suspense, settle_all};
use super::opening::doubtful_sends;
use super::reconcile::{Found, reconcile};
use super::send::{Fate, Request};
use super::verdict::Told;
use super::{Context, RunError};
use crate::bms::{Job, JobError, JobIds, JobStatus, SubJob, Unanswered};
use crate::clock::Moment;
use crate::event::{Attempt, Event, JobEnd, JobResult, Slot, Slots, grouped};
use crate::ids::{BatchIndex, JobId, ServerId};
use crate::outcome::{Outcome, Reason};
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
    let (jobs, proof) = match fate {
        Fate::Job(job) => (JobIds::from(job), Proof::Acceptance),
        Fate::Named(jobs) => (jobs, Proof::NameOnly),
        Fate::Lost(since) => return Ok(lost(&servers, since)),
    };
    let polls = jobs.as_slice().iter();
    let polls = polls.map(|job| poll(context, job, (batch.index(), attempt)));
    let (end, last) = together(try_join_all(polls).await?);
    let results = results(batch, &servers, last.as_ref());
    let (since, action) = (context.clock.elapsed(), context.plan.action);
    let is_unproven = proof == Proof::NameOnly && end == JobEnd::Gone;
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
    if is_unproven {
        let fate = Fate::Lost(since);
        let request = Request {
            attempt,
            servers,
            fate,
        };
        return reconcile_unproven(context, batch, request, since).await;
    }
    Ok(suspense)
}

/// What speaks for a request having been accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// The response was a clear acceptance.
    Acceptance,
    /// The response named the job, and was no clear acceptance.
    NameOnly,
}

/// Finds out from states whether a request was accepted whose response named jobs that the API does not know. It is never
/// sent again.
async fn reconcile_unproven(
    context: &Context,
    batch: &Batch,
    request: Request,
    since: Moment,
) -> Result<Vec<Suspense>, RunError> {
    let seen_taken = context.recorder.read(|ledger| {
        let record = ledger.batch(batch.index());
        let send = record.and_then(|record| record.send(request.attempt));
        send.is_some_and(|send| send.seen_taken)
    });
    if seen_taken {
        return Ok(lost(&request.servers, since));
    }
    match reconcile(context, batch, request, since).await? {
        Found::Accepted(request) => Ok(lost(&request.servers, since)),
        Found::NotAccepted(slots) => {
            let unmoved = Outcome::Failed(Reason::unmoved(context.plan.action));
            settle_all(context, batch, &slots, unmoved).await?;
            Ok(Vec::new())
        }
    }
}

/// Servers whose request was accepted, though no job mentions them.
fn lost(servers: &Slots, since: Moment) -> Vec<Suspense> {
    let lost = |slot| Suspense {
        slot,
        told: Told::Lost,
        since,
    };
    servers.iter().map(lost).collect()
}

/// What several jobs of one request say together. Jobs that the API does not know count only if it knows none.
fn together(polled: Vec<(JobEnd, Option<Job>)>) -> (JobEnd, Option<Job>) {
    let (gone, known): (Vec<_>, Vec<_>) = polled
        .into_iter()
        .partition(|(end, _)| *end == JobEnd::Gone);
    let mut known = known.into_iter();
    let Some((mut end, mut last)) = known.next() else {
        let first = gone.into_iter().next();
        return first.unwrap_or((JobEnd::Gone, None));
    };
    for (other_end, other) in known {
        end = worse(end, other_end);
        last = match (last, other) {
            (Some(one), Some(other)) => Some(joined(one, other)),
            (one, other) => one.or(other),
        };
    }
    (end, last)
}

/// The end that says less: unreadable, not final in time, failed, succeeded.
fn worse(one: JobEnd, other: JobEnd) -> JobEnd {
    let rank = |end: &JobEnd| match end {
        JobEnd::Unreadable => 0,
        JobEnd::TimedOut { .. } => 1,
        JobEnd::Final { status } if *status == JobStatus::Fail => 2,
        JobEnd::Final { .. } => 3,
        JobEnd::Gone => 4,
    };
    if rank(&other) < rank(&one) {
        other
    } else {
        one
    }
}

fn joined(one: Job, other: Job) -> Job {
    let mut sub_jobs = one.sub_jobs;
    sub_jobs.extend(other.sub_jobs);
    let status = if one.status == JobStatus::Success {
        other.status
    } else {
        one.status
    };
    Job {
        status,
        error: one.error.or(other.error),
        sub_jobs,
    }
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
            Err(Unanswered::GaveUp(_) | Unanswered::Refused(_) | Unanswered::Blocked(_)) => {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn done(status: JobStatus, server: u8) -> (JobEnd, Option<Job>) {
        let sub_job = SubJob {
            server: Some(ServerId::from_bytes([server; 16])),
            status: status.clone(),
            error: None,
        };
        let job = Job {
            status: status.clone(),
            error: None,
            sub_jobs: vec![sub_job],
        };
        (JobEnd::Final { status }, Some(job))
    }

    #[test]
    fn several_jobs_of_one_request_are_read_as_one() {
        let (end, job) = together(vec![done(JobStatus::Success, 1), done(JobStatus::Fail, 2)]);
        let status = JobStatus::Fail;
        assert_eq!(
            end,
            JobEnd::Final {
                status: status.clone()
            }
        );
        let job = job.unwrap();
        assert_eq!((job.status, job.sub_jobs.len()), (status, 2));
    }

    #[test]
    fn a_job_that_the_api_does_not_know_counts_only_alone() {
        let gone = || (JobEnd::Gone, None);
        assert_eq!(together(vec![gone(), gone()]), gone());
        let known = done(JobStatus::Success, 1);
        assert_eq!(together(vec![gone(), known.clone(), gone()]), known);
    }

    #[test]
    fn a_job_that_cannot_be_read_leaves_the_whole_open() {
        let unreadable = (JobEnd::Unreadable, None);
        let (end, job) = together(vec![done(JobStatus::Success, 1), unreadable]);
        assert_eq!((end, job.unwrap().sub_jobs.len()), (JobEnd::Unreadable, 1));
    }
}
