//! How far each wave of the plan has come.
//!
//! Owns which waves have begun and when the last of their targets was settled. Invariant: the waves stand
//! in the order of the plan, and each batch is of exactly one.

use std::ops::Range;

use jiff::Timestamp;

use crate::plan::Plan;

/// What is known of one wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveRecord {
    group: usize,
    wave: u32,
    batches: Range<usize>,
    pub(super) progress: WaveProgress,
    pub(super) settled_at: Option<Timestamp>,
}

/// Whether a wave has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaveProgress {
    /// Nothing of it was looked at.
    Ahead,
    /// It has begun, if only to end at once.
    Begun,
}

impl WaveRecord {
    /// Every wave of a plan, none begun.
    pub(super) fn all(plan: &Plan) -> Vec<Self> {
        let place = |batch: &crate::plan::Batch| (batch.group(), batch.wave());
        let mut from = 0;
        let waves = plan.batches.chunk_by(|one, next| place(one) == place(next));
        let record = |batches: &[crate::plan::Batch]| {
            let own = from..from + batches.len();
            from = own.end;
            let (group, wave) = batches.first().map_or((0, 0), place);
            Self {
                group,
                wave,
                batches: own,
                progress: WaveProgress::Ahead,
                settled_at: None,
            }
        };
        waves.map(record).collect()
    }

    /// Index of its group in the plan.
    pub fn group(&self) -> usize {
        self.group
    }

    /// Its place in the group, from 0.
    pub fn wave(&self) -> u32 {
        self.wave
    }

    /// Where its batches stand in the plan.
    pub fn batches(&self) -> Range<usize> {
        self.batches.clone()
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.progress == WaveProgress::Begun
    }

    /// When a target of it was last settled, if any was.
    pub fn settled_at(&self) -> Option<Timestamp> {
        self.settled_at
    }
}

/// The pause after a wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Soak {
    /// Index of the group whose wave it follows.
    pub group: usize,
    /// That wave, from 0.
    pub wave: u32,
    /// When it is over.
    pub until: Timestamp,
}
