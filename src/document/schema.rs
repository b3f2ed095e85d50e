//! A published schema as a check: JSON value → findings.
//!
//! Owns compiled schemas and which of its errors matter: the branch of an alternative that was meant,
//! one finding for one mistake. Wording is the work of `messages`. Invariant: no finding shows more than
//! a short piece of the value.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::finding::{Finding, LIMIT, Spot};
use super::messages;
use super::origins::Origins;

/// A kind of file: what messages call it, and what it must be.
pub(crate) struct Format {
    /// The kind with its article, such as `a workflow`.
    pub(crate) noun: &'static str,
    schema: &'static str,
    compiled: OnceLock<Result<(Value, Validator), String>>,
}

impl Format {
    /// Files that messages call `noun`, and that must fit the JSON Schema `schema`.
    pub(crate) const fn new(noun: &'static str, schema: &'static str) -> Self {
        Self {
            noun,
            schema,
            compiled: OnceLock::new(),
        }
    }

    fn compiled(&self) -> &Result<(Value, Validator), String> {
        self.compiled.get_or_init(|| {
            let schema = serde_json::from_str(self.schema).map_err(|error| error.to_string())?;
            let validator = jsonschema::validator_for(&schema);
            Ok((schema, validator.map_err(|error| error.to_string())?))
        })
    }
}

/// A part of the value that the schema does not admit.
pub(crate) struct Mismatch<'a> {
    /// The schema's node that was asked.
    pub(crate) schema: &'a Value,
    /// JSON pointer of the value.
    pub(crate) pointer: String,
    /// The value itself.
    pub(crate) value: &'a Value,
}

/// Everything that the schema has against `value`; at most a few hundred findings.
pub(crate) fn check(format: &'static Format, value: &Value, origins: &Origins) -> Vec<Finding> {
    let (schema, validator) = match format.compiled() {
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
        noun: format.noun,
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
    noun: &'static str,
    schema: &'static Value,
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
            let property = property.as_str().unwrap_or_default().to_owned();
            self.missing.push((pointer, vec![property]));
        } else if let Kind::PropertyNames { error: inner } = error.kind() {
            self.key_name(&pointer, inner);
        } else {
            self.mismatch(error, pointer);
        }
    }

    fn alternatives(
        &mut self,
        error: &ValidationError<'_>,
        pointer: &str,
        branches: &[Vec<ValidationError<'static>>],
    ) {
        if let Some(keys) = all_required(branches) {
            match key_beside(error.schema_path().as_str()) {
                Some(key) => self.findings.push(messages::needs(pointer, key, &keys)),
                None => self.missing.push((pointer.to_owned(), keys)),
            }
            return;
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
        let owner = messages::owner(pointer, self.noun);
        self.findings
            .push(messages::unknown_key(spot, owner, key, (near, &known)));
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
        let root = (self.schema, self.noun);
        let finding = messages::mismatch(&mismatch, error.kind(), root, self.origins);
        self.findings.push(finding);
    }

    /// The node of the schema that holds the keyword which failed.
    fn asked(&self, error: &ValidationError<'_>) -> &'static Value {
        static NOTHING: Value = Value::Null;
        let path = error.schema_path().as_str();
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        self.schema.pointer(parent).unwrap_or(&NOTHING)
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

/// The key of the mapping beside which something is required, where it is not always required.
fn key_beside(path: &str) -> Option<&str> {
    let (_, rest) = path.rsplit_once("/dependentSchemas/")?;
    rest.split('/').next()
}

fn is_expression(branch: &[ValidationError<'static>]) -> bool {
    branch.iter().all(|error| {
        error
            .schema_path()
            .as_str()
            .starts_with("/$defs/expression/")
    })
}

/// Writes numbers such as `5.0`, which a schema takes for whole, as `5`.
pub(crate) fn whole_numbers(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Number(number) if number.is_f64() => {
            let spelled = number.as_f64().map(|number| format!("{number:.0}"));
            if let Some(whole) = spelled.and_then(|text| text.parse::<u64>().ok()) {
                *value = whole.into();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
