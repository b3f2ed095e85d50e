//! What a seed invents: a small workflow, and what goes wrong in its cloud.
//!
//! Owns the dice. Every fault of a call ends in time, because the cloud is calm from a moment on; what is
//! the matter with servers stays. Invariant: the same seed invents the same.

use std::collections::BTreeSet;
use std::fmt::Write;

use fastrand::Rng;
use lightsout::ids::ServerId;
use lightsout::simulator::invented_name;
use serde_json::{Map, Value, json};

/// When the faults of calls and jobs are over, in minutes of the cloud's time.
pub(crate) const CALM_AFTER: u64 = 8;

/// A storm before it begins.
pub(crate) struct Invention {
    pub(crate) servers: Vec<ServerId>,
    /// The workflow, in which `ENDPOINT` stands for the cloud's.
    pub(crate) workflow: String,
    /// Inventories that the workflow names.
    pub(crate) files: Vec<(String, String)>,
    pub(crate) faults: Value,
    /// The names of the faults that are part of it.
    pub(crate) kinds: BTreeSet<String>,
    /// Whether a wrong state refuses the whole request.
    pub(crate) strict: bool,
    /// Whether nobody looks before a request, so that a server that was off already makes a request
    /// that was refused, and whose answer was lost, look as if it had been accepted.
    pub(crate) blind: bool,
    pub(crate) rng: Rng,
}

impl Invention {
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let servers: Vec<ServerId> = (0..rng.u32(1..=60))
            .map(|number| server(seed, number))
            .collect();
        let mut files = Vec::new();
        let workflow = workflow(&mut rng, &servers, &mut files);
        let mut kinds = BTreeSet::new();
        let faults = faults(&mut rng, &servers, &mut kinds);
        let strict = faults["conflicts"] == "reject";
        let blind = workflow.contains("before: false");
        Self {
            servers,
            blind,
            workflow,
            files,
            faults,
            kinds,
            strict,
            rng,
        }
    }
}

const ODD_BODIES: [&str; 5] = [
    "too_long",
    "no_last_chunk",
    "byte_order_mark",
    "trailing_byte",
    "doubled_key",
];

/// A limit that no failures pass.
pub(crate) const ALL_BORNE: &str = "100%";

fn server(seed: u64, number: u32) -> ServerId {
    let id = 0xc0_u128 << 120 | u128::from(seed) << 32 | u128::from(number);
    ServerId::from_bytes(id.to_be_bytes())
}

