//! Pipelines that cannot show everything: each says so, and is red.
//!
//! Owns what does not fit, what fails, and what a pull request brings along to fool the jobs. Invariant: no
//! comment disappears while its workflow differs.

use std::fs;

use crate::pipeline::{Forked, GITLAB, Kind, Runner, Said, is_runner, yaml};
use crate::pipeline_attacks::{PLAN, WORKFLOW, dev, push, put, with_fillers, write_plan};
use crate::pipelines::{approved, with_server};
use crate::scenario::ids_from;

#[test]
fn what_does_not_fit_is_said_and_makes_the_job_red() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    with_fillers(&forked, "many", 4);
    for mut runner in Runner::both() {
        runner.env.insert("MOST", "3".to_owned());
        let said = runner.run(&forked, "many");
        assert_eq!(last(&said), 1, "{}", said.log());
        let overview = runner.overview().unwrap();
        for path in ["workflows/filler-03.yaml", WORKFLOW] {
            let line = format!("- Not shown, as there are too many: `{path}`\n");
            assert!(overview.contains(&line), "{overview}");
        }
        assert_eq!(runner.forge.own().len(), 4);
        // Once all fit, the overview goes.
        runner.env.clear();
        let said = runner.run(&forked, "many");
        assert_eq!(last(&said), 0, "{}", said.log());
        assert_eq!(runner.overview(), None);
        assert_eq!(runner.forge.own().len(), 5);
    }
}

/// The exit code of the job that writes comments.
fn last(said: &Said) -> i32 {
    said.steps.last().unwrap().1
}

#[test]
fn an_unexpected_exit_code_is_commented_and_makes_the_job_red() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    let before = dev(&stage, WORKFLOW);
    for (branch, code, change) in [
        ("invalid", 2, format!("nmae: 1\n{before}")),
        // Nothing has been frozen for this question.
        (
            "select",
            22,
            before.replace(
                "groups:\n",
                "groups:\n  - name: more\n    select: { name: \"*\" }\n",
            ),
        ),
    ] {
        push(&forked, branch, || put(&stage, WORKFLOW, &change));
        for runner in Runner::both() {
            let said = runner.run(&forked, branch);
            let step = match runner.kind {
                Kind::GitHub => "What would lose power?",
                Kind::GitLab => "lightsout-plan",
            };
            assert_ne!(said.code(step), 0, "{}", said.log());
            let body = runner.comment_on(WORKFLOW);
            assert!(
                body.contains(&format!("exited with code {code}.")),
                "{body}"
            );
        }
    }
}

#[test]
fn a_program_that_says_nothing_is_commented_and_makes_the_job_red() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    push(&forked, "more", || {
        put(
            &stage,
            WORKFLOW,
            with_server(dev(&stage, WORKFLOW), ids_from(6, 1)[0]),
        )
    });
    // A build that is killed, as for want of memory.
    stage.write("killed", "#!/bin/sh\nkill -9 $$\n");
    let output = std::process::Command::new("sha256sum")
        .arg(stage.path("killed"))
        .output()
        .unwrap();
    let hash = String::from_utf8(output.stdout).unwrap()[..64].to_owned();
    for mut runner in Runner::both() {
        runner.env.insert(
            "LIGHTSOUT_URL",
            format!("file://{}", stage.path("killed").display()),
        );
        runner.env.insert("LIGHTSOUT_SHA256", hash.clone());
        let said = runner.run(&forked, "more");
        let body = runner.comment_on(WORKFLOW);
        assert!(
            body.contains("**Exit code 137. See the log.**"),
            "{body}{}",
            said.log()
        );
        assert!(
            said.steps.iter().any(|(_, code, _)| *code == 137),
            "{}",
            said.log()
        );
    }
}

#[test]
fn no_comment_is_deleted_while_the_plans_are_unknown() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    push(&forked, "more", || {
        put(
            &stage,
            WORKFLOW,
            with_server(dev(&stage, WORKFLOW), ids_from(6, 1)[0]),
        );
        write_plan(&forked);
    });
    for mut runner in Runner::both() {
        runner.run(&forked, "more");
        let before = runner.comment_on(WORKFLOW);
        runner.env.insert("LIGHTSOUT_SHA256", "0".repeat(64));
        let said = runner.run(&forked, "more");
        assert_eq!(runner.comment_on(WORKFLOW), before);
        let overview = runner.overview().unwrap();
        assert!(
            overview.contains("The plans were not all made."),
            "{overview}"
        );
        assert_eq!(last(&said), 1, "{}", said.log());
    }
}

#[test]
fn nothing_of_the_checkout_is_run_or_noted() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    let tools = ["git", "sha256sum", "curl", "jq", "lightsout"];
    push(&forked, "evil", || {
        for tool in tools {
            for folder in [".lightsout/bin", "lightsout-comments", "."] {
                let file = format!("dev/{folder}/{tool}");
                put(
                    &stage,
                    &format!("{folder}/{tool}"),
                    "#!/bin/sh\necho ran >> \"$HOME/owned\"\nexit 0\n",
                );
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                fs::set_permissions(stage.path(&file), mode).unwrap();
            }
        }
        let forged = "<!-- lightsout plan workflows/weekly-stop.yaml -->\nAll is as it was.\n";
        for file in [
            "plans/weekly-stop.md",
            "lightsout-comments/00000.md",
            "lightsout-comments/complete",
        ] {
            put(&stage, file, forged);
        }
        put(
            &stage,
            WORKFLOW,
            with_server(dev(&stage, WORKFLOW), ids_from(6, 1)[0]),
        );
        write_plan(&forked);
    });
    for runner in Runner::both() {
        let said = runner.run(&forked, "evil");
        assert!(
            said.steps.iter().all(|(_, code, _)| *code == 0),
            "{}",
            said.log()
        );
        assert_eq!(runner.forge.own().len(), 1, "{:?}", runner.forge.own());
        let body = runner.comment_on(WORKFLOW);
        assert!(
            body.contains("#### 1 server would newly lose power"),
            "{body}"
        );
        assert!(!stage.path("owned").exists(), "{}", said.log());
    }
    // Also if the first command of the job fails.
    let first = &yaml(GITLAB)["lightsout-plan"]["before_script"][0];
    assert_eq!(first, "rm -rf -- \"$CI_PROJECT_DIR/lightsout-comments\"");
}

#[test]
fn an_attribute_that_hides_a_difference_is_a_warning() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    push(&forked, "hide", || {
        put(
            &stage,
            ".gitattributes",
            "*.plan.json -diff linguist-generated\n",
        )
    });
    for runner in Runner::both() {
        let said = runner.run(&forked, "hide");
        for word in ["-diff", "linguist-generated"] {
            let message = format!("`{word}` hides changes of `{PLAN}` in pull requests");
            assert!(said.log().contains(&message), "{}", said.log());
        }
    }
}
