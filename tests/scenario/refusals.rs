//! What of a reviewed plan may change, and what may not: each change against `run --locked` and `run --plan`.
//!
//! The matrix is printed by `cargo test --test scenario refusals -- --nocapture`. Invariant: where a run is
//! refused, the cloud saw no request at all.

use serde_json::{Value, json};

use crate::scenario::{Scenario, Stage, at_once, ids, ids_from};

const COMMANDS: [&str; 2] = ["run night.yaml --locked", "run --plan night.plan.json"];
const GROUPS: &str = "groups:
  - name: canary
    servers_from: { file: fleet.csv, name_column: name, where: { rack: a } }
  - name: rest
    servers_from: { file: fleet.csv, name_column: name, where: { rack: b } }
";
const SETTINGS: &str = "description: the weekly stop
labels: { change: CHG0042 }
rollout: { batch_size: 4 }
guards: { max_servers: 50 }
rate: { stop: 40 }
";

fn fleet() -> String {
    let rack = |at: usize| if at < 2 { "a" } else { "b" };
    let servers = ids(8).into_iter().enumerate();
    let rows = servers.map(|(at, id)| format!("{id},bms-{at},{}\n", rack(at)));
    format!("id,name,rack\n{}", rows.collect::<String>())
}

fn reviewed() -> Stage {
    let mut servers = ids(8);
    servers.extend(ids_from(99, 1));
    let stage = Scenario::with_cloud(GROUPS, &servers)
        .settings(|cloud| {
            for (at, server) in cloud.servers.iter_mut().enumerate() {
                server.name = format!("bms-{at}");
            }
        })
        .with(SETTINGS)
        .file("fleet.csv", fleet())
        .start();
    stage.run("plan night.yaml --write").with_code(0);
    stage
}

/// Replaces one thing in a file.
fn replace(stage: &Stage, file: &str, from: &str, to: &str) {
    let text = stage.read(file);
    assert!(text.contains(from), "{from} is not in {file}:\n{text}");
    stage.write(file, text.replacen(from, to, 1));
}

/// Changes the plan as somebody would with an editor: the digest in it stays.
fn edit(stage: &Stage, pointer: &str, value: Value) {
    let mut plan: Value = serde_json::from_str(&stage.read("night.plan.json")).unwrap();
    let place = plan.pointer_mut(pointer);
    *place.unwrap_or_else(|| panic!("no {pointer}")) = value;
    stage.write("night.plan.json", format!("{plan:#}\n"));
}

fn at(stage: &Stage, pointer: &str) -> Value {
    let plan: Value = serde_json::from_str(&stage.read("night.plan.json")).unwrap();
    plan.pointer(pointer).unwrap().clone()
}

/// One change, and how `run --locked` and `run --plan` end after it.
struct Case {
    change: &'static str,
    ends: [i32; 2],
    make: fn(&Stage),
}

const fn case(change: &'static str, ends: [i32; 2], make: fn(&Stage)) -> Case {
    Case { change, ends, make }
}

