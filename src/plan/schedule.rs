//! The least time that a plan needs: its waves played through with a cloud that delays nothing.
//!
//! Owns the model of a run's pace: readings, requests under quotas, jobs that take as long as they usually do,
//! queries, batches under way together, pauses. Answers take no time in it. Invariant: the same plan gives the
//! same time, and no run of the whole plan against such a cloud is shorter.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::exposure::{WaveView, waves};
use super::model::{Batch, Plan};
use crate::power::USUAL_JOB;

/// In which time quotas count.
const MINUTE: Duration = Duration::from_secs(60);
/// How old a reading may be when a request leaves.
const READING_AGE: Duration = Duration::from_secs(60);
/// When a job is asked after for the first time, at the latest.
const FIRST_POLL: Duration = Duration::from_secs(2);
/// Servers on a page of the listing.
const PAGE: usize = 1000;

/// How long a run takes at least, from its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Schedule {
    /// When its last request leaves.
    pub(super) last_send: Duration,
    /// When all of it is settled.
    pub(super) end: Duration,
}

/// The schedule of a whole plan.
pub(super) fn of(plan: &Plan) -> Schedule {
    let mut run = Run::new(plan);
    for wave in waves(plan) {
        run.play(&wave);
        run.now += wave.soak;
    }
    Schedule {
        last_send: run.last_send,
        end: run.now,
    }
}

/// At most so many requests of a kind in any minute.
struct Quota {
    limit: usize,
    admitted: VecDeque<Duration>,
}

impl Quota {
    fn new(limit: u32) -> Self {
        Self {
            limit: limit.max(1) as usize,
            admitted: VecDeque::new(),
        }
    }

    /// When the next request is admitted that is ready at `now`; asked in the order of time.
    fn admit(&mut self, now: Duration) -> Duration {
        // What no longer counts is not kept, however high the limit is.
        while self.admitted.front().is_some_and(|at| *at + MINUTE <= now) {
            self.admitted.pop_front();
        }
        let oldest = match self.admitted.len() < self.limit {
            true => None,
            false => self.admitted.pop_front(),
        };
        let at = oldest.map_or(now, |oldest| now.max(oldest + MINUTE));
        self.admitted.push_back(at);
        at
    }

    fn admit_all(&mut self, count: usize, now: Duration) -> Duration {
        (0..count).fold(now, |at, _| self.admit(at))
    }
}

/// What a batch does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    ReadBefore,
    Send,
    /// Asks after the job, which was accepted at this time.
    Poll(Duration),
    ReadAfter,
    Done,
}

/// A batch of the plan at its next step. Those of the same time go in the order of the plan.
type Due = Reverse<(Duration, usize, Step)>;

