//! Rows of the project's servers, as a list page or a single answer gives them.
//!
//! Owns the parsing of both; what vitals mean is decided in `state`. Invariant: a row is known by a
//! valid server ID; rows without one are passed over, and members that are not needed are ignored.

use std::borrow::Cow;

use serde::Deserialize;

use super::body;
use super::scalar::Scalar;
use super::state::{Vitals, classify};
use crate::ids::ServerId;
use crate::power::StateClass;

/// One server as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRow {
    /// Its ID.
    pub id: ServerId,
    /// Its name; untrusted.
    pub name: String,
    /// Its state.
    pub state: StateClass,
}

/// One page of the listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<R = ServerRow> {
    /// The rows with a valid ID.
    pub rows: Vec<R>,
    /// How many rows the page has in all; fewer than [`PAGE_SIZE`](super::request::PAGE_SIZE) on the last.
    pub listed: usize,
}

/// Reads a list page; `None` if it is not one.
pub fn parse_page(body: &[u8]) -> Option<Page> {
    let servers: Vec<Wire<'_>> = listed(body)?;
    Some(Page {
        rows: servers.iter().filter_map(Wire::row).collect(),
        listed: servers.len(),
    })
}

/// Reads the answer for the single server `id`; `None` if it is not that.
pub fn parse_server(body: &[u8], id: ServerId) -> Option<ServerRow> {
    let server: Wire<'_> = single(body)?;
    server.row().filter(|row| row.id == id)
}

/// The servers of a list page, whichever of their members `W` reads.
pub(super) fn listed<'a, W: Deserialize<'a>>(body: &'a [u8]) -> Option<Vec<W>> {
    #[derive(Deserialize)]
    #[serde(bound(deserialize = "W: Deserialize<'de>"))]
    struct List<W> {
        // Read by a function, so that it may be null but not absent.
        #[serde(deserialize_with = "Option::deserialize")]
        servers: Option<Vec<W>>,
    }
    let list: List<W> = body::read(body)?;
    Some(list.servers.unwrap_or_default())
}

/// The server of a single answer, whichever of its members `W` reads.
pub(super) fn single<'a, W: Deserialize<'a>>(body: &'a [u8]) -> Option<W> {
    #[derive(Deserialize)]
    struct Single<W> {
        server: W,
    }
    let single: Single<W> = body::read(body)?;
    Some(single.server)
}

/// The members of a server that are read; v1 prefixes some names, v1.1 does not.
#[derive(Deserialize)]
pub(super) struct Wire<'a> {
    #[serde(borrow, default)]
    id: Scalar<'a>,
    #[serde(borrow, default)]
    name: Scalar<'a>,
    #[serde(borrow, default)]
    status: Scalar<'a>,
    #[serde(borrow, default, rename = "OS-EXT-STS:task_state")]
    prefixed_task: Scalar<'a>,
    #[serde(borrow, default)]
    task_state: Scalar<'a>,
    #[serde(borrow, default, rename = "OS-EXT-STS:power_state")]
    prefixed_power: Scalar<'a>,
    #[serde(borrow, default)]
    power_state: Scalar<'a>,
    #[serde(borrow, default)]
    locked: Scalar<'a>,
}

