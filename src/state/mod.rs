//! The state folder: where runs keep what must outlive them.
//!
//! Owns finding the folder, a run's own folder in it, and putting files in place so that they are there
//! whole or not at all. What the files say is the business of `plan` and `report`. Invariant: nothing
//! that another run has written is ever replaced.

mod atomic;
mod report_place;
mod root;
mod run_folder;

use std::io;
use std::path::PathBuf;

pub use atomic::{write_new, write_over};
pub use report_place::ReportPlace;
pub use root::{Wishes, is_usable, locate};
pub use run_folder::{Keep, RunFolder};

/// Why something could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Neither a flag nor the environment names a state folder.
    #[error("there is no place for the state folder")]
    NoPlace,
    /// A folder could not be made.
    #[error("cannot make the folder `{}`", .0.display())]
    Folder(PathBuf, #[source] io::Error),
    /// A file could not be written.
    #[error("cannot write `{}`", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// A report must not replace what is there.
    #[error("`{}` exists already", .0.display())]
    Occupied(PathBuf),
    /// A report cannot go into a folder that is not there.
    #[error("there is no folder for `{}`", .0.display())]
    NoFolder(PathBuf),
    /// A path that names no file.
    #[error("`{}` does not name a file", .0.display())]
    NoFileName(PathBuf),
}

impl StateError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoPlace => "give `--state-dir DIR`, or set `LIGHTSOUT_STATE_DIR` or `HOME`",
            Self::Folder(..) => "check who may write there, or choose another with `--state-dir`",
            Self::Write(..) => "check who may write there and that the disk is not full",
            Self::Occupied(_) => {
                "a report never replaces a file: name another, for example with `{{ run.id }}` in the workflow's `report`"
            }
            Self::NoFolder(_) => "make the folder first, or name another place",
            Self::NoFileName(_) => "give the path of a file",
        }
    }
}
