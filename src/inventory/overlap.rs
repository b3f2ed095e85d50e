//! Servers that are listed twice, in one group or in two.
//!
//! Owns finding them and naming both places. Places are found by reading the lists again, which only
//! happens once there is an error. Invariant: after [`across_groups`] without an error every server is
//! in one group, once.

use std::collections::{HashMap, HashSet};

use super::findings::Findings;
use super::group::Resolver;
use super::reading::{Entry, Reading, Sink, read};
use crate::diagnostic::{Diagnostic, Place};
use crate::ids::ServerId;
use crate::workflow::{Group, locate, locate_all};

/// Where servers stand, each at all its places in the order of the list.
pub(super) type Places = HashMap<ServerId, Vec<Place>>;

/// Refuses a server that one group lists twice.
pub(super) fn within_group(resolver: &mut Resolver<'_>, group: &Group, servers: &[ServerId]) {
    let mut sorted = servers.to_vec();
    sorted.sort_unstable();
    let mut repeated: Vec<ServerId> = sorted
        .windows(2)
        .filter(|pair| pair[0] == pair[1])
        .map(|pair| pair[0])
        .collect();
    drop(sorted);
    repeated.dedup();
    if repeated.is_empty() {
        return;
    }
    let mut places = places(resolver, group, &repeated);
    in_order(&mut repeated, servers);
    for server in repeated {
        let of_server = places.remove(&server).unwrap_or_default();
        resolver.findings.add(|| {
            let message = format!(
                "the group `{}` lists the server `{server}` twice",
                group.name
            );
            at_both(Diagnostic::error("duplicate-server", message), &of_server)
        });
    }
}

/// Refuses a server that two finished groups have.
pub(super) fn across_groups(resolver: &mut Resolver<'_>) {
    if resolver.done.len() < 2 {
        return;
    }
    let mut sorted: Vec<(ServerId, u32)> = Vec::new();
    for (at, done) in (0..).zip(&resolver.done) {
        sorted.extend(done.group.targets.iter().map(|server| (*server, at)));
    }
    sorted.sort_unstable();
    refuse_same_names(resolver);
    let mut pairs: Vec<(usize, usize, ServerId)> = sorted
        .windows(2)
        .filter(|pair| pair[0].0 == pair[1].0)
        .map(|pair| (pair[0].1 as usize, pair[1].1 as usize, pair[0].0))
        .collect();
    pairs.sort_unstable();
    for pair in pairs.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        tell_overlap(resolver, pair);
    }
}

/// Refuses two groups of one name, which splitting may bring about.
fn refuse_same_names(resolver: &mut Resolver<'_>) {
    let mut seen = HashSet::new();
    let again: Vec<_> = resolver
        .done
        .iter()
        .filter(|done| !seen.insert(&done.group.name))
        .map(|done| (done.group.name.clone(), done.origin))
        .collect();
    for (name, origin) in again {
        resolver.refuse(format!("{}/name", origin.origin), |place| {
            let message = format!("two groups are called `{name}` once they are split");
            Diagnostic::error("duplicate-group", message).at(place)
        });
    }
}

/// Tells the servers that the same two groups share.
fn tell_overlap(resolver: &mut Resolver<'_>, shared: &[(usize, usize, ServerId)]) {
    let [(first, second, _), ..] = shared else {
        return;
    };
    let mut servers: Vec<_> = shared.iter().map(|(_, _, server)| *server).collect();
    let (first, second) = (&resolver.done[*first], &resolver.done[*second]);
    let names = (first.group.name.clone(), second.group.name.clone());
    in_order(&mut servers, &second.group.targets);
    let (first, second) = (first.origin, second.origin);
    let mut in_first = places(resolver, first, &servers);
    let mut in_second = places(resolver, second, &servers);
    for server in servers {
        let mut both = in_first.remove(&server).unwrap_or_default();
        both.truncate(1);
        both.extend(in_second.remove(&server).unwrap_or_default());
        resolver.findings.add(|| {
            let message = format!(
                "the server `{server}` is in the group `{}` and again in `{}`",
                names.0, names.1
            );
            at_both(Diagnostic::error("duplicate-server", message), &both).with_hint(
                "a later group can leave out an earlier one's servers with `exclude.groups`",
            )
        });
    }
}

