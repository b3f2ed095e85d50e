//! What the simulator saw: the record that tests and benchmarks compare a client's report with.
//!
//! Owns the shape of `GET /__stats` and the counting. It only listens; no answer depends on it.
//! Invariant: every power request that arrived is in `stops` or in `starts` once, in order, whatever
//! became of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::quota::{Kind, PerKind};
use crate::clock::Moment;
use crate::ids::ServerId;
use crate::power::Action;

/// Everything that was seen since the start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Requests that arrived, by kind, also those that were refused or cut off.
    pub requests: PerKind<u64>,
    /// Requests to paths that the API does not have.
    pub unknown_paths: u64,
    /// Errors that were answered, by code; invented ones without a code by HTTP status.
    pub errors: BTreeMap<String, u64>,
    /// How many accepted stop requests named each server.
    pub accepted: BTreeMap<ServerId, u32>,
    /// Servers accepted once more after a stop that powers them off, though nobody else had started them
    /// since; one entry each time.
    pub double_stops: Vec<ServerId>,
    /// Servers accepted once more after a stop without effect, which left them on; one entry each time.
    pub repeated_stops: Vec<ServerId>,
    /// Every stop request, in order of arrival, and every power request that is none of either kind.
    pub stops: Vec<PowerSeen>,
    /// How many accepted start requests named each server.
    pub started: BTreeMap<ServerId, u32>,
    /// Servers whose start was accepted once more, though nobody had stopped them since; one entry each
    /// time.
    pub double_starts: Vec<ServerId>,
    /// Every start request, in order of arrival.
    pub starts: Vec<PowerSeen>,
    /// Every job, in order.
    pub jobs: Vec<JobSeen>,
    /// Power requests and answers about jobs, in the order in which they were handled.
    #[serde(default)]
    pub order: Vec<Handled>,
}

/// A step of the order in which requests were handled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Handled {
    /// A stop or start request arrived.
    Power {
        /// How many servers it named.
        size: usize,
    },
    /// A query of a job was answered.
    Job {
        /// The job.
        id: String,
        /// How many of its sub-jobs were told to have failed.
        failed: usize,
    },
}

/// One stop or start request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerSeen {
    /// When it was handled, by the simulator's clock.
    pub at: Timestamp,
    /// How many servers it named; 0 if its body was not read.
    pub size: usize,
    /// Those servers, where their IDs are IDs.
    pub servers: Vec<ServerId>,
    /// The job, if it was accepted.
    pub job_id: Option<String>,
    /// How many of the servers it moves; the others are refused one by one, or stay as they are.
    pub effective: usize,
    /// The answer's HTTP status, if an answer was made.
    pub http_status: Option<u16>,
    /// The answer's error code, if it has one.
    pub code: Option<String>,
    /// Whether the client was told.
    pub answer: AnswerSeen,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerSeen {
    /// It was sent as it is.
    Sent,
    /// It was lost, cut or replaced.
    Lost,
}

/// One job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSeen {
    /// Its ID.
    pub id: String,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// How many servers it concerns.
    pub size: usize,
    /// Its status when the statistics were asked for.
    pub status: String,
    /// How often it was queried.
    pub polls: u64,
}

/// The running record.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) stats: Stats,
    last_accepted: BTreeMap<ServerId, Accepted>,
    last_started: BTreeMap<ServerId, Moment>,
}

/// The acceptance that a later one is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Accepted {
    pub(super) at: Moment,
    /// Whether it moves the server, as far as nobody moves it back.
    pub(super) effective: bool,
}

impl Record {
    /// Counts a request and returns its number among its kind, from 0.
    pub(super) fn arrived(&mut self, kind: Kind) -> u64 {
        let count = self.stats.requests.of_mut(kind);
        *count += 1;
        *count - 1
    }

    /// Counts an error answer.
    pub(super) fn refused(&mut self, status: u16, code: Option<&str>) {
        let name = code.map_or_else(|| status.to_string(), str::to_owned);
        *self.stats.errors.entry(name).or_default() += 1;
    }

