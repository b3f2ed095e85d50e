//! Stop requests whose answer is lost: found out by reading, and never sent a second time in doubt.

use std::time::Duration;

use lightsout::clock::Clock;
use lightsout::simulator::{Faults, Simulator};
use serde_json::{Value, json};

use crate::interloper::{Call, Mischief, Treatment, answer, first, half_body};
use crate::scenario::{Ended, Scenario, address, at_once, cloud, ids};

fn scenario() -> Scenario {
    Scenario::new(&ids(4)).with("checks: { grace: 30s }\njobs: { poll: 5s }")
}

/// Accepted once, and known from the states alone.
fn found_out(ended: Ended) {
    let ended = ended
        .with_code(0)
        .with_outcomes(&[("stopped/answer_lost", 4)]);
    assert_eq!(ended.accepted_sizes(), [4]);
    assert_eq!(
        ended.stats.stops.len(),
        1,
        "sent again: {:?}",
        ended.stats.stops
    );
    assert_eq!(ended.report()["job_ids"], json!([]));
    assert_eq!(
        ended.report()["batches"][0]["sends"][0]["job_id"],
        Value::Null
    );
}

#[test]
fn an_accepted_request_whose_answer_is_lost_is_found_out() {
    let faults = [
        json!({"fault": "reset", "accepted": true, "first": 1}),
        json!({"fault": "hang", "accepted": true, "first": 1}),
        json!({"fault": "error", "status": 500, "accepted": true, "first": 1}),
        json!({"fault": "error", "status": 502, "accepted": true, "first": 1}),
        json!({"fault": "error", "status": 503, "accepted": true, "first": 1}),
        json!({"fault": "error", "status": 504, "accepted": true, "first": 1}),
        json!({"fault": "html", "accepted": true, "first": 1}),
        json!({"fault": "broken_body", "first": 1}),
    ];
    at_once(&faults, |fault| {
        found_out(
            scenario()
                .faults(json!({"calls": {"stop": [fault]}}))
                .run("run night.yaml"),
        );
    });
}

#[test]
fn an_accepted_request_is_found_out_though_states_lag() {
    let faults = json!({
        "state_lag": "20s",
        "calls": {"stop": [{"fault": "error", "status": 504, "accepted": true, "first": 1}]}
    });
    found_out(scenario().faults(faults).run("run night.yaml"));
}

