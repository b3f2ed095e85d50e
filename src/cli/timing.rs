//! When a run may begin, and until when it may send.
//!
//! Owns holding a moment against what keeps a run from sending at its time, and what a person has lifted of
//! that. Invariant: what is lifted is in the permit that the run's journal keeps.

use jiff::Timestamp;

use super::Invocation;
use super::policies::InForce;
use crate::error::Error;
use crate::event::{Lifted, Permit, TimeRule};
use crate::policy::Lifting;
use crate::run::Hours;

/// What keeps a run from sending at its time.
pub(super) struct Timing<'a> {
    in_force: &'a InForce,
    /// Why a person lifts all of it, if somebody does.
    reason: Option<&'a str>,
}

impl<'a> Timing<'a> {
    /// What the policies say, unless somebody lifts it.
    pub(super) fn of(in_force: &'a InForce, reason: Option<&'a str>) -> Self {
        Self { in_force, reason }
    }

    /// Refuses a moment at which nothing may be sent.
    pub(super) fn check(&self, now: Timestamp) -> Result<(), Error> {
        match self.reason {
            Some(_) => Ok(()),
            None => self.in_force.check_open(now),
        }
    }

    /// Tells of what would refuse a run now, where nothing is sent anyway.
    pub(super) fn warn(&self, invocation: &Invocation<'_>, now: Timestamp) {
        if let Err(error) = self.check(now) {
            let message = error.message();
            let note = format!("warning: a real run would be refused now: {message}");
            invocation.printer.note(note);
        }
    }

    /// Until when a run that may send now may do so.
    pub(super) fn hours(&self, now: Timestamp) -> Hours {
        match self.reason {
            Some(_) => Hours::default(),
            None => Hours {
                occurrence: None,
                freezes: self.in_force.freezes_after(now),
            },
        }
    }

    /// When a run that begins now may send.
    pub(super) fn permit(&self, now: Timestamp) -> Permit {
        let frozen = self.in_force.check_open(now).is_err();
        let freezes = frozen || self.in_force.freezes_after(now).is_some();
        let lifted = self.reason.map(|reason| Lifted {
            reason: reason.to_owned(),
            rules: freezes.then_some(TimeRule::Freeze).into_iter().collect(),
        });
        Permit {
            lifted,
            ..Permit::default()
        }
    }
}

/// What a reason to lift something asks of the policies.
pub(super) fn lifting(reason: Option<&str>) -> Lifting {
    match reason {
        Some(_) => Lifting::Times,
        None => Lifting::Nothing,
    }
}

/// Says so where there is nothing to lift.
pub(super) fn tell_idle(invocation: &Invocation<'_>, permit: &Permit) {
    let idle = permit.lifted.as_ref().is_some_and(|it| it.rules.is_empty());
    if idle {
        let note = "warning: `--override` lifts nothing: nothing would keep this run from sending";
        invocation.printer.note(note);
    }
}
