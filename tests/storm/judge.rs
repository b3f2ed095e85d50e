//! What must hold after every invocation of a storm, and in the end.
//!
//! Invariant: a judgement names the seed, and the folder where everything can be looked at.

use std::collections::BTreeMap;
use std::fs;

use lightsout::event::{Attempt, Event, Slots, Stamped};
use lightsout::ids::{BatchIndex, JobId, ServerId};
use lightsout::journal;
use lightsout::outcome::Outcome;
use lightsout::simulator::{PowerSeen, Stats};
use serde_json::Value;

use crate::invention::ALL_BORNE;
use crate::pace;
use crate::play::Scene;

/// One invocation of the program.
pub(crate) struct Invocation<'a> {
    pub(crate) seed: u64,
    pub(crate) line: &'a str,
    /// `None` if it was killed.
    pub(crate) code: Option<i32>,
    pub(crate) err: &'a str,
}

const OUTCOMES: [&str; 6] = [
    "stopped",
    "already_off",
    "skipped",
    "failed",
    "unknown",
    "not_sent",
];

/// What holds after every invocation.
pub(crate) fn after(scene: &Scene, told: &Invocation<'_>) {
    let Invocation {
        seed,
        line,
        code,
        err,
    } = told;
    let place = format!("seed {seed}, `{line}`, {}", scene.folder.display());
    assert!(!err.contains("panicked"), "{place}: {err}");
    assert!(!err.contains("internal error"), "{place}: {err}");
    pace::holds(scene, &events(scene), &place);
    not_sent_is_true(&events(scene), &place);
    let Some(code) = code else { return };
    let Some(report) = report(scene) else {
        // A signal in the first milliseconds ends the program before there is a run to report on.
        assert!(
            *code == 24 && events(scene).is_empty(),
            "{place}: no report\n{err}"
        );
        return;
    };
    assert_eq!(report["exit_code"], *code, "{place}");
    let total = |name: &str| report["totals"][name].as_u64().unwrap();
    let sum: u64 = OUTCOMES.iter().map(|name| total(name)).sum();
    assert_eq!(sum, total("targets"), "{place}");
    assert_eq!(sum, scene.invention.servers.len() as u64, "{place}");
    let open = total("unknown") + total("not_sent");
    let rows = report["servers"].as_array().unwrap().iter();
    let too_many = rows.filter(|row| row["reason"] == "max_failures").count();
    let borne = fs::read_to_string(scene.folder.join("storm.yaml")).unwrap();
    let borne = borne.contains(&format!("max_failures: {ALL_BORNE}"));
    assert!(!borne || too_many == 0, "{place}: all failures are borne");
    let agrees = match code {
        0 => open + total("failed") == 0,
        3 => total("stopped") + total("unknown") == 0,
        20 => total("stopped") + total("unknown") == 0 && too_many > 0,
        24 => total("stopped") + total("unknown") == 0,
        30 => {
            let bad = total("failed") + total("not_sent");
            total("unknown") == 0 && bad > 0 && too_many == 0
        }
        31 => total("unknown") == 0 && too_many > 0,
        33 => total("unknown") > 0,
        34 => report["next"]
            .as_str()
            .is_some_and(|next| next.contains("resume")),
        _ => false,
    };
    assert!(agrees, "{place}: {code} and {}\n{err}", report["totals"]);
    let stats = scene.cloud.stats();
    assert_eq!(stats.double_stops, [], "{place}: stopped twice");
    let repeated = stats.repeated_stops.iter();
    let knowable: Vec<&ServerId> = repeated
        .filter(|id| !is_unknowable(scene, &stats, **id))
        .collect();
    assert!(
        knowable.is_empty(),
        "{place}: asked for again though the acceptance could be known: {knowable:?}"
    );
    if matches!(code, 3 | 20 | 24) {
        assert!(
            stats.accepted.is_empty(),
            "{place}: {code}, though accepted"
        );
    }
}

/// Whether nobody could know that the earlier stops of a server had been accepted: no job ID became
/// durable, and none of their servers went off, so that they cannot be told from stops that never arrived.
fn is_unknowable(scene: &Scene, stats: &Stats, server: ServerId) -> bool {
    let events = events(scene);
    let durable: Vec<&str> = events
        .iter()
        .flat_map(|stamped| jobs(&stamped.event))
        .map(JobId::as_str)
        .collect();
    let accepted = |stop: &&PowerSeen| stop.job_id.is_some() && stop.servers.contains(&server);
    let mut stops: Vec<&PowerSeen> = stats.stops.iter().filter(accepted).collect();
    stops.pop();
    stops.iter().all(|stop| {
        let known = stop
            .job_id
            .as_deref()
            .is_some_and(|job| durable.contains(&job));
        !known && stop.effective == 0
    })
}

