//! What a plan holds: every batch spelled out, and the settings that the run goes by.
//!
//! Owns the types and the batch's own limits. Invariant: a [`Batch`] holds 1 to 1000 distinct servers,
//! no server is in two batches, and the digest is that of the content.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::expectation::{Expectation, FreezeCalendar};
use crate::ids::{BatchIndex, Digest, Endpoint, ProjectId, ServerId};
use crate::inventory::{Asked, Selection};
use crate::power::Action;
use crate::window::Window;
use crate::workflow::{Checks, Gate, InFlight, Jobs, MaxFailures, Rate, Rollout, Waves};

/// A workflow expanded. Made by [`make`](super::make()) and [`load`](super::load()) only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan(Contents);

impl Plan {
    pub(super) fn new(contents: Contents) -> Self {
        Self(contents)
    }

    /// Whether something is asked before any of its waves.
    pub fn has_gates(&self) -> bool {
        self.groups.iter().any(|group| group.gate.is_some())
    }

    /// The same plan with one more warning, of which the digest knows nothing.
    pub(super) fn warned(mut self, warning: PlanWarning) -> Self {
        self.0.warnings.push(warning);
        self
    }

    /// Number of targets in all batches.
    pub fn target_count(&self) -> usize {
        self.batches.iter().map(|batch| batch.servers().len()).sum()
    }

    /// The name that the workflow's inventories give a server.
    pub fn name_of(&self, server: ServerId) -> Option<&str> {
        self.names.get(&server).map(String::as_str)
    }

    /// How many failed and unknown targets a run bears, if that is limited: a way back must not be barred.
    pub fn max_failures(&self) -> Option<MaxFailures> {
        match self.action {
            Action::Stop(_) => Some(self.rollout.max_failures),
            Action::Start => None,
        }
    }

    /// What groups ask of the project's listing.
    pub fn asked(&self) -> impl Iterator<Item = &Asked> {
        self.selections.iter().map(|selection| &selection.asked)
    }

    /// The batches of one wave of the group at `group`; none if there is no such wave.
    pub fn wave(&self, group: usize, wave: u32) -> &[Batch] {
        let place = |batch: &Batch| (batch.group(), batch.wave);
        let from = self
            .batches
            .partition_point(|batch| place(batch) < (group, wave));
        let rest = &self.batches[from..];
        &rest[..rest.partition_point(|batch| place(batch) == (group, wave))]
    }

    /// How many waves the group at `group` has.
    pub fn waves_of(&self, group: usize) -> u32 {
        let after = self.batches.partition_point(|batch| batch.group() <= group);
        let last = self.batches[..after].last();
        last.filter(|batch| batch.group() == group)
            .map_or(0, |batch| batch.wave + 1)
    }

    /// The batch at `index`, if the plan has one.
    pub fn batch(&self, index: BatchIndex) -> Option<&Batch> {
        self.batches.get(index.position())
    }
}

impl Deref for Plan {
    type Target = Contents;

    fn deref(&self) -> &Contents {
        &self.0
    }
}

/// The content of a [`Plan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Which workflow it was made from.
    pub workflow: WorkflowSummary,
    /// Free labels of the workflow.
    pub labels: BTreeMap<String, String>,
    /// Where the calls go.
    pub project: Project,
    /// What is done to the servers.
    pub action: Action,
    /// Hash over what the plan will do.
    pub digest: Digest,
    /// The groups in sending order.
    pub groups: Vec<PlannedGroup>,
    /// The batches in sending order; `batches[n].index()` is `n`.
    pub batches: Vec<Batch>,
    /// Names that inventories and the listing give, compared at the run.
    pub names: BTreeMap<ServerId, String>,
    /// What each group of the workflow states about its servers; empty in an undo.
    pub expectations: Vec<Expectation>,
    /// What groups asked of the project's listing and found there; only what they asked is in the digest.
    pub selections: Vec<Selection>,
    /// Limits, actual values and verdicts.
    pub guards: Vec<Guard>,
    /// How the groups are sent.
    pub rollout: Rollout,
    /// When sends are allowed; always, where there is none.
    pub window: Option<Window>,
    /// What the window's freeze calendars held when the plan was made, in the order of the window.
    pub freeze_calendars: Vec<FreezeCalendar>,
    /// How jobs are followed.
    pub jobs: Jobs,
    /// What is read before and after.
    pub checks: Checks,
    /// Requests a minute; not in the digest.
    pub rate: Rate,
    /// Template of an additional path for the report.
    pub report: Option<String>,
    /// What a reviewer should look at.
    pub warnings: Vec<PlanWarning>,
}

/// Which workflow a plan was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkflowSummary {
    /// Name of the workflow.
    pub name: String,
    /// File name, without folders.
    pub file: String,
    /// Free text for people.
    pub description: Option<String>,
    /// SHA-256 of the file's bytes, 64 hex digits.
    pub sha256: String,
}

/// Where the calls go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// The project that owns every target.
    pub id: ProjectId,
    /// The region, if the workflow gives one.
    pub region: Option<String>,
    /// Base URL of the service.
    pub endpoint: Endpoint,
}

impl Project {
    /// Whether both mean the same servers; the region is only another word for the endpoint.
    pub fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.endpoint == other.endpoint
    }
}

/// One group of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedGroup {
    /// Unique name.
    pub name: String,
    /// Number of targets.
    pub targets: u32,
    /// Number of servers that `exclude` took out.
    pub excluded: u32,
    /// Where the targets come from: `inline`, or an inventory's path as written.
    pub source: Vec<String>,
    /// Batches under way at the same time, resolved.
    pub in_flight: InFlight,
    /// How the workflow cuts it into waves, resolved; the batches tell what came of that.
    pub waves: Waves,
    /// Pause after each of its waves, resolved.
    #[serde(with = "crate::duration")]
    pub soak: Duration,
    /// What is asked before each of its waves, if anything, resolved.
    pub gate: Option<Gate>,
}

/// 1 to 1000 distinct servers of one wave that travel in one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub(super) index: BatchIndex,
    pub(super) group: u32,
    pub(super) wave: u32,
    pub(super) servers: Vec<ServerId>,
}

impl Batch {
    /// Place in the plan, from 0.
    pub fn index(&self) -> BatchIndex {
        self.index
    }

    /// Index into the plan's groups.
    pub fn group(&self) -> usize {
        self.group as usize
    }

    /// Wave of the group, from 0.
    pub fn wave(&self) -> u32 {
        self.wave
    }

    /// The servers, in the order of the request.
    pub fn servers(&self) -> &[ServerId] {
        &self.servers
    }
}

/// One limit, what it was held against, and the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// Which limit, such as `max_servers`.
    pub name: String,
    /// The limit.
    pub limit: u32,
    /// What the plan has; `None` where only the run can tell.
    pub actual: Option<u32>,
    /// Whether it holds; `None` where only the run can tell.
    pub ok: Option<bool>,
}

/// Something that a reviewer should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanWarning {
    /// Stable kebab-case name, such as `soft-stop-invalid`.
    pub code: String,
    /// What there is to see.
    pub message: String,
}
