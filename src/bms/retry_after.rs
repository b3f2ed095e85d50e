//! How long an answer asks to be left alone: the `Retry-After` header, in seconds or as a date.
//!
//! Owns its reading only. Invariant: never more than five minutes, whatever the header says; a date is
//! held against the answer's own `Date`, so a wrong local clock does no harm.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use crate::http::Response;

const LONGEST: Duration = Duration::from_secs(300);

/// The time asked for, if the header is there and can be read.
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.header("retry-after")?.trim();
    let asked = if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        // More digits than fit are a very long time.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let until = date(text)?;
        let now = date(response.header("date")?)?;
        Duration::try_from(until.duration_since(now)).unwrap_or_default()
    };
    Some(asked.min(LONGEST))
}

/// A date as HTTP spells it.
pub(super) fn date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(text)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const DATE: &str = "Sat, 28 Nov 2026 17:00:00 GMT";

    #[rstest]
    #[case("0", Some(0))]
    #[case("7", Some(7))]
    #[case(" 300 ", Some(300))]
    #[case("301", Some(300))]
    #[case("99999999999999999999999999", Some(300))]
    #[case("Sat, 28 Nov 2026 17:00:30 GMT", Some(30))]
    #[case("Sat, 28 Nov 2026 16:59:00 GMT", Some(0))]
    #[case("Sat, 28 Nov 2027 17:00:00 GMT", Some(300))]
    #[case("-1", None)]
    #[case("1.5", None)]
    #[case("", None)]
    #[case("soon", None)]
    #[case("Sat, 99 Nov 2026 17:00:30 GMT", None)]
    fn each_spelling(#[case] text: &str, #[case] seconds: Option<u64>) {
        let response = Response {
            status: 429,
            headers: vec![
                ("Retry-After".into(), text.into()),
                ("Date".into(), DATE.into()),
            ],
            body: "".into(),
        };
        assert_eq!(retry_after(&response), seconds.map(Duration::from_secs));
    }

    #[test]
    fn a_date_needs_the_answers_own_date() {
        let response = Response {
            status: 429,
            headers: vec![("Retry-After".into(), DATE.into())],
            body: "".into(),
        };
        assert_eq!(retry_after(&response), None);
    }
}
