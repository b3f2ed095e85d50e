//! The simulator from outside: over a real connection, with a client of a few lines.
//!
//! Owns what only shows on the wire: order of checks, headers, broken connections, and the record.

mod client;
mod credentials;
mod failures;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU32;

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use client::{Answer, Call};

const PROJECT: &str = "bbf1946d374b44a0a2a95533562ba954";
const ACTION: &str = "/v1/bbf1946d374b44a0a2a95533562ba954/baremetalservers/action";
const DETAIL: &str = "/v1/bbf1946d374b44a0a2a95533562ba954/baremetalservers/detail";

fn id(number: u32) -> ServerId {
    format!("00000000-0000-4000-8000-{number:012x}")
        .parse()
        .unwrap()
}

/// A calm simulator of `count` servers whose clock passes 200 times as fast as the wall's.
fn settings(count: u32) -> Settings {
    let servers = (0..count).map(|number| SimulatedServer::new(id(number)));
    Settings {
        clock: Clock::compressed(NonZeroU32::new(200).unwrap()),
        ..Settings::new(PROJECT.parse().unwrap(), servers.collect())
    }
}

fn faulty(count: u32, faults: Value) -> Simulator {
    let faults = Faults::from_value(faults).unwrap();
    Simulator::start(Settings {
        faults,
        ..settings(count)
    })
    .unwrap()
}

fn job_path(answer: &Answer) -> String {
    let job = answer.json()["job_id"].as_str().unwrap().to_owned();
    format!("/v1/{PROJECT}/jobs/{job}")
}

/// Asks until the job is final, and returns the answer.
fn followed(simulator: &Simulator, path: &str) -> Value {
    let asked = |_| {
        std::thread::sleep(Duration::from_millis(5));
        let job = Call::get(simulator, path).signed().send().unwrap().json();
        (job["status"] == "SUCCESS" || job["status"] == "FAIL").then_some(job)
    };
    (0..1000).find_map(asked).expect("the job ends")
}

fn shown(simulator: &Simulator, number: u32) -> Value {
    let path = format!("/v1/{PROJECT}/baremetalservers/{}", id(number));
    let mut body = Call::get(simulator, &path).signed().send().unwrap().json();
    body["server"].take()
}

#[test]
fn a_stop_is_accepted_followed_and_recorded() {
    let simulator = Simulator::start(settings(3)).unwrap();
    let answer = Call::stop(&simulator, &[0, 2]).signed().send().unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let job = followed(&simulator, &job_path(&answer));
    assert_eq!(job["status"], "SUCCESS");
    assert_eq!(job["entities"]["sub_jobs_total"], 2);
    assert_eq!(
        job["entities"]["sub_jobs"][1]["entities"]["server_id"],
        json!(id(2))
    );
    let states = [0, 1, 2].map(|n| shown(&simulator, n)["status"].as_str().unwrap().to_owned());
    assert_eq!(states, ["SHUTOFF", "ACTIVE", "SHUTOFF"]);

    let stats = simulator.stats();
    assert_eq!(stats.accepted, [(id(0), 1), (id(2), 1)].into());
    assert_eq!(stats.stops.len(), 1);
    let PowerSeen {
        size,
        http_status,
        answer,
        ..
    } = &stats.stops[0];
    assert_eq!(
        (*size, *http_status, *answer),
        (2, Some(200), AnswerSeen::Sent)
    );
    assert_eq!(stats.jobs[0].status, "SUCCESS");
    assert_eq!(Some(&stats.jobs[0].id), stats.stops[0].job_id.as_ref());
    assert_eq!((stats.requests.stop, stats.requests.show), (1, 3));
    assert!(stats.double_stops.is_empty() && stats.errors.is_empty());
}

#[test]
fn a_second_stop_is_refused_and_no_double() {
    let simulator = Simulator::start(settings(1)).unwrap();
    Call::stop(&simulator, &[0]).signed().send().unwrap();
    let again = Call::stop(&simulator, &[0]).signed().send().unwrap();
    assert!(
        ["BMS.0036", "BMS.0039"].contains(&&*again.code()),
        "{again:?}"
    );
    let stats = simulator.stats();
    assert_eq!((stats.accepted[&id(0)], stats.double_stops.len()), (1, 0));
}

#[test]
fn acceptance_of_a_server_that_is_off_counts_as_double() {
    let simulator = faulty(1, json!({"conflicts": "subjob"}));
    for _ in 0..2 {
        assert_eq!(
            Call::stop(&simulator, &[0]).signed().send().unwrap().status,
            200
        );
    }
    assert_eq!(simulator.stats().double_stops, [id(0)]);
}

#[test]
fn statistics_are_served_without_credentials() {
    let simulator = Simulator::start(settings(2)).unwrap();
    Call::stop(&simulator, &[0]).signed().send().unwrap();
    let answer = Call::get(&simulator, "/__stats").send().unwrap();
    let told: Stats = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(told.accepted, simulator.stats().accepted);
    assert_eq!(told.stops, simulator.stats().stops);
}

