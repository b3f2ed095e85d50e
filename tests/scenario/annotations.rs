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

/// The files that the annotations of a format name, called from a folder of the stage.
#[track_caller]
fn annotated(stage: &Stage, folder: &str, format: &str, files: &str, workspace: &str) -> String {
    let output = stage
        .command(&format!("validate --format {format} {files}"))
        .current_dir(stage.path(folder))
        .env("GITHUB_WORKSPACE", workspace)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn paths_start_at_the_root_of_the_work_tree_wherever_the_program_is_called() {
    let stage = three_files();
    for folder in [".git", "workflows/night"] {
        std::fs::create_dir_all(stage.path(folder)).unwrap();
    }
    let wrong = stage.read("wrong.yaml");
    stage.write("workflows/wrong.yaml", &wrong);
    let listed = wrong.replace(
        "nmae: \"::error::x%0A[a](b)\"",
        "groups: [{ name: a, servers_from: list.txt }]",
    );
    stage.write("workflows/night/listed.yaml", listed);
    stage.write("workflows/night/list.txt", "no-id\n");
    let root = stage.folder().to_str().unwrap().to_owned();
    for (folder, files) in [
        (
            ".",
            "workflows/wrong.yaml workflows/night/listed.yaml workflows/missing.yaml",
        ),
        ("workflows", "wrong.yaml ./night/listed.yaml missing.yaml"),
        (
            "workflows/night",
            "../wrong.yaml listed.yaml ../missing.yaml",
        ),
    ] {
        // The work tree is known without GitHub, and better than what its variable says.
        for workspace in ["", &root, "/elsewhere"] {
            let text = annotated(&stage, folder, "github", files, workspace);
            let log = annotated(&stage, folder, "sarif", files, workspace);
            let log: Value = serde_json::from_str(&log).unwrap();
            let results = log["runs"][0]["results"].as_array().unwrap();
            for file in [
                "workflows/wrong.yaml",
                "workflows/night/list.txt",
                "workflows/missing.yaml",
            ] {
                assert!(
                    text.contains(&format!(" file={file},line=")),
                    "{folder}: {file}: {text}"
                );
                let uri = "/locations/0/physicalLocation/artifactLocation/uri";
                let mut uris = results.iter().map(|result| result.pointer(uri).unwrap());
                assert!(uris.any(|uri| uri == file), "{folder}: {file}: {log:#}");
            }
            assert!(!text.contains("file=wrong.yaml"), "{text}");
        }
    }
}

#[test]
fn without_a_work_tree_paths_start_at_the_workspace() {
    let stage = three_files();
    std::fs::create_dir(stage.path("workflows")).unwrap();
    stage.write("workflows/wrong.yaml", stage.read("wrong.yaml"));
    let root = stage.folder().to_str().unwrap();
    for (workspace, file) in [
        (root, "workflows/wrong.yaml"),
        ("/elsewhere", "wrong.yaml"),
        ("relative", "wrong.yaml"),
        ("", "wrong.yaml"),
    ] {
        let text = annotated(&stage, "workflows", "github", "wrong.yaml", workspace);
        assert!(
            text.contains(&format!(" file={file},line=6,")),
            "{workspace}: {text}"
        );
    }
}
