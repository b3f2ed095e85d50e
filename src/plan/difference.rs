//! What changes between two plans: servers added, removed and moved, and settings.
//!
//! Owns the comparison and its JSON; how it is shown to people is the neighbour's work. Invariant: two
//! plans of the same digest differ in nothing that a run does, and each server is named at most once.

use std::collections::HashMap;
use std::io;

use serde::Serialize;

use super::expectation::Expectation;
use super::model::{Plan, PlannedGroup};
use super::words::{gate, paths, settings};
use crate::duration;
use crate::ids::{BatchIndex, Digest, ServerId};
use crate::inventory::{Asked, criteria};
use crate::untrusted::PlainJson;

/// The format that [`Difference::write_json`] writes.
const FORMAT: &str = "lightsout/difference/v1";

/// What changes from one plan to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference<'a> {
    schema: &'static str,
    /// Digest of the old plan.
    pub old: Digest,
    /// Digest of the new plan.
    pub new: Digest,
    /// Whether the digests are the same, so that a run would do the same under the same protections.
    pub same: bool,
    /// Whether the plans are the same in every member.
    pub identical: bool,
    /// Servers that only the new plan names, in its order.
    pub added: Vec<Placed<'a>>,
    /// Servers that only the old plan names, in its order.
    pub removed: Vec<Placed<'a>>,
    /// Servers that both plans name, in another group or batch; in the new plan's order.
    pub moved: Vec<Moved<'a>>,
    /// Servers that both plans name, and whose name that the run compares differs; in the new plan's order.
    pub names: Vec<NameChange<'a>>,
    /// Settings that differ, protections first.
    pub settings: Vec<SettingChange>,
}

/// A server in two plans whose name that the run compares differs; `None` where no name is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NameChange<'a> {
    /// The server.
    pub id: ServerId,
    /// Its name in the old plan; untrusted.
    pub old: Option<&'a str>,
    /// Its name in the new plan; untrusted.
    pub new: Option<&'a str>,
}

/// A server and its place in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Placed<'a> {
    /// The server.
    pub id: ServerId,
    /// Its name, where an inventory gives one; untrusted.
    pub name: Option<&'a str>,
    /// Name of its group; untrusted.
    pub group: &'a str,
    /// Its batch.
    pub batch: BatchIndex,
    /// Its wave of the group, from 0.
    pub wave: u32,
    /// Number of waves of the whole plan that come before its own.
    #[serde(skip)]
    pub(super) waves_before: usize,
}

impl Placed<'_> {
    /// Everything that decides when it is sent.
    fn place(&self) -> (&str, BatchIndex, u32, usize) {
        (self.group, self.batch, self.wave, self.waves_before)
    }
}

/// A server in two plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Moved<'a> {
    /// The server.
    pub id: ServerId,
    /// Its name in the new plan; untrusted.
    pub name: Option<&'a str>,
    /// Its group in the old plan.
    pub from_group: &'a str,
    /// Its batch in the old plan.
    pub from_batch: BatchIndex,
    /// Its wave of the group in the old plan, from 0.
    pub from_wave: u32,
    /// Its group in the new plan.
    pub to_group: &'a str,
    /// Its batch in the new plan.
    pub to_batch: BatchIndex,
    /// Its wave of the group in the new plan, from 0.
    pub to_wave: u32,
    /// Whether fewer waves of the whole plan come before it than in the old plan.
    pub earlier: bool,
}

/// A setting that differs; `None` where a plan does not have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingChange {
    /// Its name, such as `rollout.batch_size`.
    pub name: String,
    /// Its value in the old plan.
    pub old: Option<String>,
    /// Its value in the new plan.
    pub new: Option<String>,
}

