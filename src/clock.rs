//! Seam 1: the time that it is, and waiting. The only user of real time in the crate.
//!
//! A rehearsal and the tests run on a clock that passes faster than the wall's: waiting, time-outs,
//! quotas and the age of readings all shrink by one factor, so nothing else needs to know. Their date
//! may start anywhere and jump, as that of a machine whose clock was set does; and they may sleep, as a machine that
//! is suspended does. Invariant: [`Clock::elapsed`] never goes back, counts suspensions, and no jump of the date
//! moves it.

mod course;
mod latest;
mod suspension;

use std::future::Future;
use std::num::NonZeroU32;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

pub use course::{Course, InvalidCourse};
pub use latest::Latest;
pub use suspension::Uptime;

/// Tells the time and waits. Copies share one start, so their [`Moment`]s can be compared.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    suspended_before: Duration,
    origin: Origin,
    course: Course,
}

/// Where the date comes from.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// From the wall, whatever is done to that clock.
    Wall,
    /// From this date, by the time that has passed since.
    Date(Timestamp),
}

/// A point on a clock's monotonic scale: time since the clock was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(Duration);

impl Moment {
    /// Time from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `wait` after this one.
    pub fn after(self, wait: Duration) -> Moment {
        Moment(self.0.saturating_add(wait))
    }

    /// The moment `time` before this one; the clock's start if there is none.
    pub fn before(self, time: Duration) -> Moment {
        Moment(self.0.saturating_sub(time))
    }
}

