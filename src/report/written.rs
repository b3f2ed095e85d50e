//! A report read back from a file.
//!
//! Owns what such a file must be like; `document` owns the writing. Invariant: a [`Written`] report has
//! every member of its format and no other, and its numbers are those of its rows.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;

use super::overview::{Named, Overview, trouble};
use super::{Counts, Ending, FORMAT, StoppedBy, Verdict};
use crate::bms::StateClass;
use crate::event::{Mode, Narrowed, TimeRule};
use crate::exit::Exit;
use crate::ids::{BatchIndex, Digest, RunId, ServerId};
use crate::outcome::{OutcomeKind, Reason};
use crate::plan::{PlanWarning, Project, Ruling, WorkflowSummary};
use crate::power::Action;
use crate::window::Occurrence;
use crate::workflow::{Checks, StopType};

/// Why a file is no report that can be shown.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// It is not JSON, or not of a report's shape.
    #[error("it is not a report")]
    Shape(#[source] serde_json::Error),
    /// It says that it is something else.
    #[error("it is a file of format `{0}`")]
    Other(String),
    /// It is a report of a version that this program does not know.
    #[error("it has format `{0}`, which this version of lightsout does not know")]
    Newer(String),
    /// Its parts contradict each other.
    #[error("its {0}")]
    Contradiction(&'static str),
}

impl ReportError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Shape(_) | Self::Other(_) => {
                "give a `report.json` that a run has written, or the ID of a run"
            }
            Self::Newer(_) => "use the version of lightsout that wrote it, or a newer one",
            Self::Contradiction(_) => {
                "the file was changed; give the run ID instead, to make the report again from the journal"
            }
        }
    }
}

/// A report as a file tells it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "some members are only held against the format")]
pub struct Written {
    schema: String,
    tool: Tool,
    mode: Mode,
    action: String,
    #[serde(default)]
    undoes: Option<RunId>,
    #[serde(deserialize_with = "Option::deserialize")]
    run_id: Option<RunId>,
    resumed: u32,
    workflow: WorkflowSummary,
    labels: BTreeMap<String, String>,
    plan: PlanIdentity,
    project: Project,
    #[serde(deserialize_with = "Option::deserialize")]
    stop_type: Option<StopType>,
    checks: Checks,
    #[serde(deserialize_with = "Option::deserialize")]
    window: Option<Window>,
    #[serde(deserialize_with = "Option::deserialize")]
    started_at: Option<Timestamp>,
    #[serde(deserialize_with = "Option::deserialize")]
    finished_at: Option<Timestamp>,
    outcome: Verdict,
    #[serde(deserialize_with = "Option::deserialize")]
    exit_code: Option<u8>,
    #[serde(deserialize_with = "Option::deserialize")]
    stopped_by: Option<StoppedBy>,
    #[serde(deserialize_with = "Option::deserialize")]
    next: Option<String>,
    totals: Totals,
    job_ids: Vec<String>,
    groups: Vec<Group>,
    batches: Vec<Batch>,
    servers: Vec<Server>,
    guards: Vec<Ruling>,
    #[serde(deserialize_with = "Option::deserialize")]
    narrowed: Option<Narrowed>,
    overrides: Vec<Override>,
    warnings: Vec<PlanWarning>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only held against the format")]
struct Tool {
    name: String,
    version: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanIdentity {
    digest: Digest,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    timezone: String,
    opens: Timestamp,
    closes: Timestamp,
    cutoff: Timestamp,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Override {
    what: TimeRule,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    totals: Totals,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only held against the format")]
struct Batch {
    index: BatchIndex,
    group: String,
    wave: u32,
    size: usize,
    sends: Vec<Send>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only held against the format")]
struct Send {
    attempt: u32,
    servers: usize,
    #[serde(deserialize_with = "Option::deserialize")]
    job_id: Option<String>,
    #[serde(default)]
    other_job_ids: Vec<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    job_status: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    http_status: Option<u16>,
    #[serde(deserialize_with = "Option::deserialize")]
    request_id: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    error_code: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    error_message: Option<String>,
    sent_at: Timestamp,
    #[serde(deserialize_with = "Option::deserialize")]
    settled_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "some members are only held against the format")]
struct Server {
    id: ServerId,
    #[serde(deserialize_with = "Option::deserialize")]
    name: Option<String>,
    group: String,
    batch: BatchIndex,
    outcome: Word,
    #[serde(deserialize_with = "Option::deserialize")]
    reason: Option<Reason>,
    #[serde(deserialize_with = "Option::deserialize")]
    error_code: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    error_message: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    job_id: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    before: Option<StateClass>,
    #[serde(deserialize_with = "Option::deserialize")]
    after: Option<StateClass>,
}

/// The word for an outcome, of whatever action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Stopped,
    AlreadyOff,
    Started,
    AlreadyOn,
    Skipped,
    Failed,
    Unknown,
    NotSent,
}

/// Counts by word; compared as a whole, so that no word may be missing or too many.
type Totals = BTreeMap<String, u64>;

impl Written {
    /// Reads a report.
    pub fn read(text: &str) -> Result<Self, ReportError> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let head: Head = serde_json::from_str(text).map_err(ReportError::Shape)?;
        match head.schema {
            schema if schema == FORMAT => {}
            schema if schema.starts_with("lightsout/report/") => {
                return Err(ReportError::Newer(schema));
            }
            schema => return Err(ReportError::Other(schema)),
        }
        let written: Self = serde_json::from_str(text).map_err(ReportError::Shape)?;
        match written.contradiction() {
            None => Ok(written),
            Some(what) => Err(ReportError::Contradiction(what)),
        }
    }

    /// The run that it tells of; a dry run has none.
    pub fn run_id(&self) -> Option<&RunId> {
        self.run_id.as_ref()
    }

    /// Whether real servers were meant.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Digest of the plan that was run.
    pub fn digest(&self) -> Digest {
        self.plan.digest
    }

    /// What cannot be true at once.
    fn contradiction(&self) -> Option<&'static str> {
        let counted = counts(self.servers.iter());
        let Some(action) = self.action() else {
            return Some("action is not one that this version knows, or not with its stop type");
        };
        if !self
            .servers
            .iter()
            .all(|server| server.outcome.is_of(action))
        {
            return Some("outcomes are not those of its action");
        }
        if self.undoes.is_some() != (action == Action::Start) {
            return Some("action does not tell whether it is an undo");
        }
        if self.totals != worded(&counted, action) {
            return Some("totals are not those of its servers");
        }
        if !self.groups_agree(action) {
            return Some("groups do not add up to its servers");
        }
        if self.ending().map(Verdict::of) != Some(self.outcome) {
            return Some("outcome does not belong to its exit code");
        }
        None
    }