impl<'a> Difference<'a> {
    /// What changes from `old` to `new`.
    pub fn between(old: &'a Plan, new: &'a Plan) -> Self {
        let before: HashMap<ServerId, Placed<'a>> =
            placed(old).map(|server| (server.id, server)).collect();
        let after: HashMap<ServerId, ()> = placed(new).map(|server| (server.id, ())).collect();
        let mut added = Vec::new();
        let mut moved = Vec::new();
        let mut names = Vec::new();
        for now in placed(new) {
            let then = before.get(&now.id).filter(|then| then.name != now.name);
            names.extend(then.map(|then| NameChange {
                id: now.id,
                old: then.name,
                new: now.name,
            }));
            match before.get(&now.id) {
                None => added.push(now),
                Some(then) if then.place() == now.place() => {}
                Some(then) => moved.push(Moved {
                    id: now.id,
                    name: now.name,
                    from_group: then.group,
                    from_batch: then.batch,
                    from_wave: then.wave,
                    to_group: now.group,
                    to_batch: now.batch,
                    to_wave: now.wave,
                    earlier: now.waves_before < then.waves_before,
                }),
            }
        }
        let removed = placed(old)
            .filter(|then| !after.contains_key(&then.id))
            .collect();
        let mut settings = changes(&protections(old), &protections(new));
        settings.extend(changes(&asked(old), &asked(new)));
        settings.extend(changes(&named_settings(old), &named_settings(new)));
        settings.extend(group_changes(old, new));
        settings.extend(changes(&free_texts(old), &free_texts(new)));
        Self {
            schema: FORMAT,
            old: old.digest,
            new: new.digest,
            same: old.digest == new.digest,
            identical: old == new,
            added,
            removed,
            moved,
            names,
            settings,
        }
    }

    /// Whether only the order of servers, or their waves, tell the plans apart.
    pub(super) fn is_order_only(&self) -> bool {
        !self.same && self.is_empty()
    }

    /// Whether no server, name or setting differs.
    pub(super) fn is_empty(&self) -> bool {
        let servers = self.added.len() + self.removed.len() + self.moved.len();
        servers + self.names.len() + self.settings.len() == 0
    }

    /// Writes the difference as pretty-printed JSON.
    pub fn write_json(&self, mut out: impl io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(PlainJson(&mut out), self)?;
        out.write_all(b"\n")
    }
}

/// Every target with its place, in sending order.
pub(super) fn placed(plan: &Plan) -> impl Iterator<Item = Placed<'_>> {
    let waves = plan
        .batches
        .chunk_by(|one, next| (one.group(), one.wave()) == (next.group(), next.wave()));
    let batches = waves
        .enumerate()
        .flat_map(|(before, wave)| wave.iter().map(move |batch| (before, batch)));
    batches.flat_map(move |(waves_before, batch)| {
        let group = plan
            .groups
            .get(batch.group())
            .map_or("", |group| group.name.as_str());
        let place = move |id: &ServerId| Placed {
            id: *id,
            name: plan.name_of(*id),
            group,
            batch: batch.index(),
            wave: batch.wave(),
            waves_before,
        };
        batch.servers().iter().map(place)
    })
}

/// What limits a run or keeps it from the wrong server, by name.
fn protections(plan: &Plan) -> Vec<(String, String)> {
    let guards = plan.guards.iter();
    let guards = guards.map(|guard| (format!("guards.{}", guard.name), guard.limit.to_string()));
    let calendars = plan.freeze_calendars.iter().map(|calendar| {
        let content = calendar.sha256.as_deref().unwrap_or("unreadable");
        (
            format!("freeze calendar {}", calendar.file),
            content.to_owned(),
        )
    });
    let freeze = paths(plan).map(|(name, value)| (name.to_owned(), value));
    let expectations = plan.expectations.iter().flat_map(expected);
    guards
        .chain(freeze)
        .chain(calendars)
        .chain(expectations)
        .collect()
}

/// What a group states about its servers, by name.
fn expected(stated: &Expectation) -> Vec<(String, String)> {
    let Expectation {
        group,
        allow_unnamed,
        targets,
        inventories,
    } = stated;
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    let mut own = vec![
        ("expect.min".to_owned(), number(targets.min)),
        ("expect.max".to_owned(), number(targets.max)),
        (
            "allow_unnamed".to_owned(),
            allow_unnamed.then(|| "true".to_owned()),
        ),
    ];
    for inventory in inventories {
        let key = inventory.key.as_str();
        own.push((format!("{key}.file"), Some(inventory.file.clone())));
        own.push((
            format!("{key}.expect_count"),
            number(inventory.expect_count),
        ));
        own.push((format!("{key}.sha256"), inventory.sha256.clone()));
    }
    let named = own.into_iter();
    let named = named.filter_map(|(name, value)| Some((format!("{name} of {group}"), value?)));
    named.collect()
}

