//! The digest: SHA-256 over the canonical JSON (RFC 8785) of what a plan will do.
//!
//! Owns the canonical form, version 1: the members below and no other. The form is canonical by
//! construction: members stand in sorted order, numbers are whole, and no white space is written.
//! Invariant: a plan's digest never changes within plan/v1; every setting that a send obeys is in it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::model::{Contents, PlannedGroup};
use super::written::{Override, Pause, overrides};
use crate::ids::{Digest, Endpoint, ProjectId, ServerId};
use crate::window::Window;
use crate::workflow::{
    Checks, FailOrSkip, FailSkipOrSend, Gate, Jobs, MaxFailures, OnState, Rollout, StopType, Waves,
};

/// Version of the canonical form.
const VERSION: u8 = 1;

/// The digest of `contents`; the one that it states is not looked at.
#[expect(
    clippy::expect_used,
    reason = "hashing takes any bytes, and all keys are strings"
)]
pub(super) fn of(contents: &Contents) -> Digest {
    let mut hash = Hashing::default();
    serde_json::to_writer(&mut hash, &Canonical::of(contents)).expect("hashing does not fail");
    hash.finish()
}

/// Hashes what is written to it, in pieces that are worth a call.
#[derive(Default)]
struct Hashing {
    sha: Sha256,
    pending: Vec<u8>,
}

impl Hashing {
    const PIECE: usize = 32 * 1024;

    fn finish(mut self) -> Digest {
        self.sha.update(&self.pending);
        Digest::from_bytes(self.sha.finalize().into())
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= Self::PIECE {
            self.sha.update(&self.pending);
            self.pending.clear();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The canonical form. Members must stand in the order of their names, here and below.
#[derive(Serialize)]
struct Canonical<'a> {
    action: &'a str,
    batches: Batches<'a>,
    checks: CanonicalChecks,
    endpoint: &'a Endpoint,
    guards: BTreeMap<&'a str, u32>,
    jobs: CanonicalJobs,
    project: &'a ProjectId,
    rollout: CanonicalRollout<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_type: Option<StopType>,
    v: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<&'a Window>,
}

impl<'a> Canonical<'a> {
    fn of(contents: &'a Contents) -> Self {
        let limit = |guard: &'a super::Guard| (guard.name.as_str(), guard.limit);
        Self {
            action: contents.action.word(),
            batches: Batches(contents),
            checks: CanonicalChecks::of(contents.checks),
            endpoint: &contents.project.endpoint,
            guards: contents.guards.iter().map(limit).collect(),
            jobs: CanonicalJobs::of(contents.jobs),
            project: &contents.project.id,
            rollout: CanonicalRollout::of(&contents.rollout, &contents.groups),
            stop_type: contents.action.stop_type(),
            v: VERSION,
            window: contents.window.as_ref(),
        }
    }
}

struct Batches<'a>(&'a Contents);

impl Serialize for Batches<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let groups = &self.0.groups;
        serializer.collect_seq(self.0.batches.iter().map(|batch| CanonicalBatch {
            group: &groups[batch.group()].name,
            servers: batch.servers(),
            wave: batch.wave(),
        }))
    }
}

#[derive(Serialize)]
struct CanonicalBatch<'a> {
    group: &'a str,
    servers: &'a [ServerId],
    wave: u32,
}

#[derive(Serialize)]
struct CanonicalChecks {
    after: bool,
    before: bool,
    #[serde(with = "crate::duration")]
    grace: Duration,
    on_state: CanonicalOnState,
}

impl CanonicalChecks {
    fn of(checks: Checks) -> Self {
        let Checks {
            before,
            after,
            grace,
            on_state,
        } = checks;
        let on_state = CanonicalOnState::of(on_state);
        Self {
            after,
            before,
            grace,
            on_state,
        }
    }
}

#[derive(Serialize)]
struct CanonicalOnState {
    error: FailSkipOrSend,
    locked: FailOrSkip,
    missing: FailOrSkip,
}

impl CanonicalOnState {
    fn of(on_state: OnState) -> Self {
        let OnState {
            missing,
            error,
            locked,
        } = on_state;
        Self {
            error,
            locked,
            missing,
        }
    }
}

