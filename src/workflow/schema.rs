//! The published schema as a check: JSON value → findings.
//!
//! Owns the compiled schema and which of its errors matter: the branch of an alternative that was meant,
//! one finding for one mistake. Wording is the work of `messages`. Invariant: no finding shows more than
//! a short piece of the value.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::finding::{Finding, LIMIT, Spot};
use super::messages;
use super::origins::Origins;

/// The schema's text, as published in `schemas/workflow.schema.json`.
pub const SCHEMA: &str = include_str!("../../schemas/workflow.schema.json");

static COMPILED: LazyLock<Result<(Value, Validator), String>> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(SCHEMA).map_err(|error| error.to_string())?;
    let validator = jsonschema::validator_for(&schema).map_err(|error| error.to_string())?;
    Ok((schema, validator))
});

/// A part of the value that the schema does not admit.
pub(super) struct Mismatch<'a> {
    /// The schema's node that was asked.
    pub(super) schema: &'a Value,
    /// JSON pointer of the value.
    pub(super) pointer: String,
    /// The value itself.
    pub(super) value: &'a Value,
}

/// Everything that the schema has against `value`; at most a few hundred findings.
pub(super) fn check(value: &Value, origins: &Origins) -> Vec<Finding> {
    let (schema, validator) = match &*COMPILED {
        Ok(compiled) => compiled,
        Err(error) => {
            let message = format!("the built-in schema cannot be used: {error}");
            return vec![Finding::error("internal", Spot::Outside, message)];
        }
    };
    if validator.is_valid(value) {
        return Vec::new();
    }
    let mut errors = Errors {
        schema,
        origins,
        root: value,
        findings: Vec::new(),
        missing: Vec::new(),
        suggested: BTreeSet::new(),
    };
    for error in validator.iter_errors(value) {
        errors.add(&error);
        if errors.findings.len() > 2 * LIMIT {
            break;
        }
    }
    errors.finish()
}

struct Errors<'a> {
    schema: &'a Value,
    origins: &'a Origins,
    root: &'a Value,
    findings: Vec<Finding>,
    /// Pointer of a mapping, and the keys of which one is missing.
    missing: Vec<(String, Vec<String>)>,
    /// Pointer of a mapping, and a key that was suggested for another one in it.
    suggested: BTreeSet<(String, String)>,
}

