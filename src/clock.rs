//! Seam 1: the time that it is, and waiting. The only user of real time in the crate.
//!
//! A rehearsal and the tests run on a clock that passes faster than the wall's: waiting, time-outs,
//! quotas and the age of readings all shrink by one factor, so nothing else needs to know.
//! Invariant: [`Clock::elapsed`] never goes back.

use std::future::Future;
use std::num::NonZeroU32;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Tells the time and waits. Copies share one start, so their [`Moment`]s can be compared.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    pace: Pace,
}

#[derive(Debug, Clone, Copy)]
enum Pace {
    Real,
    Compressed {
        factor: NonZeroU32,
        began: Timestamp,
    },
}

/// A point on a clock's monotonic scale: time since the clock was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(Duration);

impl Moment {
    /// Time from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `wait` after this one.
    pub fn after(self, wait: Duration) -> Moment {
        Moment(self.0.saturating_add(wait))
    }

    /// The moment `time` before this one; the clock's start if there is none.
    pub fn before(self, time: Duration) -> Moment {
        Moment(self.0.saturating_sub(time))
    }
}

/// The time allowed for something ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl Clock {
    /// The clock on the wall.
    #[expect(clippy::disallowed_methods, reason = "the seam")]
    pub fn real() -> Self {
        Self {
            started: Instant::now(),
            pace: Pace::Real,
        }
    }

    /// A clock that starts at the present time and then passes `factor` times as fast.
    #[expect(clippy::disallowed_methods, reason = "the seam")]
    pub fn compressed(factor: NonZeroU32) -> Self {
        Self {
            started: Instant::now(),
            pace: Pace::Compressed {
                factor,
                began: Timestamp::now(),
            },
        }
    }

    /// Whether this clock is the one on the wall.
    pub fn is_real(&self) -> bool {
        matches!(self.pace, Pace::Real)
    }

    /// The date and time.
    #[expect(clippy::disallowed_methods, reason = "the seam")]
    pub fn now(&self) -> Timestamp {
        match self.pace {
            Pace::Real => Timestamp::now(),
            Pace::Compressed { began, .. } => jiff::SignedDuration::try_from(self.elapsed().0)
                .ok()
                .and_then(|passed| began.checked_add(passed).ok())
                .unwrap_or(Timestamp::MAX),
        }
    }

    /// Time since this clock was made, whatever happens to the date.
    pub fn elapsed(&self) -> Moment {
        let passed = self.started.elapsed();
        Moment(match self.pace {
            Pace::Real => passed,
            Pace::Compressed { factor, .. } => passed.saturating_mul(factor.get()),
        })
    }

    /// Waits for `time` as this clock counts it.
    pub async fn sleep(&self, time: Duration) {
        tokio::time::sleep(self.on_the_wall(time)).await;
    }

    /// Waits until `moment`; returns at once if it has passed.
    pub async fn sleep_until(&self, moment: Moment) {
        self.sleep(moment.since(self.elapsed())).await;
    }

    /// Runs `work` for at most `limit` as this clock counts it.
    pub async fn timeout<F: Future>(&self, limit: Duration, work: F) -> Result<F::Output, Elapsed> {
        tokio::time::timeout(self.on_the_wall(limit), work)
            .await
            .map_err(|_| Elapsed)
    }

    /// How long `time` of this clock takes on the wall.
    pub fn on_the_wall(&self, time: Duration) -> Duration {
        match self.pace {
            Pace::Real => time,
            Pace::Compressed { factor, .. } => time / factor.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    #[expect(
        clippy::disallowed_methods,
        reason = "compares the seam with what is behind it"
    )]
    async fn a_compressed_clock_counts_in_its_own_time() {
        let clock = Clock::compressed(NonZeroU32::new(60).unwrap());
        let (before, date) = (clock.elapsed(), clock.now());
        let wall = Instant::now();
        clock.sleep(Duration::from_secs(120)).await;
        assert_eq!(wall.elapsed().as_secs(), 2);
        assert_eq!(clock.elapsed().since(before).as_secs(), 120);
        assert_eq!(clock.now().duration_since(date).as_secs(), 120);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_out_is_counted_by_the_same_clock() {
        let clock = Clock::compressed(NonZeroU32::new(60).unwrap());
        let work = clock.sleep(Duration::from_secs(61));
        assert_eq!(
            clock.timeout(Duration::from_secs(60), work).await,
            Err(Elapsed)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn moments_never_run_backwards() {
        let clock = Clock::real();
        let early = clock.elapsed();
        clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(early.since(clock.elapsed()), Duration::ZERO);
        assert_eq!(clock.elapsed().since(early).as_secs(), 1);
    }
}
