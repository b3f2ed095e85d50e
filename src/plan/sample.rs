//! Plans for unit tests, made through the same function as real ones.
//!
//! Owns test data only. Invariant: two calls with the same arguments give the same plan.

use super::text::NextCommands;
use std::collections::BTreeMap;
use std::time::Duration;

use super::make::expand;
use super::{FreezeCalendar, Plan};
use crate::diagnostic::SourceFile;
use crate::ids::{Endpoint, ServerId};
use crate::inventory::{Asked, Found, Selection, TargetGroup, Targets};
use crate::window::Window;
use crate::workflow::{
    BatchSize, Checks, Definition, Guards, InFlight, Jobs, Rate, Rollout, Select, StopType, Waves,
};

/// The server with this number; numbers do not follow the order of IDs.
pub(crate) fn server(number: u32) -> ServerId {
    let mut bytes = [0xa5; 16];
    bytes[..4].copy_from_slice(&number.reverse_bits().to_be_bytes());
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    ServerId::from_bytes(bytes)
}

/// A group of the servers `from..from + targets`.
pub(crate) fn group(name: &str, from: u32, targets: u32) -> TargetGroup {
    TargetGroup {
        name: name.to_owned(),
        targets: (from..from + targets).map(server).collect(),
        excluded: 0,
        source: vec!["inline".to_owned()],
        batch_size: BatchSize::try_from(1000).unwrap(),
        in_flight: InFlight::try_from(1).unwrap(),
        waves: Waves::default(),
        soak: Duration::ZERO,
        gate: None,
    }
}

/// A workflow without groups, with every default.
pub(crate) fn workflow() -> Definition {
    Definition {
        source: SourceFile::new("workflows/weekly-stop.yaml", "version: 1\n"),
        sha256: "ab".repeat(32),
        name: "weekly-stop".to_owned(),
        description: Some("Stops the batch fleet".to_owned()),
        labels: BTreeMap::from([("change".to_owned(), "CHG0042".to_owned())]),
        project: "bbf1946d374b44a0a2a95533562ba954".parse().unwrap(),
        region: Some("ap-southeast-1".to_owned()),
        endpoint: Endpoint::of_region("ap-southeast-1").unwrap(),
        stop_type: StopType::Hard,
        groups: Vec::new(),
        rollout: Rollout::default(),
        window: None,
        guards: Guards {
            max_servers: 5000,
            max_percent: None,
        },
        jobs: Jobs::default(),
        checks: Checks::default(),
        rate: Rate::default(),
        report: None,
        warnings: Vec::new(),
    }
}

/// A window of weekend nights in Singapore, and Christmas Eve.
pub(crate) fn window() -> Window {
    let window = serde_json::json!({
        "timezone": "Asia/Singapore",
        "opens": [{ "days": ["sat", "sun"], "at": "01:00" }, { "from": "2026-12-24T22:00" }],
        "duration": "4h",
        "cutoff": "45m",
        "freeze": ["freeze.yaml"],
    });
    serde_json::from_value(window).unwrap()
}

/// The same with one file of closures, of this name.
pub(crate) fn frozen_by(file: &str) -> Window {
    let mut window = serde_json::to_value(window()).unwrap();
    window["freeze"] = serde_json::json!([file]);
    serde_json::from_value(window).unwrap()
}

/// What the freeze calendars of the workflow's window held.
pub(crate) fn calendars(workflow: &Definition) -> Vec<FreezeCalendar> {
    let files = workflow.window.iter().flat_map(|window| window.freeze());
    let calendar = |file: &String| FreezeCalendar {
        file: file.clone(),
        sha256: Some("cd".repeat(32)),
    };
    files.map(calendar).collect()
}

/// The plan of [`workflow`] for these groups.
pub(crate) fn plan(groups: Vec<TargetGroup>) -> Plan {
    plan_of(&workflow(), groups)
}

/// The plan of any workflow for these groups.
pub(crate) fn plan_of(workflow: &Definition, groups: Vec<TargetGroup>) -> Plan {
    expand(
        workflow,
        Targets::for_tests(groups, BTreeMap::new()),
        calendars(workflow),
    )
}

/// The plan of any workflow for these groups, with a frozen selection that found servers 0 to 2.
pub(crate) fn selecting(workflow: &Definition, groups: Vec<TargetGroup>) -> Plan {
    let mut found: Vec<ServerId> = (0..3).map(server).collect();
    found.sort_unstable();
    let asked = Asked {
        group: "a".to_owned(),
        select: Some(Select {
            name: Some("web-*".parse().unwrap()),
            tags: BTreeMap::from([("rack".to_owned(), "b7".to_owned())]),
            status: None,
            flavor: None,
            availability_zone: None,
            enterprise_project_id: None,
        }),
        split_by: None,
        exclude: None,
    };
    let selection = Selection {
        asked,
        found: vec![Found {
            value: None,
            servers: found,
        }],
        left_out: Vec::new(),
    };
    let names = (0..3).map(|number| (server(number), format!("web-{number}")));
    let targets = Targets::for_tests(groups, names.collect()).selecting(vec![selection]);
    expand(workflow, targets, calendars(workflow))
}

/// The plan of [`workflow`] for these groups, with names for some servers.
pub(crate) fn named(groups: Vec<TargetGroup>, names: &[(u32, &str)]) -> Plan {
    let names = names.iter();
    let names = names.map(|(number, name)| (server(*number), (*name).to_owned()));
    expand(
        &workflow(),
        Targets::for_tests(groups, names.collect()),
        Vec::new(),
    )
}

/// A plan of three groups, 2,500 targets and 4 batches, with a name.
pub(crate) fn fleet() -> Plan {
    let groups = vec![
        group("canary", 0, 1),
        group("rack-b7", 1, 1499),
        group("rack-b8", 1500, 1000),
    ];
    let names = BTreeMap::from([(server(0), "机房-canary".to_owned())]);
    expand(&workflow(), Targets::for_tests(groups, names), Vec::new())
}

/// The commands that follow a plan of `weekly-stop.yaml`.
pub(crate) fn commands() -> NextCommands {
    NextCommands {
        rehearse: Some("lightsout rehearse weekly-stop.yaml".to_owned()),
        run: "lightsout run weekly-stop.yaml".to_owned(),
    }
}
