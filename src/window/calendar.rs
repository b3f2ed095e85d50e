//! A window together with the closures that a workflow and its policies name.
//!
//! Owns whether a moment is open by all of them, why not, and when that changes; reading the files is for
//! others. Invariant: where it is not known what a file of closures says, no moment is open.

use std::fmt;

use jiff::Timestamp;

use super::{Occurrence, Standing, Window};
use crate::freeze::{Closure, closed_at, closes_after};

/// All that is known of when sends are allowed.
#[derive(Debug, Clone, Default)]
pub struct Calendar {
    window: Option<Window>,
    dated: Vec<Dated>,
    unread: Vec<Unread>,
}

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// The workflow names it.
    Workflow,
    /// A policy names it.
    Policy,
}

/// A closure, and the file that it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    /// The file's name; untrusted.
    pub file: String,
    /// Whose it is.
    pub keeper: Keeper,
    /// The closure; its reason is untrusted.
    pub closure: Closure,
}

/// A file of the workflow of which nobody can tell what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The file's name as the workflow has it; untrusted.
    pub file: String,
    /// Why, as in "cannot be found".
    pub why: String,
}

/// What a calendar says of a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explanation<'a> {
    /// A run may begin.
    Open {
        /// The occurrence of the window, if there is a window.
        occurrence: Option<Occurrence>,
        /// What ends that first, if anything does.
        until: Option<End<'a>>,
    },
    /// It may not.
    Closed {
        /// Everything that keeps it from that; at least one.
        why: Vec<Closed<'a>>,
        /// When a run may begin again, if that is known and ever comes.
        opens: Option<Timestamp>,
    },
}

/// What ends the time in which a run may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End<'a> {
    /// The cutoff of the occurrence.
    Cutoff(Occurrence),
    /// A closure that begins.
    Closure(&'a Dated),
}

/// What keeps a run from beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed<'a> {
    /// No occurrence of the window contains the moment.
    Outside,
    /// The occurrence is not over, but its cutoff is reached.
    PastCutoff(Occurrence),
    /// A closure contains the moment.
    Frozen(&'a Dated),
    /// It is not known what a file of closures says.
    Unread(&'a Unread),
}

impl End<'_> {
    /// The first moment at which nothing is sent any more.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Cutoff(occurrence) => occurrence.cutoff,
            Self::Closure(dated) => dated.closure.from,
        }
    }
}

impl fmt::Display for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Workflow => "the workflow",
            Self::Policy => "a policy",
        })
    }
}

/// As a fragment that says what is the matter; what is from outside is not escaped.
impl fmt::Display for Closed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside => f.write_str("the window is not open"),
            Self::PastCutoff(_) => f.write_str(
                "the window's cutoff is reached: nothing is sent any more before its end",
            ),
            Self::Frozen(Dated {
                file,
                keeper,
                closure,
            }) => {
                write!(f, "`{file}` of {keeper} forbids it: {}", closure.reason)
            }
            Self::Unread(Unread { file, why }) => {
                write!(
                    f,
                    "`{file}` of the workflow, which says when nothing may be sent, {why}"
                )
            }
        }
    }
}

impl Calendar {
    /// A calendar of this window, without closures.
    pub fn new(window: Option<Window>) -> Self {
        Self {
            window,
            ..Self::default()
        }
    }

    /// Adds what a file of closures says.
    pub fn close(
        &mut self,
        keeper: Keeper,
        file: &str,
        closures: impl IntoIterator<Item = Closure>,
    ) {
        let dated = closures.into_iter().map(|closure| Dated {
            file: file.to_owned(),
            keeper,
            closure,
        });
        self.dated.extend(dated);
    }

    /// Adds a file of the workflow of which nobody can tell what it says.
    pub fn close_for_lack_of(&mut self, file: &str, why: String) {
        let file = file.to_owned();
        self.unread.push(Unread { file, why });
    }

    /// The window, if there is one.
    pub fn window(&self) -> Option<&Window> {
        self.window.as_ref()
    }

    /// Whether there is a file of which nobody can tell what it says.
    pub fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// What the calendar says of a moment.
    pub fn explain(&self, moment: Timestamp) -> Explanation<'_> {
        let standing = self.window.as_ref().map(|it| it.standing(moment));
        let (occurrence, shut) = match standing {
            None => (None, None),
            Some(Standing::Open(occurrence)) => (Some(occurrence), None),
            Some(Standing::PastCutoff { occurrence, .. }) => {
                (None, Some(Closed::PastCutoff(occurrence)))
            }
            Some(Standing::Outside(_)) => (None, Some(Closed::Outside)),
        };
        let unread = self.unread.iter().map(Closed::Unread);
        let frozen = self.frozen_at(moment).map(Closed::Frozen);
        let why: Vec<Closed<'_>> = unread.chain(frozen).chain(shut).collect();
        if why.is_empty() {
            let closure = self.next_closure(moment).map(End::Closure);
            let ends = occurrence.map(End::Cutoff).into_iter().chain(closure);
            let until = ends.min_by_key(End::at);
            return Explanation::Open { occurrence, until };
        }
        let opens = self.opens_after(moment);
        Explanation::Closed { why, opens }
    }

    /// The occurrence of the window that contains a moment and is not past its cutoff.
    pub fn occurrence_at(&self, moment: Timestamp) -> Option<Occurrence> {
        match self.window.as_ref()?.standing(moment) {
            Standing::Open(occurrence) => Some(occurrence),
            Standing::PastCutoff { .. } | Standing::Outside(_) => None,
        }
    }

    /// Of the closures that contain a moment, the one that ends last.
    pub fn frozen_at(&self, moment: Timestamp) -> Option<&Dated> {
        let closed = closed_at(self.closures(), moment)?;
        self.dated.iter().find(|dated| dated.closure == *closed)
    }

    /// The first closure that begins after a moment.
    pub fn next_closure(&self, moment: Timestamp) -> Option<&Dated> {
        let begins = closes_after(self.closures(), moment)?;
        self.dated.iter().find(|dated| dated.closure.from == begins)
    }

    /// The first moment, not before the given one, at which a run may begin; `None` where that is not known
    /// or never comes.
    pub fn opens_after(&self, moment: Timestamp) -> Option<Timestamp> {
        if !self.unread.is_empty() {
            return None;
        }
        let mut moment = moment;
        // Each closure is left behind for good, and the window moves on to its next opening in between.
        for _ in 0..=2 * self.dated.len() + 1 {
            let shut = match self.window.as_ref().map(|it| it.standing(moment)) {
                None | Some(Standing::Open(_)) => None,
                Some(Standing::PastCutoff { next, .. } | Standing::Outside(next)) => {
                    Some(next?.opens)
                }
            };
            let frozen = self.frozen_at(moment).map(|dated| dated.closure.to);
            match shut.into_iter().chain(frozen).max() {
                None => return Some(moment),
                Some(later) => moment = later,
            }
        }
        None
    }

    /// The closures that have something of an occurrence, in the order in which they begin.
    pub fn closures_in(&self, occurrence: &Occurrence) -> Vec<&Dated> {
        let within = |dated: &&Dated| {
            dated.closure.from < occurrence.cutoff && occurrence.opens < dated.closure.to
        };
        let mut found: Vec<&Dated> = self.dated.iter().filter(within).collect();
        found.sort_by_key(|dated| dated.closure.from);
        found
    }

    fn closures(&self) -> impl Iterator<Item = &Closure> {
        self.dated.iter().map(|dated| &dated.closure)
    }
}
