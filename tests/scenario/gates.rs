//! Gates: a wave begins only when whoever is asked says so.
//!
//! Invariant: no stop request reaches the cloud after an answer that is not the expected one, and nothing
//! that a gate is sent tells who asks.

use std::fs;
use std::time::Duration;

use lightsout::event::Event;
use lightsout::journal::{Journal, Terms};

use crate::porter::{Porter, Said};
use crate::scenario::{
    ACCESS_KEY, Ended, PROJECT, SECRET_KEY, Scenario, Stage, at_once, ids, ids_from,
};

const FINE: Said = Said::Status(200);

/// Two groups, each in two waves: four waves in all.
fn waves(gate: &str) -> Scenario {
    Scenario::of_groups(&[("one", &ids(3)), ("two", &ids_from(4, 2))])
        .with(&format!("rollout: {{ waves: [1, rest], gate: {gate} }}"))
}

fn asking(porter: &Porter, more: &str) -> Scenario {
    waves(&format!("{{ http: '{}'{more} }}", porter.url()))
}

/// What stands in the first warning of the report.
fn warning(ended: &Ended) -> &str {
    let warnings = ended.report()["warnings"].as_array().unwrap();
    let gate = warnings.iter().find(|warning| warning["code"] == "gate");
    gate.unwrap()["message"].as_str().unwrap()
}

#[test]
fn a_gate_is_asked_before_every_wave_and_told_nothing() {
    let porter = Porter::saying(&[FINE]);
    let ended = asking(&porter, "")
        .run("run night.yaml")
        .with_code(0)
        .with_outcomes(&[("stopped", 5)])
        .saying(&["group one, wave 2 of 2: the gate answered 200"]);
    assert_eq!(ended.accepted_sizes(), [1, 2, 1, 1]);
    let heads = porter.heads();
    assert_eq!(heads.len(), 4);
    for head in heads {
        let head = head.to_lowercase();
        assert!(head.starts_with("get /may-stop http/1.1\r\n"), "{head}");
        let names = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let names: Vec<&str> = names.map(|(name, _)| name).collect();
        let known = ["host", "accept", "user-agent"];
        assert!(names.iter().all(|name| known.contains(name)), "{head}");
        for secret in [ACCESS_KEY, SECRET_KEY, PROJECT] {
            assert!(!head.contains(&secret.to_lowercase()), "{head}");
        }
    }
}

#[test]
fn a_gate_that_says_no_is_asked_again_and_nothing_is_sent() {
    let porter = Porter::saying(&[Said::Status(503)]);
    let ended = asking(&porter, "")
        .run("run night.yaml")
        .with_code(20)
        .with_nothing_sent()
        .with_outcomes(&[("not_sent/gate", 5)]);
    assert_eq!(porter.asked(), 3);
    let told = format!("{} answered 503 and not 200, asked 3 times", porter.url());
    assert_eq!(warning(&ended), told);
    let shown = ended.err.replace(&porter.url(), "GATE");
    insta::with_settings!({filters => [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[time]"),
        (r"\d{8}T\d{6}Z-[0-9a-f]{6}", "[run]"),
        (r"/\S*/state", "[state]"),
        (r"sha256:[0-9a-f]{64}", "[digest]"),
    ]}, {
        insta::assert_snapshot!(shown);
    });
}

#[test]
fn a_gate_that_says_yes_at_last_is_heard() {
    let porter = Porter::saying(&[Said::Status(503), Said::Nothing, FINE]);
    asking(&porter, ", timeout: 2s")
        .run("run night.yaml")
        .with_code(0);
    assert_eq!(porter.asked(), 6);
}

#[test]
fn whatever_is_not_the_expected_answer_stops_the_run() {
    let cases = [
        (Said::Status(201), "answered 201 and not 200"),
        (Said::Elsewhere(302), "answered 302 and not 200"),
        (Said::Elsewhere(307), "answered 307 and not 200"),
        (Said::Nothing, "no answer within 3s"),
        (Said::Noise, "the connection broke"),
    ];
    at_once(&cases, |(said, told)| {
        let porter = Porter::saying(&[*said]);
        let ended = asking(&porter, ", timeout: 3s, retries: 0")
            .run("run night.yaml")
            .with_code(20)
            .with_nothing_sent()
            .with_outcomes(&[("not_sent/gate", 5)])
            .saying(&[told]);
        assert!(warning(&ended).contains(told), "{}", warning(&ended));
        let heads = porter.heads();
        assert_eq!(heads.len(), 1, "{heads:?}");
        assert!(heads[0].starts_with("GET /may-stop "), "{heads:?}");
    });
}

#[test]
fn nobody_who_listens_is_no_answer() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    waves(&format!(
        "{{ http: 'http://127.0.0.1:{port}/', retries: 1 }}"
    ))
    .run("run night.yaml")
    .with_code(20)
    .with_nothing_sent()
    .saying(&["did not answer: no connection", "asked 2 times"]);
}

#[test]
fn other_statuses_can_be_expected_and_bodies_are_not_waited_for() {
    let porter = Porter::saying(&[Said::Elsewhere(302), Said::Endless]);
    asking(&porter, ", expect: [302, 200], timeout: 10s")
        .run("run night.yaml")
        .with_code(0);
    assert_eq!(porter.asked(), 4);
}

#[test]
fn a_gate_that_closes_between_waves_stops_what_is_left() {
    let porter = Porter::saying(&[FINE, Said::Status(500)]);
    let ended = asking(&porter, "")
        .run("run night.yaml")
        .with_code(31)
        .with_outcomes(&[("stopped", 1), ("not_sent/gate", 4)]);
    assert_eq!(ended.accepted_sizes(), [1]);
    assert_eq!(porter.asked(), 4);
    assert_eq!(ended.report()["outcome"], "stopped_early");
}

