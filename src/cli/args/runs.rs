//! The flags of `runs`, the commands for single runs of the state folder.
//!
//! Owns these flags and their values. Invariant: a run is always named by its ID, never by `latest`.

use clap::{Args, Subcommand};

use crate::cli::help;
use crate::ids::RunId;

#[derive(Debug, Args)]
pub(in crate::cli) struct RunsFlags {
    #[command(subcommand)]
    pub(in crate::cli) command: RunsCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RunsCommand {
    /// Set aside a run that cannot be read, or release it.
    #[command(after_help = help::QUARANTINE, long_about = help::QUARANTINE_LONG)]
    Quarantine(QuarantineFlags),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct QuarantineFlags {
    /// The run.
    #[arg(value_name = "RUN_ID")]
    pub(in crate::cli) run: RunId,
    /// Let new runs send its servers again.
    #[arg(long)]
    pub(in crate::cli) release: bool,
    /// Do not ask for a confirmation.
    #[arg(long)]
    pub(in crate::cli) yes: bool,
}
