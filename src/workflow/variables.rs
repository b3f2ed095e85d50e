//! The variables of a workflow: declared under `vars`, given from four sides, strongest first.
//!
//! Owns precedence (`--var`, vars files, environment, default), conversion to the default's type, and
//! the declarations' own rules. Invariant: only declared variables get a value, and what the
//! environment gave is marked secret.

mod environment;

mod convert;

use std::collections::{BTreeMap, BTreeSet};

pub use environment::{EnvGrants, EnvPrefix, EnvVariables, SECRET_VARIABLES};
use environment::{OPEN_PREFIX, is_credential};
use serde_json::{Map, Value, json};

use crate::diagnostic::{Diagnostic, Severity, SourceFile};

use self::convert::{Unfit, Unusable, convert, keep_spelling};
use super::spelling;
use super::template::{Templates, has_expression, is_reserved};
use crate::document::finding::{Finding, PLENTY, Spot, diagnose};
use crate::document::messages::{escape_token, nearest, one_of};
use crate::document::origins::{shorten, shown};
use crate::document::yaml;

/// What the caller brings beside the workflow file.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// `--var name=value`; the last one of a name counts.
    pub vars: Vec<(String, String)>,
    /// `--vars-file`, weakest first: YAML mappings of names to values.
    pub vars_files: Vec<SourceFile>,
    /// The environment, of which only variables named by an `env:` are read.
    pub env: EnvVariables,
    /// `--label name=text`, added to the workflow's labels.
    pub labels: Vec<(String, String)>,
}

/// The variables' values, and what is wrong with them.
pub(super) struct Variables {
    pub(super) templates: Templates,
    /// Findings about the workflow file.
    pub(super) findings: Vec<Finding>,
    /// Findings about vars files, already with places in those files.
    pub(super) elsewhere: Vec<Diagnostic>,
}

/// Finds the value of every variable declared in `vars`, the workflow's mapping of that name.
pub(super) fn resolve(vars: Option<Value>, inputs: &Inputs) -> Variables {
    let declared = match vars {
        Some(Value::Object(declared)) => declared,
        Some(_) | None => Map::new(),
    };
    let names: BTreeSet<String> = declared.keys().cloned().collect();
    let mut resolver = Resolver {
        given: Given::default(),
        values: Map::new(),
        secret: BTreeSet::new(),
        broken: BTreeSet::new(),
        findings: Vec::new(),
    };
    let elsewhere = resolver.given.read_files(&inputs.vars_files, &names);
    resolver.read_arguments(&inputs.vars, &names);
    resolver.spare_what_was_meant(&names);
    for (name, declaration) in declared {
        resolver.declare(&name, Declaration::read(declaration), &inputs.env);
    }
    let mut templates = Templates::new(resolver.values, names, resolver.secret);
    templates.set_broken(resolver.broken);
    Variables {
        templates,
        findings: resolver.findings,
        elsewhere,
    }
}

/// One entry of `vars`, in full.
#[derive(Default)]
struct Declaration {
    default: Option<Value>,
    env: Option<String>,
    required: bool,
    pattern: Option<String>,
    admitted: Option<Vec<Value>>,
}

impl Declaration {
    fn read(value: Value) -> Self {
        let Value::Object(mut fields) = value else {
            return Self {
                default: Some(value),
                ..Self::default()
            };
        };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let (env, pattern) = (text("env"), text("pattern"));
        let admitted = fields.get("enum").and_then(Value::as_array).cloned();
        Self {
            required: fields.get("required") == Some(&Value::Bool(true)),
            default: fields.remove("default"),
            env,
            pattern,
            admitted,
        }
    }
}

/// Where a variable's value came from.
enum GivenBy {
    Argument,
    File,
    Environment(String),
    Default,
}

impl GivenBy {
    fn name(&self, variable: &str) -> String {
        match self {
            Self::Argument => format!("`--var {variable}`"),
            Self::File => format!("`{variable}` in the vars file"),
            Self::Environment(name) => format!("the environment variable `{name}`"),
            Self::Default => format!("the default of `{variable}`"),
        }
    }
}

