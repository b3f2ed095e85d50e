//! A file's text under the name that people know it by, and places in it.
//!
//! Owns the conversion from byte offsets to lines and columns. Lines and columns count from 1;
//! columns count characters, not bytes. Invariant: a [`Place`] always names a line that exists.

use std::ops::Range;
use std::sync::Arc;

/// Longest excerpt of a line that a place keeps, in characters.
const EXCERPT: usize = 200;

/// A text and the name that it is shown under. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    name: Arc<str>,
    text: Arc<str>,
    mark: bool,
}

/// The byte-order mark that some editors put before the text.
const MARK: &str = "\u{feff}";

impl SourceFile {
    /// A file with this display name and content. A byte-order mark at its start is dropped.
    pub fn new(name: &str, text: &str) -> Self {
        let unmarked = text.strip_prefix(MARK);
        Self {
            name: name.into(),
            text: unmarked.unwrap_or(text).into(),
            mark: unmarked.is_some(),
        }
    }

    /// The name that messages show.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The content, without byte-order mark.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file's bytes in two parts, for hashing: the byte-order mark if it has one, and the text.
    pub fn parts(&self) -> [&[u8]; 2] {
        let mark = if self.mark { MARK } else { "" };
        [mark.as_bytes(), self.text.as_bytes()]
    }

    /// The place of these bytes of the text; cut down to the first line that they touch.
    pub fn place(&self, bytes: Range<usize>) -> Place {
        self.place_after(&mut Lines::default(), bytes)
    }

    /// The places of several ranges; far cheaper than [`place`](Self::place) for each if they come in
    /// the order of the text.
    pub fn places(&self, ranges: impl IntoIterator<Item = Range<usize>>) -> Vec<Place> {
        let mut lines = Lines::default();
        let place = |bytes| self.place_after(&mut lines, bytes);
        ranges.into_iter().map(place).collect()
    }

    fn place_after(&self, lines: &mut Lines, bytes: Range<usize>) -> Place {
        let text = self.text.as_bytes();
        let start = floor_char(&self.text, bytes.start.min(text.len()));
        let line_start = text[..start]
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        let rest = &text[line_start..];
        let line_end = line_start + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let line = self.text[line_start..line_end].trim_end_matches('\r');
        let end = floor_char(&self.text, bytes.end.clamp(start, line_end));
        let column = self.text[line_start..start].chars().count();
        let width = self.text[start..end].trim_end().chars().count().max(1);
        let excerpt = Excerpt::around(line, column);
        Place {
            file: self.name.clone(),
            line: lines.before(text, line_start) + 1,
            column: column + 1,
            width,
            text: excerpt.text.into(),
            skipped: excerpt.skipped,
        }
    }
}

/// How many line ends stand before a byte of the text, as far as counted.
#[derive(Default)]
struct Lines {
    upto: usize,
    count: usize,
}

impl Lines {
    fn before(&mut self, text: &[u8], at: usize) -> usize {
        if at < self.upto {
            *self = Self::default();
        }
        let more = &text[self.upto..at];
        self.count += more.iter().filter(|byte| **byte == b'\n').count();
        self.upto = at;
        self.count
    }
}

fn floor_char(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

struct Excerpt {
    text: String,
    skipped: usize,
}

impl Excerpt {
    fn around(line: &str, column: usize) -> Self {
        let skipped = column.saturating_sub(EXCERPT / 2);
        let skipped = if line.chars().nth(EXCERPT).is_some() {
            skipped
        } else {
            0
        };
        Self {
            text: line.chars().skip(skipped).take(EXCERPT).collect(),
            skipped,
        }
    }
}

/// One stretch of one line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Display name of the file.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column of the first character, from 1.
    pub column: usize,
    /// Number of characters, at least 1.
    pub width: usize,
    /// The line, or 200 characters of it around the place.
    pub text: Arc<str>,
    /// How many characters of the line stand before `text`.
    pub skipped: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let file = SourceFile::new("a.yaml", "\u{feff}first\r\nzwölf: bad\n");
        let at = file.text().find("bad").unwrap();
        let place = file.place(at..at + 3);
        assert_eq!(place.to_string(), "a.yaml:2:8");
        assert_eq!((place.width, &*place.text), (3, "zwölf: bad"));
    }

    #[test]
    fn a_long_line_is_cut_to_an_excerpt_around_the_place() {
        let file = SourceFile::new("a", &format!("{}X{}", "ä".repeat(5_000), "b".repeat(5_000)));
        let place = file.place(10_000..10_001);
        assert_eq!((place.column, place.skipped), (5_001, 4_900));
        assert_eq!(place.text.chars().nth(100), Some('X'));
        assert_eq!(place.text.chars().count(), EXCERPT);
    }

    #[test]
    fn places_in_any_order_are_those_of_each_alone() {
        let file = SourceFile::new("a", "one\ntwo\nthree\n");
        let ranges = [8..9, 0..1, 4..7, 9..9, 14..99];
        let alone: Vec<_> = ranges.iter().cloned().map(|it| file.place(it)).collect();
        assert_eq!(file.places(ranges), alone);
    }

    proptest! {
        #[test]
        fn any_bytes_of_any_text_have_a_place(text in "\\PC{0,20}(\n\\PC{0,20}){0,3}", from in 0usize..99, to in 0usize..99) {
            let file = SourceFile::new("a", &text);
            let place = file.place(from..to);
            prop_assert!(place.line <= file.text().lines().count().max(1) + 1);
            prop_assert!(place.width >= 1);
        }
    }
}
