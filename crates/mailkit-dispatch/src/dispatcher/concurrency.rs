//! How many slots a route has at once: learnt from what comes back, as Postfix's queue manager does it.
//!
//! Each success lets the window grow by a fraction, so that as many successes as there are slots add one; each failure
//! shrinks it alike, and one counter starts again when the other moves the window (hysteresis). A cohort of failures,
//! as many in a row as there are slots, means that the route is dead. Beyond Postfix, a server that turns away a
//! connection while others work has told how many it serves: that is a ceiling, tried again ever more rarely.

use std::time::Duration;

use tokio::time::Instant;

/// When a ceiling is first tried again; each failed try doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(60);
/// The longest time between tries.
const MAX_RETRY: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(crate) struct ConcurrencyLimit {
    current: u32,
    max: u32,
    /// Fractions of a step up, and of one down.
    success: f64,
    failure: f64,
    /// Failures in a row, in cohorts.
    cohorts: f64,
    learned: Option<LearnedLimit>,
}

#[derive(Debug)]
struct LearnedLimit {
    slots: u32,
    retry_at: Instant,
    between: Duration,
    /// Whether it was tried since it was learnt.
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

    /// Begins again with one slot, after the route was taken for dead.
    pub(crate) const fn reset(&mut self) {
        self.current = 1;
        self.success = 0.0;
        self.failure = 0.0;
        self.cohorts = 0.0;
    }

    /// Something went well; `in_use` says whether as many slots are open as may be. Returns whether the window grew.
    pub(crate) fn on_success(&mut self, in_use: bool, now: Instant) -> bool {
        self.cohorts = 0.0;
        if !in_use {
            return false;
        }
        if let Some(learned) = self.learned.as_mut().filter(|learned| self.current >= learned.slots) {
            if now < learned.retry_at {
                return false;
            }
            // One slot more; where that is too many, learn() sets it back.
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

    /// Something failed. Returns whether a whole cohort has.
    pub(crate) fn on_failure(&mut self) -> bool {
        let feedback = 1.0 / f64::from(self.current);
        self.cohorts += feedback;
        self.failure += feedback;
        if self.failure >= 1.0 {
            self.current = (self.current - 1).max(1);
            self.failure = 0.0;
            self.success = 0.0;
        }
        // Fractions of thirds and the like fall a little short of one.
        self.cohorts > 1.0 - 1e-6
    }

    /// The server turned a slot away while so many others stood.
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
    async fn as_many_successes_as_ways_add_one() {
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
    async fn a_ceiling_is_tried_ever_more_rarely() {
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
