//! Whether a run can be undone, and how: its plan and what is known of it → the plan of the way back. Pure.
//!
//! Owns which servers a run has stopped for sure, and every reason not to undo it; finding the run and its
//! earlier undos is for those who ask. Invariant: a server is on the way back only if the run saw it on
//! before its stop and off after it.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::duration;
use crate::exit::Exit;
use crate::ids::{RunId, ServerId};
use crate::ledger::{Ledger, TargetRecord};
use crate::outcome::OutcomeKind;
use crate::plan::{Plan, reverse};
use crate::power::{Action, Standing};

/// How a run is undone.
#[derive(Debug)]
pub struct WayBack {
    /// What is started.
    pub plan: Plan,
    /// When the run began.
    pub began_at: Timestamp,
    /// How many servers count as stopped that the run did not see on before and off after.
    pub unseen: usize,
}

/// Why a run is not undone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its own work is not over.
    #[error("run {0} is not finished")]
    Unfinished(RunId),
    /// It is an undo itself.
    #[error("run {run} is itself an undo, of run {of}")]
    Undo {
        /// The run.
        run: RunId,
        /// The run that it has undone.
        of: RunId,
    },
    /// It touched nothing real.
    #[error("it is a {0}: no real server was stopped")]
    NotReal(&'static str),
    /// It is too long ago.
    #[error("run {run} began {} ago, and the limit is {}", duration::format_age(*age), duration::format_age(*limit))]
    TooOld {
        /// The run.
        run: RunId,
        /// How long ago it began.
        age: Duration,
        /// How long ago it may have begun.
        limit: Duration,
    },
    /// An undo of it has done its work, or has begun to.
    #[error("run {run} was undone before, by run {by}")]
    UndoneBefore {
        /// The run.
        run: RunId,
        /// The undo.
        by: RunId,
        /// Whether that is over.
        over: bool,
    },
    /// There is nothing to start.
    #[error("run {0} has stopped no server that it saw on before and off after")]
    NothingStopped(RunId),
    /// The state folder has no run of the workflow.
    #[error("there is no run of a workflow named `{0}`")]
    NoneOf(String),
    /// A report names a run that the state folder does not have.
    #[error("the run {0} of the report is not in the state folder")]
    NotHere(RunId),
    /// A report and the run that it names are of different plans.
    #[error("the report is not that of run {0}: their plans differ")]
    OtherPlan(RunId),
    /// More became known of the run while it was looked at.
    #[error("run {0} has changed in the meantime")]
    Changed(RunId),
}

impl Refused {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unfinished(run) => format!(
                "first `lightsout resume {run}` goes on with it, or `lightsout settle {run}` ends it"
            ),
            Self::Undo { .. } => "to stop the servers again, run the workflow".to_owned(),
            Self::NotReal(_) => "name a run of real servers".to_owned(),
            Self::TooOld { .. } => {
                "see that its servers are still to be started, then give a longer `--max-age`"
                    .to_owned()
            }
            Self::UndoneBefore { by, over: true, .. } => format!(
                "see `lightsout report {by}`: what it did not start is to be started by hand"
            ),
            Self::UndoneBefore { by, .. } => {
                format!("that is not finished: `lightsout resume {by}` goes on with it")
            }
            Self::NothingStopped(run) => {
                format!("see `lightsout report {run}` for what became of its servers")
            }
            Self::NoneOf(_) => "give the name as it stands in the workflow, or the ID of a run; \
                                check `--state-dir`"
                .to_owned(),
            Self::NotHere(run) => format!(
                "undo it on the machine that ran it, or copy its folder `runs/{run}` from there into \
                 the state folder; a report alone does not prove what was stopped"
            ),
            Self::OtherPlan(_) => "name the run by its ID".to_owned(),
            Self::Changed(_) => "look at it, and try again".to_owned(),
        }
    }
}

/// The way back of a run, `now`, if it began at most `max_age` ago.
pub fn way_back(
    run: &RunId,
    (plan, ledger): (&Plan, &Ledger),
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
    let (stopped, unseen) = stopped(plan, ledger);
    if stopped.is_empty() {
        return Err(Refused::NothingStopped(run.clone()));
    }
    Ok(WayBack {
        plan: reverse(plan, run, &stopped),
        began_at: began.at,
        unseen,
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

/// Whether an undo stands in the way of another one: it has, or may have, started something, or found
/// all as it should be. One that was refused or halted before its first request does not.
pub fn counts(undo: &Ledger) -> bool {
    let all_well = matches!(undo.exit(), Exit::Success | Exit::ReportNotWritten);
    undo.may_have_acted() || (undo.finished_at().is_some() && all_well)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::bms::Evidence;
    use crate::event::{Event, Launch, Mode, Phase, SendAnswer, Slots, Stamped, StopCause};
    use crate::ids::BatchIndex;
    use crate::outcome::{Outcome, Proof, Reason};
    use crate::plan::sample::{self, group, server};
    use crate::policy::Approval;
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
            mode: Mode::Run,
            labels: std::collections::BTreeMap::new(),
            again: String::new(),
            version: "0.1.0".to_owned(),
            warnings: Vec::new(),
            narrowed: None,
            undoes,
            approval: Approval::Other,
            guards: Vec::new(),
        }
    }

    fn ledger(undoes: Option<RunId>, events: Vec<Event>) -> Ledger {
        let plan = plan();
        let mut ledger = Ledger::new(&plan);
        let began = Event::Began {
            launch: launch(undoes),
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
        way_back(&run(), (&plan(), ledger), at(now), WEEK)
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

    #[test]
    fn every_refusal_says_what_to_do() {
        let (run, by) = (run(), run());
        for over in [true, false] {
            let (run, by) = (run.clone(), by.clone());
            let refused = Refused::UndoneBefore { run, by, over };
            let verb = if over {
                "lightsout report"
            } else {
                "lightsout resume"
            };
            assert!(refused.hint().contains(verb));
        }
        assert!(
            Refused::Unfinished(run.clone())
                .hint()
                .contains("lightsout settle")
        );
        assert!(
            Refused::NotHere(run)
                .hint()
                .contains("on the machine that ran it")
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

    fn stopped_by(cause: StopCause) -> Event {
        Event::SendingStopped {
            cause,
            evidence: Evidence::default(),
        }
    }

    #[test]
    fn an_undo_counts_once_it_may_have_started_something_or_all_is_well() {
        let counts = |events: Vec<Event>| counts(&ledger(Some(run()), events));
        assert!(!counts(Vec::new()));
        assert!(counts(vec![intended()]));
        assert!(counts(vec![intended(), answered(SendAnswer::Ambiguous)]));
        let withdrawn = Event::SendWithdrawn {
            batch: BATCH,
            attempt: 1,
            cause: StopCause::Halted,
        };
        assert!(!counts(vec![intended(), withdrawn]));
        let refused = vec![
            intended(),
            answered(SendAnswer::Credentials),
            stopped_by(StopCause::Refused),
            settled(&[(Outcome::NotSent(Reason::Credentials), "0-5")]),
            Event::Finished,
        ];
        assert!(!counts(refused));
        let rejected = vec![
            intended(),
            answered(SendAnswer::Rejected),
            settled(&[(Outcome::Failed(Reason::Rejected), "0-5")]),
            Event::Finished,
        ];
        assert!(!counts(rejected));
        let all_on = vec![settled(&[(Outcome::Already, "0-5")]), Event::Finished];
        assert!(counts(all_on));
    }
}
