//! How a clock goes: how fast, from which date on, where that jumps, and where the machine sleeps.
//!
//! Owns the spelling that the tests use, `compressed:60@2026-11-28T01:00:00Z,jump:+2h@10m`, or `sleep:2h@10m` for a
//! machine that is suspended. Pure.
//! Invariant: what is written is read back as the same.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::duration;

/// How a clock goes. The default is the wall's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    factor: NonZeroU32,
    start: Option<Timestamp>,
    /// In no order; all that are due count.
    jumps: &'static [Jump],
    /// In no order; all that are due count.
    sleeps: &'static [Sleep],
}

/// That the machine is suspended for so long, when it has been awake for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sleep {
    length: Duration,
    after: Duration,
}

/// That the date moves by so much, so long after the clock was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Jump {
    by: SignedDuration,
    after: Duration,
}

/// Why a text is not the course of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not of the form `real` or `compressed:FACTOR`, with `@TIME`, `,jump:+2h@10m` and `,sleep:2h@10m` as wanted"
)]
pub struct InvalidCourse;

impl Default for Course {
    fn default() -> Self {
        Self::compressed(NonZeroU32::MIN)
    }
}

impl Course {
    /// Starts at the present time and passes `factor` times as fast as the wall's.
    pub fn compressed(factor: NonZeroU32) -> Self {
        Self {
            factor,
            start: None,
            jumps: &[],
            sleeps: &[],
        }
    }

    /// The same from another date on.
    pub fn starting_at(self, date: Timestamp) -> Self {
        Self {
            start: Some(date),
            ..self
        }
    }

    /// How many times as fast as on the wall time passes.
    pub fn factor(self) -> NonZeroU32 {
        self.factor
    }

    /// The date at which it starts, if that is not the present one.
    pub fn start(self) -> Option<Timestamp> {
        self.start
    }

    /// By how much the date has jumped in all, so long after the start.
    pub(super) fn jumped(self, passed: Duration) -> SignedDuration {
        let due = self.jumps.iter().filter(|jump| jump.after <= passed);
        due.fold(SignedDuration::ZERO, |sum, jump| {
            sum.saturating_add(jump.by)
        })
    }

    /// How long the machine was suspended, when it has been awake for so long.
    pub(super) fn slept(self, awake: Duration) -> Duration {
        let due = self.sleeps.iter().filter(|sleep| sleep.after <= awake);
        due.fold(Duration::ZERO, |sum, sleep| {
            sum.saturating_add(sleep.length)
        })
    }

    /// What is left of it so long after the start, but for the date.
    pub(super) fn after(self, passed: Duration) -> Self {
        let ahead = self.jumps.iter().filter(|jump| jump.after > passed);
        let ahead = ahead.map(|jump| Jump {
            after: jump.after.saturating_sub(passed),
            ..*jump
        });
        let sleeps = self.sleeps.iter().filter(|sleep| sleep.after > passed);
        let sleeps = sleeps.map(|sleep| Sleep {
            after: sleep.after.saturating_sub(passed),
            ..*sleep
        });
        Self {
            jumps: kept(ahead.collect()),
            sleeps: kept(sleeps.collect()),
            ..self
        }
    }
}

/// Keeps a list for as long as the process lives: a clock is copied everywhere, and made once.
fn kept<T>(list: Vec<T>) -> &'static [T] {
    if list.is_empty() { &[] } else { list.leak() }
}

impl FromStr for Course {
    type Err = InvalidCourse;

    fn from_str(text: &str) -> Result<Self, InvalidCourse> {
        let mut parts = text.split(',');
        let (pace, start) = match parts.next().unwrap_or_default().split_once('@') {
            Some((pace, start)) => (pace, Some(start.parse().map_err(|_| InvalidCourse)?)),
            None => (text.split(',').next().unwrap_or_default(), None),
        };
        let factor = match pace.strip_prefix("compressed:") {
            Some(factor) => factor.parse().map_err(|_| InvalidCourse)?,
            None if pace == "real" => NonZeroU32::MIN,
            None => return Err(InvalidCourse),
        };
        let (mut jumps, mut sleeps) = (Vec::new(), Vec::new());
        for part in parts {
            match part.strip_prefix("sleep:") {
                Some(sleep) => sleeps.push(Sleep::read(sleep)?),
                None => jumps.push(part.parse()?),
            }
        }
        Ok(Self {
            factor,
            start,
            jumps: kept(jumps),
            sleeps: kept(sleeps),
        })
    }
}

