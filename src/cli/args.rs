//! The command line as typed: verbs, flags and their help.
//!
//! Owns everything that clap does, completions included; what the flags mean together with the
//! environment is for `settings` and the verbs. Invariant: what clap accepts is complete and without
//! contradiction, so no verb checks its flags against each other.

mod accounts;
mod plans;
mod runs;
mod undo;
mod window;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::help;
use crate::bms::CredentialsChoice;
use crate::duration;
use crate::exit::Exit;
use crate::ids::RunId;

pub(super) use accounts::{AccountFormat, DoctorFlags, HaltFlags, ReportFlags, StatusFlags};
pub(super) use plans::{InventoryFlags, PlanFlags, PlanFormat};
pub(super) use runs::{QuarantineFlags, RunsCommand, RunsFlags};
pub(super) use undo::UndoFlags;
pub(super) use window::{Instant, WindowFlags};

/// Power off fleets of Huawei Cloud Bare Metal Servers from a reviewed YAML file.
#[derive(Debug, Parser)]
#[command(name = "lightsout", version, after_help = help::EXIT_CODES, after_long_help = help::ALL)]
#[command(
    arg_required_else_help = true,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) general: GeneralFlags,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// Flags of every verb.
#[derive(Debug, Args)]
#[command(next_help_heading = "Flags of every verb")]
pub(super) struct GeneralFlags {
    /// Folder that keeps runs and rehearsals.
    ///
    /// An absolute path. Else `LIGHTSOUT_STATE_DIR`, else `/var/lib/lightsout` if it exists, else
    /// `$XDG_STATE_HOME/lightsout`, else `~/.local/state/lightsout`.
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,
    /// A further policy that every plan must keep.
    ///
    /// Besides `/etc/lightsout/policy.yaml` and the one that `LIGHTSOUT_POLICY` names, never in their place.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// Say nothing on stderr unless something is wrong.
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Say more on stderr; twice for everything. Secrets are never shown.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// How log lines are written.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub(super) log_format: LogFormat,
    /// When to use colour; `auto` obeys `NO_COLOR`.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(super) color: Color,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless the environment forbids it.
    #[default]
    Auto,
    /// Even into files and pipes.
    Always,
    /// Not at all.
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Check workflow files, and the inventories and freeze files that they name.
    #[command(after_help = help::VALIDATE)]
    Validate(ValidateFlags),
    /// Print a workflow with its templates expanded.
    #[command(after_help = help::RENDER)]
    Render(RenderFlags),
    /// Show what a run would do; sends nothing.
    #[command(after_help = help::PLAN, long_about = help::PLAN_LONG)]
    Plan(PlanFlags),
    /// Write the listing of a workflow's project, for `plan --inventory`.
    #[command(after_help = help::INVENTORY, long_about = help::INVENTORY_LONG)]
    Inventory(InventoryFlags),
    /// Stop the servers of a workflow or a plan.
    #[command(after_help = help::RUN, long_about = help::RUN_LONG)]
    Run(RunFlags),
    /// Go on with a run that was interrupted or crashed.
    #[command(after_help = help::RESUME, long_about = help::RESUME_LONG)]
    Resume(ResumeFlags),
    /// Find out what became of what a run has sent; sends nothing.
    #[command(after_help = help::SETTLE, long_about = help::SETTLE_LONG)]
    Settle(SettleFlags),
    /// Tell how a run is going, or went.
    #[command(after_help = help::STATUS, long_about = help::STATUS_LONG)]
    Status(StatusFlags),
    /// Show the report of a run again.
    #[command(after_help = help::REPORT, long_about = help::REPORT_LONG)]
    Report(ReportFlags),
    /// Tell whether everything that a run needs is in order; sends nothing.
    #[command(after_help = help::DOCTOR, long_about = help::DOCTOR_LONG)]
    Doctor(DoctorFlags),
    /// Start again the servers that a run has stopped.
    #[command(after_help = help::UNDO, long_about = help::UNDO_LONG)]
    Undo(UndoFlags),
    /// Forbid sending to every run, or allow it again.
    #[command(after_help = help::HALT, long_about = help::HALT_LONG)]
    Halt(HaltFlags),
    /// Set aside a run that cannot be read.
    Runs(RunsFlags),
    /// Tell when sends are allowed, and why not now.
    #[command(after_help = help::WINDOW, long_about = help::WINDOW_LONG)]
    Window(WindowFlags),
    /// Run a workflow against simulated servers; touches nothing real.
    #[command(after_help = help::REHEARSE, long_about = help::REHEARSE_LONG)]
    Rehearse(RehearseFlags),
    /// Serve a simulated cloud on a loopback port.
    #[command(after_help = help::SIMULATE, long_about = help::SIMULATE_LONG)]
    Simulate(SimulateFlags),
    /// Print the JSON Schema of a file format.
    #[command(after_help = help::SCHEMA)]
    Schema(SchemaFlags),
    /// Print completions for a shell.
    #[command(after_help = help::COMPLETIONS)]
    Completions(CompletionsFlags),
}

