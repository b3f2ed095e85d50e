//! The counts over many late storms.
//!
//! Owns adding up and showing. Invariant: only storms that did no harm are in it.

use std::collections::BTreeMap;
use std::fmt;

/// The counts of a late storm, or of many.
#[derive(Debug, Default)]
pub(crate) struct LateStory {
    storms: usize,
    pub(crate) invocations: usize,
    /// Gaps of minutes to days between invocations, in both directions.
    pub(crate) gaps: usize,
    /// Servers that operators moved back in between.
    pub(crate) by_hand: usize,
    /// Invocations that resumed a late run.
    pub(crate) late: usize,
    /// Requests of late runs, with `--send` or in their own window.
    pub(crate) sent_late: usize,
    /// Interruptions, by command and signal.
    pub(crate) signals: BTreeMap<String, usize>,
    pub(crate) outcomes: BTreeMap<String, usize>,
}

impl LateStory {
    pub(crate) fn add(&mut self, other: &Self) {
        self.storms += 1;
        self.invocations += other.invocations;
        self.gaps += other.gaps;
        self.by_hand += other.by_hand;
        self.late += other.late;
        self.sent_late += other.sent_late;
        let lists = [
            (&mut self.signals, &other.signals),
            (&mut self.outcomes, &other.outcomes),
        ];
        for (own, others) in lists {
            for (name, count) in others {
                *own.entry(name.clone()).or_default() += count;
            }
        }
    }
}

impl fmt::Display for LateStory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            storms,
            invocations,
            gaps,
            by_hand,
            late,
            sent_late,
            ..
        } = self;
        writeln!(
            f,
            "{storms} late storms, {invocations} invocations, {late} of them late; {gaps} gaps; \
             {by_hand} servers moved back by operators"
        )?;
        writeln!(
            f,
            "{sent_late} requests of late runs with --send or in their window, none for a server in doubt"
        )?;
        for (title, counts) in [
            ("interruptions", &self.signals),
            ("outcomes", &self.outcomes),
        ] {
            writeln!(f, "{title}:")?;
            for (name, count) in counts {
                writeln!(f, "  {count:>6}  {name}")?;
            }
        }
        Ok(())
    }
}
