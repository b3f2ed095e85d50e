//! `lightsout rehearse`: a run against the embedded simulator.
//!
//! Owns setting up the simulator with the plan's targets and pointing the engine at it. Invariant: no
//! real credential is read, no proxy used and no host but this machine contacted.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::args::RehearseFlags;
use super::execution::{Beginning, Engine, Execution, perform};
use super::policies::InForce;
use super::selecting::{Made, Source};
use super::timing::Timing;
use super::window::meant;
use super::{Invocation, again, faults, selecting, settings, simulated, sources};
use crate::bms::{Client, ClientSettings, Credentials, Secrets, ServerDetail};
use crate::clock::{Clock, Course, Latest};
use crate::error::Error;
use crate::event::{Launch, Mode, Permit};
use crate::exit::Exit;
use crate::http::{Reach, Transport, TransportSettings};
use crate::ids::ServerId;
use crate::plan::{Breach, Plan, Ruling};
use crate::policy::Approval;
use crate::run::{Gates, Hours};
use crate::simulator::{Keys, Settings, SimulatedServer, Simulator};
use crate::state::{Keep, ReportPlace, RunFolder};
use crate::untrusted::for_terminal;

/// How much faster than on the wall time passes, unless `--real-time` is given.
const FACTOR: NonZeroU32 = match NonZeroU32::new(60) {
    Some(factor) => factor,
    None => NonZeroU32::MIN,
};

pub(super) fn rehearse(invocation: &Invocation<'_>, flags: &RehearseFlags) -> Result<Exit, Error> {
    let inputs = match flags.at {
        Some(_) => sources::inputs_of_run(invocation, &flags.variables)?,
        None => sources::inputs(invocation, &flags.variables)?,
    };
    let source = match &flags.inventory {
        Some(listing) => Source::Saved(listing),
        None => Source::Invented,
    };
    let made = selecting::plan_of(invocation, &flags.file, &inputs, source)?;
    sources::check_guards(&made.plan)?;
    let clock = clock(invocation, flags, &made.plan)?;
    let (guards, permit, hours) = permitted(invocation, flags, &made.plan, clock.now())?;
    if made.plan.has_gates() {
        let note = "the gates are not asked in a rehearsal: every wave may begin";
        invocation.printer.note(note);
    }
    let simulator =
        Simulator::start(settings_of(flags, &made, clock)?).map_err(Error::Simulator)?;
    let plan = made.plan;
    let client = client(&simulator, &plan, clock)?;
    let place = flags
        .report
        .as_deref()
        .map(ReportPlace::prove)
        .transpose()?;
    let state = settings::state_folder(&invocation.general, invocation.around)?;
    let folder = RunFolder::create(&state, Keep::Rehearsals, clock.now())?;
    let launch = Launch {
        run: folder.run().clone(),
        project: Some(plan.project.clone()),
        mode: Mode::Rehearsal,
        labels: BTreeMap::new(),
        again: again::of_file(invocation, &flags.file, &flags.variables),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        warnings: Vec::new(),
        narrowed: None,
        quarantined: Vec::new(),
        release: None,
        undoes: None,
        report: None,
        approval: Approval::Open,
        permit,
        guards,
    };
    let execution = Execution {
        plan: Arc::new(plan),
        client,
        latest: Latest::new(clock),
        folder,
        place,
        switch: None,
        hours,
        gates: Gates::NotAsked,
        lock: None,
        crash: None,
    };
    let mut engine = Engine::start(invocation, clock)?;
    let beginning = Beginning::Fresh(Box::new(launch), Vec::new());
    perform(invocation, &mut engine, execution, beginning)
}

