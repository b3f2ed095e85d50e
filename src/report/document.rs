//! The report as it is written: members, their order and their spelling.
//!
//! Owns the JSON shape that `schemas/report.schema.json` describes. Invariant: no member is ever left
//! out but `undoes`, which only an undo has; what does not apply is `null` or empty.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::counts::WordedCounts;
use super::{Report, StoppedBy, Verdict};
use crate::event::{Attempt, Mode, Narrowed, Opened, TimeRule};
use crate::exit::Exit;
use crate::ids::{BatchIndex, Digest, JobId, RunId};
use crate::ledger::{BatchRecord, SendRecord};
use crate::plan::{Batch, Plan, PlanWarning, Project, Ruling, WorkflowSummary};
use crate::workflow::{Checks, StopType};

#[derive(Serialize)]
pub(super) struct Document<'a> {
    schema: &'static str,
    tool: Tool<'a>,
    mode: Mode,
    action: &'static str,
    /// Only the report of an undo has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    undoes: Option<&'a RunId>,
    run_id: Option<&'a RunId>,
    resumed: u32,
    workflow: &'a WorkflowSummary,
    labels: BTreeMap<&'a str, &'a str>,
    plan: PlanIdentity,
    project: &'a Project,
    stop_type: Option<StopType>,
    checks: &'a Checks,
    window: Option<WindowEntry<'a>>,
    started_at: Option<Instant>,
    finished_at: Option<Instant>,
    outcome: Verdict,
    exit_code: Option<u8>,
    stopped_by: Option<&'a StoppedBy>,
    next: Option<&'a str>,
    totals: WordedCounts,
    #[serde(serialize_with = "job_ids")]
    job_ids: &'a Report<'a>,
    #[serde(serialize_with = "groups")]
    groups: &'a Report<'a>,
    #[serde(serialize_with = "batches")]
    batches: &'a Report<'a>,
    #[serde(serialize_with = "servers")]
    servers: &'a Report<'a>,
    guards: &'a [Ruling],
    narrowed: Option<&'a Narrowed>,
    overrides: Vec<Override<'a>>,
    warnings: Vec<&'a PlanWarning>,
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'static str,
    version: &'a str,
}

#[derive(Serialize)]
struct WindowEntry<'a> {
    timezone: &'a str,
    opens: Instant,
    closes: Instant,
    cutoff: Instant,
}

impl<'a> WindowEntry<'a> {
    fn of(window: &'a Opened) -> Self {
        let occurrence = window.occurrence;
        Self {
            timezone: &window.timezone,
            opens: Instant(occurrence.opens),
            closes: Instant(occurrence.closes),
            cutoff: Instant(occurrence.cutoff),
        }
    }
}

#[derive(Serialize)]
struct PlanIdentity {
    digest: Digest,
}

#[derive(Serialize)]
struct GroupEntry<'a> {
    name: &'a str,
    totals: WordedCounts,
}

#[derive(Serialize)]
struct BatchEntry<'a> {
    index: BatchIndex,
    group: Option<&'a str>,
    wave: u32,
    size: usize,
    sends: Vec<SendEntry<'a>>,
}

#[derive(Serialize)]
struct SendEntry<'a> {
    attempt: Attempt,
    servers: usize,
    job_id: Option<&'a JobId>,
    #[serde(skip_serializing_if = "<[JobId]>::is_empty")]
    other_job_ids: &'a [JobId],
    job_status: Option<&'a str>,
    http_status: Option<u16>,
    request_id: Option<&'a str>,
    error_code: Option<&'a str>,
    error_message: Option<&'a str>,
    sent_at: Instant,
    settled_at: Option<Instant>,
}

#[derive(Serialize)]
struct Override<'a> {
    what: TimeRule,
    reason: &'a str,
}

impl<'a> Override<'a> {
    fn of((what, reason): (TimeRule, &'a str)) -> Self {
        Self { what, reason }
    }
}

/// A time to the millisecond, in UTC.
struct Instant(Timestamp);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

impl<'a> Document<'a> {
    pub(super) fn of(report: &'a Report<'a>) -> Self {
        let (plan, facts) = (report.plan, report.facts);
        let began = report.ledger.began();
        Self {
            schema: super::FORMAT,
            tool: Tool {
                name: "lightsout",
                version: &facts.version,
            },
            mode: facts.mode,
            action: plan.action.word(),
            undoes: report.undoes(),
            run_id: report.run_id(),
            resumed: report.ledger.resumed(),
            workflow: &plan.workflow,
            labels: labels(report),
            plan: PlanIdentity {
                digest: plan.digest,
            },
            project: &plan.project,
            stop_type: plan.action.stop_type(),
            checks: &plan.checks,
            window: report.window().map(WindowEntry::of),
            started_at: began.map(|began| Instant(began.at)),
            finished_at: report.ledger.finished_at().map(Instant),
            outcome: report.verdict(),
            exit_code: report.exit().map(Exit::code),
            stopped_by: facts.stopped_by.as_ref(),
            next: facts.next.as_deref(),
            totals: WordedCounts(plan.action, report.totals),
            job_ids: report,
            groups: report,
            batches: report,
            servers: report,
            guards: &facts.guards,
            narrowed: facts.narrowed.as_ref(),
            overrides: report.overrides().map(Override::of).collect(),
            warnings: plan.warnings.iter().chain(&facts.warnings).collect(),
        }
    }
}

pub(super) fn labels<'a>(report: &'a Report<'a>) -> BTreeMap<&'a str, &'a str> {
    let labels = report.plan.labels.iter().chain(&report.facts.labels);
    labels
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

fn job_ids<S: Serializer>(report: &&Report<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(report.job_ids())
}

fn groups<S: Serializer>(report: &&Report<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let groups = report.plan.groups.iter().zip(&report.groups);
    serializer.collect_seq(groups.map(|(group, totals)| GroupEntry {
        name: &group.name,
        totals: WordedCounts(report.plan.action, *totals),
    }))
}

fn batches<S: Serializer>(report: &&Report<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let batches = report.plan.batches.iter().zip(report.ledger.batches());
    serializer.collect_seq(batches.map(|(batch, record)| batch_entry(report.plan, batch, record)))
}

fn servers<S: Serializer>(report: &&Report<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(report.targets())
}

fn batch_entry<'a>(plan: &'a Plan, batch: &'a Batch, record: &'a BatchRecord) -> BatchEntry<'a> {
    let group = plan.groups.get(batch.group());
    BatchEntry {
        index: batch.index(),
        group: group.map(|group| group.name.as_str()),
        wave: batch.wave(),
        size: batch.servers().len(),
        sends: sends(record),
    }
}

/// The requests that left; a number may be missing where one was withdrawn.
fn sends(record: &BatchRecord) -> Vec<SendEntry<'_>> {
    let sends = (1..).zip(record.sends());
    sends
        .filter(|(_, send)| !send.withdrawn)
        .map(send_entry)
        .collect()
}

fn send_entry((attempt, send): (Attempt, &SendRecord)) -> SendEntry<'_> {
    let evidence = &send.evidence;
    SendEntry {
        attempt,
        servers: send.servers.len(),
        job_id: send.job(),
        other_job_ids: send.jobs().get(1..).unwrap_or_default(),
        job_status: send.job_status().map(|status| status.as_str()),
        http_status: evidence.http_status,
        request_id: evidence.request_id.as_deref(),
        error_code: evidence.code.as_deref(),
        error_message: evidence.message.as_deref(),
        sent_at: Instant(send.sent_at),
        settled_at: send.settled_at.map(Instant),
    }
}