#[test]
fn an_accepted_request_with_any_odd_answer_is_found_out() {
    let odd = [
        answer("200 OK", "application/json", "{}"),
        answer("200 OK", "application/json", r#"{"job_id": null}"#),
        answer("202 Accepted", "application/json", r#"{"job_id": ""}"#),
        answer("204 No Content", "text/plain", ""),
        answer(
            "307 Temporary Redirect\r\nlocation: /v1/elsewhere",
            "text/plain",
            "",
        ),
        answer("408 Request Timeout", "text/plain", ""),
        answer(
            "400 Bad Request",
            "application/json",
            r#"{"error":{"code":"BMS.0006","message":"job"}}"#,
        ),
        answer("500 Internal Server Error", "application/json", "null"),
        half_body(),
        Mischief::Close,
    ];
    at_once(&odd, |mischief| {
        let rule = first(Call::Stop, Treatment::Afterwards(mischief.clone()));
        found_out(scenario().through(rule).run("run night.yaml"));
    });
}

#[test]
fn a_request_that_was_not_accepted_is_sent_again_after_the_grace_time() {
    let faults = [
        json!({"fault": "reset", "first": 1}),
        json!({"fault": "hang", "first": 1}),
        json!({"fault": "error", "status": 502, "first": 1}),
        json!({"fault": "html", "first": 1}),
    ];
    at_once(&faults, |fault| {
        let ended = scenario()
            .faults(json!({"calls": {"stop": [fault]}}))
            .run("run night.yaml")
            .with_code(0)
            .with_outcomes(&[("stopped", 4)]);
        assert_eq!(ended.accepted_sizes(), [4]);
        let [lost, again] = &ended.stats.stops[..] else {
            panic!("{:?}", ended.stats.stops)
        };
        let waited = again.at.duration_since(lost.at).as_secs();
        assert!(waited >= 30, "sent again after {waited} s");
    });
}

#[test]
fn a_server_is_in_at_most_three_requests_that_may_have_been_accepted() {
    let faults = json!({"calls": {"stop": [{"fault": "error", "status": 502, "rate": 1.0}]}});
    let ended = scenario()
        .faults(faults)
        .pace(40)
        .run("run night.yaml")
        .with_code(30)
        .with_outcomes(&[("failed/still_on", 4)]);
    assert_eq!(ended.stats.stops.len(), 3);
}

#[test]
fn states_that_cannot_be_read_leave_a_lost_request_unknown() {
    let reads = json!([{"fault": "error", "status": 500, "rate": 1.0}]);
    let faults = json!({"calls": {"list": reads, "show": reads, "stop": [{"fault": "reset", "accepted": true, "first": 1}]}});
    let ended = Scenario::new(&ids(4))
        .with("checks: { before: false }\nrollout: { retry_for: 30s }")
        .faults(faults)
        .pace(40)
        .run("run night.yaml")
        .with_code(33)
        .with_outcomes(&[("unknown/states_unreadable", 4)]);
    assert_eq!(ended.report()["outcome"], "some_unknown");
    assert_eq!(ended.accepted_sizes(), [4]);
}

#[test]
fn lost_answers_in_any_order_never_stop_a_server_twice() {
    at_once(&[1, 2, 3, 4], |seed| {
        let ended = Scenario::new(&ids(30))
            .with("rollout: { batch_size: 3, in_flight: 4 }\nchecks: { grace: 20s }\njobs: { poll: 5s }")
            .storm("lost-answers", *seed)
            .run("run night.yaml")
            .with_code(0);
        assert_eq!(ended.total("stopped"), 30);
        assert!(ended.stats.accepted.values().all(|times| *times == 1));
        let lost = ended
            .outcomes()
            .get("stopped/answer_lost")
            .copied()
            .unwrap_or(0);
        assert!(lost > 0, "nothing was lost");
    });
}

#[test]
fn a_server_that_refuses_a_second_request_was_stopped_by_the_first() {
    // States lag longer than the grace time, so the request seems not to have been taken.
    let faults = json!({
        "state_lag": "50s",
        "calls": {"stop": [{"fault": "reset", "accepted": true, "first": 1}]}
    });
    at_once(&[(90, "BMS.0036"), (8, "BMS.0039")], |(takes, code)| {
        let ended = scenario()
            .settings(|cloud| cloud.job_duration = Duration::from_secs(*takes))
            .faults(faults.clone())
            .run("run night.yaml")
            .with_code(0)
            .with_outcomes(&[("stopped/answer_lost", 4)]);
        let [lost, again] = &ended.stats.stops[..] else {
            panic!("{:?}", ended.stats.stops)
        };
        assert!(lost.job_id.is_some() && again.job_id.is_none());
        assert_eq!(again.code.as_deref(), Some(*code));
        assert!(ended.stats.accepted.values().all(|times| *times == 1));
    });
}

#[test]
fn a_server_that_the_second_job_finds_off_was_stopped_by_the_first_request() {
    // The second request is taken by a cloud where the servers are off, and where only its job says so.
    let all = ids(4);
    let mut later = cloud(all.iter().copied());
    later.clock = Clock::compressed(20.try_into().unwrap());
    let faults = json!({"servers": {"off": {"share": 1.0}}, "conflicts": "subjob"});
    later.faults = Faults::from_value(faults).unwrap();
    let later = Simulator::start(later).unwrap();
    let ended = scenario()
        .settings(|cloud| cloud.job_duration = Duration::from_secs(8))
        .faults(json!({"state_lag": "50s"}))
        .through(Box::new(move |request| {
            match (request.call, request.number) {
                (Call::Stop, 0) => Treatment::Afterwards(Mischief::Close),
                (Call::Stop, _) | (Call::Job, _) => Treatment::PassTo(address(&later)),
                (Call::List | Call::Show, _) => Treatment::Pass,
            }
        }))
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped/answer_lost", 4)]);
    assert_eq!(ended.report()["job_ids"].as_array().unwrap().len(), 1);
}

#[test]
fn a_half_of_a_repeated_request_still_proves_the_first() {
    let rejected = r#"{"error":{"code":"BMS.0360","message":"one of them"}}"#;
    let rejected = answer("400 Bad Request", "application/json", rejected);
    let ended = scenario()
        .settings(|cloud| cloud.job_duration = Duration::from_secs(90))
        .faults(json!({"state_lag": "50s"}))
        .through(Box::new(move |request| {
            match (request.call, request.number) {
                (Call::Stop, 0) => Treatment::Afterwards(Mischief::Close),
                (Call::Stop, 1) => Treatment::Instead(rejected.clone()),
                _ => Treatment::Pass,
            }
        }))
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped/answer_lost", 4)]);
    assert_eq!(ended.accepted_sizes(), [4]);
}

#[test]
fn a_server_that_came_up_after_a_lost_request_is_not_sent_again() {
    let all = ids(4);
    let mut starting = cloud(all.iter().copied());
    starting.clock = Clock::compressed(20.try_into().unwrap());
    starting.faults = Faults::from_value(json!({"servers": {"busy": {"ids": [all[1]]}}})).unwrap();
    let starting = Simulator::start(starting).unwrap();
    let ended = scenario()
        .bearing_failures()
        .through(Box::new(move |request| {
            match (request.call, request.number) {
                (Call::Stop, 0) => Treatment::Instead(Mischief::Close),
                (Call::List, 1) => Treatment::PassTo(address(&starting)),
                _ => Treatment::Pass,
            }
        }))
        .run("run night.yaml")
        .with_code(30)
        .with_outcomes(&[("stopped", 3), ("failed/busy", 1)]);
    assert_eq!(ended.accepted_sizes(), [3]);
    assert_eq!(ended.server(all[1])["reason"], "busy");
}
