//! What a check found, in terms of JSON pointers, and its way to a [`Diagnostic`] with a place.
//!
//! Checks know pointers only; the places are looked up once, at the end, and only if there is anything
//! to show. Invariant: the diagnostics come sorted by place, without repetition, and at most [`LIMIT`].

use std::ops::Range;

use crate::diagnostic::{Diagnostic, Place, Severity, SourceFile};

use super::outline::Outline;

/// Most errors of one file that are shown.
pub(crate) const LIMIT: usize = 200;
/// So many findings that it is not worth looking for more.
pub(crate) const PLENTY: usize = 5 * LIMIT;

/// One finding about a file whose values are known by JSON pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    pub(crate) spot: Spot,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) related: Option<(Spot, String)>,
}

/// What of the file a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spot {
    /// The value at a pointer.
    Value(String),
    /// The key at a pointer.
    Key(String),
    /// The first occurrence of a text within the value at a pointer.
    Within(String, String),
    /// These bytes.
    Bytes(Range<usize>),
    /// Nothing of the file: the finding is about what was given beside it.
    Outside,
}

impl Spot {
    /// The same spot with its pointer translated.
    pub(crate) fn translate(self, to: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Value(pointer) => Self::Value(to(&pointer)),
            Self::Key(pointer) => Self::Key(to(&pointer)),
            Self::Within(pointer, text) => Self::Within(to(&pointer), text),
            Self::Bytes(_) | Self::Outside => self,
        }
    }

    fn has_pointer(&self) -> bool {
        match self {
            Self::Value(_) | Self::Key(_) | Self::Within(..) => true,
            Self::Bytes(_) | Self::Outside => false,
        }
    }

    fn bytes(&self, text: &str, outline: &Outline) -> Option<Range<usize>> {
        match self {
            Self::Value(pointer) => Some(outline.value(pointer)),
            Self::Key(pointer) => Some(outline.key(pointer)),
            Self::Within(pointer, needle) => Some(within(text, outline.value(pointer), needle)),
            Self::Bytes(bytes) => Some(bytes.clone()),
            Self::Outside => None,
        }
    }
}

fn within(text: &str, bytes: Range<usize>, needle: &str) -> Range<usize> {
    match text.get(bytes.clone()).and_then(|part| part.find(needle)) {
        Some(at) => bytes.start + at..bytes.start + at + needle.len(),
        None => bytes,
    }
}

impl Finding {
    pub(crate) fn error(code: &'static str, spot: Spot, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            spot,
            message: message.into(),
            hint: None,
            related: None,
        }
    }

    pub(crate) fn warning(code: &'static str, spot: Spot, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, spot, message)
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    pub(crate) fn related(mut self, spot: Spot, label: impl Into<String>) -> Self {
        self.related = Some((spot, label.into()));
        self
    }
}

/// The findings as diagnostics of `source`, in the order of their places.
pub(crate) fn diagnose(source: &SourceFile, findings: Vec<Finding>) -> Vec<Diagnostic> {
    if findings.is_empty() {
        return Vec::new();
    }
    let text = source.text();
    let spots = findings
        .iter()
        .flat_map(|it| [Some(&it.spot), it.related.as_ref().map(|(spot, _)| spot)]);
    let by_pointer = spots.flatten().any(Spot::has_pointer);
    let outline = Outline::of(if by_pointer { text } else { "" });
    let mut placed: Vec<_> = findings
        .into_iter()
        .map(|finding| (finding.spot.bytes(text, &outline), finding))
        .collect();
    placed.sort_by(|one, two| key(one).cmp(&key(two)));
    placed.dedup_by(|one, two| key(one) == key(two));
    let beyond = placed.split_off(LIMIT.min(placed.len()));
    let ranges = placed.iter().filter_map(|(bytes, _)| bytes.clone());
    let mut places = source.places(ranges).into_iter();
    let mut shown: Vec<_> = placed
        .into_iter()
        .map(|(bytes, finding)| Diagnostic {
            place: bytes.and_then(|_| places.next()),
            related: related(source, &outline, finding.related),
            code: finding.code,
            severity: finding.severity,
            message: finding.message,
            hint: finding.hint,
        })
        .collect();
    shown.extend(not_shown(&beyond));
    shown
}

