//! The errors of one resolution, collected up to a limit.
//!
//! Owns the limit only. Invariant: however broken the files are, the list stays short enough to read,
//! and says how much it leaves out.

use crate::diagnostic::Diagnostic;

/// Most errors that are told one by one.
const LIMIT: usize = 50;

#[derive(Default)]
pub(super) struct Findings {
    errors: Vec<Diagnostic>,
    left_out: usize,
}

impl Findings {
    /// Adds an error. It is only made if it will be shown: finding its place is not free.
    pub(super) fn add(&mut self, error: impl FnOnce() -> Diagnostic) {
        if self.errors.len() < LIMIT {
            self.errors.push(error());
        } else {
            self.left_out += 1;
        }
    }

    /// How many errors there are; grows with every one.
    pub(super) fn count(&self) -> usize {
        self.errors.len() + self.left_out
    }

    /// How many more errors will be told one by one.
    pub(super) fn room(&self) -> usize {
        LIMIT - self.errors.len()
    }

    pub(super) fn into_errors(mut self) -> Vec<Diagnostic> {
        if self.left_out > 0 {
            let more = if self.left_out == 1 {
                "1 more error is not shown".to_owned()
            } else {
                format!("{} more errors are not shown", self.left_out)
            };
            self.errors.push(Diagnostic::error("more-errors", more));
        }
        self.errors
    }
}
