//! The flags of `window`, and moments as they are typed.
//!
//! Owns their help. Invariant: a time without an offset is never taken for UTC.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::DateTime;

use super::VariableFlags;

#[derive(Debug, Args)]
pub(in crate::cli) struct WindowFlags {
    /// The workflow.
    pub(in crate::cli) file: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) variables: VariableFlags,
    /// The moment that is asked about, in place of now.
    ///
    /// With an offset, as in `2026-11-28T01:00:00+08:00` or `2026-11-27T17:00:00Z`; without one it is what the
    /// clocks of the window's zone show.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) at: Option<Instant>,
}

/// A moment as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Instant {
    /// With its offset from UTC.
    Exact(Timestamp),
    /// What some clock shows.
    Local(DateTime),
}

impl FromStr for Instant {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let exact = text.parse().map(Self::Exact);
        let moment = exact.or_else(|_| text.parse().map(Self::Local));
        moment.map_err(|_| "not a time such as `2026-11-28T01:00` or `2026-11-28T01:00:00+08:00`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_an_offset_or_is_local() {
        let exact = |text: &str| Ok(Instant::Exact(text.parse().unwrap()));
        let local = |text: &str| Ok(Instant::Local(text.parse().unwrap()));
        for (text, read) in [
            ("2026-11-28T01:00:00+08:00", exact("2026-11-27T17:00:00Z")),
            ("2026-11-28T01:00+08:00", exact("2026-11-27T17:00:00Z")),
            ("2026-11-27T17:00:00Z", exact("2026-11-27T17:00:00Z")),
            ("2026-11-28T01:00", local("2026-11-28T01:00:00")),
            ("2026-11-28 01:00:30", local("2026-11-28T01:00:30")),
            ("2026-11-28", local("2026-11-28T00:00:00")),
        ] {
            assert_eq!(text.parse::<Instant>(), read, "{text}");
        }
        for wrong in [
            "",
            "now",
            "01:00",
            "2026-02-30T01:00",
            "2026-11-28T25:00",
            "1764262800",
        ] {
            assert!(wrong.parse::<Instant>().is_err(), "{wrong}");
        }
    }
}
