//! All servers of the simulated project: found by ID, stopped together, shown page by page.
//!
//! Owns the order of the listing and which states forbid a stop. Knows nothing of HTTP. Invariant: a
//! request that is refused has changed no server, and a page costs only its own rows unless filtered.

use std::collections::HashMap;
use std::time::Duration;

use super::SimulatedServer;
use super::draw::{Draw, key_of};
use super::faults::{Conflicts, ServerFaults};
use super::jobs::{Ending, SubJob};
use super::model::{Fate, Phase, Server};
use super::reply::Refusal;
use super::rows::Rows;
use super::strict::{ListRequest, StopRequest, StopType};
use crate::clock::Moment;
use crate::ids::ServerId;

/// The servers that the cloud knows, in listing order.
#[derive(Debug)]
pub(super) struct Fleet {
    servers: Vec<Server>,
    places: HashMap<ServerId, usize>,
}

/// How an accepted stop goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct StopTerms {
    pub(super) now: Moment,
    pub(super) takes: Duration,
    pub(super) conflicts: Conflicts,
    pub(super) draw: Draw,
}

impl Fleet {
    /// The servers as given, with what `faults` makes of them.
    pub(super) fn new(
        given: Vec<SimulatedServer>,
        faults: &ServerFaults,
        draw: Draw,
        now: Moment,
    ) -> Self {
        let met = |given: SimulatedServer| {
            let SimulatedServer { id, name, initial } = given;
            let condition = faults.condition(draw, id).unwrap_or(initial);
            let name = if faults.is_renamed(draw, id) {
                format!("{name}-renamed")
            } else {
                name
            };
            let mut server = Server::new(id, name, condition, now)?;
            server.fate = faults.fate(draw, id);
            server.refused = faults.refusal(draw, id);
            server.restarted_after = faults.restarted_after(draw, id);
            Some(server)
        };
        let servers: Vec<Server> = given.into_iter().filter_map(met).collect();
        let places = servers
            .iter()
            .enumerate()
            .map(|(place, server)| (server.id, place));
        Self {
            places: places.collect(),
            servers,
        }
    }

    /// The server with this ID.
    pub(super) fn find(&self, id: ServerId) -> Option<&Server> {
        self.servers.get(*self.places.get(&id)?)
    }

    /// Whether others started this server after `earlier` and by `now`.
    pub(super) fn started_between(&self, id: ServerId, earlier: Moment, now: Moment) -> bool {
        self.find(id)
            .is_some_and(|server| server.started_between(earlier, now))
    }

    /// Starts a server that is off; whether there is one.
    pub(super) fn start_by_hand(&mut self, id: ServerId, now: Moment) -> bool {
        let place = self.places.get(&id).copied();
        let server = place.and_then(|place| self.servers.get_mut(place));
        server.is_some_and(|server| server.start(now))
    }

    /// Stops the servers of `request`, or none of them.
    pub(super) fn stop(
        &mut self,
        request: &StopRequest,
        terms: StopTerms,
    ) -> Result<Vec<SubJob>, Refusal> {
        let mut obstacles = Vec::with_capacity(request.servers.len());
        for named in &request.servers {
            let id = named
                .as_ref()
                .map_err(|text| Obstacle::Unknown.refusal(text))?;
            let obstacle = self.obstacle(*id, terms.now);
            match (&obstacle, terms.conflicts) {
                (Some(obstacle), Conflicts::Reject) => {
                    return Err(obstacle.refusal(&id.to_string()));
                }
                (Some(_), Conflicts::Subjob) | (None, _) => obstacles.push((*id, obstacle)),
            }
        }
        let stopped = obstacles.into_iter().map(|(id, obstacle)| match obstacle {
            Some(obstacle) => obstacle.sub_job(id),
            None => self.stop_one(id, request.stop_type, terms),
        });
        Ok(stopped.collect())
    }

    fn obstacle(&self, id: ServerId, now: Moment) -> Option<Obstacle> {
        let Some(server) = self.find(id) else {
            return Some(Obstacle::Unknown);
        };
        match server.phase(now) {
            Phase::On if server.locked => Some(Obstacle::Locked),
            // The documented precondition: the VM state is active or error.
            Phase::On | Phase::Error => server.refused.clone().map(Obstacle::Refused),
            Phase::Stopping => Some(Obstacle::PoweringOff),
            Phase::Off => Some(Obstacle::Stopped),
            Phase::Starting => Some(Obstacle::PoweringOn),
            Phase::Rebooting => Some(Obstacle::Rebooting),
        }
    }