impl Wire<'_> {
    /// The row; `None` without a valid ID.
    pub(super) fn row(&self) -> Option<ServerRow> {
        Some(ServerRow {
            id: self.id.get()?.parse().ok()?,
            name: self
                .name
                .get()
                .map(Cow::from)
                .unwrap_or_default()
                .into_owned(),
            state: classify(self.vitals()),
        })
    }

    /// The status in the cloud's own word; empty if there is none.
    pub(super) fn status(&self) -> &str {
        self.status.get().unwrap_or_default()
    }

    fn vitals(&self) -> Vitals<'_> {
        /// A power state that nobody documents, so that an unreadable one never counts as absent.
        const NOT_UNDERSTOOD: i64 = -1;
        let power = self.prefixed_power.get().or(self.power_state.get());
        Vitals {
            status: self.status(),
            task: self.prefixed_task.get().or(self.task_state.get()),
            power: power.map(|text| text.parse().unwrap_or(NOT_UNDERSTOOD)),
            locked: self.locked.get() == Some("true"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const ID: &str = "616fb98f-46ca-475e-917e-2563e5a8cd19";

    fn page(rows: &str) -> Option<Page> {
        parse_page(format!(r#"{{"count":7,"servers":{rows}}}"#).as_bytes())
    }

    #[rstest]
    #[case(
        r#""status":"ACTIVE","OS-EXT-STS:task_state":null,"OS-EXT-STS:power_state":1"#,
        StateClass::On
    )]
    #[case(
        r#""status":"ACTIVE","OS-EXT-STS:power_state":1,"locked":false"#,
        StateClass::On
    )]
    #[case(
        r#""status":"ACTIVE","OS-EXT-STS:power_state":"1","locked":null"#,
        StateClass::On
    )]
    #[case(r#""status":"ACTIVE""#, StateClass::On)]
    #[case(
        r#""status":"ACTIVE","OS-EXT-STS:power_state":1,"locked":true"#,
        StateClass::Locked
    )]
    #[case(r#""status":"ACTIVE","locked":"true""#, StateClass::Locked)]
    #[case(
        r#""status":"ACTIVE","OS-EXT-STS:task_state":"powering-off""#,
        StateClass::Stopping
    )]
    #[case(
        r#""status":"ACTIVE","task_state":"powering-off""#,
        StateClass::Stopping
    )]
    #[case(
        r#""status":"SHUTOFF","OS-EXT-STS:task_state":"","OS-EXT-STS:power_state":4"#,
        StateClass::Off
    )]
    #[case(r#""status":"SHUTOFF","OS-EXT-STS:power_state":"4""#, StateClass::Off)]
    #[case(
        r#""status":"SHUTOFF","OS-EXT-STS:power_state":"off""#,
        StateClass::Busy
    )]
    #[case(r#""status":"SHUTOFF","power_state":1"#, StateClass::Busy)]
    #[case(
        r#""status":"SHUTOFF","task_state":"powering-on""#,
        StateClass::Starting
    )]
    #[case(r#""status":"DELETED""#, StateClass::Gone)]
    #[case(r#""status":null"#, StateClass::Busy)]
    #[case(r#""flavor":{"id":"x","vcpus":"32"},"tags":["a=b"]"#, StateClass::Busy)]
    fn each_row_has_its_state(#[case] members: &str, #[case] expected: StateClass) {
        let page = page(&format!(r#"[{{"id":"{ID}","name":"n",{members}}}]"#)).unwrap();
        assert_eq!(page.rows[0].state, expected);
    }

    #[test]
    fn rows_without_a_server_id_are_counted_and_passed_over() {
        let upper = ID.to_uppercase();
        let rows = format!(
            r#"[{{"id":"{upper}","name":"\u00e9\"","status":"ACTIVE"}},{{"id":"x"}},{{"id":null}},{{}},{{"id":7}}]"#
        );
        let page = page(&rows).unwrap();
        assert_eq!(page.listed, 5);
        let row = ServerRow {
            id: ID.parse().unwrap(),
            name: "é\"".into(),
            state: StateClass::On,
        };
        assert_eq!(page.rows, [row]);
    }

    #[test]
    fn an_empty_page_is_a_page() {
        let empty = Some(Page {
            rows: Vec::new(),
            listed: 0,
        });
        assert_eq!(page("[]"), empty);
        assert_eq!(page("null"), empty);
    }

    #[rstest]
    #[case("")]
    #[case("{}")]
    #[case("[]")]
    #[case("<html>")]
    #[case(r#"{"servers":7}"#)]
    #[case(r#"{"servers":[{"id":"616fb98f"#)]
    #[case(r#"{"servers":[{"status":{}}]}"#)]
    #[case(r#"{"error":{"code":"x","message":"y"}}"#)]
    fn anything_else_is_none(#[case] body: &str) {
        assert_eq!(parse_page(body.as_bytes()), None);
    }

    #[test]
    fn a_single_answer_must_be_about_the_server_asked_for() {
        let body = format!(r#"{{"server":{{"id":"{ID}","name":"n","status":"ACTIVE"}}}}"#);
        let asked: ServerId = ID.parse().unwrap();
        let row = parse_server(body.as_bytes(), asked).unwrap();
        assert_eq!((row.id, row.state), (asked, StateClass::On));
        let other = ServerId::from_bytes([7; 16]);
        assert_eq!(parse_server(body.as_bytes(), other), None);
        assert_eq!(parse_server(b"{}", asked), None);
    }
}
