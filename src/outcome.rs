//! What became of a target: exactly one outcome of design §7, with its reason.
//!
//! Owns the words and their spelling in files; deciding between them is the run's work. The two good
//! outcomes have a word for each action, `stopped` or `started`, which `power` owns. Invariant: every
//! other outcome has a reason, and `answer_lost` is the only reason that a stopped target may have.

use serde::{Deserialize, Serialize};

use crate::power::Action;

/// What became of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Spelling", into = "Spelling")]
pub enum Outcome {
    /// Brought by this run where it should be, and seen there: off after a stop, on after a start.
    Done(Proof),
    /// There before this run did anything to it.
    Already,
    /// Left out, as the workflow says for its state.
    Skipped(Reason),
    /// Not brought where it should be, and known not to be.
    Failed(Reason),
    /// Nobody can tell.
    Unknown(Reason),
    /// Never part of a request that was, or may have been, accepted.
    NotSent(Reason),
}

/// How the run knows that its own request worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// A job was followed to its end.
    Job,
    /// The answer with the job ID was lost; the server's state tells.
    AnswerLost,
}

/// The outcome without its reason: what totals count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutcomeKind {
    /// [`Outcome::Done`].
    Done,
    /// [`Outcome::Already`].
    Already,
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
    /// The server has been powering on for longer than a job may take.
    StuckStarting,
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
    /// The cloud's job says that it failed.
    JobFailed,
    /// The job of a stop is done, and the server is on all the same.
    StillOn,
    /// The job of a start is done, and the server is off all the same.
    StillOff,
    /// The answer to the request was lost.
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
    /// The run was late: left, or standing still, for over 15 minutes.
    Late,
    /// A policy or guard forbids the plan.
    Policy,
    /// Too many targets had failed.
    MaxFailures,
    /// A gate did not answer as expected.
    Gate,
    /// The window's cutoff had come.
    Cutoff,
    /// This machine's clock differs from the cloud's.
    Clock,
    /// An earlier run that was set aside may have sent the server.
    Quarantined,
    /// The command line leaves the target out.
    Narrowed,
    /// A dry run sends nothing.
    DryRun,
    /// The run is still running. Only a report made meanwhile has it.
    Running,
}

impl Outcome {
    /// The outcome without its reason.
    pub fn kind(self) -> OutcomeKind {
        match self {
            Self::Done(_) => OutcomeKind::Done,
            Self::Already => OutcomeKind::Already,
            Self::Skipped(_) => OutcomeKind::Skipped,
            Self::Failed(_) => OutcomeKind::Failed,
            Self::Unknown(_) => OutcomeKind::Unknown,
            Self::NotSent(_) => OutcomeKind::NotSent,
        }
    }

    /// The reason, where there is one.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Done(Proof::Job) | Self::Already => None,
            Self::Done(Proof::AnswerLost) => Some(Reason::AnswerLost),
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
        Self::Done,
        Self::Already,
        Self::Skipped,
        Self::Failed,
        Self::Unknown,
        Self::NotSent,
    ];

    /// The word in the files of a run that did `action`.
    pub fn word(self, action: Action) -> &'static str {
        match self {
            Self::Done => action.done(),
            Self::Already => action.already(),
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::NotSent => "not_sent",
        }
    }
}

impl Reason {
    /// The server is not moved, though `action` was asked for and its job is done.
    pub fn unmoved(action: Action) -> Self {
        match action {
            Action::Stop(_) => Self::StillOn,
            Action::Start => Self::StillOff,
        }
    }

