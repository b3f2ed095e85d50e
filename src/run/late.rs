//! What a late run may still do, asked before every send.
//!
//! Owns the rule of design §8.4: a late run sends only within its own window or where a person said so, and never a
//! server of a request that was, or may have been, accepted. Invariant: who said so before the process stood
//! still has not said so for afterwards.

use super::Context;
use super::opening::last_request;
use super::states::READING_AGE;
use crate::clock::Moment;
use crate::event::{Attempt, Slots, StopCause};
use crate::ids::BatchIndex;
use crate::ledger::{LATE, Ledger};

impl Context {
    /// Whether the run is late by now.
    pub(super) fn is_late(&self) -> bool {
        self.is_standing_still() || self.recorder.read(Ledger::is_late)
    }

    /// Whether this process has stood still until just now, so that nothing in the ledger says so yet.
    fn is_standing_still(&self) -> bool {
        self.recorder.silence() > LATE && self.recorder.read(Ledger::can_be_late)
    }

    /// That lateness forbids to send, if it does.
    pub(super) fn too_late(&self) -> Option<StopCause> {
        let standing = self.is_standing_still();
        let (late, stood_still) = self
            .recorder
            .read(|ledger| (ledger.is_late(), ledger.stood_still()));
        let told = self.even_late && !standing && !stood_still;
        ((late || standing) && !told && !self.is_in_own_window()).then_some(StopCause::Late)
    }

    /// Whether the window in which the run began is open.
    fn is_in_own_window(&self) -> bool {
        let now = self.recorder.latest();
        self.recorder.read(|ledger| {
            let window = ledger
                .began()
                .and_then(|it| it.launch.permit.window.as_ref());
            window.is_some_and(|window| window.occurrence.contains(now))
        })
    }

    /// The last request that was, or may have been, accepted with one of these servers, if the run is late: they
    /// are never sent again then.
    pub(super) fn never_again(&self, batch: BatchIndex, slots: &Slots) -> Option<Attempt> {
        if !self.is_late() {
            return None;
        }
        self.recorder.read(|ledger| {
            let record = ledger.batch(batch)?;
            let requests = slots.iter().map(|slot| last_request(record, slot));
            requests.flatten().max()
        })
    }

    /// The moment before which a reading is too old to send by.
    pub(super) fn readings_from(&self) -> Moment {
        let now = self.clock.elapsed();
        now.before(READING_AGE).max(self.recorder.trusted_from())
    }
}
