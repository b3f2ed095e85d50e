//! What the platform forbids is not done, whatever a workflow says and however it is run.
//!
//! Every refusal is judged by what the cloud saw. Invariant: a policy that is broken, or that nobody can
//! rely on, means that no stop request leaves.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Stdio;

use lightsout::event::Event;
use serde_json::{Value, json};

use crate::scenario::{Ended, Scenario, Stage, at_once, ids, ids_from, needs_confirmation};

/// Writes a policy that only its owner can change.
fn policy(stage: &Stage, name: &str, rules: &str) {
    stage.write(name, format!("version: 1\n{rules}\n"));
    let mode = fs::Permissions::from_mode(0o644);
    fs::set_permissions(stage.path(name), mode).unwrap();
}

/// Makes a policy apply by the environment.
fn impose(stage: &mut Stage, rules: &str) {
    policy(stage, "policy.yaml", rules);
    let path = stage.path("policy.yaml").display().to_string();
    stage.set("LIGHTSOUT_POLICY", &path);
}

/// Servers of a rack, the last of which is `db-7` in the cloud and nowhere else.
fn scenario(groups: &str) -> Scenario {
    let list: String = ids(3).iter().map(|id| format!("{id}\n")).collect();
    Scenario::with_cloud(groups, &ids(20))
        .settings(|cloud| {
            for (at, server) in cloud.servers.iter_mut().enumerate() {
                server.name = format!("web-{at}");
            }
            for server in &mut cloud.servers[..3] {
                server.particulars.tags = vec!["rack=b7".to_owned()];
            }
            cloud.servers[2].name = "db-7".to_owned();
            cloud.servers[2]
                .particulars
                .tags
                .push("keep-on=yes".to_owned());
        })
        .file("rack.txt", list)
}

fn inline() -> String {
    let list: String = ids(3).iter().map(|id| format!("\n      - {id}")).collect();
    format!("groups:\n  - name: rack\n    servers:{list}\n")
}

#[track_caller]
fn saw_nothing(stage: &Stage) {
    let requests = stage.stats().requests;
    assert_eq!((requests.stop, requests.list, requests.show), (0, 0, 0));
}

#[test]
fn what_is_protected_is_never_a_target_however_it_is_named_and_run() {
    let by_id = format!("protected: {{ servers: ['{}'] }}", ids(3)[2]);
    let rules = [
        (by_id.as_str(), "protected.servers"),
        ("protected: { names: ['db-*'] }", "protected.names"),
        ("protected: { tags: [keep-on] }", "protected.tags"),
    ];
    let from_file = "groups:\n  - name: rack\n    servers_from: rack.txt\n".to_owned();
    let selected = "groups:\n  - name: rack\n    select: { tags: { rack: b7 } }\n".to_owned();
    let commands = [
        "run night.yaml",
        "run night.yaml --locked",
        "run --plan night.plan.json",
        "run night.yaml --only rack --remaining",
    ];
    let mut cases = Vec::new();
    for (rule, name) in rules {
        for groups in [inline(), from_file.clone(), selected.clone()] {
            for checks in ["", "checks: { before: false, after: false }"] {
                cases.push((rule, name, groups.clone(), checks));
            }
        }
    }
    at_once(&cases, |(rule, name, groups, checks)| {
        let mut stage = scenario(groups).with(checks).start();
        // The plan was made and approved before there was a policy.
        stage.run("plan night.yaml --write").with_code(0);
        impose(&mut stage, rule);
        for command in commands {
            let ended = stage.run(command).with_code(23).with_nothing_sent();
            let id = ids(3)[2].to_string();
            let ended = ended.saying(&[name, &id, "group `rack`", "policy.yaml"]);
            if *name != "protected.servers" {
                assert!(ended.stats.requests.list > 0, "{}", ended.err);
            }
            if *name == "protected.names" {
                ended.saying(&["`db-7`", "its name fits `db-*`"]);
            }
        }
    });
}

