//! One target's row in the report: what became of it, and what speaks for that.
//!
//! Owns deriving a row from plan and ledger. Invariant: a target that the ledger has no outcome for is
//! never called well: it is `unknown` if a request with it may have been accepted, else `not_sent`.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::bms::{Evidence, JobError};
use crate::event::Slot;
use crate::ids::{BatchIndex, JobId, ServerId};
use crate::ledger::{BatchRecord, Ledger, SendRecord, TargetRecord};
use crate::outcome::{Outcome, Reason};
use crate::plan::{Batch, Plan};

use super::Ending;

/// What the report says of one target.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    plan: &'a Plan,
    batch: &'a Batch,
    record: &'a BatchRecord,
    target: &'a TargetRecord,
    id: ServerId,
    slot: Slot,
    /// Why it has no outcome, if it has none.
    open: Reason,
}

/// Every target in plan order.
pub(super) fn all<'a>(
    plan: &'a Plan,
    ledger: &'a Ledger,
    ending: Ending,
) -> impl Iterator<Item = Target<'a>> + use<'a> {
    let stopped = ledger.stopped().map(|(cause, _)| cause.reason());
    let open = match ending {
        Ending::Running => Reason::Running,
        Ending::Over(_) => stopped.unwrap_or(Reason::Interrupted),
    };
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
            open,
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
            if self.sends().any(SendRecord::may_be_accepted) {
                Outcome::Unknown(self.open)
            } else {
                Outcome::NotSent(self.open)
            }
        })
    }

    /// The job of the last request with this target that was accepted.
    pub fn job_id(&self) -> Option<&'a JobId> {
        self.sends().find_map(SendRecord::job)
    }

    /// The API's code for what went wrong with it; untrusted.
    pub fn error_code(&self) -> Option<&'a str> {
        match self.job_error() {
            Some(error) => Some(&error.code),
            None => self.refusal()?.code.as_deref(),
        }
    }

    /// The API's text for what went wrong with it, or the state that kept it from being sent; untrusted.
    pub fn error_message(&self) -> Option<&'a str> {
        match self.job_error() {
            Some(error) => Some(&error.message)
                .filter(|text| !text.is_empty())
                .map(String::as_str),
            None if self.outcome() == Outcome::Failed(Reason::Busy) => self.record.said(self.slot),
            None => self.refusal()?.message.as_deref(),
        }
    }

    /// What its job says went wrong.
    fn job_error(&self) -> Option<&'a JobError> {
        self.sends().find_map(|send| send.job_error(self.slot))
    }

    /// The response to its last request, if the outcome rests on it.
    fn refusal(&self) -> Option<&'a Evidence> {
        let refused = matches!(
            self.outcome(),
            Outcome::Failed(Reason::Rejected)
                | Outcome::NotSent(Reason::Throttled | Reason::Unreachable | Reason::Credentials)
        );
        let last = self.sends().next().filter(|_| refused)?;
        Some(&last.evidence)
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
        let mut row = serializer.serialize_struct("Target", 11)?;
        row.serialize_field("id", &self.id)?;
        row.serialize_field("name", &self.name())?;
        row.serialize_field("group", &self.group())?;
        row.serialize_field("batch", &self.batch())?;
        row.serialize_field("outcome", outcome.kind().word(self.plan.action))?;
        row.serialize_field("reason", &outcome.reason().map(Reason::as_str))?;
        row.serialize_field("error_code", &self.error_code())?;
        row.serialize_field("error_message", &self.error_message())?;
        row.serialize_field("job_id", &self.job_id())?;
        row.serialize_field("before", &self.target.before().map(|state| state.as_str()))?;
        row.serialize_field("after", &self.target.after().map(|state| state.as_str()))?;
        row.end()
    }
}
