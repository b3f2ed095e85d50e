//! What was reviewed is what runs: committed plans, stale ones, and ones that were changed by hand.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use lightsout::ids::ServerId;
use serde_json::{Value, json};

use crate::checks::valid_report;
use crate::scenario::{Scenario, Stage, ids, ids_from};

fn reviewed() -> Stage {
    let stage = Scenario::of_groups(&[("canary", &ids(2)), ("rest", &ids_from(3, 6))])
        .with("rollout: { batch_size: 4 }")
        .start();
    stage.run("plan night.yaml --write").with_code(0);
    stage
}

/// The workflow with one thing in it replaced by another.
fn change(stage: &Stage, from: &str, to: &str) {
    let text = stage.read("night.yaml");
    assert!(text.contains(from), "{from} is not in\n{text}");
    stage.write("night.yaml", text.replacen(from, to, 1));
}

fn nothing_was_sent(stage: &Stage) {
    let stats = stage.stats();
    assert_eq!(
        (
            stats.requests.stop,
            stats.requests.list,
            stats.requests.show
        ),
        (0, 0, 0)
    );
}

#[test]
fn a_workflow_that_still_yields_its_committed_plan_runs() {
    let stage = reviewed();
    stage.run("plan night.yaml --check").with_code(0);
    let ended = stage.run("run night.yaml --locked").with_code(0);
    let plan: Value = serde_json::from_str(&stage.read("night.plan.json")).unwrap();
    assert_eq!(ended.report()["plan"]["digest"], plan["digest"]);
    assert_eq!(ended.accepted_sizes(), [2, 4, 2]);
}

#[test]
fn a_workflow_whose_plan_is_another_one_does_not_run_locked() {
    let another = ids_from(99, 1)[0].to_string();
    let first = ids(1)[0].to_string();
    let changes = [
        (first.as_str(), another.as_str()),
        ("stop_type: HARD", "stop_type: SOFT"),
        ("batch_size: 4", "batch_size: 5"),
    ];
    for (from, to) in changes {
        let stage = reviewed();
        change(&stage, from, to);
        stage.run("plan night.yaml --check").with_code(10);
        let ended = stage.run("run night.yaml --locked").with_code(22);
        assert!(ended.err.contains("digest"), "{}", ended.err);
        nothing_was_sent(&stage);
    }
}

#[test]
fn what_a_run_does_not_do_otherwise_may_change() {
    let stage = reviewed();
    let text = stage.read("night.yaml");
    stage.write(
        "night.yaml",
        format!("# another comment\n{text}\ndescription: other words\n"),
    );
    // The whole plan is compared by `--check`, and only its digest at the run.
    let stale = stage.run("plan night.yaml --check").with_code(10);
    assert!(stale.out.contains("no difference in what a run does"));
    assert!(stale.out.contains("description: (not set) → other words"));
    stage.run("run night.yaml --locked").with_code(0);
}

#[test]
fn a_committed_plan_in_other_bytes_or_behind_a_link_is_noticed() {
    let stage = reviewed();
    stage.run("plan night.yaml --check").with_code(0);
    let plan = stage.read("night.plan.json");
    stage.write("night.plan.json", plan.replace('\n', "\r\n"));
    let other = stage.run("plan night.yaml --check").with_code(10);
    assert!(other.err.contains("other bytes"), "{}", other.err);
    stage.write("elsewhere.json", plan);
    fs::remove_file(stage.path("night.plan.json")).unwrap();
    std::os::unix::fs::symlink("elsewhere.json", stage.path("night.plan.json")).unwrap();
    for line in ["plan night.yaml --check", "run night.yaml --locked"] {
        let linked = stage.run(line).with_code(22);
        assert!(linked.err.contains("is a link"), "{}", linked.err);
    }
    nothing_was_sent(&stage);
}

