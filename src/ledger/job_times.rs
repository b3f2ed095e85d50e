//! How long the jobs of a run take.
//!
//! Owns the longest so far: from the acceptance of a request to the end of its job, or to now. Invariant: a
//! job that was not followed all the time, because the run was taken up again, counts for nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::event::Attempt;
use crate::ids::BatchIndex;

/// The times of the jobs of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct JobTimes {
    longest: Duration,
    /// When each job began that is followed now.
    open: BTreeMap<(BatchIndex, Attempt), Timestamp>,
}

impl JobTimes {
    pub(super) fn accepted(&mut self, batch: BatchIndex, attempt: Attempt, at: Timestamp) {
        self.open.insert((batch, attempt), at);
    }

    pub(super) fn ended(&mut self, batch: BatchIndex, attempt: Attempt, at: Timestamp) {
        if let Some(began) = self.open.remove(&(batch, attempt)) {
            self.longest = self.longest.max(between(began, at));
        }
    }

    /// The run was left and taken up: nobody knows when the jobs that were open ended.
    pub(super) fn resumed(&mut self) {
        self.open.clear();
    }

    /// The longest of those that were followed to their end.
    pub(super) fn longest_ended(&self) -> Duration {
        self.longest
    }

    /// The longest so far; a job that has not ended has taken as long as it has.
    pub(super) fn longest(&self, now: Timestamp) -> Duration {
        let open = self.open.values().map(|began| between(*began, now));
        open.fold(self.longest, Duration::max)
    }
}

fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: BatchIndex = BatchIndex(0);

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_longest_counts_and_an_open_one_by_its_age() {
        let mut times = JobTimes::default();
        assert_eq!(times.longest(second(100)), Duration::ZERO);
        times.accepted(BATCH, 1, second(100));
        times.accepted(BATCH, 2, second(110));
        assert_eq!(times.longest(second(130)).as_secs(), 30);
        times.ended(BATCH, 1, second(140));
        assert_eq!(times.longest(second(141)).as_secs(), 40);
        assert_eq!(times.longest(second(155)).as_secs(), 45);
        times.ended(BATCH, 2, second(160));
        assert_eq!(times.longest(second(9999)).as_secs(), 50);
    }

    #[test]
    fn a_job_that_spans_a_resume_is_left_out() {
        let mut times = JobTimes::default();
        times.accepted(BATCH, 1, second(100));
        times.resumed();
        times.ended(BATCH, 1, second(5000));
        assert_eq!(times.longest(second(5000)), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_job_shorter_than_nothing() {
        let mut times = JobTimes::default();
        times.accepted(BATCH, 1, second(100));
        times.ended(BATCH, 1, second(50));
        assert_eq!(times.longest(second(50)), Duration::ZERO);
    }
}
