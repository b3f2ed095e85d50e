//! All servers of the simulated project: found by ID, stopped and started together, shown page by page.
//!
//! Owns the order of the listing and which states forbid what. Knows nothing of HTTP. Invariant: a
//! request that is refused has changed no server, and a page costs only its own rows unless filtered.

use std::collections::HashMap;
use std::time::Duration;

use super::SimulatedServer;
use super::draw::{Draw, key_of};
use super::faults::{Conflicts, Faults};
use super::jobs::{Ending, SubJob};
use super::model::{Fate, Phase, Server};
use super::movement::Absences;
use super::power::PowerRequest;
use super::quota::Kind;
use super::reply::Refusal;
use super::row_faults::{self, Doubled};
use super::rows::Rows;
use super::strict::ListRequest;
use crate::clock::Moment;
use crate::ids::ServerId;
use crate::power::Action;
use crate::workflow::StopType;

/// The servers that the cloud knows, in listing order.
#[derive(Debug)]
pub(super) struct Fleet {
    servers: Vec<Server>,
    places: HashMap<ServerId, usize>,
    absences: Absences,
    /// The second rows, each with the place of its server.
    doubled: Vec<(usize, Doubled)>,
}

/// One row of the listing.
#[derive(Clone, Copy)]
struct Listed<'a> {
    server: &'a Server,
    /// What makes it a second row of its server.
    double: Option<&'a Doubled>,
}

/// How an accepted request goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) now: Moment,
    pub(super) takes: Duration,
    pub(super) conflicts: Conflicts,
    pub(super) draw: Draw,
}

impl Fleet {
    /// The servers as given, with what `faults` makes of them.
    pub(super) fn new(given: Vec<SimulatedServer>, all: &Faults, draw: Draw, now: Moment) -> Self {
        let faults = &all.servers;
        let met = |given: SimulatedServer| {
            let SimulatedServer {
                id,
                name,
                initial,
                particulars,
            } = given;
            let condition = faults.condition(draw, id).unwrap_or(initial);
            let name = if faults.is_renamed(draw, id) {
                format!("{name}-renamed")
            } else {
                name
            };
            let mut server = Server::new(id, name, condition, now)?;
            server.shown = particulars.written();
            server.when_stopped = faults.when_stopped(draw, id);
            server.when_started = faults.when_started(draw, id);
            let odd = all.rows.iter().enumerate();
            let odd = odd.filter(|(place, fault)| fault.falls_on(draw, *place, id));
            server.row_faults = odd.map(|(_, fault)| fault.clone()).collect();
            Some(server)
        };
        let servers = among_bystanders(given, all.bystanders).filter_map(met);
        let servers: Vec<Server> = servers.collect();
        let doubled = servers.iter().enumerate().flat_map(|(at, server)| {
            let rows = all.doubled.iter().enumerate();
            let rows = rows.filter(move |(place, row)| row.falls_on(draw, *place, server.id));
            rows.map(move |(_, row)| (at, row.clone()))
        });
        let doubled = doubled.collect();
        let places = servers
            .iter()
            .enumerate()
            .map(|(place, server)| (server.id, place));
        Self {
            places: places.collect(),
            absences: Absences::new(&all.movements),
            servers,
            doubled,
        }
    }

    /// The server with this ID.
    pub(super) fn find(&self, id: ServerId) -> Option<&Server> {
        let found = self.servers.get(*self.places.get(&id)?);
        found.filter(|server| !self.absences.has(server.id))
    }

    /// Whether this server began to go the other way than `action` after `earlier` and by `now`.
    pub(super) fn turned_between(
        &self,
        id: ServerId,
        action: Action,
        (earlier, now): (Moment, Moment),
    ) -> bool {
        self.find(id)
            .is_some_and(|server| server.turned_between(action, earlier, now))
    }

    /// The server with this ID, to be changed by hand.
    pub(super) fn find_mut(&mut self, id: ServerId) -> Option<&mut Server> {
        let place = self.places.get(&id).copied()?;
        self.servers.get_mut(place)
    }

