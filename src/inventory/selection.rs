//! What `select` finds: in the project's listing, or again as an earlier plan has frozen it.
//!
//! Owns the criteria's meaning and the frozen form. Everything is compared here, on the listing as it
//! was read; the API's own filters are never used. Invariant: found servers are sorted by ID, so the
//! same servers give the same targets in the same order, however the cloud lists or names them.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::split::part_of;
use crate::bms::{ServerDetail, StateClass};
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
                        value: key.and_then(|key| tag(server, key)),
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
                // Where it cannot be told whether a server is meant, it is left out.
                let meant = servers.iter().filter(|server| may_meet(select, server));
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

/// Whether a server is known to meet every criterion.
pub(super) fn meets(select: &Select, server: &ServerDetail) -> bool {
    meets_all_but_tags(select, server) && has_tags(select, server)
}

/// Whether a server meets every criterion or may do so: whose tags are not told may have any.
fn may_meet(select: &Select, server: &ServerDetail) -> bool {
    meets_all_but_tags(select, server) && (server.tags.is_none() || has_tags(select, server))
}

fn has_tags(select: &Select, server: &ServerDetail) -> bool {
    let mut tags = select.tags.iter();
    tags.all(|(key, value)| tag(server, key) == Some(value))
}

fn meets_all_but_tags(select: &Select, server: &ServerDetail) -> bool {
    let Select {
        name,
        tags: _,
        status,
        flavor,
        availability_zone,
        enterprise_project_id,
    } = select;
    let same = |wanted: &Option<String>, own: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| own == Some(wanted))
    };
    name.as_ref().is_none_or(|name| name.matches(&server.name))
        && same(status, Some(&server.status))
        && same(flavor, server.flavor.as_deref())
        && same(availability_zone, server.availability_zone.as_deref())
        && same(
            enterprise_project_id,
            server.enterprise_project_id.as_deref(),
        )
}

/// The value of a server's tag; empty for a tag without one.
fn tag<'s>(server: &'s ServerDetail, key: &str) -> Option<&'s str> {
    server.tags.iter().flatten().find_map(|tag| {
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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn server(number: u8, tags: &[&str]) -> ServerDetail {
        ServerDetail {
            id: ServerId::from_bytes([number; 16]),
            name: format!("web-{number}"),
            status: "ACTIVE".into(),
            state: StateClass::On,
            flavor: Some("physical.s4.medium".into()),
            availability_zone: Some("az1".into()),
            enterprise_project_id: Some("0".into()),
            tags: Some(tags.iter().map(|tag| (*tag).to_owned()).collect()),
        }
    }

    fn select(criteria: &[(&str, &str)]) -> Select {
        let own = |key: &str| {
            let mut all = criteria.iter();
            let found = all.find(|(name, _)| *name == key);
            found.map(|(_, text)| (*text).to_owned())
        };
        Select {
            name: own("name").map(|name| name.parse().unwrap()),
            tags: criteria
                .iter()
                .filter_map(|(key, value)| {
                    Some((key.strip_prefix("tag:")?.to_owned(), (*value).to_owned()))
                })
                .collect(),
            status: own("status"),
            flavor: own("flavor"),
            availability_zone: own("zone"),
            enterprise_project_id: own("project"),
        }
    }

    #[rstest]
    #[case(&[("name", "web-*")], true)]
    #[case(&[("name", "web")], false)]
    #[case(&[("name", "WEB-*")], false)]
    #[case(&[("tag:rack", "b7")], true)]
    #[case(&[("tag:rack", "b")], false)]
    #[case(&[("tag:rac", "k=b7")], false)]
    #[case(&[("tag:rack", "b7"), ("tag:env", "test")], true)]
    #[case(&[("tag:rack", "b7"), ("tag:env", "prod")], false)]
    #[case(&[("tag:env", "")], false)]
    #[case(&[("tag:bare", "")], true)]
    #[case(&[("tag:bar", "")], false)]
    #[case(&[("tag:empty", "")], true)]
    #[case(&[("tag:url", "a=b")], true)]
    #[case(&[("status", "ACTIVE")], true)]
    #[case(&[("status", "active")], false)]
    #[case(&[("flavor", "physical.s4.medium")], true)]
    #[case(&[("flavor", "physical.s4.*")], false)]
    #[case(&[("zone", "az1")], true)]
    #[case(&[("zone", "az2")], false)]
    #[case(&[("project", "0")], true)]
    #[case(&[("project", "1")], false)]
    #[case(&[("name", "web-*"), ("zone", "az2")], false)]
    fn each_criterion_must_be_met(#[case] criteria: &[(&str, &str)], #[case] expected: bool) {
        let tags = ["bare", "empty=", "env=test", "rack=b7", "url=a=b"];
        assert_eq!(meets(&select(criteria), &server(1, &tags)), expected);
    }

    #[test]
    fn what_a_server_does_not_have_meets_nothing() {
        let mut bare = server(1, &[]);
        bare.flavor = None;
        bare.availability_zone = None;
        for criterion in ["flavor", "zone", "tag:rack"] {
            assert!(!meets(&select(&[(criterion, "")]), &bare), "{criterion}");
        }
    }

    #[test]
    fn tags_that_are_not_told_select_nobody_and_spare_everybody() {
        let mut silent = server(1, &[]);
        silent.tags = None;
        let by_tag = select(&[("tag:keep", "on"), ("zone", "az1")]);
        assert!(!meets(&by_tag, &silent) && may_meet(&by_tag, &silent));
        assert!(!may_meet(&by_tag, &server(1, &["keep=off"])));
        let elsewhere = select(&[("tag:keep", "on"), ("zone", "az2")]);
        assert!(!may_meet(&elsewhere, &silent));
    }

    #[test]
    fn words_name_every_criterion() {
        let asked = select(&[
            ("name", "web-*"),
            ("tag:rack", "b7"),
            ("tag:bare", ""),
            ("status", "ACTIVE"),
            ("flavor", "f"),
            ("zone", "az1"),
            ("project", "0"),
        ]);
        assert_eq!(
            criteria(&asked),
            "select name=web-* status=ACTIVE flavor=f availability_zone=az1 enterprise_project_id=0 tag:bare= tag:rack=b7"
        );
    }

    proptest! {
        #[test]
        fn more_criteria_never_find_more(
            tags in proptest::collection::btree_set("[ab](=[ab]?)?", 0..4),
            first in "[ab]", second in "[ab]?", name in "[web*?0-9-]{1,6}",
        ) {
            let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
            let server = server(7, &tags);
            let key = format!("tag:{first}");
            let by_tag = select(&[(&key, &second)]);
            let by_name = select(&[("name", &name)]);
            let both = select(&[(&key, &second), ("name", &name)]);
            prop_assert_eq!(
                meets(&both, &server),
                meets(&by_tag, &server) && meets(&by_name, &server)
            );
        }
    }
}
