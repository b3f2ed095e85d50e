//! What a valid workflow says, with every default filled in and every template expanded.
//!
//! Owns the types and their limits; reading them from YAML is the neighbours' work. Invariant: a value
//! of these types is within the limits of design §3 and §5, so no later stage checks them again.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::gate::Gate;
use super::rollout::{Rollout, Waves};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::glob::Glob;
use crate::ids::{Endpoint, ProjectId, ServerId};
use crate::window::Window;

/// A workflow that passed every check. Only [`parse`](super::parse) makes one.
#[derive(Debug, Clone)]
pub struct Workflow(Definition);

impl Workflow {
    pub(super) fn new(definition: Definition) -> Self {
        Self(definition)
    }
}

impl Definition {
    /// Whether the project's listing is needed to know the targets.
    pub fn selects(&self) -> bool {
        let mut groups = self.groups.iter();
        groups.any(|group| group.select.is_some() || group.exclude.select.is_some())
    }
}

impl Deref for Workflow {
    type Target = Definition;

    fn deref(&self) -> &Definition {
        &self.0
    }
}

/// The content of a [`Workflow`].
#[derive(Debug, Clone)]
pub struct Definition {
    /// The file that it was read from.
    pub source: SourceFile,
    /// SHA-256 of the file's bytes, 64 hex digits.
    pub sha256: String,
    /// Name of the workflow, as used in run IDs and file names.
    pub name: String,
    /// Free text for people.
    pub description: Option<String>,
    /// Free labels, such as a change number.
    pub labels: BTreeMap<String, String>,
    /// The project that owns every target.
    pub project: ProjectId,
    /// The region, if one is given.
    pub region: Option<String>,
    /// Where the calls go: as given, or the region's own.
    pub endpoint: Endpoint,
    /// How the servers are stopped.
    pub stop_type: StopType,
    /// The server groups in file order; at least one, with distinct names.
    pub groups: Vec<Group>,
    /// How the groups are sent.
    pub rollout: Rollout,
    /// When sends are allowed; always, where there is none.
    pub window: Option<Window>,
    /// Limits on what may be planned.
    pub guards: Guards,
    /// How jobs are followed.
    pub jobs: Jobs,
    /// What is read before and after.
    pub checks: Checks,
    /// Requests a minute.
    pub rate: Rate,
    /// Template of a further place for the report.
    pub report: Option<String>,
    /// Findings that do not forbid the workflow.
    pub warnings: Vec<Diagnostic>,
}

/// One server group, `for_each` already unrolled.
#[derive(Debug, Clone)]
pub struct Group {
    /// Unique name.
    pub name: String,
    /// JSON pointer of the group in the file, for [`locate`](super::locate).
    pub origin: String,
    /// The IDs written in the file, in order; server `n` stands at `{origin}/servers/{n}`.
    pub servers: Vec<ServerId>,
    /// The file that lists more.
    pub servers_from: Option<InventoryFile>,
    /// The servers of the project that are more.
    pub select: Option<Select>,
    /// Column by whose values the group becomes several; with `select`, `tag:` and the tag's key.
    pub split_by: Option<String>,
    /// How many targets there must be.
    pub expect: Expect,
    /// Whether a server may lack a name where names are compared: in a `name_column`, or selected.
    pub allow_unnamed: bool,
    /// What is taken out again.
    pub exclude: Exclude,
    /// Most targets in one request.
    pub batch_size: BatchSize,
    /// Batches under way at the same time.
    pub in_flight: InFlight,
    /// How the group is cut into waves.
    pub waves: Waves,
    /// Pause after each of its waves.
    pub soak: Duration,
    /// What is asked before each of its waves, if anything.
    pub gate: Option<Gate>,
}

/// How many targets a group must have; `None` sets no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Fewest targets; `Some(0)` admits an empty group.
    pub min: Option<u32>,
    /// Most targets.
    pub max: Option<u32>,
}

/// What a group leaves out.
#[derive(Debug, Clone, Default)]
pub struct Exclude {
    /// Single IDs.
    pub servers: Vec<ServerId>,
    /// The IDs of a file.
    pub servers_from: Option<InventoryFile>,
    /// The servers of the project that meet these.
    pub select: Option<Select>,
    /// Names of earlier groups whose targets are left out.
    pub groups: Vec<String>,
}

/// Which servers of a project are meant: those that meet every criterion given, at least one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Select {
    /// Pattern for the whole name.
    pub name: Option<Glob>,
    /// Tags, each with its value; empty for a tag without one.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Status in the cloud's own word.
    pub status: Option<String>,
    /// ID of the flavor.
    pub flavor: Option<String>,
    /// Availability zone.
    pub availability_zone: Option<String>,
    /// ID of the enterprise project.
    pub enterprise_project_id: Option<String>,
}

