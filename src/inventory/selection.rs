//! What `select` finds: in the project's listing, or again as an earlier plan has frozen it.
//!
//! Owns the criteria's meaning and the frozen form. Everything is compared here, on the listing as it
//! was read; the API's own filters are never used. Invariant: found servers are sorted by ID, so the
//! same servers give the same targets in the same order, however the cloud lists or names them.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::split::part_of;
use crate::bms::{ServerDetail, StateClass, Tags};
use crate::glob::Glob;
use crate::ids::ServerId;
use crate::workflow::{Group, Select};

/// What is known of the project, for groups that select from it.
#[derive(Debug, Clone, Copy)]
pub enum Known<'a> {
    /// Every server of it.
    Listing(&'a [ServerDetail]),
    /// What an earlier plan found, and the names that it kept.
    Frozen(&'a [Selection], &'a BTreeMap<ServerId, String>),
    /// Nothing: what groups select stays open and is not judged.
    Nothing,
}

/// What one group asked of the listing, and what it found there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// What it asked.
    pub asked: Asked,
    /// The servers that `select` found, before anything is left out.
    pub found: Vec<Found>,
    /// Those listed by the group that `exclude.select` found, sorted by ID.
    pub left_out: Vec<ServerId>,
}

/// What one group asks of the listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Name of the group before it is split.
    pub group: String,
    /// Its `select`.
    pub select: Option<Select>,
    /// Its `split_by`, if it selects.
    pub split_by: Option<String>,
    /// Its `exclude.select`.
    pub exclude: Option<Select>,
}

/// Servers that have the same value of the tag that the group is split by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// The value; `None` where the group is not split, empty where a server has none.
    pub value: Option<String>,
    /// The servers, sorted by ID.
    pub servers: Vec<ServerId>,
}

impl Found {
    /// Name of the group that these servers became a part of.
    pub fn group_of(&self, asked: &Asked) -> String {
        match &self.value {
            Some(value) => part_of(&asked.group, value),
            None => asked.group.clone(),
        }
    }
}

/// One server that a group's `select` found.
pub(super) struct Picked<'a> {
    pub(super) server: ServerId,
    pub(super) name: Option<&'a str>,
    /// Value of the tag that the group is split by.
    pub(super) value: Option<&'a str>,
}

impl Asked {
    /// What `group` asks, if it asks anything.
    pub(super) fn by(group: &Group) -> Option<Self> {
        let (select, exclude) = (group.select.clone(), group.exclude.select.clone());
        if select.is_none() && exclude.is_none() {
            return None;
        }
        Some(Self {
            group: group.name.clone(),
            split_by: group.split_by.clone().filter(|_| select.is_some()),
            select,
            exclude,
        })
    }
}

impl<'a> Known<'a> {
    /// Whether what `group` finds is certain, so that its targets can be counted.
    pub(super) fn judges(self, group: &Group) -> bool {
        let Some(asked) = Asked::by(group) else {
            return true;
        };
        match self {
            Self::Listing(_) => true,
            Self::Frozen(..) => self
                .frozen(group)
                .is_some_and(|selection| selection.asked == asked),
            Self::Nothing => false,
        }
    }

    /// Whether what `group` finds has values to split it by.
    pub(super) fn splits(self, group: &Group) -> bool {
        match self {
            _ if group.select.is_none() => true,
            Self::Listing(_) => true,
            Self::Frozen(..) => self
                .frozen(group)
                .is_some_and(|selection| selection.asked.split_by == group.split_by),
            Self::Nothing => false,
        }
    }

