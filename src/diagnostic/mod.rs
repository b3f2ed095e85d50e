//! One finding about what the user wrote: code, severity, place, message, hint.
//!
//! Every stage that reads a user's file reports in this one type; renderings for people and machines
//! live beside it. Knows nothing of YAML or servers. Invariant: a [`Diagnostic`] carries all that is
//! needed to show it, so rendering never reads the file again.

mod github;
mod json;
mod sarif;
mod source;
mod text;

pub use github::to_github;
pub use json::to_json;
pub use sarif::to_sarif;
pub use source::{Place, SourceFile};
pub use text::{escape, to_text};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used; a person should look.
    Warning,
}

/// One finding, complete enough to be shown anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable kebab-case name of the kind of finding, such as `unknown-key`.
    pub code: &'static str,
    /// Whether it forbids using the file.
    pub severity: Severity,
    /// What is wrong: a lowercase fragment without a final stop, names in back-ticks.
    pub message: String,
    /// Where, if the finding has a place.
    pub place: Option<Place>,
    /// Further places that belong to the finding, each with what is to be seen there.
    pub related: Vec<(Place, String)>,
    /// What to do about it: expected values, a suggestion, a command.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error without place or hint; add them with the `with_` methods.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message.into())
    }

    /// A warning without place or hint; add them with the `with_` methods.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message.into())
    }

    fn new(severity: Severity, code: &'static str, message: String) -> Self {
        Self {
            code,
            severity,
            message,
            place: None,
            related: Vec::new(),
            hint: None,
        }
    }

    /// Adds where it is.
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Adds a further place and what is to be seen there.
    pub fn with_related(mut self, place: Place, label: impl Into<String>) -> Self {
        self.related.push((place, label.into()));
        self
    }

    /// Adds what to do about it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
