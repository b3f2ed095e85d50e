//! The flags of `lightsout undo`.
//!
//! Owns these flags and their values. Invariant: exactly one run is meant, or the last one of a workflow.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{CloudFlags, LiftingFlags};
use crate::cli::chosen::Undone;
use crate::duration;

#[derive(Debug, Args)]
pub(in crate::cli) struct UndoFlags {
    /// The run: its ID, or its report.
    #[arg(
        value_name = "RUN_ID|REPORT",
        required_unless_present = "last",
        conflicts_with = "last",
        value_parser = Undone::parse
    )]
    pub(in crate::cli) run: Option<Undone>,
    /// The last run of the workflow of this name.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) last: Option<String>,
    /// Show plan and report only: no connection, credentials or run folder.
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Leave out the servers of this file, an ID a line.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) exclude: Option<PathBuf>,
    /// A further place for the JSON report; must be free.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) report: Option<PathBuf>,
    /// Do not ask for the number of servers. Required without a terminal.
    #[arg(long)]
    pub(in crate::cli) yes: bool,
    /// Refuse a run that began longer ago, such as `36h` or `14d`.
    #[arg(long, value_name = "AGE", default_value = "7d", value_parser = duration::parse_age)]
    pub(in crate::cli) max_age: Duration,
    #[command(flatten)]
    pub(in crate::cli) lifting: LiftingFlags,
    #[command(flatten)]
    pub(in crate::cli) cloud: CloudFlags,
}

#[cfg(test)]
mod tests {
    use crate::cli::args;

    #[test]
    fn one_run_is_meant_or_the_last_one() {
        let accepted = |line: &str| args::parse(line.split(' ').map(Into::into)).is_ok();
        assert!(accepted("lightsout undo 20261128T170000Z-3f9a1c"));
        assert!(accepted(
            "lightsout undo report.json --dry-run --exclude a.txt"
        ));
        assert!(accepted("lightsout undo --last weekly --max-age 1d12h"));
        for line in [
            "lightsout undo",
            "lightsout undo a.json --last weekly",
            "lightsout undo a.json --max-age soon",
        ] {
            assert!(!accepted(line), "{line}");
        }
    }
}
