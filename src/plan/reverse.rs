//! The way back: the plan that starts what a run of another plan has stopped.
//!
//! Owns which parts of the plan come along; which servers were stopped is for the caller to say.
//! Invariant: every server of the way back is one of the plan's, in the same group, wave and order, and
//! states are read before and after, whatever the plan says of that.

use std::collections::HashSet;

use super::digest;
use super::make::count;
use super::model::{Batch, Contents, Guard, Plan, PlannedGroup};
use crate::ids::{BatchIndex, RunId, ServerId};
use crate::power::Action;
use crate::workflow::{Checks, MaxFailures, Rollout};

/// The plan that starts those of `stopped` that are targets of `plan`, of which `run` was a run.
///
/// The workflow's place for the report does not come along: the run's own report may be there, and a way
/// back must not fail for that. No failure limit and no window hold for it and no gate is asked, as a way back
/// must not be barred.
pub fn reverse(plan: &Plan, run: &RunId, stopped: &HashSet<ServerId>) -> Plan {
    let batches = batches(plan, stopped);
    let groups: Vec<PlannedGroup> = (0..)
        .zip(&plan.groups)
        .map(|(place, group)| PlannedGroup {
            name: group.name.clone(),
            targets: targets(batches.iter().filter(|batch| batch.group == place)),
            excluded: 0,
            source: vec![run.to_string()],
            in_flight: group.in_flight,
            waves: group.waves.clone(),
            soak: group.soak,
            gate: None,
        })
        .collect();
    let names = plan.names.iter().filter(|(id, _)| stopped.contains(id));
    let mut contents = Contents {
        action: Action::Start,
        guards: guards(plan, targets(batches.iter())),
        names: names.map(|(id, name)| (*id, name.clone())).collect(),
        checks: Checks {
            before: true,
            after: true,
            ..plan.checks
        },
        rollout: Rollout {
            max_failures: MaxFailures::default(),
            gate: None,
            ..plan.rollout.clone()
        },
        groups,
        batches,
        expectations: Vec::new(),
        selections: Vec::new(),
        report: None,
        window: None,
        freeze_calendars: Vec::new(),
        warnings: Vec::new(),
        ..Contents::clone(plan)
    };
    contents.digest = digest::compute(&contents);
    Plan::new(contents)
}

/// The plan's batches without the servers that are not to be started, and without empty ones.
fn batches(plan: &Plan, stopped: &HashSet<ServerId>) -> Vec<Batch> {
    let mut batches = Vec::new();
    for batch in &plan.batches {
        let servers = batch.servers().iter().filter(|id| stopped.contains(id));
        let servers: Vec<ServerId> = servers.copied().collect();
        if !servers.is_empty() {
            batches.push(Batch {
                index: BatchIndex(count(batches.len())),
                servers,
                ..batch.clone()
            });
        }
    }
    batches
}

fn targets<'a>(batches: impl Iterator<Item = &'a Batch>) -> u32 {
    count(batches.map(|batch| batch.servers().len()).sum())
}

/// The limit on targets holds for the way back, too; others are about servers that lose power.
fn guards(plan: &Plan, targets: u32) -> Vec<Guard> {
    let limits = plan
        .guards
        .iter()
        .filter(|guard| guard.name == "max_servers");
    limits
        .map(|guard| Guard::max_servers(guard.limit, targets))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::sample::{self, group, server};
    use crate::plan::{Judgement, load, to_text, write_json};
    use crate::workflow::{BatchSize, InFlight};

    fn run() -> RunId {
        "20261128T170000Z-3f9a1c".parse().unwrap()
    }

    /// Two groups; the first in batches of three, four of them at a time.
    fn plan() -> Plan {
        let mut a = group("a", 0, 10);
        a.batch_size = BatchSize::try_from(3).unwrap();
        a.in_flight = InFlight::try_from(4).unwrap();
        let mut workflow = sample::workflow();
        workflow.report = Some("reports/{{ run.id }}.json".to_owned());
        workflow.checks.before = false;
        sample::plan_of(&workflow, vec![a, group("b", 10, 5)])
    }

    fn back(numbers: &[u32]) -> Plan {
        let stopped = numbers.iter().map(|number| server(*number)).collect();
        reverse(&plan(), &run(), &stopped)
    }

    fn written(plan: &Plan) -> String {
        let mut bytes = Vec::new();
        write_json(plan, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn groups_batches_and_order_are_those_of_the_plan() {
        let back = back(&[0, 2, 7, 3, 13, 99]);
        let batches: Vec<_> = back
            .batches
            .iter()
            .map(|batch| (batch.index().0, batch.group(), batch.servers().to_vec()))
            .collect();
        let servers = |numbers: &[u32]| numbers.iter().map(|n| server(*n)).collect::<Vec<_>>();
        let expected = [
            (0, 0, servers(&[0, 2])),
            (1, 0, servers(&[3])),
            (2, 0, servers(&[7])),
            (3, 1, servers(&[13])),
        ];
        assert_eq!(batches, expected);
        let groups: Vec<_> = back
            .groups
            .iter()
            .map(|group| (group.name.as_str(), group.targets, group.in_flight.get()))
            .collect();
        assert_eq!(groups, [("a", 4, 4), ("b", 1, 1)]);
        assert_eq!(back.guards, [Guard::max_servers(5000, 5)]);
    }

    #[test]
    fn a_way_back_starts_reads_and_writes_to_no_place_of_the_workflow() {
        let back = back(&[0]);
        assert_eq!(back.action, Action::Start);
        assert!(back.checks.before && back.checks.after);
        assert_eq!(back.report, None);
        assert_eq!(back.project, plan().project);
    }

    #[test]
    fn a_way_back_reads_as_this() {
        let back = back(&[0, 2, 7, 13]);
        insta::assert_snapshot!(to_text(&back, &Judgement::of(&back), &sample::commands()));
    }

    proptest! {
        #[test]
        fn any_part_of_a_plan_makes_a_plan_that_is_read_back(
            numbers in prop::collection::vec(0u32..20, 0..20),
        ) {
            let back = back(&numbers);
            prop_assert_eq!(&load(&written(&back)).unwrap(), &back);
            let schema: serde_json::Value = serde_json::from_str(crate::plan::SCHEMA).unwrap();
            let value = serde_json::from_str(&written(&back)).unwrap();
            prop_assert!(jsonschema::is_valid(&schema, &value));
            let started: HashSet<ServerId> =
                back.batches.iter().flat_map(|batch| batch.servers()).copied().collect();
            let expected: HashSet<ServerId> =
                numbers.iter().filter(|n| **n < 15).map(|n| server(*n)).collect();
            prop_assert_eq!(started, expected);
        }
    }
}
