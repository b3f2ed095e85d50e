//! After the storm: what the run has stopped is started again, with kills on the way.
//!
//! Owns the undo of a storm's run and what must hold of it. Invariant: the cloud's ledger is the judge; no
//! server is started that the run did not see on before and off after, and none twice.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fastrand::Rng;
use lightsout::ids::ServerId;
use serde_json::Value;

use crate::play::{Scene, invocation};

/// How often an undo is killed and taken up again before it is left alone.
const KILLS: usize = 2;
/// Within how many milliseconds.
const SOON: u64 = 700;

/// What came of it.
pub(crate) struct WayBack {
    /// Servers that were started.
    pub(crate) started: usize,
    /// How often it was killed or interrupted.
    pub(crate) broken_off: usize,
}

/// Undoes the run of this report.
pub(crate) fn undo(seed: u64, scene: &Scene, report: &Value, rng: &mut Rng) -> WayBack {
    let place = format!("seed {seed}, {}", scene.folder.display());
    let run = report["run_id"].as_str().unwrap();
    let wanted = seen_to_go_off(report);
    let before: BTreeSet<PathBuf> = scene.runs().into_iter().collect();
    let undo = format!("undo {run} --yes");
    let mut line = undo.clone();
    let mut broken_off = 0;
    for number in 100.. {
        let violence = if broken_off < KILLS { 0.6 } else { 0.0 };
        let output = invocation(scene, &line, rng, (violence, SOON));
        scene.keep(number, &line, &output);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!err.contains("panicked"), "{place}: {err}");
        let stats = scene.cloud.stats();
        assert_eq!(stats.double_starts, [], "{place}: started twice");
        match output.status.code() {
            Some(2) if wanted.is_empty() => break,
            Some(0 | 30) => break,
            Some(33) => line = format!("settle {}", latest(scene, &before)),
            None | Some(24 | 34) => {
                broken_off += 1;
                // Nothing may have become durable; then it is begun anew.
                line = match scene
                    .runs()
                    .iter()
                    .any(|run| !before.contains(run) && begun(run))
                {
                    true => format!("resume {} --send", latest(scene, &before)),
                    false => undo.clone(),
                };
            }
            Some(code) => panic!("{place}: {code}\n{err}"),
        }
        assert!(number < 110, "{place}: no end\n{err}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let stats = scene.cloud.stats();
    let started: BTreeSet<ServerId> = stats.started.keys().copied().collect();
    let strange: Vec<&ServerId> = started.difference(&wanted).collect();
    assert!(
        strange.is_empty(),
        "{place}: started though not stopped: {strange:?}"
    );
    if !wanted.is_empty() {
        let again = invocation(scene, &undo, rng, (0.0, SOON));
        let code = again.status.code();
        if started == wanted {
            assert_eq!(code, Some(2), "{place}: undone twice");
        } else {
            // What was refused to it, as somebody else was at it, is left to another undo.
            assert!(matches!(code, Some(0 | 2 | 30 | 33)), "{place}: {code:?}");
        }
        let stats = scene.cloud.stats();
        assert_eq!(stats.double_starts, [], "{place}: started twice");
        let started: BTreeSet<ServerId> = stats.started.keys().copied().collect();
        assert!(started.is_subset(&wanted), "{place}: {started:?}");
    }
    WayBack {
        started: started.len(),
        broken_off,
    }
}

/// Those that the run saw on before its stop and off after it.
fn seen_to_go_off(report: &Value) -> BTreeSet<ServerId> {
    let rows = report["servers"].as_array().unwrap().iter();
    let seen = rows.filter(|row| {
        (&row["outcome"], &row["before"], &row["after"])
            == (&"stopped".into(), &"on".into(), &"off".into())
    });
    seen.map(|row| row["id"].as_str().unwrap().parse().unwrap())
        .collect()
}

/// The ID of the run that was not there before.
fn latest(scene: &Scene, before: &BTreeSet<PathBuf>) -> String {
    let mut runs = scene.runs();
    runs.retain(|run| !before.contains(run) && begun(run));
    let folder = runs.pop().unwrap();
    folder.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Whether anything of a run is durable.
fn begun(run: &Path) -> bool {
    let bytes = std::fs::read(run.join("journal.jsonl")).unwrap_or_default();
    lightsout::journal::replay(&bytes).is_ok_and(|replayed| !replayed.events.is_empty())
}
