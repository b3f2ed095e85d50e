//! The BMS API as the rest of the crate sees it: calls, answers and what they mean.
//!
//! [`Client`] makes one call at a time: it waits for the quota, signs, sends, and says which class the
//! answer is of. Reads are tried again with [`Patience`]; a stop is tried again by its caller alone, with
//! [`next_wait`]. Invariant: no secret is in anything that leaves this stage but the request itself.

mod answer;
mod body;
mod client;
mod cloud_date;
mod credentials;
mod detail;
mod error_body;
mod foreign;
mod hosts;
mod job;
mod job_ids;
mod listing;
mod patience;
mod probe;
mod quota;
mod read;
mod redaction;
pub mod request;
mod retry;
mod retry_after;
mod row;
mod scalar;
pub mod signing;
mod state;

pub use crate::power::StateClass;
pub use answer::{Conflict, Evidence, PowerAnswer, classify_power};
pub use client::{Client, ClientSettings, PowerSlot, Timed};
pub use cloud_date::{CloudDate, Skew};
pub use credentials::{Credentials, CredentialsChoice, CredentialsError, Environment, Secrets};
pub use detail::{ServerDetail, Tags, parse_detail, parse_detail_page};
pub use hosts::{HostRefused, named_hosts, permitted};
pub use job::{Job, JobError, JobStatus, SubJob, parse as parse_job};
pub use job_ids::JobIds;
pub use listing::{Page, ServerRow, parse_page, parse_server};
pub use patience::{Patience, Unanswered, singly, singly_each};
pub use probe::{Probe, ProbeError, Probed};
pub use quota::{Quota, Slot};
pub use read::{ReadError, ReadFailure, classify_read};
pub use retry::next_wait;
pub use state::{Vitals, classify};
