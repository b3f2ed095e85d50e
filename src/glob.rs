//! Patterns over names: `*` for any text, `?` for one character, `[a-z]` and `[!a-z]` for one of a set.
//!
//! Owns reading a pattern and matching it. A pattern is held against the whole name, upper and lower
//! case are different, and `\` takes the next character as it is. Invariant: matching takes at most
//! the product of both lengths, whatever the pattern, as names come from outside.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A pattern that can be matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glob {
    text: String,
    parts: Vec<Part>,
}

/// Why a text is no pattern: a fragment such as `its set has no end`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidGlob(pub &'static str);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Any text, also none.
    Any,
    /// One character, whichever.
    One,
    /// This character.
    Letter(char),
    /// A character of one of these ranges.
    Within(Vec<(char, char)>),
    /// A character of none of these ranges.
    Without(Vec<(char, char)>),
}

impl Part {
    /// Whether it stands for this one character.
    fn takes(&self, letter: char) -> bool {
        let within = |ranges: &[(char, char)]| {
            let mut ranges = ranges.iter();
            ranges.any(|(first, last)| (*first..=*last).contains(&letter))
        };
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Letter(own) => *own == letter,
            Self::Within(ranges) => within(ranges),
            Self::Without(ranges) => !within(ranges),
        }
    }
}

impl Glob {
    /// Whether the pattern fits the whole of `name`.
    pub fn matches(&self, name: &str) -> bool {
        let (mut at, mut rest) = (0, name.chars());
        // Where to go on if what follows the last `*` does not fit: that `*` takes one character more.
        let mut retry = None;
        loop {
            let mut ahead = rest.clone();
            match (self.parts.get(at), ahead.next()) {
                (Some(Part::Any), _) => {
                    retry = Some((at, rest.clone()));
                    at += 1;
                    continue;
                }
                (Some(part), Some(letter)) if part.takes(letter) => {
                    at += 1;
                    rest = ahead;
                    continue;
                }
                (None, None) => return true,
                (Some(_) | None, _) => {}
            }
            let Some((star, mut from)) = retry.take() else {
                return false;
            };
            if from.next().is_none() {
                return false;
            }
            at = star + 1;
            rest = from.clone();
            retry = Some((star, from));
        }
    }

    /// A name that the pattern fits, with `number` in place of its first `*`.
    pub fn example(&self, number: u32) -> String {
        let mut number = Some(number.to_string());
        let mut name = String::new();
        for part in &self.parts {
            match part {
                Part::Any => name.push_str(&number.take().unwrap_or_default()),
                Part::One => name.push('x'),
                Part::Letter(letter) => name.push(*letter),
                Part::Within(ranges) => name.extend(ranges.first().map(|(first, _)| *first)),
                Part::Without(_) => {
                    let mut letters = ('0'..='z').chain('À'..='ÿ');
                    name.extend(letters.find(|letter| part.takes(*letter)));
                }
            }
        }
        name
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Glob {
    type Err = InvalidGlob;

    fn from_str(text: &str) -> Result<Self, InvalidGlob> {
        if text.is_empty() {
            return Err(InvalidGlob("an empty pattern fits no name"));
        }
        let mut parts = Vec::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            parts.push(match letter {
                '*' if parts.last() == Some(&Part::Any) => continue,
                '*' => Part::Any,
                '?' => Part::One,
                '[' => set(&mut letters)?,
                '\\' => Part::Letter(letters.next().ok_or(InvalidGlob("it ends with `\\`"))?),
                plain => Part::Letter(plain),
            });
        }
        let text = text.to_owned();
        Ok(Self { text, parts })
    }
}

impl TryFrom<String> for Glob {
    type Error = InvalidGlob;

