//! How a run ends, by what happened in it: the precedence of design §13.

mod lateness;
mod pace;

use rstest::rstest;

use super::*;
use crate::event::SendAnswer;
use crate::outcome::Proof;
use crate::plan::sample;

const BATCH: BatchIndex = BatchIndex(0);
const STOPPED: Outcome = Outcome::Done(Proof::Job);
const FAILED: Outcome = Outcome::Failed(Reason::StillOn);
const UNKNOWN: Outcome = Outcome::Unknown(Reason::JobGone);

fn unsent(cause: StopCause) -> Outcome {
    Outcome::NotSent(cause.reason())
}

/// The exit code of a run of four servers: what stopped it, what its request was answered, what became of them.
fn exit(cause: Option<StopCause>, answer: Option<SendAnswer>, outcomes: &[(Outcome, &str)]) -> u8 {
    let plan = sample::plan(vec![sample::group("all", 0, 4)]);
    let mut ledger = Ledger::new(&plan);
    let evidence = Evidence::default;
    let (attempt, batch) = (1, BATCH);
    let mut events = Vec::new();
    if let Some(answer) = answer {
        // A target that is not sent was in no request that may have been accepted.
        let left = |outcome: &Outcome| outcome.kind() == OutcomeKind::NotSent;
        let in_it = outcomes
            .iter()
            .filter(|(outcome, _)| !(answer.may_be_acceptance() && left(outcome)));
        let slots = in_it.map(|(_, slots)| slots.parse::<crate::event::Slots>().unwrap());
        let servers = slots
            .flat_map(|slots| slots.iter().collect::<Vec<_>>())
            .collect();
        events.push(Event::SendIntended {
            batch,
            attempt,
            servers,
        });
        events.push(Event::SendAnswered {
            batch,
            attempt,
            answer,
            evidence: evidence(),
        });
    }
    let stopped = |cause| Event::SendingStopped {
        cause,
        evidence: evidence(),
    };
    events.extend(cause.map(stopped));
    let outcomes = outcomes.iter();
    let outcomes = outcomes.map(|(outcome, slots)| (*outcome, slots.parse().unwrap()));
    events.push(Event::Settled {
        batch,
        outcomes: outcomes.collect(),
    });
    for event in events {
        let at = Timestamp::UNIX_EPOCH;
        ledger.apply(&Stamped { at, event }).unwrap();
    }
    ledger.exit().code()
}

fn accepted() -> Option<SendAnswer> {
    let job = "70a599e0".parse().unwrap();
    Some(SendAnswer::Accepted { job })
}

#[rstest]
#[case(StopCause::MaxFailures, 31)]
#[case(StopCause::Gate, 31)]
#[case(StopCause::Cutoff, 32)]
#[case(StopCause::Frozen, 30)]
#[case(StopCause::Clock, 30)]
#[case(StopCause::Policy, 30)]
#[case(StopCause::Late, 30)]
fn what_stops_a_run_in_the_middle_has_its_code(#[case] cause: StopCause, #[case] code: u8) {
    let outcomes = [(STOPPED, "0"), (FAILED, "1"), (unsent(cause), "2-3")];
    assert_eq!(exit(Some(cause), accepted(), &outcomes), code);
}

#[rstest]
#[case(StopCause::MaxFailures, 20)]
#[case(StopCause::Gate, 20)]
#[case(StopCause::Cutoff, 20)]
#[case(StopCause::Frozen, 20)]
#[case(StopCause::Clock, 20)]
#[case(StopCause::Late, 20)]
#[case(StopCause::Policy, 23)]
#[case(StopCause::Refused, 3)]
fn where_nothing_was_accepted_another_time_will_do(#[case] cause: StopCause, #[case] code: u8) {
    let outcomes = [(unsent(cause), "0-3")];
    assert_eq!(exit(Some(cause), None, &outcomes), code);
    let refused = Some(SendAnswer::Throttled);
    assert_eq!(exit(Some(cause), refused, &outcomes), code);
}

#[rstest]
fn an_answer_that_may_have_been_an_acceptance_is_never_below_30(
    #[values(
        StopCause::MaxFailures,
        StopCause::Gate,
        StopCause::Cutoff,
        StopCause::Frozen,
        StopCause::Late,
        StopCause::Clock
    )]
    cause: StopCause,
) {
    let outcomes = [(FAILED, "0"), (unsent(cause), "1-3")];
    assert!(exit(Some(cause), Some(SendAnswer::Ambiguous), &outcomes) >= 30);
}

