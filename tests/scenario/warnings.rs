//! Warnings: what `plan` shows, `validate` and `run` show, too, and the report lists.
//!
//! Owns exclusions that leave out less than they seem to. Invariant: no warning is seen by one command alone.

use crate::scenario::{Ended, Scenario, ids};

/// Codes of the warnings of a report or a plan.
fn codes(document: &serde_json::Value) -> Vec<String> {
    let warnings = document["warnings"].as_array().unwrap().iter();
    warnings
        .map(|warning| warning["code"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_warning_of_a_plan_is_shown_by_validate_and_run_and_listed_in_the_report() {
    let servers = ids(53);
    let rows: Vec<String> = servers.iter().map(|id| format!("{id},true\n")).collect();
    let groups = "groups:\n  - name: all\n    servers_from: { file: hosts.csv, where: { stop: true } }\n    exclude:\n      servers_from: keep.txt\n      servers: [7a1c0000-0000-4000-8000-00000000000b]\n";
    let stage = Scenario::with_cloud(groups, &servers)
        .file(
            "hosts.csv",
            format!(
                "id,stop\n{}616fb98f-46ca-475e-917e-2563e5a8cd19,TRUE\n",
                rows.concat()
            ),
        )
        .file("keep.txt", "# none today\n")
        .start();
    let planned = stage.run("plan night.yaml --format json").with_code(0);
    let plan: serde_json::Value = serde_json::from_str(&planned.out).unwrap();
    let expected = [
        "where-near-miss",
        "inventory-empty",
        "exclude-unmatched",
        "no-canary",
    ];
    assert_eq!(codes(&plan), expected);
    let shown = expected.map(|code| format!("warning[{code}]"));
    let shown = shown.each_ref().map(String::as_str);
    stage.run("validate night.yaml").with_code(0).saying(&shown);
    stage
        .run("validate night.yaml --deny-warnings")
        .with_code(2);
    let ran = stage.run("run night.yaml").with_code(0).saying(&shown);
    assert_eq!(codes(ran.report()), expected);
}

#[test]
fn a_number_selects_the_rows_that_spell_it_so() {
    let servers = ids(2);
    let rows = format!("id,rack\n{},1.1\n{},1.10\n", servers[0], servers[1]);
    let groups =
        "groups:\n  - name: rack\n    servers_from: { file: hosts.csv, where: { rack: 1.10 } }\n";
    let ended = Scenario::with_cloud(groups, &servers)
        .file("hosts.csv", rows)
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped", 1)]);
    assert_eq!(ended.server(servers[1])["outcome"], "stopped");
}

#[test]
fn a_quote_that_is_not_closed_keeps_a_run_from_starting() {
    let servers = ids(3);
    let keep = format!("id,note\n{},\"19 inch\n{},x\n", servers[1], servers[2]);
    let list: Vec<String> = servers.iter().map(ToString::to_string).collect();
    let groups = format!(
        "groups:\n  - name: all\n    servers: [{}]\n    exclude: {{ servers_from: keep.csv }}\n",
        list.join(", ")
    );
    Scenario::with_cloud(&groups, &servers)
        .file("keep.csv", keep)
        .run("run night.yaml")
        .with_code(2)
        .saying(&["keep.csv:2:38", "never closed"])
        .with_nothing_sent();
}

fn excluding(text: &str, command: &str) -> Ended {
    Scenario::new(&ids(2))
        .file("left.txt", text)
        .run(&format!("{command} --exclude left.txt"))
}

#[test]
fn an_empty_exclusion_is_refused_and_one_of_comments_is_a_warning() {
    for text in ["", "\n", " \r\n\t\n"] {
        excluding(text, "run night.yaml")
            .with_code(2)
            .saying(&["the exclusion list `left.txt` is empty", "# none"])
            .with_nothing_sent();
        excluding(text, "run night.yaml --dry-run").with_code(2);
    }
    let ended = excluding("# none\n", "run night.yaml")
        .with_code(0)
        .saying(&["lists no server"])
        .with_outcomes(&[("stopped", 2)]);
    assert_eq!(codes(ended.report()), ["exclude-empty"]);
}

#[test]
fn an_export_of_another_shape_is_answered_with_a_command() {
    let servers = ids(1);
    let groups = "groups:\n  - name: all\n    servers_from: hosts.json\n";
    let stage = Scenario::with_cloud(groups, &servers)
        .file(
            "hosts.json",
            format!("[{{\"server\": {{\"id\": \"{}\"}}}}]", servers[0]),
        )
        .start();
    stage
        .run("validate night.yaml")
        .with_code(2)
        .saying(&["`jq '[.[].server]' hosts.json > hosts-list.json`"]);
    let wrapped = format!(
        "{{\"count\": 1, \"servers\": [{{\"id\": \"{}\"}}]}}",
        servers[0]
    );
    stage.write("hosts.json", wrapped);
    stage
        .run("validate night.yaml")
        .with_code(0)
        .saying(&["1 target"]);
}

#[test]
fn an_offset_is_shown_beside_a_zone_and_a_trap_is_named() {
    let stage = Scenario::new(&ids(1))
        .with("window: { timezone: Etc/GMT+8, opens: { days: [sat], at: \"01:00\" }, duration: 4h }\n")
        .start();
    stage.run("validate night.yaml").with_code(0).saying(&[
        "timezone-pitfall",
        "8 hours behind UTC (UTC-08:00)",
        "`Asia/Singapore`",
    ]);
    let planned = stage.run("plan night.yaml").with_code(0);
    assert!(
        planned.out.contains("Etc/GMT+8 (UTC-08:00)"),
        "{}",
        planned.out
    );
    let window = stage.run("window night.yaml").with_code(0);
    assert!(
        window.out.contains("in Etc/GMT+8 (UTC-08:00)"),
        "{}",
        window.out
    );
}