    fn try_from(text: String) -> Result<Self, InvalidGlob> {
        text.parse()
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> String {
        glob.text
    }
}

/// The set that begins after `[`; a `]` right at its beginning is one of its characters.
fn set(letters: &mut std::str::Chars<'_>) -> Result<Part, InvalidGlob> {
    const ENDLESS: InvalidGlob = InvalidGlob("its `[` has no `]`");
    let negated = letters.as_str().starts_with(['!', '^']);
    if negated {
        letters.next();
    }
    let mut ranges = Vec::new();
    loop {
        let first = match letters.next().ok_or(ENDLESS)? {
            ']' if !ranges.is_empty() => break,
            '\\' => letters.next().ok_or(ENDLESS)?,
            plain => plain,
        };
        let mut ahead = letters.clone();
        let last = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) if last != ']' => {
                *letters = ahead;
                match last {
                    '\\' => letters.next().ok_or(ENDLESS)?,
                    plain => plain,
                }
            }
            (_, _) => first,
        };
        if last < first {
            return Err(InvalidGlob("a range in its `[…]` runs backwards"));
        }
        ranges.push((first, last));
    }
    Ok(match negated {
        true => Part::Without(ranges),
        false => Part::Within(ranges),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn fits(pattern: &str, name: &str) -> bool {
        pattern.parse::<Glob>().unwrap().matches(name)
    }

    #[rstest]
    #[case("db-1", "db-1", true)]
    #[case("db-1", "db-12", false)]
    #[case("db-1", "xdb-1", false)]
    #[case("db-*", "db-", true)]
    #[case("db-*", "db-prod-1", true)]
    #[case("db-*", "DB-1", false)]
    #[case("*-prod-*", "db-prod-1", true)]
    #[case("*-prod-*", "db-prod", false)]
    #[case("*a*b*c", "aXbXbXc", true)]
    #[case("*a*b*c", "aXcXb", false)]
    #[case("*", "", true)]
    #[case("**", "x", true)]
    #[case("?", "é", true)]
    #[case("?", "", false)]
    #[case("?", "ab", false)]
    #[case("机?-*", "机房-1", true)]
    #[case("r[0-9][0-9]", "r07", true)]
    #[case("r[0-9]", "rx", false)]
    #[case("r[!0-9]", "rx", true)]
    #[case("r[^0-9]", "r1", false)]
    #[case("[]a]", "]", true)]
    #[case("[a-]", "-", true)]
    #[case("[\\]]", "]", true)]
    #[case("a\\*", "a*", true)]
    #[case("a\\*", "ab", false)]
    #[case("a.b", "axb", false)]
    #[case("a/*", "a/b/c", true)]
    fn a_pattern_is_held_against_the_whole_name(
        #[case] pattern: &str,
        #[case] name: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(fits(pattern, name), expected);
    }

    #[rstest]
    #[case("")]
    #[case("a[")]
    #[case("a[]")]
    #[case("a[b")]
    #[case("[z-a]")]
    #[case("a\\")]
    #[case("[\\")]
    fn what_is_no_pattern_is_refused(#[case] pattern: &str) {
        assert!(pattern.parse::<Glob>().is_err());
    }

    #[test]
    fn a_hostile_name_takes_no_time() {
        let pattern = format!("{}b", "*a".repeat(50));
        assert!(!fits(&pattern, &"a".repeat(20_000)));
    }

    proptest! {
        #[test]
        fn a_pattern_fits_its_own_example(text in "([a-c*?]|\\[!?[a-c]-[d-f]\\]){1,8}", number in 0_u32..1000) {
            if let Ok(glob) = text.parse::<Glob>() {
                let example = glob.example(number);
                prop_assert!(glob.matches(&example), "{example}");
            }
        }

        #[test]
        fn a_name_fits_itself_and_what_is_left_open_of_it(name in "\\PC{1,12}", cut in 0usize..12) {
            let quoted: String = name.chars().flat_map(|letter| ['\\', letter]).collect();
            prop_assert!(fits(&quoted, &name));
            let kept: String = name.chars().take(cut).flat_map(|letter| ['\\', letter]).collect();
            let open = format!("{}*", kept);
            prop_assert!(fits(&open, &name));
        }

        #[test]
        fn stars_agree_with_a_plain_definition(pattern in "[ab*?]{1,6}", name in "[ab]{0,8}") {
            fn plain(pattern: &[u8], name: &[u8]) -> bool {
                match (pattern.split_first(), name.split_first()) {
                    (None, None) => true,
                    (Some((b'*', rest)), _) => plain(rest, name) || (!name.is_empty() && plain(pattern, &name[1..])),
                    (Some((b'?', rest)), Some((_, names))) => plain(rest, names),
                    (Some((a, rest)), Some((b, names))) => a == b && plain(rest, names),
                    (_, _) => false,
                }
            }
            prop_assert_eq!(fits(&pattern, &name), plain(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
