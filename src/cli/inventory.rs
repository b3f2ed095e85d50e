//! `lightsout inventory`: the listing of a workflow's project, to be kept and planned from.
//!
//! Owns writing it. Invariant: it only reads from the cloud, and no file that is not a listing is
//! replaced by one.

use std::path::Path;

use super::args::InventoryFlags;
use super::{Invocation, selecting, sources};
use crate::diagnostic::to_text;
use crate::error::Error;
use crate::exit::Exit;
use crate::inventory::LISTING_FORMAT;
use crate::state;

pub(super) fn inventory(
    invocation: &Invocation<'_>,
    flags: &InventoryFlags,
) -> Result<Exit, Error> {
    let inputs = sources::inputs(invocation, &flags.variables)?;
    let workflow = sources::workflow(&flags.file, &inputs)?;
    selecting::tell(invocation, &workflow.warnings);
    if let Some(path) = &flags.out {
        check_replaceable(path)?;
    }
    let (_, listing) = selecting::ask(invocation, &flags.cloud, &workflow)?;
    if let Some(warning) = listing.warning() {
        let text = to_text(&[warning], invocation.printer.voice().colour_err);
        invocation.printer.note(text.trim_end_matches('\n'));
    }
    match &flags.out {
        Some(path) => {
            state::write_over(path, |file| listing.write(file))?;
            let count = listing.servers().len();
            let plural = if count == 1 { "" } else { "s" };
            let note = format!("`{}`: {count} server{plural}", path.display());
            invocation.printer.note(note);
        }
        None => {
            let printed = invocation.printer.data(|out| listing.write(out));
            printed.map_err(Error::Stdout)?;
        }
    }
    Ok(Exit::Success)
}

/// Refuses to write a listing over a file that holds something else, such as the workflow.
fn check_replaceable(path: &Path) -> Result<(), Error> {
    let Ok(found) = path.symlink_metadata() else {
        return Ok(());
    };
    let is_listing = |text: &str| text.is_empty() || text.contains(LISTING_FORMAT);
    if !found.is_dir() && sources::read(path).is_ok_and(|source| is_listing(source.text())) {
        return Ok(());
    }
    Err(Error::NotAListing(path.to_owned()))
}