impl Sleep {
    fn read(text: &str) -> Result<Self, InvalidCourse> {
        let (length, after) = text.split_once('@').ok_or(InvalidCourse)?;
        Ok(Self {
            length: duration::parse(length).map_err(|_| InvalidCourse)?,
            after: duration::parse(after).map_err(|_| InvalidCourse)?,
        })
    }
}

impl FromStr for Jump {
    type Err = InvalidCourse;

    fn from_str(text: &str) -> Result<Self, InvalidCourse> {
        let jump = text.strip_prefix("jump:").ok_or(InvalidCourse)?;
        let (by, after) = jump.split_once('@').ok_or(InvalidCourse)?;
        let length = |text| duration::parse(text).map_err(|_| InvalidCourse);
        let signed = |text| SignedDuration::try_from(length(text)?).map_err(|_| InvalidCourse);
        let by = match (by.strip_prefix('+'), by.strip_prefix('-')) {
            (Some(forward), _) => signed(forward)?,
            (None, Some(back)) => -signed(back)?,
            (None, None) => return Err(InvalidCourse),
        };
        Ok(Self {
            by,
            after: length(after)?,
        })
    }
}

impl fmt::Display for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.factor {
            NonZeroU32::MIN => f.write_str("real")?,
            factor => write!(f, "compressed:{factor}")?,
        }
        if let Some(start) = self.start {
            write!(f, "@{start}")?;
        }
        for Jump { by, after } in self.jumps {
            let sign = if by.is_negative() { '-' } else { '+' };
            let by = duration::format(by.unsigned_abs());
            write!(f, ",jump:{sign}{by}@{}", duration::format(*after))?;
        }
        for Sleep { length, after } in self.sleeps {
            let (length, after) = (duration::format(*length), duration::format(*after));
            write!(f, ",sleep:{length}@{after}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("real")]
    #[case("real@2026-11-28T01:00:00Z")]
    #[case("real,jump:-2h@5m")]
    #[case("compressed:60")]
    #[case("compressed:60@2026-11-28T01:00:00Z")]
    #[case("compressed:60@2026-11-28T01:00:00.25Z,jump:+2h@10m,jump:-1h30m@1s")]
    #[case("real,jump:-2h@5m,sleep:2h@5m")]
    fn each_spelling_is_read_and_written(#[case] text: &str) {
        let course: Course = text.parse().unwrap();
        assert_eq!(course.to_string(), text);
    }

    #[rstest]
    #[case("")]
    #[case("fast")]
    #[case("compressed:0")]
    #[case("compressed:-1")]
    #[case("real:2")]
    #[case("real@01:00")]
    #[case("real@2026-11-28")]
    #[case("real@2026-11-28T01:00:00")]
    #[case("real,+2h@10m")]
    #[case("real,jump:2h@10m")]
    #[case("real,jump:+2h")]
    #[case("real,jump:+@1m")]
    #[case("real,jump:+2h@-1m")]
    #[case("real,jump:+2h@10m,")]
    #[case("real,sleep:2h")]
    #[case("real,sleep:-2h@1m")]
    fn anything_else_is_refused(#[case] text: &str) {
        assert_eq!(text.parse::<Course>(), Err(InvalidCourse));
    }

    #[test]
    fn an_offset_is_only_another_spelling_of_the_date() {
        let course: Course = "real@2026-11-28T09:00:00+08:00".parse().unwrap();
        assert_eq!(course.to_string(), "real@2026-11-28T01:00:00Z");
    }

    #[test]
    fn jumps_count_from_their_time_on() {
        let course: Course = "real,jump:+2h@10m,jump:-1h@5m".parse().unwrap();
        let jumped = |seconds| course.jumped(Duration::from_secs(seconds)).as_secs();
        assert_eq!(
            [0, 299, 300, 599, 600].map(jumped),
            [0, 0, -3600, -3600, 3600]
        );
        let rest = course.after(Duration::from_secs(400));
        assert_eq!(rest.to_string(), "real,jump:+2h@3m20s");
    }
}
