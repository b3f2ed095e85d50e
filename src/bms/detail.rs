//! Servers with all that they can be selected and forbidden by: status, flavor, zone, project, tags.
//!
//! Owns the members that [`ServerRow`] leaves out, since a run reads its rows by the thousand and needs
//! none of them. Invariant: what the API does not report, or not in a form that is understood, is never taken
//! for empty, and concerns its own server only.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::listing::{Page, ServerRow, Wire, listed, single};
use super::row::{Members, Row};
use super::scalar::Scalar;
use crate::ids::ServerId;
use crate::power::StateClass;

/// One server as a listing or a single answer gives it. Every text is untrusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerDetail {
    /// Its ID.
    pub id: ServerId,
    /// Its name; empty if the API reports none, or not as text.
    pub name: String,
    /// Further names that the same listing shows for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_names: Vec<String>,
    /// Its status in the API's own word, such as `ACTIVE`; empty if there is none that can be read.
    pub status: String,
    /// What status, task, power state and lock mean together.
    pub state: StateClass,
    /// ID of its flavor, such as `physical.s4.medium`.
    pub flavor: Option<String>,
    /// Its availability zone.
    pub availability_zone: Option<String>,
    /// ID of its enterprise project; `0` is the default one.
    pub enterprise_project_id: Option<String>,
    /// Its tags, as far as the API reports them.
    pub tags: Tags,
}

/// The tags of a server, each `key=value` or a bare word, sorted and without repetition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<Vec<String>>", into = "Option<Vec<String>>")]
pub enum Tags {
    /// These, of which there may be none.
    Listed(Vec<String>),
    /// The listing shows the server several times with different tags; these are all of them.
    Conflicting(Vec<String>),
    /// One row of the server shows these, and another shows none that can be read.
    Partial(Vec<String>),
    /// The row has no such member, as in version 1.1 of the listing.
    #[default]
    Absent,
    /// The member is null.
    Null,
    /// The member is no list of texts.
    Unreadable,
}

impl Tags {
    /// The tags if they are known for certain.
    pub fn listed(&self) -> Option<&[String]> {
        match self {
            Self::Listed(tags) => Some(tags),
            Self::Conflicting(_)
            | Self::Partial(_)
            | Self::Absent
            | Self::Null
            | Self::Unreadable => None,
        }
    }

    /// These tags, with those of another row of the same server in the same listing.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (
                Self::Listed(mut tags) | Self::Conflicting(mut tags),
                Self::Listed(more) | Self::Conflicting(more),
            ) => {
                tags.extend(more);
                Self::Conflicting(sorted(tags))
            }
            (
                Self::Partial(mut tags),
                Self::Listed(more) | Self::Conflicting(more) | Self::Partial(more),
            )
            | (Self::Listed(mut tags) | Self::Conflicting(mut tags), Self::Partial(more)) => {
                tags.extend(more);
                Self::Partial(sorted(tags))
            }
            // A tag that one row shows protects the server, whatever another row hides.
            (
                Self::Listed(tags) | Self::Conflicting(tags) | Self::Partial(tags),
                Self::Absent | Self::Null | Self::Unreadable,
            )
            | (
                Self::Absent | Self::Null | Self::Unreadable,
                Self::Listed(tags) | Self::Conflicting(tags) | Self::Partial(tags),
            ) => Self::Partial(tags),
            (Self::Unreadable, Self::Absent | Self::Null | Self::Unreadable)
            | (Self::Absent | Self::Null, Self::Unreadable) => Self::Unreadable,
            (Self::Absent | Self::Null, Self::Absent | Self::Null) => Self::Absent,
        }
    }
}

impl From<Option<Vec<String>>> for Tags {
    fn from(listed: Option<Vec<String>>) -> Self {
        listed.map_or(Self::Absent, |tags| Self::Listed(sorted(tags)))
    }
}

impl From<Tags> for Option<Vec<String>> {
    fn from(tags: Tags) -> Self {
        match tags {
            Tags::Listed(tags) => Some(tags),
            Tags::Conflicting(_)
            | Tags::Partial(_)
            | Tags::Absent
            | Tags::Null
            | Tags::Unreadable => None,
        }
    }
}

