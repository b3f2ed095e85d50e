//! `run --wait`: waiting for a time at which a run may begin.
//!
//! Owns the waiting; whether the time has come is for the run to say, which looks at everything anew.
//! Invariant: nothing is held while it is waited, and a signal or the stop switch ends it within a second.

use std::time::Duration;

use super::cloud::{self, Account};
use super::execution::Engine;
use super::{Invocation, settings};
use crate::error::Error;
use crate::run::NotNow;

/// How often it is looked at the clock: a machine that was suspended does not know how long.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Waits until it is worth another try; an error if it never is.
pub(super) fn wait(
    invocation: &Invocation<'_>,
    engine: &mut Option<Engine>,
    account: &Account,
    why: Box<NotNow>,
) -> Result<(), Error> {
    let Some(until) = why.until() else {
        return Err(Error::NotNow(why));
    };
    let clock = cloud::clock(invocation, account)?;
    let state = settings::state_folder(&invocation.general, invocation.around)?;
    let message = Error::NotNow(why).message();
    invocation.printer.note(format!("waiting: {message}"));
    let waited = async {
        loop {
            let left = until.duration_since(clock.now());
            match Duration::try_from(left) {
                Ok(left) if !left.is_zero() => clock.sleep(left.min(LOOK_AGAIN)).await,
                Ok(_) | Err(_) => break,
            }
        }
    };
    let engine = Engine::of(engine, invocation, clock)?;
    match engine.heed(&state, clock, waited) {
        Err(Error::InterruptedReading) => Err(Error::InterruptedWaiting),
        waited => waited,
    }?;
    let note = "the time has come: everything is looked at anew";
    invocation.printer.note(note);
    Ok(())
}
