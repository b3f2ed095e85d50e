//! Storms: random workflows through random faults, with kills and signals, until the weather clears.
//!
//! The cloud is `lightsout simulate` in a process of its own. A few seeds are played with every
//! `cargo test`, a thousand with `just storm`. Invariant: what happens follows from the seed, but for
//! the timing of processes; a storm that fails names its seed and keeps its folder.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod cloud;
mod invention;
mod judge;
mod late;
mod late_judge;
mod late_tally;
mod pace;
mod play;
mod tally;
mod way_back;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::late_tally::LateStory;
use crate::tally::Tally;

/// Seeds that are played with every `cargo test`.
const FEW: u64 = 25;
/// Storms that rage together: they wait more than they work.
const TOGETHER: usize = 12;

/// One kind after the other: both need the whole machine.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn after_every_storm_nothing_is_lost_and_nothing_was_stopped_twice() {
    let tally = Mutex::new(Tally::default());
    each(|seed| {
        let story = play::storm(seed);
        tally.lock().unwrap().add(&story);
    });
    show(&tally.into_inner().unwrap());
}

#[test]
fn after_every_late_storm_no_server_in_doubt_was_sent_again() {
    let tally = Mutex::new(LateStory::default());
    each(|seed| {
        let story = late::storm(seed);
        tally.lock().unwrap().add(&story);
    });
    show(&tally.into_inner().unwrap());
}

/// Plays the storms of all seeds; panics if one does harm.
fn each(play: impl Fn(u64) + Sync) {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let number = |name: &str| setting(name).and_then(|text| text.parse().ok());
    let first = number("LIGHTSOUT_STORM_FIRST").unwrap_or(1);
    let count = number("LIGHTSOUT_STORM").unwrap_or(FEW);
    let next = AtomicU64::new(first);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    if catch_unwind(AssertUnwindSafe(|| play(seed))).is_err() {
                        failed.lock().unwrap().push(seed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    drop(turn);
    assert_eq!(failed, [0; 0], "seeds of storms that did harm");
}

#[expect(clippy::print_stdout, reason = "the counts are what the test tells")]
fn show(tally: &impl std::fmt::Display) {
    println!("{tally}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "how many storms are played is for who starts the test"
)]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
