//! Dated closures: times in which nothing may be sent, with a reason. Pure.
//!
//! Owns the file's format and the question whether a moment is closed; who names such a file, and what a
//! closure forbids, is for others to say. Invariant: a closure ends after it begins, and a file that is not
//! understood gives no closures but findings, so that nobody takes it for an open calendar.

use jiff::Timestamp;
use serde::Deserialize;

use crate::diagnostic::{Diagnostic, SourceFile};
use crate::document::finding::{Finding, Spot, diagnose};
use crate::document::origins::{Origins, shorten};
use crate::document::schema::check;
use crate::document::{Format, whole_numbers, yaml};

/// The schema's text, as published in `schemas/freeze.schema.json`.
pub const SCHEMA: &str = include_str!("../schemas/freeze.schema.json");

static FREEZE: Format = Format::new("a freeze", SCHEMA);

/// One time in which nothing may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closure {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    /// Why; written by people.
    pub reason: String,
}

impl Closure {
    /// Whether it contains a moment.
    pub fn contains(&self, moment: Timestamp) -> bool {
        self.from <= moment && moment < self.to
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFreeze {
    #[serde(rename = "version")]
    _version: u8,
    closures: Vec<RawClosure>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClosure {
    from: String,
    to: String,
    reason: String,
}

/// Reads the closures of a file.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub fn parse(source: &SourceFile) -> Result<Vec<Closure>, Vec<Diagnostic>> {
    let reading = yaml::read(source.text());
    let mut findings = reading.findings;
    let Some(mut value) = reading.value else {
        return Err(diagnose(source, findings));
    };
    findings.extend(check(&FREEZE, &value, &Origins::default()));
    if !findings.is_empty() {
        return Err(diagnose(source, findings));
    }
    whole_numbers(&mut value);
    let raw: RawFreeze = serde_json::from_value(value).map_err(|error| {
        let message = format!("the freeze passed every check but cannot be read: {error}");
        vec![Diagnostic::error("internal", message)]
    })?;
    let mut closures = Vec::with_capacity(raw.closures.len());
    for (at, raw) in raw.closures.into_iter().enumerate() {
        match closure(at, raw) {
            Ok(closure) => closures.push(closure),
            Err(finding) => findings.push(*finding),
        }
    }
    if findings.is_empty() {
        Ok(closures)
    } else {
        Err(diagnose(source, findings))
    }
}

fn closure(at: usize, raw: RawClosure) -> Result<Closure, Box<Finding>> {
    let spot = |member: &str| Spot::Value(format!("/closures/{at}/{member}"));
    let moment = |member: &str, text: &str| {
        text.parse::<Timestamp>().map_err(|_| {
            let message = format!("`{}` is no time that there is", shorten(text));
            Box::new(Finding::error("invalid-time", spot(member), message))
        })
    };
    let (from, to) = (moment("from", &raw.from)?, moment("to", &raw.to)?);
    if to <= from {
        let message = "this closure ends before it begins";
        let finding = Finding::error("closure-ends-early", spot("to"), message);
        let finding = finding.related(spot("from"), "it begins here");
        return Err(Box::new(
            finding.hint("`to` is the first moment after the closure"),
        ));
    }
    let reason = raw.reason;
    Ok(Closure { from, to, reason })
}

/// Of the closures that contain a moment, the one that ends last.
pub fn closed_at<'a>(
    closures: impl Iterator<Item = &'a Closure>,
    moment: Timestamp,
) -> Option<&'a Closure> {
    closures
        .filter(|closure| closure.contains(moment))
        .max_by_key(|closure| closure.to)
}

/// When the next closure begins after a moment.
pub fn closes_after<'a>(
    closures: impl Iterator<Item = &'a Closure>,
    moment: Timestamp,
) -> Option<Timestamp> {
    let later = closures.filter(|closure| closure.from > moment);
    later.map(|closure| closure.from).min()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::diagnostic::to_text;

    fn read(text: &str) -> Result<Vec<Closure>, Vec<Diagnostic>> {
        parse(&SourceFile::new("freeze.yaml", text))
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_example_of_the_schema_is_read_whole() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let closures = read(&schema["examples"][0].to_string()).unwrap();
        assert_eq!(closures.len(), 1);
        assert_eq!(closures[0].from.to_string(), "2026-12-19T16:00:00Z");
        assert_eq!(closures[0].to.to_string(), "2027-01-03T16:00:00Z");
        assert_eq!(closures[0].reason, "end of the year");
        assert_eq!(read("version: 1\nclosures: []").unwrap(), []);
    }

    #[rstest]
    #[case("")]
    #[case("version: 2\nclosures: []")]
    #[case("version: 1")]
    #[case("version: 1\nclosures: []\nnights: []")]
    #[case("version: 1\nclosures:\n  - { from: 2026-12-20, to: 2026-12-21, reason: x }")]
    #[case(
        "version: 1\nclosures:\n  - { from: 2026-12-20T00:00:00, to: 2026-12-21T00:00:00, reason: x }"
    )]
    #[case(
        "version: 1\nclosures:\n  - { from: 2026-13-20T00:00:00Z, to: 2026-12-21T00:00:00Z, reason: x }"
    )]
    #[case(
        "version: 1\nclosures:\n  - { from: 2026-12-20T00:00:00Z, to: 2026-12-20T00:00:00Z, reason: x }"
    )]
    #[case(
        "version: 1\nclosures:\n  - { from: 2026-12-20T00:00:00Z, to: 2026-12-21T00:00:00Z, reason: '' }"
    )]
    #[case("version: 1\nclosures:\n  - { from: 2026-12-20T00:00:00Z, to: 2026-12-21T00:00:00Z }")]
    fn what_is_not_understood_is_found_at_its_place(#[case] text: &str) {
        let findings = read(text).unwrap_err();
        assert!(!findings.is_empty());
        assert!(
            findings.iter().all(|finding| finding.place.is_some()),
            "{text}"
        );
    }

    #[test]
    fn a_closure_that_ends_early_is_told_well() {
        let text = "version: 1\nclosures:\n  - from: 2026-12-20T00:00:00Z\n    to: 2026-12-19T00:00:00Z\n    reason: end of the year\n";
        assert_snapshot!(to_text(&read(text).unwrap_err(), false));
    }

    proptest! {
        #[test]
        fn a_moment_is_closed_if_any_closure_has_it(
            spans in proptest::collection::vec((0_i64..50, 1_i64..20), 0..6),
            now in -5_i64..80,
        ) {
            let closures: Vec<Closure> = spans
                .iter()
                .map(|(from, length)| Closure {
                    from: second(*from),
                    to: second(from + length),
                    reason: String::new(),
                })
                .collect();
            let inside = spans.iter().filter(|(from, length)| (*from..from + length).contains(&now));
            let last = inside.map(|(from, length)| from + length).max();
            let closed = closed_at(closures.iter(), second(now)).map(|closure| closure.to);
            prop_assert_eq!(closed, last.map(second));
            let next = spans.iter().map(|(from, _)| *from).filter(|from| *from > now).min();
            prop_assert_eq!(closes_after(closures.iter(), second(now)), next.map(second));
        }
    }
}
