//! How many delivery slots a route may use at once: concurrency by feedback, like Postfix's queue manager.
//!
//! Each success raises the limit by a fraction, so that as many successes as there are slots add one slot. Each failure
//! lowers it correspondingly. When the limit moves in one direction, the counter for the other direction restarts
//! (hysteresis). As many failures in a row as there are slots, a *cohort*, mean that the route is dead.
//!
//! Beyond Postfix: a server that refuses a connection while others are in use has shown how many it allows. That number
//! is the *learned limit*. It is tested again after 60 s, and after each test that fails, half as often, down to every
//! 10 minutes.

use std::time::Duration;

use tokio::time::Instant;

/// The time until a learned limit is first tested; each failed test doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(60);
/// The longest time between tests.
const MAX_RETRY: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(crate) struct ConcurrencyLimit {
    current: u32,
    max: u32,
    /// Progress towards one slot more, and towards one less, from 0 to 1.
    success: f64,
    failure: f64,
    /// Consecutive failures, in cohorts.
    cohorts: f64,
    learned: Option<LearnedLimit>,
}

#[derive(Debug)]
struct LearnedLimit {
    slots: u32,
    retry_at: Instant,
    between: Duration,
    /// Whether it was tested since it was learned.
    tried: bool,
}

impl ConcurrencyLimit {
    pub(crate) const fn new(initial: u32, max: u32) -> Self {
        Self { current: initial, max, success: 0.0, failure: 0.0, cohorts: 0.0, learned: None }
    }

    pub(crate) const fn current(&self) -> u32 {
        self.current
    }

    pub(crate) fn learned_limit(&self) -> Option<u32> {
        self.learned.as_ref().map(|learned| learned.slots)
    }

    pub(crate) fn set_max(&mut self, max: u32) {
        self.max = max;
        self.current = self.current.min(max);
    }

    /// Restarts with one slot, after the breaker was open.
    pub(crate) const fn reset(&mut self) {
        self.current = 1;
        self.success = 0.0;
        self.failure = 0.0;
        self.cohorts = 0.0;
    }

    /// An attempt succeeded. `in_use` says whether all allowed slots are open. Returns whether the limit grew.
    pub(crate) fn on_success(&mut self, in_use: bool, now: Instant) -> bool {
        self.cohorts = 0.0;
        if !in_use {
            return false;
        }
        if let Some(learned) = self.learned.as_mut().filter(|learned| self.current >= learned.slots) {
            if now < learned.retry_at {
                return false;
            }
            // Test one slot more. If that is too many, learn_limit() sets it back.
            learned.slots += 1;
            learned.retry_at = now + learned.between;
            learned.tried = true;
            self.success = 1.0;
        }
        self.success += 1.0 / f64::from(self.current);
        if self.success < 1.0 || self.current >= self.max {
            return false;
        }
        self.current += 1;
        self.success = 0.0;
        self.failure = 0.0;
        true
    }

    /// An attempt failed. Returns whether a whole cohort has failed.
    pub(crate) fn on_failure(&mut self) -> bool {
        let feedback = 1.0 / f64::from(self.current);
        self.cohorts += feedback;
        self.failure += feedback;
        if self.failure >= 1.0 {
            self.current = (self.current - 1).max(1);
            self.failure = 0.0;
            self.success = 0.0;
        }
        // The sum of floating-point fractions may fall a little short of one.
        self.cohorts > 1.0 - 1e-6
    }

    /// The server refused a connection while `others` were open.
    pub(crate) fn learn_limit(&mut self, others: u32, now: Instant) {
        let slots = others.max(1);
        let between = match &self.learned {
            Some(learned) if learned.tried && learned.slots == slots + 1 => (learned.between * 2).min(MAX_RETRY),
            _ => FIRST_RETRY,
        };
        self.learned = Some(LearnedLimit { slots, retry_at: now + between, between, tried: false });
        self.current = self.current.min(slots);
        self.success = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn as_many_successes_as_slots_add_one() {
        let (mut limit, now) = (ConcurrencyLimit::new(2, 4), Instant::now());
        assert!(!limit.on_success(true, now) && limit.on_success(true, now));
        assert_eq!(limit.current(), 3);
        assert!(!limit.on_success(false, now), "slots that are not used prove nothing");
        for _ in 0..20 {
            limit.on_success(true, now);
        }
        assert_eq!(limit.current(), 4, "the maximum");
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_between_failures_keeps_a_cohort_from_dying() {
        let (mut limit, now) = (ConcurrencyLimit::new(3, 10), Instant::now());
        assert!(!limit.on_failure() && !limit.on_failure());
        limit.on_success(false, now);
        assert!(!limit.on_failure(), "two of three, a success, one more");
        assert_eq!(limit.current(), 2, "three failures took one slot");
        assert!(limit.on_failure() || limit.on_failure());
    }

    #[tokio::test(start_paused = true)]
    async fn a_learned_limit_is_tested_less_and_less_often() {
        let mut limit = ConcurrencyLimit::new(5, 20);
        limit.learn_limit(4, Instant::now());
        limit.learn_limit(3, Instant::now());
        assert_eq!((limit.current(), limit.learned_limit()), (3, Some(3)));
        let mut waits = Vec::new();
        for _ in 0..6 {
            let start = Instant::now();
            while !limit.on_success(true, Instant::now()) {
                tokio::time::advance(Duration::from_secs(1)).await;
            }
            waits.push(start.elapsed().as_secs());
            assert_eq!(limit.current(), 4);
            limit.learn_limit(3, Instant::now());
            assert_eq!(limit.current(), 3);
        }
        assert_eq!(waits, [60, 120, 240, 480, 600, 600]);
    }
}
