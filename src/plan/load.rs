//! A written plan → plan: reads `plan.json` back and believes nothing that can be counted again.
//!
//! Owns the checks across members. Invariant: what is returned is a plan that
//! [`make`](super::make()) could have made, and its digest is that of its content.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;

use super::error::PlanError;
use super::make::count;
use super::model::{Batch, Contents, Guard, Plan, PlannedGroup};
use super::written::{Read, ReadBatch, ReadGroup, WrittenRollout};
use super::{FORMAT, digest};
use crate::ids::ServerId;
use crate::inventory::{Selection, odd_selection};
use crate::power::Action;
use crate::workflow::Rate;

/// Most servers that one stop request may hold.
const BATCH_LIMIT: usize = 1000;

/// Reads a plan that [`write_json`](super::write_json) has written.
pub fn load(text: &str) -> Result<Plan, PlanError> {
    check_format(text)?;
    let read: Read = serde_json::from_str(text).map_err(PlanError::Unreadable)?;
    if read.schema != FORMAT {
        return Err(PlanError::Format {
            stated: read.schema,
        });
    }
    let action = action(&read)?;
    let stated = read.digest;
    check_settings(&read)?;
    let contents = assemble(read, action)?;
    let computed = digest::of(&contents);
    if stated != computed {
        return Err(PlanError::DigestMismatch { stated, computed });
    }
    Ok(Plan::new(contents))
}

/// The format is looked at first, so that a newer plan is not called broken for its new members.
fn check_format(text: &str) -> Result<(), PlanError> {
    #[derive(Deserialize)]
    struct Head {
        schema: String,
    }
    let head: Head = serde_json::from_str(text).map_err(PlanError::Unreadable)?;
    if head.schema == FORMAT {
        Ok(())
    } else {
        Err(PlanError::Format {
            stated: head.schema,
        })
    }
}

fn action(read: &Read) -> Result<Action, PlanError> {
    match Action::of(&read.action, read.stop_type) {
        Some(action) => Ok(action),
        None if ["os-stop", "os-start"].contains(&read.action.as_str()) => shape(
            "`stop_type` does not belong to the `action`: a stop has one, a start has none"
                .to_owned(),
        ),
        None => Err(PlanError::Action(read.action.clone())),
    }
}

fn assemble(read: Read, action: Action) -> Result<Contents, PlanError> {
    let groups = planned_groups(read.groups, &read.rollout)?;
    let batches = planned_batches(read.batches, &groups)?;
    check_sizes(&batches)?;
    check_groups(&groups, &batches)?;
    check_repeats(&batches)?;
    let targets = groups.iter().map(|group| group.targets).sum();
    check_count("totals.groups", read.totals.groups, count(groups.len()))?;
    check_count("totals.batches", read.totals.batches, count(batches.len()))?;
    check_count("totals.targets", read.totals.targets, targets)?;
    check_guards(&read.guards, targets)?;
    check_names(&read.names, &batches)?;
    check_selections(&read.selections)?;
    Ok(Contents {
        workflow: read.workflow,
        labels: read.labels,
        project: read.project,
        action,
        digest: read.digest,
        groups,
        batches,
        names: read.names,
        selections: read.selections,
        guards: read.guards,
        rollout: read.rollout.settings(),
        jobs: read.jobs,
        checks: read.checks,
        rate: read.rate,
        report: read.report,
        warnings: read.warnings,
    })
}

/// What the types alone do not bound. The name becomes part of file names.
fn check_settings(read: &Read) -> Result<(), PlanError> {
    let name = &read.workflow.name;
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if name.is_empty() || name.len() > 63 || name.starts_with('-') || !name.bytes().all(plain) {
        return shape("`workflow.name` is not the name of a workflow".to_owned());
    }
    let Rate {
        stop,
        job,
        list,
        show,
    } = read.rate;
    if [stop, job, list, show].contains(&0) {
        return shape("`rate` allows no request at all".to_owned());
    }
    if read.jobs.poll.is_zero() {
        return shape("`jobs.poll` is zero".to_owned());
    }
    Ok(())
}

