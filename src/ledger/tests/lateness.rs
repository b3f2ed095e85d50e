//! Which gaps between records make a run late, whichever process wrote them.

use rstest::rstest;

use super::*;
use crate::clock::Uptime;
use crate::event::Mode;

const MINUTE: i64 = 60;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

fn uptime(second: i64) -> Uptime {
    Uptime {
        boot: Some("boot".to_owned()),
        milliseconds: u64::try_from(500_000 + second).unwrap() * 1000,
    }
}

/// A record at this second, by the wall clock.
type Record = (i64, Event);

fn began(mode: Mode) -> Event {
    let launch = crate::event::Launch {
        run: "20261128T170000Z-3f9a1c".parse().unwrap(),
        mode,
        ..crate::event::Launch::for_tests()
    };
    let plan = sample::plan(vec![sample::group("all", 0, 4)]).digest;
    Event::Began {
        launch: Box::new(launch),
        plan,
        left_out: Vec::new(),
    }
}

fn resumed(forbidden: Option<StopCause>) -> Event {
    Event::Resumed {
        forbidden,
        guards: Vec::new(),
    }
}

fn read(second: i64) -> Event {
    Event::UptimeRead {
        uptime: uptime(second),
    }
}

fn ledger(mode: Mode, records: Vec<Record>) -> Ledger {
    let mut ledger = Ledger::new(&sample::plan(vec![sample::group("all", 0, 4)]));
    for (second, event) in [(0, began(mode)), (0, read(0))].into_iter().chain(records) {
        let at = at(second);
        ledger.apply(&Stamped { at, event }).unwrap();
    }
    ledger
}

/// Whether the run is late for a process that comes at this second of both clocks.
fn late_at(records: Vec<Record>, second: i64) -> bool {
    ledger(Mode::Run, records).is_late_at(at(second), &uptime(second))
}

#[rstest]
#[case(0, false)]
#[case(15 * MINUTE, false)]
#[case(15 * MINUTE + 1, true)]
#[case(-5 * MINUTE, false)]
#[case(-5 * MINUTE - 1, true)]
fn a_gap_counts_in_both_directions(#[case] second: i64, #[case] late: bool) {
    assert_eq!(late_at(Vec::new(), second), late);
    let here = vec![(second, resumed(None)), (second, read(second))];
    assert_eq!(ledger(Mode::Run, here).is_late(), late);
}

#[test]
fn what_a_process_writes_that_may_not_send_does_not_count() {
    let settling = Some(StopCause::Settling);
    let early = vec![
        (10 * MINUTE, resumed(settling)),
        (11 * MINUTE, Event::StillRunning),
    ];
    assert!(late_at(early.clone(), 16 * MINUTE));
    assert!(!late_at(early, 14 * MINUTE));
    let sender = vec![
        (10 * MINUTE, resumed(None)),
        (11 * MINUTE, Event::StillRunning),
    ];
    assert!(!late_at(sender, 16 * MINUTE));
}

#[test]
fn whoever_comes_over_such_a_gap_makes_the_run_late_for_good() {
    for forbidden in [Some(StopCause::Settling), Some(StopCause::Late), None] {
        let late = 20 * MINUTE;
        let records = vec![(late, resumed(forbidden)), (late + 1, resumed(None))];
        let ledger = ledger(Mode::Run, records);
        assert!(ledger.is_late() && !ledger.stood_still(), "{forbidden:?}");
    }
}

#[test]
fn a_process_that_stood_still_is_late_itself_until_another_comes() {
    let pause = 16 * MINUTE;
    let still = ledger(Mode::Run, vec![(pause, Event::StillRunning)]);
    assert!(still.is_late() && still.stood_still());
    let next = vec![(pause, Event::StillRunning), (pause + 1, resumed(None))];
    let next = ledger(Mode::Run, next);
    assert!(next.is_late() && !next.stood_still());
    // Its own clock may be set back, as it knows the time that passes.
    let back = vec![(-60 * MINUTE, Event::StillRunning)];
    assert!(!ledger(Mode::Run, back).is_late());
}

#[test]
fn the_uptime_shows_what_a_clock_that_was_set_back_hides() {
    let (hidden, real) = (2 * MINUTE, 20 * MINUTE);
    assert!(ledger(Mode::Run, Vec::new()).is_late_at(at(hidden), &uptime(real)));
    let other = vec![(hidden, resumed(None)), (hidden, read(real))];
    assert!(ledger(Mode::Run, other).is_late());
    let same = ledger(Mode::Run, vec![(hidden, read(real))]);
    assert!(same.is_late() && same.stood_still());
    // After a reboot it says nothing, and the wall clock alone counts.
    let mut rebooted = uptime(real);
    rebooted.boot = Some("another".to_owned());
    assert!(!ledger(Mode::Run, Vec::new()).is_late_at(at(hidden), &rebooted));
}

#[test]
fn a_rehearsal_is_never_late() {
    let records = vec![(60 * MINUTE, Event::StillRunning)];
    let ledger = ledger(Mode::Rehearsal, records);
    assert!(!ledger.is_late() && !ledger.stood_still());
    assert!(!ledger.is_late_at(at(9999 * MINUTE), &uptime(0)));
}
