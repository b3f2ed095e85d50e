//! What was read of the project for the rules that need it.
//!
//! Owns how servers as the cloud gives them become names and tags that rules can be held against.
//! Invariant: what the API did not report is not taken for empty, and every name and tag that any row showed
//! for a server counts.

use std::collections::HashMap;

use crate::bms::{ServerDetail, Tags};
use crate::ids::ServerId;
use crate::inventory::Survey;

/// The project's servers, read before the first send.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    listed: usize,
    seen: HashMap<ServerId, Seen>,
}

/// What one server showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its names; none if none could be read.
    pub(super) names: Vec<String>,
    /// Its tags.
    pub(super) tags: SeenTags,
}

/// The tags that a server showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SeenTags {
    /// These, of which there may be none.
    Known(Vec<String>),
    /// These, and more of them may be hidden by a row that cannot be read.
    Partial(Vec<String>),
    /// The API reports them as null.
    Null,
    /// The API does not report them.
    Absent,
    /// They are no list of texts.
    Unreadable,
}

impl Reading {
    /// What passes over the whole listing showed, and single reads of targets that it did not show whole.
    pub fn new(survey: Survey, singles: Vec<ServerDetail>) -> Self {
        let listed = survey.count();
        let mut seen: HashMap<ServerId, Seen> = survey
            .into_servers()
            .into_iter()
            .map(|server| (server.id, Seen::of(server)))
            .collect();
        for single in singles {
            let id = single.id;
            let shown = Seen::of(single);
            match seen.remove(&id) {
                Some(listed) => seen.insert(id, listed.and(shown)),
                None => seen.insert(id, shown),
            };
        }
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
            names: server.names().map(str::to_owned).collect(),
            tags: match server.tags {
                Tags::Listed(tags) | Tags::Conflicting(tags) => SeenTags::Known(tags),
                Tags::Partial(tags) => SeenTags::Partial(tags),
                Tags::Null => SeenTags::Null,
                Tags::Absent => SeenTags::Absent,
                Tags::Unreadable => SeenTags::Unreadable,
            },
        }
    }

    /// What the listing showed, with what the server showed by itself.
    fn and(mut self, single: Self) -> Self {
        for name in single.names {
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
        self.tags = self.tags.and(single.tags);
        self
    }
}

impl SeenTags {
    /// Known tags count, whichever reading showed them. Tags that cannot be read never count as none.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Known(mut tags), Self::Known(more) | Self::Partial(more))
            | (Self::Partial(mut tags), Self::Known(more)) => {
                tags.extend(more);
                tags.sort_unstable();
                tags.dedup();
                Self::Known(tags)
            }
            (Self::Partial(mut tags), Self::Partial(more)) => {
                tags.extend(more);
                tags.sort_unstable();
                tags.dedup();
                Self::Partial(tags)
            }
            (Self::Known(tags), _) | (_, Self::Known(tags)) => Self::Known(tags),
            (Self::Partial(tags), _) | (_, Self::Partial(tags)) => Self::Partial(tags),
            (Self::Unreadable, _) | (_, Self::Unreadable) => Self::Unreadable,
            (Self::Null, _) | (_, Self::Null) => Self::Null,
            (Self::Absent, Self::Absent) => Self::Absent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn known(tags: &[&str]) -> SeenTags {
        SeenTags::Known(tags.iter().map(|tag| (*tag).to_owned()).collect())
    }

    #[rstest]
    #[case(known(&["b"]), known(&["a"]), known(&["a", "b"]))]
    #[case(SeenTags::Null, known(&["a"]), known(&["a"]))]
    #[case(known(&["a"]), SeenTags::Unreadable, known(&["a"]))]
    #[case(SeenTags::Partial(vec!["a".to_owned()]), known(&[]), known(&["a"]))]
    #[case(
        SeenTags::Partial(Vec::new()),
        SeenTags::Unreadable,
        SeenTags::Partial(Vec::new())
    )]
    #[case(SeenTags::Unreadable, SeenTags::Absent, SeenTags::Unreadable)]
    #[case(SeenTags::Absent, SeenTags::Null, SeenTags::Null)]
    #[case(SeenTags::Absent, SeenTags::Absent, SeenTags::Absent)]
    fn tags_of_the_listing_and_of_the_server_count(
        #[case] listed: SeenTags,
        #[case] single: SeenTags,
        #[case] expected: SeenTags,
    ) {
        assert_eq!(listed.and(single), expected);
    }
}
