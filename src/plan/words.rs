//! Words and numbers that the text and the Markdown of a plan share.
//!
//! Owns plurals, sizes and the settings as people read them. Invariant: everything here is made of a
//! plan's own numbers and words; text from outside is escaped by those who show it.

use std::time::Duration;

use super::model::{Batch, Plan, PlannedGroup};
use super::schedule::Schedule;
use crate::duration;
use crate::ids::ServerId;
use crate::inventory::{Asked, Selection, criteria};
use crate::power::{Action, USUAL_JOB};
use crate::window::{Opening, Window};
use crate::workflow::{FailOrSkip, FailSkipOrSend};

/// `1 server`, `2 servers`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    let plural = match (count, noun) {
        (1, _) => "",
        (_, "batch") => "es",
        (_, _) => "s",
    };
    format!("{count} {noun}{plural}")
}

/// How long a run takes at least, as a phrase.
pub(super) fn least_time(schedule: &Schedule) -> String {
    let (time, job) = (rounded(schedule.end), duration::format(USUAL_JOB));
    format!("at least {time}, if each job takes {job}")
}

/// Why a run can send more requests than a plan has batches.
pub const ONE_MORE_REQUEST: &str = "a batch with servers that are still at work can take one more";

/// A time in whole minutes where it is long, else in whole seconds; never less than it is.
pub(super) fn rounded(time: Duration) -> String {
    let unit = if time >= Duration::from_secs(600) {
        60
    } else {
        1
    };
    let units = time.as_nanos().div_ceil(unit * 1_000_000_000);
    let seconds = u64::try_from(units * unit).unwrap_or(u64::MAX);
    duration::format(Duration::from_secs(seconds))
}

/// A pause after a wave; empty where there is none.
pub(super) fn pause(soak: Duration) -> String {
    match soak.is_zero() {
        true => String::new(),
        false => duration::format(soak),
    }
}

/// What a group asked of the project's listing, and how many servers that found.
pub(super) fn finding(selection: &Selection) -> String {
    let Asked {
        group: _,
        select,
        split_by,
        exclude,
    } = &selection.asked;
    let found = selection.found.iter().map(|part| part.servers.len()).sum();
    let select = select
        .as_ref()
        .map(|select| format!("{} found {}", criteria(select), counted(found, "server")));
    let split_by = split_by.as_ref().map(|by| format!("split by {by}"));
    let left_out = counted(selection.left_out.len(), "server");
    let exclude = exclude
        .as_ref()
        .map(|select| format!("exclude.{} leaves out {left_out}", criteria(select)));
    let parts: Vec<String> = [select, split_by, exclude].into_iter().flatten().collect();
    parts.join(", ")
}

/// What is shown of one group.
pub(super) struct GroupView<'a> {
    pub(super) group: &'a PlannedGroup,
    pub(super) batches: &'a [Batch],
}

impl<'a> GroupView<'a> {
    /// Every group with its batches, in sending order.
    pub(super) fn all(plan: &'a Plan) -> Vec<Self> {
        let mut rest = plan.batches.as_slice();
        let view = |(place, group)| {
            let own = rest.iter().take_while(|batch| batch.group() == place);
            let (batches, others) = rest.split_at(own.count());
            rest = others;
            Self { group, batches }
        };
        plan.groups.iter().enumerate().map(view).collect()
    }

    pub(super) fn first(&self) -> Option<ServerId> {
        self.batches.first()?.servers().first().copied()
    }

    /// The last server, if it is another one than the first.
    pub(super) fn last(&self) -> Option<ServerId> {
        let last = self.batches.last()?.servers().last().copied();
        last.filter(|_| self.group.targets > 1)
    }

    pub(super) fn waves(&self) -> u32 {
        self.batches.last().map_or(0, |batch| batch.wave() + 1)
    }

    /// The sizes of the batches, equal ones together: `2 × 1000, 1`.
    pub(super) fn sizes(&self) -> String {
        let runs = self
            .batches
            .chunk_by(|a, b| a.servers().len() == b.servers().len());
        let sizes: Vec<String> = runs
            .map(|run| {
                let size = run.first().map_or(0, |batch| batch.servers().len());
                match run.len() {
                    1 => size.to_string(),
                    count => format!("{count} × {size}"),
                }
            })
            .collect();
        sizes.join(", ")
    }
}