impl Errors<'_> {
    fn add(&mut self, error: &ValidationError<'_>) {
        let pointer = error.instance_path().as_str().to_owned();
        if let Kind::AnyOf { context } = error.kind() {
            self.alternatives(error, &pointer, context);
        } else if let Kind::AdditionalProperties { unexpected } = error.kind() {
            for key in unexpected.iter().take(LIMIT + 1) {
                self.unknown_key(error, &pointer, key);
            }
        } else if let Kind::Required { property } = error.kind() {
            self.required(error, pointer, property.as_str().unwrap_or_default());
        } else if let Kind::PropertyNames { error: inner } = error.kind() {
            self.key_name(&pointer, inner);
        } else {
            self.mismatch(error, pointer);
        }
    }

    fn required(&mut self, error: &ValidationError<'_>, pointer: String, property: &str) {
        match self.needed_by(error.schema_path().as_str(), &pointer, property) {
            Some(key) => self.findings.push(messages::needs(&pointer, key, property)),
            None => self.missing.push((pointer, vec![property.to_owned()])),
        }
    }

    /// The key beside which `property` is required, where it is not always required.
    fn needed_by(&self, path: &str, pointer: &str, property: &str) -> Option<&str> {
        let rules = path
            .ends_with("/dependentRequired")
            .then(|| self.schema.pointer(path))??;
        let mapping = self.root.pointer(pointer)?;
        let asks = |needed: &Value| {
            needed
                .as_array()
                .is_some_and(|all| all.contains(&property.into()))
        };
        let mut rules = rules.as_object()?.iter();
        let rule = rules.find(|(key, needed)| mapping.get(key.as_str()).is_some() && asks(needed));
        rule.map(|(key, _)| key.as_str())
    }

    fn alternatives(
        &mut self,
        error: &ValidationError<'_>,
        pointer: &str,
        branches: &[Vec<ValidationError<'static>>],
    ) {
        if let Some(keys) = all_required(branches) {
            return self.missing.push((pointer.to_owned(), keys));
        }
        let meant: Vec<_> = branches.iter().filter(|b| !is_expression(b)).collect();
        let fits = |branch: &&&Vec<ValidationError<'static>>| {
            !branch.iter().any(|error| {
                matches!(error.kind(), Kind::Type { .. })
                    && error.instance_path().as_str() == pointer
            })
        };
        let branch = match meant.as_slice() {
            [only] => Some(*only),
            several => several.iter().find(fits).copied(),
        };
        match branch {
            Some(branch) => branch
                .iter()
                .take(2 * LIMIT)
                .for_each(|error| self.add(error)),
            None => self.mismatch(error, pointer.to_owned()),
        }
    }

    fn unknown_key(&mut self, error: &ValidationError<'_>, pointer: &str, key: &str) {
        let properties = self.asked(error).get("properties");
        let known: Vec<&str> = properties
            .and_then(Value::as_object)
            .map(|properties| properties.keys().map(String::as_str).collect())
            .unwrap_or_default();
        let near = messages::nearest(key, &known);
        if let Some(near) = near {
            self.suggested.insert((pointer.to_owned(), near.to_owned()));
        }
        if key == "<<" {
            return; // refused already, with better words
        }
        let spot = Spot::Key(format!("{pointer}/{}", messages::escape_token(key)));
        if self
            .origins
            .given(pointer)
            .is_some_and(|given| given.secret)
        {
            let message = "a mapping from the environment has an unknown key";
            return self
                .findings
                .push(Finding::error("unknown-key", spot, message));
        }
        self.findings
            .push(messages::unknown_key(spot, pointer, key, (near, &known)));
    }

    fn key_name(&mut self, pointer: &str, error: &ValidationError<'_>) {
        let key = error.instance().as_str().unwrap_or_default();
        let spot = Spot::Key(format!("{pointer}/{}", messages::escape_token(key)));
        let finding = messages::key_name(spot, key, self.asked(error));
        self.findings.push(finding);
    }

    fn mismatch(&mut self, error: &ValidationError<'_>, pointer: String) {
        let mismatch = Mismatch {
            schema: self.asked(error),
            value: self.root.pointer(&pointer).unwrap_or(&Value::Null),
            pointer,
        };
        let finding = messages::mismatch(&mismatch, error.kind(), self.schema, self.origins);
        self.findings.push(finding);
    }

    /// The node of the schema that holds the keyword which failed.
    fn asked(&self, error: &ValidationError<'_>) -> &'static Value {
        static NOTHING: Value = Value::Null;
        let Ok((schema, _)) = &*COMPILED else {
            return &NOTHING;
        };
        let path = error.schema_path().as_str();
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        schema.pointer(parent).unwrap_or(&NOTHING)
    }

    fn finish(mut self) -> Vec<Finding> {
        for (pointer, keys) in &self.missing {
            let suggested = |key: &String| self.suggested.contains(&(pointer.clone(), key.clone()));
            if !keys.iter().any(suggested) {
                self.findings.push(messages::missing(pointer, keys));
            }
        }
        self.findings
    }
}

/// The keys, if each branch only asks for keys of the same mapping.
fn all_required(branches: &[Vec<ValidationError<'static>>]) -> Option<Vec<String>> {
    let required = |error: &ValidationError<'static>| {
        let Kind::Required { property } = error.kind() else {
            return None;
        };
        property.as_str().map(str::to_owned)
    };
    branches.iter().flatten().map(required).collect()
}

