//! At most so many requests of a kind in any minute, first come, first served.
//!
//! Owns the counting of one kind of call. A request counts from its admission until a minute after it
//! has ended, since the cloud may count it at any moment in between. Invariant: however requests are
//! spread, no 60 seconds hold more of them than the limit.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{Clock, Moment};

const MINUTE: Duration = Duration::from_secs(60);

/// Admits requests of one kind. Copies share the count.
#[derive(Debug, Clone)]
pub struct Quota {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: usize,
    clock: Clock,
    /// Held by the one who is next; tokio's lock queues fairly.
    turn: tokio::sync::Mutex<()>,
    book: Mutex<Book>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Book {
    admitted: usize,
    ended: VecDeque<Moment>,
}

impl Quota {
    /// At most `per_minute` requests in any 60 seconds of `clock`; at least one.
    pub fn new(per_minute: u32, clock: Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                limit: per_minute.max(1) as usize,
                clock,
                turn: tokio::sync::Mutex::new(()),
                book: Mutex::new(Book::default()),
                freed: Notify::new(),
            }),
        }
    }

    /// Waits until one more request is admitted.
    pub async fn slot(&self) -> Slot {
        let _turn = self.shared.turn.lock().await;
        loop {
            let earliest = match self.shared.try_admit() {
                Ok(()) => break,
                Err(earliest) => earliest,
            };
            match earliest {
                Some(end) => tokio::select! {
                    () = self.shared.clock.sleep_until(end.after(MINUTE)) => {}
                    () = self.shared.freed.notified() => {}
                },
                None => self.shared.freed.notified().await,
            }
        }
        Slot {
            shared: Arc::clone(&self.shared),
            used: false,
        }
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits one more, or tells the end of the request that is the first to be forgotten.
    fn try_admit(&self) -> Result<(), Option<Moment>> {
        let now = self.clock.elapsed();
        let mut book = self.book();
        while book
            .ended
            .front()
            .is_some_and(|end| now.since(*end) >= MINUTE)
        {
            book.ended.pop_front();
        }
        if book.admitted + book.ended.len() < self.limit {
            book.admitted += 1;
            Ok(())
        } else {
            Err(book.ended.front().copied())
        }
    }
}

/// Leave for one request. Dropped unused, it does not count.
#[derive(Debug)]
pub struct Slot {
    shared: Arc<Shared>,
    used: bool,
}

impl Slot {
    /// Marks that the request goes out now; it counts until a minute after this value is dropped.
    pub fn begin(&mut self) {
        self.used = true;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let now = self.shared.clock.elapsed();
        let mut book = self.shared.book();
        book.admitted = book.admitted.saturating_sub(1);
        if self.used {
            book.ended.push_back(now);
        }
        drop(book);
        self.shared.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Begin and end of `durations.len()` requests, started at once, under a quota.
    async fn run(limit: u32, durations: &[u64]) -> Vec<(Duration, Duration)> {
        let clock = Clock::real();
        let start = clock.elapsed();
        let quota = Quota::new(limit, clock);
        let mut tasks = Vec::new();
        for &duration in durations {
            let quota = quota.clone();
            tasks.push(tokio::spawn(async move {
                let mut slot = quota.slot().await;
                let began = clock.elapsed().since(start);
                slot.begin();
                clock.sleep(Duration::from_millis(duration)).await;
                (began, clock.elapsed().since(start))
            }));
            tokio::task::yield_now().await;
        }
        let mut times = Vec::new();
        for task in tasks {
            times.push(task.await.unwrap());
        }
        times
    }

    #[tokio::test(start_paused = true)]
    async fn fifty_go_at_once_and_the_next_waits_a_minute() {
        let times = run(50, &[200; 101]).await;
        assert_eq!(times[49].0, Duration::ZERO);
        let second = times[50].0.as_millis();
        assert!((60_200..60_300).contains(&second), "{second}");
        let third = times[100].0.as_millis();
        assert!((120_400..120_600).contains(&third), "{third}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_first_is_admitted_first() {
        let times = run(3, &[50; 20]).await;
        assert!(times.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_does_not_pass_one_who_waits() {
        let clock = Clock::real();
        let quota = Quota::new(1, clock);
        let held = quota.slot().await;
        let waiting = tokio::spawn({
            let quota = quota.clone();
            async move { quota.slot().await }
        });
        tokio::task::yield_now().await;
        drop(held);
        let newcomer = clock.timeout(Duration::from_secs(1), quota.slot()).await;
        assert!(newcomer.is_err());
        waiting.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_unused_slot_does_not_count() {
        let clock = Clock::real();
        let quota = Quota::new(1, clock);
        let start = clock.elapsed();
        let first = quota.slot().await;
        let waiting = tokio::spawn({
            let quota = quota.clone();
            async move { drop(quota.slot().await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
        assert_eq!(clock.elapsed().since(start), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_gave_up_waiting_blocks_nobody() {
        let clock = Clock::real();
        let quota = Quota::new(1, clock);
        let held = quota.slot().await;
        let gave_up = clock.timeout(Duration::from_secs(5), quota.slot()).await;
        assert!(gave_up.is_err());
        drop(held);
        let next = clock.timeout(Duration::from_secs(1), quota.slot()).await;
        assert!(next.is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn no_minute_holds_more_than_the_limit(
            limit in 1_u32..6,
            durations in proptest::collection::vec(0_u64..30_000, 1..30),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            let mut times = runtime.block_on(run(limit, &durations));
            times.sort();
            let spacing = limit as usize;
            // Wherever in its life the cloud counts a request: that of `limit` requests later begins
            // a minute after the earliest of the window has ended.
            for (at, (began, _)) in times.iter().enumerate().skip(spacing) {
                let running = times[..at]
                    .iter()
                    .filter(|(_, end)| *end + MINUTE > *began)
                    .count();
                prop_assert!(running < spacing, "{running} before {began:?}");
            }
        }
    }
}