    /// Stops or starts the servers of `request`, or none of them.
    pub(super) fn power(
        &mut self,
        request: &PowerRequest,
        terms: Terms,
    ) -> Result<Vec<SubJob>, Refusal> {
        let mut obstacles = Vec::with_capacity(request.servers.len());
        for named in &request.servers {
            let id = named
                .as_ref()
                .map_err(|text| Obstacle::Unknown.refusal(text))?;
            let obstacle = self.obstacle(*id, request.action, terms.now);
            match (&obstacle, terms.conflicts) {
                (Some(obstacle), Conflicts::Reject) => {
                    return Err(obstacle.refusal(&id.to_string()));
                }
                (Some(_), Conflicts::Subjob) | (None, _) => obstacles.push((*id, obstacle)),
            }
        }
        let sub_jobs = obstacles.into_iter().map(|(id, obstacle)| match obstacle {
            Some(obstacle) => obstacle.sub_job(id),
            None => self.obey(id, request.action, terms),
        });
        Ok(sub_jobs.collect())
    }

    fn obstacle(&self, id: ServerId, action: Action, now: Moment) -> Option<Obstacle> {
        let Some(server) = self.find(id) else {
            return Some(Obstacle::Unknown);
        };
        match (server.phase(now), action) {
            (Phase::Stopping, _) => Some(Obstacle::PoweringOff),
            (Phase::Starting, _) => Some(Obstacle::PoweringOn),
            (Phase::Rebooting, _) => Some(Obstacle::Rebooting),
            (Phase::Off, Action::Stop(_)) => Some(Obstacle::Stopped),
            (Phase::On, Action::Start) => Some(Obstacle::Running),
            _ if server.locked => Some(Obstacle::Locked),
            // The documented precondition of a stop: the VM state is active or error. Of a start, none is.
            (Phase::On | Phase::Off | Phase::Error, _) => {
                server.when(action).refused.clone().map(Obstacle::Refused)
            }
        }
    }

    fn obey(&mut self, id: ServerId, action: Action, terms: Terms) -> SubJob {
        // Sub-jobs end at different times, in the last quarter of the job's.
        let early = terms.draw.bits("takes", key_of(id)) % 256;
        let mut takes = terms.takes - terms.takes / 1024 * early as u32;
        let place = self.places.get(&id).copied();
        let (ending, effective) = match place.and_then(|place| self.servers.get_mut(place)) {
            // Documented as invalid: it has no effect.
            Some(_) if action == Action::Stop(StopType::Soft) => (Ending::Success, false),
            Some(server) => {
                takes = server.when(action).takes(takes);
                server.obey(action, terms.now, takes);
                let fate = &server.when(action).fate;
                (ending_of(fate), fate.is_effective())
            }
            None => return Obstacle::Unknown.sub_job(id),
        };
        SubJob {
            server: id,
            takes,
            ending,
            effective,
        }
    }

    /// A list page has been answered: perhaps servers come or go now.
    pub(super) fn page_answered(&mut self) {
        self.absences.page_answered();
    }

    /// The body of the list answer: the page that `request` asks for.
    pub(super) fn page(
        &self,
        request: &ListRequest,
        rows: &Rows,
        now: Moment,
        lag: Duration,
    ) -> Vec<u8> {
        let skip = (request.page - 1).saturating_mul(request.limit);
        let filtered =
            request.name.is_some() || request.status.is_some() || !self.absences.is_empty();
        let (matching, page): (usize, Vec<Listed<'_>>) = if request.nothing_matches {
            (0, Vec::new())
        } else if filtered || !self.doubled.is_empty() {
            let meets = |row: &Listed<'_>| {
                meets(request, row.server, now, lag) && !self.absences.has(row.server.id)
            };
            let matching: Vec<Listed<'_>> = self.listed().into_iter().filter(meets).collect();
            let page = matching.iter().skip(skip).take(request.limit).copied();
            (matching.len(), page.collect())
        } else {
            let page = self.servers.iter().skip(skip).take(request.limit);
            (self.servers.len(), page.map(Listed::first).collect())
        };
        // One of the two documented readings: the count is never above the limit.
        let count = matching.min(request.limit);
        let mut out = Vec::with_capacity(100 + 2_048 * page.len());
        out.extend_from_slice(b"{\"servers\":[");
        for (place, Listed { server, double }) in page.into_iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            let start = out.len();
            rows.write(&mut out, server, now, lag);
            if let Some(double) = double {
                double.rewrite(&mut out, start);
            }
            row_faults::spoil(&server.row_faults, Kind::List, &mut out, start);
        }
        out.extend_from_slice(format!("],\"count\":{count}}}").as_bytes());
        out
    }

    /// Every row of the listing, second rows included.
    fn listed(&self) -> Vec<Listed<'_>> {
        let (apart, beside): (Vec<_>, Vec<_>) =
            self.doubled.iter().partition(|(_, double)| double.apart);
        let mut beside = beside.into_iter().peekable();
        let mut rows = Vec::with_capacity(self.servers.len() + self.doubled.len());
        for (at, server) in self.servers.iter().enumerate() {
            rows.push(Listed::first(server));
            while let Some((_, double)) = beside.next_if(|(of, _)| *of == at) {
                rows.push(Listed {
                    server,
                    double: Some(double),
                });
            }
        }
        let apart = apart.into_iter().filter_map(|(at, double)| {
            let server = self.servers.get(*at)?;
            let double = Some(double);
            Some(Listed { server, double })
        });
        rows.extend(apart);
        rows
    }
}

