//! Real texts, changed a little: what a slip of the editor, a bad disk or a strange cloud makes of them.
//!
//! Owns the edits. Invariant: an edit works on bytes, so what comes out need not even be text.

use std::ops::Range;

use proptest::prelude::*;

/// One change; places are fractions of the whole, so that they fit any text.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    Delete(u16, u8),
    Repeat(u16, u8),
    Flip(u16, u8),
    Insert(u16, Vec<u8>),
    Move(u16, u16, u8),
    Cut(u16),
}

/// A few edits; what is inserted is most often one of these words.
pub(crate) fn edits(words: &'static [&'static str]) -> impl Strategy<Value = Vec<Edit>> {
    let inserted = prop_oneof![
        4 => prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..6),
    ];
    let place = any::<u16>;
    let edit = prop_oneof![
        3 => (place(), any::<u8>()).prop_map(|(at, length)| Edit::Delete(at, length)),
        2 => (place(), any::<u8>()).prop_map(|(at, length)| Edit::Repeat(at, length)),
        2 => (place(), 0u8..8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        4 => (place(), inserted).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        2 => (place(), place(), any::<u8>()).prop_map(|(from, to, length)| Edit::Move(from, to, length)),
        1 => place().prop_map(Edit::Cut),
    ];
    prop::collection::vec(edit, 0..4)
}

/// The text with these changes.
pub(crate) fn changed(text: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for edit in edits {
        apply(&mut bytes, edit);
    }
    bytes
}

fn apply(bytes: &mut Vec<u8>, edit: &Edit) {
    match edit {
        Edit::Delete(at, length) => drop(bytes.drain(range(bytes, *at, *length))),
        Edit::Repeat(at, length) => {
            let range = range(bytes, *at, *length);
            let (end, part) = (range.end, bytes[range].to_vec());
            bytes.splice(end..end, part);
        }
        Edit::Flip(at, bit) => {
            let at = place(bytes, *at);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
        Edit::Insert(at, inserted) => {
            let at = place(bytes, *at);
            bytes.splice(at..at, inserted.iter().copied());
        }
        Edit::Move(from, to, length) => {
            let part: Vec<u8> = bytes.drain(range(bytes, *from, *length)).collect();
            let to = place(bytes, *to);
            bytes.splice(to..to, part);
        }
        Edit::Cut(at) => bytes.truncate(place(bytes, *at)),
    }
}

fn place(bytes: &[u8], fraction: u16) -> usize {
    bytes.len() * usize::from(fraction) / usize::from(u16::MAX)
}

/// Half of the time whole lines, which is what people move and repeat.
fn range(bytes: &[u8], at: u16, length: u8) -> Range<usize> {
    let start = place(bytes, at);
    if length.is_multiple_of(2) {
        return start..(start + usize::from(length) / 8).min(bytes.len());
    }
    let line = |byte: &u8| *byte == b'\n';
    let start = bytes[..start]
        .iter()
        .rposition(line)
        .map_or(0, |end| end + 1);
    let end = bytes[start..].iter().position(line);
    start..end.map_or(bytes.len(), |end| start + end + 1)
}