#[test]
fn what_is_unknown_outweighs_what_stopped_the_run() {
    for cause in [StopCause::MaxFailures, StopCause::Gate, StopCause::Cutoff] {
        let outcomes = [(UNKNOWN, "0"), (unsent(cause), "1-3")];
        assert_eq!(exit(Some(cause), accepted(), &outcomes), 33);
    }
}

#[test]
fn a_cause_that_held_nothing_back_did_not_stop_the_run() {
    for cause in [StopCause::MaxFailures, StopCause::Cutoff] {
        let all = exit(Some(cause), accepted(), &[(STOPPED, "0-3")]);
        let some = exit(Some(cause), accepted(), &[(STOPPED, "0-2"), (FAILED, "3")]);
        assert_eq!((all, some), (0, 30));
    }
}

/// Answers with what they say about the request: whether it was, or may have been, accepted.
fn answers() -> Vec<(Option<SendAnswer>, bool)> {
    let job: crate::ids::JobId = "70a599e0".parse().unwrap();
    let jobs = job.clone().into();
    let mut answers: Vec<(Option<SendAnswer>, bool)> = [
        SendAnswer::NotConnected,
        SendAnswer::Throttled,
        SendAnswer::Conflict,
        SendAnswer::Credentials,
        SendAnswer::RefusedForAll,
        SendAnswer::Rejected,
    ]
    .map(|answer| (Some(answer), false))
    .into();
    answers.extend(
        [
            SendAnswer::Accepted { job },
            SendAnswer::Ambiguous,
            SendAnswer::AmbiguousWithJobs { jobs },
        ]
        .map(|answer| (Some(answer), true)),
    );
    answers.push((None, true));
    answers
}

#[test]
fn a_target_of_a_request_that_may_have_been_accepted_is_never_not_sent() {
    let (batch, evidence) = (BATCH, Evidence::default);
    for (first, first_counts) in answers() {
        for (second, second_counts) in answers() {
            let plan = sample::plan(vec![sample::group("all", 0, 4)]);
            let mut ledger = Ledger::new(&plan);
            let mut events = Vec::new();
            for (attempt, answer) in (1..).zip([first.clone(), second]) {
                // The last server is in no request.
                let servers = "0-2".parse().unwrap();
                events.push(Event::SendIntended {
                    batch,
                    attempt,
                    servers,
                });
                events.extend(answer.map(|answer| Event::SendAnswered {
                    batch,
                    attempt,
                    answer,
                    evidence: evidence(),
                }));
            }
            let outcomes = vec![(unsent(StopCause::Cutoff), "0-3".parse().unwrap())];
            events.push(Event::Settled { batch, outcomes });
            for event in events {
                let at = Timestamp::UNIX_EPOCH;
                ledger.apply(&Stamped { at, event }).unwrap();
            }
            let outcomes: Vec<Option<Outcome>> = ledger.batches()[0]
                .targets()
                .iter()
                .map(super::TargetRecord::outcome)
                .collect();
            let sent = if first_counts || second_counts {
                Outcome::Unknown(Reason::Cutoff)
            } else {
                unsent(StopCause::Cutoff)
            };
            let expected = [sent, sent, sent, unsent(StopCause::Cutoff)].map(Some);
            assert_eq!(outcomes, expected);
            let unknown = ledger.totals().count(OutcomeKind::Unknown);
            assert_eq!(unknown, if sent == outcomes[3].unwrap() { 0 } else { 3 });
        }
    }
}

#[test]
fn an_interruption_outweighs_all_else() {
    let outcomes = [(UNKNOWN, "0")];
    assert_eq!(
        exit(Some(StopCause::Interrupted), accepted(), &outcomes),
        34
    );
}

#[rstest]
#[case(StopCause::MaxFailures, 31)]
#[case(StopCause::Gate, 31)]
#[case(StopCause::Cutoff, 32)]
fn a_run_that_is_only_settled_keeps_the_code_of_what_stopped_it(
    #[case] cause: StopCause,
    #[case] code: u8,
) {
    let settled = |answer, first| {
        let outcomes = [(first, "0"), (unsent(cause), "1-3")];
        exit(Some(StopCause::Settling), answer, &outcomes)
    };
    assert_eq!(settled(accepted(), STOPPED), code);
    assert_eq!(settled(None, FAILED), 20);
}
