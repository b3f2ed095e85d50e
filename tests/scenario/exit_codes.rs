//! One scenario at least for each exit code, and what stands behind it.

use std::fs;
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::checks;
use crate::interloper::{Call, Treatment, always, answer};
use crate::scenario::{ABROAD, Scenario, Stage, at_once, ids};

#[test]
fn code_0_means_stopped_already_off_or_skipped() {
    let all = ids(4);
    let faults = json!({"servers": {"off": {"ids": [all[0]]}, "missing": {"ids": [all[1]]}}});
    let ended = Scenario::new(&all)
        .with("checks: { on_state: { missing: skip } }")
        .faults(faults)
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped", 2), ("already_off", 1), ("skipped/missing", 1)]);
    assert_eq!(ended.report()["outcome"], "succeeded");
    assert_eq!(ended.report()["next"], Value::Null);
}

#[test]
fn code_3_where_keys_permission_or_project_are_refused() {
    let refused = [
        ("401 Unauthorized", "APIGW.0301"),
        ("403 Forbidden", "BMS.0033"),
        ("403 Forbidden", "BMS.9999"),
        ("400 Bad Request", "BMS.0004"),
        ("404 Not Found", "APIGW.0101"),
        ("400 Bad Request", "Common.0018"),
    ];
    at_once(&refused, |(status, code)| {
        for call in [Call::Show, Call::Stop] {
            let body = json!({"error_code": code, "error_msg": "no", "request_id": "r-1"});
            let mischief = answer(status, "application/json", body.to_string());
            let ended = Scenario::new(&ids(1))
                .through(always(call, Treatment::Instead(mischief)))
                .run("run night.yaml")
                .with_code(3)
                .with_outcomes(&[("not_sent/credentials", 1)])
                .saying(&[code]);
            assert_eq!(ended.report()["outcome"], "refused");
        }
    });
}

#[test]
fn code_3_where_the_project_is_another() {
    let other = "0".repeat(32);
    let stage = Scenario::new(&ids(1)).start();
    let text = stage
        .read("night.yaml")
        .replace(crate::scenario::PROJECT, &other);
    stage.write("other.yaml", text);
    let ended = stage
        .run("run other.yaml")
        .with_code(3)
        .saying(&["Common.0018"]);
    assert!(ended.stats.accepted.is_empty());
}

#[test]
fn code_3_where_credentials_would_go_to_a_strange_host() {
    let groups = format!("groups:\n  - name: canary\n    servers: [{}]\n", ids(1)[0]);
    for endpoint in [
        ABROAD,
        "https://myhuaweicloud.com.example.com",
        "https://xmyhuaweicloud.com",
    ] {
        let stage = Scenario::offline(&groups).endpoint(endpoint).start();
        let ended = stage
            .run("run night.yaml")
            .with_code(3)
            .saying(&["hint: ", "LIGHTSOUT_ENDPOINTS"]);
        assert_eq!(ended.reports, Vec::<Value>::new());
        assert!(!stage.path("state").exists());
    }
}

#[test]
fn code_3_where_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for checks in ["true", "false"] {
        let groups = format!("groups:\n  - name: canary\n    servers: [{}]\n", ids(1)[0]);
        let ended = Scenario::offline(&groups)
            .with(&format!(
                "rollout: {{ retry_for: 3s }}\nchecks: {{ before: {checks} }}"
            ))
            .variable("LIGHTSOUT_CLOCK", "compressed:20")
            .endpoint(&endpoint)
            .run("run night.yaml")
            .with_code(3)
            .with_outcomes(&[("not_sent/unreachable", 1)]);
        assert_eq!(ended.report()["outcome"], "refused");
        assert!(ended.err.contains("reached"), "{}", ended.err);
    }
}

fn planned() -> Stage {
    let stage = Scenario::new(&ids(3)).start();
    stage
        .run("plan night.yaml --out night.plan.json")
        .with_code(0);
    stage
}