/// The settings that a run goes by, as name and value.
pub(super) fn settings(plan: &Plan) -> Vec<(&'static str, String)> {
    let (rollout, checks, jobs) = (&plan.rollout, &plan.checks, &plan.jobs);
    let on_state = &checks.on_state;
    let rate = &plan.rate;
    let max_failures = match plan.action {
        Action::Stop(_) => rollout.max_failures.to_string(),
        Action::Start => "no limit on the way back".to_owned(),
    };
    let window = plan.window.as_ref().map(window);
    let own = [
        ("rollout.batch_size", rollout.batch_size.get().to_string()),
        ("rollout.in_flight", rollout.in_flight.get().to_string()),
        ("rollout.waves", rollout.waves.to_string()),
        ("rollout.soak", duration::format(rollout.soak)),
        ("rollout.max_failures", max_failures),
        ("rollout.retry_for", duration::format(rollout.retry_for)),
        ("jobs.timeout", duration::format(jobs.timeout)),
        ("jobs.poll", duration::format(jobs.poll)),
        ("checks.before", checks.before.to_string()),
        ("checks.after", checks.after.to_string()),
        ("checks.grace", duration::format(checks.grace)),
        (
            "checks.on_state",
            format!(
                "missing {}, error {}, locked {}",
                fail_or_skip(on_state.missing),
                fail_skip_or_send(on_state.error),
                fail_or_skip(on_state.locked)
            ),
        ),
        (
            "rate",
            format!(
                "stop {}, job {}, list {}, show {} a minute",
                rate.stop, rate.job, rate.list, rate.show
            ),
        ),
    ];
    own.into_iter()
        .chain(window.into_iter().flatten())
        .collect()
}

/// The paths that a plan names, as setting and value. They come from outside.
pub(super) fn paths(plan: &Plan) -> impl Iterator<Item = (&'static str, String)> {
    let freeze = plan
        .window
        .as_ref()
        .map(|window| window.freeze().join(", "));
    let freeze = freeze.filter(|files| !files.is_empty());
    let freeze = freeze.map(|files| ("window.freeze", files));
    let report = plan.report.clone().map(|path| ("report", path));
    freeze.into_iter().chain(report)
}

fn window(window: &Window) -> Vec<(&'static str, String)> {
    let opens: Vec<String> = window.opens().iter().map(Opening::to_string).collect();
    let (zone, offsets) = (window.zone().name(), window.zone().offsets());
    vec![
        ("window.timezone", format!("{zone} ({offsets})")),
        ("window.opens", opens.join("; ")),
        ("window.duration", duration::format(window.duration())),
        ("window.cutoff", duration::format(window.cutoff())),
    ]
}

/// What is asked before the waves of a group.
pub(super) fn gate(group: &PlannedGroup) -> String {
    let gate = group.gate.as_ref();
    gate.map_or_else(|| "none".to_owned(), ToString::to_string)
}

/// What is asked before waves, with the names that people know it by. Names of groups are untrusted.
pub(super) fn gates(plan: &Plan) -> Vec<(String, String)> {
    let usual = &plan.rollout.gate;
    let own = plan.groups.iter().filter(|group| group.gate != *usual);
    let own = own.map(|group| (format!("gate of {}", group.name), gate(group)));
    let usual = usual.iter();
    let usual = usual.map(|gate| ("rollout.gate".to_owned(), gate.to_string()));
    usual.chain(own).collect()
}

fn fail_or_skip(choice: FailOrSkip) -> &'static str {
    match choice {
        FailOrSkip::Fail => "fail",
        FailOrSkip::Skip => "skip",
    }
}

fn fail_skip_or_send(choice: FailSkipOrSend) -> &'static str {
    match choice {
        FailSkipOrSend::Fail => "fail",
        FailSkipOrSend::Skip => "skip",
        FailSkipOrSend::Send => "send",
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::plan::sample::{self, group};

    #[rstest]
    #[case(0, "", 0)]
    #[case(1, "1", 1)]
    #[case(999, "999", 1)]
    #[case(1001, "1000, 1", 1)]
    #[case(2500, "2 × 1000, 500", 1)]
    #[case(3000, "3 × 1000", 1)]
    fn sizes_tell_equal_batches_together(
        #[case] targets: u32,
        #[case] sizes: &str,
        #[case] waves: u32,
    ) {
        let plan = sample::plan(vec![group("a", 0, targets)]);
        let views = GroupView::all(&plan);
        assert_eq!(
            (views[0].sizes().as_str(), views[0].waves()),
            (sizes, waves)
        );
    }

    #[test]
    fn an_empty_group_in_between_takes_no_batches_from_others() {
        let plan = sample::plan(vec![group("a", 0, 1), group("b", 1, 0), group("c", 1, 2)]);
        let views = GroupView::all(&plan);
        let batches: Vec<_> = views.iter().map(|view| view.batches.len()).collect();
        assert_eq!(batches, [1, 0, 1]);
        assert_eq!(views[0].last(), None);
        assert_eq!(views[2].last(), Some(sample::server(2)));
    }

    #[test]
    fn plurals_are_right() {
        assert_eq!(counted(1, "batch"), "1 batch");
        assert_eq!(counted(0, "batch"), "0 batches");
        assert_eq!(counted(2, "server"), "2 servers");
    }
}
