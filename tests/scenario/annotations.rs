//! Findings where pull requests show them: workflow commands and SARIF, from the real program.

use serde_json::Value;

use crate::scenario::{ABROAD, PROJECT, Scenario, Stage, ids};

fn three_files() -> Stage {
    let stage = Scenario::new(&ids(101)).start();
    stage.write("wrong.yaml", format!("version: 1\nname: wrong\nproject: {PROJECT}\nendpoint: {ABROAD}\nstop_type: SOFT\nnmae: \"::error::x%0A[a](b)\"\n"));
    stage
}

#[test]
fn a_pull_request_is_annotated_where_its_files_are_wrong() {
    let stage = three_files();
    let line = "validate --format github night.yaml wrong.yaml missing.yaml";
    let ended = stage.run(line).with_code(2);
    assert_eq!(ended.err, "");
    let lines: Vec<&str> = ended.out.lines().collect();
    assert!(lines.iter().all(|line| line.starts_with("::")), "{lines:?}");
    for part in [
        "::error file=wrong.yaml,line=6,col=1,endColumn=5,title=unknown-key::unknown key `nmae` in a workflow%0Ahelp: did you mean `name`?",
        "::error file=missing.yaml,line=1,col=1,endColumn=2,title=unreadable-file::cannot read `missing.yaml`",
        "::warning file=night.yaml,line=1,col=1,endColumn=2,title=guard::guard `max_servers`: 101 targets",
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(part)),
            "{part}\n{}",
            ended.out
        );
    }
}

#[test]
fn code_scanning_gets_a_place_for_every_finding() {
    let stage = three_files();
    let line = "validate --format sarif night.yaml wrong.yaml missing.yaml";
    let ended = stage.run(line).with_code(2);
    assert_eq!(ended.err, "");
    let log: Value = serde_json::from_str(&ended.out).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let place = |result: &Value| {
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        (
            format!("{uri}:{}", place["region"]["startLine"]),
            result["ruleId"].as_str().unwrap().to_owned(),
        )
    };
    let found: Vec<_> = results.iter().map(place).collect();
    for (place, rule) in [
        ("wrong.yaml:6", "unknown-key"),
        ("missing.yaml:1", "unreadable-file"),
        ("night.yaml:1", "guard"),
    ] {
        assert!(
            found.contains(&(place.to_owned(), rule.to_owned())),
            "{found:?}"
        );
    }
}

#[test]
fn a_pull_request_without_mistakes_is_not_annotated() {
    let stage = Scenario::new(&ids(1)).start();
    let github = stage
        .run("validate --format github night.yaml")
        .with_code(0);
    assert_eq!((github.out.as_str(), github.err.as_str()), ("", ""));
    let sarif = stage.run("validate --format sarif night.yaml").with_code(0);
    let log: Value = serde_json::from_str(&sarif.out).unwrap();
    assert_eq!(log["runs"][0]["results"], serde_json::json!([]));
}
