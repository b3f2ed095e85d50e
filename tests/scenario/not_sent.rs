//! `not_sent` means: in no request that was, or may have been, accepted. Whatever ends the life of a server whose
//! request had no clear answer, it is `failed` or `unknown`, or stopped, by what its state shows.
//!
//! In every test a first request is accepted and its answer lost. States lag for longer than the grace time, so that
//! it seems not to have been accepted and the servers are about to be sent again.

use std::sync::Mutex;
use std::time::Duration;

use lightsout::clock::{Clock, Moment};
use serde_json::json;

use crate::interloper::{Call, Mischief, Request, Rule, Treatment, answer};
use crate::scenario::{Ended, Scenario, at_once, ids};

/// Servers whose states lag, so that a request that was accepted shows only after the grace time.
fn lagging(settings: &str) -> Scenario {
    Scenario::new(&ids(4))
        .with(settings)
        .settings(|cloud| cloud.job_duration = Duration::from_secs(90))
        .faults(json!({"state_lag": "45s"}))
}

/// The first request is accepted and its answer lost; the later ones are answered so and never arrive.
fn lost_then(later: Mischief) -> Rule {
    Box::new(move |request| match (request.call, request.number) {
        (Call::Stop, 0) => Treatment::Afterwards(Mischief::Close),
        (Call::Stop, _) => Treatment::Instead(later.clone()),
        _ => Treatment::Pass,
    })
}

#[track_caller]
fn nothing_is_not_sent(ended: &Ended) {
    assert_eq!(
        ended.total("not_sent"),
        0,
        "{:?}\n{}",
        ended.outcomes(),
        ended.err
    );
    assert!(
        ended.code == 0 || ended.code >= 30,
        "{}\n{}",
        ended.code,
        ended.err
    );
    assert_eq!(ended.accepted_sizes(), [4]);
}

#[test]
fn a_refusal_of_the_second_request_says_nothing_of_the_first() {
    let error = |status: &str, code: &str| {
        let body = json!({"error_code": code, "error_msg": "m"}).to_string();
        answer(status, "application/json", body)
    };
    let refusals = [
        error("401 Unauthorized", "APIGW.0301"),
        error("403 Forbidden", "BMS.0033"),
        error("404 Not Found", "APIGW.0101"),
        error("400 Bad Request", "BMS.0018"),
        error("429 Too Many Requests", "APIGW.0308"),
    ];
    at_once(&refusals, |refusal| {
        let ended = lagging("checks: { grace: 30s }\nrollout: { retry_for: 20s }")
            .through(lost_then(refusal.clone()))
            .run("run night.yaml");
        nothing_is_not_sent(&ended);
    });
}

#[test]
fn what_stops_sending_while_the_second_request_waits_says_nothing_of_the_first() {
    // The second request is throttled until the window's cutoff, two minutes after the start.
    let wait = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 200\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let window = "window:\n  timezone: Etc/UTC\n  opens: { from: 2026-11-28T01:00 }\n  duration: 4m\n  cutoff: 90s\n";
    let ended = lagging("checks: { grace: 30s }")
        .with(window)
        .clock("2026-11-28T01:00:00Z")
        .through(lost_then(Mischief::Answer(wait.into())))
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped/answer_lost", 4)]);
    nothing_is_not_sent(&ended);
}

#[test]
fn states_that_cannot_be_read_any_more_leave_such_servers_unknown() {
    let refused = answer(
        "401 Unauthorized",
        "application/json",
        r#"{"error_code":"APIGW.0301","error_msg":"m"}"#,
    );
    let after_the_second = Mutex::new(false);
    let rule: Rule = Box::new(move |request| {
        let mut refuses = after_the_second.lock().unwrap();
        match (request.call, request.number) {
            (Call::Stop, 0) => return Treatment::Afterwards(Mischief::Close),
            (Call::Stop, _) => *refuses = true,
            _ => {}
        }
        if *refuses {
            Treatment::Instead(refused.clone())
        } else {
            Treatment::Pass
        }
    });
    let ended = lagging("checks: { grace: 30s }")
        .through(rule)
        .run("run night.yaml")
        .with_code(33)
        .with_outcomes(&[("unknown/states_unreadable", 4)]);
    nothing_is_not_sent(&ended);
}

/// Which server a single read is about, by the last digit of its ID.
fn is_about(request: &Request, last: char) -> bool {
    let path = request.head.split_whitespace().nth(1);
    request.call == Call::Show && path.is_some_and(|path| path.ends_with(last))
}

/// When something happened, by a clock of the scenario's pace.
struct Times {
    clock: Clock,
    seen: Mutex<Vec<(&'static str, Moment)>>,
}

impl Times {
    fn new() -> Self {
        Self {
            clock: Clock::compressed(20.try_into().unwrap()),
            seen: Mutex::default(),
        }
    }

    fn note(&self, what: &'static str) -> Moment {
        let now = self.clock.elapsed();
        self.seen.lock().unwrap().push((what, now));
        now
    }

    fn all(&self, what: &str) -> Vec<Moment> {
        let seen = self.seen.lock().unwrap();
        let matching = seen.iter().filter(|(name, _)| *name == what);
        matching.map(|(_, at)| *at).collect()
    }
}

#[test]
fn a_server_that_was_slow_to_read_gets_its_two_readings_apart_too() {
    let times = std::sync::Arc::new(Times::new());
    let noted = times.clone();
    let broken = answer("500 Internal Server Error", "text/plain", "");
    let rule: Rule = Box::new(move |request| {
        if request.call == Call::Stop {
            let first = noted.all("stop").is_empty();
            noted.note("stop");
            return if first {
                Treatment::Instead(Mischief::Close)
            } else {
                Treatment::Pass
            };
        }
        if !is_about(request, '2') || noted.all("stop").is_empty() {
            return Treatment::Pass;
        }
        // The second server cannot be read for longer than the grace time.
        let now = noted.note("tried");
        if now.since(noted.all("tried")[0]) < Duration::from_secs(40) {
            return Treatment::Instead(broken.clone());
        }
        noted.note("read");
        Treatment::Pass
    });
    Scenario::new(&ids(2))
        .with("checks: { grace: 30s }\njobs: { poll: 5s }")
        .through(rule)
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped", 2)]);
    let (read, stops) = (times.all("read"), times.all("stop"));
    let apart = stops[1].since(read[0]);
    assert!(apart >= Duration::from_secs(30), "{apart:?}");
}

#[test]
fn an_outcome_does_not_rest_on_a_reading_that_grew_old_while_another_server_was_read() {
    let times = std::sync::Arc::new(Times::new());
    let noted = times.clone();
    let broken = answer("500 Internal Server Error", "text/plain", "");
    let rule: Rule = Box::new(move |request| {
        if request.call == Call::Job {
            noted.note("job");
        }
        if noted.all("job").is_empty() {
            return Treatment::Pass;
        }
        if is_about(request, '1') {
            noted.note("first");
        }
        if !is_about(request, '2') {
            return Treatment::Pass;
        }
        let now = noted.note("tried");
        if now.since(noted.all("tried")[0]) < Duration::from_secs(90) {
            return Treatment::Instead(broken.clone());
        }
        noted.note("second");
        Treatment::Pass
    });
    Scenario::new(&ids(2))
        .through(rule)
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped", 2)]);
    let (first, second) = (times.all("first"), times.all("second"));
    let age = second[0].since(*first.last().unwrap());
    assert!(
        age <= Duration::from_secs(60),
        "an outcome rests on a reading that is {age:?} old"
    );
}
