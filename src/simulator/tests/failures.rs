//! What faults do to calls and servers, as a client sees it.
//! Owns faults of calls, servers and jobs over a real connection, and that a seed repeats them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};

use super::client::Call;
use super::{ACTION, DETAIL, faulty, followed, id, job_path, settings, shown};
use crate::simulator::{AnswerSeen, Faults, Settings, Simulator, invented_name};

/// A rule for stop requests that falls on the first of them.
fn first_stop(mut rule: Value) -> Value {
    rule["first"] = json!(1);
    json!({"calls": {"stop": [rule]}})
}

#[rstest]
#[case::throttle(json!({"fault": "throttle"}), Some(429), 0)]
#[case::error(json!({"fault": "error", "status": 500}), Some(500), 0)]
#[case::unavailable(json!({"fault": "error", "status": 503}), Some(503), 0)]
#[case::late_error(json!({"fault": "error", "status": 504, "accepted": true}), Some(504), 1)]
#[case::html(json!({"fault": "html"}), Some(502), 0)]
#[case::late_html(json!({"fault": "html", "accepted": true}), Some(200), 1)]
#[case::reset(json!({"fault": "reset"}), None, 0)]
#[case::late_reset(json!({"fault": "reset", "accepted": true}), None, 1)]
fn a_fault_strikes_once_and_before_or_after_acceptance(
    #[case] rule: Value,
    #[case] status: Option<u16>,
    #[case] accepted: usize,
) {
    let simulator = faulty(2, first_stop(rule));
    let answer = Call::stop(&simulator, &[0]).signed().send();
    assert_eq!(
        answer.as_ref().ok().map(|answer| answer.status),
        status,
        "{answer:?}"
    );
    let stats = simulator.stats();
    assert_eq!((stats.stops.len(), stats.accepted.len()), (1, accepted));
    assert_eq!(stats.stops[0].job_id.is_some(), accepted == 1);
    assert_eq!(
        Call::stop(&simulator, &[1]).signed().send().unwrap().status,
        200
    );
}

#[test]
fn only_the_gateways_own_503_carries_its_code() {
    let before = faulty(1, first_stop(json!({"fault": "error", "status": 503})));
    assert_eq!(
        Call::stop(&before, &[0]).signed().send().unwrap().code(),
        "APIGW.0801"
    );
    let after = first_stop(json!({"fault": "error", "status": 503, "accepted": true}));
    let after = faulty(1, after);
    assert_eq!(Call::stop(&after, &[0]).signed().send().unwrap().code(), "");
}

#[test]
fn a_broken_body_is_half_an_answer_to_an_accepted_request() {
    let simulator = faulty(1, first_stop(json!({"fault": "broken_body"})));
    let answer = Call::stop(&simulator, &[0]).signed().send().unwrap();
    let promised: usize = answer.header("content-length").unwrap().parse().unwrap();
    assert_eq!(
        (answer.status, answer.body.len()),
        (200, promised / 2),
        "{answer:?}"
    );
    let stats = simulator.stats();
    assert_eq!(
        (stats.accepted.len(), stats.stops[0].answer),
        (1, AnswerSeen::Lost)
    );
}

#[test]
fn half_a_large_page_is_half_a_page() {
    let rule = json!({"calls": {"list": [{"fault": "broken_body", "first": 1}]}});
    let simulator = faulty(1_000, rule);
    let target = format!("{DETAIL}?offset=1");
    let broken = Call::get(&simulator, &target).signed().send().unwrap();
    let promised: usize = broken.header("content-length").unwrap().parse().unwrap();
    assert!(
        broken.body.len() <= promised / 2,
        "{} of {promised}",
        broken.body.len()
    );
    let whole = Call::get(&simulator, &target).signed().send().unwrap();
    assert_eq!(whole.body.len(), promised);
}

