//! Pull requests that try to have a server stopped without a comment that shows it.
//!
//! Owns the attacks, each on real merge commits and on both forges. Invariant: a reviewer who reads the comments and
//! looks at the colour of the checks sees every change.

use std::fs;
use std::os::unix::fs::symlink;

use crate::pipeline::{Forked, Runner, is_runner};
use crate::pipelines::{approved, with_server};
use crate::scenario::{Stage, ids, ids_from};

pub(crate) const WORKFLOW: &str = "workflows/weekly-stop.yaml";
pub(crate) const PLAN: &str = "workflows/weekly-stop.plan.json";

/// Changes the developer's clone on a branch, and pushes it.
pub(crate) fn push(forked: &Forked<'_>, branch: &str, change: impl FnOnce()) {
    forked.shell(
        "dev",
        &format!(
            "git checkout --quiet {branch} 2> /dev/null || git checkout --quiet -b {branch} main"
        ),
    );
    change();
    forked.commit(branch);
}

pub(crate) fn dev(stage: &Stage, file: &str) -> String {
    stage.read(&format!("dev/{file}"))
}

pub(crate) fn put(stage: &Stage, file: &str, text: impl AsRef<[u8]>) {
    let file = format!("dev/{file}");
    fs::create_dir_all(stage.path(&file).parent().unwrap()).unwrap();
    stage.write(&file, text.as_ref());
}

pub(crate) fn write_plan(forked: &Forked<'_>) {
    forked
        .lightsout("plan workflows/weekly-stop.yaml --write")
        .unwrap();
}

/// A workflow and its plan with one more server, as the attacker has prepared them.
fn prepared(forked: &Forked<'_>) -> (String, String) {
    let before = (dev(forked.stage, WORKFLOW), dev(forked.stage, PLAN));
    put(
        forked.stage,
        WORKFLOW,
        with_server(before.0.clone(), ids_from(6, 1)[0]),
    );
    write_plan(forked);
    let evil = (dev(forked.stage, WORKFLOW), dev(forked.stage, PLAN));
    put(forked.stage, WORKFLOW, before.0);
    put(forked.stage, PLAN, before.1);
    evil
}

/// That a branch gets a comment on both forges that calls all six servers new and lists them.
#[track_caller]
fn assert_all_new(forked: &Forked<'_>, branch: &str, reason: &str) {
    for runner in Runner::both() {
        let said = runner.run(forked, branch);
        let body = runner.comment_on(WORKFLOW);
        let log = said.log();
        assert!(
            body.contains("**NEW: all 6 servers newly lose power.**"),
            "{body}{log}"
        );
        assert!(body.contains(reason), "{body}");
        for id in ids(5).into_iter().chain(ids_from(6, 1)) {
            assert!(body.contains(&format!("- `{id}` in ")), "{id} {body}");
        }
    }
}

#[test]
fn a_plan_that_comes_first_hides_no_workflow_that_comes_later() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    let (workflow, plan) = prepared(&forked);
    push(&forked, "first", || put(&stage, PLAN, &plan));
    forked.merge("first");
    push(&forked, "later", || put(&stage, WORKFLOW, &workflow));
    assert_all_new(
        &forked,
        "later",
        "is not that of the workflow of the base branch",
    );
}

#[test]
fn a_workflow_that_is_retired_and_brought_back_is_new() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    let (workflow, plan) = prepared(&forked);
    push(&forked, "retire", || {
        fs::remove_file(stage.path(&format!("dev/{WORKFLOW}"))).unwrap();
        put(&stage, PLAN, &plan);
    });
    for runner in Runner::both() {
        runner.run(&forked, "retire");
        let body = runner.comment_on(WORKFLOW);
        assert!(body.contains("weekly-stop.yaml is removed"), "{body}");
        assert!(
            body.contains("weekly-stop.plan.json is still there"),
            "{body}"
        );
    }
    forked.merge("retire");
    push(&forked, "back", || put(&stage, WORKFLOW, &workflow));
    assert_all_new(
        &forked,
        "back",
        "the base branch has the plan, and not its workflow",
    );
}

#[test]
fn a_plan_behind_a_link_approves_nothing() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    let (workflow, plan) = prepared(&forked);
    push(&forked, "link", || {
        put(&stage, "notes/seen.plan.json", dev(&stage, PLAN));
        fs::remove_file(stage.path(&format!("dev/{PLAN}"))).unwrap();
        symlink(
            "../notes/seen.plan.json",
            stage.path(&format!("dev/{PLAN}")),
        )
        .unwrap();
    });
    forked.merge("link");
    push(&forked, "evil", || {
        put(&stage, WORKFLOW, &workflow);
        fs::remove_file(stage.path(&format!("dev/{PLAN}"))).unwrap();
        put(&stage, PLAN, &plan);
    });
    assert_all_new(&forked, "evil", "behind a link");
}

#[test]
fn a_base_plan_that_cannot_be_read_hides_nothing() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    let (workflow, plan) = prepared(&forked);
    push(&forked, "broken", || put(&stage, PLAN, "<<<<<<< HEAD\n"));
    forked.merge("broken");
    push(&forked, "evil", || {
        put(&stage, WORKFLOW, &workflow);
        put(&stage, PLAN, &plan);
    });
    assert_all_new(&forked, "evil", "has no plan that can be used");
}

