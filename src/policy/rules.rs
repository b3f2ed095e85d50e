//! What a policy says, in types.
//!
//! Owns the types and what several policies together mean for credentials and readings. Invariant: only
//! [`read`](super::read) makes [`Policies`], so each is from a file that was trusted and understood.

use std::collections::BTreeSet;

use crate::freeze::Closure;
use crate::glob::Glob;
use crate::ids::{Endpoint, ProjectId, ServerId};
use crate::workflow::{EnvGrants, EnvPrefix};

/// Every policy that applies; none is no restriction.
#[derive(Debug, Clone, Default)]
pub struct Policies(Vec<Policy>);

/// One policy file.
#[derive(Debug, Clone)]
pub struct Policy {
    name: String,
    origin: Origin,
    rules: Rules,
    closures: Vec<Dated>,
}

/// A closure, and the file that it stands in.
#[derive(Debug, Clone)]
struct Dated {
    file: String,
    closure: Closure,
}

/// Who named a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nobody: it applies to everybody on the machine.
    Fixed,
    /// The environment.
    Variable,
    /// The command line.
    Flag,
}

/// The rules of one policy.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// IDs of protected servers.
    pub servers: BTreeSet<ServerId>,
    /// Patterns over names of protected servers.
    pub names: Vec<Glob>,
    /// Patterns over tags of protected servers.
    pub tags: Vec<TagPattern>,
    /// What those patterns make of servers without reported tags.
    pub untagged: Untagged,
    /// The only projects, if they are limited.
    pub projects: Option<Vec<ProjectId>>,
    /// The only regions, if they are limited.
    pub regions: Option<BTreeSet<String>>,
    /// The only endpoints, if they are limited.
    pub endpoints: Option<Vec<Endpoint>>,
    /// Most targets.
    pub max_servers: Option<u32>,
    /// Most targets in percent of the project's servers.
    pub max_percent: Option<u32>,
    /// What every run must have.
    pub require: BTreeSet<Requirement>,
    /// Files of closures, as they are written.
    pub freeze: Vec<String>,
    /// Whether a run may lift what forbids sending at its time; not said is allowed.
    pub allow_override: Option<bool>,
    /// Prefixes of environment variables that workflows may read, if the policy lists any.
    pub env_prefixes: Option<Vec<EnvPrefix>>,
}

/// What patterns over tags make of a server whose tags are null or absent in what the API reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Untagged {
    /// Its tags cannot be read, so it must not be a target.
    #[default]
    Refuse,
    /// It has no tags.
    Allow,
}

/// Something that a run must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Requirement {
    /// The workflow has a window.
    Window,
    /// A committed plan was approved.
    Locked,
    /// The workflow has waves.
    Waves,
}

/// A pattern over tags: over the whole `key=value`, or over the key alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagPattern {
    /// Over `key=value`.
    Whole(Glob),
    /// Over the key, whatever the value.
    Key(Glob),
}

impl TagPattern {
    /// The pattern, which is over the key where it has no `=`.
    pub(super) fn new(glob: Glob) -> Self {
        if glob.as_str().contains('=') {
            Self::Whole(glob)
        } else {
            Self::Key(glob)
        }
    }

    /// Whether a tag, `key=value` or a bare key, fits.
    pub fn fits(&self, tag: &str) -> bool {
        let key = tag.split_once('=').map_or(tag, |(key, _)| key);
        match self {
            // A tag with an empty value may be written with or without the `=`.
            Self::Whole(glob) => {
                glob.matches(tag) || glob.matches(&format!("{key}=")) && is_bare(tag)
            }
            Self::Key(glob) => glob.matches(key),
        }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Whole(glob) | Self::Key(glob) => glob.as_str(),
        }
    }
}

fn is_bare(tag: &str) -> bool {
    !tag.contains('=')
}

impl Policy {
    pub(super) fn new(name: &str, origin: Origin, rules: Rules) -> Self {
        Self {
            name: name.to_owned(),
            origin,
            rules,
            closures: Vec::new(),
        }
    }

    /// Adds what a file of closures says.
    pub(super) fn close(&mut self, file: &str, closures: Vec<Closure>) {
        let dated = closures.into_iter().map(|closure| Dated {
            file: file.to_owned(),
            closure,
        });
        self.closures.extend(dated);
    }

    /// The path that it was read from, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it forbids.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }
}

impl Policies {
    pub(super) fn new(policies: Vec<Policy>) -> Self {
        Self(policies)
    }

    /// The policies, in the order in which they were read.
    pub fn iter(&self) -> std::slice::Iter<'_, Policy> {
        self.0.iter()
    }

    /// Whether some rule is about what servers show.
    pub fn look_at_servers(&self) -> bool {
        let mut rules = self.iter().map(Policy::rules);
        rules.any(|rules| !rules.names.is_empty() || !rules.tags.is_empty())
    }

    /// What the rules on tags make of servers without reported tags; `None` without such a rule.
    pub fn untagged(&self) -> Option<Untagged> {
        let rules = self.iter().map(Policy::rules);
        let mut by_tag = rules.filter(|rules| !rules.tags.is_empty()).peekable();
        by_tag.peek()?;
        let refused = by_tag.any(|rules| rules.untagged == Untagged::Refuse);
        Some(if refused {
            Untagged::Refuse
        } else {
            Untagged::Allow
        })
    }

    /// Whether some rule limits the share of the project's servers.
    pub(super) fn limits_share(&self) -> bool {
        self.iter()
            .any(|policy| policy.rules().max_percent.is_some())
    }

    fn closures(&self) -> impl Iterator<Item = &Dated> {
        self.iter().flat_map(|policy| &policy.closures)
    }

    /// Every closure, with the file that it stands in.
    pub fn dated(&self) -> impl Iterator<Item = (&str, &Closure)> {
        self.closures()
            .map(|dated| (dated.file.as_str(), &dated.closure))
    }

    /// What workflows may read of the environment. A file that only the command line names grants nothing by
    /// itself, since it can come from the tree under review. It can only narrow what others grant.
    pub fn env_grants(&self) -> EnvGrants {
        let listing = self
            .iter()
            .filter(|policy| policy.rules.env_prefixes.is_some());
        if listing.clone().all(|policy| policy.origin == Origin::Flag) {
            return EnvGrants::default();
        }
        EnvGrants::common_to(listing.filter_map(|policy| policy.rules.env_prefixes.clone()))
    }

    /// Endpoints that credentials may go to besides the cloud's own. A file that only the command line
    /// names adds none: where a pipeline takes it from the tree under review, it is the author's.
    pub fn hosts(&self) -> Vec<String> {
        let admitting = self.iter().filter(|policy| policy.origin != Origin::Flag);
        let endpoints = admitting.filter_map(|policy| policy.rules.endpoints.as_ref());
        endpoints.flatten().map(Endpoint::to_string).collect()
    }
}
