//! `lightsout halt`: the stop switch.
//!
//! Owns telling whom it reaches and what happens next; obeying it is each run's own work. Invariant:
//! the switch is set before anything else is looked at.

use std::path::Path;

use jiff::Timestamp;

use super::args::HaltFlags;
use super::{Invocation, settings};
use crate::clock::Clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::ids::RunId;
use crate::state::{self, Holder, Switch};
use crate::untrusted::for_terminal;

pub(super) fn halt(invocation: &Invocation<'_>, flags: &HaltFlags) -> Result<Exit, Error> {
    let state = settings::state_folder(&invocation.general, invocation.around)?;
    let now = Clock::real().now();
    let earlier = Switch::in_force(&state, now);
    let lines = match &flags.reason {
        Some(reason) => set(&state, switch(reason, flags, now), earlier.as_ref())?,
        None => lift(&state, earlier.as_ref())?,
    };
    invocation.printer.note(lines.join("\n"));
    Ok(Exit::Success)
}

fn switch(reason: &str, flags: &HaltFlags, now: Timestamp) -> Switch {
    Switch {
        reason: reason.to_owned(),
        set_at: now,
        // A time beyond the calendar is as good as none.
        until: flags.time.and_then(|time| now.checked_add(time).ok()),
    }
}

fn set(state: &Path, switch: Switch, earlier: Option<&Switch>) -> Result<Vec<String>, Error> {
    switch.set(state)?;
    let folder = for_terminal(&state.display().to_string()).into_owned();
    let until = match switch.until {
        Some(until) => format!("until {until:.0}"),
        None => "until `lightsout halt --clear`".to_owned(),
    };
    let mut lines = vec![format!(
        "halted: no run that uses `{folder}` sends anything, {until}"
    )];
    lines.extend(earlier.map(|earlier| format!("  in place of the one {}", told(earlier))));
    let holders = state::live_holders(state);
    lines.extend(holders.iter().map(live));
    if holders.is_empty() {
        lines.push("  no run of this host is under way".to_owned());
    }
    Ok(lines)
}

/// What happens to a live run.
fn live(holder: &Holder) -> String {
    let host = for_terminal(&holder.host);
    let process = format!("process {} on `{host}`", holder.process);
    match &holder.run {
        Some(run) => format!(
            "  run {run}, {process}: sends nothing more from within a second, then ends; \
             `lightsout resume {run}` goes on with it"
        ),
        None => format!("  {process}, which is about to begin: sends nothing"),
    }
}

fn lift(state: &Path, earlier: Option<&Switch>) -> Result<Vec<String>, Error> {
    if !Switch::lift(state)? {
        return Ok(vec!["no stop switch was set".to_owned()]);
    }
    let mut lines = vec![match earlier {
        Some(earlier) => format!(
            "runs may send again: lifted the stop switch {}",
            told(earlier)
        ),
        None => "lifted a stop switch whose time was over".to_owned(),
    }];
    lines.extend(left(state).iter().map(|run| {
        format!("  run {run} is not finished: `lightsout resume {run}` goes on with it")
    }));
    Ok(lines)
}

/// The runs that nobody works on and that are not finished.
fn left(state: &Path) -> Vec<RunId> {
    let holders = state::live_holders(state);
    let live = |run: &RunId| {
        holders
            .iter()
            .any(|holder| holder.run.as_ref() == Some(run))
    };
    // Lifting the switch has succeeded, whatever the list of runs looks like.
    let mut open = state::unfinished(state).unwrap_or_default();
    open.retain(|run| !live(run));
    open
}

fn told(switch: &Switch) -> String {
    format!(
        "set at {:.0}: {}",
        switch.set_at,
        for_terminal(&switch.reason)
    )
}
