//! Requests that are refused because of a server in them: what is not on is dropped, the rest is sent.

use lightsout::clock::Clock;
use lightsout::ids::ServerId;
use lightsout::simulator::Simulator;
use serde_json::{Value, json};

use crate::interloper::{Call, Treatment};
use crate::scenario::{Scenario, address, cloud, ids};

/// A run whose first look shows all servers on, while the cloud is already as `servers` says.
fn changed_meanwhile(all: &[ServerId], servers: Value) -> Scenario {
    let mut earlier = cloud(all.iter().copied());
    earlier.clock = Clock::compressed(20.try_into().unwrap());
    let earlier = Simulator::start(earlier).unwrap();
    Scenario::new(all)
        .faults(json!({"servers": servers}))
        .through(Box::new(move |request| match request.call {
            Call::List if request.number == 0 => Treatment::PassTo(address(&earlier)),
            Call::List | Call::Stop | Call::Job | Call::Show => Treatment::Pass,
        }))
}

#[test]
fn servers_that_change_between_check_and_send_are_dropped_and_the_rest_is_sent() {
    let all = ids(10);
    let servers = json!({
        "off": {"ids": [all[1]]}, "locked": {"ids": [all[3]]}, "missing": {"ids": [all[5]]},
        "stopping": {"ids": [all[7]], "for": "30s"}, "error": {"ids": [all[9]]}
    });
    let ended = changed_meanwhile(&all, servers)
        .bearing_failures()
        .run("run night.yaml")
        .with_code(30);
    let expected = [
        ("stopped", 5),
        ("already_off", 2),
        ("failed/locked", 1),
        ("failed/missing", 1),
        ("failed/error_state", 1),
    ];
    let ended = ended.with_outcomes(&expected);
    assert_eq!(ended.accepted_sizes(), [5]);
    assert_eq!(ended.stats.stops.len(), 2);
    assert_eq!(ended.server(all[7])["outcome"], "already_off");
}

#[test]
fn servers_that_are_skipped_by_the_workflow_are_skipped_after_a_conflict_too() {
    let all = ids(4);
    let servers = json!({"locked": {"ids": [all[0]]}, "missing": {"ids": [all[1]]}});
    let ended = changed_meanwhile(&all, servers)
        .with("checks: { on_state: { locked: skip, missing: skip } }")
        .run("run night.yaml")
        .with_code(0);
    ended.with_outcomes(&[
        ("stopped", 2),
        ("skipped/locked", 1),
        ("skipped/missing", 1),
    ]);
}

#[test]
fn a_request_of_which_nothing_is_left_is_not_sent_again() {
    let all = ids(3);
    let ended = changed_meanwhile(&all, json!({"off": {"share": 1.0}})).run("run night.yaml");
    let ended = ended.with_code(0).with_outcomes(&[("already_off", 3)]);
    assert_eq!(
        (ended.stats.stops.len(), ended.stats.accepted.len()),
        (1, 0)
    );
}

#[test]
fn one_bad_server_of_a_thousand_is_singled_out_in_at_most_24_requests() {
    let all = ids(1000);
    let ended = Scenario::new(&all)
        .with("guards: { max_servers: 1000 }")
        .faults(json!({"servers": {"refused": {"ids": [all[617]]}}}))
        .run("run night.yaml")
        .with_code(30)
        .with_outcomes(&[("stopped", 999), ("failed/rejected", 1)]);
    assert!(
        ended.stats.stops.len() <= 24,
        "{} requests",
        ended.stats.stops.len()
    );
    assert_eq!(ended.server(all[617])["outcome"], "failed");
    assert_eq!(ended.accepted_sizes().iter().sum::<usize>(), 999);
    let sends = ended.report()["batches"][0]["sends"].as_array().unwrap();
    assert_eq!(
        (&sends[0]["error_code"], &sends[0]["http_status"]),
        (&json!("BMS.0360"), &json!(400))
    );
    assert!(ended.err.contains(&all[617].to_string()), "{}", ended.err);
}

#[test]
fn many_bad_servers_use_up_the_requests_and_the_remainder_is_rejected() {
    let all = ids(64);
    let bad: Vec<_> = all.iter().step_by(2).collect();
    let ended = Scenario::new(&all)
        .bearing_failures()
        .faults(json!({"servers": {"refused": {"ids": bad}}}))
        .pace(60)
        .run("run night.yaml")
        .with_code(30);
    assert_eq!(ended.stats.stops.len(), 24);
    let stopped = ended.total("stopped");
    assert!(
        stopped > 0 && stopped + ended.total("failed") == 64,
        "{:?}",
        ended.outcomes()
    );
}

#[test]
fn a_conflict_that_nothing_explains_is_halved_too() {
    let all = ids(8);
    let ended = Scenario::new(&all)
        .bearing_failures()
        .faults(json!({"servers": {"refused": {"ids": [all[2]], "code": "BMS.0605"}}}))
        .run("run night.yaml")
        .with_code(30)
        .with_outcomes(&[("stopped", 7), ("failed/rejected", 1)]);
    assert!(
        ended.stats.requests.show >= 8,
        "the states were not read singly"
    );
}

#[test]
fn a_refusal_that_is_about_the_request_is_not_halved() {
    let all = ids(8);
    let ended = Scenario::new(&all)
        .bearing_failures()
        .faults(json!({"servers": {"refused": {"ids": [all[2]], "code": "BMS.0018"}}}))
        .run("run night.yaml")
        .with_code(30)
        .with_outcomes(&[("failed/rejected", 8)]);
    assert_eq!(ended.stats.stops.len(), 1);
}

#[test]
fn a_wrong_state_that_only_fails_the_sub_job_is_told_per_server() {
    let all = ids(6);
    let ended = Scenario::new(&all)
        .with("checks: { before: false }")
        .faults(json!({"conflicts": "subjob", "servers": {
            "off": {"ids": [all[0]]}, "locked": {"ids": [all[1]]}, "missing": {"ids": [all[2]]}
        }}))
        .run("run night.yaml")
        .with_code(30);
    assert_eq!(ended.server(all[0])["outcome"], "already_off");
    assert_eq!(ended.server(all[1])["outcome"], "failed");
    assert_eq!(ended.total("stopped"), 3);
}
