//! Clocks that differ, in runs with a window and in runs without one.

use super::*;
use crate::window::Occurrence;

/// A window that began an hour ago, and is open for ten hours more.
fn open(now: Timestamp) -> Hours {
    let hours = |count| now + jiff::SignedDuration::from_hours(count);
    Hours {
        occurrence: Some(Occurrence {
            opens: hours(-1),
            closes: hours(10),
            cutoff: hours(10),
        }),
        ..Hours::default()
    }
}

/// Four batches, one after the other, in a cloud with this clock.
fn run(date: serde_json::Value) -> Rehearsal {
    let groups = ["a", "b", "c", "d"].map(String::from).into_iter().zip(0..);
    let groups = groups
        .map(|(name, at)| sample::group(&name, at, 1))
        .collect();
    Rehearsal::of(groups).faults(json!({ "date": date }))
}

fn unsent(told: &Told) -> usize {
    let clock = Some(Outcome::NotSent(Reason::Clock));
    told.outcomes()
        .iter()
        .filter(|outcome| **outcome == clock)
        .count()
}

#[tokio::test]
async fn a_window_cannot_be_told_by_a_clock_that_differs() {
    for date in [json!({"ahead": "10m"}), json!({"behind": "10m"})] {
        let told = run(date).hours(open).run().await;
        assert_eq!(unsent(&told), 4);
        assert_eq!(told.stats.stops, []);
        assert_eq!(told.ledger.exit(), Exit::NotNow);
        let (_, evidence) = told.ledger.stopped().unwrap();
        let message = evidence.message.as_deref().unwrap();
        assert!(message.starts_with("it is 20"), "{message}");
        assert!(
            message.contains(" by the cloud's clock and 20"),
            "{message}"
        );
        // One question was enough.
        let requests = told.stats.requests;
        assert_eq!((requests.list, requests.show), (0, 1));
    }
}

#[tokio::test]
async fn without_a_window_a_clock_that_differs_stops_a_run_too() {
    for date in [json!({"ahead": "10m"}), json!({"behind": "10m"})] {
        let told = run(date).run().await;
        assert_eq!(unsent(&told), 4);
        assert_eq!(told.stats.stops, []);
        assert_eq!(told.ledger.exit(), Exit::NotNow);
    }
}

#[tokio::test]
async fn a_few_minutes_are_borne() {
    for date in [json!({"ahead": "4m"}), json!({"behind": "4m"})] {
        let told = run(date).hours(open).run().await;
        assert_eq!(told.count(OutcomeKind::Done), 4);
    }
}

#[tokio::test]
async fn a_machine_that_was_paused_sends_nothing_more() {
    // The cloud goes on for some time of which this machine knows nothing; for more than a quarter of an hour,
    // and it refuses the signatures, too.
    for ahead in ["12m", "2h"] {
        let date = json!({"ahead": ahead, "after": "30s"});
        let told = run(date).hours(open).run().await;
        let left = unsent(&told);
        assert!((1..4).contains(&left), "{ahead}: {:?}", told.outcomes());
        assert_eq!(told.sizes().len(), 4 - left);
        let (cause, _) = told.ledger.stopped().unwrap();
        assert_eq!(*cause, StopCause::Clock);
    }
}

#[tokio::test]
async fn without_checks_the_date_is_asked_for_once() {
    let told = run(json!({})).without_checks().hours(open).run().await;
    assert_eq!(told.count(OutcomeKind::Done), 4);
    assert_eq!((told.stats.requests.list, told.stats.requests.show), (0, 1));
}
