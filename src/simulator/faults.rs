//! What goes wrong: the faults file, and which call or server a fault falls on.
//!
//! Owns the file's shape and the decisions; what a fault does to a call or a server is carried out
//! elsewhere. Invariant: every decision follows from the seed and from what it is about (the number of
//! the call among its kind, the ID of the server, the number of the job), so a run can be repeated.

use std::time::Duration;

use serde::Deserialize;

use super::date::DateFaults;
use super::disposition::StartFaults;
use super::draw::{Draw, key_of};
use super::model::Condition;
use super::movement::Movement;
use super::presets;
use super::quota::{Kind, PerKind};
use super::row_faults::{Doubled, RowFault};
use super::rule::{Fault, Rule, Span};
use crate::ids::ServerId;

/// Why faults cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FaultsError {
    /// No preset has this name.
    #[error("no faults named `{name}`")]
    Unknown {
        /// The name as given.
        name: String,
        /// A preset of nearly this name.
        near: Option<&'static str>,
    },
    /// The text does not describe faults.
    #[error("not a description of faults")]
    Invalid(#[source] serde_yaml::Error),
}

impl FaultsError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown {
                near: Some(near), ..
            } => Some(format!("did you mean `{near}`?")),
            Self::Unknown { near: None, .. } => {
                let names: Vec<String> = presets::names()
                    .iter()
                    .map(|(name, _)| format!("`{name}`"))
                    .collect();
                Some(format!("known names are {}", names.join(", ")))
            }
            Self::Invalid(_) => None,
        }
    }
}

/// Everything that goes wrong, and how the simulator settles what the documentation leaves open.
///
/// ```
/// # use lightsout::simulator::Faults;
/// let faults = Faults::from_text("
/// calls:                       # by kind: stop, job, list, show
///   stop:
///     - { fault: throttle, retry_after: 2s, rate: 0.3 }
///     - { fault: error, status: 504, accepted: true, first: 1 }
///     - { fault: hang, accepted_after: 90s, only: 2 }         # accepted when the client has given up
///     - { fault: error_with_job, status: 503, only: 3 }       # accepted, and the error names the job
///     - { fault: odd_body, form: no_last_chunk, only: 4 }     # or too_long, byte_order_mark, ...
///   job:
///     - { fault: slow, delay: 800ms, every: 5 }
///   show:
///     - { fault: error, status: 502, only: 3 }
/// servers:
///   off: { share: 0.1 }
///   busy: { ids: [616fb98f-46ca-475e-917e-2563e5a8cd19], for: 40s }
///   failing: { share: 0.05, code: BMS.1007 }
///   starts:                    # what goes wrong when servers are started
///     ignored: { share: 0.1 }
/// movements:                   # after so many list pages
///   - { after_pages: 3, disappear: [616fb98f-46ca-475e-917e-2563e5a8cd19] }
/// rows:                        # members that are null_value, absent, empty, an object, or there twice
///   - { member: tags, form: null_value, in: list, share: 0.1 }
/// doubled:                     # servers that the listing shows twice
///   - { share: 0.1, name: db-7, apart: true }
/// bystanders: 2500             # servers of the project beside those that are named
/// jobs: { stuck: 0.1, forgotten: 0.1 }
/// state_lag: 5s
/// conflicts: subjob            # or reject
/// partial_failure: success     # or fail
/// date: { ahead: 10m }         # or behind; after: 3m
/// calm_after: 20m              # from then on nothing befalls calls and jobs
/// ");
/// assert!(faults.is_ok());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// What happens to calls: for each kind, rules in order; delays add up, the first other rule that
    /// falls on a call counts.
    pub calls: CallFaults,
    /// What is the matter with servers.
    pub servers: ServerFaults,
    /// Which servers come and go.
    pub movements: Vec<Movement>,
    /// Which rows are not as documented.
    pub rows: Vec<RowFault>,
    /// Which servers are listed twice.
    pub doubled: Vec<Doubled>,
    /// How many servers the project has beside those that are given.
    pub bystanders: u32,
    /// What is the matter with jobs.
    pub jobs: JobFaults,
    /// How long readings of states lag behind the truth.
    pub state_lag: Span,
    /// What a stop of a server in the wrong state does.
    pub conflicts: Conflicts,
    /// What a job reports whose sub-jobs failed in part.
    pub partial_failure: PartialFailure,
    /// How wrong the clock is that answers are dated by.
    pub date: DateFaults,
    /// How long after the start the faults of calls and jobs are over, if ever.
    pub calm_after: Option<Span>,
}