#[test]
fn a_group_may_have_a_gate_of_its_own() {
    let (general, own) = (
        Porter::saying(&[FINE]),
        Porter::saying(&[Said::Status(404)]),
    );
    let groups = format!(
        "groups:\n  - name: one\n    servers: [{}]\n  - name: two\n    servers: [{}]\n    gate: {{ http: '{}', retries: 0 }}\n",
        ids(2)[0],
        ids(2)[1],
        own.url()
    );
    Scenario::with_cloud(&groups, &ids(2))
        .with(&format!(
            "rollout: {{ gate: {{ http: '{}' }} }}",
            general.url()
        ))
        .run("run night.yaml")
        .with_code(31)
        .with_outcomes(&[("stopped", 1), ("not_sent/gate", 1)]);
    assert_eq!((general.asked(), own.asked()), (1, 1));
}

#[test]
fn no_gate_is_asked_where_nothing_is_to_be_sent() {
    let porter = Porter::saying(&[FINE]);
    let stage = asking(&porter, "").start();
    stage.run("validate night.yaml").with_code(0);
    stage.run("plan night.yaml").with_code(0);
    stage.run("run night.yaml --dry-run").with_code(0);
    stage
        .run("rehearse night.yaml")
        .with_code(0)
        .saying(&["the gates are not asked in a rehearsal"]);
    assert_eq!(porter.asked(), 0);
    stage.run("run night.yaml --only two").with_code(0);
    assert_eq!(porter.asked(), 2);
    let last = "undo --last night --yes";
    stage.run(last).with_code(0);
    assert_eq!(porter.asked(), 2);
}

/// Leaves a run in the first of its two waves, while a job is followed.
fn interrupted(porter: &Porter) -> Stage {
    let scenario =
        asking(porter, "").settings(|cloud| cloud.job_duration = Duration::from_secs(60));
    let stage = scenario.start();
    let mut running = stage.spawn("run night.yaml");
    running.until("a request", |stage| !stage.durable_jobs().is_empty());
    running.signal("INT");
    running.ended().0.with_code(34);
    stage
}

#[test]
fn a_run_that_is_taken_up_asks_again_before_it_sends() {
    let porter = Porter::saying(&[FINE]);
    let stage = interrupted(&porter);
    assert_eq!(porter.asked(), 1);
    // What was sent of the first wave is all of it: only the other three are asked for.
    stage
        .run("resume")
        .with_code(0)
        .with_outcomes(&[("stopped", 5)]);
    assert_eq!(porter.asked(), 4);
}

#[test]
fn a_run_that_is_taken_up_at_a_closed_gate_follows_what_was_sent() {
    let porter = Porter::saying(&[FINE, Said::Status(503)]);
    let stage = interrupted(&porter);
    stage
        .run("resume")
        .with_code(31)
        .with_outcomes(&[("stopped", 1), ("not_sent/gate", 4)]);
    assert_eq!(porter.asked(), 4);
}

#[test]
fn a_run_that_a_gate_stopped_is_told_the_same_once_it_is_settled() {
    for (answers, code) in [
        (&[FINE, Said::Status(503)][..], 31),
        (&[Said::Status(503)], 20),
    ] {
        let porter = Porter::saying(answers);
        let stage = asking(&porter, ", retries: 0").start();
        let first = stage.run("run night.yaml").with_code(code);
        // Twice: what a settling keeps, the next one finds.
        for _ in 0..2 {
            let settled = stage.run(&format!("settle {}", stage.run_id()));
            let settled = settled.with_code(code);
            assert_eq!(settled.outcomes(), first.outcomes());
            assert_eq!(warning(&settled), warning(&first));
        }
    }
}

#[test]
fn a_wave_that_a_gate_held_back_is_not_passed_over_after_a_crash() {
    let porter = Porter::saying(&[FINE, Said::Status(503), FINE]);
    let stage = asking(&porter, ", retries: 0").start();
    stage.run("run night.yaml").with_code(31);
    // As if the process had been killed when only the second wave's own targets were left out.
    let path = stage.run_folder().join("journal.jsonl");
    let mut events = stage.durable();
    let held_back = |event: &Event| {
        let Event::Settled { batch, .. } = event else {
            return false;
        };
        batch.position() == 1
    };
    let last = events.iter().position(|stamped| held_back(&stamped.event));
    events.truncate(last.unwrap() + 1);
    fs::remove_file(&path).unwrap();
    let journal = Journal::create(&path, Terms::default()).unwrap();
    for stamped in events {
        journal.append(vec![stamped]);
    }
    drop(journal);
    let asked = porter.asked();
    let ended = stage
        .run("resume")
        .with_code(31)
        .with_outcomes(&[("stopped", 1), ("not_sent/gate", 4)])
        .saying(&["nothing is sent: the gate does not answer as expected"]);
    assert_eq!((ended.accepted_sizes(), porter.asked()), (vec![1], asked));
}

#[test]
fn a_signal_ends_the_asking_at_once() {
    let porter = Porter::saying(&[Said::Nothing]);
    let stage = asking(&porter, ", timeout: 30m").pace(1).start();
    let mut running = stage.spawn("run night.yaml");
    running.until("a question", |stage| {
        porter.asked() > 0 && stage.knows(|event| matches!(event, Event::Began { .. }))
    });
    running.signal("TERM");
    let (ended, took) = running.ended();
    ended.with_code(24).with_nothing_sent();
    assert!(took < Duration::from_secs(5), "{took:?}");
}
