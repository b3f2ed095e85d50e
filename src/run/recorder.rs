//! Where a run says what happens.
//!
//! Owns the order of events: each is stamped, folded into the ledger, shown to the observer and handed
//! to the journal before the next one. Invariant: when [`Recorder::record`] returns for an event that
//! must be durable, it is durable, or the ledger says that the journal failed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::RunError;
use super::pulse::Pulse;
use crate::bms::Evidence;
use crate::clock::{Clock, Latest, Moment};
use crate::event::{Event, Phase, Slots, Stamped, StopCause};
use crate::journal::{Journal, Lost, Receipt};
use crate::ledger::Ledger;
use crate::power::{Action, StateClass};

/// Is shown every event after it was recorded; must not block.
pub type Observer = Box<dyn Fn(&Stamped) + Send + Sync>;

/// Takes the events of one run.
pub struct Recorder {
    action: Action,
    clock: Clock,
    books: Mutex<Books>,
    journal: Option<Journal>,
    observer: Observer,
}

struct Books {
    ledger: Ledger,
    latest: Latest,
    pulse: Pulse,
    unwritten: Vec<Stamped>,
}

/// When an event has to be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// Before anything else happens.
    Now,
    /// As soon as the disk allows, without waiting for it.
    Soon,
    /// With the next event that is written.
    WithNext,
}

fn durability(action: Action, event: &Event) -> Durability {
    match event {
        Event::Began { .. }
        | Event::Resumed { .. }
        | Event::SendIntended { .. }
        | Event::SendAnswered { .. }
        | Event::Finished
        | Event::ReportMisplaced => Durability::Now,
        Event::Soaking { .. }
        | Event::StillRunning
        | Event::JobSeenRunning { .. }
        | Event::SendWithdrawn { .. }
        | Event::JobEnded { .. }
        | Event::Settled { .. }
        | Event::GateAnswered { .. }
        | Event::SendingStopped { .. } => Durability::Soon,
        // A server that is seen on its way may be back before anything else is written.
        Event::Observed {
            phase: Phase::After,
            states,
            ..
        } if moving(action, states) => Durability::Soon,
        Event::UptimeRead { .. }
        | Event::WaveBegan { .. }
        | Event::Observed { .. }
        | Event::Waiting { .. } => Durability::WithNext,
    }
}

fn moving(action: Action, states: &[(StateClass, Slots)]) -> bool {
    states.iter().any(|(state, _)| *state == action.passage())
}

impl Recorder {
    /// A recorder for a run of which `ledger` tells what is known, and its events how late it is; without a journal nothing is kept.
    pub fn new(
        ledger: Ledger,
        latest: Latest,
        journal: Option<Journal>,
        observer: Observer,
    ) -> Self {
        let (action, clock) = (ledger.action(), latest.clock());
        let mut latest = latest;
        ledger.newest().into_iter().for_each(|at| latest.see(at));
        let books = Mutex::new(Books {
            ledger,
            latest,
            pulse: Pulse::default(),
            unwritten: Vec::new(),
        });
        Self {
            action,
            clock,
            books,
            journal,
            observer,
        }
    }

    /// Records one event; when this returns, every reader can know of it.
    pub async fn record(&self, event: Event) -> Result<(), RunError> {
        let durability = durability(self.action, &event);
        // What is said of a run that is over cannot keep it from being over.
        let over = event == Event::ReportMisplaced;
        let receipt = self.enter(event, durability)?;
        if durability == Durability::Now {
            if let Some(receipt) = receipt {
                receipt.durable().await;
            }
            if !over {
                self.notice_failure()?;
            }
        }
        Ok(())
    }

    /// Looks at what is known.
    pub fn read<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.books().ledger)
    }

    /// The latest that it can be, by the clock and by everything that was recorded.
    pub fn latest(&self) -> Timestamp {
        self.books().latest.now()
    }

    /// Whether the journal could not be written.
    pub fn journal_failed(&self) -> bool {
        self.journal.as_ref().is_some_and(Journal::has_failed)
    }

    /// What the run no longer has, if it has lost its lock or its journal; looked at now.
    pub fn lost(&self) -> Option<&Lost> {
        self.journal.as_ref()?.lost()
    }

    /// How long this process has recorded nothing, by whichever clock says longer.
    pub(super) fn silence(&self) -> Duration {
        let (now, date) = (self.clock.elapsed(), self.clock.now());
        self.books().pulse.silence(now, date)
    }

    /// The moment from which on readings are as old as they look: the wall clock has not jumped since.
    pub(super) fn trusted_from(&self) -> Moment {
        let (now, date) = (self.clock.elapsed(), self.clock.now());
        self.books().pulse.trusted_from(now, date)
    }

    /// Folds an event and hands it over, so that the journal's order is the ledger's.
    fn enter(&self, event: Event, durability: Durability) -> Result<Option<Receipt>, RunError> {
        let begins = matches!(event, Event::Began { .. } | Event::Resumed { .. });
        let mut books = self.books();
        let (now, at) = (self.clock.elapsed(), self.clock.now());
        let jumped = books.pulse.beat(now, at);
        // Where the uptime is in the journal, a later process can see what the wall clock hides.
        let reads = self.journal.is_some() && (begins || jumped);
        let uptime = reads.then(|| Event::UptimeRead {
            uptime: self.clock.uptime(),
        });
        let events = if begins {
            [Some(event), uptime]
        } else {
            [uptime, Some(event)]
        };
        for event in events.into_iter().flatten() {
            let stamped = Stamped { at, event };
            books.latest.see(stamped.at);
            books.ledger.apply(&stamped)?;
            (self.observer)(&stamped);
            if self.journal.is_some() {
                books.unwritten.push(stamped);
            }
        }
        match &self.journal {
            Some(journal) if durability != Durability::WithNext => {
                Ok(Some(journal.append(std::mem::take(&mut books.unwritten))))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Lets the ledger know that nothing more may be sent because the journal failed.
    pub(super) fn notice_failure(&self) -> Result<(), RunError> {
        let (cause, evidence) = (StopCause::Journal, Evidence::default());
        if self.journal_failed() && self.read(|ledger| ledger.is_news(cause)) {
            self.enter(
                Event::SendingStopped { cause, evidence },
                Durability::WithNext,
            )?;
        }
        Ok(())
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
