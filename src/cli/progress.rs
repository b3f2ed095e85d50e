//! Bars on a terminal: a row for each group that is under way, and what it waits for.
//!
//! Owns drawing; what is drawn is read from the ledger a few times a second, whatever happens in
//! between. Invariant: a run never waits for its bars, and there are never more rows than fit.

use std::convert::Infallible;
use std::ops::Range;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;

use crate::duration;
use crate::event::WaitReason;
use crate::ledger::{Ledger, Totals};
use crate::outcome::OutcomeKind;
use crate::plan::Plan;
use crate::power::Action;
use crate::report::{grouped, words};
use crate::run::Recorder;
use crate::untrusted::{for_terminal, shorten};

/// Most groups that are shown at a time.
const ROWS: usize = 8;
/// How often the rows are drawn anew.
const PERIOD: Duration = Duration::from_millis(200);
const NAME: usize = 24;

/// The rows of one run.
pub(super) struct Bars {
    names: Vec<String>,
    rows: Vec<ProgressBar>,
    /// Tells how long the window still sends, where the plan has one.
    foot: Option<ProgressBar>,
    all: MultiProgress,
}

impl Bars {
    /// Rows for the groups of `plan`.
    pub(super) fn new(plan: &Plan, all: &MultiProgress) -> Self {
        let names = plan.groups.iter().map(|group| {
            let name = for_terminal(&group.name).into_owned();
            shorten(&name, NAME).into_owned()
        });
        let rows = (0..plan.groups.len().min(ROWS)).map(|_| {
            let row = all.add(ProgressBar::new(0));
            row.set_style(style());
            row
        });
        let (names, rows) = (names.collect(), rows.collect());
        let foot = plan.window.as_ref().map(|_| {
            let foot = all.add(ProgressBar::new(0));
            foot.set_style(plain());
            foot
        });
        Self {
            names,
            rows,
            foot,
            all: all.clone(),
        }
    }