#[derive(Default)]
struct Given {
    arguments: BTreeMap<String, String>,
    files: BTreeMap<String, Value>,
    /// Variables that a wrong key was probably meant for.
    meant: BTreeSet<String>,
    /// Whether a vars file cannot be read, so that any variable may be in it.
    unread: bool,
}

impl Given {
    fn read_files(&mut self, files: &[SourceFile], names: &BTreeSet<String>) -> Vec<Diagnostic> {
        let read = |file: &SourceFile| diagnose(file, self.read_file(file, names));
        files.iter().flat_map(read).collect()
    }

    fn read_file(&mut self, file: &SourceFile, names: &BTreeSet<String>) -> Vec<Finding> {
        let reading = yaml::read(file.text());
        self.unread |= reading.value.is_none();
        let mut findings = reading.findings;
        let root = reading.value.as_ref().unwrap_or(&Value::Null);
        let ambiguous = reading.respelled.iter();
        findings.extend(ambiguous.map(|one| spelling::ambiguous(root, &one.pointer, &one.written)));
        for empty in findings
            .iter_mut()
            .filter(|finding| finding.code == "empty-file")
        {
            let name = names.first().map_or("name", String::as_str);
            let hint = format!(
                "write a line such as `{}: value`, or leave `--vars-file` out",
                shorten(name)
            );
            empty.hint = Some(hint);
        }
        match reading.value {
            Some(Value::Object(values)) => {
                for (name, value) in values {
                    if findings.len() > PLENTY {
                        break;
                    }
                    let pointer = format!("/{}", escape_token(&name));
                    if !names.contains(&name) {
                        self.meant.extend(meant_by(&name, names));
                        findings.push(undeclared(Spot::Key(pointer), &name, names));
                    } else if value.is_null() {
                        self.meant.insert(name.clone());
                        let message = format!("`{name}` has no value");
                        findings.push(Finding::error("no-value", Spot::Key(pointer), message));
                    } else {
                        self.files.insert(name, value);
                    }
                }
            }
            Some(_) => {
                self.unread = true;
                let message = "a vars file must be a mapping of variable names to values";
                findings.push(Finding::error(
                    "wrong-type",
                    Spot::Value(String::new()),
                    message,
                ));
            }
            None => {}
        }
        findings
    }
}

/// The declared variable that a wrong key was probably meant for.
fn meant_by(key: &str, names: &BTreeSet<String>) -> Option<String> {
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    nearest(key, &known).map(str::to_owned)
}

/// A value is given for a variable that the workflow does not have.
fn undeclared(spot: Spot, name: &str, names: &BTreeSet<String>) -> Finding {
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    let message = format!("the workflow declares no variable `{}`", shorten(name));
    Finding::error("undeclared-variable", spot, message).hint(match nearest(name, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "the workflow has no `vars`".to_owned(),
        None if known.len() > 20 => "the workflow's `vars` declare its variables".to_owned(),
        None => format!("declared are {}", one_of(&known).replace(" or ", " and ")),
    })
}

struct Resolver {
    given: Given,
    values: Map<String, Value>,
    secret: BTreeSet<String>,
    /// Variables that would have a value but for a mistake.
    broken: BTreeSet<String>,
    findings: Vec<Finding>,
}

impl Resolver {
    fn read_arguments(&mut self, arguments: &[(String, String)], names: &BTreeSet<String>) {
        for (name, text) in arguments {
            if names.contains(name) {
                self.given.arguments.insert(name.clone(), text.clone());
            } else {
                self.given.meant.extend(meant_by(name, names));
                let mut finding = undeclared(Spot::Outside, name, names);
                finding.message = format!("`--var {}`: {}", shorten(name), finding.message);
                self.findings.push(finding);
            }
        }
    }

    /// One mistake draws one error: a variable that was given under a wrong key, or in a file that cannot
    /// be read, is not reported as missing, too.
    fn spare_what_was_meant(&mut self, names: &BTreeSet<String>) {
        let mut meant = std::mem::take(&mut self.given.meant);
        if self.given.unread {
            meant.extend(names.iter().cloned());
        }
        let given = |name: &String| {
            self.given.arguments.contains_key(name) || self.given.files.contains_key(name)
        };
        meant.retain(|name| !given(name));
        self.broken.extend(meant);
    }

