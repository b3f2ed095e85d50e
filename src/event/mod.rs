//! The one vocabulary between the run, the ledger, progress and the report.
//!
//! The run says everything that happens as an [`Event`]; whoever wants to know something of a run folds
//! events and asks nobody else. Targets are named by batch and [`Slots`], so that an event about a
//! thousand servers stays small. Invariant: events say what happened, in the order in which it did;
//! what follows from them is the ledger's to say.

mod permit;
mod slots;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bms::{Evidence, JobError, JobIds, JobStatus, StateClass};
use crate::clock::Uptime;
use crate::ids::{BatchIndex, Digest, JobId, RunId};
use crate::outcome::{Outcome, Reason};
use crate::plan::{PlanWarning, Project, Ruling};
use crate::policy::Approval;

pub use permit::{Lifted, ObeyedCalendar, Opened, Permit, TimeRule};
pub use slots::{InvalidSlots, Slot, Slots, grouped};

/// An event and when it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamped {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// Number of a power request within its batch, from 1.
pub type Attempt = u32;

/// One thing that happened in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The run began.
    Began {
        /// How it was started.
        launch: Box<Launch>,
        /// The plan that it executes.
        plan: Digest,
        /// Targets that are left out from the beginning.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left_out: Vec<(BatchIndex, Slots)>,
    },
    /// The run was taken up again by another process.
    Resumed {
        /// Why nothing more may be sent, if so.
        forbidden: Option<StopCause>,
        /// What guards and policies make of the plan now, where that was asked.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        guards: Vec<Ruling>,
    },
    /// The first batches of a wave are about to be looked at.
    WaveBegan {
        /// Index of its group in the plan.
        group: u32,
        /// Its place in the group, from 0.
        wave: u32,
    },
    /// A wave is settled, and nothing is sent for a while.
    Soaking {
        /// Index of the wave's group in the plan.
        group: u32,
        /// The wave, from 0.
        wave: u32,
        /// How long, in milliseconds.
        milliseconds: u64,
    },
    /// The run goes on; said where nothing else may have happened for a while.
    StillRunning,
    /// The time since the machine started was read, which counts on while the machine is suspended.
    UptimeRead {
        /// What was read.
        uptime: Uptime,
    },
    /// States were read.
    Observed {
        /// The batch that asked.
        batch: BatchIndex,
        /// Whether before or after its request.
        phase: Phase,
        /// The targets in each state.
        states: Vec<(StateClass, Slots)>,
        /// The API's words for the state of targets that are at work or not understood; untrusted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        said: Vec<(String, Slots)>,
    },
    /// The batch waits before it goes on.
    Waiting {
        /// The batch.
        batch: BatchIndex,
        /// For what.
        reason: WaitReason,
        /// Longest wait until the next step, in milliseconds.
        milliseconds: u64,
    },
    /// A power request is about to leave.
    SendIntended {
        /// The batch.
        batch: BatchIndex,
        /// Which request of the batch.
        attempt: Attempt,
        /// The servers in it.
        servers: Slots,
    },
    /// A power request was answered, or will never be.
    SendAnswered {
        /// The batch.
        batch: BatchIndex,
        /// Which request of the batch.
        attempt: Attempt,
        /// What the answer means.
        answer: SendAnswer,
        /// What the cloud said.
        evidence: Evidence,
    },
    /// A power request that was about to leave did not leave.
    SendWithdrawn {
        /// The batch.
        batch: BatchIndex,
        /// Which request of the batch.
        attempt: Attempt,
        /// Why.
        cause: StopCause,
    },
    /// A job has not ended while the run was left.
    JobSeenRunning {
        /// The batch.
        batch: BatchIndex,
        /// The request that the job belongs to.
        attempt: Attempt,
    },
    /// A job is followed no further.
    JobEnded {
        /// The batch.
        batch: BatchIndex,
        /// The request that the job belongs to.
        attempt: Attempt,
        /// How it ended.
        end: JobEnd,
        /// The targets with each result.
        results: Vec<(JobResult, Slots)>,
    },
    /// Targets have their outcome.
    Settled {
        /// The batch.
        batch: BatchIndex,
        /// The targets with each outcome.
        outcomes: Vec<(Outcome, Slots)>,
    },
    /// The gate of a wave answered as expected, so that the wave may begin.
    GateAnswered {
        /// Index of the wave's group in the plan.
        group: u32,
        /// The wave, from 0.
        wave: u32,
        /// The HTTP status.
        status: u16,
    },
    /// Nothing more is sent by this run; what is under way is finished.
    SendingStopped {
        /// Why.
        cause: StopCause,
        /// What the cloud or a gate said, where it was one of them.
        evidence: Evidence,
    },
    /// The run is over.
    Finished,
    /// The report could not be written where it was asked for; it is in the run's folder.
    ReportMisplaced,
}