/// The error at the second place, naming the first.
fn at_both(error: Diagnostic, places: &[Place]) -> Diagnostic {
    match places {
        [first, second, ..] => error
            .at(second.clone())
            .with_related(first.clone(), "listed here first"),
        [only] => error.at(only.clone()),
        [] => error,
    }
}

/// Brings the servers into the order of the list, and cuts them off where nobody reads on.
fn in_order(servers: &mut Vec<ServerId>, list: &[ServerId]) {
    let wanted: HashSet<ServerId> = servers.iter().copied().collect();
    let mut seen = HashSet::new();
    *servers = list
        .iter()
        .copied()
        .filter(|server| wanted.contains(server) && seen.insert(*server))
        .collect();
}

/// Where a group lists these servers: in the workflow, in its inventory, by what it selects.
pub(super) fn places(resolver: &mut Resolver<'_>, group: &Group, servers: &[ServerId]) -> Places {
    let wanted: HashSet<ServerId> = servers.iter().copied().collect();
    let room = resolver.findings.room();
    let mut places = inline_places(resolver, group, &wanted, room);
    file_places(resolver, group, &wanted, &mut places);
    let picked = resolver.known.picked(group).into_iter();
    let picked: Vec<_> = picked.filter(|one| wanted.contains(&one.server)).collect();
    if !picked.is_empty() {
        let pointer = format!("{}/select", group.origin);
        let place = locate(&resolver.workflow.source, &pointer);
        for one in picked {
            places.entry(one.server).or_default().push(place.clone());
        }
    }
    places
}

/// Adds where the group's inventory lists these servers.
fn file_places(
    resolver: &mut Resolver<'_>,
    group: &Group,
    wanted: &HashSet<ServerId>,
    places: &mut Places,
) {
    let room = resolver.findings.room();
    let Some(inventory) = &group.servers_from else {
        return;
    };
    let Some(loaded) = resolver.open(inventory) else {
        return;
    };
    let mut entry = |entry: Entry<'_>| {
        if wanted.contains(&entry.server) && has_room(places, &entry.server, room) {
            let place = loaded.place(entry.bytes);
            places.entry(entry.server).or_default().push(place);
        }
    };
    let reading = Reading {
        inventory,
        split_by: group.split_by.as_deref(),
    };
    let mut sink = Sink {
        entry: &mut entry,
        findings: &mut Findings::default(),
        misses: &mut Vec::new(),
    };
    read(&loaded, reading, &mut sink);
}

fn inline_places(
    resolver: &Resolver<'_>,
    group: &Group,
    wanted: &HashSet<ServerId>,
    room: usize,
) -> Places {
    let listed = group.servers.iter().enumerate();
    let listed: Vec<_> = listed
        .filter(|(_, server)| wanted.contains(server))
        .take(2 * room)
        .collect();
    let pointer = |(at, _): &(usize, &ServerId)| format!("{}/servers/{at}", group.origin);
    let pointers: Vec<String> = listed.iter().map(pointer).collect();
    let mut places = Places::new();
    if pointers.is_empty() {
        return places;
    }
    let located = locate_all(&resolver.workflow.source, &pointers);
    for ((_, server), place) in listed.into_iter().zip(located) {
        places.entry(*server).or_default().push(place);
    }
    places
}

/// Two places of a server are enough, and no more servers than are told.
fn has_room(places: &Places, server: &ServerId, room: usize) -> bool {
    match places.get(server) {
        Some(known) => known.len() < 2,
        None => places.len() < room,
    }
}
