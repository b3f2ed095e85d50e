//! How far a run can go wrong: for each wave what is borne, and how many servers can be hit at most.
//!
//! Owns the arithmetic of design §9 for the worst case: all waves before went well, and from this one on
//! every server that is sent fails. Invariant: a run in which that happens has no more servers in requests
//! than is said here.

use std::time::Duration;

use super::make::count;
use super::model::{Batch, Plan};
use crate::workflow::MaxFailures;

/// One wave, and what it risks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WaveView<'a> {
    /// Index of its group.
    pub(super) group: usize,
    /// Its place in the group, from 0.
    pub(super) wave: u32,
    /// Its batches.
    pub(super) batches: &'a [Batch],
    /// Number of its targets.
    pub(super) servers: u32,
    /// Pause after it; none after the last wave of all.
    pub(super) soak: Duration,
    /// What it risks, where failures are limited.
    pub(super) risk: Option<Risk>,
}

/// What a wave risks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Risk {
    /// Failed and unknown targets that are borne once it has begun.
    pub(super) borne: u32,
    /// Servers of the run that can be in a request before it stops.
    pub(super) hit: u32,
}

/// Every wave of a plan, in sending order.
pub(super) fn waves(plan: &Plan) -> Vec<WaveView<'_>> {
    let place = |batch: &Batch| (batch.group(), batch.wave());
    let waves = plan.batches.chunk_by(|one, next| place(one) == place(next));
    let view = |batches| {
        let (group, wave) = <[Batch]>::first(batches).map_or((0, 0), place);
        WaveView {
            group,
            wave,
            batches,
            servers: targets(batches.iter()),
            soak: plan.groups[group].soak,
            risk: None,
        }
    };
    let mut views: Vec<WaveView<'_>> = waves.map(view).collect();
    if let Some(last) = views.last_mut() {
        last.soak = Duration::ZERO;
    }
    if let Some(max) = plan.max_failures() {
        let risks = risks(plan, &views, max);
        for (view, risk) in views.iter_mut().zip(risks) {
            view.risk = Some(risk);
        }
    }
    views
}

