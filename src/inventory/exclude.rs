//! What a group leaves out: single IDs, the IDs of a file, the targets of earlier groups.
//!
//! Owns collecting these, and the warning about single IDs that protect nothing. An earlier group that
//! was split can be named as a whole or by one part. Invariant: a name that is no earlier group is an
//! error, so an exclusion is never lost to a typing mistake.

use std::collections::HashSet;

use super::group::{Resolver, gives_nothing};
use super::reading::{Reading, nearest};
use crate::diagnostic::Diagnostic;
use crate::ids::ServerId;
use crate::workflow::{Exclude, Group, locate, locate_all};

/// Single IDs that groups exclude, and which of them were there to be excluded.
#[derive(Default)]
pub(super) struct Exclusions<'a> {
    asked: Vec<(ServerId, &'a Group, usize)>,
    matched: HashSet<ServerId>,
}

impl<'a> Resolver<'a> {
    /// Every server that the group leaves out.
    ///
    /// `listed` are those that it lists.
    pub(super) fn excluded(&mut self, group: &'a Group, listed: &[ServerId]) -> HashSet<ServerId> {
        let Exclude {
            servers,
            servers_from,
            select,
            groups,
        } = &group.exclude;
        let mut excluded: HashSet<ServerId> = servers.iter().copied().collect();
        if let Some(inventory) = servers_from {
            let reading = Reading {
                inventory,
                split_by: None,
            };
            let count = self.read(reading, &mut |entry| {
                excluded.insert(entry.server);
            });
            if count == Some(0) {
                let place = locate(&self.workflow.source, &format!("{}/file", inventory.origin));
                let warning = Diagnostic::warning("inventory-empty", gives_nothing(inventory));
                self.warnings.push(warning.at(place));
            }
        }
        if let Some(select) = select {
            self.warn_of_unclear_exclusion(group, select, listed);
            let selected = self.known.left_out(group, listed);
            if selected.is_empty() && self.known.judges(group) {
                self.warnings.push(self.selects_nothing(group));
            }
            excluded.extend(selected);
        }
        for (at, name) in groups.iter().enumerate() {
            self.exclude_group(group, (at, name), &mut excluded);
        }
        let asked = servers.iter().enumerate();
        self.exclusions
            .asked
            .extend(asked.map(|(at, server)| (*server, group, at)));
        excluded
    }

    fn selects_nothing(&self, group: &Group) -> Diagnostic {
        let pointer = format!("{}/exclude/select", group.origin);
        let message = format!(
            "`exclude.select` of `{}` finds none of the servers that the group lists",
            group.name
        );
        Diagnostic::warning("exclude-unmatched", message)
            .at(locate(&self.workflow.source, &pointer))
            .with_hint("check the criteria: a mistyped exclusion protects nothing")
    }

    /// Adds an earlier group: by its own name, or all parts of one that was split.
    fn exclude_group(
        &mut self,
        group: &Group,
        (at, name): (usize, &str),
        excluded: &mut HashSet<ServerId>,
    ) {
        let mut found = self.is_earlier(group, name);
        for done in &self.done {
            if done.group.name == name || done.origin.name == name {
                found = true;
                excluded.extend(&done.group.targets);
            }
        }
        if !found {
            let names: Vec<&str> = self.done.iter().map(|done| &*done.group.name).collect();
            let near = nearest(name, &names).map(|near| format!("did you mean `{near}`?"));
            let message = format!(
                "`{}` excludes `{name}`, which is no earlier group",
                group.name
            );
            self.refuse(format!("{}/exclude/groups/{at}", group.origin), |place| {
                let error = Diagnostic::error("unknown-group", message).at(place);
                match near {
                    Some(near) => error.with_hint(near),
                    None => error,
                }
            });
        }
    }

    /// Whether the workflow has this group before `group`, even if it could not be resolved.
    fn is_earlier(&self, group: &Group, name: &str) -> bool {
        let earlier = self.workflow.groups.iter();
        let mut earlier = earlier.take_while(|other| other.name != group.name);
        // The parts of a group whose servers are not known are not known either.
        let may_be_part = |other: &Group| {
            let part = name.strip_prefix(other.name.as_str());
            other.split_by.is_some()
                && !self.known.judges(other)
                && part.is_some_and(|part| part.starts_with('-'))
        };
        earlier.any(|other| other.name == name || may_be_part(other))
    }

    /// Single exclusions that never took anything out: most likely a wrong ID, and its server is stopped.
    pub(super) fn unmatched(&self) -> Vec<Diagnostic> {
        let mut told = HashSet::new();
        let asked = self.exclusions.asked.iter();
        let unmatched: Vec<_> = asked
            .filter(|(server, _, _)| !self.exclusions.matched.contains(server))
            .filter(|(server, _, _)| told.insert(*server))
            .collect();
        let pointer = |(_, group, at): &&(ServerId, &Group, usize)| {
            format!("{}/exclude/servers/{at}", group.origin)
        };
        let pointers: Vec<String> = unmatched.iter().map(pointer).collect();
        let places = locate_all(&self.workflow.source, &pointers);
        let told = unmatched.iter().zip(places);
        told.map(|((server, _, _), place)| {
            let message =
                format!("`{server}` is excluded but not listed by any group that excludes it");
            Diagnostic::warning("exclude-unmatched", message)
                .at(place)
                .with_hint("check the ID: a mistyped exclusion protects nothing")
        })
        .collect()
    }
}

impl Exclusions<'_> {
    pub(super) fn see(&mut self, servers: &[ServerId], excluded: &HashSet<ServerId>) {
        if !self.asked.is_empty() {
            let matched = servers.iter().filter(|server| excluded.contains(server));
            self.matched.extend(matched);
        }
    }
}
