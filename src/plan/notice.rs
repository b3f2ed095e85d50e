//! Comments on a pull request where there is no plan to show: the workflow is gone, or yields none.
//!
//! Owns their wording, and the invisible first line of every comment. Invariant: each begins with the line by
//! which a pipeline finds the comment of this workflow, and nothing of a path can end that line early.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::markdown::{Budget, text, within};
use super::model::Plan;
use super::words::counted;
use crate::untrusted::{for_markdown, shorten};

/// What the reasons may take.
const REASONS: Budget = Budget {
    bytes: 20_000,
    lines: 50,
};
/// Longest reason that is shown.
const REASON: usize = 400;
/// Longest path that is shown.
const PATH: usize = 200;

/// What a path keeps in the marker; `jq` keeps the same with `@uri`, and the slash.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// The invisible line by which a pipeline finds the comment of a workflow, made of its path.
pub(super) fn marker(path: &str) -> String {
    format!(
        "<!-- lightsout plan {} -->",
        utf8_percent_encode(path, KEPT)
    )
}

/// A path as words.
pub(super) fn shown_path(path: &str) -> String {
    for_markdown(&shorten(path, PATH))
}

/// The comment on a workflow that yields no plan. The reasons are untrusted.
pub fn failure_comment(path: &str, code: u8, reasons: &[String]) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_failure(&mut out, path, code, reasons);
    out
}

fn write_failure(out: &mut String, path: &str, code: u8, reasons: &[String]) -> std::fmt::Result {
    let shown = shown_path(path);
    writeln!(out, "{}\n### lightsout: no plan of {shown}\n", marker(path))?;
    writeln!(
        out,
        "**`lightsout plan` exited with code {code}. It is not known which servers lose power after a merge.**\n"
    )?;
    let lines = reasons.iter().map(|reason| {
        let reason = for_markdown(&shorten(reason, REASON));
        format!("- {reason}\n")
    });
    within(out, REASONS, "- ", "reason", lines)?;
    Ok(())
}

/// The comment on a workflow that the pull request removes.
///
/// `old` is the plan of the base branch, `moved_to` where a workflow of that name is now, and `left` the path of a
/// plan that is still there.
pub fn removal_comment(
    path: &str,
    old: Option<&Plan>,
    moved_to: Option<&str>,
    left: Option<&str>,
) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_removal(&mut out, path, (old, moved_to, left));
    out
}

fn write_removal(
    out: &mut String,
    path: &str,
    (old, moved_to, left): (Option<&Plan>, Option<&str>, Option<&str>),
) -> std::fmt::Result {
    let shown = shown_path(path);
    writeln!(out, "{}\n### lightsout: {shown} is removed\n", marker(path))?;
    match old {
        Some(plan) => {
            let servers = counted(plan.target_count(), "server");
            let name = text(&plan.workflow.name);
            writeln!(
                out,
                "The base branch has the workflow {name} here, with {servers}. After the merge no run of this file stops them."
            )?;
        }
        None => writeln!(
            out,
            "The base branch has no approved plan of this workflow."
        )?,
    }
    if let Some(now) = moved_to {
        writeln!(out, "\nA workflow of this name is at {}.", shown_path(now))?;
    }
    if let Some(left) = left {
        writeln!(
            out,
            "\n**The plan {} is still there. Remove it, too.**",
            shown_path(left)
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_holds_the_path_and_ends_where_it_should() {
        assert_eq!(
            marker("workflows/weekly-stop.yaml"),
            "<!-- lightsout plan workflows/weekly-stop.yaml -->"
        );
        assert_eq!(
            marker("w/a --> <b>\n東.yaml"),
            "<!-- lightsout plan w/a%20--%3E%20%3Cb%3E%0A%E6%9D%B1.yaml -->"
        );
    }

    #[test]
    fn reasons_stay_words() {
        let comment = failure_comment("w/@all.yaml", 2, &["<b> @all\n- x".to_owned()]);
        assert!(comment.contains("exited with code 2"), "{comment}");
        assert!(
            comment.contains("- &lt;b&gt; @&#8203;all\\\\n- x\n"),
            "{comment}"
        );
        assert!(
            comment.contains("no plan of w/@&#8203;all.yaml"),
            "{comment}"
        );
    }
}