/// How a run was started: what its report tells of it beside what happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The run's ID.
    pub run: RunId,
    /// The project, so that a damaged plan blocks no other project; `None` in older journals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Project>,
    /// Whether it is real.
    pub mode: Mode,
    /// Labels of the command line; stronger than the workflow's.
    pub labels: BTreeMap<String, String>,
    /// The command that would start a real run of the same.
    pub again: String,
    /// Version of the program.
    pub version: String,
    /// What a person should look at, beside the plan's own warnings.
    pub warnings: Vec<PlanWarning>,
    /// What the command line leaves out of the plan, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrowed: Option<Narrowed>,
    /// The targets that runs in quarantine keep out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<(BatchIndex, Slots)>,
    /// The command that releases the first of these runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The run that is undone, if this is an undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<RunId>,
    /// Where the workflow's `report` is written, with links resolved, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// How the plan came to be run.
    #[serde(default)]
    pub approval: Approval,
    /// When it may send.
    #[serde(default)]
    pub permit: Permit,
    /// What guards and policies made of the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<Ruling>,
}

#[cfg(test)]
impl Launch {
    /// A real run without anything special, for the tests of this and later stages.
    pub(crate) fn for_tests() -> Self {
        Self {
            run: RunId::new(Timestamp::UNIX_EPOCH, 0),
            project: None,
            mode: Mode::Run,
            labels: BTreeMap::new(),
            again: String::new(),
            version: "0.1.0".to_owned(),
            warnings: Vec::new(),
            narrowed: None,
            quarantined: Vec::new(),
            release: None,
            undoes: None,
            report: None,
            approval: Approval::Other,
            permit: Permit::default(),
            guards: Vec::new(),
        }
    }
}

/// What a run leaves out of its plan, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Narrowed {
    /// The groups that are run; all where there are none.
    pub only: Vec<String>,
    /// The file of servers that are left out, if there is one.
    pub exclude: Option<String>,
    /// Whether servers that earlier runs of the plan have stopped are left out.
    pub remaining: bool,
    /// How many targets are left out.
    pub targets: u64,
}

/// Whether a run touches real servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A run against the workflow's own endpoint.
    Run,
    /// Nothing is sent.
    DryRun,
    /// A run against the embedded simulator.
    Rehearsal,
}

/// Whether a reading was made before or after the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before the batch was sent.
    Before,
    /// After its jobs ended.
    After,
}

/// What a batch waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// The cloud throttles.
    Throttled,
    /// The cloud cannot be reached.
    Unreachable,
    /// Servers are rebooting or otherwise at work.
    Busy,
    /// Servers are on their way: powering off, or on where they are to be started.
    #[serde(alias = "stopping")]
    Moving,
    /// Server states may lag behind the job.
    Grace,
    /// Whether a request whose answer was lost was accepted is to be seen from states.
    Reconcile,
}

/// What the answer to a power request means for the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendAnswer {
    /// A job was named.
    Accepted {
        /// The job.
        job: JobId,
    },
    /// The connection was never established.
    NotConnected,
    /// The cloud throttles or is busy, and did not act.
    Throttled,
    /// A server's state stands against it.
    Conflict,
    /// It may or may not have been accepted.
    Ambiguous,
    /// No clear acceptance, but the response names jobs.
    AmbiguousWithJobs {
        /// The jobs.
        jobs: JobIds,
    },
    /// The credentials were not accepted.
    Credentials,
    /// Every such request is refused.
    RefusedForAll,
    /// This request is refused.
    Rejected,
}