#[test]
fn servers_are_not_even_looked_for_where_none_may_be_a_target() {
    let selected = "groups:\n  - name: rack\n    select: { tags: { rack: b7 } }\n";
    let mut stage = scenario(selected).start();
    impose(&mut stage, "projects: [00000000000000000000000000000000]");
    for command in ["run night.yaml", "plan night.yaml"] {
        stage.run(command).with_code(23).saying(&["`projects`"]);
    }
    saw_nothing(&stage);
}

#[test]
fn a_signal_and_the_switch_end_the_reading_that_comes_before_a_run() {
    let slow = json!({"calls": {"list": [{"fault": "slow", "delay": "50s", "rate": 1.0}]}});
    for signal in [Some("TERM"), None] {
        let mut stage = scenario(&inline())
            .with("checks: { before: false }")
            .faults(slow.clone())
            .pace(2)
            .start();
        impose(&mut stage, "max_percent: 50");
        let mut running = stage.spawn("run night.yaml");
        running.until("the reading", |stage| stage.stats().requests.list > 0);
        match signal {
            Some(signal) => running.signal(signal),
            None => drop(stage.run("halt --reason cooling").with_code(0)),
        }
        let (ended, took) = running.ended();
        ended.with_code(24).with_nothing_sent();
        assert!(took < std::time::Duration::from_secs(5), "{took:?}");
        let kept = fs::read_dir(stage.path("state/runs"));
        assert!(
            kept.is_ok_and(|mut runs| runs.next().is_none()) || !stage.path("state/runs").exists()
        );
    }
}

#[test]
fn a_protected_server_that_is_off_or_left_out_is_a_breach_all_the_same() {
    let faults = json!({"servers": {"off": {"ids": [ids(3)[2]]}}});
    let mut stage = scenario(&inline()).faults(faults).start();
    impose(&mut stage, "protected: { names: ['db-*'] }");
    stage
        .run("run night.yaml")
        .with_code(23)
        .with_nothing_sent();
    stage.write("out.txt", format!("{}\n", ids(3)[2]));
    let line = "run night.yaml --exclude out.txt";
    stage.run(line).with_code(23).with_nothing_sent();
}

#[test]
fn a_plan_that_keeps_its_policy_runs_and_its_report_says_so() {
    let mut stage = scenario(&inline())
        .with("checks: { before: false }\nguards: { max_servers: 5, max_percent: 15 }")
        .start();
    impose(
        &mut stage,
        "protected: { names: ['mq-*'], tags: [keep-off] }\nmax_servers: 3\nmax_percent: 50\nrequire: [locked]",
    );
    stage.run("plan night.yaml --write").with_code(0);
    let ended = stage.run("run night.yaml --locked").with_code(0);
    assert_eq!(ended.accepted_sizes(), [3]);
    assert!(ended.stats.requests.list > 0);
    let guards = ended.report()["guards"].as_array().unwrap();
    let shown: Vec<String> = guards
        .iter()
        .map(|guard| {
            let whose = if guard["policy"].is_null() {
                "own"
            } else {
                "policy"
            };
            format!(
                "{whose} {} {} {} {}",
                guard["name"].as_str().unwrap(),
                guard["limit"],
                guard["actual"],
                guard["ok"]
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "own max_servers 5 3 true",
            "own max_percent 15 15 true",
            "policy protected.names 0 0 true",
            "policy protected.tags 0 0 true",
            "policy max_servers 3 3 true",
            "policy max_percent 50 15 true",
            "policy require.locked null null true",
        ]
    );
    let run = ended.report()["run_id"].as_str().unwrap().to_owned();
    let kept = stage.read(&format!("state/runs/{run}/report.json"));
    let again = stage.run("report latest --format json").with_code(0);
    assert_eq!(again.out, kept);
}

#[test]
fn a_plan_is_shown_whole_and_the_breach_with_it() {
    let mut stage = scenario(&inline()).start();
    let json = stage.run("plan night.yaml --format json").with_code(0).out;
    let rules = format!(
        "protected: {{ servers: ['{}'] }}\nmax_servers: 2",
        ids(3)[1]
    );
    impose(&mut stage, &rules);
    let reasons = [
        "`protected.servers`",
        "`max_servers`",
        "3 targets, and the limit is 2",
    ];
    let text = stage.run("plan night.yaml").with_code(23).saying(&reasons);
    for id in [ids(3)[0], ids(3)[2]] {
        assert!(text.out.contains(&id.to_string()), "{}", text.out);
    }
    assert!(text.out.contains("1 protected: BREACHED"), "{}", text.out);
    assert!(
        text.out.contains("a run would refuse this plan"),
        "{}",
        text.out
    );
    let md = stage.run("plan night.yaml --format md").with_code(23);
    assert!(
        md.out
            .contains("**BREACHED: a run would refuse this plan.**"),
        "{}",
        md.out
    );
    assert!(
        md.out.contains(&format!("server `{}`", ids(3)[1])),
        "{}",
        md.out
    );
    // A written plan knows of no policy, and so does the digest.
    let still = stage.run("plan night.yaml --format json").with_code(23).out;
    assert_eq!(still, json);
    stage.run("plan night.yaml --write").with_code(23);
    assert_eq!(stage.read("night.plan.json"), json);
    stage.run("plan night.yaml --check").with_code(23);
    saw_nothing(&stage);
}

#[test]
fn a_dry_run_tells_what_can_be_told_without_asking() {
    let mut stage = scenario(&inline()).start();
    impose(&mut stage, "max_servers: 2\nprotected: { names: ['db-*'] }");
    let ended = stage.run("run night.yaml --dry-run").with_code(23);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["exit_code"], 23);
    assert_eq!(report["guards"][1]["name"], "protected.names");
    assert_eq!(report["guards"][1]["ok"], Value::Null);
    assert_eq!(report["guards"][2]["ok"], json!(false));
    saw_nothing(&stage);
    impose(&mut stage, "protected: { names: ['db-*'] }");
    stage.run("run night.yaml --dry-run").with_code(0);
}

