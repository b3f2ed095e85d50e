//! One group: its list, without what it excludes, split where it asks for that.
//!
//! Owns the order of these steps: list, refuse repetitions, exclude, split, count. Excluding comes
//! before groups are held against each other, so that a group may leave out what an earlier one has.
//! Invariant: the targets of a finished group are distinct and stand in the order of their list.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use super::exclude::Exclusions;
use super::filter::Miss;
use super::findings::Findings;
use super::folders::Folders;
use super::library::{Library, LineEnds, Loaded};
use super::model::{TargetGroup, Targets};
use super::overlap;
use super::reading::{Entry, Reading, Sink, read};
use super::selection::{self, Asked, Known, Picked, Selection};
use super::split::{self, Part, Values};
use crate::diagnostic::{Diagnostic, Place};
use crate::ids::ServerId;
use crate::workflow::{Definition, Group, InventoryFile, locate};

const ALLOW_UNNAMED: &str = "give it a name, or set `allow_unnamed: true` for the group: such a server is stopped without comparing its name";

/// What is known while the groups are gone through.
pub(super) struct Resolver<'a> {
    pub(super) workflow: &'a Definition,
    pub(super) findings: Findings,
    pub(super) done: Vec<Resolved<'a>>,
    pub(super) known: Known<'a>,
    library: Library<'a>,
    names: BTreeMap<ServerId, String>,
    selections: Vec<Selection>,
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) exclusions: Exclusions<'a>,
}

/// A finished group; several come from one group of the workflow where that is split.
pub(super) struct Resolved<'a> {
    pub(super) origin: &'a Group,
    pub(super) group: TargetGroup,
}

/// What a group lists, before anything is taken out.
#[derive(Default)]
pub(super) struct Listing {
    servers: Vec<ServerId>,
    names: Vec<(ServerId, String)>,
    values: Values,
    /// Selected servers without a name.
    unnamed: Vec<ServerId>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(workflow: &'a Definition, folders: &'a Folders, known: Known<'a>) -> Self {
        Self {
            workflow,
            findings: Findings::default(),
            done: Vec::new(),
            known,
            library: Library::new(folders, workflow.source.name()),
            names: BTreeMap::new(),
            selections: Vec::new(),
            warnings: Vec::new(),
            exclusions: Exclusions::default(),
        }
    }

    /// Resolves one group. After an error in its lists, what depends on them is not looked at.
    pub(super) fn add(&mut self, group: &'a Group) {
        let errors = self.findings.count();
        let listing = self.list(group);
        if self.findings.count() == errors {
            overlap::within_group(self, group, &listing.servers);
        }
        let excluded = self.excluded(group, &listing.servers);
        if self.findings.count() > errors {
            return;
        }
        let finished = self.cut(group, listing, &excluded);
        if self.findings.count() == errors && self.known.judges(group) {
            self.check_expected(group, &finished);
        }
        let finished = finished.into_iter();
        self.done.extend(finished.map(|done| Resolved {
            origin: group,
            group: done,
        }));
    }

    pub(super) fn finish(mut self) -> Result<Targets, Vec<Diagnostic>> {
        let unmatched = self.unmatched();
        let mut errors = self.findings.into_errors();
        if !errors.is_empty() {
            // Often a warning says why there is an error, such as a group without servers.
            errors.extend(self.warnings);
            return Err(errors);
        }
        self.warnings.extend(unmatched);
        Ok(Targets {
            groups: self.done.into_iter().map(|done| done.group).collect(),
            names: self.names,
            selections: self.selections,
            warnings: self.warnings,
        })
    }

    /// Adds an error about a place in the workflow, which is only looked for if it will be shown.
    pub(super) fn refuse(&mut self, pointer: String, error: impl FnOnce(Place) -> Diagnostic) {
        let source = &self.workflow.source;
        self.findings.add(|| error(locate(source, &pointer)));
    }

    fn list(&mut self, group: &'a Group) -> Listing {
        let mut listing = Listing {
            servers: group.servers.clone(),
            ..Listing::default()
        };
        if let Some(inventory) = &group.servers_from {
            let reading = Reading {
                inventory,
                split_by: group.split_by.as_deref(),
            };
            let named = inventory.name_column.is_some() && !group.allow_unnamed;
            let mut unnamed = None;
            let count = self.read(reading, &mut |entry| {
                if named && unnamed.is_none() && !entry.has_name() {
                    unnamed = Some((entry.server, entry.bytes.clone()));
                }
                listing.push(entry, group);
            });
            if let Some((server, bytes)) = unnamed {
                self.refuse_unnamed(inventory, server, bytes);
            }
            if count == Some(0) && group.expect.min != Some(0) {
                let message = gives_nothing(inventory);
                self.refuse(format!("{}/file", inventory.origin), |place| {
                    Diagnostic::error("inventory-empty", message)
                        .at(place)
                        .with_hint("if that is meant, say `expect: { min: 0 }`")
                });
            }
        }
        if let Some(select) = &group.select {
            self.warn_of_unclear_selection(group, select);
            self.warn_of_near(group, (select, "select"), None);
        }
        let picked = self.known.picked(group);
        for one in &picked {
            listing.pick(one, group);
        }
        let in_file = group.servers.is_empty() && group.servers_from.is_some();
        if group.split_by.is_some() && !in_file && group.select.is_none() {
            self.refuse(format!("{}/split_by", group.origin), |place| {
                let message = "only servers of a `.csv` or `.json` inventory can be split";
                Diagnostic::error("split-by-inline", message).at(place)
            });
        }
        let left_out = self.known.left_out(group, &listing.servers);
        let asked = Asked::by(group);
        self.selections
            .extend(asked.map(|asked| Selection::of(asked, &picked, &left_out)));
        listing
    }

