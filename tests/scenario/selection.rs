//! Servers that the project's listing names: what is found, what stays frozen, and what is never touched.

use std::collections::BTreeSet;

use lightsout::ids::ServerId;
use lightsout::simulator::{Condition, SimulatedServer};
use serde_json::{Value, json};

use crate::scenario::{PROJECT, Scenario, Stage, ids, ids_from};

const WEB: &str = "groups:\n  - name: web\n    select: { name: \"web-*\" }\nrollout: { retry_for: 1s }\nguards: { max_servers: 9000 }\n";

/// A server `web-N` with these tags.
fn web(number: usize, id: ServerId, tags: &[&str]) -> SimulatedServer {
    let mut server = SimulatedServer::new(id);
    server.name = format!("web-{number}");
    server.particulars.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    server
}

/// A workflow with these groups, and a cloud with servers `web-0`, `web-1` and so on.
fn selecting(groups: &str, servers: &[ServerId]) -> Scenario {
    let fleet = servers.iter().enumerate();
    let fleet: Vec<_> = fleet.map(|(at, id)| web(at, *id, &["rack=b7"])).collect();
    Scenario::with_cloud(groups, &[]).settings(|cloud| cloud.servers = fleet)
}

/// A listing of these servers, all on, each with a name and tags.
fn listing(endpoint: &str, servers: &[(ServerId, &str, &[&str])]) -> String {
    let row = |(id, name, tags): &(ServerId, &str, &[&str])| {
        json!({
            "id": id, "name": name, "status": "ACTIVE", "state": "on", "flavor": "physical.s4.medium",
            "availability_zone": "az1", "enterprise_project_id": "0", "tags": tags,
        })
    };
    let servers: Vec<Value> = servers.iter().map(row).collect();
    json!({
        "schema": "lightsout/listing/v1", "project": PROJECT, "endpoint": endpoint, "agreed": true,
        "servers": servers,
    })
    .to_string()
}

fn endpoint(stage: &Stage) -> String {
    stage.simulator().endpoint().to_string()
}

fn change(stage: &Stage, from: &str, to: &str) {
    let text = stage.read("night.yaml");
    assert!(text.contains(from), "{from} is not in\n{text}");
    stage.write("night.yaml", text.replacen(from, to, 1));
}

