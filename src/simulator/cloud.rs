//! The simulated cloud: takes a request that has arrived and says what goes back, and how.
//!
//! Owns the state of the project and the order of the gateway's checks: faults that strike before,
//! credentials, project, quota, and only then the call. Knows nothing of connections. Invariant: one
//! request is handled at a time and completely, so what the record says is what was answered.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::date::Followed;
use super::draw::Draw;
use super::faults::{Befallen, Faults};
use super::fleet::{Fleet, Terms};
use super::jobs::Job;
use super::power::{PowerRequest, power_request};
use super::quota::{Kind, Meter, Quotas};
use super::reply::{Refusal, Reply};
use super::routes::{Call, Route};
use super::row_faults;
use super::rows::Rows;
use super::rule::{Fault, Point};
use super::spoil::{Delivery, no_job, note, note_answer, spoil, throttled};
use super::stats::{Accepted, AnswerSeen, Handled, JobSeen, PowerSeen, Record, Stats};
use super::strict::{self, Received};
use super::{Keys, Settings};
use crate::clock::{Clock, Moment};
use crate::ids::{ProjectId, ServerId};
use crate::power::Action;
use crate::workflow::StopType;

/// The cloud behind the simulator's address.
pub(super) struct Cloud {
    project: ProjectId,
    keys: Keys,
    quotas: Option<Quotas>,
    faults: Faults,
    draw: Draw,
    clock: Clock,
    began: Moment,
    followed: Followed,
    job_duration: Duration,
    rows: Rows,
    state: Mutex<State>,
}

struct State {
    fleet: Fleet,
    jobs: Jobs,
    meter: Meter,
    record: Record,
    requests: u64,
    late: Vec<Late>,
}

/// A request that is accepted only after its client has given up.
struct Late {
    due: Moment,
    request: PowerRequest,
    /// Its place among the requests of its kind.
    place: usize,
}

#[derive(Default)]
struct Jobs {
    list: Vec<(Job, u64)>,
    places: HashMap<String, usize>,
}

impl Cloud {
    pub(super) fn new(settings: Settings) -> Self {
        let draw = Draw::new(settings.seed);
        let (clock, faults) = (settings.clock, settings.faults);
        let now = clock.elapsed();
        let fleet = Fleet::new(settings.servers, &faults, draw, now);
        Self {
            rows: Rows::new(settings.project.as_str(), now, clock.now()),
            project: settings.project,
            keys: settings.keys,
            quotas: settings.quotas,
            faults,
            draw,
            clock,
            began: now,
            followed: Followed::new(settings.date_source),
            job_duration: settings.job_duration,
            state: Mutex::new(State {
                fleet,
                jobs: Jobs::default(),
                meter: Meter::default(),
                record: Record::default(),
                requests: 0,
                late: Vec::new(),
            }),
        }
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// What its own clock shows, right or wrong.
    pub(super) fn date(&self) -> Timestamp {
        let passed = self.clock.elapsed().since(self.began);
        let now = self.followed.date(self.clock.now());
        self.faults.date.shown(now, passed)
    }

    /// Whether the faults of calls and jobs are over.
    fn is_calm(&self) -> bool {
        let passed = self.clock.elapsed().since(self.began);
        self.faults.are_over(passed)
    }

    /// The state as it is now, with what was accepted late in the meantime.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.elapsed();
        while let Some(next) = state.late.iter().position(|late| late.due <= now) {
            let late = state.late.remove(next);
            // A refusal is not delivered either.
            let _ = self.power(&mut state, (&late.request, late.place), late.due);
        }
        state
    }

    /// Counts a request whose head has arrived: its request ID, and what befalls it.
    pub(super) fn arrived(&self, route: &Route) -> (String, Befallen) {
        let mut state = self.state();
        let id = format!("{:032x}", self.draw.wide("request", state.requests));
        state.requests += 1;
        let befallen = match route {
            Route::Api { call, .. } => {
                let number = state.record.arrived(call.kind());
                if self.is_calm() {
                    Befallen::default()
                } else {
                    self.faults.on_call(self.draw, call.kind(), number)
                }
            }
            Route::Unknown => {
                state.record.stats.unknown_paths += 1;
                Befallen::default()
            }
            Route::Stats => Befallen::default(),
        };
        (id, befallen)
    }

    /// Records a request that was cut off before it was read.
    pub(super) fn cut_off(&self, route: &Route) {
        if let Route::Api {
            call: Call::Action, ..
        } = route
        {
            let seen = self.power_seen(None);
            self.state().record.stats.stops.push(seen);
        }
    }

