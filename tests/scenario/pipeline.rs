//! Runs the shell steps of `docs/examples/` as a forge would.
//!
//! Owns the repository with its merge commits, and both runners. What the steps call is the real program, a
//! real git, and a stand-in for the forge. Invariant: every step of an example is run, or its file refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::forge::{FORGE_TOKEN, Forge};
use crate::scenario::{Ended, Stage};

pub(crate) const GITHUB: &str = "docs/examples/github/lightsout.yml";
pub(crate) const GITLAB: &str = "docs/examples/gitlab/lightsout.gitlab-ci.yml";
pub(crate) const CRONTAB: &str = "docs/examples/crontab";
pub(crate) const SERVICE: &str = "docs/examples/systemd/lightsout-weekly-stop.service";
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

pub(crate) fn example(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

pub(crate) fn yaml(name: &str) -> Value {
    serde_yaml::from_str(&example(name)).unwrap()
}

/// Whether this machine has what a runner has.
#[expect(clippy::print_stdout, reason = "a test that does nothing must say so")]
pub(crate) fn is_runner() -> bool {
    let found = |program: &&str| Command::new(program).arg("--version").output().is_ok();
    let all = ["bash", "git", "curl", "jq"].iter().all(found);
    if !all {
        assert!(option_env!("CI").is_none(), "needs bash, git, curl and jq");
        println!("skipped: needs bash, git, curl and jq");
    }
    all
}

pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// A repository that others clone, with `main` as it was approved.
pub(crate) struct Forked<'a> {
    pub(crate) stage: &'a Stage,
    runs: std::cell::Cell<u32>,
}

impl<'a> Forked<'a> {
    /// The workflow of the stage, reviewed and merged.
    pub(crate) fn of(stage: &'a Stage) -> Self {
        let it = Self {
            stage,
            runs: std::cell::Cell::default(),
        };
        it.shell(
            ".",
            "git init --quiet --bare -b main hub.git && git clone --quiet hub.git dev",
        );
        fs::create_dir(stage.path("dev/workflows")).unwrap();
        stage.write("dev/workflows/weekly-stop.yaml", stage.read("night.yaml"));
        match fs::read(stage.path("night.plan.json")) {
            Ok(plan) => stage.write("dev/workflows/weekly-stop.plan.json", plan),
            Err(_) => it
                .lightsout("plan workflows/weekly-stop.yaml --write")
                .unwrap(),
        }
        it.shell("dev", "git checkout --quiet -b main; git add . && git commit --quiet -m plan && git push --quiet -u origin main");
        it.shell(".", "git clone --quiet hub.git srv");
        it
    }

    fn command(&self, folder: &str, program: &Path) -> Command {
        let mut command = Command::new(program);
        let home = self.stage.path("");
        command
            .current_dir(self.stage.path(folder))
            .env_clear()
            .env("HOME", home)
            .env("PATH", PATH);
        for (name, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_AUTHOR_NAME", "dev"),
            ("GIT_AUTHOR_EMAIL", "dev@example.com"),
            ("GIT_COMMITTER_NAME", "dev"),
            ("GIT_COMMITTER_EMAIL", "dev@example.com"),
        ] {
            command.env(name, value);
        }
        command
    }

