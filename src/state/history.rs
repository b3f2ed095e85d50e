//! What runs there were, by how they began: the first line of a journal tells, without the rest.
//!
//! Owns finding the undos of a run, the last run of a workflow, and the one of a window's occurrence. Takes no lock. Invariant: a run that
//! may be an undo of the one asked for, or the last one, is never passed over because it cannot be read.

use std::io::{self, BufRead, BufReader};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::recorded::{concerns, is_ahead, part_of_plan};
use super::{Keep, Recorded, RunFolder, StateError, is_quarantined, runs};
use crate::event::{Event, Launch};
use crate::ids::RunId;
use crate::journal;
use crate::named_file;
use crate::plan::Project;

/// How long before the opening of a window a run of it may seem to have begun.
const MARGIN: SignedDuration = SignedDuration::from_hours(24);

/// How a run began; nothing if it never did. A lost journal is an error.
pub fn launch_of(state: &Path, run: &RunId) -> Result<Option<Launch>, StateError> {
    let folder = RunFolder::of(state, Keep::Runs, run);
    let path = folder.journal();
    let line = match first_line(&path) {
        Ok(line) => line,
        Err(error) if error.kind() == io::ErrorKind::NotFound && folder.is_starting() => {
            return Ok(None);
        }
        Err(error) => return Err(StateError::Read(path, error)),
    };
    match journal::salvage(&line) {
        (_, Some(journal::JournalError::Empty)) if folder.is_starting() => Ok(None),
        (_, Some(error)) => Err(StateError::Journal(path, error)),
        (replayed, None) => {
            let began = replayed.events.into_iter().next();
            let Some(Event::Began { launch, .. }) = began.map(|stamped| stamped.event) else {
                return Ok(None);
            };
            Ok(Some(*launch))
        }
    }
}

/// The first line, and a byte of what stands behind it: a line that nothing follows may be torn, another
/// is damaged.
fn first_line(path: &Path) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut reader = BufReader::new(named_file::open(path)?);
    reader.read_until(b'\n', &mut line)?;
    line.extend(reader.fill_buf()?.first());
    Ok(line)
}

