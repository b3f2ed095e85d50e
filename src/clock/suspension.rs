//! The time that a machine spends suspended, which no timer counts.
//!
//! Owns the clock that also counts while the machine sleeps, and the ID of the boot that it counts from.
//! Invariant: [`suspended`] never shrinks, so that a clock that adds it never goes back.

use std::fs;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};
use serde::{Deserialize, Serialize};

/// Counts on while the machine is suspended.
#[cfg(target_os = "linux")]
const COUNTING: ClockId = ClockId::Boottime;
/// Counts on while the machine is suspended: elsewhere than on Linux this is the monotonic clock itself.
#[cfg(not(target_os = "linux"))]
const COUNTING: ClockId = ClockId::Monotonic;

/// How long a machine has been up, its suspensions included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uptime {
    /// The boot that it counts from; `None` where the system gives no ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// In milliseconds.
    pub milliseconds: u64,
}

impl Uptime {
    /// Time from `earlier` to this one, in milliseconds; `None` if they do not count from the same boot.
    pub fn since(&self, earlier: &Uptime) -> Option<i64> {
        let same = self.boot.is_some() && self.boot == earlier.boot;
        same.then(|| signed(self.milliseconds).saturating_sub(signed(earlier.milliseconds)))
    }
}

fn signed(milliseconds: u64) -> i64 {
    i64::try_from(milliseconds).unwrap_or(i64::MAX)
}

/// How long this machine has been up.
pub(super) fn up() -> Duration {
    duration(clock_gettime(COUNTING))
}

/// The boot that this machine runs since.
pub(super) fn boot() -> Option<String> {
    static BOOT: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let id = id.trim();
        (!id.is_empty()).then(|| id.to_owned())
    };
    BOOT.get_or_init(read).clone()
}

/// How long this machine was suspended since this process first asked, in whole seconds.
pub(super) fn suspended() -> Duration {
    static FIRST: OnceLock<Duration> = OnceLock::new();
    static MOST: AtomicU64 = AtomicU64::new(0);
    let total = up().saturating_sub(duration(clock_gettime(ClockId::Monotonic)));
    let seconds = total.saturating_sub(*FIRST.get_or_init(|| total)).as_secs();
    Duration::from_secs(MOST.fetch_max(seconds, Ordering::Relaxed).max(seconds))
}

fn duration(time: Timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uptime(boot: Option<&str>, milliseconds: u64) -> Uptime {
        Uptime {
            boot: boot.map(str::to_owned),
            milliseconds,
        }
    }

    #[test]
    fn only_uptimes_of_one_boot_can_be_compared() {
        let later = uptime(Some("a"), 5_000);
        assert_eq!(later.since(&uptime(Some("a"), 2_000)), Some(3_000));
        assert_eq!(later.since(&uptime(Some("a"), 6_000)), Some(-1_000));
        assert_eq!(later.since(&uptime(Some("b"), 2_000)), None);
        assert_eq!(uptime(None, 5).since(&uptime(None, 2)), None);
    }

    #[test]
    fn a_machine_that_runs_tests_is_not_suspended_meanwhile() {
        let before = up();
        assert_eq!(suspended(), Duration::ZERO);
        assert!(up() >= before && before > Duration::ZERO);
    }
}
