//! What holds after every invocation of the program, whatever it was asked to do.
//!
//! Owns the invariants that need no knowledge of the scenario. Invariant: a report that reaches a test
//! has been held against its schema.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use lightsout::simulator::AnswerSeen;
use serde_json::Value;

use crate::scenario::Ended;

/// The outcomes that a report may have; the first two are the good ones.
fn outcomes(report: &Value) -> [&'static str; 6] {
    let [done, already] = if report["action"] == "os-start" {
        ["started", "already_on"]
    } else {
        ["stopped", "already_off"]
    };
    [done, already, "skipped", "failed", "unknown", "not_sent"]
}

/// A report, held against its schema and its own arithmetic.
#[track_caller]
pub(crate) fn valid_report(text: &str) -> Value {
    static VALIDATOR: OnceLock<jsonschema::Validator> = OnceLock::new();
    let validator = VALIDATOR.get_or_init(|| {
        let schema = serde_json::from_str(lightsout::report::SCHEMA).unwrap();
        jsonschema::validator_for(&schema).unwrap()
    });
    let report: Value = serde_json::from_str(text).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&report)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    adds_up(&report);
    report
}

fn adds_up(report: &Value) {
    let outcomes = outcomes(report);
    let number = |totals: &Value, name: &str| totals[name].as_u64().unwrap();
    let groups = report["groups"].as_array().unwrap();
    for totals in groups
        .iter()
        .map(|group| &group["totals"])
        .chain([&report["totals"]])
    {
        let sum: u64 = outcomes.iter().map(|name| number(totals, name)).sum();
        assert_eq!(number(totals, "targets"), sum, "{totals}");
    }
    let servers = report["servers"].as_array().unwrap();
    assert_eq!(servers.len() as u64, number(&report["totals"], "targets"));
    for name in outcomes {
        let rows = servers.iter().filter(|row| row["outcome"] == name).count() as u64;
        assert_eq!(rows, number(&report["totals"], name), "{name}");
    }
    for row in servers {
        let needs_reason = !outcomes[..2].contains(&row["outcome"].as_str().unwrap());
        assert!(
            !needs_reason || row["reason"].is_string(),
            "no reason: {row}"
        );
    }
}

/// That a text is none of a program that broke.
#[track_caller]
pub(crate) fn no_panic(text: &str) {
    for sign in [
        "panicked at",
        "RUST_BACKTRACE",
        "has overflowed its stack",
        "memory allocation of",
    ] {
        assert!(!text.contains(sign), "{text}");
    }
}

/// What always holds.
#[track_caller]
pub(crate) fn after_every_invocation(ended: &Ended) {
    let Ended {
        code,
        out,
        err,
        stats,
        ..
    } = ended;
    no_panic(out);
    no_panic(err);
    assert!(
        *code == 0 || !err.is_empty() || !out.is_empty(),
        "{code} without a word"
    );
    assert_eq!(stats.double_stops, [], "{err}");
    assert_eq!(stats.repeated_stops, [], "{err}");
    assert_eq!(stats.double_starts, [], "{err}");
}

/// That the ID of every job that the cloud told is in a report.
#[track_caller]
pub(crate) fn no_job_is_lost(ended: &Ended) {
    let reports = &ended.reports;
    let told: BTreeSet<&str> = reports
        .iter()
        .flat_map(|report| report["job_ids"].as_array().unwrap())
        .map(|id| id.as_str().unwrap())
        .collect();
    // Where no report can be written, the IDs are told instead.
    let told = |job: &str| told.contains(job) || ended.err.contains(job);
    let sends = ended.stats.stops.iter().chain(&ended.stats.starts);
    for send in sends.filter(|send| send.answer == AnswerSeen::Sent) {
        if let Some(job) = &send.job_id {
            assert!(told(job), "job {job} is lost: {}", ended.err);
        }
    }
}

/// What holds for one invocation: its exit code agrees with its report and with what was accepted.
#[track_caller]
pub(crate) fn of_this_one(ended: &Ended, reports: &[Value], accepted: bool) {
    let code = ended.code;
    // A run that settles an earlier one first brings two.
    if let [report] = reports {
        assert_eq!(report["exit_code"], code, "{}", ended.err);
    }
    assert!(
        !(2..30).contains(&code) || !accepted,
        "{code}, though a request was accepted"
    );
}
