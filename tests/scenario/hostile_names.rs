//! Hostile names and words, from the cloud and from files, in everything that the program says and keeps.
//!
//! Invariant: no hidden character reaches a terminal, a log, a report, a plan or an annotation raw, markup
//! stays words in Markdown, and a name of ten thousand characters fills nobody's screen.

use lightsout::ids::ServerId;
use lightsout::simulator::SimulatedServer;
use lightsout::untrusted::is_hidden;
use serde_json::{Value, json};

use crate::interloper::{Call, Treatment, always, answer};
use crate::scenario::{Scenario, Stage, at_once, ids};

const NAMES: [&str; 7] = [
    "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31mred",
    "\u{202e}gnp.exe\u{2066}\u{200f}",
    "<img src=x onerror=alert(1)><!-- </table>",
    "[a](https://evil.example) ![b](c) `code` | cell | @everybody #1 GH-1 **x** $y$",
    "a\nb\r\n::error::c\r##[error]d\u{85}e\u{2028}f",
    "'\"; $(touch owned) `touch owned` \\",
    "\u{feff}\u{0}\u{7f}\u{e0041}\u{ad}",
];

/// The names, and one that is long.
fn names() -> Vec<String> {
    let long = ["\u{1f5a5}", "x", "@", "\u{202e}"].map(|text| text.repeat(10_000));
    NAMES.iter().map(ToString::to_string).chain(long).collect()
}

/// A project whose servers are called so, all selected.
fn project() -> Scenario {
    let names = names();
    let servers = ids(names.len() as u32);
    Scenario::with_cloud(
        "groups:\n  - name: all\n    select: { name: \"*\" }\n",
        &servers,
    )
    .settings(|cloud| {
        let named = servers.iter().zip(names).map(|(id, name)| SimulatedServer {
            name,
            ..SimulatedServer::new(*id)
        });
        cloud.servers = named.collect();
    })
}

/// Insists that a text hides nothing, and that no line of it goes on for ever.
#[track_caller]
fn is_plain(what: &str, text: &str) {
    let hidden = text.chars().find(|c| !matches!(c, '\n') && is_hidden(*c));
    assert_eq!(hidden, None, "{what}:\n{text}");
    let longest = text.lines().map(|line| line.chars().count()).max();
    let limit = if text.starts_with(['{', '[']) {
        130_000
    } else {
        5_000
    };
    assert!(
        longest.unwrap_or(0) < limit,
        "{what}: a line of {longest:?}"
    );
}

/// Runs a command and looks at all that it says.
#[track_caller]
fn said(stage: &Stage, line: &str, code: i32) -> String {
    let ended = stage.run(line).with_code(code);
    is_plain(line, &ended.out);
    is_plain(line, &ended.err);
    if line.ends_with("--format json") || line.ends_with("--format sarif") {
        let _: Value = serde_json::from_str(&ended.out).unwrap();
    }
    ended.out
}

/// Looks at every file that was kept.
#[track_caller]
fn kept(stage: &Stage) {
    let kept = stage.everything_kept();
    // The journal is for machines alone.
    let shown = |file: &&str| {
        file.lines()
            .next()
            .is_some_and(|name| name.ends_with(".json"))
    };
    for file in kept.split("== ").filter(shown) {
        let hidden = file.chars().find(|c| !matches!(c, '\n') && is_hidden(*c));
        assert_eq!(hidden, None, "{file}");
    }
}

#[test]
fn names_of_a_listing_are_harmless_wherever_they_are_shown() {
    let stage = project().start();
    said(&stage, "inventory night.yaml --out listing.json", 0);
    said(&stage, "plan night.yaml --write", 0);
    for format in ["text", "json", "md"] {
        said(
            &stage,
            &format!("plan night.yaml --frozen --format {format}"),
            0,
        );
        said(
            &stage,
            &format!("plan night.yaml --inventory listing.json --format {format}"),
            0,
        );
    }
    said(&stage, "doctor night.yaml --format json", 0);
    said(&stage, "run night.yaml --locked -vv", 0);
    for format in ["text", "json"] {
        said(&stage, &format!("report latest --format {format}"), 0);
        said(&stage, &format!("status latest --format {format}"), 0);
    }
    kept(&stage);
}

