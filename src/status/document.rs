//! A status as JSON.
//!
//! Owns the shape that `schemas/status.schema.json` describes. Invariant: no member is ever left out but
//! `undoes`, which only an undo has; what does not apply is `null` or empty.

use std::io;

use jiff::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{FORMAT, Life, Sends, Status, Waiting, pending, waiting};
use crate::event::{Attempt, Mode, Opened, StopCause, WaitReason};
use crate::exit::Exit;
use crate::ids::{BatchIndex, Digest, JobId, RunId};
use crate::ledger::{BatchRecord, SendRecord, Totals};
use crate::outcome::OutcomeKind;
use crate::plan::{Batch, Project, WorkflowSummary};
use crate::power::Action;
use crate::report::{Ending, StoppedBy, Verdict, write_entries};
use crate::state::{Holder, Switch};

impl Status<'_> {
    /// Writes the status as JSON.
    pub fn write_json(&self, out: impl io::Write) -> io::Result<()> {
        write_entries(&document(self), out)
    }
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    run_id: &'a RunId,
    mode: Mode,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    undoes: Option<&'a RunId>,
    workflow: &'a WorkflowSummary,
    plan: PlanIdentity,
    project: &'a Project,
    state: &'static str,
    process: Option<Process<'a>>,
    problem: Option<&'a str>,
    started_at: Option<Instant>,
    last_event_at: Option<Instant>,
    finished_at: Option<Instant>,
    resumed: u32,
    sending_stopped: Option<StopCause>,
    stop_switch: Option<StopSwitch<'a>>,
    window: Option<Window<'a>>,
    soak: Option<Soaking<'a>>,
    outcome: Option<Verdict>,
    exit_code: Option<u8>,
    stopped_by: Option<&'a StoppedBy>,
    next: Option<&'a str>,
    totals: Counts,
    sends: Sends,
    groups: Vec<Group<'a>>,
    batches: Vec<UnderWay<'a>>,
}

#[derive(Serialize)]
struct PlanIdentity {
    digest: Digest,
}

#[derive(Serialize)]
struct Process<'a> {
    host: &'a str,
    id: u32,
}

#[derive(Serialize)]
struct StopSwitch<'a> {
    reason: &'a str,
    set_at: Instant,
    until: Option<Instant>,
}

/// The occurrence of the window in which the run began.
#[derive(Serialize)]
struct Window<'a> {
    timezone: &'a str,
    opens: Instant,
    closes: Instant,
    cutoff: Instant,
}

/// The pause between waves that a run is in.
#[derive(Serialize)]
struct Soaking<'a> {
    group: &'a str,
    wave: u32,
    until: Instant,
}

#[derive(Serialize)]
struct Group<'a> {
    name: &'a str,
    totals: Counts,
    waves: Waves,
}

/// How many waves a group has, and how many of them have begun.
#[derive(Serialize)]
struct Waves {
    total: u32,
    begun: u32,
}

#[derive(Serialize)]
struct UnderWay<'a> {
    index: BatchIndex,
    group: &'a str,
    wave: u32,
    size: usize,
    pending: usize,
    waiting_for: &'static str,
    sends: Vec<Send<'a>>,
}

#[derive(Serialize)]
struct Send<'a> {
    attempt: Attempt,
    servers: usize,
    job_id: Option<&'a JobId>,
    job_status: Option<&'a str>,
    sent_at: Instant,
    settled_at: Option<Instant>,
}

/// A time to the millisecond, in UTC.
struct Instant(Timestamp);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

/// Totals with those that have no outcome so far.
struct Counts(Action, Totals);

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2 + OutcomeKind::ALL.len()))?;
        map.serialize_entry("targets", &self.1.targets())?;
        for kind in OutcomeKind::ALL {
            map.serialize_entry(kind.word(self.0), &self.1.count(kind))?;
        }
        map.serialize_entry("pending", &self.1.pending())?;
        map.end()
    }
}

impl Serialize for Sends {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("sent", &self.sent)?;
        map.serialize_entry("accepted", &self.accepted)?;
        map.serialize_entry("unanswered", &self.unanswered)?;
        map.end()
    }
}

