//! How a report's JSON is broken into lines.
//!
//! Owns white space and escapes only: two levels deep an entry has a line of its own, deeper ones share one. So a
//! server is one line, `grep` and `git diff` work, and a report stays half the size of a pretty-printed
//! one. Invariant: what is written is the same JSON that any other layout would give, and holds no
//! character that a terminal obeys or hides.

use std::io::{self, Write};

use serde_json::ser::Formatter;

use crate::untrusted::write_json_character;

/// Levels of nesting whose entries have lines of their own.
const OPEN: usize = 2;

/// Lays out each entry of the two outer levels on its own line.
#[derive(Debug, Default)]
pub(super) struct LineAnEntry {
    depth: usize,
    filled: bool,
}

impl LineAnEntry {
    fn enter<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        out.write_all(bracket)
    }

    fn entry<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        self.line(out)
    }

    fn leave<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        let open = self.depth <= OPEN && self.filled;
        self.depth -= 1;
        if open {
            out.write_all(b"\n")?;
            indent(out, self.depth)?;
        }
        out.write_all(bracket)
    }

    fn line<W: ?Sized + Write>(&self, out: &mut W) -> io::Result<()> {
        if self.depth > OPEN {
            return Ok(());
        }
        out.write_all(b"\n")?;
        indent(out, self.depth)
    }
}

fn indent<W: ?Sized + Write>(out: &mut W, depth: usize) -> io::Result<()> {
    (0..depth).try_for_each(|_| out.write_all(b"  "))
}

impl Formatter for LineAnEntry {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return out.write_all(fragment.as_bytes());
        }
        fragment
            .chars()
            .try_for_each(|character| write_json_character(out, character))
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.enter(out, b"[")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.entry(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.leave(out, b"]")
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.enter(out, b"{")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.entry(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(if self.depth > OPEN { b":" } else { b": " })
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.leave(out, b"}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Serialize;
    use serde_json::{Value, json};

    fn lay_out(value: &Value) -> String {
        let mut out = Vec::new();
        let mut serializer =
            serde_json::Serializer::with_formatter(&mut out, LineAnEntry::default());
        value.serialize(&mut serializer).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn two_levels_are_open_and_the_rest_shares_a_line() {
        let value = json!({ "a": [], "b": [{"x": [1, {}]}, 2], "c": {"d": {"e": null}} });
        let expected = "{\n  \"a\": [],\n  \"b\": [\n    {\"x\":[1,{}]},\n    2\n  ],\n  \
                        \"c\": {\n    \"d\": {\"e\":null}\n  }\n}";
        assert_eq!(lay_out(&value), expected);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 30, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn characters_that_a_terminal_would_obey_are_escaped() {
        let value = json!({ "name": "机房\u{9b}2J\u{7f}\u{202e}\u{e0001}" });
        let expected = r#"{"name":"机房\u009b2J\u007f\u202e\udb40\udc01"}"#;
        let text = lay_out(&value);
        assert_eq!(text.replace([' ', '\n'], ""), expected);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    proptest! {
        #[test]
        fn the_layout_never_changes_the_content(value in any_json()) {
            prop_assert_eq!(serde_json::from_str::<Value>(&lay_out(&value)).unwrap(), value);
        }
    }
}
