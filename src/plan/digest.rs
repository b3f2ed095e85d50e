//! The digest: SHA-256 over the canonical JSON (RFC 8785) of what a plan will do.
//!
//! Owns the canonical form, version 2: the members of [`Canonical`] and no other. Each is taken from the plan
//! as `plan.json` shows it, so that anybody can compute the digest from that file alone. Invariant: every
//! setting and protection that a run obeys is in it, with its default filled in.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::expectation::{Expectation, FreezeCalendar};
use super::model::{Contents, Project};
use super::written::WrittenRollout;
use crate::ids::{Digest, ServerId};
use crate::inventory::{Asked, Selection};
use crate::window::Window;
use crate::workflow::{Checks, Jobs, StopType};

/// Version of the canonical form.
pub(super) const VERSION: u8 = 2;

/// The digest of `contents`, whatever digest they state.
#[expect(
    clippy::expect_used,
    reason = "hashing takes any bytes, and all keys are strings"
)]
pub(super) fn compute(contents: &Contents) -> Digest {
    let mut hash = Hashing::default();
    write_canonical(contents, &mut hash).expect("hashing does not fail");
    hash.finish()
}

/// Writes the canonical form. `action` and `batches` come first in it. The batches can hold a million servers,
/// so they are written one after another, with their members in sorted order.
fn write_canonical(contents: &Contents, out: &mut impl Write) -> io::Result<()> {
    write!(
        out,
        "{{\"action\":\"{}\",\"batches\":",
        contents.action.word()
    )?;
    serde_json::to_writer(&mut *out, &CanonicalBatches(contents))?;
    let rest = serde_json_canonicalizer::to_vec(&Canonical::from_contents(contents))?;
    out.write_all(b",")?;
    out.write_all(rest.strip_prefix(b"{").unwrap_or(&rest))
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

/// Every member of the canonical form except `action` and `batches`.
#[derive(Serialize)]
struct Canonical<'a> {
    checks: Checks,
    expectations: &'a [Expectation],
    freeze_calendars: &'a [FreezeCalendar],
    guards: BTreeMap<&'a str, u32>,
    jobs: Jobs,
    name: &'a str,
    project: &'a Project,
    report: Option<&'a str>,
    rollout: WrittenRollout,
    selections: Vec<&'a Asked>,
    stop_type: Option<StopType>,
    v: u8,
    window: Option<&'a Window>,
}

impl<'a> Canonical<'a> {
    fn from_contents(contents: &'a Contents) -> Self {
        let limit = |guard: &'a super::Guard| (guard.name.as_str(), guard.limit);
        let asked = |selection: &'a Selection| &selection.asked;
        Self {
            checks: contents.checks,
            expectations: &contents.expectations,
            freeze_calendars: &contents.freeze_calendars,
            guards: contents.guards.iter().map(limit).collect(),
            jobs: contents.jobs,
            name: &contents.workflow.name,
            project: &contents.project,
            report: contents.report.as_deref(),
            rollout: WrittenRollout::from_contents(contents),
            selections: contents.selections.iter().map(asked).collect(),
            stop_type: contents.action.stop_type(),
            v: VERSION,
            window: contents.window.as_ref(),
        }
    }
}

struct CanonicalBatches<'a>(&'a Contents);

impl Serialize for CanonicalBatches<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Contents { groups, names, .. } = self.0;
        serializer.collect_seq(self.0.batches.iter().map(|batch| CanonicalBatch {
            group: &groups[batch.group()].name,
            servers: CanonicalServers {
                servers: batch.servers(),
                names,
            },
            wave: batch.wave(),
        }))
    }
}

/// The members stand in sorted order, as do those of [`CanonicalServer`].
#[derive(Serialize)]
struct CanonicalBatch<'a> {
    group: &'a str,
    servers: CanonicalServers<'a>,
    wave: u32,
}

struct CanonicalServers<'a> {
    servers: &'a [ServerId],
    names: &'a BTreeMap<ServerId, String>,
}

impl Serialize for CanonicalServers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.servers.iter().map(|id| CanonicalServer {
            id: *id,
            name: self.names.get(id).map(String::as_str),
        }))
    }
}