impl<'a> Listed<'a> {
    fn first(server: &'a Server) -> Self {
        Self {
            server,
            double: None,
        }
    }
}

/// The given servers with so many others, half of them before and half behind.
fn among_bystanders(
    given: Vec<SimulatedServer>,
    count: u32,
) -> impl Iterator<Item = SimulatedServer> {
    let bystander = |number: u32| {
        // The version and variant of a random UUID.
        let mut bytes = *b"bystand\0\x8b\0\0\0\0\0\0\0";
        bytes[6] = 0x4b;
        bytes[12..].copy_from_slice(&number.to_be_bytes());
        SimulatedServer {
            name: format!("bystander-{number}"),
            ..SimulatedServer::new(ServerId::from_bytes(bytes))
        }
    };
    let before = (0..count / 2).map(bystander);
    let behind = (count / 2..count).map(bystander);
    before.chain(given).chain(behind)
}

fn meets(request: &ListRequest, server: &Server, now: Moment, lag: Duration) -> bool {
    let named = |name: &String| *name == server.name;
    let has_status = |status: &String| status == server.seen(now, lag).0.words().status;
    request.name.as_ref().is_none_or(named) && request.status.as_ref().is_none_or(has_status)
}

fn ending_of(fate: &Fate) -> Ending {
    match fate {
        Fate::Obeys | Fate::Ignores | Fate::Sticks(Some(_)) => Ending::Success,
        Fate::Sticks(None) => Ending::Never,
        Fate::Fails(code) => Ending::Fail {
            code: code.clone(),
            message: "The interface call failed.".to_owned(),
        },
    }
}

/// What stands against a stop or a start of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Obstacle {
    PoweringOn,
    PoweringOff,
    Rebooting,
    Running,
    Stopped,
    Unknown,
    Locked,
    /// Its state is fine, and yet the cloud refuses with this code.
    Refused(String),
}

impl Obstacle {
    fn told(&self, id: &str) -> (String, String) {
        let (code, what) = match self {
            Self::PoweringOn => ("BMS.0035", "is being powered on"),
            Self::PoweringOff => ("BMS.0036", "is being powered off"),
            Self::Rebooting => ("BMS.0037", "is being restarted"),
            Self::Running => ("BMS.0038", "is running and cannot be started"),
            Self::Stopped => ("BMS.0039", "has been stopped"),
            Self::Unknown => ("BMS.0040", "does not exist"),
            Self::Locked => ("BMS.0605", "has been locked"),
            Self::Refused(code) => (code.as_str(), "cannot be operated on"),
        };
        (code.to_owned(), format!("The BMS {id} {what}."))
    }

    fn refusal(&self, id: &str) -> Refusal {
        let (code, message) = self.told(id);
        Refusal::new(400, code, message)
    }

    fn sub_job(&self, id: ServerId) -> SubJob {
        let (code, message) = self.told(&id.to_string());
        SubJob {
            server: id,
            takes: Duration::ZERO,
            ending: Ending::Fail { code, message },
            effective: false,
        }
    }
}

#[cfg(test)]
mod tests;
