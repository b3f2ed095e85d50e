//! When a plan may be run by all that is known: its window, the closures that its workflow names, and those of
//! policies.
//!
//! Owns finding and reading the workflow's files of closures. Invariant: a file that cannot be found, read or
//! understood closes the calendar.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, SourceFile};
use crate::freeze::{self, Closure};
use crate::inventory::Folders;
use crate::named_file;
use crate::policy::Policies;
use crate::window::{Calendar, Keeper, Window};
use crate::workflow::{self, Workflow};

/// A file of closures that a workflow names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FreezeFile {
    /// Its name as written.
    pub(super) name: String,
    /// Where it is, with links resolved, or why it is nowhere, as in "cannot be found".
    pub(super) place: Result<PathBuf, String>,
}

/// The files of closures that a window names, relative to the file that has the window: a workflow, or a plan
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
    });
    found.collect()
}

/// The calendar of a window, its files of closures and the policies that apply.
pub(super) fn calendar(
    window: Option<&Window>,
    files: &[FreezeFile],
    policies: &Policies,
) -> Calendar {
    let mut calendar = Calendar::new(window.cloned());
    for file in files {
        match file
            .place
            .clone()
            .and_then(|place| read(&file.name, &place))
        {
            Ok(closures) => calendar.close(Keeper::Workflow, &file.name, closures),
            Err(why) => calendar.close_for_lack_of(&file.name, why),
        }
    }
    for (file, closure) in policies.dated() {
        calendar.close(Keeper::Policy, file, [closure.clone()]);
    }
    calendar
}

/// What there is to say of the files of closures that a workflow names, before any of them closes a night.
pub(super) fn findings(workflow: &Workflow, path: &Path) -> Vec<Diagnostic> {
    let beside = Path::new(workflow.source.name()).parent();
    let beside = beside.unwrap_or(Path::new(""));
    let files = freeze_files(workflow.window.as_ref(), path).into_iter();
    let findings = files.enumerate().flat_map(|(at, file)| {
        let shown = beside.join(&file.name).display().to_string();
        let read = file.place.map_err(Unusable::Absent);
        match read.and_then(|place| read_closures(&shown, &place)) {
            Ok(_) => Vec::new(),
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

/// Why nobody can tell what a file of closures says.
enum Unusable {
    Absent(String),
    Invalid(Vec<Diagnostic>),
}

fn read_closures(name: &str, place: &Path) -> Result<Vec<Closure>, Unusable> {
    let text = named_file::read_text(place);
    let text = text.map_err(|error| Unusable::Absent(format!("cannot be read: {error}")))?;
    freeze::parse(&SourceFile::new(name, &text)).map_err(Unusable::Invalid)
}

fn read(name: &str, place: &Path) -> Result<Vec<Closure>, String> {
    read_closures(name, place).map_err(|unusable| match unusable {
        Unusable::Absent(why) => why,
        Unusable::Invalid(findings) => {
            let first = findings.first();
            let place = first.and_then(|finding| finding.place.as_ref());
            let place = place.map_or_else(String::new, |place| format!("{place}: "));
            let message = first.map_or("it has errors", |finding| &finding.message);
            format!("is not understood: {place}{message}")
        }
    })
}
