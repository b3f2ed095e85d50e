//! `doctor`: what is told of a cloud in which one thing is wrong, and that nothing is ever sent.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use jiff::SignedDuration;
use lightsout::clock::Clock;
use serde_json::{Value, json};

use crate::interloper::{Call, Mischief, Treatment, always, answer};
use crate::scenario::{ABROAD, Ended, PROJECT, SECRET_KEY, Scenario, Stage, TOKEN, ids};

/// What is told of each thing.
fn told(ended: &Ended) -> BTreeMap<String, String> {
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(document["schema"], json!("lightsout/doctor/v1"));
    assert_eq!(document["exit_code"], json!(ended.code));
    let checks = document["checks"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entry = |check: &Value| (text(&check["name"]), text(&check["health"]));
    let told: BTreeMap<_, _> = checks.iter().map(entry).collect();
    for check in checks {
        if check["health"] == "problem" && check["name"] != "workflow" {
            assert!(check["hint"].is_string(), "{check}");
        }
    }
    told
}

/// Insists on the exit code, on these healths, and that nothing was sent.
#[track_caller]
fn looked(stage: &Stage, code: i32, expected: &[(&str, &str)]) -> Ended {
    let ended = stage.run("doctor night.yaml --format json -vv");
    let (ended, told) = {
        let ended = ended.with_code(code).with_nothing_sent();
        let told = told(&ended);
        (ended, told)
    };
    for (name, health) in expected {
        let found = told.get(*name).map(String::as_str);
        assert_eq!(found, Some(*health), "{name}\n{}", ended.out);
    }
    assert!(!stage.path("state").exists(), "doctor writes nothing");
    for secret in [SECRET_KEY, TOKEN] {
        assert!(!ended.out.contains(secret) && !ended.err.contains(secret));
    }
    ended
}

#[test]
fn a_healthy_place_is_told_in_lines() {
    let stage = Scenario::new(&ids(2)).start();
    stage.run("plan night.yaml --write").with_code(0);
    let ended = stage
        .run("doctor night.yaml")
        .with_code(0)
        .with_nothing_sent();
    for part in [
        "ok       workflow          valid, 2 targets\n",
        "ok       committed-plan    `night.plan.json` is that of the workflow\n",
        "ok       credentials       a key pair from the environment (`HUAWEICLOUD_SDK_AK`)\n",
        "ok       sign-in           the cloud accepts the credentials\n",
        "ok       bms:servers:list  sees the project's 2 servers\n",
        "ok       job-query         the cloud looks for jobs\n",
        "unknown  bms:servers:stop  only a stop request could tell, and none is sent\n",
        "\nall that can be known is in order, 1 unknown\n",
    ] {
        assert!(ended.out.contains(part), "{part}\n{}", ended.out);
    }
    let requests = ended.stats.requests;
    assert_eq!((requests.list, requests.show, requests.job), (1, 1, 1));
}

#[test]
fn refused_credentials_are_told() {
    let stage = Scenario::new(&ids(1))
        .variable("HUAWEICLOUD_SDK_SK", "another")
        .start();
    let expected = [
        ("connection", "ok"),
        ("clock", "ok"),
        ("sign-in", "problem"),
        ("bms:servers:list", "unknown"),
    ];
    looked(&stage, 3, &expected);
}

fn refusing(call: Call) -> Stage {
    let body = json!({"error": {"code": "BMS.0033", "message": "no\u{1b}[2J <b>permission</b>"}});
    let no = answer("403 Forbidden", "application/json", body.to_string());
    Scenario::new(&ids(1))
        .through(always(call, Treatment::Instead(no)))
        .start()
}

#[test]
fn a_permission_that_is_missing_is_named() {
    let list = [
        ("sign-in", "ok"),
        ("bms:servers:list", "problem"),
        ("bms:servers:get", "ok"),
        ("project", "unknown"),
    ];
    looked(&refusing(Call::List), 3, &list);
    let show = [
        ("bms:servers:list", "ok"),
        ("bms:servers:get", "problem"),
        ("job-query", "ok"),
    ];
    looked(&refusing(Call::Show), 3, &show);
    let job = [("bms:servers:get", "ok"), ("job-query", "problem")];
    looked(&refusing(Call::Job), 3, &job);
    let text = refusing(Call::List)
        .run("doctor night.yaml")
        .with_code(3)
        .out;
    assert!(
        text.contains("hint: have `bms:servers:list` granted in this project"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn another_project_is_told() {
    let stage = Scenario::new(&ids(1)).start();
    let text = stage.read("night.yaml").replace(PROJECT, &"0".repeat(32));
    stage.write("night.yaml", text);
    let expected = [
        ("connection", "ok"),
        ("project", "problem"),
        ("bms:servers:list", "unknown"),
    ];
    looked(&stage, 3, &expected);
}

#[test]
fn a_target_that_does_not_exist_is_told() {
    let groups = format!("groups:\n  - name: a\n    servers: [{}]\n", ids(2)[1]);
    let stage = Scenario::with_cloud(&groups, &ids(1)).start();
    looked(&stage, 0, &[("bms:servers:get", "warning")]);
}

/// A cloud whose clock is so far ahead.
fn ahead(seconds: i64) -> Mischief {
    let date = Clock::real().now() + SignedDuration::from_secs(seconds);
    let status = format!(
        "200 OK\r\ndate: {}",
        date.strftime("%a, %d %b %Y %H:%M:%S GMT")
    );
    let body = json!({"servers": [{"id": ids(1)[0], "name": "a", "status": "ACTIVE"}]});
    answer(&status, "application/json", body.to_string())
}

#[test]
fn clocks_that_differ_are_told() {
    for (seconds, code, health) in [
        (0, 0, "ok"),
        (120, 0, "warning"),
        (-120, 0, "warning"),
        (400, 20, "problem"),
        (-4000, 20, "problem"),
    ] {
        let stage = Scenario::new(&ids(1))
            .pace(1)
            .through(always(Call::List, Treatment::Instead(ahead(seconds))))
            .start();
        looked(
            &stage,
            code,
            &[("clock", health), ("bms:servers:list", "ok")],
        );
    }
}

#[test]
fn a_cloud_out_of_reach_is_told() {
    let stage = Scenario::new(&ids(1))
        .endpoint("http://127.0.0.1:1")
        .start();
    let ended = looked(
        &stage,
        3,
        &[
            ("connection", "problem"),
            ("sign-in", "unknown"),
            ("bms:servers:list", "unknown"),
        ],
    );
    assert!(ended.out.contains("nothing listens there"), "{}", ended.out);
    let stage = Scenario::new(&ids(1)).start();
    let text = stage.read("night.yaml").replace("http://", "https://");
    stage.write("night.yaml", text);
    looked(&stage, 3, &[("connection", "problem")]);
}

#[test]
fn no_credentials_go_to_or_are_looked_for_for_a_foreign_host() {
    let stage = Scenario::new(&ids(1)).endpoint(ABROAD).start();
    let ended = looked(
        &stage,
        3,
        &[
            ("endpoint", "problem"),
            ("credentials", "skipped"),
            ("cloud", "skipped"),
        ],
    );
    assert_eq!(ended.stats.requests.list, 0);
}

#[test]
fn credentials_are_told_by_kind_and_place() {
    let stage = Scenario::new(&ids(1)).without_keys().start();
    looked(
        &stage,
        3,
        &[("credentials", "problem"), ("cloud", "skipped")],
    );
    let both = Scenario::new(&ids(1))
        .variable("OS_AUTH_TOKEN", TOKEN)
        .start();
    looked(&both, 2, &[("credentials", "problem")]);
    let stage = Scenario::new(&ids(1))
        .without_keys()
        .file("token", TOKEN)
        .start();
    std::fs::set_permissions(stage.path("token"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let ended = stage
        .run("doctor night.yaml --credentials token-file:token")
        .with_code(0);
    for part in [
        "a token from `token`",
        "warning  credentials-file  the credentials file `token` can be read by others",
    ] {
        assert!(ended.out.contains(part), "{part}\n{}", ended.out);
    }
}

#[test]
fn files_that_are_wrong_are_told() {
    let stage = Scenario::new(&ids(1)).start();
    stage.write("bad.yaml", "version: 1\nnmae: x\n");
    let ended = stage
        .run("doctor bad.yaml")
        .with_code(2)
        .saying(&["unknown key `nmae`"]);
    assert!(ended.out.contains("PROBLEM  workflow"), "{}", ended.out);
    stage.run("doctor missing.yaml").with_code(2);
    stage.run("plan night.yaml --write").with_code(0);
    let (plan, workflow) = (stage.read("night.plan.json"), stage.read("night.yaml"));
    stage.write("night.plan.json", plan.replacen("HARD", "SOFT", 1));
    looked(&stage, 22, &[("committed-plan", "problem")]);
    stage.write("night.plan.json", &plan);
    stage.write(
        "night.yaml",
        format!("{workflow}guards: {{ max_servers: 2 }}\n"),
    );
    looked(&stage, 0, &[("committed-plan", "warning")]);
    let many = Scenario::new(&ids(3))
        .with("guards: { max_servers: 2 }")
        .start();
    looked(
        &many,
        23,
        &[("guards", "problem"), ("bms:servers:list", "ok")],
    );
}

#[test]
fn a_state_folder_that_cannot_be_used_or_forbids_runs_is_told() {
    let stage = Scenario::new(&ids(1)).file("occupied", "").start();
    let ended = stage
        .run(&format!(
            "doctor night.yaml --state-dir {}",
            stage.path("occupied/x").display()
        ))
        .with_code(2);
    assert!(ended.out.contains("PROBLEM  state-folder"), "{}", ended.out);
    stage.run("halt --reason cooling").with_code(0);
    let ended = stage.run("doctor night.yaml").with_code(0);
    assert!(
        ended.out.contains("the stop switch is set: cooling"),
        "{}",
        ended.out
    );
}

#[test]
fn a_policy_is_named_and_what_it_forbids_is_told() {
    let stage = Scenario::new(&ids(2)).start();
    let policy = |text: &str| {
        stage.write("policy.yaml", text);
        std::fs::set_permissions(
            stage.path("policy.yaml"),
            std::fs::Permissions::from_mode(0o600),
        )
        .unwrap();
        stage.run("doctor night.yaml --policy policy.yaml")
    };
    let fine = policy("version: 1\nmax_servers: 5\n").with_code(0).out;
    assert!(
        fine.contains("ok       policy            in force: `"),
        "{fine}"
    );
    let strict = policy("version: 1\nmax_servers: 1\n").with_code(23).out;
    assert!(strict.contains("PROBLEM  guards"), "{strict}");
    let wrong = policy("version: 1\nmax_srevers: 1\n").with_code(2);
    assert!(wrong.out.contains("PROBLEM  policy"), "{}", wrong.out);
    assert!(wrong.err.contains("max_srevers"), "{}", wrong.err);
    let none = stage.run("doctor night.yaml").with_code(0).out;
    assert!(
        none.contains("ok       policy            none applies"),
        "{none}"
    );
}