impl ServerDetail {
    /// A server of which the API reports nothing that is understood.
    fn not_understood(id: ServerId) -> Self {
        Self {
            id,
            name: String::new(),
            other_names: Vec::new(),
            status: String::new(),
            state: StateClass::Busy,
            flavor: None,
            availability_zone: None,
            enterprise_project_id: None,
            tags: Tags::Unreadable,
        }
    }

    /// Every name that it is shown under.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = [&self.name].into_iter().chain(&self.other_names);
        names.map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Takes in a later row of the same server in the same listing. Every name and tag is kept; of what else
    /// differs, nothing is known, apart from the state, which changes with time.
    pub fn take_in(&mut self, later: Self) {
        let keep_same = |own: &mut Option<String>, later: Option<String>| {
            if *own != later {
                *own = None;
            }
        };
        keep_same(&mut self.flavor, later.flavor);
        keep_same(&mut self.availability_zone, later.availability_zone);
        keep_same(&mut self.enterprise_project_id, later.enterprise_project_id);
        for name in std::iter::once(later.name).chain(later.other_names) {
            if self.name.is_empty() {
                self.name = name;
            } else if !name.is_empty() && name != self.name && !self.other_names.contains(&name) {
                self.other_names.push(name);
            }
        }
        self.tags = std::mem::take(&mut self.tags).and(later.tags);
        (self.status, self.state) = (later.status, later.state);
    }
}

/// Reads a list page; `None` if it is not one.
pub fn parse_detail_page(body: &[u8]) -> Option<Page<ServerDetail>> {
    let rows: Vec<Row<Wire<'_>>> = listed(body)?;
    let more: Vec<Row<More<'_>>> = listed(body)?;
    let listed = rows.len();
    let rows = rows.iter().zip(&more);
    Some(Page {
        rows: rows
            .filter_map(|(Row(row), Row(more))| detail(row, more))
            .collect(),
        listed,
    })
}

/// Reads the answer for the single server `id`; `None` if it is no answer about a server. One that does not
/// have this ID in a form that can be read shows a server that is not understood.
pub fn parse_detail(body: &[u8], id: ServerId) -> Option<ServerDetail> {
    let Row(row): Row<Wire<'_>> = single(body)?;
    let Row(more): Row<More<'_>> = single(body)?;
    let server = detail(&row, &more).filter(|server| server.id == id);
    Some(server.unwrap_or_else(|| ServerDetail::not_understood(id)))
}

/// The members that are read here only. The body is read twice, once for each set of members.
#[derive(Default)]
struct More<'a> {
    flavor: Flavor<'a>,
    prefixed_zone: Scalar<'a>,
    availability_zone: Scalar<'a>,
    enterprise_project_id: Scalar<'a>,
    tags: Option<Tags>,
}

/// Their names in the row.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Flavor,
    #[serde(rename = "OS-EXT-AZ:availability_zone")]
    PrefixedZone,
    AvailabilityZone,
    EnterpriseProjectId,
    Tags,
    #[serde(other)]
    Other,
}

impl<'a> Members<'a> for More<'a> {
    type Key = Key;

    fn take<A: MapAccess<'a>>(&mut self, key: Key, row: &mut A) -> Result<(), A::Error> {
        match key {
            Key::Flavor => {
                let Row(flavor) = row.next_value()?;
                self.flavor = flavor;
                Ok(())
            }
            Key::PrefixedZone => self.prefixed_zone.take(row),
            Key::AvailabilityZone => self.availability_zone.take(row),
            Key::EnterpriseProjectId => self.enterprise_project_id.take(row),
            Key::Tags => {
                let ReportedTags(tags) = row.next_value()?;
                // A member that is there twice is like a server that is there twice.
                self.tags = Some(match self.tags.take() {
                    Some(earlier) => earlier.and(tags),
                    None => tags,
                });
                Ok(())
            }
            Key::Other => row.next_value::<IgnoredAny>().map(|_| ()),
        }
    }
}

/// A flavor, of which the ID is read; without one if it is of another form.
#[derive(Default)]
struct Flavor<'a> {
    id: Scalar<'a>,
}

/// The names of a flavor's members.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum FlavorKey {
    Id,
    #[serde(other)]
    Other,
}

impl<'a> Members<'a> for Flavor<'a> {
    type Key = FlavorKey;

    fn take<A: MapAccess<'a>>(&mut self, key: FlavorKey, row: &mut A) -> Result<(), A::Error> {
        match key {
            FlavorKey::Id => self.id.take(row),
            FlavorKey::Other => row.next_value::<IgnoredAny>().map(|_| ()),
        }
    }
}

