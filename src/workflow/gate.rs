//! The question that is asked before a wave, and the answer with which it may begin.
//!
//! Owns this setting, its limits and its spelling. Invariant: at least one answer is expected, and each is
//! a status that can be final.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::model::Bounded;
use crate::duration;
use crate::ids::WebUrl;

/// An HTTP status that ends an exchange: 200 to 599.
pub type FinalStatus = Bounded<200, 599>;

/// How many more times a gate is asked that does not answer as expected.
pub type Retries = Bounded<0, 100>;

/// What is asked before a wave. Members stand in the order of their names, as in the canonical form of
/// plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The statuses with which the wave may begin.
    #[serde(default)]
    pub expect: Expected,
    /// Where `GET` goes.
    pub http: WebUrl,
    /// How many more times it is asked.
    #[serde(default = "retries")]
    pub retries: Retries,
    /// How long one answer is waited for.
    #[serde(default = "timeout", with = "duration")]
    pub timeout: Duration,
}

fn retries() -> Retries {
    Retries::fixed::<2>()
}

fn timeout() -> Duration {
    Duration::from_secs(10)
}

/// Statuses in rising order, each once; at least one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<FinalStatus>")]
pub struct Expected(Vec<FinalStatus>);

impl Expected {
    /// Whether this is one of them.
    pub fn has(&self, status: u16) -> bool {
        self.0.iter().any(|expected| expected.get() == status)
    }
}

impl Default for Expected {
    fn default() -> Self {
        Self(vec![FinalStatus::fixed::<200>()])
    }
}

impl TryFrom<Vec<FinalStatus>> for Expected {
    type Error = &'static str;

    fn try_from(mut statuses: Vec<FinalStatus>) -> Result<Self, Self::Error> {
        statuses.sort_unstable_by_key(|status| status.get());
        statuses.dedup();
        if statuses.is_empty() {
            return Err("no status is expected");
        }
        Ok(Self(statuses))
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, status) in self.0.iter().enumerate() {
            let separator = match at {
                0 => "",
                at if at + 1 == self.0.len() => " or ",
                _ => ", ",
            };
            write!(f, "{separator}{}", status.get())?;
        }
        Ok(())
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (url, expect, retries) = (&self.http, &self.expect, self.retries.get());
        let timeout = duration::format(self.timeout);
        write!(f, "{url} answers {expect} within {timeout}, {retries} retr")?;
        f.write_str(if retries == 1 { "y" } else { "ies" })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!({"http": "https://gate.example.com"}), "https://gate.example.com/ answers 200 within 10s, 2 retries")]
    #[case(
        json!({"http": "http://10.0.0.1:80/ok", "expect": [204, 200, 302, 204], "timeout": "1m", "retries": 1}),
        "http://10.0.0.1/ok answers 200, 204 or 302 within 1m, 1 retry"
    )]
    fn a_gate_is_read_and_written(#[case] value: serde_json::Value, #[case] shown: &str) {
        let gate: Gate = serde_json::from_value(value).unwrap();
        assert_eq!(gate.to_string(), shown);
        let written = serde_json::to_value(&gate).unwrap();
        assert_eq!(serde_json::from_value::<Gate>(written).unwrap(), gate);
    }

    #[rstest]
    #[case(json!({"http": "https://gate.example.com", "expect": []}))]
    #[case(json!({"http": "https://gate.example.com", "expect": [199]}))]
    #[case(json!({"http": "https://gate.example.com", "expect": [600]}))]
    #[case(json!({"http": "https://gate.example.com", "retries": 101}))]
    #[case(json!({"http": "https://gate.example.com", "retries": -1}))]
    #[case(json!({"http": "https://me@gate.example.com"}))]
    #[case(json!({"http": "https://gate.example.com", "method": "POST"}))]
    #[case(json!({"expect": [200]}))]
    fn anything_else_is_no_gate(#[case] value: serde_json::Value) {
        assert!(serde_json::from_value::<Gate>(value).is_err());
    }

    #[test]
    fn an_expected_status_is_one_of_the_list() {
        let expected: Expected = serde_json::from_str("[204, 302]").unwrap();
        assert_eq!(
            [200, 204, 302].map(|status| expected.has(status)),
            [false, true, true]
        );
    }
}
