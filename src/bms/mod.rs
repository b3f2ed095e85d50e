//! The BMS API as the rest of the crate sees it: calls, answers and what they mean.

mod answer;
mod job;
pub mod signing;
mod state;

pub use answer::{Conflict, Evidence, StopAnswer};
pub use job::{Job, JobError, JobStatus, SubJob};
pub use state::{StateClass, Vitals, classify};