#[test]
fn a_freeze_calendar_that_has_changed_since_the_plan_is_another_plan() {
    let calendar = |year: u32| {
        format!(
            "version: 1\nclosures:\n  - {{ from: {year}-12-19T16:00:00Z, to: {year}-12-20T16:00:00Z, reason: x }}\n"
        )
    };
    let window = "window: { timezone: Asia/Singapore, opens: { days: [mon, tue, wed, thu, fri, sat, sun], at: \"00:00\" }, duration: 24h, freeze: [freeze.yaml] }";
    let stage = Scenario::new(&ids(2))
        .with(window)
        .file("freeze.yaml", calendar(2090))
        .start();
    stage
        .run("plan night.yaml --write --out kept.json")
        .with_code(0);
    stage.write("freeze.yaml", calendar(2091));
    let check = stage.run("plan night.yaml --check").with_code(10);
    assert!(
        check.out.contains("freeze calendar freeze.yaml: "),
        "{}",
        check.out
    );
    stage.run("run night.yaml --locked").with_code(22);
    let alone = stage.run("run --plan kept.json").with_code(22);
    assert!(
        alone
            .err
            .contains("`freeze.yaml` has changed since the plan was made"),
        "{}",
        alone.err
    );
    nothing_was_sent(&stage);
}

#[test]
fn a_name_that_is_no_longer_compared_is_another_plan() {
    let rows = |name: &str| format!("id,name\n{},{name}\n", ids(1)[0]);
    let group = "groups:\n  - name: all\n    servers_from: { file: list.csv, name_column: name }\n";
    let stage = Scenario::with_cloud(group, &ids(1))
        .file("list.csv", rows("host-a"))
        .start();
    stage.run("plan night.yaml --write").with_code(0);
    change(&stage, ", name_column: name", "");
    let check = stage.run("plan night.yaml --check").with_code(10);
    assert!(check.out.contains("host-a → no name"), "{}", check.out);
    stage.run("run night.yaml --locked").with_code(22);
    change(
        &stage,
        "file: list.csv",
        "file: list.csv, name_column: name",
    );
    stage.write("list.csv", rows(""));
    let unnamed = stage.run("validate night.yaml").with_code(2);
    assert!(
        unnamed.err.contains("has no name in `name`")
            || unnamed.out.contains("has no name in `name`")
    );
    nothing_was_sent(&stage);
}

#[test]
fn a_committed_plan_that_was_changed_or_cut_or_is_missing_is_refused() {
    let stage = reviewed();
    let plan = stage.read("night.plan.json");
    let first = ids(1)[0].to_string();
    let another = ids_from(99, 1)[0].to_string();
    let newer = plan.replacen("lightsout/plan/v1", "lightsout/plan/v2", 1);
    for bad in [
        plan.replacen(&first, &another, 1),
        plan[..plan.len() / 2].to_owned(),
        newer,
    ] {
        stage.write("night.plan.json", bad);
        stage.run("run night.yaml --locked").with_code(22);
        stage.run("plan night.yaml --check").with_code(22);
    }
    std::fs::remove_file(stage.path("night.plan.json")).unwrap();
    let ended = stage.run("run night.yaml --locked").with_code(22);
    assert!(ended.err.contains("--write"), "{}", ended.err);
    nothing_was_sent(&stage);
}

/// Somebody adds a server to what was found, and has made the digest fit.
#[test]
fn a_server_put_among_what_was_found_by_name_is_not_stopped() {
    let fleet = ids(3);
    let groups = "groups:\n  - name: web\n    select: { name: \"web-*\" }\n";
    let stage = Scenario::with_cloud(groups, &fleet)
        .settings(|cloud| {
            for (server, name) in cloud.servers.iter_mut().zip(["web-1", "web-2", "db-1"]) {
                server.name = name.to_owned();
            }
        })
        .bearing_failures()
        .start();
    stage.run("plan night.yaml --write").with_code(0);
    let mut plan: Value = serde_json::from_str(&stage.read("night.plan.json")).unwrap();
    let all = json!(fleet);
    plan["selections"][0]["found"][0]["servers"] = all.clone();
    plan["batches"][0]["servers"] = all;
    for count in ["/totals/targets", "/groups/0/targets", "/guards/0/actual"] {
        *plan.pointer_mut(count).unwrap() = json!(3);
    }
    stage.write("night.plan.json", plan.to_string());
    let refused = stage.run("run night.yaml --locked").with_code(22);
    let refused = refused.saying(&["`web` selects by name", &fleet[2].to_string()]);
    refused.with_nothing_sent();
    plan["names"][fleet[2].to_string()] = json!("web-9");
    stage.write("night.plan.json", plan.to_string());
    let refused = stage.run("run night.yaml --locked").with_code(22);
    let (_, digest) = refused.err.split_once("its content has `").unwrap();
    plan["digest"] = json!(digest.split('`').next().unwrap());
    stage.write("night.plan.json", plan.to_string());
    let ended = stage.run("run night.yaml --locked").with_code(30);
    assert_eq!(ended.server(fleet[2])["reason"], "name_mismatch");
    let stopped: Vec<ServerId> = ended.stats.accepted.keys().copied().collect();
    assert_eq!(stopped, fleet[..2]);
}

