//! `lightsout plan --base`: what a merge would change, for the comment on a pull request.
//!
//! Owns finding what the base branch has approved, and the files of a workflow. Invariant: whatever cannot be
//! found, read or understood in the base makes every server new, and an error is a comment as well.

use std::fs;
use std::path::{Path, PathBuf};

use super::args::{PlanFlags, PlanFormat};
use super::policies::{self, InForce};
use super::{Invocation, binding, selecting, sources};
use crate::error::Error;
use crate::exit::Exit;
use crate::named_file::{self, Spelled};
use crate::plan::{self, Base, ChangedFile, Changes, Difference, FileChange, FileKind};
use crate::plan::{Judgement, Plan, Review};
use crate::policy::Approval;
use crate::workflow::{Inputs, Workflow};

/// Folders and files of a work tree that are looked through for a workflow of a name.
const MOST_ENTRIES: usize = 200_000;

/// A workflow and the base branch.
struct Site<'a> {
    /// The work tree of the pull request.
    tree: PathBuf,
    /// The workflow in it.
    inside: PathBuf,
    /// A work tree of the base branch.
    base: &'a Path,
}

impl Site<'_> {
    /// The workflow's path in comments.
    fn path(&self) -> String {
        self.inside.to_string_lossy().into_owned()
    }

    /// A message without the folder that the base happens to be in.
    fn in_base(&self, message: &str) -> String {
        message.replace(&format!("{}/", self.base.display()), "base:")
    }
}

/// The path of a workflow in its work tree, as comments show it.
pub(super) fn shown_path(workflow: &Path) -> String {
    let inside = named_file::spelled(workflow).map(|spelled| spelled.inside);
    let inside = inside.unwrap_or_else(|_| workflow.to_owned());
    inside.to_string_lossy().into_owned()
}

pub(super) fn review(
    invocation: &Invocation<'_>,
    flags: &PlanFlags,
    base: &Path,
) -> Result<Exit, Error> {
    let unreadable = |error| Error::Unreadable(flags.file.clone(), error);
    let Spelled { tree, inside } = named_file::spelled(&flags.file).map_err(unreadable)?;
    let site = Site { tree, inside, base };
    let reviewed = match is_there(&site.tree, &site.inside) {
        false if is_there(base, &site.inside) => return removed(invocation, flags, &site),
        true | false => readable(base).and_then(|()| made(invocation, flags)),
    };
    let (made, judgement, in_force) = match reviewed {
        Ok(reviewed) => reviewed,
        Err(error) => {
            show_failure(invocation, flags, &site, &error)?;
            return Err(error);
        }
    };
    let (plan, workflow) = &made;
    let old = approved(invocation, flags, &site, &plan.workflow.name);
    let review = Review::new(
        of_base(&old, plan),
        changed_files(&site, flags, workflow, &old),
    );
    show(invocation, flags, (plan, &judgement), (&site, &review))?;
    in_force?;
    policies::refuse(&judgement)?;
    Ok(exit(flags, review.is_same()))
}

/// A folder that cannot be read must not pass for a base without workflows.
fn readable(base: &Path) -> Result<(), Error> {
    let read = fs::read_dir(base).map(|_| ());
    read.map_err(|error| Error::Unreadable(base.to_owned(), error))
}

fn exit(flags: &PlanFlags, is_same: bool) -> Exit {
    match is_same {
        false if flags.exit_code => Exit::PlansDiffer,
        true | false => Exit::Success,
    }
}

type Reviewed = ((Plan, Workflow), Judgement, Result<InForce, Error>);

fn made(invocation: &Invocation<'_>, flags: &PlanFlags) -> Result<Reviewed, Error> {
    let inputs = sources::inputs(invocation, &flags.variables)?;
    let workflow = sources::workflow(&flags.file, &inputs)?;
    let source = super::plan::source(flags);
    let made = selecting::plan_of(invocation, &flags.file, &inputs, source)?;
    let in_force = InForce::read(invocation, Approval::Open);
    let judgement = match &in_force {
        Ok(in_force) => in_force.judge(&made.plan),
        Err(_) => Judgement::of(&made.plan),
    };
    Ok(((made.plan, workflow), judgement, in_force))
}

fn show(
    invocation: &Invocation<'_>,
    flags: &PlanFlags,
    (plan, judgement): (&Plan, &Judgement),
    (site, review): (&Site<'_>, &Review<'_>),
) -> Result<(), Error> {
    let changes = Changes::Base(review);
    let printed = invocation.printer.data(|out| match flags.format {
        PlanFormat::Text => out.write_all(review.to_text(plan).as_bytes()),
        PlanFormat::Json => review.write_json(out),
        PlanFormat::Md => {
            let comment = plan::to_markdown(plan, &site.path(), &changes, judgement);
            out.write_all(comment.as_bytes())
        }
    });
    printed.map_err(Error::Stdout)
}

