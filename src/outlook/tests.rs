//! What is told of targets in every state.

use super::*;
use crate::plan::sample::{self, group, server};

fn seen(states: &[(u32, StateClass)]) -> HashMap<ServerId, Live> {
    let live = |(number, state): &(u32, StateClass)| {
        let name = format!("web|{number}");
        (
            server(*number),
            Live {
                name,
                state: *state,
            },
        )
    };
    states.iter().map(live).collect()
}

const STATES: [(u32, StateClass); 7] = [
    (0, StateClass::On),
    (1, StateClass::Off),
    (2, StateClass::Stopping),
    (3, StateClass::Busy),
    (4, StateClass::Error),
    (5, StateClass::Locked),
    (6, StateClass::On),
];

#[test]
fn every_target_has_its_step() {
    let plan = sample::plan(vec![group("a", 0, 8)]);
    let outlook = Outlook::of(&plan, &seen(&STATES));
    let steps: Vec<String> = outlook.prospects().iter().map(Prospect::step).collect();
    assert_eq!(
        steps,
        [
            "send",
            "already_off",
            "follow",
            "wait",
            "failed/error_state",
            "failed/locked",
            "send",
            "failed/missing"
        ]
    );
    assert_eq!(outlook.totals()["send"], 2);
    assert_eq!(outlook.totals().values().sum::<usize>(), 8);
    insta::assert_snapshot!(format!("{}{}", outlook.to_text(), outlook.to_markdown()));
}

#[test]
fn without_readings_before_everything_is_sent() {
    let mut workflow = sample::workflow();
    workflow.checks.before = false;
    let plan = sample::plan_of(&workflow, vec![group("a", 0, 8)]);
    let outlook = Outlook::of(&plan, &seen(&STATES));
    assert_eq!(outlook.totals(), BTreeMap::from([("send".to_owned(), 8)]));
}

#[test]
fn another_name_is_a_mismatch() {
    let plan = sample::fleet();
    let mut seen = seen(&[]);
    let live = |name: &str| Live {
        name: name.to_owned(),
        state: StateClass::On,
    };
    seen.insert(server(0), live("another"));
    let outlook = Outlook::of(&plan, &seen);
    assert_eq!(outlook.prospects()[0].step(), "failed/name_mismatch");
    seen.insert(server(0), live("机房-canary"));
    assert_eq!(Outlook::of(&plan, &seen).prospects()[0].step(), "send");
}

#[test]
fn it_stays_short_and_is_what_the_schema_says() {
    let plan = sample::fleet();
    let outlook = Outlook::of(&plan, &seen(&STATES));
    assert!(outlook.to_markdown().len() < 10_000);
    assert!(outlook.to_text().len() < 10_000);
    let mut json = Vec::new();
    outlook.write_json(&mut json).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(value["servers"].as_array().unwrap().len(), 2500);
    assert_eq!(value["plan"]["digest"], plan.digest.to_string());
    let schema = serde_json::from_str(SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let error = validator.validate(&value).err();
    assert_eq!(error.map(|error| error.to_string()), None);
}
