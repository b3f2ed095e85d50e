//! Flags and environment → how this invocation speaks, where it keeps things, and by which clock.
//!
//! Pure: what surrounds the process is handed in. `LIGHTSOUT_CLOCK=compressed:60` lets the tests of the
//! real program pass an hour in a minute, and `real@2026-11-28T01:00:00Z` begin on another day; it is no
//! feature, and is refused unless the calls go to this machine. Invariant: a real cloud is always met on
//! the wall's clock.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use jiff::Timestamp;
use tracing::level_filters::LevelFilter;

use super::args::{Color, GeneralFlags, LogFormat};
use crate::clock::{Clock, Course};
use crate::error::Error;
use crate::ids::Endpoint;
use crate::journal::CrashPoint;
use crate::state::{self, Access, SystemFolder, Wishes};

/// What surrounds the process; collected in `main`.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The environment, as far as it is UTF-8.
    pub variables: BTreeMap<String, String>,
    /// The policy that the environment names, in whatever encoding.
    pub policy: Option<OsString>,
    /// `LIGHTSOUT_STATE_DIR`, in whatever encoding.
    pub state_dir: Option<OsString>,
    /// `XDG_STATE_HOME`, in whatever encoding.
    pub xdg_state_home: Option<OsString>,
    /// `HOME`, in whatever encoding.
    pub home: Option<OsString>,
    /// Whether a person can type.
    pub stdin_is_terminal: bool,
    /// Whether messages go to a person.
    pub stderr_is_terminal: bool,
}

impl Surroundings {
    fn set(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(name)?;
        (!value.is_empty()).then_some(value.as_str())
    }
}

/// How an invocation speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Voice {
    /// Nothing on stderr unless something is wrong.
    pub(super) quiet: bool,
    /// Which log lines are written.
    pub(super) level: LevelFilter,
    /// How they are written.
    pub(super) format: LogFormat,
    /// Whether stderr is coloured.
    pub(super) colour_err: bool,
    /// Whether a run shows bars.
    pub(super) bars: bool,
}

