//! Targets → plan: cuts each group into batches and holds the whole against the guards.
//!
//! Owns batching and verdicts. Invariant: the batches of a group, one after another, are exactly its
//! targets in order, and none is of two waves; a breached guard is told in the plan and never hides it.

use super::digest;
use super::expectation::{Expectation, FreezeCalendar};
use super::model::{
    Batch, Contents, Guard, Plan, PlanWarning, PlannedGroup, Project, WorkflowSummary,
};
use super::schedule;
use super::waves;
use super::words::{counted, least_time, rounded};
use crate::diagnostic::Diagnostic;
use crate::duration;
use crate::ids::{BatchIndex, Digest};
use crate::inventory::{TargetGroup, Targets};
use crate::power::Action;
use crate::workflow::{Definition, Guards, Workflow};

/// Most targets that a group may have in one wave without a warning.
const CANARY: u32 = 50;

/// The plan of `workflow` for `targets`, with what its freeze calendars hold, in the order of the window.
pub fn make(workflow: &Workflow, targets: Targets, calendars: Vec<FreezeCalendar>) -> Plan {
    expand(workflow, targets, calendars)
}

pub(super) fn expand(
    workflow: &Definition,
    targets: Targets,
    freeze_calendars: Vec<FreezeCalendar>,
) -> Plan {
    let mut warnings: Vec<_> = workflow.warnings.iter().map(warning).collect();
    warnings.extend(targets.warnings().iter().map(warning));
    let (target_groups, names, selections) = targets.into_parts();
    let mut groups = Vec::with_capacity(target_groups.len());
    let mut batches = Vec::new();
    for group in target_groups {
        cut(&group, count(groups.len()), &mut batches);
        groups.push(planned(group));
    }
    warnings.extend(no_canary(&groups, &batches).as_ref().map(warning));
    let targets = groups.iter().map(|group| group.targets).sum();
    let mut contents = Contents {
        workflow: summary(workflow),
        labels: workflow.labels.clone(),
        project: project(workflow),
        action: Action::Stop(workflow.stop_type),
        digest: Digest::from_bytes([0; 32]),
        guards: guards(workflow.guards, targets),
        groups,
        batches,
        names,
        expectations: workflow
            .groups
            .iter()
            .map(Expectation::from_group)
            .collect(),
        selections,
        rollout: workflow.rollout.clone(),
        window: workflow.window.clone(),
        freeze_calendars,
        jobs: workflow.jobs,
        checks: workflow.checks,
        rate: workflow.rate,
        report: workflow.report.clone(),
        warnings,
    };
    contents.digest = digest::compute(&contents);
    let plan = Plan::new(contents);
    match too_short(&plan) {
        Some(found) => plan.warned(warning(&found)),
        None => plan,
    }
}

/// What a person should look at in the plan as a whole: large groups in one wave, a window that is too short.
pub fn cautions(plan: &Plan) -> Vec<Diagnostic> {
    let no_canary = no_canary(&plan.groups, &plan.batches);
    no_canary.into_iter().chain(too_short(plan)).collect()
}

/// Appends the batches of one group, wave by wave.
fn cut(group: &TargetGroup, place: u32, batches: &mut Vec<Batch>) {
    let mut rest = group.targets.as_slice();
    for (wave, size) in (0..).zip(waves::sizes(&group.waves, rest.len())) {
        let (own, others) = rest.split_at(size);
        rest = others;
        for servers in own.chunks(usize::from(group.batch_size.get())) {
            batches.push(Batch {
                index: BatchIndex(count(batches.len())),
                group: place,
                wave,
                servers: servers.to_vec(),
            });
        }
    }
}

/// That large groups go in one wave, so that nobody looks at a few servers first.
fn no_canary(groups: &[PlannedGroup], batches: &[Batch]) -> Option<Diagnostic> {
    let mut waves = vec![0; groups.len()];
    for batch in batches {
        waves[batch.group()] = batch.wave + 1;
    }
    let large = groups.iter().zip(waves);
    let mut large = large.filter(|(group, waves)| group.targets > CANARY && *waves == 1);
    let (first, _) = large.next()?;
    let others = match large.count() {
        0 => String::new(),
        1 => ", as does 1 more group".to_owned(),
        count => format!(", as do {}", counted(count, "more group")),
    };
    let (name, targets) = (&first.name, first.targets);
    let message = format!(
        "group `{name}` goes in one wave of {targets} servers{others}; `waves: [1, rest]` lets one go first"
    );
    Some(Diagnostic::warning("no-canary", message))
}