    /// Handles a request that was read whole.
    pub(super) fn serve(
        &self,
        route: &Route,
        received: &Received,
        fault: Option<Fault>,
        request_id: &str,
    ) -> (Reply, Delivery) {
        let (project, call) = match route {
            Route::Stats => return (Reply::json(self.stats_body()), Delivery::Whole),
            Route::Unknown => {
                let refusal = Refusal::unknown_path();
                return (Reply::refusal(refusal, request_id), Delivery::Whole);
            }
            Route::Api { project, call } => (project, call),
        };
        let asked = (*call == Call::Action).then(|| power_request(received));
        let mut state = self.state();
        let asked_for_power = asked.is_some();
        // What is no request of either kind stands with the stops.
        let action = match &asked {
            Some(Ok(request)) => request.action,
            Some(Err(_)) | None => Action::Stop(StopType::Hard),
        };
        if let Some(asked) = &asked {
            let seen = self.power_seen(asked.as_ref().ok());
            let size = seen.size;
            state.record.seen_mut(action).push(seen);
            state.record.stats.order.push(Handled::Power { size });
        }
        let place = state.record.seen_mut(action).len().saturating_sub(1);
        let admitted = self.admit(&mut state, received, project, call.kind());
        let acted = admitted.map(|()| match (fault.map(Fault::point), asked) {
            (Some(Point::Before), _) => None,
            (Some(Point::Late(delay)), asked) => {
                if let Some(Ok(request)) = asked {
                    let due = self.clock.elapsed().after(delay);
                    state.late.push(Late {
                        due,
                        request,
                        place,
                    });
                }
                None
            }
            (Some(Point::After) | None, asked) => {
                Some(self.act(&mut state, received, (call, place), asked))
            }
        });
        let (reply, delivery) = match acted {
            Err(refusal) => (Reply::refusal(refusal, request_id), Delivery::Whole),
            Ok(acted) => spoil(acted, fault, request_id),
        };
        note(&mut state.record, &reply, delivery);
        if asked_for_power && let Some(seen) = state.record.seen_mut(action).last_mut() {
            note_answer(seen, &reply, delivery, fault);
        }
        (reply, delivery)
    }

    /// The gateway's checks, in its order.
    fn admit(
        &self,
        state: &mut State,
        received: &Received,
        project: &str,
        kind: Kind,
    ) -> Result<(), Refusal> {
        self.followed
            .hear(received.header(super::date::HEADER), self.clock.now());
        strict::authenticate(received, &self.keys, self.date())?;
        strict::check_project(received, project, &self.project)?;
        if let Some(quotas) = &self.quotas {
            let limit = *quotas.of(kind);
            if !state.meter.admits(kind, limit, self.clock.elapsed()) {
                return Err(throttled(limit));
            }
        }
        Ok(())
    }

    /// The call itself.
    fn act(
        &self,
        state: &mut State,
        received: &Received,
        (call, place): (&Call, usize),
        asked: Option<Result<PowerRequest, Refusal>>,
    ) -> Result<Vec<u8>, Refusal> {
        let now = self.clock.elapsed();
        let lag = self.faults.state_lag.0;
        match (call, asked) {
            (Call::Action, Some(Ok(request))) => self.power(state, (&request, place), now),
            (Call::Action, Some(Err(refusal))) => Err(refusal),
            (Call::Action, None) => Err(Refusal::unknown_path()),
            (Call::List, _) => strict::list_request(received).map(|request| {
                let page = state.fleet.page(&request, &self.rows, now, lag);
                state.fleet.page_answered();
                page
            }),
            (Call::Show(id), _) => {
                strict::bare_read(received).and_then(|()| self.show(state, id, now))
            }
            (Call::Job(id), _) => {
                strict::bare_read(received).and_then(|()| self.job(state, id, now))
            }
        }
    }