/// Every other setting, by name.
fn named_settings(plan: &Plan) -> Vec<(String, String)> {
    let own = [
        ("project", plan.project.id.to_string()),
        ("endpoint", plan.project.endpoint.to_string()),
        ("action", plan.action.word().to_owned()),
        ("name", plan.workflow.name.clone()),
    ];
    let given = [
        ("region", plan.project.region.clone()),
        (
            "stop_type",
            plan.action.stop_type().map(|it| it.as_str().to_owned()),
        ),
        (
            "rollout.gate",
            plan.rollout.gate.as_ref().map(ToString::to_string),
        ),
    ];
    let given = given.into_iter();
    let given = given.filter_map(|(name, value)| Some((name, value?)));
    let own = own.into_iter().chain(given).chain(settings(plan));
    own.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What a run does not obey, by name.
fn free_texts(plan: &Plan) -> Vec<(String, String)> {
    let labels = plan.labels.iter();
    let labels = labels.map(|(key, value)| (format!("labels.{key}"), value.clone()));
    let description = plan.workflow.description.iter();
    let description = description.map(|text| ("description".to_owned(), text.clone()));
    let own = [
        ("workflow file".to_owned(), plan.workflow.file.clone()),
        ("workflow sha256".to_owned(), plan.workflow.sha256.clone()),
    ];
    let warnings = plan.warnings.iter();
    let warnings = warnings.map(|it| (format!("warning {}", it.code), it.message.clone()));
    let all = description.chain(labels).chain(own).chain(warnings);
    all.collect()
}

/// What groups ask of the project's listing, by name.
fn asked(plan: &Plan) -> Vec<(String, String)> {
    let of_group = |asked: &Asked| {
        let Asked {
            group,
            select,
            split_by,
            exclude,
        } = asked;
        let own = [
            ("select", select.as_ref().map(criteria)),
            ("split_by", split_by.clone()),
            ("exclude.select", exclude.as_ref().map(criteria)),
        ];
        let named = own.map(|(name, value)| Some((format!("{name} of {group}"), value?)));
        named.into_iter().flatten().collect::<Vec<_>>()
    };
    plan.asked().flat_map(of_group).collect()
}

fn changes(old: &[(String, String)], new: &[(String, String)]) -> Vec<SettingChange> {
    let value = |list: &[(String, String)], name: &str| {
        list.iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.clone())
    };
    let gone = old.iter().filter(|(name, _)| value(new, name).is_none());
    let names = new.iter().chain(gone).map(|(name, _)| name);
    names
        .map(|name| SettingChange {
            name: name.clone(),
            old: value(old, name),
            new: value(new, name),
        })
        .filter(|change| change.old != change.new)
        .collect()
}

/// What differs in groups that both plans have, of which there may be many.
fn group_changes(old: &Plan, new: &Plan) -> Vec<SettingChange> {
    let before: HashMap<&str, &PlannedGroup> = old
        .groups
        .iter()
        .map(|group| (group.name.as_str(), group))
        .collect();
    let changes = |is: &PlannedGroup| {
        let was = before
            .get(is.name.as_str())
            .map(|group| own_settings(group));
        let pairs = was
            .into_iter()
            .flat_map(|was| was.into_iter().zip(own_settings(is)));
        let differ = pairs.filter(|((_, was), (_, is))| was != is);
        let change = |((name, was), (_, now)): ((&str, String), (&str, String))| SettingChange {
            name: format!("{name} of {}", is.name),
            old: Some(was),
            new: Some(now),
        };
        differ.map(change).collect::<Vec<_>>()
    };
    new.groups.iter().flat_map(changes).collect()
}

