//! Handlebars: what an expression may say, and what comes of it.
//!
//! Owns the templates' language: variables, members of mappings, `if`/`unless` blocks, comparisons.
//! Partials, decorators, loops, `lookup` and `log` are refused, so nothing outside the declared
//! variables can be reached and the output is bounded. Invariant: text in, value out; strict.

use std::cell::RefCell;
use std::collections::BTreeSet;

use handlebars::template::{HelperTemplate, Parameter, TemplateElement};
use handlebars::{Context, Handlebars, Path, PathSeg, Template};
use serde_json::{Map, Value};

pub(super) use super::template_error::TemplateError;
use crate::document::messages::nearest;

/// Longest text that may hold expressions, and that may come of them, in bytes.
pub(super) const LONGEST: usize = 65_536;
/// Most brackets and blocks in one text; keeps the template parser's recursion shallow.
const NESTING: usize = 32;

/// Helpers that give a value, each with how many values it takes; all usable as blocks too but `len`.
pub(super) const HELPERS: [(&str, usize); 10] = [
    ("eq", 2),
    ("ne", 2),
    ("gt", 2),
    ("gte", 2),
    ("lt", 2),
    ("lte", 2),
    ("and", 2),
    ("or", 2),
    ("not", 1),
    ("len", 1),
];
/// Helpers that only open a block.
pub(super) const BLOCKS: [&str; 2] = ["if", "unless"];
/// Helpers of the library that are taken out of it.
const REMOVED: [&str; 5] = ["each", "with", "lookup", "raw", "log"];
/// Other words that cannot name a variable.
const WORDS: [&str; 8] = [
    "this", "else", "true", "false", "null", "workflow", "run", "inline",
];

/// Whether a variable cannot have this name, because the templates give it a meaning of its own.
pub(super) fn is_reserved(name: &str) -> bool {
    is_helper(name) || REMOVED.contains(&name) || WORDS.contains(&name)
}

fn is_helper(name: &str) -> bool {
    HELPERS.iter().any(|(helper, _)| *helper == name) || BLOCKS.contains(&name)
}

/// Whether a text holds an expression.
pub(super) fn has_expression(text: &str) -> bool {
    text.contains("{{")
}

/// What a template gives.
#[derive(Debug, PartialEq)]
pub(super) struct Expanded {
    pub(super) value: Value,
    /// Whether a secret variable has a part in it.
    pub(super) secret: bool,
}

/// The variables of one workflow, and the engine that reads templates with them.
pub(super) struct Templates {
    engine: Handlebars<'static>,
    context: Context,
    declared: BTreeSet<String>,
    broken: BTreeSet<String>,
    secret: BTreeSet<String>,
    used: RefCell<BTreeSet<String>>,
}

impl Templates {
    /// An engine for these values; `declared` names all variables, also those without a value.
    pub(super) fn new(
        values: Map<String, Value>,
        declared: BTreeSet<String>,
        secret: BTreeSet<String>,
    ) -> Self {
        let mut context = Context::null();
        *context.data_mut() = Value::Object(values);
        Self {
            engine: engine(),
            context,
            declared,
            broken: BTreeSet::new(),
            secret,
            used: RefCell::default(),
        }
    }

    /// Notes that these variables have no value because of a mistake that is reported already.
    pub(super) fn set_broken(&mut self, broken: BTreeSet<String>) {
        self.broken = broken;
    }

    /// Whether the variable has no value because of a mistake that is reported already.
    pub(super) fn is_broken(&self, name: &str) -> bool {
        self.broken.contains(name)
    }

    /// The value of a variable.
    pub(super) fn variable(&self, name: &str) -> Option<&Value> {
        self.used.borrow_mut().insert(name.to_owned());
        self.context.data().get(name)
    }

    /// Names of all variables that may be used.
    pub(super) fn declared(&self) -> &BTreeSet<String> {
        &self.declared
    }

    /// Whether a variable's value comes from the environment.
    pub(super) fn is_secret(&self, name: &str) -> bool {
        self.secret.contains(name)
    }

    /// Whether any template so far made use of the variable.
    pub(super) fn was_used(&self, name: &str) -> bool {
        self.used.borrow().contains(name)
    }

    /// Makes `each` this value from now on, or unknown.
    pub(super) fn set_each(&mut self, each: Option<(Value, bool)>) {
        self.secret.remove("each");
        if let Value::Object(values) = self.context.data_mut() {
            match each {
                Some((value, secret)) => {
                    values.insert("each".to_owned(), value);
                    if secret {
                        self.secret.insert("each".to_owned());
                    }
                }
                None => {
                    values.remove("each");
                }
            }
        }
    }

    /// Expands a text that holds expressions.
    pub(super) fn expand(&self, text: &str) -> Result<Expanded, TemplateError> {
        let template = compile(text)?;
        let mut reading = Reading {
            templates: self,
            secret: false,
        };
        let value = match template.elements.as_slice() {
            [TemplateElement::Expression(only) | TemplateElement::HtmlExpression(only)] => {
                match plain_path(only) {
                    Some(path) => reading.path(path)?.clone(),
                    None => {
                        reading.helper(only)?;
                        typed(self.render(text)?)
                    }
                }
            }
            elements => {
                reading.elements(elements)?;
                Value::String(self.render(text)?)
            }
        };
        if contains_expression(&value) {
            let escaped = text.contains("\\{{");
            return Err(match escaped {
                true => TemplateError::Literal,
                false => TemplateError::StillExpression,
            });
        }
        let secret = reading.secret;
        Ok(Expanded { value, secret })
    }

