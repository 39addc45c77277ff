//! How many ways a route has at once: learnt from what comes back, as Postfix's queue manager does it.
//!
//! Each success lets the window grow by a fraction, so that as many successes as there are ways add one; each failure
//! shrinks it alike, and one counter starts again when the other moves the window (hysteresis). A cohort of failures,
//! as many in a row as there are ways, means that the route is dead. Beyond Postfix, a server that turns away a
//! connection while others work has told how many it serves: that is a ceiling, tried again ever more rarely.

use std::time::Duration;

use tokio::time::Instant;

/// When a ceiling is first tried again; each failed try doubles it.
const FIRST_TRY: Duration = Duration::from_secs(60);
/// The longest time between tries.
const LAST_TRY: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(crate) struct Window {
    size: u32,
    most: u32,
    /// Fractions of a step up, and of one down.
    success: f64,
    failure: f64,
    /// Failures in a row, in cohorts.
    cohorts: f64,
    ceiling: Option<Ceiling>,
}

#[derive(Debug)]
struct Ceiling {
    ways: u32,
    try_at: Instant,
    between: Duration,
    /// Whether it was tried since it was learnt.
    tried: bool,
}

impl Window {
    pub(crate) const fn new(first: u32, most: u32) -> Self {
        Self { size: first, most, success: 0.0, failure: 0.0, cohorts: 0.0, ceiling: None }
    }

    pub(crate) const fn size(&self) -> u32 {
        self.size
    }

    pub(crate) fn ceiling(&self) -> Option<u32> {
        self.ceiling.as_ref().map(|ceiling| ceiling.ways)
    }

    pub(crate) fn limit(&mut self, most: u32) {
        self.most = most;
        self.size = self.size.min(most);
    }

    /// Begins again with one way, after the route was taken for dead.
    pub(crate) const fn restart(&mut self) {
        self.size = 1;
        self.success = 0.0;
        self.failure = 0.0;
        self.cohorts = 0.0;
    }

    /// Something went well; `in_use` says whether as many ways are open as may be. Returns whether the window grew.
    pub(crate) fn succeeded(&mut self, in_use: bool, now: Instant) -> bool {
        self.cohorts = 0.0;
        if !in_use {
            return false;
        }
        if let Some(ceiling) = self.ceiling.as_mut().filter(|ceiling| self.size >= ceiling.ways) {
            if now < ceiling.try_at {
                return false;
            }
            // One way more; where that is too many, learn() sets it back.
            ceiling.ways += 1;
            ceiling.try_at = now + ceiling.between;
            ceiling.tried = true;
            self.success = 1.0;
        }
        self.success += 1.0 / f64::from(self.size);
        if self.success < 1.0 || self.size >= self.most {
            return false;
        }
        self.size += 1;
        self.success = 0.0;
        self.failure = 0.0;
        true
    }

    /// Something failed. Returns whether a whole cohort has.
    pub(crate) fn failed(&mut self) -> bool {
        let feedback = 1.0 / f64::from(self.size);
        self.cohorts += feedback;
        self.failure += feedback;
        if self.failure >= 1.0 {
            self.size = (self.size - 1).max(1);
            self.failure = 0.0;
            self.success = 0.0;
        }
        // Fractions of thirds and the like fall a little short of one.
        self.cohorts > 1.0 - 1e-6
    }

    /// The server turned a way away while so many others stood.
    pub(crate) fn learn(&mut self, others: u32, now: Instant) {
        let ways = others.max(1);
        let between = match &self.ceiling {
            Some(ceiling) if ceiling.tried && ceiling.ways == ways + 1 => (ceiling.between * 2).min(LAST_TRY),
            _ => FIRST_TRY,
        };
        self.ceiling = Some(Ceiling { ways, try_at: now + between, between, tried: false });
        self.size = self.size.min(ways);
        self.success = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn as_many_successes_as_ways_add_one() {
        let (mut window, now) = (Window::new(2, 4), Instant::now());
        assert!(!window.succeeded(true, now) && window.succeeded(true, now));
        assert_eq!(window.size(), 3);
        assert!(!window.succeeded(false, now), "ways that are not used prove nothing");
        for _ in 0..20 {
            window.succeeded(true, now);
        }
        assert_eq!(window.size(), 4, "the most");
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_between_failures_keeps_a_cohort_from_dying() {
        let (mut window, now) = (Window::new(3, 10), Instant::now());
        assert!(!window.failed() && !window.failed());
        window.succeeded(false, now);
        assert!(!window.failed(), "two of three, a success, one more");
        assert_eq!(window.size(), 2, "three failures took one way");
        assert!(window.failed() || window.failed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_ceiling_is_tried_ever_more_rarely() {
        let mut window = Window::new(5, 20);
        window.learn(4, Instant::now());
        window.learn(3, Instant::now());
        assert_eq!((window.size(), window.ceiling()), (3, Some(3)));
        let mut waits = Vec::new();
        for _ in 0..6 {
            let start = Instant::now();
            while !window.succeeded(true, Instant::now()) {
                tokio::time::advance(Duration::from_secs(1)).await;
            }
            waits.push(start.elapsed().as_secs());
            assert_eq!(window.size(), 4);
            window.learn(3, Instant::now());
            assert_eq!(window.size(), 3);
        }
        assert_eq!(waits, [60, 120, 240, 480, 600, 600]);
    }
}
