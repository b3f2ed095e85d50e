//! The ready-made pipelines of `docs/examples/`: a pull request from an edit to the night.
//!
//! Owns what must work; what must not is in `pipeline_attacks`. Invariant: the steps are those of the examples.

use std::collections::BTreeMap;
use std::fs;

use lightsout::ids::ServerId;
use serde_json::{Value, json};

use crate::forge::Forge;
use crate::pipeline::{
    CRONTAB, Forked, GITHUB, GITLAB, SERVICE, example, github, gitlab, is_runner, yaml,
};
use crate::scenario::{Scenario, Stage, ids, ids_from};

pub(crate) const CHECK: &str = "Are the committed plans those of the workflows?";

pub(crate) fn approved() -> Stage {
    let groups = [("canary", &ids(2)[..]), ("rest", &ids_from(3, 3)[..])];
    let later = ids_from(6, 1);
    Scenario::of_groups(&groups)
        .settings(|cloud| {
            let more = later
                .into_iter()
                .map(lightsout::simulator::SimulatedServer::new);
            cloud.servers.extend(more);
        })
        .start()
}

pub(crate) fn with_server(text: String, id: ServerId) -> String {
    format!(
        "{}      - {id}\n",
        text.trim_end_matches('\n').to_owned() + "\n"
    )
}

#[test]
fn a_change_is_checked_shown_approved_merged_and_run() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    let forge =
        Forge::start(&["<!-- lightsout plan workflows/weekly-stop.yaml -->\nnot the pipeline's"]);
    let new = ids_from(6, 1)[0];

    forked.push("one-more", |text| with_server(text, new));
    let first = github(&forked, "one-more", &forge);
    assert_eq!(
        (first.code("Validate"), first.code(CHECK)),
        (0, 10),
        "{}",
        first.log()
    );
    assert_eq!(first.code("Comment"), 0, "{}", first.log());
    let own = forge.own();
    assert_eq!(own.len(), 1, "{}", first.log());
    assert!(
        own[0]
            .body
            .starts_with("<!-- lightsout plan workflows/weekly-stop.yaml -->\n### lightsout: night will power off 6 servers (HARD), 1 more than before")
    );
    assert!(
        own[0].body.contains("#### 1 server would newly lose power"),
        "{}",
        own[0].body
    );
    assert!(
        own[0].body.contains(&format!("- `{new}` in rest")),
        "{}",
        own[0].body
    );

    forked
        .lightsout("plan workflows/weekly-stop.yaml --write")
        .unwrap();
    forked.commit("one-more");
    let second = github(&forked, "one-more", &forge);
    assert!(
        second.steps.iter().all(|(_, code, _)| *code == 0),
        "{}",
        second.log()
    );
    assert_eq!(forge.own().len(), 1);
    assert_eq!(forge.own()[0].id, own[0].id, "replaced and not repeated");
    assert_eq!(forge.others().len(), 1, "somebody else's comment stays");
    assert!(second.summary.contains("would newly lose power"));

    // Nothing runs but what was merged.
    forked.night().with_code(0).with_outcomes(&[("stopped", 5)]);
    assert!(!stage.stats().accepted.contains_key(&new));
    forked.merge("one-more");
    let outcomes = [("already_off", 5), ("stopped", 1)];
    forked.night().with_code(0).with_outcomes(&outcomes);
    assert_eq!(stage.stats().accepted[&new], 1);
}

#[test]
fn a_change_that_is_taken_back_takes_its_comment_back() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    let forge = Forge::start(&[]);
    let before = stage.read("night.yaml");
    forked.push("undecided", |text| with_server(text, ids_from(6, 1)[0]));
    github(&forked, "undecided", &forge);
    assert_eq!(forge.own().len(), 1);
    forked.push("undecided", |_| before.clone());
    let said = github(&forked, "undecided", &forge);
    assert!(
        said.steps.iter().all(|(_, code, _)| *code == 0),
        "{}",
        said.log()
    );
    assert!(forge.own().is_empty());
}

