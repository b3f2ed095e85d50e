//! What asks a run from outside to end: signals and the stop switch.
//!
//! Owns the one catcher of signals and the record that it keeps. The first signal lets a run end in order, the second
//! ends the process at once. Invariant: a recorded signal stays pending until one stage acts on it, so that none is
//! lost when a stage hands over to the next.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::printer::Printer;
use super::{internal, runtime};
use crate::bms::Unanswered;
use crate::clock::Clock;
use crate::error::Error;
use crate::event::StopCause;
use crate::run::Recorder;
use crate::state::Switch;

/// How often the stop switch is looked at.
const PERIOD: Duration = Duration::from_millis(300);

/// Listens to signals and to the stop switch of a state folder.
pub(super) struct Listener<'a> {
    raise: watch::Sender<Option<StopCause>>,
    switch: Option<PathBuf>,
    clock: Clock,
    signals: &'a Signals,
}

/// What the system delivers to the catcher.
struct Streams {
    terminate: Signal,
    /// None if it was ignored when the program started, as by a shell's `&`.
    interrupt: Option<Signal>,
    /// None if it was ignored when the program started, as by `nohup`.
    hangup: Option<Signal>,
    /// Held so that a write beyond the limit on file sizes is an error and not the end.
    _file_size: Signal,
}

impl Streams {
    /// Begins to catch them; needs the runtime around it. Signals that are ignored stay ignored, but SIGTERM.
    fn open() -> io::Result<Self> {
        let ignored = ignored();
        let unless_ignored = |kind: SignalKind| {
            let caught = (!ignored.contains(kind)).then(|| signal(kind));
            caught.transpose()
        };
        let file_size = rustix::process::Signal::XFSZ.as_raw();
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: unless_ignored(SignalKind::interrupt())?,
            hangup: unless_ignored(SignalKind::hangup())?,
            _file_size: signal(SignalKind::from_raw(file_size))?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            () = received(self.interrupt.as_mut()) => "SIGINT",
            () = received(Some(&mut self.terminate)) => "SIGTERM",
            () = received(self.hangup.as_mut()) => "SIGHUP",
        }
    }
}

/// Waits for a signal; for ever if it is ignored.
async fn received(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// A set of signals, as the system shows it: bit 0 is signal 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SignalSet(u64);

impl SignalSet {
    /// The signals that `/proc/self/status` calls ignored; none if it does not say.
    fn of_status(status: &str) -> Self {
        let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let bits = line.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
        Self(bits.unwrap_or_default())
    }

    fn contains(self, kind: SignalKind) -> bool {
        let number = kind.as_raw_value() - 1;
        u32::try_from(number).is_ok_and(|bit| self.0.checked_shr(bit).unwrap_or_default() & 1 == 1)
    }
}

/// The signals that this process ignores.
fn ignored() -> SignalSet {
    let status = std::fs::read_to_string("/proc/self/status");
    SignalSet::of_status(&status.unwrap_or_default())
}

/// The signals that this process received. All clones share one record.
#[derive(Debug, Clone, Default)]
pub(super) struct Signals(watch::Sender<Record>);

/// What was received, and what is done about it. Both change under one lock, so that no signal falls between two stages.
#[derive(Debug, Default)]
struct Record {
    catching: bool,
    duty: Duty,
    /// Signals that no stage has acted on yet.
    pending: u32,
    /// Signals that a stage took.
    taken: u32,
    /// The latest signal.
    name: &'static str,
}

/// What becomes of a signal when it is recorded.
#[derive(Debug, Default)]
enum Duty {
    /// It stays pending until a stage takes it.
    #[default]
    Keep,
    /// It exits the process with 24: files are read, or a person is asked.
    Exit(Printer),
}

impl Record {
    fn add(&mut self, name: &'static str) {
        self.pending = self.pending.saturating_add(1);
        self.name = name;
    }

    fn take(&mut self) -> Option<&'static str> {
        self.pending = self.pending.checked_sub(1)?;
        self.taken = self.taken.saturating_add(1);
        Some(self.name)
    }

    /// The error that the process must exit with now, if any.
    fn due(&self) -> Option<(Error, &Printer)> {
        match &self.duty {
            Duty::Exit(printer) if self.pending > 0 => {
                Some((Error::InterruptedEarly(self.name), printer))
            }
            Duty::Exit(_) | Duty::Keep => None,
        }
    }
}

