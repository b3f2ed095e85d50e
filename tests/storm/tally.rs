//! The counts over many storms, by fault and outcome.
//!
//! Owns adding up and showing. Invariant: only storms that did no harm are in it.

use std::collections::BTreeMap;
use std::fmt;

use crate::play::Story;

/// The counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    storms: usize,
    servers: usize,
    invocations: usize,
    accepted: usize,
    lost: usize,
    repeated: usize,
    undos: usize,
    broken_off: usize,
    started: usize,
    kinds: BTreeMap<String, usize>,
    outcomes: BTreeMap<String, usize>,
    ends: BTreeMap<String, usize>,
    last: BTreeMap<String, usize>,
}

impl Tally {
    pub(crate) fn add(&mut self, story: &Story) {
        self.storms += 1;
        self.invocations += story.ends.len();
        self.accepted += story.accepted;
        self.lost += story.lost;
        self.repeated += story.repeated;
        self.undos += story.undos;
        self.broken_off += story.broken_off;
        self.started += story.started;
        for kind in &story.kinds {
            *self.kinds.entry(kind.clone()).or_default() += 1;
        }
        for end in &story.ends {
            *self.ends.entry(end.clone()).or_default() += 1;
        }
        let last = story.ends.last().cloned().unwrap_or_default();
        *self.last.entry(last).or_default() += 1;
        for row in story.report["servers"].as_array().unwrap() {
            self.servers += 1;
            let mut name = row["outcome"].as_str().unwrap().to_owned();
            if let Some(reason) = row["reason"].as_str() {
                name = format!("{name}/{reason}");
            }
            *self.outcomes.entry(name).or_default() += 1;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            storms,
            servers,
            invocations,
            accepted,
            lost,
            repeated,
            undos,
            broken_off,
            started,
            ..
        } = self;
        writeln!(
            f,
            "{storms} storms over {servers} servers, {invocations} invocations"
        )?;
        writeln!(
            f,
            "{accepted} requests accepted, {lost} of their answers lost"
        )?;
        writeln!(
            f,
            "no server powered off twice; {repeated} asked for again after a lost answer to a request that powered off none"
        )?;
        writeln!(
            f,
            "{undos} runs undone, broken off {broken_off} times: {started} servers started, none twice"
        )?;
        let lists = [
            ("invocations by exit code", &self.ends),
            ("storms by last exit code", &self.last),
            ("servers by outcome", &self.outcomes),
            ("storms by fault", &self.kinds),
        ];
        for (title, counts) in lists {
            writeln!(f, "{title}:")?;
            for (name, count) in counts {
                writeln!(f, "  {count:>6}  {name}")?;
            }
        }
        Ok(())
    }
}
