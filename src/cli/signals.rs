//! What tells a run from outside that it is to end: signals and the stop switch.
//!
//! Owns listening. The first signal lets the run end in order, the second ends the process at once.
//! Invariant: a run hears of either within a second.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    signals: &'a mut Signals,
}

/// The signals that a run must not die of. What is caught while nobody listens is heard later.
pub(super) struct Signals {
    terminate: Signal,
    /// None if it was ignored when the program started, as by a shell's `&`.
    interrupt: Option<Signal>,
    /// None if it was ignored when the program started, as by `nohup`.
    hangup: Option<Signal>,
    /// Held so that a write beyond the limit on file sizes is an error and not the end.
    _file_size: Signal,
}

impl Signals {
    /// Begins to catch them; needs the runtime around it. Signals that are ignored stay ignored, but SIGTERM.
    pub(super) fn catch() -> io::Result<Self> {
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

    /// Waits for any of them.
    pub(super) async fn any(&mut self) {
        self.next().await;
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

/// What ends the process with 24 on a signal that comes before a run listens for itself: while files are read,
/// and while a person is asked.
#[derive(Debug, Clone, Default)]
pub(super) struct EarlySignals(Arc<Mutex<Duty>>);

/// Who hears signals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Duty {
    /// The thread that ends the process.
    #[default]
    Early,
    /// Somebody else.
    Relieved,
}

impl EarlySignals {
    /// Begins to listen, on a thread of its own; when this returns, no signal kills the process.
    pub(super) fn listen(printer: &Printer) -> Self {
        let own = Self::default();
        let (ready, is_ready) = std::sync::mpsc::channel::<()>();
        let (listener, printer) = (own.clone(), printer.clone());
        let thread = std::thread::Builder::new().name("signals".to_owned());
        let spawned = thread.spawn(move || {
            let Ok(runtime) = runtime() else { return };
            runtime.block_on(async {
                let Ok(mut signals) = Signals::catch() else {
                    return;
                };
                drop(ready);
                loop {
                    let name = signals.next().await;
                    listener.end_on(name, &printer);
                }
            });
        });
        // Without the thread, the run itself fails to listen, and says so.
        if spawned.is_ok() {
            let _ = is_ready.recv();
        }
        own
    }

    /// Ends the process, unless somebody else listens. The lock is held until the end, so that nothing begins
    /// meanwhile.
    fn end_on(&self, name: &'static str, printer: &Printer) {
        let duty = self.duty();
        if *duty == Duty::Early {
            let error = Error::InterruptedEarly(name);
            printer.problem(error.explain());
            std::process::exit(error.exit().code().into());
        }
    }

    /// Leaves the signals to somebody who listens already.
    pub(super) fn relieve(&self) {
        *self.duty() = Duty::Relieved;
    }

    fn duty(&self) -> MutexGuard<'_, Duty> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the cloud, unless a signal comes first.
pub(super) fn read_heeding<T>(
    early: &EarlySignals,
    reading: impl Future<Output = Result<T, Unanswered>>,
) -> Result<T, Error> {
    runtime()?.block_on(async {
        let mut signals = Signals::catch().map_err(|error| internal("catch signals", error))?;
        let before = std::mem::replace(&mut *early.duty(), Duty::Relieved);
        let read = tokio::select! {
            biased;
            () = signals.any() => Err(Error::InterruptedReading),
            read = reading => read.map_err(Error::Listing),
        };
        *early.duty() = before;
        read
    })
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
        signals: &'a mut Signals,
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