impl Signals {
    /// Starts the catcher on its own thread, unless it is running. After this, no signal kills the process.
    pub(super) fn catch(&self) -> Result<(), Error> {
        if self.0.borrow().catching {
            return Ok(());
        }
        let (started, is_started) = mpsc::channel();
        let signals = self.clone();
        let thread = std::thread::Builder::new().name("signals".to_owned());
        let failed = |error| internal("catch signals", error);
        let spawned = thread.spawn(move || signals.record(started));
        let spawned = spawned.map_err(failed)?;
        if is_started.recv().is_err() {
            return Err(match spawned.join() {
                Ok(Ok(never)) => match never {},
                Ok(Err(error)) => error,
                Err(_) => failed(io::Error::other("its thread panicked")),
            });
        }
        self.0.send_modify(|record| record.catching = true);
        Ok(())
    }

    /// Records every signal, to the end of the process.
    fn record(&self, started: mpsc::Sender<()>) -> Result<Infallible, Error> {
        runtime()?.block_on(async {
            let streams = Streams::open();
            let mut streams = streams.map_err(|error| internal("catch signals", error))?;
            // It is not awaited if the process is ending.
            let _ = started.send(());
            loop {
                let name = streams.next().await;
                self.change(|record| record.add(name));
            }
        })
    }

    /// From now on a signal exits the process with 24, and so does one that is pending.
    pub(super) fn exit_early(&self, printer: &Printer) {
        self.assign(Duty::Exit(printer.clone()));
    }

    /// From now on signals stay pending until [`Self::next`] takes them.
    pub(super) fn keep(&self) {
        self.assign(Duty::Keep);
    }

    /// Does something that nothing but the end of the process can interrupt: a signal exits with 24.
    pub(super) fn exiting<T>(&self, printer: &Printer, work: impl FnOnce() -> T) -> T {
        let before = self.assign(Duty::Exit(printer.clone()));
        let done = work();
        self.assign(before);
        done
    }

    /// Returns the duty before.
    fn assign(&self, mut duty: Duty) -> Duty {
        self.change(|record| std::mem::swap(&mut record.duty, &mut duty));
        duty
    }

    /// Changes the record and exits if that is due. The lock is held until the exit, so that nothing begins meanwhile.
    fn change(&self, change: impl FnOnce(&mut Record)) {
        self.0.send_modify(|record| {
            change(record);
            if let Some((error, printer)) = record.due() {
                printer.problem(error.explain());
                std::process::exit(error.exit().code().into());
            }
        });
    }