#[derive(Serialize)]
struct CanonicalJobs {
    #[serde(with = "crate::duration")]
    poll: Duration,
    #[serde(with = "crate::duration")]
    timeout: Duration,
}

impl CanonicalJobs {
    fn of(jobs: Jobs) -> Self {
        let Jobs { timeout, poll } = jobs;
        Self { poll, timeout }
    }
}

#[derive(Serialize)]
struct CanonicalRollout<'a> {
    batch_size: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<&'a Gate>,
    in_flight: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_failures: Option<MaxFailures>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    overrides: BTreeMap<&'a str, Override>,
    #[serde(with = "crate::duration")]
    retry_for: Duration,
    #[serde(skip_serializing_if = "Option::is_none")]
    soak: Option<Pause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waves: Option<&'a Waves>,
}

impl<'a> CanonicalRollout<'a> {
    fn of(rollout: &'a Rollout, groups: &'a [PlannedGroup]) -> Self {
        let overrides = overrides(rollout, groups);
        let Rollout {
            batch_size,
            in_flight,
            waves,
            soak,
            gate,
            max_failures,
            retry_for,
        } = rollout;
        let usual = Rollout::default();
        Self {
            batch_size: batch_size.get(),
            gate: gate.as_ref(),
            in_flight: in_flight.get(),
            max_failures: Some(*max_failures).filter(|own| *own != usual.max_failures),
            overrides,
            retry_for: *retry_for,
            soak: Some(Pause(*soak)).filter(|own| own.0 != usual.soak),
            waves: Some(waves).filter(|own| **own != usual.waves),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::diagnostic::{Diagnostic, SourceFile};
    use crate::inventory::{TargetGroup, Targets};
    use crate::plan::make::expand;
    use crate::plan::sample::{self, group, server};
    use crate::workflow::{BatchSize, Definition, InFlight};

    fn groups() -> Vec<TargetGroup> {
        vec![group("a", 0, 3), group("b", 3, 5)]
    }

    fn plain() -> Digest {
        sample::plan(groups()).digest
    }

    #[test]
    fn the_canonical_form_is_written_down_here_and_does_not_change() {
        let plan = sample::plan(vec![group("a", 0, 2)]);
        let canonical = serde_json::to_string(&Canonical::of(&plan)).unwrap();
        assert_eq!(
            canonical,
            concat!(
                r#"{"action":"os-stop","batches":[{"group":"a","servers":["#,
                r#""00000000-a5a5-a5a5-a5a5-a5a500000000","80000000-a5a5-a5a5-a5a5-a5a500000001"],"wave":0}],"#,
                r#""checks":{"after":true,"before":true,"grace":"2m","on_state":{"error":"fail","locked":"fail","missing":"fail"}},"#,
                r#""endpoint":"https://bms.ap-southeast-1.myhuaweicloud.com","guards":{"max_servers":5000},"#,
                r#""jobs":{"poll":"10s","timeout":"30m"},"project":"bbf1946d374b44a0a2a95533562ba954","#,
                r#""rollout":{"batch_size":1000,"in_flight":1,"retry_for":"1h"},"stop_type":"HARD","v":1}"#,
            )
        );
        let hash = Sha256::digest(canonical.as_bytes());
        assert_eq!(plan.digest, Digest::from_bytes(hash.into()));
    }

    #[test]
    fn a_window_stands_in_it_only_where_there_is_one() {
        let mut workflow = sample::workflow();
        workflow.window = Some(sample::window());
        let plan = sample::plan_of(&workflow, vec![group("a", 0, 2)]);
        let canonical = serde_json::to_string(&Canonical::of(&plan)).unwrap();
        let window = concat!(
            r#","window":{"cutoff":"45m","duration":"4h","freeze":["freeze.yaml"],"opens":["#,
            r#"{"at":"01:00","days":["sat","sun"]},{"from":"2026-12-24T22:00"}],"timezone":"Asia/Singapore"}}"#
        );
        assert!(canonical.ends_with(window), "{canonical}");
    }

    #[test]
    fn members_stand_in_sorted_order_at_every_depth() {
        let mut groups = groups();
        groups[1].in_flight = InFlight::try_from(4).unwrap();
        let mut workflow = sample::workflow();
        workflow.window = Some(sample::window());
        let plan = sample::plan_of(&workflow, groups);
        let canonical = serde_json::to_string(&Canonical::of(&plan)).unwrap();
        let sorted: serde_json::Value = serde_json::from_str(&canonical).unwrap();
        assert_eq!(sorted.to_string(), canonical);
        assert!(canonical.contains(r#""overrides":{"b":{"in_flight":4}}"#));
    }

    #[test]
    fn what_is_set_of_waves_is_written_in_sorted_order() {
        let mut workflow = sample::workflow();
        workflow.rollout.waves = serde_json::from_str("[1]").unwrap();
        workflow.rollout.soak = Duration::from_secs(90);
        workflow.rollout.max_failures = MaxFailures::Count(0);
        let mut groups = groups();
        groups[0].waves = workflow.rollout.waves.clone();
        groups[0].in_flight = InFlight::try_from(4).unwrap();
        let plan = sample::plan_of(&workflow, groups);
        let canonical = serde_json::to_string(&Canonical::of(&plan)).unwrap();
        let sorted: serde_json::Value = serde_json::from_str(&canonical).unwrap();
        assert_eq!(sorted.to_string(), canonical);
        let rollout = concat!(
            r#""rollout":{"batch_size":1000,"in_flight":1,"max_failures":0,"#,
            r#""overrides":{"a":{"in_flight":4,"soak":"0s"},"b":{"soak":"0s","waves":["rest"]}},"#,
            r#""retry_for":"1h","soak":"1m30s","waves":[1,"rest"]}"#,
        );
        assert!(canonical.contains(rollout), "{canonical}");
    }

    #[test]
    fn a_gate_is_written_in_full_and_in_sorted_order() {
        let mut workflow = sample::workflow();
        let gate = |text: &str| serde_json::from_str(text).unwrap();
        workflow.rollout.gate =
            gate(r#"{"http": "https://Gate.example.com", "expect": [204, 200]}"#);
        let mut groups = groups();
        groups[0].gate = workflow.rollout.gate.clone();
        groups[1].gate = gate(r#"{"http": "http://10.0.0.1/b", "timeout": "90s", "retries": 0}"#);
        let plan = sample::plan_of(&workflow, groups);
        let canonical = serde_json::to_string(&Canonical::of(&plan)).unwrap();
        let sorted: serde_json::Value = serde_json::from_str(&canonical).unwrap();
        assert_eq!(sorted.to_string(), canonical);
        let rollout = concat!(
            r#""rollout":{"batch_size":1000,"#,
            r#""gate":{"expect":[200,204],"http":"https://gate.example.com/","retries":2,"timeout":"10s"},"#,
            r#""in_flight":1,"overrides":{"b":{"gate":{"expect":[200],"http":"http://10.0.0.1/b","retries":0,"timeout":"1m30s"}}},"#,
            r#""retry_for":"1h"}"#,
        );
        assert!(canonical.contains(rollout), "{canonical}");
    }

    /// `[1, 10, "5%", rest]` on groups of these sizes; the digests were pinned when waves were built.
    #[rstest]
    #[case(
        1,
        "sha256:c7ede8631b792205572d2802ba8e5e75520aaa15d7934796a95761b9ab63434a"
    )]
    #[case(
        2,
        "sha256:da4ccf59f5ec38160c8e91ed42461fd7f851f12d82344c56c40fd690c0c81852"
    )]
    #[case(
        11,
        "sha256:7b57fb0c230642a4f192ec0780e46205d81427b2eb398865a5fedb8f7fa4627b"
    )]
    #[case(
        12,
        "sha256:10009a10adf453afff8094e01ffc350aa7e21f233e7141c316af0072eaaf0ca7"
    )]
    #[case(
        999,
        "sha256:760d84ed51e1ecf502d5d958f757d6bbbdf5a7f2ad6a35c599df80fdf99eb111"
    )]
    #[case(
        1000,
        "sha256:cb41933be89e7c06b3fd98292a49aae48d25dcb85746be7056c67f4c16c71080"
    )]
    #[case(
        1001,
        "sha256:1f650c59e32a2ad7dea23bca80eed165e0047efe5c82b49e6fbc0ee3f068cfc0"
    )]
    #[case(
        2500,
        "sha256:387e3d67a7849a20efbb8f0fd11aa8d5a7dd8e4f9e1a322ca54ff6d8a8e18dff"
    )]
    #[case(
        100_000,
        "sha256:03e562c420db48b117d9f18e896638f21c5e6545228f6ed2f0fc5465d540ca88"
    )]
    fn the_digest_of_waves_does_not_change(#[case] targets: u32, #[case] pinned: &str) {
        let mut workflow = sample::workflow();
        workflow.rollout.waves = serde_json::from_str(r#"[1, 10, "5%", "rest"]"#).unwrap();
        let mut group = group("a", 0, targets);
        group.waves = workflow.rollout.waves.clone();
        let plan = sample::plan_of(&workflow, vec![group]);
        assert_eq!(plan.digest.to_string(), pinned);
        let sent = plan.batches.iter().flat_map(|batch| batch.servers());
        assert!(
            sent.copied().eq((0..targets).map(server)),
            "not the group in order"
        );
        let sizes = |wave| plan.wave(0, wave).iter().map(|batch| batch.servers().len());
        let waves: Vec<Vec<usize>> = (0..plan.waves_of(0))
            .map(|wave| sizes(wave).collect())
            .collect();
        println!("{targets:>6} targets: waves of {waves:?}");
    }

    /// RFC 8785 §3.2.2.2: two-character escapes where JSON has them, else `\u00xx` in lower case.
    #[rstest]
    #[case("\u{8}\t\n\u{c}\r\"\\", r#""\b\t\n\f\r\"\\""#)]
    #[case("\u{0}\u{1b}\u{1f}", r#""\u0000\u001b\u001f""#)]
    #[case("/\u{7f}é€😀", "\"/\u{7f}é€😀\"")]
    fn strings_are_escaped_as_the_canonical_form_asks(#[case] text: &str, #[case] json: &str) {
        assert_eq!(serde_json::to_string(text).unwrap(), json);
    }

    #[rstest]
    #[case::description(|w: &mut Definition| w.description = None)]
    #[case::file(|w: &mut Definition| w.source = SourceFile::new("other.yaml", "# a comment\n"))]
    #[case::content(|w: &mut Definition| w.sha256 = "cd".repeat(32))]
    #[case::name(|w: &mut Definition| w.name = "other".to_owned())]
    #[case::region(|w: &mut Definition| w.region = None)]
    #[case::labels(|w: &mut Definition| w.labels = BTreeMap::new())]
    #[case::rate(|w: &mut Definition| w.rate.stop = 7)]
    #[case::report(|w: &mut Definition| w.report = Some("out.json".to_owned()))]
    #[case::warnings(|w: &mut Definition| w.warnings = vec![Diagnostic::warning("a", "b")])]
    fn what_is_only_told_keeps_the_digest(#[case] change: fn(&mut Definition)) {
        let mut workflow = sample::workflow();
        change(&mut workflow);
        assert_eq!(sample::plan_of(&workflow, groups()).digest, plain());
    }

    #[rstest]
    #[case::project(|w: &mut Definition| w.project = "0".repeat(32).parse().unwrap())]
    #[case::endpoint(|w: &mut Definition| w.endpoint = "https://bms.example.com".parse().unwrap())]
    #[case::stop_type(|w: &mut Definition| w.stop_type = StopType::Soft)]
    #[case::batch_size(|w: &mut Definition| w.rollout.batch_size = BatchSize::try_from(9).unwrap())]
    #[case::in_flight(|w: &mut Definition| w.rollout.in_flight = InFlight::try_from(2).unwrap())]
    #[case::waves(|w: &mut Definition| w.rollout.waves = serde_json::from_str("[9]").unwrap())]
    #[case::soak(|w: &mut Definition| w.rollout.soak = Duration::from_secs(1))]
    #[case::gate(|w: &mut Definition| w.rollout.gate = serde_json::from_str(r#"{"http": "http://a/"}"#).unwrap())]
    #[case::max_failures(|w: &mut Definition| w.rollout.max_failures = MaxFailures::Count(0))]
    #[case::retry_for(|w: &mut Definition| w.rollout.retry_for = Duration::from_secs(1))]
    #[case::window(|w: &mut Definition| w.window = Some(sample::window()))]
    #[case::max_servers(|w: &mut Definition| w.guards.max_servers = 8)]
    #[case::max_percent(|w: &mut Definition| w.guards.max_percent = Some(20.try_into().unwrap()))]
    #[case::timeout(|w: &mut Definition| w.jobs.timeout = Duration::from_secs(1))]
    #[case::poll(|w: &mut Definition| w.jobs.poll = Duration::from_secs(1))]
    #[case::before(|w: &mut Definition| w.checks.before = false)]
    #[case::after(|w: &mut Definition| w.checks.after = false)]
    #[case::grace(|w: &mut Definition| w.checks.grace = Duration::from_secs(1))]
    #[case::missing(|w: &mut Definition| w.checks.on_state.missing = FailOrSkip::Skip)]
    #[case::error(|w: &mut Definition| w.checks.on_state.error = FailSkipOrSend::Send)]
    #[case::locked(|w: &mut Definition| w.checks.on_state.locked = FailOrSkip::Skip)]
    fn what_a_run_obeys_changes_the_digest(#[case] change: fn(&mut Definition)) {
        let mut workflow = sample::workflow();
        change(&mut workflow);
        assert_ne!(sample::plan_of(&workflow, groups()).digest, plain());
    }

    #[rstest]
    #[case::timezone("timezone", json!("Asia/Tokyo"))]
    #[case::opens("opens", json!([{ "days": ["sat"], "at": "01:00" }]))]
    #[case::duration("duration", json!("5h"))]
    #[case::cutoff("cutoff", json!("0s"))]
    #[case::freeze("freeze", json!([]))]
    fn whatever_a_window_says_changes_the_digest(
        #[case] member: &str,
        #[case] value: serde_json::Value,
    ) {
        let mut workflow = sample::workflow();
        workflow.window = Some(sample::window());
        let before = sample::plan_of(&workflow, groups()).digest;
        let mut window = serde_json::to_value(sample::window()).unwrap();
        window[member] = value;
        workflow.window = Some(serde_json::from_value(window).unwrap());
        assert_ne!(sample::plan_of(&workflow, groups()).digest, before);
    }

    #[rstest]
    #[case::an_id(|g: &mut Vec<TargetGroup>| g[0].targets[1] = server(99))]
    #[case::order(|g: &mut Vec<TargetGroup>| g[0].targets.swap(0, 1))]
    #[case::one_less(|g: &mut Vec<TargetGroup>| { g[1].targets.pop(); })]
    #[case::batch_size(|g: &mut Vec<TargetGroup>| g[1].batch_size = BatchSize::try_from(2).unwrap())]
    #[case::in_flight(|g: &mut Vec<TargetGroup>| g[1].in_flight = InFlight::try_from(2).unwrap())]
    #[case::waves(|g: &mut Vec<TargetGroup>| g[1].waves = serde_json::from_str("[9]").unwrap())]
    #[case::soak(|g: &mut Vec<TargetGroup>| g[1].soak = Duration::from_secs(1))]
    #[case::group_name(|g: &mut Vec<TargetGroup>| g[1].name = "c".to_owned())]
    #[case::group_order(|g: &mut Vec<TargetGroup>| g.swap(0, 1))]
    fn what_is_sent_changes_the_digest(#[case] change: fn(&mut Vec<TargetGroup>)) {
        let mut groups = groups();
        change(&mut groups);
        assert_ne!(sample::plan(groups).digest, plain());
    }

    proptest! {
        #[test]
        fn names_of_servers_keep_the_digest(name in "\\PC{0,20}") {
            let names = BTreeMap::from([(server(0), name)]);
            let plan = expand(&sample::workflow(), Targets::for_tests(groups(), names));
            prop_assert_eq!(plan.digest, plain());
        }
    }
}
