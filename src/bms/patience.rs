//! Reads that are tried again until they are answered or time is up.
//!
//! Owns the loop around one read; the decision is [`next_wait`]. Invariant: a read that the cloud
//! refuses is not repeated, nor is one that cannot pass, and no read is repeated longer than `retry_for` after it was wanted.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::answer::Evidence;
use super::read::{ReadError, ReadFailure};
use super::retry::next_wait;
use crate::clock::{Clock, Moment};
use crate::duration;
use crate::ids::ServerId;
use crate::untrusted::for_terminal;

/// From this try on, and then at every eighth, a read that has no answer is spoken of aloud.
const LOUD: u32 = 3;

/// Single reads under way at the same time.
const TOGETHER: usize = 8;

/// Why there is no answer to a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// The time for trying again is over.
    GaveUp(Evidence),
    /// The cloud does not know what was asked for.
    NotFound(Evidence),
    /// The cloud refuses to answer.
    Refused(Evidence),
    /// Something between here and the API must be changed first.
    Blocked(Evidence),
}

impl Unanswered {
    /// What the API or the network said.
    pub fn evidence(&self) -> &Evidence {
        match self {
            Self::GaveUp(evidence)
            | Self::NotFound(evidence)
            | Self::Refused(evidence)
            | Self::Blocked(evidence) => evidence,
        }
    }

    /// What to do about a listing that there is no answer to.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::GaveUp(_) => "try again later; `--inventory` plans with a saved listing",
            Self::NotFound(_) | Self::Refused(_) => {
                "check credentials, project and the permission `bms:servers:list`"
            }
            Self::Blocked(_) => {
                "waiting does not help: check `--ca-file`, the proxy in HTTPS_PROXY, and `endpoint` of the workflow; the command `doctor` names the one to change"
            }
        }
    }
}

impl fmt::Display for Unanswered {
    /// What the API or the network said, escaped and on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let evidence = self.evidence();
        let status = evidence.http_status.map(|status| format!("HTTP {status}"));
        let texts = [status, evidence.code.clone(), evidence.message.clone()];
        let parts: Vec<String> = texts.into_iter().flatten().collect();
        f.write_str(&for_terminal(&parts.join(", ")))
    }
}

/// How long reads are tried again, and by which clock.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Counts the time and waits.
    pub clock: Clock,
    /// How long after its answer was first needed a read is tried again.
    pub retry_for: Duration,
}

impl Patience {
    /// Does `read` until it is answered; `wanted` is when the answer was first needed.
    pub async fn answer<T, F, R>(&self, wanted: Moment, read: R) -> Result<T, Unanswered>
    where
        R: Fn() -> F,
        F: Future<Output = Result<T, ReadError>>,
    {
        let mut tries = 0;
        loop {
            let ReadError { class, evidence } = match read().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            tries += 1;
            let retry_after = match class {
                ReadFailure::Retry { after } => after,
                ReadFailure::Blocked { tries: enough } if tries < enough => None,
                ReadFailure::Blocked { .. } => return Err(Unanswered::Blocked(evidence)),
                ReadFailure::NotFound => return Err(Unanswered::NotFound(evidence)),
                ReadFailure::Credentials | ReadFailure::Refused | ReadFailure::Rejected => {
                    return Err(Unanswered::Refused(evidence));
                }
            };
            let passed = self.clock.elapsed().since(wanted);
            let jitter = fastrand::f64();
            let Some(pause) = next_wait(tries, passed, self.retry_for, retry_after, jitter) else {
                return Err(Unanswered::GaveUp(evidence));
            };
            tell(tries, pause, &evidence);
            self.clock.sleep(pause).await;
        }
    }
}

/// One `read` for each of `servers`, a few at a time; the answers are in the order of the servers.
pub async fn singly<T, F>(
    servers: impl IntoIterator<Item = ServerId>,
    read: impl Fn(ServerId) -> F,
) -> Result<Vec<T>, Unanswered>
where
    F: Future<Output = Result<T, Unanswered>>,
{
    let reads = stream::iter(servers).map(read);
    reads.buffered(TOGETHER).try_collect().await
}

/// The same, with the answer for each server of its own.
pub async fn singly_each<T, F>(
    servers: impl IntoIterator<Item = ServerId>,
    read: impl Fn(ServerId) -> F,
) -> Vec<Result<T, Unanswered>>
where
    F: Future<Output = Result<T, Unanswered>>,
{
    let reads = stream::iter(servers).map(read);
    reads.buffered(TOGETHER).collect().await
}

/// Says that a read is tried again: aloud now and again, else for the curious.
fn tell(tries: u32, pause: Duration, evidence: &Evidence) {
    let parts = [&evidence.code, &evidence.message];
    let said: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    let said = said.join(": ");
    let said = for_terminal(&said);
    let pause = duration::format(Duration::from_secs(pause.as_secs() + 1));
    if tries >= LOUD && (tries - LOUD).is_multiple_of(8) {
        tracing::warn!("a read has no answer ({said}), try {tries}; again within {pause}");
    } else {
        tracing::debug!("a read has no answer ({said}), try {tries}; again within {pause}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_answered_is_said_in_words() {
        let refused = Unanswered::Refused(Evidence {
            http_status: Some(401),
            request_id: None,
            code: Some("APIGW.0301".to_owned()),
            message: Some("Incorrect \u{1b}authentication".to_owned()),
        });
        let expected = "HTTP 401, APIGW.0301, Incorrect \\u{1b}authentication";
        assert_eq!(refused.to_string(), expected);
    }
}