/// What a group may have otherwise than the rollout says.
fn own_settings(group: &PlannedGroup) -> [(&'static str, String); 6] {
    [
        ("source", group.source.join(", ")),
        ("servers left out", group.excluded.to_string()),
        ("in_flight", group.in_flight.get().to_string()),
        ("waves", group.waves.to_string()),
        ("soak", duration::format(group.soak)),
        ("gate", gate(group)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample::{self, group};
    use proptest::prelude::*;

    #[test]
    fn a_plan_does_not_differ_from_itself() {
        let plan = sample::fleet();
        let difference = Difference::between(&plan, &plan);
        assert!(difference.same);
        assert!(difference.added.is_empty() && difference.removed.is_empty());
        assert!(difference.moved.is_empty() && difference.settings.is_empty());
    }

    #[test]
    fn servers_are_added_removed_and_moved() {
        let old = sample::plan(vec![group("a", 0, 3), group("b", 3, 2)]);
        let new = sample::plan(vec![group("a", 1, 3), group("b", 4, 2)]);
        let difference = Difference::between(&old, &new);
        let ids = |list: &[Placed<'_>]| list.iter().map(|server| server.id).collect::<Vec<_>>();
        assert_eq!(ids(&difference.added), [sample::server(5)]);
        assert_eq!(ids(&difference.removed), [sample::server(0)]);
        let moved = &difference.moved;
        assert_eq!(moved.len(), 1);
        assert_eq!(
            (moved[0].id, moved[0].from_group, moved[0].to_group),
            (sample::server(3), "b", "a")
        );
        assert!(!difference.same);
    }

    #[test]
    fn settings_that_differ_are_named_with_both_values() {
        let mut workflow = sample::workflow();
        let old = sample::plan_of(&workflow, vec![group("a", 0, 3)]);
        workflow.stop_type = crate::workflow::StopType::Soft;
        workflow.guards.max_servers = 7;
        workflow.window = Some(sample::window());
        let mut wide = group("a", 0, 3);
        wide.in_flight = crate::workflow::InFlight::try_from(4).unwrap();
        wide.waves = serde_json::from_str("[1]").unwrap();
        wide.soak = std::time::Duration::from_secs(60);
        workflow.rollout.max_failures = crate::workflow::MaxFailures::Count(2);
        let new = sample::plan_of(&workflow, vec![wide]);
        let changes = Difference::between(&old, &new).settings;
        let shown: Vec<String> = changes
            .iter()
            .map(|change| format!("{} {:?} {:?}", change.name, change.old, change.new))
            .collect();
        assert_eq!(
            shown,
            [
                "guards.max_servers Some(\"5000\") Some(\"7\")",
                "window.freeze None Some(\"freeze.yaml\")",
                "freeze calendar freeze.yaml None Some(\"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\")",
                "stop_type Some(\"HARD\") Some(\"SOFT\")",
                "rollout.max_failures Some(\"10%\") Some(\"2\")",
                "window.timezone None Some(\"Asia/Singapore (UTC+08:00)\")",
                "window.opens None Some(\"sat, sun at 01:00; 2026-12-24T22:00\")",
                "window.duration None Some(\"4h\")",
                "window.cutoff None Some(\"45m\")",
                "in_flight of a Some(\"1\") Some(\"4\")",
                "waves of a Some(\"rest\") Some(\"1, rest\")",
                "soak of a Some(\"0s\") Some(\"1m\")",
            ]
        );
    }

    #[test]
    fn a_name_that_is_no_longer_compared_is_a_difference_of_its_own() {
        let groups = || vec![group("a", 0, 3)];
        let old = sample::named(groups(), &[(0, "db-0"), (1, "db-1")]);
        let new = sample::named(groups(), &[(0, "db-9")]);
        let names = Difference::between(&old, &new).names;
        let changed = |id, old, new| NameChange { id, old, new };
        assert_eq!(
            names,
            [
                changed(sample::server(0), Some("db-0"), Some("db-9")),
                changed(sample::server(1), Some("db-1"), None),
            ]
        );
    }

    proptest! {
        #[test]
        fn what_is_added_and_removed_leads_from_the_old_set_to_the_new(from in 0u32..20, to in 0u32..20, size in 1u32..30) {
            let old = sample::plan(vec![group("a", from, size)]);
            let new = sample::plan(vec![group("a", to, size)]);
            let difference = Difference::between(&old, &new);
            let mut servers: Vec<ServerId> = placed(&old).map(|server| server.id).collect();
            servers.retain(|id| !difference.removed.iter().any(|server| server.id == *id));
            servers.extend(difference.added.iter().map(|server| server.id));
            let mut expected: Vec<ServerId> = placed(&new).map(|server| server.id).collect();
            servers.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(servers, expected);
        }
    }
}
