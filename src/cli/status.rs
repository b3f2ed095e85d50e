//! `lightsout status`: how a run is going, or went.
//!
//! Owns gathering what the status is made from. Invariant: no lock is taken and nothing is written, so
//! looking at a run never disturbs it.

use super::args::{AccountFormat, StatusFlags};
use super::{Invocation, settings};
use crate::clock::Clock;
use crate::error::Error;
use crate::event::Mode;
use crate::exit::Exit;
use crate::state::{Glimpse, Keep, Switch, live_holder};
use crate::status::{Circumstances, Status};

pub(super) fn status(invocation: &Invocation<'_>, flags: &StatusFlags) -> Result<Exit, Error> {
    let state = settings::state_folder_to_read(&invocation.general, invocation.around)?;
    let (keep, run) = flags.run.find(&state, settings::date(invocation.around)?)?;
    let now = Clock::real().now();
    // Before the journal is read: a run that ends in between is finished, not broken off.
    let holder = live_holder(&state, &run);
    let glimpse = Glimpse::read(&state, keep, &run)?;
    let problem = glimpse.problem.map(Error::from);
    let around = Circumstances {
        run,
        mode: match keep {
            Keep::Runs => Mode::Run,
            Keep::Rehearsals => Mode::Rehearsal,
        },
        holder,
        switch: Switch::in_force(&state, now),
        last_at: glimpse.last_at,
        problem: problem.as_ref().map(Error::message),
    };
    let status = Status::new(&glimpse.plan, &glimpse.ledger, &around);
    let printed = invocation.printer.data(|out| match flags.format {
        AccountFormat::Text => out.write_all(status.to_text(now).as_bytes()),
        AccountFormat::Json => status.write_json(out),
    });
    printed.map_err(Error::Stdout)?;
    problem.map_or(Ok(Exit::Success), Err)
}
