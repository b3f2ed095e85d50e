//! Why a template gives no value, in words.
//!
//! Owns the messages, the advice and the part of the template that a message points at. Invariant: no
//! message holds the value of a variable.

use super::template::{BLOCKS, HELPERS, LONGEST};
use crate::document::messages::one_of;

/// Advice where the braces may not be meant as an expression.
const LITERAL: &str =
    "`{{` always begins an expression. Where it is meant literally, write `{ {` instead";

/// Why a template gives no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TemplateError {
    #[error("this expression cannot be read")]
    Syntax,
    #[error("{0} is not supported in expressions")]
    Unsupported(String),
    #[error("`{helper}` takes {count} {}", if *.count == 1 { "value" } else { "values" })]
    Arguments { helper: String, count: usize },
    #[error("unknown helper `{0}`")]
    UnknownHelper(String),
    #[error("the variable `{0}` is not declared")]
    Undeclared(String, Option<String>),
    #[error("the variable `{0}` has no value")]
    Unset(String),
    #[error("the variable has a mistake of its own")]
    Broken,
    #[error("`each` is known only in a group with `for_each`")]
    EachOutside,
    #[error("`{path}` has no member `{member}`")]
    NoMember {
        path: String,
        member: String,
        near: Option<String>,
    },
    #[error("`{0}` is a list or a mapping and cannot stand within a text")]
    NotText(String),
    #[error("a text with expressions must be no longer than {LONGEST} bytes")]
    TooLong,
    #[error("the text still holds `{{{{` when expanded")]
    StillExpression,
    #[error("`\\{{{{` does not make the braces literal")]
    Literal,
}

impl TemplateError {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Syntax | Self::Arguments { .. } => "template-syntax",
            Self::Unsupported(_) | Self::UnknownHelper(_) => "template-unsupported",
            Self::Undeclared(..) | Self::EachOutside => "undeclared-variable",
            Self::Unset(_) | Self::Broken => "unset-variable",
            Self::NoMember { .. } => "unknown-member",
            Self::NotText(_) | Self::TooLong | Self::StillExpression | Self::Literal => {
                "template-value"
            }
        }
    }

    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Syntax => {
                let hint = "an expression looks like `{{ name }}` or `{{ each.member }}`";
                Some(format!("{hint}. {LITERAL}"))
            }
            Self::UnknownHelper(_) | Self::Unsupported(_) => {
                let helpers: Vec<&str> = HELPERS
                    .iter()
                    .map(|(name, _)| *name)
                    .chain(BLOCKS)
                    .collect();
                Some(format!(
                    "expressions may use variables and {}",
                    one_of(&helpers)
                ))
            }
            Self::Undeclared(_, Some(near))
            | Self::NoMember {
                near: Some(near), ..
            } => Some(format!("did you mean `{near}`?")),
            Self::Undeclared(name, None) => {
                Some(format!("declare `{name}` under `vars`. {LITERAL}"))
            }
            Self::Literal => Some(LITERAL.to_owned()),
            Self::Unset(name) => Some(format!(
                "give it with `--var {name}=…`, or give it a `default`"
            )),
            Self::NotText(_) => Some(
                "only a value that is one single expression can be a list or a mapping".to_owned(),
            ),
            Self::EachOutside => {
                Some("add `for_each` with the name of a list variable to the group".to_owned())
            }
            Self::StillExpression => {
                Some("values that variables bring in are not expanded again".to_owned())
            }
            Self::Arguments { .. }
            | Self::NoMember { near: None, .. }
            | Self::Broken
            | Self::TooLong => None,
        }
    }

    /// The part of the template that a message should point at.
    pub(super) fn needle(&self) -> Option<&str> {
        match self {
            Self::Undeclared(name, _)
            | Self::Unset(name)
            | Self::UnknownHelper(name)
            | Self::NotText(name) => Some(name),
            Self::NoMember { member, .. } => Some(member),
            Self::Arguments { helper, .. } => Some(helper),
            Self::EachOutside => Some("each"),
            Self::Syntax
            | Self::Unsupported(_)
            | Self::Broken
            | Self::TooLong
            | Self::Literal
            | Self::StillExpression => None,
        }
    }
}