#[test]
fn a_hanging_request_is_never_answered_and_does_not_hold_up_the_end() {
    let simulator = faulty(1, first_stop(json!({"fault": "hang", "accepted": true})));
    let call = Call::stop(&simulator, &[0]).signed();
    let mut stream = TcpStream::connect(simulator.endpoint().authority()).unwrap();
    let head: String = call
        .headers
        .iter()
        .map(|(k, v)| format!("{k}: {v}\r\n"))
        .collect();
    let (length, body) = (call.body.len(), &call.body);
    let text = format!("POST {ACTION} HTTP/1.1\r\n{head}content-length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let nothing = stream.read(&mut [0; 1]).unwrap_err();
    assert!(matches!(
        nothing.kind(),
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
    ));
    assert_eq!(simulator.stats().accepted.len(), 1);
    drop(call);
    drop(simulator);
    stream.set_read_timeout(None).unwrap();
    assert!(matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)));
}

#[test]
fn retry_after_is_sent_where_the_rule_has_one() {
    let rule = json!({"fault": "throttle", "retry_after": "7s"});
    let simulator = faulty(1, first_stop(rule));
    let answer = Call::stop(&simulator, &[0]).signed().send().unwrap();
    assert_eq!(answer.header("retry-after"), Some("7"));
}

#[test]
fn a_slow_answer_comes_late() {
    let rule = json!({"fault": "slow", "delay": "40s"});
    let simulator = faulty(1, first_stop(rule));
    let before = simulator.cloud.clock().elapsed();
    assert_eq!(
        Call::stop(&simulator, &[0]).signed().send().unwrap().status,
        200
    );
    let passed = simulator.cloud.clock().elapsed().since(before);
    assert!(passed >= Duration::from_secs(40), "{passed:?}");
}

#[test]
fn the_same_seed_gives_the_same_answers_and_another_seed_others() {
    let run = |seed| {
        let faults = Faults::named("throttled").unwrap();
        let simulator = Simulator::start(Settings {
            faults,
            seed,
            ..settings(1)
        })
        .unwrap();
        let ask = |_| {
            Call::get(&simulator, DETAIL)
                .signed()
                .send()
                .unwrap()
                .status
        };
        (0..40).map(ask).collect::<Vec<u16>>()
    };
    let first = run(1);
    assert_eq!(first, run(1));
    assert_ne!(first, run(2));
    let throttled = first.iter().filter(|status| **status == 429).count();
    assert!((4..=24).contains(&throttled), "{first:?}");
}

#[test]
fn servers_are_chosen_by_share_or_by_id() {
    let faults = json!({"servers": {
        "off": {"ids": [id(3)]}, "missing": {"share": 0.25}, "failing": {"ids": [id(4)], "code": "BMS.0360"},
        "renamed": {"ids": [id(5)]}
    }});
    let simulator = faulty(400, faults);
    let target = format!("{DETAIL}?offset=1");
    let body = Call::get(&simulator, &target)
        .signed()
        .send()
        .unwrap()
        .json();
    let rows = body["servers"].as_array().unwrap();
    assert!((250..350).contains(&rows.len()), "{}", rows.len());
    let row = |number| rows.iter().find(|row| row["id"] == json!(id(number)));
    if let Some(off) = row(3) {
        assert_eq!(off["status"], "SHUTOFF");
    }
    if let Some(renamed) = row(5) {
        assert_eq!(renamed["name"], format!("{}-renamed", invented_name(id(5))));
    }
}

#[test]
fn a_failing_sub_job_names_its_code_and_the_server_stays_on() {
    let faults = json!({"servers": {"failing": {"ids": [id(1)], "code": "BMS.0360"}}});
    let simulator = faulty(2, faults);
    let answer = Call::stop(&simulator, &[0, 1]).signed().send().unwrap();
    let job = followed(&simulator, &job_path(&answer));
    assert_eq!(job["status"], "FAIL");
    assert_eq!(job["entities"]["sub_jobs"][0]["status"], "SUCCESS");
    assert_eq!(job["entities"]["sub_jobs"][1]["error_code"], "BMS.0360");
    assert_eq!(shown(&simulator, 0)["status"], "SHUTOFF");
    assert_eq!(shown(&simulator, 1)["status"], "ACTIVE");
}

#[test]
fn a_forgotten_job_is_404_though_it_goes_on() {
    let simulator = faulty(1, json!({"jobs": {"forgotten": 1.0}}));
    let answer = Call::stop(&simulator, &[0]).signed().send().unwrap();
    let job = Call::get(&simulator, &job_path(&answer))
        .signed()
        .send()
        .unwrap();
    assert_eq!((job.status, simulator.stats().jobs[0].polls), (404, 1));
}