fn workflow(rng: &mut Rng, servers: &[ServerId], files: &mut Vec<(String, String)>) -> String {
    let mut text = "version: 1\nname: storm\nproject: 0123456789abcdef0123456789abcdef\n\
        endpoint: ENDPOINT\nstop_type: HARD\ngroups:\n"
        .to_owned();
    let size = servers.len().div_ceil(rng.usize(1..=5));
    for (number, members) in servers.chunks(size).enumerate() {
        let _ = writeln!(text, "  - name: group-{number}");
        if rng.u8(..3) == 0 {
            let row = |id: &ServerId| json!({"id": id, "name": invented_name(*id)});
            let rows: Vec<Value> = members.iter().map(row).collect();
            files.push((format!("group-{number}.json"), json!(rows).to_string()));
            let _ = writeln!(text, "    servers_from: group-{number}.json");
        } else {
            text.push_str("    servers:\n");
            for id in members {
                let _ = writeln!(text, "      - {id}");
            }
        }
    }
    let (size, flight) = (rng.u32(1..=25), rng.u32(1..=5));
    let retry_for = rng.u32(2..=10);
    let _ = writeln!(
        text,
        "rollout: {{ batch_size: {size}, in_flight: {flight}, retry_for: {retry_for}m, {} }}",
        pace(rng)
    );
    let (poll, timeout) = (rng.u32(2..=10), rng.u32(2..=4));
    let _ = writeln!(text, "jobs: {{ poll: {poll}s, timeout: {timeout}m }}");
    let (before, after) = (rng.u8(..4) != 0, rng.u8(..4) != 0);
    let grace = rng.u32(45..=75);
    let of = |rng: &mut Rng, words: &[&'static str]| words[rng.usize(..words.len())];
    let missing = of(rng, &["fail", "skip"]);
    let error = of(rng, &["fail", "skip", "send"]);
    let locked = of(rng, &["fail", "skip"]);
    let _ = writeln!(
        text,
        "checks: {{ before: {before}, after: {after}, grace: {grace}s, \
         on_state: {{ missing: {missing}, error: {error}, locked: {locked} }} }}"
    );
    text
}

/// Waves and how much failure is borne: most storms are to be lived through to the end.
fn pace(rng: &mut Rng) -> String {
    let waves = match rng.u8(..3) {
        0 => "[1, 30%, rest]",
        1 => "[5, rest]",
        _ => "[rest]",
    };
    let borne = match rng.u8(..6) {
        0 => "10%".to_owned(),
        1 => rng.u32(..8).to_string(),
        _ => ALL_BORNE.to_owned(),
    };
    let soak = rng.u32(..20);
    format!("waves: {waves}, soak: {soak}s, max_failures: {borne}")
}

fn faults(rng: &mut Rng, fleet: &[ServerId], kinds: &mut BTreeSet<String>) -> Value {
    let mut calls = Map::new();
    for call in ["stop", "job", "list", "show"] {
        let rules: Vec<Value> = (0..rng.usize(..4))
            .map(|_| rule(rng, call, kinds))
            .collect();
        calls.insert(call.to_owned(), json!(rules));
    }
    let conflicts = if rng.bool() { "reject" } else { "subjob" };
    let partial = if rng.bool() { "fail" } else { "success" };
    let mut jobs = Map::new();
    for kind in ["stuck", "forgotten"] {
        if rng.u8(..4) == 0 {
            kinds.insert(format!("jobs {kind}"));
            jobs.insert(kind.to_owned(), json!(0.3));
        }
    }
    json!({
        "calls": calls,
        "servers": servers(rng, fleet, kinds),
        "jobs": jobs,
        "state_lag": format!("{}s", rng.u32(..15)),
        "conflicts": conflicts,
        "partial_failure": partial,
        "calm_after": format!("{CALM_AFTER}m"),
    })
}

fn rule(rng: &mut Rng, call: &str, kinds: &mut BTreeSet<String>) -> Value {
    let words = [
        "throttle",
        "slow",
        "error",
        "reset",
        "html",
        "hang",
        "broken_body",
        // Of the requests that stop servers only.
        "error_with_job",
        "odd_body",
    ];
    let known = words.len() - if call == "stop" { 0 } else { 2 };
    let fault = words[rng.usize(..known)];
    let mut rule = Map::new();
    rule.insert("fault".to_owned(), json!(fault));
    let accepted = call == "stop" && rng.bool();
    let mut kind = format!("{call} {fault}");
    match fault {
        "throttle" => {
            rule.insert(
                "retry_after".to_owned(),
                json!(format!("{}s", rng.u32(1..30))),
            );
        }
        "slow" => {
            rule.insert("delay".to_owned(), json!(format!("{}s", rng.u32(1..20))));
        }
        "error" => {
            let status = [500, 502, 503, 504][rng.usize(..4)];
            kind = format!("{call} {status}");
            rule.insert("status".to_owned(), json!(status));
        }
        "error_with_job" => {
            let status = [302, 400, 401, 403, 404, 429, 500, 503][rng.usize(..8)];
            rule.insert("status".to_owned(), json!(status));
        }
        "odd_body" => {
            let form = ODD_BODIES[rng.usize(..ODD_BODIES.len())];
            kind = format!("{call} {form}");
            rule.insert("form".to_owned(), json!(form));
        }
        _ => {}
    }
    if accepted && matches!(fault, "error" | "reset" | "html" | "hang") {
        // Late, but early enough to show within the grace time.
        if rng.bool() {
            kind.push_str(" accepted late");
            rule.insert(
                "accepted_after".to_owned(),
                json!(format!("{}s", rng.u32(1..25))),
            );
        } else {
            kind.push_str(" accepted");
            rule.insert("accepted".to_owned(), json!(true));
        }
    }
    match rng.u8(..3) {
        0 => rule.insert("first".to_owned(), json!(rng.u32(1..5))),
        1 => rule.insert("every".to_owned(), json!(rng.u32(2..6))),
        _ => rule.insert("rate".to_owned(), json!(rng.f64() / 2.0)),
    };
    kinds.insert(kind);
    json!(rule)
}

fn servers(rng: &mut Rng, fleet: &[ServerId], kinds: &mut BTreeSet<String>) -> Value {
    let lasting = ["stopping", "busy", "stuck", "restarted"];
    let plain = [
        "missing", "error", "locked", "off", "renamed", "failing", "ignored",
    ];
    let mut servers = Map::new();
    for kind in plain.iter().chain(&lasting) {
        if rng.u8(..3) > 0 {
            continue;
        }
        kinds.insert(format!("servers {kind}"));
        let ids: Vec<&ServerId> = fleet.iter().filter(|_| rng.u8(..10) == 0).collect();
        let mut chosen = json!({"ids": ids});
        if lasting.contains(kind) {
            let least = if *kind == "restarted" { 60 } else { 10 };
            chosen["for"] = json!(format!("{}s", rng.u32(least..300)));
        }
        servers.insert((*kind).to_owned(), chosen);
    }
    json!(servers)
}
