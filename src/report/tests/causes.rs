//! Tests of what a report says about a run that was stopped, or is still running.

use super::*;
use crate::event::StopCause;

fn refused_evidence() -> Evidence {
    Evidence {
        http_status: Some(401),
        request_id: Some("c2e9".to_owned()),
        code: Some("APIGW.0301".to_owned()),
        message: Some("Incorrect IAM authentication information".to_owned()),
    }
}

fn stopped(cause: StopCause, evidence: Evidence) -> Event {
    Event::SendingStopped { cause, evidence }
}

fn of(plan: &Plan, events: Vec<Event>) -> (Ledger, RunFacts) {
    let ledger = ledger(plan, events);
    let facts = RunFacts::of(plan, &ledger).unwrap();
    (ledger, facts)
}

#[test]
fn a_refused_run_names_cause_and_answer_in_every_form() {
    let plan = plan(&[("all", 2, 2)]);
    let unsent = Outcome::NotSent(Reason::Credentials);
    let events = vec![
        intended(0, 1, Slots::all(2)),
        Event::SendAnswered {
            batch: BatchIndex(0),
            attempt: 1,
            answer: SendAnswer::Credentials,
            evidence: refused_evidence(),
        },
        stopped(StopCause::Refused, refused_evidence()),
        settled(0, vec![(unsent, Slots::all(2))]),
        Event::Finished,
    ];
    let (ledger, facts) = of(&plan, events);
    let report = Report::build(&plan, &ledger, &facts);
    let line = "  sending stopped: credentials, permission or project were refused \
                (HTTP 401, APIGW.0301: Incorrect IAM authentication information, request c2e9)\n";
    let server = "  APIGW.0301: Incorrect IAM authentication information\n";
    for text in [summary(&report, Kept::Reports(&[])), to_text(&report)] {
        assert_eq!(text.matches(line).count(), 1, "{text}");
        assert_eq!(text.matches(server).count(), 2, "{text}");
    }
    let value = json(&report);
    assert_eq!(errors(&value), Vec::<String>::new());
    let expected = serde_json::json!({
        "cause": "refused", "http_status": 401, "error_code": "APIGW.0301",
        "error_message": "Incorrect IAM authentication information", "request_id": "c2e9",
    });
    assert_eq!(value["stopped_by"], expected);
    let read = Written::read(&written(&report)).unwrap();
    assert_eq!(read.to_text(), to_text(&report));
}

#[test]
fn a_cause_is_named_though_its_servers_failed_for_another_reason() {
    let plan = plan(&[("all", 1, 1)]);
    let events = vec![
        intended(0, 1, Slots::all(1)),
        answered(0, 1, SendAnswer::Ambiguous, Some("timeout")),
        stopped(StopCause::Refused, refused_evidence()),
        settled(0, vec![(Outcome::Failed(Reason::StillOn), Slots::all(1))]),
        Event::Finished,
    ];
    let (_, facts) = of(&plan, events);
    assert_eq!(facts.stopped_by.unwrap().cause, StopCause::Refused);
}

#[test]
fn a_run_that_nothing_stopped_has_no_cause() {
    let plan = plan(&[("all", 1, 1)]);
    let done = settled(0, vec![(Outcome::Done(Proof::Job), Slots::all(1))]);
    let settling = Event::Resumed {
        forbidden: Some(StopCause::Settling),
        guards: Vec::new(),
    };
    let events = vec![done, Event::Finished, settling, Event::Finished];
    let (ledger, facts) = of(&plan, events);
    assert_eq!(facts.stopped_by, None);
    let report = json(&Report::build(&plan, &ledger, &facts));
    assert_eq!(report["stopped_by"], Value::Null);
}

