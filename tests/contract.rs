//! What is published agrees with itself: examples, schemas, help texts and README.
//!
//! The files under `workflows/` are what newcomers copy: each is valid, and rendering keeps its meaning.
//! Invariant: a key, flag, reason or exit code that one place knows is known to the others.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use lightsout::diagnostic::{SourceFile, to_text};
use lightsout::workflow::{Inputs, Workflow, parse, render};
use serde_json::Value;

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("workflows");
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files
}

fn read(name: &str, text: &str) -> Workflow {
    match parse(&SourceFile::new(name, text), &Inputs::default()) {
        Ok(workflow) => workflow,
        Err(findings) => panic!("{}", to_text(&findings, false)),
    }
}

#[test]
fn every_example_is_valid_without_warnings() {
    let files = examples();
    assert!(files.len() >= 5);
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# yaml-language-server: $schema=../schemas/workflow.schema.json\n")
        );
        let workflow = read(&path.display().to_string(), &text);
        assert!(
            workflow.warnings.is_empty(),
            "{}",
            to_text(&workflow.warnings, false)
        );
        for from in workflow
            .groups
            .iter()
            .filter_map(|group| group.servers_from.as_ref())
        {
            assert!(
                path.parent().unwrap().join(&from.file).is_file(),
                "{}",
                from.file
            );
        }
    }
}

#[test]
fn every_example_means_the_same_when_rendered() {
    for path in examples() {
        let text = std::fs::read_to_string(&path).unwrap();
        let before = read("before.yaml", &text);
        let rendered = render(&SourceFile::new("a.yaml", &text), &Inputs::default()).unwrap();
        let after = read("after.yaml", &rendered.0);
        assert_eq!(before.endpoint, after.endpoint);
        assert_eq!(before.rollout, after.rollout);
        let groups = |workflow: &Workflow| -> Vec<String> {
            let group = |group: &lightsout::workflow::Group| {
                let from = group
                    .servers_from
                    .as_ref()
                    .map(|from| (&from.file, &from.matching));
                format!(
                    "{} {:?} {from:?} {:?} {:?}",
                    group.name, group.servers, group.batch_size, group.expect
                )
            };
            workflow.groups.iter().map(group).collect()
        };
        assert_eq!(groups(&before), groups(&after));
    }
}

#[test]
fn the_weekly_stop_has_three_groups() {
    let path = examples()
        .into_iter()
        .find(|path| path.ends_with("weekly-stop.yaml"))
        .unwrap();
    let workflow = read("weekly-stop.yaml", &std::fs::read_to_string(path).unwrap());
    let names: Vec<_> = workflow
        .groups
        .iter()
        .map(|group| group.name.as_str())
        .collect();
    assert_eq!(
        (workflow.name.as_str(), names),
        ("weekly-stop", vec!["canary", "rack-b7", "rack-b8"])
    );
}

