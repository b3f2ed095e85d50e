//! What a run would do with each target, as the servers stand now.
//!
//! Owns the table from a server's standing to the next step ([`triage()`]), which a run goes by, and the
//! account of all targets that `plan --live` shows. Pure: the states are brought by the caller. Invariant:
//! every target of the plan is told of once, in sending order, and the plan and its digest stay as they are.

mod text;
mod triage;

use std::collections::{BTreeMap, HashMap};
use std::io;

use serde::Serialize;

use crate::ids::{BatchIndex, ServerId};
use crate::plan::{self, Plan};
use crate::power::StateClass;
use crate::untrusted::PlainJson;

pub use triage::{Step, triage};

/// The format that [`Outlook::write_json`] writes.
const FORMAT: &str = "lightsout/live/v1";

/// The JSON Schema of the format.
pub const SCHEMA: &str = include_str!("../../schemas/live.schema.json");

/// What a reading showed of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Its name; untrusted.
    pub name: String,
    /// Its state.
    pub state: StateClass,
}

/// What a run would do with every target of a plan.
#[derive(Debug)]
pub struct Outlook<'a> {
    plan: &'a Plan,
    prospects: Vec<Prospect<'a>>,
}

/// One target, and what a run would do with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Prospect<'a> {
    /// The server.
    pub id: ServerId,
    /// Its name in the plan, where that has one; untrusted.
    pub name: Option<&'a str>,
    /// Name of its group.
    pub group: &'a str,
    /// Its batch.
    pub batch: BatchIndex,
    /// Its state; `gone` where the cloud does not know it.
    pub state: &'static str,
    /// `send`, `follow`, `wait`, or the outcome that it would have at once.
    pub would: &'static str,
    /// Why, where it is an outcome with a reason.
    pub reason: Option<&'static str>,
}

impl<'a> Outlook<'a> {
    /// What a run of `plan` would do if servers were as in `seen`; those that are not there are gone.
    pub fn of(plan: &'a Plan, seen: &HashMap<ServerId, Live>) -> Self {
        let of_batch = |batch: &'a plan::Batch| {
            let group = plan.groups.get(batch.group());
            let group = group.map_or("", |group| group.name.as_str());
            let prospect = move |id: &ServerId| {
                let name = plan.name_of(*id);
                let live = seen.get(id);
                let renamed = match (name, live) {
                    (Some(name), Some(live)) => name != live.name,
                    (_, _) => false,
                };
                let state = live.map_or(StateClass::Gone, |live| live.state);
                let (would, reason) = words(plan, state, renamed);
                Prospect {
                    id: *id,
                    name,
                    group,
                    batch: batch.index(),
                    state: state.as_str(),
                    would,
                    reason,
                }
            };
            batch.servers().iter().map(prospect)
        };
        Self {
            plan,
            prospects: plan.batches.iter().flat_map(of_batch).collect(),
        }
    }

    /// Every target, in sending order.
    pub fn prospects(&self) -> &[Prospect<'a>] {
        &self.prospects
    }

    /// How many targets each step would be taken with.
    pub fn totals(&self) -> BTreeMap<String, usize> {
        let mut totals = BTreeMap::new();
        for prospect in &self.prospects {
            *totals.entry(prospect.step()).or_default() += 1;
        }
        totals
    }

    /// Writes plan and outlook as JSON, one server a line.
    pub fn write_json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let mut plan = Vec::new();
        plan::write_json(self.plan, &mut plan)?;
        write!(out, "{{\n\"schema\": \"{FORMAT}\",\n\"plan\": ")?;
        out.write_all(plan.trim_ascii_end())?;
        write!(out, ",\n\"totals\": ")?;
        serde_json::to_writer(PlainJson(&mut *out), &self.totals())?;
        write!(out, ",\n\"servers\": [")?;
        for (at, prospect) in self.prospects.iter().enumerate() {
            out.write_all(if at == 0 { b"\n  " } else { b",\n  " })?;
            serde_json::to_writer(PlainJson(&mut *out), prospect)?;
        }
        out.write_all(b"\n]\n}\n")
    }
}

impl Prospect<'_> {
    /// The step in one word, with its reason if there is one: `failed/missing`.
    pub fn step(&self) -> String {
        match self.reason {
            Some(reason) => format!("{}/{reason}", self.would),
            None => self.would.to_owned(),
        }
    }
}

/// What the run would do, and why.
fn words(plan: &Plan, state: StateClass, renamed: bool) -> (&'static str, Option<&'static str>) {
    // Without readings before, a run sends whatever state a server is in.
    if !plan.checks.before {
        return ("send", None);
    }
    match triage(state.under(plan.action), renamed, plan.checks.on_state) {
        Step::Send => ("send", None),
        Step::Follow => ("follow", None),
        Step::Wait => ("wait", None),
        Step::Settle(outcome) => (
            outcome.kind().word(plan.action),
            outcome.reason().map(crate::outcome::Reason::as_str),
        ),
    }
}

#[cfg(test)]
mod tests;
