//! One target's row in the report: what became of it, and what speaks for that.
//!
//! Owns deriving a row from plan and ledger. Invariant: a target that the ledger has no outcome for is
//! never called well: it is `unknown` if a request with it may have been accepted, else `not_sent`.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::event::{Slot, StopCause};
use crate::ids::{BatchIndex, JobId, ServerId};
use crate::ledger::{BatchRecord, Ledger, SendRecord, TargetRecord};
use crate::outcome::{Outcome, Reason};
use crate::plan::{Batch, Plan};

/// What the report says of one target.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    plan: &'a Plan,
    batch: &'a Batch,
    record: &'a BatchRecord,
    target: &'a TargetRecord,
    id: ServerId,
    slot: Slot,
    stopped: Option<StopCause>,
}

/// Every target in plan order.
pub(super) fn all<'a>(
    plan: &'a Plan,
    ledger: &'a Ledger,
) -> impl Iterator<Item = Target<'a>> + use<'a> {
    let stopped = ledger.stopped().map(|(cause, _)| *cause);
    let batches = plan.batches.iter().zip(ledger.batches());
    batches.flat_map(move |(batch, record)| {
        let targets = batch.servers().iter().zip(record.targets()).zip(0..);
        targets.map(move |((id, target), slot)| Target {
            plan,
            batch,
            record,
            target,
            id: *id,
            slot,
            stopped,
        })
    })
}

impl<'a> Target<'a> {
    /// The server.
    pub fn id(&self) -> ServerId {
        self.id
    }

    /// The name that an inventory gives it; untrusted.
    pub fn name(&self) -> Option<&'a str> {
        self.plan.name_of(self.id)
    }

    /// Name of its group; untrusted.
    pub fn group(&self) -> Option<&'a str> {
        let group = self.plan.groups.get(self.group_index())?;
        Some(&group.name)
    }

    pub(super) fn group_index(&self) -> usize {
        self.batch.group()
    }

    /// Its batch.
    pub fn batch(&self) -> BatchIndex {
        self.batch.index()
    }

    /// What became of it.
    pub fn outcome(&self) -> Outcome {
        self.target.outcome().unwrap_or_else(|| {
            let reason = self.stopped.map_or(Reason::Interrupted, StopCause::reason);
            if self.sends().any(SendRecord::may_be_accepted) {
                Outcome::Unknown(reason)
            } else {
                Outcome::NotSent(reason)
            }
        })
    }

    /// The job of the last request with this target that was accepted.
    pub fn job_id(&self) -> Option<&'a JobId> {
        self.sends().find_map(SendRecord::job)
    }

    /// The cloud's code for what went wrong with it; untrusted.
    pub fn error_code(&self) -> Option<&'a str> {
        let of_job = self
            .sends()
            .find_map(|send| send.job_error(self.slot))
            .map(|error| error.code.as_str());
        of_job.or_else(|| match self.outcome() {
            Outcome::Failed(Reason::Rejected) => self.sends().next()?.evidence.code.as_deref(),
            Outcome::Done(_)
            | Outcome::Already
            | Outcome::Skipped(_)
            | Outcome::Failed(_)
            | Outcome::Unknown(_)
            | Outcome::NotSent(_) => None,
        })
    }

    /// The requests with this target, the last one first.
    fn sends(&self) -> impl Iterator<Item = &'a SendRecord> + use<'a> {
        let count = self.target.attempt().unwrap_or(0) as usize;
        let slot = self.slot;
        let sends = self.record.sends().get(..count).unwrap_or_default();
        sends
            .iter()
            .rev()
            .filter(move |send| !send.withdrawn && send.servers.contains(slot))
    }
}

impl Serialize for Target<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let outcome = self.outcome();
        let mut row = serializer.serialize_struct("Target", 10)?;
        row.serialize_field("id", &self.id)?;
        row.serialize_field("name", &self.name())?;
        row.serialize_field("group", &self.group())?;
        row.serialize_field("batch", &self.batch())?;
        row.serialize_field("outcome", outcome.kind().word(self.plan.action))?;
        row.serialize_field("reason", &outcome.reason().map(Reason::as_str))?;
        row.serialize_field("error_code", &self.error_code())?;
        row.serialize_field("job_id", &self.job_id())?;
        row.serialize_field("before", &self.target.before().map(|state| state.as_str()))?;
        row.serialize_field("after", &self.target.after().map(|state| state.as_str()))?;
        row.end()
    }
}