#[test]
fn every_answer_names_its_request_and_the_date() {
    let simulator = Simulator::start(settings(1)).unwrap();
    for answer in [
        Call::get(&simulator, DETAIL).signed().send().unwrap(),
        Call::get(&simulator, DETAIL).send().unwrap(),
        Call::get(&simulator, "/v9").send().unwrap(),
    ] {
        assert_eq!(
            answer.header("x-request-id").unwrap().len(),
            32,
            "{answer:?}"
        );
        assert!(
            answer.header("date").unwrap().ends_with(" GMT"),
            "{answer:?}"
        );
    }
}

#[rstest]
#[case(
    "GET",
    "/v1/bbf1946d374b44a0a2a95533562ba954/servers",
    404,
    "APIGW.0101"
)]
#[case("PUT", ACTION, 404, "APIGW.0101")]
#[case(
    "GET",
    "/v1/00000000000000000000000000000000/baremetalservers/detail",
    400,
    "Common.0018"
)]
#[case(
    "GET",
    "/v1/bbf1946d374b44a0a2a95533562ba954/jobs/nobody",
    404,
    "BMS.0022"
)]
#[case(
    "GET",
    "/v1/bbf1946d374b44a0a2a95533562ba954/baremetalservers/detail?limit=0",
    400,
    "BMS.0018"
)]
#[case("POST", ACTION, 400, "BMS.0001")]
fn each_deviation_has_its_documented_error(
    #[case] method: &'static str,
    #[case] target: &str,
    #[case] status: u16,
    #[case] code: &str,
) {
    let simulator = Simulator::start(settings(1)).unwrap();
    let answer = Call::new(&simulator, method, target, String::new())
        .signed()
        .send()
        .unwrap();
    assert_eq!(
        (answer.status, &*answer.code()),
        (status, code),
        "{answer:?}"
    );
}

#[test]
fn a_foreign_project_header_and_an_unknown_server_are_refused() {
    let simulator = Simulator::start(settings(1)).unwrap();
    let foreign = Call::get(&simulator, DETAIL).set("x-project-id", "other");
    assert_eq!(foreign.signed().send().unwrap().code(), "Common.0018");
    let path = format!("/v1/{PROJECT}/baremetalservers/{}", id(9));
    let unknown = Call::get(&simulator, &path).signed().send().unwrap();
    assert_eq!(
        (unknown.status, &unknown.json()["itemNotFound"]["code"]),
        (404, &json!(404))
    );
    let stop = Call::stop(&simulator, &[0, 9]).signed().send().unwrap();
    assert_eq!((stop.status, &*stop.code()), (400, "BMS.0040"));
    assert_eq!(shown(&simulator, 0)["status"], "ACTIVE");
}

#[test]
fn a_quota_is_answered_with_429() {
    let mut strict = settings(5);
    strict.quotas = Some(Quotas {
        stop: 2,
        ..Quotas::documented()
    });
    strict.clock = Clock::real();
    let simulator = Simulator::start(strict).unwrap();
    let stop = |number| Call::stop(&simulator, &[number]).signed().send().unwrap();
    assert_eq!([stop(0).status, stop(1).status], [200, 200]);
    let third = stop(2);
    assert_eq!((third.status, &*third.code()), (429, "APIGW.0308"));
    assert!(third.json()["request_id"].is_string());
    let stats = simulator.stats();
    assert_eq!((stats.errors["APIGW.0308"], stats.accepted.len()), (1, 2));
}

#[test]
fn all_pages_together_are_all_servers() {
    let simulator = Simulator::start(settings(2_345)).unwrap();
    let mut seen = Vec::new();
    for page in 1..=4 {
        let target = format!("{DETAIL}?offset={page}");
        let body = Call::get(&simulator, &target)
            .signed()
            .send()
            .unwrap()
            .json();
        seen.push(body["servers"].as_array().unwrap().len());
    }
    assert_eq!(seen, [1000, 1000, 345, 0]);
    let first = Call::get(&simulator, DETAIL)
        .signed()
        .send()
        .unwrap()
        .json();
    assert_eq!(first["servers"].as_array().unwrap().len(), 25);
    assert_eq!(first["servers"][0]["id"], json!(id(0)));
}

#[test]
fn several_requests_share_a_connection() {
    let simulator = Simulator::start(settings(1)).unwrap();
    let mut stream = TcpStream::connect(simulator.endpoint().authority()).unwrap();
    for _ in 0..3 {
        stream
            .write_all(b"GET /v9 HTTP/1.1\r\nhost: x\r\n\r\n")
            .unwrap();
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).unwrap();
        assert!(buffer[..read].starts_with(b"HTTP/1.1 404"));
    }
}

#[test]
fn a_taken_port_is_an_error_with_a_hint() {
    let first = Simulator::start(settings(1)).unwrap();
    let port = first
        .endpoint()
        .authority()
        .rsplit_once(':')
        .unwrap()
        .1
        .parse()
        .unwrap();
    let error = Simulator::start(Settings {
        port,
        ..settings(1)
    })
    .err()
    .unwrap();
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    assert!(error.hint().is_some());
}
