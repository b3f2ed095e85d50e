//! The exit codes of design §13 and which of them wins where several apply.
//!
//! Owns numbers and precedence; which event leads to which code is decided in `ledger` (for a run)
//! and `error` (for what never became a run). Invariant: codes 2 to 29 mean that no power request of
//! this invocation was, or may have been, accepted.

use std::process;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Every target stopped, already off or skipped; or the file, plan or report is fine.
    Success = 0,
    /// Wrong usage, or the workflow, plan, policy, inventory or report place is invalid.
    Invalid = 2,
    /// Credentials, permission or project refused, or the cloud cannot be reached.
    Refused = 3,
    /// Plans differ.
    PlansDiffer = 10,
    /// Not now: window closed, frozen, gate, failures before the first send, already ran, or this machine's clock is wrong.
    NotNow = 20,
    /// Another run holds the lock, or an earlier run cannot be settled.
    Locked = 21,
    /// The plan does not match.
    PlanMismatch = 22,
    /// A guard or the policy forbids it.
    Guard = 23,
    /// Halted or interrupted before the first send.
    Halted = 24,
    /// Finished; some targets failed or were not sent.
    SomeFailed = 30,
    /// Stopped by `max_failures` or a gate.
    StoppedEarly = 31,
    /// Stopped by the window's cutoff.
    CutOff = 32,
    /// Finished; some outcomes are unknown.
    SomeUnknown = 33,
    /// Interrupted or halted; can be resumed.
    Resumable = 34,
    /// Success, but the report could not be written where it was asked for, or not at all.
    ReportNotWritten = 40,
    /// Internal error; the journal says what was sent.
    Internal = 70,
}

impl Exit {
    /// Every way, in the order of the numbers.
    pub const ALL: [Self; 16] = [
        Self::Success,
        Self::Invalid,
        Self::Refused,
        Self::PlansDiffer,
        Self::NotNow,
        Self::Locked,
        Self::PlanMismatch,
        Self::Guard,
        Self::Halted,
        Self::SomeFailed,
        Self::StoppedEarly,
        Self::CutOff,
        Self::SomeUnknown,
        Self::Resumable,
        Self::ReportNotWritten,
        Self::Internal,
    ];

    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The code where, besides, the report could not be written where it was asked for.
    pub fn without_report(self) -> Self {
        match self {
            Self::Success => Self::ReportNotWritten,
            earned @ (Self::Invalid
            | Self::Refused
            | Self::PlansDiffer
            | Self::NotNow
            | Self::Locked
            | Self::PlanMismatch
            | Self::Guard
            | Self::Halted
            | Self::SomeFailed
            | Self::StoppedEarly
            | Self::CutOff
            | Self::SomeUnknown
            | Self::Resumable
            | Self::ReportNotWritten
            | Self::Internal) => earned,
        }
    }
}

impl From<Exit> for process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_report_counts_only_where_all_else_is_well() {
        assert_eq!(Exit::Success.without_report(), Exit::ReportNotWritten);
        assert_eq!(Exit::SomeUnknown.without_report(), Exit::SomeUnknown);
    }
}
