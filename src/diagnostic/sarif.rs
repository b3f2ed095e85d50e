//! Findings as SARIF 2.1.0, which code scanning of GitHub and others read.
//!
//! Owns the members and the escaping. A plain message may hold links of the form `[text](target)`, so what
//! came from outside never shows one. Invariant: every result names a rule of the driver, and its
//! fingerprint is that of the finding's line and not of the line's number.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Diagnostic, Place, Severity};
use crate::untrusted::{for_terminal, shorten};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// Longest message, in characters.
const MESSAGE: usize = 4_000;
/// What may stand in a path of a URI as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// Renders findings as a SARIF log with one run, for `validate --format sarif`.
pub fn to_sarif(findings: &[Diagnostic]) -> Value {
    let codes: BTreeSet<&str> = findings.iter().map(|finding| finding.code).collect();
    let rules: Vec<Value> = codes.iter().map(|code| rule(code)).collect();
    let mut seen = BTreeMap::new();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| result(finding, &codes, &mut seen))
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "lightsout",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &str) -> Value {
    let words = code.replace('-', " ");
    json!({
        "id": code,
        "shortDescription": { "text": words },
        "fullDescription": { "text": format!("{words}, in a workflow of lightsout or a file that it names") },
        "help": { "text": "without `--format sarif`, the line is shown and what to do" },
    })
}

/// How often a finding of this code was seen on a line of this text.
type Seen = BTreeMap<String, u32>;

fn result(finding: &Diagnostic, rules: &BTreeSet<&str>, seen: &mut Seen) -> Value {
    let locations: Vec<Value> = finding
        .place
        .iter()
        .map(|place| json!({ "physicalLocation": physical(place) }))
        .collect();
    let related: Vec<Value> = finding
        .related
        .iter()
        .enumerate()
        .map(|(id, (place, label))| {
            json!({ "id": id, "physicalLocation": physical(place), "message": { "text": words(label) } })
        })
        .collect();
    json!({
        "ruleId": finding.code,
        "ruleIndex": rules.iter().position(|code| *code == finding.code),
        "level": match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": { "text": message(finding) },
        "locations": locations,
        "relatedLocations": related,
        "partialFingerprints": { "findingLine/v1": fingerprint(finding, seen) },
    })
}

fn message(finding: &Diagnostic) -> String {
    match &finding.hint {
        Some(hint) => format!("{}\nhelp: {}", words(&finding.message), words(hint)),
        None => words(&finding.message),
    }
}

/// The text without hidden characters and without links.
fn words(text: &str) -> String {
    let shown = for_terminal(text);
    shorten(&shown, MESSAGE).replace("](", "] (")
}

fn physical(place: &Place) -> Value {
    json!({
        "artifactLocation": artifact(&place.file),
        "region": {
            "startLine": place.line,
            "startColumn": place.column,
            "endLine": place.line,
            "endColumn": place.column + place.width,
        },
    })
}

