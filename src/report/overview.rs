//! What a report comes to, for texts: the same whether it was just made or read from a file.
//!
//! Owns gathering; the wording is for the neighbours. Texts in it come from outside and are not escaped
//! yet. Invariant: however many servers there are, at most [`NAMED`] are kept for each reason.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Counts, Report, StoppedBy, Verdict};
use crate::event::{Mode, TimeRule};
use crate::exit::Exit;
use crate::ids::{Digest, ServerId};
use crate::outcome::{Outcome, OutcomeKind, Reason};
use crate::plan::{PlanWarning, Project, WorkflowSummary};
use crate::power::Action;
use crate::window::Occurrence;

/// Most servers that are named for one reason.
pub(super) const NAMED: usize = 10;

/// A report without its rows.
pub(super) struct Overview<'a> {
    pub(super) run_id: Option<&'a str>,
    pub(super) mode: Mode,
    pub(super) action: Action,
    pub(super) undoes: Option<&'a str>,
    pub(super) workflow: &'a WorkflowSummary,
    pub(super) labels: Vec<(&'a str, &'a str)>,
    pub(super) project: &'a Project,
    pub(super) digest: Digest,
    pub(super) resumed: u32,
    pub(super) started_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) verdict: Verdict,
    pub(super) exit_code: Option<u8>,
    pub(super) stopped_by: Option<&'a StoppedBy>,
    pub(super) next: Option<&'a str>,
    pub(super) totals: Counts,
    pub(super) groups: Vec<(&'a str, Counts)>,
    pub(super) trouble: BTreeMap<(OutcomeKind, Reason), Trouble<'a>>,
    pub(super) jobs: Vec<&'a str>,
    pub(super) window: Option<(&'a str, Occurrence)>,
    pub(super) overrides: Vec<(TimeRule, &'a str)>,
    pub(super) warnings: Vec<&'a PlanWarning>,
}

/// Targets that a person should look at for the same reason.
#[derive(Default)]
pub(super) struct Trouble<'a> {
    pub(super) targets: usize,
    /// The first few of them.
    pub(super) named: Vec<Named<'a>>,
}

/// What is told of one target.
pub(super) struct Named<'a> {
    pub(super) id: ServerId,
    pub(super) name: Option<&'a str>,
    pub(super) error_code: Option<&'a str>,
    pub(super) error_message: Option<&'a str>,
}

impl<'a> Overview<'a> {
    /// What a fresh report comes to.
    pub(super) fn of(report: &'a Report<'a>) -> Self {
        let (plan, ledger, facts) = (report.plan, report.ledger, report.facts);
        let groups = plan.groups.iter().map(|group| group.name.as_str());
        Self {
            run_id: report.run_id().map(|run| run.as_str()),
            mode: report.mode(),
            action: plan.action,
            undoes: report.undoes().map(|run| run.as_str()),
            workflow: &plan.workflow,
            labels: super::document::labels(report).into_iter().collect(),
            project: &plan.project,
            digest: plan.digest,
            resumed: ledger.resumed(),
            started_at: ledger.began().map(|began| began.at),
            finished_at: ledger.finished_at(),
            verdict: report.verdict(),
            exit_code: report.exit().map(Exit::code),
            stopped_by: facts.stopped_by.as_ref(),
            next: facts.next.as_deref(),
            totals: report.totals,
            groups: groups.zip(report.groups.iter().copied()).collect(),
            trouble: trouble(
                report.targets(),
                |target| parts(target.outcome()),
                |target| Named {
                    id: target.id(),
                    name: target.name(),
                    error_code: target.error_code(),
                    error_message: target.error_message(),
                },
            ),
            jobs: report.job_ids().map(|job| job.as_str()).collect(),
            window: report
                .window()
                .map(|window| (window.timezone.as_str(), window.occurrence)),
            overrides: report.overrides().collect(),
            warnings: plan.warnings.iter().chain(&facts.warnings).collect(),
        }
    }
}

fn parts(outcome: Outcome) -> (OutcomeKind, Option<Reason>) {
    (outcome.kind(), outcome.reason())
}

/// The rows that a person should look at, by outcome and reason.
pub(super) fn trouble<'a, R>(
    rows: impl Iterator<Item = R>,
    outcome: impl Fn(&R) -> (OutcomeKind, Option<Reason>),
    named: impl Fn(&R) -> Named<'a>,
) -> BTreeMap<(OutcomeKind, Reason), Trouble<'a>> {
    let mut troubles: BTreeMap<_, Trouble<'a>> = BTreeMap::new();
    for row in rows {
        let (kind, reason) = outcome(&row);
        let worrying = match kind {
            OutcomeKind::Failed | OutcomeKind::Unknown | OutcomeKind::NotSent => true,
            OutcomeKind::Done | OutcomeKind::Already | OutcomeKind::Skipped => false,
        };
        let expected = [Reason::DryRun, Reason::Running];
        let reason = reason.filter(|reason| worrying && !expected.contains(reason));
        if let Some(reason) = reason {
            let trouble = troubles.entry((kind, reason)).or_default();
            trouble.targets += 1;
            if trouble.named.len() < NAMED {
                trouble.named.push(named(&row));
            }
        }
    }
    troubles
}
