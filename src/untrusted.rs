//! Text that came from outside (names, descriptions, messages of the cloud), made safe to show.
//!
//! Owns escaping for terminals and for GitHub-flavoured Markdown; stored data is never changed by it.
//! Invariant: what [`for_terminal`] gives holds no control or invisible character, and what
//! [`for_markdown`] gives renders as the same plain words: no markup, link, mention or new line.

mod json;

use std::borrow::Cow;

pub use json::{PlainJson, write_json_character};

/// The text with control, bidirectional and invisible characters written out as `\n` or `\u{202e}`.
pub fn for_terminal(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Stands in a hint for the workflow file and its variables, which only the command line knows. They are filled in as
/// words [`for_shell`].
pub const TYPED: &str = "{typed}";

/// The word as a POSIX shell reads it back.
pub fn for_shell(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

/// The text as plain words inside a line or table cell of Markdown, on GitHub and on GitLab.
///
/// Both look for mentions, references and links after Markdown's own escapes are gone. So what could
/// begin one (`@user`, `#1`, `!1`, `https:`, `GH-1`, the hash of a commit) gets a zero-width space.
pub fn for_markdown(text: &str) -> String {
    let text = for_terminal(text.trim());
    let mut shown = String::with_capacity(text.len() + 16);
    let begins_list = list_marker(&text);
    let breaks = word_breaks(&text);
    for (at, character) in text.char_indices() {
        if breaks.contains(&at) {
            shown.push_str(SPACE);
        }
        match character {
            '-' | '.' if begins_list == Some(at) => {
                shown.push('\\');
                shown.push(character);
            }
            '&' => shown.extend(["&amp;", SPACE]),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '@' | ':' | '%' => {
                shown.push(character);
                shown.push_str(SPACE);
            }
            '#' | '!' | '$' | '~' | '^' | '*' => {
                shown.extend(['\\', character]);
                shown.push_str(SPACE);
            }
            '\\' | '`' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '+' | '|' | '=' => {
                shown.extend(['\\', character]);
            }
            _ => shown.push(character),
        }
        if shown.len() >= 4 && is_web_prefix(&shown.as_bytes()[shown.len() - 4..]) {
            shown.pop();
            shown.push_str("\\.");
        }
    }
    shown
}

/// A zero-width space.
const SPACE: &str = "&#8203;";

/// Where a word that would become a reference is broken: behind `GH-`, and in what may be a commit's hash.
fn word_breaks(text: &str) -> Vec<usize> {
    let mut breaks = Vec::new();
    let mut start = 0;
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        let end = start + word.len();
        let is_hash = word.len() >= 7 && word.bytes().all(|b| b.is_ascii_hexdigit());
        if is_hash {
            // The shortest hash that is looked for has seven digits.
            breaks.extend((start + 6..end).step_by(6));
        }
        if word.eq_ignore_ascii_case("gh") && text[end..].starts_with('-') {
            breaks.push(end + 1);
        }
        let separator = text[end..].chars().next();
        start = end + separator.map_or(0, char::len_utf8);
    }
    breaks
}

/// The first `most` characters, and `…` in place of what is left out.
pub fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    if text.chars().nth(most).is_none() {
        return Cow::Borrowed(text);
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    Cow::Owned(short)
}

/// Where the mark stands that would make the text a list item or a rule: `- x`, `1. x`, `---`.
fn list_marker(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let mark = text.as_bytes().get(digits)?;
    let begins = (*mark == b'-' && digits == 0) || (*mark == b'.' && digits > 0);
    begins.then_some(digits)
}

fn is_web_prefix(bytes: &[u8]) -> bool {
    bytes.eq_ignore_ascii_case(b"www.")
}

/// Control characters, line separators, and what changes or hides its neighbours.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_quoted_for_a_shell_where_needed() {
        assert_eq!(
            for_shell("workflows/weekly-stop.yaml"),
            "workflows/weekly-stop.yaml"
        );
        assert_eq!(for_shell("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(for_shell(""), "''");
    }

    #[test]
    fn harmless_text_is_shown_as_it_is() {
        for text in ["bms-az1-001", "机房-東京", "Zürich №5", "🖥 rack", ""] {
            assert!(matches!(for_terminal(text), Cow::Borrowed(shown) if shown == text));
        }
    }

    #[test]
    fn what_would_move_hide_or_turn_text_is_written_out() {
        for (text, shown) in [
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("x\u{202e}txt.exe", "x\\u{202e}txt.exe"),
            ("a\u{200b}b\u{2066}", "a\\u{200b}b\\u{2066}"),
            ("\u{2028}\u{7f}\u{0}", "\\u{2028}\\u{7f}\\u{0}"),
        ] {
            assert_eq!(for_terminal(text), shown);
        }
    }

    #[test]
    fn markdown_markup_is_shown_and_not_obeyed() {
        for (text, shown) in [
            ("bms-az1-001", "bms-az1-001"),
            ("a|b", "a\\|b"),
            ("<img src=x>", "&lt;img src\\=x&gt;"),
            ("[x](https://evil)", "\\[x\\]\\(https:&#8203;//evil\\)"),
            ("www.evil.example", "www\\.evil.example"),
            ("WWW.evil", "WWW\\.evil"),
            ("@octocat", "@&#8203;octocat"),
            ("org/repo#1", "org/repo\\#&#8203;1"),
            ("```\nx", "\\`\\`\\`\\\\nx"),
            ("&lt;", "&amp;&#8203;lt;"),
            ("gh-1 x-gh-12 ghost-1", "gh-&#8203;1 x-gh-&#8203;12 ghost-1"),
            ("at deadbeef0123", "at deadbe&#8203;ef0123"),
            ("!1 %1 ~bug", "\\!&#8203;1 %&#8203;1 \\~&#8203;bug"),
            ("- a - b", "\\- a - b"),
            ("--- ", "\\---"),
            ("10. a 1.5", "10\\. a 1.5"),
            ("    code", "code"),
        ] {
            assert_eq!(for_markdown(text), shown);
        }
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöüß", 3), "äö…");
    }

    proptest! {
        #[test]
        fn nothing_hidden_survives(text in any::<String>()) {
            prop_assert!(!for_terminal(&text).chars().any(is_hidden));
            prop_assert!(!for_markdown(&text).chars().any(is_hidden));
        }

        #[test]
        fn every_markdown_special_is_escaped(text in any::<String>()) {
            let shown = for_markdown(&text);
            prop_assert!(!shown.contains(['<', '>', '\n']));
            let mut before = ' ';
            for character in shown.chars() {
                if "`*_[]|~".contains(character) {
                    prop_assert_eq!(before, '\\');
                }
                before = if before == '\\' { ' ' } else { character };
            }
        }
    }
}
