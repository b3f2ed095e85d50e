//! The README's commands, run as they are typed there.
//!
//! Owns finding the commands in the console blocks and comparing what they show. Invariant: a command
//! that the README shows works, and output without times, random IDs or a cut is what it really says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// A command of the README and the lines that it shows below it.
struct Shown {
    command: String,
    output: String,
}

fn shown() -> Vec<Shown> {
    let readme = fs::read_to_string("README.md").unwrap();
    let mut found: Vec<Shown> = Vec::new();
    for block in readme.split("```console\n").skip(1) {
        let (block, _) = block.split_once("```").unwrap();
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => found.push(Shown {
                    command: command.to_owned(),
                    output: String::new(),
                }),
                None => {
                    let last = found.last_mut().unwrap();
                    last.output.push_str(&format!("{}\n", line.trim_end()));
                }
            }
        }
    }
    found
}

/// What a shell shows for a command, and how it ends; files in `/tmp` are those of `folder`.
fn typed(command: &str, folder: &Path) -> (String, Option<i32>) {
    let program = Path::new(env!("CARGO_BIN_EXE_lightsout"));
    let program = program.parent().unwrap().display();
    let command = command.replace("/tmp/", &format!("{}/", folder.display()));
    let script = format!("export PATH='{program}':\"$PATH\"; exec 2>&1; {command}");
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("LIGHTSOUT_STATE_DIR", folder)
        .env_remove("LIGHTSOUT_CLOCK")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    (lines.join("\n") + "\n", output.status.code())
}

/// The codes that a command may end with; under a storm it depends on the order of requests which is it.
fn expected_exits(command: &str) -> &'static [i32] {
    match command {
        _ if command.contains("tests/fixtures/invalid") => &[2],
        _ if command.contains("--faults storm") => &[30, 33],
        _ => &[0],
    }
}

/// Whether all that a command shows is the same each time.
fn is_complete(output: &str) -> bool {
    let differs =
        |line: &str| line.trim() == "…" || line.contains("Z  INFO") || line.contains("began:");
    !output.is_empty() && !output.lines().any(differs)
}

#[test]
fn every_command_works_as_typed_and_shows_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let all = shown();
    let mut compared = 0;
    for Shown { command, output } in all.iter().filter(|shown| shown.command != "echo $?") {
        let (text, code) = typed(command, folder.path());
        let ended_well = code.is_some_and(|code| expected_exits(command).contains(&code));
        assert!(ended_well, "{command} ended with {code:?}\n{text}");
        if is_complete(output) {
            assert_eq!(&text, output, "{command}");
            compared += 1;
        }
    }
    assert!(all.len() >= 10, "{}", all.len());
    assert!(compared >= 4, "{compared}");
}