/// That even a run that nothing delays does not fit the window.
fn too_short(plan: &Plan) -> Option<Diagnostic> {
    let window = plan.window.as_ref()?;
    let (lasts, cutoff) = (window.duration(), window.cutoff());
    let schedule = schedule::of(plan);
    // As at the run: nothing is sent from the cutoff on, nor where a job would not end in time.
    let sends = lasts.saturating_sub(cutoff);
    let fits = schedule.last_send < sends && schedule.end <= lasts;
    if fits || plan.batches.is_empty() {
        return None;
    }
    let (time, last) = (least_time(&schedule), rounded(schedule.last_send));
    let (lasts, sends) = (duration::format(lasts), duration::format(sends));
    let message = format!(
        "a run takes {time}, with its last request after {last}; the window lasts {lasts}, and nothing is sent after {sends}"
    );
    Some(Diagnostic::warning("window-too-short", message))
}

fn planned(group: TargetGroup) -> PlannedGroup {
    PlannedGroup {
        targets: count(group.targets.len()),
        name: group.name,
        excluded: group.excluded,
        source: group.source,
        in_flight: group.in_flight,
        waves: group.waves,
        soak: group.soak,
        gate: group.gate,
    }
}

fn guards(limits: Guards, targets: u32) -> Vec<Guard> {
    let Guards {
        max_servers,
        max_percent,
    } = limits;
    let max_percent = max_percent.map(|limit| Guard::max_percent(limit.get().into()));
    let max_servers = Guard::max_servers(max_servers, targets);
    [max_servers].into_iter().chain(max_percent).collect()
}

impl Guard {
    /// Only the run knows how many servers the project has.
    pub(super) fn max_percent(limit: u32) -> Self {
        Self {
            name: "max_percent".to_owned(),
            limit,
            actual: None,
            ok: None,
        }
    }

    /// The verdict on a number of targets.
    pub(super) fn max_servers(limit: u32, targets: u32) -> Self {
        Self {
            name: "max_servers".to_owned(),
            limit,
            actual: Some(targets),
            ok: Some(targets <= limit),
        }
    }
}

fn summary(workflow: &Definition) -> WorkflowSummary {
    WorkflowSummary {
        name: workflow.name.clone(),
        file: file_name(workflow.source.name()).to_owned(),
        description: workflow.description.clone(),
        sha256: workflow.sha256.clone(),
    }
}

/// The last part of a path: a plan must not tell the folder that it was made in.
fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn project(workflow: &Definition) -> Project {
    Project {
        id: workflow.project.clone(),
        region: workflow.region.clone(),
        endpoint: workflow.endpoint.clone(),
    }
}

fn warning(finding: &Diagnostic) -> PlanWarning {
    PlanWarning {
        code: finding.code.to_owned(),
        message: finding.message.clone(),
    }
}

