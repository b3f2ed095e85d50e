//! YAML files that people write: text → a value that fits its schema, or findings with places.
//!
//! What workflow and policy files share: the careful reading of the text, the check against a published
//! schema, and the wording of what is wrong. Knows nothing of what a file means. Invariant: everything
//! that is wrong with a text is found in one go, and every finding has a place.

pub(crate) mod conflict;
pub(crate) mod finding;
pub(crate) mod messages;
pub(crate) mod origins;
pub(crate) mod outline;
pub(crate) mod schema;
pub(crate) mod spelling;
pub(crate) mod yaml;

pub(crate) use schema::{Format, whole_numbers};
