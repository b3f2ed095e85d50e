//! The engine against the simulator, on a compressed clock and without a process around it.

use std::num::NonZeroU32;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::bms::{ClientSettings, Credentials, Secrets};
use crate::event::Stamped;
use crate::exit::Exit;
use crate::http::{Reach, Transport, TransportSettings};
use crate::ids::RunId;
use crate::outcome::{OutcomeKind, Proof};
use crate::plan::sample;
use crate::simulator::{Faults, Settings, SimulatedServer, Simulator, Stats};
use crate::workflow::Checks;

struct Told {
    ledger: Ledger,
    stats: Stats,
    events: Vec<Stamped>,
}

impl Told {
    fn count(&self, kind: OutcomeKind) -> u64 {
        self.ledger.totals().count(kind)
    }

    fn sizes(&self) -> Vec<usize> {
        self.stats.stops.iter().map(|stop| stop.size).collect()
    }
}

struct Rehearsal {
    groups: Vec<crate::inventory::TargetGroup>,
    checks: Checks,
    faults: serde_json::Value,
}

impl Rehearsal {
    fn of(groups: Vec<crate::inventory::TargetGroup>) -> Self {
        Self {
            groups,
            checks: Checks::default(),
            faults: json!({}),
        }
    }

    fn without_checks(mut self) -> Self {
        self.checks = Checks {
            before: false,
            after: false,
            ..self.checks
        };
        self
    }

    fn faults(mut self, faults: serde_json::Value) -> Self {
        self.faults = faults;
        self
    }

    async fn run(self) -> Told {
        let mut definition = sample::workflow();
        definition.checks = self.checks;
        let plan = Arc::new(sample::plan_of(&definition, self.groups));
        let clock = Clock::compressed(NonZeroU32::new(200).unwrap());
        let servers = plan.batches.iter().flat_map(|batch| batch.servers());
        let servers = servers.map(|id| SimulatedServer::new(*id)).collect();
        let mut settings = Settings::new(plan.project.id.clone(), servers);
        settings.clock = clock;
        settings.faults = Faults::from_value(self.faults).unwrap();
        let simulator = Simulator::start(settings).unwrap();
        let recorded: Arc<std::sync::Mutex<Vec<Stamped>>> = Arc::default();
        let events = recorded.clone();
        let observer =
            Box::new(move |stamped: &Stamped| events.lock().unwrap().push(stamped.clone()));
        let recorder = Arc::new(Recorder::new(Ledger::new(&plan), clock, None, observer));
        let client = client(&simulator, &plan, clock);
        let run = RunId::new(clock.now(), 1);
        let labels = BTreeMap::new();
        let opening = Opening::Fresh {
            run,
            mode: Mode::Rehearsal,
            labels,
        };
        let (_never, stop) = watch::channel(None);
        let work = Work {
            plan,
            client,
            clock,
            opening,
            stop,
        };
        execute(work, recorder.clone()).await.unwrap();
        let ledger = recorder.read(Ledger::clone);
        let events = std::mem::take(&mut *recorded.lock().unwrap());
        Told {
            ledger,
            stats: simulator.stats(),
            events,
        }
    }
}

fn client(simulator: &Simulator, plan: &Plan, clock: Clock) -> Client {
    let endpoint = simulator.endpoint().clone();
    let secrets = Secrets::keys(simulator.access_key(), simulator.secret_key());
    let credentials = Credentials::fixed(secrets);
    let settings = TransportSettings {
        reach: Reach::of(&endpoint),
        ca_file: None,
        clock,
    };
    let transport = Transport::new(settings).unwrap();
    let project = plan.project.id.clone();
    Client::new(
        ClientSettings {
            endpoint,
            project,
            rate: plan.rate,
            clock,
        },
        transport,
        credentials,
    )
}

#[tokio::test]
async fn servers_that_are_on_are_stopped_and_the_others_left_alone() {
    let off = sample::server(2000);
    let told = Rehearsal::of(vec![
        sample::group("canary", 0, 1),
        sample::group("rest", 1, 1499),
        sample::group("last", 1500, 1000),
    ])
    .faults(json!({ "servers": { "off": { "ids": [off] } } }))
    .run()
    .await;
    assert_eq!(told.sizes(), [1, 1000, 499, 999]);
    assert_eq!(told.count(OutcomeKind::Stopped), 2499);
    assert_eq!(told.count(OutcomeKind::AlreadyOff), 1);
    assert!(told.stats.accepted.values().all(|count| *count == 1));
    assert_eq!(told.ledger.exit(), Exit::Success);
}

#[tokio::test]
async fn without_checks_nothing_is_read() {
    let told = Rehearsal::of(vec![sample::group("all", 0, 1001)])
        .without_checks()
        .run()
        .await;
    assert_eq!(told.sizes(), [1000, 1]);
    assert_eq!((told.stats.requests.list, told.stats.requests.show), (0, 0));
    assert_eq!(told.count(OutcomeKind::Stopped), 1001);
}

#[tokio::test]
async fn every_target_is_settled_whatever_its_state() {
    let id = sample::server;
    let told = Rehearsal::of(vec![sample::group("all", 0, 10)])
        .faults(json!({ "servers": {
            "missing": { "ids": [id(0)] },
            "error": { "ids": [id(1)] },
            "locked": { "ids": [id(2)] },
            "busy": { "ids": [id(3)] },
            "stopping": { "ids": [id(4)], "for": "5m" },
            "off": { "ids": [id(5)] },
            "failing": { "ids": [id(6)], "code": "BMS.0107" },
            "ignored": { "ids": [id(7)] },
        } }))
        .run()
        .await;
    let outcomes: Vec<Option<Outcome>> = told.ledger.batches()[0]
        .targets()
        .iter()
        .map(|target| target.outcome())
        .collect();
    assert_eq!(
        outcomes,
        [
            Outcome::Failed(Reason::Missing),
            Outcome::Failed(Reason::ErrorState),
            Outcome::Failed(Reason::Locked),
            Outcome::Failed(Reason::Busy),
            Outcome::AlreadyOff,
            Outcome::AlreadyOff,
            Outcome::Failed(Reason::JobFailed),
            Outcome::Failed(Reason::StillOn),
            Outcome::Stopped(Proof::Job),
            Outcome::Stopped(Proof::Job),
        ]
        .map(Some)
    );
    assert_eq!(told.sizes(), [4]);
    assert_eq!(told.ledger.exit(), Exit::SomeFailed);
}

#[tokio::test]
async fn an_intent_precedes_every_answer_and_every_request_is_recorded() {
    let told = Rehearsal::of(vec![sample::group("all", 0, 20)])
        .faults(json!({ "calls": { "stop": [{ "fault": "throttle", "first": 3 }] } }))
        .run()
        .await;
    let intents = told
        .events
        .iter()
        .filter(|s| matches!(s.event, Event::SendIntended { .. }));
    assert_eq!(intents.count(), told.stats.stops.len());
    assert_eq!(told.sizes(), [20, 20, 20, 20]);
    assert_eq!(told.count(OutcomeKind::Stopped), 20);
    assert!(told.stats.double_stops.is_empty());
}