    /// Draws until the future is dropped.
    pub(super) async fn follow(&self, recorder: &Recorder) -> Infallible {
        loop {
            self.draw(&recorder.read(views));
            if let Some(foot) = &self.foot {
                let now = recorder.latest();
                let left = recorder.read(|ledger| time_left(ledger, now));
                foot.set_message(left.unwrap_or_default());
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Takes the rows away.
    pub(super) fn clear(&self) {
        // A terminal that is gone needs no clearing.
        let _ = self.all.clear();
    }

    fn draw(&self, views: &[View]) {
        let shown = window(views.iter().map(View::is_settled), self.rows.len());
        let shown = self
            .names
            .iter()
            .zip(views)
            .skip(shown.start)
            .take(shown.len());
        for (row, (name, view)) in self.rows.iter().zip(shown) {
            row.set_length(view.totals.targets());
            row.set_position(view.totals.targets() - view.totals.pending());
            row.set_prefix(name.clone());
            row.set_message(view.message());
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix:24} {bar:24} {pos:>7}/{len:7} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn plain() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// How long the window may still send, where the run goes by one.
fn time_left(ledger: &Ledger, now: Timestamp) -> Option<String> {
    let occurrence = ledger.began()?.launch.permit.obeyed()?;
    let cutoff = occurrence.cutoff;
    let left = Duration::try_from(cutoff.duration_since(now)).unwrap_or_default();
    Some(match left.as_secs() {
        0 => format!("nothing is sent since {cutoff:.0}, the window's cutoff"),
        left => {
            let left = duration::format(Duration::from_secs(left));
            format!("{left} left until {cutoff:.0}, the window's cutoff")
        }
    })
}

/// What a row shows of its group.
#[derive(Debug, Clone, PartialEq, Eq)]
struct View {
    action: Action,
    totals: Totals,
    in_jobs: usize,
    waiting: Option<WaitReason>,
    /// The wave after which there is a pause, from 1.
    soaking: Option<u32>,
}

impl View {
    fn is_settled(&self) -> bool {
        self.totals.pending() == 0
    }

    fn message(&self) -> String {
        let kinds = OutcomeKind::ALL.into_iter();
        let settled = kinds
            .map(|kind| (self.totals.count(kind), words(kind, self.action)))
            .filter(|(number, _)| *number > 0)
            .map(|(number, word)| format!("{} {word}", grouped(number)));
        let in_jobs = (self.in_jobs > 0).then(|| format!("{} in jobs", grouped(self.in_jobs)));
        let waiting = self.waiting.map(|reason| match reason {
            WaitReason::Throttled => "waiting: throttled".to_owned(),
            WaitReason::Unreachable => "waiting: cloud not reached".to_owned(),
            WaitReason::Busy => "waiting: servers at work".to_owned(),
            WaitReason::Moving => format!("waiting: servers {}", self.action.powering()),
            WaitReason::Grace => "waiting: states may lag".to_owned(),
            WaitReason::Reconcile => "waiting: an answer was lost".to_owned(),
        });
        let soaking = self
            .soaking
            .map(|wave| format!("waiting: pause after wave {wave}"));
        let parts: Vec<String> = settled
            .chain(in_jobs)
            .chain(waiting)
            .chain(soaking)
            .collect();
        parts.join(", ")
    }
}

/// What there is to see of each group.
fn views(ledger: &Ledger) -> Vec<View> {
    let groups = ledger.groups().iter();
    let mut views: Vec<View> = groups
        .map(|totals| View {
            action: ledger.action(),
            totals: *totals,
            in_jobs: 0,
            waiting: None,
            soaking: None,
        })
        .collect();
    for batch in ledger.batches().iter().filter(|batch| !batch.is_settled()) {
        if let Some(view) = views.get_mut(batch.group()) {
            let open = batch
                .sends()
                .iter()
                .filter(|send| send.job().is_some() && send.end.is_none());
            view.in_jobs += open.map(|send| send.servers.len()).sum::<usize>();
            view.waiting = view.waiting.or(batch.waiting());
        }
    }
    if let Some(soak) = ledger.soaking()
        && let Some(view) = views.get_mut(soak.group)
    {
        view.soaking = Some(soak.wave + 1);
    }
    views
}

/// Which groups to show: from the last one that is settled on, but always as many as there are rows.
fn window(settled: impl Iterator<Item = bool>, rows: usize) -> Range<usize> {
    let settled: Vec<bool> = settled.collect();
    let first = settled
        .iter()
        .position(|settled| !settled)
        .unwrap_or(settled.len());
    let start = first
        .saturating_sub(1)
        .min(settled.len().saturating_sub(rows));
    start..settled.len().min(start + rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, SendAnswer, Slots, Stamped};
    use crate::ids::BatchIndex;
    use crate::outcome::{Outcome, Proof};
    use crate::plan::sample;
    use rstest::rstest;

    #[rstest]
    #[case("", 3, 0..0)]
    #[case("..", 3, 0..2)]
    #[case("xx.....", 3, 1..4)]
    #[case("xxxxxx.", 3, 4..7)]
    #[case("xxxxxxx", 3, 4..7)]
    #[case(".x.x...", 3, 0..3)]
    fn the_rows_follow_the_work(
        #[case] settled: &str,
        #[case] rows: usize,
        #[case] expected: Range<usize>,
    ) {
        assert_eq!(window(settled.bytes().map(|b| b == b'x'), rows), expected);
    }

    #[test]
    fn the_foot_tells_how_long_the_window_still_sends() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let plan = sample::fleet();
        let permit = serde_json::json!({ "window": { "timezone": "Asia/Singapore", "occurrence": {
            "opens": "2026-11-27T17:00:00Z",
            "closes": "2026-11-27T21:00:00Z",
            "cutoff": "2026-11-27T20:15:00Z",
        } } });
        let launch = serde_json::json!({
            "run": "20261127T170000Z-3f9a1c", "mode": "run", "labels": {}, "again": "",
            "version": "0.1.0", "warnings": [], "permit": permit,
        });
        let launch = Box::new(serde_json::from_value(launch).unwrap());
        let (digest, left_out) = (plan.digest, Vec::new());
        let event = Event::Began {
            launch,
            plan: digest,
            left_out,
        };
        let mut ledger = Ledger::new(&plan);
        assert_eq!(time_left(&ledger, at("2026-11-27T18:00:00Z")), None);
        let began = at("2026-11-27T17:00:00Z");
        ledger.apply(&Stamped { at: began, event }).unwrap();
        let told = |now: &str| time_left(&ledger, at(now)).unwrap();
        assert_eq!(
            told("2026-11-27T18:59:30.5Z"),
            "1h15m29s left until 2026-11-27T20:15:00Z, the window's cutoff"
        );
        assert_eq!(
            told("2026-11-27T20:15:00Z"),
            "nothing is sent since 2026-11-27T20:15:00Z, the window's cutoff"
        );
    }

    #[test]
    fn a_row_tells_what_its_group_is_doing() {
        let plan = sample::fleet();
        let mut ledger = Ledger::new(&plan);
        let batch = BatchIndex(1);
        let job = "70a599e0".parse().unwrap();
        for event in [
            Event::SendIntended {
                batch,
                attempt: 1,
                servers: Slots::all(1000),
            },
            Event::SendAnswered {
                batch,
                attempt: 1,
                answer: SendAnswer::Accepted { job },
                evidence: crate::bms::Evidence::default(),
            },
            Event::Waiting {
                batch,
                reason: WaitReason::Throttled,
                milliseconds: 1,
            },
            Event::Settled {
                batch: BatchIndex(2),
                outcomes: vec![(Outcome::Done(Proof::Job), Slots::all(499))],
            },
        ] {
            let at = "2026-11-28T17:00:00Z".parse().unwrap();
            ledger.apply(&Stamped { at, event }).unwrap();
        }
        let messages: Vec<String> = views(&ledger).iter().map(View::message).collect();
        let expected = ["", "499 stopped, 1,000 in jobs, waiting: throttled", ""];
        assert_eq!(messages, expected);
        let event = Event::Soaking {
            group: 0,
            wave: 0,
            milliseconds: 1,
        };
        let at = "2026-11-28T17:00:00Z".parse().unwrap();
        ledger.apply(&Stamped { at, event }).unwrap();
        assert_eq!(views(&ledger)[0].message(), "waiting: pause after wave 1");
    }
}
