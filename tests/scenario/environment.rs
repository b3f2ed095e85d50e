//! What workflows may read of the environment, with and without a grant of a policy.
//!
//! Invariant: a variable that is not granted reaches no plan, no report and no server.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::scenario::{Scenario, Stage, ids};

/// A workflow whose description is the value of `STOP_RACK`.
fn rack() -> Stage {
    Scenario::new(&ids(1))
        .with("description: \"rack {{ rack }}\"\nvars: { rack: { default: b7, env: STOP_RACK } }")
        .variable("STOP_RACK", "value-of-the-host")
        .start()
}

fn policy(stage: &Stage, name: &str, text: &str) {
    stage.write(name, format!("version: 1\n{text}\n"));
    fs::set_permissions(stage.path(name), fs::Permissions::from_mode(0o644)).unwrap();
}

#[test]
fn a_missing_grant_is_a_warning_in_a_review_and_an_error_in_a_run() {
    let stage = rack();
    let told = "`STOP_RACK` is not read: its name does not begin with `LIGHTSOUT_VAR_`";
    for line in [
        "validate night.yaml",
        "render night.yaml",
        "plan night.yaml --format json",
        "rehearse night.yaml",
        "window night.yaml",
    ] {
        let ended = stage.run(line).with_code(0).saying(&["warning", told]);
        let all = format!("{}{}", ended.out, ended.err);
        assert!(!all.contains("value-of-the-host"), "{line}: {all}");
    }
    let plan = stage.run("plan night.yaml --format json").out;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["workflow"]["description"], "rack b7");
    assert_eq!(plan["warnings"][0]["code"], "env-not-granted");
    stage.run("plan night.yaml --write").with_code(0);
    for line in [
        "run night.yaml",
        "run night.yaml --locked",
        "run night.yaml --dry-run",
        "run night.yaml --var rack=b8",
        "rehearse night.yaml --at 2026-11-28T01:00:00Z",
    ] {
        let ended = stage.run(line).with_code(2).with_nothing_sent();
        ended.saying(&["error", told, "help", "`LIGHTSOUT_VAR_STOP_RACK`"]);
    }
    let doctor = stage.run("doctor night.yaml").with_code(2);
    assert!(doctor.err.contains(told), "{}", doctor.err);
}

#[test]
fn a_policy_of_the_machine_grants_a_prefix_and_one_of_the_command_line_does_not() {
    let mut stage = rack();
    policy(&stage, "grant.yaml", "env_prefixes: [STOP_]");
    policy(&stage, "narrow.yaml", "env_prefixes: [STOP_RA_]");
    policy(&stage, "silent.yaml", "max_servers: 5");
    let description = |ended: &crate::scenario::Ended| {
        ended.report()["workflow"]["description"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    stage.run("run night.yaml --policy grant.yaml").with_code(2);
    stage.set("LIGHTSOUT_POLICY", "grant.yaml");
    stage
        .run("run night.yaml --policy narrow.yaml")
        .with_code(2);
    let ended = stage
        .run("run night.yaml --policy silent.yaml")
        .with_code(0);
    assert_eq!(description(&ended), "rack value-of-the-host");
    stage.set("LIGHTSOUT_POLICY", "silent.yaml");
    stage.run("run night.yaml --policy grant.yaml").with_code(2);
    policy(&stage, "broken.yaml", "env_prefixes: [STOP]");
    stage.set("LIGHTSOUT_POLICY", "broken.yaml");
    let refused = stage.run("run night.yaml").with_code(2);
    refused.saying(&["broken.yaml:2:16", "at least four characters"]);
}

#[test]
fn the_open_prefix_needs_no_policy() {
    let stage = Scenario::new(&ids(1))
        .with("description: \"{{ rack }}\"\nvars: { rack: { env: LIGHTSOUT_VAR_RACK, required: true } }")
        .start();
    stage
        .run("run night.yaml")
        .with_code(2)
        .saying(&["set `LIGHTSOUT_VAR_RACK`"]);
    let mut command = stage.command("run night.yaml");
    command.env("LIGHTSOUT_VAR_RACK", "b9");
    let ended = stage.ended(command.output().unwrap()).with_code(0);
    assert_eq!(ended.report()["workflow"]["description"], "b9");
}

#[test]
fn a_credential_is_never_read_even_if_its_prefix_is_granted() {
    for (name, prefix) in [
        ("HTTPS_PROXY", "HTTPS_"),
        ("GITHUB_TOKEN", "GITHUB_"),
        ("CI_JOB_TOKEN", "CI_JOB_"),
        ("OS_ADMIN_PASSWORD", "OS_ADMIN_"),
        ("AWS_SECRET_ACCESS_KEY", "AWS_"),
    ] {
        let vars =
            format!("description: \"{{{{ v }}}}\"\nvars: {{ v: {{ default: x, env: {name} }} }}");
        let stage = Scenario::new(&ids(1))
            .with(&vars)
            .variable("LIGHTSOUT_POLICY", "grant.yaml")
            .start();
        policy(&stage, "grant.yaml", &format!("env_prefixes: [{prefix}]"));
        for line in ["validate night.yaml", "run night.yaml --dry-run"] {
            let mut command = stage.command(line);
            command.env(name, "value-of-the-host");
            let ended = stage.ended(command.output().unwrap()).with_code(2);
            let told = format!("`{name}` looks as if it held credentials");
            assert!(ended.err.contains(&told), "{}", ended.err);
            assert!(!ended.err.contains("value-of-the-host"), "{}", ended.err);
        }
    }
}
