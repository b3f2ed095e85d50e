//! Pieces of JSON text as they are written, which a parsed value cannot show any more.
//!
//! Owns finding the members of an object within a text that a JSON parser has accepted. Invariant: what is
//! returned are slices of the text, so a number keeps its spelling.

use std::ops::Range;

/// A member of an object: its name, and where its value stands.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) value: Range<usize>,
}

/// The members of the object that begins at `start` of `text`, in order.
pub(super) fn members(text: &str, start: usize) -> Vec<Member> {
    let bytes = text.as_bytes();
    let mut members = Vec::new();
    let mut at = past_space(bytes, start + 1);
    while bytes.get(at) == Some(&b'"') {
        let end = past_value(bytes, at);
        let name = serde_json::from_str(&text[at..end]).unwrap_or_default();
        let colon = past_space(bytes, end);
        let from = past_space(bytes, colon + 1);
        let to = past_value(bytes, from);
        let value = from..to;
        members.push(Member { name, value });
        at = past_space(bytes, to);
        if bytes.get(at) == Some(&b',') {
            at = past_space(bytes, at + 1);
        }
    }
    members
}

/// The value of the last member of this name, as written.
pub(super) fn member<'t>(text: &'t str, start: usize, name: &str) -> Option<&'t str> {
    let members = members(text, start);
    let found = members.into_iter().rfind(|member| member.name == name)?;
    text.get(found.value)
}

fn past_space(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count()
}

/// The first byte after the value that begins at `at`.
fn past_value(bytes: &[u8], at: usize) -> usize {
    let (mut at, mut depth) = (at, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = past_text(bytes, at),
            b'[' | b'{' => (at, depth) = (at + 1, depth + 1),
            b']' | b'}' if depth == 0 => return at,
            b']' | b'}' => (at, depth) = (at + 1, depth - 1),
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return at,
            _ => {
                at += 1;
                continue;
            }
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

/// The first byte after the text whose opening quote stands at `at`.
fn past_text(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(r#"{"a":1.10,"b":"x"}"#, "a", Some("1.10"))]
    #[case(r#"{ "a" : 1e3 }"#, "a", Some("1e3"))]
    #[case("{\"a\":\n1\n}", "a", Some("1"))]
    #[case(
        r#"{"b":{"a":1},"a":[2,{"a":3}] , "c":0}"#,
        "a",
        Some(r#"[2,{"a":3}]"#)
    )]
    #[case(r#"{"b":"\",\"a\":1","a":true}"#, "a", Some("true"))]
    #[case(
        r#"{"\u0061":12345678901234567890123}"#,
        "a",
        Some("12345678901234567890123")
    )]
    #[case(r#"{"b":{},"c":[],"a":null}"#, "a", Some("null"))]
    #[case(r#"{"b":"a"}"#, "a", None)]
    #[case("{}", "a", None)]
    fn a_value_keeps_its_spelling(
        #[case] text: &str,
        #[case] name: &str,
        #[case] value: Option<&str>,
    ) {
        let text = format!(" [{text}, 1]");
        assert_eq!(member(&text, 2, name), value);
    }
}
