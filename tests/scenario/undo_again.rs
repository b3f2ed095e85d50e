//! An undo that comes after another one of the same run, or goes on with it.
//!
//! Invariant: whatever became of the earlier one, no server is started twice, and none is given up that
//! no undo has come to.

use lightsout::event::Event;
use lightsout::ids::ServerId;
use lightsout::journal;

use crate::scenario::{Stage, ids};
use crate::undo::{once, scenario, started, stopped, undo_folder, undo_id};

/// The IDs, one a line.
fn lines(servers: &[ServerId]) -> String {
    servers.iter().map(|id| format!("{id}\n")).collect()
}

/// What is durable of the undo.
fn durable(stage: &Stage, run: &str) -> Vec<Event> {
    let journal = undo_folder(stage, run).map(|folder| folder.join("journal.jsonl"));
    let bytes = journal
        .and_then(|path| std::fs::read(path).ok())
        .unwrap_or_default();
    let events = journal::replay(&bytes).map_or(Vec::new(), |replayed| replayed.events);
    events.into_iter().map(|stamped| stamped.event).collect()
}

#[test]
fn an_undo_that_was_killed_is_taken_up_like_any_run() {
    let points: Vec<String> = (0..10)
        .flat_map(|line| [format!("before:{line}"), format!("after:{line}")])
        .collect();
    crate::scenario::at_once(&points, |point| {
        let (stage, run) = stopped(scenario(4));
        let line = format!("undo {run}");
        let died = stage.crash(&line, point).is_none();
        let ended = if !died {
            None
        } else if durable(&stage, &run).is_empty() {
            stage.run("resume").with_code(2);
            Some(stage.run(&line).with_code(0))
        } else if durable(&stage, &run).contains(&Event::Finished) {
            None
        } else {
            Some(stage.run("resume --send").with_code(0))
        };
        let stats = stage.stats();
        let err = ended.as_ref().map_or("", |ended| ended.err.as_str());
        assert_eq!(stats.started, once(&ids(4)), "{point}, died: {died}\n{err}");
        assert_eq!(stats.double_starts, [], "{point}");
        if let Some(ended) = ended {
            let words = ended.outcomes();
            let fine = |word: &String| ["started", "started/answer_lost"].contains(&word.as_str());
            assert!(words.keys().all(fine), "{point}: {words:?}");
        }
        stage.run(&line).with_code(2).saying(&["was undone before"]);
        assert_eq!(stage.stats().started, once(&ids(4)), "{point}");
    });
}

#[test]
fn what_an_undo_left_out_is_left_to_another_and_no_server_is_started_twice() {
    let all = ids(4);
    let stage = scenario(4)
        .file("all.txt", lines(&all))
        .file("two.txt", lines(&all[..2]));
    let (stage, run) = stopped(stage);
    let line = format!("undo {run}");
    let ended = stage.run(&format!("{line} --exclude all.txt")).with_code(0);
    assert_eq!(ended.stats.starts, []);
    let ended = stage.run(&format!("{line} --exclude two.txt")).with_code(0);
    ended.with_outcomes(&[("started", 2), ("skipped/narrowed", 2)]);

    let rest = stage.run(&format!("{line} --dry-run")).with_code(0);
    let rest = rest.saying(&[
        "2 servers to be started",
        "2 stopped servers left out: an earlier undo has started them, or may have",
    ]);
    assert!(!rest.out.contains(&all[2].to_string()));
    // Whoever stopped a server again on purpose does not find it started once more.
    assert!(stage.simulator().stop_by_hand(all[3]));
    let ended = stage.run(&line).with_code(0);
    let ended = ended.with_outcomes(&[("started", 2)]);
    assert_eq!(started(&ended), once(&all));
    stage.run(&line).with_code(2).saying(&["was undone before"]);
    assert_eq!(stage.stats().started, once(&all));
}

