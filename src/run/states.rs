//! The states of servers, read as cheaply as the quotas allow.
//!
//! Owns the choice between list pages and single reads, and shares one sweep of pages among all
//! batches that wait for one. Deciding what a state means is not its work. Invariant: a reading is
//! dated by the start of the request that brought it, and absence from a listing proves nothing.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Context;
use crate::bms::request::{MOST_PAGES, PAGE_SIZE};
use crate::bms::{
    Page, Patience, ReadError, ServerRow, StateClass, Timed, Unanswered, singly, singly_each,
};
use crate::clock::Moment;
use crate::ids::ServerId;
use crate::plan::Plan;

/// From so many pages on, a sweep waits a little, so that more batches can share it.
const LARGE_SWEEP: usize = 10;
/// How long a large sweep waits, for each of its pages.
const LINGER_PER_PAGE: Duration = Duration::from_millis(2);

/// How old a reading may be when a request leaves, or an outcome rests on it.
pub(super) const READING_AGE: Duration = Duration::from_secs(60);
/// How long a sweep goes on for other batches once its own servers are read.
const SHARED_SWEEP: Duration = Duration::from_secs(20);

/// What one reading showed of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// When the request began that brought it.
    pub(super) at: Moment,
    /// When the response to that request had arrived.
    pub(super) arrived: Moment,
    /// The server's state.
    pub(super) state: StateClass,
    /// Whether its name differs from the one in the plan.
    pub(super) renamed: bool,
}

/// What is known of the plan's servers.
pub(super) struct States {
    known: Mutex<Known>,
    sweeping: tokio::sync::Mutex<()>,
    waiting: AtomicUsize,
}

struct Known {
    /// From the first sweep on, every server of the plan is a key.
    readings: HashMap<ServerId, Option<Reading>>,
    /// How the API reports servers that are at work, or not understood; untrusted.
    said: HashMap<ServerId, String>,
    pages: usize,
}

/// One pass over the list pages.
struct Sweep {
    began: Moment,
    /// The servers it showed that are none of the plan's.
    strangers: HashSet<ServerId>,
    /// The plan's servers that it showed in two states. They are read singly.
    contradicted: HashSet<ServerId>,
}

