//! The policies that apply to an invocation, and what they and the guards make of its plan.
//!
//! Owns where policies are looked for, the reading that some rules need, and telling what is broken. A verb
//! that sends asks twice for any plan, whatever its action: [`InForce::admit`] before anything connects,
//! and [`InForce::decide`] when the lock is held, directly before the run begins. Invariant: where it is
//! not known whether something is forbidden, it is.

use std::path::Path;

use super::Invocation;
use super::execution::Engine;
use crate::bms::{Client, Patience, ServerDetail, Tags, Unanswered, singly};
use crate::clock::Clock;
use crate::error::Error;
use crate::ids::ServerId;
use crate::inventory::survey;
use crate::plan::{Judgement, Plan, Project};
use crate::policy::{
    self, Approval, Case, FIXED, Lifting, Places, Policies, PolicyError, Reading, Untagged, judge,
    judge_account, needs_reading,
};
use crate::workflow::{EnvGrants, Workflow};

/// The policies that apply, and how the plan came to be run.
#[derive(Debug, Clone)]
pub(super) struct InForce {
    policies: Policies,
    approval: Approval,
    lifting: Lifting,
}

/// Whom to ask for servers, and when to leave off.
pub(super) struct Asking<'a> {
    pub(super) client: &'a Client,
    pub(super) clock: Clock,
    /// The state folder whose stop switch is obeyed.
    pub(super) state: &'a Path,
}

impl InForce {
    /// Reads every policy that applies. Where one cannot be relied on, nothing may be sent.
    pub(super) fn read(invocation: &Invocation<'_>, approval: Approval) -> Result<Self, Error> {
        let places = Places {
            fixed: Some(Path::new(FIXED)),
            variable: invocation.around.policy.as_deref().map(Path::new),
            flag: invocation.general.policy.as_deref(),
        };
        let policies = policy::read(places).map_err(|error| match error {
            PolicyError::Invalid(path, findings) => Error::Findings(path, findings),
            PolicyError::Distrusted(path, why) => Error::Policy(path, why),
        })?;
        Ok(Self {
            policies,
            approval,
            lifting: Lifting::Nothing,
        })
    }

    /// The same for a run that lifts something, or nothing.
    pub(super) fn with(self, lifting: Lifting) -> Self {
        Self { lifting, ..self }
    }

    /// The files of the policies.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.policies.iter().map(policy::Policy::name)
    }

    /// The policies themselves.
    pub(super) fn policies(&self) -> &Policies {
        &self.policies
    }

    /// What can be said of a plan without asking anybody.
    pub(super) fn judge(&self, plan: &Plan) -> Judgement {
        self.judge_by(plan, None)
    }

    /// Refuses a plan that is forbidden whatever the cloud says.
    pub(super) fn admit(&self, plan: &Plan) -> Result<(), Error> {
        refuse(&self.judge(plan))
    }

    /// What is to be said of a plan before its first send, servers read where a rule needs that.
    pub(super) fn decide(
        &self,
        engine: &mut Engine,
        plan: &Plan,
        asking: &Asking<'_>,
    ) -> Result<Judgement, Error> {
        if !needs_reading(&self.policies, plan) {
            return Ok(self.judge(plan));
        }
        tracing::info!("reading the project's servers, as a guard or policy needs them");
        let look = self.look(plan, asking);
        let reading = engine.heed(asking.state, asking.clock, look)?;
        let reading = reading.map_err(Error::Listing)?;
        Ok(self.judge_by(plan, Some(&reading)))
    }

    fn judge_by(&self, plan: &Plan, reading: Option<&Reading>) -> Judgement {
        let case = Case {
            plan,
            approval: self.approval,
            lifting: self.lifting,
            reading,
        };
        judge(&self.policies, case)
    }

    /// Goes through the listing, and asks singly for each target of which it does not tell enough.
    async fn look(&self, plan: &Plan, asking: &Asking<'_>) -> Result<Reading, Unanswered> {
        let patience = Patience {
            clock: asking.clock,
            retry_for: plan.rollout.retry_for,
        };
        let survey = survey(asking.client, patience).await?;
        let servers = survey.servers();
        let untagged = self.untagged_in(servers);
        let told = |id: &ServerId| {
            let found = servers.binary_search_by(|server| server.id.cmp(id)).ok();
            let found = found.and_then(|at| servers.get(at));
            found.is_some_and(|server| is_whole(server, untagged))
        };
        let targets = plan.batches.iter().flat_map(|batch| batch.servers());
        let untold: Vec<ServerId> = match self.policies.look_at_servers() {
            true => targets.filter(|id| !told(id)).copied().collect(),
            false => Vec::new(),
        };
        let singles = singly(untold, |id| single(asking.client, patience, id)).await?;
        Ok(Reading::new(
            survey,
            singles.into_iter().flatten().collect(),
        ))
    }

    /// What the rules make of servers to which this listing gives no tags; `None` if no rule is about tags. If it
    /// gives tags to none at all, it says nothing of tags, and each target is asked for by itself.
    fn untagged_in(&self, servers: &[ServerDetail]) -> Option<Untagged> {
        let shows_tags = || servers.iter().any(|it| it.tags.listed().is_some());
        let untagged = self.policies.untagged()?;
        Some(match untagged {
            Untagged::Allow if !shows_tags() => Untagged::Refuse,
            Untagged::Allow | Untagged::Refuse => untagged,
        })
    }
}

