//! Asking a wave's gate.
//!
//! Owns when a gate is asked, how often, and what an answer that is not expected does. Invariant: no wave in
//! which something is to be sent begins before its gate has answered as expected to this very process.

use std::time::Duration;

use super::waves::place;
use super::{Context, RunError, opening};
use crate::bms::Evidence;
use crate::event::{Event, StopCause};
use crate::http::{Enquirer, Failure};
use crate::ledger::{Ledger, WaveRecord};
use crate::workflow::Gate;

/// How long after one answer a gate is asked again.
const PAUSE: Duration = Duration::from_secs(5);

/// Whether gates are asked.
#[derive(Debug, Clone)]
pub enum Gates {
    /// By this enquirer.
    Asked(Enquirer),
    /// Nobody is asked, and every wave may begin: for what is not real.
    NotAsked,
}

/// What a gate said last.
type Answer = Result<u16, Failure>;

/// Asks the gate of a wave, if it has one and something is to be sent in the wave. Where the wave may not
/// begin, sending has been stopped when this returns.
pub(super) async fn pass(context: &Context, wave: usize) -> Result<(), RunError> {
    let recorder = &context.recorder;
    let (place, to_send) =
        recorder.read(|it| (place(&it.waves()[wave]), has_to_send(it, &it.waves()[wave])));
    let gate = context.plan.groups.get(place.0 as usize);
    let gate = gate.and_then(|group| group.gate.as_ref());
    let (Gates::Asked(enquirer), Some(gate)) = (&context.gates, gate) else {
        return Ok(());
    };
    if !to_send || context.sending_stopped().is_some() {
        return Ok(());
    }
    let answer = tokio::select! {
        biased;
        () = context.stopped() => return Ok(()),
        answer = asked(context, enquirer, gate) => answer,
    };
    match answer {
        Ok(status) if gate.expect.has(status) => {
            let (group, wave) = place;
            let answered = Event::GateAnswered {
                group,
                wave,
                status,
            };
            recorder.record(answered).await
        }
        answer => {
            let evidence = evidence(gate, &answer);
            context.stop_sending(StopCause::Gate, evidence).await
        }
    }
}

/// Whether something is, or may be, to be sent in a wave.
fn has_to_send(ledger: &Ledger, wave: &WaveRecord) -> bool {
    let records = ledger.batches()[wave.batches()].iter();
    let mut rests = records.map(|record| opening::rest(record, Default::default()));
    // Of what was lost nobody knows yet whether it is to be sent again.
    rests.any(|rest| !rest.unsent.is_empty() || !rest.lost.is_empty())
}

/// The last answer of a gate, which is asked until it is the expected one, or asked often enough.
async fn asked(context: &Context, enquirer: &Enquirer, gate: &Gate) -> Answer {
    let mut answer = enquirer.ask(&gate.http, gate.timeout).await;
    for _ in 0..gate.retries.get() {
        if matches!(answer, Ok(status) if gate.expect.has(status)) {
            break;
        }
        context.clock.sleep(PAUSE).await;
        answer = enquirer.ask(&gate.http, gate.timeout).await;
    }
    answer
}

/// What stopped the run, as its journal keeps it.
fn evidence(gate: &Gate, answer: &Answer) -> Evidence {
    let (url, expect) = (&gate.http, &gate.expect);
    let times = match gate.retries.get() {
        0 => String::new(),
        retries => format!(", asked {} times", retries + 1),
    };
    let said = match answer {
        Ok(status) => format!("answered {status} and not {expect}"),
        Err(failure) => format!("did not answer: {failure}"),
    };
    Evidence {
        message: Some(format!("{url} {said}{times}")),
        ..Evidence::default()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        r#"{"http": "https://gate.example.com/ok"}"#,
        Ok(503),
        "https://gate.example.com/ok answered 503 and not 200, asked 3 times"
    )]
    #[case(
        r#"{"http": "https://gate.example.com/ok", "expect": [200, 204], "retries": 0}"#,
        Err(Failure::TimedOut { message: "no answer within 10s".to_owned() }),
        "https://gate.example.com/ok did not answer: no complete answer in time: no answer within 10s"
    )]
    fn what_a_gate_said_is_told(
        #[case] gate: &str,
        #[case] answer: Answer,
        #[case] expected: &str,
    ) {
        let gate: Gate = serde_json::from_str(gate).unwrap();
        assert_eq!(evidence(&gate, &answer).message.as_deref(), Some(expected));
    }
}
