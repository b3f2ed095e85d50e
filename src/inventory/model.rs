//! The servers that a workflow means, group by group.
//!
//! Owns the type that the plan is made from. Invariant: a server is in at most one group and at most
//! once; the order is the order of the files that named it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::selection::Selection;
use crate::diagnostic::Diagnostic;
use crate::ids::ServerId;
use crate::workflow::{BatchSize, Gate, InFlight, Waves};

/// Every target of a workflow. Only [`resolve`](super::resolve) makes one.
#[derive(Debug, Clone)]
pub struct Targets {
    pub(super) groups: Vec<TargetGroup>,
    pub(super) names: BTreeMap<ServerId, String>,
    pub(super) selections: Vec<Selection>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl Targets {
    /// The groups in sending order, `split_by` already applied.
    pub fn groups(&self) -> &[TargetGroup] {
        &self.groups
    }

    /// The names that inventories and the listing give, for the targets that have one.
    pub fn names(&self) -> &BTreeMap<ServerId, String> {
        &self.names
    }

    /// Findings that do not forbid the targets.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The same targets with further findings that do not forbid them.
    #[must_use]
    pub fn warned(mut self, warnings: impl IntoIterator<Item = Diagnostic>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// Targets that no file named, for the tests of later stages.
    #[cfg(test)]
    pub(crate) fn for_tests(groups: Vec<TargetGroup>, names: BTreeMap<ServerId, String>) -> Self {
        Self {
            groups,
            names,
            selections: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The same targets with what groups found in a listing, for the tests of later stages.
    #[cfg(test)]
    pub(crate) fn selecting(mut self, selections: Vec<Selection>) -> Self {
        self.selections = selections;
        self
    }

    /// The groups, the names and what groups found in the listing, to be moved on into a plan.
    pub fn into_parts(self) -> (Vec<TargetGroup>, BTreeMap<ServerId, String>, Vec<Selection>) {
        (self.groups, self.names, self.selections)
    }
}

/// The targets of one group.
#[derive(Debug, Clone)]
pub struct TargetGroup {
    /// Unique name.
    pub name: String,
    /// The targets, distinct, in sending order.
    pub targets: Vec<ServerId>,
    /// How many servers `exclude` took out.
    pub excluded: u32,
    /// Where the targets come from, for people: `inline`, the inventory's path as written, what is selected.
    pub source: Vec<String>,
    /// Most targets in one request.
    pub batch_size: BatchSize,
    /// Batches under way at the same time.
    pub in_flight: InFlight,
    /// How the group is cut into waves.
    pub waves: Waves,
    /// Pause after each of its waves.
    pub soak: Duration,
    /// What is asked before each of its waves, if anything.
    pub gate: Option<Gate>,
}
