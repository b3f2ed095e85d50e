//! The command line: arguments and surroundings in, exit code out.
//!
//! Owns the dispatch to one file a verb; each verb orders the stages and says what came of it.
//! Invariant: data is all that ever reaches stdout, and every error is told with what to do about it.

mod again;
mod annotations;
mod args;
mod attributes;
mod binding;
mod calendar;
mod chosen;
mod cloud;
mod confirm;
mod doctor;
mod dry_run;
mod execution;
mod faults;
mod fresh;
mod halt;
mod help;
mod inventory;
mod live;
mod logging;
mod narrate;
mod narrowing;
mod plan;
mod policies;
mod printer;
mod progress;
mod quarantine;
mod rehearse;
mod render;
mod report;
mod resume;
mod review;
mod run;
mod selecting;
mod server_list;
mod settings;
mod signals;
mod simulate;
mod simulated;
mod sources;
mod status;
mod take_up;
mod timing;
mod undo;
mod validate;
mod waiting;
mod window;

use std::cell::OnceCell;
use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixStream;

use crate::clock::Clock;
use crate::diagnostic::to_text;
use crate::error::Error;
use crate::exit::Exit;
use crate::plan::Breach;
use crate::untrusted::{PlainJson, for_terminal};

use args::{GeneralFlags, RunsCommand, RunsFlags, SchemaName, Verb};
use printer::Printer;
use signals::Signals;

pub use settings::Surroundings;

/// What every verb is handed.
struct Invocation<'a> {
    printer: Printer,
    general: GeneralFlags,
    around: &'a Surroundings,
    /// The clock of everything that this invocation asks of a cloud.
    clock: OnceCell<Clock>,
    /// The signals that it received.
    signals: Signals,
    /// The workflow file with its variables, as words for a shell, if the command has one.
    typed: Option<String>,
}

/// Does what the arguments ask for, and says how the process ends.
pub fn main(arguments: impl IntoIterator<Item = OsString>, around: &Surroundings) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let signals = Signals::default();
    if names_a_run(&arguments) {
        // If this fails, the run itself fails to catch signals and reports it.
        let _ = signals.catch();
    }
    let arguments = match args::parse(arguments) {
        Ok(arguments) => arguments,
        Err(exit) => return exit,
    };
    let printer = Printer::new(settings::voice(&arguments.general, around));
    signals.exit_early(&printer);
    if catches_signals(&arguments.verb) {
        let _ = signals.catch();
    }
    let invocation = Invocation {
        signals,
        printer,
        general: arguments.general,
        around,
        clock: OnceCell::new(),
        typed: again::typed(&arguments.verb),
    };
    dispatch(&invocation, arguments.verb).unwrap_or_else(|error| {
        tell(&invocation, &error);
        error.exit()
    })
}

/// Whether a command that catches signals may be meant. Parsing takes milliseconds in which a signal can come already.
fn names_a_run(arguments: &[OsString]) -> bool {
    let names = ["run", "resume", "settle", "undo"];
    let mut arguments = arguments.iter().skip(1);
    arguments.any(|argument| names.iter().any(|name| argument == name))
}

/// Whether signals are caught from the start on: by commands that send requests or resume what was sent.
fn catches_signals(verb: &Verb) -> bool {
    match verb {
        Verb::Run(_) | Verb::Resume(_) | Verb::Settle(_) | Verb::Undo(_) => true,
        Verb::Validate(_)
        | Verb::Render(_)
        | Verb::Plan(_)
        | Verb::Inventory(_)
        | Verb::Status(_)
        | Verb::Report(_)
        | Verb::Doctor(_)
        | Verb::Halt(_)
        | Verb::Runs(_)
        | Verb::Window(_)
        | Verb::Rehearse(_)
        | Verb::Simulate(_)
        | Verb::Schema(_)
        | Verb::Completions(_) => false,
    }
}