/// What the program prints, which must end well.
fn said(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lightsout"))
        .args(words)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn readme() -> String {
    std::fs::read_to_string("README.md").unwrap()
}

/// A section of the README, from its heading to the next.
fn section(heading: &str) -> String {
    let readme = readme();
    let (_, rest) = readme.split_once(&format!("\n{heading}\n")).unwrap();
    rest.split("\n## ").next().unwrap().to_owned()
}

/// The words in back-ticks of a text.
fn quoted(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The names of the schemas under `schemas/`.
fn schema_names() -> Vec<String> {
    let files = std::fs::read_dir("schemas").unwrap();
    let name = |file: std::io::Result<std::fs::DirEntry>| {
        let name = file.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".schema.json").unwrap().to_owned()
    };
    files.map(name).collect()
}

fn schema(name: &str) -> Value {
    let text = std::fs::read_to_string(format!("schemas/{name}.schema.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_schema_is_valid_and_is_what_the_program_prints() {
    let names = schema_names();
    assert!(names.len() >= 3);
    for name in names {
        let text = std::fs::read_to_string(format!("schemas/{name}.schema.json")).unwrap();
        assert_eq!(said(&["schema", &name]), text, "{name}");
        assert!(jsonschema::meta::is_valid(&schema(&name)), "{name}");
        assert!(jsonschema::validator_for(&schema(&name)).is_ok(), "{name}");
    }
}

#[test]
fn the_plan_of_every_example_is_of_the_published_form() {
    let validator = jsonschema::validator_for(&schema("plan")).unwrap();
    for path in examples() {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut words = vec!["plan", "--format", "json", path.to_str().unwrap()];
        if read("example", &text).selects() {
            words.extend([
                "--inventory",
                "workflows/inventories/test-fleet.listing.json",
            ]);
        }
        let plan = said(&words);
        let plan: Value = serde_json::from_str(&plan).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&plan)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{}", path.display());
    }
}

/// Every key that a schema knows, wherever it stands.
fn keys(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Object(properties)) = members.get("properties") {
                found.extend(properties.keys().cloned());
            }
            members.values().for_each(|member| keys(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The keys that the tables of the README's reference explain, each by its last part.
fn explained(reference: &str) -> BTreeSet<String> {
    let rows = reference.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|line| line.split(" | ").next());
    let names = cells.flat_map(|cell| {
        quoted(cell)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    let parts = names.flat_map(|name| name.split('.').map(str::to_owned).collect::<Vec<_>>());
    // The first column of the table of inventories names endings of files.
    let endings = ["", "txt", "csv", "json", "jsonl"];
    parts
        .filter(|part| !endings.contains(&part.as_str()))
        .collect()
}

#[test]
fn the_policy_to_begin_with_is_one_and_so_is_that_of_the_readme() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/policy.yaml");
    let example = std::fs::read_to_string(path).unwrap();
    let section = section("## What the platform forbids");
    let readme = section.split("```").nth(1).unwrap();
    for text in [example.as_str(), readme.strip_prefix("yaml").unwrap()] {
        let source = SourceFile::new("policy.yaml", text);
        if let Err(findings) = lightsout::policy::parse(&source) {
            panic!("{}", to_text(&findings, false));
        }
    }
    let closures = section.split("```yaml").nth(2).unwrap();
    let closures = closures.split("```").next().unwrap();
    let closures = lightsout::freeze::parse(&SourceFile::new("freeze.yaml", closures));
    assert_eq!(closures.unwrap().len(), 1);
}

#[test]
fn the_reference_explains_exactly_the_keys_of_the_schema() {
    let mut known = BTreeSet::new();
    keys(&schema("workflow"), &mut known);
    assert!(known.len() > 30);
    assert_eq!(explained(&section("## The workflow file")), known);
}

#[test]
fn the_reasons_of_the_readme_are_those_of_reports() {
    let schema = schema("report").to_string();
    let text = section("## What a run does");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let table: String = rows.collect::<Vec<_>>().join("\n");
    let names = quoted(&table);
    let words = names.iter().filter(|name| {
        name.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    });
    let words: Vec<&&str> = words.collect();
    assert!(words.len() > 20);
    for word in words {
        assert!(
            schema.contains(&format!("\"{word}\"")),
            "`{word}` is in no report"
        );
    }
}

/// The numbers at the beginning of lines or table rows.
fn codes(text: &str) -> BTreeSet<u32> {
    let words = text.lines().filter_map(|line| {
        line.trim_start_matches(['|', ' '])
            .split_whitespace()
            .next()
    });
    words
        .filter_map(|word| word.trim_matches('`').parse().ok())
        .collect()
}

#[test]
fn help_and_readme_explain_the_same_exit_codes() {
    let help = said(&["--help"]);
    let (_, help) = help.split_once("Exit codes:").unwrap();
    let explained = codes(help);
    assert!(explained.len() >= 10, "{explained:?}");
    assert_eq!(codes(&section("## Exit codes")), explained);
    let reported = schema("report")["properties"]["exit_code"]["enum"].clone();
    // A run that is running has none.
    let reported: Vec<Option<u32>> = serde_json::from_value(reported).unwrap();
    let reported: BTreeSet<u32> = reported.into_iter().flatten().collect();
    assert!(reported.is_subset(&explained), "{reported:?}");
}

#[test]
fn every_flag_that_the_readme_names_exists() {
    let mut help = said(&["--help"]);
    let verbs: Vec<String> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect();
    assert!(verbs.len() >= 8, "{verbs:?}");
    for verb in verbs.iter().filter(|verb| *verb != "help") {
        help += &said(&[verb, "--help"]);
    }
    let readme = readme();
    let words = readme.split(|c: char| c.is_whitespace() || "`,;:.()=|".contains(c));
    // Those of Cargo and of other programs in the same commands.
    let foreign = ["--release", "--locked", "--ff-only"];
    let flags: BTreeSet<&str> = words
        .filter(|word| word.starts_with("--") && word.len() > 3 && !foreign.contains(word))
        .collect();
    assert!(flags.len() > 10, "{flags:?}");
    for flag in flags {
        let known = help
            .split(|c: char| c.is_whitespace() || ",=".contains(c))
            .any(|word| word == flag);
        assert!(known, "no verb has {flag}");
    }
}

#[test]
fn the_readme_begins_with_two_commands_for_a_fresh_clone() {
    let commands = section("## Two commands");
    let block = commands.split("```sh\n").nth(1).unwrap();
    let lines: Vec<&str> = block.lines().take_while(|line| *line != "```").collect();
    assert_eq!(
        lines,
        [
            "cargo run --release -- rehearse workflows/weekly-stop.yaml",
            "cargo test"
        ]
    );
}