/// The workflow changed, the plan did not: a run of the plan by itself still does what was reviewed.
const OF_THE_WORKFLOW: &[Case] = &[
    case("workflow: one ID", [22, 0], |stage| {
        let (from, to) = (ids(1)[0].to_string(), ids_from(99, 1)[0].to_string());
        replace(stage, "fleet.csv", &from, &to);
    }),
    case("workflow: one server less", [22, 0], |stage| {
        let row = format!("{},bms-1,a\n", ids(2)[1]);
        replace(stage, "fleet.csv", &row, "");
    }),
    case("workflow: order of servers", [22, 0], |stage| {
        let text = stage.read("fleet.csv");
        let mut rows: Vec<&str> = text.lines().collect();
        rows.swap(4, 5);
        stage.write("fleet.csv", rows.join("\n"));
    }),
    case("workflow: server in another group", [22, 0], |stage| {
        replace(stage, "fleet.csv", "bms-1,a", "bms-1,b");
    }),
    case("workflow: stop type", [22, 0], |stage| {
        replace(stage, "night.yaml", "stop_type: HARD", "stop_type: SOFT");
    }),
    case("workflow: batch size", [22, 0], |stage| {
        replace(stage, "night.yaml", "batch_size: 4", "batch_size: 5");
    }),
    case("workflow: in_flight", [22, 0], |stage| {
        replace(
            stage,
            "night.yaml",
            "batch_size: 4",
            "batch_size: 4, in_flight: 2",
        );
    }),
    case("workflow: a group's in_flight", [22, 0], |stage| {
        replace(
            stage,
            "night.yaml",
            "- name: rest",
            "- name: rest\n    in_flight: 2",
        );
    }),
    case("workflow: retry_for", [22, 0], |stage| {
        replace(
            stage,
            "night.yaml",
            "batch_size: 4",
            "batch_size: 4, retry_for: 2h",
        );
    }),
    case("workflow: guard", [22, 0], |stage| {
        replace(stage, "night.yaml", "max_servers: 50", "max_servers: 51");
    }),
    case("workflow: checks", [22, 0], |stage| {
        replace(
            stage,
            "night.yaml",
            "rate:",
            "checks: { before: false }\nrate:",
        );
    }),
    case("workflow: jobs", [22, 0], |stage| {
        replace(
            stage,
            "night.yaml",
            "rate:",
            "jobs: { timeout: 20m }\nrate:",
        );
    }),
    case("workflow: endpoint", [22, 0], |stage| {
        replace(
            stage,
            "night.yaml",
            "endpoint: http://127.0.0.1",
            "endpoint: http://localhost",
        );
    }),
    case("workflow: project", [22, 0], |stage| {
        replace(stage, "night.yaml", "project: bbf1", "project: bbf2");
    }),
    case("workflow: group name", [22, 0], |stage| {
        replace(stage, "night.yaml", "name: rest", "name: others");
    }),
    case("workflow: order of groups", [22, 0], |stage| {
        replace(stage, "night.yaml", "rack: a", "rack: x");
        replace(stage, "night.yaml", "rack: b", "rack: a");
        replace(stage, "night.yaml", "rack: x", "rack: b");
        replace(stage, "night.yaml", "name: canary", "name: rest2");
        replace(stage, "night.yaml", "name: rest\n", "name: canary\n");
        replace(stage, "night.yaml", "name: rest2", "name: rest");
    }),
    case("workflow: description", [0, 0], |stage| {
        replace(stage, "night.yaml", "the weekly stop", "another text");
    }),
    case("workflow: comment", [0, 0], |stage| {
        replace(stage, "night.yaml", "groups:", "# a comment\ngroups:");
    }),
    case("workflow: label", [0, 0], |stage| {
        replace(stage, "night.yaml", "CHG0042", "CHG0043");
    }),
    case("workflow: rate", [0, 0], |stage| {
        replace(stage, "night.yaml", "stop: 40", "stop: 30");
    }),
    case("workflow: report", [22, 0], |stage| {
        replace(
            stage,
            "night.yaml",
            "rate:",
            "report: \"{{ run.id }}.json\"\nrate:",
        );
    }),
    case("workflow: its name", [22, 0], |stage| {
        replace(stage, "night.yaml", "name: night", "name: nightly");
    }),
];

