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
    let mut variables = std::env::vars_os();
    let policy = variables.find(|(name, _)| name == "LIGHTSOUT_POLICY");
    let variables = std::env::vars_os();
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    Surroundings {
        variables: variables.filter_map(text).collect(),
        // A name that is no text must not look like none.
        policy: policy.map(|(_, path)| path),
        stdin_is_terminal: io::stdin().is_terminal(),
        stderr_is_terminal: io::stderr().is_terminal(),
    }
}
