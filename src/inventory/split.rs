//! Splitting a group by a column: one group a value, in order of first appearance.
//!
//! Owns the values and the names that they give. Invariant: each server of the group's list is in
//! exactly one part, and the parts together keep the order within each value.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::diagnostic::Diagnostic;
use crate::ids::ServerId;
use crate::untrusted::shorten;

/// Longest name that a group may have.
const NAME_LIMIT: usize = 63;

/// The value of each listed server, each different text kept once.
#[derive(Default)]
pub(super) struct Values {
    texts: Vec<String>,
    places: HashMap<String, usize>,
    of_servers: Vec<usize>,
}

/// The servers of one value.
pub(super) struct Part {
    pub(super) value: String,
    pub(super) servers: Vec<ServerId>,
}

impl Values {
    /// Adds the value of the next server.
    pub(super) fn push(&mut self, value: Cow<'_, str>) {
        let place = match self.places.get(value.as_ref()) {
            Some(place) => *place,
            None => {
                let place = self.texts.len();
                self.places.insert(value.clone().into_owned(), place);
                self.texts.push(value.into_owned());
                place
            }
        };
        self.of_servers.push(place);
    }

    /// The servers, which were listed in this order, by value.
    pub(super) fn split(self, servers: &[ServerId]) -> Vec<Part> {
        let part = |value| Part {
            value,
            servers: Vec::new(),
        };
        let mut parts: Vec<_> = self.texts.into_iter().map(part).collect();
        for (server, place) in servers.iter().zip(self.of_servers) {
            parts[place].servers.push(*server);
        }
        parts
    }
}

/// How the part of `group` that has this value is called.
pub(super) fn part_of(group: &str, value: &str) -> String {
    format!("{group}-{value}")
}

/// The name of the part of `group` that has this value, if that may be a group's name.
pub(super) fn part_name(group: &str, value: &str) -> Result<String, Box<Diagnostic>> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let name = part_of(group, value);
    if !value.is_empty() && name.len() <= NAME_LIMIT && name.bytes().all(plain) {
        return Ok(name);
    }
    let message = if value.is_empty() {
        format!("a server has no value to split the group `{group}` by")
    } else {
        format!("`{}` cannot be the name of a group", shorten(&name, 80))
    };
    let hint = "values to split by consist of letters, digits, `.`, `_` and `-`; names have at most 63 characters";
    Err(Box::new(
        Diagnostic::error("split-name", message).with_hint(hint),
    ))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn parts_come_in_order_of_first_appearance() {
        let server = |n| ServerId::from_bytes([n; 16]);
        let mut values = Values::default();
        for value in ["b8", "b7", "b8"] {
            values.push(value.into());
        }
        let parts = values.split(&[server(1), server(2), server(3)]);
        let parts: Vec<_> = parts.iter().map(|p| (&*p.value, &*p.servers)).collect();
        assert_eq!(
            parts,
            [
                ("b8", &[server(1), server(3)][..]),
                ("b7", &[server(2)][..])
            ]
        );
    }

    #[rstest]
    #[case("b7", Some("rack-b7"))]
    #[case("B7.x_1", Some("rack-B7.x_1"))]
    #[case("", None)]
    #[case("b 7", None)]
    #[case("../b7", None)]
    #[case("機", None)]
    #[case("0123456789012345678901234567890123456789012345678901234567890", None)]
    fn a_value_must_make_a_name(#[case] value: &str, #[case] name: Option<&str>) {
        assert_eq!(part_name("rack", value).ok().as_deref(), name);
    }
}
