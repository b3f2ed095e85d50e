//! Tests of a status: in each state of a run, as text and against its schema.

use serde_json::Value;

use super::*;
use crate::bms::{Evidence, StateClass};
use crate::event::{Event, Launch, Phase, Slots, Stamped};
use crate::ids::BatchIndex;
use crate::outcome::{Outcome, Proof, Reason};
use crate::plan::sample;

const RUN: &str = "20261128T170000Z-3f9a1c";

fn at(second: i64) -> Timestamp {
    let start: Timestamp = "2026-11-28T17:00:00Z".parse().unwrap();
    Timestamp::from_second(start.as_second() + second).unwrap()
}

fn plan() -> Plan {
    let groups = [("canary", 0, 2), ("rack-\u{202e}b7", 2, 5), ("rest", 7, 1)];
    let groups = groups.map(|(name, from, targets)| {
        let mut group = sample::group(name, from, targets);
        group.batch_size = 2.try_into().unwrap();
        group
    });
    sample::plan(groups.into())
}

fn around(holder: bool) -> Circumstances {
    Circumstances {
        run: RUN.parse().unwrap(),
        mode: Mode::Run,
        holder: holder.then(|| Holder {
            run: Some(RUN.parse().unwrap()),
            host: "cron-7".to_owned(),
            process: 4242,
        }),
        switch: None,
        last_at: Some(at(60)),
        problem: None,
    }
}

fn ledger(plan: &Plan, events: Vec<Event>) -> Ledger {
    let mut ledger = Ledger::new(plan);
    let began = Event::Began {
        launch: Box::new(Launch {
            run: RUN.parse().unwrap(),
            again: "lightsout run weekly-stop.yaml".to_owned(),
            ..Launch::for_tests()
        }),
        plan: plan.digest,
        left_out: Vec::new(),
    };
    for (second, event) in (0..).zip(std::iter::once(began).chain(events)) {
        ledger
            .apply(&Stamped {
                at: at(second),
                event,
            })
            .unwrap();
    }
    ledger
}

fn observed(batch: u32, size: usize) -> Event {
    Event::Observed {
        batch: BatchIndex(batch),
        phase: Phase::Before,
        states: vec![(StateClass::On, Slots::all(size))],
        said: Vec::new(),
    }
}

fn intended(batch: u32, size: usize) -> Event {
    Event::SendIntended {
        batch: BatchIndex(batch),
        attempt: 1,
        servers: Slots::all(size),
    }
}

fn accepted(batch: u32, job: &str) -> Event {
    Event::SendAnswered {
        batch: BatchIndex(batch),
        attempt: 1,
        answer: SendAnswer::Accepted {
            job: job.parse().unwrap(),
        },
        evidence: Evidence::default(),
    }
}

fn waits(batch: u32, reason: WaitReason) -> Event {
    Event::Waiting {
        batch: BatchIndex(batch),
        reason,
        milliseconds: 1000,
    }
}

fn settled(batch: u32, outcome: Outcome, size: usize) -> Event {
    Event::Settled {
        batch: BatchIndex(batch),
        outcomes: vec![(outcome, Slots::all(size))],
    }
}

fn stopped(cause: StopCause) -> Event {
    let evidence = Evidence::default();
    Event::SendingStopped { cause, evidence }
}

/// A plan of one group in two waves, of which the first is over.
fn in_a_pause() -> String {
    let mut group = sample::group("all-\u{202e}x", 0, 4);
    group.waves = serde_json::from_str("[1]").unwrap();
    let plan = sample::plan(vec![group]);
    let events = vec![
        Event::WaveBegan { group: 0, wave: 0 },
        settled(0, Outcome::Done(Proof::Job), 1),
        Event::Soaking {
            group: 0,
            wave: 0,
            milliseconds: 600_000,
        },
    ];
    let (ledger, around) = (ledger(&plan, events), around(true));
    let status = Status::new(&plan, &ledger, &around);
    let mut bytes = Vec::new();
    status.write_json(&mut bytes).unwrap();
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert!(jsonschema::is_valid(&schema, &value), "{value:#}");
    let pause = serde_json::json!({"group": "all-\u{202e}x", "wave": 0, "until": "2026-11-28T17:10:03.000Z"});
    assert_eq!(value["soak"], pause);
    assert_eq!(
        value["groups"][0]["waves"],
        serde_json::json!({"total": 2, "begun": 1})
    );
    status.to_text(at(60))
}

#[test]
fn a_wave_is_named_by_its_place_though_others_were_left_out() {
    let mut group = sample::group("all", 0, 6);
    group.waves = serde_json::from_str("[1, 2]").unwrap();
    let plan = sample::plan(vec![group]);
    let ledger = ledger(&plan, vec![Event::WaveBegan { group: 0, wave: 1 }]);
    let around = around(true);
    let text = Status::new(&plan, &ledger, &around).to_text(at(60));
    assert!(text.contains("all, wave 2 of 3: 6 pending"), "{text}");
}

