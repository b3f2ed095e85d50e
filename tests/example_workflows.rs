//! The files under `workflows/` are what newcomers copy: each is valid, and rendering keeps its meaning.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};

use lightsout::diagnostic::{SourceFile, to_text};
use lightsout::workflow::{Inputs, Workflow, parse, render};

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
        let after = read("after.yaml", &rendered);
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
