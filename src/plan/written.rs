//! The written form of a plan, `plan.json`: what is written and what is read back.
//!
//! Owns member names and their order; checking what was read is the neighbour's work. Invariant: the
//! two structs name the same members, so reading what was written gives the same plan.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::expectation::{Expectation, FreezeCalendar};
use super::make::count;
use super::model::{Contents, Guard, Plan, PlanWarning, PlannedGroup, Project, WorkflowSummary};
use super::{FORMAT, digest};
use crate::duration;
use crate::ids::{BatchIndex, Digest, ServerId};
use crate::inventory::Selection;
use crate::untrusted::PlainJson;
use crate::window::Window;
use crate::workflow::{
    BatchSize, Checks, Gate, InFlight, Jobs, MaxFailures, Rate, Rollout, StopType, Waves,
};

/// Writes `plan.json`: pretty-printed, one server a line, with a line end after the last line.
pub fn write_json(plan: &Plan, out: impl io::Write) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(64 * 1024, out);
    serde_json::to_writer_pretty(PlainJson(&mut out), &Written::of(plan))?;
    io::Write::write_all(&mut out, b"\n")?;
    io::Write::flush(&mut out)
}

#[derive(Serialize)]
struct Written<'a> {
    schema: &'static str,
    workflow: &'a WorkflowSummary,
    labels: &'a BTreeMap<String, String>,
    action: &'static str,
    project: &'a Project,
    stop_type: Option<StopType>,
    digest: Digest,
    digest_version: u8,
    totals: Totals,
    groups: Groups<'a>,
    batches: Batches<'a>,
    names: &'a BTreeMap<ServerId, String>,
    expectations: &'a [Expectation],
    selections: &'a [Selection],
    guards: &'a [Guard],
    rollout: WrittenRollout,
    window: Option<&'a Window>,
    freeze_calendars: &'a [FreezeCalendar],
    checks: Checks,
    jobs: Jobs,
    rate: Rate,
    report: Option<&'a str>,
    warnings: &'a [PlanWarning],
}

impl<'a> Written<'a> {
    fn of(plan: &'a Contents) -> Self {
        Self {
            schema: FORMAT,
            workflow: &plan.workflow,
            labels: &plan.labels,
            action: plan.action.word(),
            project: &plan.project,
            stop_type: plan.action.stop_type(),
            digest: plan.digest,
            digest_version: digest::VERSION,
            totals: Totals::of(plan),
            groups: Groups(&plan.groups),
            batches: Batches(plan),
            names: &plan.names,
            expectations: &plan.expectations,
            selections: &plan.selections,
            guards: &plan.guards,
            rollout: WrittenRollout::from_contents(plan),
            window: plan.window.as_ref(),
            freeze_calendars: &plan.freeze_calendars,
            checks: plan.checks,
            jobs: plan.jobs,
            rate: plan.rate,
            report: plan.report.as_deref(),
            warnings: &plan.warnings,
        }
    }
}

/// What [`load`](super::load()) reads before it checks anything across members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    #[serde(rename = "schema")]
    pub(super) _schema: String,
    pub(super) workflow: WorkflowSummary,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) action: String,
    pub(super) project: Project,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) stop_type: Option<StopType>,
    pub(super) digest: Digest,
    #[serde(rename = "digest_version")]
    pub(super) _digest_version: u8,
    pub(super) totals: Totals,
    pub(super) groups: Vec<ReadGroup>,
    pub(super) batches: Vec<ReadBatch>,
    pub(super) names: BTreeMap<ServerId, String>,
    pub(super) expectations: Vec<Expectation>,
    pub(super) selections: Vec<Selection>,
    pub(super) guards: Vec<Guard>,
    pub(super) rollout: WrittenRollout,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) window: Option<Window>,
    pub(super) freeze_calendars: Vec<FreezeCalendar>,
    pub(super) checks: Checks,
    pub(super) jobs: Jobs,
    pub(super) rate: Rate,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) report: Option<String>,
    pub(super) warnings: Vec<PlanWarning>,
}