fn risks(plan: &Plan, views: &[WaveView<'_>], max: MaxFailures) -> Vec<Risk> {
    let mut before = Vec::with_capacity(views.len());
    let mut sum = 0;
    for view in views {
        before.push(sum);
        sum += view.servers;
    }
    // Where a run ends that goes wrong from a wave on: never before the end of one that does so from an earlier
    // wave, as it has less to bear. So each wave is looked at about twice, however many there are.
    let mut end = 0;
    let risk = |at: usize| {
        end = at.max(end);
        loop {
            let wave = &views[end];
            let failed = before[end] - before[at];
            let borne = max.borne(before[end] + wave.servers);
            let sent = sent_of(plan, wave, borne.saturating_sub(failed));
            let stops = sent < wave.servers || failed + sent > borne;
            if stops || end + 1 == views.len() {
                return Risk {
                    borne: max.borne(before[at] + views[at].servers),
                    hit: before[end] + sent,
                };
            }
            end += 1;
        }
    };
    (0..views.len()).map(risk).collect()
}

/// How many servers of a wave can be sent while at most `borne` failures are known: those of the first
/// batches, which are sent together, and of one more for each that is finished and borne.
fn sent_of(plan: &Plan, view: &WaveView<'_>, borne: u32) -> u32 {
    let size = view
        .batches
        .first()
        .map_or(1, |batch| batch.servers().len());
    let in_flight = usize::from(plan.groups[view.group].in_flight.get());
    let batches = in_flight.saturating_add(borne as usize / size);
    // The batches of a wave that is to be stopped are of one size, but for the last.
    count(batches.saturating_mul(size).min(view.servers as usize))
}

fn targets<'a>(batches: impl Iterator<Item = &'a Batch>) -> u32 {
    count(batches.map(|batch| batch.servers().len()).sum())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::inventory::TargetGroup;
    use crate::plan::sample;

    /// `(group, servers, borne, hit if all fail)` of each wave.
    fn shown(plan: &Plan) -> Vec<(usize, u32, u32, u32)> {
        let row = |view: &WaveView<'_>| {
            let risk = view.risk.unwrap();
            (view.group, view.servers, risk.borne, risk.hit)
        };
        waves(plan).iter().map(row).collect()
    }

    fn group(from: u32, targets: u32, waves: &str) -> TargetGroup {
        let mut group = sample::group(&format!("g{from}"), from, targets);
        group.waves = serde_json::from_str(waves).unwrap();
        group
    }

    fn plan(groups: Vec<TargetGroup>, max: &str) -> Plan {
        let mut workflow = sample::workflow();
        workflow.rollout.max_failures = serde_json::from_str(max).unwrap();
        sample::plan_of(&workflow, groups)
    }

    #[test]
    fn a_canary_risks_itself_alone() {
        let plan = plan(vec![group(0, 2500, r#"[1, 10, "5%"]"#)], r#""10%""#);
        // The rest goes in three batches, one after the other; 250 are borne, and one batch is 1000.
        let expected = [
            (0, 1, 0, 1),
            (0, 10, 1, 11),
            (0, 125, 13, 136),
            (0, 2364, 250, 1136),
        ];
        assert_eq!(shown(&plan), expected);
    }

    /// Twelve servers in batches of two.
    #[rstest]
    #[case::none_borne(1, "0", 2)]
    #[case::one_borne(1, "1", 2)]
    #[case::a_batch_borne(1, "2", 4)]
    #[case::two_batches_borne(1, "5", 6)]
    #[case::three_in_flight(3, "0", 6)]
    #[case::three_in_flight_and_some_borne(3, "2", 8)]
    #[case::all_borne(1, r#""100%""#, 12)]
    #[case::more_in_flight_than_there_are(50, "0", 12)]
    fn what_is_in_flight_is_hit_too(#[case] in_flight: u16, #[case] max: &str, #[case] hit: u32) {
        let mut group = group(0, 12, "[\"rest\"]");
        group.batch_size = 2.try_into().unwrap();
        group.in_flight = in_flight.try_into().unwrap();
        assert_eq!(shown(&plan(vec![group], max))[0].3, hit);
    }

    #[test]
    fn failures_that_a_wave_bears_count_in_the_next() {
        // Two canaries that both fail are borne, and one more of the next group, but not two.
        let groups = vec![group(0, 2, "[1]"), group(2, 4, "[1, 1]")];
        let rows = [
            (0, 1, 3, 4),
            (0, 1, 3, 6),
            (1, 1, 3, 6),
            (1, 1, 3, 6),
            (1, 2, 3, 6),
        ];
        assert_eq!(shown(&plan(groups, "3")), rows);
    }

    #[test]
    fn the_way_back_has_no_limit_and_the_last_wave_no_pause() {
        let mut a = group(0, 3, "[1]");
        a.soak = Duration::from_secs(60);
        let plan = plan(vec![a], "0");
        let soaks: Vec<u64> = waves(&plan)
            .iter()
            .map(|view| view.soak.as_secs())
            .collect();
        assert_eq!(soaks, [60, 0]);
        let all = plan.batches.iter().flat_map(|batch| batch.servers());
        let back = crate::plan::reverse(
            &plan,
            &"20261128T170000Z-3f9a1c".parse().unwrap(),
            &all.copied().collect(),
        );
        assert!(waves(&back).iter().all(|view| view.risk.is_none()));
    }

    /// The worst case as it is put in words: wave after wave, from one on.
    fn walked(plan: &Plan, at: usize) -> u32 {
        let (views, max) = (waves(plan), plan.max_failures().unwrap());
        let well: u32 = views[..at].iter().map(|view| view.servers).sum();
        let mut failed = 0;
        for view in &views[at..] {
            let borne = max.borne(well + failed + view.servers);
            let size = view.batches[0].servers().len();
            let in_flight = usize::from(plan.groups[view.group].in_flight.get());
            let together = in_flight + (borne - failed) as usize / size;
            let sent = targets(view.batches.iter().take(together));
            failed += sent;
            if sent < view.servers || failed > borne {
                break;
            }
        }
        well + failed
    }

    proptest! {
        #[test]
        fn every_wave_is_as_bad_as_a_walk_from_it(
            groups in prop::collection::vec((1u32..30, 1u16..6, 1u16..5, prop::collection::vec(1u32..9, 0..5)), 1..6),
            (percent, number) in (any::<bool>(), 1u16..=100),
        ) {
            let mut given = Vec::new();
            for (from, (targets, size, in_flight, sizes)) in (0..).step_by(100).zip(groups) {
                let mut group = group(from, targets, &serde_json::json!(sizes).to_string());
                group.batch_size = size.try_into().unwrap();
                group.in_flight = in_flight.try_into().unwrap();
                given.push(group);
            }
            let max = if percent { format!("\"{number}%\"") } else { number.to_string() };
            let plan = plan(given, &max);
            for (at, (.., hit)) in shown(&plan).into_iter().enumerate() {
                prop_assert_eq!(hit, walked(&plan, at));
            }
        }
    }

    /// The time that this takes is to grow with the plan, and not with its square.
    #[test]
    fn many_waves_are_looked_at_in_a_moment() {
        let groups = (0..20_000).map(|at| group(2 * at, 2, "[1, 1]")).collect();
        let rows = shown(&plan(groups, r#""75%""#));
        assert_eq!(rows.len(), 40_000);
        assert_eq!(rows[10_000], (5_000, 1, 7_500, 40_000));
    }
}
