//! Exit codes and explanations of errors. Invariant: every kind of error has a code and a hint that fits it.

use super::*;
use crate::bms::Evidence;
use rstest::rstest;

fn run() -> RunId {
    "20261128T170000Z-3f9a1c".parse().unwrap()
}

fn denied() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}

#[rstest]
#[case(Error::Unreadable("a.yaml".into(), denied()), 2)]
#[case(Error::Findings("a.yaml".into(), Vec::new()), 2)]
#[case(Error::State(StateError::Occupied("report.json".into())), 2)]
#[case(Error::Report("r.json".into(), ReportError::Newer("lightsout/report/v2".to_owned())), 2)]
#[case(Error::Clock(InvalidCourse), 2)]
#[case(Error::NoListing, 2)]
#[case(Error::NoZone("f".into()), 2)]
#[case(Error::SavedListing("l.json".into(), ListingError::Format), 2)]
#[case(Error::NotAListing("l.json".into()), 2)]
#[case(Error::OtherListing { path: "l.json".into(), listed: "a".to_owned(), wanted: "b".to_owned() }, 2)]
#[case(Error::Listing(Unanswered::Refused(Evidence::default())), 3)]
#[case(Error::OtherSelection("p.plan.json".into()), 22)]
#[case(Error::Credentials(CredentialsError::KeysAndToken { keys: "AK", token: "TOKEN" }), 2)]
#[case(Error::Credentials(CredentialsError::NotInEnvironment), 3)]
#[case(Error::Host(HostRefused { host: "evil.example".to_owned() }), 3)]
#[case(Error::Plan("p.json".into(), PlanError::Action("reboot".to_owned())), 22)]
#[case(Error::Forbidden(Vec::new()), 23)]
#[case(Error::Policy("p.yaml".into(), Distrust::NotAFile("p.yaml".into())), 23)]
#[case(Error::NotContinued { run: "20261128T170000Z-3f9a1c".parse().unwrap(), journal: "j".into(), command: "settle" }, 2)]
#[case(Error::InterruptedReading, 24)]
#[case(Error::InterruptedEarly("SIGTERM"), 24)]
#[case(Error::State(StateError::Lost(crate::journal::Lost::Lock("l".into()))), 24)]
#[case(Error::Quarantined(run(), String::new()), 2)]
#[case(Error::NotInQuarantine(run()), 2)]
#[case(Error::NothingToQuarantine(run()), 2)]
#[case(Error::HeldProject(run(), String::new()), 21)]
#[case(Error::TooYoung(run(), jiff::Timestamp::UNIX_EPOCH), 21)]
#[case(Error::NotConfirmed(run(), "y".to_owned()), 24)]
#[case(Error::Declined { targets: "2 targets".to_owned(), done: "stopped", answer: "y".to_owned() }, 24)]
#[case(Error::NoTerminal { missing: "stderr is not a terminal", command: String::new() }, 2)]
#[case(Error::Internal("start", "no threads".into()), 70)]
fn each_error_has_its_code(#[case] error: Error, #[case] code: u8) {
    assert_eq!(error.exit().code(), code);
}

#[test]
fn an_explanation_tells_what_why_and_what_to_do() {
    let error = Error::State(StateError::Write("/var/x\u{1b}".into(), denied()));
    let expected = "error: cannot write `/var/x\\u{1b}`: permission denied\n  \
                    hint: check who may write there and that the disk is not full";
    assert_eq!(error.explain(), expected);
}

#[test]
fn an_explanation_stays_short_whatever_it_repeats() {
    let cause = io::Error::other("x".repeat(1_000_000));
    let text = Error::Unreadable("a.yaml".into(), cause).explain();
    assert!(text.len() < 2000, "{}", text.len());
}

#[test]
fn a_hint_of_a_cause_is_told() {
    let error = Error::Plan("p.json".into(), PlanError::Action("reboot".to_owned()));
    assert!(
        error
            .explain()
            .contains("hint: use the version of lightsout")
    );
}