    #[track_caller]
    pub(crate) fn shell(&self, folder: &str, script: &str) {
        let output = self
            .command(folder, Path::new("bash"))
            .args(["-euo", "pipefail", "-c", script])
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}\n{}", text(&output));
    }

    /// The program in the developer's clone.
    pub(crate) fn lightsout(&self, line: &str) -> Result<(), i32> {
        let output = self
            .command("dev", Path::new(env!("CARGO_BIN_EXE_lightsout")))
            .args(line.split(' '))
            .output()
            .unwrap();
        match output.status.code().unwrap() {
            0 => Ok(()),
            code => Err(code),
        }
    }

    /// What a branch changes in the workflow, pushed.
    pub(crate) fn push(&self, branch: &str, change: impl Fn(String) -> String) {
        self.shell("dev", &format!("git checkout --quiet {branch} 2> /dev/null || git checkout --quiet -b {branch} main"));
        let file = "dev/workflows/weekly-stop.yaml";
        self.stage.write(file, change(self.stage.read(file)));
        self.commit(branch);
    }

    pub(crate) fn commit(&self, branch: &str) {
        self.shell(
            "dev",
            &format!(
                "git add . && git commit --quiet -m change && git push --quiet origin {branch}"
            ),
        );
    }

    pub(crate) fn merge(&self, branch: &str) {
        self.shell("dev", &format!("git checkout --quiet main && git merge --quiet --no-ff -m merge {branch} && git push --quiet origin main"));
    }

    /// A fresh clone with the merge of main and a branch, as a runner checks it out.
    fn runner(&self, branch: &str) -> String {
        self.runs.set(self.runs.get() + 1);
        let folder = format!("runner-{}", self.runs.get());
        self.shell(".", &format!("git clone --quiet hub.git {folder}"));
        self.shell(
            &folder,
            &format!("git merge --quiet --no-ff -m merge origin/{branch}"),
        );
        folder
    }

    /// The line of the crontab, in the clone of the machine that runs it.
    pub(crate) fn night(&self) -> Ended {
        let crontab = example(CRONTAB);
        let line = crontab
            .lines()
            .find_map(|line| line.strip_prefix("0 1 * * 6"));
        self.in_production(line.unwrap().trim())
    }

    pub(crate) fn in_production(&self, line: &str) -> Ended {
        let line = line.replace("/srv/maintenance", self.stage.path("srv").to_str().unwrap());
        let program = Path::new(env!("CARGO_BIN_EXE_lightsout")).parent().unwrap();
        let path = format!("{}:{PATH}", program.display());
        let words = ["-c", line.as_str()].into_iter();
        let output = self
            .stage
            .surrounded("bash", words)
            .env("PATH", path)
            .output();
        self.stage.ended(output.unwrap())
    }
}

/// What an example's steps said.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// Name, exit code and log of each step.
    pub(crate) steps: Vec<(String, i32, String)>,
    pub(crate) summary: String,
}

impl Said {
    pub(crate) fn code(&self, step: &str) -> i32 {
        let found = self.steps.iter().find(|(name, ..)| name == step);
        found.unwrap_or_else(|| panic!("no {step}")).1
    }

    pub(crate) fn log(&self) -> String {
        let logs = self
            .steps
            .iter()
            .map(|(name, code, log)| format!("# {name}: {code}\n{log}"));
        logs.collect()
    }
}

/// The program as a download, and its hash.
fn download() -> [(&'static str, String); 2] {
    static HASH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let program = env!("CARGO_BIN_EXE_lightsout");
    let hash = HASH.get_or_init(|| {
        let output = Command::new("sha256sum").arg(program).output().unwrap();
        text(&output).split(' ').next().unwrap().to_owned()
    });
    [
        ("LIGHTSOUT_URL", format!("file://{program}")),
        ("LIGHTSOUT_SHA256", hash.clone()),
    ]
}

fn script(command: &mut Command, script: &str) -> (i32, String) {
    let output = command
        .args(["--noprofile", "--norc", "-euo", "pipefail", "-c", script])
        .output()
        .unwrap();
    (output.status.code().unwrap(), text(&output))
}

/// A runner of one of the forges, with its own list of comments.
pub(crate) struct Runner {
    pub(crate) kind: Kind,
    pub(crate) forge: Forge,
    /// What stands in the environment beside what the forge itself sets.
    pub(crate) env: BTreeMap<&'static str, String>,
}

/// Which forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    GitHub,
    GitLab,
}

impl Runner {
    pub(crate) fn of(kind: Kind) -> Self {
        Self {
            kind,
            forge: Forge::start(&[]),
            env: BTreeMap::new(),
        }
    }

    /// One runner of each forge.
    pub(crate) fn both() -> [Self; 2] {
        [Kind::GitHub, Kind::GitLab].map(Self::of)
    }

