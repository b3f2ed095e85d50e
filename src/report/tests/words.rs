//! That the schema of reports and the types know the same words.

use super::*;

fn chain<T: Copy>(first: T, after: impl Fn(T) -> Option<T>) -> Vec<T> {
    std::iter::successors(Some(first), |one| after(*one)).collect()
}

fn reasons() -> Vec<Reason> {
    use Reason::*;
    chain(Missing, |reason| {
        Some(match reason {
            Missing => ErrorState,
            ErrorState => Locked,
            Locked => Busy,
            Busy => StuckStopping,
            StuckStopping => StuckStarting,
            StuckStarting => NameMismatch,
            NameMismatch => Rejected,
            Rejected => Throttled,
            Throttled => Unreachable,
            Unreachable => Credentials,
            Credentials => JobFailed,
            JobFailed => StillOn,
            StillOn => StillOff,
            StillOff => AnswerLost,
            AnswerLost => JobUnfinished,
            JobUnfinished => JobGone,
            JobGone => StatesUnreadable,
            StatesUnreadable => Interrupted,
            Interrupted => Halted,
            Halted => Journal,
            Journal => Late,
            Late => Policy,
            Policy => MaxFailures,
            MaxFailures => Gate,
            Gate => Cutoff,
            Cutoff => Clock,
            Clock => Quarantined,
            Quarantined => Narrowed,
            Narrowed => DryRun,
            DryRun => Running,
            Running => return None,
        })
    })
}

fn exits() -> Vec<Exit> {
    use Exit::*;
    chain(Success, |exit| {
        Some(match exit {
            Success => Invalid,
            Invalid => Refused,
            Refused => PlansDiffer,
            PlansDiffer => NotNow,
            NotNow => Locked,
            Locked => PlanMismatch,
            PlanMismatch => Guard,
            Guard => Halted,
            Halted => SomeFailed,
            SomeFailed => StoppedEarly,
            StoppedEarly => CutOff,
            CutOff => SomeUnknown,
            SomeUnknown => Resumable,
            Resumable => ReportNotWritten,
            ReportNotWritten => Internal,
            Internal => return None,
        })
    })
}

fn words_of_schema(pointer: &str) -> Vec<Value> {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let words = schema.pointer(pointer).unwrap().as_array().unwrap();
    words
        .iter()
        .filter(|word| !word.is_null())
        .cloned()
        .collect()
}

#[test]
fn schema_and_types_know_the_same_words() {
    let reasons = reasons()
        .into_iter()
        .map(|reason| Value::from(reason.as_str()));
    assert_eq!(
        words_of_schema("/$defs/server/properties/reason/enum"),
        reasons.collect::<Vec<_>>()
    );
    let good = [STOP, Action::Start].map(|action| {
        let good = [OutcomeKind::Done, OutcomeKind::Already];
        good.map(|kind| Value::from(kind.word(action)))
    });
    let others = OutcomeKind::ALL[2..].iter();
    let others = others.map(|kind| Value::from(kind.word(STOP)));
    assert_eq!(
        words_of_schema("/$defs/server/properties/outcome/enum"),
        good.into_iter().flatten().chain(others).collect::<Vec<_>>()
    );
    let codes = exits().into_iter().map(|exit| Value::from(exit.code()));
    assert_eq!(
        words_of_schema("/properties/exit_code/enum"),
        codes.collect::<Vec<_>>()
    );
    assert_eq!(exits(), Exit::ALL);
    let verdicts = words_of_schema("/properties/outcome/enum");
    let endings = exits().into_iter().map(Ending::Over);
    for ending in endings.chain([Ending::Running]) {
        let verdict = serde_json::to_value(Verdict::of(ending)).unwrap();
        assert!(verdicts.contains(&verdict), "{verdict}");
    }
}
