//! The `.txt` format: one ID a line, `#` begins a comment, blank lines do not count.
//!
//! Owns this format only. Invariant: one pass, and nothing is allocated for a line that holds an ID.

use super::library::Loaded;
use super::reading::{Entry, Reading, Sink, invalid_id};
use crate::diagnostic::Diagnostic;

pub(super) fn read<'t>(loaded: &'t Loaded, reading: Reading<'_>, sink: &mut Sink<'_, 't>) {
    if !check_columns(loaded, reading, sink) {
        return;
    }
    let mut start = 0;
    for line in loaded.text().split('\n') {
        let content = line.find('#').map_or(line, |comment| &line[..comment]);
        let indent = content.len() - content.trim_start().len();
        let content = content.trim();
        let bytes = start + indent..start + indent + content.len();
        start += line.len() + 1;
        if content.is_empty() {
            continue;
        }
        match content.parse() {
            Ok(server) => (sink.entry)(Entry {
                server,
                bytes,
                name: None,
                value: None,
            }),
            Err(why) => sink
                .findings
                .add(|| invalid_id(loaded, bytes, content, &why)),
        }
    }
}

/// A list of lines has no columns, so none may be asked for.
fn check_columns(loaded: &Loaded, reading: Reading<'_>, sink: &mut Sink<'_, '_>) -> bool {
    let asked = reading.inventory.column.as_deref();
    let Some(column) = asked.into_iter().chain(reading.further_columns()).next() else {
        return true;
    };
    sink.findings.add(|| {
        let message = format!("a `.txt` inventory has no columns, so none is called `{column}`");
        Diagnostic::error("unknown-column", message)
            .at(loaded.place(0..0))
            .with_hint("use a `.csv` or `.json` inventory")
    });
    false
}
