//! `run --only`, `--exclude` and `--remaining`: doing a part of what was approved.
//!
//! Owns reading what is to be left out; leaving it out is `run::left_out`. Invariant: a group that the
//! plan does not have is an error, so that a typing error never runs nothing, or everything; a server that it
//! does not have draws a warning, as one list of exclusions may serve several plans.

use std::collections::HashSet;
use std::path::Path;

use super::args::NarrowingFlags;
use super::{Invocation, server_list, settings, sources};
use crate::error::Error;
use crate::event::{Narrowed, Slots};
use crate::ids::{BatchIndex, ServerId};
use crate::outcome::OutcomeKind;
use crate::plan::{Plan, PlanWarning};
use crate::power::Action;
use crate::run::{Narrowing, left_out};
use crate::state::{self, Keep, Recorded};

/// Most servers that a warning names.
const SHOWN: usize = 3;

/// What a run leaves out, for its engine and for its report.
#[derive(Default)]
pub(super) struct LeftOut {
    pub(super) slots: Vec<(BatchIndex, Slots)>,
    pub(super) narrowed: Option<Narrowed>,
    /// What looks like a mistake.
    pub(super) warning: Option<PlanWarning>,
}

impl LeftOut {
    /// How many targets are left out.
    pub(super) fn count(&self) -> usize {
        self.slots.iter().map(|(_, slots)| slots.len()).sum()
    }

    /// Says what looks like a mistake.
    pub(super) fn tell(&self, invocation: &Invocation<'_>) {
        if let Some(warning) = &self.warning {
            invocation
                .printer
                .note(format!("warning: {}", warning.message));
        }
    }
}

/// What the flags leave out of `plan`.
pub(super) fn narrowing(
    invocation: &Invocation<'_>,
    flags: &NarrowingFlags,
    plan: &Plan,
) -> Result<LeftOut, Error> {
    if flags.only.is_empty() && flags.exclude.is_none() && !flags.remaining {
        return Ok(LeftOut::default());
    }
    let known = |name: &&String| plan.groups.iter().any(|group| group.name == **name);
    if let Some(unknown) = flags.only.iter().find(|name| !known(name)) {
        let groups = plan.groups.iter().map(|group| group.name.clone());
        return Err(Error::NoSuchGroup(unknown.clone(), groups.collect()));
    }
    let excluded = match &flags.exclude {
        Some(path) => Some(exclusion(path)?),
        None => None,
    };
    let warning = excluded
        .as_deref()
        .and_then(|excluded| protects_less(plan, excluded));
    let excluded = excluded.unwrap_or_default();
    let mut without: HashSet<ServerId> = excluded.into_iter().collect();
    if flags.remaining {
        let state = settings::state_folder(&invocation.general, invocation.around)?;
        without.extend(stopped_before(plan, &state)?);
    }
    let only = flags.only.iter().cloned().collect();
    let slots = left_out(plan, &Narrowing { only, without });
    let narrowed = Narrowed {
        only: flags.only.clone(),
        exclude: flags
            .exclude
            .as_deref()
            .map(|path| path.display().to_string()),
        remaining: flags.remaining,
        targets: slots.iter().map(|(_, slots)| slots.len() as u64).sum(),
    };
    Ok(LeftOut {
        slots,
        narrowed: Some(narrowed),
        warning,
    })
}

/// The servers of a file that leaves them out. A file without any line is more likely a failed export than a
/// decision to leave nothing out.
fn exclusion(path: &Path) -> Result<Vec<ServerId>, Error> {
    let source = sources::read(path)?;
    match source.text().trim().is_empty() {
        true => Err(Error::EmptyExclusion(path.to_owned())),
        false => server_list::read(&source, path),
    }
}

/// A warning of an exclusion that leaves out less than it seems to.
fn protects_less(plan: &Plan, excluded: &[ServerId]) -> Option<PlanWarning> {
    if !excluded.is_empty() {
        return unmatched(plan, excluded);
    }
    Some(PlanWarning {
        code: "exclude-empty".to_owned(),
        message: "the file of `--exclude` lists no server, so it leaves out nothing".to_owned(),
    })
}

/// A warning of excluded servers that are not in the plan.
fn unmatched(plan: &Plan, excluded: &[ServerId]) -> Option<PlanWarning> {
    let targets = plan.batches.iter().flat_map(|batch| batch.servers());
    let targets: HashSet<&ServerId> = targets.collect();
    let unmatched = excluded.iter().filter(|server| !targets.contains(server));
    let unmatched: Vec<String> = unmatched.map(|server| format!("`{server}`")).collect();
    let shown = unmatched.get(..SHOWN).unwrap_or(&unmatched).join(", ");
    let servers = match unmatched.len() {
        0 => return None,
        1 => format!("{shown}, which is not in the plan"),
        2..=SHOWN => format!("{shown}, which are not in the plan"),
        all => format!(
            "{shown} and {} more, which are not in the plan",
            all - SHOWN
        ),
    };
    Some(PlanWarning {
        code: "exclude-unmatched".to_owned(),
        message: format!("`--exclude` names {servers}: a mistyped exclusion protects nothing"),
    })
}

/// The servers that earlier runs of the same plan have stopped, and no later undo has started again.
fn stopped_before(plan: &Plan, state: &Path) -> Result<HashSet<ServerId>, Error> {
    let mut stops = state::runs(state, Keep::Runs)?;
    stops.retain(|run| !state::is_quarantined(state, run));
    stops.retain(|run| !matches!(state::launch_of(state, run), Ok(None)));
    stops.retain(|run| state::digest_of(state, run).is_ok_and(|digest| digest == plan.digest));
    let mut all = stops.clone();
    for run in &stops {
        all.extend(state::undos_of(state, run)?);
        all.retain(|run| !state::is_quarantined(state, run));
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