fn planned_groups(
    read: Vec<ReadGroup>,
    rollout: &WrittenRollout,
) -> Result<Vec<PlannedGroup>, PlanError> {
    let usual = rollout.settings().in_flight;
    let mut overrides = rollout.overrides.clone();
    let mut groups: Vec<PlannedGroup> = Vec::with_capacity(read.len());
    let mut seen = HashSet::new();
    for group in read {
        if !seen.insert(group.name.clone()) {
            return shape(format!("the group `{}` is listed twice", group.name));
        }
        let own = overrides.remove(&group.name);
        if own.is_some_and(|own| own.in_flight == usual) {
            return shape(format!(
                "the override for `{}` overrides nothing",
                group.name
            ));
        }
        groups.push(PlannedGroup {
            in_flight: own.map_or(usual, |own| own.in_flight),
            name: group.name,
            targets: group.targets,
            excluded: group.excluded,
            source: group.source,
        });
    }
    match overrides.into_keys().next() {
        Some(name) => shape(format!(
            "`rollout.overrides` names no group of the plan: `{name}`"
        )),
        None => Ok(groups),
    }
}

fn planned_batches(read: Vec<ReadBatch>, groups: &[PlannedGroup]) -> Result<Vec<Batch>, PlanError> {
    let places: HashMap<&str, u32> = (0..)
        .zip(groups)
        .map(|(at, group)| (group.name.as_str(), at))
        .collect();
    let mut batches: Vec<Batch> = Vec::with_capacity(read.len());
    for batch in read {
        let index = batch.index;
        if index.position() != batches.len() {
            return shape(format!("batch {} is numbered {index}", batches.len()));
        }
        let Some(group) = places.get(batch.group.as_str()) else {
            return shape(format!(
                "batch {index} is of an unknown group, `{}`",
                batch.group
            ));
        };
        let batch = Batch {
            index,
            group: *group,
            wave: batch.wave,
            servers: batch.servers,
        };
        check_batch(&batch, batches.last())?;
        batches.push(batch);
    }
    Ok(batches)
}

/// A batch is held against the one before: groups and waves in order, and only a wave's last batch smaller.
fn check_batch(batch: &Batch, before: Option<&Batch>) -> Result<(), PlanError> {
    let (index, size) = (batch.index, batch.servers.len());
    if size == 0 || size > BATCH_LIMIT {
        return shape(format!(
            "batch {index} has {size} servers; 1 to {BATCH_LIMIT} are possible"
        ));
    }
    let in_order = match before {
        Some(before) if before.group == batch.group => {
            batch.wave == before.wave || batch.wave == before.wave + 1
        }
        Some(before) => batch.group > before.group && batch.wave == 0,
        None => batch.wave == 0,
    };
    if !in_order {
        return shape(format!(
            "batch {index} is out of order: group or wave does not follow the batch before"
        ));
    }
    Ok(())
}

/// All batches of a wave have one size, and only the last may be smaller.
fn check_sizes(batches: &[Batch]) -> Result<(), PlanError> {
    for wave in batches.chunk_by(|a, b| (a.group, a.wave) == (b.group, b.wave)) {
        let full = wave.first().map_or(0, |batch| batch.servers.len());
        let (last, others) = match wave {
            [others @ .., last] => (last.servers.len(), others),
            [] => (full, wave),
        };
        let odd = others.iter().find(|batch| batch.servers.len() != full);
        if let Some(batch) = odd.or(wave.last().filter(|_| last > full)) {
            return shape(format!(
                "batch {} does not have the size of the other batches of its wave",
                batch.index
            ));
        }
    }
    Ok(())
}

fn check_groups(groups: &[PlannedGroup], batches: &[Batch]) -> Result<(), PlanError> {
    let mut counted = vec![0; groups.len()];
    for batch in batches {
        counted[batch.group()] += count(batch.servers.len());
    }
    for (group, counted) in groups.iter().zip(counted) {
        check_count(
            &format!("groups.{}.targets", group.name),
            group.targets,
            counted,
        )?;
    }
    Ok(())
}