/// The time allowed for something ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl Clock {
    /// The clock on the wall.
    pub fn real() -> Self {
        Self::new(Course::default())
    }

    /// A clock that starts at the present time and then passes `factor` times as fast.
    pub fn compressed(factor: NonZeroU32) -> Self {
        Self::new(Course::compressed(factor))
    }

    /// A clock that starts at `date` and then passes `factor` times as fast.
    pub fn starting_at(date: Timestamp, factor: NonZeroU32) -> Self {
        Self::new(Course::compressed(factor).starting_at(date))
    }

    /// A clock that starts now and goes like this.
    #[expect(clippy::disallowed_methods, reason = "the seam")]
    pub fn new(course: Course) -> Self {
        Self {
            started: Instant::now(),
            suspended_before: suspension::suspended(),
            origin: match course.start() {
                Some(date) => Origin::Date(date),
                None if course.factor().get() == 1 => Origin::Wall,
                None => Origin::Date(Timestamp::now()),
            },
            course,
        }
    }

    /// Whether this clock is the one on the wall.
    pub fn is_real(&self) -> bool {
        self.course == Course::default()
    }

    /// The date and time.
    #[expect(clippy::disallowed_methods, reason = "the seam")]
    pub fn now(&self) -> Timestamp {
        let (passed, awake) = (self.elapsed().0, self.awake());
        let (from, passed_since) = match self.origin {
            Origin::Wall => (Timestamp::now(), signed(self.course.slept(awake))),
            Origin::Date(began) => (began, signed(passed)),
        };
        let moved = passed_since.saturating_add(self.course.jumped(awake));
        let limit = if moved.is_negative() {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        from.checked_add(moved).unwrap_or(limit)
    }

    /// Time since this clock was made, suspensions of the machine included, whatever happens to the date.
    pub fn elapsed(&self) -> Moment {
        let awake = self.awake();
        let suspended = suspension::suspended().saturating_sub(self.suspended_before);
        let suspended = suspended.saturating_mul(self.course.factor().get());
        Moment(
            awake
                .saturating_add(suspended)
                .saturating_add(self.course.slept(awake)),
        )
    }

    /// How long the machine has been up, suspensions included.
    pub fn uptime(&self) -> Uptime {
        let up = suspension::up().saturating_mul(self.course.factor().get());
        let up = up.saturating_add(self.course.slept(self.awake()));
        Uptime {
            boot: suspension::boot(),
            milliseconds: u64::try_from(up.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Time since this clock was made in which the machine was not suspended, as timers count it.
    fn awake(&self) -> Duration {
        let awake = self.started.elapsed();
        awake.saturating_mul(self.course.factor().get())
    }

    /// How a clock must go that starts now and is to agree with this one from then on.
    pub fn from_here(&self) -> Course {
        let rest = self.course.after(self.awake());
        match self.origin {
            Origin::Wall => rest,
            Origin::Date(_) => rest.starting_at(self.now()),
        }
    }

    /// Waits for `time` as this clock counts it.
    pub async fn sleep(&self, time: Duration) {
        tokio::time::sleep(self.on_the_wall(time)).await;
    }

    /// Waits until `moment`; returns at once if it has passed.
    pub async fn sleep_until(&self, moment: Moment) {
        self.sleep(moment.since(self.elapsed())).await;
    }

    /// Runs `work` for at most `limit` as this clock counts it.
    pub async fn timeout<F: Future>(&self, limit: Duration, work: F) -> Result<F::Output, Elapsed> {
        tokio::time::timeout(self.on_the_wall(limit), work)
            .await
            .map_err(|_| Elapsed)
    }

    /// How long `time` of this clock takes on the wall.
    pub fn on_the_wall(&self, time: Duration) -> Duration {
        time / self.course.factor().get()
    }
}

fn signed(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    #[expect(
        clippy::disallowed_methods,
        reason = "compares the seam with what is behind it"
    )]
    async fn a_compressed_clock_counts_in_its_own_time() {
        let clock = Clock::compressed(NonZeroU32::new(60).unwrap());
        let (before, date) = (clock.elapsed(), clock.now());
        let wall = Instant::now();
        clock.sleep(Duration::from_secs(120)).await;
        assert_eq!(wall.elapsed().as_secs(), 2);
        assert_eq!(clock.elapsed().since(before).as_secs(), 120);
        assert_eq!(clock.now().duration_since(date).as_secs(), 120);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_out_is_counted_by_the_same_clock() {
        let clock = Clock::compressed(NonZeroU32::new(60).unwrap());
        let work = clock.sleep(Duration::from_secs(61));
        assert_eq!(
            clock.timeout(Duration::from_secs(60), work).await,
            Err(Elapsed)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn moments_never_run_backwards() {
        let clock = Clock::real();
        let early = clock.elapsed();
        clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(early.since(clock.elapsed()), Duration::ZERO);
        assert_eq!(clock.elapsed().since(early).as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_date_starts_where_it_is_told_to_and_jumps() {
        let course: Course = "compressed:20@2026-11-28T01:00:00Z,jump:+2h@10m,jump:-30m@20m"
            .parse()
            .unwrap();
        let clock = Clock::new(course);
        // Sleeping is exact to a millisecond of the wall.
        let shown = |clock: Clock| format!("{:.0}", clock.now());
        assert_eq!(shown(clock), "2026-11-28T01:00:00Z");
        clock.sleep(Duration::from_secs(598)).await;
        assert_eq!(shown(clock), "2026-11-28T01:09:58Z");
        clock.sleep(Duration::from_secs(3)).await;
        assert_eq!(shown(clock), "2026-11-28T03:10:01Z");
        assert_eq!(clock.elapsed().since(Moment::default()).as_secs(), 601);

        let other = Clock::new(clock.from_here());
        assert_eq!(shown(other), "2026-11-28T03:10:01Z");
        clock.sleep(Duration::from_secs(600)).await;
        assert_eq!(shown(clock), "2026-11-28T02:50:01Z");
        assert_eq!(shown(other), "2026-11-28T02:50:01Z");
    }

    #[tokio::test(start_paused = true)]
    async fn a_suspended_machine_grows_older_by_every_clock_but_its_timers() {
        let course: Course = "compressed:20@2026-11-28T01:00:00Z,sleep:2h@10m,jump:-2h@10m"
            .parse()
            .unwrap();
        let clock = Clock::new(course);
        let (before, up) = (clock.elapsed(), clock.uptime());
        clock.sleep(Duration::from_secs(11 * 60)).await;
        assert_eq!(clock.elapsed().since(before).as_secs(), 7_200 + 660);
        assert!(clock.uptime().since(&up).is_none_or(|up| up >= 7_200_000));
        // Somebody set it back meanwhile, so that its date shows nothing.
        assert_eq!(format!("{:.0}", clock.now()), "2026-11-28T01:11:00Z");
    }

    #[test]
    fn a_jump_out_of_all_dates_stays_at_the_last() {
        let far = |text: &str| Clock::new(text.parse().unwrap()).now();
        let end = "real@9999-12-30T22:00:00Z,jump:+1000h@0s";
        assert_eq!(far(end), Timestamp::MAX);
        let start = "real@-009998-01-01T00:00:00Z,jump:-99999h@0s";
        assert_eq!(far(start), Timestamp::MIN);
    }
}
