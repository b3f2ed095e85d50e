//! Holds the source tree to the shape that CONTRIBUTING.md draws.
//!
//! Imports run one way, outside crates are named only where they belong, and every file says what it
//! owns. Reads the sources as text; invariant: a rule that is broken names the file and the line.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from first to last: a room may use what stands on an earlier line, or in its own room.
const ORDER: &[&[&str]] = &[
    &["duration"],
    &["ids", "exit", "clock", "glob", "untrusted"],
    &["diagnostic", "named_file"],
    &["document"],
    &["freeze"],
    &["window"],
    &["http"],
    &["workflow"],
    &["power"],
    &["bms"],
    &["inventory", "simulator"],
    &["plan"],
    &["policy"],
    &["outcome"],
    &["outlook"],
    &["event"],
    &["ledger"],
    &["journal"],
    &["state", "report"],
    &["run", "status", "doctor", "undo"],
    &["error"],
    &["cli"],
    &["main"],
];

/// Where an outside crate may be named; crates that are not listed may be named anywhere.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("reqwest", &["http/"]),
    ("rustls", &["http/"]),
    ("tower_layer", &["http/"]),
    ("tower_service", &["http/"]),
    ("clap", &["cli/args"]),
    ("clap_complete", &["cli/"]),
    ("handlebars", &["workflow/template"]),
    (
        "serde_yaml",
        &["document/yaml", "workflow/", "simulator/faults"],
    ),
    ("granit_parser", &["document/"]),
    ("jsonschema", &["document/", "workflow/variables"]),
    ("axum", &["simulator/"]),
    ("indicatif", &["cli/"]),
    ("anstream", &["cli/", "diagnostic/"]),
    ("tracing_subscriber", &["cli/"]),
    ("tempfile", &["state/"]),
    ("hmac", &["bms/", "simulator/signature"]),
];

struct Source {
    path: String,
    text: String,
}

impl Source {
    fn room(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap()
    }

    /// Whether the whole file is compiled for unit tests only.
    fn is_test(&self) -> bool {
        let tests = self.path.ends_with("tests.rs") || self.path.contains("/tests/");
        tests || self.path.ends_with("sample.rs")
    }

    /// Lines outside comments and unit tests, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let code = self.text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let numbered = code.lines().enumerate().map(|(at, line)| (at + 1, line));
        let test = self.is_test();
        numbered.filter(move |(_, line)| !test && !line.trim_start().starts_with("//"))
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path
                    .strip_prefix(&root)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                files.push(Source { path, text });
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

fn assert_none(broken: &[String], rule: &str) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

#[test]
fn imports_run_one_way() {
    let level: BTreeMap<&str, usize> = ORDER
        .iter()
        .enumerate()
        .flat_map(|(level, rooms)| rooms.iter().map(move |room| (*room, level)))
        .collect();
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.path != "lib.rs") {
        let Some(own) = level.get(source.room()) else {
            broken.push(format!("src/{} stands in no room", source.path));
            continue;
        };
        for (number, line) in source.code() {
            for used in line.match_indices("crate::").map(|(at, _)| &line[at + 7..]) {
                let room = used
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next()
                    .unwrap();
                let same = room == source.room();
                if level.get(room).is_some_and(|theirs| theirs >= own) && !same {
                    broken.push(format!("src/{}:{number} uses `{room}`", source.path));
                }
            }
        }
    }
    assert_none(&broken, "imports against the order");
}

#[test]
fn outside_crates_are_named_only_where_they_belong() {
    let mut broken = Vec::new();
    for source in sources() {
        for (number, line) in source.code() {
            for (name, places) in OUTSIDE {
                let named = line.contains(&format!("{name}::"))
                    && !line.contains(&format!("_{name}::"))
                    && !line.contains(&format!("{name}::Name"));
                if named && !places.iter().any(|place| source.path.starts_with(place)) {
                    broken.push(format!("src/{}:{number} names `{name}`", source.path));
                }
            }
        }
    }
    assert_none(&broken, "outside crates out of place");
}

#[test]
fn the_environment_the_clock_and_the_printer_have_one_place_each() {
    let rules: [(&[&str], &[&str]); 3] = [
        (
            &["std::env::", "env::var", "env::args"],
            &["main.rs", "cli/"],
        ),
        (
            &["Instant::now", "SystemTime", "Timestamp::now"],
            &["clock.rs"],
        ),
        (
            &["std::fs", "fs::"],
            &[
                "main.rs",
                // The ID of the boot from which an uptime counts.
                "clock/suspension",
                "named_file.rs",
                "state/",
                "journal/",
                "inventory/",
                "policy/file",
                "bms/credentials",
                "http/",
                "cli/",
            ],
        ),
    ];
    let mut broken = Vec::new();
    for source in sources() {
        for (number, line) in source.code() {
            for (words, places) in rules {
                let used = words.iter().any(|word| line.contains(word));
                if used && !places.iter().any(|place| source.path.starts_with(place)) {
                    broken.push(format!("src/{}:{number}: {}", source.path, line.trim()));
                }
            }
        }
    }
    assert_none(&broken, "time, environment or files used out of place");
}

#[test]
fn every_file_says_what_it_owns() {
    let mut broken = Vec::new();
    for source in sources() {
        let header = source
            .text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .count();
        let least = if source.path == "main.rs" || source.is_test() {
            1
        } else {
            2
        };
        let most = if source.path == "lib.rs" { 60 } else { 14 };
        if !(least..=most).contains(&header) {
            broken.push(format!("src/{} opens with {header} lines", source.path));
        }
        if source.text.lines().count() > 500 && !source.is_test() {
            broken.push(format!("src/{} has over 500 lines", source.path));
        }
    }
    assert_none(
        &broken,
        "files without a word of what they own, or too long",
    );
}

#[test]
fn names_are_words_of_the_domain() {
    let banned = [
        "util", "utils", "common", "helper", "helpers", "misc", "imp",
    ];
    let names = |source: &Source| source.path.replace(".rs", "");
    let bad: Vec<String> = sources()
        .iter()
        .map(names)
        .filter(|path| path.split('/').any(|part| banned.contains(&part)))
        .collect();
    assert_none(&bad, "names that say nothing");
}

#[test]
fn pure_stages_are_neither_async_nor_random() {
    let pure = [
        "document/",
        "freeze.rs",
        "window/",
        "workflow/",
        "plan/",
        "policy/",
        "power/",
        "ledger/",
        "event/",
        "report/",
        "status/",
        "outcome.rs",
        "undo.rs",
        "outlook/",
        "run/not_now.rs",
        "run/reaction.rs",
        "run/verdict.rs",
        "bms/answer",
        "bms/retry",
    ];
    let mut broken = Vec::new();
    for source in sources()
        .iter()
        .filter(|s| pure.iter().any(|room| s.path.starts_with(room)))
    {
        for (number, line) in source.code() {
            if ["async ", "tokio::", "fastrand::", "std::net"]
                .iter()
                .any(|word| line.contains(word))
            {
                broken.push(format!("src/{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert_none(&broken, "a pure stage that is not");
}

#[test]
fn glob_imports_stay_in_unit_tests() {
    let mut broken = Vec::new();
    for source in sources() {
        for (number, line) in source.code() {
            if line.contains("use ") && line.contains("::*") {
                broken.push(format!("src/{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert_none(&broken, "glob imports");
}