impl SendAnswer {
    /// The jobs that the response named.
    pub fn jobs(&self) -> &[JobId] {
        match self {
            Self::Accepted { job } => std::slice::from_ref(job),
            Self::AmbiguousWithJobs { jobs } => jobs.as_slice(),
            Self::NotConnected
            | Self::Throttled
            | Self::Conflict
            | Self::Ambiguous
            | Self::Credentials
            | Self::RefusedForAll
            | Self::Rejected => &[],
        }
    }

    /// Whether the request was accepted, or may have been.
    pub fn may_be_acceptance(&self) -> bool {
        match self {
            Self::Accepted { .. } | Self::Ambiguous | Self::AmbiguousWithJobs { .. } => true,
            Self::NotConnected
            | Self::Throttled
            | Self::Conflict
            | Self::Credentials
            | Self::RefusedForAll
            | Self::Rejected => false,
        }
    }
}

/// How following a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobEnd {
    /// The job and its sub-jobs are final.
    Final {
        /// Status of the whole job.
        status: JobStatus,
    },
    /// It was not final in time.
    TimedOut {
        /// The last status seen, if any.
        status: Option<JobStatus>,
    },
    /// The cloud does not know it any more.
    Gone,
    /// It could not be read any longer.
    Unreadable,
}

/// What a job says of one server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobResult {
    /// Its sub-job succeeded.
    Succeeded,
    /// Its sub-job failed, or the whole job did without telling of the server.
    Failed(JobError),
    /// The job tells nothing final of the server.
    Untold,
}

/// Why a run sends nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// Credentials, permission, project or every such request were refused.
    Refused,
    /// The cloud could not be reached for as long as reads and sends are tried again.
    Unreachable,
    /// A signal asked the process to end.
    Interrupted,
    /// The stop switch was set.
    Halted,
    /// The journal can no longer be written.
    Journal,
    /// The run was left, or stood still, for over 15 minutes.
    Late,
    /// A policy or guard forbids the plan by now.
    Policy,
    /// A dated closure has begun.
    Frozen,
    /// More targets failed, or are unknown, than are borne.
    MaxFailures,
    /// A gate did not answer as expected.
    Gate,
    /// The window's cutoff has come, or the time left is too short for a job.
    Cutoff,
    /// This machine's clock differs from the cloud's, so nobody knows whether the window is open.
    Clock,
    /// The run was taken up again only to find out what became of what was sent.
    Settling,
}

impl StopCause {
    /// The reason that it gives to targets which are not sent because of it.
    pub fn reason(self) -> Reason {
        match self {
            Self::Refused => Reason::Credentials,
            Self::Unreachable => Reason::Unreachable,
            Self::Interrupted | Self::Settling => Reason::Interrupted,
            Self::Halted => Reason::Halted,
            Self::Journal => Reason::Journal,
            Self::Late => Reason::Late,
            Self::Policy | Self::Frozen => Reason::Policy,
            Self::MaxFailures => Reason::MaxFailures,
            Self::Gate => Reason::Gate,
            Self::Cutoff => Reason::Cutoff,
            Self::Clock => Reason::Clock,
        }
    }

    /// Whether it was the cloud that would not take requests.
    pub fn is_refusal(self) -> bool {
        match self {
            Self::Refused | Self::Unreachable => true,
            Self::Interrupted
            | Self::Halted
            | Self::Journal
            | Self::Late
            | Self::Policy
            | Self::Frozen
            | Self::MaxFailures
            | Self::Gate
            | Self::Cutoff
            | Self::Clock
            | Self::Settling => false,
        }
    }

    /// Whether it stands against sending only for now: where nothing was sent yet, another time will do.
    pub fn is_for_now(self) -> bool {
        match self {
            Self::Late
            | Self::Frozen
            | Self::MaxFailures
            | Self::Gate
            | Self::Cutoff
            | Self::Clock => true,
            Self::Refused
            | Self::Unreachable
            | Self::Interrupted
            | Self::Halted
            | Self::Journal
            | Self::Policy
            | Self::Settling => false,
        }
    }

    /// Whether the run can be taken up again afterwards.
    pub fn leaves_unfinished(self) -> bool {
        match self {
            Self::Interrupted | Self::Halted | Self::Journal => true,
            Self::Refused
            | Self::Unreachable
            | Self::Late
            | Self::Policy
            | Self::Frozen
            | Self::MaxFailures
            | Self::Gate
            | Self::Cutoff
            | Self::Clock
            | Self::Settling => false,
        }
    }
}
