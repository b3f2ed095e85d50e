//! A policy's text → its rules, or everything that is wrong with it.
//!
//! Owns the published schema and what it cannot say: patterns and endpoints. Pure. Invariant: what is
//! not understood is an error, so a rule that this version does not know forbids every run.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::rules::{Requirement, Rules, TagPattern, Untagged};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::document::finding::{Finding, PLENTY, Spot, diagnose};
use crate::document::origins::{Origins, shorten};
use crate::document::schema::check;
use crate::document::{Format, whole_numbers, yaml};
use crate::glob::{Glob, InvalidGlob};
use crate::ids::{Endpoint, InvalidId, ProjectId, ServerId};
use crate::workflow::EnvPrefix;

/// The schema's text, as published in `schemas/policy.schema.json`.
pub const SCHEMA: &str = include_str!("../../schemas/policy.schema.json");

static POLICY: Format = Format::new("a policy", SCHEMA);

/// Reads a policy.
pub fn parse(source: &SourceFile) -> Result<Rules, Vec<Diagnostic>> {
    let reading = yaml::read(source.text());
    let mut findings = reading.findings;
    let Some(mut value) = reading.value else {
        return Err(diagnose(source, findings));
    };
    findings.extend(check(&POLICY, &value, &Origins::default()));
    findings.extend(meaning(&value));
    if !findings.is_empty() {
        return Err(diagnose(source, findings));
    }
    whole_numbers(&mut value);
    rules(value).map_err(|error| {
        let message = format!("the policy passed every check but cannot be read: {error}");
        vec![Diagnostic::error("internal", message)]
    })
}

/// What the schema cannot say of patterns and URLs.
fn meaning(value: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut texts = |pointer: &str, wrong: &dyn Fn(&str) -> Option<Finding>| {
        let list = value.pointer(pointer).and_then(Value::as_array);
        for (at, text) in list.into_iter().flatten().enumerate() {
            let found = text.as_str().and_then(wrong);
            if let Some(finding) = found.filter(|_| findings.len() < PLENTY) {
                let spot = Spot::Value(format!("{pointer}/{at}"));
                findings.push(Finding { spot, ..finding });
            }
        }
    };
    texts("/protected/names", &no_pattern);
    texts("/protected/tags", &no_pattern);
    texts("/endpoints", &no_endpoint);
    findings
}

fn no_pattern(text: &str) -> Option<Finding> {
    let InvalidGlob(why) = text.parse::<Glob>().err()?;
    if text.is_empty() {
        return None; // the schema says so already
    }
    let message = format!("`{}` is not a pattern: {why}", shorten(text));
    let finding = Finding::error("invalid-pattern", Spot::Outside, message);
    Some(finding.hint("write `\\` before a character that is meant as it stands"))
}

