//! `lightsout render`: the workflow with its templates expanded.
//!
//! Owns nothing but the order of steps. Invariant: what is printed is a workflow that means the same.

use super::args::RenderFlags;
use super::{Invocation, selecting, sources};
use crate::error::Error;
use crate::exit::Exit;
use crate::workflow;

pub(super) fn render(invocation: &Invocation<'_>, flags: &RenderFlags) -> Result<Exit, Error> {
    let inputs = sources::inputs(invocation, &flags.variables)?;
    let source = sources::read(&flags.file)?;
    let (text, warnings) = workflow::render(&source, &inputs)
        .map_err(|findings| Error::Findings(flags.file.clone(), findings))?;
    selecting::tell(invocation, &warnings);
    super::print(&invocation.printer, text.as_bytes())
}