    fn render(&self, text: &str) -> Result<String, TemplateError> {
        let mut output = Bounded(Vec::new());
        self.engine
            .render_template_with_context_to_write(text, &self.context, &mut output)
            .map_err(|_| match output.0.len() {
                0..LONGEST => TemplateError::Syntax,
                _ => TemplateError::TooLong,
            })?;
        String::from_utf8(output.0).map_err(|_| TemplateError::Syntax)
    }
}

/// Names of variables and members that a report template uses; the run fills them in.
pub(super) fn names_in(text: &str) -> Result<Vec<String>, TemplateError> {
    let template = compile(text)?;
    let mut names = Vec::new();
    for element in &template.elements {
        match element {
            TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
            TemplateElement::Expression(only) | TemplateElement::HtmlExpression(only) => {
                let path = plain_path(only).ok_or_else(|| unsupported("a helper"))?;
                names.push(segments(path)?.join("."));
            }
            TemplateElement::HelperBlock(_)
            | TemplateElement::DecoratorExpression(_)
            | TemplateElement::DecoratorBlock(_)
            | TemplateElement::PartialExpression(_)
            | TemplateElement::PartialBlock(_)
            | _ => return Err(unsupported("a block")),
        }
    }
    Ok(names)
}

/// Expands a text with these values, for templates that are filled in at the run.
pub(super) fn fill(text: &str, values: Value) -> Result<String, TemplateError> {
    let Value::Object(values) = values else {
        return Err(TemplateError::Syntax);
    };
    let declared = values.keys().cloned().collect();
    let templates = Templates::new(values, declared, BTreeSet::new());
    compile(text)?;
    templates.render(text)
}

fn engine() -> Handlebars<'static> {
    let mut engine = Handlebars::new();
    engine.set_strict_mode(true);
    engine.register_escape_fn(handlebars::no_escape);
    REMOVED
        .iter()
        .for_each(|name| engine.unregister_helper(name));
    engine
}

fn compile(text: &str) -> Result<Template, TemplateError> {
    if text.len() > LONGEST {
        return Err(TemplateError::TooLong);
    }
    let brackets = text.bytes().filter(|byte| *byte == b'(').count();
    if brackets > NESTING || text.matches("{{#").count() + text.matches("{{~#").count() > NESTING {
        return Err(unsupported("such a deep nesting"));
    }
    Template::compile(text).map_err(|_| TemplateError::Syntax)
}

fn unsupported(what: &str) -> TemplateError {
    TemplateError::Unsupported(what.to_owned())
}

/// The path of an expression that is nothing but a path.
fn plain_path(expression: &HelperTemplate) -> Option<&Path> {
    let bare = expression.params.is_empty() && expression.hash.is_empty();
    let Parameter::Path(path) = &expression.name else {
        return None;
    };
    bare.then_some(path)
}

fn segments(path: &Path) -> Result<Vec<&str>, TemplateError> {
    let Path::Relative((segments, _)) = path else {
        return Err(unsupported("`@`"));
    };
    let named = segments.iter().map(|segment| match segment {
        PathSeg::Named(name) => Ok(name.as_str()),
        PathSeg::Ruled(_) | _ => Err(unsupported("such a path")),
    });
    let named: Vec<&str> = named.collect::<Result<_, _>>()?;
    match named.as_slice() {
        [] => Err(unsupported("`this`")),
        _ => Ok(named),
    }
}

