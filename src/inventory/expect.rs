//! Whether a group has as many targets as it should.
//!
//! Owns `expect` and the rule that no group is empty by accident. Counted is what is left after
//! exclusions; a group that was split is counted as a whole. Invariant: an empty group, or an empty
//! part of one, is in a plan only if `expect.min` is 0.

use super::group::{Resolver, count, servers};
use super::model::TargetGroup;
use crate::diagnostic::Diagnostic;
use crate::workflow::Group;

impl Resolver<'_> {
    /// Holds a finished group against `expect`, all its parts together; no part may be empty.
    pub(super) fn check_expected(&mut self, group: &Group, finished: &[TargetGroup]) {
        let (min, max) = (group.expect.min, group.expect.max);
        let total: u32 = finished.iter().map(|part| count(part.targets.len())).sum();
        let has = format!("the group `{}` has {}", group.name, servers(total));
        if let Some(min) = min.filter(|min| total < *min) {
            let message = format!("{has}, at least {min} expected");
            self.refuse(format!("{}/expect/min", group.origin), |place| {
                Diagnostic::error("too-few-targets", message).at(place)
            });
        } else if let Some(max) = max.filter(|max| total > *max) {
            let message = format!("{has}, at most {max} expected");
            self.refuse(format!("{}/expect/max", group.origin), |place| {
                Diagnostic::error("too-many-targets", message).at(place)
            });
        } else if min != Some(0) {
            self.refuse_empty(group, finished);
        }
    }

    fn refuse_empty(&mut self, group: &Group, finished: &[TargetGroup]) {
        let empty = finished.iter().filter(|part| part.targets.is_empty());
        let nothing = finished.is_empty().then_some((&group.name, 0));
        for (name, excluded) in empty.map(|part| (&part.name, part.excluded)).chain(nothing) {
            let message = match excluded {
                0 => format!("the group `{name}` has no servers"),
                _ => {
                    let excluded = servers(excluded);
                    format!("the group `{name}` is empty: {excluded} listed, all excluded")
                }
            };
            self.refuse(group.origin.clone(), |place| {
                Diagnostic::error("empty-group", message)
                    .at(place)
                    .with_hint("if that is meant, say `expect: { min: 0 }`")
            });
        }
    }
}
