//! Findings for people: file, line and column, the line itself, and what to do.
//!
//! Owns the layout and the escaping of what came from outside. Invariant: no control or invisible character
//! of a file, name or message reaches the terminal.

use annotate_snippets::{
    Annotation, AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet,
};

use super::{Diagnostic, Place, Severity};
use crate::untrusted::is_hidden;

/// Renders findings one after another, each followed by an empty line; with ANSI colours if `color`.
pub fn to_text(findings: &[Diagnostic], color: bool) -> String {
    let renderer = match color {
        true => Renderer::styled(),
        false => Renderer::plain(),
    };
    let mut text = String::new();
    for finding in findings {
        let finding = Escaped::of(finding);
        text.push_str(&renderer.render(&[finding.group()]));
        text.push_str("\n\n");
    }
    text
}

/// A finding whose texts are safe to show.
struct Escaped<'a> {
    finding: &'a Diagnostic,
    message: String,
    hint: Option<String>,
    spots: Vec<Spot>,
}

impl<'a> Escaped<'a> {
    fn of(finding: &'a Diagnostic) -> Self {
        let primary = finding.place.iter().map(|place| Spot::of(place, None));
        let related = finding
            .related
            .iter()
            .map(|(place, label)| Spot::of(place, Some(label)));
        Self {
            finding,
            message: escape(&finding.message),
            hint: finding.hint.as_deref().map(escape),
            spots: primary.chain(related).collect(),
        }
    }

    fn group(&self) -> Group<'_> {
        let level = match self.finding.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&self.message).id(self.finding.code);
        let mut group = Group::with_title(title);
        let mut previous: Option<&Spot> = None;
        for spot in &self.spots {
            // Two places of one line share a snippet, so that the line is shown once.
            group = match previous {
                Some(before) if before.same_line(spot) => group,
                _ => group.elements(self.snippet(spot)),
            };
            previous = Some(spot);
        }
        match &self.hint {
            Some(hint) => group.element(Level::HELP.message(hint)),
            None => group,
        }
    }

    fn snippet<'s>(&'s self, first: &'s Spot) -> Vec<Element<'s>> {
        let spots = self.spots.iter().filter(|spot| first.same_line(spot));
        let snippet = Snippet::source(&first.text)
            .line_start(first.line)
            .annotations(spots.map(Spot::annotation));
        let origin = Origin::path(&first.file)
            .line(first.line)
            .char_column(first.column);
        if first.skipped == 0 {
            return vec![snippet.path(&first.file).into()];
        }
        vec![origin.into(), snippet.into()]
    }
}

/// A place with a line that is safe to show.
struct Spot {
    file: String,
    line: usize,
    column: usize,
    skipped: usize,
    text: String,
    bytes: std::ops::Range<usize>,
    label: Option<String>,
}

impl Spot {
    fn of(place: &Place, label: Option<&String>) -> Self {
        let start = place.column - 1 - place.skipped.min(place.column - 1);
        let mut text = String::new();
        let mut bytes = None;
        let mut end = 0;
        for (at, character) in place.text.chars().enumerate() {
            if at == start {
                bytes = Some(text.len());
            }
            text.push(shown(character));
            if at < start + place.width {
                end = text.len();
            }
        }
        let from = bytes.unwrap_or(text.len());
        Self {
            file: escape(&place.file),
            line: place.line,
            column: place.column,
            skipped: place.skipped,
            bytes: from..end.max(from),
            text,
            label: label.map(|label| escape(label)),
        }
    }

    fn same_line(&self, other: &Self) -> bool {
        (&self.file, self.line, self.skipped) == (&other.file, other.line, other.skipped)
    }

    fn annotation(&self) -> Annotation<'_> {
        match &self.label {
            Some(label) => AnnotationKind::Context
                .span(self.bytes.clone())
                .label(label),
            None => AnnotationKind::Primary.span(self.bytes.clone()),
        }
    }
}

