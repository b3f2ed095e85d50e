//! What a group leaves out: single IDs, the IDs of a file, the targets of earlier groups.
//!
//! Owns collecting these, and the warnings about exclusions that protect nothing. An earlier group that
//! was split can be named as a whole or by one part. Invariant: a name that is no earlier group and a file
//! without any line are errors, so an exclusion is never lost to a typing mistake or a failed export.

use std::collections::HashSet;

use super::group::{Resolver, count as number, gives_nothing, servers as in_words};
use super::near;
use super::reading::{Reading, nearest};
use super::selection::Known;
use crate::diagnostic::Diagnostic;
use crate::ids::ServerId;
use crate::workflow::{Exclude, Group, InventoryFile, Select, locate, locate_all};

/// What groups exclude, and which of that was there to be excluded.
#[derive(Default)]
pub(super) struct Exclusions<'a> {
    asked: Vec<(ServerId, &'a Group, usize)>,
    matched: HashSet<ServerId>,
    lists: Vec<List<'a>>,
}

/// A file, or an earlier group, whose servers groups exclude.
struct List<'a> {
    source: Source<'a>,
    /// Where it is named first.
    pointer: String,
    /// Whether any group had one of its servers.
    matched: bool,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    File(&'a InventoryFile),
    Group(&'a str),
}

impl Source<'_> {
    /// Whether both name the same servers.
    fn is(&self, other: &Source<'_>) -> bool {
        match (self, other) {
            (Self::File(one), Source::File(other)) => {
                (&one.file, &one.column, &one.matching)
                    == (&other.file, &other.column, &other.matching)
            }
            (Self::Group(one), Source::Group(other)) => one == other,
            (Self::File(_), Source::Group(_)) | (Self::Group(_), Source::File(_)) => false,
        }
    }
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
        // What a group selects may be unknown, and with it whether an exclusion is needed.
        let is_known = self.known.judges(group);
        if let Some(inventory) = servers_from {
            let from_file = self.excluded_by_file(inventory);
            if is_known && !from_file.is_empty() {
                let pointer = format!("{}/file", inventory.origin);
                self.exclusions
                    .note(Source::File(inventory), pointer, (listed, &from_file));
            }
            excluded.extend(from_file);
        }
        if let Some(select) = select {
            self.warn_of_unclear_exclusion(group, select, listed);
            let selected = self.known.left_out(group, listed);
            if selected.is_empty() && is_known {
                self.warnings.push(self.selects_nothing(group));
            }
            self.warn_of_near(group, (select, "exclude/select"), Some(listed));
            excluded.extend(selected);
        }
        for (at, name) in groups.iter().enumerate() {
            let of_group = self.excluded_by_group(group, (at, name));
            // An earlier group without servers is reported by itself.
            if is_known && !of_group.is_empty() {
                let pointer = format!("{}/exclude/groups/{at}", group.origin);
                self.exclusions
                    .note(Source::Group(name), pointer, (listed, &of_group));
            }
            excluded.extend(of_group);
        }
        let asked = servers.iter().enumerate().filter(|_| is_known);
        self.exclusions
            .asked
            .extend(asked.map(|(at, server)| (*server, group, at)));
        excluded
    }

    /// The servers of a file that excludes them.
    fn excluded_by_file(&mut self, inventory: &InventoryFile) -> HashSet<ServerId> {
        let mut excluded = HashSet::new();
        let reading = Reading {
            inventory,
            split_by: None,
        };
        let count = self.read(reading, &mut |entry| {
            excluded.insert(entry.server);
        });
        if count != Some(0) {
            return excluded;
        }
        let pointer = format!("{}/file", inventory.origin);
        let is_blank = self
            .open(inventory)
            .is_some_and(|loaded| loaded.text().trim().is_empty());
        if is_blank {
            let message = format!("the exclusion list `{}` is empty", inventory.file);
            self.refuse(pointer, |place| {
                Diagnostic::error("exclude-empty", message)
                    .at(place)
                    .with_hint("if that is meant, say so in the file with a comment: `# none`")
            });
        } else {
            let warning = Diagnostic::warning("inventory-empty", gives_nothing(inventory));
            let place = locate(&self.workflow.source, &pointer);
            self.warnings.push(warning.at(place));
        }
        excluded
    }

    /// Warns of servers that criteria miss by case or blanks alone, among `listed` or all of the project.
    pub(super) fn warn_of_near(
        &mut self,
        group: &Group,
        (select, member): (&Select, &str),
        listed: Option<&[ServerId]>,
    ) {
        let Known::Listing(servers) = self.known else {
            return;
        };
        let listed: Option<HashSet<&ServerId>> = listed.map(|listed| listed.iter().collect());
        let concerned = servers.iter().filter(|server| {
            let listed = listed.as_ref();
            listed.is_none_or(|listed| listed.contains(&server.id))
        });
        let Some((missed, values)) = near::misses(select, concerned) else {
            return;
        };
        let (name, missed) = (member.replace('/', "."), in_words(number(missed)));
        let message = format!(
            "`{name}` of `{}` misses {missed} only by case or blanks: {}",
            group.name,
            values.join(", ")
        );
        let pointer = format!("{}/{member}", group.origin);
        let warning = Diagnostic::warning("select-near-miss", message)
            .at(locate(&self.workflow.source, &pointer))
            .with_hint("criteria are compared exactly, so correct the workflow or the servers");
        self.warnings.push(warning);
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

    /// The targets of an earlier group: by its own name, or all parts of one that was split.
    fn excluded_by_group(&mut self, group: &Group, (at, name): (usize, &str)) -> HashSet<ServerId> {
        let mut excluded = HashSet::new();
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
        excluded
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

    /// Exclusions that never took anything out: most likely a wrong ID or file, and its servers are stopped.
    pub(super) fn unmatched(&self) -> Vec<Diagnostic> {
        let mut all = self.unmatched_servers();
        let lists = self.exclusions.lists.iter().filter(|list| !list.matched);
        all.extend(lists.map(|list| {
            let message = match list.source {
                Source::File(inventory) => format!(
                    "no server of `{}` is listed by any group that excludes them",
                    inventory.file
                ),
                Source::Group(name) => {
                    format!(
                        "no server of the group `{name}` is listed by any group that excludes it"
                    )
                }
            };
            Diagnostic::warning("exclude-unmatched", message)
                .at(locate(&self.workflow.source, &list.pointer))
                .with_hint("remove the exclusion if it is not needed, or correct it")
        }));
        all
    }

    fn unmatched_servers(&self) -> Vec<Diagnostic> {
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

impl<'a> Exclusions<'a> {
    /// Remembers a list of excluded servers, and whether a group that lists others had one of them.
    fn note(
        &mut self,
        source: Source<'a>,
        pointer: String,
        (listed, excluded): (&[ServerId], &HashSet<ServerId>),
    ) {
        let matched = listed.iter().any(|server| excluded.contains(server));
        match self.lists.iter_mut().find(|list| list.source.is(&source)) {
            Some(list) => list.matched |= matched,
            None => self.lists.push(List {
                source,
                pointer,
                matched,
            }),
        }
    }

    pub(super) fn see(&mut self, servers: &[ServerId], excluded: &HashSet<ServerId>) {
        if !self.asked.is_empty() {
            let matched = servers.iter().filter(|server| excluded.contains(server));
            self.matched.extend(matched);
        }
    }
}
