//! Why a run ended, and whether it has: the same in summary, `report`, `status` and `report.json`.
//!
//! Invariant: a run that a process is working on is never called interrupted or unfinished.

use lightsout::event::{Event, SendAnswer};
use lightsout::exit::Exit;
use serde_json::{Value, json};

use crate::checks::valid_report;
use crate::interloper::{Call, Treatment, always, answer};
use crate::scenario::{Ended, Scenario, Stage, ids};

fn accepted(event: &Event) -> bool {
    matches!(
        event,
        Event::SendAnswered {
            answer: SendAnswer::Accepted { .. },
            ..
        }
    )
}

/// What a command printed that only reads.
#[track_caller]
fn shown(stage: &Stage, line: &str) -> String {
    let output = stage.command(line).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{err}");
    String::from_utf8(output.stdout).unwrap()
}

fn status(stage: &Stage, line: &str) -> Value {
    let text = shown(stage, &format!("status {line} --format json"));
    let status: Value = serde_json::from_str(&text).unwrap();
    let schema: Value = serde_json::from_str(lightsout::status::SCHEMA).unwrap();
    assert!(jsonschema::is_valid(&schema, &status), "{status:#}");
    status
}

/// Insists on the line in every form, and on the next step.
#[track_caller]
fn says_everywhere(stage: &Stage, ended: &Ended, line: &str) {
    let next = ended.report()["next"].as_str().unwrap();
    let texts = [
        ended.err.clone(),
        shown(stage, "report latest"),
        shown(stage, "status"),
    ];
    for text in texts {
        assert!(text.contains(line), "no {line:?}:\n{text}");
        assert!(text.contains(&format!("  next: {next}\n")), "{text}");
    }
    let status = status(stage, "latest");
    assert_eq!(status["next"], next);
    assert_eq!(status["stopped_by"], ended.report()["stopped_by"]);
}

#[test]
fn wrong_keys_are_named_as_the_cause_everywhere() {
    let stage = Scenario::new(&ids(3))
        .variable("HUAWEICLOUD_SDK_SK", "wrong")
        .start();
    let ended = stage.run("run night.yaml").with_code(3);
    let by = &ended.report()["stopped_by"];
    assert_eq!(
        (&by["cause"], &by["http_status"]),
        (&json!("refused"), &json!(401))
    );
    let (code, message) = (by["error_code"].as_str(), by["error_message"].as_str());
    let line = format!(
        "  sending stopped: credentials, permission or project were refused (HTTP 401, {}: {}",
        code.unwrap(),
        message.unwrap()
    );
    says_everywhere(&stage, &ended, &line);
}

#[test]
fn a_refused_permission_is_named_as_the_cause_everywhere() {
    let body =
        json!({"error": {"code": "BMS.0033", "message": "No permission for \u{1b}os-stop."}});
    let refused = answer("403 Forbidden", "application/json", body.to_string());
    let refused = Treatment::Instead(refused);
    let stage = Scenario::new(&ids(3))
        .through(always(Call::Stop, refused))
        .start();
    let ended = stage.run("run night.yaml").with_code(3);
    let by = &ended.report()["stopped_by"];
    assert_eq!(
        (&by["cause"], &by["http_status"]),
        (&json!("refused"), &json!(403))
    );
    let shown = "(HTTP 403, BMS.0033: No permission for os-stop.)\n";
    says_everywhere(&stage, &ended, shown);
    let server = ended.server(ids(1)[0]);
    assert_eq!(server["error_code"], by["error_code"]);
    assert_eq!(server["error_message"], by["error_message"]);
}

#[test]
fn a_failed_server_has_the_text_of_the_api() {
    let all = ids(4);
    let faults = json!({"servers": {"failing": {"ids": [all[0]], "code": "BMS.0217"}}});
    let stage = Scenario::new(&all)
        .bearing_failures()
        .faults(faults)
        .start();
    let ended = stage.run("run night.yaml").with_code(30);
    let server = ended.server(all[0]);
    let message = server["error_message"].as_str().unwrap();
    let line = format!("  BMS.0217: {message}\n");
    assert!(ended.err.contains(&line), "{}", ended.err);
    let report = shown(&stage, "report latest");
    assert!(report.contains(&line), "{report}");
}

#[test]
fn a_live_run_reports_that_it_is_running() {
    let stage = Scenario::new(&ids(4))
        .with("rollout: { batch_size: 2 }\njobs: { poll: 5s }")
        .pace(5)
        .start();
    let mut running = stage.spawn("run night.yaml");
    running.until("an accepted request", |stage| stage.knows(accepted));
    let output = stage
        .command("report latest --format json")
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("is still running"), "{err}");
    let report = valid_report(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(
        (&report["outcome"], &report["exit_code"], &report["next"]),
        (&json!("running"), &Value::Null, &Value::Null)
    );
    let text = shown(&stage, "report latest");
    assert!(text.contains("\nrunning, so far: "), "{text}");
    for word in ["interrupted", "resume", "exit code"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    let state = status(&stage, "latest");
    assert_eq!(
        (&state["state"], &state["next"]),
        (&json!("running"), &Value::Null)
    );
    running.kill();
    // Its process ID may be another's by now: without its lock it is not running.
    let text = shown(&stage, "report latest --format json");
    let report = valid_report(&text);
    let resume = format!("lightsout resume {}", stage.run_id());
    assert_eq!(
        (&report["outcome"], &report["exit_code"], &report["next"]),
        (
            &json!("unfinished"),
            &json!(Exit::Resumable.code()),
            &json!(resume)
        )
    );
    assert_eq!(status(&stage, "latest")["next"], resume);
}

#[test]
fn an_earlier_run_is_running_while_the_next_one_settles_it() {
    let all = ids(2);
    let stuck = json!({"servers": {"stuck": {"ids": all, "for": "3m"}}});
    let stage = Scenario::new(&all)
        .with("jobs: { poll: 5s, timeout: 10m }")
        .faults(stuck)
        .start();
    let mut running = stage.spawn("run night.yaml");
    running.until("an accepted request", |stage| stage.knows(accepted));
    running.kill();
    let earlier = stage.run_id();
    let mut next = stage.spawn("run night.yaml");
    next.until("the earlier run is taken up", |stage| {
        stage.knows(|event| matches!(event, Event::Resumed { .. }))
    });
    let state = status(&stage, &earlier);
    assert_eq!(
        (&state["state"], &state["process"]["id"]),
        (&json!("running"), &json!(next.id()))
    );
    let report = valid_report(&shown(&stage, &format!("report {earlier} --format json")));
    assert_eq!(report["outcome"], "running");
    next.kill();
}

#[test]
fn after_the_failure_limit_the_report_is_the_next_step() {
    let all = ids(3);
    let faults = json!({"servers": {"failing": {"ids": [all[0]], "code": "BMS.0217"}}});
    let stage = Scenario::new(&all)
        .with("rollout: { waves: [1, rest], max_failures: 0 }")
        .faults(faults)
        .start();
    let ended = stage.run("run night.yaml").with_code(31);
    let next = format!("lightsout report {}", stage.run_id());
    assert_eq!(ended.report()["next"], next);
    says_everywhere(
        &stage,
        &ended,
        "  sending stopped: failure limit exceeded (",
    );
}
