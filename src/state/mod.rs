//! The state folder: where runs keep what must outlive them.
//!
//! Owns finding the folder, a run's own folder in it, and putting files in place so that they are there
//! whole or not at all. What the files say is the business of `plan` and `report`. Invariant: nothing
//! that another run has written is ever replaced.

mod atomic;
mod history;
mod lock;
mod quarantine;
mod recorded;
mod remains;
mod report_place;
mod root;
mod run_folder;
mod switch;

use std::io;
use std::path::PathBuf;

use crate::ids::RunId;
use crate::journal::{JournalError, Lost};
use crate::ledger::Misfit;
use crate::plan::PlanError;

pub use atomic::{write_new, write_over};
pub use history::{Ran, latest_of, launch_of, ran_in, undos_of};
pub use lock::{Holder, Lock, live_holder, live_holders};
pub use quarantine::{Held, Quarantine, held, is_quarantined, quarantines};
pub use recorded::{Glimpse, Recorded, concerns, digest_of, find, latest, runs, unfinished};
pub use remains::{PossibleRequest, Remains};
pub use report_place::ReportPlace;
pub use root::{Access, SystemFolder, Wishes, can_be_used, is_on_network, locate};
pub use run_folder::{Keep, RunFolder};
pub use switch::Switch;

/// Why something could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Neither a flag nor the environment names a state folder.
    #[error("there is no place for the state folder")]
    NoPlace,
    /// A relative path, which is another folder for each process.
    #[error("`{source_name}` is `{}`, which is not an absolute path", .folder.display())]
    Relative {
        /// The flag or variable.
        source_name: &'static str,
        /// Its value.
        folder: PathBuf,
    },
    /// The folder of the machine is there and cannot be written.
    #[error("cannot write the state folder `{}` of this machine", .0.display())]
    SystemFolder(PathBuf, #[source] io::Error),
    /// A folder could not be made.
    #[error("cannot make the folder `{}`", .0.display())]
    Folder(PathBuf, #[source] io::Error),
    /// A file could not be written.
    #[error("cannot write `{}`", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// A file could not be read.
    #[error("cannot read `{}`", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// There is no such run.
    #[error("there is no run `{0}`")]
    NoRun(RunId),
    /// There is no run at all.
    #[error("there is no run in `{}`", .0.display())]
    NoRuns(PathBuf),
    /// The plan of a run cannot be used.
    #[error("cannot use the run's plan `{}`", .0.display())]
    Plan(PathBuf, #[source] PlanError),
    /// The journal of a run cannot be used.
    #[error("cannot use the run's journal `{}`", .0.display())]
    Journal(PathBuf, #[source] JournalError),
    /// The journal tells of what the plan does not have.
    #[error("the journal `{}` does not belong to the plan beside it", .0.display())]
    Misfit(PathBuf, #[source] Misfit),
    /// The journal was written for another plan.
    #[error("the journal `{}` was written for another plan than the one beside it", .0.display())]
    OtherPlan(PathBuf),
    /// Of two runs, the newer by its ID may be the older one, as the ID is from the future.
    #[error("run {0} of this workflow has an ID from the future")]
    FromTheFuture(RunId),
    /// A run has lost its lock or its journal, so that another process may be at work on it.
    #[error(transparent)]
    Lost(Lost),
    /// The lock of a project cannot be used.
    #[error("cannot use the lock `{}`", .0.display())]
    Lock(PathBuf, #[source] io::Error),
    /// Another process has the lock of the project.
    #[error("the project is locked by {}", holder(.0.as_deref()))]
    Locked(Option<Box<Holder>>),
    /// A report must not replace what is there.
    #[error("`{}` exists already", .0.display())]
    Occupied(PathBuf),
    /// A report cannot go into a folder that is not there.
    #[error("there is no folder for `{}`", .0.display())]
    NoFolder(PathBuf),
    /// The workflow's `report` leads where no workflow may write.
    #[error("the workflow's `report` cannot be written to `{}`: {why}", .path.display())]
    Confined {
        /// The path, expanded.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A folder on the way to the report was replaced during the run.
    #[error("`{}` now leads to another folder than at the start of the run", .0.display())]
    Moved(PathBuf),
    /// A path that names no file.
    #[error("`{}` does not name a file", .0.display())]
    NoFileName(PathBuf),
}

impl StateError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoPlace => "give `--state-dir DIR`, or set `LIGHTSOUT_STATE_DIR` or `HOME`",
            Self::Relative { .. } => {
                "write the whole path, from `/` on; crontab and systemd expand neither `~` nor `$HOME`"
            }
            Self::SystemFolder(..) => {
                "run as a user who can write there, or name another folder with `--state-dir`; \
                 runs with another state folder are not kept apart from the runs in this one"
            }
            Self::Folder(..) => "check who may write there, or choose another with `--state-dir`",
            Self::Write(..) => "check who may write there and that the disk is not full",
            Self::Read(..) => "check who may read there",
            Self::NoRun(_) => "check the run ID and `--state-dir`",
            Self::NoRuns(_) => "check `--state-dir` and `LIGHTSOUT_STATE_DIR`",
            Self::Plan(_, error) => error.hint(),
            Self::Journal(_, error) => error.hint(),
            Self::Misfit(..) | Self::OtherPlan(_) => {
                "put back the run's own `plan.json`; nothing is done with a journal of another plan"
            }
            Self::FromTheFuture(_) => "check this machine's clock, and name the run by its run ID",
            Self::Lost(_) => {
                "nothing in the state folder may be removed while a run is at work; \
                 see `lightsout status`, and then `lightsout resume`"
            }
            Self::Lock(..) => "check who may write there",
            Self::Locked(_) => {
                "wait for it, or stop it: `lightsout halt --reason 'another run must begin'`"
            }
            Self::Occupied(_) => {
                "a report never replaces a file: name another, for example with `{{ run.id }}` in the workflow's `report`"
            }
            Self::NoFolder(_) => "make the folder first, or name another place",
            Self::Confined { .. } => {
                "use a relative path inside the git work tree of the workflow; `--report` can name any path"
            }
            Self::Moved(_) => "the report is in the run's own folder; copy it from there",
            Self::NoFileName(_) => "give the path of a file",
        }
    }
}

/// Who has a lock, for people.
fn holder(holder: Option<&Holder>) -> String {
    match holder {
        Some(Holder {
            run: Some(run),
            host,
            process,
        }) => {
            format!("run {run}, process {process} on `{host}`")
        }
        Some(Holder {
            run: None,
            host,
            process,
        }) => format!("process {process} on `{host}`"),
        None => "another process".to_owned(),
    }
}
