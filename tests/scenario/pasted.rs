//! Every command that the program prints works if it is pasted: in another shell, on a terminal, with the file and the
//! run ID that it names.
//!
//! Owns collecting the commands of hints, footers and `next`, and pasting them. Invariant: a pasted command is never a
//! usage error, whatever the names of the files are.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::scenario::{Ended, Scenario, Stage, ids, ids_from};

/// A folder and a file whose names need quotes.
const FILE: &str = "w f/night; it's.yaml";

/// The commands in a text: those in backticks, and that of the line `next:`.
fn commands(text: &str) -> BTreeSet<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    let quoted = quoted.filter(|part| part.starts_with("lightsout "));
    let next = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("next: "));
    let next = next.filter(|command| command.starts_with("lightsout "));
    quoted.chain(next).map(str::to_owned).collect()
}

/// Pastes a command at a terminal, where a person confirms two servers, and returns the exit code and what is shown.
/// `None` if the system has no `script`.
fn paste(stage: &Stage, command: &str) -> Option<(i32, String)> {
    let program = Path::new(env!("CARGO_BIN_EXE_lightsout")).parent().unwrap();
    let mut script = stage.surrounded("script", ["-qec", command, "/dev/null"].into_iter());
    script
        .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped());
    let mut running = match script.spawn() {
        Ok(running) => running,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{error}"),
    };
    // The program may end without a question.
    let _ = running.stdin.take().unwrap().write_all(b"2\n");
    let output = running.wait_with_output().unwrap();
    // What this one has sent and reported is not that of the next invocation.
    stage.crashed();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some((output.status.code().unwrap(), text))
}

/// Insists that these commands are printed, and that each ends with this code if it is pasted.
#[track_caller]
fn pasted(stage: &Stage, printed: &str, expected: &[(&str, i32)]) {
    let all: BTreeSet<String> = expected.iter().map(|(it, _)| (*it).to_owned()).collect();
    assert_eq!(commands(printed), all, "{printed}");
    for (command, expected) in expected {
        if let Some((code, text)) = paste(stage, command) {
            assert_eq!(code, *expected, "{command}\n{text}");
        }
    }
}

/// All that was printed.
fn all(ended: &Ended) -> String {
    format!("{}\n{}", ended.err, ended.out)
}

/// The workflow of the scenario, under a name that needs quotes.
fn moved(stage: &Stage) {
    fs::create_dir(stage.path("w f")).unwrap();
    fs::rename(stage.path("night.yaml"), stage.path(FILE)).unwrap();
}

/// Runs the program with these arguments, which can hold blanks.
fn typed(stage: &Stage, words: &[&str]) -> Ended {
    let mut command = stage.unconfirmed("");
    stage.ended(command.args(words).output().unwrap())
}

#[test]
fn the_commands_of_a_plan_and_a_dry_run_work() {
    let stage = Scenario::new(&ids(2))
        .with("description: \"rack {{ rack }}\"\nvars: { rack: { required: true } }")
        .start();
    moved(&stage);
    let words = r"'w f/night; it'\''s.yaml' --var 'rack=b 7'";
    let (rehearse, run) = (
        format!("lightsout rehearse {words}"),
        format!("lightsout run {words}"),
    );
    let plan = typed(&stage, &["plan", FILE, "--var", "rack=b 7"]).with_code(0);
    pasted(&stage, &all(&plan), &[(&rehearse, 0), (&run, 0)]);
    let dry = typed(&stage, &["run", FILE, "--var", "rack=b 7", "--dry-run"]).with_code(0);
    pasted(&stage, &all(&dry), &[(&rehearse, 0), (&run, 0)]);
    let refused = typed(&stage, &["run", FILE, "--var", "rack=b 7"]).with_code(2);
    pasted(&stage, &all(&refused), &[(&format!("{run} --yes"), 0)]);
    let rehearsed = typed(&stage, &["rehearse", FILE, "--var", "rack=b 7"]).with_code(0);
    pasted(&stage, &all(&rehearsed), &[(&run, 0)]);
    let write = format!("lightsout plan {words} --write");
    let locked = ["run", FILE, "--var", "rack=b 7", "--locked"];
    pasted(
        &stage,
        &all(&typed(&stage, &locked).with_code(22)),
        &[(&write, 0)],
    );
    let refused = typed(&stage, &["run", FILE, "--var", "rack=b 7"]).with_code(2);
    pasted(&stage, &all(&refused), &[(&format!("{run} --locked"), 0)]);
    let text = fs::read_to_string(stage.path(FILE)).unwrap();
    let two = "rollout: { batch_size: 1 }\n";
    fs::write(stage.path(FILE), format!("{text}{two}")).unwrap();
    let doctor = typed(&stage, &["doctor", FILE, "--var", "rack=b 7"]);
    assert!(commands(&doctor.out).contains(&write), "{}", doctor.out);
    pasted(
        &stage,
        &all(&typed(&stage, &locked).with_code(22)),
        &[(&write, 0)],
    );
    typed(&stage, &locked).with_code(0);
    let plan = ["plan", FILE, "--var", "rack=b 7", "--out=-a b.json"];
    typed(&stage, &plan).with_code(0);
    let dry = typed(&stage, &["run", "--plan", "./-a b.json", "--dry-run"]).with_code(0);
    pasted(
        &stage,
        &all(&dry),
        &[("lightsout run --plan './-a b.json'", 0)],
    );
}