/// What workflows may read of the environment; only the open prefix if a policy cannot be relied on.
pub(super) fn env_grants(invocation: &Invocation<'_>) -> EnvGrants {
    let in_force = InForce::read(invocation, Approval::Open);
    in_force.map_or_else(
        |_| EnvGrants::default(),
        |in_force| in_force.policies.env_grants(),
    )
}

/// Hosts that credentials may go to besides the cloud's own; none where a policy cannot be relied on.
pub(super) fn hosts(invocation: &Invocation<'_>) -> Vec<String> {
    let in_force = InForce::read(invocation, Approval::Open);
    in_force.map_or_else(|_| Vec::new(), |in_force| in_force.policies.hosts())
}

/// Refuses to look for servers where no plan may have any.
pub(super) fn admit_account(invocation: &Invocation<'_>, workflow: &Workflow) -> Result<(), Error> {
    let in_force = InForce::read(invocation, Approval::Open)?;
    let project = Project {
        id: workflow.project.clone(),
        region: workflow.region.clone(),
        endpoint: workflow.endpoint.clone(),
    };
    match judge_account(&in_force.policies, &project) {
        breaches if breaches.is_empty() => Ok(()),
        breaches => Err(Error::Forbidden(breaches)),
    }
}

/// Whether a listing shows all of a server that a rule may ask for.
fn is_whole(server: &ServerDetail, untagged: Option<Untagged>) -> bool {
    let tags = match (&server.tags, untagged) {
        (_, None) | (Tags::Listed(_) | Tags::Conflicting(_), Some(_)) => true,
        (Tags::Null | Tags::Absent, Some(Untagged::Allow)) => true,
        (Tags::Null | Tags::Absent, Some(Untagged::Refuse))
        | (Tags::Unreadable | Tags::Partial(_), Some(_)) => false,
    };
    tags && !server.name.is_empty()
}

async fn single(
    client: &Client,
    patience: Patience,
    id: ServerId,
) -> Result<Option<ServerDetail>, Unanswered> {
    let wanted = patience.clock.elapsed();
    patience.answer(wanted, || client.show_detail(id)).await
}

/// An error for a plan that breaks a rule.
pub(super) fn refuse(judgement: &Judgement) -> Result<(), Error> {
    match judgement.breaches.as_slice() {
        [] => Ok(()),
        breaches => Err(Error::Forbidden(breaches.to_vec())),
    }
}
