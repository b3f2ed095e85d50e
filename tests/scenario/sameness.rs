//! Same inputs, same bytes: a plan knows no place, no time and no person.

use std::path::Path;

use crate::scenario::{Scenario, Stage, ids};

const FORMS: [&str; 5] = ["text", "json", "md", "requests", "out"];

fn plan(stage: &Stage, folder: &Path, file: &str, form: &str) -> String {
    let line = match form {
        "requests" => format!("plan {file} --requests"),
        "out" => format!("plan {file} --out {}", stage.path("kept.json").display()),
        form => format!("plan {file} --format {form}"),
    };
    let ended = stage
        .ended(stage.command(&line).current_dir(folder).output().unwrap())
        .with_code(0);
    match form {
        "out" => stage.read("kept.json"),
        _ => ended.out,
    }
}

fn scenario() -> Scenario {
    let text =
        "vars: { size: 2 }\nlabels: { change: CHG0042 }\nrollout: { batch_size: \"{{ size }}\" }";
    let listed = "groups:\n  - name: rack\n    servers_from: { file: list.csv, name_column: name }\n    split_by: rack\n";
    let rows = ids(6)
        .iter()
        .enumerate()
        .map(|(at, id)| format!("{id},b{},host-{at}\n", at % 2))
        .collect::<String>();
    Scenario::with_cloud(listed, &ids(6))
        .with(text)
        .file("list.csv", format!("id,rack,name\n{rows}"))
        .settings(|cloud| {
            for (at, server) in cloud.servers.iter_mut().enumerate() {
                server.name = format!("host-{at}");
            }
        })
}

#[test]
fn a_plan_is_the_same_in_any_place_on_any_day_for_anybody() {
    let mut stage = scenario().start();
    let here = stage.folder().to_owned();
    std::fs::create_dir(stage.path("elsewhere")).unwrap();
    let first: Vec<String> = FORMS
        .map(|form| plan(&stage, &here, "night.yaml", form))
        .to_vec();
    let elsewhere = stage.path("elsewhere");
    let changes = [
        ("TZ", "Pacific/Auckland"),
        ("LANG", "de_DE.UTF-8"),
        ("LC_ALL", "C"),
        ("HOME", "/nonexistent"),
        ("USER", "somebody"),
        ("LOGNAME", "somebody"),
        ("HOSTNAME", "elsewhere"),
        ("COLUMNS", "40"),
        ("NO_COLOR", "1"),
        ("SOURCE_DATE_EPOCH", "0"),
        ("LIGHTSOUT_STATE_DIR", "/nonexistent"),
    ];
    for (name, value) in changes {
        stage.set(name, value);
    }
    let absolute = stage.path("night.yaml");
    let absolute = absolute.to_str().unwrap();
    for (form, before) in FORMS.iter().zip(&first) {
        // The commands to type next name the file as it was typed.
        let below = plan(&stage, &elsewhere, "../night.yaml", form);
        let below = below.replace("../night.yaml", "night.yaml");
        assert_eq!(&below, before, "{form} from a folder below");
        let root = plan(&stage, Path::new("/"), absolute, form);
        let root = root.replace(absolute, "night.yaml");
        assert_eq!(&root, before, "{form} from the root");
    }
}

#[test]
fn a_plan_is_the_same_on_another_day() {
    let stage = scenario().start();
    // The day is that of the files too; the program's own clock cannot be set from outside.
    let before = FORMS.map(|form| plan(&stage, stage.folder(), "night.yaml", form));
    let touched = stage
        .surrounded(
            "touch",
            ["-d", "2001-02-03", "night.yaml", "list.csv"].into_iter(),
        )
        .status();
    assert!(touched.unwrap().success());
    let copied = tempfile::tempdir().unwrap();
    for name in ["night.yaml", "list.csv"] {
        std::fs::copy(stage.path(name), copied.path().join(name)).unwrap();
    }
    let year = year(&stage);
    for (form, before) in FORMS.iter().zip(&before) {
        assert_eq!(
            &plan(&stage, copied.path(), "night.yaml", form),
            before,
            "{form}"
        );
        assert!(!before.contains(&year), "{form} holds a date");
    }
}

/// The present year as dates begin with it.
fn year(stage: &Stage) -> String {
    let output = stage
        .surrounded("date", ["+%Y-"].into_iter())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_digest_is_one_string_in_plan_request_run_and_report() {
    let stage = scenario().start();
    let json: serde_json::Value =
        serde_json::from_str(&plan(&stage, stage.folder(), "night.yaml", "json")).unwrap();
    let digest = json["digest"].as_str().unwrap();
    for form in ["text", "md"] {
        assert!(
            plan(&stage, stage.folder(), "night.yaml", form).contains(digest),
            "{form}"
        );
    }
    let ended = stage.run("run night.yaml").with_code(0);
    assert_eq!(ended.report()["plan"]["digest"], digest);
    assert!(ended.err.contains(digest), "{}", ended.err);
    let rehearsed = scenario()
        .file("same.yaml", stage.read("night.yaml"))
        .start();
    let rehearsed = rehearsed.run("rehearse same.yaml").with_code(0);
    assert_eq!(rehearsed.report()["plan"]["digest"], digest);
}
