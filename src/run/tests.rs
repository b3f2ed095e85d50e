//! The engine against the simulator, on a compressed clock and without a process around it.

use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::bms::{ClientSettings, Credentials, Secrets};
use crate::clock::Latest;
use crate::event::{Mode, Stamped};
use crate::exit::Exit;
use crate::http::{Reach, Transport, TransportSettings};
use crate::ids::RunId;
use crate::inventory::TargetGroup;
use crate::outcome::{OutcomeKind, Proof};
use crate::plan::sample;
use crate::simulator::{Faults, Settings, SimulatedServer, Simulator, Stats};
use crate::workflow::{Checks, MaxFailures};

mod skew;

/// How much faster than on the wall time passes.
const FACTOR: u32 = 200;

/// What a run, or several that went on with each other, came to.
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

    fn outcomes(&self) -> Vec<Option<Outcome>> {
        let targets = self.ledger.batches().iter().flat_map(BatchRecord::targets);
        targets.map(|target| target.outcome()).collect()
    }
}

struct Rehearsal {
    groups: Vec<TargetGroup>,
    checks: Checks,
    max_failures: MaxFailures,
    faults: serde_json::Value,
    hours: fn(Timestamp) -> Hours,
}

impl Rehearsal {
    fn of(groups: Vec<TargetGroup>) -> Self {
        Self {
            groups,
            checks: Checks::default(),
            // What becomes of one target is not to keep another from being tried.
            max_failures: MaxFailures::Count(u32::MAX),
            faults: json!({}),
            hours: |_| Hours::default(),
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

    /// With hours that depend on when the run begins.
    fn hours(mut self, hours: fn(Timestamp) -> Hours) -> Self {
        self.hours = hours;
        self
    }

    fn cloud(self) -> Cloud {
        let mut definition = sample::workflow();
        definition.checks = self.checks;
        definition.rollout.max_failures = self.max_failures;
        let plan = Arc::new(sample::plan_of(&definition, self.groups));
        let clock = Clock::compressed(NonZeroU32::new(FACTOR).unwrap());
        let servers = plan.batches.iter().flat_map(|batch| batch.servers());
        let servers = servers.map(|id| SimulatedServer::new(*id)).collect();
        let mut settings = Settings::new(plan.project.id.clone(), servers);
        settings.clock = clock;
        settings.faults = Faults::from_value(self.faults).unwrap();
        let simulator = Simulator::start(settings).unwrap();
        Cloud {
            plan,
            hours: (self.hours)(clock.now()),
            clock,
            simulator,
        }
    }

    async fn run(self) -> Told {
        let cloud = self.cloud();
        let events = cloud.begin(usize::MAX).await;
        cloud.told(events)
    }
}

/// A simulated cloud that outlives the processes that talk to it.
struct Cloud {
    plan: Arc<Plan>,
    hours: Hours,
    clock: Clock,
    simulator: Simulator,
}

impl Cloud {
    /// Runs the plan; dies when so many events are recorded.
    async fn begin(&self, events: usize) -> Vec<Stamped> {
        let opening = Opening::Fresh(Box::new(launch(self)), Vec::new());
        self.go(Vec::new(), opening, events).await
    }

    /// Goes on from what was recorded; dies when so many more events are.
    async fn resume(&self, known: Vec<Stamped>, events: usize) -> Vec<Stamped> {
        let forbidden = None;
        self.go(
            known,
            Opening::Resumed {
                forbidden,
                even_late: false,
                guards: Vec::new(),
            },
            events,
        )
        .await
    }

    async fn go(&self, known: Vec<Stamped>, opening: Opening, events: usize) -> Vec<Stamped> {
        let recorded = Arc::new(std::sync::Mutex::new(known.clone()));
        let last = known.len().saturating_add(events);
        let list = recorded.clone();
        let observer = Box::new(move |stamped: &Stamped| {
            let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
            if list.len() == last {
                // Whoever would go on after this event dies instead, and so does the next one.
                std::panic::resume_unwind(Box::new("killed"));
            }
            list.push(stamped.clone());
        });
        let ledger = self.replayed(&known);
        let recorder = Arc::new(Recorder::new(
            ledger,
            Latest::new(self.clock),
            None,
            observer,
        ));
        let (_never, stop) = watch::channel(None);
        let work = Work {
            plan: self.plan.clone(),
            client: client(&self.simulator, &self.plan, self.clock),
            clock: self.clock,
            opening,
            hours: self.hours,
            gates: Gates::NotAsked,
            stop,
        };
        let ended = tokio::spawn(execute(work, recorder)).await;
        let events = recorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        assert!(
            events.len() == last || matches!(ended, Ok(Ok(()))),
            "{ended:?}"
        );
        events
    }

    fn replayed(&self, events: &[Stamped]) -> Ledger {
        let mut ledger = Ledger::new(&self.plan);
        events.iter().for_each(|event| ledger.apply(event).unwrap());
        ledger
    }

    fn told(&self, events: Vec<Stamped>) -> Told {
        Told {
            ledger: self.replayed(&events),
            stats: self.simulator.stats(),
            events,
        }
    }
}

fn launch(cloud: &Cloud) -> Launch {
    Launch {
        run: RunId::new(cloud.clock.now(), 1),
        mode: Mode::Rehearsal,
        ..Launch::for_tests()
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
    assert_eq!(told.count(OutcomeKind::Done), 2499);
    assert_eq!(told.count(OutcomeKind::Already), 1);
    assert!(told.stats.accepted.values().all(|count| *count == 1));
    assert_eq!(told.ledger.exit(), Exit::Success);
}

#[tokio::test]
async fn without_checks_nothing_is_read_but_the_date() {
    let told = Rehearsal::of(vec![sample::group("all", 0, 1001)])
        .without_checks()
        .run()
        .await;
    assert_eq!(told.sizes(), [1000, 1]);
    assert_eq!((told.stats.requests.list, told.stats.requests.show), (0, 1));
    assert_eq!(told.count(OutcomeKind::Done), 1001);
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
    assert_eq!(
        told.outcomes(),
        [
            Outcome::Failed(Reason::Missing),
            Outcome::Failed(Reason::ErrorState),
            Outcome::Failed(Reason::Locked),
            Outcome::Failed(Reason::Busy),
            Outcome::Already,
            Outcome::Already,
            Outcome::Failed(Reason::JobFailed),
            Outcome::Failed(Reason::StillOn),
            Outcome::Done(Proof::Job),
            Outcome::Done(Proof::Job),
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
    assert_eq!(told.count(OutcomeKind::Done), 20);
    assert!(told.stats.double_stops.is_empty());
}

/// Two groups, three batches, a server that is off already and one whose sub-job fails.
fn small_fleet() -> Rehearsal {
    let mut rest = sample::group("rest", 2, 8);
    rest.batch_size = crate::workflow::BatchSize::try_from(4).unwrap();
    rest.in_flight = crate::workflow::InFlight::try_from(2).unwrap();
    Rehearsal::of(vec![sample::group("canary", 0, 2), rest]).faults(json!({ "servers": {
        "off": { "ids": [sample::server(1)] },
        "failing": { "ids": [sample::server(5)], "code": "BMS.0107" },
    } }))
}

/// What a run may come to after crashes: the same, but for answers that a crash has lost.
fn assert_same_but_for_lost_answers(told: &Told, undisturbed: &[Option<Outcome>], about: &str) {
    for (outcome, expected) in told.outcomes().iter().zip(undisturbed) {
        let same = outcome == expected;
        let lost = *outcome == Some(Outcome::Done(Proof::AnswerLost))
            && *expected == Some(Outcome::Done(Proof::Job));
        let failed_job = *expected == Some(Outcome::Failed(Reason::JobFailed))
            && *outcome == Some(Outcome::Failed(Reason::StillOn));
        assert!(
            same || lost || failed_job,
            "{about}: {outcome:?} in place of {expected:?}"
        );
    }
    assert_eq!(told.stats.double_stops, [], "{about}");
    assert!(
        told.stats.accepted.values().all(|count| *count == 1),
        "{about}"
    );
}

#[tokio::test]
async fn a_run_killed_at_any_event_and_taken_up_again_ends_the_same() {
    let undisturbed = small_fleet().run().await;
    let expected = undisturbed.outcomes();
    let events = undisturbed.events.len();
    assert!(events > 20, "{events} events");
    let killed_after = async |last: usize| {
        let cloud = small_fleet().cloud();
        let known = cloud.begin(last).await;
        let told = cloud.told(cloud.resume(known, usize::MAX).await);
        let about = format!("killed after event {last} of {events}");
        assert_same_but_for_lost_answers(&told, &expected, &about);
        assert!(told.ledger.finished_at().is_some(), "{about}");
    };
    futures_util::future::join_all((1..events).map(killed_after)).await;
}

#[tokio::test]
async fn a_resumed_run_may_be_killed_again() {
    let undisturbed = small_fleet().run().await;
    let expected = undisturbed.outcomes();
    for (first, second) in [(3, 2), (5, 1), (8, 4), (9, 9), (14, 3), (20, 2)] {
        let cloud = small_fleet().cloud();
        let known = cloud.begin(first).await;
        let known = cloud.resume(known, second).await;
        let told = cloud.told(cloud.resume(known, usize::MAX).await);
        let about = format!("killed after {first} and {second} more events");
        assert_same_but_for_lost_answers(&told, &expected, &about);
        assert_eq!(told.ledger.resumed(), 2, "{about}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_found_out_by_states_alone() {
    for fault in [
        json!({ "fault": "reset", "accepted": true, "first": 1 }),
        json!({ "fault": "hang", "accepted": true, "first": 1 }),
        json!({ "fault": "error", "status": 502, "accepted": true, "first": 1 }),
        json!({ "fault": "error", "status": 504, "accepted": true, "first": 1 }),
        json!({ "fault": "broken_body", "first": 1 }),
    ] {
        let told = Rehearsal::of(vec![sample::group("all", 0, 20)])
            .faults(json!({ "calls": { "stop": [fault] } }))
            .run()
            .await;
        assert_eq!(told.sizes(), [20], "{fault}");
        let lost = Some(Outcome::Done(Proof::AnswerLost));
        assert!(
            told.outcomes().iter().all(|outcome| *outcome == lost),
            "{fault}"
        );
        assert_eq!(told.ledger.exit(), Exit::Success);
    }
}

#[tokio::test]
async fn a_request_that_was_not_taken_is_sent_again_after_the_grace_time() {
    let told = Rehearsal::of(vec![sample::group("all", 0, 20)])
        .faults(json!({ "calls": { "stop": [{ "fault": "reset", "first": 2 }] } }))
        .run()
        .await;
    assert_eq!(told.sizes(), [0, 0, 20]);
    assert_eq!(told.count(OutcomeKind::Done), 20);
    let sent = |at: usize| told.stats.stops[at].at;
    assert!(sent(1).duration_since(sent(0)).as_secs() >= 120);
    assert!(told.stats.accepted.values().all(|count| *count == 1));
}

#[tokio::test]
async fn a_server_is_in_at_most_three_requests_that_may_have_been_taken() {
    let told = Rehearsal::of(vec![sample::group("all", 0, 3)])
        .faults(json!({ "calls": { "stop": [{ "fault": "reset", "rate": 1.0 }] } }))
        .run()
        .await;
    assert_eq!(told.stats.stops.len(), 3);
    let still_on = Some(Outcome::Failed(Reason::StillOn));
    assert!(told.outcomes().iter().all(|outcome| *outcome == still_on));
    assert_eq!(told.ledger.exit(), Exit::SomeFailed);
}

#[tokio::test]
async fn a_raised_stop_ends_the_run_and_leaves_it_unfinished() {
    let cloud = small_fleet().cloud();
    let (raise, stop) = watch::channel(None);
    let observer = Box::new(move |stamped: &Stamped| {
        if matches!(stamped.event, Event::SendAnswered { .. }) {
            raise.send_replace(Some(StopCause::Interrupted));
        }
    });
    let recorder = Arc::new(Recorder::new(
        Ledger::new(&cloud.plan),
        Latest::new(cloud.clock),
        None,
        observer,
    ));
    let opening = Opening::Fresh(Box::new(launch(&cloud)), Vec::new());
    let client = client(&cloud.simulator, &cloud.plan, cloud.clock);
    let (plan, clock) = (cloud.plan.clone(), cloud.clock);
    execute(
        Work {
            plan,
            client,
            clock,
            opening,
            hours: Hours::default(),
            gates: Gates::NotAsked,
            stop,
        },
        recorder.clone(),
    )
    .await
    .unwrap();
    assert_eq!(cloud.simulator.stats().stops.len(), 1);
    assert_eq!(recorder.read(Ledger::exit), Exit::Resumable);
    assert!(recorder.read(|ledger| ledger.finished_at().is_none()));
}
