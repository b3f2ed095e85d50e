//! When a plan may be run by all that is known: its window, the closures that its workflow names, and those of
//! policies.
//!
//! Owns finding and reading the workflow's files of closures. Invariant: a file that cannot be found, read or
//! understood closes the calendar.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::diagnostic::{Diagnostic, SourceFile};
use crate::error::Error;
use crate::freeze::{self, Closure};
use crate::inventory::Folders;
use crate::named_file;
use crate::plan::{FreezeCalendar, Plan};
use crate::policy::Policies;
use crate::window::{Calendar, Keeper, Window};
use crate::workflow::{self, Workflow};

/// A freeze calendar that a workflow names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FreezeFile {
    /// Its name as written.
    pub(super) name: String,
    /// Its path with links resolved, or why there is none, as in "cannot be found".
    pub(super) place: Result<PathBuf, String>,
    /// The content that it must have, if a plan says so.
    pub(super) content: RequiredContent,
}

/// What a freeze calendar must hold to be obeyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RequiredContent {
    /// Anything: it is looked at, and no plan is run.
    Any,
    /// What it held when the plan was made, as its SHA-256; `None` if it could not be read then.
    Planned(Option<String>),
}

impl RequiredContent {
    /// The planned SHA-256, if there is one.
    pub(super) fn planned(&self) -> Option<&str> {
        match self {
            Self::Any => None,
            Self::Planned(sha256) => sha256.as_deref(),
        }
    }
}

/// The freeze calendars that a window names, relative to the file that has the window: a workflow, or a plan
/// that is run by itself.
pub(super) fn freeze_files(window: Option<&Window>, beside: &Path) -> Vec<FreezeFile> {
    let names = window.map(Window::freeze).unwrap_or_default();
    if names.is_empty() {
        return Vec::new();
    }
    let folders = Folders::of(beside).map_err(|error| format!("cannot be looked for: {error}"));
    let place = |name: &String| match &folders {
        Ok(folders) => folders.locate(name),
        Err(why) => Err(why.clone()),
    };
    let found = names.iter().map(|name| FreezeFile {
        name: name.clone(),
        place: place(name),
        content: RequiredContent::Any,
    });
    found.collect()
}

/// The freeze calendars of a plan, which must hold what they held when it was made.
pub(super) fn planned_freeze_files(plan: &Plan, beside: &Path) -> Vec<FreezeFile> {
    let planned = plan.freeze_calendars.iter();
    let files = freeze_files(plan.window.as_ref(), beside).into_iter();
    let files = files.zip(planned).map(|(file, planned)| FreezeFile {
        content: RequiredContent::Planned(planned.sha256.clone()),
        ..file
    });
    files.collect()
}

/// What the freeze calendars of a workflow hold now, for its plan.
pub(super) fn contents(workflow: &Workflow, path: &Path) -> Vec<FreezeCalendar> {
    let files = freeze_files(workflow.window.as_ref(), path).into_iter();
    let calendar = |file: FreezeFile| FreezeCalendar {
        sha256: file.read().ok().map(|text| sha256(&text)),
        file: file.name,
    };
    files.map(calendar).collect()
}

/// Refuses freeze calendars that do not hold what they held when the plan was made.
pub(super) fn check_unchanged(files: &[FreezeFile]) -> Result<(), Error> {
    let changed = |file: &&FreezeFile| matches!(file.planned_text(), Err(Unusable::Changed));
    match files.iter().find(changed) {
        Some(file) => Err(Error::FreezeCalendarChanged(file.name.clone())),
        None => Ok(()),
    }
}

/// The calendar of a window, its files of closures and the policies that apply.
pub(super) fn calendar(
    window: Option<&Window>,
    files: &[FreezeFile],
    policies: &Policies,
) -> Calendar {
    let mut calendar = Calendar::new(window.cloned());
    for file in files {
        match file.closures() {
            Ok(closures) => calendar.close(Keeper::Workflow, &file.name, closures),
            Err(why) => calendar.close_for_lack_of(&file.name, why),
        }
    }
    for (file, closure) in policies.dated() {
        calendar.close(Keeper::Policy, file, [closure.clone()]);
    }
    calendar
}

impl FreezeFile {
    fn read(&self) -> Result<String, Unusable> {
        let place = self.place.as_ref();
        let place = place.map_err(|why| Unusable::Absent(why.clone()))?;
        read_text(place)
    }

    /// The text, if it is the planned one.
    fn planned_text(&self) -> Result<String, Unusable> {
        let text = self.read()?;
        match &self.content {
            RequiredContent::Any => Ok(text),
            RequiredContent::Planned(Some(planned)) if *planned == sha256(&text) => Ok(text),
            RequiredContent::Planned(_) => Err(Unusable::Changed),
        }
    }

    /// The closures, or why the calendar counts as closed.
    fn closures(&self) -> Result<Vec<Closure>, String> {
        let closures = self.planned_text();
        let closures = closures.and_then(|text| parse(&self.name, &text));
        closures.map_err(|unusable| match unusable {
            Unusable::Absent(why) => why,
            Unusable::Changed => "has changed since the plan was made".to_owned(),
            Unusable::Invalid(findings) => {
                let first = findings.first();
                let place = first.and_then(|finding| finding.place.as_ref());
                let place = place.map_or_else(String::new, |place| format!("{place}: "));
                let message = first.map_or("it has errors", |finding| &finding.message);
                format!("is not understood: {place}{message}")
            }
        })
    }
}

/// What there is to say of the files of closures that a workflow names, before any of them closes a night.
pub(super) fn findings(workflow: &Workflow, path: &Path) -> Vec<Diagnostic> {
    let beside = Path::new(workflow.source.name()).parent();
    let beside = beside.unwrap_or(Path::new(""));
    let files = freeze_files(workflow.window.as_ref(), path).into_iter();
    let findings = files.enumerate().flat_map(|(at, file)| {
        let shown = beside.join(&file.name).display().to_string();
        match file.read().and_then(|text| parse(&shown, &text)) {
            Ok(_) | Err(Unusable::Changed) => Vec::new(),
            Err(Unusable::Invalid(findings)) => findings,
            Err(Unusable::Absent(why)) => {
                let message = format!("the freeze file `{}` {why}", file.name);
                let pointer = format!("/window/freeze/{at}");
                let place = workflow::locate(&workflow.source, &pointer);
                let finding = Diagnostic::warning("freeze-unreadable", message).at(place);
                vec![finding.with_hint("while that is so, the window is closed")]
            }
        }
    });
    findings.collect()
}

/// Why the periods of a freeze calendar are not known.
enum Unusable {
    Absent(String),
    /// It does not hold what it held when the plan was made.
    Changed,
    Invalid(Vec<Diagnostic>),
}

fn read_text(place: &Path) -> Result<String, Unusable> {
    let text = named_file::read_text(place);
    text.map_err(|error| Unusable::Absent(format!("cannot be read: {error}")))
}

fn parse(name: &str, text: &str) -> Result<Vec<Closure>, Unusable> {
    freeze::parse(&SourceFile::new(name, text)).map_err(Unusable::Invalid)
}

fn sha256(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
