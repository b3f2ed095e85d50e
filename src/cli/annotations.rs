//! Paths of annotations, as the host of a pull request knows its files.
//!
//! Owns only the paths. The files of a finding are named as the command line named them, which may be
//! from a sub-folder. Invariant: a path inside a work tree starts at the root of that tree, wherever the
//! program was called.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Place};
use crate::named_file;

/// The same findings with paths from the root of the git work tree, else from `workspace`.
pub(super) fn from_root(findings: Vec<Diagnostic>, workspace: Option<&Path>) -> Vec<Diagnostic> {
    let mut known = BTreeMap::new();
    let mut named = |place: Place| {
        let file = place.file.to_string();
        let path = known
            .entry(file)
            .or_insert_with_key(|file| Arc::from(rooted(file, workspace)));
        Place {
            file: Arc::clone(path),
            ..place
        }
    };
    let mut moved = |mut finding: Diagnostic| {
        finding.place = finding.place.map(&mut named);
        let related = finding.related.into_iter();
        finding.related = related
            .map(|(place, label)| (named(place), label))
            .collect();
        finding
    };
    findings.into_iter().map(&mut moved).collect()
}

/// The path from the root; unchanged outside of any.
fn rooted(file: &str, workspace: Option<&Path>) -> String {
    let path = Path::new(file);
    let in_tree = named_file::in_work_tree(path);
    let inside = in_tree.or_else(|| inside(path, workspace?));
    inside.map_or_else(
        || file.to_owned(),
        |inside| inside.to_string_lossy().into_owned(),
    )
}

fn inside(path: &Path, workspace: &Path) -> Option<PathBuf> {
    let path = named_file::without_dots(&std::path::absolute(path).ok()?);
    path.strip_prefix(workspace).ok().map(Path::to_owned)
}