    fn power(
        &self,
        state: &mut State,
        (request, place): (&PowerRequest, usize),
        now: Moment,
    ) -> Result<Vec<u8>, Refusal> {
        let terms = Terms {
            now,
            takes: self.job_duration,
            conflicts: self.faults.conflicts,
            draw: self.draw,
        };
        let State {
            fleet,
            record,
            jobs,
            ..
        } = state;
        let action = request.action;
        let sub_jobs = fleet.power(request, terms)?;
        for sub in &sub_jobs {
            let turned = |earlier| fleet.turned_between(sub.server, action, (earlier, now));
            let accepted = Accepted {
                at: now,
                effective: sub.effective,
            };
            match action {
                Action::Stop(_) => record.accepted(sub.server, accepted, turned),
                Action::Start => record.started(sub.server, accepted, turned),
            }
        }
        let number = jobs.list.len() as u64;
        let id = Job::id_of(self.draw, number);
        if let Some(seen) = record.seen_mut(action).get_mut(place) {
            seen.job_id = Some(id.clone());
            seen.effective = sub_jobs.iter().filter(|sub| sub.effective).count();
        }
        jobs.places.insert(id.clone(), jobs.list.len());
        let body = serde_json::json!({"job_id": &id}).to_string();
        let job = Job {
            id,
            number,
            accepted: now,
            accepted_at: self.clock.now(),
            takes: self.job_duration,
            stuck: self.faults.jobs.is_stuck(self.draw, number),
            sub_jobs,
        };
        jobs.list.push((job, 0));
        Ok(body.into_bytes())
    }

    fn show(&self, state: &State, id: &str, now: Moment) -> Result<Vec<u8>, Refusal> {
        let known = id
            .parse::<ServerId>()
            .ok()
            .and_then(|id| state.fleet.find(id));
        let server = known.ok_or_else(|| {
            let message = format!("Instance {id} could not be found.");
            Refusal::new(404, "itemNotFound", message)
        })?;
        let mut body = Vec::with_capacity(2_048);
        body.extend_from_slice(b"{\"server\":");
        let start = body.len();
        self.rows
            .write(&mut body, server, now, self.faults.state_lag.0);
        row_faults::spoil(&server.row_faults, Kind::Show, &mut body, start);
        body.push(b'}');
        Ok(body)
    }

    fn job(&self, state: &mut State, id: &str, now: Moment) -> Result<Vec<u8>, Refusal> {
        let State { jobs, record, .. } = state;
        let Jobs { list, places } = jobs;
        let found = places.get(id).and_then(|place| list.get_mut(*place));
        match found {
            Some((job, polls)) => {
                *polls += 1;
                if self.is_calm() {
                    job.stuck = false;
                } else if self.faults.jobs.is_forgotten(self.draw, job.number) {
                    return Err(no_job(id));
                }
                let (id, failed) = (job.id.clone(), job.failed(now));
                record.stats.order.push(Handled::Job { id, failed });
                Ok(job.body(now, self.draw, self.faults.partial_failure))
            }
            None => Err(no_job(id)),
        }
    }

    fn power_seen(&self, request: Option<&PowerRequest>) -> PowerSeen {
        let servers = request
            .map(|request| &request.servers[..])
            .unwrap_or_default();
        PowerSeen {
            at: self.clock.now(),
            size: servers.len(),
            servers: servers
                .iter()
                .filter_map(|id| id.as_ref().ok())
                .copied()
                .collect(),
            job_id: None,
            effective: 0,
            http_status: None,
            code: None,
            answer: AnswerSeen::Lost,
        }
    }

    /// Starts a server that is off, as nobody asked over the API.
    pub(super) fn start_by_hand(&self, server: ServerId) -> bool {
        let now = self.clock.elapsed();
        let mut state = self.state();
        state
            .fleet
            .find_mut(server)
            .is_some_and(|server| server.start(now))
    }

    /// Stops a server that is on, as nobody asked over the API.
    pub(super) fn stop_by_hand(&self, server: ServerId) -> bool {
        let now = self.clock.elapsed();
        let mut state = self.state();
        state
            .fleet
            .find_mut(server)
            .is_some_and(|server| server.stop(now))
    }

    /// Everything seen so far.
    pub(super) fn stats(&self) -> Stats {
        let state = self.state();
        let now = self.clock.elapsed();
        let seen = |(job, polls): &(Job, u64)| JobSeen {
            id: job.id.clone(),
            accepted_at: job.accepted_at,
            size: job.sub_jobs.len(),
            status: job.status(now, self.faults.partial_failure).to_owned(),
            polls: *polls,
        };
        Stats {
            jobs: state.jobs.list.iter().map(seen).collect(),
            ..state.record.stats.clone()
        }
    }

    fn stats_body(&self) -> Vec<u8> {
        // Every part is a plain struct with text keys, which always has a JSON form.
        serde_json::to_vec(&self.stats()).unwrap_or_default()
    }
}
