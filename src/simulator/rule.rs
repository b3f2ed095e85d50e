//! One rule of a faults file: a fault, and which calls of a kind it falls on.
//!
//! Owns how a rule is written and read; what a fault does to a call is carried out by the cloud.
//! Invariant: a rule that was read makes sense, so every member that it has is meant for its fault.

use std::time::Duration;

use serde::Deserialize;

use super::draw::Draw;

/// A duration in the spelling of workflow files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Span(#[serde(with = "crate::duration")] pub Duration);

/// A fault and the calls that it falls on.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "RuleText")]
pub struct Rule {
    when: When,
    fault: Fault,
}

impl Rule {
    /// The fault, if it falls on the call with this number (from 0).
    pub(super) fn on(&self, draw: Draw, purpose: &str, number: u64) -> Option<Fault> {
        self.when.hits(draw, purpose, number).then_some(self.fault)
    }
}

/// Which calls a rule falls on.
#[derive(Debug, Clone, Copy, PartialEq)]
enum When {
    Rate(f64),
    First(u64),
    /// This one, counted from 1.
    Only(u64),
    Every(u64),
}

impl When {
    fn hits(self, draw: Draw, purpose: &str, number: u64) -> bool {
        match self {
            Self::Rate(share) => draw.hits(purpose, number, share),
            Self::First(count) => number < count,
            Self::Only(place) => number + 1 == place,
            Self::Every(count) => (number + 1).is_multiple_of(count),
        }
    }
}

/// Whether a fault strikes before the cloud has acted, or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    Before,
    After,
    /// The answer is one from before, and the cloud acts so much later, when the client has given up.
    Late(Duration),
}

/// What is wrong with a body that names its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OddBody {
    /// The head announces more bytes than come, and the connection is closed.
    TooLong,
    /// The body comes in chunks, and the last one is missing.
    NoLastChunk,
    /// A byte order mark stands before it.
    ByteOrderMark,
    /// A byte stands behind it.
    TrailingByte,
    /// The key is there twice.
    DoubledKey,
}

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Throttle {
        retry_after: Option<Duration>,
    },
    NotFound,
    Slow(Duration),
    Error {
        status: u16,
        point: Point,
    },
    Reset(Point),
    Html(Point),
    Hang(Point),
    BrokenBody,
    /// An error whose body names the job that was started.
    ErrorWithJob {
        status: u16,
    },
    OddBody(OddBody),
}