/// The IDs of a listing, which stand in order and once each.
#[track_caller]
fn listed(text: &str) -> BTreeSet<String> {
    let listing: Value = serde_json::from_str(text).unwrap();
    let servers = listing["servers"].as_array().unwrap();
    let ids: Vec<String> = servers
        .iter()
        .map(|server| server["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(ids.is_sorted_by(|one, next| one < next));
    ids.into_iter().collect()
}

fn words(ids: &[ServerId]) -> BTreeSet<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// How many list pages the cloud was asked for.
fn pages(stage: &Stage) -> u64 {
    stage.stats().requests.list
}

#[test]
fn a_listing_is_gone_through_until_two_passes_agree() {
    let fleet = ids(3_500);
    let (first, late) = (fleet[10], fleet[3_400]);
    // During the first pass one of its first page goes, so that all others move up by one, and a new
    // one comes; in the second one more goes.
    let stage = selecting(WEB, &fleet)
        .faults(json!({ "movements": [
            { "after_pages": 1, "disappear": [first] },
            { "after_pages": 3, "appear": [late] },
            { "after_pages": 6, "disappear": [fleet[20]] },
        ] }))
        .start();
    let ended = stage.run("inventory night.yaml").with_code(0);
    assert!(!ended.err.contains("listing-moved"), "{}", ended.err);
    // The third pass sees what the fourth sees.
    assert_eq!(pages(&stage), 16);
    assert_eq!(listed(&ended.out), words(&fleet));
}

#[test]
fn a_listing_that_never_rests_is_taken_whole_and_warned_of() {
    let fleet = ids(3_500);
    let movements: Vec<Value> = (0..5)
        .map(|pass| json!({ "after_pages": 4 * pass + 2, "disappear": [fleet[pass]] }))
        .collect();
    let stage = selecting(WEB, &fleet)
        .faults(json!({ "movements": movements }))
        .start();
    let ended = stage.run("plan night.yaml --format json").with_code(0);
    let ended = ended.saying(&["listing-moved"]);
    assert_eq!(pages(&stage), 20);
    let plan: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(plan["warnings"][0]["code"], "listing-moved");
    let batches = plan["batches"].as_array().unwrap();
    let targets: Vec<&Value> = batches
        .iter()
        .flat_map(|batch| batch["servers"].as_array().unwrap())
        .collect();
    let distinct: BTreeSet<String> = targets
        .iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(targets.len(), distinct.len());
    // Those that were there all the time, and those that a pass saw before they went.
    assert!(distinct.is_superset(&words(&fleet[5..])));
    assert_eq!(distinct, words(&fleet));
}

#[test]
fn the_order_in_which_the_cloud_lists_decides_nothing() {
    let fleet = ids(7);
    let plan = |servers: &[ServerId]| {
        let named = servers.iter().map(|id| {
            let number = fleet.iter().position(|own| own == id).unwrap();
            web(
                number,
                *id,
                &[if number % 2 == 0 { "rack=a" } else { "rack=b" }],
            )
        });
        let groups =
            "groups:\n  - name: web\n    select: { name: \"web-*\" }\n    split_by: tag:rack\n";
        let servers: Vec<_> = named.collect();
        let stage = Scenario::with_cloud(groups, &[])
            .settings(|cloud| cloud.servers = servers)
            .start();
        let out = stage.run("plan night.yaml --format json").with_code(0).out;
        let plan: Value = serde_json::from_str(&out).unwrap();
        (
            plan["batches"].clone(),
            plan["names"].clone(),
            plan["selections"].clone(),
        )
    };
    let mut mixed = fleet.clone();
    mixed.rotate_left(3);
    mixed.swap(0, 5);
    let (one, other) = (plan(&fleet), plan(&mixed));
    assert_eq!(one, other);
    assert_eq!(one.0.as_array().unwrap().len(), 2);
}

#[test]
fn what_is_found_is_stopped_and_nothing_else() {
    let fleet = ids(6);
    let groups = "groups:\n  - name: canary\n    select: { name: \"web-0\" }\n  - name: rest\n    select: { tags: { rack: b7 } }\n    exclude:\n      groups: [canary]\n      select: { tags: { keep: \"on\" } }\n";
    let mut servers: Vec<_> = (0..5).map(|at| web(at, fleet[at], &["rack=b7"])).collect();
    servers[3].particulars.tags.push("keep=on".to_owned());
    servers.push(web(5, fleet[5], &["rack=b8"]));
    let stage = Scenario::with_cloud(groups, &[])
        .settings(|cloud| cloud.servers = servers)
        .start();
    let ended = stage.run("run night.yaml --yes").with_code(0);
    let ended = ended.with_outcomes(&[("stopped", 4)]);
    let stopped: Vec<ServerId> = ended.stats.accepted.keys().copied().collect();
    assert_eq!(stopped, [fleet[0], fleet[1], fleet[2], fleet[4]]);
    assert_eq!(ended.accepted_sizes(), [1, 3]);
}

#[test]
fn a_run_of_a_frozen_selection_only_does_less() {
    let fleet = ids(6);
    let [well, off, gone, renamed, newcomer, plain] = fleet[..] else {
        unreachable!()
    };
    let mut servers = vec![
        web(0, well, &[]),
        web(1, off, &[]),
        web(3, renamed, &[]),
        // Matches by now, and was not there when the plan was made.
        web(4, newcomer, &[]),
        web(5, plain, &[]),
    ];
    servers[1].initial = Condition::Off;
    servers[2].name = "database-1".to_owned();
    let stage = Scenario::with_cloud(WEB, &[])
        .settings(|cloud| cloud.servers = servers)
        .bearing_failures()
        .start();
    let then: Vec<(ServerId, &str, &[&str])> = vec![
        (well, "web-0", &[]),
        (off, "web-1", &[]),
        (gone, "web-2", &[]),
        (renamed, "web-3", &[]),
        // Does not match any more than it did: it is no target.
        (plain, "other", &[]),
    ];
    stage.write("then.json", listing(&endpoint(&stage), &then));
    stage
        .run("plan night.yaml --inventory then.json --write")
        .with_code(0);
    assert_eq!(pages(&stage), 0);
    stage.run("plan night.yaml --check").with_code(0);
    let ended = stage.run("run night.yaml --locked").with_code(30);
    let ended = ended.with_outcomes(&[
        ("stopped", 1),
        ("already_off", 1),
        ("failed/missing", 1),
        ("failed/name_mismatch", 1),
    ]);
    let stopped: Vec<ServerId> = ended.stats.accepted.keys().copied().collect();
    assert_eq!(stopped, [well]);
}

#[test]
fn a_committed_selection_is_checked_without_a_cloud() {
    let fleet = ids(4);
    let stage = selecting(WEB, &fleet).start();
    stage.run("plan night.yaml --write").with_code(0);
    let asked = pages(&stage);
    // The project has changed since then.
    let committed = stage.read("night.plan.json");
    let offline = Scenario::with_cloud(WEB, &[]).without_keys().start();
    change(&offline, &endpoint(&offline), &endpoint(&stage));
    offline.write("night.plan.json", &committed);
    offline.run("plan night.yaml --check").with_code(0);
    let dry = offline.run("run night.yaml --locked --dry-run --report dry.json");
    assert_eq!(dry.with_code(0).stats.requests.list, 0);
    assert_eq!(pages(&stage), asked);
    for (from, to, word) in [
        ("web-*", "web-[0-9]*", "select of web"),
        (
            "select: { name: \"web-*\" }",
            "select: { name: \"web-*\" }\n    exclude: { select: { tags: { keep: \"on\" } } }",
            "exclude.select of web",
        ),
        (
            "select: { name: \"web-*\" }",
            "select: { name: \"web-*\" }\n    split_by: tag:rack",
            "split_by of web",
        ),
        ("stop_type: HARD", "stop_type: SOFT", "stop_type"),
    ] {
        let before = stage.read("night.yaml");
        change(&stage, from, to);
        let ended = stage.run("plan night.yaml --check").with_code(10);
        assert!(ended.out.contains(word), "{}", ended.out);
        stage
            .run("run night.yaml --locked")
            .with_code(22)
            .with_nothing_sent();
        // What was found for one question is no answer to another.
        let frozen = stage.run("plan night.yaml --frozen --write");
        frozen.with_code(if word == "stop_type" { 0 } else { 22 });
        stage.write("night.plan.json", &committed);
        stage.write("night.yaml", before);
    }
    let ids: String = fleet[..1].iter().map(|id| format!("[{id}]")).collect();
    change(
        &stage,
        "select: { name: \"web-*\" }",
        &format!("select: {{ name: \"web-*\" }}\n    exclude: {{ servers: {ids} }}"),
    );
    stage.run("plan night.yaml --check").with_code(10);
    stage
        .run("run night.yaml --locked")
        .with_code(22)
        .with_nothing_sent();
    assert_eq!(pages(&stage), asked);
}

#[test]
fn a_new_server_makes_a_committed_plan_no_less_valid() {
    let fleet = ids(4);
    let stage = selecting(WEB, &fleet)
        .faults(json!({ "movements": [{ "after_pages": 2, "appear": [fleet[3]] }] }))
        .start();
    stage.run("plan night.yaml --write").with_code(0);
    stage.run("plan night.yaml --check").with_code(0);
    let ended = stage.run("plan night.yaml --against night.plan.json --exit-code");
    assert!(ended.with_code(10).out.contains(&fleet[3].to_string()));
    let ended = stage.run("run night.yaml --locked").with_code(0);
    let stopped: Vec<ServerId> = ended.stats.accepted.keys().copied().collect();
    assert_eq!(stopped, fleet[..3]);
}

#[test]
fn what_was_not_looked_for_is_not_counted() {
    let stage = selecting(WEB, &ids(3)).start();
    let open = "valid, targets not counted, as it selects servers\n";
    let validated = stage.run("validate night.yaml").with_code(0).err;
    assert!(validated.ends_with(open), "{validated}");
    let checked = stage.run("doctor night.yaml").out;
    assert!(checked.contains(open), "{checked}");
    stage.run("plan night.yaml --write").with_code(0);
    let checked = stage.run("doctor night.yaml").out;
    assert!(checked.contains("valid, 3 targets\n"), "{checked}");
}

#[test]
fn an_id_is_never_broken_into_two_lines() {
    let id = ids(1)[0];
    let mut server = web(0, id, &[]);
    server.name = format!("web-{}", "0123456789".repeat(3));
    let groups = WEB.replace("name: web\n", "name: the-machines-of-the-third-floor\n");
    let stage = selecting(&groups, &[]).settings(|cloud| cloud.servers = vec![server]);
    let out = stage.start().run("plan night.yaml").with_code(0).out;
    assert!(out.contains(&format!("first  {id}  ")), "{out}");
}

#[test]
fn a_saved_listing_serves_as_well_as_the_cloud() {
    let stage = selecting(WEB, &ids(3)).start();
    stage
        .run("inventory night.yaml --out then.json")
        .with_code(0)
        .saying(&["`then.json`: 3 servers"]);
    let live = stage.run("plan night.yaml --format json").with_code(0).out;
    let asked = pages(&stage);
    let saved = stage.run("plan night.yaml --inventory then.json --format json");
    assert_eq!(saved.with_code(0).out, live);
    assert_eq!(pages(&stage), asked);
    // Again, over the older one.
    stage
        .run("inventory night.yaml --out then.json")
        .with_code(0);
}

#[test]
fn a_listing_that_is_none_or_of_another_project_is_refused() {
    let stage = selecting(WEB, &ids(3)).start();
    let here = endpoint(&stage);
    let plan = "plan night.yaml --inventory then.json";
    let other = listing(&here, &[]).replace(PROJECT, &"a".repeat(32));
    for (text, said) in [
        (other, "is of the project"),
        (listing("http://127.0.0.1:9", &[]), "at http://127.0.0.1:9"),
        ("top-secret".to_owned(), "line 1, column"),
        (
            "{\"password\":\"top-secret\"}".to_owned(),
            "not of the format",
        ),
        (
            listing(&here, &[]).replace("listing/v1", "listing/v2"),
            "not of the format",
        ),
        (
            listing(&here, &[]).replace("agreed", "top-secret"),
            "is not as in a listing",
        ),
    ] {
        stage.write("then.json", text);
        let ended = stage.run(plan).with_code(2).saying(&[said, "hint:"]);
        assert!(!ended.err.contains("top-secret"), "{}", ended.err);
    }
    let row: &[(ServerId, &str, &[&str])] = &[(ids(1)[0], "web-0", &[])];
    stage.write("then.json", listing(&here, &[row[0], row[0]]));
    stage.run(plan).with_code(2).saying(&["is listed twice"]);
    let written = stage.run("inventory night.yaml --out night.yaml");
    written.with_code(2).saying(&["is not a listing"]);
    assert_eq!(pages(&stage), 0);
}

#[test]
fn who_cannot_list_is_told_why() {
    let stage = selecting(WEB, &ids(3)).without_keys().start();
    stage.run("plan night.yaml").with_code(3);
    let stage = selecting(WEB, &ids(3))
        .faults(json!({ "calls": { "list": [{ "fault": "error", "status": 503, "rate": 1.0 }] } }))
        .start();
    let ended = stage.run("plan night.yaml").with_code(3);
    ended.saying(&["cannot list the project's servers", "hint:"]);
    let stage = selecting(WEB, &ids(3))
        .variable("HUAWEICLOUD_SDK_SK", "wrong")
        .start();
    let ended = stage.run("run night.yaml --yes").with_code(3);
    ended.saying(&["bms:servers:list"]).with_nothing_sent();
}

#[test]
fn a_dry_run_looks_for_nothing() {
    let stage = selecting(WEB, &ids(3)).start();
    let ended = stage.run("run night.yaml --dry-run").with_code(2);
    ended.saying(&["opens no connection", "--locked"]);
    assert_eq!(pages(&stage), 0);
    stage.run("plan night.yaml --write").with_code(0);
    let asked = pages(&stage);
    stage.run("run night.yaml --dry-run --locked").with_code(0);
    stage.run("validate night.yaml").with_code(0);
    assert_eq!(pages(&stage), asked);
}

#[test]
fn a_server_that_two_groups_find_is_an_error_at_both() {
    let groups = "groups:\n  - name: one\n    select: { name: \"web-0\" }\n  - name: all\n    select: { tags: { rack: b7 } }\n";
    let ended = selecting(groups, &ids(2))
        .run("plan night.yaml")
        .with_code(2);
    ended.saying(&[
        "is in the group `one` and again in `all`",
        "night.yaml:10:13",
        "listed here first",
    ]);
    let own = ids(1)[0];
    let groups = format!(
        "groups:\n  - name: web\n    servers: [{own}]\n    select: {{ name: \"web-0\" }}\n"
    );
    let ended = selecting(&groups, &ids(1))
        .run("plan night.yaml")
        .with_code(2);
    ended.saying(&["lists the server", "twice"]);
}

#[test]
fn what_is_found_must_be_as_many_as_expected() {
    let expecting = |expect: &str| {
        format!("groups:\n  - name: web\n    select: {{ name: \"web-*\" }}\n    expect: {expect}\n")
    };
    for (expect, said) in [
        ("{ min: 4 }", "at least 4 expected"),
        ("{ max: 2 }", "at most 2 expected"),
    ] {
        let stage = selecting(&expecting(expect), &ids(3)).start();
        stage.run("plan night.yaml").with_code(2).saying(&[said]);
        // Nothing is known of it here, so nothing is said of it.
        stage.run("validate night.yaml").with_code(0);
    }
    let parts = "groups:\n  - name: web\n    select: { name: \"web-*\" }\n    split_by: tag:rack\n  - name: rest\n    select: { name: \"*\" }\n    exclude: { groups: [web-b7] }\n";
    let stage = selecting(parts, &ids(3)).start();
    stage.run("validate night.yaml").with_code(0);
    stage
        .run("plan night.yaml")
        .with_code(2)
        .saying(&["the group `rest` is empty"]);
    let nothing = "groups:\n  - name: web\n    select: { name: \"no-*\" }\n";
    let ended = selecting(nothing, &ids(3))
        .run("plan night.yaml")
        .with_code(2);
    ended.saying(&["has no servers"]);
    let admitted = format!("{nothing}    expect: {{ min: 0 }}\n");
    selecting(&admitted, &ids(3))
        .run("plan night.yaml")
        .with_code(0);
}

#[test]
fn a_server_without_the_tag_to_split_by_is_named() {
    let groups =
        "groups:\n  - name: web\n    select: { name: \"web-*\" }\n    split_by: tag:zone\n";
    let fleet = ids_from(7, 1);
    let ended = selecting(groups, &fleet)
        .run("plan night.yaml")
        .with_code(2);
    ended.saying(&[&format!("the server `{}` has no value", fleet[0])]);
}

#[test]
fn an_exclusion_that_finds_nobody_is_warned_of() {
    let groups = "groups:\n  - name: web\n    select: { name: \"web-*\" }\n    exclude: { select: { name: \"wbe-*\" } }\n";
    let ended = selecting(groups, &ids(2)).run("plan night.yaml --format json");
    let plan: Value = serde_json::from_str(&ended.with_code(0).out).unwrap();
    assert_eq!(plan["warnings"][0]["code"], "exclude-unmatched");
}

#[test]
fn hostile_names_reach_a_terminal_harmlessly() {
    let mut server = SimulatedServer::new(ids(1)[0]);
    server.name = format!("web-\u{1b}[31m\u{202e}|`<b>{}", "x".repeat(10_000));
    server.particulars.tags = vec!["\u{1b}]0;x\u{7}=1".to_owned()];
    let stage = Scenario::with_cloud(WEB, &[])
        .settings(|cloud| cloud.servers = vec![server])
        .start();
    for line in [
        "plan night.yaml",
        "plan night.yaml --format md",
        "run night.yaml --yes",
    ] {
        let ended = stage.run(line).with_code(0);
        let shown = ended.out + &ended.err;
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
    }
}

#[test]
fn a_rehearsal_invents_what_a_workflow_selects() {
    let groups = "groups:\n  - name: canary\n    select: { name: \"web-?\", tags: { role: canary } }\n  - name: web\n    select: { status: ACTIVE, tags: { env: test } }\n    split_by: tag:rack\n    expect: { min: 5 }\n    exclude: { groups: [canary], select: { tags: { keep: \"on\" } } }\n";
    let ended = Scenario::offline(groups)
        .endpoint(crate::scenario::ABROAD)
        .run("rehearse night.yaml");
    let ended = ended.with_code(0).with_outcomes(&[("stopped", 8)]);
    let groups: BTreeSet<&str> = ended.report()["servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|server| server["group"].as_str().unwrap())
        .collect();
    assert_eq!(groups, ["canary", "web-a", "web-b"].into());
}

#[test]
fn a_rehearsal_takes_a_saved_listing() {
    let fleet = ids(3);
    let rows: [(ServerId, &str, &[&str]); 3] = [
        (fleet[0], "web-0", &[]),
        (fleet[1], "web-1", &[]),
        (fleet[2], "db-0", &[]),
    ];
    let scenario = Scenario::offline(WEB).endpoint(crate::scenario::ABROAD);
    let scenario = scenario.file("then.json", listing(crate::scenario::ABROAD, &rows));
    let ended = scenario.run("rehearse night.yaml --inventory then.json");
    ended.with_code(0).with_outcomes(&[("stopped", 2)]);
}

#[test]
fn a_signal_ends_the_looking_at_once() {
    let stage = selecting(WEB, &ids(3))
        .faults(json!({ "calls": { "list": [{ "fault": "hang", "rate": 1.0 }] } }))
        .pace(1)
        .start();
    for line in [
        "run night.yaml --yes",
        "plan night.yaml",
        "inventory night.yaml",
    ] {
        let before = pages(&stage);
        let mut running = stage.spawn(line);
        running.until("a request", |stage| pages(stage) > before);
        running.signal("TERM");
        let (ended, _) = running.ended();
        ended.with_code(24).with_nothing_sent();
    }
}

#[test]
fn a_signal_ends_the_reading_of_live_states_at_once() {
    let stage = selecting(WEB, &ids(3))
        .faults(json!({ "calls": { "show": [{ "fault": "hang", "rate": 1.0 }] } }))
        .pace(1)
        .start();
    stage.run("plan night.yaml --write").with_code(0);
    // The second looked for servers before, and caught signals while it did.
    for line in ["plan night.yaml --frozen --live", "plan night.yaml --live"] {
        let before = stage.stats().requests.show;
        let mut running = stage.spawn(line);
        running.until("a request", |stage| stage.stats().requests.show > before);
        running.signal("TERM");
        let (ended, _) = running.ended();
        ended.with_code(24).with_nothing_sent();
    }
}

#[test]
fn a_plan_with_live_states_tells_what_a_run_would_do() {
    let fleet = ids(5);
    let faults = json!({ "servers": {
        "off": { "ids": [fleet[0]] }, "missing": { "ids": [fleet[1]] }, "locked": { "ids": [fleet[2]] },
        "busy": { "ids": [fleet[3]] },
    } });
    let stage = Scenario::new(&fleet)
        .faults(faults)
        .bearing_failures()
        .start();
    let plain = stage.run("plan night.yaml --format json").with_code(0).out;
    let plain: Value = serde_json::from_str(&plain).unwrap();
    let live = stage.run("plan night.yaml --live --format json --write");
    let live: Value = serde_json::from_str(&live.with_code(0).out).unwrap();
    assert_eq!(live["plan"], plain);
    let expected =
        json!({ "already_off": 1, "failed/locked": 1, "failed/missing": 1, "send": 1, "wait": 1 });
    assert_eq!(live["totals"], expected);
    assert_eq!(live["servers"][0]["state"], "off");
    assert_eq!(live["servers"][1]["reason"], "missing");
    let committed: Value = serde_json::from_str(&stage.read("night.plan.json")).unwrap();
    assert_eq!(committed, plain);
    let text = stage.run("plan night.yaml --live").with_code(0).out;
    assert!(
        text.contains("as things stand") && text.contains("failed/locked"),
        "{text}"
    );
    let markdown = stage
        .run("plan night.yaml --live --format md")
        .with_code(0)
        .out;
    assert!(markdown.contains("### As things stand"), "{markdown}");
    let ended = stage
        .run("run night.yaml --yes")
        .with_code(30)
        .with_outcomes(&[
            ("already_off", 1),
            ("failed/locked", 1),
            ("failed/missing", 1),
            ("failed/busy", 1),
            ("stopped", 1),
        ]);
    assert_eq!(ended.accepted_sizes(), [1]);
}

#[test]
fn live_states_of_many_come_from_the_listing() {
    let fleet = ids(1_200);
    let stage = selecting(WEB, &fleet)
        .faults(json!({ "servers": { "off": { "ids": fleet[..7] } } }))
        .start();
    let out = stage.run("plan night.yaml --live").with_code(0).out;
    assert!(out.contains("already_off            7"), "{out}");
    assert!(out.contains("send                   1193"), "{out}");
    assert_eq!(stage.stats().requests.show, 0);
}