    /// Reports a finding about the variable declared at `pointer`.
    fn report(&mut self, code: &'static str, pointer: String, message: String) {
        self.findings
            .push(Finding::error(code, Spot::Key(pointer), message));
    }

    fn declare(&mut self, name: &str, mut declaration: Declaration, env: &EnvVariables) {
        let pointer = format!("/vars/{}", escape_token(name));
        self.check(name, &pointer, &declaration);
        self.check_grant(name, &pointer, &declaration, env);
        if self.broken.contains(name) {
            return;
        }
        match self.value(name, &mut declaration, env) {
            Ok(Some((value, from))) => self.keep((name, pointer), value, &from, &declaration),
            Ok(None) if declaration.required => {
                let message = format!("the variable `{name}` is required and has no value");
                let finding = Finding::error("unset-variable", Spot::Key(pointer), message);
                let hint = way_to_give(name, &declaration, env);
                self.findings.push(finding.hint(hint));
                self.broken.insert(name.to_owned());
            }
            Ok(None) => {}
            Err(Unusable { message, hint }) => {
                let finding = Finding::error("wrong-type", Spot::Key(pointer), message);
                self.findings.push(finding.maybe_hint(hint));
                self.broken.insert(name.to_owned());
            }
        }
    }

    /// The rules of a declaration by itself.
    fn check(&mut self, name: &str, pointer: &str, declaration: &Declaration) {
        if is_reserved(name) || name == "each" {
            let message = format!(
                "`{name}` has a meaning of its own in expressions and cannot be a variable"
            );
            self.report("reserved-name", pointer.to_owned(), message);
            self.broken.insert(name.to_owned());
        }
        if let Some(secret) = declaration.env.as_deref().filter(|env| is_credential(env)) {
            let holds = match SECRET_VARIABLES.contains(&secret) {
                true => "holds",
                false => "looks as if it held",
            };
            let message = format!("`{secret}` {holds} credentials, which no workflow may read");
            let spot = Spot::Value(format!("{pointer}/env"));
            let finding = Finding::error("secret-variable", spot, message);
            let hint =
                "name another variable: what a workflow reads may stand in plans and reports";
            self.findings.push(finding.hint(hint));
            self.broken.insert(name.to_owned());
        }
        if declaration.required && declaration.default.is_some() {
            let message = format!("`{name}` is `required` and has a `default`");
            let finding = Finding::error(
                "required-with-default",
                Spot::Key(pointer.to_owned()),
                message,
            );
            self.findings.push(finding.hint("remove one of the two"));
        }
        if declaration.default.as_ref().is_some_and(holds_expression) {
            let message = format!("the default of `{name}` holds an expression");
            let finding = Finding::error(
                "expression-in-vars",
                Spot::Value(pointer.to_owned()),
                message,
            );
            self.findings
                .push(finding.hint("variables are values; combine them where they are used"));
            self.broken.insert(name.to_owned());
        }
    }

    /// Whether the environment variable that a declaration names may be read.
    fn check_grant(
        &mut self,
        name: &str,
        pointer: &str,
        declaration: &Declaration,
        env: &EnvVariables,
    ) {
        let Some(variable) = declaration.env.as_deref() else {
            return;
        };
        let Some(severity) = env.refusal(variable).filter(|_| !is_credential(variable)) else {
            return;
        };
        let spot = Spot::Value(format!("{pointer}/env"));
        let message = format!(
            "`{variable}` is not read: its name does not begin with `{OPEN_PREFIX}` or a prefix that the policies grant"
        );
        let finding = Finding::error("env-not-granted", spot, message).hint(format!(
            "rename it to `{OPEN_PREFIX}{variable}`, or add its prefix to `env_prefixes` in the machine's policy"
        ));
        self.findings.push(Finding {
            severity,
            ..finding
        });
        if severity == Severity::Error {
            self.broken.insert(name.to_owned());
        }
    }