/// A path as a URI, relative to where the program was called unless it is absolute.
fn artifact(file: &str) -> Value {
    let mut plain: Vec<String> = Vec::new();
    for part in Path::new(file).components() {
        match part {
            Component::ParentDir if plain.last().is_some_and(|last| last != "..") => {
                plain.pop();
            }
            Component::ParentDir => plain.push("..".to_owned()),
            Component::Normal(name) => {
                let name = name.to_string_lossy();
                plain.push(utf8_percent_encode(&name, PATH).to_string());
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    let path = plain.join("/");
    match Path::new(file).is_absolute() {
        true => json!({ "uri": format!("file:///{path}") }),
        false => json!({ "uri": path, "uriBaseId": "%SRCROOT%" }),
    }
}

/// Stays the same when lines before the finding come or go.
fn fingerprint(finding: &Diagnostic, seen: &mut Seen) -> String {
    let (file, line) = match &finding.place {
        Some(place) => (&*place.file, place.text.trim()),
        None => ("", &*finding.message),
    };
    let own = format!("{}\0{file}\0{line}", finding.code);
    let times = seen.entry(own.clone()).or_default();
    *times += 1;
    let hash = Sha256::digest(format!("{own}\0{times}"));
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diagnostic::SourceFile;
    use crate::untrusted::is_hidden;

    fn finding(file: &str, text: &str, bad: &str) -> Diagnostic {
        let file = SourceFile::new(file, text);
        let at = text.find(bad).unwrap();
        Diagnostic::error("unknown-key", "unknown key").at(file.place(at..at + bad.len()))
    }

    #[test]
    fn a_log_is_exactly_this() {
        let file = SourceFile::new("./w/zwölf gruppen.yaml", "version: 1\nnmae: x\n");
        let findings = [
            Diagnostic::error("unknown-key", "unknown key `nmae`")
                .at(file.place(11..15))
                .with_related(file.place(0..7), "beside [this](https://evil.example)")
                .with_hint("did you mean `name`?"),
            Diagnostic::warning("guard", "too many"),
        ];
        insta::assert_snapshot!(
            format!("{:#}", to_sarif(&findings)).replace(env!("CARGO_PKG_VERSION"), "VERSION")
        );
    }

    #[test]
    fn paths_become_uris() {
        for (path, uri) in [
            ("a.yaml", "a.yaml"),
            ("./w/../a b%.yaml", "a%20b%25.yaml"),
            ("../a:b#c?.yaml", "../a%3Ab%23c%3F.yaml"),
            ("/srv/a.yaml", "file:///srv/a.yaml"),
            ("w//x/./y", "w/x/y"),
        ] {
            assert_eq!(artifact(path)["uri"], uri, "{path}");
        }
    }

    fn prints(findings: &[Diagnostic]) -> Vec<String> {
        let log = to_sarif(findings);
        let results = log["runs"][0]["results"].as_array().unwrap();
        let print = |result: &Value| result["partialFingerprints"]["findingLine/v1"].to_string();
        results.iter().map(print).collect()
    }

    #[test]
    fn a_fingerprint_moves_with_its_line_and_tells_equal_lines_apart() {
        let before = finding("a.yaml", "version: 1\nnmae: x\n", "nmae");
        let after = finding("a.yaml", "# new\n\nversion: 1\n  nmae: x\n", "nmae");
        let moved = prints(std::slice::from_ref(&after));
        assert_eq!(prints(std::slice::from_ref(&before)), moved);
        let twice = prints(&[before.clone(), after]);
        assert_ne!(twice[0], twice[1]);
        let elsewhere = finding("b.yaml", "nmae: x\n", "nmae");
        assert_ne!(prints(&[before]), prints(&[elsewhere]));
    }

    proptest! {
        /// The rules that readers hold a log to, as far as this log uses them: SARIF 2.1.0 sections 3.4, 3.24,
        /// 3.27 (indices, levels), 3.29 and 3.30 (places), and RFC 3986 for URIs.
        #[test]
        fn any_findings_make_a_log_that_readers_take(text in "[ -~\n\u{1b}\u{202e}é]{0,80}", file in "[ -~é\u{202e}]{1,30}", count in 0usize..4) {
            let source = SourceFile::new(&file, &text);
            let one = Diagnostic::error("b-code", text.clone()).at(source.place(0..3))
                .with_related(source.place(1..2), text.clone()).with_hint(text.clone());
            let findings: Vec<_> = (0..count).flat_map(|_| [one.clone(), Diagnostic::warning("a-code", "x")]).collect();
            let log = to_sarif(&findings);
            prop_assert_eq!(log["version"].as_str(), Some("2.1.0"));
            let run = &log["runs"][0];
            let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
            let results = run["results"].as_array().unwrap();
            prop_assert_eq!(results.len(), findings.len());
            for result in results {
                let rule = &rules[result["ruleIndex"].as_u64().unwrap() as usize];
                prop_assert_eq!(&rule["id"], &result["ruleId"]);
                prop_assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()));
                let message = result["message"]["text"].as_str().unwrap();
                prop_assert!(!message.contains("]("));
                let places = [&result["locations"], &result["relatedLocations"]];
                for place in places.iter().flat_map(|list| list.as_array().unwrap()) {
                    let place = &place["physicalLocation"];
                    let uri = place["artifactLocation"]["uri"].as_str().unwrap();
                    prop_assert!(uri.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%:".contains(&byte)), "{}", uri);
                    prop_assert!(uri.starts_with("file:///") || !uri.contains(':'));
                    let at = |name: &str| place["region"][name].as_u64().unwrap();
                    prop_assert!(at("startLine") >= 1 && at("startColumn") >= 1);
                    prop_assert!(at("endColumn") > at("startColumn"));
                }
            }
            let shown = log.to_string();
            prop_assert!(!shown.chars().any(is_hidden));
            prop_assert!(!shown.contains("\\u001b"));
        }
    }
}