/// One character that stands for this one on a terminal; keeps columns as they are.
fn shown(character: char) -> char {
    match character {
        '\t' => ' ',
        '\u{7f}' => '\u{2421}',
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}'),
        _ if is_hidden(character) => '\u{fffd}',
        _ => character,
    }
}

/// The text with every hidden character written as `\u{…}`.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match is_hidden(character) {
            true => safe.extend(character.escape_unicode()),
            false => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::SourceFile;
    use insta::assert_snapshot;
    use proptest::prelude::*;

    fn finding(text: &str, bad: &str) -> Diagnostic {
        let file = SourceFile::new("weekly.yaml", text);
        let at = text.find(bad).unwrap();
        Diagnostic::error("unknown-key", "unknown key `nmae`").at(file.place(at..at + bad.len()))
    }

    #[test]
    fn a_finding_shows_its_place_its_line_and_what_to_do() {
        let finding = finding("version: 1\nnmae: x\n", "nmae").with_hint("did you mean `name`?");
        assert_snapshot!(to_text(&[finding], false), @r"
        error[unknown-key]: unknown key `nmae`
         --> weekly.yaml:2:1
          |
        2 | nmae: x
          | ^^^^
          |
          = help: did you mean `name`?
        ");
    }

    #[test]
    fn related_places_are_shown_with_their_labels() {
        let text = "a: 1\nb: 2\na: 3\n";
        let file = SourceFile::new("weekly.yaml", text);
        let finding = Diagnostic::warning("duplicate-key", "the key `a` stands twice")
            .at(file.place(10..11))
            .with_related(file.place(0..1), "first given here");
        assert_snapshot!(to_text(&[finding], false), @r"
        warning[duplicate-key]: the key `a` stands twice
         --> weekly.yaml:3:1
          |
        3 | a: 3
          | ^
          |
         ::: weekly.yaml:1:1
          |
        1 | a: 1
          | - first given here
        ");
    }

    #[test]
    fn two_places_of_one_line_share_the_line() {
        let file = SourceFile::new("weekly.yaml", "{a: 1, a: 2}");
        let finding = Diagnostic::error("duplicate-key", "twice")
            .at(file.place(7..8))
            .with_related(file.place(1..2), "first");
        assert_eq!(
            to_text(&[finding], false).matches("{a: 1, a: 2}").count(),
            1
        );
    }

    #[test]
    fn a_place_far_to_the_right_keeps_its_column() {
        let text = format!("{}X{}", "a".repeat(5_000), "b".repeat(5_000));
        let shown = to_text(&[finding(&text, "X")], false);
        assert!(shown.contains("weekly.yaml:1:5001"), "{shown}");
        assert!(shown.contains("aaX") && shown.len() < 1_000, "{shown}");
    }

    #[test]
    fn colour_is_shown_only_where_wanted() {
        let finding = [finding("nmae: x", "nmae")];
        assert!(to_text(&finding, true).contains('\u{1b}'));
        assert!(!to_text(&finding, false).contains('\u{1b}'));
    }

    #[test]
    fn a_finding_without_a_place_is_a_line() {
        let text = to_text(&[Diagnostic::error("lost", "nothing is left")], false);
        assert_eq!(text, "error[lost]: nothing is left\n\n");
    }

    proptest! {
        #[test]
        fn no_control_character_reaches_the_terminal(line in "[\u{0}-\u{ff}\u{2028}\u{202e}\u{fffb}\u{e0041}]{0,80}", from in 0usize..90, message in "[\u{0}-\u{9f}]{0,20}") {
            let file = SourceFile::new("a\u{1b}.yaml", &line);
            let finding = Diagnostic::error("x", message.clone()).at(file.place(from..from + 3)).with_hint(message);
            let text = to_text(&[finding], false);
            prop_assert!(!text.chars().any(|c| c != '\n' && is_hidden(c)), "{text:?}");
        }
    }
}
