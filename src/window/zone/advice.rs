//! Names of time zones that people take for another time than they are.
//!
//! Owns the offsets that are shown beside a name, the warnings about names with a trap, and the advice where a name
//! is an offset or an abbreviation. Invariant: everything depends on the embedded database alone, not on the day.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;

use super::Zone;

/// The year whose offsets are shown, so that a plan reads the same on any day.
const YEAR: i16 = 2026;

/// Places for offsets in minutes, without daylight saving time where there is such a place.
const PLACES: [(i32, &str); 19] = [
    (-600, "Pacific/Honolulu"),
    (-480, "America/Los_Angeles"),
    (-420, "America/Phoenix"),
    (-360, "America/Mexico_City"),
    (-300, "America/Bogota"),
    (-240, "America/Santiago"),
    (-180, "America/Sao_Paulo"),
    (60, "Africa/Lagos"),
    (120, "Africa/Johannesburg"),
    (180, "Europe/Istanbul"),
    (240, "Asia/Dubai"),
    (300, "Asia/Karachi"),
    (330, "Asia/Kolkata"),
    (345, "Asia/Kathmandu"),
    (360, "Asia/Dhaka"),
    (420, "Asia/Jakarta"),
    (480, "Asia/Singapore"),
    (540, "Asia/Tokyo"),
    (600, "Australia/Brisbane"),
];

/// What people call zones for which the database has another name.
const NICKNAMES: [(&str, &str); 25] = [
    ("AEDT", "`Australia/Sydney`"),
    ("AEST", "`Australia/Brisbane` or `Australia/Sydney`"),
    ("BEIJING", "`Asia/Shanghai`"),
    ("BRT", "`America/Sao_Paulo`"),
    ("BST", "`Europe/London`"),
    ("CDT", "`America/Chicago`"),
    ("CEST", "`Europe/Berlin`"),
    (
        "CST",
        "`Asia/Shanghai` for China, `America/Chicago` for North America",
    ),
    ("EDT", "`America/New_York`"),
    ("GST", "`Asia/Dubai`"),
    ("HKT", "`Asia/Hong_Kong`"),
    ("ICT", "`Asia/Bangkok`"),
    (
        "IST",
        "`Asia/Kolkata` for India, `Europe/Dublin` for Ireland",
    ),
    ("JST", "`Asia/Tokyo`"),
    ("KST", "`Asia/Seoul`"),
    ("MDT", "`America/Denver`"),
    ("MSK", "`Europe/Moscow`"),
    ("MYT", "`Asia/Kuala_Lumpur`"),
    ("PDT", "`America/Los_Angeles`"),
    ("PHT", "`Asia/Manila`"),
    ("PST", "`America/Los_Angeles`"),
    ("SAST", "`Africa/Johannesburg`"),
    ("SGT", "`Asia/Singapore`"),
    ("SHENZHEN", "`Asia/Shanghai`"),
    ("WIB", "`Asia/Jakarta`"),
];

/// A name that means another time than it seems to: what it means, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pitfall {
    /// What the name means, as a clause after the name.
    pub meaning: String,
    /// Which names people mean.
    pub advice: String,
}

impl Zone {
    /// The offsets of the zone's clocks, as in `UTC+08:00` or `UTC-05:00 or UTC-04:00`.
    pub fn offsets(&self) -> String {
        let noon = TimeZone::UTC.to_timestamp(date(YEAR, 1, 1).at(12, 0, 0, 0));
        let first = noon.unwrap_or(Timestamp::UNIX_EPOCH);
        let days = (0..365).filter_map(|day| {
            let hours = jiff::SignedDuration::from_hours(24 * day);
            first.checked_add(hours).ok()
        });
        let offsets: BTreeSet<i32> = days
            .map(|day| self.rules.to_offset(day).seconds())
            .collect();
        let shown: Vec<String> = offsets.into_iter().map(shown).collect();
        shown.join(" or ")
    }

    /// Why the name is easily taken for another time, if it is.
    pub fn pitfall(&self) -> Option<Pitfall> {
        let name = self.name();
        let same_clocks = match name {
            "EST" => Some("America/New_York"),
            "MST" => Some("America/Denver"),
            "HST" => Some("Pacific/Honolulu"),
            _ => None,
        };
        if let Some(place) = same_clocks {
            return Some(Pitfall {
                meaning: format!(
                    "is {} all year, without daylight saving time",
                    self.offsets()
                ),
                advice: format!("for the clocks of a place name it, as in `{place}`"),
            });
        }
        let hours: i32 = name.strip_prefix("Etc/GMT")?.parse().ok()?;
        let meant = 60 * hours;
        if meant == 0 {
            return None;
        }
        let direction = if meant > 0 { "behind" } else { "ahead of" };
        let count = hours.unsigned_abs();
        let noun = if count == 1 { "hour" } else { "hours" };
        Some(Pitfall {
            meaning: format!(
                "is {count} {noun} {direction} UTC ({}), as the sign of these names is reversed",
                self.offsets()
            ),
            advice: format!("{}, {}", instead(meant), instead(-meant)),
        })
    }

    /// What to write where a name is an offset, an abbreviation or a city that the database does not have.
    pub fn meant(wrong: &str) -> Option<String> {
        let folded = wrong.to_ascii_uppercase().replace('_', " ");
        let last = folded.rsplit('/').next().unwrap_or_default();
        if let Some((_, places)) = NICKNAMES.iter().find(|(nickname, _)| *nickname == last) {
            return Some(format!("write {places}"));
        }
        minutes(&folded)
            .filter(|minutes| *minutes != 0)
            .map(instead)
    }
}