    /// All steps for a pull request from `branch`.
    pub(crate) fn run(&self, forked: &Forked<'_>, branch: &str) -> Said {
        match self.kind {
            Kind::GitHub => github_with(forked, branch, &self.forge, &self.env),
            Kind::GitLab => gitlab_with(forked, branch, &self.forge, &self.env),
        }
    }

    /// The comment on this workflow; there must be one.
    #[track_caller]
    pub(crate) fn comment_on(&self, path: &str) -> String {
        let mark = format!("<!-- lightsout plan {path} -->\n");
        let own = self.forge.own();
        let found = own
            .into_iter()
            .find(|comment| comment.body.starts_with(&mark));
        found
            .unwrap_or_else(|| panic!("{:?} has no comment on {path}", self.kind))
            .body
    }

    /// The comment on what the others do not show.
    pub(crate) fn overview(&self) -> Option<String> {
        let own = self.forge.own().into_iter();
        let mut bodies = own.map(|comment| comment.body);
        bodies.find(|body| body.starts_with("<!-- lightsout overview -->\n"))
    }
}

/// Both jobs of the example for GitHub, for a pull request from `branch`.
pub(crate) fn github(forked: &Forked<'_>, branch: &str, forge: &Forge) -> Said {
    github_with(forked, branch, forge, &BTreeMap::new())
}

fn github_with(
    forked: &Forked<'_>,
    branch: &str,
    forge: &Forge,
    env: &BTreeMap<&'static str, String>,
) -> Said {
    let workflow = yaml(GITHUB);
    let folder = forked.runner(branch);
    let artifact = forked.stage.path(&format!("{folder}-artifact"));
    let mut said = Said::default();
    let mut failed = false;
    for job in ["plan", "comment"] {
        failed &= job == "plan";
        // Every job has a machine of its own.
        let temp = forked.stage.path(&format!("{folder}-temp-{job}"));
        fs::create_dir(&temp).unwrap();
        let file = |name: &str| -> PathBuf { temp.join(name) };
        for name in ["output", "path", "summary"] {
            fs::write(file(name), "").unwrap();
        }
        let mut known = vec![(
            "${{ runner.temp }}".to_owned(),
            temp.to_str().unwrap().to_owned(),
        )];
        let mut outcomes = BTreeMap::new();
        for step in workflow["jobs"][job]["steps"].as_array().unwrap() {
            if !is_due(step["if"].as_str(), failed, &outcomes, &known) {
                continue;
            }
            if let Some(action) = step["uses"].as_str() {
                let path = step["with"]["path"].as_str();
                let path = path.map(|path| PathBuf::from(filled(path, forge, &known)));
                match action.split('@').next().unwrap() {
                    "actions/checkout" => {}
                    "actions/upload-artifact" => copy(&path.unwrap(), &artifact),
                    "actions/download-artifact" => copy(&artifact, &path.unwrap()),
                    other => panic!("{other}"),
                }
                continue;
            }
            let mut command = forked.command(&folder, Path::new("bash"));
            command
                .env("RUNNER_TEMP", &temp)
                .env("GITHUB_OUTPUT", file("output"))
                .env("GITHUB_PATH", file("path"))
                .env("GITHUB_STEP_SUMMARY", file("summary"))
                .env("LIGHTSOUT_VARS", "")
                .envs(download())
                .envs(env);
            for (name, value) in step["env"].as_object().into_iter().flatten() {
                if !env.contains_key(name.as_str()) {
                    command.env(name, filled(value.as_str().unwrap(), forge, &known));
                }
            }
            let (code, log) = script(&mut command, step["run"].as_str().unwrap());
            failed |= code != 0;
            let name = step["name"].as_str().unwrap().to_owned();
            said.steps.push((name, code, log));
            assert_eq!(
                fs::read_to_string(file("path")).unwrap(),
                "",
                "PATH is changed"
            );
            if let Some(id) = step["id"].as_str() {
                outcomes.insert(id.to_owned(), code == 0);
                for line in fs::read_to_string(file("output")).unwrap().lines() {
                    let (name, value) = line.split_once('=').unwrap();
                    let expression = format!("${{{{ steps.{id}.outputs.{name} }}}}");
                    known.push((expression, value.to_owned()));
                }
            }
        }
        said.summary
            .push_str(&fs::read_to_string(file("summary")).unwrap());
    }
    said
}