#[test]
fn a_pause_between_waves_is_told() {
    insta::assert_snapshot!(in_a_pause());
}

/// One batch is done, one follows its job, one waits for its answer, one reads states.
fn half_way() -> Vec<Event> {
    vec![
        intended(0, 2),
        accepted(0, "job-a"),
        settled(0, Outcome::Done(Proof::Job), 2),
        observed(1, 2),
        intended(1, 2),
        accepted(1, "job-b"),
        observed(2, 2),
        intended(2, 2),
        observed(3, 1),
    ]
}

fn finished() -> Vec<Event> {
    let mut events = half_way();
    events.push(settled(1, Outcome::Done(Proof::Job), 2));
    events.push(settled(2, Outcome::Unknown(Reason::AnswerLost), 2));
    events.push(settled(3, Outcome::Already, 1));
    events.push(settled(4, Outcome::Failed(Reason::Busy), 1));
    events.push(Event::Finished);
    events
}

fn text(events: Vec<Event>, around: &Circumstances) -> String {
    let plan = plan();
    let ledger = ledger(&plan, events);
    Status::new(&plan, &ledger, around).to_text(at(90))
}

fn written(events: Vec<Event>, around: &Circumstances) -> String {
    let plan = plan();
    let ledger = ledger(&plan, events);
    let mut out = Vec::new();
    let status = Status::new(&plan, &ledger, around);
    status.write_json(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn json(events: Vec<Event>, around: &Circumstances) -> Value {
    let status: Value = serde_json::from_str(&written(events, around)).unwrap();
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&status)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    status
}

#[test]
fn a_live_run_shows_what_is_under_way() {
    let mut around = around(true);
    around.switch = Some(Switch {
        reason: "cooling \u{9b}2J".to_owned(),
        set_at: at(50),
        until: Some(at(7200)),
    });
    insta::assert_snapshot!(text(half_way(), &around));
    insta::assert_snapshot!(written(half_way(), &around));
    assert_eq!(json(half_way(), &around)["state"], "running");
}

#[test]
fn a_run_left_behind_says_what_to_type() {
    insta::assert_snapshot!(text(half_way(), &around(false)));
    let status = json(half_way(), &around(false));
    assert_eq!(status["state"], "unfinished");
    assert_eq!(status["next"], format!("lightsout resume {RUN}"));
    assert_eq!(status["exit_code"], Value::Null);
}

#[test]
fn an_interrupted_run_says_so() {
    let mut events = half_way();
    events.push(stopped(StopCause::Halted));
    let live = text(events.clone(), &around(true));
    assert!(
        live.contains("`cron-7`; it sends nothing more: the run was halted\n"),
        "{live}"
    );
    let left = text(events.clone(), &around(false));
    assert!(
        left.contains("not finished: the run was halted, and no process works on it\n"),
        "{left}"
    );
    assert_eq!(json(events, &around(false))["sending_stopped"], "halted");
}

#[test]
fn summary_and_status_name_the_same_next_step_and_cause() {
    let plan = plan();
    let evidence = Evidence {
        http_status: Some(403),
        code: Some("BMS.0004".to_owned()),
        message: Some("no permission".to_owned()),
        request_id: None,
    };
    let refused = |cause| Event::SendingStopped {
        cause,
        evidence: evidence.clone(),
    };
    let unsent = Outcome::NotSent(Reason::Credentials);
    let mut over: Vec<Event> = (0..5)
        .zip([2, 2, 2, 1, 1])
        .map(|(batch, size)| settled(batch, unsent, size))
        .collect();
    over.insert(0, refused(StopCause::Refused));
    over.push(Event::Finished);
    let interrupted = vec![stopped(StopCause::Interrupted)];
    let mut left = half_way();
    left.extend(interrupted.clone());
    for events in [over, finished(), interrupted, left, half_way()] {
        let (ledger, around) = (ledger(&plan, events.clone()), around(false));
        let facts = RunFacts::of(&plan, &ledger).unwrap();
        let next = facts.next.as_deref().unwrap();
        let summary = crate::report::summary(
            &crate::report::Report::build(&plan, &ledger, &facts),
            crate::report::Kept::Reports(&[]),
        );
        let text = Status::new(&plan, &ledger, &around).to_text(at(90));
        let status = json(events, &around);
        assert_eq!(status["next"], next);
        let line = format!("  next: {next}");
        assert!(summary.ends_with(&line), "{summary}");
        assert!(text.contains(&format!("{line}\n")), "{text}");
        let cause = facts.stopped_by.map(|stopped| stopped.line());
        let cause = cause.map(|line| format!("  sending stopped: {line}\n"));
        for text in [summary, text] {
            let told = cause.as_ref().is_none_or(|line| text.contains(line));
            assert!(told, "{cause:?}: {text}");
        }
    }
}

#[test]
fn a_finished_run_says_how_it_ended() {
    // Its process may still be there for a moment, writing the report.
    for holder in [true, false] {
        let text = text(finished(), &around(holder));
        insta::assert_snapshot!("finished", text);
        let status = json(finished(), &around(holder));
        assert_eq!(
            (&status["state"], &status["exit_code"]),
            (&"finished".into(), &33.into())
        );
        assert_eq!(status["next"], format!("lightsout settle {RUN}"));
        assert_eq!(status["batches"], serde_json::json!([]));
    }
}

#[test]
fn a_run_that_was_taken_up_again_is_not_finished() {
    let mut events = finished();
    events.push(Event::Resumed {
        forbidden: Some(StopCause::Late),
        guards: Vec::new(),
    });
    let status = json(events.clone(), &around(true));
    assert_eq!(
        (&status["state"], &status["resumed"]),
        (&"running".into(), &1.into())
    );
    assert_eq!(status["sending_stopped"], "late");
    assert!(text(events, &around(true)).contains("  taken up again: 1 time\n"));
}

#[test]
fn a_damaged_journal_is_not_taken_for_the_whole_story() {
    let mut around = around(false);
    around.problem = Some("line 9 of the journal is damaged".to_owned());
    let status = json(finished(), &around);
    assert_eq!(
        (&status["state"], &status["next"]),
        (&"unreadable".into(), &Value::Null)
    );
    let text = text(finished(), &around);
    assert!(text.contains("what stands before the damage"), "{text}");
}

#[test]
fn a_rehearsal_cannot_be_taken_up_again() {
    let mut around = around(false);
    around.mode = Mode::Rehearsal;
    let text = text(half_way(), &around);
    assert!(
        text.starts_with(&format!("rehearsal {RUN} of weekly-stop")),
        "{text}"
    );
    assert!(!text.contains("next:"), "{text}");
    assert_eq!(json(half_way(), &around)["next"], Value::Null);
}

#[test]
fn every_wait_has_its_words() {
    let plan = plan();
    let cases = [
        (vec![waits(0, WaitReason::Busy)], "busy"),
        (
            vec![observed(0, 2), waits(0, WaitReason::Moving)],
            "stopping",
        ),
        (vec![intended(0, 2)], "answer"),
        (
            vec![intended(0, 2), waits(0, WaitReason::Throttled)],
            "throttled",
        ),
        (
            vec![intended(0, 2), waits(0, WaitReason::Unreachable)],
            "unreachable",
        ),
        (
            vec![intended(0, 2), waits(0, WaitReason::Reconcile)],
            "reconcile",
        ),
        (vec![intended(0, 2), accepted(0, "a")], "job"),
        (
            vec![
                intended(0, 2),
                accepted(0, "a"),
                waits(0, WaitReason::Grace),
            ],
            "grace",
        ),
        (vec![observed(0, 2)], "states"),
    ];
    let mut texts = Vec::new();
    for (events, word) in cases {
        let status = json(events.clone(), &around(true));
        assert_eq!(status["batches"][0]["waiting_for"], word);
        let told = ledger(&plan, events);
        texts.push(Status::new(&plan, &told, &around(true)).to_text(at(90)));
    }
    texts.dedup();
    assert_eq!(texts.len(), 9);
}

#[test]
fn a_request_that_did_not_leave_is_not_counted() {
    let withdrawn = Event::SendWithdrawn {
        batch: BatchIndex(0),
        attempt: 1,
        cause: StopCause::Interrupted,
    };
    let status = json(vec![intended(0, 2), withdrawn], &around(false));
    assert_eq!(status["sends"]["sent"], 0);
    assert_eq!(status["batches"][0]["sends"], serde_json::json!([]));
    assert_eq!(status["batches"][0]["waiting_for"], "states");
}

#[test]
fn very_many_groups_and_batches_are_cut_short() {
    let names: Vec<String> = (0..120).map(|number| format!("g{number}")).collect();
    let groups = names
        .iter()
        .zip(0..)
        .map(|(name, from)| sample::group(name, from, 1));
    let plan = sample::plan(groups.collect());
    let told = ledger(&plan, (0..120).map(|batch| intended(batch, 1)).collect());
    let text = Status::new(&plan, &told, &around(true)).to_text(at(90));
    assert_eq!(
        text.matches("    and 70 more in the JSON form\n").count(),
        2,
        "{text}"
    );
}
