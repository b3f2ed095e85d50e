//! How many targets have which outcome.
//!
//! Owns the counting. Invariant: targets = stopped + already_off + skipped + failed + unknown +
//! not_sent + pending, because pending is what the others leave over.

use crate::outcome::{Outcome, OutcomeKind};

/// Counts of targets by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    targets: u64,
    settled: [u64; OutcomeKind::ALL.len()],
}

impl Totals {
    /// The totals of a group of which nothing is settled.
    pub fn of_targets(targets: u64) -> Self {
        Self {
            targets,
            settled: [0; OutcomeKind::ALL.len()],
        }
    }

    /// All targets.
    pub fn targets(&self) -> u64 {
        self.targets
    }

    /// Targets with this outcome.
    pub fn count(&self, kind: OutcomeKind) -> u64 {
        self.settled[kind as usize]
    }

    /// Targets without an outcome so far.
    pub fn pending(&self) -> u64 {
        self.targets.saturating_sub(self.settled.iter().sum())
    }

    /// Both totals together.
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = *self;
        sum.targets += other.targets;
        sum.settled
            .iter_mut()
            .zip(other.settled)
            .for_each(|(mine, theirs)| *mine += theirs);
        sum
    }

    /// Counts a target that had `old` and now has `new`.
    pub(super) fn replace(&mut self, old: Option<Outcome>, new: Outcome) {
        if let Some(old) = old {
            self.settled[old.kind() as usize] -= 1;
        }
        self.settled[new.kind() as usize] += 1;
    }
}