#[test]
fn a_difference_names_the_servers_and_settings_that_change() {
    let stage = reviewed();
    let (first, another) = (ids(1)[0].to_string(), ids_from(99, 1)[0].to_string());
    change(&stage, &first, &another);
    change(&stage, "batch_size: 4", "batch_size: 6");
    let line = "plan night.yaml --against night.plan.json --format json";
    let shown: Value = serde_json::from_str(&stage.run(line).with_code(0).out).unwrap();
    assert_eq!(shown["same"], json!(false));
    assert_eq!(shown["added"][0]["id"], json!(another));
    assert_eq!(shown["removed"][0]["id"], json!(first));
    assert_eq!(shown["settings"][0]["name"], json!("rollout.batch_size"));
    let line = "plan night.yaml --against night.plan.json --exit-code --format md";
    let shown = stage.run(line).with_code(10);
    assert!(
        shown.out.contains("#### 1 server would newly lose power")
            && shown
                .out
                .starts_with("<!-- lightsout plan night.yaml -->\n### "),
        "{}",
        shown.out
    );
}

#[test]
fn a_run_may_do_a_part_of_its_plan_and_later_runs_the_rest() {
    let stage = reviewed();
    let line = "run night.yaml --locked --only canary";
    let first = stage
        .run(line)
        .with_code(0)
        .with_outcomes(&[("stopped", 2), ("skipped/narrowed", 6)]);
    assert_eq!(first.report()["narrowed"]["targets"], json!(6));
    let left = ids_from(3, 1)[0];
    stage.write("left.txt", format!("{left} # owner asked to wait\n"));
    let line = "run night.yaml --locked --remaining --exclude left.txt";
    let second = stage
        .run(line)
        .with_code(0)
        .with_outcomes(&[("stopped", 5), ("skipped/narrowed", 3)]);
    assert_eq!(second.server(left)["reason"], json!("narrowed"));
    assert_eq!(
        second.report()["plan"]["digest"],
        first.report()["plan"]["digest"]
    );
    let third = stage
        .run("run night.yaml --locked --remaining")
        .with_code(0);
    assert_eq!(third.outcomes()["stopped"], 1);
    assert!(stage.stats().accepted.values().all(|times| *times == 1));
}

#[test]
fn the_next_command_of_a_narrowed_run_does_no_more_than_the_run() {
    let faults = json!({"servers": {"ignored": {"ids": [ids(1)[0]]}}});
    let stage = Scenario::of_groups(&[("canary", &ids(2)), ("rest", &ids_from(3, 6))])
        .with("checks: { grace: 20s }\nrollout: { max_failures: 1 }")
        .faults(faults)
        .start();
    stage.run("plan night.yaml --write").with_code(0);
    stage.write("left.txt", ids(2)[1].to_string());
    stage.write("policy.yaml", "version: 1\nmax_servers: 8\n");
    let mode = fs::Permissions::from_mode(0o644);
    fs::set_permissions(stage.path("policy.yaml"), mode).unwrap();
    let line = "run night.yaml --label change=CHG0042 --locked --only canary --exclude left.txt --remaining --policy policy.yaml";
    let ended = stage.run(line).with_code(30);
    assert_eq!(ended.report()["next"], json!(format!("lightsout {line}")));
}