    /// Counts an acceptance of `server`; `started_since` tells whether others started it after a moment.
    pub(super) fn accepted(
        &mut self,
        server: ServerId,
        accepted: Accepted,
        started_since: impl Fn(Moment) -> bool,
    ) {
        *self.stats.accepted.entry(server).or_default() += 1;
        let earlier = self.last_accepted.insert(server, accepted);
        let Some(earlier) = earlier.filter(|earlier| !started_since(earlier.at)) else {
            return;
        };
        if earlier.effective {
            self.stats.double_stops.push(server);
            // It is down by the earlier one, whatever becomes of this one.
            self.last_accepted.insert(server, earlier);
        } else {
            self.stats.repeated_stops.push(server);
        }
    }

    /// Counts an accepted start of `server`; `stopped_since` tells whether it was stopped after a moment.
    /// A start without effect leaves the server off: another one is not counted as double.
    pub(super) fn started(
        &mut self,
        server: ServerId,
        accepted: Accepted,
        stopped_since: impl Fn(Moment) -> bool,
    ) {
        *self.stats.started.entry(server).or_default() += 1;
        let earlier = self.last_started.get(&server).copied();
        if earlier.is_some_and(|earlier| !stopped_since(earlier)) {
            self.stats.double_starts.push(server);
        }
        if accepted.effective {
            self.last_started.insert(server, accepted.at);
        }
    }

    /// The requests for `action`.
    pub(super) fn seen_mut(&mut self, action: Action) -> &mut Vec<PowerSeen> {
        match action {
            Action::Stop(_) => &mut self.stats.stops,
            Action::Start => &mut self.stats.starts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(effective: bool) -> Accepted {
        let at = Moment::default();
        Accepted { at, effective }
    }

    #[test]
    fn a_second_acceptance_is_double_unless_others_started_the_server() {
        let mut record = Record::default();
        let server = ServerId::from_bytes([1; 16]);
        record.accepted(server, accepted(true), |_| false);
        assert_eq!(record.stats.double_stops, []);
        record.accepted(server, accepted(true), |_| true);
        assert_eq!(record.stats.double_stops, []);
        record.accepted(server, accepted(true), |_| false);
        assert_eq!(record.stats.double_stops, [server]);
        assert_eq!(record.stats.accepted[&server], 3);
        assert_eq!(record.stats.repeated_stops, []);
    }

    #[test]
    fn an_acceptance_after_one_without_effect_is_repeated_and_not_double() {
        let mut record = Record::default();
        let server = ServerId::from_bytes([1; 16]);
        record.accepted(server, accepted(false), |_| false);
        record.accepted(server, accepted(true), |_| false);
        assert_eq!(record.stats.repeated_stops, [server]);
        assert_eq!(record.stats.double_stops, []);
        record.accepted(server, accepted(false), |_| false);
        record.accepted(server, accepted(false), |_| false);
        assert_eq!(record.stats.double_stops, [server, server]);
        assert_eq!(record.stats.repeated_stops, [server]);
    }

    #[test]
    fn the_record_reads_back_from_json() {
        let mut record = Record::default();
        assert_eq!(
            (record.arrived(Kind::Job), record.arrived(Kind::Job)),
            (0, 1)
        );
        record.refused(429, Some("APIGW.0308"));
        record.refused(502, None);
        let text = serde_json::to_string(&record.stats).unwrap();
        let read: Stats = serde_json::from_str(&text).unwrap();
        assert_eq!(read, record.stats);
        assert_eq!(
            (
                read.requests.job,
                read.errors["APIGW.0308"],
                read.errors["502"]
            ),
            (2, 1, 1)
        );
    }

    #[test]
    fn a_second_start_is_double_unless_the_server_was_stopped_or_never_moved() {
        let mut record = Record::default();
        let server = ServerId::from_bytes([1; 16]);
        record.started(server, accepted(false), |_| false);
        record.started(server, accepted(true), |_| false);
        record.started(server, accepted(true), |_| true);
        assert_eq!(record.stats.double_starts, []);
        record.started(server, accepted(true), |_| false);
        assert_eq!(record.stats.double_starts, [server]);
        assert_eq!(record.stats.started[&server], 4);
    }
}