struct Run<'a> {
    plan: &'a Plan,
    now: Duration,
    last_send: Duration,
    /// When the latest sweep of list pages began.
    swept: Option<Duration>,
    /// Pages of a listing that shows no servers but the plan's.
    pages: usize,
    stop: Quota,
    job: Quota,
    list: Quota,
    show: Quota,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan) -> Self {
        let rate = plan.rate;
        Self {
            plan,
            now: Duration::ZERO,
            last_send: Duration::ZERO,
            swept: None,
            pages: plan.target_count() / PAGE + 1,
            stop: Quota::new(rate.stop),
            job: Quota::new(rate.job),
            list: Quota::new(rate.list),
            show: Quota::new(rate.show),
        }
    }

    /// Plays one wave from now on; now is its end afterwards.
    fn play(&mut self, wave: &WaveView<'_>) {
        let in_flight = usize::from(self.plan.groups[wave.group].in_flight.get());
        let mut ahead = wave.batches.iter();
        let mut due: BinaryHeap<Due> = BinaryHeap::new();
        let start = |batch: &Batch, at| Reverse((at, batch.index().position(), Step::ReadBefore));
        due.extend(
            ahead
                .by_ref()
                .take(in_flight)
                .map(|batch| start(batch, self.now)),
        );
        while let Some(Reverse((at, place, step))) = due.pop() {
            self.now = at;
            let Some((next, step)) = self.step(&self.plan.batches[place], step) else {
                due.extend(ahead.next().map(|batch| start(batch, at)));
                continue;
            };
            due.push(Reverse((next, place, step)));
        }
    }

    /// Takes a step of a batch now; tells the next one and when it is due, if there is one.
    fn step(&mut self, batch: &Batch, step: Step) -> Option<(Duration, Step)> {
        let (now, checks, jobs) = (self.now, self.plan.checks, self.plan.jobs);
        match step {
            Step::ReadBefore if checks.before => {
                let read = self.read(batch, now.saturating_sub(READING_AGE));
                Some((read, Step::Send))
            }
            Step::ReadBefore => Some((now, Step::Send)),
            Step::Send => {
                let sent = self.stop.admit(now);
                self.last_send = self.last_send.max(sent);
                Some((sent + FIRST_POLL.min(jobs.poll), Step::Poll(sent)))
            }
            Step::Poll(sent) => {
                let told = self.job.admit(now);
                let over = USUAL_JOB.min(jobs.timeout);
                if told >= sent + over {
                    return Some((told, Step::ReadAfter));
                }
                let left = (sent + jobs.timeout).saturating_sub(told);
                Some((told + jobs.poll.min(left), Step::Poll(sent)))
            }
            Step::ReadAfter if checks.after => Some((self.read(batch, now), Step::Done)),
            Step::ReadAfter => Some((now, Step::Done)),
            Step::Done => None,
        }
    }

    /// When the states of a batch are known by requests that began at `since` or later: by the sweep that
    /// others made, or by pages or single reads, whichever cost less of their quota.
    fn read(&mut self, batch: &Batch, since: Duration) -> Duration {
        if self.swept.is_some_and(|swept| swept >= since) {
            return self.now;
        }
        let (servers, pages, rate) = (batch.servers().len(), self.pages, self.plan.rate);
        if servers as u64 * u64::from(rate.list) > pages as u64 * u64::from(rate.show) {
            self.swept = Some(self.now);
            self.list.admit_all(pages, self.now)
        } else {
            self.show.admit_all(servers, self.now)
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::inventory::TargetGroup;
    use crate::plan::sample;
    use crate::workflow::Definition;

    fn group(from: u32, targets: u32, batch_size: u16, in_flight: u16) -> TargetGroup {
        let mut group = sample::group(&format!("g{from}"), from, targets);
        group.batch_size = batch_size.try_into().unwrap();
        group.in_flight = in_flight.try_into().unwrap();
        group
    }

    fn seconds(schedule: Schedule) -> (u64, u64) {
        (schedule.last_send.as_secs(), schedule.end.as_secs())
    }

    /// A job of 20 s is seen to be over 22 s after its request: asked after 2, 12 and 22 s.
    #[rstest]
    #[case::one(group(0, 1, 1000, 1), (0, 22))]
    #[case::nothing(group(0, 0, 1000, 1), (0, 0))]
    #[case::one_after_another(group(0, 3, 1, 1), (44, 66))]
    #[case::all_together(group(0, 3, 1, 3), (0, 22))]
    #[case::two_and_two_and_one(group(0, 5, 1, 2), (44, 66))]
    fn batches_take_their_time(#[case] group: TargetGroup, #[case] expected: (u64, u64)) {
        assert_eq!(seconds(of(&sample::plan(vec![group]))), expected);
    }

    #[test]
    fn waves_and_pauses_stand_between_batches_and_none_at_the_end() {
        let mut a = group(0, 3, 1, 3);
        a.waves = serde_json::from_str("[1]").unwrap();
        a.soak = Duration::from_secs(100);
        let b = group(3, 1, 1, 1);
        let mut last = group(4, 1, 1, 1);
        last.soak = Duration::from_secs(1000);
        // 22 + 100, 22 + 100, 22, 22.
        assert_eq!(seconds(of(&sample::plan(vec![a, b, last]))), (266, 288));
    }

    #[rstest]
    // Five in the first minute, five in the next, and two in the third.
    #[case::stop(|w: &mut Definition| w.rate.stop = 5, (120, 142))]
    // The first queries after 2 s are all there are in the first minute.
    #[case::job(|w: &mut Definition| w.rate.job = 12, (0, 62))]
    #[case::poll(|w: &mut Definition| w.jobs.poll = Duration::from_secs(1), (0, 20))]
    #[case::slow_poll(|w: &mut Definition| w.jobs.poll = Duration::from_secs(60), (0, 62))]
    #[case::timeout(|w: &mut Definition| w.jobs.timeout = Duration::from_secs(5), (0, 5))]
    fn quotas_and_polls_count(#[case] change: fn(&mut Definition), #[case] expected: (u64, u64)) {
        let mut workflow = sample::workflow();
        change(&mut workflow);
        let plan = sample::plan_of(&workflow, vec![group(0, 12, 1, 12)]);
        assert_eq!(seconds(of(&plan)), expected);
    }

    /// One batch of twelve; one page shows all of them.
    #[rstest]
    #[case::pages(1, 1, true, (0, 60))]
    #[case::singles(1, 12, true, (0, 60))]
    #[case::two_singles_a_minute(1, 100, true, (0, 22))]
    #[case::no_checks(1, 1, false, (0, 22))]
    fn readings_count_against_their_quotas(
        #[case] list: u32,
        #[case] show: u32,
        #[case] checks: bool,
        #[case] expected: (u64, u64),
    ) {
        let mut workflow = sample::workflow();
        (workflow.rate.list, workflow.rate.show) = (list, show);
        (workflow.checks.before, workflow.checks.after) = (checks, checks);
        let plan = sample::plan_of(&workflow, vec![group(0, 12, 12, 1)]);
        assert_eq!(seconds(of(&plan)), expected);
    }

    /// The time that this takes is to grow with the plan, and not with its square.
    #[test]
    fn many_small_batches_are_played_through_too() {
        let plan = sample::plan(vec![group(0, 150_000, 1, 50)]);
        // Fifty requests a minute.
        assert_eq!(of(&plan).last_send.as_secs(), (150_000 / 50 - 1) * 60);
    }
}
