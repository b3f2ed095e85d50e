//! Every invalid file under `tests/fixtures`, through the real program.
//!
//! What is said is held by the snapshots of `invalid_workflows.rs` and `invalid_inventories.rs`; here, that
//! the program ends as it should.

use std::fs;
use std::path::{Path, PathBuf};

use crate::scenario::{Scenario, at_once};

fn fixtures(list: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(list);
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let workflow = |path: PathBuf| {
        if path.is_dir() {
            path.join("workflow.yaml")
        } else {
            path
        }
    };
    entries.map(workflow).collect()
}

fn refused(file: &Path) {
    let stage = Scenario::offline("").start();
    let file = file.to_str().unwrap();
    let json = stage
        .run(&format!("validate --format json {file}"))
        .with_code(2);
    let findings: Vec<serde_json::Value> = serde_json::from_str(&json.out).unwrap();
    assert!(!findings.is_empty() && json.err.is_empty(), "{file}");
    let run = stage.run(&format!("run {file}")).with_code(2);
    assert!(run.out.is_empty() && run.err.contains("error"), "{file}");
    for finding in &findings {
        let line = finding["line"].as_u64().unwrap();
        let place = format!(":{line}:");
        assert!(run.err.contains(&place), "{file}{place} {}", run.err);
    }
    assert!(!stage.path("state").exists());
}

#[test]
fn every_invalid_workflow_and_inventory_ends_with_2() {
    let (workflows, inventories) = (fixtures("invalid"), fixtures("invalid-inventories"));
    assert!(workflows.len() + inventories.len() >= 60);
    let all: Vec<PathBuf> = workflows.into_iter().chain(inventories).collect();
    at_once(&all, |file| refused(file));
}
