//! `lightsout run`: stopping the servers of a workflow or a plan.
//!
//! Owns the order of what must be right before the first request: plan, guards, clock, host,
//! credentials, report place, consent, lock, stop switch, earlier runs. Invariant: whatever fails here,
//! nothing has been sent.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::args::RunFlags;
use super::execution::{Beginning, Engine, Execution, perform};
use super::{
    Invocation, again, binding, cloud, confirm, dry_run, narrowing, settings, sources, take_up,
};
use crate::bms::Client;
use crate::clock::Clock;
use crate::error::Error;
use crate::event::{Launch, Mode};
use crate::exit::Exit;
use crate::plan::{self, Plan, PlanWarning};
use crate::state::{Holder, Keep, Lock, ReportPlace, RunFolder, Switch};
use crate::untrusted::for_terminal;

/// A plan that may be run, and whom to ask.
pub(super) struct Prepared {
    pub(super) plan: Plan,
    pub(super) client: Client,
    pub(super) clock: Clock,
    warnings: Vec<PlanWarning>,
    /// The further place that the command line asks for.
    asked: Option<ReportPlace>,
}

pub(super) fn run(invocation: &Invocation<'_>, flags: &RunFlags) -> Result<Exit, Error> {
    let plan = planned(invocation, flags)?;
    if flags.dry_run {
        return dry_run::dry_run(invocation, flags, &plan);
    }
    let mut prepared = prepare(invocation, flags, plan)?;
    let state = settings::state_folder(&invocation.general, invocation.around)?;
    if flags.plan.is_none() && !flags.locked && !flags.yes {
        let (left_out, _) = narrowing::narrowing(&flags.narrowing, &prepared.plan, &state)?;
        let out: usize = left_out.iter().map(|(_, slots)| slots.len()).sum();
        confirm::confirm(
            invocation,
            &prepared.plan,
            prepared.plan.target_count() - out,
        )?;
    }
    let mut lock = Lock::take(&state, &prepared.plan.project)?;
    if let Some(switch) = Switch::in_force(&state, prepared.clock.now()) {
        return Err(Error::Halted(switch));
    }
    prepared
        .warnings
        .extend(cloud::odd_state(invocation, &state));
    let mut engine = Engine::start(invocation, prepared.clock)?;
    take_up::settle_earlier(invocation, &mut engine, &state, &prepared)?;
    let folder = RunFolder::create(&state, Keep::Runs, prepared.clock.now())?;
    lock.name(&Holder::this(Some(folder.run().clone())))?;
    let made = execution(invocation, flags, prepared, folder.clone(), &state);
    let (execution, beginning) = match made {
        Ok(made) => made,
        Err(error) => {
            folder.discard();
            return Err(error);
        }
    };
    perform(invocation, &mut engine, execution, beginning)
}

fn prepare(invocation: &Invocation<'_>, flags: &RunFlags, plan: Plan) -> Result<Prepared, Error> {
    sources::check_guards(&plan)?;
    let clock = cloud::clock(invocation, &plan)?;
    let (client, warnings) = cloud::client(invocation, &flags.cloud, &plan, clock)?;
    let asked = flags
        .report
        .as_deref()
        .map(ReportPlace::prove)
        .transpose()?;
    Ok(Prepared {
        plan,
        client,
        clock,
        warnings,
        asked,
    })
}

fn execution(
    invocation: &Invocation<'_>,
    flags: &RunFlags,
    prepared: Prepared,
    folder: RunFolder,
    state: &Path,
) -> Result<(Execution, Beginning), Error> {
    let Prepared {
        plan,
        client,
        clock,
        warnings,
        asked,
    } = prepared;
    let templated = cloud::templated(&plan, folder.run(), clock.now())?;
    let place = match (asked, templated) {
        (Some(place), _) => Some(place),
        (None, Some(path)) => Some(ReportPlace::prove(&path)?),
        (None, None) => None,
    };
    let (left_out, narrowed) = narrowing::narrowing(&flags.narrowing, &plan, state)?;
    let launch = Launch {
        run: folder.run().clone(),
        mode: Mode::Run,
        labels: labels(flags),
        again: again::run(flags),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        warnings,
        narrowed,
    };
    let execution = Execution {
        crash: settings::crash(invocation.around, &plan.project.endpoint)?,
        plan: Arc::new(plan),
        client,
        clock,
        folder,
        place,
        switch: Some(state.to_owned()),
    };
    Ok((execution, Beginning::Fresh(Box::new(launch), left_out)))
}

pub(super) fn labels(flags: &RunFlags) -> BTreeMap<String, String> {
    flags.label.iter().cloned().collect()
}

fn planned(invocation: &Invocation<'_>, flags: &RunFlags) -> Result<Plan, Error> {
    match (&flags.plan, &flags.file) {
        (Some(path), _) => {
            let source = sources::read(path)?;
            let plan = plan::load(source.text());
            let plan = plan.map_err(|error| Error::Plan(path.clone(), error))?;
            for warning in &plan.warnings {
                let message = for_terminal(&warning.message);
                invocation.printer.note(format!("warning: {message}"));
            }
            Ok(plan)
        }
        (None, file) => {
            let file = file.as_deref().unwrap_or(Path::new(""));
            let inputs = sources::inputs(invocation, &flags.variables, &flags.label)?;
            let plan = sources::plan_of(invocation, file, &inputs)?;
            if flags.locked {
                binding::require(invocation, file, &plan)?;
            }
            Ok(plan)
        }
    }
}
