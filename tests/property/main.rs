//! What holds for any text from outside: workflows, inventories, journals and answers of the cloud.
//!
//! The same promises stand behind the fuzz targets in `fuzz/`; here they are tried on changed examples
//! for a few seconds. Invariant: the real journal is one that the real program has written.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod mutation;
mod promises;
mod windows;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use lightsout::event::Stamped;
use lightsout::journal;
use lightsout::ledger::Ledger;
use lightsout::plan::{self, Plan};
use proptest::prelude::*;

use mutation::{changed, edits};

/// A run that the real program went through, in a storm.
struct RealRun {
    plan: Plan,
    journal: Vec<u8>,
    events: Vec<Stamped>,
}

fn real_run() -> &'static RealRun {
    static RUN: OnceLock<RealRun> = OnceLock::new();
    RUN.get_or_init(|| {
        let state = tempfile::tempdir().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_lightsout"))
            .args([
                "rehearse",
                "workflows/weekly-stop.yaml",
                "--faults",
                "storm",
            ])
            .args(["--seed", "1", "--quiet", "--state-dir"])
            .arg(state.path())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let mut runs = fs::read_dir(state.path().join("rehearsals")).unwrap();
        let folder = runs.next().unwrap().unwrap().path();
        let journal = fs::read(folder.join("journal.jsonl")).unwrap();
        let events = journal::replay(&journal).unwrap().events;
        assert!(events.len() > 30, "{output:?}");
        let plan = plan::load(&fs::read_to_string(folder.join("plan.json")).unwrap());
        RealRun {
            plan: plan.unwrap(),
            journal,
            events,
        }
    })
}

/// Every file of this kind below a folder of the project.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn texts(folder: &str) -> Vec<Vec<u8>> {
    let paths = files(folder, "yaml");
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// An example, or a workflow with a mistake.
fn workflow() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(texts("workflows")),
        prop::sample::select(texts("tests/fixtures/invalid")),
    ]
}

/// Inventories of each format, after the byte that chooses it.
const INVENTORIES: &[&str] = &[
    "\0# first\n616fb98f-46ca-475e-917e-2563e5a8cd19\n616FB98F-46CA-475E-917E-2563E5A8CD20 # b\r\n",
    "\x01id,name,rack\n616fb98f-46ca-475e-917e-2563e5a8cd19,\"a, b\",b7\n616fb98f-46ca-475e-917e-2563e5a8cd20,机房,b8\n",
    "\x01name,id\r\n\"x\ny\",616fb98f-46ca-475e-917e-2563e5a8cd19\r\n",
    "\x02[\"616fb98f-46ca-475e-917e-2563e5a8cd19\", \"616fb98f-46ca-475e-917e-2563e5a8cd20\"]",
    "\x02[{\"id\": \"616fb98f-46ca-475e-917e-2563e5a8cd19\", \"name\": \"a\", \"tags\": {\"x\": [1, null]}}]",
];

/// Answers of the cloud to every call, good and bad.
const ANSWERS: &[&str] = &[
    r#"{"job_id": "ff80808288d41e1b018990260955686a"}"#,
    r#"{"job_id": null}"#,
    r#"{"error": {"code": "BMS.0039", "message": "off"}}"#,
    r#"{"error_code": "APIGW.0308", "error_msg": "slower", "request_id": "7"}"#,
    r#"{"itemNotFound": {"message": "no server", "code": 404}}"#,
    r#"{"servers": [{"id": "616fb98f-46ca-475e-917e-2563e5a8cd19", "name": "a", "status": "ACTIVE", "OS-EXT-STS:task_state": null, "OS-EXT-STS:power_state": 1, "locked": false}], "count": 1}"#,
    r#"{"servers": null}"#,
    r#"{"server": {"id": "07070707-0707-0707-0707-070707070707", "status": "SHUTOFF", "OS-EXT-STS:power_state": "4"}}"#,
    r#"{"status": "SUCCESS", "entities": {"sub_jobs": [{"status": "FAIL", "error_code": "BMS.0039", "fail_reason": "off", "entities": {"server_id": "616fb98f-46ca-475e-917e-2563e5a8cd19"}}]}, "job_id": "a", "job_type": "x"}"#,
    r#"{"status": "RUNNING", "entities": {}, "error_code": null}"#,
    "<html><body>502 Bad Gateway</body></html>",
    "",
];

