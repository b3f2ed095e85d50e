//! The `.csv` format: a header, then a server a row.
//!
//! Owns this format only; fields are separated by commas and may be quoted. Invariant: a row is used
//! whole or is an error, no quote swallows a row, and a column is only ever found by its exact name.

use std::borrow::Cow;
use std::ops::Range;

use csv::{ErrorKind, Reader, StringRecord};

use super::filter::Filter;
use super::library::Loaded;
use super::quotes;
use super::reading::{Entry, Reading, Sink, invalid_id, missing_column};
use crate::diagnostic::Diagnostic;

pub(super) fn read<'t>(loaded: &'t Loaded, reading: Reading<'_>, sink: &mut Sink<'_, 't>) {
    if let Some(fault) = quotes::check(loaded) {
        return sink.findings.add(|| fault);
    }
    let mut rows = csv::Reader::from_reader(loaded.text().as_bytes());
    let Some(columns) = columns(&mut rows, loaded, reading, sink) else {
        return;
    };
    let mut filter = Filter::of(reading);
    let mut row = StringRecord::new();
    loop {
        match rows.read_record(&mut row) {
            Ok(false) => break,
            Ok(true) if columns.admit(&mut filter, &row) => take(&row, &columns, loaded, sink),
            Ok(true) => {}
            Err(error) => sink.findings.add(|| broken_row(loaded, &error)),
        }
    }
    sink.misses.extend(filter.misses());
}

fn take(row: &StringRecord, columns: &Columns, loaded: &Loaded, sink: &mut Sink<'_, '_>) {
    let field = |column: usize| row.get(column).unwrap_or_default();
    let text = field(columns.id).trim();
    let owned = |column: usize| Cow::<str>::Owned(field(column).to_owned());
    match text.parse() {
        Ok(server) => (sink.entry)(Entry {
            server,
            bytes: field_bytes(loaded.text(), start_of(row), columns.id),
            name: columns.name.map(owned).filter(|name| !name.is_empty()),
            value: columns
                .value
                .map(|column| Cow::Owned(field(column).trim().to_owned())),
        }),
        Err(why) => sink.findings.add(|| {
            let bytes = field_bytes(loaded.text(), start_of(row), columns.id);
            invalid_id(loaded, bytes, text, &why)
        }),
    }
}

/// Where the columns that matter stand.
struct Columns {
    id: usize,
    name: Option<usize>,
    value: Option<usize>,
    /// Those of `where`, in its order.
    matching: Vec<usize>,
}

impl Columns {
    fn admit(&self, filter: &mut Filter<'_>, row: &StringRecord) -> bool {
        let cell = |at: usize| row.get(*self.matching.get(at)?).map(Cow::Borrowed);
        filter.admits(|at, _| cell(at))
    }
}

/// Finds every column that the reading names; `None` if one is not to be found.
fn columns(
    rows: &mut Reader<&[u8]>,
    loaded: &Loaded,
    reading: Reading<'_>,
    sink: &mut Sink<'_, '_>,
) -> Option<Columns> {
    let names = header(rows, loaded, sink)?;
    let mut find = |column: &str| match positions(&names, column).as_slice() {
        [only] => Some(*only),
        [] => {
            sink.findings.add(|| no_column(loaded, &names, column));
            None
        }
        [_, second, ..] => {
            sink.findings
                .add(|| column_twice(loaded, &names, (*second, column)));
            None
        }
    };
    let id = find(reading.id_column());
    let name = reading.inventory.name_column.as_deref().map(&mut find);
    let value = reading.split_by.map(&mut find);
    let asked = reading.inventory.matching.keys();
    let matching: Vec<_> = asked.map(|column| find(column)).collect();
    Some(Columns {
        id: id?,
        name: name.map_or(Some(None), |found| found.map(Some))?,
        value: value.map_or(Some(None), |found| found.map(Some))?,
        matching: matching.into_iter().collect::<Option<_>>()?,
    })
}

fn header(
    rows: &mut Reader<&[u8]>,
    loaded: &Loaded,
    sink: &mut Sink<'_, '_>,
) -> Option<StringRecord> {
    match rows.headers() {
        Ok(names) if !names.is_empty() => return Some(names.clone()),
        Ok(_) => sink.findings.add(|| {
            let message = "the inventory is empty; a header is expected";
            Diagnostic::error("inventory-empty", message).at(loaded.place(0..0))
        }),
        Err(error) => sink.findings.add(|| broken_row(loaded, &error)),
    }
    None
}

fn positions(names: &StringRecord, column: &str) -> Vec<usize> {
    let named = |(_, name): &(usize, &str)| *name == column;
    names
        .iter()
        .enumerate()
        .filter(named)
        .map(|(at, _)| at)
        .collect()
}

fn column_twice(
    loaded: &Loaded,
    names: &StringRecord,
    (second, column): (usize, &str),
) -> Diagnostic {
    let bytes = field_bytes(loaded.text(), start_of(names), second);
    let message = format!("the column `{column}` is there twice");
    Diagnostic::error("duplicate-column", message).at(loaded.place(bytes))
}

fn no_column(loaded: &Loaded, names: &StringRecord, column: &str) -> Diagnostic {
    let known: Vec<&str> = names.iter().collect();
    let start = start_of(names);
    let end = start + loaded.text()[start..].find(['\r', '\n']).unwrap_or(0);
    let error = missing_column(loaded, start..end, column, &known);
    if known.len() == 1 && known[0].contains([';', '\t']) {
        error.with_hint("separate the fields with commas")
    } else {
        error
    }
}

fn broken_row(loaded: &Loaded, error: &csv::Error) -> Diagnostic {
    let start = error.position().map_or(0, |at| offset(at.byte()));
    let start = start + line_ends(loaded.text(), start);
    let message = if let ErrorKind::UnequalLengths {
        expected_len, len, ..
    } = error.kind()
    {
        format!(
            "the row has {len} {}, the header has {expected_len}",
            fields(*len)
        )
    } else {
        "the row cannot be read".to_owned()
    };
    Diagnostic::error("ragged-row", message).at(loaded.place(start..start + 1))
}

fn fields(count: u64) -> &'static str {
    if count == 1 { "field" } else { "fields" }
}

fn start_of(row: &StringRecord) -> usize {
    row.position().map_or(0, |at| offset(at.byte()))
}

fn offset(byte: u64) -> usize {
    usize::try_from(byte).unwrap_or(usize::MAX)
}

/// The bytes of one field of the row that starts at `start`, quotes included.
///
/// A row's position may stand before the line end of the row above it.
fn field_bytes(text: &str, start: usize, column: usize) -> Range<usize> {
    let start = start + line_ends(text, start);
    let mut field = 0;
    let mut from = start;
    // A quote opens a field at its beginning only; elsewhere it is a character like any other.
    let (mut opened, mut quoted) = (false, false);
    for (at, byte) in text.bytes().enumerate().skip(start) {
        match byte {
            b'"' if opened || at == from => (opened, quoted) = (true, !quoted),
            b',' | b'\n' | b'\r' if !quoted => {
                if field == column || byte != b',' {
                    return from..at;
                }
                field += 1;
                (from, opened) = (at + 1, false);
            }
            _ => {}
        }
    }
    from..text.len()
}

/// How many bytes of line ends stand at `start`.
fn line_ends(text: &str, start: usize) -> usize {
    let rest = text.as_bytes().get(start..).unwrap_or_default();
    rest.iter()
        .take_while(|b| matches!(b, b'\r' | b'\n'))
        .count()
}
