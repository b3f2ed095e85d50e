//! JSON that a terminal or a reviewer may look at: hidden characters stand in it as escapes.
//!
//! Owns the spelling only. Invariant: what is written is the same JSON value, byte for byte what it was
//! where nothing is hidden.

use std::io::{self, Write};

use super::is_hidden;

/// A character of a JSON string, written out in hex digits where a terminal would obey or hide it.
pub fn write_json_character<W: ?Sized + Write>(out: &mut W, character: char) -> io::Result<()> {
    if !is_hidden(character) {
        return out.write_all(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    let mut units = [0; 2];
    let mut units = character.encode_utf16(&mut units).iter();
    units.try_for_each(|unit| write!(out, "\\u{unit:04x}"))
}

/// Passes JSON on, with its hidden characters as escapes. Must be handed whole characters, as the
/// serializer does; so it stands before any buffer.
#[derive(Debug)]
pub struct PlainJson<W>(pub W);

impl<W: Write> Write for PlainJson<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
        if bytes.iter().all(plain) {
            return self.0.write_all(bytes);
        }
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        text.chars().try_for_each(|character| match character {
            // White space between members; inside strings these are escaped already.
            '\n' | '\r' | '\t' => self.0.write_all(&[character as u8]),
            _ => write_json_character(&mut self.0, character),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn written(value: &Value) -> String {
        let mut out = Vec::new();
        serde_json::to_writer_pretty(PlainJson(&mut out), value).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn hidden_characters_are_escapes_and_others_stay() {
        let text = written(&json!("a\u{202e}b\u{e0041}é\n"));
        assert_eq!(text, r#""a\u202eb\udb40\udc41é\n""#);
    }

    proptest! {
        #[test]
        fn the_value_stays_and_nothing_is_hidden(key in any::<String>(), text in any::<String>()) {
            let value = json!({ key: [text, 1, null] });
            let shown = written(&value);
            prop_assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
            prop_assert!(!shown.chars().any(|c| c != '\n' && is_hidden(c)));
        }
    }
}