/// How much a plan holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Totals {
    pub(super) groups: u32,
    pub(super) targets: u32,
    pub(super) batches: u32,
}

impl Totals {
    fn of(plan: &Contents) -> Self {
        Self {
            groups: count(plan.groups.len()),
            targets: plan.groups.iter().map(|group| group.targets).sum(),
            batches: count(plan.batches.len()),
        }
    }
}

struct Groups<'a>(&'a [PlannedGroup]);

impl Serialize for Groups<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct WrittenGroup<'a> {
            name: &'a str,
            targets: u32,
            excluded: u32,
            source: &'a [String],
        }
        serializer.collect_seq(self.0.iter().map(|group| WrittenGroup {
            name: &group.name,
            targets: group.targets,
            excluded: group.excluded,
            source: &group.source,
        }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadGroup {
    pub(super) name: String,
    pub(super) targets: u32,
    pub(super) excluded: u32,
    pub(super) source: Vec<String>,
}

struct Batches<'a>(&'a Contents);

impl Serialize for Batches<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct WrittenBatch<'a> {
            index: BatchIndex,
            group: &'a str,
            wave: u32,
            servers: &'a [ServerId],
        }
        serializer.collect_seq(self.0.batches.iter().map(|batch| WrittenBatch {
            index: batch.index(),
            group: &self.0.groups[batch.group()].name,
            wave: batch.wave(),
            servers: batch.servers(),
        }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadBatch {
    pub(super) index: BatchIndex,
    pub(super) group: String,
    pub(super) wave: u32,
    pub(super) servers: Vec<ServerId>,
}

/// The rollout with every default filled in, and what single groups have instead.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenRollout {
    batch_size: BatchSize,
    in_flight: InFlight,
    waves: Waves,
    soak: Pause,
    #[serde(deserialize_with = "Option::deserialize")]
    gate: Option<Gate>,
    max_failures: MaxFailures,
    #[serde(with = "duration")]
    retry_for: Duration,
    pub(super) overrides: BTreeMap<String, Override>,
}

/// A pause, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pause(#[serde(with = "duration")] pub(super) Duration);

impl WrittenRollout {
    pub(super) fn from_contents(plan: &Contents) -> Self {
        let Rollout {
            batch_size,
            in_flight,
            waves,
            soak,
            gate,
            max_failures,
            retry_for,
        } = plan.rollout.clone();
        let overrides = overrides(&plan.rollout, &plan.groups).into_iter();
        Self {
            batch_size,
            in_flight,
            waves,
            soak: Pause(soak),
            gate,
            max_failures,
            retry_for,
            overrides: overrides
                .map(|(group, settings)| (group.to_owned(), settings))
                .collect(),
        }
    }

    /// The settings that groups have unless they are overridden.
    pub(super) fn settings(&self) -> Rollout {
        Rollout {
            batch_size: self.batch_size,
            in_flight: self.in_flight,
            waves: self.waves.clone(),
            soak: self.soak.0,
            gate: self.gate.clone(),
            max_failures: self.max_failures,
            retry_for: self.retry_for,
        }
    }
}

/// What one group has otherwise than the rollout says; members stand in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Override {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) gate: Option<Gate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) in_flight: Option<InFlight>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) soak: Option<Pause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) waves: Option<Waves>,
}

impl Override {
    /// What the group has otherwise, if anything.
    pub(super) fn of(group: &PlannedGroup, rollout: &Rollout) -> Option<Self> {
        let own = Self {
            gate: group.gate.clone().filter(|_| group.gate != rollout.gate),
            in_flight: Some(group.in_flight).filter(|own| *own != rollout.in_flight),
            soak: Some(Pause(group.soak)).filter(|own| own.0 != rollout.soak),
            waves: Some(&group.waves)
                .filter(|own| **own != rollout.waves)
                .cloned(),
        };
        let is_as_usual = own == Self::NONE;
        (!is_as_usual).then_some(own)
    }

    pub(super) const NONE: Self = Self {
        gate: None,
        in_flight: None,
        soak: None,
        waves: None,
    };
}