#[test]
fn code_22_for_a_plan_that_was_tampered_with() {
    let stage = planned();
    let plan = stage.read("night.plan.json");
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut value = serde_json::from_str(&plan).unwrap();
        change(&mut value);
        value.to_string()
    };
    let third = ids(3)[2].to_string();
    let forged = [
        changed(&|plan| plan["stop_type"] = "SOFT".into()),
        changed(&|plan| plan["project"]["id"] = "0".repeat(32).into()),
        changed(&|plan| plan["project"]["endpoint"] = ABROAD.into()),
        changed(&|plan| plan["digest"] = format!("sha256:{}", "0".repeat(64)).into()),
        changed(&|plan| {
            plan["batches"][0]["servers"][0] = "b0000000-0000-0000-0000-000000000001".into()
        }),
        changed(&|plan| {
            plan["batches"][0]["servers"]
                .as_array_mut()
                .unwrap()
                .truncate(2)
        }),
        changed(&|plan| {
            plan["batches"][0]["servers"]
                .as_array_mut()
                .unwrap()
                .push("b0000000-0000-0000-0000-000000000001".into())
        }),
        changed(&|plan| {
            plan["batches"][0]["servers"]
                .as_array_mut()
                .unwrap()
                .push(third.clone().into())
        }),
        changed(&|plan| plan["batches"] = json!([])),
        changed(&|plan| plan["batches"][0]["servers"] = json!([])),
        changed(&|plan| plan["batches"][0]["group"] = "other".into()),
        changed(&|plan| plan["guards"][0]["limit"] = 99_999.into()),
        changed(&|plan| plan["guards"] = json!([])),
        changed(&|plan| plan["checks"]["before"] = false.into()),
        changed(&|plan| plan["jobs"]["timeout"] = "1h".into()),
        changed(&|plan| plan["rollout"]["retry_for"] = "9h".into()),
        changed(&|plan| plan["action"] = "os-start".into()),
        changed(&|plan| plan["schema"] = "lightsout/plan/v2".into()),
        changed(&|plan| plan["extra"] = true.into()),
        changed(&|plan| drop(plan.as_object_mut().unwrap().remove("digest"))),
        plan.replacen('{', "{\"stop_type\": \"HARD\",", 1),
        plan[..plan.len() / 2].to_owned(),
        String::new(),
        "{}".to_owned(),
    ];
    for (number, text) in forged.iter().enumerate() {
        stage.write("forged.json", text);
        let ended = stage
            .run("run --plan forged.json")
            .with_code(22)
            .with_nothing_sent();
        assert!(
            ended
                .err
                .starts_with("error: cannot use the plan `forged.json`"),
            "{number}: {}",
            ended.err
        );
    }
    stage.run("run --plan night.plan.json").with_code(0);
}

#[test]
fn a_plan_may_be_moved_and_laid_out_anew() {
    let stage = planned();
    let value: Value = serde_json::from_str(&stage.read("night.plan.json")).unwrap();
    stage.write("compact.json", value.to_string());
    fs::remove_file(stage.path("night.yaml")).unwrap();
    let ended = stage.run("run --plan compact.json").with_code(0);
    assert_eq!(ended.report()["plan"]["digest"], value["digest"]);
}

#[test]
fn code_23_where_a_guard_forbids_it() {
    let stage = Scenario::new(&ids(3))
        .with("guards: { max_servers: 2 }")
        .start();
    for line in [
        "plan night.yaml",
        "run night.yaml",
        "run night.yaml --yes",
        "rehearse night.yaml",
    ] {
        stage
            .run(line)
            .with_code(23)
            .with_nothing_sent()
            .saying(&["guard `max_servers`", "hint: "]);
    }
    assert!(!stage.path("state").exists());
}

#[test]
fn code_30_where_some_targets_failed() {
    let all = ids(5);
    let faults = json!({"servers": {
        "failing": {"ids": [all[0]], "code": "BMS.0217"}, "ignored": {"ids": [all[1]]}, "locked": {"ids": [all[2]]}
    }});
    let ended = Scenario::new(&all)
        .with("checks: { grace: 20s }")
        .bearing_failures()
        .faults(faults)
        .run("run night.yaml")
        .with_code(30)
        .with_outcomes(&[
            ("stopped", 2),
            ("failed/job_failed", 1),
            ("failed/still_on", 1),
            ("failed/locked", 1),
        ])
        .saying(&["BMS.0217"]);
    assert_eq!(ended.report()["next"], "lightsout run night.yaml");
    assert_eq!(ended.server(all[0])["after"], "on");
}