#[test]
fn a_rehearsal_shows_what_would_be_refused_and_goes_on() {
    let mut stage = scenario(&inline()).start();
    impose(&mut stage, "max_servers: 2");
    stage.run("rehearse night.yaml").with_code(0).saying(&[
        "a real run would be refused",
        "3 targets, and the limit is 2",
    ]);
    stage.write("policy.yaml", "version: 2\n");
    let ended = stage.run("rehearse night.yaml").with_code(0);
    ended.saying(&["a real run would be refused", "policy.yaml"]);
}

#[test]
fn limits_hold_to_the_last_server_and_percent() {
    // 3 of 20 servers are 15 %.
    let cases = [
        ("max_servers: 3", 0),
        ("max_servers: 2", 23),
        ("max_percent: 15", 0),
        ("max_percent: 14", 23),
    ];
    at_once(&cases, |(rules, code)| {
        let mut stage = scenario(&inline()).start();
        impose(&mut stage, rules);
        let ended = stage.run("run night.yaml").with_code(*code);
        assert_eq!(
            ended.accepted_sizes().len(),
            usize::from(*code == 0),
            "{rules}"
        );
    });
    let own = [
        ("guards: { max_percent: 15 }", 0),
        ("guards: { max_percent: 14 }", 23),
    ];
    at_once(&own, |(guards, code)| {
        let stage = scenario(&inline())
            .with(guards)
            .with("checks: { before: false }")
            .start();
        let shown = stage.run("plan night.yaml").with_code(0);
        assert!(shown.out.contains("decided at the run"), "{}", shown.out);
        let ended = stage.run("run night.yaml").with_code(*code);
        assert_eq!(
            ended.accepted_sizes().len(),
            usize::from(*code == 0),
            "{guards}"
        );
        if *code == 23 {
            ended.saying(&[
                "15 % of the project's servers",
                "raise `guards.max_percent`",
            ]);
        }
    });
}

