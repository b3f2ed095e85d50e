//! Scalars whose value does not show any more how they were written.
//!
//! YAML reads `1.10` as the number 1.1, `0x1F` as 31 and `TRUE` as true; JSON readers keep no spelling of numbers
//! either. Owns finding these. Invariant: any other scalar is shown as it was written when its value is shown.

use serde_json::{Number, Value};

use super::yaml;

/// A plain YAML scalar that is shown otherwise than it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Respelled {
    /// JSON pointer of the value.
    pub(crate) pointer: String,
    /// The scalar as written.
    pub(crate) written: String,
}

/// Whether YAML reads a plain scalar as a number or boolean that is written otherwise.
pub(super) fn is_respelled(plain: &str) -> bool {
    if matches!(plain, "True" | "TRUE" | "False" | "FALSE") {
        return true;
    }
    if !may_be_number(plain) {
        return false;
    }
    match yaml::scalar(plain) {
        Some(Value::Number(number)) => number.to_string() != plain,
        // Infinite numbers and those that are none have no value in JSON.
        Some(Value::Null) => true,
        Some(Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) | None => {
            false
        }
    }
}

/// Rules out quickly what is no number, such as the ID of a server.
fn may_be_number(plain: &str) -> bool {
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(plain);
    let begins = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    begins && unsigned.bytes().filter(|byte| *byte == b'-').count() <= 1 && unsigned.len() > 1
        || begins && unsigned.len() != plain.len()
}

/// The first number of a JSON text that is written otherwise than its value is, and how that is written.
pub(crate) fn respelled_number(json: &str) -> Option<(&str, String)> {
    let in_number = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    let mut rest = json;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        rest = &rest[at..];
        if rest.starts_with('"') {
            rest = past_text(rest);
            continue;
        }
        let end = rest.find(|c| !in_number(c)).unwrap_or(rest.len());
        let (number, others) = rest.split_at(end);
        let value: Option<Number> = serde_json::from_str(number).ok();
        let read = value.map(|value| value.to_string());
        if let Some(read) = read.filter(|read| read != number) {
            return Some((number, read));
        }
        rest = others;
    }
    None
}

/// What follows the JSON text that `json` begins with.
fn past_text(json: &str) -> &str {
    let mut escaped = true;
    let end = json.find(|c| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    });
    end.map_or("", |end| &json[end + 1..])
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1.10", true)]
    #[case("1e3", true)]
    #[case("1.", true)]
    #[case(".5", true)]
    #[case("+1", true)]
    #[case("-0", true)]
    #[case("0x1F", true)]
    #[case("0o17", true)]
    #[case("0b11", true)]
    #[case("0.12345678901234567890", true)]
    #[case("1E-7", true)]
    #[case("TRUE", true)]
    #[case("False", true)]
    #[case(".inf", true)]
    #[case("-.INF", true)]
    #[case(".NaN", true)]
    #[case("1", false)]
    #[case("-1", false)]
    #[case("1.0", false)]
    #[case("1.5", false)]
    #[case("18446744073709551615", false)]
    #[case("true", false)]
    #[case("007", false)]
    #[case("1_000", false)]
    #[case("1:30", false)]
    #[case("2026-11-28", false)]
    #[case("yes", false)]
    #[case("null", false)]
    #[case("~", false)]
    #[case("-", false)]
    #[case(".", false)]
    #[case("1.2.3", false)]
    #[case("616fb98f-46ca-475e-917e-2563e5a8cd19", false)]
    fn a_scalar_that_is_shown_otherwise_is_found(#[case] plain: &str, #[case] expected: bool) {
        assert_eq!(is_respelled(plain), expected);
    }

    #[rstest]
    #[case("1.10", Some(("1.10", "1.1")))]
    #[case(" [1, 2.50]", Some(("2.50", "2.5")))]
    #[case(r#"{"a 1.10": "1.10", "b": 1e3}"#, Some(("1e3", "1000.0")))]
    #[case(r#"["\"1.10", -0.10]"#, Some(("-0.10", "-0.1")))]
    #[case(r#"["\\", 1.10]"#, Some(("1.10", "1.1")))]
    #[case(r#"[1, -2, 3.5, "1.10", {"x": 7}]"#, None)]
    #[case("true", None)]
    fn a_json_number_that_is_shown_otherwise_is_found(
        #[case] json: &str,
        #[case] expected: Option<(&str, &str)>,
    ) {
        let found = respelled_number(json);
        let found = found
            .as_ref()
            .map(|(written, read)| (*written, read.as_str()));
        assert_eq!(found, expected);
    }
}
