//! Files that somebody made to hurt, or that are no files at all.
//!
//! Invariant: whatever a file holds, the program ends soon, with 2, a bounded text, and nothing sent.

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::scenario::{Ended, PROJECT, Scenario, Stage, at_once, ids, needs_confirmation};

/// Most seconds that an unoptimised program may take on a machine that is busy with other things.
const SOON: u32 = 120;
/// Most bytes that it may say.
const BOUNDED: usize = 200_000;

fn soon(stage: &Stage, line: &str) -> Ended {
    let program = env!("CARGO_BIN_EXE_lightsout");
    let yes = if needs_confirmation(line) {
        " --yes"
    } else {
        ""
    };
    let words = format!("{SOON} {program} {line}{yes}");
    let output = stage
        .surrounded("timeout", words.split_whitespace())
        .output()
        .unwrap();
    let ended = stage.ended(output);
    assert_ne!(ended.code, 124, "{line} goes on and on");
    assert!(
        ended.err.len() + ended.out.len() < BOUNDED,
        "{line} says {} bytes",
        ended.err.len()
    );
    ended
}

fn refused(stage: &Stage, line: &str) {
    let ended = soon(stage, line).with_code(2).with_nothing_sent();
    assert!(ended.err.contains("error"), "{line}: {}", ended.err);
}

const HEAD: &str = "version: 1\nname: night\nregion: ap-southeast-1\nstop_type: HARD\n";

fn head() -> String {
    format!("{HEAD}project: {PROJECT}\n")
}

#[test]
fn hostile_yaml_ends_soon() {
    let alias_bomb: String = (1..30)
        .map(|level| {
            format!(
                "  a{level}: &a{level} [{}]\n",
                vec![format!("*a{}", level - 1); 9].join(", ")
            )
        })
        .collect();
    let texts = [
        ("alias-bomb", format!("vars:\n  a0: &a0 [x]\n{alias_bomb}")),
        (
            "long-line",
            format!(
                "{}description: {}\ngroups: 7\n",
                head(),
                "x".repeat(10_000_000)
            ),
        ),
        (
            "long-key",
            format!("{}{}: 1\n", head(), "k".repeat(10_000_000)),
        ),
        ("nested-flow", format!("vars: {}\n", "[".repeat(100_000))),
        (
            "nested-closed",
            format!("vars: {}{}\n", "[".repeat(100_000), "]".repeat(100_000)),
        ),
        ("nested-maps", format!("vars: {}\n", "{a: ".repeat(100_000))),
        ("nested-block", format!("- {}", "- ".repeat(100_000))),
        (
            "many-errors",
            format!(
                "{}groups:\n  - name: canary\n    servers:\n{}",
                head(),
                "      - not-an-id\n".repeat(550_000)
            ),
        ),
        (
            "many-keys",
            format!(
                "{}{}",
                head(),
                (0..200_000)
                    .map(|key| format!("key{key}: 1\n"))
                    .collect::<String>()
            ),
        ),
        ("many-documents", "---\n".repeat(1_000_000)),
        (
            "many-expressions",
            format!("{}description: \"{}\"\n", head(), "{{ x }}".repeat(200_000)),
        ),
        (
            "open-quote",
            format!("{}description: \"{}\n", head(), "x\n".repeat(1_000_000)),
        ),
        (
            "nul-bytes",
            format!("{}description: \"a\0b\"\n\0\0", head()),
        ),
        ("nothing", String::new()),
        ("blank", " \n".repeat(1_000_000)),
        (
            "escapes",
            format!("{}\"\\x1b[2J\\x1b]0;owned\\x07\": 1\n", head()),
        ),
    ];
    at_once(&texts, |(name, text)| {
        let stage = Scenario::new(&ids(1)).start();
        stage.write(&format!("{name}.yaml"), text);
        refused(&stage, &format!("run {name}.yaml"));
    });
}

#[test]
fn control_characters_never_reach_the_terminal() {
    let stage = Scenario::new(&ids(1)).start();
    stage.write(
        "odd.yaml",
        format!("{}\"k\\e[31m\": 1\ngroups: [\"\\e]0;owned\\a\"]\n", head()),
    );
    let ended = stage.run("validate odd.yaml").with_code(2);
    let allowed = |c: char| c == '\n' || !c.is_control();
    assert!(ended.err.chars().all(allowed), "{:?}", ended.err);
}