    /// The servers that `select` finds for `group`, sorted by ID.
    pub(super) fn picked(self, group: &Group) -> Vec<Picked<'a>> {
        let Some(select) = &group.select else {
            return Vec::new();
        };
        let mut picked: Vec<Picked<'a>> = match self {
            Self::Listing(servers) => {
                let key = group.split_by.as_deref().and_then(tag_key);
                let present = servers.iter().filter(|s| s.state != StateClass::Gone);
                present
                    .filter(|server| meets(select, server))
                    .map(|server| Picked {
                        server: server.id,
                        name: Some(server.name.as_str()).filter(|name| !name.is_empty()),
                        value: key.and_then(|key| tag(server.tags.listed()?, key)),
                    })
                    .collect()
            }
            Self::Frozen(_, names) => {
                let found = self.frozen(group).map(|selection| selection.found.iter());
                let pick = |found: &'a Found| {
                    found.servers.iter().map(|server| Picked {
                        server: *server,
                        name: names.get(server).map(String::as_str),
                        value: found.value.as_deref(),
                    })
                };
                found.into_iter().flatten().flat_map(pick).collect()
            }
            Self::Nothing => Vec::new(),
        };
        picked.sort_unstable_by_key(|one| one.server);
        picked
    }

    /// Those of `listed` that the group's `exclude.select` finds.
    pub(super) fn left_out(self, group: &Group, listed: &[ServerId]) -> HashSet<ServerId> {
        let Some(select) = &group.exclude.select else {
            return HashSet::new();
        };
        let meant: HashSet<ServerId> = match self {
            Self::Listing(servers) => {
                // A server that may be meant is left out.
                let meant = servers
                    .iter()
                    .filter(|server| matching(select, server) != Match::No);
                meant.map(|server| server.id).collect()
            }
            Self::Frozen(..) => {
                let frozen = self.frozen(group);
                let left_out = frozen.map(|selection| selection.left_out.iter());
                left_out.into_iter().flatten().copied().collect()
            }
            Self::Nothing => HashSet::new(),
        };
        let both = listed.iter().filter(|server| meant.contains(server));
        both.copied().collect()
    }

    /// The servers of which it is not known whether the group's `select` means them, each with the member that
    /// the API does not report clearly.
    pub(super) fn doubtful(self, select: &Select) -> Vec<(ServerId, &'static str)> {
        let Self::Listing(servers) = self else {
            return Vec::new();
        };
        let present = servers.iter().filter(|it| it.state != StateClass::Gone);
        let doubtful = present.filter_map(|server| match matching(select, server) {
            Match::Unknown(member) => Some((server.id, member)),
            Match::Yes | Match::No => None,
        });
        doubtful.collect()
    }

    fn frozen(self, group: &Group) -> Option<&'a Selection> {
        match self {
            Self::Frozen(selections, _) => selections
                .iter()
                .find(|selection| selection.asked.group == group.name),
            Self::Listing(_) | Self::Nothing => None,
        }
    }
}

impl Selection {
    /// What `group` asked and found.
    pub(super) fn of(asked: Asked, picked: &[Picked<'_>], left_out: &HashSet<ServerId>) -> Self {
        let mut found: Vec<Found> = Vec::new();
        for one in picked {
            let value = asked
                .split_by
                .as_ref()
                .map(|_| one.value.unwrap_or_default());
            match found.iter_mut().find(|part| part.value.as_deref() == value) {
                Some(part) => part.servers.push(one.server),
                None => found.push(Found {
                    value: value.map(str::to_owned),
                    servers: vec![one.server],
                }),
            }
        }
        let mut left_out: Vec<ServerId> = left_out.iter().copied().collect();
        left_out.sort_unstable();
        Self {
            asked,
            found,
            left_out,
        }
    }
}

/// The first group whose selection no resolution can have made: it stands twice, or servers are not in
/// order or repeated.
pub fn odd_selection(selections: &[Selection]) -> Option<&str> {
    let mut groups = HashSet::new();
    for selection in selections {
        let mut servers = HashSet::new();
        let mut lists = selection.found.iter().map(|found| &found.servers);
        let sorted = |list: &Vec<ServerId>| list.is_sorted_by(|one, next| one < next);
        let sound = lists.clone().chain([&selection.left_out]).all(sorted)
            && lists.all(|list| list.iter().all(|server| servers.insert(*server)));
        let group = selection.asked.group.as_str();
        if !sound || !groups.insert(group) {
            return Some(group);
        }
    }
    None
}

/// Whether a server meets criteria.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    /// It meets every criterion.
    Yes,
    /// It does not meet one.
    No,
    /// It fails none, but the API does not report clearly this member, by which it is selected.
    Unknown(&'static str),
}

impl Match {
    /// Of two criteria: one that is not met decides.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown(member), _) | (Self::Yes, Self::Unknown(member)) => {
                Self::Unknown(member)
            }
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }
}