#[test]
fn a_policy_that_requires_waves_is_met_by_every_group_of_several() {
    for (waves, code) in [("[1, rest]", 0), ("[20, rest]", 23), ("[100%]", 23)] {
        let mut stage = scenario(&inline())
            .with(&format!("rollout: {{ waves: {waves} }}"))
            .start();
        impose(&mut stage, "require: [waves]");
        let ended = stage.run("run night.yaml").with_code(code);
        let required = ended.err.contains("waves are required, and group `");
        assert_eq!(required, code == 23, "{}", ended.err);
    }
}

#[test]
fn projects_regions_and_endpoints_are_judged_before_anything_connects() {
    let cases = [
        ("projects: [00000000000000000000000000000000]", "`projects`"),
        (
            "endpoints: ['https://bms.ap-southeast-1.myhuaweicloud.com']",
            "`endpoints`",
        ),
        ("regions: [ap-southeast-1]", "`regions`"),
        ("require: [window]", "`require.window`"),
        ("require: [waves]", "`require.waves`"),
        ("require: [locked]", "`require.locked`"),
    ];
    at_once(&cases, |(rules, name)| {
        let mut stage = scenario(&inline()).start();
        impose(&mut stage, rules);
        stage.run("run night.yaml").with_code(23).saying(&[name]);
        saw_nothing(&stage);
    });
    let mut stage = scenario(&inline()).with("region: ap-southeast-1").start();
    let endpoint = stage.simulator().endpoint().to_string();
    let rules = format!(
        "projects: [{}]\nregions: [ap-southeast-1]\nendpoints: ['{endpoint}/']",
        crate::scenario::PROJECT
    );
    impose(&mut stage, &rules);
    stage.run("run night.yaml").with_code(0);
}

#[test]
fn a_target_whose_name_cannot_be_read_is_refused() {
    let unknown = ids_from(77, 1)[0];
    let groups = format!("groups:\n  - name: rack\n    servers: [{unknown}]\n");
    let mut stage = scenario(&groups)
        .with("checks: { on_state: { missing: skip } }")
        .start();
    stage.run("run night.yaml").with_code(0);
    impose(&mut stage, "protected: { names: ['db-*'] }");
    let id = unknown.to_string();
    let ended = stage
        .run("run night.yaml")
        .with_code(23)
        .with_nothing_sent();
    ended.saying(&[
        &id,
        "its name cannot be read",
        "the API does not know the server",
    ]);
}

#[test]
fn a_project_that_cannot_be_read_is_not_touched() {
    let faults = json!({"calls": {"list": [{"fault": "error", "status": 503, "rate": 1.0}]}});
    let mut stage = scenario(&inline())
        .with("checks: { before: false }\nrollout: { retry_for: 20s }")
        .faults(faults)
        .start();
    impose(&mut stage, "max_percent: 99");
    let ended = stage.run("run night.yaml").with_code(3).with_nothing_sent();
    ended.saying(&["cannot list the project's servers"]);
    assert!(
        !stage
            .path("state/runs")
            .read_dir()
            .is_ok_and(|mut runs| runs.next().is_some())
    );
}