/// Whether a step with this condition runs.
fn is_due(
    condition: Option<&str>,
    failed: bool,
    outcomes: &BTreeMap<String, bool>,
    known: &[(String, String)],
) -> bool {
    match condition {
        None => !failed,
        Some("${{ !cancelled() }}") => true,
        Some("${{ !cancelled() && steps.tools.outcome == 'success' }}") => outcomes["tools"],
        Some("${{ !cancelled() && steps.tools.outputs.folder != '' }}") => known
            .iter()
            .any(|(name, _)| name.contains("outputs.folder")),
        Some(other) => panic!("{other}"),
    }
}

/// Copies the files of a folder, if it has any.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).into_iter().flatten() {
        let entry = entry.unwrap();
        fs::create_dir_all(to).unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// An expression of GitHub's, as the runner would fill it in.
fn filled(value: &str, forge: &Forge, more: &[(String, String)]) -> String {
    let known = [
        ("${{ github.token }}", FORGE_TOKEN),
        ("${{ github.api_url }}", &forge.url()),
        ("${{ github.repository }}", "ops/maintenance"),
        ("${{ github.event.pull_request.number }}", "7"),
    ];
    let more = more.iter().map(|(from, to)| (from.as_str(), to.as_str()));
    let filled = known
        .into_iter()
        .chain(more)
        .fold(value.to_owned(), |text, (from, to)| text.replace(from, to));
    assert!(!filled.contains("${{"), "{filled}");
    filled
}

/// Both jobs of the example for GitLab, for a merge request from `branch`.
pub(crate) fn gitlab(forked: &Forked<'_>, branch: &str, forge: &Forge) -> Said {
    gitlab_with(forked, branch, forge, &BTreeMap::new())
}

fn gitlab_with(
    forked: &Forked<'_>,
    branch: &str,
    forge: &Forge,
    env: &BTreeMap<&'static str, String>,
) -> Said {
    let pipeline = yaml(GITLAB);
    let folder = forked.runner(branch);
    let other = format!("{folder}-note");
    fs::create_dir(forked.stage.path(&other)).unwrap();
    let mut said = Said::default();
    for (job, folder) in [("lightsout-plan", &folder), ("lightsout-note", &other)] {
        let lines = |part: &str| -> Vec<String> {
            let lines = pipeline[job][part].as_array().unwrap().iter();
            lines
                .map(|line| line.as_str().unwrap().to_owned())
                .collect()
        };
        // The container has what the last line installs.
        let mut before = lines("before_script");
        assert!(before.pop().unwrap().starts_with("apt-get update"));
        let lines = [before, lines("script")].concat();
        let mut command = forked.command(folder, Path::new("bash"));
        let base = forked
            .command(folder, Path::new("git"))
            .args(["rev-parse", "HEAD^1"])
            .output();
        command
            .env("CI_PROJECT_DIR", forked.stage.path(folder))
            .env(
                "CI_MERGE_REQUEST_DIFF_BASE_SHA",
                text(&base.unwrap()).trim(),
            )
            .env("CI_MERGE_REQUEST_IID", "7")
            .env("CI_PROJECT_ID", "1")
            .env("CI_API_V4_URL", forge.url())
            .env("LIGHTSOUT_VARS", "")
            .env(
                "MOST",
                pipeline[job]["variables"]["MOST"]
                    .as_str()
                    .unwrap_or_default(),
            )
            .envs(download())
            .envs(env);
        if job == "lightsout-note" {
            command.env("LIGHTSOUT_NOTES_TOKEN", FORGE_TOKEN);
        }
        let (code, log) = script(&mut command, &lines.join("\n"));
        said.steps.push((job.to_owned(), code, log));
        if job == "lightsout-plan" {
            let artifact = |name: &str| forked.stage.path(&format!("{name}/lightsout-comments"));
            copy(&artifact(folder), &artifact(&other));
        }
    }
    said
}
