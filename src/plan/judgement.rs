//! What the guards of the workflow and the rules of policies make of a plan.
//!
//! Owns the types that plan, journal and report show; judging by a policy is `policy`'s work. Nothing of
//! it is in a written plan but the workflow's own guards. Invariant: a judgement has a breach for every
//! ruling that is not ok, and hides nothing of the plan.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::model::{Guard, Plan};
use super::words::counted;
use crate::ids::ServerId;
use crate::untrusted::shorten;

/// Most servers of one breach that are shown.
const SHOWN: usize = 10;
/// Longest path of a policy that is shown.
const PATH: usize = 200;
/// Longest name that is shown.
const NAME: usize = 60;

/// One limit or rule, who set it, and what the plan comes to under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ruling {
    /// Which limit or rule, such as `max_servers` or `protected.names`.
    pub name: String,
    /// The policy file that sets it; `None` for the workflow's own.
    pub policy: Option<String>,
    /// The limit, where it is a number; how many protected servers there may be, none that is.
    pub limit: Option<u32>,
    /// What the plan has; `None` where only the run can tell, or where it is no number.
    pub actual: Option<u32>,
    /// Whether it holds; `None` where only the run can tell.
    pub ok: Option<bool>,
}

/// A rule that the plan breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which rule.
    pub rule: String,
    /// The policy file that sets it; `None` for the workflow's own.
    pub policy: Option<String>,
    /// What stands against it.
    pub against: Against,
}

/// What stands against a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Against {
    /// A number over its limit.
    Limit {
        /// What the plan has.
        actual: u32,
        /// The limit.
        limit: u32,
    },
    /// Targets that are forbidden; at least one.
    Servers(Vec<Offender>),
    /// Something about the plan as a whole, as a fragment; untrusted.
    Plan(String),
}

/// A target that a rule forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offender {
    /// The server.
    pub server: ServerId,
    /// Its name, where one is known; untrusted.
    pub name: Option<String>,
    /// The group that names it; untrusted.
    pub group: String,
    /// Why it is forbidden, as a fragment; untrusted.
    pub why: String,
}

/// All rulings on a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judgement {
    /// Every limit and rule: the workflow's first, then those of each policy.
    pub rulings: Vec<Ruling>,
    /// Those that the plan breaks, in the same order.
    pub breaches: Vec<Breach>,
}

impl Judgement {
    /// The rulings of the workflow's own guards, as far as the plan tells.
    pub fn of(plan: &Plan) -> Self {
        let mut judgement = Self::default();
        for guard in &plan.guards {
            judgement.add_number(None, &guard.name, (guard.limit, guard.actual));
        }
        judgement
    }

    /// Holds a number against its limit; `None` where only the run can tell it.
    pub fn add_number(
        &mut self,
        policy: Option<&str>,
        name: &str,
        (limit, actual): (u32, Option<u32>),
    ) {
        let over = actual.filter(|actual| *actual > limit);
        let ruling = Ruling {
            name: name.to_owned(),
            policy: policy.map(str::to_owned),
            limit: Some(limit),
            actual,
            ok: actual.map(|_| over.is_none()),
        };
        let against = over.map(|actual| Against::Limit { actual, limit });
        self.add(ruling, against);
    }

    /// Takes in a ruling, and what stands against it if it is a breach.
    pub fn add(&mut self, ruling: Ruling, against: Option<Against>) {
        self.breaches.extend(against.map(|against| Breach {
            rule: ruling.name.clone(),
            policy: ruling.policy.clone(),
            against,
        }));
        self.rulings.push(ruling);
    }

    /// Whether a run would refuse the plan.
    pub fn is_breached(&self) -> bool {
        !self.breaches.is_empty()
    }
}

impl Ruling {
    /// `ok`, `BREACHED`, or that only the run can tell.
    pub fn word(&self) -> &'static str {
        match self.ok {
            Some(true) => "ok",
            Some(false) => "BREACHED",
            None => "decided at the run",
        }
    }

    /// What the plan has under which limit, such as `12 of at most 100`; empty where there is no number.
    pub fn measure(&self) -> String {
        if self.name.starts_with("protected.") {
            let count = self.actual.map(|count| format!("{count} protected"));
            return count.unwrap_or_default();
        }
        let Some(limit) = self.limit else {
            return String::new();
        };
        let unit = unit(&self.name);
        match self.actual {
            Some(actual) => format!("{actual}{unit} of at most {limit}{unit}"),
            None => format!("? of at most {limit}{unit}"),
        }
    }
}

/// What a number of this rule is followed by.
fn unit(rule: &str) -> &'static str {
    if rule == "max_percent" { " %" } else { "" }
}