fn no_endpoint(text: &str) -> Option<Finding> {
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return None; // the schema says so already
    }
    let InvalidId(why) = text.parse::<Endpoint>().err()?;
    let message = format!(
        "an item of `endpoints` must be an `https` URL, or `http` to a loopback address: this is {why}"
    );
    Some(Finding::error("endpoint", Spot::Outside, message))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    #[serde(rename = "version")]
    _version: u8,
    #[serde(default)]
    protected: RawProtected,
    projects: Option<Vec<String>>,
    regions: Option<BTreeSet<String>>,
    endpoints: Option<Vec<String>>,
    max_servers: Option<u32>,
    max_percent: Option<u32>,
    #[serde(default)]
    require: BTreeSet<RawRequirement>,
    #[serde(default)]
    freeze: Vec<String>,
    allow_override: Option<bool>,
    env_prefixes: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawProtected {
    servers: BTreeSet<ServerId>,
    names: Vec<String>,
    tags: Vec<String>,
    untagged: RawUntagged,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawUntagged {
    #[default]
    Refuse,
    Allow,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawRequirement {
    Window,
    Locked,
    Waves,
}

fn rules(value: Value) -> Result<Rules, String> {
    let raw: RawPolicy = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let globs = |texts: &[String]| -> Result<Vec<Glob>, String> {
        let parsed = texts.iter().map(|text| text.parse());
        let parsed: Result<_, InvalidGlob> = parsed.collect();
        parsed.map_err(|error| error.to_string())
    };
    let tags = globs(&raw.protected.tags)?;
    Ok(Rules {
        names: globs(&raw.protected.names)?,
        tags: tags.into_iter().map(TagPattern::new).collect(),
        untagged: match raw.protected.untagged {
            RawUntagged::Refuse => Untagged::Refuse,
            RawUntagged::Allow => Untagged::Allow,
        },
        servers: raw.protected.servers,
        projects: parsed::<ProjectId>(raw.projects)?,
        regions: raw.regions,
        endpoints: parsed::<Endpoint>(raw.endpoints)?,
        max_servers: raw.max_servers,
        max_percent: raw.max_percent,
        require: raw.require.into_iter().map(requirement).collect(),
        freeze: raw.freeze,
        allow_override: raw.allow_override,
        env_prefixes: raw.env_prefixes.map(env_prefixes).transpose()?,
    })
}

fn env_prefixes(texts: Vec<String>) -> Result<Vec<EnvPrefix>, String> {
    let parsed = texts.iter().map(|text| text.parse());
    parsed.collect::<Result<_, _>>().map_err(str::to_owned)
}

fn parsed<T: std::str::FromStr<Err = InvalidId>>(
    texts: Option<Vec<String>>,
) -> Result<Option<Vec<T>>, String> {
    let list = |texts: Vec<String>| texts.iter().map(|text| text.parse()).collect();
    let parsed: Option<Result<Vec<T>, InvalidId>> = texts.map(list);
    parsed.transpose().map_err(|error| error.to_string())
}

fn requirement(raw: RawRequirement) -> Requirement {
    match raw {
        RawRequirement::Window => Requirement::Window,
        RawRequirement::Locked => Requirement::Locked,
        RawRequirement::Waves => Requirement::Waves,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schema() -> Value {
        serde_json::from_str(SCHEMA).unwrap()
    }

    fn read(text: &str) -> Result<Rules, Vec<Diagnostic>> {
        parse(&SourceFile::new("policy.yaml", text))
    }

    fn codes(text: &str) -> Vec<&'static str> {
        read(text).unwrap_err().iter().map(|it| it.code).collect()
    }

    #[test]
    fn the_example_of_the_schema_is_read_whole() {
        let example = schema()["examples"][0].to_string();
        let rules = read(&example).unwrap();
        assert_eq!(rules.servers.len(), 1);
        assert_eq!(rules.names[0].as_str(), "db-*");
        assert!(
            matches!(&rules.tags[0], TagPattern::Whole(glob) if glob.as_str() == "criticality=high")
        );
        assert!(matches!(&rules.tags[1], TagPattern::Key(glob) if glob.as_str() == "keep-on"));
        assert_eq!(rules.untagged, Untagged::Allow);
        assert_eq!(
            rules.projects.unwrap()[0].as_str(),
            "bbf1946d374b44a0a2a95533562ba954"
        );
        assert!(rules.regions.unwrap().contains("ap-southeast-1"));
        assert_eq!(
            (rules.max_servers, rules.max_percent),
            (Some(500), Some(20))
        );
        assert_eq!(rules.require, BTreeSet::from([Requirement::Locked]));
        assert!(rules.endpoints.is_none());
    }

    #[test]
    fn a_policy_may_say_nothing_and_an_empty_list_allows_nothing() {
        let rules = read("version: 1").unwrap();
        assert!(rules.projects.is_none() && rules.servers.is_empty());
        let rules = read("version: 1.0\nprojects: []\nmax_servers: 5.0").unwrap();
        assert_eq!(rules.projects.unwrap(), []);
        assert_eq!(rules.max_servers, Some(5));
    }

    #[test]
    fn what_this_version_does_not_know_is_an_error() {
        for key in ["freezes: [a.yaml]", "allow_overrides: true", "protect: {}"] {
            assert_eq!(
                codes(&format!("version: 1\n{key}")),
                ["unknown-key"],
                "{key}"
            );
        }
    }

    #[test]
    fn patterns_and_endpoints_are_checked_with_the_rest() {
        let text = "version: 1\nprotected: { names: ['a['], tags: ['[z-a]'] }\nendpoints: ['http://bms.example.com']\nmax_percent: 101\n";
        assert_eq!(
            codes(text),
            [
                "invalid-pattern",
                "invalid-pattern",
                "endpoint",
                "invalid-value"
            ]
        );
    }

    #[test]
    fn prefixes_of_the_environment_are_long_enough() {
        let rules = read("version: 1\nenv_prefixes: [STOP_, LIGHTSOUT_VAR_X_]").unwrap();
        assert_eq!(rules.env_prefixes.map(|list| list.len()), Some(2));
        assert_eq!(read("version: 1").unwrap().env_prefixes, None);
        for wrong in ["''", "_", "AB_", "STOP", "1AB_", "'*_'", "'STOP_\\n'"] {
            let text = format!("version: 1\nenv_prefixes: [{wrong}]");
            assert_eq!(codes(&text), ["invalid-value"], "{wrong}");
        }
    }

    #[test]
    fn types_and_schema_know_the_same_keys() {
        let names = |pointer: &str| -> Vec<String> {
            let schema = schema();
            let properties = schema.pointer(pointer).unwrap().as_object().unwrap();
            properties.keys().cloned().collect()
        };
        let refused = |error: serde_json::Error| -> BTreeSet<String> {
            let text = error.to_string();
            text.split('`')
                .skip(3)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        };
        let unknown = serde_json::json!({ "?": 0 });
        let policy = serde_json::from_value::<RawPolicy>(unknown.clone())
            .err()
            .unwrap();
        assert_eq!(refused(policy), names("/properties").into_iter().collect());
        let protected = serde_json::from_value::<RawProtected>(unknown)
            .err()
            .unwrap();
        let expected = names("/properties/protected/properties");
        assert_eq!(refused(protected), expected.into_iter().collect());
    }

    #[test]
    fn the_schema_is_one_and_its_examples_fit_where_they_stand() {
        assert!(jsonschema::meta::is_valid(&schema()));
        fn visit(node: &Value, root: &Value, count: &mut usize) {
            let Value::Object(fields) = node else { return };
            if let Some(Value::Object(properties)) = fields.get("properties") {
                for (name, property) in properties {
                    assert!(property["description"].is_string(), "{name}");
                    assert!(property["examples"].is_array(), "{name}");
                }
            }
            if let Some(Value::Array(examples)) = fields.get("examples") {
                let mut node = node.clone();
                node["$defs"] = root["$defs"].clone();
                let validator = jsonschema::validator_for(&node).unwrap();
                for example in examples {
                    assert!(validator.is_valid(example), "{example}");
                    *count += 1;
                }
            }
            for (_, field) in fields.iter().filter(|(key, _)| *key != "examples") {
                visit(field, root, count);
            }
        }
        let mut count = 0;
        visit(&schema(), &schema(), &mut count);
        assert!(count > 15, "{count}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_with_findings(text in "(version: 1\n)?(protected|projects|max_servers|require|[a-z]{1,5}): .{0,30}\n?.{0,30}") {
            if let Err(findings) = read(&text) {
                prop_assert!(!findings.is_empty());
            }
        }
    }
}
