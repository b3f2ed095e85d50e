//! What a pull request may try: to have credentials sent elsewhere, or a file of the machine shown.
//!
//! Invariant: each attempt is refused, no connection is opened, and no byte of the secret is said.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::symlink;
use std::time::Duration;

use crate::scenario::{ACCESS_KEY, Ended, PROJECT, SECRET_KEY, Scenario, Stage, at_once, ids};

/// Somebody who would notice any connection that is made through a proxy.
struct Ear(TcpListener);

impl Ear {
    fn open() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    fn heard(&self) -> bool {
        self.0.accept().is_ok()
    }
}

/// A stage whose every connection abroad goes to an ear.
fn overheard(ear: &Ear) -> Stage {
    let scenario = Scenario::new(&ids(1)).without_cloud();
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"];
    let url = ear.url();
    names
        .into_iter()
        .fold(scenario, |it, name| it.variable(name, &url))
        .with("rollout: { retry_for: 1s }")
        .start()
}

fn with_line(stage: &Stage, line: &str) {
    let text = stage.read("night.yaml");
    let lines = text.lines().map(|old| match old.starts_with("endpoint:") {
        true => line,
        false => old,
    });
    let text: Vec<&str> = lines.collect();
    stage.write("night.yaml", text.join("\n") + "\n");
}

#[track_caller]
fn kept(ended: &Ended) {
    for secret in [ACCESS_KEY, SECRET_KEY] {
        assert!(!ended.err.contains(secret) && !ended.out.contains(secret));
    }
}

const FOREIGN: [&str; 11] = [
    "endpoint: https://evil.example",
    "endpoint: https://bms.ap-southeast-1.myhuaweicloud.com.evil.example",
    "endpoint: https://evilmyhuaweicloud.com",
    "endpoint: https://myhuaweicloud.com",
    "endpoint: https://evil.example/bms.ap-southeast-1.myhuaweicloud.com",
    "endpoint: https://evil.example:443",
    "endpoint: https://localhost.evil.example",
    "endpoint: https://127.0.0.1.evil.example",
    "endpoint: \"https://bms.ap-southeast-1.myhuaweiclоud.com\"",
    "endpoint: https://203.0.113.7",
    "endpoint: \"https://[2001:db8::1]\"",
];

#[test]
fn credentials_go_to_no_foreign_host() {
    at_once(&FOREIGN, |line| {
        let ear = Ear::open();
        let stage = overheard(&ear);
        with_line(&stage, line);
        stage.run("plan night.yaml --write").with_code(0);
        for command in [
            "run night.yaml --yes -vv",
            "run night.yaml --locked -vv",
            "run --plan night.plan.json -vv",
            "doctor night.yaml -vv",
        ] {
            let ended = stage.run(command).with_code(3);
            kept(&ended);
            assert!(!ear.heard(), "{line}: {command} connects");
        }
    });
}

#[test]
fn the_ear_would_hear_a_connection() {
    let ear = Ear::open();
    let mut stage = overheard(&ear);
    with_line(&stage, FOREIGN[0]);
    stage.set("LIGHTSOUT_ENDPOINTS", "evil.example");
    let mut child = stage.command("doctor night.yaml").spawn().unwrap();
    let heard = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        ear.heard()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(heard);
}

#[test]
fn an_endpoint_or_region_that_hides_another_host_is_no_endpoint() {
    for line in [
        "endpoint: https://bms.ap-southeast-1.myhuaweicloud.com@evil.example",
        "endpoint: https://user:pass@evil.example",
        "endpoint: http://evil.example",
        "endpoint: http://127.0.0.1@evil.example",
        "endpoint: https://evil.example#.myhuaweicloud.com",
        "endpoint: https://evil.example?.myhuaweicloud.com",
        "endpoint: file:///etc/passwd",
        "endpoint: https://xn--bms-evil.example",
        "region: evil.example/",
        "region: \"evil.example#\"",
        "region: \"x@evil.example:443/\"",
        "region: \"x\\u0000\"",
        "region: \"../..\"",
    ] {
        let ear = Ear::open();
        let stage = overheard(&ear);
        with_line(&stage, line);
        kept(&stage.run("run night.yaml --yes -vv").with_code(2));
        assert!(!ear.heard(), "{line}");
    }
}

/// What must not be said; in each form that a file may have.
const SECRET: &str = "wUjKq7secret0canary";

/// A repository, and beside it secrets of the machine.
fn machine() -> Stage {
    let stage = Scenario::new(&ids(1)).start();
    for folder in ["repo/.git", "repo/w", "home"] {
        std::fs::create_dir_all(stage.path(folder)).unwrap();
    }
    let forms = [
        ("txt", format!("{SECRET}\n")),
        ("csv", format!("id,name\n{SECRET},{SECRET}\n")),
        (
            "json",
            format!("[\"{SECRET}\", {{\"{SECRET}\": \"{SECRET}\"}}]"),
        ),
        ("word.json", format!("\"{SECRET}\"")),
        ("yaml", format!("{SECRET}: {SECRET}\n\"{SECRET}\n")),
        ("token", SECRET.to_owned()),
    ];
    for (form, text) in &forms {
        for folder in ["home", "repo/.git"] {
            stage.write(&format!("{folder}/secret.{form}"), text);
        }
    }
    stage.write("repo/w/good.yaml", stage.read("night.yaml"));
    symlink("../../home", stage.path("repo/w/folder")).unwrap();
    stage
}

