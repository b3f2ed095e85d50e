//! Flags of the verbs that make plans and what plans are made from.
//!
//! Owns their declarations and help. Invariant: a plan is made from one listing at most: the cloud's, a
//! saved one or the one that an earlier plan has frozen.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{CloudFlags, VariableFlags};

#[derive(Debug, Args)]
pub(in crate::cli) struct PlanFlags {
    /// The workflow.
    pub(in crate::cli) file: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) variables: VariableFlags,
    /// What is printed on stdout.
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) format: PlanFormat,
    /// Also write the plan as JSON to this file, replacing it; `run --plan` takes it.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: Option<PathBuf>,
    /// Print the exact method, path and body of each stop request instead.
    ///
    /// A batch with servers that are still at work can take one more.
    #[arg(long, conflicts_with = "format")]
    pub(in crate::cli) requests: bool,
    /// Put the plan beside the workflow as `NAME.plan.json`, to be committed and reviewed.
    #[arg(long)]
    pub(in crate::cli) write: bool,
    /// Compare with the committed plan instead; ends with 10 if that is stale.
    #[arg(long, conflicts_with_all = ["write", "requests", "against"])]
    pub(in crate::cli) check: bool,
    /// Show what changes from an older plan instead.
    #[arg(
        long,
        value_name = "PLAN",
        conflicts_with = "requests",
        group = "older"
    )]
    pub(in crate::cli) against: Option<PathBuf>,
    /// Show what changes from the branch that is checked out in this folder.
    ///
    /// Only a plan that a run of that branch would accept counts. Without one every server is new. Changed
    /// inventories, freeze calendars and files of variables are listed even if the plan stays the same.
    #[arg(long, value_name = "DIR", group = "older")]
    #[arg(conflicts_with_all = ["check", "requests", "live", "write", "out"])]
    pub(in crate::cli) base: Option<PathBuf>,
    /// With `--against` or `--base`: exit with code 10 if anything changes.
    #[arg(long, requires = "older")]
    pub(in crate::cli) exit_code: bool,
    /// Also read the state of every target, and tell what a run would do with it now.
    #[arg(long, conflicts_with_all = ["check", "requests", "against", "inventory"])]
    pub(in crate::cli) live: bool,
    /// Look for what the workflow selects in this saved listing, and not in the cloud.
    #[arg(long, value_name = "LISTING", conflicts_with_all = ["check", "credentials", "ca_file"])]
    pub(in crate::cli) inventory: Option<PathBuf>,
    /// Take what the workflow selects from the committed plan, and not from the cloud, as `--check` does.
    ///
    /// A workflow that selects by other criteria than that plan was made for is refused.
    #[arg(long, conflicts_with_all = ["inventory", "credentials", "ca_file"])]
    pub(in crate::cli) frozen: bool,
    #[command(flatten)]
    pub(in crate::cli) cloud: CloudFlags,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct InventoryFlags {
    /// The workflow that names project and endpoint.
    pub(in crate::cli) file: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) variables: VariableFlags,
    /// Write the listing to this file, replacing an older one; else it goes to stdout.
    #[arg(long, value_name = "LISTING")]
    pub(in crate::cli) out: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) cloud: CloudFlags,
}

/// How a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(in crate::cli) enum PlanFormat {
    /// For people.
    #[default]
    Text,
    /// The whole plan.
    Json,
    /// For a pull request comment.
    Md,
}