/// Values for the workflow's variables.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct VariableFlags {
    /// Value of a variable that the workflow declares; wins over everything else.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) var: Vec<(String, String)>,
    /// YAML file with values of variables; later files win.
    #[arg(long, value_name = "FILE")]
    pub(super) vars_file: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ValidateFlags {
    /// Workflow files.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) variables: VariableFlags,
    /// `text` goes to stderr, everything else to stdout.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: FindingsFormat,
    /// Let warnings count as errors.
    #[arg(long)]
    pub(super) deny_warnings: bool,
}

/// How findings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum FindingsFormat {
    /// For people, with the line of the file.
    #[default]
    Text,
    /// For machines.
    Json,
    /// Annotations of a pull request, as GitHub Actions reads them.
    Github,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
}

#[derive(Debug, Args)]
pub(super) struct RenderFlags {
    /// The workflow.
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) variables: VariableFlags,
}

#[derive(Debug, Args)]
pub(super) struct RunFlags {
    /// The workflow.
    #[arg(required_unless_present = "plan", conflicts_with = "plan")]
    pub(super) file: Option<PathBuf>,
    /// Run a plan that `lightsout plan` has written, by itself.
    #[arg(long, value_name = "PLAN", conflicts_with_all = ["var", "vars_file"])]
    pub(super) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(super) variables: VariableFlags,
    /// Label for the report, such as a change number; wins over the workflow's.
    #[arg(long, value_name = "NAME=TEXT", value_parser = pair)]
    pub(super) label: Vec<(String, String)>,
    /// Run only if the workflow still yields the committed plan, `NAME.plan.json`.
    #[arg(long, conflicts_with = "plan")]
    pub(super) locked: bool,
    /// Show plan and report only: no connection, credentials or run folder.
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) narrowing: NarrowingFlags,
    #[command(flatten)]
    pub(super) lifting: LiftingFlags,
    /// A further place for the JSON report; must be free.
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Wait for the workflow's window to open, and for closures to end, in place of ending with 20.
    ///
    /// Then everything is read anew: workflow, committed plan, inventories and policies. Where a run has
    /// finished in this occurrence of the window, the next one is waited for.
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) wait: bool,
    /// Do not ask for the number of targets. Required without a terminal, unless `--locked` or `--plan` is given.
    #[arg(long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) cloud: CloudFlags,
}

/// Doing a part of what was approved.
#[derive(Debug, Args)]
pub(super) struct NarrowingFlags {
    /// Run only this group of the plan; may be given several times.
    #[arg(long, value_name = "GROUP")]
    pub(super) only: Vec<String>,
    /// Leave out the servers of this file, an ID a line.
    #[arg(long, value_name = "FILE")]
    pub(super) exclude: Option<PathBuf>,
    /// Leave out the servers that earlier runs of the same plan have stopped.
    #[arg(long)]
    pub(super) remaining: bool,
}

/// Running at a time at which nothing may be sent.
#[derive(Debug, Args)]
pub(super) struct LiftingFlags {
    /// Lift window, closures and an earlier run of the same occurrence for this run, for this reason.
    ///
    /// Where a policy forbids that, the run is refused.
    ///
    /// The reason is kept in the run's journal and report, and holds where the run is resumed.
    #[arg(long = "override", value_name = "REASON", value_parser = reason)]
    lifts: Option<String>,
}

impl LiftingFlags {
    /// Why it is lifted, if it is.
    pub(super) fn reason(&self) -> Option<&str> {
        self.lifts.as_deref()
    }
}

/// How to reach the cloud.
#[derive(Debug, Args)]
pub(super) struct CloudFlags {
    /// Where credentials come from: `env`, `file:PATH` or `token-file:PATH`.
    #[arg(long, value_name = "SOURCE")]
    pub(super) credentials: Option<CredentialsChoice>,
    /// CA certificates (PEM) to trust beside the system's.
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
}

/// Which earlier run is meant, and where its new report goes.
#[derive(Debug, Args)]
pub(super) struct EarlierFlags {
    /// The run; the only unfinished one if left out.
    #[arg(value_name = "RUN_ID")]
    pub(super) run: Option<RunId>,
    /// A further place for the JSON report; must be free.
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    #[command(flatten)]
    pub(super) cloud: CloudFlags,
}

