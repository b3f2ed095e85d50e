//! The plan of a workflow beside what the base branch has approved, for a review before a merge.
//!
//! Owns what a review holds, and its text and JSON; finding the base is the command line's work.
//! Invariant: without an approved plan of the base every server of the plan counts as new.

use std::fmt::Write;
use std::io;

use serde::Serialize;

use super::difference::{Difference, placed};
use super::difference_text;
use super::model::Plan;
use super::words::counted;
use crate::untrusted::{PlainJson, for_terminal};

/// The format that [`Review::write_json`] writes.
const FORMAT: &str = "lightsout/review/v1";

/// A plan compared with the base branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Review<'a> {
    schema: &'static str,
    /// What the base branch has approved.
    pub base: Base<'a>,
    /// Files of the workflow that differ from the base branch.
    pub files: Vec<ChangedFile>,
}

/// What the base branch has approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Base<'a> {
    /// It has neither this file nor a workflow of this name that has moved here.
    Absent,
    /// It has one, but no plan that a run of it would accept.
    Unapproved {
        /// Why, as a sentence without its full stop; untrusted.
        why: String,
    },
    /// It has a workflow and the plan of that workflow.
    Approved {
        /// Where the workflow was, if it has moved; untrusted.
        moved_from: Option<String>,
        /// What changes from that plan.
        difference: Box<Difference<'a>>,
    },
}

/// A file that the workflow is made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ChangedFile {
    /// What it is.
    pub kind: FileKind,
    /// Its path in the work tree; untrusted.
    pub path: String,
    /// What happened to it.
    pub change: FileChange,
}

/// What a file is to a workflow. Protections come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A file of periods without sends.
    FreezeCalendar,
    /// The workflow itself.
    Workflow,
    /// Its committed plan.
    Plan,
    /// Values of its variables.
    Variables,
    /// A list of servers.
    Inventory,
}

impl FileKind {
    /// The kind in words.
    pub fn word(self) -> &'static str {
        match self {
            Self::FreezeCalendar => "freeze calendar",
            Self::Workflow => "workflow",
            Self::Plan => "plan",
            Self::Variables => "variables",
            Self::Inventory => "inventory",
        }
    }
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileChange {
    /// Only the base has it.
    Removed,
    /// Only the pull request has it.
    Added,
    /// Its bytes differ.
    Changed,
}

impl FileChange {
    /// The change in words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Added => "added",
            Self::Changed => "changed",
        }
    }
}

impl<'a> Review<'a> {
    /// A review of these parts.
    pub fn new(base: Base<'a>, mut files: Vec<ChangedFile>) -> Self {
        files.sort();
        Self {
            schema: FORMAT,
            base,
            files,
        }
    }

    /// Whether a reviewer has nothing to look at.
    pub fn is_same(&self) -> bool {
        match &self.base {
            Base::Absent | Base::Unapproved { .. } => false,
            Base::Approved {
                moved_from,
                difference,
            } => {
                let settings = difference.settings.is_empty();
                moved_from.is_none() && difference.same && settings && self.files.is_empty()
            }
        }
    }

    /// The review for a terminal or a log.
    pub fn to_text(&self, plan: &Plan) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_text(&mut out, plan);
        out
    }

    fn write_text(&self, out: &mut String, plan: &Plan) -> std::fmt::Result {
        match &self.base {
            Base::Absent => write_new(out, plan, ABSENT)?,
            Base::Unapproved { why } => write_new(out, plan, &for_terminal(why))?,
            Base::Approved {
                moved_from,
                difference,
            } => {
                if let Some(from) = moved_from {
                    writeln!(out, "moved from {}\n", for_terminal(from))?;
                }
                out.push_str(&difference.to_text());
            }
        }
        if !self.files.is_empty() {
            writeln!(out, "\nfiles")?;
        }
        for file in &self.files {
            let path = for_terminal(&file.path);
            writeln!(out, "  {path}: {} {}", file.kind.word(), file.change.word())?;
        }
        Ok(())
    }

    /// Writes the review as pretty-printed JSON.
    pub fn write_json(&self, mut out: impl io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(PlainJson(&mut out), self)?;
        out.write_all(b"\n")
    }
}

/// Why everything is new where the base has nothing.
pub(super) const ABSENT: &str =
    "the base branch has no workflow at this path, and none of this name has moved here";

/// `all 40 servers newly lose`, before "power".
pub(super) fn new_servers(count: usize) -> String {
    match count {
        1 => "1 server newly loses".to_owned(),
        count => format!("all {} newly lose", counted(count, "server")),
    }
}

fn write_new(out: &mut String, plan: &Plan, why: &str) -> std::fmt::Result {
    let servers: Vec<_> = placed(plan).collect();
    let what = format!("NEW: {} power ({why})", new_servers(servers.len()));
    difference_text::servers(out, &what, &servers)
}
