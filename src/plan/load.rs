//! A written plan → plan: reads `plan.json` back and believes nothing that can be counted again.
//!
//! Owns the checks across members. Invariant: what is returned is a plan that
//! [`make`](super::make()) could have made, and its digest is that of its content.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;

use super::error::PlanError;
use super::expectation::{Expectation, FreezeCalendar};
use super::make::count;
use super::model::{Batch, Contents, Guard, Plan, PlannedGroup};
use super::waves;
use super::written::{Override, Pause, Read, ReadBatch, ReadGroup, WrittenRollout};
use super::{FORMAT, digest};
use crate::ids::ServerId;
use crate::inventory::{Selection, odd_selection};
use crate::power::Action;
use crate::window::Window;
use crate::workflow::Rate;

/// Most servers that one stop request may hold.
const BATCH_LIMIT: usize = 1000;

/// Reads a plan that [`write_json`](super::write_json) has written.
pub fn load(text: &str) -> Result<Plan, PlanError> {
    check_format(text)?;
    let read: Read = serde_json::from_str(text).map_err(PlanError::Unreadable)?;
    let action = action(&read)?;
    let stated = read.digest;
    check_settings(&read)?;
    let contents = assemble(read, action)?;
    let computed = digest::compute(&contents);
    if stated != computed {
        return Err(PlanError::DigestMismatch { stated, computed });
    }
    Ok(Plan::new(contents))
}