type Placed = (Option<Range<usize>>, Finding);

/// What findings are sorted by; those of one key say the same.
fn key((bytes, finding): &Placed) -> (Option<(usize, usize)>, &str, &str) {
    let bytes = bytes.as_ref().map(|bytes| (bytes.start, bytes.end));
    (bytes, finding.code, &finding.message)
}

fn related(
    source: &SourceFile,
    outline: &Outline,
    related: Option<(Spot, String)>,
) -> Vec<(Place, String)> {
    let place = |(spot, label): (Spot, String)| {
        let bytes = spot.bytes(source.text(), outline)?;
        Some((source.place(bytes), label))
    };
    related.into_iter().filter_map(place).collect()
}

fn not_shown(beyond: &[Placed]) -> Option<Diagnostic> {
    let (count, are) = match beyond.len() {
        0 => return None,
        1 => (1, "finding is"),
        count => (count, "findings are"),
    };
    let message = format!("at least {count} more {are} not shown");
    let any_error = beyond
        .iter()
        .any(|(_, finding)| finding.severity == Severity::Error);
    Some(match any_error {
        true => Diagnostic::error("too-many", message),
        false => Diagnostic::warning("too-many", message),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pointer: &str) -> Finding {
        Finding::error("test", Spot::Value(pointer.to_owned()), "wrong")
    }

    #[test]
    fn diagnostics_come_in_the_order_of_the_file_and_once_each() {
        let source = SourceFile::new("a.yaml", "a: 1\nb: 2\n");
        let lines: Vec<_> = diagnose(&source, vec![at("/b"), at("/a"), at("/b")])
            .iter()
            .map(|d| d.place.as_ref().unwrap().to_string())
            .collect();
        assert_eq!(lines, ["a.yaml:1:4", "a.yaml:2:4"]);
    }

    #[test]
    fn what_is_beyond_the_limit_is_counted() {
        let text = "- x\n".repeat(LIMIT + 1);
        let findings = (0..=LIMIT).map(|n| at(&format!("/{n}"))).collect();
        let shown = diagnose(&SourceFile::new("a", &text), findings);
        assert_eq!(shown.len(), LIMIT + 1);
        assert_eq!(shown[LIMIT].message, "at least 1 more finding is not shown");
        assert_eq!(shown[LIMIT].severity, Severity::Error);
    }

    #[test]
    fn warnings_beyond_the_limit_do_not_become_an_error() {
        let text = "- x\n".repeat(LIMIT + 2);
        let warning = |n| Finding::warning("test", Spot::Value(format!("/{n}")), "odd");
        let shown = diagnose(
            &SourceFile::new("a", &text),
            (0..LIMIT + 2).map(warning).collect(),
        );
        assert!(shown.iter().all(|it| it.severity == Severity::Warning));
        assert_eq!(
            shown[LIMIT].message,
            "at least 2 more findings are not shown"
        );
    }

    #[test]
    fn a_text_within_a_value_is_found_or_else_the_value_is_shown() {
        let source = SourceFile::new("a", "a: 'x {{ rakc }}'\n");
        let spot = |needle: &str| Spot::Within("/a".to_owned(), needle.to_owned());
        let findings = vec![
            Finding::error("one", spot("rakc"), ""),
            Finding::error("two", spot("none"), ""),
        ];
        let columns: Vec<_> = diagnose(&source, findings)
            .iter()
            .map(|d| (d.code, d.place.as_ref().unwrap().column))
            .collect();
        assert_eq!(columns, [("two", 4), ("one", 10)]);
    }
}