/// The comment on a workflow that yields no plan; other formats show nothing.
fn show_failure(
    invocation: &Invocation<'_>,
    flags: &PlanFlags,
    site: &Site<'_>,
    error: &Error,
) -> Result<(), Error> {
    if flags.format != PlanFormat::Md {
        return Ok(());
    }
    let mut reasons = Vec::new();
    if let Error::Findings(_, findings) = error {
        reasons.extend(findings.iter().map(|finding| match &finding.place {
            Some(place) => format!("{place}: {}", finding.message),
            None => finding.message.clone(),
        }));
    }
    reasons.push(error.message());
    reasons.extend(error.hint().map(|hint| format!("hint: {hint}")));
    let comment = plan::failure_comment(&site.path(), error.exit().code(), &reasons);
    let printed = invocation
        .printer
        .data(|out| out.write_all(comment.as_bytes()));
    printed.map_err(Error::Stdout)
}

/// Shows that only the base branch has the workflow.
fn removed(invocation: &Invocation<'_>, flags: &PlanFlags, site: &Site<'_>) -> Result<Exit, Error> {
    let old = binding::load(&binding::place(&site.base.join(&site.inside))).ok();
    let namesakes = old
        .as_ref()
        .map(|old| workflows_named(&site.tree, &old.workflow.name));
    let moved_to = namesakes.unwrap_or_default().into_iter().next();
    let moved_to = moved_to.map(|path| path.to_string_lossy().into_owned());
    let plan = binding::place(&site.inside);
    let left = is_there(&site.tree, &plan).then(|| plan.to_string_lossy().into_owned());
    let comment = plan::removal_comment(
        &site.path(),
        old.as_ref(),
        moved_to.as_deref(),
        left.as_deref(),
    );
    let document = serde_json::json!({"schema": "lightsout/review/v1", "removed": site.path()});
    match flags.format {
        PlanFormat::Json => super::print_json(&invocation.printer, &document)?,
        PlanFormat::Text => {
            let line = format!(
                "removed: {}\n",
                crate::untrusted::for_terminal(&site.path())
            );
            super::print(&invocation.printer, line.as_bytes())?
        }
        PlanFormat::Md => super::print(&invocation.printer, comment.as_bytes())?,
    };
    Ok(exit(flags, false))
}

/// What was found in the base branch.
enum Old {
    Absent,
    Unapproved(String),
    Approved {
        plan: Box<Plan>,
        moved_from: Option<PathBuf>,
    },
}

fn of_base<'a>(old: &'a Old, new: &'a Plan) -> Base<'a> {
    match old {
        Old::Absent => Base::Absent,
        Old::Unapproved(why) => Base::Unapproved { why: why.clone() },
        Old::Approved { plan, moved_from } => Base::Approved {
            moved_from: moved_from
                .as_ref()
                .map(|path| path.to_string_lossy().into_owned()),
            difference: Box::new(Difference::between(plan, new)),
        },
    }
}

/// The plan that a run of the base branch would accept, of the workflow at this path or the one that has moved here.
fn approved(invocation: &Invocation<'_>, flags: &PlanFlags, site: &Site<'_>, name: &str) -> Old {
    let beside = binding::place(&site.inside);
    if is_there(site.base, &site.inside) {
        return approved_at(invocation, flags, site, (&site.inside, None));
    }
    if is_there(site.base, &beside) {
        let why = "the base branch has the plan, and not its workflow";
        return Old::Unapproved(why.to_owned());
    }
    let mut moved = workflows_named(site.base, name);
    // One that is still there has not moved: this workflow is a second one.
    moved.retain(|path| !is_there(&site.tree, path));
    match moved.as_slice() {
        [] => Old::Absent,
        [one] => approved_at(invocation, flags, site, (one, Some(one.clone()))),
        _ => Old::Unapproved("several workflows of the base branch have this name".to_owned()),
    }
}

fn approved_at(
    invocation: &Invocation<'_>,
    flags: &PlanFlags,
    site: &Site<'_>,
    (inside, moved_from): (&Path, Option<PathBuf>),
) -> Old {
    let file = site.base.join(inside);
    if named_file::has_link(site.base, &binding::place(inside)) {
        return Old::Unapproved("the plan of the base branch is behind a link".to_owned());
    }
    let plan = match binding::committed(&file) {
        Ok(plan) => plan,
        Err(error) => {
            let why = site.in_base(&error.message());
            return Old::Unapproved(format!(
                "the base branch has no plan that can be used: {why}"
            ));
        }
    };
    let made =
        base_inputs(invocation, flags, site).and_then(|inputs| selecting::offline(&file, &inputs));
    match made {
        Ok((made, _)) if made.digest == plan.digest => Old::Approved {
            plan: Box::new(plan),
            moved_from,
        },
        Ok(_) => Old::Unapproved(
            "the plan of the base branch is not that of the workflow of the base branch".to_owned(),
        ),
        Err(error) => {
            let why = site.in_base(&error.message());
            Old::Unapproved(format!(
                "the workflow of the base branch yields no plan: {why}"
            ))
        }
    }
}