/// One reason against a plan, in parts that can be escaped by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Which rule of which policy; untrusted.
    pub rule: String,
    /// The server that it is about, if it is about one.
    pub server: Option<ServerId>,
    /// What there is to say; untrusted.
    pub text: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, server, text } = self;
        match server {
            Some(server) => write!(f, "{rule}: server `{server}` {text}"),
            None => write!(f, "{rule}: {text}"),
        }
    }
}

impl Breach {
    /// The breach as lines for people, each untrusted.
    pub fn lines(&self) -> Vec<String> {
        let reasons = self.reasons().into_iter();
        reasons.map(|reason| reason.to_string()).collect()
    }

    /// What stands against the plan; of many servers the first ten.
    pub fn reasons(&self) -> Vec<Reason> {
        let whole = |text: String| Reason {
            rule: self.title(),
            server: None,
            text,
        };
        match &self.against {
            Against::Limit { actual, limit } if self.rule == "max_percent" => vec![whole(format!(
                "{actual} % of the project's servers are targets, and the limit is {limit} %"
            ))],
            Against::Limit { actual, limit } => {
                let targets = counted(*actual as usize, "target");
                vec![whole(format!("{targets}, and the limit is {limit}"))]
            }
            Against::Plan(what) => vec![whole(what.clone())],
            Against::Servers(offenders) => {
                let shown = offenders.iter().take(SHOWN);
                let mut reasons: Vec<_> = shown
                    .map(|offender| Reason {
                        server: Some(offender.server),
                        ..whole(offender.text())
                    })
                    .collect();
                if let Some(more @ 1..) = offenders.len().checked_sub(SHOWN) {
                    let more = counted(more, "server").replacen(' ', " more ", 1);
                    reasons.push(whole(format!("and {more}")));
                }
                reasons
            }
        }
    }

    fn title(&self) -> String {
        match &self.policy {
            Some(policy) => {
                let policy = shorten(policy, PATH);
                format!("rule `{}` of the policy `{policy}`", self.rule)
            }
            None => format!("guard `{}`", self.rule),
        }
    }
}

impl Offender {
    /// Who it is, beside its ID, and why it is forbidden.
    fn text(&self) -> String {
        let (group, why) = (shorten(&self.group, NAME), &self.why);
        match &self.name {
            Some(name) => {
                let name = shorten(name, NAME);
                format!("(`{name}`, group `{group}`): {why}")
            }
            None => format!("(group `{group}`): {why}"),
        }
    }
}

impl From<&Guard> for Ruling {
    fn from(guard: &Guard) -> Self {
        Self {
            name: guard.name.clone(),
            policy: None,
            limit: Some(guard.limit),
            actual: guard.actual,
            ok: guard.ok,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample::{self, group};

    #[test]
    fn the_workflows_own_guards_are_judged_from_the_plan() {
        let mut workflow = sample::workflow();
        workflow.guards.max_servers = 2;
        let judgement = Judgement::of(&sample::plan_of(&workflow, vec![group("a", 0, 3)]));
        assert_eq!(judgement.rulings[0].measure(), "3 of at most 2");
        let lines = judgement.breaches[0].lines();
        assert_eq!(
            lines,
            ["guard `max_servers`: 3 targets, and the limit is 2"]
        );
        let fine = Judgement::of(&sample::plan(vec![group("a", 0, 3)]));
        assert!(!fine.is_breached());
    }

    #[test]
    fn a_number_at_its_limit_is_no_breach_and_an_unknown_one_is_none_yet() {
        let mut judgement = Judgement::default();
        judgement.add_number(Some("p.yaml"), "max_percent", (5, Some(5)));
        judgement.add_number(Some("p.yaml"), "max_percent", (5, None));
        judgement.add_number(Some("p.yaml"), "max_percent", (5, Some(6)));
        let words: Vec<_> = judgement.rulings.iter().map(Ruling::word).collect();
        assert_eq!(words, ["ok", "decided at the run", "BREACHED"]);
        assert_eq!(judgement.rulings[1].measure(), "? of at most 5 %");
        assert_eq!(
            judgement.breaches[0].lines(),
            [
                "rule `max_percent` of the policy `p.yaml`: 6 % of the project's servers are targets, and the limit is 5 %"
            ]
        );
    }

    #[test]
    fn many_servers_are_counted_after_the_first_ten() {
        let offender = |number| Offender {
            server: sample::server(number),
            name: None,
            group: "a".to_owned(),
            why: "it is protected".to_owned(),
        };
        let breach = Breach {
            rule: "protected.servers".to_owned(),
            policy: Some("p.yaml".to_owned()),
            against: Against::Servers((0..12).map(offender).collect()),
        };
        let lines = breach.lines();
        assert_eq!(lines.len(), 11);
        assert!(lines[10].ends_with("and 2 more servers"), "{}", lines[10]);
    }
}
