//! Servers with all that they can be selected and forbidden by: status, flavor, zone, project, tags.
//!
//! Owns the members that [`ServerRow`] leaves out, since a run reads its rows by the thousand and needs
//! none of them. Invariant: a page whose flavor or tags cannot be understood is no page, so that a
//! server never passes for one without tags only because they were written in another way.

use serde::{Deserialize, Serialize};

use super::listing::{Page, ServerRow, Wire, listed, single};
use super::scalar::Scalar;
use crate::ids::ServerId;
use crate::power::StateClass;

/// One server as a listing or a single answer gives it. Every text is untrusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerDetail {
    /// Its ID.
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// Its status in the cloud's own word, such as `ACTIVE`; empty if it has none.
    pub status: String,
    /// What status, task, power state and lock mean together.
    pub state: StateClass,
    /// ID of its flavor, such as `physical.s4.medium`.
    pub flavor: Option<String>,
    /// Its availability zone.
    pub availability_zone: Option<String>,
    /// ID of its enterprise project; `0` is the default one.
    pub enterprise_project_id: Option<String>,
    /// Its tags, each `key=value` or a bare word; sorted, without repetition. `None` where the answer
    /// does not tell them, as in version 1.1 of the listing.
    pub tags: Option<Vec<String>>,
}

/// Reads a list page; `None` if it is not one.
pub fn parse_detail_page(body: &[u8]) -> Option<Page<ServerDetail>> {
    let rows: Vec<Wire<'_>> = listed(body)?;
    let more: Vec<More<'_>> = listed(body)?;
    let listed = rows.len();
    let rows = rows.iter().zip(&more);
    Some(Page {
        rows: rows.filter_map(|(row, more)| detail(row, more)).collect(),
        listed,
    })
}

/// Reads the answer for the single server `id`; `None` if it is not that.
pub fn parse_detail(body: &[u8], id: ServerId) -> Option<ServerDetail> {
    let row: Wire<'_> = single(body)?;
    let more: More<'_> = single(body)?;
    detail(&row, &more).filter(|server| server.id == id)
}

/// The members that are read here only. The body is read twice, once for each set of members.
#[derive(Deserialize)]
struct More<'a> {
    #[serde(borrow, default)]
    flavor: Option<Flavor<'a>>,
    #[serde(borrow, default, rename = "OS-EXT-AZ:availability_zone")]
    prefixed_zone: Scalar<'a>,
    #[serde(borrow, default)]
    availability_zone: Scalar<'a>,
    #[serde(borrow, default)]
    enterprise_project_id: Scalar<'a>,
    #[serde(borrow, default)]
    tags: Tags<'a>,
}

/// Tags as they are told: absent is not the same as none, which may be `null`.
#[derive(Default)]
struct Tags<'a>(Option<Vec<Scalar<'a>>>);

impl<'de: 'a, 'a> Deserialize<'de> for Tags<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let told: Option<Vec<Scalar<'a>>> = Option::deserialize(deserializer)?;
        Ok(Self(Some(told.unwrap_or_default())))
    }
}

#[derive(Deserialize)]
struct Flavor<'a> {
    #[serde(borrow, default)]
    id: Scalar<'a>,
}

fn detail(row: &Wire<'_>, more: &More<'_>) -> Option<ServerDetail> {
    let ServerRow { id, name, state } = row.row()?;
    let zone = more.prefixed_zone.get().or(more.availability_zone.get());
    Some(ServerDetail {
        id,
        name,
        status: row.status().to_owned(),
        state,
        flavor: owned(more.flavor.as_ref().and_then(|flavor| flavor.id.get())),
        availability_zone: owned(zone),
        enterprise_project_id: owned(more.enterprise_project_id.get()),
        tags: more.tags.0.as_deref().map(tags),
    })
}

fn tags(told: &[Scalar<'_>]) -> Vec<String> {
    let told = told.iter().filter_map(Scalar::get);
    let mut tags: Vec<String> = told.map(str::to_owned).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
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
            status: "ACTIVE".into(),
            state: StateClass::Stopping,
            flavor: Some("physical.s4.medium".into()),
            availability_zone: Some("az1".into()),
            enterprise_project_id: Some("0".into()),
            tags: Some(vec![
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
        assert_eq!(parse_detail(body.as_bytes(), other), None);
    }

    #[rstest]
    #[case("", None)]
    #[case(
        r#","tags":null,"flavor":null,"enterprise_project_id":null,"availability_zone":"""#,
        Some(Vec::new())
    )]
    #[case(r#","tags":[],"flavor":{}"#, Some(Vec::new()))]
    fn what_is_absent_is_absent(#[case] members: &str, #[case] tags: Option<Vec<String>>) {
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
    #[case(r#","tags":"a=b""#)]
    #[case(r#","tags":[{"key":"a","value":"b"}]"#)]
    #[case(r#","flavor":"physical.s4.medium""#)]
    fn what_is_written_in_another_way_is_not_taken_for_absent(#[case] members: &str) {
        assert_eq!(read(members), None);
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
        assert_eq!(page.rows[0].tags, Some(vec!["c=d".to_owned()]));
    }
}