    fn stop_one(&mut self, id: ServerId, stop_type: StopType, terms: StopTerms) -> SubJob {
        // Sub-jobs end at different times, in the last quarter of the job's.
        let early = terms.draw.bits("takes", key_of(id)) % 256;
        let mut takes = terms.takes - terms.takes / 1024 * early as u32;
        let place = self.places.get(&id).copied();
        let (ending, powers_off) = match place.and_then(|place| self.servers.get_mut(place)) {
            // Documented as invalid: it has no effect.
            Some(_) if stop_type == StopType::Soft => (Ending::Success, false),
            Some(server) => {
                takes = server.takes(takes);
                server.stop(terms.now, takes);
                (ending_of(&server.fate), server.fate.powers_off())
            }
            None => return Obstacle::Unknown.sub_job(id),
        };
        SubJob {
            server: id,
            takes,
            ending,
            powers_off,
        }
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
        let filtered = request.name.is_some() || request.status.is_some();
        let (matching, page): (usize, Vec<&Server>) = if request.nothing_matches {
            (0, Vec::new())
        } else if filtered {
            let meets = |server: &&Server| meets(request, server, now, lag);
            let matching: Vec<&Server> = self.servers.iter().filter(meets).collect();
            let page = matching.iter().skip(skip).take(request.limit).copied();
            (matching.len(), page.collect())
        } else {
            let page = self.servers.iter().skip(skip).take(request.limit);
            (self.servers.len(), page.collect())
        };
        // One of the two documented readings: the count is never above the limit.
        let count = matching.min(request.limit);
        let mut out = Vec::with_capacity(100 + 2_048 * page.len());
        out.extend_from_slice(b"{\"servers\":[");
        for (place, server) in page.into_iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            rows.write(&mut out, server, now, lag);
        }
        out.extend_from_slice(format!("],\"count\":{count}}}").as_bytes());
        out
    }
}

fn meets(request: &ListRequest, server: &Server, now: Moment, lag: Duration) -> bool {
    let named = |name: &String| *name == server.name;
    let has_status = |status: &String| status == server.seen(now, lag).0.words().status;
    request.name.as_ref().is_none_or(named) && request.status.as_ref().is_none_or(has_status)
}

fn ending_of(fate: &Fate) -> Ending {
    match fate {
        Fate::Stops | Fate::Ignores | Fate::Sticks(Some(_)) => Ending::Success,
        Fate::Sticks(None) => Ending::Never,
        Fate::Fails(code) => Ending::Fail {
            code: code.clone(),
            message: "The interface call failed.".to_owned(),
        },
    }
}

