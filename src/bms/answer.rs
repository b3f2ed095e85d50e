//! What one answer to the stop call means: the classes of design §7.
//!
//! Owns the vocabulary and the one pure table from answer to class. Invariant: an answer is `NotSent`
//! only if no byte of the request can have reached the cloud, and `Accepted` only with a job ID.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::JobId;

/// Class of one answer to the stop call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopAnswer {
    /// The cloud took the request and named a job.
    Accepted(JobId),
    /// The connection was never established.
    NotSent,
    /// The cloud is throttling or busy, and did not act.
    Throttled {
        /// How long the cloud asks to wait.
        retry_after: Option<Duration>,
    },
    /// A server of the request is in a state that forbids a stop, or does not exist.
    Conflict(Conflict),
    /// The request may or may not have been accepted.
    Ambiguous,
    /// The credentials were not accepted.
    Credentials,
    /// The project or the permission is refused, for every request alike.
    RefusedForAll,
    /// The request was refused.
    Rejected {
        /// Whether a single server of the request may be the cause.
        one_server: bool,
    },
}

/// Which state stands against a stop, by error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// BMS.0036 and BMS.0039: a server is powering off or off.
    StoppingOrOff,
    /// BMS.0035, 0037, 0040 and 0605: starting, rebooting, gone or locked.
    Other,
}

/// What the cloud said, for reports and messages. Texts are untrusted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// The cloud's request ID.
    pub request_id: Option<String>,
    /// Error code: the cloud's, or the transport's such as `timeout`.
    pub code: Option<String>,
    /// Error text: the cloud's, or the transport's.
    pub message: Option<String>,
}
