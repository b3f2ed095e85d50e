//! What can be found out about a run whose plan or journal is damaged or missing.
//!
//! Owns reading as much as there is, for a person who sets the run aside. Takes no lock. Invariant: a request
//! that may have been accepted is left out of [`Remains::requests`] only if its record is gone, and then every
//! server of the plan that has no outcome is among [`Remains::servers`].

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use jiff::Timestamp;

use super::recorded::project_of;
use super::{Glimpse, Keep, RunFolder, StateError, launch_of};
use crate::event::{Attempt, Event, Stamped};
use crate::ids::{BatchIndex, JobId, RunId, ServerId};
use crate::journal;
use crate::ledger::BatchRecord;
use crate::named_file;
use crate::outcome::OutcomeKind;
use crate::plan::Project;

/// What is left of a run.
#[derive(Debug)]
pub struct Remains {
    /// Its project, if its plan or its journal names one.
    pub project: Option<Project>,
    /// Why it cannot be read, if so.
    pub problem: Option<StateError>,
    /// Whether it can be read, and has come to its end.
    pub is_finished: bool,
    /// The times of its last readable record, its plan and its journal. If there is no journal, the time
    /// of the last change in its folder replaces that of the journal.
    pub times: Vec<Timestamp>,
    /// The requests that were, or may have been, accepted, as far as their records can be read.
    pub requests: Vec<PossibleRequest>,
    /// The servers that may have been in such a request and have no certain outcome; `None` if unknown.
    pub servers: Option<Vec<ServerId>>,
}

/// A request that was, or may have been, accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PossibleRequest {
    /// Its batch.
    pub batch: BatchIndex,
    /// Its number within the batch.
    pub attempt: Attempt,
    /// How many servers were in it.
    pub servers: usize,
    /// When it was about to leave.
    pub at: Timestamp,
    /// The jobs that the answer named.
    pub jobs: Vec<JobId>,
}

impl Remains {
    /// Looks at what is left of a run.
    pub fn of(state: &Path, run: &RunId) -> Self {
        let folder = RunFolder::of(state, Keep::Runs, run);
        let bytes = named_file::read_all(&folder.journal()).unwrap_or_default();
        let (replayed, _) = journal::salvage(&bytes);
        let requests = possible_requests(&replayed.events);
        let last = replayed.events.last().map(|event| event.at);
        let (plan, journal) = (folder.plan(), folder.journal());
        let journal = changed_at(&journal).or_else(|| changed_at(journal.parent()?));
        let times = [last, changed_at(&plan), journal];
        let remains = Self {
            project: known_project(state, run),
            problem: None,
            is_finished: false,
            times: times.into_iter().flatten().collect(),
            requests,
            servers: None,
        };
        match Glimpse::read(state, Keep::Runs, run) {
            Ok(glimpse) => remains.with(glimpse),
            Err(problem) => Self {
                problem: Some(problem),
                ..remains
            },
        }
    }

    /// With what the plan tells, too.
    fn with(self, glimpse: Glimpse) -> Self {
        let servers = match &glimpse.problem {
            // The plan is not that of the requests.
            Some(StateError::OtherPlan(_) | StateError::Misfit(..)) => None,
            Some(_) => Some(self.doubtful(&glimpse, true)),
            None => Some(self.doubtful(&glimpse, false)),
        };
        let is_finished = glimpse.problem.is_none() && glimpse.ledger.finished_at().is_some();
        Self {
            problem: glimpse.problem,
            is_finished,
            servers,
            ..self
        }
    }

    /// The servers without a certain outcome: all of them, or those in a request that may have been accepted.
    fn doubtful(&self, glimpse: &Glimpse, all: bool) -> Vec<ServerId> {
        let requested: HashSet<(BatchIndex, Attempt)> = self
            .requests
            .iter()
            .map(|request| (request.batch, request.attempt))
            .collect();
        let batches = glimpse.plan.batches.iter().zip(glimpse.ledger.batches());
        let doubtful = batches.flat_map(|(batch, record)| {
            let sent = sent_slots(batch.index(), record, &requested);
            let targets = (0..).zip(batch.servers().iter().zip(record.targets()));
            targets.filter_map(move |(slot, (server, target))| {
                let kind = target.outcome().map(|outcome| outcome.kind());
                let open = matches!(kind, None | Some(OutcomeKind::Unknown));
                (open && (all || sent.contains(&slot))).then_some(*server)
            })
        });
        doubtful.collect()
    }
}

/// The places in a batch whose servers were in one of these requests.
fn sent_slots(
    index: BatchIndex,
    record: &BatchRecord,
    requested: &HashSet<(BatchIndex, Attempt)>,
) -> HashSet<u32> {
    let sends = (1..).zip(record.sends());
    let possible = sends.filter(|(attempt, _)| requested.contains(&(index, *attempt)));
    possible
        .flat_map(|(_, send)| send.servers.iter())
        .map(u32::from)
        .collect()
}

/// The project that the plan names, or else the first record of the journal.
fn known_project(state: &Path, run: &RunId) -> Option<Project> {
    let journal = || launch_of(state, run).ok().flatten()?.project;
    project_of(state, run).ok().or_else(journal)
}

/// When a file was last written, by the file system.
fn changed_at(path: &Path) -> Option<Timestamp> {
    let changed = fs::metadata(path).ok()?.modified().ok()?;
    Timestamp::try_from(changed).ok()
}

/// The requests that were, or may have been, accepted by what these events say.
fn possible_requests(events: &[Stamped]) -> Vec<PossibleRequest> {
    let mut requests = BTreeMap::new();
    for stamped in events {
        match &stamped.event {
            Event::SendIntended {
                batch,
                attempt,
                servers,
            } => {
                let request = PossibleRequest {
                    batch: *batch,
                    attempt: *attempt,
                    servers: servers.len(),
                    at: stamped.at,
                    jobs: Vec::new(),
                };
                requests.insert((*batch, *attempt), request);
            }
            Event::SendWithdrawn { batch, attempt, .. } => {
                requests.remove(&(*batch, *attempt));
            }
            Event::SendAnswered {
                batch,
                attempt,
                answer,
                ..
            } => {
                if !answer.may_be_acceptance() {
                    requests.remove(&(*batch, *attempt));
                } else if let Some(request) = requests.get_mut(&(*batch, *attempt)) {
                    request.jobs = answer.jobs().to_vec();
                }
            }
            Event::Began { .. }
            | Event::Resumed { .. }
            | Event::WaveBegan { .. }
            | Event::Soaking { .. }
            | Event::StillRunning
            | Event::UptimeRead { .. }
            | Event::Observed { .. }
            | Event::Waiting { .. }
            | Event::JobSeenRunning { .. }
            | Event::JobEnded { .. }
            | Event::Settled { .. }
            | Event::GateAnswered { .. }
            | Event::SendingStopped { .. }
            | Event::Finished
            | Event::ReportMisplaced => {}
        }
    }
    requests.into_values().collect()
}
