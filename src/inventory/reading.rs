//! What a group asks of an inventory, and what each format gives back.
//!
//! Owns the types between the group and the three formats, and the choice of the format. Invariant:
//! reading the same text the same way gives the same entries, so places can be found by reading again.

use std::borrow::Cow;
use std::ops::Range;

use super::filter::Miss;
use super::findings::Findings;
use super::library::{Format, Loaded};
use super::{array, lines, table};
use crate::diagnostic::Diagnostic;
use crate::ids::{InvalidId, ServerId};
use crate::untrusted::shorten;
use crate::workflow::InventoryFile;

/// One server that a file lists.
pub(super) struct Entry<'t> {
    pub(super) server: ServerId,
    /// Bytes of the text that hold the ID.
    pub(super) bytes: Range<usize>,
    pub(super) name: Option<Cow<'t, str>>,
    /// Value of the column that the group is split by.
    pub(super) value: Option<Cow<'t, str>>,
}

impl Entry<'_> {
    /// Whether the file gives a name; blanks alone are none.
    pub(super) fn has_name(&self) -> bool {
        self.name
            .as_ref()
            .is_some_and(|name| !name.trim().is_empty())
    }
}

/// How a file is read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) inventory: &'a InventoryFile,
    pub(super) split_by: Option<&'a str>,
}

impl<'a> Reading<'a> {
    /// Column or member that holds the ID.
    pub(super) fn id_column(&self) -> &'a str {
        self.inventory.column.as_deref().unwrap_or("id")
    }

    /// Every column that the reading names, the ID's apart.
    pub(super) fn further_columns(&self) -> impl Iterator<Item = &'a str> {
        let filtered = self.inventory.matching.keys().map(String::as_str);
        let name = self.inventory.name_column.as_deref();
        filtered.chain(name).chain(self.split_by)
    }
}

/// Where entries and errors go.
pub(super) struct Sink<'s, 't> {
    pub(super) entry: &'s mut dyn FnMut(Entry<'t>),
    pub(super) findings: &'s mut Findings,
    /// Conditions that rows missed in a way that was most likely not meant.
    pub(super) misses: &'s mut Vec<Miss>,
}

/// Reads every entry of the file that the reading asks for.
pub(super) fn read<'t>(loaded: &'t Loaded, reading: Reading<'_>, sink: &mut Sink<'_, 't>) {
    match loaded.format() {
        Format::Lines => lines::read(loaded, reading, sink),
        Format::Table => table::read(loaded, reading, sink),
        Format::Array => array::read(loaded, reading, sink),
    }
}

/// The error for a text that is no server ID.
pub(super) fn invalid_id(
    loaded: &Loaded,
    bytes: Range<usize>,
    text: &str,
    why: &InvalidId,
) -> Diagnostic {
    let message = if text.is_empty() {
        "the server ID is empty".to_owned()
    } else {
        format!("`{}` is no server ID: {why}", shorten(text, 60))
    };
    Diagnostic::error("invalid-server-id", message).at(loaded.place(bytes))
}

/// The error for a column or member that the file does not have.
pub(super) fn missing_column(
    loaded: &Loaded,
    bytes: Range<usize>,
    column: &str,
    known: &[&str],
) -> Diagnostic {
    let message = format!("the inventory has no column `{column}`");
    let names: Vec<_> = known
        .iter()
        .take(20)
        .map(|name| format!("`{}`", shorten(name, 40)))
        .collect();
    let columns = format!("the columns are {}", names.join(", "));
    let hint = match nearest(column, known) {
        Some(near) => format!("did you mean `{near}`? {columns}"),
        None => columns,
    };
    Diagnostic::error("unknown-column", message)
        .at(loaded.place(bytes))
        .with_hint(hint)
}

/// The known word that `word` is most likely meant to be.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let likeness =
        |name: &&str| strsim::jaro_winkler(&word.to_lowercase(), &name.trim().to_lowercase());
    known
        .iter()
        .copied()
        .filter(|name| likeness(name) > 0.8)
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}
