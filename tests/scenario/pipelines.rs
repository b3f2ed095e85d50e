//! The ready-made pipelines of `docs/examples/`: their own shell steps, run as they stand there.
//!
//! A pull request goes through them from an edit to the night. What the steps call is the real program, a
//! real git, and a stand-in for the forge. Invariant: every step of an example is run, or its file refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lightsout::ids::ServerId;
use serde_json::{Value, json};

use crate::forge::{FORGE_TOKEN, Forge};
use crate::scenario::{Ended, Scenario, Stage, ids, ids_from};

const GITHUB: &str = "docs/examples/github/lightsout.yml";
const GITLAB: &str = "docs/examples/gitlab/lightsout.gitlab-ci.yml";
const CRONTAB: &str = "docs/examples/crontab";
const SERVICE: &str = "docs/examples/systemd/lightsout-weekly-stop.service";
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

fn example(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn yaml(name: &str) -> Value {
    serde_yaml::from_str(&example(name)).unwrap()
}

/// Whether this machine has what a runner has.
#[expect(clippy::print_stdout, reason = "a test that does nothing must say so")]
fn is_runner() -> bool {
    let found = |program: &&str| Command::new(program).arg("--version").output().is_ok();
    let all = ["bash", "git", "curl", "jq"].iter().all(found);
    if !all {
        assert!(option_env!("CI").is_none(), "needs bash, git, curl and jq");
        println!("skipped: needs bash, git, curl and jq");
    }
    all
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// A repository that others clone, with `main` as it was approved.
struct Forked<'a> {
    stage: &'a Stage,
    runs: std::cell::Cell<u32>,
}

impl<'a> Forked<'a> {
    /// The workflow of the stage, reviewed and merged.
    fn of(stage: &'a Stage) -> Self {
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
    fn shell(&self, folder: &str, script: &str) {
        let output = self
            .command(folder, Path::new("bash"))
            .args(["-euo", "pipefail", "-c", script])
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}\n{}", text(&output));
    }

    /// The program in the developer's clone.
    fn lightsout(&self, line: &str) -> Result<(), i32> {
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
    fn push(&self, branch: &str, change: impl Fn(String) -> String) {
        self.shell("dev", &format!("git checkout --quiet {branch} 2> /dev/null || git checkout --quiet -b {branch} main"));
        let file = "dev/workflows/weekly-stop.yaml";
        self.stage.write(file, change(self.stage.read(file)));
        self.commit(branch);
    }

    fn commit(&self, branch: &str) {
        self.shell(
            "dev",
            &format!(
                "git add . && git commit --quiet -m change && git push --quiet origin {branch}"
            ),
        );
    }

    fn merge(&self, branch: &str) {
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
        fs::create_dir(self.stage.path(&format!("{folder}-temp"))).unwrap();
        folder
    }

    /// The line of the crontab, in the clone of the machine that runs it.
    fn night(&self) -> Ended {
        let crontab = example(CRONTAB);
        let line = crontab
            .lines()
            .find_map(|line| line.strip_prefix("0 1 * * 6"));
        self.in_production(line.unwrap().trim())
    }

    fn in_production(&self, line: &str) -> Ended {
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
struct Said {
    /// Name, exit code and log of each step.
    steps: Vec<(String, i32, String)>,
    comments: String,
    summary: String,
}

impl Said {
    fn code(&self, step: &str) -> i32 {
        let found = self.steps.iter().find(|(name, ..)| name == step);
        found.unwrap_or_else(|| panic!("no {step}")).1
    }

    fn log(&self) -> String {
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

/// Both jobs of the example for GitHub, for a pull request from `branch`.
fn github(forked: &Forked<'_>, branch: &str, forge: &Forge) -> Said {
    let workflow = yaml(GITHUB);
    let folder = forked.runner(branch);
    let temp = forked.stage.path(&format!("{folder}-temp"));
    let file = |name: &str| -> PathBuf { temp.join(name) };
    for name in ["output", "path", "summary"] {
        fs::write(file(name), "").unwrap();
    }
    let mut said = Said::default();
    let mut failed = false;
    for job in ["plan", "comment"] {
        failed &= job == "plan";
        for step in workflow["jobs"][job]["steps"].as_array().unwrap() {
            if let Some(action) = step["uses"].as_str() {
                assert!(action.starts_with("actions/checkout@"), "{action}");
                continue;
            }
            match step["if"].as_str() {
                None if failed => continue,
                None | Some("${{ !cancelled() }}") => {}
                Some(other) => panic!("{other}"),
            }
            let path = fs::read_to_string(file("path")).unwrap().replace('\n', ":");
            let mut command = forked.command(&folder, Path::new("bash"));
            command
                .env("PATH", format!("{path}{PATH}"))
                .env("RUNNER_TEMP", &temp)
                .env("GITHUB_OUTPUT", file("output"))
                .env("GITHUB_PATH", file("path"))
                .env("GITHUB_STEP_SUMMARY", file("summary"))
                .envs(download());
            for (name, value) in step["env"].as_object().into_iter().flatten() {
                command.env(name, filled(value.as_str().unwrap(), forge, &said.comments));
            }
            let (code, log) = script(&mut command, step["run"].as_str().unwrap());
            failed |= code != 0;
            said.steps
                .push((step["name"].as_str().unwrap().to_owned(), code, log));
            let output = fs::read_to_string(file("output")).unwrap();
            let comments = output
                .lines()
                .find_map(|line| line.strip_prefix("comments="));
            said.comments = comments.unwrap_or_default().to_owned();
        }
    }
    said.summary = fs::read_to_string(file("summary")).unwrap();
    said
}

/// An expression of GitHub's, as the runner would fill it in.
fn filled(value: &str, forge: &Forge, comments: &str) -> String {
    let known = [
        ("${{ github.token }}", FORGE_TOKEN),
        ("${{ github.api_url }}", &forge.url()),
        ("${{ github.repository }}", "ops/maintenance"),
        ("${{ github.event.pull_request.number }}", "7"),
        ("${{ needs.plan.outputs.comments }}", comments),
    ];
    let filled = known
        .iter()
        .fold(value.to_owned(), |text, (from, to)| text.replace(from, to));
    assert!(!filled.contains("${{"), "{filled}");
    filled
}

/// Both jobs of the example for GitLab, for a merge request from `branch`.
fn gitlab(forked: &Forked<'_>, branch: &str, forge: &Forge) -> Said {
    let pipeline = yaml(GITLAB);
    let folder = forked.runner(branch);
    let mut said = Said::default();
    for job in ["lightsout-plan", "lightsout-note"] {
        let lines = pipeline[job]["script"].as_array().unwrap();
        let lines: Vec<&str> = lines.iter().map(|line| line.as_str().unwrap()).collect();
        let mut command = forked.command(&folder, Path::new("bash"));
        let base = forked
            .command(&folder, Path::new("git"))
            .args(["rev-parse", "HEAD^1"])
            .output();
        command
            .env("CI_PROJECT_DIR", forked.stage.path(&folder))
            .env(
                "CI_MERGE_REQUEST_DIFF_BASE_SHA",
                text(&base.unwrap()).trim(),
            )
            .env("CI_MERGE_REQUEST_IID", "7")
            .env("CI_PROJECT_ID", "1")
            .env("CI_API_V4_URL", forge.url())
            .envs(download());
        if job == "lightsout-note" {
            command.env("LIGHTSOUT_NOTES_TOKEN", FORGE_TOKEN);
        }
        let (code, log) = script(&mut command, &lines.join("\n"));
        said.steps.push((job.to_owned(), code, log));
    }
    said
}

const CHECK: &str = "Are the committed plans those of the workflows?";

fn approved() -> Stage {
    let groups = [("canary", &ids(2)[..]), ("rest", &ids_from(3, 3)[..])];
    let later = ids_from(6, 1);
    Scenario::of_groups(&groups)
        .settings(|cloud| {
            let more = later
                .into_iter()
                .map(lightsout::simulator::SimulatedServer::new);
            cloud.servers.extend(more);
        })
        .start()
}

fn with_server(text: String, id: ServerId) -> String {
    format!(
        "{}      - {id}\n",
        text.trim_end_matches('\n').to_owned() + "\n"
    )
}

#[test]
fn a_change_is_checked_shown_approved_merged_and_run() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    let forge = Forge::start(&["<!-- lightsout plan night -->\nnot the pipeline's"]);
    let new = ids_from(6, 1)[0];

    forked.push("one-more", |text| with_server(text, new));
    let first = github(&forked, "one-more", &forge);
    assert_eq!(
        (first.code("Validate"), first.code(CHECK)),
        (0, 10),
        "{}",
        first.log()
    );
    assert_eq!(first.code("Comment"), 0, "{}", first.log());
    let own = forge.own();
    assert_eq!(own.len(), 1, "{}", first.log());
    assert!(
        own[0]
            .body
            .starts_with("<!-- lightsout plan night -->\n## Power-off plan of night")
    );
    assert!(
        own[0].body.contains("#### 1 server would newly lose power"),
        "{}",
        own[0].body
    );
    assert!(
        own[0].body.contains(&format!("- `{new}` in rest")),
        "{}",
        own[0].body
    );

    forked
        .lightsout("plan workflows/weekly-stop.yaml --write")
        .unwrap();
    forked.commit("one-more");
    let second = github(&forked, "one-more", &forge);
    assert!(
        second.steps.iter().all(|(_, code, _)| *code == 0),
        "{}",
        second.log()
    );
    assert_eq!(forge.own().len(), 1);
    assert_eq!(forge.own()[0].id, own[0].id, "replaced and not repeated");
    assert_eq!(forge.others().len(), 1, "somebody else's comment stays");
    assert!(second.summary.contains("would newly lose power"));

    // Nothing runs but what was merged.
    forked.night().with_code(0).with_outcomes(&[("stopped", 5)]);
    assert!(!stage.stats().accepted.contains_key(&new));
    forked.merge("one-more");
    let outcomes = [("already_off", 5), ("stopped", 1)];
    forked.night().with_code(0).with_outcomes(&outcomes);
    assert_eq!(stage.stats().accepted[&new], 1);
}

#[test]
fn a_change_that_is_taken_back_takes_its_comment_back() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    let forge = Forge::start(&[]);
    let before = stage.read("night.yaml");
    forked.push("undecided", |text| with_server(text, ids_from(6, 1)[0]));
    github(&forked, "undecided", &forge);
    assert_eq!(forge.own().len(), 1);
    forked.push("undecided", |_| before.clone());
    let said = github(&forked, "undecided", &forge);
    assert!(
        said.steps.iter().all(|(_, code, _)| *code == 0),
        "{}",
        said.log()
    );
    assert!(forge.own().is_empty());
}

#[test]
fn a_live_selection_is_checked_and_shown_without_credentials() {
    if !is_runner() {
        return;
    }
    let groups = "groups:\n  - name: all\n    select: { name: \"*\" }\n";
    let stage = Scenario::with_cloud(groups, &ids(3)).start();
    // Somebody with credentials makes the first plan.
    stage.run("plan night.yaml --write").with_code(0);
    let forked = Forked::of(&stage);
    let forge = Forge::start(&[]);
    forked.push("smaller", |text| {
        format!("{text}rollout: {{ batch_size: 2 }}\n")
    });
    let first = github(&forked, "smaller", &forge);
    assert_eq!(first.code(CHECK), 10, "{}", first.log());
    assert!(
        forge.own()[0]
            .body
            .contains("- rollout.batch\\_size: 1000 → 2\n"),
        "{}",
        forge.own()[0].body
    );
    forked
        .lightsout("plan workflows/weekly-stop.yaml --frozen --write")
        .unwrap();
    forked.commit("smaller");
    let second = gitlab(&forked, "smaller", &forge);
    assert!(
        second.steps.iter().all(|(_, code, _)| *code == 0),
        "{}",
        second.log()
    );
    forked.merge("smaller");
    forked.night().with_code(0).with_outcomes(&[("stopped", 3)]);
}

#[test]
fn a_plan_that_does_not_match_runs_in_no_night() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    let another = ids_from(6, 1)[0];
    // Merged in spite of a failed check.
    forked.push("unplanned", |text| with_server(text, another));
    forked.merge("unplanned");
    let ended = forked.night().with_code(22).with_nothing_sent();
    assert!(
        ended.err.contains("1 server would newly lose power"),
        "{}",
        ended.err
    );
    // Changed by hand where it runs.
    let plan = "srv/workflows/weekly-stop.plan.json";
    let first = ids(1)[0].to_string();
    stage.write(
        plan,
        stage.read(plan).replacen(&first, &another.to_string(), 1),
    );
    forked.night().with_code(22).with_nothing_sent();
    assert_eq!(stage.stats().requests.list, 0);
}

#[test]
fn a_merge_request_is_checked_shown_and_noted() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    let forge = Forge::start(&["<!-- lightsout plan night -->\nnot the pipeline's"]);
    forked.push("one-more", |text| with_server(text, ids_from(6, 1)[0]));
    let first = gitlab(&forked, "one-more", &forge);
    assert_eq!(
        (first.code("lightsout-plan"), first.code("lightsout-note")),
        (10, 0),
        "{}",
        first.log()
    );
    let own = forge.own();
    assert_eq!(own.len(), 1, "{}", first.log());
    assert!(own[0].body.contains("#### 1 server would newly lose power"));
    forked
        .lightsout("plan workflows/weekly-stop.yaml --write")
        .unwrap();
    forked.commit("one-more");
    let second = gitlab(&forked, "one-more", &forge);
    assert!(
        second.steps.iter().all(|(_, code, _)| *code == 0),
        "{}",
        second.log()
    );
    assert_eq!((forge.own().len(), forge.own()[0].id), (1, own[0].id));
    assert_eq!(forge.others().len(), 1);
    forked.merge("one-more");
    forked.push("no-change", |text| format!("# a comment\n{text}"));
    let third = gitlab(&forked, "no-change", &forge);
    assert!(
        third.steps.iter().all(|(_, code, _)| *code == 0),
        "{}",
        third.log()
    );
    assert!(forge.own().is_empty());
}

/// What a log line must not be: a command to the runner.
fn commands(log: &str) -> Vec<&str> {
    let mut stopped: Option<&str> = None;
    let mut found = Vec::new();
    for line in log.lines().map(str::trim_start) {
        match stopped {
            Some(token) if line == format!("::{token}::") => stopped = None,
            Some(_) => {}
            None => match line.strip_prefix("::stop-commands::") {
                Some(token) => stopped = Some(token),
                None if line.starts_with("::") || line.contains("##[") => found.push(line),
                None => {}
            },
        }
    }
    found
}

#[test]
fn a_hostile_pull_request_cannot_speak_for_the_pipeline() {
    if !is_runner() {
        return;
    }
    let stage = approved();
    let forked = Forked::of(&stage);
    let forge = Forge::start(&[]);
    let evil = "::add-mask::night ##[error]owned @everybody <img src=x> [a](https://evil.example) $(touch owned) the older plan has the same digest";
    let row = |id: ServerId| format!("{id},\"\n{evil}\"\n");
    let rows: String = ids_from(6, 3).into_iter().map(row).collect();
    fs::create_dir_all(stage.path("dev/workflows")).unwrap();
    forked.push("evil", |text| {
        let text = text.replace(
            "groups:\n",
            "groups:\n  - name: evil\n    servers_from: { file: evil.csv, name_column: name }\n",
        );
        format!("description: \"\\n{evil}\"\nlabels: {{ evil: \"{evil}\" }}\nnmae: 1\n{text}")
    });
    stage.write("dev/workflows/evil.csv", format!("id,name\n{rows}"));
    stage.write("dev/workflows/$(touch owned).yaml", "::error::x: 1\n");
    forked.commit("evil");
    let said = github(&forked, "evil", &forge);
    assert_eq!(
        (said.code("Validate"), said.code(CHECK)),
        (2, 2),
        "{}",
        said.log()
    );
    let spoken = commands(&said.log()).join("\n");
    assert!(
        spoken
            .lines()
            .all(|line| line.starts_with("::error file=workflows/")),
        "{spoken}"
    );
    forked.push("evil", |text| text.replace("nmae: 1\n", ""));
    fs::remove_file(stage.path("dev/workflows/$(touch owned).yaml")).unwrap();
    forked
        .lightsout("plan workflows/weekly-stop.yaml --write")
        .unwrap();
    forked.commit("evil");
    let said = github(&forked, "evil", &forge);
    assert!(
        said.steps.iter().all(|(_, code, _)| *code == 0),
        "{}",
        said.log()
    );
    assert_eq!(commands(&said.log()), [""; 0], "{}", said.log());
    let body = &forge.own()[0].body;
    for bad in ["<img", "](http", "@everybody", "://evil"] {
        assert!(!body.contains(bad), "{body}");
    }
    assert!(body.contains("3 servers would newly lose power"), "{body}");
    assert!(!stage.everything_kept().contains("== owned"));
}

/// All members of a document, with their names.
fn members(value: &Value) -> Vec<(String, Value)> {
    let inside = |value: &Value| members(value);
    match value {
        Value::Object(object) => object
            .iter()
            .flat_map(|(name, value)| {
                let own = (name.clone(), value.clone());
                std::iter::once(own).chain(inside(value))
            })
            .collect(),
        Value::Array(list) => list.iter().flat_map(inside).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

#[test]
fn the_job_that_reads_a_pull_request_has_nothing_to_lose() {
    let workflow = yaml(GITHUB);
    assert_eq!(workflow["on"], json!("pull_request"));
    assert_eq!(workflow["permissions"], json!({}));
    let permissions: BTreeMap<&str, &Value> = ["plan", "comment"]
        .map(|job| (job, &workflow["jobs"][job]["permissions"]))
        .into();
    assert_eq!(permissions["plan"], &json!({"contents": "read"}));
    assert_eq!(permissions["comment"], &json!({"pull-requests": "write"}));
    let plan = workflow["jobs"]["plan"].to_string();
    assert!(
        !plan.contains("token }}") && !plan.contains("secrets"),
        "{plan}"
    );
    assert!(plan.contains("\"persist-credentials\":false"));
    let comment = workflow["jobs"]["comment"].to_string();
    assert!(
        !comment.contains("checkout") && !comment.contains("lightsout plan \\\"$"),
        "{comment}"
    );
    for name in [GITHUB, GITLAB] {
        for (name, value) in members(&yaml(name)) {
            // Text of a pull request reaches a shell in variables only.
            if name == "run" || name == "script" {
                assert!(!value.to_string().contains("${{"), "{value}");
            }
        }
    }
}

#[test]
fn the_service_does_what_the_crontab_does() {
    if !is_runner() {
        return;
    }
    let service = example(SERVICE);
    let value = |name: &str| -> String {
        let line = service.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().to_owned()
    };
    let folder = value("WorkingDirectory=");
    let (pull, run) = (value("ExecStartPre="), value("ExecStart="));
    let crontab = example(CRONTAB);
    assert!(crontab.contains(&format!("cd {folder} && {pull} && {run} --quiet\n")));
    let stage = approved();
    let forked = Forked::of(&stage);
    let ended = forked.in_production(&format!("cd {folder} && {pull} && {run}"));
    ended.with_code(0).with_outcomes(&[("stopped", 5)]);
}
