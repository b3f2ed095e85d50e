//! A plan held against policies and guards. Pure.
//!
//! Owns what each rule means. The whole plan is judged, also what a run leaves out of it, and also
//! servers that are off already. Invariant: a rule that cannot be held against the plan for lack of
//! knowledge is undecided before the reading, and broken after it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::reading::{Reading, Seen, SeenTags};
use super::rules::{Policies, Policy, Requirement, Rules, Untagged};
use crate::ids::{Endpoint, ServerId};
use crate::plan::{Against, Breach, Judgement, Offender, Plan, Project, Ruling};
use crate::power::Action;
use crate::untrusted::shorten;

/// Longest tag or pattern that is shown.
const TEXT: usize = 60;

/// How a plan came to be run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// Nobody has asked for a run yet.
    Open,
    /// The plan is the committed one of its workflow: `run FILE --locked`.
    Committed,
    /// Any other way.
    #[default]
    Other,
}

/// Whether a run lifts what forbids sending at its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifting {
    /// It keeps to all of it.
    Nothing,
    /// Window, closures and earlier runs of the window's occurrence: `--override`.
    Times,
}

/// What is judged, and what is known for it.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// How it came to be run.
    pub approval: Approval,
    /// What it lifts.
    pub lifting: Lifting,
    /// The project's servers, once they were read.
    pub reading: Option<&'a Reading>,
}

/// Whether anything can be held against the plan only after servers were read.
pub fn needs_reading(policies: &Policies, plan: &Plan) -> bool {
    let limits_share = policies.limits_share() && loses_power(plan);
    let guarded = plan.guards.iter().any(|guard| guard.actual.is_none());
    policies.look_at_servers() || limits_share || guarded
}

/// Whether the plan's servers lose power. An undo gives it back, so a share of the project is no limit for it.
fn loses_power(plan: &Plan) -> bool {
    match plan.action {
        Action::Stop(_) => true,
        Action::Start => false,
    }
}

/// The rulings of the workflow's guards and of every policy on a plan.
pub fn judge(policies: &Policies, case: Case<'_>) -> Judgement {
    let mut judgement = Judgement::default();
    for guard in &case.plan.guards {
        let actual = guard.actual.or_else(|| percent(case));
        judgement.add_number(None, &guard.name, (guard.limit, actual));
    }
    for policy in policies.iter() {
        Judge { policy, case }.judge(&mut judgement);
    }
    judgement
}

/// What is forbidden about where a plan's servers are: all that can be said of a workflow whose targets are
/// still to be looked for there.
pub fn judge_account(policies: &Policies, project: &Project) -> Vec<Breach> {
    let breaches = policies.iter().flat_map(|policy| {
        let rules = account(policy, project).into_iter();
        rules.filter_map(|(rule, wrong)| {
            Some(Breach {
                rule: rule.to_owned(),
                policy: Some(policy.name().to_owned()),
                against: Against::Plan(wrong?),
            })
        })
    });
    breaches.collect()
}

/// The rules that a policy has about projects, regions and endpoints, each with what is wrong under it.
fn account(policy: &Policy, project: &Project) -> Vec<(&'static str, Option<String>)> {
    let rules = policy.rules();
    let refused =
        |what: &str, allowed: bool| (!allowed).then(|| format!("the {what} is not allowed"));
    let projects = rules.projects.as_ref().map(|allowed| {
        let what = format!("project `{}`", project.id);
        ("projects", refused(&what, allowed.contains(&project.id)))
    });
    let regions = rules.regions.as_ref();
    let regions = regions.map(|allowed| ("regions", against_region(allowed, rules, project)));
    let endpoints = rules.endpoints.as_ref().map(|allowed| {
        let what = format!("endpoint `{}`", project.endpoint);
        (
            "endpoints",
            refused(&what, allowed.contains(&project.endpoint)),
        )
    });
    [projects, regions, endpoints]
        .into_iter()
        .flatten()
        .collect()
}

