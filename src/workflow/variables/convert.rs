//! Texts from the command line and the environment as values of the default's type.
//!
//! Owns the conversion and what is said where it fails. Invariant: a number keeps its spelling, or is refused.

use serde_json::Value;

use crate::document::spelling::respelled_number;

/// Why a value from outside cannot be used.
pub(super) struct Unusable {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Unusable {
    pub(super) fn new(message: String) -> Self {
        Self {
            message,
            hint: None,
        }
    }

    pub(super) fn hint(self, hint: String) -> Self {
        Self {
            hint: Some(hint),
            ..self
        }
    }
}

/// How a number is given so that its spelling stays; `read` is what it would be used as, if that may be shown.
pub(super) fn keep_spelling(name: &str, read: Option<&str>) -> String {
    let text = format!("if a text is meant, put the default of `{name}` in quotes");
    match read {
        Some(read) => format!("{text}, else write `{read}`"),
        None => text,
    }
}

/// Why a text is no value of the default's type.
pub(super) enum Unfit {
    /// It should have been this.
    Kind(&'static str),
    /// A number in it would be used in this other spelling.
    Respelled(String),
}

/// The text as a value of the default's type.
pub(super) fn convert(text: &str, default: Option<&Value>) -> Result<Value, Unfit> {
    let kind = match default {
        None | Some(Value::Null | Value::String(_)) => return Ok(Value::String(text.to_owned())),
        Some(Value::Bool(_)) => "`true` or `false`",
        Some(Value::Number(_)) => "a number",
        Some(Value::Array(_)) => "a list in JSON",
        Some(Value::Object(_)) => "a mapping in JSON",
    };
    let value: Value = serde_json::from_str(text).map_err(|_| Unfit::Kind(kind))?;
    let same = |default: &Value| std::mem::discriminant(default) == std::mem::discriminant(&value);
    if !default.is_some_and(same) {
        return Err(Unfit::Kind(kind));
    }
    match respelled_number(text) {
        Some((_, read)) => Err(Unfit::Respelled(read)),
        None => Ok(value),
    }
}
