//! Storms of the clock: any sequence of suspensions, pauses and settings, by seed.
//!
//! Invariant: whatever the clocks do, no request was accepted outside the window by the true clock, which is
//! the cloud's, but for what nobody can know: a machine that stands still between its last look and the first
//! byte does not notice.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::scenario::{Scenario, TOKEN, at_once};
use crate::windows::{CUTOFF, OPENS, one_by_one};

/// How long the date of an answer is relied on, and what a busy machine adds to that.
const UNNOTICED: SignedDuration = SignedDuration::from_secs(60 + 90);

/// How far clocks may differ.
const BORNE: SignedDuration = SignedDuration::from_mins(5);

/// Something that befalls a clock.
#[derive(Debug, Clone, Copy)]
enum Mishap {
    /// The machine is suspended: its date jumps with the true one.
    Suspended,
    /// The machine is paused, and knows nothing of it.
    Paused,
    /// Somebody sets its clock.
    Set { back: bool },
}

/// A mishap, so long after the start, of such an extent.
#[derive(Debug, Clone, Copy)]
struct Jump {
    mishap: Mishap,
    after: Duration,
    by: Duration,
}

impl Jump {
    fn any(draw: &mut fastrand::Rng) -> Self {
        let mishap = match draw.u8(0..4) {
            0 => Mishap::Suspended,
            1 => Mishap::Paused,
            2 => Mishap::Set { back: true },
            _ => Mishap::Set { back: false },
        };
        let minutes = draw.choice([1, 4, 8, 30, 120, 240]).unwrap();
        Self {
            mishap,
            after: Duration::from_secs(draw.u64(20..400)),
            by: Duration::from_secs(60 * minutes),
        }
    }

    /// As a clock has it.
    fn text(self) -> String {
        let sign = match self.mishap {
            Mishap::Set { back: true } => '-',
            Mishap::Set { back: false } | Mishap::Suspended | Mishap::Paused => '+',
        };
        let (by, after) = (self.by.as_secs(), self.after.as_secs());
        format!(",jump:{sign}{by}s@{after}s")
    }

    /// Whether the true clock makes it.
    fn is_true(self) -> bool {
        matches!(self.mishap, Mishap::Suspended | Mishap::Paused)
    }
}

/// The jumps of one kind of mishap.
fn texts(jumps: &[Jump], kind: impl Fn(Mishap) -> bool) -> String {
    let own = jumps.iter().filter(|jump| kind(jump.mishap));
    own.map(|jump| jump.text()).collect()
}

fn play(seed: u64) {
    let mut draw = fastrand::Rng::with_seed(seed);
    let opens: Timestamp = OPENS.parse().unwrap();
    let cutoff: Timestamp = CUTOFF.parse().unwrap();
    let start = opens + SignedDuration::from_mins(draw.i64(0..194));
    let mut jumps: Vec<Jump> = (0..draw.usize(1..4))
        .map(|_| Jump::any(&mut draw))
        .collect();
    jumps.sort_by_key(|jump| jump.after);
    let job = Duration::from_secs(draw.u64(10..120));
    let suspended = texts(&jumps, |it| matches!(it, Mishap::Suspended));
    let paused = texts(&jumps, |it| matches!(it, Mishap::Paused));
    let set = texts(&jumps, |it| matches!(it, Mishap::Set { .. }));
    let scenario: Scenario = one_by_one(6, job)
        .without_keys()
        .variable("OS_AUTH_TOKEN", TOKEN)
        .clock(&format!("{start}{suspended}"))
        .cloud_jumps(&paused)
        .jumps(&set)
        .pace(30);
    let ended = scenario.run("run night.yaml");
    let told = format!("seed {seed}, from {start}: {jumps:?}\n{}", ended.err);
    assert!([0, 20, 30, 32].contains(&ended.code), "{told}");
    let borne = if paused.is_empty() {
        SignedDuration::ZERO
    } else {
        BORNE
    };
    let inside = |at: Timestamp| opens <= at && at < cutoff + borne;
    for stop in ended
        .stats
        .stops
        .iter()
        .filter(|stop| stop.job_id.is_some())
    {
        // By the true clock each jump begins where the ones before have led.
        let mut unnoticed = false;
        let mut moved = SignedDuration::ZERO;
        for jump in jumps.iter().filter(|jump| jump.is_true()) {
            let by = SignedDuration::try_from(jump.by).unwrap();
            let before = start + moved + SignedDuration::try_from(jump.after).unwrap();
            moved += by;
            let since = stop.at.duration_since(before + by);
            let just = !since.is_negative() && since < UNNOTICED;
            unnoticed |= just && inside(stop.at - by);
        }
        assert!(inside(stop.at) || unnoticed, "at {}: {told}", stop.at);
    }
}

#[test]
fn whatever_the_clocks_do_nothing_is_accepted_outside_the_window() {
    // Among these are some in which a clock that is believed sends hours too late.
    let seeds: Vec<u64> = (7..=12).collect();
    at_once(&seeds, |seed| play(*seed));
}