/// Ways to name a secret file of this form, from the folder of the workflows.
fn names(stage: &Stage, form: &str) -> Vec<String> {
    let link = |name: &str, target: String| {
        let name = format!("{name}.{form}");
        let _ = std::fs::remove_file(stage.path(&format!("repo/w/{name}")));
        symlink(target, stage.path(&format!("repo/w/{name}"))).unwrap();
        name
    };
    vec![
        link("relative", format!("../../home/secret.{form}")),
        link(
            "absolute",
            stage
                .path(&format!("home/secret.{form}"))
                .display()
                .to_string(),
        ),
        link("git", format!("../.git/secret.{form}")),
        link("twice", format!("relative.{form}")),
        format!("folder/secret.{form}"),
        format!("./folder/../folder/secret.{form}"),
    ]
}

/// Insists that a command is refused without a word of the secret.
#[track_caller]
fn silent(stage: &Stage, line: &str) {
    let ended = stage.run(line).with_nothing_sent();
    assert!(
        [2, 22].contains(&ended.code),
        "{line}: {}\n{}",
        ended.code,
        ended.err
    );
    let all = format!("{}{}", ended.out, ended.err);
    // Not even a part of it.
    for part in [SECRET, &SECRET[..8], &SECRET[8..]] {
        assert!(!all.contains(part), "{line}:\n{all}");
    }
    assert_eq!(stage.stats().requests.list, 0);
}

const FORMATS: [&str; 4] = ["text", "json", "github", "sarif"];

#[test]
fn no_workflow_shows_a_file_of_the_machine() {
    let stage = machine();
    for form in ["yaml", "token", "json", "txt"] {
        for name in names(&stage, form) {
            for format in FORMATS {
                silent(&stage, &format!("validate repo/w/{name} --format {format}"));
            }
            for verb in [
                "plan",
                "render",
                "rehearse",
                "doctor",
                "run --yes",
                "run --dry-run",
            ] {
                silent(&stage, &format!("{verb} repo/w/{name}"));
            }
        }
    }
}

#[test]
fn no_folder_that_became_a_link_shows_files_of_the_machine() {
    let stage = machine();
    symlink("../home", stage.path("repo/workflows")).unwrap();
    for format in FORMATS {
        silent(
            &stage,
            &format!("validate repo/workflows/secret.yaml --format {format}"),
        );
    }
    silent(&stage, "plan repo/workflows/secret.yaml");
}

#[test]
fn no_inventory_shows_a_file_of_the_machine() {
    let stage = machine();
    let head = format!(
        "version: 1\nname: evil\nproject: {PROJECT}\nregion: ap-southeast-1\nstop_type: HARD\n"
    );
    for form in ["txt", "csv", "json"] {
        let mut all = names(&stage, form);
        all.push(format!("../../home/secret.{form}"));
        all.push(format!("../.git/secret.{form}"));
        all.push(format!("../w/../.git/secret.{form}"));
        all.push(
            stage
                .path(&format!("home/secret.{form}"))
                .display()
                .to_string(),
        );
        for name in all {
            let id = ids(1)[0];
            for groups in [
                format!("groups:\n  - name: a\n    servers_from: {name}\n"),
                format!(
                    "groups:\n  - name: a\n    servers: [{id}]\n    exclude: {{ servers_from: {name} }}\n"
                ),
                format!(
                    "vars: {{ f: {{ default: \"{name}\" }} }}\ngroups:\n  - name: a\n    servers_from: \"{{{{ f }}}}\"\n"
                ),
            ] {
                stage.write("repo/w/evil.yaml", format!("{head}{groups}"));
                for format in FORMATS {
                    silent(
                        &stage,
                        &format!("validate repo/w/evil.yaml --format {format}"),
                    );
                }
                silent(&stage, "plan repo/w/evil.yaml --format md");
            }
        }
    }
}

#[test]
fn no_other_file_that_is_named_shows_one_of_the_machine() {
    let stage = machine();
    for form in ["json", "word.json", "yaml", "token", "txt"] {
        for name in names(&stage, form) {
            for line in [
                format!("plan repo/w/good.yaml --vars-file repo/w/{name}"),
                format!("validate repo/w/good.yaml --vars-file repo/w/{name}"),
                format!("plan repo/w/good.yaml --against repo/w/{name}"),
                format!("plan repo/w/good.yaml --inventory repo/w/{name}"),
                format!("run --plan repo/w/{name}"),
                format!("run repo/w/good.yaml --yes --exclude repo/w/{name}"),
            ] {
                silent(&stage, &line);
            }
            let _ = std::fs::remove_file(stage.path("repo/w/good.plan.json"));
            symlink(&name, stage.path("repo/w/good.plan.json")).unwrap();
            silent(&stage, "plan repo/w/good.yaml --check");
            silent(&stage, "run repo/w/good.yaml --locked");
        }
    }
}

#[test]
fn a_plan_is_written_in_the_place_of_a_link_and_not_through_it() {
    let stage = machine();
    stage.write("home/profile", "kept");
    symlink("../../home/profile", stage.path("repo/w/good.plan.json")).unwrap();
    stage.run("plan repo/w/good.yaml --write");
    assert_eq!(stage.read("home/profile"), "kept");
}