impl Faults {
    /// Whether the faults of calls and jobs are over, so long after the start.
    pub(super) fn are_over(&self, passed: Duration) -> bool {
        self.calm_after.is_some_and(|calm| passed >= calm.0)
    }

    /// The faults of a preset.
    pub fn named(name: &str) -> Result<Self, FaultsError> {
        presets::named(name)
    }

    /// Reads a faults file, in YAML or JSON.
    pub fn from_text(text: &str) -> Result<Self, FaultsError> {
        serde_yaml::from_str(text).map_err(FaultsError::Invalid)
    }

    /// Reads a faults file in JSON, which is YAML too.
    pub fn from_json(text: &str) -> Result<Self, FaultsError> {
        Self::from_text(text)
    }

    /// Reads faults from a document that stands in a program.
    pub fn from_value(value: serde_json::Value) -> Result<Self, FaultsError> {
        Self::from_text(&value.to_string())
    }

    /// What befalls the call with this number (from 0) among its kind.
    pub(super) fn on_call(&self, draw: Draw, kind: Kind, number: u64) -> Befallen {
        let mut befallen = Befallen::default();
        for (place, rule) in self.calls.of(kind).iter().enumerate() {
            let purpose = format!("{}-{place}", kind.as_str());
            let Some(fault) = rule.on(draw, &purpose, number) else {
                continue;
            };
            match fault {
                Fault::Slow(delay) => befallen.delay += delay,
                Fault::Throttle { .. }
                | Fault::NotFound
                | Fault::Error { .. }
                | Fault::Reset(_)
                | Fault::Html(_)
                | Fault::Hang(_)
                | Fault::BrokenBody
                | Fault::ErrorWithJob { .. }
                | Fault::OddBody(_) => {
                    befallen.fault = Some(fault);
                    return befallen;
                }
            }
        }
        befallen
    }
}

/// What befalls one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Befallen {
    pub(super) delay: Duration,
    pub(super) fault: Option<Fault>,
}

/// Rules for each kind of call.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallFaults {
    /// For requests that stop or start.
    pub stop: Vec<Rule>,
    /// For job queries.
    pub job: Vec<Rule>,
    /// For list pages.
    pub list: Vec<Rule>,
    /// For single reads.
    pub show: Vec<Rule>,
}

impl CallFaults {
    fn of(&self, kind: Kind) -> &[Rule] {
        PerKind {
            stop: &self.stop,
            job: &self.job,
            list: &self.list,
            show: &self.show,
        }
        .of(kind)
    }
}

/// A number from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Share(f64);

impl TryFrom<f64> for Share {
    type Error = &'static str;

    fn try_from(share: f64) -> Result<Self, Self::Error> {
        if (0.0..=1.0).contains(&share) {
            Ok(Self(share))
        } else {
            Err("a share is a number from 0 to 1")
        }
    }
}

/// Which servers a fault falls on: a share of all, chosen by the seed, and these.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chosen {
    /// Share of all servers.
    pub share: Share,
    /// Servers by ID.
    pub ids: Vec<ServerId>,
    /// How long it lasts, or how long after; for ever or at once where it is left out.
    #[serde(rename = "for")]
    pub lasts: Option<Span>,
}

impl Chosen {
    pub(super) fn has(&self, draw: Draw, purpose: &str, id: ServerId) -> bool {
        self.ids.contains(&id) || draw.hits(purpose, key_of(id), self.share.0)
    }