/// A region is believed only where the endpoint is its own, or one that the policy knows.
fn against_region(regions: &BTreeSet<String>, rules: &Rules, project: &Project) -> Option<String> {
    let own =
        |region: &String| Endpoint::of_region(region).is_ok_and(|own| own == project.endpoint);
    if regions.iter().any(own) {
        return None;
    }
    let known = rules
        .endpoints
        .as_ref()
        .is_some_and(|endpoints| endpoints.contains(&project.endpoint));
    Some(match &project.region {
        Some(region) if !regions.contains(region) => {
            format!("the region `{region}` is not allowed")
        }
        Some(_) if known => return None,
        Some(region) => format!(
            "the endpoint `{}` is not that of the region `{region}`, and `endpoints` of the policy does not list it",
            project.endpoint
        ),
        None => "the workflow names no region".to_owned(),
    })
}

/// How many percent of the project's servers are targets, rounded up, so that it is over a limit in
/// whole percents exactly where the share is.
fn percent(case: Case<'_>) -> Option<u32> {
    let listed = case.reading?.listed().max(1) as u64;
    let targets = case.plan.target_count() as u64;
    Some(u32::try_from((targets * 100).div_ceil(listed)).unwrap_or(u32::MAX))
}

struct Judge<'a> {
    policy: &'a Policy,
    case: Case<'a>,
}

impl<'a> Judge<'a> {
    fn judge(&self, judgement: &mut Judgement) {
        let Rules {
            servers,
            names,
            tags,
            max_servers,
            max_percent,
            require,
            allow_override,
            ..
        } = self.policy.rules();
        let plan = self.case.plan;
        if !servers.is_empty() {
            let found =
                self.offenders(|id| servers.contains(&id).then(|| "it is protected".to_owned()));
            self.protected(judgement, "protected.servers", found, true);
        }
        let read = self.case.reading.is_some();
        if !names.is_empty() {
            let found = self.offenders(|id| self.against_name(id));
            self.protected(judgement, "protected.names", found, read);
        }
        if !tags.is_empty() {
            let found = self.offenders(|id| self.against_tags(id));
            self.protected(judgement, "protected.tags", found, read);
        }
        for (rule, wrong) in account(self.policy, &plan.project) {
            self.whole(judgement, rule, wrong);
        }
        let name = Some(self.policy.name());
        if let Some(limit) = max_servers {
            let targets = u32::try_from(plan.target_count()).unwrap_or(u32::MAX);
            judgement.add_number(name, "max_servers", (*limit, Some(targets)));
        }
        if let Some(limit) = max_percent.filter(|_| loses_power(plan)) {
            judgement.add_number(name, "max_percent", (limit, percent(self.case)));
        }
        // An undo follows from a run that was judged. It has no window, waves or commit of its own.
        for requirement in require.iter().filter(|_| loses_power(plan)) {
            self.required(judgement, *requirement);
        }
        // Where nobody asks for it, it is no rule on the plan.
        if let (Some(allowed), Lifting::Times) = (allow_override, self.case.lifting) {
            let wrong = "it is not allowed: run it without `--override`, when it may send";
            let wrong = (!allowed).then(|| wrong.to_owned());
            self.whole(judgement, "allow_override", wrong);
        }
    }

    /// The targets that `why` says something against.
    fn offenders(&self, why: impl Fn(ServerId) -> Option<String>) -> Vec<Offender> {
        let plan = self.case.plan;
        let mut found = Vec::new();
        for batch in &plan.batches {
            let group = plan.groups.get(batch.group());
            for server in batch.servers() {
                let Some(why) = why(*server) else { continue };
                found.push(Offender {
                    server: *server,
                    name: self.names_of(*server).next().map(str::to_owned),
                    group: group.map_or_else(String::new, |group| group.name.clone()),
                    why,
                });
            }
        }
        found
    }

