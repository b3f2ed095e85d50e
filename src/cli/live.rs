//! The states of a plan's targets, for `plan --live`.
//!
//! Owns how they are read: by the listing where there are many, and singly where there are few or a
//! listing does not show one. Invariant: a server counts as gone only if a single read says so.

use std::collections::HashMap;

use super::cloud::{Account, Connected};
use super::{Invocation, cloud, logging, runtime};
use crate::bms::{Patience, Unanswered};
use crate::error::Error;
use crate::ids::ServerId;
use crate::inventory;
use crate::outlook::Live;
use crate::plan::Plan;

use super::args::CloudFlags;

/// Up to so many targets are read singly.
const FEW: usize = 50;

/// What the cloud shows of the plan's targets; those that are gone are left out.
pub(super) fn read(
    invocation: &Invocation<'_>,
    flags: &CloudFlags,
    plan: &Plan,
    connected: Option<Connected>,
) -> Result<HashMap<ServerId, Live>, Error> {
    let connected = match connected {
        Some(connected) => connected,
        None => cloud::connect(invocation, flags, &Account::of_plan(plan))?,
    };
    logging::start(&invocation.printer, connected.clock);
    let seen = runtime()?.block_on(states(&connected, plan));
    seen.map_err(Error::Listing)
}

async fn states(connected: &Connected, plan: &Plan) -> Result<HashMap<ServerId, Live>, Unanswered> {
    let Connected { client, clock, .. } = connected;
    let patience = Patience {
        clock: *clock,
        retry_for: plan.rollout.retry_for,
    };
    let mut seen = HashMap::new();
    if plan.target_count() > FEW {
        let survey = inventory::survey(client, patience).await?;
        for server in survey.into_servers() {
            let (name, state) = (server.name, server.state);
            seen.insert(server.id, Live { name, state });
        }
    }
    for target in plan.batches.iter().flat_map(|batch| batch.servers()) {
        if seen.contains_key(target) {
            continue;
        }
        let wanted = clock.elapsed();
        let shown = patience.answer(wanted, || client.show(*target)).await?;
        if let Some(row) = shown {
            let (name, state) = (row.name, row.state);
            seen.insert(*target, Live { name, state });
        }
    }
    Ok(seen)
}
