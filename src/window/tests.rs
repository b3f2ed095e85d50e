//! Which instants windows mean.

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
