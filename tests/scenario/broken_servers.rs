//! Servers and gateways that do not speak as they should, for each of the four calls.
//!
//! Invariant: whatever comes back, the run ends by itself, says what it saw, and claims no more than
//! the states prove.

use serde_json::Value;

use crate::interloper::{Call, Mischief, Treatment, always, answer, first, half_body};
use crate::scenario::{Ended, Scenario, at_once, ids};

/// Everything that a broken server does, by name.
fn mischiefs() -> Vec<(&'static str, Mischief)> {
    let page = "<html><head><title>Welcome</title></head><body>nginx</body></html>";
    let large = vec![b'x'; 10 << 20];
    vec![
        ("closes at once", Mischief::Close),
        ("hangs", Mischief::Hang),
        ("half a body", half_body()),
        ("a page", answer("200 OK", "text/html", page)),
        (
            "an error page",
            answer("502 Bad Gateway", "text/html", page),
        ),
        ("10 MB", answer("200 OK", "application/json", large)),
        (
            "40 MB",
            answer("200 OK", "application/json", vec![b' '; 40 << 20]),
        ),
        (
            "no HTTP",
            Mischief::Answer(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
        ),
        ("nothing in it", answer("200 OK", "application/json", "")),
        ("another shape", answer("200 OK", "application/json", "[]")),
        (
            "a redirect",
            answer(
                "302 Found\r\nlocation: http://127.0.0.1:9/",
                "text/html",
                "",
            ),
        ),
    ]
}

/// A run of which every call of one kind is mistreated.
fn run(call: Call, mischief: &Mischief, servers: u32) -> Ended {
    Scenario::new(&ids(servers))
        .with(
            "rollout: { retry_for: 20s }\nchecks: { grace: 10s }\njobs: { timeout: 1m, poll: 5s }",
        )
        .pace(40)
        .through(always(call, Treatment::Instead(mischief.clone())))
        .run("run night.yaml")
}

#[test]
fn listings_that_cannot_be_read_stop_the_run_before_it_sends() {
    at_once(&mischiefs(), |(name, mischief)| {
        let ended = run(Call::List, mischief, 5)
            .with_code(3)
            .with_nothing_sent();
        assert_eq!(ended.report()["outcome"], "refused", "{name}");
        let outcomes = ended.with_outcomes(&[("not_sent/unreachable", 5)]);
        assert!(
            outcomes.err.contains("cannot be read") || outcomes.err.contains("unreachable"),
            "{name}: {}",
            outcomes.err
        );
    });
}

#[test]
fn single_reads_that_fail_stop_the_run_before_it_sends() {
    at_once(&mischiefs(), |(name, mischief)| {
        let ended = run(Call::Show, mischief, 1)
            .with_code(3)
            .with_nothing_sent();
        assert_eq!(
            ended.outcomes().into_keys().collect::<Vec<_>>(),
            ["not_sent/unreachable"],
            "{name}"
        );
    });
}

#[test]
fn sends_that_never_arrive_leave_the_servers_on_and_say_so() {
    at_once(&mischiefs(), |(name, mischief)| {
        let ended = run(Call::Stop, mischief, 2)
            .with_code(30)
            .with_nothing_sent();
        assert_eq!(
            ended.outcomes().into_iter().collect::<Vec<_>>(),
            [("failed/still_on".to_owned(), 2)],
            "{name}"
        );
        let sends = ended.report()["batches"][0]["sends"].as_array().unwrap();
        assert_eq!(sends.len(), 3, "{name}: {}", ended.err);
    });
}

#[test]
fn jobs_that_cannot_be_asked_after_are_decided_by_the_states() {
    at_once(&mischiefs(), |(name, mischief)| {
        let ended = run(Call::Job, mischief, 2).with_code(0);
        assert_eq!(ended.total("stopped"), 2, "{name}");
        assert_eq!(ended.accepted_sizes(), [2], "{name}");
    });
}

#[test]
fn one_broken_answer_of_each_kind_is_borne() {
    at_once(&mischiefs(), |(name, mischief)| {
        for call in [Call::List, Call::Job] {
            let ended = Scenario::new(&ids(5))
                .pace(40)
                .through(first(call, Treatment::Afterwards(mischief.clone())))
                .run("run night.yaml")
                .with_code(0);
            assert_eq!(ended.total("stopped"), 5, "{name}");
        }
    });
}

#[test]
fn an_answer_that_is_no_answer_is_named_in_the_report() {
    let page = answer("200 OK", "text/html", "<html>Sign in</html>");
    let cases = [
        (page, 200.into(), "unexpected-body"),
        (Mischief::Hang, Value::Null, "timeout"),
        (Mischief::Close, Value::Null, "broken"),
    ];
    at_once(&cases, |(mischief, status, code)| {
        let ended = run(Call::Stop, mischief, 1);
        let send = &ended.report()["batches"][0]["sends"][0];
        assert_eq!(
            (&send["http_status"], &send["error_code"]),
            (status, &(*code).into())
        );
    });
}
