//! Reading a journal back. Pure.
//!
//! Owns the difference between a torn end, which a crash explains, and damage, which nothing does.
//! Invariant: what is returned was written by one run, without a gap, from its first event on.

use super::line::{BadLine, decode};
use crate::event::{Event, Stamped};

/// What a journal holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The events, from the first on.
    pub events: Vec<Stamped>,
    /// The number that the next line has.
    pub next_seq: u64,
    /// How many bytes of the file are whole lines; what stands behind them is torn.
    pub whole: u64,
}

/// Why a journal cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// It holds no whole line.
    #[error("the journal holds nothing")]
    Empty,
    /// A line other than the last is not as it was written.
    #[error("line {line} of the journal is damaged")]
    Damaged {
        /// Line, from 1.
        line: u64,
    },
    /// A line is missing or doubled.
    #[error("line {line} of the journal has sequence number {found} in place of {expected}")]
    Gap {
        /// Line, from 1.
        line: u64,
        /// The number that it should have.
        expected: u64,
        /// The number that it has.
        found: u64,
    },
    /// It was written by another version.
    #[error("the journal has format `{0}`, which this version of lightsout does not know")]
    Newer(String),
    /// A whole line holds what this version does not understand.
    #[error("line {line} of the journal cannot be understood: {why}")]
    Unreadable {
        /// Line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
}

impl JournalError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty => {
                "requests may have been sent: check the servers, then set the run aside by `runs quarantine` with its run ID"
            }
            Self::Damaged { .. } | Self::Gap { .. } => {
                "the file was changed, or the disk is failing: keep a copy, and look at the servers \
                 themselves; the job IDs in the other lines are still good"
            }
            Self::Newer(_) | Self::Unreadable { .. } => {
                "use the version of lightsout that started the run"
            }
        }
    }
}

/// Reads the bytes of a journal. A torn last line is left out.
pub fn replay(bytes: &[u8]) -> Result<Replayed, JournalError> {
    match salvage(bytes) {
        (replayed, None) => Ok(replayed),
        (_, Some(error)) => Err(error),
    }
}

/// Reads what stands before the first thing that is wrong, and says what that is.
pub fn salvage(bytes: &[u8]) -> (Replayed, Option<JournalError>) {
    let mut replayed = Replayed {
        events: Vec::new(),
        next_seq: 0,
        whole: 0,
    };
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        match whole_line(&rest[..end], replayed.next_seq) {
            Ok(events) => replayed.events.extend(events),
            // Without anything behind it, it is what a crash leaves.
            Err(JournalError::Damaged { .. }) if end + 1 == rest.len() => break,
            Err(error) => return (replayed, Some(error)),
        }
        replayed.next_seq += 1;
        replayed.whole += end as u64 + 1;
        rest = &rest[end + 1..];
    }
    let empty = (replayed.next_seq == 0).then_some(JournalError::Empty);
    (replayed, empty)
}

/// The events of the line that must have number `expected`.
fn whole_line(line: &[u8], expected: u64) -> Result<Vec<Stamped>, JournalError> {
    let number = expected + 1;
    let record = decode(line).map_err(|bad| match bad {
        BadLine::Damaged => JournalError::Damaged { line: number },
        BadLine::Newer(format) => JournalError::Newer(format),
        BadLine::Unreadable(why) => JournalError::Unreadable { line: number, why },
    })?;
    if record.seq == expected {
        return Ok(record.events);
    }
    Err(JournalError::Gap {
        line: number,
        expected,
        found: record.seq,
    })
}

/// Whether the last whole line of a journal says that its run is over. `tail` may begin within a line.
pub fn is_over(tail: &[u8]) -> bool {
    let mut lines = tail.split(|byte| *byte == b'\n').rev();
    // What follows the last line end is torn, or nothing.
    let _torn = lines.next();
    let events = lines
        .find_map(|line| decode(line).ok())
        .map(|record| record.events);
    let over =
        |stamped: &Stamped| matches!(stamped.event, Event::Finished | Event::ReportMisplaced);
    events.is_some_and(|events| events.last().is_some_and(over))
}

