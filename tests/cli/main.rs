//! The real program, verb by verb: exit codes, what goes to which stream, and what is left on disk.
//!
//! Each test has a folder, a state folder and an environment of its own; runs go to a simulator in this
//! process, by a clock that passes sixty times as fast. Invariant: nothing outside loopback is touched.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod basics;
mod bench;
mod files;
mod report_place;
mod run;
mod simulated;
