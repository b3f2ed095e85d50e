//! When a window opens: every week on certain days, or once.
//!
//! Owns the spelling of days, times of day and dates, and the openings around a moment. Invariant: an opening
//! belongs to the local day on which it was meant, wherever the clocks put it.

use std::fmt;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::{Timestamp, ToSpan};

use super::zone::Zone;

/// Days of a week as workflows spell them, Monday first.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// One way in which a window opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// Every week on these days, at a local time.
    Weekly {
        /// At least one, each once, Monday first.
        days: Vec<Weekday>,
        /// What the clocks show, in whole minutes.
        at: Time,
    },
    /// Once.
    Fixed {
        /// What the clocks show, in whole minutes.
        from: DateTime,
    },
}

/// The day of a name such as `sat`.
pub fn day(name: &str) -> Option<Weekday> {
    let at = DAYS.iter().position(|day| *day == name)?;
    Weekday::from_monday_zero_offset(i8::try_from(at).ok()?).ok()
}

/// The name of a day.
pub fn day_name(day: Weekday) -> &'static str {
    DAYS.into_iter()
        .cycle()
        .nth(usize::from(day.to_monday_zero_offset().unsigned_abs()))
        .unwrap_or_default()
}

/// The time of day of a text such as `01:00`; nothing else is one.
pub fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    Time::new(number(hour, 2)?, number(minute, 2)?, 0, 0).ok()
}

/// The local date and time of a text such as `2026-11-28T01:00`; nothing else is one.
pub fn date_time(text: &str) -> Option<DateTime> {
    let (date, at) = text.split_once('T')?;
    let mut parts = date.split('-');
    let year = parts.next()?;
    let (month, day) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let is_year = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
    if !is_year || parts.next().is_some() {
        return None;
    }
    let date = Date::new(year.parse().ok()?, month, day).ok()?;
    Some(date.to_datetime(time(at)?))
}

fn number(text: &str, digits: usize) -> Option<i8> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// As people read it: `sat, sun at 01:00`, or `2026-11-28T01:00`.
impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weekly { days, at } => {
                let days: Vec<&str> = days.iter().map(|day| day_name(*day)).collect();
                write!(f, "{} at {}", days.join(", "), at.strftime("%H:%M"))
            }
            Self::Fixed { from } => write!(f, "{}", from.strftime("%Y-%m-%dT%H:%M")),
        }
    }
}

impl Opening {
    /// The last opening that is not after `moment`.
    pub(super) fn last(&self, zone: &Zone, moment: Timestamp) -> Option<Timestamp> {
        let around = self.around(zone, zone.local(moment).date(), -DAYS_AROUND..2);
        around.filter(|opens| *opens <= moment).max()
    }

    /// The next openings after `moment`, at most `count`, in their order.
    pub(super) fn next(&self, zone: &Zone, moment: Timestamp, count: usize) -> Vec<Timestamp> {
        let weeks = i32::try_from(count).unwrap_or(i32::MAX / 8);
        let days = -2..DAYS_AROUND + 7 * weeks;
        let around = self.around(zone, zone.local(moment).date(), days);
        let mut next: Vec<Timestamp> = around.filter(|opens| *opens > moment).collect();
        next.dedup();
        next.truncate(count);
        next
    }

    /// The openings on some days, counted from `day`, in their order; a fixed one is on any.
    fn around<'a>(
        &'a self,
        zone: &'a Zone,
        day: Date,
        days: std::ops::Range<i32>,
    ) -> Box<dyn Iterator<Item = Timestamp> + 'a> {
        match self {
            Self::Fixed { from } => Box::new(zone.reaches(*from).into_iter()),
            Self::Weekly { days: on, at } => {
                let dates = days.filter_map(move |away| day.checked_add(away.days()).ok());
                let dates = dates.filter(|date| on.contains(&date.weekday()));
                Box::new(dates.filter_map(|date| zone.reaches(date.to_datetime(*at))))
            }
        }
    }
}

/// Every weekday is among so many days, also where the clocks have skipped one.
const DAYS_AROUND: i32 = 9;

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn days_times_and_dates_have_one_spelling() {
        assert_eq!(day("mon"), Some(Weekday::Monday));
        assert_eq!(day("sun"), Some(Weekday::Sunday));
        assert!(
            DAYS.iter()
                .all(|name| day_name(day(name).unwrap()) == *name)
        );
        for wrong in ["", "Mon", "monday", "8", "mo"] {
            assert_eq!(day(wrong), None, "{wrong}");
        }
        assert_eq!(time("23:59"), Time::new(23, 59, 0, 0).ok());
        for wrong in [
            "", "1:00", "24:00", "25:00", "01:60", "01:00:00", "+1:00", "01.00", "01:00Z",
        ] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
        assert_eq!(
            date_time("2028-02-29T01:00"),
            Some(date(2028, 2, 29).at(1, 0, 0, 0))
        );
        for wrong in [
            "2026-02-29T01:00",
            "2026-11-28",
            "2026-11-28 01:00",
            "2026-11-28T01:00Z",
            "2026-11-28T1:00",
            "26-11-28T01:00",
            "2026-11-28T01:00+08:00",
            "2026-11-28T01:00:00",
            "-026-11-28T01:00",
            "2026-11-28-01T01:00",
        ] {
            assert_eq!(date_time(wrong), None, "{wrong}");
        }
    }
}
