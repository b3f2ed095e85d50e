//! Inventories as they come from other systems: spelling, line ends, empty groups, names.

use serde_json::json;

use crate::scenario::{Scenario, ids};

const FROM_FILE: &str = "groups:\n  - name: canary\n    servers_from: ";

#[test]
fn ids_in_upper_case_are_sent_as_the_cloud_spells_them() {
    let servers = ids(2);
    let upper = servers[0].to_string().to_uppercase();
    let groups =
        format!("groups:\n  - name: canary\n    servers: [{upper}]\n    servers_from: list.txt\n");
    Scenario::with_cloud(&groups, &servers)
        .file("list.txt", servers[1].to_string().to_uppercase())
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped", 2)]);
}

#[test]
fn one_server_in_two_spellings_is_still_listed_twice() {
    let server = ids(1)[0];
    let upper = server.to_string().to_uppercase();
    let groups = format!("groups:\n  - name: canary\n    servers: [{server}, {upper}]\n");
    Scenario::with_cloud(&groups, &ids(1))
        .run("run night.yaml")
        .with_code(2)
        .saying(&["night.yaml:8:", "listed"])
        .with_nothing_sent();
}

#[test]
fn windows_line_ends_and_byte_order_marks_change_nothing() {
    let servers = ids(3);
    let lines = |separator: &str| {
        let texts: Vec<String> = servers.iter().map(ToString::to_string).collect();
        texts.join(separator)
    };
    let files = [
        (
            "list.txt",
            format!("\u{feff}# all\r\n{}\r\n\r\n", lines("\r\n")),
        ),
        (
            "list.csv",
            format!("\u{feff}id,rack\r\n{},b7\r\n", lines(",b7\r\n")),
        ),
        (
            "list.json",
            format!("\u{feff}[\r\n\"{}\"\r\n]\r\n", lines("\",\r\n\"")),
        ),
    ];
    for (name, text) in files {
        Scenario::with_cloud(&format!("{FROM_FILE}{name}\n"), &servers)
            .file(name, text)
            .run("run night.yaml")
            .with_code(0)
            .with_outcomes(&[("stopped", 3)]);
    }
}

#[test]
fn a_workflow_with_windows_line_ends_and_a_byte_order_mark_is_read() {
    let stage = Scenario::new(&ids(2)).start();
    let text = stage.read("night.yaml").replace('\n', "\r\n");
    stage.write("night.yaml", format!("\u{feff}{text}"));
    stage
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped", 2)]);
}

#[test]
fn an_empty_group_is_an_error_unless_the_workflow_expects_it() {
    let servers = ids(1);
    let groups = |expect: &str| {
        format!(
            "groups:\n  - name: idle\n    servers_from: list.txt\n{expect}  - name: canary\n    servers: [{}]\n",
            servers[0]
        )
    };
    let run = |expect: &str| {
        Scenario::with_cloud(&groups(expect), &servers)
            .file("list.txt", "# none this week\n")
            .run("run night.yaml")
    };
    run("")
        .with_code(2)
        .saying(&["night.yaml:8:19", "`list.txt`"])
        .with_nothing_sent();
    let ended = run("    expect: { min: 0 }\n").with_code(0);
    assert_eq!(ended.report()["groups"][0]["totals"]["targets"], 0);
    assert_eq!(ended.accepted_sizes(), [1]);
}

#[test]
fn a_workflow_without_a_single_target_is_a_success_and_connects_to_nothing() {
    let ended = Scenario::with_cloud(
        &format!("{FROM_FILE}list.txt\n    expect: {{ min: 0 }}\n"),
        &[],
    )
    .file("list.txt", "")
    .run("run night.yaml")
    .with_code(0);
    assert_eq!(ended.stats.requests, Default::default());
    assert_eq!(ended.total("targets"), 0);
}

#[test]
fn a_name_in_any_script_is_compared_and_kept() {
    let servers = ids(2);
    let named = format!("{FROM_FILE}{{ file: list.csv, name_column: host }}\n");
    let ended = Scenario::with_cloud(&named, &servers)
        .bearing_failures()
        .file(
            "list.csv",
            format!(
                "host,id\nserver-größe-機,{}\nother,{}\n",
                servers[0], servers[1]
            ),
        )
        .settings(|cloud| "server-größe-機".clone_into(&mut cloud.servers[0].name))
        .run("run night.yaml")
        .with_code(30)
        .with_outcomes(&[("stopped", 1), ("failed/name_mismatch", 1)]);
    assert_eq!(ended.server(servers[0])["name"], json!("server-größe-機"));
    assert_eq!(ended.accepted_sizes(), [1]);
}

#[test]
fn a_workflow_name_is_plain() {
    let stage = Scenario::new(&ids(1)).start();
    for name in ["größe", "NIGHT", "-night", "night_1", "夜"] {
        let text = stage.read("night.yaml");
        stage.write(
            "other.yaml",
            text.replace("name: night", &format!("name: {name}")),
        );
        stage
            .run("run other.yaml")
            .with_code(2)
            .saying(&["other.yaml:2:7"])
            .with_nothing_sent();
    }
}
