//! Tests of the whole report: against its schema, against made-up runs of every kind, and as text.

use serde_json::Value;

use super::*;
use crate::bms::{Evidence, JobError, JobStatus, StateClass};
use crate::event::{Event, JobEnd, JobResult, Launch, Phase, SendAnswer, Slots, Stamped};
use crate::ids::BatchIndex;
use crate::outcome::{Outcome, OutcomeKind, Proof, Reason};
use crate::plan::{Ruling, sample};
use crate::power::Action;
use crate::workflow::StopType;

mod causes;
mod properties;
mod words;

const STOP: Action = Action::Stop(StopType::Hard);

fn facts(exit: Exit) -> RunFacts {
    RunFacts {
        version: "0.1.0".to_owned(),
        mode: Mode::Run,
        labels: BTreeMap::from([("ticket".to_owned(), "7".to_owned())]),
        ending: Ending::Over(exit),
        next: None,
        stopped_by: None,
        warnings: Vec::new(),
        narrowed: None,
        guards: vec![
            ruling("max_servers", None, (Some(5000), Some(7))),
            ruling("protected.names", Some("p.yaml"), (Some(0), Some(0))),
            ruling("projects", Some("p.yaml"), (None, None)),
        ],
    }
}

fn ruling(name: &str, policy: Option<&str>, (limit, actual): (Option<u32>, Option<u32>)) -> Ruling {
    Ruling {
        name: name.to_owned(),
        policy: policy.map(str::to_owned),
        limit,
        actual,
        ok: Some(true),
    }
}

/// A plan of groups, each with a name, a number of targets and a batch size.
fn plan(groups: &[(&str, u32, u16)]) -> Plan {
    let mut next = 0;
    let groups = groups.iter().map(|(name, targets, batch_size)| {
        let mut group = sample::group(name, next, *targets);
        group.batch_size = (*batch_size).try_into().unwrap();
        next += targets;
        group
    });
    sample::plan(groups.collect())
}

fn ledger(plan: &Plan, events: Vec<Event>) -> Ledger {
    let mut ledger = Ledger::new(plan);
    let at = "2026-11-28T17:00:00Z".parse().unwrap();
    for event in std::iter::once(began(plan)).chain(events) {
        ledger.apply(&Stamped { at, event }).unwrap();
    }
    ledger
}

fn began(plan: &Plan) -> Event {
    Event::Began {
        launch: Box::new(Launch {
            run: "20261128T170000Z-3f9a1c".parse().unwrap(),
            again: "lightsout run weekly-stop.yaml".to_owned(),
            ..Launch::for_tests()
        }),
        plan: plan.digest,
        left_out: Vec::new(),
    }
}

