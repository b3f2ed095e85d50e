//! Why an invocation ends without doing what it was asked to.
//!
//! Owns the top error and the only mapping from errors to exit codes; what a finished run has earned is
//! for the ledger to say. Invariant: an error of before the first request never has a code of 30 or
//! above, except 70.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt::Write;
use std::io;
use std::path::PathBuf;

use crate::bms::{CredentialsError, HostRefused, Unanswered};
use crate::clock::InvalidCourse;
use crate::diagnostic::Diagnostic;
use crate::exit::Exit;
use crate::http::HttpError;
use crate::ids::{Digest, RunId};
use crate::inventory::ListingError;
use crate::plan::{Breach, PlanError};
use crate::policy::Distrust;
use crate::report::ReportError;
use crate::run::NotNow;
use crate::simulator::{FaultsError, SimulatorError};
use crate::state::{StateError, Switch};
use crate::undo::Refused;
use crate::untrusted::{TYPED, for_terminal, shorten};
use parts::{errors, forbidden, list, said, until};

/// Longest message of one error, in characters: some repeat what they found.
const LONGEST: usize = 1000;

/// Why an invocation ends early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file named on the command line cannot be read.
    #[error("cannot read `{}`", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// Workflow or inventory files have errors; the findings say all.
    #[error("{} in `{}`", errors(.1), .0.display())]
    Findings(PathBuf, Vec<Diagnostic>),
    /// A file of server IDs has a line that is none.
    #[error("line {line} of `{}` is {problem}", .path.display())]
    ServerList {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A written plan cannot be run.
    #[error("cannot use the plan `{}`", .0.display())]
    Plan(PathBuf, #[source] PlanError),
    /// A file is no report that can be shown.
    #[error("cannot use the report `{}`", .0.display())]
    Report(PathBuf, #[source] ReportError),
    /// The plan has no such group.
    #[error("the plan has no group `{0}`")]
    NoSuchGroup(String, Vec<String>),
    /// A file that leaves out servers has no line at all.
    #[error("the exclusion list `{}` is empty", .0.display())]
    EmptyExclusion(PathBuf),
    /// A plan must not replace a file that is none.
    #[error("`{}` exists and is not a plan", .0.display())]
    NotAPlan(PathBuf),
    /// A plan that starts servers is not run by itself.
    #[error("the plan `{}` starts servers: it is that of an undo", .0.display())]
    PlanOfUndo(PathBuf),
    /// There is no committed plan beside the workflow.
    #[error("there is no committed plan `{}`", .0.display())]
    NoCommittedPlan(PathBuf),
    /// A committed plan must be the reviewed file itself.
    #[error("the committed plan `{}` is a link, or lies behind one", .0.display())]
    LinkedPlan(PathBuf),
    /// The workflow no longer yields the committed plan.
    #[error("the workflow yields the plan {made}, and `{}` has {committed}", .path.display())]
    NotCommitted {
        /// The committed plan.
        path: PathBuf,
        /// Its digest.
        committed: Digest,
        /// The digest of what the workflow yields.
        made: Digest,
    },
    /// A freeze calendar is not the one that was planned with.
    #[error("the freeze calendar `{0}` has changed since the plan was made")]
    FreezeCalendarChanged(String),
    /// The workflow asks other things of the listing than the committed plan was made for.
    #[error("the workflow no longer selects as `{}` was made for", .0.display())]
    OtherSelection(PathBuf),
    /// The workflow selects, and no listing may be asked for.
    #[error("the workflow selects servers, and a dry run opens no connection to look for them")]
    NoListing,
    /// A local time was given where there is no window whose clocks could be meant.
    #[error("`{}` has no window by whose clocks a time without an offset could be meant", .0.display())]
    NoZone(PathBuf),
    /// The cloud does not list the project's servers.
    #[error("cannot list the project's servers{}", said(.0))]
    Listing(Unanswered),
    /// A saved listing cannot be used.
    #[error("cannot use the listing `{}`", .0.display())]
    SavedListing(PathBuf, #[source] ListingError),
    /// A saved listing is of other servers.
    #[error("the listing `{}` is of the project {listed}, and the workflow is of {wanted}", .path.display())]
    OtherListing {
        /// The listing.
        path: PathBuf,
        /// Its project and endpoint.
        listed: String,
        /// The workflow's project and endpoint.
        wanted: String,
    },
    /// A listing must not replace a file that is none.
    #[error("`{}` exists and is not a listing", .0.display())]
    NotAListing(PathBuf),
    /// The plan breaks guards of the workflow, or rules of policies; at least one.
    #[error("{}", forbidden(.0))]
    Forbidden(Vec<Breach>),
    /// It is not known what is forbidden, as a policy cannot be relied on.
    #[error("the policy `{}` cannot be relied on", .0.display())]
    Policy(PathBuf, #[source] Distrust),
    /// A signal came before the run began.
    #[error("interrupted while the project's servers were read; nothing was begun")]
    InterruptedReading,
    /// A signal came before the run began.
    #[error("{0}: nothing was begun")]
    InterruptedEarly(&'static str),
    /// `LIGHTSOUT_CLOCK` is not understood.
    #[error("`LIGHTSOUT_CLOCK` is not understood")]
    Clock(#[source] InvalidCourse),
    /// `LIGHTSOUT_CLOCK` is set for a real cloud.
    #[error("`LIGHTSOUT_CLOCK` is set, and the calls would go to `{0}`")]
    ClockAbroad(String),
    /// The endpoint is not one that credentials may go to.
    #[error("the endpoint is not one of the cloud's")]
    Host(#[source] HostRefused),
    /// There are no usable credentials.
    #[error("cannot use the credentials")]
    Credentials(#[source] CredentialsError),
    /// The HTTP client cannot be set up.
    #[error("cannot prepare connections")]
    Http(#[source] HttpError),
    /// The workflow's `report` cannot be expanded.
    #[error("cannot expand the workflow's `report`: {0}")]
    ReportTemplate(String),
    /// The state folder or the place of the report cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The faults cannot be used.
    #[error("cannot use the faults `{0}`")]
    Faults(String, #[source] FaultsError),
    /// The simulator does not start.
    #[error("cannot start the simulator")]
    Simulator(#[source] SimulatorError),
    /// The person at the terminal did not confirm.
    #[error("not confirmed: {targets} were to be {done}, and the answer was `{answer}`")]
    Declined {
        /// How many targets, in words.
        targets: String,
        /// What was to be done to them.
        done: &'static str,
        /// What was typed.
        answer: String,
    },
    /// There is no terminal to ask for confirmation, and nothing else approves the run.
    #[error("cannot ask for confirmation: {missing}")]
    NoTerminal {
        /// Which stream is not a terminal.
        missing: &'static str,
        /// The same command in a form that needs no confirmation.
        command: String,
    },
    /// There is nothing to go on with.
    #[error("there is no unfinished run")]
    NoUnfinished,
    /// It is not clear which run is meant.
    #[error("{} runs are unfinished: {}", .0.len(), list(.0))]
    SeveralUnfinished(Vec<RunId>),
    /// A finished run cannot be resumed.
    #[error("run {0} is finished")]
    AlreadyFinished(RunId),
    /// The journal of an earlier run cannot be written. Journal and report are as they were.
    #[error("run {run} cannot be continued: cannot write `{}`", .journal.display())]
    NotContinued {
        /// The run.
        run: RunId,
        /// Its journal.
        journal: PathBuf,
        /// The command that was to continue it.
        command: &'static str,
    },
    /// An earlier run of the same project is neither finished nor could it be settled.
    #[error("the earlier run {0} of this project could not be settled")]
    Unsettled(RunId, #[source] Option<Box<Error>>),
    /// An earlier run that may be of the same project cannot be read.
    #[error("the earlier run {run} in `{}` cannot be read", .folder.display())]
    UnreadableRun {
        /// The run.
        run: RunId,
        /// Its folder.
        folder: PathBuf,
        /// The command that sets it aside.
        command: String,
        /// Why it cannot be read.
        #[source]
        cause: Box<Error>,
    },
    /// A run is in quarantine, and nothing is done with it; the command that quarantines it.
    #[error("run {0} is in quarantine")]
    Quarantined(RunId, String),
    /// A run in quarantine may have sent any server of the project; the command that quarantines it.
    #[error(
        "run {0} of this project is in quarantine, and it is not known which servers it has sent"
    )]
    HeldProject(RunId, String),
    /// A run that is not in quarantine cannot be released.
    #[error("run {0} keeps no servers out of new runs")]
    NotInQuarantine(RunId),
    /// A finished run that can be read blocks no other run.
    #[error("run {0} can be read, and is finished")]
    NothingToQuarantine(RunId),
    /// A run whose newest record is too young may be live.
    #[error(
        "the newest record or file of run {0} is of {1:.0}: less than 15 minutes ago, or in the future"
    )]
    TooYoung(RunId, jiff::Timestamp),
    /// A person did not type the run's ID.
    #[error("not confirmed: the answer was `{1}`, not `{0}`")]
    NotConfirmed(RunId, String),
    /// Window, closures or an earlier run keep it from beginning at this time.
    #[error(transparent)]
    NotNow(Box<NotNow>),
    /// It cannot be read what an earlier run did, which may have been of the same occurrence.
    #[error("it cannot be told whether run {0} has finished in this occurrence of the window")]
    PerhapsRan(RunId, #[source] Box<Error>),
    /// A signal came while it was waited for a time at which the run may begin.
    #[error("interrupted while waiting; nothing was begun")]
    InterruptedWaiting,
    /// A signal came while an earlier run of the same project was settled.
    #[error("interrupted while the earlier run {0} of this project was settled; nothing was begun")]
    InterruptedBefore(RunId),
    /// The stop switch is set.
    #[error("the stop switch is set{}: {}", until(.0), .0.reason)]
    Halted(Switch),
    /// `LIGHTSOUT_CRASH` is not understood, or is set for a real cloud.
    #[error("`LIGHTSOUT_CRASH` cannot be used: {0}")]
    Crash(&'static str),
    /// Data cannot be written to stdout.
    #[error("cannot write to stdout")]
    Stdout(#[source] io::Error),
    /// A run is not undone.
    #[error("nothing is undone")]
    Undo(#[source] Refused),
    /// What the program itself needs cannot be had.
    #[error("cannot {0}")]
    Internal(&'static str, #[source] Box<dyn StdError + Send + Sync>),
}

impl From<NotNow> for Error {
    fn from(why: NotNow) -> Self {
        Self::NotNow(Box::new(why))
    }
}

impl Error {
    /// How the process ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unreadable(..)
            | Self::Findings(..)
            | Self::ServerList { .. }
            | Self::EmptyExclusion(_)
            | Self::Report(..)
            | Self::Clock(_)
            | Self::ClockAbroad(_)
            | Self::Crash(_)
            | Self::NoSuchGroup(..)
            | Self::NotAPlan(_)
            | Self::NoListing
            | Self::NoZone(_)
            | Self::SavedListing(..)
            | Self::OtherListing { .. }
            | Self::NotAListing(_)
            | Self::NoTerminal { .. }
            | Self::NoUnfinished
            | Self::SeveralUnfinished(_)
            | Self::AlreadyFinished(_)
            | Self::NotContinued { .. }
            | Self::Quarantined(..)
            | Self::NotInQuarantine(_)
            | Self::NothingToQuarantine(_)
            | Self::ReportTemplate(_)
            | Self::Undo(_)
            | Self::Faults(..)
            | Self::Stdout(_)
            | Self::Simulator(SimulatorError::Port { .. })
            | Self::Http(
                HttpError::CaFile { .. }
                | HttpError::CaFileUnreadable { .. }
                | HttpError::Proxy { .. },
            )
            | Self::Credentials(CredentialsError::KeysAndToken { .. }) => Exit::Invalid,
            Self::PerhapsRan(_, error) => error.exit(),
            Self::State(StateError::Locked(_))
            | Self::UnreadableRun { .. }
            | Self::HeldProject(..)
            | Self::TooYoung(..)
            | Self::Unsettled(..) => Exit::Locked,
            Self::Plan(..)
            | Self::PlanOfUndo(_)
            | Self::NoCommittedPlan(_)
            | Self::LinkedPlan(_)
            | Self::NotCommitted { .. }
            | Self::FreezeCalendarChanged(_)
            | Self::OtherSelection(_)
            | Self::State(StateError::Plan(..) | StateError::OtherPlan(_)) => Exit::PlanMismatch,
            Self::State(StateError::Lost(_)) | Self::InterruptedEarly(_) => Exit::Halted,
            Self::State(_) => Exit::Invalid,
            Self::Forbidden(_) | Self::Policy(..) => Exit::Guard,
            Self::NotNow(_) => Exit::NotNow,
            Self::Host(_)
            | Self::Listing(_)
            | Self::Http(HttpError::Setup(_))
            | Self::Credentials(
                CredentialsError::NotInEnvironment
                | CredentialsError::None { .. }
                | CredentialsError::Incomplete { .. }
                | CredentialsError::Unreadable { .. }
                | CredentialsError::Malformed { .. }
                | CredentialsError::Quoted { .. }
                | CredentialsError::Unusable { .. },
            ) => Exit::Refused,
            Self::Declined { .. }
            | Self::NotConfirmed(..)
            | Self::Halted(_)
            | Self::InterruptedBefore(_)
            | Self::InterruptedWaiting
            | Self::InterruptedReading => Exit::Halted,
            Self::Internal(..)
            | Self::Simulator(SimulatorError::Thread(_) | SimulatorError::Address(_)) => {
                Exit::Internal
            }
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        Some(match self {
            Self::Plan(_, error) => error.hint().into(),
            Self::Report(_, error) => error.hint().into(),
            Self::NoSuchGroup(_, groups) => format!("its groups: {}", groups.join(", ")).into(),
            Self::PlanOfUndo(_) => {
                "undo the run itself, by its run ID; an interrupted undo is resumed by its own run ID".into()
            }
            Self::NoZone(_) => "give the offset, as in `2026-11-28T01:00:00+08:00`".into(),
            Self::NoListing => {
                format!("`--locked` takes them from the committed plan; `lightsout plan {TYPED}` looks for them").into()
            }
            Self::Listing(unanswered) => unanswered.hint().into(),
            Self::SavedListing(..) | Self::OtherListing { .. } => format!(
                "`lightsout inventory {TYPED}` prints one for this workflow, and `--out` writes it to a file"
            )
            .into(),
            Self::NotAListing(_) => "name another file for the listing".into(),
            Self::LinkedPlan(path) => format!(
                "replace the link with the file that was reviewed, at `{}`",
                path.display()
            )
            .into(),
            Self::NotAPlan(_) => "name another file for the plan".into(),
            Self::NoCommittedPlan(_)
            | Self::NotCommitted { .. }
            | Self::FreezeCalendarChanged(_)
            | Self::OtherSelection(_) => {
                format!("`lightsout plan {TYPED} --write` makes it again; have it reviewed and committed").into()
            }
            Self::Forbidden(breaches) => match breaches.iter().find(|breach| breach.policy.is_some()) {
                Some(_) => "take what is forbidden out of the workflow, or ask those who keep the policy".into(),
                None => {
                    let guard = breaches.first().map_or("max_servers", |breach| &breach.rule);
                    format!("check the list of targets; if it is right, raise `guards.{guard}`").into()
                }
            },
            Self::Policy(_, why) => why.hint().into(),
            Self::NotNow(why) => why.hint(),
            Self::Clock(_) | Self::ClockAbroad(_) | Self::Crash(_) => {
                "unset it: it is for tests against this machine only".into()
            }
            Self::Host(error) => error.hint().into(),
            Self::Credentials(error) => error.hint()?.into(),
            Self::Http(error) => error.hint()?.into(),
            Self::ReportTemplate(_) => "it may use `workflow.name`, `run.id` and `run.date`".into(),
            Self::State(error) => error.hint().into(),
            Self::Faults(_, error) => error.hint()?.into(),
            Self::Simulator(error) => error.hint()?.into(),
            Self::Declined { .. } => {
                "type the number of targets, or give `--yes` if nobody is to be asked".into()
            }
            Self::NoTerminal { command, .. } => {
                format!("to run without confirmation: `{command}`").into()
            }
            Self::NoUnfinished => "to look at a finished run again, give its run ID".into(),
            Self::SeveralUnfinished(_) => "name the one that you mean".into(),
            Self::AlreadyFinished(run) => {
                format!("`lightsout settle {run}` looks at unknown outcomes again").into()
            }
            Self::NotContinued { run, command, .. } => format!(
                "nothing was read or sent, and journal and report are unchanged. Free disk space, then `lightsout {command} {run}`"
            )
            .into(),
            Self::InterruptedBefore(run) => {
                format!("the next run settles it first; so does `lightsout settle {run}`").into()
            }
            Self::Unsettled(run, _) => {
                format!("see `lightsout status {run}`, then `lightsout settle {run}`").into()
            }
            Self::UnreadableRun { command, .. } => {
                format!("check its servers, then set it aside: `{command}`").into()
            }
            Self::Quarantined(_, command) | Self::HeldProject(_, command) => format!(
                "when its servers were checked, let new runs send them again: `{command} --release`"
            )
            .into(),
            Self::NotInQuarantine(_) => "the folder `quarantine` of the state folder has a file for each run in quarantine".into(),
            Self::NothingToQuarantine(run) => format!("see `lightsout report {run}`").into(),
            Self::TooYoung(..) => "check the clock, and repeat the command 15 minutes after that time".into(),
            Self::NotConfirmed(run, _) => format!("type `{run}`, or give `--yes`").into(),
            Self::PerhapsRan(run, _) => format!(
                "see `lightsout status {run}`, and look at the servers themselves; `lightsout runs quarantine {run}` sets it aside; `--override REASON` runs it all the same, where the policies allow that"
            )
            .into(),
            Self::Undo(refused) => refused.hint().into(),
            Self::Halted(_) => "when all is well again: `lightsout halt --clear`".into(),
            Self::ServerList { .. } => "write one server ID a line; `#` begins a comment".into(),
            Self::EmptyExclusion(_) => "if that is meant, write a comment into it: `# none`".into(),
            Self::Unreadable(..)
            | Self::Findings(..)
            | Self::Stdout(_)
            | Self::InterruptedWaiting
            | Self::InterruptedReading
            | Self::InterruptedEarly(_)
            | Self::Internal(..) => return None,
        })
    }

    /// The message with its causes, as one line.
    pub fn message(&self) -> String {
        let shown =
            |error: &dyn StdError| for_terminal(&shorten(&error.to_string(), LONGEST)).into_owned();
        let mut text = shown(self);
        let mut cause = self.source();
        while let Some(error) = cause {
            let _ = write!(text, ": {}", shown(error));
            cause = error.source();
        }
        text
    }

    /// The message with its causes and the hint, for a terminal or a log.
    pub fn explain(&self) -> String {
        let mut text = format!("error: {}", self.message());
        if let Some(hint) = self.hint() {
            let _ = write!(text, "\n  hint: {}", for_terminal(&hint));
        }
        text
    }
}

mod parts;
#[cfg(test)]
mod tests;
