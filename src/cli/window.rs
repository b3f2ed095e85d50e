//! `lightsout window`: whether a moment is open, why, and when a workflow's window opens next.
//!
//! Owns the moment that is asked about. Invariant: no connection is opened, and whatever the answer is, giving
//! it is a success.

use std::path::Path;

use jiff::Timestamp;

use super::args::{Instant, WindowFlags};
use super::calendar::{calendar, freeze_files};
use super::cloud::{self, Account};
use super::policies::InForce;
use super::{Invocation, selecting, sources};
use crate::error::Error;
use crate::exit::Exit;
use crate::policy::Approval;
use crate::window::Window;
use crate::workflow::Workflow;

pub(super) fn window(invocation: &Invocation<'_>, flags: &WindowFlags) -> Result<Exit, Error> {
    let inputs = sources::inputs(invocation, &flags.variables)?;
    let workflow = sources::workflow(&flags.file, &inputs)?;
    selecting::tell(invocation, &workflow.warnings);
    let in_force = InForce::read(invocation, Approval::Open)?;
    let moment = moment(invocation, flags, &workflow)?;
    let files = freeze_files(workflow.window.as_ref(), &flags.file);
    let calendar = calendar(workflow.window.as_ref(), &files, in_force.policies());
    super::print(&invocation.printer, calendar.to_text(moment).as_bytes())
}

fn moment(
    invocation: &Invocation<'_>,
    flags: &WindowFlags,
    workflow: &Workflow,
) -> Result<Timestamp, Error> {
    match flags.at {
        None => Ok(cloud::clock(invocation, &Account::of_workflow(workflow))?.now()),
        Some(typed) => meant(typed, workflow.window.as_ref(), &flags.file),
    }
}

/// The moment that is meant: a local time is what the clocks of the window's zone show.
pub(super) fn meant(
    typed: Instant,
    window: Option<&Window>,
    file: &Path,
) -> Result<Timestamp, Error> {
    let moment = match typed {
        Instant::Exact(moment) => Some(moment),
        Instant::Local(local) => window.and_then(|it| it.zone().reaches(local)),
    };
    moment.ok_or_else(|| Error::NoZone(file.to_owned()))
}