    pub(super) fn span(&self) -> Option<Duration> {
        self.lasts.map(|span| span.0)
    }
}

/// Servers that the cloud does not stop, and the code that it gives for it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Failing {
    /// Share of all servers.
    pub share: Share,
    /// Servers by ID.
    pub ids: Vec<ServerId>,
    /// The error code; where it is left out, `BMS.1007` for a sub-job that fails and `BMS.0360` for a
    /// request that is refused.
    pub code: Option<String>,
}

impl Failing {
    pub(super) fn has(&self, draw: Draw, purpose: &str, id: ServerId) -> bool {
        self.ids.contains(&id) || draw.hits(purpose, key_of(id), self.share.0)
    }

    pub(super) fn code_or(&self, usual: &str) -> String {
        self.code.clone().unwrap_or_else(|| usual.to_owned())
    }
}

/// What is the matter with servers. A server is in the first of the states that falls on it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerFaults {
    /// Unknown to the cloud.
    pub missing: Chosen,
    /// In status ERROR.
    pub error: Chosen,
    /// On, and locked.
    pub locked: Chosen,
    /// Off already.
    pub off: Chosen,
    /// Being powered off, `for` so long.
    pub stopping: Chosen,
    /// Being rebooted, `for` so long.
    pub busy: Chosen,
    /// Has another name than expected.
    pub renamed: Chosen,
    /// A stop request that names it is refused as one that names a server in the wrong state is, and it
    /// looks well.
    pub refused: Failing,
    /// Its sub-job fails, and it stays on.
    pub failing: Failing,
    /// Its sub-job succeeds, and it stays on.
    pub ignored: Chosen,
    /// Is being powered off for ever, or `for` so much longer than others.
    pub stuck: Chosen,
    /// Is started again by somebody else, so long after it has gone off.
    pub restarted: Chosen,
    /// What goes wrong when it is started; all of the above is about stops.
    pub starts: StartFaults,
}

impl ServerFaults {
    /// The condition of this server at the start, if a fault gives it one.
    pub(super) fn condition(&self, draw: Draw, id: ServerId) -> Option<Condition> {
        let states = [
            ("missing", &self.missing, Condition::Missing),
            ("error", &self.error, Condition::Error),
            ("locked", &self.locked, Condition::Locked),
            ("off", &self.off, Condition::Off),
            (
                "stopping",
                &self.stopping,
                Condition::Stopping(self.stopping.span()),
            ),
            ("busy", &self.busy, Condition::Rebooting(self.busy.span())),
        ];
        let hit = states
            .into_iter()
            .find(|(purpose, chosen, _)| chosen.has(draw, purpose, id));
        hit.map(|(_, _, condition)| condition)
    }

    /// Whether its live name differs from the expected one.
    pub(super) fn is_renamed(&self, draw: Draw, id: ServerId) -> bool {
        self.renamed.has(draw, "renamed", id)
    }
}

/// What is the matter with jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobFaults {
    /// Share of jobs that never become final, though their servers go off.
    pub stuck: Share,
    /// Share of jobs that the cloud no longer knows when it is asked.
    pub forgotten: Share,
}

impl JobFaults {
    pub(super) fn is_stuck(&self, draw: Draw, number: u64) -> bool {
        draw.hits("stuck-job", number, self.stuck.0)
    }

    pub(super) fn is_forgotten(&self, draw: Draw, number: u64) -> bool {
        draw.hits("forgotten-job", number, self.forgotten.0)
    }
}

/// What a stop of a server in the wrong state does; the documentation does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Conflicts {
    /// The whole request is refused with the code of the first such server.
    #[default]
    Reject,
    /// The request is accepted, and the server's sub-job fails with the code.
    Subjob,
}