    /// Reads an inventory and holds it against `sha256` and `expect_count`; how much it gives if all is well.
    pub(super) fn read(
        &mut self,
        reading: Reading<'_>,
        take: &mut dyn FnMut(Entry<'_>),
    ) -> Option<u32> {
        let inventory = reading.inventory;
        let loaded = self.open(inventory)?;
        self.check_sha256(inventory, &loaded);
        let errors = self.findings.count();
        let mut count = 0;
        let mut counted = |entry: Entry<'_>| {
            count += 1;
            take(entry);
        };
        let mut misses = Vec::new();
        let mut sink = Sink {
            entry: &mut counted,
            findings: &mut self.findings,
            misses: &mut misses,
        };
        read(&loaded, reading, &mut sink);
        misses
            .iter()
            .for_each(|miss| self.warn_of_miss(inventory, miss));
        if self.findings.count() == errors {
            self.check_count(inventory, &loaded, count);
        }
        (self.findings.count() == errors).then_some(count)
    }

    /// Warns of rows that `where` leaves out, perhaps by mistake.
    fn warn_of_miss(&mut self, inventory: &InventoryFile, miss: &Miss) {
        let column = miss.column.replace('~', "~0").replace('/', "~1");
        let pointer = format!("{}/where/{column}", inventory.origin);
        let warning = Diagnostic::warning(miss.code(), miss.message(&inventory.file))
            .at(locate(&self.workflow.source, &pointer))
            .with_hint("correct the file or the workflow: `where` compares whole texts");
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    pub(super) fn open(&mut self, inventory: &InventoryFile) -> Option<Rc<Loaded>> {
        match self.library.open(&inventory.file) {
            Ok(loaded) => Some(loaded),
            Err(error) => {
                let pointer = format!("{}/file", inventory.origin);
                self.refuse(pointer, |place| match error.place {
                    Some(_) => error.with_related(place, "named here"),
                    None => error.at(place),
                });
                None
            }
        }
    }

    fn check_sha256(&mut self, inventory: &InventoryFile, loaded: &Loaded) {
        let Some(stated) = &inventory.sha256 else {
            return;
        };
        let found = loaded.sha256();
        if stated.eq_ignore_ascii_case(found) {
            return;
        }
        let finding = match loaded.line_ends_of(stated) {
            None => Diagnostic::error(
                "inventory-changed",
                format!("the inventory `{}` has changed", loaded.name()),
            )
            .with_hint(format!("its SHA-256 is now {found}")),
            Some(reviewed) => other_line_ends(loaded.name(), reviewed),
        };
        self.refuse(format!("{}/sha256", inventory.origin), |place| {
            finding.at(place)
        });
    }
}

/// The lines of an inventory are those of the `sha256`, and only their ends are not.
fn other_line_ends(name: &str, reviewed: LineEnds) -> Diagnostic {
    let (now, before, eol) = match reviewed {
        LineEnds::Unix => ("CRLF", "LF", "lf"),
        LineEnds::Windows => ("LF", "CRLF", "crlf"),
    };
    let message = format!("the inventory `{name}` has only other line ends than its `sha256`");
    let file = Path::new(name).file_name().unwrap_or_default();
    let file = file.to_string_lossy();
    Diagnostic::error("inventory-line-ends", message).with_hint(format!(
        "its lines end with {now}, and the `sha256` is that of {before}. Add `{file} text eol={eol}` to `.gitattributes`, then check the file out again"
    ))
}

impl<'a> Resolver<'a> {
    fn check_count(&mut self, inventory: &InventoryFile, loaded: &Loaded, count: u32) {
        let Some(expected) = inventory.expect_count else {
            return;
        };
        if expected != count {
            let message = format!(
                "the inventory `{}` gives {}, {expected} expected",
                loaded.name(),
                servers(count)
            );
            self.refuse(format!("{}/expect_count", inventory.origin), |place| {
                Diagnostic::error("inventory-count", message).at(place)
            });
        }
    }

