//! Stage 2: the workflow's groups → [`Targets`], by reading inventory files.
//!
//! Each group is listed, held against duplicates, narrowed by `exclude` and split; then the groups are
//! held against each other. Files are read only inside the git work tree that holds the workflow; the
//! project's listing is gone through by [`survey()`], apart from all that. Invariant: either every target is known with certainty, or there is a finding.

mod array;
mod elements;
mod exclude;
mod expect;
mod export;
mod filter;
mod findings;
mod folders;
mod group;
mod invention;
mod json_text;
mod library;
mod lines;
mod listed;
mod listing;
mod model;
mod near;
mod overlap;
mod quotes;
mod reading;
mod selection;
mod split;
mod survey;
mod table;
#[cfg(test)]
mod tests;
mod unclear;

pub use folders::Folders;
pub use invention::invented;
pub use listed::listed;
pub use listing::{FORMAT as LISTING_FORMAT, Listing, ListingError, SCHEMA as LISTING_SCHEMA};
pub use model::{TargetGroup, Targets};
pub use selection::{Asked, Found, Known, Selection, criteria, odd_selection};
pub use survey::{Agreement, MOST_PASSES, Survey, survey};
pub use unclear::CODES as UNCLEAR;

use crate::diagnostic::Diagnostic;
use crate::workflow::{Definition, Workflow};

/// Every target of `workflow`, or all that is wrong, in the order of the file and up to a limit.
///
/// With [`Known::Nothing`] what groups select is not among the targets; everything else is checked.
pub fn resolve(
    workflow: &Workflow,
    root: &Folders,
    known: Known<'_>,
) -> Result<Targets, Vec<Diagnostic>> {
    resolve_definition(workflow, root, known)
}

fn resolve_definition(
    workflow: &Definition,
    root: &Folders,
    known: Known<'_>,
) -> Result<Targets, Vec<Diagnostic>> {
    let mut resolver = group::Resolver::new(workflow, root, known);
    for group in &workflow.groups {
        resolver.add(group);
    }
    overlap::across_groups(&mut resolver);
    resolver.finish()
}
