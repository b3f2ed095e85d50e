//! `lightsout plan`: what a run would do.
//!
//! Owns choosing the form and writing `--out`. Invariant: a plan that breaks a guard is shown and
//! written whole all the same, and the exit code tells.

use super::args::{PlanFlags, PlanFormat};
use super::{Invocation, sources};
use crate::error::Error;
use crate::exit::Exit;
use crate::plan;
use crate::state;

pub(super) fn plan(invocation: &Invocation<'_>, flags: &PlanFlags) -> Result<Exit, Error> {
    let inputs = sources::inputs(invocation, &flags.variables, &[])?;
    let made = sources::plan_of(invocation, &flags.file, &inputs)?;
    if let Some(path) = &flags.out {
        state::write_over(path, |file| plan::write_json(&made, file))?;
    }
    let printed = invocation.printer.data(|out| match flags.format {
        _ if flags.requests => plan::write_requests(&made, out),
        PlanFormat::Text => out.write_all(plan::to_text(&made).as_bytes()),
        PlanFormat::Json => plan::write_json(&made, out),
        PlanFormat::Md => out.write_all(plan::to_markdown(&made).as_bytes()),
    });
    printed.map_err(Error::Stdout)?;
    sources::check_guards(&made)?;
    Ok(Exit::Success)
}