impl From<bool> for Match {
    fn from(is_met: bool) -> Self {
        if is_met { Self::Yes } else { Self::No }
    }
}

/// Whether a server is known to meet every criterion.
pub(super) fn meets(select: &Select, server: &ServerDetail) -> bool {
    matching(select, server) == Match::Yes
}

/// Whether a server meets every criterion, as far as the API reports what it is.
pub(super) fn matching(select: &Select, server: &ServerDetail) -> Match {
    let Select {
        name,
        tags,
        status,
        flavor,
        availability_zone,
        enterprise_project_id,
    } = select;
    let status_seen = Some(server.status.as_str()).filter(|status| !status.is_empty());
    let texts = [
        ("status", status, status_seen),
        ("flavor", flavor, server.flavor.as_deref()),
        (
            "availability_zone",
            availability_zone,
            server.availability_zone.as_deref(),
        ),
        (
            "enterprise_project_id",
            enterprise_project_id,
            server.enterprise_project_id.as_deref(),
        ),
    ];
    let texts = texts
        .into_iter()
        .map(|(member, wanted, own)| same(member, wanted.as_deref(), own));
    let named = name.as_ref().map(|name| fits(name, server));
    let tagged = (!tags.is_empty()).then(|| has_tags(select, server));
    let all = texts.chain(named).chain(tagged);
    all.fold(Match::Yes, Match::and)
}

fn same(member: &'static str, wanted: Option<&str>, own: Option<&str>) -> Match {
    match (wanted, own) {
        (None, _) => Match::Yes,
        (Some(_), None) => Match::Unknown(member),
        (Some(wanted), Some(own)) => Match::from(wanted == own),
    }
}

/// A server that is listed under several names fits for certain only if all of them do.
fn fits(name: &Glob, server: &ServerDetail) -> Match {
    let fit = server.names().filter(|own| name.matches(own)).count();
    match server.names().count() {
        0 => Match::Unknown("name"),
        all if fit == all => Match::Yes,
        _ if fit == 0 => Match::No,
        _ => Match::Unknown("name"),
    }
}

fn has_tags(select: &Select, server: &ServerDetail) -> Match {
    match &server.tags {
        Tags::Listed(own) => {
            let mut wanted = select.tags.iter();
            Match::from(wanted.all(|(key, value)| tag(own, key) == Some(value)))
        }
        Tags::Conflicting(_) | Tags::Partial(_) | Tags::Absent | Tags::Null | Tags::Unreadable => {
            Match::Unknown("tags")
        }
    }
}

/// The value of a server's tag; empty for a tag without one.
fn tag<'s>(tags: &'s [String], key: &str) -> Option<&'s str> {
    tags.iter().find_map(|tag| {
        let rest = tag.strip_prefix(key)?;
        match rest.strip_prefix('=') {
            Some(value) => Some(value),
            None => rest.is_empty().then_some(rest),
        }
    })
}

/// The key of a `split_by` of the form `tag:KEY`.
fn tag_key(split_by: &str) -> Option<&str> {
    split_by.strip_prefix("tag:")
}

/// The criteria in words, such as `select name=web-* tag:rack=b7`.
pub fn criteria(select: &Select) -> String {
    let name = select.name.as_ref().map(ToString::to_string);
    let texts = [
        ("name", &name),
        ("status", &select.status),
        ("flavor", &select.flavor),
        ("availability_zone", &select.availability_zone),
        ("enterprise_project_id", &select.enterprise_project_id),
    ];
    let given = texts
        .into_iter()
        .filter_map(|(key, text)| text.as_ref().map(|text| (key, text)));
    let mut words = "select".to_owned();
    // Writing to a string cannot fail.
    for (key, text) in given {
        let _ = write!(words, " {key}={text}");
    }
    for (key, value) in &select.tags {
        let _ = write!(words, " tag:{key}={value}");
    }
    words
}

#[cfg(test)]
mod tests;
