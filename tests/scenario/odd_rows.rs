//! Listings whose rows are not as documented: what is not understood never counts as permission, and one odd row
//! concerns its own server only.
//!
//! Invariant: every case is judged by which servers the cloud was asked to stop.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::scenario::{Ended, Scenario, Stage, at_once, ids};

/// Three servers, `web-0` to `web-2`, in a project of twenty, in which this goes wrong.
fn three(faults: &Value) -> Scenario {
    let list: String = ids(3).iter().map(|id| format!("\n      - {id}")).collect();
    named(
        &format!("groups:\n  - name: rack\n    servers:{list}\n"),
        faults,
    )
}

fn named(groups: &str, faults: &Value) -> Scenario {
    Scenario::with_cloud(groups, &ids(20))
        .settings(|cloud| {
            for (at, server) in cloud.servers.iter_mut().enumerate() {
                server.name = format!("web-{at}");
            }
        })
        .faults(faults.clone())
}

/// Makes a policy with these rules apply.
fn under(mut stage: Stage, rules: &str) -> Stage {
    stage.write("policy.yaml", format!("version: 1\n{rules}\n"));
    let path = stage.path("policy.yaml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    stage.set("LIGHTSOUT_POLICY", &path.display().to_string());
    stage
}

fn odd(member: &str, form: &str, answers: &str, servers: &[usize]) -> Value {
    let all = ids(20);
    let ids: Vec<_> = servers.iter().map(|at| all[*at]).collect();
    json!({ "rows": [{ "member": member, "form": form, "in": answers, "ids": ids }] })
}

const BY_TAG: &str = "protected: { tags: [keep-on] }";
const ALLOWING: &str = "protected: { tags: [keep-on], untagged: allow }";

#[test]
fn null_and_absent_tags_are_refused_alike_unless_the_policy_allows_untagged_servers() {
    let forms = [
        ("null_value", "the API reports them as null"),
        ("absent", "the API does not report them"),
    ];
    at_once(&forms, |(form, why)| {
        let faults = odd("tags", form, "all", &[1]);
        let stage = under(three(&faults).start(), BY_TAG);
        let ended = stage
            .run("run night.yaml")
            .with_code(23)
            .with_nothing_sent();
        let id = ids(3)[1].to_string();
        ended.saying(&["protected.tags", &id, "`web-1`", why]);
        let stage = under(three(&faults).start(), ALLOWING);
        let ended = stage.run("run night.yaml").with_code(0);
        assert_eq!(ended.accepted_sizes(), [3]);
        // The listing shows tags of others, so no server was read singly.
        assert_eq!(ended.stats.requests.show, 0);
    });
}

#[test]
fn tags_that_no_row_of_the_listing_shows_are_asked_for_singly() {
    let all: Vec<usize> = (0..20).collect();
    let faults = odd("tags", "absent", "list", &all);
    let stage = three(&faults)
        .settings(|cloud| cloud.servers[2].particulars.tags = vec!["keep-on=yes".to_owned()])
        .start();
    let stage = under(stage, ALLOWING);
    let ended = stage
        .run("run night.yaml")
        .with_code(23)
        .with_nothing_sent();
    ended.saying(&["its tag `keep-on=yes` fits `keep-on`"]);
}

#[test]
fn tags_of_another_type_are_refused_whatever_the_policy_allows() {
    let faults = odd("tags", "object", "all", &[0]);
    let stage = under(three(&faults).start(), ALLOWING);
    let ended = stage
        .run("run night.yaml")
        .with_code(23)
        .with_nothing_sent();
    let id = ids(3)[0].to_string();
    ended.saying(&[&id, "they are not a list of texts"]);
}

#[test]
fn an_odd_row_of_another_server_blocks_no_run() {
    let members = ["tags", "name", "id", "status", "flavor", "locked"];
    let forms = ["object", "null_value", "absent", "empty", "twice"];
    let mut cases = Vec::new();
    for member in members {
        for form in forms {
            cases.push((member, form));
        }
    }
    at_once(&cases, |(member, form)| {
        let faults = odd(member, form, "all", &[7]);
        let stage = under(
            three(&faults).start(),
            "protected: { names: ['db-*'], tags: [keep-on] }\nmax_percent: 20",
        );
        let ended = stage.run("run night.yaml").with_code(0);
        assert_eq!(ended.accepted_sizes(), [3], "{member} {form}");
    });
}

#[test]
fn a_row_that_is_odd_in_the_listing_alone_is_read_singly() {
    for member in ["tags", "name", "id"] {
        let faults = odd(member, "object", "list", &[1]);
        let rules = "protected: { names: ['db-*'], tags: [keep-on] }";
        let stage = under(three(&faults).start(), rules);
        let ended = stage.run("run night.yaml").with_code(0);
        assert_eq!(ended.accepted_sizes(), [3], "{member}");
        assert!(ended.stats.requests.show > 0);
    }
}

/// How the server with odd state fared, and the others.
#[track_caller]
fn one_failed(ended: Ended, reason: &str) {
    let ended = ended.with_outcomes(&[(reason, 1), ("stopped", 2)]);
    let stopped = ended.stats.stops.iter().flat_map(|stop| &stop.servers);
    assert!(stopped.copied().all(|id| id != ids(3)[1]), "{}", ended.err);
}

#[test]
fn a_target_whose_state_is_not_understood_fails_alone() {
    let cases = [
        ("locked", "object", "failed/locked"),
        ("OS-EXT-STS:power_state", "object", "failed/busy"),
        ("status", "twice", "failed/busy"),
        ("id", "object", "failed/busy"),
    ];
    at_once(&cases, |(member, form, reason)| {
        let faults = odd(member, form, "all", &[1]);
        let ended = three(&faults)
            .bearing_failures()
            .run("run night.yaml")
            .with_code(30);
        one_failed(ended, reason);
    });
}

#[test]
fn a_server_that_is_listed_twice_is_protected_by_either_name() {
    for apart in [false, true] {
        let faults = json!({
            "doubled": [{ "ids": [ids(3)[1]], "name": "db-7", "apart": apart }],
            "bystanders": 2_500,
        });
        let rules = "protected: { names: ['db-*'] }";
        let stage = under(three(&faults).start(), rules);
        let ended = stage
            .run("run night.yaml")
            .with_code(23)
            .with_nothing_sent();
        ended.saying(&[&ids(3)[1].to_string(), "its name fits `db-*`"]);
    }
}

#[test]
fn pages_of_second_rows_do_not_hide_what_comes_behind_them() {
    // The first 1,000 rows are all there twice, and what counts is on the third page.
    let faults = json!({
        "doubled": [
            { "share": 1.0, "apart": true },
            { "ids": [ids(3)[1]], "name": "db-7", "apart": true },
        ],
        "bystanders": 980,
    });
    let rules = "protected: { names: ['db-*'] }\nmax_percent: 1";
    let stage = under(three(&faults).start(), rules);
    let ended = stage
        .run("run night.yaml")
        .with_code(23)
        .with_nothing_sent();
    let ended = ended.saying(&["its name fits `db-*`"]);
    // Three of a thousand servers are one percent, however often they are listed.
    assert!(!ended.err.contains("max_percent"), "{}", ended.err);
    assert_eq!(ended.stats.requests.list, 6);
}

#[test]
fn what_is_not_reported_is_not_selected_but_excluded_and_named() {
    let groups = "groups:\n  - name: web\n    select: { name: \"web-?\" }\n    exclude: { select: { tags: { keep: \"on\" } } }\n";
    let faults = json!({ "rows": [
        { "member": "tags", "form": "null_value", "ids": [ids(20)[3]] },
        { "member": "name", "form": "object", "ids": [ids(20)[4]] },
    ] });
    let stage = named(groups, &faults).start();
    let ended = stage.run("plan night.yaml --write").with_code(0);
    let plan: Value = serde_json::from_str(&stage.read("night.plan.json")).unwrap();
    let targets = plan["batches"][0]["servers"].to_string();
    // Ten names fit; one server may be meant by the exclusion, and one name is not known.
    assert_eq!(plan["totals"]["targets"], 8);
    for (at, code, key) in [
        (
            3,
            "exclude-unclear",
            "`exclude.select` of `web` leaves out 1 server",
        ),
        (
            4,
            "select-unclear",
            "`select` of `web` does not select 1 server",
        ),
    ] {
        let id = ids(20)[at].to_string();
        assert!(!targets.contains(&id), "{targets}");
        let warnings = plan["warnings"].as_array().unwrap();
        let found = warnings.iter().find(|warning| warning["code"] == code);
        let message = found.unwrap()["message"].as_str().unwrap();
        assert!(message.contains(key) && message.contains(&id), "{message}");
        assert!(ended.out.contains(key), "{}", ended.out);
    }
    // The same plan comes from what it has frozen.
    let again = stage.run("plan night.yaml --frozen --format json");
    assert_eq!(again.with_code(0).out, stage.read("night.plan.json"));
}

#[test]
fn doctor_shows_in_which_form_tags_come() {
    let faults = odd("tags", "null_value", "all", &[1, 5]);
    let stage = under(three(&faults).start(), BY_TAG);
    let ended = stage.run("doctor night.yaml").with_code(0);
    for part in [
        "the API reports tags as a list for 18, as null for 2 of 20 servers",
        "`protected.untagged: allow`",
    ] {
        assert!(ended.out.contains(part), "{}", ended.out);
    }
}

#[test]
fn a_listing_that_never_ends_is_no_listing() {
    let page: Vec<Value> = ids(1_000)
        .iter()
        .map(|id| json!({ "id": id, "name": "web", "status": "ACTIVE", "tags": [] }))
        .collect();
    let body = json!({ "servers": page }).to_string();
    let same = crate::interloper::answer("200 OK", "application/json", body);
    let treatment = crate::interloper::Treatment::Instead(same);
    let stage = three(&json!({}))
        .through(crate::interloper::always(
            crate::interloper::Call::List,
            treatment,
        ))
        .start();
    let stage = under(stage, "max_percent: 20");
    let ended = stage.run("run night.yaml").with_code(3).with_nothing_sent();
    ended.saying(&["pages 2 to 4 are full and show no server"]);
}
