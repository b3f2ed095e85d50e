//! The program: arguments and environment in, exit code out.
//!
//! Owns collecting what surrounds the process; everything else is the library's. Invariant: this is
//! the only place where the environment is read.

use std::io::{self, IsTerminal};
use std::panic;
use std::process::ExitCode;

use lightsout::cli::{self, Surroundings};
use lightsout::exit::Exit;

fn main() -> ExitCode {
    let surroundings = surroundings();
    let ended = panic::catch_unwind(|| cli::main(std::env::args_os(), &surroundings));
    ended.unwrap_or(Exit::Internal).into()
}

fn surroundings() -> Surroundings {
    let variables = std::env::vars_os();
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    // A path that is no text must not look like none.
    let path = |wanted: &str| {
        let mut variables = std::env::vars_os();
        variables
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value)
    };
    Surroundings {
        variables: variables.filter_map(text).collect(),
        policy: path("LIGHTSOUT_POLICY"),
        state_dir: path("LIGHTSOUT_STATE_DIR"),
        xdg_state_home: path("XDG_STATE_HOME"),
        home: path("HOME"),
        stdin_is_terminal: io::stdin().is_terminal(),
        stderr_is_terminal: io::stderr().is_terminal(),
    }
}
