//! Expanded, checked file → [`Definition`].
//!
//! Owns the step from JSON value to typed settings, taking every string by value. Invariant: what the
//! schema and `meaning` let pass can be read; anything else is a defect of theirs and reported as such.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::gate::Gate;
use super::model::{
    BatchSize, Checks, Definition, Exclude, Expect, Group, Guards, InFlight, InventoryFile, Jobs,
    Rate, Select, StopType,
};
use super::rollout::{Rollout, Waves};
use crate::diagnostic::SourceFile;
use crate::document::origins::Origins;
use crate::document::whole_numbers;
use crate::duration;
use crate::glob::Glob;
use crate::ids::{Endpoint, ProjectId, ServerId};
use crate::window::Window;

/// The expanded file as the schema describes it; `vars` is gone by now.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWorkflow {
    #[serde(rename = "version")]
    _version: u8,
    name: String,
    description: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, Value>,
    project: ProjectId,
    region: Option<String>,
    endpoint: Option<Endpoint>,
    stop_type: StopType,
    groups: Vec<RawGroup>,
    #[serde(default)]
    rollout: Rollout,
    window: Option<Value>,
    #[serde(default)]
    guards: Guards,
    #[serde(default)]
    jobs: Jobs,
    #[serde(default)]
    checks: Checks,
    #[serde(default)]
    rate: Rate,
    report: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    name: String,
    #[serde(default)]
    servers: Vec<ServerId>,
    servers_from: Option<Value>,
    select: Option<RawSelect>,
    split_by: Option<String>,
    #[serde(default)]
    expect: Expect,
    #[serde(default)]
    allow_unnamed: bool,
    #[serde(default)]
    exclude: RawExclude,
    batch_size: Option<BatchSize>,
    in_flight: Option<InFlight>,
    waves: Option<Waves>,
    #[serde(default, deserialize_with = "pause")]
    soak: Option<Duration>,
    gate: Option<Gate>,
}