fn check_repeats(batches: &[Batch]) -> Result<(), PlanError> {
    let mut all: Vec<(ServerId, u32)> = batches
        .iter()
        .flat_map(|batch| batch.servers.iter().map(|server| (*server, batch.index.0)))
        .collect();
    all.sort_unstable();
    match all.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(PlanError::RepeatedServer {
            server: pair[0].0,
            first: pair[0].1,
            second: pair[1].1,
        }),
        None => Ok(()),
    }
}

fn check_guards(guards: &[Guard], targets: u32) -> Result<(), PlanError> {
    let is_count = |guard: &Guard| *guard == Guard::max_servers(guard.limit, targets);
    let is_share = |guard: &Guard| {
        (1..=100).contains(&guard.limit) && *guard == Guard::max_percent(guard.limit)
    };
    match guards {
        [count] if is_count(count) => Ok(()),
        [count, share] if is_count(count) && is_share(share) => Ok(()),
        _ => {
            shape("`guards` does not hold the verdict that the plan's own targets give".to_owned())
        }
    }
}

fn check_names(names: &BTreeMap<ServerId, String>, batches: &[Batch]) -> Result<(), PlanError> {
    if names.is_empty() {
        return Ok(());
    }
    let targets: HashSet<&ServerId> = batches.iter().flat_map(|batch| &batch.servers).collect();
    match names.keys().find(|server| !targets.contains(server)) {
        Some(server) => shape(format!(
            "`names` names a server that is no target: `{server}`"
        )),
        None => Ok(()),
    }
}

fn check_selections(selections: &[Selection]) -> Result<(), PlanError> {
    match odd_selection(selections) {
        Some(group) => shape(format!("`selections` is not what `{group}` can have found")),
        None => Ok(()),
    }
}

fn check_count(member: &str, stated: u32, counted: u32) -> Result<(), PlanError> {
    if stated == counted {
        return Ok(());
    }
    Err(PlanError::Count {
        member: member.to_owned(),
        stated,
        counted,
    })
}

