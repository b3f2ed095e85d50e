//! Signals and the stop switch at every stage of a run: it ends at once, and can be taken up again.
//!
//! Invariant: after the signal only requests that had left already reach the cloud.

use std::process::Stdio;
use std::time::Duration;

use lightsout::event::{Event, SendAnswer};
use lightsout::state::Switch;
use serde_json::{Value, json};

use crate::scenario::{Scenario, Stage, at_once, ids};

/// How long obeying may take on a busy machine; what it takes is printed.
const GENEROUS: Duration = Duration::from_secs(5);

/// A moment in a run's life, by what is durable then.
#[derive(Clone)]
struct Moment {
    name: &'static str,
    faults: Value,
    come: fn(&Stage) -> bool,
    code: i32,
    /// What comes of all targets in the end, and how many requests the cloud has seen by then.
    end: (&'static str, usize),
}

fn answered(stage: &Stage, like: fn(&SendAnswer) -> bool) -> bool {
    stage.knows(|event| matches!(event, Event::SendAnswered { answer, .. } if like(answer)))
}

fn moments() -> Vec<Moment> {
    let slow = json!([{"fault": "slow", "delay": "60s", "first": 1}]);
    let stop = |fault: Value| json!({"calls": {"stop": [fault]}});
    vec![
        Moment {
            name: "before the first intent",
            faults: json!({"calls": {"list": slow, "show": slow}}),
            come: |stage| stage.knows(|event| matches!(event, Event::Began { .. })),
            code: 24,
            end: ("stopped", 2),
        },
        Moment {
            name: "during a send that is answered",
            faults: stop(json!({"fault": "slow", "delay": "6s", "first": 1})),
            come: |stage| stage.stats().requests.stop > 0,
            code: 34,
            end: ("stopped", 2),
        },
        Moment {
            name: "during a send that is never answered",
            faults: stop(json!({"fault": "hang", "accepted": true, "first": 1})),
            come: |stage| stage.stats().requests.stop > 0,
            code: 34,
            end: ("stopped/answer_lost", 2),
        },
        Moment {
            name: "during polls",
            faults: json!({}),
            come: |stage| {
                answered(stage, |answer| {
                    matches!(answer, SendAnswer::Accepted { .. })
                })
            },
            code: 34,
            end: ("stopped", 2),
        },
        Moment {
            name: "during backoff",
            faults: stop(json!({"fault": "throttle", "retry_after": "4m", "first": 1})),
            come: |stage| answered(stage, |answer| *answer == SendAnswer::Throttled),
            code: 34,
            end: ("stopped", 3),
        },
        Moment {
            name: "during the grace time",
            faults: stop(json!({"fault": "reset", "first": 1})),
            come: |stage| answered(stage, |answer| *answer == SendAnswer::Ambiguous),
            code: 34,
            end: ("stopped", 3),
        },
    ]
}

/// Two batches, one after the other.
fn scenario(faults: Value) -> Scenario {
    Scenario::new(&ids(4))
        .with("rollout: { batch_size: 2 }\nchecks: { grace: 30s }\njobs: { poll: 5s }")
        .settings(|cloud| cloud.job_duration = Duration::from_secs(20))
        .faults(faults)
        .pace(30)
}

/// Requests that were about to leave and did.
fn sent(stage: &Stage) -> usize {
    let events = stage.durable();
    let count = |like: fn(&Event) -> bool| events.iter().filter(|s| like(&s.event)).count();
    let intended = count(|event| matches!(event, Event::SendIntended { .. }));
    intended - count(|event| matches!(event, Event::SendWithdrawn { .. }))
}

#[test]
fn the_next_run_brings_the_report_of_the_run_that_it_settles_up_to_date() {
    let stage = scenario(moments().remove(0).faults)
        .with("report: 'report-{{ run.id }}.json'")
        .start();
    let mut running = stage.spawn("run night.yaml");
    let moment = moments().remove(0);
    running.until(moment.name, moment.come);
    running.signal("TERM");
    running.ended().0.with_code(moment.code);
    let first = format!("report-{}.json", stage.run_id());
    let exit_code =
        || serde_json::from_str::<Value>(&stage.read(&first)).unwrap()["exit_code"].clone();
    assert_eq!(exit_code(), moment.code);
    stage.run("run night.yaml");
    assert_ne!(exit_code(), moment.code);
}

#[test]
fn a_signal_at_any_stage_ends_the_run_in_order_and_resume_completes_it() {
    let signals = ["TERM", "INT", "HUP"];
    let cases: Vec<(Moment, &str)> = moments()
        .into_iter()
        .zip(signals.into_iter().cycle())
        .collect();
    at_once(&cases, |(moment, signal)| {
        let name = moment.name;
        let stage = scenario(moment.faults.clone()).start();
        let mut running = stage.spawn("run night.yaml");
        running.until(name, moment.come);
        running.signal(signal);
        let (ended, took) = running.ended();
        println!("{signal} {name}: ended after {} ms", took.as_millis());
        assert!(took < GENEROUS, "{name}: {took:?}");
        let ended = ended.with_code(moment.code).saying(&[signal]);
        assert_eq!(ended.stats.stops.len(), sent(&stage), "{name}");
        assert!(ended.stats.stops.len() <= 1, "{name}");
        assert_eq!(ended.report()["exit_code"], moment.code);
        if moment.code == 34 {
            let next = ended.report()["next"].as_str().unwrap();
            assert_eq!(next, format!("lightsout resume {}", stage.run_id()));
        }
        let (outcome, requests) = moment.end;
        let ended = stage.run("resume --send").with_code(0);
        assert_eq!(ended.stats.stops.len(), requests, "{name}: {}", ended.err);
        assert!(
            ended.outcomes().contains_key(outcome),
            "{name}: {:?}",
            ended.outcomes()
        );
        assert_eq!(ended.total("stopped"), 4, "{name}");
        assert!(ended.stats.accepted.values().all(|times| *times == 1));
    });
}

#[test]
fn a_second_signal_leaves_at_once() {
    let stage =
        scenario(json!({"calls": {"stop": [{"fault": "hang", "accepted": true, "first": 1}]}}))
            .pace(2)
            .start();
    let mut running = stage.spawn("run night.yaml");
    running.until("the request", |stage| stage.stats().requests.stop > 0);
    running.signal("TERM");
    std::thread::sleep(Duration::from_millis(300));
    running.signal("INT");
    let (ended, took) = running.ended();
    println!("second signal: left after {} ms", took.as_millis());
    assert!(took < Duration::from_secs(3), "{took:?}");
    let ended = ended.with_code(34).saying(&["leaving at once"]);
    assert_eq!(ended.stats.stops.len(), 1);
}

fn switch(stage: &Stage) {
    let switch = Switch {
        reason: "cooling failed".to_owned(),
        set_at: jiff::Timestamp::UNIX_EPOCH,
        until: None,
    };
    switch.set(&stage.path("state")).unwrap();
}

#[test]
fn a_stop_switch_ends_a_running_run_and_forbids_the_next() {
    let stage = scenario(json!({})).pace(4).start();
    let mut running = stage.spawn("run night.yaml");
    running.until("an answer", |stage| {
        stage.knows(|event| matches!(event, Event::SendAnswered { .. }))
    });
    switch(&stage);
    let (ended, took) = running.ended();
    println!("stop switch: ended after {} ms", took.as_millis());
    assert!(took < Duration::from_secs(3), "{took:?}");
    let ended = ended
        .with_code(34)
        .saying(&["stop switch", "cooling failed"]);
    assert_eq!(ended.stats.stops.len(), 1);
    assert_eq!(ended.outcomes()["not_sent/halted"], 2);

    let refused = stage.run("run night.yaml").with_code(24);
    let refused = refused.saying(&["stop switch is set", "cooling failed"]);
    assert_eq!(refused.stats.stops.len(), 1);

    // What was sent is followed all the same, and the run stays unfinished.
    let followed = stage.run("resume").with_code(34);
    assert_eq!(followed.stats.stops.len(), 1);
    assert_eq!(
        followed.outcomes(),
        [("stopped".to_owned(), 2), ("not_sent/halted".to_owned(), 2)].into()
    );
    assert!(Switch::lift(&stage.path("state")).unwrap());
    let ended = stage.run("resume --send").with_code(0);
    ended.with_outcomes(&[("stopped", 4)]);
}

#[test]
fn settling_goes_on_under_a_stop_switch() {
    let stage = scenario(json!({})).start();
    let mut running = stage.spawn("run night.yaml");
    running.until("an answer", |stage| {
        stage.knows(|event| matches!(event, Event::SendAnswered { .. }))
    });
    running.kill();
    switch(&stage);
    let ended = stage.run("settle").with_code(30);
    assert_eq!(
        ended.outcomes(),
        [
            ("stopped".to_owned(), 2),
            ("not_sent/interrupted".to_owned(), 2)
        ]
        .into()
    );
    assert!(stage.knows(|event| matches!(event, Event::Finished)));
}

#[test]
fn settling_that_is_interrupted_is_no_internal_error_and_can_be_done_again() {
    let stage = scenario(json!({})).start();
    let mut running = stage.spawn("run night.yaml");
    running.until("an answer", |stage| {
        stage.knows(|event| matches!(event, Event::SendAnswered { .. }))
    });
    running.kill();
    let mut settling = stage.spawn("settle");
    settling.until("its beginning", |stage| {
        stage.knows(|event| matches!(event, Event::Resumed { .. }))
    });
    settling.signal("TERM");
    let (ended, _) = settling.ended();
    ended.with_code(34).saying(&["SIGTERM"]);
    let ended = stage.run("settle").with_code(30);
    assert_eq!(ended.total("stopped"), 2);
    assert_eq!(ended.stats.stops.len(), 1);
}

/// The program, started by a shell that ignores these signals, as `nohup` and `&` do.
fn ignoring(stage: &Stage, signals: &str) -> std::process::Command {
    let program = env!("CARGO_BIN_EXE_lightsout");
    let script = format!("trap '' {signals}; exec {program} run night.yaml --yes");
    stage.surrounded("sh", ["-c", &script].into_iter())
}

#[test]
fn signals_that_were_ignored_stay_ignored_and_sigterm_is_obeyed() {
    let answers = |count: usize| {
        move |stage: &Stage| {
            let answered = |event: &Event| matches!(event, Event::SendAnswered { .. });
            let events = stage.durable();
            events.iter().filter(|s| answered(&s.event)).count() >= count
        }
    };
    let stage = scenario(json!({})).start();
    let mut running = stage.spawned(ignoring(&stage, "INT HUP"));
    running.until("an answer", answers(1));
    running.signal("INT");
    running.signal("HUP");
    running.until("the next answer", answers(2));
    running
        .ended()
        .0
        .with_code(0)
        .with_outcomes(&[("stopped", 4)]);

    let stage = scenario(json!({})).start();
    let mut running = stage.spawned(ignoring(&stage, "INT HUP TERM"));
    running.until("an answer", answers(1));
    running.signal("TERM");
    running.ended().0.with_code(34).saying(&["SIGTERM"]);
}

/// Signals are handed on from one stage to the next: from the start, to the reading of a listing, to the run.
#[test]
fn a_signal_at_any_moment_of_the_start_is_not_lost() {
    let cases: Vec<(u64, bool, &str)> = (0..22)
        .flat_map(|step| ["TERM", "INT"].map(|signal| (step * 12, step % 2 == 0, signal)))
        .collect();
    at_once(&cases, |&(delay, selects, signal)| {
        // Without a signal, the first request would be answered, and the run would exit with 0.
        let faults = json!({"calls": {"stop": [{"fault": "slow", "delay": "60s", "first": 1}]}});
        let stage = match selects {
            true => {
                Scenario::with_cloud("groups: [{ name: all, select: { name: '*' } }]\n", &ids(2))
                    .with("guards: { max_servers: 2 }")
                    .faults(faults)
                    .pace(30)
            }
            false => scenario(faults),
        };
        let stage = stage.start();
        let mut running = stage.spawn("run night.yaml");
        let process = running.id();
        running.until("signals are caught", |_| catches_sigterm(process));
        std::thread::sleep(Duration::from_millis(delay));
        running.signal(signal);
        let (ended, _) = running.ended();
        let about = format!("{signal} after {delay} ms: {}", ended.err);
        match ended.code {
            24 => assert!(ended.stats.stops.is_empty(), "{about}"),
            34 => assert!(ended.err.contains(&format!("SIG{signal}: ")), "{about}"),
            code => panic!("{code}: {about}"),
        }
    });
}

#[test]
fn a_signal_at_the_question_exits_at_once() {
    let stage = scenario(json!({})).start();
    let program = env!("CARGO_BIN_EXE_lightsout");
    let line = format!("echo $$ > process; exec {program} run night.yaml");
    let words = ["-qefc", &line, "typed"];
    let mut script = stage.surrounded("script", words.into_iter());
    let script = script.env("SHELL", "/bin/sh").stdin(Stdio::piped()).spawn();
    let mut script = match script {
        Ok(script) => script,
        // Without a terminal there is nothing to test.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => panic!("{error}"),
    };
    // Open to the end, so that the question is not answered.
    let typing = script.stdin.take();
    let shown = || std::fs::read_to_string(stage.path("typed")).unwrap_or_default();
    let patient = |mut done: Box<dyn FnMut() -> bool + '_>| {
        (0..3000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            done()
        })
    };
    assert!(patient(Box::new(|| shown().contains("Type the number"))));
    let kill = |name: &str| {
        let process = stage.read("process");
        let words = ["-s", name, process.trim()];
        std::process::Command::new("kill").args(words).status()
    };
    kill("TERM").unwrap();
    let exited = patient(Box::new(|| script.try_wait().unwrap().is_some()));
    if !exited {
        kill("KILL").unwrap();
    }
    drop(typing);
    let output = script.wait_with_output().unwrap();
    assert!(exited, "{}", shown());
    assert!(
        shown().contains("SIGTERM: nothing was begun"),
        "{}",
        shown()
    );
    stage.ended(output).with_code(24).with_nothing_sent();
}

