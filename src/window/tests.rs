//! Which instants windows mean.

mod calendar;
mod table;

use jiff::Timestamp;
use serde_json::json;

use super::{Occurrence, Standing, Window};

fn weekly(zone: &str, days: &[&str], at: &str, duration: &str, cutoff: &str) -> Window {
    let opens = [json!({ "days": days, "at": at })];
    let window =
        json!({ "timezone": zone, "opens": opens, "duration": duration, "cutoff": cutoff });
    serde_json::from_value(window).unwrap()
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn occurrence(opens: &str, cutoff: &str, closes: &str) -> Occurrence {
    Occurrence {
        opens: moment(opens),
        closes: moment(closes),
        cutoff: moment(cutoff),
    }
}

#[test]
fn a_window_is_open_from_its_opening_to_its_cutoff_and_closed_again_at_its_end() {
    let window = weekly("Asia/Singapore", &["sat"], "01:00", "4h", "45m");
    let first = occurrence(
        "2026-11-27T17:00:00Z",
        "2026-11-27T20:15:00Z",
        "2026-11-27T21:00:00Z",
    );
    let second = occurrence(
        "2026-12-04T17:00:00Z",
        "2026-12-04T20:15:00Z",
        "2026-12-04T21:00:00Z",
    );
    let at = |text| window.standing(moment(text));
    assert_eq!(
        at("2026-11-27T16:59:59.999Z"),
        Standing::Outside(Some(first))
    );
    assert_eq!(at("2026-11-27T17:00:00Z"), Standing::Open(first));
    assert_eq!(at("2026-11-27T20:14:59.999Z"), Standing::Open(first));
    let past = Standing::PastCutoff {
        occurrence: first,
        next: Some(second),
    };
    assert_eq!(at("2026-11-27T20:15:00Z"), past);
    assert_eq!(at("2026-11-27T20:59:59.999Z"), past);
    assert_eq!(at("2026-11-27T21:00:00Z"), Standing::Outside(Some(second)));
}

#[test]
fn of_several_occurrences_the_one_that_ends_last_counts() {
    let window: Window = serde_json::from_value(json!({
        "timezone": "Asia/Singapore",
        "opens": [
            { "days": ["fri", "sat"], "at": "22:00" },
            { "from": "2026-11-28T01:00" },
            { "from": "2026-11-28T01:00" },
        ],
        "duration": "4h",
        "cutoff": "2h",
    }))
    .unwrap();
    let first = occurrence(
        "2026-11-27T14:00:00Z",
        "2026-11-27T16:00:00Z",
        "2026-11-27T18:00:00Z",
    );
    let second = occurrence(
        "2026-11-27T17:00:00Z",
        "2026-11-27T19:00:00Z",
        "2026-11-27T21:00:00Z",
    );
    let third = occurrence(
        "2026-11-28T14:00:00Z",
        "2026-11-28T16:00:00Z",
        "2026-11-28T18:00:00Z",
    );
    let at = |text| window.standing(moment(text));
    assert_eq!(at("2026-11-27T15:00:00Z"), Standing::Open(first));
    let past = Standing::PastCutoff {
        occurrence: first,
        next: Some(second),
    };
    assert_eq!(at("2026-11-27T16:30:00Z"), past);
    assert_eq!(at("2026-11-27T17:00:00Z"), Standing::Open(second));
    let upcoming = window.upcoming(moment("2026-11-27T00:00:00Z"), 3);
    assert_eq!(upcoming, [first, second, third]);
}

#[test]
fn a_window_that_opens_once_does_not_open_again() {
    let window: Window = serde_json::from_value(json!({
        "timezone": "Europe/Berlin",
        "opens": [{ "from": "2028-02-29T23:00" }],
        "duration": "2h",
    }))
    .unwrap();
    let once = occurrence(
        "2028-02-29T22:00:00Z",
        "2028-03-01T00:00:00Z",
        "2028-03-01T00:00:00Z",
    );
    assert_eq!(window.upcoming(moment("2026-01-01T00:00:00Z"), 5), [once]);
    assert_eq!(
        window.standing(moment("2028-02-29T23:59:59Z")),
        Standing::Open(once)
    );
    assert_eq!(
        window.standing(moment("2028-03-01T00:00:00Z")),
        Standing::Outside(None)
    );
}

#[test]
fn a_window_longer_than_its_week_is_always_open() {
    let window = weekly("UTC", &["mon"], "00:00", "200h", "0s");
    for day in 1..28 {
        let at = moment(&format!("2026-11-{day:02}T12:00:00Z"));
        assert!(matches!(window.standing(at), Standing::Open(_)), "{at}");
    }
}

#[test]
fn nothing_breaks_at_the_ends_of_time_or_with_immense_lengths() {
    let window = weekly("Asia/Singapore", &["sat"], "01:00", "999999999h", "1h");
    let long = window
        .occurrence_at(moment("2026-11-28T00:00:00Z"))
        .unwrap();
    assert_eq!((long.closes, long.cutoff), (Timestamp::MAX, Timestamp::MAX));
    for at in [Timestamp::MIN, Timestamp::MAX] {
        let _ = window.standing(at);
        let _ = window.upcoming(at, 5);
    }
}