#[test]
fn a_policy_that_cannot_be_relied_on_forbids_everything() {
    type Spoil = fn(&Stage);
    let cases: [(&str, Spoil, i32, &str); 8] = [
        (
            "missing",
            |s| fs::remove_file(s.path("policy.yaml")).unwrap(),
            23,
            "cannot read",
        ),
        ("writable by all", |s| permit(s, 0o666), 23, "chmod go-w"),
        (
            "writable by the group",
            |s| permit(s, 0o664),
            23,
            "may be written by its group",
        ),
        (
            "a folder",
            |s| {
                fs::remove_file(s.path("policy.yaml")).unwrap();
                fs::create_dir(s.path("policy.yaml")).unwrap();
            },
            23,
            "not a regular file",
        ),
        (
            "a link to nothing",
            |s| {
                fs::remove_file(s.path("policy.yaml")).unwrap();
                symlink("nothing.yaml", s.path("policy.yaml")).unwrap();
            },
            23,
            "nothing.yaml",
        ),
        (
            "no YAML",
            |s| policy(s, "policy.yaml", "protected: ["),
            2,
            "policy.yaml:",
        ),
        (
            "an unknown rule",
            |s| policy(s, "policy.yaml", "nights: [a.yaml]"),
            2,
            "unknown key `nights` in a policy",
        ),
        (
            "a newer version",
            |s| s.write("policy.yaml", "version: 2\n"),
            2,
            "`version` must be `1`",
        ),
    ];
    let mut stage = scenario(&inline()).start();
    for (what, spoil, code, said) in cases {
        impose(&mut stage, "max_servers: 9");
        spoil(&stage);
        let commands = [
            "run night.yaml",
            "run night.yaml --dry-run",
            "plan night.yaml",
        ];
        for command in commands {
            let ended = stage.run(command);
            assert_eq!(ended.code, code, "{what}: {}", ended.err);
            assert!(ended.err.contains(said), "{what}: {}", ended.err);
        }
        saw_nothing(&stage);
        let _ = fs::remove_dir(stage.path("policy.yaml"));
        let _ = fs::remove_file(stage.path("policy.yaml"));
    }
    // Only root can give a file away.
    impose(&mut stage, "max_servers: 9");
    if chown(stage.path("policy.yaml"), Some(1234), None).is_ok() {
        let ended = stage.run("run night.yaml").with_code(23);
        ended.saying(&["owned by user 1234"]);
        saw_nothing(&stage);
    }
}

fn permit(stage: &Stage, mode: u32) {
    let mode = fs::Permissions::from_mode(mode);
    fs::set_permissions(stage.path("policy.yaml"), mode).unwrap();
}

#[test]
fn a_variable_that_names_no_file_at_all_is_not_taken_for_none() {
    let mut stage = scenario(&inline()).start();
    for name in ["", "no-such-policy.yaml", "."] {
        stage.set("LIGHTSOUT_POLICY", name);
        stage.run("run night.yaml").with_code(23);
    }
    saw_nothing(&stage);
    let mut command = stage.command("run night.yaml");
    use std::os::unix::ffi::OsStrExt;
    command.env(
        "LIGHTSOUT_POLICY",
        std::ffi::OsStr::from_bytes(b"/tmp/\xff.yaml"),
    );
    let ended = stage.ended(command.output().unwrap());
    assert_eq!(ended.code, 23, "{}", ended.err);
    saw_nothing(&stage);
}

#[test]
fn a_flag_adds_a_policy_and_replaces_none() {
    let mut stage = scenario(&inline()).start();
    policy(&stage, "mild.yaml", "max_servers: 99");
    policy(&stage, "strict.yaml", "max_servers: 1");
    impose(&mut stage, "max_servers: 2");
    let said = [
        "rule `max_servers` of the policy",
        "policy.yaml",
        "the limit is 2",
    ];
    let ended = stage.run("run night.yaml --policy mild.yaml").with_code(23);
    ended.saying(&said);
    impose(&mut stage, "max_servers: 99");
    let ended = stage
        .run("run night.yaml --policy strict.yaml")
        .with_code(23);
    ended.saying(&["strict.yaml", "the limit is 1"]);
    stage.run("run night.yaml --policy none.yaml").with_code(23);
    saw_nothing(&stage);
    stage.run("run night.yaml --policy mild.yaml").with_code(0);
}

#[expect(clippy::print_stdout, reason = "a test that does nothing must say so")]
/// In a mount namespace of its own, where `/etc` is another one: nothing of this machine is touched.
fn with_etc(stage: &Stage, prepare: &str, line: &str) -> Option<Ended> {
    let yes = if needs_confirmation(line) {
        " --yes"
    } else {
        ""
    };
    let script = format!(
        "umask 022 && mount -t tmpfs none /etc && mkdir /etc/lightsout && {prepare} && exec \"$0\" {line}{yes}"
    );
    let program = env!("CARGO_BIN_EXE_lightsout");
    let words = ["--mount", "sh", "-c", &script, program];
    let mut command = stage.surrounded("/usr/bin/unshare", words.into_iter());
    command
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stderr(Stdio::piped());
    let able = std::process::Command::new("/usr/bin/unshare")
        .args(["--mount", "mount", "-t", "tmpfs", "none", "/etc"])
        .output();
    if !able.is_ok_and(|output| output.status.success()) {
        println!("skipped: this user cannot make a mount namespace, so `/etc` is not tried");
        return None;
    }
    Some(stage.ended(command.output().unwrap()))
}

