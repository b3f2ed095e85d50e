//! Whether a run can be undone, and how: its plan and what is known of it → the plan of the way back. Pure.
//!
//! Owns which servers a run has stopped for sure, and which of them its earlier undos have left; finding
//! the run and its earlier undos is for those who ask. Invariant: a server is on the way back only if the
//! run saw it on before its stop and off after it, and no earlier undo may have started it.

mod refused;

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::event::Slot;
use crate::ids::{RunId, ServerId};
use crate::ledger::{BatchRecord, Ledger, TargetRecord};
use crate::outcome::{Outcome, OutcomeKind};
use crate::plan::{Plan, reverse};
use crate::power::{Action, Standing};

pub use refused::Refused;

/// How a run is undone.
#[derive(Debug)]
pub struct WayBack {
    /// What is started.
    pub plan: Plan,
    /// When the run began.
    pub began_at: Timestamp,
    /// How many servers count as stopped that the run did not see on before and off after.
    pub unseen: usize,
    /// How many servers an earlier undo has started, or may have.
    pub undone: usize,
}

/// An undo that was begun earlier.
#[derive(Debug)]
pub struct Earlier {
    /// Its run.
    pub run: RunId,
    /// What it was to start.
    pub plan: Plan,
    /// What is known of it.
    pub ledger: Ledger,
}

/// The way back of a run, `now`, if it began at most `max_age` ago: what its `earlier` undos have left.
pub fn way_back(
    run: &RunId,
    (plan, ledger): (&Plan, &Ledger),
    earlier: &[Earlier],
    now: Timestamp,
    max_age: Duration,
) -> Result<WayBack, Refused> {
    let Some(began) = ledger.began() else {
        return Err(Refused::Unfinished(run.clone()));
    };
    if let Some(of) = &began.launch.undoes {
        let (run, of) = (run.clone(), of.clone());
        return Err(Refused::Undo { run, of });
    }
    if ledger.finished_at().is_none() {
        return Err(Refused::Unfinished(run.clone()));
    }
    // A run that seems to begin only in the future is not old.
    let age = Duration::try_from(now.duration_since(began.at)).unwrap_or_default();
    if age > max_age {
        // To the minute: nobody decides by seconds.
        let age = Duration::from_secs(age.as_secs() / 60 * 60);
        return Err(Refused::TooOld {
            run: run.clone(),
            age,
            limit: max_age,
        });
    }
    let (mut stopped, unseen) = stopped(plan, ledger);
    if stopped.is_empty() {
        return Err(Refused::NothingStopped(run.clone()));
    }
    let all = stopped.len();
    for undo in earlier {
        let undone = undone(undo);
        stopped.retain(|id| !undone.contains(id));
        let over = undo.ledger.finished_at().is_some();
        let open = !over && !undone.is_empty();
        if open || stopped.is_empty() {
            let (run, by) = (run.clone(), undo.run.clone());
            return Err(Refused::UndoneBefore { run, by, over });
        }
    }
    Ok(WayBack {
        plan: reverse(plan, run, &stopped),
        began_at: began.at,
        unseen,
        undone: all - stopped.len(),
    })
}

/// The servers that were stopped for sure, and how many more count as stopped.
fn stopped(plan: &Plan, ledger: &Ledger) -> (HashSet<ServerId>, usize) {
    let batches = plan.batches.iter().zip(ledger.batches());
    let targets = batches.flat_map(|(batch, record)| batch.servers().iter().zip(record.targets()));
    let done = targets.filter(|(_, target)| {
        let outcome = target.outcome();
        outcome.is_some_and(|outcome| outcome.kind() == OutcomeKind::Done)
    });
    let (seen, unseen): (Vec<_>, Vec<_>) =
        done.partition(|(_, target)| was_moved(plan.action, target));
    let stopped = seen.into_iter().map(|(id, _)| *id).collect();
    (stopped, unseen.len())
}

/// Whether a target was seen on the one side before its request and on the other after it.
fn was_moved(action: Action, target: &TargetRecord) -> bool {
    let stood = |state: Option<crate::power::StateClass>, standing| {
        state.is_some_and(|state| state.under(action) == standing)
    };
    stood(target.before(), Standing::Opposite) && stood(target.after(), Standing::There)
}

/// The servers that an undo has started, may have started, or found as they should be: no other undo is
/// to start these. What it left out, or never had a request accepted for, is left to another.
fn undone(undo: &Earlier) -> HashSet<ServerId> {
    let batches = undo.plan.batches.iter().zip(undo.ledger.batches());
    let targets = batches.flat_map(|(batch, record)| {
        let targets = (0..).zip(batch.servers()).zip(record.targets());
        targets.filter(|((slot, _), target)| may_be_there(record, *slot, target))
    });
    targets.map(|((_, id), _)| *id).collect()
}