#[test]
fn names_that_changed_are_harmless_in_failures_and_differences() {
    let stage = project().bearing_failures().start();
    stage.run("plan night.yaml --write").with_code(0);
    // The same servers, called by one another's names: each fails with both names told.
    said(&stage, "inventory night.yaml --out listing.json", 0);
    let mut listing: Value = serde_json::from_str(&stage.read("listing.json")).unwrap();
    let servers = listing["servers"].as_array_mut().unwrap();
    let mut last = servers.last().unwrap()["name"].clone();
    for server in servers {
        std::mem::swap(&mut server["name"], &mut last);
    }
    stage.write("listing.json", listing.to_string());
    let line = "plan night.yaml --inventory listing.json --out swapped.plan";
    said(&stage, line, 0);
    // The test wrote it with raw names; what the program writes is looked at below.
    std::fs::remove_file(stage.path("listing.json")).unwrap();
    let ended = stage.run("run --plan swapped.plan -vv").with_code(30);
    is_plain("run", &ended.err);
    assert_eq!(ended.total("failed"), names().len() as u64);
    for format in ["text", "json"] {
        said(&stage, &format!("report latest --format {format}"), 0);
    }
    let few = stage.read("night.yaml").replace("\"*\"", "\"*x*\"");
    stage.write("night.yaml", few);
    stage.run("plan night.yaml --out few.json").with_code(0);
    for format in ["text", "json", "md"] {
        let line = format!("plan night.yaml --against night.plan.json --format {format}");
        let shown = said(&stage, &line, 0);
        if format == "md" {
            for bad in ["<img", "](", "@everybody", "GH-1", "://evil", "<!-- <"] {
                assert!(!shown.contains(bad), "{bad} in\n{shown}");
            }
        }
    }
    kept(&stage);
}

/// An inventory in which these servers have these names.
fn table(rows: &[(ServerId, String)]) -> String {
    let row = |(id, name): &(ServerId, String)| format!("{id},\"{}\"\n", name.replace('"', "\"\""));
    format!("id,name\n{}", rows.iter().map(row).collect::<String>())
}

#[test]
fn names_of_files_are_harmless_in_findings() {
    let ids = ids(2);
    let groups = "groups:\n  - name: a\n    servers_from: { file: a.csv, name_column: name, split_by: name }\n";
    at_once(&names(), |name| {
        let stage = Scenario::offline(groups).start();
        let rows = [
            (ids[0], name.clone()),
            (ids[0], name.clone()),
            (ids[1], name.clone()),
        ];
        stage.write("a.csv", table(&rows));
        let text =
            stage.read("night.yaml").replace(", split_by: name", "") + "    split_by: name\n";
        stage.write("split.yaml", text);
        let evil = format!("{name}: 1\n").replace(['\n', '\0'], " ");
        stage.write("evil.yaml", format!("{}\n{evil}", stage.read("night.yaml")));
        for format in ["text", "json", "github", "sarif"] {
            said(
                &stage,
                &format!("validate split.yaml evil.yaml --format {format}"),
                2,
            );
        }
    });
}

#[test]
fn words_of_the_cloud_are_harmless() {
    let long = "\u{1f5a5}\u{202e}".repeat(5_000);
    let all = [NAMES.concat(), long];
    at_once(&all, |words| {
        let refusal = json!({"error": {"code": words, "message": words}});
        let status = "403 Forbidden\r\nx-request-id: <b>id</b>";
        for call in [Call::Stop, Call::List, Call::Show] {
            let no = answer(status, "application/json", refusal.to_string());
            let stage = Scenario::new(&ids(1))
                .with("rollout: { retry_for: 5s }")
                .through(always(call, Treatment::Instead(no)))
                .start();
            for line in [
                "run night.yaml -vv",
                "doctor night.yaml",
                "doctor night.yaml --format json",
            ] {
                let ended = stage.run(line);
                is_plain(line, &ended.err);
                is_plain(line, &ended.out);
            }
            kept(&stage);
        }
    });
}
