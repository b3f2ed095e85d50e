//! Leaving out targets of a plan, so that a run does less than was approved but never more. Pure.
//!
//! Owns which targets a narrowing leaves out. Invariant: what is left is a part of the plan, in its
//! order and its batches.

use std::collections::{BTreeSet, HashSet};

use crate::event::{Slot, Slots};
use crate::ids::{BatchIndex, ServerId};
use crate::plan::Plan;

/// What a run leaves out of its plan.
#[derive(Debug, Clone, Default)]
pub struct Narrowing {
    /// Only these groups are run; all where there are none.
    pub only: BTreeSet<String>,
    /// These servers are left out.
    pub without: HashSet<ServerId>,
}

/// The targets that `narrowing` leaves out, by batch.
pub fn left_out(plan: &Plan, narrowing: &Narrowing) -> Vec<(BatchIndex, Slots)> {
    let batches = plan.batches.iter().map(|batch| {
        let group = plan.groups.get(batch.group());
        let kept = narrowing.only.is_empty()
            || group.is_some_and(|group| narrowing.only.contains(&group.name));
        let servers = (0..).zip(batch.servers());
        let out = servers.filter(|(_, id)| !kept || narrowing.without.contains(id));
        (
            batch.index(),
            out.map(|(slot, _): (Slot, _)| slot).collect::<Slots>(),
        )
    });
    batches.filter(|(_, slots)| !slots.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample;

    fn shown(narrowing: &Narrowing) -> Vec<String> {
        let plan = sample::plan(vec![sample::group("a", 0, 2), sample::group("b", 2, 3)]);
        let out = left_out(&plan, narrowing);
        out.iter()
            .map(|(batch, slots)| format!("{batch}: {slots}"))
            .collect()
    }

    #[test]
    fn nothing_is_left_out_unless_asked() {
        assert_eq!(shown(&Narrowing::default()), [""; 0]);
    }

    #[test]
    fn other_groups_and_named_servers_are_left_out() {
        let only = BTreeSet::from(["b".to_owned()]);
        let without = HashSet::from([sample::server(0), sample::server(3), sample::server(99)]);
        assert_eq!(
            shown(&Narrowing {
                only: only.clone(),
                ..Narrowing::default()
            }),
            ["0: 0-1"]
        );
        let narrowing = Narrowing {
            without: without.clone(),
            ..Narrowing::default()
        };
        assert_eq!(shown(&narrowing), ["0: 0", "1: 1"]);
        assert_eq!(shown(&Narrowing { only, without }), ["0: 0-1", "1: 1"]);
    }
}
