//! What windows and closures say together.

use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{moment, weekly};
use crate::freeze::Closure;
use crate::window::{Calendar, Closed, Explanation, Keeper, Window};

fn closure(from: &str, to: &str) -> Closure {
    Closure {
        from: moment(from),
        to: moment(to),
        reason: "end of the \u{202e}year".to_owned(),
    }
}

fn saturdays() -> Window {
    weekly("Asia/Singapore", &["sat"], "01:00", "4h", "45m")
}

/// Saturdays from 17:00 to 20:15 UTC the day before, but for the last hours of the first, and the third.
fn calendar() -> Calendar {
    let mut calendar = Calendar::new(Some(saturdays()));
    let own = closure("2026-11-27T19:00:00Z", "2026-11-28T00:00:00Z");
    calendar.close(Keeper::Workflow, "freeze.yaml", [own]);
    let theirs = closure("2026-12-10T16:00:00Z", "2026-12-11T18:30:00Z");
    calendar.close(Keeper::Policy, "/etc/lightsout/freeze.yaml", [theirs]);
    calendar
}

#[test]
fn an_open_moment_is_told_with_what_ends_it() {
    assert_snapshot!(calendar().to_text(moment("2026-11-27T17:30:00Z")));
}

#[test]
fn everything_that_closes_a_moment_is_told() {
    let mut calendar = calendar();
    assert_snapshot!(
        "closed_twice",
        calendar.to_text(moment("2026-11-27T20:30:00Z"))
    );
    calendar.close_for_lack_of("late.yaml", "cannot be found".to_owned());
    assert_snapshot!(
        "not_known",
        calendar.to_text(moment("2026-11-27T17:30:00Z"))
    );
    assert_eq!(calendar.opens_after(moment("2026-11-27T17:30:00Z")), None);
}

#[test]
fn without_a_window_only_closures_close() {
    let mut calendar = Calendar::new(None);
    let at = moment("2026-11-27T19:30:30Z");
    assert_snapshot!("no_window", calendar.to_text(at));
    calendar.close(
        Keeper::Policy,
        "freeze.yaml",
        [closure("2026-11-27T19:00:00Z", "2026-11-28T00:00:00Z")],
    );
    assert_snapshot!("no_window_and_frozen", calendar.to_text(at));
}

#[test]
fn a_run_may_begin_where_window_and_closures_both_allow_it() {
    let calendar = calendar();
    for (from, opens) in [
        ("2026-11-27T16:59:59Z", "2026-11-27T17:00:00Z"),
        ("2026-11-27T18:59:59Z", "2026-11-27T18:59:59Z"),
        ("2026-11-27T19:00:00Z", "2026-12-04T17:00:00Z"),
        // The closure leaves the rest of the occurrence.
        ("2026-12-05T00:00:00Z", "2026-12-11T18:30:00Z"),
    ] {
        assert_eq!(
            calendar.opens_after(moment(from)),
            Some(moment(opens)),
            "{from}"
        );
    }
}

#[test]
fn a_window_that_is_over_never_opens() {
    let window = serde_json::json!({
        "timezone": "UTC", "opens": [{ "from": "2026-11-28T01:00" }], "duration": "1h",
    });
    let calendar = Calendar::new(serde_json::from_value(window).unwrap());
    assert_snapshot!(calendar.to_text(moment("2026-11-28T02:00:00Z")));
}

fn second(second: i64) -> Timestamp {
    moment("2026-11-27T17:00:00Z") + SignedDuration::from_secs(second)
}

proptest! {
    /// Against asking of every quarter of an hour by itself.
    #[test]
    fn a_moment_is_open_if_nothing_has_it_closed(
        spans in proptest::collection::vec((-100_i64..1000, 1_i64..200), 0..5),
        now in -100_i64..1000,
    ) {
        let quarter = 900;
        let mut calendar = Calendar::new(Some(saturdays()));
        for (from, length) in &spans {
            let (from, to) = (second(from * quarter), second((from + length) * quarter));
            calendar.close(Keeper::Workflow, "a.yaml", [Closure { from, to, reason: String::new() }]);
        }
        let is_open = |at: i64| {
            let in_window = at.rem_euclid(7 * 96) < 13;
            in_window && !spans.iter().any(|(from, length)| (*from..from + length).contains(&at))
        };
        let explained = calendar.explain(second(now * quarter));
        let opens = (now..).find(|at| is_open(*at)).map(|at| second(at * quarter));
        prop_assert_eq!(calendar.opens_after(second(now * quarter)), opens);
        match explained {
            Explanation::Open { occurrence, until } => {
                prop_assert!(is_open(now) && occurrence.is_some());
                let ends = (now..).find(|at| !is_open(*at)).map(|at| second(at * quarter));
                prop_assert_eq!(until.map(|end| end.at()), ends);
            }
            Explanation::Closed { why, opens: told } => {
                prop_assert!(!is_open(now) && !why.is_empty());
                prop_assert_eq!(told, opens);
                let frozen = spans.iter().any(|(from, length)| (*from..from + length).contains(&now));
                prop_assert_eq!(why.iter().any(|why| matches!(why, Closed::Frozen(_))), frozen);
            }
        }
    }
}
