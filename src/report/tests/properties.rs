//! What holds of the report of any events.

use proptest::prelude::*;

use super::*;

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Done(Proof::Job)),
        Just(Outcome::Done(Proof::AnswerLost)),
        Just(Outcome::Already),
        Just(Outcome::Skipped(Reason::Locked)),
        Just(Outcome::Failed(Reason::StillOn)),
        Just(Outcome::Unknown(Reason::JobGone)),
        Just(Outcome::NotSent(Reason::Throttled)),
    ]
}

/// Events of any kind about any targets of a plan of three batches of 4, 3 and 2.
fn any_events() -> impl Strategy<Value = Vec<Event>> {
    let size = |batch: u32| [4u16, 3, 2][batch as usize];
    let event = (0u32..3, any::<u8>(), any_outcome(), any::<bool>());
    prop::collection::vec(event, 0..30).prop_map(move |choices| {
        let mut attempts = [0; 3];
        let mut events = Vec::new();
        for (batch, bits, outcome, send) in choices {
            let places: Slots = (0..size(batch)).filter(|at| bits >> at & 1 == 1).collect();
            if send && !places.is_empty() {
                attempts[batch as usize] += 1;
                let attempt = attempts[batch as usize];
                events.push(intended(batch, attempt, places));
                events.push(answered(batch, attempt, job(&format!("job-{bits}")), None));
            } else {
                events.push(settled(batch, vec![(outcome, places)]));
            }
        }
        events
    })
}

fn batch_of(event: &Event) -> Option<BatchIndex> {
    match event {
        Event::Observed { batch, .. }
        | Event::Waiting { batch, .. }
        | Event::SendIntended { batch, .. }
        | Event::SendAnswered { batch, .. }
        | Event::JobEnded { batch, .. }
        | Event::Settled { batch, .. } => Some(*batch),
        Event::SendWithdrawn { batch, .. } => Some(*batch),
        Event::Began { .. }
        | Event::GateAnswered { .. }
        | Event::WaveBegan { .. }
        | Event::Soaking { .. }
        | Event::StillRunning
        | Event::UptimeRead { .. }
        | Event::JobSeenRunning { .. }
        | Event::Resumed { .. }
        | Event::SendingStopped { .. }
        | Event::Finished
        | Event::ReportMisplaced => None,
    }
}

proptest! {
    #[test]
    fn a_report_does_not_depend_on_how_batches_were_interleaved(events in any_events()) {
        let plan = plan(&[("first", 7, 4), ("second", 2, 2)]);
        let mut one_by_one = events.clone();
        one_by_one.sort_by_key(batch_of);
        let (mixed, sorted) = (ledger(&plan, events), ledger(&plan, one_by_one));
        let facts = facts(Exit::SomeFailed);
        let report = |ledger| json(&Report::build(&plan, ledger, &facts));
        prop_assert_eq!(report(&mixed), report(&sorted));
    }

    #[test]
    fn a_written_report_reads_back_with_the_same_text(events in any_events()) {
        let plan = plan(&[("first", 7, 4), ("second", 2, 2)]);
        let (ledger, facts) = (ledger(&plan, events), facts(Exit::SomeFailed));
        let report = Report::build(&plan, &ledger, &facts);
        let read = Written::read(&written(&report)).unwrap();
        prop_assert_eq!(read.to_text(), to_text(&report));
    }

    #[test]
    fn totals_balance_whatever_happened(events in any_events()) {
        let plan = plan(&[("first", 7, 4), ("second", 2, 2)]);
        let (ledger, facts) = (ledger(&plan, events), facts(Exit::SomeFailed));
        let report = json(&Report::build(&plan, &ledger, &facts));
        prop_assert_eq!(errors(&report), Vec::<String>::new());
        let servers = report["servers"].as_array().unwrap();
        prop_assert_eq!(servers.len(), 9);
        for kind in OutcomeKind::ALL {
            let rows = servers.iter().filter(|row| row["outcome"] == kind.word(STOP)).count();
            prop_assert_eq!(&report["totals"][kind.word(STOP)], &Value::from(rows));
            let groups = report["groups"].as_array().unwrap().iter();
            let sum: u64 = groups.map(|group| group["totals"][kind.word(STOP)].as_u64().unwrap()).sum();
            prop_assert_eq!(sum, rows as u64);
        }
        let sent = servers.iter().filter_map(|row| row["job_id"].as_str());
        let known = report["job_ids"].as_array().unwrap();
        for job in sent {
            prop_assert!(known.iter().any(|known| known == job));
        }
    }
}
