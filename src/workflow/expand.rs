//! Raw file → expanded file: every template filled in, every `for_each` unrolled, in place.
//!
//! Owns the walk over the value; what an expression means is the work of `template`. `report` stays as
//! it is, since the run fills it in. Invariant: without findings, no expression is left elsewhere.

use serde_json::{Map, Value};

use super::template::{TemplateError, Templates, has_expression};
use crate::document::finding::{Finding, PLENTY, Spot};
use crate::document::messages::{escape_token, nearest};
use crate::document::origins::{Given, Origins};

/// Most groups, and most values in them, that `for_each` may make.
const MOST_GROUPS: usize = 10_000;
const MOST_VALUES: usize = 5_000_000;

/// Where a value stands, as a chain through the callers.
#[derive(Clone, Copy)]
struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    token: Token<'a>,
}

#[derive(Clone, Copy)]
enum Token<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    fn root(key: &'a str) -> Self {
        Self {
            parent: None,
            token: Token::Key(key),
        }
    }

    fn then(&'a self, token: Token<'a>) -> Self {
        Self {
            parent: Some(self),
            token,
        }
    }

    fn pointer(&self) -> String {
        let parent = self.parent.map(Path::pointer).unwrap_or_default();
        match self.token {
            Token::Key(key) => format!("{parent}/{}", escape_token(key)),
            Token::Index(index) => format!("{parent}/{index}"),
        }
    }
}

/// Expands `root` in place; findings have pointers into the expanded file.
pub(super) fn expand(root: &mut Value, templates: &mut Templates) -> (Origins, Vec<Finding>) {
    let mut walk = Walk {
        templates,
        origins: Origins::default(),
        findings: Vec::new(),
    };
    if let Value::Object(fields) = root {
        for (key, value) in fields.iter_mut() {
            match (key.as_str(), value) {
                ("report" | "vars", _) => {}
                ("groups", Value::Array(groups)) => walk.groups(groups),
                (_, value) => walk.value(value, &Path::root(key)),
            }
        }
    }
    (walk.origins, walk.findings)
}

struct Walk<'a> {
    templates: &'a mut Templates,
    origins: Origins,
    findings: Vec<Finding>,
}

impl Walk<'_> {
    /// Expands a value and everything in it.
    fn value(&mut self, value: &mut Value, path: &Path<'_>) {
        match value {
            Value::String(text) => {
                if has_expression(text) {
                    *value = self.text(std::mem::take(text), path);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.value(item, &path.then(Token::Index(index)));
                }
            }
            Value::Object(fields) => {
                for (key, field) in fields.iter_mut() {
                    self.value(field, &path.then(Token::Key(key)));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// What a template gives, or the template itself with a finding.
    fn text(&mut self, template: String, path: &Path<'_>) -> Value {
        if self.findings.len() > PLENTY {
            return Value::String(template);
        }
        let pointer = path.pointer();
        match self.templates.expand(&template) {
            Ok(expanded) => {
                let secret = expanded.secret;
                self.origins.add(pointer, Given { template, secret });
                expanded.value
            }
            Err(TemplateError::Broken) => Value::String(template),
            Err(error) => {
                let spot = match error.needle() {
                    Some(needle) => Spot::Within(pointer, needle.to_owned()),
                    None => Spot::Value(pointer),
                };
                let finding = Finding::error(error.code(), spot, error.to_string());
                self.findings.push(finding.maybe_hint(error.hint()));
                Value::String(template)
            }
        }
    }

    /// Expands the groups, keeping count of the raw group that each one comes from.
    fn groups(&mut self, groups: &mut Vec<Value>) {
        let mut expanded = Vec::with_capacity(groups.len());
        for (index, mut group) in std::mem::take(groups).into_iter().enumerate() {
            let fields = group.as_object_mut();
            let unrolled = fields.and_then(|fields| fields.remove("for_each"));
            match unrolled {
                Some(Value::String(list)) => self.unroll((index, group), &list, &mut expanded),
                Some(_) | None => self.group(index, group, &mut expanded),
            }
        }
        *groups = expanded;
    }

    fn group(&mut self, raw: usize, mut group: Value, expanded: &mut Vec<Value>) {
        self.origins.add_group(raw);
        let groups = Path::root("groups");
        self.value(&mut group, &groups.then(Token::Index(expanded.len())));
        expanded.push(group);
    }

    /// Makes a group for each element of the list variable.
    fn unroll(&mut self, (raw, group): (usize, Value), list: &str, expanded: &mut Vec<Value>) {
        let spot = Spot::Value(format!("/groups/{}/for_each", expanded.len()));
        let elements = match self.templates.variable(list) {
            Some(Value::Array(elements)) if !elements.is_empty() => elements.clone(),
            other => {
                self.findings.extend(self.not_a_list(list, other, spot));
                return self.keep(raw, group, expanded);
            }
        };
        let (groups, values) = (elements.len(), count(&group).saturating_mul(elements.len()));
        if expanded.len() + groups > MOST_GROUPS || values > MOST_VALUES {
            let message =
                format!("`for_each` over the {groups} elements of `{list}` makes too many groups");
            self.findings
                .push(Finding::error("too-large", spot, message));
            return self.keep(raw, group, expanded);
        }
        let secret = self.templates.is_secret(list);
        for element in elements {
            self.templates.set_each(Some((element, secret)));
            self.group(raw, group.clone(), expanded);
        }
        self.templates.set_each(None);
    }

    /// Keeps one group, as it is, for one that cannot be unrolled, so that pointers stay right.
    fn keep(&mut self, raw: usize, group: Value, expanded: &mut Vec<Value>) {
        self.origins.add_group(raw);
        expanded.push(group);
    }

    /// Why a variable cannot be unrolled; nothing if that is reported already.
    fn not_a_list(&self, list: &str, value: Option<&Value>, spot: Spot) -> Option<Finding> {
        let declared = self.templates.declared();
        let finding = |code, message| Some(Finding::error(code, spot, message));
        match value {
            Some(Value::Array(_)) => finding(
                "for-each",
                format!("`for_each` names `{list}`, which is an empty list"),
            ),
            Some(_) => finding(
                "for-each",
                format!("`for_each` names `{list}`, which is not a list"),
            ),
            None if self.templates.is_broken(list) => None,
            None if declared.contains(list) => {
                let hint = format!("give it with `--var {list}='[…]'`, or give it a `default`");
                finding(
                    "unset-variable",
                    format!("the variable `{list}` has no value"),
                )
                .map(|it| it.hint(hint))
            }
            None => {
                let known: Vec<&str> = declared.iter().map(String::as_str).collect();
                let hint = match nearest(list, &known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("declare `{list}` under `vars` as a list"),
                };
                finding(
                    "undeclared-variable",
                    format!("the variable `{list}` is not declared"),
                )
                .map(|it| it.hint(hint))
            }
        }
    }
}

/// How many values a tree holds.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(count).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

/// Adds labels given beside the file.
pub(super) fn add_labels(root: &mut Value, labels: &[(String, String)]) {
    let (Value::Object(fields), false) = (root, labels.is_empty()) else {
        return;
    };
    let existing = fields
        .entry("labels")
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(existing) = existing {
        for (name, text) in labels {
            existing.insert(name.clone(), Value::String(text.clone()));
        }
    }
}
