//! Durations as workflow files spell them: `500ms`, `45s`, `30m`, `1h30m`.
//!
//! Owns the spelling, both ways; the schema's `duration` pattern admits the same texts. Invariant:
//! every duration has one canonical spelling, which [`format()`] writes and [`parse`] reads back.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de};

const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Why a text is not a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a duration such as `500ms`, `45s`, `30m` or `1h30m`")]
pub struct InvalidDuration;

/// Why a text is not an age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an age such as `7d`, `1d12h` or `36h`")]
pub struct InvalidAge;

/// Reads `1h30m` and the like: whole numbers with units from large to small, each at most once.
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut units = UNITS.iter();
    if rest.is_empty() {
        return Err(InvalidDuration);
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let (_, scale) = units
            .find(|(name, _)| *name == unit)
            .ok_or(InvalidDuration)?;
        let number: u64 = number.parse().map_err(|_| InvalidDuration)?;
        let part = number.checked_mul(*scale).ok_or(InvalidDuration)?;
        total = total.checked_add(part).ok_or(InvalidDuration)?;
        rest = tail;
    }
    Ok(Duration::from_millis(total))
}

/// Reads the same with days before it, `7d` or `1d12h`, as command lines have them where ages are meant.
pub fn parse_age(text: &str) -> Result<Duration, InvalidAge> {
    let (days, rest) = match text.split_once('d') {
        Some((days, rest)) if days.bytes().all(|byte| byte.is_ascii_digit()) => (days, rest),
        Some(_) | None => return parse(text).map_err(|_| InvalidAge),
    };
    let days: u64 = days.parse().map_err(|_| InvalidAge)?;
    let days = days.checked_mul(24 * 60 * 60).ok_or(InvalidAge)?;
    let rest = match rest {
        "" => Duration::ZERO,
        rest => parse(rest).map_err(|_| InvalidAge)?,
    };
    Duration::from_secs(days)
        .checked_add(rest)
        .ok_or(InvalidAge)
}

/// The spelling that [`parse_age`] reads back: days, where there are whole ones, before the rest.
pub fn format_age(age: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    let days = age.as_secs() / DAY;
    let rest = age.saturating_sub(Duration::from_secs(days * DAY));
    match (days, rest.is_zero()) {
        (0, _) => format(age),
        (days, true) => format!("{days}d"),
        (days, false) => format!("{days}d{}", format(rest)),
    }
}

/// The canonical spelling, in whole milliseconds: `1h30m`, `2m`, `500ms`, `0s`.
pub fn format(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, scale) in UNITS {
        if rest >= scale {
            text.push_str(&format!("{}{unit}", rest / scale));
            rest %= scale;
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

/// For `#[serde(with = "crate::duration")]`: writes the canonical spelling.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

/// For `#[serde(with = "crate::duration")]`: reads any accepted spelling.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_spelling_has_its_length() {
        for (text, millis) in [
            ("500ms", 500),
            ("45s", 45_000),
            ("30m", 1_800_000),
            ("1h30m", 5_400_000),
            ("1h1ms", 3_600_001),
            ("0s", 0),
            ("90m", 5_400_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "5",
            "-5s",
            "5 s",
            "1.5h",
            "2d",
            "30m1h",
            "1h1h",
            "PT1H",
            "h",
            "5S",
            "99999999999999999999h",
        ] {
            assert_eq!(parse(text), Err(InvalidDuration), "{text}");
        }
    }

    #[test]
    fn an_age_may_have_days() {
        let hours = |hours: u64| Ok(Duration::from_secs(hours * 3600));
        assert_eq!(parse_age("7d"), hours(7 * 24));
        assert_eq!(parse_age("1d12h"), hours(36));
        assert_eq!(parse_age("36h"), hours(36));
        assert_eq!(parse_age("0s"), hours(0));
        for text in ["7d", "1d12h", "23h59m", "0s", "400d1ms"] {
            assert_eq!(format_age(parse_age(text).unwrap()), text);
        }
        for text in [
            "",
            "d",
            "7",
            "-1d",
            "1.5d",
            "12h1d",
            "1d1d",
            "1d ",
            "99999999999999999d",
        ] {
            assert_eq!(parse_age(text), Err(InvalidAge), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_canonical_spelling_reads_back(millis in 0..u64::from(u32::MAX)) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }
    }
}
