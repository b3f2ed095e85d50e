//! Wave by wave: which batches may be under way together, and what is waited in between.
//!
//! Owns the order of the plan and the pauses in it; the life of one batch is the neighbour's. Invariant: no
//! batch of a wave begins before every target of the waves before is settled, and none before the pause
//! after the last of them is over, unless nothing more is sent.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::place::Place;
use super::{Context, RunError, batch, gate};
use crate::event::Event;
use crate::ledger::{BatchRecord, Ledger, WaveRecord};
use crate::outcome::Outcome;
use crate::plan::{Batch, Plan};

/// Lives the life of every batch that has one left.
pub(super) async fn run_waves(context: &Arc<Context>) -> Result<(), RunError> {
    let count = context.recorder.read(|ledger| ledger.waves().len());
    for wave in 0..count {
        if context.recorder.read(|ledger| is_over(ledger, wave)) {
            continue;
        }
        begin(context, wave).await?;
        let batches = context
            .recorder
            .read(|ledger| ledger.waves()[wave].batches());
        run_wave(context, &context.plan.batches[batches]).await?;
    }
    Ok(())
}

/// Whether nothing is left to do, or to find out, for a wave: all of it is settled, or left out.
fn is_over(ledger: &Ledger, wave: usize) -> bool {
    let own = &ledger.batches()[ledger.waves()[wave].batches()];
    let mut targets = own.iter().flat_map(BatchRecord::targets);
    targets.all(|target| !matches!(target.outcome(), None | Some(Outcome::Unknown(_))))
}

/// Waits until a wave may begin, and says that it does, unless it has or nothing more is sent.
async fn begin(context: &Context, wave: usize) -> Result<(), RunError> {
    let has_begun = context
        .recorder
        .read(|ledger| ledger.waves()[wave].has_begun());
    if !has_begun {
        soak(context, wave).await?;
    }
    // Who takes up the run again asks again: that it could go on once says nothing of now.
    gate::pass(context, wave).await?;
    if has_begun || context.sending_stopped().is_some() {
        return Ok(());
    }
    let (group, wave) = context.recorder.read(|ledger| place(&ledger.waves()[wave]));
    context
        .recorder
        .record(Event::WaveBegan { group, wave })
        .await
}

/// Waits for what is left of the pause after the wave that was before; any reason to send nothing ends that.
async fn soak(context: &Context, next: usize) -> Result<(), RunError> {
    let now = context.clock.now();
    let due = context
        .recorder
        .read(|ledger| left_of_soak(&context.plan, &ledger.waves()[..next], now));
    let Some(((group, wave), left)) = due else {
        return Ok(());
    };
    if context.sending_stopped().is_some() {
        return Ok(());
    }
    let soaking = Event::Soaking {
        group,
        wave,
        milliseconds: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
    };
    context.recorder.record(soaking).await?;
    context.sleep_while_sending(left).await;
    Ok(())
}

/// The last wave that had something to do, and what is left of the pause after it. A clock that was set
/// back does not make the pause any longer.
fn left_of_soak(
    plan: &Plan,
    before: &[WaveRecord],
    now: Timestamp,
) -> Option<((u32, u32), Duration)> {
    let last = before.iter().rfind(|wave| wave.has_begun())?;
    let soak = plan.groups.get(last.group())?.soak;
    let passed = now.duration_since(last.settled_at()?);
    let passed = Duration::try_from(passed).unwrap_or(Duration::ZERO);
    let left = soak.saturating_sub(passed);
    (!left.is_zero()).then_some((place(last), left))
}

/// How events name a wave.
pub(super) fn place(wave: &WaveRecord) -> (u32, u32) {
    let group = u32::try_from(wave.group()).unwrap_or(u32::MAX);
    (group, wave.wave())
}

async fn run_wave(context: &Arc<Context>, wave: &[Batch]) -> Result<(), RunError> {
    let group = wave
        .first()
        .and_then(|batch| context.plan.groups.get(batch.group()));
    let in_flight = group.map_or(1, |group| usize::from(group.in_flight.get()));
    let places = Arc::new(Semaphore::new(in_flight));
    let mut under_way = JoinSet::new();
    for batch in wave {
        let place = loop {
            tokio::select! {
                biased;
                Some(ended) = under_way.join_next() => ended.map_err(RunError::Broken)??,
                place = Place::of(places.clone()) => break place,
            }
        };
        under_way.spawn(batch::live(context.clone(), batch.index(), place));
    }
    while !under_way.is_empty() {
        finish_one(&mut under_way).await?;
    }
    Ok(())
}

async fn finish_one(under_way: &mut JoinSet<Result<(), RunError>>) -> Result<(), RunError> {
    match under_way.join_next().await {
        Some(ended) => ended.map_err(RunError::Broken)?,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::event::{Slots, Stamped};
    use crate::ids::BatchIndex;
    use crate::outcome::Proof;
    use crate::plan::sample;

    /// Two groups: `a` in two waves with a pause of a minute after each, `b` in one without.
    fn plan() -> Plan {
        let mut a = sample::group("a", 0, 3);
        a.waves = serde_json::from_str("[1]").unwrap();
        a.soak = Duration::from_secs(60);
        sample::plan(vec![a, sample::group("b", 3, 2)])
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    /// What is known when the first waves have begun and were settled at these seconds.
    fn after(plan: &Plan, settled: &[i64]) -> Ledger {
        let mut ledger = Ledger::new(plan);
        for ((batch, record), second) in (0..).zip(ledger.waves().to_vec()).zip(settled) {
            let (group, wave) = place(&record);
            let size = plan.batches[record.batches()][0].servers().len();
            let outcomes = vec![(Outcome::Done(Proof::Job), Slots::all(size))];
            let batch = BatchIndex(batch);
            for event in [
                Event::WaveBegan { group, wave },
                Event::Settled { batch, outcomes },
            ] {
                let at = at(*second);
                ledger.apply(&Stamped { at, event }).unwrap();
            }
        }
        ledger
    }

    #[rstest]
    #[case::first(&[], 0, 0, None)]
    #[case::at_once(&[0], 1, 0, Some(((0, 0), 60)))]
    #[case::later(&[0], 1, 59, Some(((0, 0), 1)))]
    #[case::long_after(&[0], 1, 60, None)]
    #[case::set_back(&[0], 1, -500, Some(((0, 0), 60)))]
    #[case::between_groups(&[0, 100], 2, 110, Some(((0, 1), 50)))]
    #[case::after_what_was_left_out(&[0], 2, 10, Some(((0, 0), 50)))]
    fn a_pause_counts_from_the_end_of_the_last_wave(
        #[case] settled: &[i64],
        #[case] next: usize,
        #[case] now: i64,
        #[case] expected: Option<((u32, u32), u64)>,
    ) {
        let plan = plan();
        let ledger = after(&plan, settled);
        let left = left_of_soak(&plan, &ledger.waves()[..next], at(now));
        assert_eq!(left.map(|(place, left)| (place, left.as_secs())), expected);
    }

    #[test]
    fn a_wave_is_over_when_nothing_of_it_can_change() {
        let plan = plan();
        let mut ledger = after(&plan, &[0]);
        assert!(is_over(&ledger, 0) && !is_over(&ledger, 1));
        let unknown = Outcome::Unknown(crate::outcome::Reason::JobGone);
        let event = Event::Settled {
            batch: BatchIndex(1),
            outcomes: vec![(unknown, Slots::all(2))],
        };
        ledger.apply(&Stamped { at: at(1), event }).unwrap();
        assert!(!is_over(&ledger, 1), "it may be found out yet");
    }
}
