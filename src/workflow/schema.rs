//! The published schema of a workflow file.
//!
//! Owns its text and its agreement with the types; checking against it is the work of `document`.
//! Invariant: schema and types know the same keys and the same defaults.

use crate::document::Format;

/// The schema's text, as published in `schemas/workflow.schema.json`.
pub const SCHEMA: &str = include_str!("../../schemas/workflow.schema.json");

/// What a workflow file must be.
pub(super) static WORKFLOW: Format = Format::new("a workflow", SCHEMA);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::model::{Checks, Guards, Jobs, OnState, Rate};
    use crate::workflow::rollout::Rollout;
    use rstest::rstest;
    use serde::Serialize;
    use serde_json::{Value, json};

    use crate::document::finding::LIMIT;
    use crate::document::origins::Origins;
    use crate::document::schema::check;

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
        let findings = check(&WORKFLOW, &value, &Origins::default());
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].code, "unknown-key");
    }

    #[test]
    fn a_hundred_thousand_mistakes_are_cut_short() {
        let mut value = schema()["examples"][0].clone();
        value["groups"][0]["servers"] = Value::Array(vec![json!("no"); 100_000]);
        let findings = check(&WORKFLOW, &value, &Origins::default());
        assert!((LIMIT..=3 * LIMIT).contains(&findings.len()));
    }
}