fn shape<T>(message: String) -> Result<T, PlanError> {
    Err(PlanError::Shape(message))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::sample::{self, group, server};
    use crate::plan::write_json;
    use crate::workflow::{BatchSize, InFlight};

    fn written(plan: &Plan) -> String {
        let mut bytes = Vec::new();
        write_json(plan, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Three groups, one with smaller batches and more in flight, one empty.
    fn small() -> Plan {
        let mut b = group("b", 2, 5);
        b.batch_size = BatchSize::try_from(2).unwrap();
        b.in_flight = InFlight::try_from(3).unwrap();
        b.excluded = 1;
        let mut workflow = sample::workflow();
        workflow.report = Some("reports/{{ run.id }}.json".to_owned());
        sample::plan_of(&workflow, vec![group("a", 0, 2), b, group("c", 7, 0)])
    }

    fn edited(change: impl Fn(&mut Value)) -> String {
        let mut value: Value = serde_json::from_str(&written(&small())).unwrap();
        change(&mut value);
        value.to_string()
    }

    #[rstest]
    #[case::small(small())]
    #[case::fleet(sample::fleet())]
    #[case::nothing(sample::plan(Vec::new()))]
    fn what_was_written_is_read_back(#[case] plan: Plan) {
        assert_eq!(load(&written(&plan)).unwrap(), plan);
    }

    #[rstest]
    #[case::server(|v: &mut Value| v["batches"][0]["servers"][0] = json!(server(77)))]
    #[case::order(|v: &mut Value| { let s = v["batches"][0]["servers"].as_array_mut().unwrap(); s.swap(0, 1) })]
    #[case::group_name(|v: &mut Value| { v["groups"][0]["name"] = json!("z"); v["batches"][0]["group"] = json!("z") })]
    #[case::stop_type(|v: &mut Value| v["stop_type"] = json!("SOFT"))]
    #[case::endpoint(|v: &mut Value| v["project"]["endpoint"] = json!("https://bms.example.com"))]
    #[case::project(|v: &mut Value| v["project"]["id"] = json!("0".repeat(32)))]
    #[case::limit(|v: &mut Value| v["guards"][0]["limit"] = json!(4999))]
    #[case::check(|v: &mut Value| v["checks"]["before"] = json!(false))]
    #[case::grace(|v: &mut Value| v["checks"]["grace"] = json!("3m"))]
    #[case::poll(|v: &mut Value| v["jobs"]["poll"] = json!("3m"))]
    #[case::in_flight(|v: &mut Value| v["rollout"]["in_flight"] = json!(2))]
    #[case::override_of_a_group(|v: &mut Value| v["rollout"]["overrides"]["b"]["in_flight"] = json!(50))]
    #[case::override_gone(|v: &mut Value| v["rollout"]["overrides"] = json!({}))]
    #[case::digest(|v: &mut Value| v["digest"] = json!(format!("sha256:{}", "0".repeat(64))))]
    fn a_changed_plan_has_another_digest(#[case] change: fn(&mut Value)) {
        let error = load(&edited(change)).unwrap_err();
        assert!(matches!(error, PlanError::DigestMismatch { .. }), "{error}");
    }

    #[rstest]
    #[case::format(|v: &mut Value| v["schema"] = json!("lightsout/plan/v2"), "the format is `lightsout/plan/v2`; this version reads `lightsout/plan/v1`")]
    #[case::action(|v: &mut Value| v["action"] = json!("reboot"), "the action is `reboot`; this version knows `os-stop` and `os-start`")]
    #[case::start_with_type(|v: &mut Value| v["action"] = json!("os-start"), "`stop_type` does not belong to the `action`: a stop has one, a start has none")]
    #[case::stop_without_type(|v: &mut Value| v["stop_type"] = json!(null), "`stop_type` does not belong to the `action`: a stop has one, a start has none")]
    #[case::total_targets(|v: &mut Value| v["totals"]["targets"] = json!(8), "`totals.targets` says 8, but the plan has 7")]
    #[case::total_groups(|v: &mut Value| v["totals"]["groups"] = json!(2), "`totals.groups` says 2, but the plan has 3")]
    #[case::total_batches(|v: &mut Value| v["totals"]["batches"] = json!(5), "`totals.batches` says 5, but the plan has 4")]
    #[case::group_targets(|v: &mut Value| v["groups"][1]["targets"] = json!(4), "`groups.b.targets` says 4, but the plan has 5")]
    #[case::group_twice(|v: &mut Value| v["groups"][1]["name"] = json!("a"), "the group `a` is listed twice")]
    #[case::unknown_group(|v: &mut Value| v["batches"][1]["group"] = json!("x"), "batch 1 is of an unknown group, `x`")]
    #[case::index(|v: &mut Value| v["batches"][1]["index"] = json!(2), "batch 1 is numbered 2")]
    #[case::empty(|v: &mut Value| v["batches"][3]["servers"] = json!([]), "batch 3 has 0 servers; 1 to 1000 are possible")]
    #[case::large(|v: &mut Value| v["batches"][0]["servers"] = (0..1001).map(|n| json!(server(n))).collect(), "batch 0 has 1001 servers; 1 to 1000 are possible")]
    #[case::group_order(|v: &mut Value| v["batches"][3]["group"] = json!("a"), "batch 3 is out of order: group or wave does not follow the batch before")]
    #[case::wave_order(|v: &mut Value| v["batches"][3]["wave"] = json!(2), "batch 3 is out of order: group or wave does not follow the batch before")]
    #[case::first_wave(|v: &mut Value| v["batches"][0]["wave"] = json!(1), "batch 0 is out of order: group or wave does not follow the batch before")]
    #[case::grown(|v: &mut Value| v["batches"][3]["servers"] = json!([server(6), server(8), server(9)]), "batch 3 does not have the size of the other batches of its wave")]
    #[case::uneven(|v: &mut Value| v["batches"][2]["servers"] = json!([server(6)]), "batch 2 does not have the size of the other batches of its wave")]
    #[case::no_override(|v: &mut Value| v["rollout"]["overrides"]["c"] = json!({"in_flight": 1}), "the override for `c` overrides nothing")]
    #[case::lost_override(|v: &mut Value| v["rollout"]["overrides"]["x"] = json!({"in_flight": 2}), "`rollout.overrides` names no group of the plan: `x`")]
    #[case::verdict(|v: &mut Value| v["guards"][0]["limit"] = json!(3), "`guards` does not hold the verdict that the plan's own targets give")]
    #[case::no_guard(|v: &mut Value| v["guards"] = json!([]), "`guards` does not hold the verdict that the plan's own targets give")]
    #[case::file_name(|v: &mut Value| v["workflow"]["name"] = json!("../x"), "`workflow.name` is not the name of a workflow")]
    #[case::no_rate(|v: &mut Value| v["rate"]["stop"] = json!(0), "`rate` allows no request at all")]
    #[case::no_poll(|v: &mut Value| v["jobs"]["poll"] = json!("0s"), "`jobs.poll` is zero")]
    fn a_plan_that_was_never_made_is_refused(
        #[case] change: fn(&mut Value),
        #[case] message: &str,
    ) {
        assert_eq!(load(&edited(change)).unwrap_err().to_string(), message);
    }

    #[test]
    fn a_server_in_two_batches_is_named_with_both() {
        let text = edited(|v| v["batches"][3]["servers"][0] = json!(server(1)));
        assert_eq!(
            load(&text).unwrap_err().to_string(),
            "server `80000000-a5a5-a5a5-a5a5-a5a500000001` is in batch 0 and again in batch 3"
        );
    }

    #[test]
    fn a_name_for_a_server_that_is_no_target_is_refused() {
        let text = edited(|v| v["names"] = json!({ server(99).to_string(): "x" }));
        assert!(
            load(&text)
                .unwrap_err()
                .to_string()
                .contains("is no target")
        );
    }

    #[rstest]
    #[case("", 1, 0)]
    #[case("{\n  \"schema\": 7\n}", 2, 13)]
    fn what_is_no_plan_is_refused_with_its_place(
        #[case] text: &str,
        #[case] line: usize,
        #[case] column: usize,
    ) {
        let error = load(text).unwrap_err();
        let message = format!("not a plan that can be read, at line {line}, column {column}");
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn an_unknown_member_is_refused_in_every_struct() {
        for path in [
            "",
            "/workflow",
            "/project",
            "/totals",
            "/groups/0",
            "/batches/0",
            "/guards/0",
            "/rollout",
            "/rollout/overrides/b",
            "/checks",
            "/checks/on_state",
            "/jobs",
            "/rate",
        ] {
            let text = edited(|v| v.pointer_mut(path).unwrap()["extra"] = json!(1));
            assert!(
                matches!(load(&text), Err(PlanError::Unreadable(_))),
                "{path}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_plan_cut_short_is_refused(cut in 0.0..1.0f64) {
            let text = written(&small());
            let whole = text.trim_end().len();
            prop_assert!(load(&text[..(whole as f64 * cut) as usize]).is_err());
        }

        /// From `action` to `batches` and from `guards` to `jobs` every byte matters, white space apart.
        #[test]
        fn one_changed_byte_never_gives_another_plan(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let plan = small();
            let text = written(&plan);
            let mut bytes = text.clone().into_bytes();
            *at.get_mut(&mut bytes) = byte;
            let Ok(changed) = String::from_utf8(bytes) else { return Ok(()) };
            if let Ok(read) = load(&changed) {
                prop_assert_eq!(&read.batches, &plan.batches);
                prop_assert_eq!(&read.project.endpoint, &plan.project.endpoint);
                prop_assert_eq!(&read.project.id, &plan.project.id);
                prop_assert_eq!(&read.guards, &plan.guards);
                prop_assert_eq!((read.action, read.digest), (plan.action, plan.digest));
                prop_assert_eq!((read.rollout, read.checks, read.jobs), (plan.rollout, plan.checks, plan.jobs));
                // A group without targets does nothing, so its name is not in the digest.
                let groups = read.groups.iter().zip(&plan.groups);
                for (read, made) in groups.filter(|(_, made)| made.targets > 0) {
                    prop_assert_eq!((&read.name, read.targets, read.in_flight), (&made.name, made.targets, made.in_flight));
                }
            }
        }
    }
}