#[test]
fn a_live_selection_is_checked_and_shown_without_credentials() {
    if !is_runner() {
        return;
    }
    let groups = "groups:\n  - name: all\n    select: { name: \"*\" }\n";
    let stage = Scenario::with_cloud(groups, &ids(3)).start();
    // Somebody with credentials makes the first plan.
    stage.run("plan night.yaml --write").with_code(0);
    let forked = Forked::of(&stage);
    let forge = Forge::start(&[]);
    forked.push("smaller", |text| {
        format!("{text}rollout: {{ batch_size: 2 }}\n")
    });
    let first = github(&forked, "smaller", &forge);
    assert_eq!(first.code(CHECK), 10, "{}", first.log());
    assert!(
        forge.own()[0]
            .body
            .contains("- rollout.batch\\_size: 1000 → 2\n"),
        "{}",
        forge.own()[0].body
    );
    forked
        .lightsout("plan workflows/weekly-stop.yaml --frozen --write")
        .unwrap();
    forked.commit("smaller");
    let second = gitlab(&forked, "smaller", &forge);
    assert!(
        second.steps.iter().all(|(_, code, _)| *code == 0),
        "{}",
        second.log()
    );
    forked.merge("smaller");
    forked.night().with_code(0).with_outcomes(&[("stopped", 3)]);
}

#[test]
fn a_plan_that_does_not_match_runs_in_no_night() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    let another = ids_from(6, 1)[0];
    // Merged in spite of a failed check.
    forked.push("unplanned", |text| with_server(text, another));
    forked.merge("unplanned");
    let ended = forked.night().with_code(22).with_nothing_sent();
    assert!(
        ended.err.contains("1 server would newly lose power"),
        "{}",
        ended.err
    );
    // Changed by hand where it runs.
    let plan = "srv/workflows/weekly-stop.plan.json";
    let first = ids(1)[0].to_string();
    stage.write(
        plan,
        stage.read(plan).replacen(&first, &another.to_string(), 1),
    );
    forked.night().with_code(22).with_nothing_sent();
    assert_eq!(stage.stats().requests.list, 0);
}

#[test]
fn a_merge_request_is_checked_shown_and_noted() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    let forge =
        Forge::start(&["<!-- lightsout plan workflows/weekly-stop.yaml -->\nnot the pipeline's"]);
    forked.push("one-more", |text| with_server(text, ids_from(6, 1)[0]));
    let first = gitlab(&forked, "one-more", &forge);
    assert_eq!(
        (first.code("lightsout-plan"), first.code("lightsout-note")),
        (10, 0),
        "{}",
        first.log()
    );
    let own = forge.own();
    assert_eq!(own.len(), 1, "{}", first.log());
    assert!(own[0].body.contains("#### 1 server would newly lose power"));
    forked
        .lightsout("plan workflows/weekly-stop.yaml --write")
        .unwrap();
    forked.commit("one-more");
    let second = gitlab(&forked, "one-more", &forge);
    assert!(
        second.steps.iter().all(|(_, code, _)| *code == 0),
        "{}",
        second.log()
    );
    assert_eq!((forge.own().len(), forge.own()[0].id), (1, own[0].id));
    assert_eq!(forge.others().len(), 1);
    forked.merge("one-more");
    forked.push("no-change", |text| format!("# a comment\n{text}"));
    forked
        .lightsout("plan workflows/weekly-stop.yaml --write")
        .unwrap();
    forked.commit("no-change");
    let third = gitlab(&forked, "no-change", &forge);
    assert!(
        third.steps.iter().all(|(_, code, _)| *code == 0),
        "{}",
        third.log()
    );
    let body = &forge.own()[0].body;
    assert!(body.contains("Nothing that a run would do"), "{body}");
    assert!(
        body.contains("- workflows/weekly-stop.yaml: workflow changed\n"),
        "{body}"
    );
}

/// What a log line must not be: a command to the runner.
fn commands(log: &str) -> Vec<&str> {
    let mut stopped: Option<&str> = None;
    let mut found = Vec::new();
    for line in log.lines().map(str::trim_start) {
        match stopped {
            Some(token) if line == format!("::{token}::") => stopped = None,
            Some(_) => {}
            None => match line.strip_prefix("::stop-commands::") {
                Some(token) => stopped = Some(token),
                None if line.starts_with("::") || line.contains("##[") => found.push(line),
                None => {}
            },
        }
    }
    found
}

