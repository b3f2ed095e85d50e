//! Why a written plan is not run, and what to do about it.
//!
//! Owns the errors of [`load`](super::load()); every one of them ends with the exit code for a plan that
//! does not match. Invariant: a message never shows more of the file than one name or number.

use super::FORMAT;
use crate::ids::{Digest, ServerId};

/// Why a written plan is not run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Not JSON, or not of the plan's shape.
    #[error("not a plan that can be read")]
    Unreadable(#[source] serde_json::Error),
    /// Written by another version, or no plan at all.
    #[error("the format is `{stated}`; this version reads `{FORMAT}`")]
    Format {
        /// What the plan says.
        stated: String,
    },
    /// Its digest was made by other rules.
    #[error(
        "the plan has a digest of version {stated}; this version of lightsout computes version {}",
        super::digest::VERSION
    )]
    DigestVersion {
        /// What the plan says; 1 if it says nothing.
        stated: u8,
    },
    /// An action that this version does not know.
    #[error("the action is `{0}`; this version knows `os-stop` and `os-start`")]
    Action(String),
    /// A number that does not agree with what there is.
    #[error("`{member}` says {stated}, but the plan has {counted}")]
    Count {
        /// Path of the number.
        member: String,
        /// What the plan says.
        stated: u32,
        /// What there is.
        counted: u32,
    },
    /// Something about groups or batches that no plan has.
    #[error("{0}")]
    Shape(String),
    /// One server is in two places.
    #[error("server `{server}` is in batch {first} and again in batch {second}")]
    RepeatedServer {
        /// Which server.
        server: ServerId,
        /// Where it stands first.
        first: u32,
        /// Where it stands again.
        second: u32,
    },
    /// The content is not what the digest was made of.
    #[error("the plan states the digest `{stated}`, but its content has `{computed}`")]
    DigestMismatch {
        /// What the plan says.
        stated: Digest,
        /// What its content gives.
        computed: Digest,
    },
}

impl PlanError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "give a plan that lightsout has written, unchanged",
            Self::DigestVersion { .. } => {
                "write the plan again with `plan --write`, and have it reviewed"
            }
            Self::Format { .. } | Self::Action(_) => {
                "use the version of lightsout that wrote the plan, or make the plan again from its workflow"
            }
            Self::Count { .. }
            | Self::Shape(_)
            | Self::RepeatedServer { .. }
            | Self::DigestMismatch { .. } => {
                "the plan was changed after it was made; change the workflow instead and make the plan again"
            }
        }
    }
}
