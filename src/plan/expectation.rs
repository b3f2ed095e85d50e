//! What a workflow states about its inputs, as a plan keeps it.
//!
//! Owns the written form of `expect`, `expect_count`, `sha256` and `allow_unnamed` of each group, and of the
//! contents of freeze calendars. They are protections: taking one away changes the digest. Invariant: every
//! group of the workflow has exactly one entry, with its defaults filled in.

use serde::{Deserialize, Serialize};

use crate::workflow::{Expect, Group, InventoryFile};

/// What a group of the workflow states about its servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Name of the group before it is split.
    pub group: String,
    /// Whether servers without a name are accepted where names are compared.
    pub allow_unnamed: bool,
    /// How many targets it must have.
    pub targets: Expect,
    /// The files that list its servers, and those that it excludes.
    pub inventories: Vec<ExpectedInventory>,
}

/// What a group states about one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedInventory {
    /// The key of the group that names the file: `servers_from` or `exclude.servers_from`.
    pub key: InventoryKey,
    /// Path as the workflow writes it.
    pub file: String,
    /// How many servers it must list.
    pub expect_count: Option<u32>,
    /// SHA-256 that its bytes must have, 64 hex digits.
    pub sha256: Option<String>,
}

/// Which key of a group names a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InventoryKey {
    /// The file lists servers of the group.
    #[serde(rename = "servers_from")]
    Servers,
    /// The file lists servers that the group leaves out.
    #[serde(rename = "exclude.servers_from")]
    Exclude,
}

impl InventoryKey {
    /// The key as the workflow writes it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Servers => "servers_from",
            Self::Exclude => "exclude.servers_from",
        }
    }
}

/// A freeze calendar of the window, and what it held when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeCalendar {
    /// Path as the workflow writes it.
    pub file: String,
    /// SHA-256 of its bytes, 64 hex digits; `None` if it could not be read.
    pub sha256: Option<String>,
}

impl Expectation {
    /// What `group` states.
    pub(super) fn from_group(group: &Group) -> Self {
        let servers = group.servers_from.iter();
        let excluded = group.exclude.servers_from.iter();
        let servers = servers.map(|file| ExpectedInventory::new(InventoryKey::Servers, file));
        let excluded = excluded.map(|file| ExpectedInventory::new(InventoryKey::Exclude, file));
        Self {
            group: group.name.clone(),
            allow_unnamed: group.allow_unnamed,
            targets: group.expect,
            inventories: servers.chain(excluded).collect(),
        }
    }
}

impl ExpectedInventory {
    fn new(key: InventoryKey, inventory: &InventoryFile) -> Self {
        Self {
            key,
            file: inventory.file.clone(),
            expect_count: inventory.expect_count,
            sha256: inventory.sha256.clone(),
        }
    }
}