impl Fault {
    pub(super) fn point(self) -> Point {
        match self {
            Self::Throttle { .. } | Self::NotFound => Point::Before,
            Self::Slow(_) | Self::BrokenBody | Self::ErrorWithJob { .. } | Self::OddBody(_) => {
                Point::After
            }
            Self::Error { point, .. }
            | Self::Reset(point)
            | Self::Html(point)
            | Self::Hang(point) => point,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FaultWord {
    Throttle,
    NotFound,
    Slow,
    Error,
    Reset,
    Html,
    Hang,
    BrokenBody,
    ErrorWithJob,
    OddBody,
}

/// A rule as it is written: `{ fault: error, status: 502, accepted: true, rate: 0.3 }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    fault: FaultWord,
    rate: Option<f64>,
    first: Option<u64>,
    only: Option<u64>,
    every: Option<u64>,
    status: Option<u16>,
    accepted: Option<bool>,
    accepted_after: Option<Span>,
    form: Option<OddBody>,
    delay: Option<Span>,
    retry_after: Option<Span>,
}

impl RuleText {
    fn when(&self) -> Result<When, &'static str> {
        match (self.rate, self.first, self.every, self.only) {
            (Some(rate), None, None, None) if (0.0..=1.0).contains(&rate) => Ok(When::Rate(rate)),
            (None, Some(first), None, None) => Ok(When::First(first)),
            (None, None, Some(every), None) if every > 0 => Ok(When::Every(every)),
            (None, None, None, Some(place)) => Ok(When::Only(place)),
            (Some(_), None, None, None) => Err("`rate` is not a number from 0 to 1"),
            (None, None, Some(_), None) => Err("`every` is not at least 1"),
            _ => Err("a rule has exactly one of `rate`, `first`, `only` and `every`"),
        }
    }

    fn fault(&self) -> Result<Fault, &'static str> {
        let point = match (self.accepted, self.accepted_after) {
            (Some(true), None) => Point::After,
            (Some(false) | None, None) => Point::Before,
            (None, Some(late)) => Point::Late(late.0),
            (Some(_), Some(_)) => return Err("`accepted` and `accepted_after` exclude each other"),
        };
        Ok(match self.fault {
            FaultWord::Throttle => Fault::Throttle {
                retry_after: self.retry_after.map(|span| span.0),
            },
            FaultWord::NotFound => Fault::NotFound,
            FaultWord::Slow => Fault::Slow(self.delay.ok_or("`slow` needs `delay`")?.0),
            FaultWord::Error => match self.status {
                Some(status @ (500 | 502 | 503 | 504)) => Fault::Error { status, point },
                Some(_) | None => return Err("`error` needs a `status` of 500, 502, 503 or 504"),
            },
            FaultWord::Reset => Fault::Reset(point),
            FaultWord::Html => Fault::Html(point),
            FaultWord::Hang => Fault::Hang(point),
            FaultWord::BrokenBody => Fault::BrokenBody,
            FaultWord::ErrorWithJob => match self.status {
                Some(status @ (302 | 400..=599)) => Fault::ErrorWithJob { status },
                Some(_) | None => {
                    return Err("`error_with_job` needs a `status` of 302 or 400 to 599");
                }
            },
            FaultWord::OddBody => Fault::OddBody(self.form.ok_or("`odd_body` needs a `form`")?),
        })
    }

    /// The first member that means nothing to this fault.
    fn idle_member(&self) -> Option<&'static str> {
        let takes_point = matches!(
            self.fault,
            FaultWord::Error | FaultWord::Reset | FaultWord::Html | FaultWord::Hang
        );
        let idle = [
            (
                self.accepted.is_some() && !takes_point,
                "`accepted` does not go with this fault",
            ),
            (
                self.accepted_after.is_some() && !takes_point,
                "`accepted_after` does not go with this fault",
            ),
            (
                self.form.is_some() && self.fault != FaultWord::OddBody,
                "only `odd_body` has a `form`",
            ),
            (
                self.status.is_some()
                    && !matches!(self.fault, FaultWord::Error | FaultWord::ErrorWithJob),
                "only `error` and `error_with_job` have a `status`",
            ),
            (
                self.delay.is_some() && self.fault != FaultWord::Slow,
                "only `slow` has a `delay`",
            ),
            (
                self.retry_after.is_some() && self.fault != FaultWord::Throttle,
                "only `throttle` has `retry_after`",
            ),
        ];
        idle.into_iter()
            .find_map(|(wrong, why)| wrong.then_some(why))
    }
}

impl TryFrom<RuleText> for Rule {
    type Error = &'static str;

