//! One line of a journal: its spelling and its checksum. Pure.
//!
//! Owns both directions. Invariant: a line that [`decode`] accepts is one that [`encode`] wrote, but
//! for a chance of one in 2^64.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::event::Stamped;

/// The format that this version writes. Version 2 has responses that name jobs and are no clear acceptance.
pub const FORMAT: &str = "lightsout/journal/v2";
/// The older format that this version reads, too.
const OLDER: &str = "lightsout/journal/v1";

const BEFORE_SUM: &str = "{\"sum\":\"";
const BEFORE_RECORD: &str = "\",\"record\":";
const SUM_DIGITS: usize = 16;

/// What one line holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) seq: u64,
    #[serde(default)]
    pub(super) format: Option<String>,
    pub(super) events: Vec<Stamped>,
}

#[derive(Serialize)]
struct Written<'a> {
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    events: &'a [Stamped],
}

/// Why a line is not one of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BadLine {
    /// It is cut off, or its bytes are not those that were written.
    Damaged,
    /// It is whole, and of a format that this version does not know.
    Newer(String),
    /// It is whole, and this version cannot read its events.
    Unreadable(String),
}

/// Whether a line names the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// The first line of each process: an older version of the program then refuses the journal, also one that an
    /// older version began.
    Format,
    /// Every other line.
    Nothing,
}

/// The line with number `seq`, its line end included.
pub(super) fn encode(seq: u64, names: Names, events: &[Stamped]) -> serde_json::Result<String> {
    let format = (names == Names::Format).then_some(FORMAT);
    let record = serde_json::to_string(&Written {
        seq,
        format,
        events,
    })?;
    let sum = checksum(record.as_bytes());
    Ok(format!("{BEFORE_SUM}{sum}{BEFORE_RECORD}{record}}}\n"))
}

/// Reads a line without its line end.
pub(super) fn decode(line: &[u8]) -> Result<Record, BadLine> {
    let record = record_bytes(line).ok_or(BadLine::Damaged)?;
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        format: Option<String>,
    }
    let unreadable = |error: serde_json::Error| BadLine::Unreadable(error.to_string());
    let head: Head = serde_json::from_slice(record).map_err(unreadable)?;
    match head.format {
        Some(format) if format != FORMAT && format != OLDER => Err(BadLine::Newer(format)),
        Some(_) | None => serde_json::from_slice(record).map_err(unreadable),
    }
}

/// The bytes of the record, if the line is whole and its checksum right.
fn record_bytes(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(BEFORE_SUM.as_bytes())?;
    let (sum, rest) = rest.split_at_checked(SUM_DIGITS)?;
    let record = rest
        .strip_prefix(BEFORE_RECORD.as_bytes())?
        .strip_suffix(b"}")?;
    (checksum(record).as_bytes() == sum).then_some(record)
}

fn checksum(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter()
        .take(SUM_DIGITS / 2)
        .fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// A line around any record, for tests of what a journal refuses.
#[cfg(test)]
pub(super) fn with_sum(record: &str) -> String {
    let sum = checksum(record.as_bytes());
    format!("{BEFORE_SUM}{sum}{BEFORE_RECORD}{record}}}\n")
}
