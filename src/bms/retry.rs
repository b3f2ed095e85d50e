//! Whether and when to try again: exponential backoff with full jitter.
//!
//! Owns the decision only; what may be tried again is decided by the answer's class, and the waiting
//! is done by the caller. Invariant: no wait ends after `retry_for`, and none is shorter than what the
//! cloud asked for.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// How long to wait before the next try; `None` means to give up.
///
/// `attempt` is the number of tries made so far (1 after the first failure), `elapsed` the time since
/// the first began, `jitter` a random number from 0 to 1.
pub fn next_wait(
    attempt: u32,
    elapsed: Duration,
    retry_for: Duration,
    retry_after: Option<Duration>,
    jitter: f64,
) -> Option<Duration> {
    let left = retry_for.checked_sub(elapsed)?;
    let asked = retry_after.unwrap_or_default();
    if left.is_zero() || asked > left {
        return None;
    }
    let doublings = attempt.saturating_sub(1).min(6);
    let ceiling = (FIRST * (1 << doublings)).min(LONGEST);
    let drawn = ceiling.mul_f64(jitter.clamp(0.0, 1.0));
    Some(drawn.max(asked).min(left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const HOUR: Duration = Duration::from_secs(3600);

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[rstest]
    #[case(1, 1)]
    #[case(2, 2)]
    #[case(3, 4)]
    #[case(6, 32)]
    #[case(7, 60)]
    #[case(8, 60)]
    #[case(u32::MAX, 60)]
    fn the_ceiling_doubles_up_to_a_minute(#[case] attempt: u32, #[case] ceiling: u64) {
        let longest = next_wait(attempt, Duration::ZERO, HOUR, None, 1.0);
        assert_eq!(longest, Some(seconds(ceiling)));
        let half = next_wait(attempt, Duration::ZERO, HOUR, None, 0.5);
        assert_eq!(half, Some(seconds(ceiling) / 2));
        let none = next_wait(attempt, Duration::ZERO, HOUR, None, 0.0);
        assert_eq!(none, Some(Duration::ZERO));
    }

    #[test]
    fn the_cloud_is_given_the_time_it_asks_for() {
        let wait = next_wait(1, Duration::ZERO, HOUR, Some(seconds(300)), 0.1);
        assert_eq!(wait, Some(seconds(300)));
        let wait = next_wait(7, Duration::ZERO, HOUR, Some(seconds(5)), 1.0);
        assert_eq!(wait, Some(seconds(60)));
    }

    #[test]
    fn it_gives_up_in_time() {
        assert_eq!(next_wait(9, HOUR, HOUR, None, 0.5), None);
        assert_eq!(next_wait(9, HOUR + seconds(1), HOUR, None, 0.5), None);
        assert_eq!(
            next_wait(1, Duration::ZERO, Duration::ZERO, None, 0.5),
            None
        );
        let late = HOUR - seconds(10);
        assert_eq!(next_wait(9, late, HOUR, None, 1.0), Some(seconds(10)));
        assert_eq!(next_wait(9, late, HOUR, Some(seconds(11)), 1.0), None);
    }

    proptest! {
        #[test]
        fn no_wait_is_too_long_or_too_short(
            attempt in any::<u32>(),
            elapsed in 0_u64..8000,
            retry_for in 0_u64..8000,
            asked in proptest::option::of(0_u64..300),
            jitter in any::<f64>(),
        ) {
            let asked = asked.map(seconds);
            let wait = next_wait(attempt, seconds(elapsed), seconds(retry_for), asked, jitter);
            if let Some(wait) = wait {
                prop_assert!(wait + seconds(elapsed) <= seconds(retry_for));
                prop_assert!(wait >= asked.unwrap_or_default());
                prop_assert!(wait <= seconds(60).max(asked.unwrap_or_default()));
            }
        }
    }
}
