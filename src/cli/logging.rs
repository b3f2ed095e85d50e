//! Log lines on stderr, for people or as JSON.
//!
//! Owns setting up `tracing-subscriber`; what the lines say is the speaker's business. Fields whose
//! names begin with `event.` are for machines: the lines for people leave them out. Invariant: every
//! line carries the run's own time, which in a rehearsal is not the wall's.

use std::fmt;
use std::io;

use tracing::Subscriber;
use tracing::field::Field;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{self, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{self as lines, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;

use super::args::LogFormat;
use super::printer::Printer;
use crate::clock::Clock;

/// Begins to write log lines. Where something else does already, it goes on.
pub(super) fn start(printer: &Printer, clock: Clock) {
    let voice = printer.voice();
    let filter = Targets::new()
        .with_default(LevelFilter::WARN.min(voice.level))
        .with_target("lightsout", voice.level)
        // Says at every start that a host without CA certificates has none; the error says it better.
        .with_target("rustls_platform_verifier", LevelFilter::ERROR);
    let writer = Lines(printer.clone());
    let dispatch: Box<dyn Subscriber + Send + Sync> = match voice.format {
        LogFormat::Json => {
            let lines = lines::layer().json().flatten_event(true);
            let lines = lines.with_timer(Time(clock)).with_writer(writer);
            Box::new(tracing_subscriber::registry().with(filter).with(lines))
        }
        LogFormat::Text => {
            let lines = lines::layer().fmt_fields(format::debug_fn(field));
            let lines = lines.with_ansi(voice.colour_err).with_target(false);
            let lines = lines.with_timer(Time(clock)).with_writer(writer);
            Box::new(tracing_subscriber::registry().with(filter).with(lines))
        }
    };
    // Fails only where a subscriber is set already, as in a test that runs two verbs.
    let _ = tracing::subscriber::set_global_default(dispatch);
}

/// Writes one field of a line for people.
fn field(out: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    match field.name() {
        "message" => write!(out, "{value:?}"),
        name if name.starts_with("event.") => Ok(()),
        name => write!(out, " {name}={value:?}"),
    }
}

/// The clock's time to the second.
struct Time(Clock);

impl FormatTime for Time {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        let now = self.0.now();
        write!(out, "{}", now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

/// Hands lines to the printer, so that they appear above the bars.
struct Lines(Printer);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

struct Line<'a>(&'a Printer);

impl io::Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_err(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