#[cfg(test)]
mod tests {
    use super::super::line::{Names, encode};
    use super::*;
    use proptest::prelude::*;

    fn stamped(second: i64) -> Stamped {
        Stamped {
            at: jiff::Timestamp::from_second(second).unwrap(),
            event: Event::Finished,
        }
    }

    fn journal(lines: u64) -> Vec<u8> {
        let events = |seq| [stamped(seq as i64), stamped(seq as i64 + 1)];
        let names = |seq| {
            if seq == 0 {
                Names::Format
            } else {
                Names::Nothing
            }
        };
        let line = |seq| encode(seq, names(seq), &events(seq)).unwrap();
        (0..lines).map(line).collect::<String>().into_bytes()
    }

    #[test]
    fn a_journal_reads_back_as_it_was_written() {
        let replayed = replay(&journal(3)).unwrap();
        assert_eq!(replayed.events.len(), 6);
        assert_eq!(
            (replayed.next_seq, replayed.whole),
            (3, journal(3).len() as u64)
        );
    }

    #[test]
    fn a_journal_without_a_whole_line_is_refused() {
        assert_eq!(replay(b""), Err(JournalError::Empty));
        assert_eq!(replay(&journal(1)[..20]), Err(JournalError::Empty));
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let line = of_format("lightsout/journal/v3");
        assert_eq!(
            replay(line.as_bytes()),
            Err(JournalError::Newer("lightsout/journal/v3".into()))
        );
    }

    #[test]
    fn the_older_format_is_read() {
        let line = of_format("lightsout/journal/v1");
        assert_eq!(
            replay(line.as_bytes()),
            replay(&journal(1)).map(|replayed| Replayed {
                whole: line.len() as u64,
                ..replayed
            })
        );
    }

    /// A journal of one line that names this format.
    fn of_format(format: &str) -> String {
        let text = String::from_utf8(journal(1))
            .unwrap()
            .replace(super::super::line::FORMAT, format);
        let record = text
            .split_once("\"record\":")
            .unwrap()
            .1
            .trim_end()
            .strip_suffix('}')
            .unwrap();
        super::super::line::with_sum(record)
    }

    #[test]
    fn a_missing_or_doubled_line_is_refused() {
        let (one, two) = (journal(1), journal(2));
        let doubled = [one.clone(), one.clone()].concat();
        assert_eq!(
            replay(&doubled),
            Err(JournalError::Gap {
                line: 2,
                expected: 1,
                found: 0
            })
        );
        let headless = &two[one.len()..];
        assert_eq!(
            replay(headless),
            Err(JournalError::Gap {
                line: 1,
                expected: 0,
                found: 1
            })
        );
    }

    #[test]
    fn what_stands_before_the_damage_is_salvaged() {
        let mut bytes = journal(3);
        let second = journal(1).len() + 5;
        bytes[second] = b'#';
        let (salvaged, error) = salvage(&bytes);
        assert_eq!(error, Some(JournalError::Damaged { line: 2 }));
        assert_eq!(salvaged.events, replay(&journal(1)).unwrap().events);
    }

    proptest! {
        #[test]
        fn any_prefix_gives_a_prefix_of_the_events(lines in 1u64..5, cut in 0usize..2000) {
            let whole = journal(lines);
            let cut = cut.min(whole.len());
            let all = replay(&whole).unwrap().events;
            match replay(&whole[..cut]) {
                Ok(part) => {
                    prop_assert!(part.whole as usize <= cut);
                    prop_assert_eq!(&all[..part.events.len()], &part.events[..]);
                }
                Err(error) => prop_assert_eq!(error, JournalError::Empty),
            }
        }

        #[test]
        fn a_changed_byte_is_never_read_as_an_event(lines in 2u64..5, at in 0usize..9999, bit in 0u8..8) {
            let whole = journal(lines);
            let all = replay(&whole).unwrap().events;
            let mut changed = whole.clone();
            let at = at % changed.len();
            changed[at] ^= 1 << bit;
            if let Ok(part) = replay(&changed) {
                prop_assert_eq!(&all[..part.events.len()], &part.events[..]);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(replay(&bytes).is_err());
        }
    }
}