/// This many workflows of 60 servers each, then one more that changes.
pub(crate) fn with_fillers(forked: &Forked<'_>, branch: &str, fillers: usize) {
    let stage = forked.stage;
    let text = dev(stage, WORKFLOW);
    let head: String = text.split("groups:\n").next().unwrap().to_owned();
    push(forked, branch, || {
        for number in 0..fillers {
            let servers = ids_from(100 + u32::try_from(number).unwrap() * 60, 60);
            let rows: String = servers.iter().map(|id| format!("      - {id}\n")).collect();
            let head = head.replace("name: night", &format!("name: filler-{number:02}"));
            let file = format!("workflows/filler-{number:02}.yaml");
            put(
                stage,
                &file,
                format!("{head}groups:\n  - name: all\n    servers:\n{rows}"),
            );
            forked.lightsout(&format!("plan {file} --write")).unwrap();
        }
        put(
            stage,
            WORKFLOW,
            with_server(text.clone(), ids_from(6, 1)[0]),
        );
        write_plan(forked);
    });
}

#[test]
fn twenty_nine_fillers_push_no_comment_out() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    with_fillers(&forked, "many", 29);
    for runner in Runner::both() {
        let said = runner.run(&forked, "many");
        assert!(
            said.steps.iter().all(|(_, code, _)| *code == 0),
            "{}",
            said.log()
        );
        assert_eq!(runner.forge.own().len(), 30);
        let body = runner.comment_on(WORKFLOW);
        assert!(
            body.contains("#### 1 server would newly lose power"),
            "{body}"
        );
    }
}

/// A workflow with an inventory, a freeze calendar and a variable, merged.
fn with_files(forked: &Forked<'_>) {
    let stage = forked.stage;
    push(forked, "files", || {
        let text = dev(stage, WORKFLOW).replace(
            "groups:\n",
            "vars: { size: 10 }\nwindow: { timezone: Etc/UTC, opens: { days: [sat], at: \"01:00\" }, duration: 4h, freeze: [../calendars/freeze.yaml] }\nrollout: { batch_size: \"{{ size }}\" }\ngroups:\n  - name: listed\n    servers_from: ../lists/rack.txt\n",
        );
        put(stage, WORKFLOW, text);
        put(stage, "lists/rack.txt", format!("{}\n", ids_from(20, 1)[0]));
        put(stage, "vars/prod.yaml", "size: 5\n");
        put(
            stage,
            "calendars/freeze.yaml",
            "version: 1\nclosures:\n  - { from: 2026-12-20T00:00:00Z, to: 2027-01-04T00:00:00Z, reason: year end }\n",
        );
        let line = "plan workflows/weekly-stop.yaml --vars-file vars/prod.yaml --write";
        forked.lightsout(line).unwrap();
    });
    forked.merge("files");
}

#[test]
fn a_change_of_a_freeze_calendar_of_variables_or_of_an_inventory_is_commented() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    with_files(&forked);
    let line = "plan workflows/weekly-stop.yaml --vars-file vars/prod.yaml --write";
    for (branch, file, from, to, shown) in [
        (
            "new-freeze",
            "calendars/freeze.yaml",
            "2026-12-20",
            "2036-12-20",
            "freeze calendar",
        ),
        (
            "new-vars",
            "vars/prod.yaml",
            "size: 5",
            "size: 5 # five",
            "variables",
        ),
        ("new-list", "lists/rack.txt", "\n", "\n# one\n", "inventory"),
    ] {
        push(&forked, branch, || {
            let text = dev(&stage, file);
            assert!(text.contains(from), "{text}");
            put(&stage, file, text.replacen(from, to, 1));
            forked.lightsout(line).unwrap();
        });
        for mut runner in Runner::both() {
            runner
                .env
                .insert("LIGHTSOUT_VARS", "vars/prod.yaml".to_owned());
            let said = runner.run(&forked, branch);
            let body = runner.comment_on(WORKFLOW);
            let line = format!("- {file}: {shown} changed\n");
            assert!(body.contains(&line), "{body}{}", said.log());
            assert!(!body.contains("**NEW"), "{body}");
        }
    }
}

#[test]
fn two_workflows_of_one_name_have_a_comment_each() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    let more = with_server(dev(&stage, WORKFLOW), ids_from(6, 1)[0]);
    push(&forked, "twice", || {
        put(&stage, "workflows/other.yaml", &more);
        forked
            .lightsout("plan workflows/other.yaml --write")
            .unwrap();
        put(
            &stage,
            WORKFLOW,
            format!("# a comment\n{}", dev(&stage, WORKFLOW)),
        );
        write_plan(&forked);
    });
    for runner in Runner::both() {
        runner.run(&forked, "twice");
        let other = runner.comment_on("workflows/other.yaml");
        // A copy is no move, whatever its name.
        assert!(
            other.contains("**NEW: all 6 servers newly lose power.**"),
            "{other}"
        );
        let first = runner.comment_on(WORKFLOW);
        assert!(
            first.contains("weekly-stop.yaml: workflow changed"),
            "{first}"
        );
    }
}

#[test]
fn a_workflow_that_moves_is_compared_with_where_it_was() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    let (workflow, plan) = prepared(&forked);
    push(&forked, "move", || {
        for file in [WORKFLOW, PLAN] {
            fs::remove_file(stage.path(&format!("dev/{file}"))).unwrap();
        }
        put(&stage, "workflows/night.yaml", &workflow);
        put(&stage, "workflows/night.plan.json", &plan);
        forked
            .lightsout("plan workflows/night.yaml --write")
            .unwrap();
    });
    for runner in Runner::both() {
        runner.run(&forked, "move");
        let body = runner.comment_on("workflows/night.yaml");
        assert!(
            body.contains("has moved here from workflows/weekly-stop.yaml"),
            "{body}"
        );
        assert!(
            body.contains("#### 1 server would newly lose power"),
            "{body}"
        );
        let old = runner.comment_on(WORKFLOW);
        assert!(
            old.contains("A workflow of this name is at workflows/night.yaml."),
            "{old}"
        );
    }
}