/// What to write for clocks with an offset.
fn instead(minutes: i32) -> String {
    let place = PLACES.iter().find(|(offset, _)| *offset == minutes);
    let place = place.map(|(_, place)| format!("a place such as `{place}`"));
    let hours = minutes / 60;
    let has_name = minutes % 60 == 0 && (-12..=14).contains(&hours);
    let name = has_name.then(|| format!("`Etc/GMT{:+}`", -hours));
    let names: Vec<String> = place.into_iter().chain(name).collect();
    match names.is_empty() {
        true => format!("for {} write the name of a place", shown(60 * minutes)),
        false => format!("for {} write {}", shown(60 * minutes), names.join(" or ")),
    }
}

/// An offset in seconds, as `UTC+08:00`.
fn shown(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The offset that a name such as `GMT+8`, `UTC+05:30` or `-0300` spells, in minutes.
fn minutes(folded: &str) -> Option<i32> {
    let rest = folded.strip_prefix("ETC/").unwrap_or(folded);
    let named = rest
        .strip_prefix("GMT")
        .or_else(|| rest.strip_prefix("UTC"));
    let rest = named.unwrap_or(rest).trim();
    let (sign, digits) = match rest.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => match rest.strip_prefix('+') {
            Some(digits) => (1, digits),
            None => (1, named?.trim()),
        },
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let number = |text: &str| text.parse::<u8>().ok().filter(|_| text.len() <= 2);
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let is_offset = hours <= 14 && minutes < 60;
    is_offset.then(|| sign * (60 * i32::from(hours) + i32::from(minutes)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Asia/Singapore", "UTC+08:00")]
    #[case("America/New_York", "UTC-05:00 or UTC-04:00")]
    #[case("Asia/Kolkata", "UTC+05:30")]
    #[case("Etc/GMT+8", "UTC-08:00")]
    #[case("EST", "UTC-05:00")]
    #[case("UTC", "UTC+00:00")]
    fn the_offsets_of_a_zone_are_shown(#[case] name: &str, #[case] expected: &str) {
        assert_eq!(Zone::named(name).unwrap().offsets(), expected);
    }

    #[rstest]
    #[case(
        "Etc/GMT+8",
        Some("is 8 hours behind UTC (UTC-08:00), as the sign of these names is reversed")
    )]
    #[case(
        "Etc/GMT-1",
        Some("is 1 hour ahead of UTC (UTC+01:00), as the sign of these names is reversed")
    )]
    #[case("EST", Some("is UTC-05:00 all year, without daylight saving time"))]
    #[case("MST", Some("is UTC-07:00 all year, without daylight saving time"))]
    #[case("HST", Some("is UTC-10:00 all year, without daylight saving time"))]
    #[case("Etc/GMT+0", None)]
    #[case("Etc/GMT", None)]
    #[case("Etc/UTC", None)]
    #[case("EST5EDT", None)]
    #[case("Asia/Singapore", None)]
    fn a_name_with_a_trap_is_known(#[case] name: &str, #[case] expected: Option<&str>) {
        let pitfall = Zone::named(name).unwrap().pitfall();
        assert_eq!(pitfall.map(|it| it.meaning).as_deref(), expected);
    }

    #[test]
    fn the_sign_that_was_meant_is_proposed_first() {
        let pitfall = Zone::named("Etc/GMT+8").unwrap().pitfall().unwrap();
        assert_eq!(
            pitfall.advice,
            "for UTC+08:00 write a place such as `Asia/Singapore` or `Etc/GMT-8`, for UTC-08:00 write a place such as `America/Los_Angeles` or `Etc/GMT+8`"
        );
    }

    #[rstest]
    #[case(
        "GMT+8",
        Some("for UTC+08:00 write a place such as `Asia/Singapore` or `Etc/GMT-8`")
    )]
    #[case(
        "gmt+08:00",
        Some("for UTC+08:00 write a place such as `Asia/Singapore` or `Etc/GMT-8`")
    )]
    #[case(
        "UTC+8",
        Some("for UTC+08:00 write a place such as `Asia/Singapore` or `Etc/GMT-8`")
    )]
    #[case(
        "+0800",
        Some("for UTC+08:00 write a place such as `Asia/Singapore` or `Etc/GMT-8`")
    )]
    #[case(
        "UTC8",
        Some("for UTC+08:00 write a place such as `Asia/Singapore` or `Etc/GMT-8`")
    )]
    #[case("+05:30", Some("for UTC+05:30 write a place such as `Asia/Kolkata`"))]
    #[case(
        "GMT-3",
        Some("for UTC-03:00 write a place such as `America/Sao_Paulo` or `Etc/GMT+3`")
    )]
    #[case("UTC+11", Some("for UTC+11:00 write `Etc/GMT-11`"))]
    #[case("UTC+04:37", Some("for UTC+04:37 write the name of a place"))]
    #[case(
        "CST",
        Some("write `Asia/Shanghai` for China, `America/Chicago` for North America")
    )]
    #[case("Asia/Beijing", Some("write `Asia/Shanghai`"))]
    #[case("sgt", Some("write `Asia/Singapore`"))]
    #[case("UTC+99", None)]
    #[case("8", None)]
    #[case("Asia/Singapur", None)]
    #[case("", None)]
    fn what_was_meant_by_an_unknown_name(#[case] wrong: &str, #[case] expected: Option<&str>) {
        assert_eq!(Zone::meant(wrong).as_deref(), expected);
    }

    #[test]
    fn every_place_that_is_proposed_exists_and_has_its_offset() {
        for (minutes, place) in PLACES {
            let offsets = Zone::named(place).unwrap().offsets();
            assert!(offsets.contains(&shown(60 * minutes)), "{place} {offsets}");
        }
        for (_, places) in NICKNAMES {
            for place in places.split('`').skip(1).step_by(2) {
                assert!(Zone::named(place).is_ok(), "{place}");
            }
        }
    }
}
