//! When a run may send, as was found at its start.
//!
//! Owns what a journal keeps of that, so that a run that is taken up again goes by the same. Invariant:
//! what was lifted has a reason, which a person gave.

use serde::{Deserialize, Serialize};

use crate::window::Occurrence;

/// When a run may send.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Permit {
    /// The occurrence of the workflow's window in which it began, if it did in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Opened>,
    /// The freeze calendars that the workflow names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<ObeyedCalendar>,
    /// What a person lifted for this run, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Lifted>,
}

/// A freeze calendar that a run obeys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObeyedCalendar {
    /// Its absolute path.
    pub path: String,
    /// SHA-256 that its bytes had when the plan was made, 64 hex digits; `None` if it could not be read then.
    pub sha256: Option<String>,
}

impl Permit {
    /// The occurrence that a run goes by: none where the window was lifted for it.
    pub fn obeyed(&self) -> Option<Occurrence> {
        match &self.lifted {
            Some(_) => None,
            None => self.window.as_ref().map(|window| window.occurrence),
        }
    }
}

/// An occurrence of a workflow's window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The zone whose clocks the window goes by.
    pub timezone: String,
    /// When it opens and closes.
    pub occurrence: Occurrence,
}

/// What would have kept a run from sending at its time, and was lifted for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifted {
    /// Why; written by a person.
    pub reason: String,
    /// What there was to lift; may be nothing.
    pub rules: Vec<TimeRule>,
}

/// Something that keeps a run from sending at its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeRule {
    /// The workflow's window.
    Window,
    /// A dated closure.
    Freeze,
    /// That a run has finished in the same occurrence of the window.
    AlreadyRan,
}

impl TimeRule {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Freeze => "freeze",
            Self::AlreadyRan => "already-ran",
        }
    }
}
