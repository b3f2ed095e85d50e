//! What was read of the project for the rules that need it.
//!
//! Owns how servers as the cloud gives them become names and tags that rules can be held against.
//! Invariant: what the cloud did not tell is not taken for empty.

use std::collections::HashMap;

use crate::bms::ServerDetail;
use crate::ids::ServerId;
use crate::inventory::Survey;

/// The project's servers, read before the first send.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    listed: usize,
    seen: HashMap<ServerId, Seen>,
}

/// What one server showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its name, if it was told.
    pub(super) name: Option<String>,
    /// Its tags, if they were told.
    pub(super) tags: Option<Vec<String>>,
}

impl Reading {
    /// What a pass over the whole listing showed, and single reads of targets that it did not show whole.
    pub fn new(survey: Survey, singles: Vec<ServerDetail>) -> Self {
        let listed = survey.servers().len();
        let all = survey.into_servers().into_iter().chain(singles);
        let seen = all.map(|server| (server.id, Seen::of(server)));
        let seen = seen.collect();
        Self { listed, seen }
    }

    /// A reading that unit tests make up.
    #[cfg(test)]
    pub(super) fn for_tests(listed: usize, seen: HashMap<ServerId, Seen>) -> Self {
        Self { listed, seen }
    }

    /// How many servers the project has.
    pub(super) fn listed(&self) -> usize {
        self.listed
    }

    /// What a server showed, if it was there.
    pub(super) fn of(&self, server: ServerId) -> Option<&Seen> {
        self.seen.get(&server)
    }
}

impl Seen {
    fn of(server: ServerDetail) -> Self {
        Self {
            name: (!server.name.is_empty()).then_some(server.name),
            tags: server.tags,
        }
    }
}
