//! The failure limit of a run (design §9).
//!
//! Owns how many failed and unknown targets are borne; counting them is the totals' work. Invariant: the
//! limit follows from events alone, so that a run that is taken up again has the same.

use crate::workflow::MaxFailures;

/// How many failed and unknown targets a run bears so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    /// What the plan says; nothing on the way back, which must not be barred.
    max: Option<MaxFailures>,
    /// Targets of the waves begun so far, without those that the command line leaves out.
    begun: u32,
}

impl Limit {
    /// The limit before any wave has begun.
    pub(super) fn new(max: Option<MaxFailures>) -> Self {
        Self { max, begun: 0 }
    }

    /// Counts in a wave that begins.
    pub(super) fn begin(&mut self, targets: u32) {
        self.begun = self.begun.saturating_add(targets);
    }

    /// How many are borne, if there is a limit.
    pub(super) fn borne(&self) -> Option<u32> {
        self.max.map(|max| max.borne(self.begun))
    }

    /// Whether so many are more than are borne.
    pub(super) fn is_passed(&self, failures: u64) -> bool {
        self.borne()
            .is_some_and(|borne| failures > u64::from(borne))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Some(MaxFailures::Count(2)), 1000, 2, false)]
    #[case(Some(MaxFailures::Count(2)), 1000, 3, true)]
    #[case(Some(MaxFailures::Count(0)), 0, 0, false)]
    #[case(Some(MaxFailures::default()), 0, 0, false)]
    #[case(Some(MaxFailures::default()), 1, 0, false)]
    #[case(Some(MaxFailures::default()), 1, 1, true)]
    #[case(Some(MaxFailures::default()), 19, 1, false)]
    #[case(Some(MaxFailures::default()), 19, 2, true)]
    #[case(None, 1, 1_000_000, false)]
    fn a_limit_is_passed_by_one_more(
        #[case] max: Option<MaxFailures>,
        #[case] begun: u32,
        #[case] failures: u64,
        #[case] passed: bool,
    ) {
        let mut limit = Limit::new(max);
        limit.begin(begun);
        assert_eq!(limit.is_passed(failures), passed);
    }
}
