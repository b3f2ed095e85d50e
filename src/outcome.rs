//! What became of a target: exactly one outcome of design §7, with its reason.
//!
//! Owns the words and their spelling in reports; deciding between them is the run's work. Invariant:
//! every outcome but `stopped` and `already_off` has a reason, and `answer_lost` is the only reason
//! that a stopped target may have.

use serde::{Deserialize, Serialize};

/// What became of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Spelling", into = "Spelling")]
pub enum Outcome {
    /// Seen off after a stop of this run.
    Stopped(Proof),
    /// Off before this run did anything to it.
    AlreadyOff,
    /// Left out, as the workflow says for its state.
    Skipped(Reason),
    /// Not stopped, and known not to be.
    Failed(Reason),
    /// Nobody can tell.
    Unknown(Reason),
    /// Never part of a request that was, or may have been, accepted.
    NotSent(Reason),
}

/// How the run knows that its own stop worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// A job was followed to its end.
    Job,
    /// The answer with the job ID was lost; the server's state tells.
    AnswerLost,
}

/// The outcome without its reason: what totals count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// [`Outcome::Stopped`].
    Stopped,
    /// [`Outcome::AlreadyOff`].
    AlreadyOff,
    /// [`Outcome::Skipped`].
    Skipped,
    /// [`Outcome::Failed`].
    Failed,
    /// [`Outcome::Unknown`].
    Unknown,
    /// [`Outcome::NotSent`].
    NotSent,
}

/// Why an outcome is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The cloud does not know the server.
    Missing,
    /// The server is in status ERROR.
    ErrorState,
    /// The server is locked.
    Locked,
    /// The server was starting, rebooting or otherwise at work for too long.
    Busy,
    /// The server has been powering off for longer than a job may take.
    StuckStopping,
    /// The server's name is not the one in the inventory.
    NameMismatch,
    /// The cloud refused the request.
    Rejected,
    /// The cloud kept throttling until the time for trying again was over.
    Throttled,
    /// The cloud could not be reached.
    Unreachable,
    /// Credentials, permission or project were refused.
    Credentials,
    /// The cloud's job says that the stop failed.
    JobFailed,
    /// The job is done, and the server is on all the same.
    StillOn,
    /// The answer to the stop request was lost.
    AnswerLost,
    /// The job did not finish in time, or did not tell of this server.
    JobUnfinished,
    /// The cloud no longer knows the job.
    JobGone,
    /// The server's state could not be read.
    StatesUnreadable,
    /// The run ended before the target was settled.
    Interrupted,
    /// The stop switch was set.
    Halted,
    /// The journal could no longer be written.
    Journal,
    /// The run was taken up again too late.
    Late,
    /// The command line leaves the target out.
    Narrowed,
    /// A dry run sends nothing.
    DryRun,
}

impl Outcome {
    /// The outcome without its reason.
    pub fn kind(self) -> OutcomeKind {
        match self {
            Self::Stopped(_) => OutcomeKind::Stopped,
            Self::AlreadyOff => OutcomeKind::AlreadyOff,
            Self::Skipped(_) => OutcomeKind::Skipped,
            Self::Failed(_) => OutcomeKind::Failed,
            Self::Unknown(_) => OutcomeKind::Unknown,
            Self::NotSent(_) => OutcomeKind::NotSent,
        }
    }

    /// The reason, where there is one.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Stopped(Proof::Job) | Self::AlreadyOff => None,
            Self::Stopped(Proof::AnswerLost) => Some(Reason::AnswerLost),
            Self::Skipped(reason)
            | Self::Failed(reason)
            | Self::Unknown(reason)
            | Self::NotSent(reason) => Some(reason),
        }
    }
}

impl OutcomeKind {
    /// Every kind, in the order of the totals.
    pub const ALL: [Self; 6] = [
        Self::Stopped,
        Self::AlreadyOff,
        Self::Skipped,
        Self::Failed,
        Self::Unknown,
        Self::NotSent,
    ];

    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::AlreadyOff => "already_off",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::NotSent => "not_sent",
        }
    }
}

impl Reason {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::ErrorState => "error_state",
            Self::Locked => "locked",
            Self::Busy => "busy",
            Self::StuckStopping => "stuck_stopping",
            Self::NameMismatch => "name_mismatch",
            Self::Rejected => "rejected",
            Self::Throttled => "throttled",
            Self::Unreachable => "unreachable",
            Self::Credentials => "credentials",
            Self::JobFailed => "job_failed",
            Self::StillOn => "still_on",
            Self::AnswerLost => "answer_lost",
            Self::JobUnfinished => "job_unfinished",
            Self::JobGone => "job_gone",
            Self::StatesUnreadable => "states_unreadable",
            Self::Interrupted => "interrupted",
            Self::Halted => "halted",
            Self::Journal => "journal",
            Self::Late => "late",
            Self::Narrowed => "narrowed",
            Self::DryRun => "dry_run",
        }
    }
}

/// An outcome as events spell it: two plain members.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spelling {
    outcome: OutcomeKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

impl From<Outcome> for Spelling {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome: outcome.kind(),
            reason: outcome.reason(),
        }
    }
}

impl TryFrom<Spelling> for Outcome {
    type Error = &'static str;

    fn try_from(spelling: Spelling) -> Result<Self, Self::Error> {
        Ok(match (spelling.outcome, spelling.reason) {
            (OutcomeKind::Stopped, None) => Self::Stopped(Proof::Job),
            (OutcomeKind::Stopped, Some(Reason::AnswerLost)) => Self::Stopped(Proof::AnswerLost),
            (OutcomeKind::AlreadyOff, None) => Self::AlreadyOff,
            (OutcomeKind::Skipped, Some(reason)) => Self::Skipped(reason),
            (OutcomeKind::Failed, Some(reason)) => Self::Failed(reason),
            (OutcomeKind::Unknown, Some(reason)) => Self::Unknown(reason),
            (OutcomeKind::NotSent, Some(reason)) => Self::NotSent(reason),
            (_, _) => return Err("an outcome whose reason does not belong to it"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_reads_back_as_itself() {
        for outcome in [
            Outcome::Stopped(Proof::Job),
            Outcome::Stopped(Proof::AnswerLost),
            Outcome::AlreadyOff,
            Outcome::Skipped(Reason::Locked),
            Outcome::Failed(Reason::StillOn),
            Outcome::Unknown(Reason::JobGone),
            Outcome::NotSent(Reason::Throttled),
        ] {
            let text = serde_json::to_string(&outcome).unwrap();
            assert_eq!(
                serde_json::from_str::<Outcome>(&text).unwrap(),
                outcome,
                "{text}"
            );
        }
    }

    #[test]
    fn a_reason_that_does_not_belong_is_refused() {
        for text in [
            r#"{"outcome":"stopped","reason":"busy"}"#,
            r#"{"outcome":"already_off","reason":"busy"}"#,
            r#"{"outcome":"failed"}"#,
        ] {
            assert!(serde_json::from_str::<Outcome>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_words_are_those_of_the_serialisation() {
        for kind in OutcomeKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(
            serde_json::to_value(Reason::StatesUnreadable).unwrap(),
            "states_unreadable"
        );
    }
}
