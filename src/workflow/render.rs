//! Expanded file → YAML, for `lightsout render`.
//!
//! Owns the order of the keys, which is that of the documentation. Invariant: what is rendered is a
//! workflow without templates (but for `report`) that means the same as the file it came from.

use serde_json::Value;
use serde_yaml::{Mapping, Value as Yaml};

use crate::document::yaml;

/// Keys in the order in which people write them; others follow in alphabetical order.
const ORDER: [&str; 48] = [
    "version",
    "name",
    "description",
    "labels",
    "project",
    "region",
    "endpoint",
    "stop_type",
    "groups",
    "servers",
    "servers_from",
    "file",
    "column",
    "name_column",
    "where",
    "expect_count",
    "sha256",
    "split_by",
    "expect",
    "min",
    "max",
    "exclude",
    "rollout",
    "batch_size",
    "in_flight",
    "waves",
    "soak",
    "gate",
    "http",
    "timeout",
    "retries",
    "max_failures",
    "retry_for",
    "guards",
    "max_servers",
    "jobs",
    "timeout",
    "poll",
    "checks",
    "before",
    "after",
    "grace",
    "on_state",
    "rate",
    "stop",
    "job",
    "list",
    "report",
];

/// Writes the value of an expanded file.
pub(super) fn write(value: &Value) -> Result<String, String> {
    let text = serde_yaml::to_string(&ordered(value)).map_err(|error| error.to_string())?;
    if yaml::deceptive(&text).is_none() {
        return Ok(text);
    }
    // Characters that a workflow may hold only escaped; JSON is YAML with every text escaped.
    let text = serde_json::to_string_pretty(value).map_err(|error| error.to_string())?;
    Ok(text.chars().fold(String::new(), escaped))
}

fn escaped(mut text: String, character: char) -> String {
    match u32::from(character) {
        code @ (0x7f..=0xa0 | 0x2000..=0x206f | 0xfe00..=0xffff) => {
            text.push_str(&format!("\\u{code:04x}"));
        }
        _ => text.push(character),
    }
    text
}

fn ordered(value: &Value) -> Yaml {
    match value {
        Value::Null => Yaml::Null,
        Value::Bool(truth) => Yaml::Bool(*truth),
        Value::Number(number) => serde_yaml::to_value(number).unwrap_or(Yaml::Null),
        Value::String(text) => Yaml::String(text.clone()),
        Value::Array(items) => Yaml::Sequence(items.iter().map(ordered).collect()),
        Value::Object(fields) => {
            let rank = |key: &str| ORDER.iter().position(|known| *known == key);
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort_by_key(|key| rank(key).unwrap_or(ORDER.len()));
            let pair = |key: &String| (Yaml::String(key.clone()), ordered(&fields[key]));
            Yaml::Mapping(keys.into_iter().map(pair).collect::<Mapping>())
        }
    }
}