#[test]
fn code_33_where_a_job_never_ends_and_the_server_stays_on() {
    let ended = Scenario::new(&ids(2))
        .with("jobs: { timeout: 1m, poll: 5s }\nchecks: { grace: 10s }")
        .faults(json!({"servers": {"stuck": {"ids": [ids(2)[0]]}}}))
        .run("run night.yaml")
        .with_code(33)
        .with_outcomes(&[("stopped", 1), ("unknown/job_unfinished", 1)]);
    assert_eq!(ended.report()["outcome"], "some_unknown");
}

#[test]
fn a_job_that_never_ends_though_its_servers_are_off_is_a_success() {
    Scenario::new(&ids(2))
        .with("jobs: { timeout: 1m, poll: 5s }")
        .faults(json!({"jobs": {"stuck": 1.0}}))
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped", 2)]);
}

#[test]
fn a_forgotten_job_is_decided_by_the_states() {
    Scenario::new(&ids(2))
        .with("jobs: { poll: 5s }\nchecks: { grace: 30s }")
        .faults(json!({"jobs": {"forgotten": 1.0}}))
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped", 2)]);
    Scenario::new(&ids(2))
        .with("jobs: { poll: 5s, timeout: 1m }\nchecks: { grace: 30s }")
        .faults(json!({"jobs": {"forgotten": 1.0}, "servers": {"ignored": {"share": 1.0}}}))
        .run("run night.yaml")
        .with_code(33)
        .with_outcomes(&[("unknown/job_gone", 2)]);
}

/// Runs until the first stop was accepted, then does something, and waits for the end.
fn meanwhile(stage: &Stage, line: &str, act: impl FnOnce()) -> crate::scenario::Ended {
    let running = stage.command(line).spawn().unwrap();
    let mut patience = 4000;
    while stage.stats().accepted.is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(5));
        patience -= 1;
        assert!(patience > 0, "nothing was ever sent");
    }
    act();
    stage.ended(running.wait_with_output().unwrap())
}

#[test]
fn code_40_where_the_place_of_the_report_goes_away_during_the_run() {
    let stage = Scenario::new(&ids(1)).pace(10).start();
    fs::create_dir(stage.path("reports")).unwrap();
    let ended = meanwhile(&stage, "run night.yaml --report reports/night.json", || {
        fs::remove_dir(stage.path("reports")).unwrap();
    });
    let ended = ended
        .with_code(40)
        .saying(&["cannot write `reports/night.json`", "exit code: 40"]);
    assert_eq!(ended.report()["outcome"], "succeeded");
}

#[test]
fn code_40_where_somebody_takes_the_place_of_the_report_during_the_run() {
    let stage = Scenario::new(&ids(1)).pace(10).start();
    let ended = meanwhile(&stage, "run night.yaml --report night.json", || {
        stage.write("night.json", "theirs")
    });
    ended.with_code(40).saying(&["`night.json`"]);
    assert_eq!(stage.read("night.json"), "theirs");
}

#[test]
fn a_worse_code_hides_a_report_that_is_not_written() {
    let stage = Scenario::new(&ids(2))
        .with("checks: { grace: 10s }")
        .faults(json!({"servers": {"ignored": {"ids": [ids(2)[0]]}}}))
        .pace(10)
        .start();
    let ended = meanwhile(&stage, "run night.yaml --report night.json", || {
        stage.write("night.json", "theirs")
    });
    ended.with_code(30).saying(&["`night.json`"]);
}

#[test]
fn code_70_where_the_system_denies_what_the_program_needs() {
    let stage = Scenario::new(&ids(1)).start();
    let mut codes = Vec::new();
    for files in 3..16 {
        let program = env!("CARGO_BIN_EXE_lightsout");
        let script = format!("ulimit -n {files} && exec {program} run night.yaml --yes");
        let output = stage
            .surrounded("sh", ["-c", &script].into_iter())
            .output()
            .unwrap();
        let (code, err) = (
            output.status.code().unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        // With 127, not even the program's libraries could be opened.
        checks::no_panic(&err);
        assert!(
            [0, 127].contains(&code) || err.contains("error: "),
            "{code}: {err}"
        );
        codes.push(code);
    }
    assert!(codes.contains(&70), "{codes:?}");
    let output = stage.command("run night.yaml").output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "the next run suffers from it"
    );
    assert_eq!(
        (
            stage.stats().accepted.len(),
            stage.stats().double_stops.len()
        ),
        (1, 0)
    );
}