/// A file that lists servers, and how to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryFile {
    /// Path relative to the workflow file.
    pub file: String,
    /// Column or member with the ID; `None` means `id`.
    pub column: Option<String>,
    /// Column or member with the server's name.
    pub name_column: Option<String>,
    /// Rows are used only if each of these columns has this value.
    pub matching: BTreeMap<String, String>,
    /// How many servers the file must give.
    pub expect_count: Option<u32>,
    /// SHA-256 of the file's bytes, 64 hex digits.
    pub sha256: Option<String>,
    /// JSON pointer of `servers_from` in the workflow, for [`locate`](super::locate).
    pub origin: String,
}

/// How the cloud is asked to stop a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StopType {
    /// Power is cut.
    Hard,
    /// Documented as invalid; sent as given.
    Soft,
}

impl StopType {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "HARD",
            Self::Soft => "SOFT",
        }
    }
}

/// A whole number within limits that its type carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Bounded<const LOW: u16, const HIGH: u16>(u16);

impl<const LOW: u16, const HIGH: u16> Bounded<LOW, HIGH> {
    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }

    /// A number that is known to be within the limits.
    pub(super) const fn fixed<const NUMBER: u16>() -> Self {
        const { assert!(LOW <= NUMBER && NUMBER <= HIGH) };
        Self(NUMBER)
    }
}

impl<const LOW: u16, const HIGH: u16> TryFrom<u16> for Bounded<LOW, HIGH> {
    type Error = String;

    fn try_from(number: u16) -> Result<Self, String> {
        if (LOW..=HIGH).contains(&number) {
            Ok(Self(number))
        } else {
            Err(format!("{number} is not between {LOW} and {HIGH}"))
        }
    }
}

impl<const LOW: u16, const HIGH: u16> From<Bounded<LOW, HIGH>> for u16 {
    fn from(number: Bounded<LOW, HIGH>) -> u16 {
        number.0
    }
}

/// Most targets in one request: 1 to 1000.
pub type BatchSize = Bounded<1, 1000>;
/// Batches of a wave that are under way at the same time: 1 to 50.
pub type InFlight = Bounded<1, 50>;

/// A share in whole percents: 1 to 100.
pub type Percent = Bounded<1, 100>;

/// Limits on what may be planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guards {
    /// Most targets that the workflow may have.
    pub max_servers: u32,
    /// Most of the project's servers, in percent, that may be targets.
    pub max_percent: Option<Percent>,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            max_servers: 100,
            max_percent: None,
        }
    }
}

/// How jobs are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Jobs {
    /// How long to wait for a job while polls are answered.
    #[serde(with = "crate::duration")]
    pub timeout: Duration,
    /// How often to ask.
    #[serde(with = "crate::duration")]
    pub poll: Duration,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            timeout: minutes(30),
            poll: Duration::from_secs(10),
        }
    }
}

/// What is read before and after, and what certain states mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Checks {
    /// Read server states before sending.
    pub before: bool,
    /// Read server states after the jobs.
    pub after: bool,
    /// How long a state may lag behind an answer before it counts.
    #[serde(with = "crate::duration")]
    pub grace: Duration,
    /// What to do with a target that is gone, in error or locked.
    pub on_state: OnState,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            before: true,
            after: true,
            grace: minutes(2),
            on_state: OnState::default(),
        }
    }
}

/// What to do with targets in states that forbid a plain stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OnState {
    /// The server does not exist.
    pub missing: FailOrSkip,
    /// The server is in status ERROR.
    pub error: FailSkipOrSend,
    /// The server is locked.
    pub locked: FailOrSkip,
}

/// Count a target as failed, or leave it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailOrSkip {
    /// The outcome is `failed`.
    #[default]
    Fail,
    /// The outcome is `skipped`.
    Skip,
}

/// Count a target as failed, leave it out, or send it all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailSkipOrSend {
    /// The outcome is `failed`.
    #[default]
    Fail,
    /// The outcome is `skipped`.
    Skip,
    /// The target is sent like one that is on.
    Send,
}

/// Most requests in any minute, by kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rate {
    /// Stop requests.
    pub stop: u32,
    /// Job queries.
    pub job: u32,
    /// List pages.
    pub list: u32,
    /// Queries of one server.
    pub show: u32,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            stop: 50,
            job: 2000,
            list: 500,
            show: 1000,
        }
    }
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}