/// The value of the member `tags`, whatever it is.
struct ReportedTags(Tags);

impl<'de> Deserialize<'de> for ReportedTags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TagsVisitor).map(Self)
    }
}

struct TagsVisitor;

impl<'de> Visitor<'de> for TagsVisitor {
    type Value = Tags;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tags, A::Error> {
        let mut tags = Some(Vec::new());
        while let Some(item) = items.next_element::<Scalar<'_>>()? {
            match (&item, &mut tags) {
                (Scalar::Text(text), Some(tags)) => tags.push(text.clone().into_owned()),
                (Scalar::Text(_), None) => {}
                (Scalar::Absent | Scalar::Null | Scalar::Unreadable, _) => tags = None,
            }
        }
        let listed = |mut tags: Vec<String>| {
            tags.retain(|tag| !tag.is_empty());
            Tags::Listed(sorted(tags))
        };
        Ok(tags.map_or(Tags::Unreadable, listed))
    }

    fn visit_unit<E>(self) -> Result<Tags, E> {
        Ok(Tags::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tags, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Tags::Unreadable)
    }

    fn visit_str<E>(self, _: &str) -> Result<Tags, E> {
        Ok(Tags::Unreadable)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tags, E> {
        Ok(Tags::Unreadable)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tags, E> {
        Ok(Tags::Unreadable)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tags, E> {
        Ok(Tags::Unreadable)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tags, E> {
        Ok(Tags::Unreadable)
    }
}

fn detail(row: &Wire<'_>, more: &More<'_>) -> Option<ServerDetail> {
    let ServerRow {
        id, name, state, ..
    } = row.row()?;
    let zone = more.prefixed_zone.or(&more.availability_zone);
    Some(ServerDetail {
        id,
        name,
        other_names: Vec::new(),
        status: row.status().to_owned(),
        state,
        flavor: owned(&more.flavor.id),
        availability_zone: owned(zone),
        enterprise_project_id: owned(&more.enterprise_project_id),
        tags: more.tags.clone().unwrap_or_default(),
    })
}

fn sorted(mut tags: Vec<String>) -> Vec<String> {
    tags.sort_unstable();
    tags.dedup();
    tags
}

fn owned(text: &Scalar<'_>) -> Option<String> {
    text.get().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const ID: &str = "616fb98f-46ca-475e-917e-2563e5a8cd19";

    fn server(members: &str) -> String {
        format!(r#"{{"id":"{ID}","name":"db-1","status":"ACTIVE"{members}}}"#)
    }

    fn read(members: &str) -> Option<ServerDetail> {
        let body = format!(r#"{{"servers":[{}]}}"#, server(members));
        parse_detail_page(body.as_bytes()).map(|mut page| page.rows.remove(0))
    }

    #[test]
    fn a_full_row_is_read_whole() {
        let members = r#","OS-EXT-STS:task_state":"powering-off","flavor":{"id":"physical.s4.medium","vcpus":"32"},"OS-EXT-AZ:availability_zone":"az1","enterprise_project_id":"0","tags":["zone=b","__type_baremetal","a=1","zone=b"]"#;
        let expected = ServerDetail {
            id: ID.parse().unwrap(),
            name: "db-1".into(),
            other_names: Vec::new(),
            status: "ACTIVE".into(),
            state: StateClass::Stopping,
            flavor: Some("physical.s4.medium".into()),
            availability_zone: Some("az1".into()),
            enterprise_project_id: Some("0".into()),
            tags: Tags::Listed(vec![
                "__type_baremetal".into(),
                "a=1".into(),
                "zone=b".into(),
            ]),
        };
        assert_eq!(read(members), Some(expected.clone()));
        let body = format!(r#"{{"server":{}}}"#, server(members));
        let single = parse_detail(body.as_bytes(), expected.id);
        assert_eq!(single, Some(expected));
        let other = ServerId::from_bytes([7; 16]);
        let of_another = parse_detail(body.as_bytes(), other);
        assert_eq!(of_another, Some(ServerDetail::not_understood(other)));
        assert_eq!(parse_detail(b"{}", other), None);
    }

    #[rstest]
    #[case("", Tags::Absent)]
    #[case(
        r#","tags":null,"flavor":null,"enterprise_project_id":null,"availability_zone":"""#,
        Tags::Null
    )]
    #[case(r#","tags":[],"flavor":{}"#, Tags::Listed(Vec::new()))]
    fn what_is_absent_is_absent_and_not_empty(#[case] members: &str, #[case] tags: Tags) {
        let server = read(members).unwrap();
        let texts = (
            server.flavor,
            server.availability_zone,
            server.enterprise_project_id,
        );
        assert_eq!(texts, (None, None, None));
        assert_eq!(server.tags, tags);
    }

    #[rstest]
    #[case(r#""a=b""#)]
    #[case(r#"{"a":"b"}"#)]
    #[case(r#"[{"key":"a","value":"b"}]"#)]
    #[case(r#"["a=b",null]"#)]
    #[case("[1.10]")]
    #[case("7")]
    #[case("false")]
    fn tags_of_another_form_are_unreadable_and_spoil_no_other_server(#[case] tags: &str) {
        let (id, other) = (
            server(&format!(r#","tags":{tags}"#)),
            server(r#","tags":[]"#),
        );
        let other = other.replace("616fb98f", "716fb98f");
        let body = format!(r#"{{"servers":[{id},{other}]}}"#);
        let page = parse_detail_page(body.as_bytes()).unwrap();
        let tags: Vec<&Tags> = page.rows.iter().map(|server| &server.tags).collect();
        assert_eq!(tags, [&Tags::Unreadable, &Tags::Listed(Vec::new())]);
    }

    #[test]
    fn a_doubled_member_keeps_the_tags_that_can_be_read() {
        let row = read(r#","tags":["a=b"],"tags":{}"#).unwrap();
        assert_eq!(row.tags, Tags::Partial(vec!["a=b".to_owned()]));
    }

    #[rstest]
    #[case(r#","flavor":"physical.s4.medium""#)]
    #[case(r#","flavor":["physical.s4.medium"]"#)]
    #[case(r#","flavor":{"id":{}}"#)]
    #[case(r#","availability_zone":{"name":"az1"}"#)]
    fn other_members_of_another_type_are_not_known(#[case] members: &str) {
        let server = read(members).unwrap();
        assert_eq!((server.flavor, server.availability_zone), (None, None));
    }

    #[rstest]
    #[case(&[r#","tags":["a"]"#, r#","tags":["b"]"#], Tags::Conflicting(vec!["a".into(), "b".into()]))]
    #[case(&[r#","tags":["a"]"#, r#","tags":["a"]"#], Tags::Listed(vec!["a".into()]))]
    #[case(&[r#","tags":["a"]"#, r#","tags":null"#], Tags::Partial(vec!["a".into()]))]
    #[case(&["", r#","tags":["a"]"#], Tags::Partial(vec!["a".into()]))]
    #[case(&[r#","tags":{}"#, r#","tags":["a"]"#], Tags::Partial(vec!["a".into()]))]
    #[case(&[r#","tags":[]"#, r#","tags":null"#], Tags::Partial(Vec::new()))]
    #[case(&[r#","tags":{}"#, r#","tags":null"#], Tags::Unreadable)]
    #[case(&[r#","tags":null"#, ""], Tags::Absent)]
    fn rows_of_one_server_are_taken_together(#[case] rows: &[&str], #[case] expected: Tags) {
        let mut rows = rows.iter().map(|members| read(members).unwrap());
        let mut server = rows.next().unwrap();
        for (number, mut row) in rows.enumerate() {
            row.name = format!("db-{}", number + 2);
            row.flavor = Some("other".into());
            server.take_in(row);
        }
        assert_eq!(server.tags, expected);
        assert_eq!(server.names().collect::<Vec<_>>(), ["db-1", "db-2"]);
        assert_eq!(server.flavor, None);
    }

    #[test]
    fn rows_without_a_server_id_are_counted_and_passed_over() {
        let body = format!(
            r#"{{"servers":[{{"id":"x","tags":["a=b"]}},{}]}}"#,
            server(r#","tags":["c=d"]"#)
        );
        let page = parse_detail_page(body.as_bytes()).unwrap();
        assert_eq!(page.listed, 2);
        assert_eq!(page.rows.len(), 1);
        assert_eq!(page.rows[0].tags, Tags::Listed(vec!["c=d".to_owned()]));
    }
}
