//! How long the jobs of a run take.
//!
//! Owns the longest so far: from the acceptance of a request to the end of its job, or to now. Invariant: a
//! job counts for no longer than it was known to run. One that ended while nobody followed it counts until
//! then; one that whoever took the run up still saw running counts in full.

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
    /// When each job began that was open when the run was left, and was not seen running since.
    left: BTreeMap<(BatchIndex, Attempt), Timestamp>,
}

impl JobTimes {
    pub(super) fn accepted(&mut self, batch: BatchIndex, attempt: Attempt, at: Timestamp) {
        self.open.insert((batch, attempt), at);
    }

    pub(super) fn ended(&mut self, batch: BatchIndex, attempt: Attempt, at: Timestamp) {
        self.left.remove(&(batch, attempt));
        if let Some(began) = self.open.remove(&(batch, attempt)) {
            self.longest = self.longest.max(between(began, at));
        }
    }

    /// The run was left after this moment, and taken up: nobody knows whether the jobs that were open then
    /// have ended since.
    pub(super) fn resumed(&mut self, last: Timestamp) {
        self.longest = self.longest(last);
        self.left.append(&mut self.open);
    }

    /// A job that was left was seen running.
    pub(super) fn seen_running(&mut self, batch: BatchIndex, attempt: Attempt) {
        if let Some(began) = self.left.remove(&(batch, attempt)) {
            self.open.insert((batch, attempt), began);
        }
    }

    /// Whether a job was left, and not seen running since.
    pub(super) fn is_left(&self, batch: BatchIndex, attempt: Attempt) -> bool {
        self.left.contains_key(&(batch, attempt))
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
    fn a_job_that_ended_while_the_run_was_left_counts_until_then() {
        let mut times = JobTimes::default();
        times.accepted(BATCH, 1, second(100));
        times.resumed(second(160));
        assert_eq!(times.longest(second(4000)).as_secs(), 60);
        times.ended(BATCH, 1, second(5000));
        assert_eq!(times.longest(second(5000)).as_secs(), 60);
    }

    #[test]
    fn a_job_that_is_seen_running_after_a_resume_counts_in_full() {
        let mut times = JobTimes::default();
        times.accepted(BATCH, 1, second(100));
        times.resumed(second(160));
        assert!(times.is_left(BATCH, 1));
        times.seen_running(BATCH, 1);
        assert!(!times.is_left(BATCH, 1));
        assert_eq!(times.longest(second(400)).as_secs(), 300);
        times.ended(BATCH, 1, second(500));
        assert_eq!(times.longest(second(9999)).as_secs(), 400);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_job_shorter_than_nothing() {
        let mut times = JobTimes::default();
        times.accepted(BATCH, 1, second(100));
        times.ended(BATCH, 1, second(50));
        assert_eq!(times.longest(second(50)), Duration::ZERO);
    }
}
