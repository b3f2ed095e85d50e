//! The cloud's asynchronous job as it is polled, reduced to what a run needs.
//!
//! Owns the shape after parsing and what counts as final. Results per server come from the sub-jobs,
//! never from the parent alone. Invariant: a status that is not understood is not final.

use std::fmt;

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::body;
use super::error_body::shorten;
use super::scalar::Scalar;
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

    /// The job with its errors' texts as `clean` leaves them.
    pub(super) fn cleaned(mut self, clean: impl Fn(String) -> String) -> Self {
        let of_sub_jobs = self.sub_jobs.iter_mut().map(|sub| &mut sub.error);
        for error in of_sub_jobs.chain([&mut self.error]).flatten() {
            error.code = clean(std::mem::take(&mut error.code));
            error.message = clean(std::mem::take(&mut error.message));
        }
        self
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobError {
    /// Error code such as `BMS.0039`.
    pub code: String,
    /// The cloud's text; untrusted.
    pub message: String,
}

/// Reads the answer to a job query; `None` if it is not one.
pub fn parse(body: &[u8]) -> Option<Job> {
    let wire: Wire<'_> = body::read(body)?;
    wire.status.get()?;
    let mut sub_jobs: Vec<SubJob> = wire.entities.sub_jobs.0.iter().map(Wire::sub_job).collect();
    // A job of one server may have no sub-jobs and name the server itself.
    if sub_jobs.is_empty() && wire.entities.server_id.get().is_some() {
        sub_jobs.push(wire.sub_job());
    }
    Some(Job {
        status: wire.job_status(),
        error: wire.error(),
        sub_jobs,
    })
}

/// The members of a job or a sub-job that are read.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    status: Scalar<'a>,
    #[serde(borrow, default)]
    error_code: Scalar<'a>,
    #[serde(borrow, default)]
    fail_reason: Scalar<'a>,
    #[serde(borrow, default)]
    code: Scalar<'a>,
    #[serde(borrow, default)]
    message: Scalar<'a>,
    #[serde(borrow, default)]
    entities: Entities<'a>,
}

impl Wire<'_> {
    fn job_status(&self) -> JobStatus {
        JobStatus::from(self.status.get().unwrap_or_default().to_owned())
    }

    fn sub_job(&self) -> SubJob {
        SubJob {
            server: self.entities.server_id.get().and_then(|id| id.parse().ok()),
            status: self.job_status(),
            error: self.error(),
        }
    }

    fn error(&self) -> Option<JobError> {
        let code = self.error_code.get().or(self.code.get());
        let message = self
            .fail_reason
            .get()
            .or(self.message.get())
            .or(self.entities.errorcode_message.get());
        (code.is_some() || message.is_some()).then(|| JobError {
            code: shorten(code.unwrap_or_default()),
            message: shorten(message.unwrap_or_default()),
        })
    }
}

/// `entities`: an object, a list of which the object that names a server counts, or nothing.
#[derive(Default)]
struct Entities<'a> {
    server_id: Scalar<'a>,
    errorcode_message: Scalar<'a>,
    sub_jobs: SubJobs<'a>,
}

#[derive(Deserialize)]
struct EntityMembers<'a> {
    #[serde(borrow, default)]
    server_id: Scalar<'a>,
    #[serde(borrow, default)]
    errorcode_message: Scalar<'a>,
    #[serde(borrow, default)]
    sub_jobs: SubJobs<'a>,
}

impl<'a> From<EntityMembers<'a>> for Entities<'a> {
    fn from(members: EntityMembers<'a>) -> Self {
        Self {
            server_id: members.server_id,
            errorcode_message: members.errorcode_message,
            sub_jobs: members.sub_jobs,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Entities<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Entities<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object, a list of objects, or nothing")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let members = de::value::MapAccessDeserializer::new(map);
                EntityMembers::deserialize(members).map(Entities::from)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut found = Entities::default();
                while let Some(members) = list.next_element::<EntityMembers<'de>>()? {
                    if found.server_id.get().is_none() {
                        found = members.into();
                    }
                }
                Ok(found)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                blank(text, &self)
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Entities::default())
            }
        }
        deserializer.deserialize_any(Members)
    }
}

/// `sub_jobs`: a list, or nothing, which the cloud also writes as an empty text.
#[derive(Default)]
struct SubJobs<'a>(Vec<Wire<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for SubJobs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = SubJobs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of sub-jobs, or nothing")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut sub_jobs = Vec::with_capacity(list.size_hint().unwrap_or_default());
                while let Some(sub_job) = list.next_element()? {
                    sub_jobs.push(sub_job);
                }
                Ok(SubJobs(sub_jobs))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                blank(text, &self)
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(SubJobs::default())
            }
        }
        deserializer.deserialize_any(List)
    }
}

/// Nothing, if that is what the text says.
fn blank<T: Default, E: de::Error>(text: &str, expected: &dyn de::Expected) -> Result<T, E> {
    if text.trim().is_empty() {
        Ok(T::default())
    } else {
        Err(E::invalid_value(de::Unexpected::Str(text), expected))
    }
}

#[cfg(test)]
mod tests;
