//! The plan that was reviewed, beside its workflow, and what differs from it.
//!
//! Owns where the committed plan is kept and the comparisons that `plan --check`, `plan --against` and
//! `run --locked` make. Invariant: a committed plan that was changed by hand is refused, not compared.

use std::path::{Path, PathBuf};

use super::args::{PlanFlags, PlanFormat};
use super::{Invocation, review, sources};
use crate::diagnostic::SourceFile;
use crate::error::Error;
use crate::exit::Exit;
use crate::named_file::{self, Spelled};
use crate::plan::{self, Changes, Difference, Judgement, Plan};

/// Where the committed plan of a workflow is: `weekly-stop.yaml` → `weekly-stop.plan.json`.
pub(super) fn place(workflow: &Path) -> PathBuf {
    workflow.with_extension("plan.json")
}

/// The committed plan of a workflow. A link on the path to it could be pointed elsewhere by a change that shows no
/// plan to a reviewer, so it is refused.
pub(super) fn committed(workflow: &Path) -> Result<Plan, Error> {
    let source = committed_text(workflow)?;
    parse(&place(workflow), &source)
}

fn committed_text(workflow: &Path) -> Result<SourceFile, Error> {
    let path = place(workflow);
    if path.symlink_metadata().is_err() {
        return Err(Error::NoCommittedPlan(path));
    }
    match named_file::spelled(&path) {
        Ok(Spelled { tree, inside }) if named_file::has_link(&tree, &inside) => {
            Err(Error::LinkedPlan(path))
        }
        Ok(_) => sources::read(&path),
        Err(error) => Err(Error::Unreadable(path, error)),
    }
}

/// Refuses to write a plan over a file that holds something else, such as the workflow.
pub(super) fn check_replaceable(path: &Path) -> Result<(), Error> {
    let Ok(found) = path.symlink_metadata() else {
        return Ok(());
    };
    // Also a plan that was damaged, by a merge for example, may be made anew.
    let is_plan = |text: &str| text.is_empty() || text.contains(plan::FORMAT);
    if !found.is_dir() && sources::read(path).is_ok_and(|source| is_plan(source.text())) {
        return Ok(());
    }
    Err(Error::NotAPlan(path.to_owned()))
}

/// The plan in a file.
pub(super) fn load(path: &Path) -> Result<Plan, Error> {
    parse(path, &sources::read(path)?)
}

fn parse(path: &Path, source: &SourceFile) -> Result<Plan, Error> {
    plan::load(source.text()).map_err(|error| Error::Plan(path.to_owned(), error))
}

/// Compares the committed plan byte by byte with what `--write` would write now, and shows what differs.
pub(super) fn check(
    invocation: &Invocation<'_>,
    new: (&Plan, &Judgement),
    flags: &PlanFlags,
) -> Result<Exit, Error> {
    let source = committed_text(&flags.file)?;
    let path = place(&flags.file);
    let committed = parse(&path, &source)?;
    let compared = compare(invocation, &committed, new, flags)?;
    let mut written = Vec::new();
    plan::write_json(new.0, &mut written).map_err(Error::Stdout)?;
    if source.parts().concat() == written {
        return Ok(Exit::Success);
    }
    if compared == Exit::Success {
        let path = path.display();
        invocation.printer.problem(format!(
            "`{path}` holds the same plan in other bytes, such as other line ends: `--write` would change it"
        ));
    }
    Ok(Exit::PlansDiffer)
}

/// Shows what differs from an older plan; exit code 10 if any member does.
pub(super) fn compare(
    invocation: &Invocation<'_>,
    old: &Plan,
    (new, judgement): (&Plan, &Judgement),
    flags: &PlanFlags,
) -> Result<Exit, Error> {
    let difference = Difference::between(old, new);
    let printed = invocation.printer.data(|out| match flags.format {
        PlanFormat::Text => out.write_all(difference.to_text().as_bytes()),
        PlanFormat::Json => difference.write_json(out),
        PlanFormat::Md => {
            let (path, changes) = (
                review::shown_path(&flags.file),
                Changes::Against(&difference),
            );
            out.write_all(plan::to_markdown(new, &path, &changes, judgement).as_bytes())
        }
    });
    printed.map_err(Error::Stdout)?;
    Ok(match difference.identical {
        true => Exit::Success,
        false => Exit::PlansDiffer,
    })
}

/// Refuses a plan that is not the committed one of its workflow; tells what differs.
pub(super) fn require(
    invocation: &Invocation<'_>,
    workflow: &Path,
    plan: &Plan,
) -> Result<(), Error> {
    let committed = committed(workflow)?;
    let asks_the_same = committed.asked().eq(plan.asked());
    if committed.digest == plan.digest && asks_the_same {
        return Ok(());
    }
    let difference = Difference::between(&committed, plan);
    invocation.printer.problem(difference.to_text().trim_end());
    if !asks_the_same {
        return Err(Error::OtherSelection(place(workflow)));
    }
    Err(Error::NotCommitted {
        path: place(workflow),
        committed: committed.digest,
        made: plan.digest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_plan_stands_beside_its_workflow() {
        assert_eq!(
            place(Path::new("w/weekly-stop.yaml")),
            Path::new("w/weekly-stop.plan.json")
        );
        assert_eq!(place(Path::new("a.b.yml")), Path::new("a.b.plan.json"));
    }
}
