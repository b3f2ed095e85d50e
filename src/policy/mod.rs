//! What the platform team forbids, whatever a workflow says: policy files → rulings on a plan.
//!
//! [`read`] takes in every policy that applies, with all suspicion about the files; [`judge()`] is pure and
//! holds a plan against them. Each policy is judged by itself, so the strictest wins and none can take
//! the place of another. Invariant: a policy that cannot be understood or trusted forbids everything.

mod file;
mod judge;
mod parse;
mod reading;
mod rules;

pub use file::Distrust;
pub use judge::{Approval, Case, Lifting, judge, judge_account, needs_reading};
pub use parse::{SCHEMA, parse};
pub use reading::Reading;
pub use rules::{Policies, Policy, Rules, Untagged};

use std::path::{Path, PathBuf};

use crate::diagnostic::Diagnostic;
use crate::freeze::{self, Closure};

/// The policy that applies to everybody on a machine, where it exists.
pub const FIXED: &str = "/etc/lightsout/policy.yaml";

/// Where policies are; each that is named must be there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Places<'a> {
    /// The one that applies to everybody on this machine; may be absent.
    pub fixed: Option<&'a Path>,
    /// What the environment names.
    pub variable: Option<&'a Path>,
    /// What the command line names.
    pub flag: Option<&'a Path>,
}

/// Why it is not known what is forbidden.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file cannot be read, or others might have written it.
    #[error("the policy `{}` cannot be relied on", .0.display())]
    Distrusted(PathBuf, #[source] Distrust),
    /// The file says something that is not understood; the findings say all.
    #[error("the policy `{}` is not understood", .0.display())]
    Invalid(PathBuf, Vec<Diagnostic>),
}

/// Every policy that applies.
///
/// # Errors
/// The first that cannot be relied on or understood; nothing may be sent then.
pub fn read(places: Places<'_>) -> Result<Policies, PolicyError> {
    let mut policies = Vec::new();
    let named = [
        (places.fixed, rules::Origin::Fixed),
        (places.variable, rules::Origin::Variable),
        (places.flag, rules::Origin::Flag),
    ];
    for (path, origin) in named {
        let Some(path) = path else { continue };
        policies.extend(one(path, origin)?);
    }
    Ok(Policies::new(policies))
}

/// One policy; `None` where it may be absent and is.
fn one(path: &Path, origin: rules::Origin) -> Result<Option<Policy>, PolicyError> {
    let absence = match origin {
        rules::Origin::Fixed => file::Absence::Allowed,
        rules::Origin::Variable | rules::Origin::Flag => file::Absence::Refused,
    };
    let source = file::read(path, absence);
    let source = source.map_err(|why| PolicyError::Distrusted(path.to_owned(), why))?;
    let Some(source) = source else {
        return Ok(None);
    };
    let rules = parse(&source);
    let rules = rules.map_err(|findings| PolicyError::Invalid(path.to_owned(), findings))?;
    let files = rules.freeze.clone();
    let mut policy = Policy::new(source.name(), origin, rules);
    for file in files {
        let place = path.parent().unwrap_or(Path::new("")).join(file);
        let closures = closures(&place)?;
        policy.close(&place.display().to_string(), closures);
    }
    Ok(Some(policy))
}

/// The closures in a file that a policy names, which is trusted as little as the policy itself.
fn closures(path: &Path) -> Result<Vec<Closure>, PolicyError> {
    let source = file::read(path, file::Absence::Refused);
    let source = source.map_err(|why| PolicyError::Distrusted(path.to_owned(), why))?;
    // A file that must be there and is not is an error already.
    let Some(source) = source else {
        return Ok(Vec::new());
    };
    freeze::parse(&source).map_err(|findings| PolicyError::Invalid(path.to_owned(), findings))
}
