//! Texts that could be misread, and the two parsers against each other. Invariant: whatever the text, the
//! reading ends quickly and without a panic.

use super::*;
use proptest::prelude::*;
use rstest::rstest;

fn codes(text: &str) -> Vec<&'static str> {
    read(text)
        .findings
        .iter()
        .map(|finding| finding.code)
        .collect()
}

#[rstest]
#[case("a: 1\nb: [x, y]\n")]
#[case("a: yes\nb: 0755\nc: 2026-11-24\n")]
#[case("a: \"\\L\\N\"\nb: zwölf\n")]
#[case("a: 1\r\nb: 2\r\n")]
#[case("--- \na: 1\n...\n")]
#[case("# only\na: |\n  b: c\n  b: c\n")]
#[case("no: x\ny: z\n'1': q\n\"true\": r\n")]
fn plain_yaml_has_no_findings(#[case] text: &str) {
    assert_eq!(codes(text), Vec::<&str>::new());
    assert!(read(text).value.is_some());
}

#[rstest]
#[case("a: 1 # x\u{2028}b: 2", "deceptive-character")]
#[case("a: 1 # x\u{85}b: 2", "deceptive-character")]
#[case("a: 1 # x\rb: 2", "deceptive-character")]
#[case("a: \u{202e}1", "deceptive-character")]
#[case("a: {b: 1, b: 2}", "duplicate-key")]
#[case("'a': 1\n\"a\": 2", "duplicate-key")]
#[case("a: {<<: {b: 1}}", "merge")]
#[case("a: &x 1", "anchor-or-alias")]
#[case("a: *x", "anchor-or-alias")]
#[case("a: !!python/object x", "tag")]
#[case("a: !!str 1", "tag")]
#[case("1: a", "key-not-text")]
#[case("~: a", "key-not-text")]
#[case("true: a", "key-not-text")]
#[case("1.5: a", "key-not-text")]
#[case("? [a]\n: b", "key-not-text")]
#[case("a: {{ b }}", "unquoted-expression")]
#[case("a: [{{ b }}]", "unquoted-expression")]
#[case("- {{ b }}", "unquoted-expression")]
#[case("a: {{ b }}/c", "unquoted-expression")]
#[case("{{ b }}: c", "unquoted-expression")]
#[case("'{{ b }}': c", "expression-in-key")]
#[case("a: 1\n---\nb: 2", "several-documents")]
#[case("", "empty-file")]
#[case("\n\n# nothing\n", "empty-file")]
#[case("a: \"\u{0}\"", "syntax")]
#[case("a: 99999999999999999999999999999999", "syntax")]
#[case("\ta: 1", "syntax")]
#[case("a: b: c", "syntax")]
#[case("a: [", "syntax")]
#[case("%YAML 1.1\n%FOO\na", "syntax")]
fn what_could_be_misread_is_found(#[case] text: &str, #[case] code: &str) {
    assert_eq!(codes(text), [code], "{:?}", read(text).findings);
}

#[rstest]
#[case("[".repeat(100_000))]
#[case("{a: ".repeat(100_000))]
#[case("- ".repeat(100_000))]
#[case("? ".repeat(100_000))]
#[case((0..2_000).fold(String::new(), |text, depth| format!("{text}{}a:\n", " ".repeat(depth))))]
fn deep_nesting_ends_quickly(#[case] text: String) {
    let findings = read(&text).findings;
    assert!(
        matches!(findings[0].code, "too-deep" | "syntax" | "key-not-text"),
        "{findings:?}"
    );
    assert_eq!(findings.len(), 1);
}

#[test]
fn a_file_of_very_many_mappings_is_refused_before_it_fills_the_memory() {
    let text = format!("a: [{}]", "{b: c}, ".repeat(200_000));
    assert_eq!(codes(&text), ["too-large"]);
}

#[test]
fn long_lines_end_quickly() {
    for text in [
        "x".repeat(10_000_000),
        format!("a: \"{}", "y".repeat(10_000_000)),
        format!("{{{}", "a, ".repeat(1_000_000)),
    ] {
        let _ = read(&text);
    }
}

/// The value as granit-parser's events tell it, with every scalar as its text.
fn other_reading(text: &str) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    for event in events(text) {
        if let (Event::Scalar(text, ..), _) = event.ok()? {
            texts.push(text.into_owned());
        }
    }
    Some(texts)
}

fn texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, into)),
        Value::Object(fields) => fields.iter().for_each(|(key, field)| {
            into.push(key.clone());
            texts(field, into);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parsers_panic(text in "([-?:,{}#&*!|>'\"%@` \n\t~.a0]|\\PC){0,60}") {
        let _ = read(&text);
    }

    #[test]
    fn both_parsers_read_the_same_texts(text in "([-:,{}#'\"|>\\[\\] \n]|a|bc|: |- |\n  ){0,40}") {
        let reading = read(&text);
        if let (Some(value), true) = (reading.value, reading.findings.is_empty()) {
            let mut ours = Vec::new();
            texts(&value, &mut ours);
            let others = other_reading(&text);
            prop_assert!(others.is_some());
            let others = others.unwrap_or_default();
            for text in &ours {
                // granit ends a block scalar at the end of the file with a line feed, libyaml does not.
                let found = others.iter().any(|other| other.trim_end() == text.trim_end());
                prop_assert!(found, "{text:?} is not in {others:?}");
            }
        }
    }
}
