//! How far a storm's run went: nothing leaves once the run knows that it must not, and no wave before its turn.
//!
//! The journal is folded as the run folded it, and looked at before each request. Invariant: what is found
//! holds for every process of the run, whoever killed the ones before.

use std::collections::BTreeSet;
use std::fs;

use lightsout::event::{Attempt, Event, SendAnswer, Stamped};
use lightsout::ids::BatchIndex;
use lightsout::ledger::{BatchRecord, Ledger};
use lightsout::plan;

use crate::play::Scene;

/// What holds of the requests of the latest run, of which these events are durable.
pub(crate) fn holds(scene: &Scene, events: &[Stamped], place: &str) {
    let Some(run) = scene.runs().pop() else {
        return;
    };
    let Ok(text) = fs::read_to_string(run.join("plan.json")) else {
        return;
    };
    let plan = plan::load(&text).unwrap();
    let mut ledger = Ledger::new(&plan);
    let mut forbidden: BTreeSet<(BatchIndex, Attempt)> = BTreeSet::new();
    for stamped in events {
        if let Event::SendIntended { batch, attempt, .. } = &stamped.event {
            // It may have been written down before the run looked once more.
            if ledger.has_failed_too_often() || ledger.stopped().is_some() {
                forbidden.insert((*batch, *attempt));
            }
            let early = waits_for(&ledger, *batch);
            assert!(!early, "{place}: batch {batch} before its wave");
        }
        if let Event::SendAnswered {
            batch,
            attempt,
            answer,
            ..
        } = &stamped.event
        {
            let knew = forbidden.contains(&(*batch, *attempt));
            assert!(
                !knew || *answer == SendAnswer::NotConnected,
                "{place}: request {attempt} of batch {batch} left, though the run knew better"
            );
        }
        ledger.apply(stamped).unwrap();
    }
}

/// Whether a target of a wave before that of this batch has no outcome.
fn waits_for(ledger: &Ledger, batch: BatchIndex) -> bool {
    let before = ledger
        .waves()
        .iter()
        .take_while(|wave| wave.batches().end <= batch.position());
    let mut records = before.flat_map(|wave| &ledger.batches()[wave.batches()]);
    !records.all(BatchRecord::is_settled)
}
