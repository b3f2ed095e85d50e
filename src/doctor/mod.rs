//! Whether everything that a run of a workflow needs is in order: findings → [`Checkup`]. Pure.
//!
//! Owns the vocabulary, the verdicts on what the cloud answered, and both forms of the result; asking is for
//! the verb. Invariant: what can only be known by sending a stop is called unknown, never guessed.

mod judge;
mod shown;
mod tags;

use serde::Serialize;

use crate::exit::Exit;

pub use judge::{clock, connection, job_query, list, project, show, sign_in, stop};
pub use tags::tags;

/// The format of the JSON form.
pub const FORMAT: &str = "lightsout/doctor/v1";

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// In order.
    Ok,
    /// A run would work; a person should look.
    Warning,
    /// A run would not work.
    Problem,
    /// Cannot be known beforehand.
    Unknown,
    /// Not looked at, since something before it is a problem.
    Skipped,
}

/// One thing that a run needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at: a stable name such as `clock` or `bms:servers:list`.
    pub name: &'static str,
    /// How it is.
    pub health: Health,
    /// What was seen. May hold words of the cloud, which are untrusted.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    #[serde(skip)]
    exit: Exit,
}

impl Check {
    fn new(name: &'static str, health: Health, message: impl Into<String>) -> Self {
        Self {
            name,
            health,
            message: message.into(),
            hint: None,
            exit: Exit::Success,
        }
    }

    /// Something in order.
    pub fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Health::Ok, message)
    }

    /// Something to look at.
    pub fn warning(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Health::Warning, message)
    }

    /// Something with which a run would end with `exit`.
    pub fn problem(name: &'static str, exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            ..Self::new(name, Health::Problem, message)
        }
    }

    /// Something that cannot be known.
    pub fn unknown(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Health::Unknown, message)
    }

    /// Something that was not looked at.
    pub fn skipped(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Health::Skipped, message)
    }

    /// With what to do.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether a run would fail by this.
    pub fn is_problem(&self) -> bool {
        self.health == Health::Problem
    }
}

/// All that was looked at, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkup {
    /// The workflow as the user named it.
    pub file: String,
    /// The checks.
    pub checks: Vec<Check>,
}

impl Checkup {
    /// How the verb ends. Files come first, as everything depends on them; a wrong clock makes the cloud
    /// refuse signatures, so it comes before what the cloud refuses.
    pub fn exit(&self) -> Exit {
        let order = [Exit::Invalid, Exit::PlanMismatch, Exit::Guard, Exit::NotNow];
        let problems = || self.checks.iter().filter(|check| check.is_problem());
        let worst = order
            .into_iter()
            .find(|exit| problems().any(|check| check.exit == *exit));
        worst
            .or_else(|| problems().next().map(|check| check.exit))
            .unwrap_or(Exit::Success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_problem_decides_how_it_ends() {
        let checkup = |checks: Vec<Check>| Checkup {
            file: "a.yaml".to_owned(),
            checks,
        };
        let (refused, late) = (
            Check::problem("project", Exit::Refused, "x"),
            Check::problem("clock", Exit::NotNow, "x"),
        );
        let invalid = Check::problem("workflow", Exit::Invalid, "x");
        let fine = vec![Check::ok("a", "x"), Check::warning("b", "x"), stop()];
        assert_eq!(checkup(fine).exit(), Exit::Success);
        assert_eq!(checkup(vec![refused.clone()]).exit(), Exit::Refused);
        assert_eq!(
            checkup(vec![refused.clone(), late.clone()]).exit(),
            Exit::NotNow
        );
        assert_eq!(checkup(vec![refused, late, invalid]).exit(), Exit::Invalid);
    }
}
