//! How many targets have which outcome, as the report shows it.
//!
//! Owns counting rows. Invariant: targets is the sum of the six other numbers, because each row that
//! is counted has exactly one outcome.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::outcome::OutcomeKind;
use crate::power::Action;

/// Counts of targets by outcome; nothing is ever pending here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts([u64; OutcomeKind::ALL.len()]);

impl Counts {
    /// Counts one more target.
    pub(super) fn add(&mut self, kind: OutcomeKind) {
        self.0[kind as usize] += 1;
    }

    /// Both counts together.
    pub(super) fn plus(&self, other: &Self) -> Self {
        let mut sum = *self;
        let pairs = sum.0.iter_mut().zip(other.0);
        pairs.for_each(|(mine, theirs)| *mine += theirs);
        sum
    }

    /// All targets.
    pub fn targets(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Targets with this outcome.
    pub fn of(&self, kind: OutcomeKind) -> u64 {
        self.0[kind as usize]
    }
}

/// Counts in the words of an action, as files have them.
#[derive(Debug, Clone, Copy)]
pub struct WordedCounts(pub Action, pub Counts);

impl Serialize for WordedCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(action, counts) = self;
        let mut map = serializer.serialize_map(Some(1 + OutcomeKind::ALL.len()))?;
        map.serialize_entry("targets", &counts.targets())?;
        for kind in OutcomeKind::ALL {
            map.serialize_entry(kind.word(*action), &counts.of(kind))?;
        }
        map.end()
    }
}
