//! `run --only`, `--exclude` and `--remaining`: doing a part of what was approved.
//!
//! Owns reading what is to be left out; leaving it out is `run::left_out`. Invariant: a group that the
//! plan does not have is an error, so that a typing error never runs nothing, or everything.

use std::collections::HashSet;
use std::path::Path;

use super::args::NarrowingFlags;
use super::{Invocation, server_list, settings, sources};
use crate::error::Error;
use crate::event::{Narrowed, Slots};
use crate::ids::{BatchIndex, ServerId};
use crate::outcome::OutcomeKind;
use crate::plan::Plan;
use crate::power::Action;
use crate::run::{Narrowing, left_out};
use crate::state::{self, Keep, Recorded};

/// What a run leaves out, for its engine and for its report.
pub(super) type LeftOut = (Vec<(BatchIndex, Slots)>, Option<Narrowed>);

/// What the flags leave out of `plan`.
pub(super) fn narrowing(
    invocation: &Invocation<'_>,
    flags: &NarrowingFlags,
    plan: &Plan,
) -> Result<LeftOut, Error> {
    if flags.only.is_empty() && flags.exclude.is_none() && !flags.remaining {
        return Ok((Vec::new(), None));
    }
    let known = |name: &&String| plan.groups.iter().any(|group| group.name == **name);
    if let Some(unknown) = flags.only.iter().find(|name| !known(name)) {
        let groups = plan.groups.iter().map(|group| group.name.clone());
        return Err(Error::NoSuchGroup(unknown.clone(), groups.collect()));
    }
    let mut without: HashSet<ServerId> = match &flags.exclude {
        Some(path) => server_list::read(&sources::read(path)?, path)?
            .into_iter()
            .collect(),
        None => HashSet::new(),
    };
    if flags.remaining {
        let state = settings::state_folder(&invocation.general, invocation.around)?;
        without.extend(stopped_before(plan, &state)?);
    }
    let only = flags.only.iter().cloned().collect();
    let out = left_out(plan, &Narrowing { only, without });
    let narrowed = Narrowed {
        only: flags.only.clone(),
        exclude: flags
            .exclude
            .as_deref()
            .map(|path| path.display().to_string()),
        remaining: flags.remaining,
        targets: out.iter().map(|(_, slots)| slots.len() as u64).sum(),
    };
    Ok((out, Some(narrowed)))
}

/// The servers that earlier runs of the same plan have stopped, and no later undo has started again.
fn stopped_before(plan: &Plan, state: &Path) -> Result<HashSet<ServerId>, Error> {
    let mut stops = state::runs(state, Keep::Runs)?;
    stops.retain(|run| state::digest_of(state, run).is_ok_and(|digest| digest == plan.digest));
    let mut all = stops.clone();
    for run in &stops {
        all.extend(state::undos_of(state, run)?);
    }
    // In the order in which they began: an older run may be undone after a newer one.
    all.sort();
    let mut stopped = HashSet::new();
    for run in all {
        let recorded = Recorded::read(state, Keep::Runs, &run)?;
        match recorded.plan.action {
            Action::Stop(_) => stopped.extend(with(&recorded, &[OutcomeKind::Done])),
            Action::Start => {
                // What may be on again is not called stopped.
                let on = [
                    OutcomeKind::Done,
                    OutcomeKind::Already,
                    OutcomeKind::Unknown,
                ];
                for server in with(&recorded, &on) {
                    stopped.remove(&server);
                }
            }
        }
    }
    Ok(stopped)
}

/// The servers of a run with an outcome of one of these kinds.
fn with(recorded: &Recorded, kinds: &[OutcomeKind]) -> Vec<ServerId> {
    let batches = recorded.plan.batches.iter().zip(recorded.ledger.batches());
    let targets = batches.flat_map(|(batch, record)| batch.servers().iter().zip(record.targets()));
    let fitting = targets.filter(|(_, target)| {
        let outcome = target.outcome();
        outcome.is_some_and(|outcome| kinds.contains(&outcome.kind()))
    });
    fitting.map(|(id, _)| *id).collect()
}