/// The plan changed by hand, with the digest in it left as it was or not.
const OF_THE_PLAN: &[Case] = &[
    case("plan: one ID", [22, 22], |stage| {
        edit(stage, "/batches/0/servers/0", json!(ids_from(99, 1)[0]));
    }),
    case("plan: one server more", [22, 22], |stage| {
        let two = [ids(2), ids_from(99, 1)].concat();
        edit(stage, "/batches/0/servers", json!(two));
    }),
    case("plan: one server more, and all counts", [22, 22], |stage| {
        let two = [ids(2), ids_from(99, 1)].concat();
        edit(stage, "/batches/0/servers", json!(two));
        edit(stage, "/groups/0/targets", json!(3));
        edit(stage, "/totals/targets", json!(9));
        edit(stage, "/guards/0/actual", json!(9));
    }),
    case("plan: one server twice", [22, 22], |stage| {
        edit(stage, "/batches/0/servers/1", json!(ids(1)[0]));
    }),
    case("plan: order of servers", [22, 22], |stage| {
        let mut servers = at(stage, "/batches/1/servers");
        servers.as_array_mut().unwrap().swap(0, 1);
        edit(stage, "/batches/1/servers", servers);
    }),
    case("plan: order of batches", [22, 22], |stage| {
        let (one, two) = (
            at(stage, "/batches/1/servers"),
            at(stage, "/batches/2/servers"),
        );
        edit(stage, "/batches/1/servers", two);
        edit(stage, "/batches/2/servers", one);
    }),
    case("plan: stop type", [22, 22], |stage| {
        edit(stage, "/stop_type", json!("SOFT"));
    }),
    case("plan: action", [22, 22], |stage| {
        edit(stage, "/action", json!("reboot"));
    }),
    case("plan: batch size", [22, 22], |stage| {
        edit(stage, "/rollout/batch_size", json!(5));
    }),
    case("plan: in_flight", [22, 22], |stage| {
        edit(stage, "/rollout/in_flight", json!(50));
    }),
    case("plan: guard", [22, 22], |stage| {
        edit(stage, "/guards/0/limit", json!(5000));
    }),
    case("plan: verdict of a guard", [22, 22], |stage| {
        edit(stage, "/guards/0/ok", json!(false));
    }),
    case("plan: checks", [22, 22], |stage| {
        edit(stage, "/checks/before", json!(false));
    }),
    case("plan: jobs", [22, 22], |stage| {
        edit(stage, "/jobs/timeout", json!("1m"));
    }),
    case("plan: endpoint", [22, 22], |stage| {
        edit(
            stage,
            "/project/endpoint",
            json!("https://bms.eu-west-0.myhuaweicloud.com"),
        );
    }),
    case("plan: project", [22, 22], |stage| {
        edit(stage, "/project/id", json!("0".repeat(32)));
    }),
    case("plan: group name", [22, 22], |stage| {
        edit(stage, "/groups/1/name", json!("others"));
        edit(stage, "/batches/1/group", json!("others"));
        edit(stage, "/batches/2/group", json!("others"));
    }),
    case("plan: wave", [22, 22], |stage| {
        edit(stage, "/batches/2/wave", json!(1));
    }),
    case("plan: digest", [22, 22], |stage| {
        edit(
            stage,
            "/digest",
            json!(format!("sha256:{}", "0".repeat(64))),
        );
    }),
    case("plan: that of another workflow", [22, 0], |stage| {
        let text = stage.read("night.yaml");
        stage.write("other.yaml", text.replace("batch_size: 4", "batch_size: 3"));
        stage
            .run("plan other.yaml --out night.plan.json")
            .with_code(0);
    }),
    case("plan: newer format", [22, 22], |stage| {
        edit(stage, "/schema", json!("lightsout/plan/v2"));
    }),
    case("plan: unknown member", [22, 22], |stage| {
        replace(stage, "night.plan.json", "{\n", "{\n  \"force\": true,\n");
    }),
    case("plan: unknown member inside", [22, 22], |stage| {
        replace(
            stage,
            "night.plan.json",
            "\"jobs\": {",
            "\"jobs\": {\n \"force\": true,",
        );
    }),
    case("plan: member twice", [22, 22], |stage| {
        let twice = "  \"stop_type\": \"HARD\",\n  \"stop_type\": \"HARD\",\n";
        replace(
            stage,
            "night.plan.json",
            "  \"stop_type\": \"HARD\",\n",
            twice,
        );
    }),
    case("plan: member missing", [22, 22], |stage| {
        replace(stage, "night.plan.json", "  \"stop_type\": \"HARD\",\n", "");
    }),
    case("plan: cut in the middle", [22, 22], |stage| {
        let text = stage.read("night.plan.json");
        stage.write("night.plan.json", &text[..text.len() / 2]);
    }),
    case("plan: cut at the last brace", [22, 22], |stage| {
        let text = stage.read("night.plan.json");
        stage.write(
            "night.plan.json",
            text.trim_end().strip_suffix('}').unwrap(),
        );
    }),
    case("plan: two in one file", [22, 22], |stage| {
        let text = stage.read("night.plan.json");
        stage.write("night.plan.json", text.repeat(2));
    }),
    case("plan: left unmerged", [22, 22], |stage| {
        let text = stage.read("night.plan.json");
        stage.write(
            "night.plan.json",
            format!("<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> b\n"),
        );
    }),
    case("plan: empty", [22, 22], |stage| {
        stage.write("night.plan.json", "");
    }),
    case("plan: an empty object", [22, 22], |stage| {
        stage.write("night.plan.json", "{}\n");
    }),
    case("plan: no text", [2, 2], |stage| {
        stage.write("night.plan.json", b"\xff\xfe{\0}\0");
    }),
    case("plan: missing", [22, 2], |stage| {
        std::fs::remove_file(stage.path("night.plan.json")).unwrap();
    }),
    case("plan: description", [0, 0], |stage| {
        edit(stage, "/workflow/description", json!("another text"));
    }),
    case("plan: file name", [0, 0], |stage| {
        edit(stage, "/workflow/file", json!("other.yaml"));
    }),
    case("plan: label", [0, 0], |stage| {
        edit(stage, "/labels/change", json!("CHG0043"));
    }),
    case("plan: rate", [0, 0], |stage| {
        edit(stage, "/rate/stop", json!(30));
    }),
    case("plan: report", [22, 22], |stage| {
        edit(stage, "/report", json!("{{ run.id }}.json"));
    }),
    case("plan: white space", [0, 0], |stage| {
        let text = stage.read("night.plan.json").replace('\n', "\r\n ");
        stage.write("night.plan.json", text);
    }),
];

