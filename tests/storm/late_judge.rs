//! What must hold after every invocation of a late storm.
//!
//! Owns its own account of gaps and requests, which knows nothing of the program's. Invariant: nothing is sent for a
//! server of a request that may have been accepted once the run was late, and nothing at all by a late run without
//! `--send` and outside its own window.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Output;

use jiff::{SignedDuration, Timestamp};
use lightsout::event::{Attempt, Event, SendAnswer, Slot, Stamped};
use lightsout::ids::BatchIndex;
use lightsout::simulator::{PowerSeen, Stats};
use serde_json::Value;

use crate::late::{Doing, Night, events};
use crate::late_tally::LateStory;

const LATE: SignedDuration = SignedDuration::from_mins(15);
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// One invocation.
pub(crate) struct Told<'a> {
    pub(crate) line: &'a str,
    pub(crate) output: &'a Output,
    /// How many requests the cloud had seen before.
    pub(crate) seen: usize,
    pub(crate) doing: Doing,
}

/// What is known of the run so far.
#[derive(Default)]
pub(crate) struct Judge {
    /// How many of its events were judged.
    judged: usize,
    /// The last record of a process that was allowed to send.
    last: Option<Timestamp>,
    may_send: bool,
    late: bool,
    /// Servers of requests that were, or may have been, accepted.
    doubtful: BTreeSet<(BatchIndex, Slot)>,
    over: bool,
}

/// A request of the invocation that is judged.
struct Request {
    servers: Vec<(BatchIndex, Slot)>,
    /// Whether the run was late when it was written down.
    late: bool,
    /// Whether it was, or may have been, accepted; whether it never left.
    may_count: bool,
    stayed: bool,
}

impl Judge {
    /// The journal grew so much older.
    pub(crate) fn older(&mut self, by: SignedDuration) {
        self.last = self.last.map(|last| last - by);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// How many power requests the cloud has seen.
    pub(crate) fn seen(&self, night: &Night, doing: Doing) -> usize {
        requests(&night.simulator.stats(), doing).len()
    }

    pub(crate) fn after(
        &mut self,
        night: &Night,
        folder: &Path,
        told: &Told<'_>,
        story: &mut LateStory,
    ) {
        let place = format!(
            "seed {}, `{}`, {}",
            night.seed,
            told.line,
            night.folder.display()
        );
        let err = String::from_utf8_lossy(&told.output.stderr);
        assert!(!err.contains("panicked"), "{place}: {err}");
        assert!(!err.contains("internal error"), "{place}: {err}");
        let events = events(folder);
        let (requests, late_from_the_start) = self.fold(&events);
        let may = told.line.contains("--send") || night.window;
        for request in &requests {
            let twice = request.servers.iter().any(|it| self.doubtful.contains(it));
            let allowed = !request.late || (may && !twice);
            assert!(
                allowed || request.stayed,
                "{place}: sent though late\n{err}"
            );
            if request.may_count {
                self.doubtful.extend(&request.servers);
            }
            story.sent_late += usize::from(request.late && !request.stayed);
        }
        let seen = self.seen(night, told.doing);
        story.late += usize::from(late_from_the_start);
        if late_from_the_start && !may {
            assert_eq!(seen, told.seen, "{place}: the cloud saw more\n{err}");
        }
        let stats = night.simulator.stats();
        assert_eq!(stats.double_stops, [], "{place}: stopped twice\n{err}");
        assert_eq!(stats.double_starts, [], "{place}: started twice\n{err}");
        if self.over {
            in_the_end(night, folder, &place, story);
        }
    }

    /// Takes in the new events; their requests, and whether the first process in them came late.
    fn fold(&mut self, events: &[Stamped]) -> (Vec<Request>, bool) {
        let mut requests = Requests::default();
        let mut from_the_start = None;
        for Stamped { at, event } in &events[self.judged.min(events.len())..] {
            let gap = self.last.map(|last| at.duration_since(last));
            if let Event::Began { .. } = event {
                self.may_send = true;
            }
            if let Event::Resumed { forbidden, .. } = event {
                self.late |= gap.is_some_and(|gap| gap > LATE || gap < -AHEAD);
                self.may_send = forbidden.is_none();
                from_the_start.get_or_insert(self.late);
            } else if self.may_send {
                self.late |= gap.is_some_and(|gap| gap > LATE);
            }
            if self.may_send {
                self.last = Some(*at);
            }
            self.over |= *event == Event::Finished;
            requests.take_in(event, self.late);
        }
        self.judged = events.len();
        (requests.in_order(), from_the_start.unwrap_or(false))
    }
}

/// The requests of one invocation, in the order of their intents.
#[derive(Default)]
struct Requests {
    order: Vec<(BatchIndex, Attempt)>,
    known: BTreeMap<(BatchIndex, Attempt), Request>,
}

impl Requests {
    fn take_in(&mut self, event: &Event, late: bool) {
        if let Event::SendIntended {
            batch,
            attempt,
            servers,
        } = event
        {
            let request = Request {
                servers: servers.iter().map(|slot| (*batch, slot)).collect(),
                late,
                may_count: true,
                stayed: false,
            };
            self.known.insert((*batch, *attempt), request);
            self.order.push((*batch, *attempt));
        }
        if let Event::SendWithdrawn { batch, attempt, .. } = event {
            let request = self.known.get_mut(&(*batch, *attempt)).unwrap();
            (request.may_count, request.stayed) = (false, true);
        }
        if let Event::SendAnswered {
            batch,
            attempt,
            answer,
            ..
        } = event
        {
            let request = self.known.get_mut(&(*batch, *attempt)).unwrap();
            request.stayed = *answer == SendAnswer::NotConnected;
            request.may_count = answer.may_be_acceptance();
        }
    }

    fn in_order(mut self) -> Vec<Request> {
        let known = &mut self.known;
        self.order
            .iter()
            .filter_map(|key| known.remove(key))
            .collect()
    }
}

/// What the cloud saw that the run could have sent.
fn requests(stats: &Stats, doing: Doing) -> &[PowerSeen] {
    match doing {
        Doing::Stopping => &stats.stops,
        Doing::Starting => &stats.starts,
    }
}

/// What holds when the run is over.
fn in_the_end(night: &Night, folder: &Path, place: &str, story: &mut LateStory) {
    let Ok(text) = fs::read_to_string(folder.join("report.json")) else {
        // It was killed between its last record and its report.
        return;
    };
    let report: Value = serde_json::from_str(&text).unwrap();
    let rows = report["servers"].as_array().unwrap();
    assert_eq!(
        rows.len(),
        report["totals"]["targets"].as_u64().unwrap() as usize
    );
    for row in rows {
        let mut name = row["outcome"].as_str().unwrap().to_owned();
        if let Some(reason) = row["reason"].as_str() {
            name = format!("{name}/{reason}");
        }
        *story.outcomes.entry(name).or_default() += 1;
    }
    let code = report["exit_code"].as_u64();
    let unsent = rows.iter().any(|row| row["reason"] == "late");
    let agrees = !unsent || matches!(code, Some(20 | 30 | 33));
    assert!(agrees, "{place}: {code:?}, though late");
    let accepted = requests(&night.simulator.stats(), Doing::Stopping)
        .iter()
        .any(|stop| stop.job_id.is_some());
    assert!(
        code != Some(20) || !accepted || report["action"] == "os-start",
        "{place}: 20"
    );
}