#[test]
fn a_hostile_pull_request_cannot_speak_for_the_pipeline() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    let forge = Forge::start(&[]);
    let evil = "::add-mask::night ##[error]owned @everybody <img src=x> [a](https://evil.example) $(touch owned) the older plan has the same digest";
    let row = |id: ServerId| format!("{id},\"\n{evil}\"\n");
    let rows: String = ids_from(6, 3).into_iter().map(row).collect();
    fs::create_dir_all(stage.path("dev/workflows")).unwrap();
    forked.push("evil", |text| {
        let text = text.replace(
            "groups:\n",
            "groups:\n  - name: evil\n    servers_from: { file: evil.csv, name_column: name }\n",
        );
        format!("description: \"\\n{evil}\"\nlabels: {{ evil: \"{evil}\" }}\nnmae: 1\n{text}")
    });
    stage.write("dev/workflows/evil.csv", format!("id,name\n{rows}"));
    stage.write("dev/workflows/$(touch owned).yaml", "::error::x: 1\n");
    forked.commit("evil");
    let said = github(&forked, "evil", &forge);
    assert_eq!(
        (said.code("Validate"), said.code(CHECK)),
        (2, 2),
        "{}",
        said.log()
    );
    let spoken = commands(&said.log()).join("\n");
    assert!(
        spoken
            .lines()
            .all(|line| line.starts_with("::error file=workflows/")),
        "{spoken}"
    );
    forked.push("evil", |text| text.replace("nmae: 1\n", ""));
    fs::remove_file(stage.path("dev/workflows/$(touch owned).yaml")).unwrap();
    forked
        .lightsout("plan workflows/weekly-stop.yaml --write")
        .unwrap();
    forked.commit("evil");
    let said = github(&forked, "evil", &forge);
    assert!(
        said.steps.iter().all(|(_, code, _)| *code == 0),
        "{}",
        said.log()
    );
    assert_eq!(commands(&said.log()), [""; 0], "{}", said.log());
    let body = &forge.own()[0].body;
    for bad in ["<img", "](http", "@everybody", "://evil"] {
        assert!(!body.contains(bad), "{body}");
    }
    assert!(body.contains("3 servers would newly lose power"), "{body}");
    assert!(!stage.everything_kept().contains("== owned"));
}

/// All members of a document, with their names.
fn members(value: &Value) -> Vec<(String, Value)> {
    let inside = |value: &Value| members(value);
    match value {
        Value::Object(object) => object
            .iter()
            .flat_map(|(name, value)| {
                let own = (name.clone(), value.clone());
                std::iter::once(own).chain(inside(value))
            })
            .collect(),
        Value::Array(list) => list.iter().flat_map(inside).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

#[test]
fn the_job_that_reads_a_pull_request_has_nothing_to_lose() {
    let workflow = yaml(GITHUB);
    // `edited` is what a new base branch sends.
    let types = json!(["opened", "synchronize", "reopened", "edited"]);
    assert_eq!(workflow["on"], json!({"pull_request": {"types": types}}));
    assert_eq!(workflow["permissions"], json!({}));
    let permissions: BTreeMap<&str, &Value> = ["plan", "comment"]
        .map(|job| (job, &workflow["jobs"][job]["permissions"]))
        .into();
    assert_eq!(permissions["plan"], &json!({"contents": "read"}));
    assert_eq!(permissions["comment"], &json!({"pull-requests": "write"}));
    let plan = workflow["jobs"]["plan"].to_string();
    assert!(
        !plan.contains("token }}") && !plan.contains("secrets"),
        "{plan}"
    );
    assert!(plan.contains("\"persist-credentials\":false"));
    let comment = workflow["jobs"]["comment"].to_string();
    assert!(
        !comment.contains("checkout") && !comment.contains("lightsout plan \\\"$"),
        "{comment}"
    );
    for name in [GITHUB, GITLAB] {
        for (name, value) in members(&yaml(name)) {
            // Text of a pull request reaches a shell in variables only.
            if name == "run" || name == "script" {
                assert!(!value.to_string().contains("${{"), "{value}");
            }
        }
    }
}

#[test]
fn the_service_does_what_the_crontab_does() {
    if !is_runner() {
        return;
    }
    let service = example(SERVICE);
    let value = |name: &str| -> String {
        let line = service.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().to_owned()
    };
    let folder = value("WorkingDirectory=");
    let (pull, run) = (value("ExecStartPre="), value("ExecStart="));
    let crontab = example(CRONTAB);
    assert!(crontab.contains(&format!("cd {folder} && {pull} && {run} --quiet\n")));
    let stage = approved();
    let forked = Forked::of(&stage);
    let ended = forked.in_production(&format!("cd {folder} && {pull} && {run}"));
    ended.with_code(0).with_outcomes(&[("stopped", 5)]);
}