    /// The server has been on its way for too long.
    pub fn stuck(action: Action) -> Self {
        match action {
            Action::Stop(_) => Self::StuckStopping,
            Action::Start => Self::StuckStarting,
        }
    }

    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::ErrorState => "error_state",
            Self::Locked => "locked",
            Self::Busy => "busy",
            Self::StuckStopping => "stuck_stopping",
            Self::StuckStarting => "stuck_starting",
            Self::NameMismatch => "name_mismatch",
            Self::Rejected => "rejected",
            Self::Throttled => "throttled",
            Self::Unreachable => "unreachable",
            Self::Credentials => "credentials",
            Self::JobFailed => "job_failed",
            Self::StillOn => "still_on",
            Self::StillOff => "still_off",
            Self::AnswerLost => "answer_lost",
            Self::JobUnfinished => "job_unfinished",
            Self::JobGone => "job_gone",
            Self::StatesUnreadable => "states_unreadable",
            Self::Interrupted => "interrupted",
            Self::Halted => "halted",
            Self::Journal => "journal",
            Self::Late => "late",
            Self::Policy => "policy",
            Self::MaxFailures => "max_failures",
            Self::Gate => "gate",
            Self::Cutoff => "cutoff",
            Self::Clock => "clock",
            Self::Quarantined => "quarantined",
            Self::Narrowed => "narrowed",
            Self::DryRun => "dry_run",
            Self::Running => "running",
        }
    }
}

/// An outcome as events spell it: two plain members, and words that hold for either action. Journals
/// from before there were two have the words of a stop.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spelling {
    outcome: KindSpelling,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindSpelling {
    #[serde(alias = "stopped")]
    Done,
    #[serde(alias = "already_off")]
    Already,
    Skipped,
    Failed,
    Unknown,
    NotSent,
}

impl From<Outcome> for Spelling {
    fn from(outcome: Outcome) -> Self {
        let kind = match outcome.kind() {
            OutcomeKind::Done => KindSpelling::Done,
            OutcomeKind::Already => KindSpelling::Already,
            OutcomeKind::Skipped => KindSpelling::Skipped,
            OutcomeKind::Failed => KindSpelling::Failed,
            OutcomeKind::Unknown => KindSpelling::Unknown,
            OutcomeKind::NotSent => KindSpelling::NotSent,
        };
        Self {
            outcome: kind,
            reason: outcome.reason(),
        }
    }
}

impl TryFrom<Spelling> for Outcome {
    type Error = &'static str;

    fn try_from(spelling: Spelling) -> Result<Self, Self::Error> {
        Ok(match (spelling.outcome, spelling.reason) {
            (KindSpelling::Done, None) => Self::Done(Proof::Job),
            (KindSpelling::Done, Some(Reason::AnswerLost)) => Self::Done(Proof::AnswerLost),
            (KindSpelling::Already, None) => Self::Already,
            (KindSpelling::Skipped, Some(reason)) => Self::Skipped(reason),
            (KindSpelling::Failed, Some(reason)) => Self::Failed(reason),
            (KindSpelling::Unknown, Some(reason)) => Self::Unknown(reason),
            (KindSpelling::NotSent, Some(reason)) => Self::NotSent(reason),
            (_, _) => return Err("an outcome whose reason does not belong to it"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::StopType;

    #[test]
    fn an_outcome_reads_back_as_itself() {
        for outcome in [
            Outcome::Done(Proof::Job),
            Outcome::Done(Proof::AnswerLost),
            Outcome::Already,
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
            r#"{"outcome":"done","reason":"busy"}"#,
            r#"{"outcome":"already","reason":"busy"}"#,
            r#"{"outcome":"failed"}"#,
        ] {
            assert!(serde_json::from_str::<Outcome>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn each_action_has_its_words() {
        let words = |action| OutcomeKind::ALL.map(|kind| kind.word(action));
        let others = ["skipped", "failed", "unknown", "not_sent"];
        let stop = words(Action::Stop(StopType::Hard));
        assert_eq!(
            (&stop[..2], &stop[2..]),
            (&["stopped", "already_off"][..], &others[..])
        );
        let start = words(Action::Start);
        assert_eq!(
            (&start[..2], &start[2..]),
            (&["started", "already_on"][..], &others[..])
        );
        assert_eq!(
            serde_json::to_value(Reason::StatesUnreadable).unwrap(),
            "states_unreadable"
        );
    }
}