    /// How far the run had come, if its exit code is one.
    fn ending(&self) -> Option<Ending> {
        let Some(code) = self.exit_code else {
            return Some(Ending::Running);
        };
        let mut all = Exit::ALL.into_iter();
        all.find(|exit| exit.code() == code).map(Ending::Over)
    }

    fn groups_agree(&self, action: Action) -> bool {
        let counted = self.counted_groups();
        let agrees = |group: &Group| {
            let counts = counted.get(group.name.as_str()).copied();
            group.totals == worded(&counts.unwrap_or_default(), action)
        };
        let named: BTreeSet<&str> = self
            .groups
            .iter()
            .map(|group| group.name.as_str())
            .collect();
        let strange = counted.keys().any(|name| !named.contains(name));
        self.groups.iter().all(agrees) && !strange
    }

    /// The counts of the servers of each group that has any.
    fn counted_groups(&self) -> BTreeMap<&str, Counts> {
        let mut counted: BTreeMap<&str, Counts> = BTreeMap::new();
        for server in &self.servers {
            let counts = counted.entry(&server.group).or_default();
            counts.add(server.outcome.kind());
        }
        counted
    }

    fn action(&self) -> Option<Action> {
        Action::of(&self.action, self.stop_type)
    }

    pub(super) fn overview(&self) -> Overview<'_> {
        let (labels, overrides) = (self.labels.iter(), self.overrides.iter());
        let (groups, counted) = (self.groups.iter(), self.counted_groups());
        let counts_of = |name: &str| counted.get(name).copied().unwrap_or_default();
        Overview {
            run_id: self.run_id.as_ref().map(RunId::as_str),
            mode: self.mode,
            action: self.action().unwrap_or(Action::Start),
            undoes: self.undoes.as_ref().map(RunId::as_str),
            workflow: &self.workflow,
            labels: labels
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
            project: &self.project,
            digest: self.plan.digest,
            resumed: self.resumed,
            started_at: self.started_at,
            finished_at: self.finished_at,
            verdict: self.outcome,
            exit_code: self.exit_code,
            stopped_by: self.stopped_by.as_ref(),
            next: self.next.as_deref(),
            totals: counts(self.servers.iter()),
            groups: groups
                .map(|group| (group.name.as_str(), counts_of(&group.name)))
                .collect(),
            trouble: trouble(
                self.servers.iter(),
                |server| (server.outcome.kind(), server.reason),
                |server| Named {
                    id: server.id,
                    name: server.name.as_deref(),
                    error_code: server.error_code.as_deref(),
                    error_message: server.error_message.as_deref(),
                },
            ),
            jobs: self.job_ids.iter().map(String::as_str).collect(),
            window: self.window.as_ref().map(|window| {
                let occurrence = Occurrence {
                    opens: window.opens,
                    closes: window.closes,
                    cutoff: window.cutoff,
                };
                (window.timezone.as_str(), occurrence)
            }),
            overrides: overrides.map(|it| (it.what, it.reason.as_str())).collect(),
            warnings: self.warnings.iter().collect(),
        }
    }
}

fn counts<'a>(servers: impl Iterator<Item = &'a Server>) -> Counts {
    let mut counts = Counts::default();
    servers.for_each(|server| counts.add(server.outcome.kind()));
    counts
}

/// These counts as a file of `action` has them.
fn worded(counts: &Counts, action: Action) -> Totals {
    let kinds = OutcomeKind::ALL.map(|kind| (kind.word(action).to_owned(), counts.of(kind)));
    let targets = ("targets".to_owned(), counts.targets());
    kinds.into_iter().chain([targets]).collect()
}

impl Word {
    fn kind(self) -> OutcomeKind {
        match self {
            Self::Stopped | Self::Started => OutcomeKind::Done,
            Self::AlreadyOff | Self::AlreadyOn => OutcomeKind::Already,
            Self::Skipped => OutcomeKind::Skipped,
            Self::Failed => OutcomeKind::Failed,
            Self::Unknown => OutcomeKind::Unknown,
            Self::NotSent => OutcomeKind::NotSent,
        }
    }

    /// Whether a report of `action` may have it.
    fn is_of(self, action: Action) -> bool {
        match (self, action) {
            (Self::Stopped | Self::AlreadyOff, Action::Start)
            | (Self::Started | Self::AlreadyOn, Action::Stop(_)) => false,
            (_, _) => true,
        }
    }
}