/// The undos of a run, the oldest first.
pub fn undos_of(state: &Path, run: &RunId) -> Result<Vec<RunId>, StateError> {
    let mut undos = Vec::new();
    for other in runs(state, Keep::Runs)? {
        match launch_of(state, &other) {
            Ok(launch) => {
                let undone = launch.and_then(|launch| launch.undoes);
                undos.extend((undone.as_ref() == Some(run)).then_some(other));
            }
            Err(_) if action_of(state, &other).is_ok_and(|action| action == "os-stop") => {}
            // It keeps its servers out of other undos until a person releases them.
            Err(_) if is_quarantined(state, &other) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(undos)
}

/// The newest run of the workflow of this name; undos apart, and runs that never began.
///
/// A run from the future that has sent nothing is passed over; of another one it is not known whether it is the
/// newest.
pub fn latest_of(
    state: &Path,
    workflow: &str,
    now: Timestamp,
) -> Result<Option<RunId>, StateError> {
    for run in runs(state, Keep::Runs)?.into_iter().rev() {
        match launch_of(state, &run) {
            Ok(None) => continue,
            Ok(Some(launch)) if launch.undoes.is_some() => continue,
            // How a damaged run began, its plan tells.
            Ok(Some(_)) | Err(_) => {}
        }
        let part: Part = part_of_plan(state, &run)?;
        if part.action != "os-stop" || part.workflow.name != workflow {
            continue;
        }
        match is_ahead(&run, now) {
            false => return Ok(Some(run)),
            true if has_sent_nothing(state, &run) => {}
            true => return Err(StateError::FromTheFuture(run)),
        }
    }
    Ok(None)
}

/// Whether a run is known to have sent nothing that was, or may have been, accepted.
fn has_sent_nothing(state: &Path, run: &RunId) -> bool {
    Recorded::read(state, Keep::Runs, run).is_ok_and(|recorded| {
        let batches = recorded.ledger.batches().iter();
        let mut sends = batches.flat_map(|batch| batch.sends());
        !sends.any(|send| send.may_be_accepted())
    })
}

/// A run that came before in an occurrence of a window.
#[derive(Debug)]
pub enum Ran {
    /// It has come to its end.
    Finished(RunId),
    /// It cannot be read whether it belongs there and has come to its end.
    Unread(RunId, StateError),
}

/// The newest run of the workflow of this name in this project that has come to its end in the occurrence of a
/// window that opens at this moment, or may have, if there is one; undos apart.
pub fn ran_in(
    state: &Path,
    workflow: (&Project, &str),
    opens: Timestamp,
) -> Result<Option<Ran>, StateError> {
    // An ID tells by a clock that may have been wrong, but not by so much.
    let from = opens.checked_sub(MARGIN).unwrap_or(Timestamp::MIN);
    let from = RunId::new(from, 0);
    let later = runs(state, Keep::Runs)?.into_iter().rev();
    for run in later.take_while(|run| *run >= from) {
        match has_run_in(state, &run, workflow, opens) {
            Ok(false) => {}
            Ok(true) => return Ok(Some(Ran::Finished(run))),
            Err(error) => return Ok(Some(Ran::Unread(run, error))),
        }
    }
    Ok(None)
}

/// Whether this run of the workflow has come to its end in the occurrence.
fn has_run_in(
    state: &Path,
    run: &RunId,
    (project, workflow): (&Project, &str),
    opens: Timestamp,
) -> Result<bool, StateError> {
    // A person has looked at what is in quarantine.
    if is_quarantined(state, run) || !concerns(state, run, project) {
        return Ok(false);
    }
    let launch = launch_of(state, run);
    if matches!(&launch, Ok(launch) if !launch.as_ref().is_some_and(|it| is_of(it, opens))) {
        return Ok(false);
    }
    let part: Part = part_of_plan(state, run)?;
    if part.workflow.name != workflow || !part.project.is_same(project) {
        return Ok(false);
    }
    launch?;
    Ok(Recorded::read(state, Keep::Runs, run)?.ledger.has_run())
}

/// Whether a run began in the occurrence that opens at this moment.
fn is_of(launch: &Launch, opens: Timestamp) -> bool {
    let window = launch.permit.window.as_ref();
    launch.undoes.is_none() && window.is_some_and(|window| window.occurrence.opens == opens)
}

/// What a plan says of its kind.
#[derive(Deserialize)]
struct Part {
    action: String,
    workflow: Named,
    project: Project,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

fn action_of(state: &Path, run: &RunId) -> Result<String, StateError> {
    part_of_plan(state, run).map(|part: Part| part.action)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs;

    use jiff::Timestamp;

    use super::*;
    use crate::event::{Opened, Permit, Stamped, StopCause};
    use crate::outcome::{Outcome, Proof, Reason};
    use crate::plan::{self, Plan, reverse, sample};

    use crate::window::Occurrence;

    /// A run of this plan, begun so many hours after the first.
    async fn recorded(state: &Path, plan: &Plan, hours: i64, undoes: Option<&RunId>) -> RunId {
        kept(state, plan, hours, undoes, &[]).await
    }

    /// The moment so many hours after that of the first run.
    fn hour(hours: i64) -> Timestamp {
        let first: Timestamp = "2026-11-28T17:00:00Z".parse().unwrap();
        first + SignedDuration::from_hours(hours)
    }

    /// A run in the occurrence that opens so many hours after the first, with these events behind its beginning.
    async fn kept(
        state: &Path,
        plan: &Plan,
        hours: i64,
        undoes: Option<&RunId>,
        events: &[Event],
    ) -> RunId {
        let at = hour(hours);
        let folder = RunFolder::create(state, Keep::Runs, at).unwrap();
        folder
            .write_plan(|file| plan::write_json(plan, file))
            .unwrap();
        let launch = Launch {
            run: folder.run().clone(),
            undoes: undoes.cloned(),
            permit: Permit {
                window: Some(Opened {
                    timezone: "Asia/Singapore".to_owned(),
                    occurrence: Occurrence {
                        opens: at,
                        closes: hour(hours + 4),
                        cutoff: hour(hours + 3),
                    },
                }),
                ..Permit::default()
            },
            ..Launch::for_tests()
        };
        let event = Event::Began {
            launch: Box::new(launch),
            plan: plan.digest,
            left_out: Vec::new(),
        };
        let journal = folder
            .start_journal(crate::journal::Terms::default())
            .unwrap();
        let events = std::iter::once(event).chain(events.iter().cloned());
        let events = events.map(|event| Stamped { at, event }).collect();
        assert!(journal.append(events).durable().await);
        folder.run().clone()
    }

    fn damage(state: &Path, run: &RunId) {
        let journal = RunFolder::of(state, Keep::Runs, run).journal();
        fs::write(journal, "{\"what\":\"is this\"}\n{}\n").unwrap();
    }

    #[tokio::test]
    async fn undos_are_found_and_the_last_run_is_never_one() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        let plan = sample::plan(vec![sample::group("all", 0, 2)]);
        let first = recorded(state, &plan, 0, None).await;
        let second = recorded(state, &plan, 1, None).await;
        let all: HashSet<_> = plan.batches[0].servers().iter().copied().collect();
        let back = reverse(&plan, &first, &all);
        let undo = recorded(state, &back, 2, Some(&first)).await;
        assert_eq!(
            undos_of(state, &first).unwrap(),
            std::slice::from_ref(&undo)
        );
        assert_eq!(undos_of(state, &second).unwrap(), []);
        let latest = latest_of(state, &plan.workflow.name, Timestamp::MAX).unwrap();
        assert_eq!(latest, Some(second.clone()));
        assert_eq!(latest_of(state, "other", Timestamp::MAX).unwrap(), None);
        assert_eq!(
            launch_of(state, &undo).unwrap().unwrap().undoes,
            Some(first.clone())
        );

        // A damaged run that stops servers is no undo; a damaged undo may be that of any run.
        damage(state, &second);
        assert_eq!(
            undos_of(state, &first).unwrap(),
            std::slice::from_ref(&undo)
        );
        damage(state, &undo);
        assert!(matches!(
            undos_of(state, &first),
            Err(StateError::Journal(..))
        ));
    }

    #[tokio::test]
    async fn a_run_that_never_began_is_no_undo() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        let plan = sample::plan(vec![sample::group("all", 0, 2)]);
        let run = recorded(state, &plan, 0, None).await;
        let journal = RunFolder::of(state, Keep::Runs, &run).journal();
        fs::write(&journal, "{\"torn").unwrap();
        // Without its starting file, the run may be any.
        let lost = launch_of(state, &run).unwrap_err();
        assert!(matches!(lost, StateError::Journal(..)), "{lost:?}");
        fs::write(state.join("starting").join(run.as_str()), "").unwrap();
        assert_eq!(launch_of(state, &run).unwrap(), None);
        let name = &plan.workflow.name;
        assert_eq!(latest_of(state, name, Timestamp::MAX).unwrap(), None);
        fs::remove_file(journal).unwrap();
        assert_eq!(launch_of(state, &run).unwrap(), None);
        assert_eq!(latest_of(state, name, Timestamp::MAX).unwrap(), None);
        assert_eq!(undos_of(state, &run).unwrap(), []);
        fs::remove_file(state.join("starting").join(run.as_str())).unwrap();
        let lost = launch_of(state, &run).unwrap_err();
        assert!(matches!(lost, StateError::Read(..)), "{lost:?}");
        let latest = latest_of(state, name, Timestamp::MAX).unwrap();
        assert_eq!(latest, Some(run));
    }

    /// That the two servers of the plan's only batch have this outcome, and the run is over.
    fn over(outcome: Outcome) -> [Event; 2] {
        let outcomes = vec![(outcome, crate::event::Slots::all(2))];
        let batch = crate::ids::BatchIndex(0);
        [Event::Settled { batch, outcomes }, Event::Finished]
    }

    #[tokio::test]
    async fn only_a_run_that_came_to_its_end_has_run_in_an_occurrence() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        let plan = sample::plan(vec![sample::group("all", 0, 2)]);
        let name = plan.workflow.name.as_str();
        let ran_of = |workflow, hours| match ran_in(state, workflow, hour(hours)).unwrap() {
            None => Ok(None),
            Some(Ran::Finished(run)) => Ok(Some(run)),
            Some(Ran::Unread(run, error)) => Err((run, error)),
        };
        let ran = |hours| ran_of((&plan.project, name), hours);

        let stopped = Outcome::Done(Proof::Job);
        let first = kept(state, &plan, 0, None, &over(stopped)).await;
        assert_eq!(ran(0).unwrap(), Some(first.clone()));
        assert_eq!(ran(-24).unwrap(), None);
        assert_eq!(ran_of((&plan.project, "other"), 0).unwrap(), None);
        let mut elsewhere = plan.project.clone();
        elsewhere.endpoint = "https://bms.example.com".parse().unwrap();
        assert_eq!(ran_of((&elsewhere, name), 0).unwrap(), None);

        // One that was left, one that was refused before anything was sent, and one that was only settled.
        kept(state, &plan, 24, None, &[]).await;
        assert_eq!(ran(24).unwrap(), None);
        let stop = |cause| Event::SendingStopped {
            cause,
            evidence: crate::bms::Evidence::default(),
        };
        let refused = over(Outcome::NotSent(Reason::Credentials));
        let refused = [[stop(StopCause::Refused)].as_slice(), &refused].concat();
        kept(state, &plan, 48, None, &refused).await;
        assert_eq!(ran(48).unwrap(), None);
        let settling = Event::Resumed {
            forbidden: Some(StopCause::Settling),
            guards: Vec::new(),
        };
        let settled = [[settling.clone()].as_slice(), &over(stopped)].concat();
        kept(state, &plan, 72, None, &settled).await;
        assert_eq!(ran(72).unwrap(), None);

        // What is settled after its end has run all the same, and so has one that could not send all.
        let again = [over(stopped).as_slice(), &settled].concat();
        assert!(kept(state, &plan, 96, None, &again).await == ran(96).unwrap().unwrap());
        let bad = over(Outcome::Failed(Reason::Rejected));
        assert!(kept(state, &plan, 120, None, &bad).await == ran(120).unwrap().unwrap());

        // The way back is no run of the window, and what cannot be read is not passed over.
        let all: HashSet<_> = plan.batches[0].servers().iter().copied().collect();
        let back = reverse(&plan, &first, &all);
        kept(state, &back, 144, Some(&first), &over(stopped)).await;
        assert_eq!(ran(144).unwrap(), None);
        let damaged = kept(state, &plan, 168, None, &over(stopped)).await;
        damage(state, &damaged);
        assert!(matches!(ran(168), Err((run, StateError::Journal(..))) if run == damaged));
    }
}