#[track_caller]
fn untouched(stage: &Stage, why: &str) {
    let requests = stage.stats().requests;
    let seen = [requests.stop, requests.job, requests.list, requests.show];
    assert_eq!(seen, [0; 4], "{why}");
}

/// A case under one command, in a place of its own.
fn tried(case: &Case, command: usize) -> i32 {
    let stage = reviewed();
    let before = at(&stage, "/digest");
    (case.make)(&stage);
    let ended = stage.run(COMMANDS[command]);
    if ended.code == 0 {
        assert_eq!(
            ended.report()["totals"]["stopped"],
            json!(8),
            "{}",
            ended.err
        );
        let another = case.change.contains("another workflow");
        assert_eq!(
            ended.report()["plan"]["digest"] == before,
            !another,
            "{}",
            case.change
        );
    } else {
        untouched(&stage, case.change);
        assert!(
            ended.out.is_empty() && ended.err.contains("error: "),
            "{}",
            ended.err
        );
    }
    ended.code
}

#[test]
fn what_was_reviewed_is_what_runs() {
    let cases: Vec<&Case> = OF_THE_WORKFLOW.iter().chain(OF_THE_PLAN).collect();
    let found = std::sync::Mutex::new(vec![[-1; 2]; cases.len()]);
    let numbers: Vec<usize> = (0..cases.len()).collect();
    at_once(&numbers, |number| {
        let ends = [0, 1].map(|command| tried(cases[*number], command));
        found.lock().unwrap()[*number] = ends;
    });
    let found = found.into_inner().unwrap();
    println!(
        "{:40} {:>13} {:>11}",
        "change", "run --locked", "run --plan"
    );
    for (case, ends) in cases.iter().zip(&found) {
        println!("{:40} {:>13} {:>11}", case.change, ends[0], ends[1]);
    }
    for (case, ends) in cases.iter().zip(&found) {
        assert_eq!(ends, &case.ends, "{}", case.change);
    }
}