    /// The strongest value of a variable, converted, and where it came from.
    fn value(
        &mut self,
        name: &str,
        declaration: &mut Declaration,
        env: &EnvVariables,
    ) -> Result<Option<(Value, GivenBy)>, Unusable> {
        let default = declaration.default.as_ref();
        if let Some(text) = self.given.arguments.remove(name) {
            let subject = format!("`--var {name}={}`", shorten(&text));
            let value = convert(&text, default).map_err(|why| match why {
                Unfit::Kind(kind) => {
                    Unusable::new(format!("{subject} is not {kind}, as the default is"))
                }
                Unfit::Respelled(read) => {
                    let message = format!("{subject} would be used as `{read}`");
                    Unusable::new(message).hint(keep_spelling(name, Some(&read)))
                }
            })?;
            return Ok(Some((value, GivenBy::Argument)));
        }
        if let Some(value) = self.given.files.remove(name) {
            return Ok(Some((value, GivenBy::File)));
        }
        let variable = declaration.env.as_deref();
        if let Some((variable, text)) = variable.and_then(|name| Some((name, env.get(name)?))) {
            let subject = format!("the environment variable `{variable}`");
            let value = convert(text, default).map_err(|why| match why {
                Unfit::Kind(kind) => Unusable::new(format!(
                    "{subject} is not {kind}, as the default of `{name}` is"
                )),
                Unfit::Respelled(_) => {
                    let message =
                        format!("{subject} has a number that would be used in another spelling");
                    Unusable::new(message).hint(keep_spelling(name, None))
                }
            })?;
            return Ok(Some((value, GivenBy::Environment(variable.to_owned()))));
        }
        Ok(declaration
            .default
            .take()
            .map(|value| (value, GivenBy::Default)))
    }

    /// Takes a value, whether its declaration admits it or not, so that its uses are checked too.
    fn keep(
        &mut self,
        (name, pointer): (&str, String),
        value: Value,
        from: &GivenBy,
        declaration: &Declaration,
    ) {
        let secret = matches!(from, GivenBy::Environment(_));
        let subject = match secret {
            true => from.name(name),
            false => format!("{}: {}", from.name(name), shown(&value)),
        };
        if let Some(admitted) = &declaration.admitted
            && !admitted.contains(&value)
        {
            let words: Vec<String> = admitted.iter().map(plain).collect();
            let message = format!("{subject} is not one of {}", one_of(&words));
            self.report("not-admitted", pointer.clone(), message);
        }
        if let Some(pattern) = &declaration.pattern {
            self.compare(pattern, &value, &subject, pointer);
        }
        if secret {
            self.secret.insert(name.to_owned());
        }
        self.values.insert(name.to_owned(), value);
    }

    fn compare(&mut self, pattern: &str, value: &Value, subject: &str, pointer: String) {
        match matches(pattern, value) {
            Ok(true) => {}
            Ok(false) => {
                let message = format!("{subject} does not match the pattern `{pattern}`");
                self.report("not-admitted", pointer, message);
            }
            Err(()) => {
                let spot = Spot::Value(format!("{pointer}/pattern"));
                let message = format!("`{pattern}` is not a regular expression");
                let finding = Finding::error("invalid-pattern", spot, message);
                self.findings.push(finding);
            }
        }
    }
}

fn way_to_give(name: &str, declaration: &Declaration, env: &EnvVariables) -> String {
    match &declaration.env {
        Some(variable) if env.refusal(variable).is_none() => {
            format!("give it with `--var {name}=…` or set `{variable}` in the environment")
        }
        Some(_) | None => format!("give it with `--var {name}=…`"),
    }
}

/// A value as one would type it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

/// Whether the value's text, or that of each item of a list, matches; `Err` for a broken pattern.
fn matches(pattern: &str, value: &Value) -> Result<bool, ()> {
    let schema = json!({ "type": "string", "pattern": pattern });
    let validator = jsonschema::validator_for(&schema).map_err(|_| ())?;
    let fits = |value: &Value| validator.is_valid(&Value::String(plain(value)));
    Ok(match value {
        Value::Array(items) => items.iter().all(fits),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            fits(value)
        }
    })
}

/// Whether any text of the value holds an expression.
fn holds_expression(value: &Value) -> bool {
    match value {
        Value::String(text) => has_expression(text),
        Value::Array(items) => items.iter().any(holds_expression),
        Value::Object(members) => members.values().any(holds_expression),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests;