const YAML: &[&str] = &[
    "- ",
    ": ",
    "\n",
    "  ",
    "{{ x }}",
    "{{ each }}",
    "\"",
    "'",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "---\n",
    "# ",
    "[",
    "}",
    "null",
    "1h30m",
    "servers: ",
    "for_each: ",
    "vars: ",
    "\u{feff}",
    "\u{202e}",
    "\t",
    "|\n",
    "{{#if x}}",
];
const LISTS: &[&str] = &[
    ",",
    "\n",
    "\"",
    "\"\"",
    "\r\n",
    "[",
    "]",
    "{",
    "}",
    "#",
    "\\u0061",
    "id",
    "\u{feff}",
    ";",
    "null",
    "1e5",
    "\t",
    "\u{fffb}",
    "616fb98f-46ca-475e-917e-2563e5a8cd21",
];
const LINES: &[&str] = &[
    "\n",
    "{",
    "\"seq\":0",
    "}\n",
    "\"events\":[]",
    "{\"sum\":\"",
];
const JSON: &[&str] = &[
    "null",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "1e999",
    "-1",
    "\\ud800",
    "\"job_id\":",
    "\"code\":",
    "\"status\":",
    "BMS.0036",
    "BMS.0035",
    "APIG.0301",
    "Common.0018",
    "\u{0}",
    "true",
    "\"entities\":{",
    "\"servers\":[",
];

/// What of the real journal survives these changes is a beginning of what was written.
fn survives(bytes: &[u8]) -> Result<(), TestCaseError> {
    let real = real_run();
    let events = promises::journal(bytes);
    let beginning = real.events.get(..events.len());
    prop_assert_eq!(Some(&events[..]), beginning);
    let mut ledger = Ledger::new(&real.plan);
    for event in &events {
        prop_assert_eq!(ledger.apply(event), Ok(()));
    }
    let totals = ledger.totals();
    prop_assert_eq!(totals.targets(), real.plan.target_count() as u64);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_workflow_is_read_or_refused_for_a_reason(
        text in workflow(),
        edits in edits(YAML),
    ) {
        promises::workflow(&changed(&text, &edits));
    }

    #[test]
    fn an_inventory_never_gives_a_server_that_it_does_not_spell(
        text in prop::sample::select(INVENTORIES),
        edits in edits(LISTS),
    ) {
        let (choice, text) = text.as_bytes().split_first().unwrap();
        let mut bytes = vec![*choice];
        bytes.extend(changed(text, &edits));
        promises::inventory(&bytes);
    }

    #[test]
    fn a_listing_is_read_whole_or_not_at_all(edits in edits(LINES)) {
        let text = fs::read("workflows/inventories/test-fleet.listing.json").unwrap();
        promises::listing(&changed(&text, &edits));
    }

    #[test]
    fn every_answer_has_one_meaning(
        status in any::<[u8; 2]>(),
        text in prop::sample::select(ANSWERS),
        edits in edits(JSON),
    ) {
        let mut bytes = status.to_vec();
        bytes.extend(changed(text.as_bytes(), &edits));
        promises::answer(&bytes);
    }

    #[test]
    fn any_bytes_keep_every_promise(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        promises::workflow(&bytes);
        promises::inventory(&bytes);
        promises::listing(&bytes);
        promises::journal(&bytes);
        promises::answer(&bytes);
    }

    #[test]
    fn a_changed_journal_gives_no_wrong_event(edits in edits(LINES)) {
        survives(&changed(&real_run().journal, &edits))?;
    }

    #[test]
    fn any_beginning_of_a_journal_gives_a_beginning_of_its_run(cut in any::<prop::sample::Index>()) {
        let journal = &real_run().journal;
        survives(&journal[..cut.index(journal.len() + 1)])?;
    }
}

#[test]
fn every_status_with_every_kind_of_body_has_one_meaning() {
    for status in 0u16..500 {
        for text in ANSWERS {
            let mut bytes = status.to_le_bytes().to_vec();
            bytes.extend(text.as_bytes());
            promises::answer(&bytes);
        }
    }
}
