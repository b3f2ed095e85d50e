//! Stage 3, pure: [`Targets`](crate::inventory::Targets) → [`Plan`], and everything that is shown of it.
//!
//! [`make()`] cuts groups into batches and [`load()`] reads a written plan back; both end in the same type,
//! with the digest computed here. Reads no file and decides nothing at run time. Invariant: the same
//! workflow and targets give the same bytes in every form, on any day and in any folder.

mod difference;
mod difference_markdown;
mod difference_text;
mod digest;
mod error;
mod expectation;
mod exposure;
mod judgement;
mod load;
mod make;
mod markdown;
mod model;
mod notice;
mod requests;
mod reverse;
mod review;
#[cfg(test)]
pub(crate) mod sample;
mod schedule;
mod server_rows;
mod text;
mod value_pair;
mod waves;
mod words;
mod written;

pub use difference::{Difference, Moved, NameChange, Placed, SettingChange};
pub use error::PlanError;
pub use expectation::{Expectation, ExpectedInventory, FreezeCalendar, InventoryKey};
pub use judgement::{Against, Breach, Judgement, Offender, Reason, Ruling};
pub use load::load;
pub use make::{cautions, make};
pub use markdown::{Changes, to_markdown};
pub use model::{
    Batch, Contents, Guard, Plan, PlanWarning, PlannedGroup, Project, WorkflowSummary,
};
pub use notice::{failure_comment, removal_comment};
pub use requests::{PlannedRequest, requests, write_requests};
pub use reverse::reverse;
pub use review::{Base, ChangedFile, FileChange, FileKind, Review};
pub use text::{NextCommands, to_text};
pub use words::ONE_MORE_REQUEST;
pub use written::write_json;

/// The format that [`write_json`] writes and [`load()`] reads.
pub const FORMAT: &str = "lightsout/plan/v1";

/// The JSON Schema of a written plan.
pub const SCHEMA: &str = include_str!("../../schemas/plan.schema.json");