#[test]
fn what_is_no_text_is_refused() {
    let stage = Scenario::new(&ids(1)).start();
    let binary: Vec<u8> = (0..200_000_u32)
        .map(|byte| (byte * 31 % 251) as u8)
        .collect();
    stage.write("binary.yaml", &binary);
    stage.write("latin1.yaml", b"version: 1\nname: gr\xf6\xdfe\n");
    stage.write("utf16.yaml", b"\xff\xfev\0e\0r\0s\0i\0o\0n\0:\0 \x001\0");
    stage.write(
        "elf.yaml",
        std::fs::read(env!("CARGO_BIN_EXE_lightsout"))
            .unwrap()
            .split_at(1_000_000)
            .0,
    );
    for name in ["binary", "latin1", "utf16", "elf"] {
        refused(&stage, &format!("run {name}.yaml"));
        refused(&stage, &format!("validate {name}.yaml"));
    }
}

/// Things in the place of a file, which even the administrator cannot read as one.
fn no_files(stage: &Stage, extension: &str) -> Vec<String> {
    let name = |stem: &str| format!("{stem}.{extension}");
    std::fs::create_dir(stage.path(&name("folder"))).unwrap();
    symlink(name("loop"), stage.path(&name("loop"))).unwrap();
    symlink("nowhere", stage.path(&name("dangling"))).unwrap();
    symlink("/proc/self/mem", stage.path(&name("unreadable"))).unwrap();
    symlink("/dev/zero", stage.path(&name("endless"))).unwrap();
    let pipe = stage
        .surrounded("mkfifo", [&name("pipe")[..]].into_iter())
        .status()
        .unwrap();
    assert!(pipe.success());
    let _socket = std::os::unix::net::UnixListener::bind(stage.path(&name("socket"))).unwrap();
    [
        "folder",
        "loop",
        "dangling",
        "unreadable",
        "endless",
        "pipe",
        "socket",
        "missing",
    ]
    .map(name)
    .to_vec()
}

#[test]
fn what_is_no_file_is_refused_wherever_a_file_is_named() {
    let stage = Scenario::new(&ids(1)).start();
    for name in no_files(&stage, "yaml") {
        for line in [
            "run",
            "validate",
            "render",
            "plan",
            "run night.yaml --vars-file",
            "rehearse night.yaml --faults",
        ] {
            refused(&stage, &format!("{line} {name}"));
        }
        refused(&stage, &format!("run --plan {name}"));
        refused(&stage, &format!("run night.yaml --ca-file {name}"));
        let ended = soon(&stage, &format!("run night.yaml --credentials file:{name}"));
        ended.with_code(3).with_nothing_sent();
    }
}

#[test]
fn what_is_no_file_is_refused_as_an_inventory() {
    for extension in ["txt", "csv", "json"] {
        let stage =
            Scenario::offline("groups:\n  - name: canary\n    servers_from: NAME\n").start();
        for name in no_files(&stage, extension) {
            stage.write(
                "other.yaml",
                stage.read("night.yaml").replace("NAME", &name),
            );
            refused(&stage, "validate other.yaml");
        }
    }
}

#[test]
fn hostile_inventories_end_soon() {
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let files: [(&str, Vec<u8>); 10] = [
        ("line.txt", vec![b'x'; 10_000_000]),
        ("errors.txt", b"not-an-id\n".repeat(1_000_000)),
        ("nul.txt", vec![0; 10_000]),
        (
            "line.csv",
            [b"id\n".to_vec(), vec![b'x'; 10_000_000]].concat(),
        ),
        (
            "quote.csv",
            [b"id,rack\n\"".to_vec(), vec![b'\n'; 5_000_000]].concat(),
        ),
        (
            "columns.csv",
            [b"id".to_vec(), b",x".repeat(1_000_000)].concat(),
        ),
        ("nested.json", nested.into_bytes()),
        (
            "string.json",
            [b"[\"".to_vec(), vec![b'x'; 10_000_000]].concat(),
        ),
        (
            "numbers.json",
            [b"[1".to_vec(), b",1".repeat(1_000_000), b"]".to_vec()].concat(),
        ),
        (
            "binary.json",
            (0..100_000_u32)
                .map(|byte| (byte * 7 % 256) as u8)
                .collect(),
        ),
    ];
    let stage = Scenario::offline("groups:\n  - name: canary\n    servers_from: NAME\n").start();
    for (name, content) in files {
        stage.write(name, content);
        stage.write("other.yaml", stage.read("night.yaml").replace("NAME", name));
        refused(&stage, "run other.yaml");
    }
}