    /// Takes out what is excluded, and splits.
    fn cut(
        &mut self,
        group: &'a Group,
        listing: Listing,
        excluded: &HashSet<ServerId>,
    ) -> Vec<TargetGroup> {
        let Listing {
            servers,
            names,
            values,
            unnamed,
        } = listing;
        self.refuse_selected_without_name(group, &unnamed, excluded);
        self.exclusions.see(&servers, excluded);
        let names = names.into_iter();
        self.names
            .extend(names.filter(|(server, _)| !excluded.contains(server)));
        // What was found for another tag, or is not known, has no values to split it by.
        if group.split_by.is_none() || !self.known.splits(group) {
            return vec![target_group(group, group.name.clone(), servers, excluded)];
        }
        let mut finished = Vec::new();
        for part in values.split(&servers) {
            match split::part_name(&group.name, &part.value) {
                Ok(name) => finished.push(target_group(group, name, part.servers, excluded)),
                Err(error) => self.refuse_part(group, &part, *error),
            }
        }
        finished
    }

    /// A server that `name_column` gives no name could be any machine at the run.
    fn refuse_unnamed(&mut self, inventory: &InventoryFile, server: ServerId, bytes: Range<usize>) {
        let Some(loaded) = self.open(inventory) else {
            return;
        };
        let column = inventory.name_column.as_deref().unwrap_or_default();
        let message = format!("the server `{server}` has no name in `{column}`");
        let pointer = format!("{}/name_column", inventory.origin);
        self.refuse(pointer, |place| {
            Diagnostic::error("unnamed-server", message)
                .at(loaded.place(bytes))
                .with_related(place, "names are compared for this")
                .with_hint(ALLOW_UNNAMED)
        });
    }

    fn refuse_selected_without_name(
        &mut self,
        group: &Group,
        unnamed: &[ServerId],
        excluded: &HashSet<ServerId>,
    ) {
        let mut targets = unnamed.iter().filter(|server| !excluded.contains(server));
        let Some(server) = targets.next().filter(|_| !group.allow_unnamed) else {
            return;
        };
        let message = format!(
            "the server `{server}`, which `{}` selects, has no name",
            group.name
        );
        self.refuse(format!("{}/select", group.origin), |place| {
            Diagnostic::error("unnamed-server", message)
                .at(place)
                .with_hint(ALLOW_UNNAMED)
        });
    }

    fn refuse_part(&mut self, group: &Group, part: &Part, error: Diagnostic) {
        let first = part.servers.first().copied();
        let error = match first.filter(|_| part.value.is_empty() && group.select.is_some()) {
            Some(server) => Diagnostic {
                message: format!(
                    "the server `{server}` has no value to split the group `{}` by",
                    group.name
                ),
                ..error
            },
            None => error,
        };
        let place = overlap::places(self, group, first.as_slice())
            .into_values()
            .flatten()
            .next();
        self.refuse(
            format!("{}/split_by", group.origin),
            |split_by| match place {
                Some(place) => error.at(place).with_related(split_by, "split by this"),
                None => error.at(split_by),
            },
        );
    }
}

fn target_group(
    group: &Group,
    name: String,
    mut servers: Vec<ServerId>,
    excluded: &HashSet<ServerId>,
) -> TargetGroup {
    let listed = servers.len();
    if !excluded.is_empty() {
        servers.retain(|server| !excluded.contains(server));
    }
    let inline = (!group.servers.is_empty()).then(|| "inline".to_owned());
    let file = group.servers_from.as_ref().map(|from| from.file.clone());
    let selected = group.select.as_ref().map(selection::criteria);
    TargetGroup {
        name,
        excluded: count(listed - servers.len()),
        targets: servers,
        source: inline.into_iter().chain(file).chain(selected).collect(),
        batch_size: group.batch_size,
        in_flight: group.in_flight,
        waves: group.waves.clone(),
        soak: group.soak,
        gate: group.gate.clone(),
    }
}

pub(super) fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// What is told of an inventory that lists nobody, which most likely is not meant.
pub(super) fn gives_nothing(inventory: &InventoryFile) -> String {
    format!("the inventory `{}` gives no servers", inventory.file)
}

pub(super) fn servers(count: u32) -> String {
    match count {
        0 => "no servers".to_owned(),
        1 => "1 server".to_owned(),
        _ => format!("{count} servers"),
    }
}

impl Listing {
    fn pick(&mut self, one: &Picked<'_>, group: &Group) {
        self.servers.push(one.server);
        match one.name {
            Some(name) => self.names.push((one.server, name.to_owned())),
            None => self.unnamed.push(one.server),
        }
        if group.split_by.is_some() {
            self.values.push(one.value.unwrap_or_default().into());
        }
    }

    fn push(&mut self, entry: Entry<'_>, group: &Group) {
        self.servers.push(entry.server);
        if let Some(name) = entry.name {
            self.names.push((entry.server, name.into_owned()));
        }
        if group.split_by.is_some() {
            self.values.push(entry.value.unwrap_or_default());
        }
    }
}
