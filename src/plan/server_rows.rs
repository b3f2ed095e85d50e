//! Servers in a pull request comment: one a line, or many in a line where there are many.
//!
//! Owns how far a list of servers is shortened. Invariant: every server is named by its ID or the start of it,
//! or the number that is left out is shown.

use std::fmt::Write;

use super::difference::Placed;
use super::markdown::{Budget, named, room, text, within};
use super::words::counted;
use crate::ids::ServerId;

/// Fewest characters of an ID that are shown.
const SHORT: usize = 8;
/// Characters of a whole ID.
const WHOLE: usize = 36;

/// Writes servers one a line, else the start of each ID batch by batch, else the ends of each batch.
pub(super) fn write(out: &mut String, budget: Budget, servers: &[Placed<'_>]) -> std::fmt::Result {
    let room = room(out, budget);
    if servers.len() <= budget.lines {
        let rows: Vec<String> = servers.iter().map(row).collect();
        if rows.iter().map(String::len).sum::<usize>() <= room {
            out.extend(rows);
            return Ok(());
        }
    }
    let batches: Vec<&[Placed<'_>]> = servers
        .chunk_by(|one, next| one.batch == next.batch)
        .collect();
    let length = unique_length(servers.iter().map(|server| server.id));
    let lead = match length {
        WHOLE => "The list is by batch.\n\n".to_owned(),
        length => format!(
            "The list is by batch, with the first {length} characters of each ID, which are unique here.\n\n"
        ),
    };
    let rows: Vec<String> = batches
        .iter()
        .map(|batch| prefixes(batch, length))
        .collect();
    if lead.len() + rows.iter().map(String::len).sum::<usize>() <= room {
        out.push_str(&lead);
        out.extend(rows);
        return Ok(());
    }
    writeln!(
        out,
        "The list has the first and the last server of each batch.\n"
    )?;
    let rows = batches.iter().map(|batch| ends(batch));
    let shown = within(out, budget, "- ", "batch", rows)?;
    let left_out: usize = batches.iter().skip(shown).map(|batch| batch.len()).sum();
    match left_out {
        0 => Ok(()),
        left_out => writeln!(out, "- … which are {}", counted(left_out, "server")),
    }
}

fn row(it: &Placed<'_>) -> String {
    let (server, group) = (named(it.id, it.name), text(it.group));
    format!("- {server} in {group}, batch {}\n", it.batch)
}

fn prefixes(batch: &[Placed<'_>], length: usize) -> String {
    let ids: Vec<String> = batch
        .iter()
        .map(|server| server.id.to_string().chars().take(length).collect())
        .collect();
    format!("{}: `{}`\n", head(batch), ids.join(" "))
}

fn ends(batch: &[Placed<'_>]) -> String {
    let name = |server: Option<&Placed<'_>>| {
        server.map_or_else(String::new, |server| named(server.id, server.name))
    };
    let (first, last) = (name(batch.first()), name(batch.last()));
    format!("{}: {first} … {last}\n", head(batch))
}

fn head(batch: &[Placed<'_>]) -> String {
    let first = batch.first();
    let (number, group) = first.map_or_else(Default::default, |first| {
        (first.batch.to_string(), text(first.group))
    });
    format!(
        "- batch {number}, {group}, {}",
        counted(batch.len(), "server")
    )
}

/// How many characters tell these IDs apart.
fn unique_length(ids: impl Iterator<Item = ServerId>) -> usize {
    let mut ids: Vec<String> = ids.map(|id| id.to_string()).collect();
    ids.sort_unstable();
    let common = |pair: &[String]| match pair {
        [one, next] => one
            .bytes()
            .zip(next.bytes())
            .take_while(|(a, b)| a == b)
            .count(),
        _ => 0,
    };
    let most = ids.windows(2).map(common).max().unwrap_or_default();
    (most + 1).clamp(SHORT, WHOLE)
}
