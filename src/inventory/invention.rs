//! An invented listing, in which every group of a workflow finds what it selects: for rehearsals.
//!
//! Owns the invention, which is the same for the same workflow. Invariant: each group that selects finds
//! at least as many servers as it expects and no fewer than three, unless it expects fewer; and some
//! servers stand by that no group means, where the criteria leave room for any.

use super::selection::meets;
use crate::bms::{ServerDetail, StateClass, Tags};
use crate::ids::ServerId;
use crate::workflow::{Definition, Group, Select};

/// Servers that a group finds, unless it expects more or fewer.
const USUAL: u32 = 3;
/// Servers that no group means.
const BYSTANDERS: u32 = 3;

/// The invented listing, sorted by ID.
pub fn invented(workflow: &Definition) -> Vec<ServerDetail> {
    let mut servers = Vec::new();
    for group in &workflow.groups {
        let Some(select) = &group.select else {
            continue;
        };
        let least = group.expect.min.unwrap_or(0).max(USUAL);
        let count = least.min(group.expect.max.unwrap_or(u32::MAX)).max(1);
        for number in 0..count {
            let mut server = bare(&servers);
            meet(select, &mut server, number);
            spread(group, &mut server, number);
            servers.push(server);
        }
        if let Some(spared) = &group.exclude.select {
            let mut server = bare(&servers);
            meet(select, &mut server, count);
            spread(group, &mut server, count);
            meet(spared, &mut server, count);
            servers.push(server);
        }
    }
    for _ in 0..BYSTANDERS {
        let server = bare(&servers);
        let mut selects = workflow
            .groups
            .iter()
            .filter_map(|group| group.select.as_ref());
        if !selects.any(|select| meets(select, &server)) {
            servers.push(server);
        }
    }
    servers
}

/// A server that is on and has nothing special; its number is how many there are before it.
fn bare(before: &[ServerDetail]) -> ServerDetail {
    let number = before.len() as u32;
    // The version and variant of a random UUID.
    let mut bytes = *b"rehearsal\0\x4b\0\0\0\0\0";
    (bytes[6], bytes[8]) = (0x4b, 0x8b);
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    ServerDetail {
        id: ServerId::from_bytes(bytes),
        name: format!("bystander-{number}"),
        other_names: Vec::new(),
        status: "ACTIVE".to_owned(),
        state: StateClass::On,
        flavor: Some("physical.s4.medium".to_owned()),
        availability_zone: Some("az1".to_owned()),
        enterprise_project_id: Some("0".to_owned()),
        tags: Tags::Listed(vec!["__type_baremetal".to_owned()]),
    }
}

/// Makes a server meet the criteria.
fn meet(select: &Select, server: &mut ServerDetail, number: u32) {
    let Select {
        name,
        tags,
        status,
        flavor,
        availability_zone,
        enterprise_project_id,
    } = select;
    if let Some(name) = name {
        server.name = name.example(number);
    }
    for (key, value) in tags {
        tag(server, key, value);
    }
    if let Some(status) = status {
        server.status.clone_from(status);
        server.state = match status.as_str() {
            "ACTIVE" => StateClass::On,
            "SHUTOFF" => StateClass::Off,
            "ERROR" => StateClass::Error,
            _ => StateClass::Busy,
        };
    }
    let texts = [
        (flavor, &mut server.flavor),
        (availability_zone, &mut server.availability_zone),
        (enterprise_project_id, &mut server.enterprise_project_id),
    ];
    for (wanted, own) in texts {
        if wanted.is_some() {
            own.clone_from(wanted);
        }
    }
}

/// Gives the servers of a group that is split by a tag two values in turn.
fn spread(group: &Group, server: &mut ServerDetail, number: u32) {
    let key = group
        .split_by
        .as_deref()
        .and_then(|by| by.strip_prefix("tag:"));
    let fixed = group.select.as_ref().map(|select| &select.tags);
    if let Some(key) = key.filter(|key| fixed.is_none_or(|tags| !tags.contains_key(*key))) {
        tag(
            server,
            key,
            if number.is_multiple_of(2) { "a" } else { "b" },
        );
    }
}

fn tag(server: &mut ServerDetail, key: &str, value: &str) {
    let mut tags = server.tags.listed().unwrap_or_default().to_vec();
    tags.push(format!("{key}={value}"));
    server.tags = Tags::from(Some(tags));
}