/// What a single helper's text stands for: all of them give a boolean or a number.
fn typed(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

fn contains_expression(value: &Value) -> bool {
    match value {
        Value::String(text) => has_expression(text),
        Value::Array(items) => items.iter().any(contains_expression),
        Value::Object(members) => members.values().any(contains_expression),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// One template's check against the variables.
struct Reading<'a> {
    templates: &'a Templates,
    secret: bool,
}

impl<'a> Reading<'a> {
    fn elements(&mut self, elements: &[TemplateElement]) -> Result<(), TemplateError> {
        elements
            .iter()
            .try_for_each(|element| self.element(element))
    }

    fn element(&mut self, element: &TemplateElement) -> Result<(), TemplateError> {
        match element {
            TemplateElement::RawString(_) | TemplateElement::Comment(_) => Ok(()),
            TemplateElement::Expression(expression)
            | TemplateElement::HtmlExpression(expression) => match plain_path(expression) {
                Some(path) => self.text(path),
                None => self.helper(expression),
            },
            TemplateElement::HelperBlock(block) => self.block(block),
            TemplateElement::DecoratorExpression(_) | TemplateElement::DecoratorBlock(_) => {
                Err(unsupported("a decorator"))
            }
            TemplateElement::PartialExpression(_) | TemplateElement::PartialBlock(_) | _ => {
                Err(unsupported("a partial"))
            }
        }
    }

    /// A path that stands within a text.
    fn text(&mut self, path: &Path) -> Result<(), TemplateError> {
        match self.path(path)? {
            Value::Array(_) | Value::Object(_) => {
                Err(TemplateError::NotText(segments(path)?.join(".")))
            }
            // An item of a list may be null, and would leave nothing behind in the text.
            Value::Null => Err(TemplateError::Unset(segments(path)?.join("."))),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn path(&mut self, path: &Path) -> Result<&'a Value, TemplateError> {
        let names = segments(path)?;
        let (first, members) = names.split_first().ok_or(TemplateError::Syntax)?;
        let mut value = self.variable(first)?;
        let mut path = (*first).to_owned();
        for member in members {
            value = self.member(value, &path, member)?;
            path = format!("{path}.{member}");
        }
        Ok(value)
    }

    fn variable(&mut self, name: &str) -> Result<&'a Value, TemplateError> {
        self.secret |= self.templates.is_secret(name);
        if let Some(value) = self.templates.variable(name) {
            return Ok(value);
        }
        if name == "each" {
            return Err(TemplateError::EachOutside);
        }
        if self.templates.is_broken(name) {
            return Err(TemplateError::Broken);
        }
        let declared = self.templates.declared();
        if declared.contains(name) {
            return Err(TemplateError::Unset(name.to_owned()));
        }
        let known: Vec<&str> = declared.iter().map(String::as_str).collect();
        let near = nearest(name, &known).map(str::to_owned);
        Err(TemplateError::Undeclared(name.to_owned(), near))
    }

    fn member(
        &self,
        value: &'a Value,
        path: &str,
        member: &str,
    ) -> Result<&'a Value, TemplateError> {
        let found = match value {
            Value::Object(members) => members.get(member),
            Value::Array(items) => member.parse::<usize>().ok().and_then(|at| items.get(at)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        found.filter(|found| !found.is_null()).ok_or_else(|| {
            let members = value.as_object().map(Map::keys).into_iter().flatten();
            let known: Vec<&str> = members.map(String::as_str).collect();
            let near = if self.secret {
                None
            } else {
                nearest(member, &known)
            };
            TemplateError::NoMember {
                path: path.to_owned(),
                member: member.to_owned(),
                near: near.map(str::to_owned),
            }
        })
    }

    fn helper(&mut self, call: &HelperTemplate) -> Result<(), TemplateError> {
        let name = helper_name(call)?;
        let Some((_, count)) = HELPERS.iter().find(|(helper, _)| *helper == name) else {
            return Err(match REMOVED.contains(&name) || BLOCKS.contains(&name) {
                true => unsupported(&format!("`{name}`")),
                false => TemplateError::UnknownHelper(name.to_owned()),
            });
        };
        if call.params.len() != *count || !call.hash.is_empty() {
            return Err(TemplateError::Arguments {
                helper: name.to_owned(),
                count: *count,
            });
        }
        call.params
            .iter()
            .try_for_each(|param| self.parameter(param))
    }

    fn block(&mut self, block: &HelperTemplate) -> Result<(), TemplateError> {
        let name = helper_name(block)?;
        if BLOCKS.contains(&name) {
            if block.params.len() != 1 || !block.hash.is_empty() {
                return Err(TemplateError::Arguments {
                    helper: name.to_owned(),
                    count: 1,
                });
            }
            block
                .params
                .iter()
                .try_for_each(|param| self.parameter(param))?;
        } else if name == "len" {
            return Err(unsupported("`len` as a block"));
        } else {
            self.helper(block)?;
        }
        if block.block_param.is_some() {
            return Err(unsupported("a block parameter"));
        }
        let parts = [&block.template, &block.inverse];
        parts
            .into_iter()
            .flatten()
            .try_for_each(|part| self.elements(&part.elements))
    }

    fn parameter(&mut self, parameter: &Parameter) -> Result<(), TemplateError> {
        match parameter {
            Parameter::Path(path) => self.path(path).map(drop),
            Parameter::Literal(_) => Ok(()),
            Parameter::Name(name) => self.variable(name).map(drop),
            Parameter::Subexpression(inner) => self.subexpression(inner.as_element()),
            _ => Err(TemplateError::Syntax),
        }
    }

    fn subexpression(&mut self, element: &TemplateElement) -> Result<(), TemplateError> {
        let (TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call)) = element
        else {
            return Err(TemplateError::Syntax);
        };
        self.helper(call)
    }
}

fn helper_name(call: &HelperTemplate) -> Result<&str, TemplateError> {
    match &call.name {
        Parameter::Name(name) => Ok(name),
        Parameter::Path(path) => match segments(path)?.as_slice() {
            [name] => Ok(name),
            _ => Err(TemplateError::Syntax),
        },
        Parameter::Literal(_) | Parameter::Subexpression(_) | _ => Err(TemplateError::Syntax),
    }
}

/// A writer that refuses what is longer than a text may be.
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        match self.0.len() {
            0..=LONGEST => Ok(bytes.len()),
            _ => Err(std::io::ErrorKind::FileTooLarge.into()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
