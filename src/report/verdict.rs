//! A whole run in one word, for reports and for the first line of a summary.
//!
//! Owns the closed set of words, which `schemas/report.schema.json` lists. Invariant: the word follows
//! from the exit code alone, so the two can never contradict each other. A run without one is running.

use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::power::Action;

/// How a run ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every target where it should be, or skipped; or a dry run that found nothing against it.
    Succeeded,
    /// Some targets failed or were not sent.
    SomeFailed,
    /// Stopped by `max_failures` or a gate; the rest was not sent.
    StoppedEarly,
    /// Stopped by the window's cutoff; the rest was not sent.
    CutOff,
    /// Some outcomes are unknown.
    SomeUnknown,
    /// The cloud refused or could not be reached, before anything was accepted.
    Refused,
    /// A guard forbids it.
    Forbidden,
    /// Not at this time, before anything was accepted: window, closure, gate, failures before the first send, clock.
    NotNow,
    /// Halted before the first send.
    Halted,
    /// The plan or what surrounds it was not usable.
    Invalid,
    /// Interrupted or halted after something was sent; it can be taken up again.
    Unfinished,
    /// The program itself failed.
    InternalError,
    /// A process is working on it.
    Running,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A process is working on it.
    Running,
    /// No process is. If its last one had ended now, it would have had this exit code.
    Over(Exit),
}

impl Ending {
    /// The exit code; none while it runs.
    pub fn exit(self) -> Option<Exit> {
        match self {
            Self::Running => None,
            Self::Over(exit) => Some(exit),
        }
    }
}

impl Verdict {
    /// The word for a run that has come so far.
    pub fn of(ending: Ending) -> Self {
        match ending {
            Ending::Running => Self::Running,
            Ending::Over(exit) => Self::of_exit(exit),
        }
    }

    /// The word that belongs to an exit code.
    pub fn of_exit(exit: Exit) -> Self {
        match exit {
            Exit::Success | Exit::ReportNotWritten => Self::Succeeded,
            Exit::SomeFailed => Self::SomeFailed,
            Exit::StoppedEarly => Self::StoppedEarly,
            Exit::CutOff => Self::CutOff,
            Exit::SomeUnknown => Self::SomeUnknown,
            Exit::Refused => Self::Refused,
            Exit::Guard => Self::Forbidden,
            Exit::NotNow => Self::NotNow,
            Exit::Halted | Exit::Locked => Self::Halted,
            Exit::Resumable => Self::Unfinished,
            Exit::Invalid | Exit::PlansDiffer | Exit::PlanMismatch => Self::Invalid,
            Exit::Internal => Self::InternalError,
        }
    }

    /// The beginning of a sentence for people, about a run that did `action`.
    pub fn phrase(self, action: Action) -> String {
        let done = action.done();
        let phrase = match self {
            Self::Succeeded => "all well",
            Self::SomeFailed => return format!("finished, but some targets were not {done}"),
            Self::StoppedEarly => "stopped early: the rest was not sent",
            Self::CutOff => "stopped by the window's cutoff: the rest was not sent",
            Self::SomeUnknown => "finished, but some outcomes are unknown",
            Self::Refused => return format!("refused: nothing was {done}"),
            Self::Forbidden => "forbidden: nothing was sent",
            Self::NotNow => "not now: nothing was sent",
            Self::Halted => "halted: nothing was sent",
            Self::Unfinished => "not finished",
            Self::Invalid => "invalid: nothing was sent",
            Self::InternalError => "broken off by an internal error",
            Self::Running => "running, so far",
        };
        phrase.to_owned()
    }
}