    /// The latest signal, if more than so many were taken.
    pub(super) fn taken_beyond(&self, count: u32) -> Option<&'static str> {
        let record = self.0.borrow();
        (record.taken > count).then_some(record.name)
    }

    /// How many signals were taken.
    pub(super) fn taken(&self) -> u32 {
        self.0.borrow().taken
    }

    /// Takes the next signal: one that is pending, or the first to come.
    pub(super) async fn next(&self) -> &'static str {
        let mut changes = self.0.subscribe();
        loop {
            let mut taken = None;
            self.0.send_if_modified(|record| {
                taken = record.take();
                false
            });
            if let Some(name) = taken {
                return name;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Reads the cloud, unless a signal comes first.
pub(super) fn read_heeding<T>(
    signals: &Signals,
    reading: impl Future<Output = Result<T, Unanswered>>,
) -> Result<T, Error> {
    let runtime = runtime()?;
    signals.catch()?;
    let before = signals.assign(Duty::Keep);
    let read = runtime.block_on(async {
        tokio::select! {
            biased;
            _ = signals.next() => Err(Error::InterruptedReading),
            read = reading => read.map_err(Error::Listing),
        }
    });
    signals.assign(before);
    read
}

/// Waits until the stop switch of a state folder is set.
pub(super) async fn switched(state: &Path, clock: Clock) -> Switch {
    loop {
        if let Some(switch) = Switch::in_force(state, clock.now()) {
            return switch;
        }
        tokio::time::sleep(PERIOD).await;
    }
}

impl<'a> Listener<'a> {
    /// Begins to listen; `switch` is the state folder whose stop switch is obeyed.
    pub(super) fn new(
        signals: &'a Signals,
        raise: watch::Sender<Option<StopCause>>,
        switch: Option<&Path>,
        clock: Clock,
    ) -> Self {
        Self {
            raise,
            switch: switch.map(Path::to_owned),
            clock,
            signals,
        }
    }

    /// Passes on what is heard, until it is dropped.
    pub(super) async fn listen(self, recorder: &Recorder) -> Infallible {
        loop {
            tokio::select! {
                name = self.signals.next() => self.signalled(name, recorder),
                () = tokio::time::sleep(PERIOD) => self.look_at_switch(),
            }
        }
    }

    fn signalled(&self, name: &str, recorder: &Recorder) {
        if self.raise.borrow().is_some() {
            tracing::warn!("{name} again: leaving at once; the journal says what was sent");
            let exit = recorder.read(crate::ledger::Ledger::exit_if_left);
            std::process::exit(exit.code().into());
        }
        tracing::warn!("{name}: nothing more is sent; once more to leave at once");
        self.raise.send_replace(Some(StopCause::Interrupted));
    }

    fn look_at_switch(&self) {
        let raised = self.raise.borrow().is_some();
        let Some(state) = self.switch.as_ref().filter(|_| !raised) else {
            return;
        };
        if let Some(switch) = Switch::in_force(state, self.clock.now()) {
            let reason = crate::untrusted::for_terminal(&switch.reason).into_owned();
            tracing::warn!("the stop switch is set: {reason}");
            self.raise.send_replace(Some(StopCause::Halted));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printer() -> Printer {
        Printer::new(super::super::settings::Voice {
            quiet: true,
            level: tracing::level_filters::LevelFilter::OFF,
            format: super::super::args::LogFormat::Text,
            colour_err: false,
            bars: false,
        })
    }

    /// Signals without a catcher, so that the process of the tests can be interrupted.
    fn uncaught() -> Signals {
        let signals = Signals::default();
        signals.change(|record| record.catching = true);
        signals
    }

    /// The signals that the next stage would hear.
    fn heard(signals: &Signals) -> Vec<&'static str> {
        let runtime = runtime().unwrap();
        let take = || {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    name = signals.next() => Some(name),
                    () = std::future::ready(()) => None,
                }
            })
        };
        std::iter::from_fn(take).collect()
    }

    #[test]
    fn a_signal_before_a_change_of_duty_is_acted_on_after_it() {
        // Recorded before the run listens: the run hears it, once.
        let signals = uncaught();
        signals.change(|record| record.add("SIGTERM"));
        signals.keep();
        assert_eq!(heard(&signals), ["SIGTERM"]);
        assert!(heard(&signals.clone()).is_empty());
        // Recorded while a reading ends: the exit is due as soon as the process exits on signals.
        let mut record = Record::default();
        record.add("SIGINT");
        assert!(record.due().is_none());
        record.duty = Duty::Exit(printer());
        let due = record.due().map(|(error, _)| error.message());
        assert!(due.unwrap().contains("SIGINT"));
    }

    #[test]
    fn a_reading_hears_a_pending_signal_and_leaves_the_next_one_to_others() {
        let signals = uncaught();
        signals.change(|record| record.add("SIGTERM"));
        let read = read_heeding(&signals, std::future::ready(Ok(())));
        assert!(matches!(read, Err(Error::InterruptedReading)));
        let read = read_heeding(&signals, async {
            signals.change(|record| record.add("SIGINT"));
            Ok(())
        });
        assert!(read.is_ok());
        assert_eq!(heard(&signals), ["SIGINT"]);
    }

    #[test]
    fn ignored_signals_are_read_from_what_the_system_shows() {
        let status = "Name:\tlightsout\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001003\n";
        let ignored = SignalSet::of_status(status);
        assert!(ignored.contains(SignalKind::hangup()));
        assert!(ignored.contains(SignalKind::interrupt()));
        assert!(!ignored.contains(SignalKind::terminate()));
        for odd in ["", "SigIgn:\n", "SigIgn:\tx\n"] {
            assert_eq!(SignalSet::of_status(odd), SignalSet(0), "{odd}");
        }
    }
}
