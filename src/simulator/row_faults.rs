//! Servers whose rows are not as documented: null, missing and odd members, and servers that are listed twice.
//!
//! Owns how such faults are written, and what they do to the bytes of a row. Invariant: rows without a fault
//! cost nothing, and the state of a server is the same whatever its row shows.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::draw::Draw;
use super::faults::{Chosen, Share};
use super::quota::Kind;
use crate::ids::ServerId;

/// One member that the rows of some servers do not have as documented.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowFault {
    /// Name of the member, such as `tags` or `OS-EXT-STS:power_state`.
    pub member: String,
    /// What it is instead.
    pub form: Form,
    /// In which answers.
    #[serde(default, rename = "in")]
    pub answers: Answers,
    /// Share of all servers.
    #[serde(default)]
    pub share: Share,
    /// Servers by ID.
    #[serde(default)]
    pub ids: Vec<ServerId>,
}

/// What a member is instead of what is documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Null.
    NullValue,
    /// Not there.
    Absent,
    /// An empty text.
    Empty,
    /// An object.
    Object,
    /// There twice, the second time with another value.
    Twice,
}

/// The answers in which a row is odd.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answers {
    /// List pages and single reads.
    #[default]
    All,
    /// List pages.
    List,
    /// Single reads.
    Show,
}

/// Servers that the listing shows a second time.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Doubled {
    /// Share of all servers.
    pub share: Share,
    /// Servers by ID.
    pub ids: Vec<ServerId>,
    /// The name in the second row; the same if it is left out.
    pub name: Option<String>,
    /// The tags in the second row; the same if they are left out.
    pub tags: Option<Vec<String>>,
    /// Whether the second rows come after all others, so that they are on a later page.
    pub apart: bool,
}

impl RowFault {
    /// Whether it falls on this server; `place` is its own among the row faults.
    pub(super) fn falls_on(&self, draw: Draw, place: usize, id: ServerId) -> bool {
        let purpose = format!("row-{place}");
        chosen(self.share, &self.ids).has(draw, &purpose, id)
    }

    fn is_in(&self, kind: Kind) -> bool {
        match self.answers {
            Answers::All => true,
            Answers::List => kind == Kind::List,
            Answers::Show => kind == Kind::Show,
        }
    }
}

impl Doubled {
    /// Whether it falls on this server; `place` is its own among the doubled rows.
    pub(super) fn falls_on(&self, draw: Draw, place: usize, id: ServerId) -> bool {
        let purpose = format!("doubled-{place}");
        chosen(self.share, &self.ids).has(draw, &purpose, id)
    }

    /// Makes the row at the end of `out`, from `start` on, the second one of its server.
    pub(super) fn rewrite(&self, out: &mut Vec<u8>, start: usize) {
        let name = self.name.as_ref().map(|name| ("name", json!(name)));
        let tags = self.tags.as_ref().map(|tags| ("tags", json!(tags)));
        change(out, start, |row| {
            let members = name.into_iter().chain(tags);
            row.extend(members.map(|(key, value)| (key.to_owned(), value)));
        });
    }
}

fn chosen(share: Share, ids: &[ServerId]) -> Chosen {
    Chosen {
        share,
        ids: ids.to_vec(),
        lasts: None,
    }
}

/// Does to the row at the end of `out`, from `start` on, what its faults do in an answer of this kind.
pub(super) fn spoil(faults: &[RowFault], kind: Kind, out: &mut Vec<u8>, start: usize) {
    for fault in faults.iter().filter(|fault| fault.is_in(kind)) {
        let member = fault.member.clone();
        match fault.form {
            Form::NullValue => change(out, start, |row| drop(row.insert(member, Value::Null))),
            Form::Absent => change(out, start, |row| drop(row.remove(&member))),
            Form::Empty => change(out, start, |row| drop(row.insert(member, json!("")))),
            Form::Object => change(out, start, |row| {
                let value = row.remove(&member);
                row.insert(member, json!({ "value": value }));
            }),
            Form::Twice => {
                out.pop();
                let key = json!(member);
                out.extend_from_slice(format!(r#",{key}:"another"}}"#).as_bytes());
            }
        }
    }
}

/// Changes the row at the end of `out`. One that has a member twice is left as it is.
fn change(out: &mut Vec<u8>, start: usize, change: impl FnOnce(&mut Map<String, Value>)) {
    let row = out.get(start..).unwrap_or_default();
    let Ok(Value::Object(mut row)) = serde_json::from_slice(row) else {
        return;
    };
    change(&mut row);
    out.truncate(start);
    out.extend_from_slice(Value::Object(row).to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn spoilt(form: &str, kind: Kind) -> String {
        let fault = json!({"member": "tags", "form": form, "in": "list", "share": 1.0});
        let fault: RowFault = serde_json::from_value(fault).unwrap();
        assert!(fault.falls_on(Draw::new(1), 0, ServerId::from_bytes([7; 16])));
        let mut out = br#"before {"tags":["a"]}"#.to_vec();
        spoil(&[fault], kind, &mut out, 7);
        String::from_utf8(out).unwrap()
    }

    #[rstest]
    #[case("null_value", r#"{"tags":null}"#)]
    #[case("absent", "{}")]
    #[case("empty", r#"{"tags":""}"#)]
    #[case("object", r#"{"tags":{"value":["a"]}}"#)]
    #[case("twice", r#"{"tags":["a"],"tags":"another"}"#)]
    fn each_form(#[case] form: &str, #[case] expected: &str) {
        assert_eq!(spoilt(form, Kind::List), format!("before {expected}"));
        assert_eq!(spoilt(form, Kind::Show), r#"before {"tags":["a"]}"#);
    }

    #[test]
    fn a_second_row_has_another_name() {
        let doubled: Doubled = serde_json::from_value(json!({"name": "db-7"})).unwrap();
        let mut out = br#"{"name":"web-1","tags":[]}"#.to_vec();
        doubled.rewrite(&mut out, 0);
        assert_eq!(out, br#"{"name":"db-7","tags":[]}"#);
    }
}