#[test]
fn the_commands_of_an_unfinished_run_work() {
    let mut stage = Scenario::new(&ids(2)).start();
    assert!(stage.crash("run night.yaml", "after:intent").is_none());
    let run = stage.run_id();
    let resume = format!("lightsout resume {run}");
    let status = stage.run("status").with_code(0);
    assert!(commands(&status.out).contains(&resume), "{}", status.out);
    let folder = stage.path("state").display().to_string();
    stage.set("LIGHTSOUT_STATE_DIR", "");
    let undo = stage.run(&format!("--state-dir {folder} undo {run} --yes"));
    let undo = undo.with_code(2);
    let [resume, settle] =
        ["resume", "settle"].map(|verb| format!("lightsout --state-dir {folder} {verb} {run}"));
    let printed = commands(&undo.err);
    assert_eq!(
        printed,
        BTreeSet::from([resume.clone(), settle]),
        "{}",
        undo.err
    );
    if let Some((code, text)) = paste(&stage, &resume) {
        assert_eq!(code, 0, "{text}");
    }
    stage.set("LIGHTSOUT_STATE_DIR", &folder);
    let refused = stage.run(&format!("resume {run}")).with_code(2);
    pasted(
        &stage,
        &all(&refused),
        &[(&format!("lightsout settle {run}"), 0)],
    );
    stage.run("undo --last night").with_code(0);
    let undo = stage.run_folders().pop().unwrap();
    let undo = undo.file_name().unwrap().to_str().unwrap().to_owned();
    let refused = stage.run(&format!("undo {run}")).with_code(2);
    pasted(
        &stage,
        &all(&refused),
        &[(&format!("lightsout report {undo}"), 0)],
    );
    let plan = format!("run --plan state/runs/{undo}/plan.json");
    pasted(&stage, &all(&stage.run(&plan).with_code(22)), &[]);
    pasted(&stage, &all(&stage.run("resume").with_code(2)), &[]);
}

#[test]
fn the_commands_of_a_lock_and_a_halt_work() {
    let stage = Scenario::new(&ids(2))
        .settings(|cloud| cloud.job_duration = std::time::Duration::from_secs(600))
        .start();
    let mut running = stage.spawn("run night.yaml");
    running.until("a request", |stage| !stage.durable_jobs().is_empty());
    let locked = stage.command("run night.yaml").output().unwrap();
    assert_eq!(locked.status.code(), Some(21));
    let locked = String::from_utf8(locked.stderr).unwrap();
    let halt = "lightsout halt --reason 'another run must begin'";
    pasted(&stage, &locked, &[(halt, 0)]);
    running.ended().0.with_code(34);
    let run = stage.run_id();
    let halted = stage.run("run night.yaml").with_code(24);
    pasted(&stage, &all(&halted), &[("lightsout halt --clear", 0)]);
    stage.run("halt --reason x").with_code(0);
    let lifted = stage.run("halt --clear").with_code(0);
    let resume = format!("lightsout resume {run}");
    assert_eq!(commands(&lifted.err), BTreeSet::from([resume]));
}

#[test]
fn the_commands_about_a_selection_work() {
    let groups = "groups:\n  - name: all\n    select: { name: \"*\" }\n";
    let stage = Scenario::with_cloud(groups, &ids(2)).start();
    moved(&stage);
    let words = r"'w f/night; it'\''s.yaml'";
    let dry = typed(&stage, &["run", FILE, "--dry-run"]).with_code(2);
    pasted(
        &stage,
        &all(&dry),
        &[(&format!("lightsout plan {words}"), 0)],
    );
    typed(&stage, &["inventory", FILE, "--out", "l.json"]).with_code(0);
    let mut listing: Value = serde_json::from_str(&stage.read("l.json")).unwrap();
    listing["project"] = json!("00000000000000000000000000000000");
    stage.write("l.json", listing.to_string());
    let other = typed(&stage, &["plan", FILE, "--inventory", "l.json"]).with_code(2);
    let inventory = format!("lightsout inventory {words}");
    pasted(&stage, &all(&other), &[(&inventory, 0)]);
    stage.write("l.json", "{}");
    let other = typed(&stage, &["plan", FILE, "--inventory", "l.json"]).with_code(2);
    pasted(&stage, &all(&other), &[(&inventory, 0)]);
    pasted(
        &stage,
        &all(&stage.run("simulate --ids l.json").with_code(2)),
        &[],
    );
}

#[test]
fn the_next_command_of_a_failed_run_keeps_its_credentials() {
    let servers = ids_from(1, 2);
    let faults = json!({"servers": {"failing": {"ids": [servers[0]], "code": "BMS.0217"}}});
    let stage = Scenario::new(&servers)
        .bearing_failures()
        .faults(faults)
        .start();
    let token = crate::scenario::TOKEN;
    stage.write("my token", token);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(stage.path("my token"), mode).unwrap();
    let words = [
        "run",
        "night.yaml",
        "--yes",
        "--credentials",
        "token-file:my token",
    ];
    let ended = typed(&stage, &words).with_code(30);
    let next = "lightsout run night.yaml --credentials 'token-file:my token'";
    pasted(&stage, &all(&ended), &[(next, 30)]);
}

#[test]
fn no_message_holds_a_placeholder() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // The help has examples and names of arguments.
            if path.ends_with("cli/help.rs") || path.extension().is_none_or(|end| end != "rs") {
                continue;
            }
            for line in fs::read_to_string(&path).unwrap().lines() {
                let code = line.trim_start();
                let command = code.split("`lightsout ").nth(1);
                let Some(command) = command.filter(|_| !code.starts_with("//")) else {
                    continue;
                };
                let words = command.split('`').next().unwrap().split(' ');
                let placeholder = |word: &str| {
                    word.len() > 2 && word.bytes().all(|it| it == b'_' || it.is_ascii_uppercase())
                };
                let found = words.filter(|word| placeholder(word)).count();
                assert_eq!(found, 0, "{}: {line}", path.display());
            }
        }
    }
}