#[test]
fn workflow_and_plan_may_be_renamed_together() {
    let stage = reviewed();
    for (from, to) in [
        ("night.yaml", "weekly.yml"),
        ("night.plan.json", "weekly.plan.json"),
    ] {
        std::fs::rename(stage.path(from), stage.path(to)).unwrap();
    }
    stage.run("run weekly.yml --locked").with_code(0);
}

/// Bytes of the plan that are tried, one in so many.
const STRIDE: usize = 7;

/// What another byte in the place of this one may be.
fn another(byte: u8, at: usize) -> u8 {
    let options = *b"0a\"}, Z9\n";
    let wanted = options[at % options.len()];
    if wanted == byte { b'7' } else { wanted }
}

#[test]
fn one_changed_byte_is_refused_or_changes_nothing_that_a_run_does() {
    let counts = std::sync::Mutex::new([0; 2]);
    let shares: Vec<usize> = (0..6).collect();
    at_once(&shares, |share| {
        let stage = reviewed();
        let plan = stage.read("night.plan.json").into_bytes();
        let digest = at(&stage, "/digest");
        for at in (share * STRIDE..plan.len()).step_by(6 * STRIDE) {
            let mut changed = plan.clone();
            changed[at] = another(plan[at], at);
            stage.write("night.plan.json", &changed);
            let ended = stage.run(&format!("{} --dry-run", COMMANDS[1]));
            let refused = ended.code == 22;
            if refused {
                stage.run(COMMANDS[0]).with_code(22);
                stage.run(COMMANDS[1]).with_code(22);
            } else {
                let report: Value = serde_json::from_str(&ended.with_code(0).out).unwrap();
                let line =
                    String::from_utf8_lossy(&changed[at.saturating_sub(40)..at + 1]).into_owned();
                assert_eq!(report["plan"]["digest"], digest, "{line}");
            }
            counts.lock().unwrap()[usize::from(refused)] += 1;
        }
        untouched(&stage, "one byte");
    });
    let [harmless, refused] = counts.into_inner().unwrap();
    println!(
        "{refused} of {} changed bytes refused, {harmless} without effect",
        harmless + refused
    );
    assert!(refused > 200 && harmless > 20, "{refused} {harmless}");
}

/// A workflow whose servers were found in the cloud's listing and frozen.
fn selected() -> Stage {
    let groups = "groups:\n  - name: found\n    select: { name: \"*\" }\n";
    let stage = Scenario::with_cloud(groups, &ids(3)).start();
    stage.run("plan night.yaml --write").with_code(0);
    stage
}

#[test]
fn what_was_found_and_frozen_may_not_change_by_hand() {
    let changes: [fn(&Stage); 4] = [
        |stage| edit(stage, "/selections", json!({"chosen": [], "left_out": []})),
        |stage| {
            replace(
                stage,
                "night.plan.json",
                "\"found\": [",
                "\"found\": [\n\"a0000000-0000-0000-0000-000000000099\",",
            );
        },
        |stage| edit(stage, "/batches/0/servers/0", json!(ids_from(99, 1)[0])),
        |stage| replace(stage, "night.yaml", "\"*\"", "\"bms-*\""),
    ];
    for change in changes {
        let stage = selected();
        let requests = stage.stats().requests;
        change(&stage);
        let ended = stage.run(COMMANDS[0]);
        assert_eq!(ended.code, 22, "{}", ended.err);
        assert_eq!(stage.stats().requests, requests, "{}", ended.err);
    }
}
