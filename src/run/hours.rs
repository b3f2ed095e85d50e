//! Until when a run may send.
//!
//! Owns the two ends that are known before they come, the window's and that of a time without closures, and
//! watching for them. The time that counts is the recorder's, which nobody can set back. Invariant: once the
//! hours refuse, they refuse for good, and a target that is left unsent for that has its cause recorded.

use std::convert::Infallible;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Context, RunError, opening};
use crate::bms::{Evidence, Patience};
use crate::event::StopCause;
use crate::ledger::Ledger;
use crate::window::Occurrence;

/// How often it is looked at the clock, which may be set or stand still in between.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The hours in which a run may send; at any time, unless something is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hours {
    /// The occurrence of the window that it goes by, if it goes by one.
    pub occurrence: Option<Occurrence>,
    /// When a closure begins, if one will.
    pub freezes: Option<Timestamp>,
}

impl Hours {
    /// Why nothing may be sent at a moment, if so; `longest` is how long the longest job took so far.
    pub fn refuse(&self, now: Timestamp, longest: Duration) -> Option<StopCause> {
        let occurrence = self.occurrence.as_ref();
        if occurrence.is_some_and(|it| now < it.opens || last(it, longest) < now) {
            return Some(StopCause::Cutoff);
        }
        self.freezes
            .is_some_and(|begins| begins <= now)
            .then_some(StopCause::Frozen)
    }

    /// How long they may still last, if they end at all; zero if they refuse already.
    pub fn left(&self, now: Timestamp, longest: Duration) -> Option<Duration> {
        if self.refuse(now, longest).is_some() {
            return Some(Duration::ZERO);
        }
        let window = self.occurrence.as_ref();
        let window = window.map(|it| it.cutoff.min(earlier(it.closes, longest)));
        let end = window.into_iter().chain(self.freezes).min()?;
        // A moment more, so that they are over by then.
        let left = Duration::try_from(end.duration_since(now)).unwrap_or_default();
        Some(left + Duration::from_millis(1))
    }
}

/// The last moment at which a request may leave: before the cutoff, and early enough for a job.
fn last(occurrence: &Occurrence, longest: Duration) -> Timestamp {
    let before = earlier(occurrence.cutoff, Duration::from_nanos(1));
    before.min(earlier(occurrence.closes, longest))
}

/// So long before a moment; the earliest there is, if that is before all time.
pub(super) fn earlier(moment: Timestamp, time: Duration) -> Timestamp {
    SignedDuration::try_from(time)
        .ok()
        .and_then(|time| moment.checked_sub(time).ok())
        .unwrap_or(Timestamp::MIN)
}

impl Context {
    /// Why the hour forbids to send, if it does, or nobody knows what hour it is.
    pub(super) fn out_of_hours(&self) -> Option<StopCause> {
        if self.forbidding_skew().is_some() {
            return Some(StopCause::Clock);
        }
        let now = self.recorder.latest();
        let longest = self.recorder.read(|ledger| ledger.longest_job(now));
        self.hours.refuse(now, longest)
    }

    /// How long the run may still send, if that ends.
    pub(super) fn hours_left(&self) -> Option<Duration> {
        let now = self.recorder.latest();
        let longest = self.recorder.read(|ledger| ledger.longest_job(now));
        self.hours.left(now, longest)
    }

    /// How long a read is tried again of which nothing hangs but what may be sent.
    pub(super) fn patience_to_send(&self) -> Patience {
        let patience = self.patience();
        let retry_for = self.hours_left().unwrap_or(Duration::MAX);
        Patience {
            retry_for: patience.retry_for.min(retry_for),
            ..patience
        }
    }

    /// Records that the hours are over, if they are and something is left to be sent.
    pub(super) async fn heed_hours(&self) -> Result<(), RunError> {
        match self.out_of_hours() {
            Some(cause) if self.recorder.read(has_unsent) => {
                self.stop_sending(cause, Evidence::default()).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Records that the hours are over, when they are and something is left to be sent; never ends otherwise.
    pub(super) async fn watch_hours(&self) -> Result<Infallible, RunError> {
        while let Some(left) = self.hours_left() {
            self.heed_hours().await?;
            if self.out_of_hours().is_some() {
                break;
            }
            self.clock.sleep(left.min(LOOK_AGAIN)).await;
        }
        std::future::pending().await
    }
}

/// Whether there are targets that are still to be sent.
pub(super) fn has_unsent(ledger: &Ledger) -> bool {
    opening::untouched(ledger) > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn hours(freezes: Option<i64>) -> Hours {
        Hours {
            occurrence: Some(Occurrence {
                opens: second(100),
                closes: second(200),
                cutoff: second(180),
            }),
            freezes: freezes.map(second),
        }
    }

    #[rstest]
    #[case(99, 0, None, Some(StopCause::Cutoff))]
    #[case(100, 0, None, None)]
    #[case(179, 0, None, None)]
    #[case(180, 0, None, Some(StopCause::Cutoff))]
    #[case(250, 0, None, Some(StopCause::Cutoff))]
    // A job as long as the longest may end with the window, and no later.
    #[case(170, 30, None, None)]
    #[case(171, 30, None, Some(StopCause::Cutoff))]
    #[case(100, 100, None, None)]
    #[case(100, 101, None, Some(StopCause::Cutoff))]
    #[case(149, 0, Some(150), None)]
    #[case(150, 0, Some(150), Some(StopCause::Frozen))]
    #[case(190, 0, Some(150), Some(StopCause::Cutoff))]
    fn the_hours_end_with_the_cutoff_the_last_job_or_a_closure(
        #[case] now: i64,
        #[case] longest: u64,
        #[case] freezes: Option<i64>,
        #[case] expected: Option<StopCause>,
    ) {
        let hours = hours(freezes);
        assert_eq!(hours.refuse(second(now), seconds(longest)), expected);
    }

    #[test]
    fn what_is_left_ends_where_the_hours_do() {
        let all = Hours::default();
        assert_eq!(all.refuse(second(0), seconds(9999)), None);
        assert_eq!(all.left(second(0), seconds(9999)), None);
        for (now, longest, freezes) in [(100, 0, None), (150, 35, None), (110, 5, Some(120))] {
            let hours = hours(freezes);
            let left = hours.left(second(now), seconds(longest)).unwrap();
            let end = second(now).checked_add(left).unwrap();
            assert!(hours.refuse(end, seconds(longest)).is_some(), "{now}");
            let before = second(now)
                .checked_add(left - Duration::from_millis(2))
                .unwrap();
            assert_eq!(hours.refuse(before, seconds(longest)), None, "{now}");
        }
        let over = hours(None).left(second(180), Duration::ZERO);
        assert_eq!(over, Some(Duration::ZERO));
    }
}