fn json(report: &Report<'_>) -> Value {
    let mut out = Vec::new();
    report.write_json(&mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

fn slots(places: &[u16]) -> Slots {
    places.iter().copied().collect()
}

fn intended(batch: u32, attempt: u32, servers: Slots) -> Event {
    let batch = BatchIndex(batch);
    Event::SendIntended {
        batch,
        attempt,
        servers,
    }
}

fn answered(batch: u32, attempt: u32, answer: SendAnswer, code: Option<&str>) -> Event {
    Event::SendAnswered {
        batch: BatchIndex(batch),
        attempt,
        answer,
        evidence: Evidence {
            code: code.map(str::to_owned),
            ..Evidence::default()
        },
    }
}

fn job(id: &str) -> SendAnswer {
    let job = id.parse().unwrap();
    SendAnswer::Accepted { job }
}

fn settled(batch: u32, outcomes: Vec<(Outcome, Slots)>) -> Event {
    let batch = BatchIndex(batch);
    Event::Settled { batch, outcomes }
}

/// A run in which something of everything happened.
fn eventful(plan: &Plan) -> Ledger {
    let already_off = JobResult::Failed(JobError {
        code: "BMS.0039".to_owned(),
        message: "off".to_owned(),
    });
    let conflict = answered(0, 1, SendAnswer::Conflict, Some("BMS.0037"));
    ledger(
        plan,
        vec![
            Event::Observed {
                batch: BatchIndex(0),
                phase: Phase::Before,
                states: vec![(StateClass::On, Slots::all(3))],
                said: Vec::new(),
            },
            intended(0, 1, Slots::all(3)),
            conflict,
            intended(0, 2, slots(&[0, 1])),
            answered(0, 2, job("job-a"), None),
            Event::JobEnded {
                batch: BatchIndex(0),
                attempt: 2,
                end: JobEnd::Final {
                    status: JobStatus::Fail,
                },
                results: vec![
                    (JobResult::Succeeded, slots(&[0])),
                    (already_off, slots(&[1])),
                ],
            },
            settled(
                0,
                vec![
                    (Outcome::Done(Proof::Job), slots(&[0])),
                    (Outcome::Already, slots(&[1])),
                    (Outcome::Failed(Reason::Busy), slots(&[2])),
                ],
            ),
            intended(1, 1, Slots::all(2)),
            answered(1, 1, SendAnswer::Rejected, Some("BMS.\u{1b}0360")),
            settled(1, vec![(Outcome::Failed(Reason::Rejected), Slots::all(2))]),
            intended(2, 1, Slots::all(2)),
            answered(2, 1, SendAnswer::Ambiguous, Some("timeout")),
            settled(
                2,
                vec![
                    (Outcome::Done(Proof::AnswerLost), slots(&[0])),
                    (Outcome::Unknown(Reason::StatesUnreadable), slots(&[1])),
                ],
            ),
            Event::Finished,
        ],
    )
}

fn eventful_plan() -> Plan {
    plan(&[("canary", 3, 3), ("rest", 4, 2)])
}

#[test]
fn the_schema_is_a_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
}

fn errors(report: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors = validator.iter_errors(report);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn an_eventful_report_matches_the_schema_and_shows_everything() {
    let plan = eventful_plan();
    let (ledger, facts) = (eventful(&plan), facts(Exit::SomeUnknown));
    let report = json(&Report::build(&plan, &ledger, &facts));
    assert_eq!(errors(&report), Vec::<String>::new());
    insta::assert_json_snapshot!(report);
}

#[test]
fn the_schema_refuses_what_the_types_cannot_say() {
    let plan = eventful_plan();
    let (ledger, facts) = (eventful(&plan), facts(Exit::SomeUnknown));
    let report = json(&Report::build(&plan, &ledger, &facts));
    for (pointer, bad) in [
        ("/servers/0/reason", Value::from("busy")),
        ("/servers/1/reason", Value::from("answer_lost")),
        ("/servers/2/reason", Value::Null),
        ("/servers/0/outcome", Value::from("pending")),
        ("/exit_code", Value::from(1)),
        ("/run_id", Value::from("../x")),
        ("/totals", serde_json::json!({ "targets": 1 })),
    ] {
        let mut report = report.clone();
        *report.pointer_mut(pointer).unwrap() = bad;
        assert_ne!(errors(&report), Vec::<String>::new(), "{pointer}");
    }
}

/// Every member, by way of a chain that the compiler keeps complete.
#[test]
fn a_request_that_never_left_is_not_in_the_report() {
    let plan = plan(&[("all", 2, 2)]);
    let withdrawn = Event::SendWithdrawn {
        batch: BatchIndex(0),
        attempt: 1,
        cause: crate::event::StopCause::Interrupted,
    };
    let ledger = ledger(&plan, vec![intended(0, 1, Slots::all(2)), withdrawn]);
    let facts = facts(Exit::Halted);
    let report = json(&Report::build(&plan, &ledger, &facts));
    assert_eq!(errors(&report), Vec::<String>::new());
    assert_eq!(report["batches"][0]["sends"], serde_json::json!([]));
    assert_eq!(report["totals"]["not_sent"], 2);
}

#[test]
fn every_server_has_a_line_of_its_own() {
    let plan = eventful_plan();
    let (ledger, facts) = (eventful(&plan), facts(Exit::SomeUnknown));
    let mut out = Vec::new();
    let report = Report::build(&plan, &ledger, &facts);
    report.write_json(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("    {\"id\":"));
    assert_eq!(rows.count(), 7);
    assert!(text.ends_with("}\n"));
}

#[test]
fn a_summary_names_what_needs_a_person_and_escapes_it() {
    let plan = eventful_plan();
    let ledger = eventful(&plan);
    let facts = RunFacts {
        next: Some("lightsout run weekly-stop.yaml".to_owned()),
        ..facts(Exit::SomeUnknown)
    };
    let places = ["/state/runs/x/report.json".to_owned()];
    insta::assert_snapshot!(summary(
        &Report::build(&plan, &ledger, &facts),
        Kept::Reports(&places)
    ));
}

#[test]
fn a_summary_of_thousands_of_failures_stays_short() {
    let plan = plan(&[("all", 2000, 1000)]);
    let failed = |batch| {
        let outcome = Outcome::NotSent(Reason::Unreachable);
        settled(batch, vec![(outcome, Slots::all(1000))])
    };
    let ledger = ledger(&plan, vec![failed(0), failed(1)]);
    let facts = facts(Exit::Refused);
    let text = summary(&Report::build(&plan, &ledger, &facts), Kept::Reports(&[]));
    assert!(text.starts_with("refused: nothing was stopped: 2,000 not sent of 2,000 targets\n"));
    assert!(text.ends_with("    and 1,990 more"), "{text}");
    assert_eq!(text.lines().count(), 13);
}

fn written(report: &Report<'_>) -> String {
    let mut out = Vec::new();
    report.write_json(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_report_as_text_tells_the_whole_story() {
    let plan = eventful_plan();
    let ledger = eventful(&plan);
    let facts = RunFacts {
        next: Some("lightsout settle 20261128T170000Z-3f9a1c".to_owned()),
        ..facts(Exit::SomeUnknown)
    };
    let report = Report::build(&plan, &ledger, &facts);
    insta::assert_snapshot!(to_text(&report));
    let read = Written::read(&written(&report)).unwrap();
    assert_eq!(read.to_text(), to_text(&report));
}

#[test]
fn a_text_of_very_many_groups_and_jobs_stays_short() {
    let names: Vec<String> = (0..120).map(|number| format!("g{number}")).collect();
    let groups: Vec<_> = names.iter().map(|name| (name.as_str(), 1, 1)).collect();
    let plan = plan(&groups);
    let sent = |batch| {
        let intended = intended(batch, 1, Slots::all(1));
        [
            intended,
            answered(batch, 1, job(&format!("job-{batch}")), None),
        ]
    };
    let ledger = ledger(&plan, (0..120).flat_map(sent).collect());
    let facts = facts(Exit::Internal);
    let text = to_text(&Report::build(&plan, &ledger, &facts));
    assert!(
        text.contains("  and 70 more groups in the JSON form\n"),
        "{text}"
    );
    assert!(
        text.contains("  and 70 more job IDs in the JSON form\n"),
        "{text}"
    );
    assert!(text.lines().count() < 130);
}

#[test]
fn a_file_that_is_no_report_is_told_what_it_is() {
    let plan = eventful_plan();
    let (ledger, facts) = (eventful(&plan), facts(Exit::SomeUnknown));
    let text = written(&Report::build(&plan, &ledger, &facts));
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        Written::read(&text.replacen(from, to, 1)).unwrap_err()
    };
    let newer = refused("report/v1", "report/v2");
    assert!(matches!(&newer, ReportError::Newer(format) if format == "lightsout/report/v2"));
    let other = refused("lightsout/report/v1", "lightsout/plan/v1");
    assert!(matches!(other, ReportError::Other(_)), "{other:?}");
    for (from, to) in [
        ("\"resumed\": 0,", ""),
        ("\"next\": null,", ""),
        ("\"next\": null,", "\"next\": null, \"next\": null,"),
        ("\"next\": null,", "\"next\": null, \"more\": 1,"),
        ("\"before\":\"on\"", "\"before\":\"asleep\""),
        ("sha256:", "sha512:"),
        ("}\n", ""),
    ] {
        let error = refused(from, to);
        assert!(matches!(error, ReportError::Shape(_)), "{from}: {error:?}");
    }
    for (from, to) in [
        ("\"stopped\": 2", "\"stopped\": 3"),
        ("\"outcome\":\"already_off\"", "\"outcome\":\"stopped\""),
        ("\"totals\":{\"targets\":3", "\"totals\":{\"targets\":4"),
        ("{\"name\":\"canary\"", "{\"name\":\"rest\""),
        ("\"exit_code\": 33", "\"exit_code\": 0"),
        ("\"exit_code\": 33", "\"exit_code\": 99"),
        ("os-stop", "os-start"),
    ] {
        let error = refused(from, to);
        assert!(
            matches!(error, ReportError::Contradiction(_)),
            "{from}: {error:?}"
        );
    }
}

#[test]
fn a_dry_run_has_no_run_id() {
    let plan = plan(&[("all", 1, 1)]);
    let outcome = Outcome::NotSent(Reason::DryRun);
    let ledger = ledger(&plan, vec![settled(0, vec![(outcome, Slots::all(1))])]);
    let facts = RunFacts {
        mode: Mode::DryRun,
        ..facts(Exit::Success)
    };
    let report = Report::build(&plan, &ledger, &facts);
    let expected = "dry run, nothing was sent: all well: 1 target";
    assert_eq!(summary(&report, Kept::Reports(&[])), expected);
    let report = json(&report);
    assert_eq!(
        (&report["mode"], &report["run_id"]),
        (&"dry-run".into(), &Value::Null)
    );
}

#[test]
fn labels_of_the_command_line_win() {
    let plan = plan(&[("all", 1, 1)]);
    let ledger = ledger(&plan, Vec::new());
    let mut facts = facts(Exit::Success);
    facts
        .labels
        .insert("change".to_owned(), "CHG0043".to_owned());
    let report = json(&Report::build(&plan, &ledger, &facts));
    let expected = serde_json::json!({ "change": "CHG0043", "ticket": "7" });
    assert_eq!(report["labels"], expected);
}

#[test]
fn a_target_without_an_outcome_is_unknown_once_its_request_may_have_left() {
    let plan = plan(&[("all", 2, 2)]);
    let ledger = ledger(&plan, vec![intended(0, 1, slots(&[1]))]);
    let facts = facts(Exit::Internal);
    let report = Report::build(&plan, &ledger, &facts);
    let outcomes: Vec<Outcome> = report.targets().map(|target| target.outcome()).collect();
    let expected = [
        Outcome::NotSent(Reason::Interrupted),
        Outcome::Unknown(Reason::Interrupted),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(report.totals().of(OutcomeKind::Unknown), 1);
}
