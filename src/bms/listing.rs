//! Rows of the project's servers, as a list page or a single answer gives them.
//!
//! Owns the parsing of both; what vitals mean is decided in `state`. Invariant: a row is known by a
//! valid server ID; rows without one are passed over, and members that are not needed are ignored. A member
//! that is not understood concerns its own server only, which is then never on and never off.

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess};

use super::body;
use super::error_body::shorten;
use super::row::{Members, Row};
use super::scalar::Scalar;
use super::state::{Vitals, classify};
use crate::ids::ServerId;
use crate::power::StateClass;

/// Most characters of a member's value that are kept to describe a state.
const WORD: usize = 40;

/// One server as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRow {
    /// Its ID.
    pub id: ServerId,
    /// Its name; untrusted. Empty if the API reports none, or not as text.
    pub name: String,
    /// Its state.
    pub state: StateClass,
    /// How the API describes its state, if that is changing or not understood; untrusted.
    pub said: Option<String>,
}

impl ServerRow {
    /// A server of which the API reports nothing that is understood.
    fn not_understood(id: ServerId) -> Self {
        Self {
            id,
            name: String::new(),
            state: StateClass::Busy,
            said: Some("no row that can be read".to_owned()),
        }
    }
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
    let servers: Vec<Row<Wire<'_>>> = listed(body)?;
    Some(Page {
        rows: servers.iter().filter_map(|Row(wire)| wire.row()).collect(),
        listed: servers.len(),
    })
}

/// Reads the answer for the single server `id`; `None` if it is not that.
pub fn parse_server(body: &[u8], id: ServerId) -> Option<ServerRow> {
    let Row(server): Row<Wire<'_>> = single(body)?;
    server.row().filter(|row| row.id == id)
}

/// The same, for the one who has to know a state of `id`: an answer about a server, but not about this one by
/// a readable ID, shows a server that is not understood.
pub(super) fn parse_server_or_not_understood(body: &[u8], id: ServerId) -> Option<ServerRow> {
    let Row(server): Row<Wire<'_>> = single(body)?;
    let row = server.row().filter(|row| row.id == id);
    Some(row.unwrap_or_else(|| ServerRow::not_understood(id)))
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
#[derive(Default)]
pub(super) struct Wire<'a> {
    id: Scalar<'a>,
    name: Scalar<'a>,
    status: Scalar<'a>,
    prefixed_task: Scalar<'a>,
    task_state: Scalar<'a>,
    prefixed_power: Scalar<'a>,
    power_state: Scalar<'a>,
    locked: Scalar<'a>,
}

/// Their names in the row.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
pub(super) enum Key {
    Id,
    Name,
    Status,
    #[serde(rename = "OS-EXT-STS:task_state")]
    PrefixedTask,
    TaskState,
    #[serde(rename = "OS-EXT-STS:power_state")]
    PrefixedPower,
    PowerState,
    Locked,
    #[serde(other)]
    Other,
}

impl<'a> Members<'a> for Wire<'a> {
    type Key = Key;

    fn take<A: MapAccess<'a>>(&mut self, key: Key, row: &mut A) -> Result<(), A::Error> {
        let member = match key {
            Key::Id => &mut self.id,
            Key::Name => &mut self.name,
            Key::Status => &mut self.status,
            Key::PrefixedTask => &mut self.prefixed_task,
            Key::TaskState => &mut self.task_state,
            Key::PrefixedPower => &mut self.prefixed_power,
            Key::PowerState => &mut self.power_state,
            Key::Locked => &mut self.locked,
            Key::Other => return row.next_value::<IgnoredAny>().map(|_| ()),
        };
        member.take(row)
    }
}

/// Whether a server in this state may be on its way to another one.
fn in_between(state: StateClass) -> bool {
    match state {
        StateClass::Busy | StateClass::Starting | StateClass::Stopping => true,
        StateClass::On
        | StateClass::Off
        | StateClass::Gone
        | StateClass::Error
        | StateClass::Locked => false,
    }
}

