//! The quotes of a `.csv` inventory, checked before its rows are read.
//!
//! Owns the rules of RFC 4180 that the reader of rows does not enforce: it takes everything up to the next
//! quote for one cell, however many rows that swallows. Invariant: in a text without a fault every quoted
//! cell ends where its row says, and no cell of several lines contains a server ID.

use std::ops::Range;

use super::library::Loaded;
use crate::diagnostic::Diagnostic;

/// A quote that makes the rows of a text uncertain.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    code: &'static str,
    message: &'static str,
    bytes: Range<usize>,
}

/// Where the scan is within a row.
enum State {
    FieldStart,
    Plain,
    /// In a quoted cell that was opened here.
    Quoted(usize),
    /// Behind the closing quote of a cell that was opened here.
    Closed(usize),
}

/// The first fault in the quotes of a text, as an error at its place.
pub(super) fn check(loaded: &Loaded) -> Option<Diagnostic> {
    let fault = first_fault(loaded.text())?;
    let error = Diagnostic::error(fault.code, fault.message).at(loaded.place(fault.bytes));
    Some(error.with_hint(
        "close the quote in its own row, or double a quote that belongs to a quoted text: `\"19\"\" rack\"`",
    ))
}

fn first_fault(text: &str) -> Option<Fault> {
    if !text.contains('"') {
        return None;
    }
    let mut state = State::FieldStart;
    for (at, byte) in text.bytes().enumerate() {
        state = match (state, byte) {
            (State::FieldStart, b'"') => State::Quoted(at),
            (State::FieldStart | State::Plain | State::Closed(_), b',' | b'\r' | b'\n') => {
                State::FieldStart
            }
            (State::FieldStart | State::Plain, _) => State::Plain,
            (State::Quoted(from), b'"') => match swallowed(text, from, at) {
                Some(fault) => return Some(fault),
                None => State::Closed(from),
            },
            (State::Quoted(from), _) => State::Quoted(from),
            // A doubled quote is a quote within the cell.
            (State::Closed(from), b'"') => State::Quoted(from),
            (State::Closed(from), _) => return Some(after_quote(text, from, at)),
        };
    }
    match state {
        State::Quoted(from) => Some(unclosed(from)),
        State::FieldStart | State::Plain | State::Closed(_) => None,
    }
}

fn unclosed(from: usize) -> Fault {
    Fault {
        code: "unclosed-quote",
        message: "this quote is never closed, so that all rows behind it would be one cell",
        bytes: from..from + 1,
    }
}

/// A cell of several lines with a server ID in it: most likely a quote is missing, and rows are lost.
fn swallowed(text: &str, from: usize, to: usize) -> Option<Fault> {
    let cell = &text[from..to];
    (cell.contains(['\r', '\n']) && holds_id(cell)).then_some(Fault {
        code: "unclosed-quote",
        message: "this quote is closed in a later row, and the cell between contains a server ID",
        bytes: from..from + 1,
    })
}

fn after_quote(text: &str, from: usize, at: usize) -> Fault {
    if text[from..at].contains(['\r', '\n']) {
        return Fault {
            code: "unclosed-quote",
            message: "this quote is closed in a later row, in the middle of a cell",
            bytes: from..from + 1,
        };
    }
    Fault {
        code: "text-after-quote",
        message: "text follows the closing quote of a cell",
        bytes: at..at + 1,
    }
}

/// Whether a text contains what begins like a server ID: `616fb98f-46ca-475e-`.
fn holds_id(text: &str) -> bool {
    const LENGTH: usize = 19;
    let shape = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    let mut parts = text.as_bytes().windows(LENGTH);
    parts.any(|part| part.iter().enumerate().all(shape))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ID: &str = "616fb98f-46ca-475e-917e-2563e5a8cd19";

    #[rstest]
    #[case::no_quotes("id,name\nID,web 1\n", None)]
    #[case::quoted("id,name\n\"ID\",\"web, 1\"\n", None)]
    #[case::doubled("id,name\nID,\"19\"\" rack\"\n", None)]
    #[case::empty_cell("id,name\nID,\"\"\n", None)]
    #[case::several_lines("id,note\nID,\"two\nlines\"\n", None)]
    #[case::inside_a_plain_cell("id,note\nID,19\" rack\n", None)]
    #[case::never_closed("id,note\nID,\"19 inch\nID,x\n", Some(("unclosed-quote", 11)))]
    #[case::alone_at_the_end("id,note\nID,\"", Some(("unclosed-quote", 11)))]
    #[case::closed_later("id,note\nID,\"19 inch\nID,\"x\n", Some(("unclosed-quote", 11)))]
    #[case::closed_later_well("id,note\nID,\"19 inch\nID,x\"\n", Some(("unclosed-quote", 11)))]
    #[case::in_the_header("\"id,note\nID,x\"\n", Some(("unclosed-quote", 0)))]
    #[case::followed_by_text("id,note\nID,\"19\" rack\n", Some(("text-after-quote", 15)))]
    #[case::carriage_returns("id,note\r\nID,\"19 inch\r\nID,x\"\r\n", Some(("unclosed-quote", 12)))]
    fn a_quote_must_be_closed_in_its_row(
        #[case] text: &str,
        #[case] expected: Option<(&str, usize)>,
    ) {
        // Places are counted in the short spelling.
        let longer = |at: usize| text[..at].matches("ID").count() * (ID.len() - 2);
        let fault = first_fault(&text.replace("ID", ID));
        let found = fault.map(|fault| (fault.code, fault.bytes.start));
        assert_eq!(found, expected.map(|(code, at)| (code, at + longer(at))));
    }
}
