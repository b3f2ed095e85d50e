//! The only writer of stdout and stderr.
//!
//! Data goes to stdout, everything else to stderr, above the progress bars where there are any; with
//! `--log-format json` every line on stderr is a JSON object. Invariant: a reader that went away is no
//! failure, and no escape code goes where colour is unwanted.

use std::fmt::Display;
use std::io::{self, BufRead, Write};

use anstream::{AutoStream, ColorChoice};
use indicatif::{MultiProgress, ProgressDrawTarget};

use super::args::LogFormat;
use super::settings::Voice;

/// How much data is handed to the system at once.
const PIECE: usize = 64 * 1024;

/// Writes what an invocation has to say.
#[derive(Debug, Clone)]
pub(super) struct Printer {
    voice: Voice,
    bars: MultiProgress,
}

impl Printer {
    pub(super) fn new(voice: Voice) -> Self {
        let target = if voice.bars {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            voice,
            bars: MultiProgress::with_draw_target(target),
        }
    }

    /// How this invocation speaks.
    pub(super) fn voice(&self) -> Voice {
        self.voice
    }

    /// Where bars are drawn.
    pub(super) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Writes data to stdout, as it is: whatever makes data escapes what came from outside.
    pub(super) fn data(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut out = io::BufWriter::with_capacity(PIECE, io::stdout().lock());
        forgive_closed(write(&mut out).and_then(|()| out.flush()))
    }

    /// Tells a person something that is not wrong.
    pub(super) fn note(&self, text: impl Display) {
        if !self.voice.quiet {
            self.say("INFO", &text);
        }
    }

    /// Tells a person something that is wrong.
    pub(super) fn problem(&self, text: impl Display) {
        self.say("ERROR", &text);
    }

    /// Asks a person; returns the line that was typed.
    pub(super) fn ask(&self, question: impl Display) -> io::Result<String> {
        let mut err = io::stderr().lock();
        write!(err, "{question} ")?;
        err.flush()?;
        // A signal at the question is reported on stderr.
        drop(err);
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    /// Writes bytes to stderr, above the bars.
    pub(super) fn write_err(&self, bytes: &[u8]) -> io::Result<()> {
        let write = || {
            let mut err = stream(io::stderr().lock(), self.voice.colour_err);
            forgive_closed(err.write_all(bytes).and_then(|()| err.flush()))
        };
        self.bars.suspend(write)
    }

    fn say(&self, level: &str, text: &dyn Display) {
        let line = match self.voice.format {
            LogFormat::Text => format!("{text}\n"),
            LogFormat::Json => {
                let message = text.to_string();
                format!(
                    "{}\n",
                    serde_json::json!({ "level": level, "message": message })
                )
            }
        };
        // With stderr gone there is nobody left to tell, and the exit code still speaks.
        let _ = self.write_err(line.as_bytes());
    }
}

fn stream<S: anstream::stream::RawStream>(raw: S, colour: bool) -> AutoStream<S> {
    let choice = if colour {
        ColorChoice::AlwaysAnsi
    } else {
        ColorChoice::Never
    };
    AutoStream::new(raw, choice)
}

fn forgive_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