/// The groups that differ from the rollout, by name. Batch sizes are not among them: batches show them.
pub(super) fn overrides<'a>(
    rollout: &Rollout,
    groups: &'a [PlannedGroup],
) -> BTreeMap<&'a str, Override> {
    let own = |group: &'a PlannedGroup| {
        let own = Override::of(group, rollout)?;
        Some((group.name.as_str(), own))
    };
    groups.iter().filter_map(own).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::diagnostic::Diagnostic;
    use crate::plan::{SCHEMA, sample};

    fn schema() -> Value {
        serde_json::from_str(SCHEMA).unwrap()
    }

    fn written(plan: &Plan) -> String {
        let mut bytes = Vec::new();
        write_json(plan, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn fullest() -> Plan {
        let mut workflow = sample::workflow();
        workflow.report = Some("reports/{{ run.id }}.json".to_owned());
        workflow.window = Some(sample::window());
        workflow.warnings = vec![Diagnostic::warning(
            "soft-stop-invalid",
            "`SOFT` is invalid",
        )];
        workflow.rollout.waves = serde_json::from_value(json!([1, "20%"])).unwrap();
        workflow.rollout.soak = Duration::from_secs(300);
        workflow.rollout.max_failures = MaxFailures::Count(3);
        let mut group = sample::group("a", 0, 3);
        group.in_flight = InFlight::try_from(4).unwrap();
        group.waves = serde_json::from_value(json!([2])).unwrap();
        group.excluded = 2;
        sample::selecting(&workflow, vec![group])
    }

    #[test]
    fn a_written_plan_is_exactly_this() {
        insta::assert_snapshot!(written(&fullest()));
    }

    #[test]
    fn the_schema_is_one() {
        assert!(jsonschema::meta::is_valid(&schema()));
    }

    #[rstest]
    #[case(fullest())]
    #[case(sample::fleet())]
    #[case(sample::plan(Vec::new()))]
    fn written_plans_are_what_the_schema_says(#[case] plan: Plan) {
        let value: Value = serde_json::from_str(&written(&plan)).unwrap();
        let error = jsonschema::validator_for(&schema())
            .unwrap()
            .validate(&value)
            .err()
            .map(|error| error.to_string());
        assert_eq!(error, None);
    }

    /// Whatever the schema asks for is written, and a member that it does not know is refused.
    #[test]
    fn the_schema_knows_every_member_and_misses_none() {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let whole: Value = serde_json::from_str(&written(&fullest())).unwrap();
        let mut paths = Vec::new();
        objects(&whole, String::new(), &mut paths);
        assert!(paths.len() > 10);
        for path in paths {
            let tags = path.ends_with("/tags");
            let free = tags || ["/labels", "/names"].contains(&path.as_str());
            let mut more = whole.clone();
            more.pointer_mut(&path).unwrap()["extra"] = json!("x");
            assert_eq!(
                validator.is_valid(&more),
                tags || path == "/labels",
                "{path}"
            );
            let members = whole.pointer(&path).unwrap().as_object().unwrap();
            for member in members
                .keys()
                .filter(|_| !free && path != "/rollout/overrides")
            {
                let mut less = whole.clone();
                less.pointer_mut(&path)
                    .unwrap()
                    .as_object_mut()
                    .unwrap()
                    .remove(member);
                let left_out = is_left_out_by_default(&path);
                assert_eq!(validator.is_valid(&less), left_out, "{path}/{member}");
            }
        }
    }

    /// An override has only the settings that differ.
    fn is_left_out_by_default(path: &str) -> bool {
        path.starts_with("/rollout/overrides/")
    }

    fn objects(value: &Value, path: String, paths: &mut Vec<String>) {
        if let Value::Object(members) = value {
            for (name, member) in members {
                objects(member, format!("{path}/{name}"), paths);
            }
            paths.push(path);
        } else if let Value::Array(items) = value {
            for (at, item) in items.iter().enumerate() {
                objects(item, format!("{path}/{at}"), paths);
            }
        }
    }
}