/// What stands against a stop of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Obstacle {
    PoweringOn,
    PoweringOff,
    Rebooting,
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
            powers_off: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{Condition, Faults};
    use rstest::rstest;
    use serde_json::{Value, json};

    fn id(number: u8) -> ServerId {
        ServerId::from_bytes([number; 16])
    }

    fn second(at: u64) -> Moment {
        Moment::default().after(Duration::from_secs(at))
    }

    fn fleet(conditions: &[Condition]) -> Fleet {
        let given = conditions
            .iter()
            .enumerate()
            .map(|(at, initial)| SimulatedServer {
                id: id(at as u8),
                name: format!("server-{at}"),
                initial: *initial,
            });
        Fleet::new(
            given.collect(),
            &ServerFaults::default(),
            Draw::new(1),
            second(0),
        )
    }

    fn request(servers: &[u8]) -> StopRequest {
        StopRequest {
            stop_type: StopType::Hard,
            servers: servers.iter().map(|number| Ok(id(*number))).collect(),
        }
    }

    fn terms(at: u64, conflicts: Conflicts) -> StopTerms {
        StopTerms {
            now: second(at),
            takes: Duration::from_secs(10),
            conflicts,
            draw: Draw::new(1),
        }
    }

    #[rstest]
    #[case(Condition::Starting(None), "BMS.0035")]
    #[case(Condition::Stopping(None), "BMS.0036")]
    #[case(Condition::Rebooting(None), "BMS.0037")]
    #[case(Condition::Off, "BMS.0039")]
    #[case(Condition::Missing, "BMS.0040")]
    #[case(Condition::Locked, "BMS.0605")]
    fn a_wrong_state_refuses_the_batch_or_fails_its_sub_job(
        #[case] condition: Condition,
        #[case] expected: &str,
    ) {
        let mut strict = fleet(&[Condition::On, condition]);
        let refusal = strict
            .stop(&request(&[0, 1]), terms(1, Conflicts::Reject))
            .unwrap_err();
        assert_eq!((refusal.status, &*refusal.code), (400, expected));
        assert_eq!(
            strict.find(id(0)).unwrap().phase(second(60)),
            Phase::On,
            "nothing changed"
        );

        let mut lenient = fleet(&[Condition::On, condition]);
        let sub_jobs = lenient
            .stop(&request(&[0, 1]), terms(1, Conflicts::Subjob))
            .unwrap();
        assert_eq!(sub_jobs[0].ending, Ending::Success);
        assert!(matches!(&sub_jobs[1].ending, Ending::Fail { code, .. } if code == expected));
        assert_eq!(lenient.find(id(0)).unwrap().phase(second(60)), Phase::Off);
    }

    #[rstest]
    #[case(json!({"ids": [id(0)]}), "BMS.0360")]
    #[case(json!({"share": 1.0, "code": "BMS.0212"}), "BMS.0212")]
    fn a_server_can_be_refused_though_it_looks_well(#[case] refused: Value, #[case] code: &str) {
        let faults = Faults::from_value(json!({"servers": {"refused": refused}})).unwrap();
        let given = vec![SimulatedServer::new(id(0))];
        let mut fleet = Fleet::new(given, &faults.servers, Draw::new(1), Moment::default());
        let refusal = fleet
            .stop(&request(&[0]), terms(1, Conflicts::Reject))
            .unwrap_err();
        assert_eq!(refusal.code, code);
        let sub_jobs = fleet
            .stop(&request(&[0]), terms(1, Conflicts::Subjob))
            .unwrap();
        assert!(matches!(&sub_jobs[0].ending, Ending::Fail { code: given, .. } if given == code));
        assert_eq!(
            fleet.find(id(0)).unwrap().phase(Moment::default()),
            Phase::On
        );
    }

    #[test]
    fn a_server_in_error_can_be_stopped() {
        let mut fleet = fleet(&[Condition::Error]);
        fleet
            .stop(&request(&[0]), terms(1, Conflicts::Reject))
            .unwrap();
        assert_eq!(fleet.find(id(0)).unwrap().phase(second(60)), Phase::Off);
    }

    #[test]
    fn a_soft_stop_succeeds_without_effect() {
        let mut fleet = fleet(&[Condition::On]);
        let soft = StopRequest {
            stop_type: StopType::Soft,
            ..request(&[0])
        };
        let sub_jobs = fleet.stop(&soft, terms(1, Conflicts::Reject)).unwrap();
        assert_eq!(sub_jobs[0].ending, Ending::Success);
        assert_eq!(fleet.find(id(0)).unwrap().phase(second(60)), Phase::On);
    }

    #[test]
    fn sub_jobs_end_in_the_last_quarter_and_not_all_at_once() {
        let mut fleet = fleet(&[Condition::On; 20]);
        let all: Vec<u8> = (0..20).collect();
        let sub_jobs = fleet
            .stop(&request(&all), terms(0, Conflicts::Reject))
            .unwrap();
        let takes: Vec<Duration> = sub_jobs.iter().map(|sub| sub.takes).collect();
        assert!(
            takes
                .iter()
                .all(|takes| (7_500..=10_000).contains(&takes.as_millis()))
        );
        assert!(takes.iter().any(|one| *one != takes[0]));
    }

    #[rstest]
    #[case(2, 1, None, &["server-0", "server-1"], 2)]
    #[case(2, 3, None, &["server-5"], 2)]
    #[case(2, 4, None, &[], 2)]
    #[case(1000, 1, None, &["server-0", "server-1", "server-3", "server-4", "server-5"], 5)]
    #[case(2, 2, Some("ACTIVE"), &["server-4"], 2)]
    #[case(9, 1, Some("SHUTOFF"), &["server-1", "server-5"], 2)]
    fn pages_hold_the_servers_that_the_cloud_knows(
        #[case] limit: usize,
        #[case] page: usize,
        #[case] status: Option<&str>,
        #[case] expected: &[&str],
        #[case] count: u64,
    ) {
        use Condition::{Missing, Off, On};
        let fleet = fleet(&[On, Off, Missing, On, On, Off]);
        let request = ListRequest {
            limit,
            page,
            status: status.map(str::to_owned),
            ..ListRequest::default()
        };
        let rows = Rows::new("p", second(0), "2026-11-28T17:00:00Z".parse().unwrap());
        let body = fleet.page(&request, &rows, second(0), Duration::ZERO);
        let body: Value = serde_json::from_slice(&body).unwrap();
        let names: Vec<&str> = body["servers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, expected);
        assert_eq!(body["count"], count);
    }
}
