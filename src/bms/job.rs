//! The cloud's asynchronous job as it is polled, reduced to what a run needs.
//!
//! Owns the shape after parsing and what counts as final. Results per server come from the sub-jobs,
//! never from the parent alone. Invariant: a status that is not understood is not final.

use serde::{Deserialize, Serialize};

use crate::ids::ServerId;

/// Status of a job or a sub-job.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum JobStatus {
    /// Accepted, not begun.
    Init,
    /// Under way.
    Running,
    /// Finished well.
    Success,
    /// Finished, failed.
    Fail,
    /// A word that the documentation does not know; counts as not finished.
    Other(String),
}

impl JobStatus {
    /// Whether the job will not change any more.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Success | Self::Fail => true,
            Self::Init | Self::Running | Self::Other(_) => false,
        }
    }

    /// The cloud's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Init => "INIT",
            Self::Running => "RUNNING",
            Self::Success => "SUCCESS",
            Self::Fail => "FAIL",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for JobStatus {
    fn from(word: String) -> Self {
        match word.as_str() {
            "INIT" => Self::Init,
            "RUNNING" => Self::Running,
            "SUCCESS" => Self::Success,
            "FAIL" => Self::Fail,
            _ => Self::Other(word),
        }
    }
}

impl From<JobStatus> for String {
    fn from(status: JobStatus) -> Self {
        status.as_str().to_owned()
    }
}

/// One answer to a job query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Status of the whole job.
    pub status: JobStatus,
    /// Error of the whole job, if any.
    pub error: Option<JobError>,
    /// The sub-jobs that the answer lists.
    pub sub_jobs: Vec<SubJob>,
}

impl Job {
    /// Whether the job and every listed sub-job are final.
    pub fn is_final(&self) -> bool {
        self.status.is_final() && self.sub_jobs.iter().all(|sub| sub.status.is_final())
    }
}

/// The part of a job that concerns one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubJob {
    /// The server, if the answer names one by a valid ID.
    pub server: Option<ServerId>,
    /// Its status.
    pub status: JobStatus,
    /// Its error, if any.
    pub error: Option<JobError>,
}

/// Why a job or a sub-job failed, in the cloud's words.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobError {
    /// Error code such as `BMS.0039`.
    pub code: String,
    /// The cloud's text; untrusted.
    pub message: String,
}
