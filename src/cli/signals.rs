//! What tells a run from outside that it is to end: signals and the stop switch.
//!
//! Owns listening. The first signal lets the run end in order, the second ends the process at once.
//! Invariant: a run hears of either within a second.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

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
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// Held so that a write beyond the limit on file sizes is an error and not the end.
    _file_size: Signal,
}

impl Signals {
    /// Begins to catch them; needs the runtime around it.
    pub(super) fn catch() -> io::Result<Self> {
        let file_size = rustix::process::Signal::XFSZ.as_raw();
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            _file_size: signal(SignalKind::from_raw(file_size))?,
        })
    }

    /// Waits for any of them.
    pub(super) async fn any(&mut self) {
        self.next().await;
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}

/// Reads the cloud, unless a signal comes first.
pub(super) fn read_heeding<T>(
    reading: impl Future<Output = Result<T, Unanswered>>,
) -> Result<T, Error> {
    runtime()?.block_on(async {
        let mut signals = Signals::catch().map_err(|error| internal("catch signals", error))?;
        tokio::select! {
            biased;
            () = signals.any() => Err(Error::InterruptedReading),
            read = reading => read.map_err(Error::Listing),
        }
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
