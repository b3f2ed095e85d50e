//! When a process last recorded something, by the wall clock and by the time that has passed.
//!
//! Owns noticing that the process itself stood still: it was stopped, or its machine was suspended or paused. A
//! paused machine knows only by its wall clock, once that is right again; a clock that is set back hides it
//! there. Invariant: the longer of the two times counts.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Moment;

/// How far the two clocks may differ between two records.
const TOLERANCE: Duration = Duration::from_secs(60);

/// The last record of this process.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pulse {
    last: Option<(Moment, Timestamp)>,
    /// When it was last noticed that the wall clock had jumped.
    jumped: Moment,
}

impl Pulse {
    /// Something is recorded now; whether the wall clock has jumped since the record before.
    pub(super) fn beat(&mut self, now: Moment, date: Timestamp) -> bool {
        let jumped = self.has_jumped(now, date);
        if jumped {
            self.jumped = now;
        }
        self.last = Some((now, date));
        jumped
    }

    /// How long nothing was recorded.
    pub(super) fn silence(&self, now: Moment, date: Timestamp) -> Duration {
        let by_both = self.since(now, date);
        by_both.map_or(Duration::ZERO, |(passed, by_wall)| passed.max(by_wall))
    }

    /// The moment from which on readings are as old as they look.
    pub(super) fn trusted_from(&self, now: Moment, date: Timestamp) -> Moment {
        if self.has_jumped(now, date) {
            now
        } else {
            self.jumped
        }
    }

    fn has_jumped(&self, now: Moment, date: Timestamp) -> bool {
        let Some((last, last_date)) = self.last else {
            return false;
        };
        let passed = now.since(last);
        let by_wall = date.duration_since(last_date);
        match Duration::try_from(by_wall) {
            Ok(by_wall) => by_wall.abs_diff(passed) > TOLERANCE,
            // It went back.
            Err(_) => by_wall.unsigned_abs() + passed > TOLERANCE,
        }
    }

    /// The time since the last record, by each clock.
    fn since(&self, now: Moment, date: Timestamp) -> Option<(Duration, Duration)> {
        let (last, last_date) = self.last?;
        let by_wall = Duration::try_from(date.duration_since(last_date));
        Some((now.since(last), by_wall.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn moment(seconds: u64) -> Moment {
        Moment::default().after(Duration::from_secs(seconds))
    }

    fn date(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[rstest]
    #[case::both_agree(600, 600, 600, false)]
    #[case::paused(1, 3_600, 3_600, true)]
    #[case::suspended_and_set_back(3_600, 1, 3_600, true)]
    #[case::set_back(30, -3_600, 30, true)]
    #[case::set_back_a_little(30, -20, 30, false)]
    fn the_longer_time_counts(
        #[case] passed: u64,
        #[case] by_wall: i64,
        #[case] silence: u64,
        #[case] jumped: bool,
    ) {
        let mut pulse = Pulse::default();
        assert!(!pulse.beat(moment(100), date(0)), "nothing to compare");
        let (now, wall) = (moment(100 + passed), date(by_wall));
        assert_eq!(pulse.silence(now, wall).as_secs(), silence);
        let trusted = if jumped { now } else { Moment::default() };
        assert_eq!(pulse.trusted_from(now, wall), trusted);
        assert_eq!(pulse.beat(now, wall), jumped);
        // Also for later questions.
        assert_eq!(pulse.trusted_from(now, wall), trusted);
        assert_eq!(pulse.silence(now, wall), Duration::ZERO);
    }
}
