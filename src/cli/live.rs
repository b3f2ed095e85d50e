//! The states of a plan's targets, for `plan --live`.
//!
//! Owns how they are read: by the listing where there are many, and singly where there are few or a
//! listing does not show one. Invariant: a server counts as gone only if a single read says so.

use std::collections::HashMap;

use super::cloud::{Account, Connected};
use super::{Invocation, cloud, logging, signals};
use crate::bms::{Patience, Unanswered, singly};
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
    signals::read_heeding(&invocation.signals, states(&connected, plan))
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
    let targets = plan.batches.iter().flat_map(|batch| batch.servers());
    let unseen: Vec<ServerId> = targets
        .filter(|id| !seen.contains_key(id))
        .copied()
        .collect();
    let show = async |id| {
        let wanted = clock.elapsed();
        patience.answer(wanted, || client.show(id)).await
    };
    for row in singly(unseen, show).await?.into_iter().flatten() {
        let (name, state) = (row.name, row.state);
        seen.insert(row.id, Live { name, state });
    }
    Ok(seen)
}