#[test]
fn hostile_plans_end_soon() {
    let stage = Scenario::new(&ids(1)).start();
    let texts = [
        ("nothing", String::new()),
        ("word", "true".to_owned()),
        ("nested", "[".repeat(100_000)),
        (
            "deep",
            format!(
                "{{\"schema\":{}1{}}}",
                "[".repeat(100_000),
                "]".repeat(100_000)
            ),
        ),
        ("long", format!("\"{}\"", "x".repeat(10_000_000))),
        ("nul", "\0".repeat(1000)),
    ];
    for (name, text) in texts {
        stage.write(&format!("{name}.json"), text);
        let ended = soon(&stage, &format!("run --plan {name}.json"));
        ended.with_code(22).with_nothing_sent();
    }
}

#[test]
fn a_pipe_that_a_shell_has_opened_is_refused_for_what_it_is() {
    let stage = Scenario::new(&ids(2)).start();
    for line in [
        "run --plan /dev/stdin",
        "run night.yaml --exclude /dev/stdin",
    ] {
        let mut command = stage.command(line);
        let output = command.stdin(std::process::Stdio::piped()).output();
        let ended = stage.ended(output.unwrap()).with_code(2);
        ended
            .saying(&["cannot read `/dev/stdin`: not a regular file"])
            .with_nothing_sent();
    }
}

/// Puts a pipe without a writer in the place of a file.
fn pipe(path: &Path) {
    let _ = std::fs::remove_file(path);
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, path, fifo, 0o600.into(), 0).unwrap();
}

#[test]
fn a_pipe_in_the_place_of_a_file_never_hangs() {
    let given = [
        "run pipe",
        "run --plan pipe",
        "plan night.yaml --vars-file pipe",
        "plan night.yaml --against pipe",
        "plan night.yaml --inventory pipe",
        "run night.yaml --yes --exclude pipe",
        "run night.yaml --yes --ca-file pipe",
        "run night.yaml --yes --report pipe",
        "rehearse night.yaml --faults ./pipe",
        "report ./pipe",
        "undo ./pipe",
        "validate list.yaml",
    ];
    let stage = Scenario::new(&ids(1)).start();
    pipe(&stage.path("pipe"));
    std::os::unix::fs::symlink("pipe", stage.path("list.txt")).unwrap();
    let text = stage.read("night.yaml");
    let (top, _) = text.split_once("groups:").unwrap();
    let groups = "groups: [{ name: all, servers_from: list.txt }]";
    stage.write("list.yaml", format!("{top}{groups}\n"));
    for line in given {
        refused(&stage, line);
    }
    let ended = soon(&stage, "run night.yaml --yes --credentials file:pipe");
    ended.with_code(3).with_nothing_sent();
    let ended = soon(&stage, "run night.yaml --yes --policy pipe");
    ended.with_code(23).with_nothing_sent();
}

#[test]
fn a_pipe_in_the_state_folder_never_hangs() {
    let stage = Scenario::new(&ids(1)).start();
    stage.run("run night.yaml").with_code(0);
    let run = stage.run_id();
    let folder = stage.run_folder();
    pipe(&stage.path("state/halt.json"));
    let ended = soon(&stage, "run night.yaml").with_code(24);
    ended.saying(&["cannot be read: not a regular file"]);
    soon(&stage, "status").with_code(0);
    soon(&stage, "halt --clear").with_code(0);
    for (name, lines) in [
        (
            "journal.jsonl",
            ["status", "report latest", "resume RUN", "undo RUN"],
        ),
        (
            "plan.json",
            ["status", "report latest", "resume RUN", "undo RUN"],
        ),
    ] {
        let kept = std::fs::read(folder.join(name)).unwrap();
        pipe(&folder.join(name));
        for line in lines {
            let ended = soon(&stage, &line.replace("RUN", run.as_str()));
            assert_eq!(ended.code, 2, "{line}: {}", ended.err);
        }
        std::fs::remove_file(folder.join(name)).unwrap();
        std::fs::write(folder.join(name), kept).unwrap();
    }
}

#[test]
fn a_state_folder_that_is_not_absolute_is_refused() {
    let lines = [
        "run night.yaml",
        "halt --reason drill",
        "status",
        "resume",
        "settle",
    ];
    for folder in ["~/st", "$HOME/st", "st", "./st"] {
        let stage = Scenario::new(&ids(1))
            .variable("LIGHTSOUT_STATE_DIR", folder)
            .start();
        for line in lines {
            let ended = soon(&stage, line).with_code(2).with_nothing_sent();
            let told =
                format!("`LIGHTSOUT_STATE_DIR` is `{folder}`, which is not an absolute path");
            ended.saying(&[&told, "from `/` on"]);
        }
        let ended = soon(&stage, "run night.yaml --state-dir st").with_code(2);
        ended.saying(&["`--state-dir` is `st`"]);
        for made in ["~", "$HOME", "st"] {
            assert!(!stage.path(made).exists(), "{made}");
        }
    }
}