/// What holds when all is known that can be.
pub(crate) fn in_the_end(seed: u64, scene: &Scene) -> (Value, Stats) {
    let place = format!("seed {seed}, {}", scene.folder.display());
    let report = report(scene).unwrap();
    let stats = scene.cloud.stats();
    let rows = report["servers"].as_array().unwrap();
    for row in rows {
        let id = row["id"].as_str().unwrap().parse().unwrap();
        let accepted = stats.accepted.get(&id).copied().unwrap_or(0);
        let outcome = row["outcome"].as_str().unwrap();
        let agrees = match outcome {
            "stopped" => {
                let mistaken = scene.invention.blind && row["reason"] == "answer_lost";
                accepted > 0 || mistaken
            }
            // A stop of a server that is off is accepted where it fails only the sub-job.
            "already_off" => accepted == 0 || !scene.invention.strict,
            "not_sent" | "skipped" => accepted == 0,
            "failed" => true,
            _ => false,
        };
        assert!(agrees, "{place}: accepted {accepted} times: {row}");
    }
    let told = report["job_ids"].as_array().unwrap();
    let durable = events(scene);
    for job in durable.iter().flat_map(|stamped| jobs(&stamped.event)) {
        assert!(
            told.iter().any(|told| told == job.as_str()),
            "{place}: job {} is lost",
            job.as_str()
        );
    }
    (report, stats)
}

/// The jobs whose IDs this event brought.
fn jobs(event: &Event) -> &[JobId] {
    let Event::SendAnswered { answer, .. } = event else {
        return &[];
    };
    answer.jobs()
}

/// That the run never says `not_sent` of a server whose request was, or may have been, accepted.
fn not_sent_is_true(events: &[Stamped], place: &str) {
    let mut doubtful: BTreeMap<(BatchIndex, Attempt), Slots> = BTreeMap::new();
    for Stamped { event, .. } in events {
        match event {
            Event::SendIntended {
                batch,
                attempt,
                servers,
            } => {
                doubtful.insert((*batch, *attempt), servers.clone());
            }
            Event::SendWithdrawn { batch, attempt, .. } => {
                doubtful.remove(&(*batch, *attempt));
            }
            Event::SendAnswered {
                batch,
                attempt,
                answer,
                ..
            } if !answer.may_be_acceptance() => {
                doubtful.remove(&(*batch, *attempt));
            }
            Event::Settled { batch, outcomes } => {
                let not_sent = outcomes
                    .iter()
                    .filter(|(outcome, _)| matches!(outcome, Outcome::NotSent(_)));
                for slot in not_sent.flat_map(|(_, slots)| slots.iter()) {
                    let mut of_batch = doubtful.iter().filter(|((of, _), _)| of == batch);
                    let sent = of_batch.find(|(_, servers)| servers.contains(slot));
                    assert!(sent.is_none(), "{place}: not sent, though in {sent:?}");
                }
            }
            Event::SendAnswered { .. }
            | Event::Began { .. }
            | Event::Resumed { .. }
            | Event::WaveBegan { .. }
            | Event::Soaking { .. }
            | Event::StillRunning
            | Event::UptimeRead { .. }
            | Event::Observed { .. }
            | Event::Waiting { .. }
            | Event::JobSeenRunning { .. }
            | Event::JobEnded { .. }
            | Event::GateAnswered { .. }
            | Event::SendingStopped { .. }
            | Event::Finished
            | Event::ReportMisplaced => {}
        }
    }
}

/// Whether the latest run is over.
pub(crate) fn is_finished(scene: &Scene) -> bool {
    let last = events(scene).pop().map(|stamped| stamped.event);
    matches!(last, Some(Event::Finished | Event::ReportMisplaced))
}

/// Whether anything of the latest run is durable.
pub(crate) fn has_begun(scene: &Scene) -> bool {
    !events(scene).is_empty()
}

fn events(scene: &Scene) -> Vec<Stamped> {
    let journal = scene.runs().pop().map(|run| run.join("journal.jsonl"));
    let bytes = journal.and_then(|path| fs::read(path).ok());
    let replayed = bytes.and_then(|bytes| journal::replay(&bytes).ok());
    replayed.map(|replayed| replayed.events).unwrap_or_default()
}

fn report(scene: &Scene) -> Option<Value> {
    let path = scene.runs().pop()?.join("report.json");
    Some(serde_json::from_str(&fs::read_to_string(path).ok()?).unwrap())
}
