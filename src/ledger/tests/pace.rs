//! Waves, pauses and the failure limit, folded from events.

use super::*;
use crate::event::{Phase, Slots};
use crate::power::StateClass;
use crate::workflow::MaxFailures;

/// Two groups: one of ten servers in the waves 1, 4 and 5, one of ten in one wave.
fn plan(max: MaxFailures) -> crate::plan::Plan {
    let mut workflow = sample::workflow();
    workflow.rollout.max_failures = max;
    let mut first = sample::group("first", 0, 10);
    first.waves = serde_json::from_str("[1, 4]").unwrap();
    sample::plan_of(&workflow, vec![first, sample::group("second", 10, 10)])
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

fn tell(ledger: &mut Ledger, second: i64, event: Event) {
    let at = at(second);
    ledger.apply(&Stamped { at, event }).unwrap();
}

fn began(group: u32, wave: u32) -> Event {
    Event::WaveBegan { group, wave }
}

fn settled(batch: u32, outcome: Outcome, slots: &str) -> Event {
    Event::Settled {
        batch: BatchIndex(batch),
        outcomes: vec![(outcome, slots.parse().unwrap())],
    }
}

#[test]
fn a_share_of_failures_grows_with_the_waves_that_have_begun() {
    let ten = MaxFailures::Percent(10.try_into().unwrap());
    let mut ledger = Ledger::new(&plan(ten));
    let mut borne = vec![ledger.failures_borne()];
    for (group, wave) in [(0, 0), (0, 1), (0, 1), (0, 2), (1, 0)] {
        tell(&mut ledger, 0, began(group, wave));
        borne.push(ledger.failures_borne());
    }
    // 10 % of 0, 1, 5, 5 again, 10 and 20.
    assert_eq!(borne, [0, 0, 0, 0, 1, 2].map(Some));
}

#[test]
fn failed_and_unknown_targets_count_until_they_are_found_to_be_well() {
    let mut ledger = Ledger::new(&plan(MaxFailures::Count(1)));
    tell(&mut ledger, 0, began(0, 2));
    tell(&mut ledger, 1, settled(2, FAILED, "0"));
    assert!(!ledger.has_failed_too_often());
    tell(&mut ledger, 2, settled(2, UNKNOWN, "1"));
    assert_eq!(
        (ledger.failures(), ledger.has_failed_too_often()),
        (2, true)
    );
    tell(&mut ledger, 3, settled(2, STOPPED, "1"));
    assert_eq!(
        (ledger.failures(), ledger.has_failed_too_often()),
        (1, false)
    );
    tell(
        &mut ledger,
        4,
        settled(2, Outcome::Skipped(Reason::Locked), "2-4"),
    );
    assert!(!ledger.has_failed_too_often());
}

#[test]
fn targets_that_are_left_out_are_not_among_those_of_a_wave() {
    let half = MaxFailures::Percent(50.try_into().unwrap());
    let mut ledger = Ledger::new(&plan(half));
    for slot in 0..4 {
        let narrowed = Outcome::Skipped(Reason::Narrowed);
        tell(&mut ledger, 0, settled(2, narrowed, &slot.to_string()));
    }
    tell(&mut ledger, 1, began(0, 2));
    assert_eq!(ledger.failures_borne(), Some(0));
    tell(&mut ledger, 2, began(1, 0));
    assert_eq!(ledger.failures_borne(), Some(5));
}

/// Journals may be older than the event that says so.
#[test]
fn whatever_is_told_of_a_batch_tells_that_its_wave_has_begun() {
    let mut ledger = Ledger::new(&plan(MaxFailures::default()));
    let observed = Event::Observed {
        batch: BatchIndex(3),
        phase: Phase::Before,
        states: vec![(StateClass::On, Slots::all(10))],
        said: Vec::new(),
    };
    tell(&mut ledger, 0, observed);
    let begun: Vec<bool> = ledger.waves().iter().map(WaveRecord::has_begun).collect();
    assert_eq!(begun, [false, false, false, true]);
    assert_eq!(ledger.failures_borne(), Some(1));
}

#[test]
fn a_wave_knows_when_its_last_target_was_settled() {
    let mut ledger = Ledger::new(&plan(MaxFailures::default()));
    assert_eq!(ledger.waves()[1].settled_at(), None);
    tell(&mut ledger, 5, settled(1, STOPPED, "0-2"));
    tell(&mut ledger, 9, settled(1, STOPPED, "3"));
    tell(&mut ledger, 11, settled(2, STOPPED, "0"));
    assert_eq!(ledger.waves()[1].settled_at(), Some(at(9)));
    let places: Vec<_> = ledger
        .waves()
        .iter()
        .map(|wave| (wave.group(), wave.wave(), wave.batches()))
        .collect();
    assert_eq!(
        places,
        [(0, 0, 0..1), (0, 1, 1..2), (0, 2, 2..3), (1, 0, 3..4)]
    );
}

#[test]
fn a_pause_lasts_until_the_next_wave_or_until_nothing_more_is_sent() {
    let soaking = Event::Soaking {
        group: 0,
        wave: 1,
        milliseconds: 90_000,
    };
    let stopped = Event::SendingStopped {
        cause: StopCause::Cutoff,
        evidence: Evidence::default(),
    };
    let resumed = Event::Resumed {
        forbidden: None,
        guards: Vec::new(),
    };
    for end in [began(0, 2), stopped, resumed] {
        let mut ledger = Ledger::new(&plan(MaxFailures::default()));
        tell(&mut ledger, 10, soaking.clone());
        let soak = ledger.soaking().unwrap();
        assert_eq!((soak.group, soak.wave, soak.until), (0, 1, at(100)));
        tell(&mut ledger, 20, end.clone());
        assert_eq!(ledger.soaking(), None, "{end:?}");
    }
}

#[test]
fn a_wave_that_the_plan_does_not_have_is_a_misfit() {
    let mut ledger = Ledger::new(&plan(MaxFailures::default()));
    for event in [
        began(0, 3),
        began(2, 0),
        Event::Soaking {
            group: 1,
            wave: 1,
            milliseconds: 0,
        },
    ] {
        let at = at(0);
        assert!(ledger.apply(&Stamped { at, event }).is_err());
    }
}
