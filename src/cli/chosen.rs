//! Which run the command line means.
//!
//! Owns the words for it and finding it in the state folder. Invariant: `latest` is never a rehearsal
//! while there is a run against real servers, so a colleague's rehearsal hides no run.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::ids::RunId;
use crate::state::{self, Keep, StateError};

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// The newest one.
    Latest,
    /// The one with this ID, be it a rehearsal.
    Run(RunId),
}

/// What a report is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// A run's plan and journal.
    Run(Choice),
    /// A report that was written.
    File(PathBuf),
}

/// The run that is undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Undone {
    /// The one with this ID.
    Run(RunId),
    /// The one of this report.
    Report(PathBuf),
}

impl Undone {
    pub(super) fn parse(text: &str) -> Result<Self, Infallible> {
        let report = || Self::Report(PathBuf::from(text));
        Ok(text.parse().map_or_else(|_| report(), Self::Run))
    }
}

impl Choice {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        let run = text.parse().map(Self::Run);
        run.map_err(|_| "neither `latest` nor a run ID such as 20261128T170000Z-3f9a1c")
    }

    /// Finds the run.
    pub(super) fn find(&self, state: &Path, now: Timestamp) -> Result<(Keep, RunId), StateError> {
        match self {
            Self::Latest => state::latest(state, now),
            Self::Run(run) => Ok((state::find(state, run)?, run.clone())),
        }
    }
}