#[test]
fn the_policy_in_etc_applies_to_everybody() {
    let mut stage = scenario(&inline()).start();
    policy(&stage, "etc.yaml", "max_servers: 1");
    policy(&stage, "mild.yaml", "max_servers: 99");
    impose(&mut stage, "max_servers: 98");
    let copy = "cp etc.yaml /etc/lightsout/policy.yaml";
    let line = "run night.yaml --policy mild.yaml";
    let Some(ended) = with_etc(&stage, copy, line) else {
        return;
    };
    let said = [
        "of the policy `/etc/lightsout/policy.yaml`",
        "the limit is 1",
    ];
    ended.with_code(23).saying(&said);
    let closed = [
        (
            "cp etc.yaml /etc/lightsout/policy.yaml && chmod 666 /etc/lightsout/policy.yaml",
            23,
        ),
        (
            "cp etc.yaml /etc/lightsout/policy.yaml && chmod 777 /etc/lightsout",
            23,
        ),
        ("ln -s nowhere /etc/lightsout/policy.yaml", 23),
        ("rmdir /etc/lightsout && touch /etc/lightsout", 23),
        ("mkfifo /etc/lightsout/policy.yaml", 23),
        ("echo 'version: 2' > /etc/lightsout/policy.yaml", 2),
    ];
    for (prepare, code) in closed {
        let ended = with_etc(&stage, prepare, line).unwrap();
        assert_eq!(ended.code, code, "{prepare}: {}", ended.err);
    }
    saw_nothing(&stage);
    // Where it is absent, the others alone apply.
    with_etc(&stage, "rmdir /etc/lightsout", line)
        .unwrap()
        .with_code(0);
}

#[test]
fn credentials_go_only_where_the_platform_says() {
    // Nothing listens there, and it is this machine; but it is none of the loopback addresses.
    let endpoint = "https://0.0.0.0:9";
    let mut stage = scenario(&inline())
        .with("rollout: { retry_for: 1ms }")
        .endpoint(endpoint)
        .without_cloud()
        .start();
    policy(&stage, "flag.yaml", &format!("endpoints: ['{endpoint}']"));
    let line = "run night.yaml --policy flag.yaml";
    stage
        .run(line)
        .with_code(3)
        .saying(&["credentials may not be sent to `0.0.0.0:9`"]);
    impose(&mut stage, &format!("endpoints: ['{endpoint}']"));
    let ended = stage.run("run night.yaml").with_code(3);
    assert!(
        !ended.err.contains("credentials may not be sent"),
        "{}",
        ended.err
    );
    // A further policy that does not list it forbids it again.
    policy(&stage, "flag.yaml", "endpoints: []");
    stage.run(line).with_code(23);
}

#[test]
fn the_way_back_obeys_the_policy_but_for_what_only_a_workflow_can_have() {
    let by_id = format!("protected: {{ servers: ['{}'] }}", ids(3)[2]);
    let rules = [
        by_id.as_str(),
        "protected: { names: ['db-*'] }",
        "protected: { tags: [keep-on] }",
        "max_servers: 2",
        "projects: []",
    ];
    let mut stage = scenario(&inline()).start();
    let ended = stage.run("run night.yaml").with_code(0);
    let run = ended.report()["run_id"].as_str().unwrap().to_owned();
    for rule in rules {
        impose(&mut stage, rule);
        let name = rule.split(':').next().unwrap();
        let ended = stage
            .run(&format!("undo {run}"))
            .with_code(23)
            .saying(&[name]);
        assert!(ended.stats.starts.is_empty(), "{rule}: {}", ended.err);
    }
    impose(
        &mut stage,
        "require: [locked, window, waves]\nmax_percent: 1",
    );
    let ended = stage.run(&format!("undo {run}")).with_code(0);
    assert_eq!(ended.stats.starts.len(), 1, "{}", ended.err);
}

