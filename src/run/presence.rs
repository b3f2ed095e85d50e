//! Saying now and then that a run is still there.
//!
//! Owns the beat. A run whose journal is silent for long counts as left by everybody, and is then taken up
//! only to find out what became of what was sent; a long job or pause alone must not bring that about.

use std::convert::Infallible;
use std::time::Duration;

use super::{Context, RunError};
use crate::event::Event;

/// How long nothing may be written at most; well below what makes a run late.
const BEAT: Duration = Duration::from_secs(10 * 60);

impl Context {
    /// Says so for as long as the run lasts.
    pub(super) async fn keep_present(&self) -> Result<Infallible, RunError> {
        loop {
            self.clock.sleep(BEAT).await;
            self.recorder.record(Event::StillRunning).await?;
        }
    }
}