/// The same variables, with their files as the base branch has them.
fn base_inputs(
    invocation: &Invocation<'_>,
    flags: &PlanFlags,
    site: &Site<'_>,
) -> Result<Inputs, Error> {
    let mut variables = flags.variables.clone();
    for file in &mut variables.vars_file {
        if let Some(inside) = inside_tree(site, file) {
            *file = site.base.join(inside);
        }
    }
    sources::inputs(invocation, &variables)
}

/// A path in the work tree of the pull request, if it is one.
fn inside_tree(site: &Site<'_>, file: &Path) -> Option<PathBuf> {
    let spelled = named_file::spelled(file).ok()?;
    (spelled.tree == site.tree).then_some(spelled.inside)
}

/// Everything that the workflow is made of and that the base branch has otherwise.
fn changed_files(
    site: &Site<'_>,
    flags: &PlanFlags,
    workflow: &Workflow,
    old: &Old,
) -> Vec<ChangedFile> {
    if matches!(old, Old::Absent) {
        return Vec::new();
    }
    let mut files = files_of(&site.inside, workflow);
    let variables = flags.variables.vars_file.iter();
    let variables = variables.filter_map(|file| inside_tree(site, file));
    files.extend(variables.map(|path| (FileKind::Variables, path)));
    files.sort();
    files.dedup();
    let changed = files.into_iter().filter_map(|(kind, path)| {
        let change = match (content(&site.tree, &path), content(site.base, &path)) {
            (Some(new), Some(old)) if new == old => return None,
            (Some(_), Some(_)) => FileChange::Changed,
            (Some(_), None) => FileChange::Added,
            (None, Some(_)) => FileChange::Removed,
            (None, None) => return None,
        };
        let path = path.to_string_lossy().into_owned();
        Some(ChangedFile { kind, path, change })
    });
    changed.collect()
}

/// The files of a workflow, by their paths in the work tree; `inside` is that of the workflow.
pub(super) fn files_of(inside: &Path, workflow: &Workflow) -> Vec<(FileKind, PathBuf)> {
    let folder = inside.parent().unwrap_or(Path::new(""));
    // A path that begins above the work tree is refused where it is read.
    let place = |path: &str| named_file::without_dots(&folder.join(path));
    let mut files = vec![
        (FileKind::Workflow, inside.to_owned()),
        (FileKind::Plan, binding::place(inside)),
    ];
    for group in &workflow.groups {
        let lists = [&group.servers_from, &group.exclude.servers_from];
        let lists = lists.into_iter().flatten();
        files.extend(lists.map(|list| (FileKind::Inventory, place(&list.file))));
    }
    let calendars = workflow.window.iter().flat_map(|window| window.freeze());
    files.extend(calendars.map(|file| (FileKind::FreezeCalendar, place(file))));
    files
}

fn content(tree: &Path, inside: &Path) -> Option<Vec<u8>> {
    let located = named_file::locate(&tree.join(inside)).ok()?;
    named_file::read(&located.file).ok()
}

fn is_there(tree: &Path, inside: &Path) -> bool {
    tree.join(inside).symlink_metadata().is_ok()
}

/// The workflows in a work tree whose committed plan has this name.
fn workflows_named(tree: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    let mut entries = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(tree.join(&folder))
            .into_iter()
            .flatten()
            .flatten()
        {
            entries += 1;
            if entries > MOST_ENTRIES {
                return found;
            }
            let path = folder.join(entry.file_name());
            let kind = entry.file_type();
            if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) && !named_file::is_gits(&path) {
                folders.push(path);
            } else if kind.is_ok_and(|kind| kind.is_file()) {
                found.extend(workflow_of(tree, &path, name));
            }
        }
    }
    found.sort();
    found
}

/// The workflow beside a plan, if the plan has this name.
fn workflow_of(tree: &Path, plan: &Path, name: &str) -> Option<PathBuf> {
    let stem = plan.to_str()?.strip_suffix(".plan.json")?;
    let mut workflows = ["yaml", "yml"]
        .map(|end| PathBuf::from(format!("{stem}.{end}")))
        .into_iter();
    let workflow = workflows.find(|workflow| is_there(tree, workflow))?;
    let loaded = binding::load(&tree.join(plan)).ok()?;
    (loaded.workflow.name == name).then_some(workflow)
}