/// What policies make of the plan, and when it may send: as a real run with `--at`, and without at any time.
fn permitted(
    invocation: &Invocation<'_>,
    flags: &RehearseFlags,
    plan: &Plan,
    now: Timestamp,
) -> Result<(Vec<Ruling>, Permit, Hours), Error> {
    if flags.at.is_none() {
        let guards = shown(invocation, plan, (&flags.file, now));
        return Ok((guards, Permit::default(), Hours::default()));
    }
    let in_force = InForce::read(invocation, Approval::Open)?;
    in_force.admit(plan)?;
    let timing = Timing::of(&in_force, plan, &flags.file, None);
    let permit = timing.permit(now, timing.rehearsed_turn(now)?);
    let hours = timing.hours(now, permit.obeyed());
    Ok((in_force.judge(plan).rulings, permit, hours))
}

/// What policies make of the plan: told, and not enforced on what is not real.
fn shown(invocation: &Invocation<'_>, plan: &Plan, (file, now): (&Path, Timestamp)) -> Vec<Ruling> {
    let printer = &invocation.printer;
    let in_force = match InForce::read(invocation, Approval::Open) {
        Ok(in_force) => in_force,
        Err(error) => {
            printer.note(format!("a real run would be refused: {}", error.message()));
            return Vec::new();
        }
    };
    let judgement = in_force.judge(plan);
    for line in judgement.breaches.iter().flat_map(Breach::lines) {
        printer.note(format!(
            "a real run would be refused: {}",
            for_terminal(&line)
        ));
    }
    Timing::of(&in_force, plan, file, None).warn(invocation, now);
    judgement.rulings
}

fn clock(invocation: &Invocation<'_>, flags: &RehearseFlags, plan: &Plan) -> Result<Clock, Error> {
    let course = match (flags.real_time, settings::local_course(invocation.around)?) {
        (true, _) => Course::default(),
        (false, Some(course)) => course,
        (false, None) => Course::compressed(FACTOR),
    };
    let Some(at) = flags.at else {
        return Ok(Clock::new(course));
    };
    let at = meant(at, plan.window.as_ref(), &flags.file)?;
    Ok(Clock::new(course.starting_at(at)))
}

fn settings_of(flags: &RehearseFlags, made: &Made, clock: Clock) -> Result<Settings, Error> {
    let Made { plan, listed, .. } = made;
    let servers = match flags.inventory {
        Some(_) => listed.iter().map(simulated::server).collect(),
        None => invented(plan, listed),
    };
    let mut wanted = Settings::new(plan.project.id.clone(), servers);
    wanted.faults = faults::chosen(&flags.faults)?;
    wanted.seed = flags.faults.seed;
    wanted.keys = Keys::from_seed(flags.faults.seed);
    wanted.clock = clock;
    Ok(wanted)
}

/// The servers of an invented listing, and the targets that the workflow names itself.
fn invented(plan: &Plan, listed: &[ServerDetail]) -> Vec<SimulatedServer> {
    let known: HashSet<ServerId> = listed.iter().map(|server| server.id).collect();
    let targets = plan.batches.iter().flat_map(|batch| batch.servers());
    let own = targets.filter(|id| !known.contains(id)).map(|id| {
        let server = SimulatedServer::new(*id);
        match plan.name_of(*id) {
            Some(name) => SimulatedServer {
                name: name.to_owned(),
                ..server
            },
            None => server,
        }
    });
    own.chain(listed.iter().map(simulated::server)).collect()
}

fn client(simulator: &Simulator, plan: &Plan, clock: Clock) -> Result<Client, Error> {
    let endpoint = simulator.endpoint().clone();
    let keys = Secrets::keys(simulator.access_key(), simulator.secret_key());
    let transport = Transport::new(TransportSettings {
        reach: Reach::of(&endpoint),
        ca_file: None,
        clock,
    });
    let settings = ClientSettings {
        endpoint,
        project: plan.project.id.clone(),
        rate: plan.rate,
        clock,
    };
    let transport = transport.map_err(Error::Http)?;
    Ok(Client::new(settings, transport, Credentials::fixed(keys)))
}
