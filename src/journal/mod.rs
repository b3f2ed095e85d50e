//! Seam 3: [`Event`](crate::event::Event)s ↔ disk, so that no crash loses what was known.
//!
//! A journal is a file of JSON lines, one for each sync, each with a sequence number and a checksum
//! (`line`); [`Journal`] appends on a thread of its own and tells when a line is durable; [`replay()`]
//! reads a journal back. Knows nothing of what events mean. Invariant: the events of a journal are a
//! prefix of those that its run recorded, in the same order; a torn end costs only what was not yet
//! durable, and any other damage is refused.
//!
//! Format `lightsout/journal/v2`, a line: `{"sum":"<16 hex digits>","record":{"seq":0,"format":"…","events":[…]}}`.
//! `sum` is the first half of the SHA-256 of the bytes of `record`; `seq` counts from 0; `format`
//! stands in the first line only.

mod crash;
mod held;
mod line;
mod replay;
mod writer;

pub use crash::CrashPoint;
pub use held::{HeldFile, Lost};
pub use line::FORMAT;
pub use replay::{JournalError, Replayed, is_over, replay, salvage};
pub use writer::{Journal, Receipt, Terms};