impl States {
    /// Nothing is known of the servers of `plan`.
    pub(super) fn new(plan: &Plan) -> Self {
        let pages = plan.target_count() / PAGE_SIZE + 1;
        Self {
            known: Mutex::new(Known {
                readings: HashMap::new(),
                said: HashMap::new(),
                pages,
            }),
            sweeping: tokio::sync::Mutex::new(()),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Readings of `servers`, in their order, none of a request that began before `since`.
    pub(super) async fn read(
        &self,
        context: &Context,
        servers: &[ServerId],
        since: Moment,
    ) -> Result<Vec<Reading>, Unanswered> {
        let want = Want::of(context, context.patience());
        self.read_for(&want, servers, since).await
    }

    /// The same for readings of which nothing hangs but what may be sent: no longer than it may.
    pub(super) async fn read_to_send(
        &self,
        context: &Context,
        servers: &[ServerId],
        since: Moment,
    ) -> Result<Vec<Reading>, Unanswered> {
        let want = Want::of(context, context.patience_to_send());
        self.read_for(&want, servers, since).await
    }

    /// The same, with an answer for each server of its own: one that cannot be read leaves the others as they are.
    pub(super) async fn read_each(
        &self,
        context: &Context,
        servers: &[ServerId],
        since: Moment,
    ) -> Vec<Result<Reading, Unanswered>> {
        let want = Want::of(context, context.patience());
        if let Err(unanswered) = self.sweep_if_cheaper(&want, servers, since).await {
            return vec![Err(unanswered); servers.len()];
        }
        if let Some(readings) = self.known().all_fresh(servers, since) {
            return readings.into_iter().map(Ok).collect();
        }
        let one = |server| self.one(&want, server, since);
        singly_each(servers.iter().copied(), one).await
    }

    async fn read_for(
        &self,
        want: &Want<'_>,
        servers: &[ServerId],
        since: Moment,
    ) -> Result<Vec<Reading>, Unanswered> {
        self.sweep_if_cheaper(want, servers, since).await?;
        if let Some(readings) = self.known().all_fresh(servers, since) {
            return Ok(readings);
        }
        let one = |server| self.one(want, server, since);
        singly(servers.iter().copied(), one).await
    }

    async fn sweep_if_cheaper(
        &self,
        want: &Want<'_>,
        servers: &[ServerId],
        since: Moment,
    ) -> Result<(), Unanswered> {
        let context = want.context;
        if self.sweep_is_cheaper(context, servers, since) {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let turn = self.sweeping.lock().await;
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            if self.sweep_is_cheaper(context, servers, since) {
                self.sweep(want, servers).await?;
            }
            drop(turn);
        }
        Ok(())
    }

    /// Readings of `servers` by one request each, all begun from now on; no longer than may be sent.
    pub(super) async fn read_singly(
        &self,
        context: &Context,
        servers: &[ServerId],
    ) -> Result<Vec<Reading>, Unanswered> {
        let want = Want::of(context, context.patience_to_send());
        let one = |server| self.one(&want, server, want.wanted);
        singly(servers.iter().copied(), one).await
    }

    /// How the API reported a server last that was at work, or not understood; untrusted.
    pub(super) fn said(&self, server: ServerId) -> Option<String> {
        self.known().said.get(&server).cloned()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether pages use less of their quota than single reads of all that is stale use of theirs.
    fn sweep_is_cheaper(&self, context: &Context, servers: &[ServerId], since: Moment) -> bool {
        let known = self.known();
        let stale = servers
            .iter()
            .filter(|server| known.fresh(**server, since).is_none());
        let (singles, rate) = (stale.count() as u64, context.plan.rate);
        singles * u64::from(rate.list) > known.pages as u64 * u64::from(rate.show)
    }

    /// Reads list pages until the end, or until `servers` are found and nobody else waits.
    async fn sweep(&self, want: &Want<'_>, servers: &[ServerId]) -> Result<(), Unanswered> {
        let context = want.context;
        self.linger(context).await;
        self.known().expect_targets(&context.plan);
        let mut sweep = Sweep {
            began: context.clock.elapsed(),
            strangers: HashSet::new(),
            contradicted: HashSet::new(),
        };
        // What a listing without an end has not shown by the last page is read singly.
        for page in 1..=MOST_PAGES {
            let read = || context.client.list_page_timed(page);
            let timed = want.answer(read).await?;
            let news = self.take_in(context, &timed, &mut sweep);
            let answer = timed.value;
            if answer.listed < PAGE_SIZE || !news || page == MOST_PAGES {
                self.known().pages = page as usize;
                break;
            }
            let alone = self.waiting.load(Ordering::Relaxed) == 0;
            let long = context.clock.elapsed().since(sweep.began) > SHARED_SWEEP;
            if (alone || long) && self.known().all_fresh(servers, sweep.began).is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Takes in the rows of a page; whether the sweep had not shown one yet.
    fn take_in(&self, context: &Context, page: &Timed<Page>, sweep: &mut Sweep) -> bool {
        let mut known = self.known();
        let mut news = false;
        for row in &page.value.rows {
            if let Some(said) = &row.said
                && known.readings.contains_key(&row.id)
            {
                known.said.insert(row.id, said.clone());
            }
            news |= match known.readings.get_mut(&row.id) {
                Some(_) if sweep.contradicted.contains(&row.id) => false,
                Some(place) => {
                    let reading = Reading::of(context, row, page);
                    let earlier = place.filter(|earlier| earlier.at >= sweep.began);
                    *place = match earlier {
                        Some(earlier) => earlier.and(reading),
                        None => Some(reading),
                    };
                    if place.is_none() {
                        sweep.contradicted.insert(row.id);
                    }
                    earlier.is_none()
                }
                None => sweep.strangers.insert(row.id),
            };
        }
        news
    }

    /// Lets batches that finish at about the same time share one large sweep.
    async fn linger(&self, context: &Context) {
        let pages = self.known().pages;
        if pages >= LARGE_SWEEP {
            let pages = u32::try_from(pages).unwrap_or(u32::MAX);
            context
                .clock
                .sleep(LINGER_PER_PAGE.saturating_mul(pages))
                .await;
        }
    }

    /// The known reading if it is fresh, else a new one by a request for this server alone.
    async fn one(
        &self,
        want: &Want<'_>,
        server: ServerId,
        since: Moment,
    ) -> Result<Reading, Unanswered> {
        let context = want.context;
        if let Some(reading) = self.known().fresh(server, since) {
            return Ok(reading);
        }
        let shown = want.answer(|| context.client.show_timed(server)).await?;
        let reading = match &shown.value {
            Some(row) => Reading::of(context, row, &shown),
            None => Reading::gone(&shown),
        };
        let said = shown.value.and_then(|row| row.said);
        let mut known = self.known();
        match said {
            Some(said) => known.said.insert(server, said),
            None => known.said.remove(&server),
        };
        known.readings.insert(server, Some(reading));
        drop(known);
        Ok(reading)
    }
}

/// When readings were first needed, and how long they are tried for.
struct Want<'a> {
    context: &'a Context,
    wanted: Moment,
    patience: Patience,
}

impl<'a> Want<'a> {
    fn of(context: &'a Context, patience: Patience) -> Self {
        Self {
            context,
            wanted: context.clock.elapsed(),
            patience,
        }
    }

    async fn answer<T, F, R>(&self, read: R) -> Result<T, Unanswered>
    where
        R: Fn() -> F,
        F: Future<Output = Result<T, ReadError>>,
    {
        self.patience.answer(self.wanted, read).await
    }
}

impl Reading {
    /// What a request showed of a server.
    fn of<T>(context: &Context, row: &ServerRow, timed: &Timed<T>) -> Self {
        let expected = context.plan.name_of(row.id);
        Self {
            at: timed.began,
            arrived: timed.ended,
            state: row.state,
            renamed: expected.is_some_and(|name| name != row.name),
        }
    }

    /// Whether it is too old at `now` for an outcome to rest on it.
    pub(super) fn is_old(&self, now: Moment) -> bool {
        now.since(self.at) > READING_AGE
    }

    fn gone<T>(timed: &Timed<T>) -> Self {
        Self {
            at: timed.began,
            arrived: timed.ended,
            state: StateClass::Gone,
            renamed: false,
        }
    }

    /// This reading, with one that a later row of the same listing gives; `None` if they contradict each other in
    /// the server's state. A server that is listed under another name as well is renamed.
    fn and(self, later: Self) -> Option<Self> {
        (self.state == later.state).then_some(Self {
            renamed: self.renamed || later.renamed,
            ..later
        })
    }
}

impl Known {
    /// Makes every server of the plan known as one of its own.
    fn expect_targets(&mut self, plan: &Plan) {
        if self.readings.len() < plan.target_count() {
            let targets = plan.batches.iter().flat_map(|batch| batch.servers());
            for target in targets {
                self.readings.entry(*target).or_default();
            }
        }
    }

    fn fresh(&self, server: ServerId, since: Moment) -> Option<Reading> {
        let known = self.readings.get(&server).copied().flatten();
        known.filter(|reading| reading.at >= since)
    }

    /// Readings of all of `servers`, if none is missing or stale.
    fn all_fresh(&self, servers: &[ServerId], since: Moment) -> Option<Vec<Reading>> {
        let fresh = |server: &ServerId| self.fresh(*server, since);
        servers.iter().map(fresh).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at: u64, state: StateClass, renamed: bool) -> Reading {
        let at = Moment::default().after(Duration::from_secs(at));
        Reading {
            at,
            arrived: at,
            state,
            renamed,
        }
    }

    #[test]
    fn two_rows_of_one_server_must_agree_on_its_state_and_both_names_count() {
        for (one, other) in [(false, false), (true, false), (false, true)] {
            let (first, later) = (
                reading(1, StateClass::On, one),
                reading(2, StateClass::On, other),
            );
            let both = reading(2, StateClass::On, one || other);
            assert_eq!(first.and(later), Some(both));
        }
        let (on, off) = (
            reading(1, StateClass::On, false),
            reading(1, StateClass::Off, false),
        );
        assert_eq!((on.and(off), off.and(on)), (None, None));
    }
}