fn dispatch(invocation: &Invocation<'_>, verb: Verb) -> Result<Exit, Error> {
    match verb {
        Verb::Validate(flags) => validate::validate(invocation, &flags),
        Verb::Render(flags) => render::render(invocation, &flags),
        Verb::Plan(flags) => plan::plan(invocation, &flags),
        Verb::Inventory(flags) => inventory::inventory(invocation, &flags),
        Verb::Run(flags) => run::run(invocation, &flags),
        Verb::Resume(flags) => resume::resume(invocation, &flags),
        Verb::Settle(flags) => resume::settle(invocation, &flags),
        Verb::Status(flags) => status::status(invocation, &flags),
        Verb::Report(flags) => report::report(invocation, &flags),
        Verb::Doctor(flags) => doctor::doctor(invocation, &flags),
        Verb::Undo(flags) => undo::undo(invocation, &flags),
        Verb::Halt(flags) => halt::halt(invocation, &flags),
        Verb::Runs(RunsFlags { command }) => match command {
            RunsCommand::Quarantine(flags) => quarantine::quarantine(invocation, &flags),
        },
        Verb::Window(flags) => window::window(invocation, &flags),
        Verb::Rehearse(flags) => rehearse::rehearse(invocation, &flags),
        Verb::Simulate(flags) => simulate::simulate(invocation, &flags),
        Verb::Schema(flags) => print(&invocation.printer, schema(flags.name).as_bytes()),
        Verb::Completions(flags) => {
            let mut script = Vec::new();
            args::write_completions(flags.shell, &mut script);
            print(&invocation.printer, &script)
        }
    }
}

fn schema(name: SchemaName) -> &'static str {
    match name {
        SchemaName::Workflow => crate::workflow::SCHEMA,
        SchemaName::Plan => crate::plan::SCHEMA,
        SchemaName::Policy => crate::policy::SCHEMA,
        SchemaName::Freeze => crate::freeze::SCHEMA,
        SchemaName::Report => crate::report::SCHEMA,
        SchemaName::Status => crate::status::SCHEMA,
        SchemaName::Live => crate::outlook::SCHEMA,
        SchemaName::Listing => crate::inventory::LISTING_SCHEMA,
    }
}

fn print(printer: &Printer, bytes: &[u8]) -> Result<Exit, Error> {
    let printed = printer.data(|out| out.write_all(bytes));
    printed.map_err(Error::Stdout)?;
    Ok(Exit::Success)
}

/// Prints a JSON document in which nothing is hidden.
fn print_json(printer: &Printer, document: &serde_json::Value) -> Result<Exit, Error> {
    let mut text = Vec::new();
    let written = serde_json::to_writer_pretty(PlainJson(&mut text), document);
    written.map_err(|error| internal("write JSON", error))?;
    text.push(b'\n');
    print(printer, &text)
}

/// A runtime on this thread; verbs that wait for something start one.
fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    // Tokio panics where it gets no file descriptors for its signals; so it is found out before.
    let spare: io::Result<Vec<_>> = (0..4).map(|_| UnixStream::pair()).collect();
    drop(spare.map_err(|error| internal("start the runtime", error))?);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build();
    runtime.map_err(|error| internal("start the runtime", error))
}

fn internal(what: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Internal(what, Box::new(error))
}

fn tell(invocation: &Invocation<'_>, error: &Error) {
    let printer = &invocation.printer;
    if let Error::Findings(_, findings) = error {
        let text = to_text(findings, printer.voice().colour_err);
        printer.problem(text.trim_end_matches('\n'));
    }
    if let Error::Forbidden(breaches) = error {
        let lines: Vec<String> = breaches.iter().flat_map(Breach::lines).collect();
        // One alone is the error itself.
        for line in lines.iter().filter(|_| lines.len() > 1) {
            printer.problem(for_terminal(line).as_ref());
        }
    }
    printer.problem(again::filled(invocation, &error.explain()));
}
