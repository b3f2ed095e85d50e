//! A run told as its log tells it.

use super::*;
use crate::bms::{JobError, JobStatus};
use crate::outcome::{Proof, Reason};
use crate::plan::sample;

fn events() -> Vec<Event> {
    let batch = BatchIndex(1);
    let evidence = Evidence {
        http_status: Some(429),
        request_id: Some("req-1".to_owned()),
        code: Some("APIGW.0308".to_owned()),
        message: Some("slow\u{1b}[2J down".to_owned()),
    };
    let first = Slots::all(1);
    let failed = JobResult::Failed(JobError {
        code: "BMS.0039".to_owned(),
        message: "is off".to_owned(),
    });
    let accepted = SendAnswer::Accepted {
        job: "70a599e0".parse().unwrap(),
    };
    let answered = |answer, evidence| Event::SendAnswered {
        batch,
        attempt: 1,
        answer,
        evidence,
    };
    vec![
        Event::Began {
            launch: Box::new(Launch {
                run: "20261128T170000Z-3f9a1c".parse().unwrap(),
                mode: Mode::Rehearsal,
                ..Launch::for_tests()
            }),
            plan: sample::fleet().digest,
            left_out: Vec::new(),
        },
        Event::GateAnswered {
            group: 1,
            wave: 0,
            status: 204,
        },
        Event::WaveBegan { group: 1, wave: 0 },
        Event::Observed {
            batch,
            phase: Phase::Before,
            states: vec![
                (StateClass::On, Slots::all(999)),
                (StateClass::Off, first.clone()),
            ],
            said: Vec::new(),
        },
        Event::SendIntended {
            batch,
            attempt: 1,
            servers: Slots::all(1000),
        },
        answered(SendAnswer::Throttled, evidence.clone()),
        Event::Waiting {
            batch,
            reason: WaitReason::Throttled,
            milliseconds: 4000,
        },
        answered(accepted, Evidence::default()),
        Event::JobEnded {
            batch,
            attempt: 1,
            end: JobEnd::Final {
                status: JobStatus::Fail,
            },
            results: vec![
                (JobResult::Succeeded, Slots::all(999)),
                (failed, first.clone()),
            ],
        },
        Event::Settled {
            batch,
            outcomes: vec![
                (Outcome::Done(Proof::Job), Slots::all(999)),
                (Outcome::Unknown(Reason::JobGone), first),
            ],
        },
        Event::Soaking {
            group: 1,
            wave: 0,
            milliseconds: 90_000,
        },
        Event::StillRunning,
        Event::JobSeenRunning { batch, attempt: 1 },
        Event::SendingStopped {
            cause: StopCause::Unreachable,
            evidence,
        },
        Event::Finished,
    ]
}

#[test]
fn a_refused_signature_brings_the_clock_to_mind() {
    let code = Some("APIGW.0301".to_owned());
    let evidence = Evidence {
        code,
        ..Evidence::default()
    };
    assert!(stopped(StopCause::Refused, &evidence).contains("clock"));
    assert!(!stopped(StopCause::Refused, &Evidence::default()).contains("clock"));
}

#[test]
fn a_run_reads_as_a_story() {
    let plan = sample::fleet();
    let lines: Vec<String> = events()
        .iter()
        .map(|event| narrate(&plan, event))
        .map(|line| format!("{:5} {}", line.level, line.text))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}
