//! The simulator from outside: over a real connection, with a client of a few lines.
//!
//! Owns what only shows on the wire: order of checks, headers, broken connections, and the record.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU32;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, Method};
use rstest::rstest;
use serde_json::{Value, json};

use super::strict::Received;
use super::*;
use crate::bms::signing::Authorization;

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

/// An answer, as far as it came.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    fn code(&self) -> String {
        let body = self.json();
        let code = body.get("error_code").or(body.pointer("/error/code"));
        code.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// A request to be changed before it is sent.
struct Call {
    address: String,
    keys: Keys,
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Call {
    fn new(simulator: &Simulator, method: &'static str, target: &str, body: String) -> Self {
        let now = simulator.cloud.clock().now();
        Self {
            address: simulator.endpoint().authority(),
            keys: simulator.keys.clone(),
            method,
            target: target.to_owned(),
            headers: vec![
                ("host", simulator.endpoint().authority()),
                ("content-type", "application/json".to_owned()),
                ("x-sdk-date", now.strftime("%Y%m%dT%H%M%SZ").to_string()),
            ],
            body,
        }
    }

    fn get(simulator: &Simulator, target: &str) -> Self {
        Self::new(simulator, "GET", target, String::new())
    }

    fn stop(simulator: &Simulator, servers: &[u32]) -> Self {
        let servers: Vec<Value> = servers.iter().map(|n| json!({"id": id(*n)})).collect();
        let body = json!({"os-stop": {"type": "HARD", "servers": servers}});
        Self::new(simulator, "POST", ACTION, body.to_string())
    }

    fn set(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    /// Signs all headers that are set.
    fn signed(self) -> Self {
        let mut names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        let names = names.join(";");
        self.signed_over(&names)
    }

    fn signed_over(mut self, names: &str) -> Self {
        let (path, query) = match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (&self.target[..], None),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        let received = Received {
            method: Method::from_bytes(self.method.as_bytes()).unwrap(),
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers,
            body: Bytes::from(self.body.clone()),
        };
        let names: Vec<String> = names.split(';').map(str::to_owned).collect();
        let signature = signature::expected(&received, &names, &self.keys.secret_key);
        let value = Authorization {
            access_key: self.keys.access_key.clone(),
            signed_headers: names,
            signature: signature.unwrap(),
        }
        .to_header();
        self.headers.push(("authorization", value));
        self
    }

    /// Sends without signing; an error if no whole answer came.
    fn send(&self) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(&self.address)?;
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let length = self.body.len();
        text.push_str(&format!(
            "connection: close\r\ncontent-length: {length}\r\n\r\n"
        ));
        text.push_str(&self.body);
        stream.write_all(text.as_bytes())?;
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        answer_of(&bytes).ok_or_else(|| match read {
            Err(error) => error,
            Ok(_) => std::io::Error::from(std::io::ErrorKind::UnexpectedEof),
        })
    }
}

fn answer_of(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some(Answer {
        status: head.split(' ').nth(1)?.parse().ok()?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
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
    let StopSeen {
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
#[case::no_signature(|call: Call| call_of(call))]
#[case::foreign_key(|call: Call| {
    let call = call.signed();
    let value = header(&call, "authorization").replace("Access=SIMULATOR", "Access=SOMEBODY");
    call.set("authorization", &value)
})]
#[case::other_algorithm(|call: Call| {
    let call = call.signed();
    let value = header(&call, "authorization").replace("SDK-HMAC-SHA256", "V11-HMAC-SHA256");
    call.set("authorization", &value)
})]
#[case::changed_body(|call: Call| {
    let mut call = call.signed();
    call.body = call.body.replace("HARD", "SOFT");
    call
})]
#[case::changed_query(|call: Call| {
    let mut call = call.signed();
    call.target.push_str("?x=1");
    call
})]
#[case::changed_header(|call: Call| call.signed().set("content-type", "application/json;charset=utf-8"))]
#[case::changed_host(|call: Call| call.signed().set("host", "elsewhere.example.com"))]
#[case::host_not_signed(|call: Call| call.signed_over("content-type;x-sdk-date"))]
#[case::date_not_signed(|call: Call| call.signed_over("content-type;host"))]
#[case::unsorted(|call: Call| call.signed().with_names("x-sdk-date;host"))]
#[case::unknown_signed_header(|call: Call| call.signed().with_names("host;x-absent;x-sdk-date"))]
#[case::stale(|call: Call| call.set("x-sdk-date", "20200101T000000Z").signed())]
#[case::malformed_date(|call: Call| call.set("x-sdk-date", "2026-11-28T00:00:00Z").signed())]
#[case::no_date(|call: Call| call.signed().without("x-sdk-date"))]
#[case::unexpected_security_token(|call: Call| call.set("x-security-token", "x").signed())]
#[case::wrong_token(|call: Call| call.set("x-auth-token", "x"))]
fn whoever_cannot_prove_who_they_are_is_turned_away(#[case] change: fn(Call) -> Call) {
    let simulator = Simulator::start(settings(1)).unwrap();
    let answer = change(Call::stop(&simulator, &[0])).send().unwrap();
    assert_eq!(
        (answer.status, &*answer.code()),
        (401, "APIGW.0301"),
        "{answer:?}"
    );
    assert!(answer.json()["request_id"].is_string());
    assert!(simulator.stats().accepted.is_empty());
}

fn call_of(call: Call) -> Call {
    call
}

fn header<'a>(call: &'a Call, name: &str) -> &'a str {
    let found = call.headers.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| &value[..]).unwrap()
}

impl Call {
    /// Claims other signed headers than were signed.
    fn with_names(self, names: &str) -> Self {
        let value = header(&self, "authorization").to_owned();
        let (front, rest) = value.split_once("SignedHeaders=").unwrap();
        let (_, back) = rest.split_once(", ").unwrap();
        self.set(
            "authorization",
            &format!("{front}SignedHeaders={names}, {back}"),
        )
    }
}

#[test]
fn fewer_signed_headers_and_a_token_are_enough() {
    let simulator = Simulator::start(settings(2)).unwrap();
    let few = Call::stop(&simulator, &[0]).signed_over("host;x-sdk-date");
    assert_eq!(few.send().unwrap().status, 200);
    let token = Call::stop(&simulator, &[1]).set("x-auth-token", simulator.token());
    assert_eq!(token.send().unwrap().status, 200);
}

#[test]
fn temporary_keys_need_their_security_token() {
    let mut temporary = settings(1);
    temporary.keys.security_token = Some("session".to_owned());
    let simulator = Simulator::start(temporary).unwrap();
    let without = Call::get(&simulator, DETAIL).signed().send().unwrap();
    assert_eq!(without.status, 401);
    let with = Call::get(&simulator, DETAIL).set("x-security-token", "session");
    assert_eq!(with.signed().send().unwrap().status, 200);
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