/// A run of three batches that was killed after its first request had been answered.
fn killed() -> Stage {
    let mut stage = scenario(&inline())
        .with("rollout: { batch_size: 1 }")
        .start();
    stage.set("LIGHTSOUT_CRASH", "after:answer");
    let killed = stage.command("run night.yaml --yes").status().unwrap();
    assert_eq!(killed.code(), None);
    assert!(stage.knows(|event| matches!(event, Event::SendAnswered { .. })));
    stage.crashed();
    stage.set("LIGHTSOUT_CRASH", "after:9999");
    stage
}

#[test]
fn a_policy_of_after_the_crash_forbids_sends_only() {
    let outcomes: [(&str, usize); 2] = [("not_sent/policy", 2), ("stopped", 1)];
    for rules in [
        "protected: { names: ['db-*'] }",
        "max_servers: 2",
        "require: [locked]",
    ] {
        let mut stage = killed();
        impose(&mut stage, rules);
        let ended = stage
            .run("resume --send")
            .with_code(30)
            .with_outcomes(&outcomes);
        assert_eq!(ended.accepted_sizes(), [1]);
        let guards = ended.report()["guards"].as_array().unwrap();
        let last = guards.last().unwrap();
        assert_eq!(
            (&last["ok"], last["policy"].is_null()),
            (&json!(false), false)
        );
        let run = ended.report()["run_id"].as_str().unwrap().to_owned();
        let kept = stage.read(&format!("state/runs/{run}/report.json"));
        let again = stage
            .run(&format!("report {run} --format json"))
            .with_code(0);
        assert_eq!(again.out, kept);
    }
}

#[test]
fn a_resume_that_cannot_read_its_policy_follows_what_was_sent() {
    let mut stage = killed();
    impose(&mut stage, "max_servers: 9");
    permit(&stage, 0o666);
    let ended = stage.run("resume --send").with_code(30);
    let ended = ended.saying(&["cannot be relied on"]);
    let ended = ended.with_outcomes(&[("not_sent/policy", 2), ("stopped", 1)]);
    assert_eq!(ended.accepted_sizes(), [1]);
}

#[test]
fn a_resume_that_keeps_its_policy_goes_on() {
    let mut stage = killed();
    impose(&mut stage, "max_servers: 3\nprotected: { names: ['mq-*'] }");
    let ended = stage.run("resume --send").with_code(0);
    assert_eq!(ended.accepted_sizes(), [1, 1, 1]);
}

#[test]
fn a_policy_of_after_a_crash_before_any_send_ends_with_23() {
    let mut stage = scenario(&inline()).start();
    stage.set("LIGHTSOUT_CRASH", "after:0");
    let killed = stage.command("run night.yaml --yes").status().unwrap();
    assert_eq!(killed.code(), None);
    stage.crashed();
    stage.set("LIGHTSOUT_CRASH", "after:9999");
    impose(&mut stage, "max_servers: 2");
    let ended = stage.run("resume --send").with_code(23).with_nothing_sent();
    ended.with_outcomes(&[("not_sent/policy", 3)]);
}

#[test]
fn settling_needs_no_policy_as_it_sends_nothing() {
    let mut stage = killed();
    impose(&mut stage, "max_servers: 0");
    let ended = stage.run("settle").with_code(30);
    ended.with_outcomes(&[("not_sent/interrupted", 2), ("stopped", 1)]);
}

#[test]
fn a_hostile_name_that_a_rule_fits_reaches_the_terminal_as_words() {
    let mut stage = scenario(&inline())
        .settings(|cloud| cloud.servers[1].name = "db-\u{1b}[2J\u{202e}evil".to_owned())
        .start();
    impose(&mut stage, "protected: { names: ['*evil'] }");
    let ended = stage
        .run("run night.yaml")
        .with_code(23)
        .with_nothing_sent();
    assert!(
        !ended.err.contains(['\u{1b}', '\u{202e}']),
        "{:?}",
        ended.err
    );
    ended.saying(&["db-\\u{1b}[2J"]);
}