/// A target, and the name that the run compares with the server's.
#[derive(Serialize)]
struct CanonicalServer<'a> {
    id: ServerId,
    name: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    use std::time::Duration;

    use super::*;
    use crate::diagnostic::{Diagnostic, SourceFile};
    use crate::inventory::{TargetGroup, Targets};
    use crate::plan::Plan;
    use crate::plan::make::expand;
    use crate::plan::sample::{self, group, server};
    use crate::workflow::{
        BatchSize, Definition, FailOrSkip, FailSkipOrSend, InFlight, MaxFailures,
    };

    fn groups() -> Vec<TargetGroup> {
        vec![group("a", 0, 3), group("b", 3, 5)]
    }

    fn canonical(plan: &Contents) -> String {
        let mut bytes = Vec::new();
        write_canonical(plan, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn plain() -> Digest {
        sample::plan(groups()).digest
    }

    #[test]
    fn the_canonical_form_is_written_down_here_and_does_not_change() {
        let plan = sample::named(vec![group("a", 0, 2)], &[(1, "bms-1")]);
        let canonical = canonical(&plan);
        assert_eq!(
            canonical,
            concat!(
                r#"{"action":"os-stop","batches":[{"group":"a","servers":["#,
                r#"{"id":"00000000-a5a5-a5a5-a5a5-a5a500000000","name":null},"#,
                r#"{"id":"80000000-a5a5-a5a5-a5a5-a5a500000001","name":"bms-1"}],"wave":0}],"#,
                r#""checks":{"after":true,"before":true,"grace":"2m","on_state":{"error":"fail","locked":"fail","missing":"fail"}},"#,
                r#""expectations":[],"freeze_calendars":[],"guards":{"max_servers":5000},"#,
                r#""jobs":{"poll":"10s","timeout":"30m"},"name":"weekly-stop","#,
                r#""project":{"endpoint":"https://bms.ap-southeast-1.myhuaweicloud.com","id":"bbf1946d374b44a0a2a95533562ba954","region":"ap-southeast-1"},"#,
                r#""report":null,"rollout":{"batch_size":1000,"gate":null,"in_flight":1,"max_failures":"10%","overrides":{},"#,
                r#""retry_for":"1h","soak":"0s","waves":["rest"]},"selections":[],"stop_type":"HARD","v":2,"window":null}"#,
            )
        );
        let hash = Sha256::digest(canonical.as_bytes());
        assert_eq!(plan.digest, Digest::from_bytes(hash.into()));
    }

    /// A plan with everything that can be in the canonical form, and names that sort differently as UTF-8 and UTF-16.
    fn fullest() -> Plan {
        let mut workflow = sample::workflow();
        workflow.window = Some(sample::window());
        workflow.report = Some("reports/{{ run.id }}.json".to_owned());
        workflow.rollout.gate =
            serde_json::from_value(json!({"http": "https://gate.example.com"})).unwrap();
        workflow.guards.max_percent = Some(20.try_into().unwrap());
        let mut groups = vec![group("\u{ff61}", 0, 3), group("\u{10000}", 3, 2)];
        groups.iter_mut().for_each(|group| {
            group.soak = Duration::from_secs(9);
            group.gate = None;
        });
        sample::selecting(&workflow, groups)
    }

    /// RFC 8785, by a library that does not know how this form is written.
    #[test]
    fn the_form_is_canonical_json() {
        for plan in [fullest(), sample::fleet(), sample::plan(Vec::new())] {
            let written = canonical(&plan);
            let value: serde_json::Value = serde_json::from_str(&written).unwrap();
            let expected = serde_json_canonicalizer::to_string(&value).unwrap();
            assert_eq!(written, expected);
        }
    }

    /// `[1, 10, "5%", rest]` on groups of these sizes; the digests were pinned when waves were built.
    #[rstest]
    #[case(
        1,
        "sha256:7780dbfb5a544f3814e5a6a1322d5ae7ae34a5fa99ce1f235681aaa65dacb61c"
    )]
    #[case(
        2,
        "sha256:f22cf7ab80e29fa20c75ed0aa7607d4ae4a2e1929132c111e72e4b1e770659d4"
    )]
    #[case(
        11,
        "sha256:aa463dccec4ec01f166e4fd68979df205fea2612d5141e8a5bfdaf53f5e8c2db"
    )]
    #[case(
        12,
        "sha256:92f884677836ff385174d3a05dee26058b252bc5e1a9d5889217c2ed0814c68a"
    )]
    #[case(
        999,
        "sha256:5bc2ebd001b0bc38be8b6519f52da90f908f9ae23f4123c461710090d9f6a8d3"
    )]
    #[case(
        1000,
        "sha256:7e266303afc5f62aeadbe7b7cdedb8c49c8bb1567a4c320481956a52667363d7"
    )]
    #[case(
        1001,
        "sha256:e6ee603b1f9292fa72e75c28abedc307488dc89770645abf89559212a4bdc855"
    )]
    #[case(
        2500,
        "sha256:773902c3d05ffcae86d9467863a1b71c903a9b7b15f600f18aecd45a67555337"
    )]
    #[case(
        100_000,
        "sha256:ba6df8790805cac8438fd74dcd71e0b3a22b269b40b480397d485865abd6c4e6"
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
    #[case::labels(|w: &mut Definition| w.labels = BTreeMap::new())]
    #[case::rate(|w: &mut Definition| w.rate.stop = 7)]
    #[case::warnings(|w: &mut Definition| w.warnings = vec![Diagnostic::warning("a", "b")])]
    fn what_is_only_told_keeps_the_digest(#[case] change: fn(&mut Definition)) {
        let mut workflow = sample::workflow();
        change(&mut workflow);
        assert_eq!(sample::plan_of(&workflow, groups()).digest, plain());
    }

    #[rstest]
    #[case::name(|w: &mut Definition| w.name = "other".to_owned())]
    #[case::region(|w: &mut Definition| w.region = None)]
    #[case::report(|w: &mut Definition| w.report = Some("out.json".to_owned()))]
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

    #[test]
    fn a_planned_freeze_calendar_changes_the_digest_with_its_content() {
        let mut workflow = sample::workflow();
        workflow.window = Some(sample::window());
        let plan = |sha256: Option<&str>| {
            let mut calendars = sample::calendars(&workflow);
            calendars[0].sha256 = sha256.map(str::to_owned);
            let targets = Targets::for_tests(groups(), BTreeMap::new());
            expand(&workflow, targets, calendars).digest
        };
        let (one, other) = ("ab".repeat(32), "cd".repeat(32));
        assert_ne!(plan(Some(&one)), plan(Some(&other)));
        assert_ne!(plan(Some(&one)), plan(None));
    }

    fn stated() -> Expectation {
        serde_json::from_value(json!({
            "group": "a", "allow_unnamed": false, "targets": { "min": 1, "max": 5 },
            "inventories": [{ "key": "servers_from", "file": "a.csv", "expect_count": 3, "sha256": "ab" }],
        }))
        .unwrap()
    }

    fn stating(expectation: Expectation) -> Digest {
        let mut contents = Contents::clone(&sample::plan(groups()));
        contents.expectations = vec![expectation];
        compute(&contents)
    }

    #[rstest]
    #[case::allow_unnamed(|e: &mut Expectation| e.allow_unnamed = true)]
    #[case::min(|e: &mut Expectation| e.targets.min = None)]
    #[case::max(|e: &mut Expectation| e.targets.max = Some(6))]
    #[case::count(|e: &mut Expectation| e.inventories[0].expect_count = None)]
    #[case::sha256(|e: &mut Expectation| e.inventories[0].sha256 = None)]
    #[case::inventory(|e: &mut Expectation| { e.inventories.pop(); })]
    fn an_expectation_that_is_taken_away_changes_the_digest(#[case] change: fn(&mut Expectation)) {
        let mut expectation = stated();
        change(&mut expectation);
        assert_ne!(stating(expectation), stating(stated()));
    }

    proptest! {
        #[test]
        fn the_name_that_is_compared_changes_the_digest(name in "\\PC{0,20}") {
            let names = BTreeMap::from([(server(0), name)]);
            let targets = Targets::for_tests(groups(), names);
            let plan = expand(&sample::workflow(), targets, Vec::new());
            prop_assert_ne!(plan.digest, plain());
        }
    }
}