/// The voice that flags and surroundings ask for.
pub(super) fn voice(flags: &GeneralFlags, around: &Surroundings) -> Voice {
    let forbidden = around.set("NO_COLOR").is_some() || around.set("TERM") == Some("dumb");
    let colour = |is_terminal: bool| match flags.color {
        Color::Auto => is_terminal && !forbidden,
        Color::Always => true,
        Color::Never => false,
    };
    let bars = around.stderr_is_terminal
        && around.set("TERM") != Some("dumb")
        && !flags.quiet
        && flags.log_format == LogFormat::Text;
    let level = match (flags.quiet, flags.verbose) {
        (true, _) => LevelFilter::WARN,
        // The bars tell what the lines would.
        (false, 0) if bars => LevelFilter::WARN,
        (false, 0) => LevelFilter::INFO,
        (false, 1) if bars => LevelFilter::INFO,
        (false, 1) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    Voice {
        quiet: flags.quiet,
        level,
        format: flags.log_format,
        colour_err: colour(around.stderr_is_terminal),
        bars,
    }
}

/// The state folder that flags and surroundings ask for, to be written.
pub(super) fn state_folder(flags: &GeneralFlags, around: &Surroundings) -> Result<PathBuf, Error> {
    located(flags, around, Access::Write)
}

/// The state folder that flags and surroundings ask for, to be read only.
pub(super) fn state_folder_to_read(
    flags: &GeneralFlags,
    around: &Surroundings,
) -> Result<PathBuf, Error> {
    located(flags, around, Access::Read)
}

fn located(flags: &GeneralFlags, around: &Surroundings, access: Access) -> Result<PathBuf, Error> {
    let wishes = Wishes {
        flag: flags.state_dir.as_deref(),
        variable: around.state_dir.as_deref(),
        xdg_state_home: around.xdg_state_home.as_deref(),
        home: around.home.as_deref(),
    };
    Ok(state::locate(wishes, access, SystemFolder::look)?)
}

/// The folder that GitHub Actions has checked a repository out to.
pub(super) fn github_workspace(around: &Surroundings) -> Option<PathBuf> {
    let workspace = around.set("GITHUB_WORKSPACE").map(PathBuf::from);
    workspace.filter(|path| path.is_absolute())
}

/// By which clock a run against `endpoint` goes.
pub(super) fn course(around: &Surroundings, endpoint: &Endpoint) -> Result<Course, Error> {
    match local_course(around)? {
        Some(_) if !endpoint.is_loopback() => Err(Error::ClockAbroad(endpoint.host().to_owned())),
        course => Ok(course.unwrap_or_default()),
    }
}

/// Where a test wants the process to die; only against this machine itself.
pub(super) fn crash(
    around: &Surroundings,
    endpoint: &Endpoint,
) -> Result<Option<CrashPoint>, Error> {
    let Some(text) = around.set("LIGHTSOUT_CRASH") else {
        return Ok(None);
    };
    if !endpoint.is_loopback() {
        return Err(Error::Crash("the calls would go to another host"));
    }
    text.parse().map(Some).map_err(Error::Crash)
}

/// The date and time of this machine, or of a test.
pub(super) fn date(around: &Surroundings) -> Result<Timestamp, Error> {
    let course = local_course(around)?;
    Ok(course.map_or_else(Clock::real, Clock::new).now())
}

/// By which clock this machine itself is simulated; `None` where nothing is said.
pub(super) fn local_course(around: &Surroundings) -> Result<Option<Course>, Error> {
    let course = around.set("LIGHTSOUT_CLOCK").map(str::parse);
    course.transpose().map_err(Error::Clock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{self, Arguments};
    use rstest::rstest;

    fn flags(line: &str) -> GeneralFlags {
        let words = format!("lightsout schema plan {line}");
        let words = words.split_whitespace().map(Into::into);
        let Arguments { general, .. } = args::parse(words).unwrap();
        general
    }

    fn around(variables: &[(&str, &str)], terminal: bool) -> Surroundings {
        let variables = variables.iter();
        Surroundings {
            variables: variables
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            policy: None,
            state_dir: None,
            xdg_state_home: None,
            home: Some("/root".into()),
            stdin_is_terminal: terminal,
            stderr_is_terminal: terminal,
        }
    }

    #[rstest]
    #[case("", &[], true, true)]
    #[case("", &[], false, false)]
    #[case("", &[("NO_COLOR", "1")], true, false)]
    #[case("", &[("NO_COLOR", "")], true, true)]
    #[case("", &[("TERM", "dumb")], true, false)]
    #[case("--color always", &[("NO_COLOR", "1")], false, true)]
    #[case("--color never", &[], true, false)]
    fn colour_is_used_where_it_is_wanted(
        #[case] line: &str,
        #[case] variables: &[(&str, &str)],
        #[case] terminal: bool,
        #[case] expected: bool,
    ) {
        let voice = voice(&flags(line), &around(variables, terminal));
        assert_eq!(voice.colour_err, expected);
    }

    #[rstest]
    #[case("", true, true, LevelFilter::WARN)]
    #[case("-v", true, true, LevelFilter::INFO)]
    #[case("", false, false, LevelFilter::INFO)]
    #[case("-v", false, false, LevelFilter::DEBUG)]
    #[case("-vv", false, false, LevelFilter::TRACE)]
    #[case("-q", true, false, LevelFilter::WARN)]
    #[case("--log-format json", true, false, LevelFilter::INFO)]
    fn bars_and_lines_share_the_telling(
        #[case] line: &str,
        #[case] terminal: bool,
        #[case] bars: bool,
        #[case] level: LevelFilter,
    ) {
        let voice = voice(&flags(line), &around(&[], terminal));
        assert_eq!((voice.bars, voice.level), (bars, level));
    }

    #[rstest]
    #[case("compressed:60", "http://127.0.0.1:9", Ok("compressed:60"))]
    #[case("", "https://bms.example.com", Ok("real"))]
    #[case(
        "real@2026-11-28T01:00:00Z,jump:+2h@1m",
        "http://127.0.0.1:9",
        Ok("real@2026-11-28T01:00:00Z,jump:+2h@1m")
    )]
    #[case("compressed:0", "http://127.0.0.1:9", Err("not of the form"))]
    #[case("fast", "http://127.0.0.1:9", Err("not of the form"))]
    #[case(
        "compressed:60",
        "https://bms.example.com",
        Err("would go to `bms.example.com`")
    )]
    #[case(
        "real",
        "https://bms.example.com",
        Err("would go to `bms.example.com`")
    )]
    fn only_this_machine_is_met_by_another_clock(
        #[case] text: &str,
        #[case] endpoint: &str,
        #[case] expected: Result<&str, &str>,
    ) {
        let around = around(&[("LIGHTSOUT_CLOCK", text)], false);
        match (course(&around, &endpoint.parse().unwrap()), expected) {
            (Ok(course), Ok(expected)) => assert_eq!(course.to_string(), expected),
            (Err(error), Err(part)) => {
                assert!(error.explain().contains(part), "{}", error.explain())
            }
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn the_flag_names_the_state_folder() {
        let flags = flags("--state-dir /srv/state");
        let found = state_folder(&flags, &around(&[], false)).unwrap();
        assert_eq!(found, PathBuf::from("/srv/state"));
    }
}
