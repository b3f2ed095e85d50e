//! Expanded file → YAML, for `lightsout render`.
//!
//! Owns the order of the keys, which is that of the documentation. Invariant: what is rendered is a
//! workflow without templates (but for `report`) that means the same as the file it came from.

use serde_json::Value;
use serde_yaml::{Mapping, Value as Yaml};

/// Keys in the order in which people write them; others follow in alphabetical order.
const ORDER: [&str; 41] = [
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
pub(super) fn write(value: &Value) -> Result<String, serde_yaml::Error> {
    serde_yaml::to_string(&ordered(value))
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
