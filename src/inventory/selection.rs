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
        Tags::Conflicting(_) | Tags::Absent | Tags::Null | Tags::Unreadable => {
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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn server(number: u8, tags: &[&str]) -> ServerDetail {
        ServerDetail {
            id: ServerId::from_bytes([number; 16]),
            name: format!("web-{number}"),
            other_names: Vec::new(),
            status: "ACTIVE".into(),
            state: StateClass::On,
            flavor: Some("physical.s4.medium".into()),
            availability_zone: Some("az1".into()),
            enterprise_project_id: Some("0".into()),
            tags: Tags::Listed(tags.iter().map(|tag| (*tag).to_owned()).collect()),
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

    /// A server of which one member is not reported clearly.
    fn unclear(member: &str) -> ServerDetail {
        let mut server = server(1, &["keep=on"]);
        match member {
            "name" => server.name = String::new(),
            "second name" => server.other_names = vec!["db-1".into()],
            "status" => server.status = String::new(),
            "flavor" => server.flavor = None,
            "availability_zone" => server.availability_zone = None,
            "enterprise_project_id" => server.enterprise_project_id = None,
            "null tags" => server.tags = Tags::Null,
            "absent tags" => server.tags = Tags::Absent,
            "odd tags" => server.tags = Tags::Unreadable,
            "two tags" => server.tags = Tags::Conflicting(vec!["keep=on".into()]),
            other => panic!("{other}"),
        }
        server
    }

    #[rstest]
    #[case("name", ("name", "web-*"), "name")]
    #[case("name", ("name", "*"), "name")]
    #[case("second name", ("name", "web-*"), "name")]
    #[case("second name", ("name", "db-*"), "name")]
    #[case("status", ("status", "ACTIVE"), "status")]
    #[case("flavor", ("flavor", "physical.s4.medium"), "flavor")]
    #[case("availability_zone", ("zone", "az1"), "availability_zone")]
    #[case("enterprise_project_id", ("project", "0"), "enterprise_project_id")]
    #[case("null tags", ("tag:keep", "on"), "tags")]
    #[case("absent tags", ("tag:keep", "on"), "tags")]
    #[case("odd tags", ("tag:keep", "on"), "tags")]
    #[case("two tags", ("tag:keep", "on"), "tags")]
    fn what_is_not_reported_selects_nobody_and_spares_everybody(
        #[case] member: &str,
        #[case] criterion: (&str, &str),
        #[case] expected: &'static str,
    ) {
        let servers = [unclear(member)];
        let by_one = select(&[criterion]);
        assert_eq!(matching(&by_one, &servers[0]), Match::Unknown(expected));
        let known = Known::Listing(&servers);
        assert_eq!(known.doubtful(&by_one), [(servers[0].id, expected)]);
        let never = [criterion, ("flavor", "of-nobody")];
        let by_two = select(&never);
        // Unless the server fails another criterion for certain.
        let fails = member != "flavor";
        assert_eq!(matching(&by_two, &servers[0]) == Match::No, fails);
    }

    #[test]
    fn two_names_that_both_fit_select() {
        let mut server = server(1, &[]);
        server.other_names = vec!["web-9".into()];
        assert!(meets(&select(&[("name", "web-*")]), &server));
        assert!(!meets(&select(&[("name", "web-1")]), &server));
        assert_eq!(matching(&select(&[("name", "db-*")]), &server), Match::No);
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