impl Wire<'_> {
    /// The row; `None` without a valid ID.
    pub(super) fn row(&self) -> Option<ServerRow> {
        let state = classify(self.vitals());
        Some(ServerRow {
            id: self.id.get()?.parse().ok()?,
            name: self.name.get().unwrap_or_default().to_owned(),
            state,
            said: in_between(state).then(|| self.said()),
        })
    }

    fn said(&self) -> String {
        let word = |member: &Scalar<'_>| match member {
            Scalar::Absent => "absent".to_owned(),
            Scalar::Null => "null".to_owned(),
            Scalar::Text(text) => shorten(text).chars().take(WORD).collect(),
            Scalar::Unreadable => "unreadable".to_owned(),
        };
        format!(
            "status {}, task_state {}, power_state {}",
            word(&self.status),
            word(self.prefixed_task.or(&self.task_state)),
            word(self.prefixed_power.or(&self.power_state)),
        )
    }

    /// The status in the API's own word; empty if there is none that can be read.
    pub(super) fn status(&self) -> &str {
        self.status.get().unwrap_or_default()
    }

    fn vitals(&self) -> Vitals<'_> {
        /// A task that is not documented, so that an unreadable one never counts as idle.
        const SOME_TASK: &str = "not understood";
        /// A power state that nobody documents, so that an unreadable one never counts as absent.
        const NOT_UNDERSTOOD: i64 = -1;
        let power = self.prefixed_power.or(&self.power_state);
        let power = if *power == Scalar::Unreadable {
            Some(NOT_UNDERSTOOD)
        } else {
            let text = power.get();
            text.map(|text| text.parse().unwrap_or(NOT_UNDERSTOOD))
        };
        let task = self.prefixed_task.or(&self.task_state);
        let task = if *task == Scalar::Unreadable {
            Some(SOME_TASK)
        } else {
            task.get()
        };
        Vitals {
            status: self.status(),
            task,
            power,
            locked: self.is_locked(),
        }
    }

    /// Whether it is locked, or may be: what is not understood never counts as unlocked.
    fn is_locked(&self) -> bool {
        match &self.locked {
            Scalar::Absent | Scalar::Null => false,
            Scalar::Text(text) => {
                !text.is_empty() && !text.eq_ignore_ascii_case("false") && text != "0"
            }
            Scalar::Unreadable => true,
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
    #[case(r#""status":"ACTIVE","locked":"False""#, StateClass::On)]
    #[case(r#""status":"ACTIVE","locked":{"by":"admin"}"#, StateClass::Locked)]
    #[case(
        r#""status":"ACTIVE","locked":false,"locked":true"#,
        StateClass::Locked
    )]
    #[case(
        r#""status":"ACTIVE","OS-EXT-STS:task_state":["powering-off"]"#,
        StateClass::Busy
    )]
    #[case(r#""status":"ACTIVE","OS-EXT-STS:power_state":{}"#, StateClass::Busy)]
    #[case(r#""status":"ACTIVE","OS-EXT-STS:power_state":1.5"#, StateClass::Busy)]
    #[case(r#""status":{"word":"ACTIVE"}"#, StateClass::Busy)]
    #[case(r#""status":"ACTIVE","status":"SHUTOFF""#, StateClass::Busy)]
    #[case(r#""status":"ACTIVE","status":"ACTIVE""#, StateClass::On)]
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
            r#"[{{"id":"{upper}","name":"\u00e9\"","status":"ACTIVE"}},{{"id":"x"}},{{"id":null}},{{}},{{"id":7}},{{"id":["{ID}"]}},null,7,"a",[1]]"#
        );
        let page = page(&rows).unwrap();
        assert_eq!(page.listed, 10);
        let row = ServerRow {
            id: ID.parse().unwrap(),
            name: "é\"".into(),
            state: StateClass::On,
            said: None,
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
        let not_understood = parse_server_or_not_understood(body.as_bytes(), other);
        assert_eq!(not_understood, Some(ServerRow::not_understood(other)));
        let same = parse_server_or_not_understood(body.as_bytes(), asked);
        assert_eq!(same, Some(row));
        assert_eq!(parse_server_or_not_understood(b"{}", asked), None);
    }
}