    fn try_from(text: RuleText) -> Result<Self, Self::Error> {
        match text.idle_member() {
            Some(why) => Err(why),
            None => Ok(Self {
                when: text.when()?,
                fault: text.fault()?,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn read(rule: Value) -> Result<Rule, String> {
        serde_json::from_value(rule).map_err(|error| error.to_string())
    }

    fn hits(rule: Value) -> Vec<u64> {
        let rule = read(rule).unwrap();
        let hit = |number: &u64| rule.on(Draw::new(1), "stop-0", *number).is_some();
        (0..9).filter(hit).collect()
    }

    #[test]
    fn a_rule_falls_on_the_calls_it_names() {
        assert_eq!(hits(json!({"fault": "reset", "first": 2})), [0, 1]);
        assert_eq!(hits(json!({"fault": "reset", "every": 3})), [2, 5, 8]);
        assert_eq!(hits(json!({"fault": "reset", "rate": 0.0})).len(), 0);
        assert_eq!(hits(json!({"fault": "reset", "rate": 1.0})).len(), 9);
    }

    #[rstest]
    #[case(json!({"fault": "reset", "first": 1}), Fault::Reset(Point::Before))]
    #[case(json!({"fault": "reset", "accepted": true, "first": 1}), Fault::Reset(Point::After))]
    #[case(json!({"fault": "throttle", "retry_after": "2s", "first": 1}),
        Fault::Throttle { retry_after: Some(Duration::from_secs(2)) })]
    #[case(json!({"fault": "slow", "delay": "1m30s", "first": 1}), Fault::Slow(Duration::from_secs(90)))]
    #[case(json!({"fault": "error", "status": 504, "accepted": true, "first": 1}),
        Fault::Error { status: 504, point: Point::After })]
    #[case(json!({"fault": "broken_body", "first": 1}), Fault::BrokenBody)]
    #[case(json!({"fault": "hang", "accepted_after": "90s", "first": 1}),
        Fault::Hang(Point::Late(Duration::from_secs(90))))]
    #[case(json!({"fault": "error_with_job", "status": 401, "first": 1}), Fault::ErrorWithJob { status: 401 })]
    #[case(json!({"fault": "odd_body", "form": "no_last_chunk", "first": 1}), Fault::OddBody(OddBody::NoLastChunk))]
    fn each_fault_is_read(#[case] rule: Value, #[case] fault: Fault) {
        assert_eq!(read(rule).unwrap().fault, fault);
    }

    #[rstest]
    #[case(json!({"fault": "reset"}), "exactly one of")]
    #[case(json!({"fault": "reset", "first": 1, "rate": 0.1}), "exactly one of")]
    #[case(json!({"fault": "reset", "rate": 1.5}), "from 0 to 1")]
    #[case(json!({"fault": "reset", "rate": -0.1}), "from 0 to 1")]
    #[case(json!({"fault": "reset", "every": 0}), "at least 1")]
    #[case(json!({"fault": "slow", "first": 1}), "needs `delay`")]
    #[case(json!({"fault": "error", "first": 1}), "needs a `status`")]
    #[case(json!({"fault": "error", "status": 501, "first": 1}), "needs a `status`")]
    #[case(json!({"fault": "throttle", "accepted": true, "first": 1}), "`accepted` does not go")]
    #[case(json!({"fault": "throttle", "accepted_after": "9s", "first": 1}), "`accepted_after` does not go")]
    #[case(json!({"fault": "hang", "accepted": true, "accepted_after": "9s", "first": 1}), "exclude each other")]
    #[case(json!({"fault": "error_with_job", "status": 200, "first": 1}), "needs a `status`")]
    #[case(json!({"fault": "odd_body", "first": 1}), "needs a `form`")]
    #[case(json!({"fault": "hang", "form": "doubled_key", "first": 1}), "only `odd_body`")]
    #[case(json!({"fault": "reset", "status": 500, "first": 1}), "only `error`")]
    #[case(json!({"fault": "reset", "delay": "1s", "first": 1}), "only `slow`")]
    #[case(json!({"fault": "reset", "retry_after": "1s", "first": 1}), "only `throttle`")]
    #[case(json!({"fault": "earthquake", "first": 1}), "unknown variant")]
    #[case(json!({"fault": "reset", "first": 1, "often": true}), "unknown field")]
    #[case(json!({"fault": "slow", "delay": "soon", "first": 1}), "not a duration")]
    fn a_rule_without_sense_is_refused(#[case] rule: Value, #[case] why: &str) {
        let message = read(rule).unwrap_err();
        assert!(message.contains(why), "{message}");
    }
}
