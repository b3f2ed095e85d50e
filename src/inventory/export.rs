//! Advice for JSON that lists servers in a way of its own: the `jq` command that makes a list of it.
//!
//! Pure. Owns looking for the IDs within one element of the file. Invariant: what is advised is a command that can
//! be pasted, with the real file, and its result is a list that an inventory may be.

use serde_json::Value;

use crate::ids::ServerId;
use crate::untrusted::{for_shell, shorten};

/// Deepest nesting in which IDs are looked for.
const DEPTH: usize = 4;

/// How the ID of servers is found in a file whose elements do not have it where `id` says.
pub(super) fn advice(
    file: &str,
    members: &[(String, Value)],
    id: &str,
    (flags, elements): (&str, &str),
) -> Option<String> {
    let own = members.iter().find(|(_, value)| is_id(value));
    if let Some((name, _)) = own {
        let name = shorten(name, 40);
        return Some(format!(
            "if `{name}` is the server's ID, say `column: {name}`"
        ));
    }
    let mut paths = members
        .iter()
        .filter_map(|(name, value)| Some(step(name) + &path_to(value, id, DEPTH)?));
    let path = paths.next()?;
    let program = for_shell(&format!("[{elements}{path}]")).into_owned();
    Some(command(file, &format!("{flags}{program}")))
}

/// The hint that names the command.
pub(super) fn command(file: &str, arguments: &str) -> String {
    let list = match file.rsplit_once('.') {
        Some((stem, _)) => format!("{stem}-list.json"),
        None => format!("{file}-list.json"),
    };
    let (file, list) = (for_shell(file), for_shell(&list));
    format!("make a list of it and name that file: `jq {arguments} {file} > {list}`")
}

/// The way from a value to the first server in it.
fn path_to(value: &Value, id: &str, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    match value {
        _ if is_id(value) => Some(String::new()),
        Value::Object(members) if members.get(id).is_some_and(is_id) => Some(String::new()),
        Value::Object(members) => members
            .iter()
            .find_map(|(name, value)| Some(step(name) + &path_to(value, id, depth)?)),
        Value::Array(items) => Some(format!("[]{}", path_to(items.first()?, id, depth)?)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn is_id(value: &Value) -> bool {
    let text = value.as_str();
    text.is_some_and(|text| text.trim().parse::<ServerId>().is_ok())
}

/// The step to a member, as `jq` writes it.
fn step(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_plain = name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit());
    match is_plain && !name.is_empty() {
        true => format!(".{name}"),
        false => format!("[{}]", Value::from(name)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ID: &str = "616fb98f-46ca-475e-917e-2563e5a8cd19";

    #[rstest]
    #[case::wrapped(r#"{"server":{"id":"ID"}}"#, ("", ".[]"), "jq '[.[].server]'")]
    #[case::items(r#"{"items":[{"id":"ID"}]}"#, ("-s ", ".[]"), "jq -s '[.[].items[]]'")]
    #[case::ids(r#"{"n":1,"ids":["ID"]}"#, ("-s ", ".[]"), "jq -s '[.[].ids[]]'")]
    #[case::both(r#"{"items":[{"server":{"id":"ID"}}]}"#, ("-s ", ".[]"), "jq -s '[.[].items[].server]'")]
    #[case::odd_name(r#"{"it's":{"id":"ID"}}"#, ("", ".[]"), r#"jq '[.[]["it'\''s"]]'"#)]
    #[case::other_member(r#"{"uuid":"ID"}"#, ("", ".[]"), "say `column: uuid`")]
    #[case::nothing(r#"{"a":[{"b":1}]}"#, ("", ".[]"), "")]
    fn the_ids_are_looked_for(
        #[case] element: &str,
        #[case] path: (&str, &str),
        #[case] expected: &str,
    ) {
        let value: Value = serde_json::from_str(&element.replace("ID", ID)).unwrap();
        let members = value
            .as_object()
            .unwrap()
            .clone()
            .into_iter()
            .collect::<Vec<_>>();
        let advice = advice("a b.json", &members, "id", path).unwrap_or_default();
        assert!(advice.contains(expected), "{advice}");
        let is_command = expected.starts_with("jq");
        assert_eq!(advice.contains("'a b.json' > 'a b-list.json'"), is_command);
    }
}