/// A number of servers or batches; files are far too small to hold more than `u32` can count.
pub(super) fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::plan::sample::{self, group, server};
    use crate::workflow::BatchSize;

    #[rstest]
    #[case(1, &[1])]
    #[case(999, &[999])]
    #[case(1000, &[1000])]
    #[case(1001, &[1000, 1])]
    #[case(2000, &[1000, 1000])]
    #[case(2001, &[1000, 1000, 1])]
    #[case(0, &[])]
    fn a_group_is_cut_into_batches_of_at_most_1000(#[case] targets: u32, #[case] sizes: &[usize]) {
        let plan = sample::plan(vec![group("a", 0, targets)]);
        let cut: Vec<_> = plan.batches.iter().map(|b| b.servers().len()).collect();
        assert_eq!(cut, sizes);
        assert_eq!(plan.groups[0].targets, targets);
    }

    #[test]
    fn a_batch_never_crosses_groups_and_is_numbered_over_all_of_them() {
        let plan = sample::fleet();
        let rows: Vec<_> = plan
            .batches
            .iter()
            .map(|b| (b.index().0, b.group(), b.servers().len()))
            .collect();
        assert_eq!(rows, [(0, 0, 1), (1, 1, 1000), (2, 1, 499), (3, 2, 1000)]);
        assert_eq!(plan.target_count(), 2500);
    }

    #[rstest]
    #[case(2500, true)]
    #[case(2499, false)]
    fn a_breached_guard_is_told_and_hides_nothing(#[case] limit: u32, #[case] ok: bool) {
        let mut workflow = sample::workflow();
        workflow.guards.max_servers = limit;
        let plan = sample::plan_of(&workflow, vec![group("a", 0, 2500)]);
        assert_eq!(plan.guards[0].actual, Some(2500));
        assert_eq!(plan.guards[0].ok, Some(ok));
        assert_eq!(plan.target_count(), 2500);
    }

    #[test]
    fn the_folder_of_the_workflow_is_not_in_the_plan() {
        assert_eq!(sample::fleet().workflow.file, "weekly-stop.yaml");
        assert_eq!(file_name("C:\\w\\a.yaml"), "a.yaml");
    }

    #[rstest]
    #[case(&[(50, "[]")], None)]
    #[case(&[(51, "[1]")], None)]
    #[case(&[(51, "[]")], Some("group `g0` goes in one wave of 51 servers; `waves: [1, rest]` lets one go first"))]
    #[case(&[(51, "[60]"), (3, "[]"), (70, "[1]"), (90, "[]")], Some("group `g0` goes in one wave of 51 servers, as does 1 more group; `waves: [1, rest]` lets one go first"))]
    fn a_large_group_in_one_wave_is_warned_of(
        #[case] groups: &[(u32, &str)],
        #[case] told: Option<&str>,
    ) {
        let mut next = 0;
        let mut given = Vec::new();
        for (at, (targets, waves)) in groups.iter().enumerate() {
            let mut group = group(&format!("g{at}"), next, *targets);
            group.waves = serde_json::from_str(waves).unwrap();
            next += targets;
            given.push(group);
        }
        let plan = sample::plan(given);
        let messages: Vec<_> = plan.warnings.iter().map(|it| it.message.as_str()).collect();
        assert_eq!(messages, told.into_iter().collect::<Vec<_>>());
        assert!(plan.warnings.iter().all(|it| it.code == "no-canary"));
    }

    /// Three batches, one after another: the last request leaves after 44 s, and all is over after 66 s.
    #[rstest]
    #[case("2m", "1m", None)]
    #[case("66s", "0s", None)]
    #[case(
        "65s",
        "0s",
        Some("the window lasts 1m5s, and nothing is sent after 1m5s")
    )]
    #[case(
        "2m",
        "76s",
        Some(
            "with its last request after 44s; the window lasts 2m, and nothing is sent after 44s"
        )
    )]
    #[case("2m", "75s", None)]
    fn a_window_that_is_too_short_is_warned_of(
        #[case] lasts: &str,
        #[case] cutoff: &str,
        #[case] told: Option<&str>,
    ) {
        let mut window = serde_json::to_value(sample::window()).unwrap();
        window["duration"] = lasts.into();
        window["cutoff"] = cutoff.into();
        let mut workflow = sample::workflow();
        workflow.window = Some(serde_json::from_value(window).unwrap());
        let mut group = group("a", 0, 3);
        group.batch_size = BatchSize::try_from(1).unwrap();
        let plan = sample::plan_of(&workflow, vec![group]);
        let warned = plan
            .warnings
            .iter()
            .find(|it| it.code == "window-too-short");
        assert_eq!(warned.is_some(), told.is_some(), "{warned:?}");
        if let (Some(warned), Some(told)) = (warned, told) {
            assert!(
                warned
                    .message
                    .starts_with("a run takes at least 1m6s, if each job takes 20s")
            );
            assert!(warned.message.contains(told), "{}", warned.message);
        }
    }

    #[test]
    fn warnings_of_the_workflow_come_along() {
        let mut workflow = sample::workflow();
        workflow.warnings = vec![Diagnostic::warning(
            "soft-stop-invalid",
            "`SOFT` is invalid",
        )];
        let plan = sample::plan_of(&workflow, Vec::new());
        assert_eq!(plan.warnings[0].code, "soft-stop-invalid");
    }

    proptest! {
        #[test]
        fn batches_are_the_targets_in_order(
            groups in prop::collection::vec((0u32..60, 1u16..20, prop::collection::vec(1u32..30, 0..4)), 1..5),
        ) {
            let mut next = 0;
            let mut given = Vec::new();
            for (at, (targets, size, waves)) in groups.iter().enumerate() {
                let mut group = group(&format!("g{at}"), next, *targets);
                group.batch_size = BatchSize::try_from(*size).unwrap();
                let waves = serde_json::json!(waves);
                group.waves = serde_json::from_value(waves).unwrap();
                next += targets;
                given.push(group);
            }
            let plan = sample::plan(given.clone());
            let sent: Vec<_> = plan.batches.iter().flat_map(|b| b.servers()).copied().collect();
            prop_assert_eq!(sent, (0..next).map(server).collect::<Vec<_>>());
            for (position, batch) in plan.batches.iter().enumerate() {
                prop_assert_eq!(batch.index().position(), position);
                let most = usize::from(given[batch.group()].batch_size.get());
                prop_assert!((1..=most).contains(&batch.servers().len()));
            }
            for (at, group) in given.iter().enumerate() {
                let own = plan.batches.iter().filter(|batch| batch.group() == at);
                let waves: Vec<u32> = own.map(|batch| batch.wave()).collect();
                prop_assert!(waves.is_sorted() && waves.first().is_none_or(|first| *first == 0));
                prop_assert!(waves.windows(2).all(|pair| pair[1] - pair[0] <= 1));
                let cut: Vec<usize> = (0..plan.waves_of(at)).map(|wave| {
                    plan.wave(at, wave).iter().map(|batch| batch.servers().len()).sum()
                }).collect();
                prop_assert_eq!(cut, waves::sizes(&group.waves, group.targets.len()));
            }
            let text = { let mut bytes = Vec::new(); crate::plan::write_json(&plan, &mut bytes).unwrap(); String::from_utf8(bytes).unwrap() };
            prop_assert_eq!(&crate::plan::load(&text).unwrap(), &plan);
        }
    }
}