/// Whether a process catches SIGTERM, as the system shows it.
fn catches_sigterm(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
    caught >> 14 & 1 == 1
}

#[test]
fn a_signal_while_files_are_read_begins_nothing() {
    let stage = Scenario::new(&ids(1)).start();
    // So many that reading them takes a while.
    let list: String = ids(300_000).iter().map(|id| format!("{id}\n")).collect();
    stage.write("list.txt", list);
    let text = stage.read("night.yaml");
    let (head, _) = text.split_once("groups:").unwrap();
    let groups = "groups: [{ name: all, servers_from: list.txt }]\nguards: { max_servers: 300000 }";
    stage.write("large.yaml", format!("{head}{groups}\n"));
    let mut command = stage.command("run large.yaml --yes");
    // A program that catches signals only when the run begins is too late here.
    command.env("LIGHTSOUT_CRASH", "before:0");
    let mut running = stage.spawned(command);
    let process = running.id();
    running.until("signals are caught", |_| catches_sigterm(process));
    running.signal("TERM");
    let (ended, _) = running.ended();
    ended
        .with_code(24)
        .with_nothing_sent()
        .saying(&["SIGTERM: nothing was begun"]);
    assert_eq!(stage.run_folders().len(), 0);
}

#[test]
fn a_run_without_file_descriptors_is_not_halted() {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
    let stage = Scenario::new(&ids(4))
        .with("rollout: { waves: [2, rest], soak: 5m }")
        .pace(30)
        .start();
    let mut running = stage.spawn("run night.yaml");
    running.until("the pause between waves", |stage| {
        stage.knows(|event| matches!(event, Event::Soaking { .. }))
    });
    let process = Pid::from_raw(i32::try_from(running.id()).unwrap());
    // The child has the limits of this process.
    let maximum = getrlimit(Resource::Nofile).maximum;
    let none = Rlimit {
        current: Some(0),
        maximum,
    };
    let before = prlimit(process, Resource::Nofile, none).unwrap();
    // Two looks at the halt file.
    std::thread::sleep(Duration::from_secs(1));
    prlimit(process, Resource::Nofile, before).unwrap();
    let (ended, _) = running.ended();
    ended.with_code(0).with_outcomes(&[("stopped", 4)]);
}