/// Status of a job whose sub-jobs failed in part; the documentation does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartialFailure {
    /// The job has failed.
    #[default]
    Fail,
    /// The job has succeeded all the same.
    Success,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::model::Fate;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn read(faults: Value) -> Faults {
        Faults::from_value(faults).unwrap()
    }

    fn id(number: u8) -> ServerId {
        ServerId::from_bytes([number; 16])
    }

    #[test]
    fn delays_add_up_and_the_first_other_fault_counts() {
        let faults = read(json!({"calls": {"list": [
            {"fault": "slow", "delay": "2s", "first": 2},
            {"fault": "slow", "delay": "1s", "first": 1},
            {"fault": "broken_body", "first": 1},
            {"fault": "hang", "first": 2}
        ]}}));
        let on = |number| {
            let befallen = faults.on_call(Draw::new(1), Kind::List, number);
            (befallen.delay.as_secs(), befallen.fault)
        };
        assert_eq!(on(0), (3, Some(Fault::BrokenBody)));
        assert_eq!(
            on(1),
            (2, Some(Fault::Hang(crate::simulator::rule::Point::Before)))
        );
        assert_eq!(on(2), (0, None));
        let other = faults.on_call(Draw::new(1), Kind::Stop, 0);
        assert_eq!(other, Befallen::default());
    }

    #[test]
    fn faults_are_over_when_it_is_said() {
        let second = Duration::from_secs;
        assert!(!read(json!({})).are_over(second(1_000_000)));
        let faults = read(json!({"calm_after": "10m"}));
        assert!(!faults.are_over(second(599)));
        assert!(faults.are_over(second(600)));
    }

    #[test]
    fn a_server_is_in_the_first_state_that_falls_on_it() {
        let faults = read(json!({"servers": {
            "off": {"ids": [id(1), id(2)]}, "locked": {"ids": [id(1)]},
            "busy": {"ids": [id(3)], "for": "1m"}
        }}));
        let condition = |number| faults.servers.condition(Draw::new(1), id(number));
        assert_eq!(condition(1), Some(Condition::Locked));
        assert_eq!(condition(2), Some(Condition::Off));
        let minute = Some(Duration::from_secs(60));
        assert_eq!(condition(3), Some(Condition::Rebooting(minute)));
        assert_eq!(condition(4), None);
    }

    #[test]
    fn a_share_falls_on_the_same_servers_each_time() {
        let faults = read(json!({"servers": {"ignored": {"share": 0.5}}}));
        let ignored = |seed| -> Vec<u8> {
            let fate = |number: &u8| {
                faults
                    .servers
                    .when_stopped(Draw::new(seed), id(*number))
                    .fate
            };
            (0..100)
                .filter(|number| fate(number) == Fate::Ignores)
                .collect()
        };
        assert_eq!(ignored(1), ignored(1));
        assert_ne!(ignored(1), ignored(2));
        assert!((30..70).contains(&ignored(1).len()), "{}", ignored(1).len());
    }

    #[test]
    fn a_file_is_yaml_and_its_errors_have_a_line() {
        let text = "state_lag: 5s\nservers:\n  off: { share: 0.5 }\n";
        let faults = Faults::from_text(text).unwrap();
        assert_eq!(faults.state_lag, Span(Duration::from_secs(5)));
        let error = Faults::from_text("state_lag: 5s\nservers:\n  of: {}\n").unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("line 3"), "{cause}");
    }

    #[rstest]
    #[case(json!({"servres": {}}), "unknown field `servres`")]
    #[case(json!({"calls": {"stops": []}}), "unknown field `stops`")]
    #[case(json!({"servers": {"off": {"share": 2}}}), "from 0 to 1")]
    #[case(json!({"servers": {"off": {"ids": ["x"]}}}), "UUID")]
    #[case(json!({"servers": {"off": {"every": 2}}}), "unknown field `every`")]
    #[case(json!({"conflicts": "sometimes"}), "unknown variant")]
    #[case(json!({"jobs": {"stuck": "many"}}), "invalid type")]
    fn a_file_without_sense_is_refused(#[case] faults: Value, #[case] why: &str) {
        let error = Faults::from_value(faults).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(why), "{cause}");
    }
}