#[test]
fn a_dry_run_takes_the_filters_of_a_run() {
    let stage = reviewed();
    let shown = |line: &str, filtered: usize| {
        let ended = stage.run(line).with_code(0);
        let report = valid_report(&ended.out);
        let targets = &report["narrowed"]["targets"];
        assert_eq!(targets, &json!(filtered), "{line}");
        let left = report["totals"]["not_sent"].as_u64();
        assert_eq!(left, Some(8 - filtered as u64), "{line}");
        let expected = format!("lightsout {}", line.replace(" --dry-run", ""));
        assert_eq!(report["next"], json!(expected));
    };
    shown("run night.yaml --locked --only canary --dry-run", 6);
    stage.write("left.txt", ids_from(3, 1)[0].to_string());
    shown("run night.yaml --locked --exclude left.txt --dry-run", 1);
    shown("run night.yaml --locked --remaining --dry-run", 0);
    assert!(!stage.path("state").exists());
    stage
        .run("run night.yaml --locked --only canary")
        .with_code(0);
    let line = "run night.yaml --locked --remaining --dry-run";
    shown(line, 2);
    shown(
        "run night.yaml --locked --exclude left.txt --remaining --dry-run",
        3,
    );
    let unknown = stage.run("run night.yaml --only canery --dry-run");
    unknown.with_code(2).saying(&["canary"]);
    assert_eq!(stage.run_folders().len(), 1);
    assert_eq!(stage.stats().accepted.len(), 2);
}

#[test]
fn a_narrowed_run_that_is_killed_stays_narrowed_when_it_is_resumed() {
    let mut stage = reviewed();
    stage.set("LIGHTSOUT_CRASH", "after:intent");
    let killed = stage
        .command("run night.yaml --locked --only canary")
        .status()
        .unwrap();
    assert_eq!(killed.code(), None);
    stage.crashed();
    stage.set("LIGHTSOUT_CRASH", "after:9999");
    stage
        .run("resume --send")
        .with_code(0)
        .with_outcomes(&[("stopped", 2), ("skipped/narrowed", 6)]);
}

#[test]
fn a_group_that_the_plan_does_not_have_is_an_error() {
    let stage = reviewed();
    let ended = stage
        .run("run night.yaml --locked --only canery")
        .with_code(2);
    assert!(ended.err.contains("canary"), "{}", ended.err);
    nothing_was_sent(&stage);
}

#[test]
fn an_exclusion_of_a_server_that_the_plan_does_not_have_is_warned_of() {
    let stage = reviewed();
    let list =
        |servers: &[ServerId]| -> String { servers.iter().map(|id| format!("{id}\n")).collect() };
    stage.write("left.txt", list(&ids(2)));
    let ended = stage.run("run night.yaml --locked --exclude left.txt");
    assert_eq!(ended.report()["warnings"], json!([]));
    stage.write("left.txt", list(&ids_from(8, 2)));
    let ended = stage.run("run night.yaml --locked --exclude left.txt");
    let stranger = ids_from(9, 1)[0];
    let message = format!(
        "`--exclude` names `{stranger}`, which is not in the plan: a mistyped exclusion protects nothing"
    );
    assert_eq!(ended.report()["warnings"][0]["code"], "exclude-unmatched");
    assert_eq!(ended.report()["warnings"][0]["message"], json!(message));
    ended.with_code(0).saying(&[&format!("warning: {message}")]);
    stage.write("left.txt", list(&ids_from(9, 5)));
    let ended = stage.run("run night.yaml --locked --exclude left.txt");
    ended.saying(&["and 2 more, which are not in the plan"]);
}

#[test]
fn a_plan_is_never_written_over_anything_but_a_plan() {
    let stage = Scenario::new(&ids(2)).start();
    let workflow = stage.read("night.yaml");
    let ended = stage.run("plan night.yaml --out night.yaml").with_code(2);
    assert!(ended.err.contains("is not a plan"), "{}", ended.err);
    assert_eq!(stage.read("night.yaml"), workflow);
    stage.run("plan night.yaml --out /dev/null").with_code(2);
    stage.write("kept.json", String::new());
    stage.run("plan night.yaml --out kept.json").with_code(0);
    let kept = stage.read("kept.json");
    stage.run("plan night.yaml --out kept.json").with_code(0);
    assert_eq!(stage.read("kept.json"), kept);
}