#[test]
fn what_a_settled_undo_did_not_come_to_is_left_to_another() {
    let (stage, run) = stopped(scenario(4));
    let line = format!("undo {run}");
    assert!(stage.crash(&line, "after:answer").is_none());
    let settled = stage.run("settle").with_code(30);
    let settled = settled.with_outcomes(&[("started", 2), ("not_sent/interrupted", 2)]);
    assert_eq!(settled.report()["next"], format!("lightsout {line}"));
    let ended = stage.run(&line).with_code(0);
    assert_eq!(started(&ended), once(&ids(4)), "{}", ended.err);
    assert_eq!(ended.stats.double_starts, []);
    stage.run(&line).with_code(2);
    assert_eq!(stage.stats().started, once(&ids(4)));
}

#[test]
fn of_two_undos_at_once_one_starts_the_servers() {
    let (stage, run) = stopped(scenario(4));
    let line = format!("undo {run}");
    let spawned: Vec<_> = (0..2)
        .map(|_| stage.command(&line).spawn().unwrap())
        .collect();
    let mut codes: Vec<_> = spawned
        .into_iter()
        .map(|child| child.wait_with_output().unwrap().status.code())
        .collect();
    codes.sort();
    // The other one finds the lock taken, or, if it comes later, the work done.
    assert_eq!(codes[0], Some(0));
    assert!([Some(2), Some(21)].contains(&codes[1]), "{codes:?}");
    assert_eq!(stage.stats().started, once(&ids(4)));
    assert_eq!(stage.stats().double_starts, []);
}

#[test]
fn an_undo_that_was_left_unfinished_is_to_be_resumed_and_not_begun_anew() {
    let (stage, run) = stopped(scenario(4));
    let line = format!("undo {run}");
    assert!(stage.crash(&line, "after:answer").is_none());
    let undo = undo_id(&stage, &run);
    let refused = stage.run(&line).with_code(2);
    refused.saying(&["was undone before", &format!("lightsout resume {undo}")]);
    stage.run("resume --send").with_code(0);
    assert_eq!(stage.stats().started, once(&ids(4)));
}

#[test]
fn a_halted_undo_does_not_count() {
    let (stage, run) = stopped(scenario(2));
    let line = format!("undo {run}");
    stage.run("halt --reason cooling").with_code(0);
    stage
        .run(&line)
        .with_code(24)
        .saying(&["the stop switch is set"]);
    stage.run("halt --clear").with_code(0);
    let ended = stage.run(&line).with_code(0);
    assert_eq!(started(&ended), once(&ids(2)));
}

#[test]
fn an_undo_whose_credentials_are_refused_does_not_count() {
    let (mut stage, run) = stopped(scenario(2));
    let line = format!("undo {run}");
    stage.set(
        "HUAWEICLOUD_SDK_SK",
        "another0000000000000000000000000000000001",
    );
    let refused = stage.run(&line).with_code(3);
    let next = refused.report()["next"].as_str().unwrap().to_owned();
    assert_eq!(next, format!("lightsout undo {run}"));
    stage.set("HUAWEICLOUD_SDK_SK", crate::scenario::SECRET_KEY);
    let ended = stage.run(&line).with_code(0);
    assert_eq!(started(&ended), once(&ids(2)));
}

#[test]
fn what_was_started_again_is_not_called_stopped_by_a_campaign() {
    let (stage, run) = stopped(scenario(4).file("one.txt", ids(4)[0].to_string()));
    stage
        .run(&format!("undo {run} --exclude one.txt"))
        .with_code(0);
    let ended = stage.run("run night.yaml --remaining").with_code(0);
    let ended = ended.with_outcomes(&[("stopped", 3), ("skipped/narrowed", 1)]);
    assert_eq!(ended.server(ids(4)[0])["outcome"], "skipped");
}

#[test]
fn a_campaign_goes_by_the_order_in_which_servers_were_stopped_and_started() {
    let (stage, run) = stopped(scenario(3));
    let [one, two, three] = ids(3)[..] else {
        unreachable!()
    };
    assert!(stage.simulator().start_by_hand(one));
    stage.run("run night.yaml").with_code(0);
    // The older run is undone after the newer one has stopped a server again.
    stage.simulator().start_by_hand(two);
    stage
        .run(&format!("undo {run}"))
        .with_code(0)
        .with_outcomes(&[("started", 2), ("already_on", 1)]);
    stage.simulator().stop_by_hand(three);
    let ended = stage.run("run night.yaml --remaining").with_code(0);
    ended.with_outcomes(&[("stopped", 2), ("already_off", 1)]);
}
