//! The flags of the verbs that look at earlier runs, and of the stop switch.
//!
//! Owns these flags and their values. Invariant: a stop switch that would lift itself at once, or that
//! says nothing to whoever meets it, is refused here.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{CloudFlags, VariableFlags};
use crate::cli::chosen::{Choice, Subject};
use crate::duration;

#[derive(Debug, Args)]
pub(in crate::cli) struct StatusFlags {
    /// The run: its ID, or `latest`.
    #[arg(value_name = "RUN_ID|latest", default_value = "latest", value_parser = Choice::parse)]
    pub(in crate::cli) run: Choice,
    /// `json` is of format lightsout/status/v1, which `lightsout schema status` describes.
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) format: AccountFormat,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReportFlags {
    /// The report: a file, the ID of a run, or `latest`.
    #[arg(value_name = "FILE|RUN_ID|latest", value_parser = subject)]
    pub(in crate::cli) subject: Subject,
    /// `json` of a run is byte for byte the report that it wrote.
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) format: AccountFormat,
}

/// How the account of a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(in crate::cli) enum AccountFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DoctorFlags {
    /// The workflow.
    pub(in crate::cli) file: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) variables: VariableFlags,
    #[command(flatten)]
    pub(in crate::cli) cloud: CloudFlags,
    /// How the checkup is shown.
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) format: AccountFormat,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct HaltFlags {
    /// Why, for whoever meets the stop switch.
    #[arg(
        long,
        value_name = "TEXT",
        required_unless_present = "clear",
        value_parser = some_text
    )]
    pub(in crate::cli) reason: Option<String>,
    /// After how long the switch lifts itself, such as `4h`; never if left out.
    #[arg(long = "for", value_name = "DURATION", requires = "reason", value_parser = some_time)]
    pub(in crate::cli) time: Option<Duration>,
    /// Lift the switch.
    #[arg(long, conflicts_with_all = ["reason", "time"])]
    pub(in crate::cli) clear: bool,
}

fn subject(text: &str) -> Result<Subject, Infallible> {
    let file = || Subject::File(PathBuf::from(text));
    Ok(Choice::parse(text).map_or_else(|_| file(), Subject::Run))
}

fn some_text(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("say why");
    }
    Ok(text.to_owned())
}

fn some_time(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(Duration::ZERO) => Err("it would lift itself at once".to_owned()),
        parsed => parsed.map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args;
    use crate::ids::RunId;

    #[test]
    fn a_report_is_named_by_its_run_or_by_a_file() {
        let run: RunId = "20261128T170000Z-3f9a1c".parse().unwrap();
        for (text, expected) in [
            ("latest", Subject::Run(Choice::Latest)),
            (run.as_str(), Subject::Run(Choice::Run(run.clone()))),
            ("./latest", Subject::File("./latest".into())),
            ("report.json", Subject::File("report.json".into())),
        ] {
            assert_eq!(subject(text), Ok(expected));
        }
    }

    #[test]
    fn flags_without_sense_are_refused() {
        let accepted = |line: &str| args::parse(line.split(' ').map(Into::into)).is_ok();
        assert!(accepted("lightsout status"));
        assert!(accepted("lightsout halt --reason cooling --for 4h"));
        for line in [
            "lightsout report",
            "lightsout status weekly",
            "lightsout halt",
            "lightsout halt --for 4h",
            "lightsout halt --reason cooling --clear",
            "lightsout halt --clear --for 4h",
            "lightsout halt --reason cooling --for 0s",
            "lightsout halt --reason=",
        ] {
            assert!(!accepted(line), "{line}");
        }
    }
}