fn is_expression(branch: &[ValidationError<'static>]) -> bool {
    branch.iter().all(|error| {
        error
            .schema_path()
            .as_str()
            .starts_with("/$defs/expression/")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::model::{Checks, Guards, Jobs, OnState, Rate, Rollout};
    use rstest::rstest;
    use serde::Serialize;
    use serde_json::json;

    fn schema() -> Value {
        serde_json::from_str(SCHEMA).unwrap()
    }

    /// Every node of the schema that has examples, with its pointer.
    fn with_examples(node: &Value, pointer: String, found: &mut Vec<(String, Value)>) {
        let Value::Object(fields) = node else { return };
        if let Some(Value::Array(_)) = fields.get("examples") {
            found.push((pointer.clone(), node.clone()));
        }
        for (key, field) in fields.iter().filter(|(key, _)| *key != "examples") {
            with_examples(field, format!("{pointer}/{key}"), found);
        }
    }

    #[test]
    fn the_schema_is_a_valid_schema() {
        assert!(jsonschema::meta::is_valid(&schema()));
    }

    #[test]
    fn every_example_is_valid_where_it_stands() {
        let mut nodes = Vec::new();
        with_examples(&schema(), String::new(), &mut nodes);
        assert!(nodes.len() > 60, "{}", nodes.len());
        for (pointer, mut node) in nodes {
            node["$defs"] = schema()["$defs"].clone();
            let examples = node["examples"].as_array().unwrap().clone();
            let validator = jsonschema::validator_for(&node).unwrap();
            assert!(!examples.is_empty(), "{pointer}");
            for example in examples {
                assert!(validator.is_valid(&example), "{pointer}: {example}");
            }
        }
    }

    #[test]
    fn every_property_has_a_description_and_an_example() {
        fn check(node: &Value, pointer: &str) {
            let Value::Object(fields) = node else { return };
            if let Some(Value::Object(properties)) = fields.get("properties") {
                for (name, property) in properties {
                    assert!(property["description"].is_string(), "{pointer}/{name}");
                    assert!(property["examples"].is_array(), "{pointer}/{name}");
                }
            }
            for (key, field) in fields.iter().filter(|(key, _)| *key != "examples") {
                check(field, &format!("{pointer}/{key}"));
            }
        }
        check(&schema(), "");
    }

    fn names(value: &Value) -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    }

    #[rstest]
    #[case("/properties/rollout", Rollout::default())]
    #[case("/properties/guards", Guards::default())]
    #[case("/properties/jobs", Jobs::default())]
    #[case("/properties/checks", Checks::default())]
    #[case("/properties/checks/properties/on_state", OnState::default())]
    #[case("/properties/rate", Rate::default())]
    fn settings_and_schema_agree_on_names_and_defaults(
        #[case] pointer: &str,
        #[case] settings: impl Serialize,
    ) {
        let settings = serde_json::to_value(settings).unwrap();
        let schema = schema();
        let properties = &schema.pointer(pointer).unwrap()["properties"];
        assert_eq!(names(properties), names(&settings));
        for (name, property) in properties.as_object().unwrap() {
            if let Some(default) = property.get("default") {
                assert_eq!(default, &settings[name], "{name}");
            }
        }
    }

    #[test]
    fn durations_are_admitted_just_as_they_are_read() {
        let node = schema()["$defs"]["duration"].clone();
        let validator = jsonschema::validator_for(&node).unwrap();
        for text in [
            "500ms", "1h30m", "0s", "", "5", "-5s", "5 s", "1.5h", "2d", "30m1h", "1h1h", "h",
            "5S", "1m5ms",
        ] {
            let read = crate::duration::parse(text).is_ok();
            assert_eq!(validator.is_valid(&json!(text)), read, "{text}");
        }
    }

    #[test]
    fn one_mistake_gives_one_finding() {
        let mut value = schema()["examples"][0].clone();
        let name = value.as_object_mut().unwrap().remove("name").unwrap();
        value["nmae"] = name;
        let findings = check(&value, &Origins::default());
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].code, "unknown-key");
    }

    #[test]
    fn a_hundred_thousand_mistakes_are_cut_short() {
        let mut value = schema()["examples"][0].clone();
        value["groups"][0]["servers"] = Value::Array(vec![json!("no"); 100_000]);
        let findings = check(&value, &Origins::default());
        assert!((LIMIT..=3 * LIMIT).contains(&findings.len()));
    }
}
