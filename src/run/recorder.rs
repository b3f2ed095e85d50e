//! Where a run says what happens.
//!
//! Owns the order of events: each is stamped, folded into the ledger and shown to the observer before
//! the next one. Invariant: what the ledger tells is never ahead of what was recorded.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::RunError;
use crate::clock::Clock;
use crate::event::{Event, Stamped};
use crate::ledger::Ledger;
use crate::plan::Plan;

/// Is shown every event after it was recorded; must not block.
pub type Observer = Box<dyn Fn(&Stamped) + Send + Sync>;

/// Takes the events of one run.
pub struct Recorder {
    clock: Clock,
    ledger: Mutex<Ledger>,
    observer: Observer,
}

impl Recorder {
    /// A recorder for a run of `plan` of which nothing is known yet.
    pub fn new(plan: &Plan, clock: Clock, observer: Observer) -> Self {
        Self {
            clock,
            ledger: Mutex::new(Ledger::new(plan)),
            observer,
        }
    }

    /// Records one event; when this returns, every reader can know of it.
    #[expect(
        clippy::unused_async,
        reason = "recording is a step that a run waits for"
    )]
    pub async fn record(&self, event: Event) -> Result<(), RunError> {
        let stamped = Stamped {
            at: self.clock.now(),
            event,
        };
        self.ledger().apply(&stamped)?;
        (self.observer)(&stamped);
        Ok(())
    }

    /// Looks at what is known.
    pub fn read<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.ledger())
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