fn document<'a>(status: &'a Status<'a>) -> Document<'a> {
    let (plan, ledger, around) = (status.plan, status.ledger, status.around);
    let ending = status.end().map(|facts| facts.ending);
    let groups = plan.groups.iter().zip(ledger.groups());
    Document {
        schema: FORMAT,
        run_id: &around.run,
        mode: around.mode,
        action: plan.action.word(),
        undoes: status.undoes(),
        workflow: &plan.workflow,
        plan: PlanIdentity {
            digest: plan.digest,
        },
        project: &plan.project,
        state: state_word(status.life),
        process: around.holder.as_ref().map(process),
        problem: around.problem.as_deref(),
        started_at: ledger.began().map(|began| Instant(began.at)),
        last_event_at: around.last_at.map(Instant),
        finished_at: ledger.finished_at().map(Instant),
        resumed: ledger.resumed(),
        sending_stopped: status.stopped(),
        stop_switch: around.switch.as_ref().map(stop_switch),
        window: status.window().map(window),
        soak: status.soak().map(|(group, soak)| Soaking {
            group,
            wave: soak.wave,
            until: Instant(soak.until),
        }),
        outcome: ending.map(Verdict::of),
        exit_code: ending.and_then(Ending::exit).map(Exit::code),
        stopped_by: status.stopped_by(),
        next: status.next(),
        totals: Counts(plan.action, ledger.totals()),
        sends: status.sends(),
        groups: groups
            .zip(status.waves())
            .map(|((group, totals), (total, begun))| Group {
                name: &group.name,
                totals: Counts(plan.action, *totals),
                waves: Waves { total, begun },
            })
            .collect(),
        batches: status
            .under_way()
            .map(|(batch, record)| under_way(status, batch, record))
            .collect(),
    }
}

fn process(holder: &Holder) -> Process<'_> {
    Process {
        host: &holder.host,
        id: holder.process,
    }
}

fn window(window: &Opened) -> Window<'_> {
    let occurrence = window.occurrence;
    Window {
        timezone: &window.timezone,
        opens: Instant(occurrence.opens),
        closes: Instant(occurrence.closes),
        cutoff: Instant(occurrence.cutoff),
    }
}

fn stop_switch(switch: &Switch) -> StopSwitch<'_> {
    StopSwitch {
        reason: &switch.reason,
        set_at: Instant(switch.set_at),
        until: switch.until.map(Instant),
    }
}

fn under_way<'a>(status: &Status<'a>, batch: &'a Batch, record: &'a BatchRecord) -> UnderWay<'a> {
    let sends = (1..).zip(record.sends());
    UnderWay {
        index: batch.index(),
        group: status.group_of(batch),
        wave: batch.wave(),
        size: batch.servers().len(),
        pending: pending(record),
        waiting_for: waiting_word(waiting(record), record.action()),
        sends: sends
            .filter(|(_, send)| !send.withdrawn)
            .map(send)
            .collect(),
    }
}

fn send((attempt, send): (Attempt, &SendRecord)) -> Send<'_> {
    Send {
        attempt,
        servers: send.servers.len(),
        job_id: send.job(),
        job_status: send.job_status().map(|status| status.as_str()),
        sent_at: Instant(send.sent_at),
        settled_at: send.settled_at.map(Instant),
    }
}

pub(super) fn state_word(life: Life) -> &'static str {
    match life {
        Life::Running => "running",
        Life::Finished => "finished",
        Life::Unfinished => "unfinished",
        Life::Unreadable => "unreadable",
    }
}

pub(super) fn waiting_word(waiting: Waiting, action: Action) -> &'static str {
    match waiting {
        Waiting::Said(WaitReason::Throttled) => "throttled",
        Waiting::Said(WaitReason::Unreachable) => "unreachable",
        Waiting::Said(WaitReason::Busy) => "busy",
        Waiting::Said(WaitReason::Moving) => match action {
            Action::Stop(_) => "stopping",
            Action::Start => "starting",
        },
        Waiting::Said(WaitReason::Grace) => "grace",
        Waiting::Said(WaitReason::Reconcile) => "reconcile",
        Waiting::Answer => "answer",
        Waiting::Job => "job",
        Waiting::States => "states",
    }
}