fn may_be_there(record: &BatchRecord, slot: Slot, target: &TargetRecord) -> bool {
    let found = match target.outcome().map(Outcome::kind) {
        Some(OutcomeKind::Done | OutcomeKind::Already | OutcomeKind::Unknown) => true,
        Some(OutcomeKind::Skipped | OutcomeKind::Failed | OutcomeKind::NotSent) | None => false,
    };
    let mut asked = record.sends().iter().filter(|send| send.may_be_accepted());
    found || asked.any(|send| send.servers.contains(slot))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::bms::Evidence;
    use crate::event::{Event, Launch, Phase, SendAnswer, Slots, Stamped, StopCause};
    use crate::ids::BatchIndex;
    use crate::outcome::{Proof, Reason};
    use crate::plan::sample::{self, group, server};

    use crate::power::StateClass;

    const BATCH: BatchIndex = BatchIndex(0);
    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

    fn run() -> RunId {
        "20261128T170000Z-3f9a1c".parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn plan() -> Plan {
        sample::plan(vec![group("all", 0, 6)])
    }

    fn launch(undoes: Option<RunId>) -> Launch {
        Launch {
            run: run(),
            undoes,
            ..Launch::for_tests()
        }
    }

    fn ledger(undoes: Option<RunId>, events: Vec<Event>) -> Ledger {
        let plan = plan();
        let mut ledger = Ledger::new(&plan);
        let began = Event::Began {
            launch: Box::new(launch(undoes)),
            plan: plan.digest,
            left_out: Vec::new(),
        };
        for event in [began].into_iter().chain(events) {
            let at = at("2026-11-28T17:00:00Z");
            ledger.apply(&Stamped { at, event }).unwrap();
        }
        ledger
    }

    fn slots(text: &str) -> Slots {
        text.parse().unwrap()
    }

    fn seen(phase: Phase, states: &[(StateClass, &str)]) -> Event {
        let states = states.iter().map(|(state, at)| (*state, slots(at)));
        Event::Observed {
            batch: BATCH,
            phase,
            states: states.collect(),
            said: Vec::new(),
        }
    }

    fn settled(outcomes: &[(Outcome, &str)]) -> Event {
        let outcomes = outcomes.iter().map(|(outcome, at)| (*outcome, slots(at)));
        Event::Settled {
            batch: BATCH,
            outcomes: outcomes.collect(),
        }
    }

    fn back(ledger: &Ledger, now: &str) -> Result<WayBack, Refused> {
        way_back(&run(), (&plan(), ledger), &[], at(now), WEEK)
    }

    /// Slot 0 was stopped, 1 with its answer lost; 2 was in error before, 3 was never read afterwards, 4
    /// was off already, and 5 stayed on.
    fn of_all_kinds() -> Ledger {
        let events = vec![
            seen(
                Phase::Before,
                &[
                    (StateClass::On, "0-1,3,5"),
                    (StateClass::Error, "2"),
                    (StateClass::Off, "4"),
                ],
            ),
            seen(
                Phase::After,
                &[(StateClass::Off, "0-2"), (StateClass::On, "5")],
            ),
            settled(&[
                (Outcome::Done(Proof::Job), "0,2-3"),
                (Outcome::Done(Proof::AnswerLost), "1"),
                (Outcome::Already, "4"),
                (Outcome::Failed(Reason::StillOn), "5"),
            ]),
            Event::Finished,
        ];
        ledger(None, events)
    }

    #[test]
    fn only_what_was_seen_on_before_and_off_after_is_on_the_way_back() {
        let back = back(&of_all_kinds(), "2026-11-28T18:00:00Z").unwrap();
        let servers: Vec<ServerId> = back
            .plan
            .batches
            .iter()
            .flat_map(|batch| batch.servers().to_vec())
            .collect();
        assert_eq!(servers, [server(0), server(1)]);
        assert_eq!(back.unseen, 2);
    }

    #[rstest]
    #[case("2026-12-05T17:00:00Z", true)]
    #[case("2026-12-05T17:00:01Z", false)]
    #[case("2026-11-28T16:00:00Z", true)]
    fn a_run_is_undone_until_it_is_too_old(#[case] now: &str, #[case] fine: bool) {
        let back = back(&of_all_kinds(), now);
        match back {
            Ok(_) => assert!(fine),
            Err(refused) => {
                assert!(
                    !fine && matches!(refused, Refused::TooOld { .. }),
                    "{refused}"
                );
                assert!(
                    refused
                        .to_string()
                        .contains("began 7d ago, and the limit is 7d"),
                    "{refused}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_over_and_what_is_an_undo_is_not_undone() {
        let now = "2026-11-28T18:00:00Z";
        let open = ledger(None, Vec::new());
        assert_eq!(back(&open, now).unwrap_err(), Refused::Unfinished(run()));
        let other: RunId = "20261128T160000Z-000001".parse().unwrap();
        let undo = ledger(Some(other.clone()), vec![Event::Finished]);
        let refused = Refused::Undo {
            run: run(),
            of: other,
        };
        assert_eq!(back(&undo, now).unwrap_err(), refused);
        let idle = ledger(None, vec![Event::Finished]);
        assert_eq!(
            back(&idle, now).unwrap_err(),
            Refused::NothingStopped(run())
        );
    }

    fn intended() -> Event {
        Event::SendIntended {
            batch: BATCH,
            attempt: 1,
            servers: slots("0-5"),
        }
    }

    fn answered(answer: SendAnswer) -> Event {
        Event::SendAnswered {
            batch: BATCH,
            attempt: 1,
            answer,
            evidence: Evidence::default(),
        }
    }

    /// What is left to a further undo of a run that stopped 0 and 1, if an earlier one of these six tells
    /// this.
    fn left_by(events: Vec<Event>) -> Result<Vec<ServerId>, Refused> {
        let earlier = Earlier {
            run: by(),
            plan: plan(),
            ledger: ledger(Some(run()), events),
        };
        let now = at("2026-11-28T18:00:00Z");
        let back = way_back(&run(), (&plan(), &of_all_kinds()), &[earlier], now, WEEK)?;
        let batches = back.plan.batches.iter();
        let left: Vec<ServerId> = batches.flat_map(|batch| batch.servers().to_vec()).collect();
        assert_eq!(back.undone, 2 - left.len());
        Ok(left)
    }

    fn by() -> RunId {
        "20261128T173000Z-000001".parse().unwrap()
    }

    #[test]
    fn what_an_undo_may_have_started_or_found_on_is_left_to_no_other() {
        let over = Err(Refused::UndoneBefore {
            run: run(),
            by: by(),
            over: true,
        });
        let all_on = vec![settled(&[(Outcome::Already, "0-5")]), Event::Finished];
        assert_eq!(left_by(all_on), over);
        for outcome in [
            Outcome::Done(Proof::Job),
            Outcome::Failed(Reason::StillOff),
            Outcome::Unknown(Reason::JobUnfinished),
        ] {
            let events = vec![intended(), settled(&[(outcome, "0-5")]), Event::Finished];
            assert_eq!(left_by(events), over, "{outcome:?}");
        }
    }

    #[test]
    fn an_undo_that_is_not_over_is_gone_on_with_once_it_may_have_started_something() {
        let open = Err(Refused::UndoneBefore {
            run: run(),
            by: by(),
            over: false,
        });
        assert_eq!(left_by(vec![intended()]), open);
        assert_eq!(
            left_by(vec![intended(), answered(SendAnswer::Ambiguous)]),
            open
        );
        let withdrawn = Event::SendWithdrawn {
            batch: BATCH,
            attempt: 1,
            cause: StopCause::Halted,
        };
        for events in [Vec::new(), vec![intended(), withdrawn]] {
            assert_eq!(left_by(events), Ok(vec![server(0), server(1)]));
        }
    }

    #[test]
    fn what_an_undo_left_out_or_never_came_to_is_left_to_another() {
        let first_only = |outcome| {
            let settled = settled(&[(Outcome::Done(Proof::Job), "0"), (outcome, "1-5")]);
            left_by(vec![settled, Event::Finished])
        };
        for outcome in [
            Outcome::Skipped(Reason::Narrowed),
            Outcome::NotSent(Reason::Interrupted),
            Outcome::Failed(Reason::Locked),
        ] {
            assert_eq!(first_only(outcome), Ok(vec![server(1)]), "{outcome:?}");
        }
        for (answer, outcome) in [
            (
                SendAnswer::Credentials,
                Outcome::NotSent(Reason::Credentials),
            ),
            (SendAnswer::Rejected, Outcome::Failed(Reason::Rejected)),
        ] {
            let settled = settled(&[(outcome, "0-5")]);
            let events = vec![intended(), answered(answer), settled, Event::Finished];
            assert_eq!(left_by(events), Ok(vec![server(0), server(1)]));
        }
    }
}