/// Format and digest version are checked first, so that a plan of another version is not called broken for its
/// members.
fn check_format(text: &str) -> Result<(), PlanError> {
    #[derive(Deserialize)]
    struct Head {
        schema: String,
        digest_version: Option<u8>,
    }
    let head: Head = serde_json::from_str(text).map_err(PlanError::Unreadable)?;
    if head.schema != FORMAT {
        let stated = head.schema;
        return Err(PlanError::Format { stated });
    }
    match head.digest_version.unwrap_or(1) {
        digest::VERSION => Ok(()),
        stated => Err(PlanError::DigestVersion { stated }),
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
    let batches = planned_batches(read.batches, &groups, action)?;
    check_sizes(&batches, action)?;
    check_groups(&groups, &batches)?;
    check_waves(&groups, &batches, action)?;
    check_repeats(&batches)?;
    let targets = groups.iter().map(|group| group.targets).sum();
    check_count("totals.groups", read.totals.groups, count(groups.len()))?;
    check_count("totals.batches", read.totals.batches, count(batches.len()))?;
    check_count("totals.targets", read.totals.targets, targets)?;
    check_guards(&read.guards, targets)?;
    check_names(&read.names, &batches)?;
    check_selections(&read.selections)?;
    check_expectations(&read.expectations)?;
    check_freeze_calendars(read.window.as_ref(), &read.freeze_calendars)?;
    check_found_names((&read.selections, &read.names), &groups, &batches)?;
    Ok(Contents {
        workflow: read.workflow,
        labels: read.labels,
        project: read.project,
        action,
        digest: read.digest,
        groups,
        batches,
        names: read.names,
        expectations: read.expectations,
        selections: read.selections,
        guards: read.guards,
        rollout: read.rollout.settings(),
        window: read.window,
        freeze_calendars: read.freeze_calendars,
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
    let hex = |byte: u8| matches!(byte, b'a'..=b'f' | b'0'..=b'9');
    if read.workflow.sha256.len() != 64 || !read.workflow.sha256.bytes().all(hex) {
        return shape("`workflow.sha256` is not 64 hex digits".to_owned());
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
    let usual = rollout.settings();
    let mut overrides = rollout.overrides.clone();
    let mut groups: Vec<PlannedGroup> = Vec::with_capacity(read.len());
    let mut seen = HashSet::new();
    for group in read {
        if !seen.insert(group.name.clone()) {
            return shape(format!("the group `{}` is listed twice", group.name));
        }
        let stated = overrides.remove(&group.name);
        let own = stated.clone().unwrap_or(Override::NONE);
        let group = PlannedGroup {
            in_flight: own.in_flight.unwrap_or(usual.in_flight),
            waves: own.waves.unwrap_or_else(|| usual.waves.clone()),
            soak: own.soak.map_or(usual.soak, |Pause(soak)| soak),
            gate: own.gate.or_else(|| usual.gate.clone()),
            name: group.name,
            targets: group.targets,
            excluded: group.excluded,
            source: group.source,
        };
        if stated != Override::of(&group, &usual) {
            return shape(format!(
                "the override for `{}` overrides nothing",
                group.name
            ));
        }
        groups.push(group);
    }
    match overrides.into_keys().next() {
        Some(name) => shape(format!(
            "`rollout.overrides` names no group of the plan: `{name}`"
        )),
        None => Ok(groups),
    }
}

fn planned_batches(
    read: Vec<ReadBatch>,
    groups: &[PlannedGroup],
    action: Action,
) -> Result<Vec<Batch>, PlanError> {
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
        check_batch(&batch, batches.last(), action)?;
        batches.push(batch);
    }
    Ok(batches)
}

/// A batch is held against the one before: groups and waves in order, and only a wave's last batch smaller.
fn check_batch(batch: &Batch, before: Option<&Batch>, action: Action) -> Result<(), PlanError> {
    let (index, size) = (batch.index, batch.servers.len());
    if size == 0 || size > BATCH_LIMIT {
        return shape(format!(
            "batch {index} has {size} servers; 1 to {BATCH_LIMIT} are possible"
        ));
    }
    // The way back may have nothing of a batch, or of a whole wave.
    let in_order = match before {
        _ if action == Action::Start => {
            before.is_none_or(|before| (before.group, before.wave) <= (batch.group, batch.wave))
        }
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

/// All batches of a wave have one size, and only the last may be smaller; on the way back any may be.
fn check_sizes(batches: &[Batch], action: Action) -> Result<(), PlanError> {
    if action == Action::Start {
        return Ok(());
    }
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

/// A group is cut as it says, or who reads only that takes all at once for one after another. The way back may
/// have nothing of a wave.
fn check_waves(
    groups: &[PlannedGroup],
    batches: &[Batch],
    action: Action,
) -> Result<(), PlanError> {
    if action == Action::Start {
        return Ok(());
    }
    let mut cut = vec![Vec::new(); groups.len()];
    for wave in batches.chunk_by(|a, b| (a.group, a.wave) == (b.group, b.wave)) {
        if let Some(first) = wave.first() {
            cut[first.group()].push(wave.iter().map(|batch| batch.servers.len()).sum());
        }
    }
    let is_odd = |(group, cut): &(&PlannedGroup, Vec<usize>)| {
        waves::sizes(&group.waves, group.targets as usize) != *cut
    };
    match groups.iter().zip(cut).find(is_odd) {
        Some((group, _)) => shape(format!(
            "the batches of the group `{}` are not cut into its `waves`: {}",
            group.name, group.waves
        )),
        None => Ok(()),
    }
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

fn check_expectations(expectations: &[Expectation]) -> Result<(), PlanError> {
    let mut seen = HashSet::new();
    let mut groups = expectations.iter().map(|stated| stated.group.as_str());
    match groups.find(|group| !seen.insert(*group)) {
        Some(group) => shape(format!("`expectations` names the group `{group}` twice")),
        None => Ok(()),
    }
}

/// The window and `freeze_calendars` must name the same files, or one of them would not be compared.
fn check_freeze_calendars(
    window: Option<&Window>,
    calendars: &[FreezeCalendar],
) -> Result<(), PlanError> {
    let named = window.map(Window::freeze).unwrap_or_default();
    let kept = calendars.iter().map(|calendar| &calendar.file);
    if kept.eq(named) {
        return Ok(());
    }
    shape("`freeze_calendars` does not name the files of `window.freeze`".to_owned())
}

/// What a group selects by name is kept with a name that fits, so that a server that was put among it by
/// hand must at the run have such a name too.
fn check_found_names(
    (selections, names): (&[Selection], &BTreeMap<ServerId, String>),
    groups: &[PlannedGroup],
    batches: &[Batch],
) -> Result<(), PlanError> {
    for selection in selections {
        let select = selection.asked.select.as_ref();
        let Some(pattern) = select.and_then(|select| select.name.as_ref()) else {
            continue;
        };
        for found in &selection.found {
            let group = found.group_of(&selection.asked);
            let is_own = |batch: &&Batch| groups[batch.group()].name == group;
            let mut targets = batches.iter().filter(is_own).flat_map(Batch::servers);
            let is_odd = |server: &&ServerId| {
                let name = names.get(server).map_or("", String::as_str);
                found.servers.binary_search(server).is_ok() && !pattern.matches(name)
            };
            if let Some(server) = targets.find(is_odd) {
                return shape(format!(
                    "`{group}` selects by name, and `names` has none that fits for `{server}`"
                ));
            }
        }
    }
    Ok(())
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
mod tests;