#[derive(Debug, Args)]
pub(super) struct ResumeFlags {
    #[command(flatten)]
    pub(super) earlier: EarlierFlags,
    /// Send what is left even if the run has been silent for over 15 minutes.
    #[arg(long)]
    pub(super) send: bool,
}

#[derive(Debug, Args)]
pub(super) struct SettleFlags {
    #[command(flatten)]
    pub(super) earlier: EarlierFlags,
}

#[derive(Debug, Args)]
pub(super) struct RehearseFlags {
    /// The workflow.
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) variables: VariableFlags,
    #[command(flatten)]
    pub(super) faults: FaultFlags,
    /// A further place for the JSON report; must be free.
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Take the servers of the project from this saved listing, and do not invent them.
    #[arg(long, value_name = "LISTING")]
    pub(super) inventory: Option<PathBuf>,
    /// Let time pass as on the wall, not a minute a second.
    #[arg(long)]
    pub(super) real_time: bool,
    /// Begin at this moment, and keep to window, closures and policies as a real run would.
    ///
    /// With an offset, as in `2026-11-28T01:00:00+08:00`; without one it is what the clocks of the window's zone
    /// show. Where this is left out they are only told.
    #[arg(long, value_name = "TIME")]
    pub(super) at: Option<Instant>,
}

/// What goes wrong in the simulated cloud.
#[derive(Debug, Args)]
pub(super) struct FaultFlags {
    /// Name of a storm, or a JSON file that describes one.
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) faults: Option<String>,
    /// Decides whom faults fall on.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(super) seed: u64,
}

#[derive(Debug, Args)]
pub(super) struct SimulateFlags {
    /// Port on the loopback address; a free one if left out.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(super) port: u16,
    /// How many servers to invent.
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 10,
        conflicts_with = "ids"
    )]
    pub(super) servers: u32,
    /// File with the IDs of the servers, one a line; or a listing (`.json`) of whole servers.
    #[arg(long, value_name = "FILE")]
    pub(super) ids: Option<PathBuf>,
    #[command(flatten)]
    pub(super) faults: FaultFlags,
    /// How long a job takes.
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = duration::parse)]
    pub(super) job_duration: Duration,
    /// Let any number of requests pass, in place of the documented quotas.
    #[arg(long)]
    pub(super) no_quotas: bool,
}

#[derive(Debug, Args)]
pub(super) struct SchemaFlags {
    /// Which format.
    pub(super) name: SchemaName,
}

/// A file format that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaName {
    /// The workflow file.
    Workflow,
    /// What `plan --format json` writes.
    Plan,
    /// What no workflow may do.
    Policy,
    /// Files of closures that policies name.
    Freeze,
    /// What a run leaves behind.
    Report,
    /// What `status --format json` writes.
    Status,
    /// What `inventory` writes.
    Listing,
    /// What `plan --live --format json` writes.
    Live,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsFlags {
    /// The shell.
    pub(super) shell: Shell,
}

/// Reads the command line. Where that ends the process, what clap says is printed already.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, Exit> {
    Arguments::try_parse_from(arguments).map_err(|message| {
        // Help into a closed pipe is no failure, and there is nobody left to tell of another.
        let _ = message.print();
        if message.use_stderr() {
            Exit::Invalid
        } else {
            Exit::Success
        }
    })
}

/// Writes the completion script of a shell.
pub(super) fn write_completions(shell: Shell, out: &mut dyn io::Write) {
    clap_complete::generate(
        shell,
        &mut Arguments::command(),
        "lightsout",
        &mut &mut *out,
    );
}

fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("expected a reason, such as a change number".to_owned()),
        reason => Ok(reason.to_owned()),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("expected `name=value`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declarations_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_pair_is_split_at_the_first_equals_sign() {
        let expected = ("rack".to_owned(), "a=b".to_owned());
        assert_eq!(pair("rack=a=b"), Ok(expected));
        assert!(pair("rack").is_err());
        assert!(pair("=b7").is_err());
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused() {
        let refused = |line: &str| {
            let words = line.split(' ').map(OsString::from);
            Arguments::try_parse_from(words).is_err()
        };
        assert!(!refused("lightsout run a.yaml --dry-run -v"));
        assert!(!refused("lightsout run --plan a.plan.json --yes"));
        for line in [
            "lightsout run",
            "lightsout run a.yaml --plan a.plan.json",
            "lightsout run --plan a.plan.json --var rack=b7",
            "lightsout run a.yaml --credentials vault",
            "lightsout run a.yaml --override=",
            "lightsout run a.yaml --override",
            "lightsout plan a.yaml --requests --format json",
            "lightsout simulate --servers 3 --ids a.txt",
            "lightsout validate",
            "lightsout -q -v validate a.yaml",
        ] {
            assert!(refused(line), "{line}");
        }
    }
}