    fn seen(&self, server: ServerId) -> Option<&'a Seen> {
        self.case.reading.and_then(|reading| reading.of(server))
    }

    /// The names of a server: those that it has now, and the one in the plan.
    fn names_of(&self, server: ServerId) -> impl Iterator<Item = &'a str> {
        let seen = self.seen(server).into_iter();
        let now = seen.flat_map(|seen| seen.names.iter().map(String::as_str));
        let planned = self.case.plan.name_of(server);
        now.into_iter().chain(planned)
    }

    fn against_name(&self, server: ServerId) -> Option<String> {
        let patterns = &self.policy.rules().names;
        let fits = |name| patterns.iter().find(move |glob| glob.matches(name));
        if let Some(pattern) = self.names_of(server).find_map(fits) {
            let pattern = shorten(pattern.as_str(), TEXT);
            return Some(format!("its name fits `{pattern}`"));
        }
        match self.case.reading?.of(server) {
            Some(seen) if seen.names.is_empty() => {
                Some("its name cannot be read: the API reports none, or not as text".to_owned())
            }
            Some(_) => None,
            None => Some("its name cannot be read: the API does not know the server".to_owned()),
        }
    }

    fn against_tags(&self, server: ServerId) -> Option<String> {
        let Rules { tags, untagged, .. } = self.policy.rules();
        let seen = &self.case.reading?.of(server).map(|seen| &seen.tags);
        let fits = |tag: &String| {
            let pattern = tags.iter().find(|pattern| pattern.fits(tag))?;
            let (tag, pattern) = (shorten(tag, TEXT), shorten(pattern.as_str(), TEXT));
            Some(format!("its tag `{tag}` fits `{pattern}`"))
        };
        let unread = match (seen, untagged) {
            (Some(SeenTags::Known(own)), _) => return own.iter().find_map(fits),
            (Some(SeenTags::Partial(own)), _) => match own.iter().find_map(fits) {
                Some(fitting) => return Some(fitting),
                None => "the API lists the server twice, once without tags that can be read",
            },
            (Some(SeenTags::Null | SeenTags::Absent), Untagged::Allow) => return None,
            (Some(SeenTags::Null), Untagged::Refuse) => "the API reports them as null",
            (Some(SeenTags::Absent), Untagged::Refuse) => "the API does not report them",
            (Some(SeenTags::Unreadable), _) => "they are not a list of texts",
            (None, _) => "the API does not know the server",
        };
        Some(format!("its tags cannot be read: {unread}"))
    }

    /// A ruling on protected servers, of which none may be a target.
    fn protected(&self, judgement: &mut Judgement, rule: &str, found: Vec<Offender>, known: bool) {
        let decided = known || !found.is_empty();
        let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let ruling = Ruling {
            limit: Some(0),
            actual: decided.then_some(count),
            ok: decided.then_some(found.is_empty()),
            ..self.ruling(rule)
        };
        let against = (!found.is_empty()).then_some(Against::Servers(found));
        judgement.add(ruling, against);
    }

    /// A ruling on the plan as a whole.
    fn whole(&self, judgement: &mut Judgement, rule: &str, wrong: Option<String>) {
        let ruling = Ruling {
            ok: Some(wrong.is_none()),
            ..self.ruling(rule)
        };
        judgement.add(ruling, wrong.map(Against::Plan));
    }

    fn required(&self, judgement: &mut Judgement, requirement: Requirement) {
        let missing = |what| format!("it is required, and the workflow has {what}");
        match (requirement, self.case.approval) {
            (Requirement::Window, _) => {
                let window = self.case.plan.window.as_ref();
                let wrong = window.is_none().then(|| missing("no window"));
                self.whole(judgement, "require.window", wrong)
            }
            (Requirement::Waves, _) => {
                let wrong = in_one_wave(self.case.plan);
                self.whole(judgement, "require.waves", wrong)
            }
            (Requirement::Locked, Approval::Open) => {
                judgement.add(self.ruling("require.locked"), None)
            }
            (Requirement::Locked, Approval::Committed) => {
                self.whole(judgement, "require.locked", None)
            }
            (Requirement::Locked, Approval::Other) => {
                let wrong = "it is required: run the committed plan with `--locked`".to_owned();
                self.whole(judgement, "require.locked", Some(wrong));
            }
        }
    }

    /// A ruling that says nothing yet.
    fn ruling(&self, rule: &str) -> Ruling {
        Ruling {
            name: rule.to_owned(),
            policy: Some(self.policy.name().to_owned()),
            limit: None,
            actual: None,
            ok: None,
        }
    }
}

/// That a group of several targets goes in one wave, if one does.
fn in_one_wave(plan: &Plan) -> Option<String> {
    let groups = plan.groups.iter().enumerate();
    let mut whole = groups.filter(|(place, group)| group.targets > 1 && plan.waves_of(*place) < 2);
    let (_, first) = whole.next()?;
    let others = match whole.count() {
        0 => String::new(),
        1 => " and 1 more group".to_owned(),
        count => format!(" and {count} more groups"),
    };
    let name = shorten(&first.name, TEXT);
    Some(format!(
        "waves are required, and group `{name}`{others} would go in one"
    ))
}

#[cfg(test)]
mod tests;
