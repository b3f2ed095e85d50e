//! The latest that it can be: a time that no clock that is set back turns back.
//!
//! Owns the greatest date that was seen, and the time since. Invariant: [`Latest::now`] never goes back, and
//! is never behind the clock.

use jiff::{SignedDuration, Timestamp};

use super::{Clock, Moment};

/// Tells the latest that it can be, by a clock and by what else tells the time.
#[derive(Debug, Clone, Copy)]
pub struct Latest {
    clock: Clock,
    seen: Timestamp,
    since: Moment,
}

impl Latest {
    /// By this clock, from now on.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            seen: clock.now(),
            since: clock.elapsed(),
        }
    }

    /// The clock that it goes by.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// What the clock shows, or the greatest date that was seen and the time since, whichever is later.
    pub fn now(&self) -> Timestamp {
        let passed = self.clock.elapsed().since(self.since);
        let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
        let seen = self.seen.checked_add(passed).unwrap_or(Timestamp::MAX);
        seen.max(self.clock.now())
    }

    /// Takes in a date that something else tells.
    pub fn see(&mut self, date: Timestamp) {
        self.seen = self.now().max(date);
        self.since = self.clock.elapsed();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_turns_nothing_back() {
        let course = "compressed:60@2026-11-28T01:00:00Z,jump:+2h@10m,jump:-5h@30m";
        let clock = Clock::new(course.parse().unwrap());
        let mut latest = Latest::new(clock);
        clock.sleep(Duration::from_secs(20 * 60)).await;
        assert_eq!(latest.now(), at("2026-11-28T03:20:00Z"));
        latest.see(clock.now());
        clock.sleep(Duration::from_secs(20 * 60)).await;
        assert_eq!(clock.now(), at("2026-11-27T22:40:00Z"));
        assert_eq!(latest.now(), at("2026-11-28T03:40:00Z"));
    }

    #[tokio::test(start_paused = true)]
    async fn another_teller_of_time_counts_from_when_it_is_heard() {
        let clock = Clock::new("compressed:60@2026-11-28T01:00:00Z".parse().unwrap());
        let mut latest = Latest::new(clock);
        latest.see(at("2026-11-28T00:00:00Z"));
        assert_eq!(latest.now(), at("2026-11-28T01:00:00Z"));
        latest.see(at("2026-11-28T05:00:00Z"));
        clock.sleep(Duration::from_secs(60)).await;
        assert_eq!(latest.now(), at("2026-11-28T05:01:00Z"));
    }
}