#[test]
fn each_failed_server_has_the_text_of_the_api() {
    let plan = plan(&[("all", 2, 2)]);
    let error = JobError {
        code: "BMS.3037".to_owned(),
        message: "The BMC does not respond.\u{1b}".to_owned(),
    };
    let events = vec![
        intended(0, 1, Slots::all(2)),
        answered(0, 1, job("job-a"), None),
        Event::JobEnded {
            batch: BatchIndex(0),
            attempt: 1,
            end: JobEnd::Final {
                status: JobStatus::Fail,
            },
            results: vec![
                (JobResult::Succeeded, slots(&[0])),
                (JobResult::Failed(error), slots(&[1])),
            ],
        },
        settled(
            0,
            vec![
                (Outcome::Done(Proof::Job), slots(&[0])),
                (Outcome::Failed(Reason::JobFailed), slots(&[1])),
            ],
        ),
        Event::Finished,
    ];
    let (ledger, facts) = of(&plan, events);
    let report = Report::build(&plan, &ledger, &facts);
    let value = json(&report);
    assert_eq!(errors(&value), Vec::<String>::new());
    assert_eq!(value["servers"][0]["error_message"], Value::Null);
    let message = &value["servers"][1]["error_message"];
    assert_eq!(message, "The BMC does not respond.\u{1b}");
    let text = summary(&report, Kept::Reports(&[]));
    let shown = "  BMS.3037: The BMC does not respond.\\u{1b}\n";
    assert!(text.contains(shown), "{text}");
}

#[test]
fn a_live_run_is_running_and_has_no_exit_code() {
    let plan = plan(&[("all", 3, 1)]);
    let events = vec![
        settled(0, vec![(Outcome::Done(Proof::Job), Slots::all(1))]),
        intended(1, 1, Slots::all(1)),
    ];
    let ledger = ledger(&plan, events);
    let facts = RunFacts::of_live(&plan, &ledger).unwrap();
    let report = Report::build(&plan, &ledger, &facts);
    let value = json(&report);
    assert_eq!(errors(&value), Vec::<String>::new());
    assert_eq!(
        (&value["outcome"], &value["exit_code"], &value["next"]),
        (&"running".into(), &Value::Null, &Value::Null)
    );
    let reasons = [1, 2].map(|row| value["servers"][row]["reason"].clone());
    assert_eq!(reasons, ["running", "running"]);
    let text = to_text(&report);
    assert!(
        text.contains("\nrunning, so far: 1 stopped, 1 unknown, 1 not sent of 3 targets\n"),
        "{text}"
    );
    for word in [
        "interrupted",
        "exit code",
        "next:",
        "unknown (",
        "not sent (",
    ] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    let read = Written::read(&written(&report)).unwrap();
    assert_eq!(read.to_text(), text);
}

#[test]
fn the_schema_knows_no_running_run_with_an_exit_code() {
    let plan = plan(&[("all", 1, 1)]);
    let ledger = ledger(&plan, Vec::new());
    let facts = RunFacts::of_live(&plan, &ledger).unwrap();
    let running = json(&Report::build(&plan, &ledger, &facts));
    for (member, value) in [
        ("exit_code", Value::from(34)),
        ("outcome", "unfinished".into()),
    ] {
        let mut wrong = running.clone();
        wrong[member] = value;
        assert_ne!(errors(&wrong), Vec::<String>::new(), "{member}");
        let refused = Written::read(&wrong.to_string()).unwrap_err();
        assert!(matches!(refused, ReportError::Contradiction(_)), "{member}");
    }
}

#[test]
fn after_the_failure_limit_the_next_step_is_not_another_run() {
    // By default 10 % are allowed: none of one server.
    let plan = plan(&[("canary", 1, 1), ("rest", 1, 1)]);
    let wave = |group| Event::WaveBegan { group, wave: 0 };
    let failed = |batch, outcome| settled(batch, vec![(outcome, Slots::all(1))]);
    let canary = failed(0, Outcome::Failed(Reason::Missing));
    let unsent = failed(1, Outcome::NotSent(Reason::MaxFailures));
    let limit = stopped(StopCause::MaxFailures, Evidence::default());
    let sent = vec![
        intended(0, 1, Slots::all(1)),
        answered(0, 1, job("job-a"), None),
    ];
    let stopped_early = [
        vec![wave(0)],
        sent,
        vec![canary.clone(), limit.clone(), unsent.clone()],
    ];
    let not_now = vec![wave(0), canary.clone(), limit, unsent];
    let last_wave = vec![wave(0), wave(1), failed(1, Outcome::Already), canary];
    let cases = [
        (stopped_early.concat(), Exit::StoppedEarly),
        (not_now, Exit::NotNow),
        (last_wave, Exit::SomeFailed),
    ];
    for (mut events, exit) in cases {
        events.push(Event::Finished);
        let (_, facts) = of(&plan, events);
        assert_eq!(facts.ending, Ending::Over(exit));
        let next = "lightsout report 20261128T170000Z-3f9a1c";
        assert_eq!(facts.next.as_deref(), Some(next), "{exit:?}");
    }
}