/// A pause that is given.
fn pause<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration::deserialize(deserializer).map(Some)
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawExclude {
    servers: Vec<ServerId>,
    servers_from: Option<Value>,
    select: Option<RawSelect>,
    groups: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSelect {
    name: Option<Glob>,
    #[serde(default)]
    tags: BTreeMap<String, Value>,
    status: Option<String>,
    flavor: Option<String>,
    availability_zone: Option<String>,
    enterprise_project_id: Option<Value>,
}

impl RawSelect {
    fn criteria(self) -> Select {
        Select {
            name: self.name,
            tags: texts(self.tags),
            status: self.status,
            flavor: self.flavor,
            availability_zone: self.availability_zone,
            enterprise_project_id: self.enterprise_project_id.map(text),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInventory {
    file: String,
    column: Option<String>,
    name_column: Option<String>,
    #[serde(default, rename = "where")]
    matching: BTreeMap<String, Value>,
    expect_count: Option<u32>,
    sha256: Option<String>,
}

/// Reads the value of a file that passed every check.
pub(super) fn read(
    source: &SourceFile,
    mut value: Value,
    origins: &Origins,
) -> Result<Definition, String> {
    settle_numbers(&mut value);
    let raw: RawWorkflow = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let endpoint = match (raw.endpoint, &raw.region) {
        (Some(endpoint), _) => endpoint,
        (None, Some(region)) => Endpoint::of_region(region).map_err(|error| error.to_string())?,
        (None, None) => return Err("neither region nor endpoint".to_owned()),
    };
    let groups = raw.groups.into_iter().enumerate();
    let groups = groups.map(|(index, group)| {
        let origin = origins.raw(&format!("/groups/{index}"));
        read_group(group, origin, &raw.rollout)
    });
    Ok(Definition {
        source: source.clone(),
        sha256: sha256(source),
        name: raw.name,
        description: raw.description,
        labels: texts(raw.labels),
        project: raw.project,
        region: raw.region,
        endpoint,
        stop_type: raw.stop_type,
        groups: groups.collect::<Result<_, _>>()?,
        rollout: raw.rollout,
        window: window(raw.window)?,
        guards: raw.guards,
        jobs: raw.jobs,
        checks: raw.checks,
        rate: raw.rate,
        report: raw.report,
        warnings: Vec::new(),
    })
}

/// A group with its own settings, or else those of `rollout`.
fn read_group(raw: RawGroup, origin: String, rollout: &Rollout) -> Result<Group, String> {
    Ok(Group {
        name: raw.name,
        servers: raw.servers,
        servers_from: inventory(raw.servers_from, format!("{origin}/servers_from"))?,
        select: raw.select.map(RawSelect::criteria),
        split_by: raw.split_by,
        expect: raw.expect,
        allow_unnamed: raw.allow_unnamed,
        exclude: Exclude {
            servers: raw.exclude.servers,
            servers_from: inventory(
                raw.exclude.servers_from,
                format!("{origin}/exclude/servers_from"),
            )?,
            select: raw.exclude.select.map(RawSelect::criteria),
            groups: raw.exclude.groups,
        },
        batch_size: raw.batch_size.unwrap_or(rollout.batch_size),
        in_flight: raw.in_flight.unwrap_or(rollout.in_flight),
        waves: raw.waves.unwrap_or_else(|| rollout.waves.clone()),
        soak: raw.soak.unwrap_or(rollout.soak),
        gate: raw.gate.or_else(|| rollout.gate.clone()),
        origin,
    })
}

/// A window, which may name one opening without a list.
fn window(value: Option<Value>) -> Result<Option<Window>, String> {
    let Some(mut value) = value else {
        return Ok(None);
    };
    if let Some(opens) = value.get_mut("opens").filter(|opens| opens.is_object()) {
        *opens = Value::Array(vec![opens.take()]);
    }
    let window = serde_json::from_value(value).map_err(|error| error.to_string())?;
    Ok(Some(window))
}

/// The file of `servers_from`, which may be a path alone.
fn inventory(value: Option<Value>, origin: String) -> Result<Option<InventoryFile>, String> {
    let raw = match value {
        None => return Ok(None),
        Some(Value::String(file)) => RawInventory {
            file,
            column: None,
            name_column: None,
            matching: BTreeMap::new(),
            expect_count: None,
            sha256: None,
        },
        Some(value) => serde_json::from_value(value).map_err(|error| error.to_string())?,
    };
    Ok(Some(InventoryFile {
        file: raw.file,
        column: raw.column,
        name_column: raw.name_column,
        matching: texts(raw.matching),
        expect_count: raw.expect_count,
        sha256: raw.sha256.map(|hash| hash.to_ascii_lowercase()),
        origin,
    }))
}

/// Writes `5.0`, which the schema takes for a whole number, as `5`.
fn settle_numbers(root: &mut Value) {
    for name in ["version", "rollout", "guards", "rate"] {
        if let Some(value) = root.get_mut(name) {
            whole_numbers(value);
        }
    }
    let groups = root.get_mut("groups").and_then(Value::as_array_mut);
    for group in groups.into_iter().flatten() {
        for pointer in [
            "/batch_size",
            "/in_flight",
            "/waves",
            "/gate",
            "/expect",
            "/servers_from/expect_count",
            "/exclude/servers_from/expect_count",
        ] {
            if let Some(value) = group.pointer_mut(pointer) {
                whole_numbers(value);
            }
        }
    }
}

/// Numbers and booleans count as the text that they are written with.
fn texts(values: BTreeMap<String, Value>) -> BTreeMap<String, String> {
    values
        .into_iter()
        .map(|(name, value)| (name, text(value)))
        .collect()
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

/// The hash of the file's bytes, as hex digits.
fn sha256(source: &SourceFile) -> String {
    let mut hasher = Sha256::new();
    source.parts().iter().for_each(|part| hasher.update(part));
    hasher
        .finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;
    use serde_json::json;
    use std::collections::BTreeSet;

    use crate::window::{WrittenOpening, WrittenWindow};

    /// The fields that a type knows, as its refusal of another one tells.
    fn fields<T: DeserializeOwned>() -> BTreeSet<String> {
        let Err(error) = serde_json::from_value::<T>(json!({ "?": 0 })) else {
            panic!("an unknown field is accepted");
        };
        let text = error.to_string();
        text.split('`')
            .skip(3)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    }

    fn properties(pointer: &str, without: &[&str]) -> BTreeSet<String> {
        let schema: Value = serde_json::from_str(super::super::SCHEMA).unwrap();
        let properties = schema.pointer(pointer).unwrap()["properties"]
            .as_object()
            .unwrap()
            .clone();
        properties
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| !without.contains(&name.as_str()))
            .collect()
    }

    #[test]
    fn types_and_schema_know_the_same_fields() {
        assert_eq!(fields::<RawWorkflow>(), properties("", &["vars"]));
        assert_eq!(
            fields::<RawGroup>(),
            properties("/$defs/group", &["for_each"])
        );
        assert_eq!(
            fields::<RawExclude>(),
            properties("/$defs/group/properties/exclude", &[])
        );
        assert_eq!(fields::<RawSelect>(), properties("/$defs/select", &[]));
        assert_eq!(
            fields::<RawInventory>(),
            properties("/$defs/inventory", &[])
        );
        assert_eq!(
            fields::<WrittenWindow>(),
            properties("/properties/window", &[])
        );
        assert_eq!(
            fields::<WrittenOpening>(),
            properties("/$defs/opening", &[])
        );
        assert_eq!(
            fields::<Expect>(),
            properties("/$defs/group/properties/expect", &[])
        );
    }

    #[test]
    fn the_hash_is_that_of_the_bytes_with_their_mark() {
        let hash = |text| sha256(&SourceFile::new("a", text));
        assert_eq!(
            hash("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_ne!(hash("\u{feff}abc"), hash("abc"));
    }

    #[test]
    fn an_inventory_may_be_a_path_or_a_mapping() {
        let path = inventory(Some(json!("a.txt")), "/x".to_owned())
            .unwrap()
            .unwrap();
        assert_eq!((path.file.as_str(), path.origin.as_str()), ("a.txt", "/x"));
        let full = json!({ "file": "a.csv", "where": { "rack": 7, "on": true }, "sha256": "AB" });
        let full = inventory(Some(full), String::new()).unwrap().unwrap();
        assert_eq!(full.matching["rack"], "7");
        assert_eq!(full.matching["on"], "true");
        assert_eq!(full.sha256.as_deref(), Some("ab"));
    }
}
