//! `lightsout simulate`: the simulated cloud for other clients.
//!
//! Owns inventing or reading the servers, and serving until a signal comes. Invariant: the first line
//! on stdout is one JSON object, printed when requests are already answered.

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::args::SimulateFlags;
use super::{Invocation, faults, server_list, settings, simulated, sources};
use crate::clock::Clock;
use crate::error::Error;
use crate::exit::Exit;
use crate::ids::{ProjectId, ServerId};
use crate::inventory::Listing;
use crate::simulator::{DateSource, Keys, Settings, SimulatedServer, Simulator};

/// The invented project.
const PROJECT: &str = "0123456789abcdef0123456789abcdef";

pub(super) fn simulate(invocation: &Invocation<'_>, flags: &SimulateFlags) -> Result<Exit, Error> {
    let simulator = Simulator::start(wanted(invocation, flags)?);
    let simulator = simulator.map_err(Error::Simulator)?;
    let line = json!({
        "endpoint": simulator.endpoint(),
        "access_key": simulator.access_key(),
        "secret_key": simulator.secret_key(),
        "project": simulator.project(),
    });
    super::print(&invocation.printer, format!("{line}\n").as_bytes())?;
    super::runtime()?.block_on(until_signal())?;
    Ok(Exit::Success)
}

/// The project and its servers: invented, of a list of IDs, or of a listing.
fn fleet(flags: &SimulateFlags) -> Result<(ProjectId, Vec<SimulatedServer>), Error> {
    let project: ProjectId = PROJECT
        .parse()
        .map_err(|error| super::internal("invent a project", error))?;
    let plain = |ids: Vec<ServerId>| ids.into_iter().map(SimulatedServer::new).collect();
    let Some(path) = &flags.ids else {
        return Ok((project, plain((0..flags.servers).map(invented).collect())));
    };
    let source = sources::read(path)?;
    if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        let listing = Listing::read(source.text());
        let listing = listing.map_err(|error| Error::SavedListing(path.clone(), error))?;
        let servers = listing.servers().iter().map(simulated::server).collect();
        return Ok((listing.project, servers));
    }
    Ok((project, plain(server_list::read(&source, path)?)))
}

fn wanted(invocation: &Invocation<'_>, flags: &SimulateFlags) -> Result<Settings, Error> {
    let (project, servers) = fleet(flags)?;
    let mut wanted = Settings::new(project, servers);
    wanted.faults = faults::chosen(&flags.faults)?;
    wanted.seed = flags.faults.seed;
    wanted.keys = Keys::from_seed(flags.faults.seed);
    wanted.port = flags.port;
    wanted.job_duration = flags.job_duration;
    if flags.no_quotas {
        wanted.quotas = None;
    }
    if let Some(course) = settings::local_course(invocation.around)? {
        wanted.clock = Clock::new(course);
        // The clock of the other process began at another moment.
        wanted.date_source = DateSource::Caller;
    }
    Ok(wanted)
}

/// A server ID that is the same for the same number.
fn invented(number: u32) -> ServerId {
    let mut bytes = *b"lightsout\0\x4b\0\0\0\0\0";
    // The version and variant of a random UUID.
    bytes[6] = 0x4b;
    bytes[8] = 0x8b;
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    ServerId::from_bytes(bytes)
}

async fn until_signal() -> Result<(), Error> {
    let listen = |kind| signal(kind).map_err(|error| super::internal("wait for signals", error));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn invented_servers_are_distinct() {
        let ids: BTreeSet<ServerId> = (0..1000).map(invented).collect();
        assert_eq!(ids.len(), 1000);
        assert_eq!(
            invented(7).to_string(),
            "6c696768-7473-4b75-8b00-4b0000000007"
        );
    }
}
