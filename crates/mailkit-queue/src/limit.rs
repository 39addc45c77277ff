//! Hard quotas over sliding windows: what stores keep, and the arithmetic that they share.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::clock::Timestamp;

/// Something to be spent from a quota before a message goes out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct LimitRequest {
    /// Which quota: workers that name the same share it.
    pub key: String,
    /// How much may be spent in any window.
    pub limit: NonZeroU64,
    /// How long a window is.
    pub window: Duration,
    /// How much this is.
    pub amount: u64,
}

/// What was spent, to be given back if the message did not go out after all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by stores")]
pub struct Permit {
    /// The key, the time of the bucket and the amount of each.
    pub spent: Vec<(String, Timestamp, u64)>,
}

/// How many buckets a window is divided into: what is kept of a quota, however large it is.
const BUCKETS: u32 = 1_000;

/// What was spent in the last window, in at most about a thousand numbers.
///
/// Amounts are kept by buckets of a thousandth of the window, and each counts until the last moment of its bucket is a
/// window old: never too short, so no window exceeds the limit, and at most a thousandth too long.
///
/// ```
/// use std::num::NonZeroU64;
/// use std::time::Duration;
/// use mailkit_queue::{SlidingWindow, Timestamp};
///
/// let mut window = SlidingWindow::new(Duration::from_secs(1));
/// let limit = NonZeroU64::new(2).unwrap();
/// let start = Timestamp::from_millis(0);
/// assert!(window.acquire(start, limit, 2).is_ok());
/// assert_eq!(window.acquire(start, limit, 1), Err(Timestamp::from_millis(1_001)));
/// assert!(window.acquire(Timestamp::from_millis(1_001), limit, 1).is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlidingWindow {
    window: Duration,
    /// The start of each bucket and what was spent in it, oldest first.
    buckets: VecDeque<(Timestamp, u64)>,
    total: u64,
}

impl SlidingWindow {
    /// An empty window of that length.
    #[must_use]
    pub const fn new(window: Duration) -> Self {
        Self { window, buckets: VecDeque::new(), total: 0 }
    }

    /// A window with what a store has kept: the start of each bucket and what was spent in it, oldest first.
    #[must_use]
    pub fn with_buckets(window: Duration, buckets: impl IntoIterator<Item = (Timestamp, u64)>) -> Self {
        let buckets: VecDeque<_> = buckets.into_iter().collect();
        let total = buckets.iter().map(|(_, amount)| amount).sum();
        Self { window, buckets, total }
    }

    /// How long the window is.
    #[must_use]
    pub const fn length(&self) -> Duration {
        self.window
    }

    /// Whether nothing that was spent counts any more: then there is nothing to keep.
    #[must_use]
    pub fn is_clear(&self, now: Timestamp) -> bool {
        self.buckets.back().is_none_or(|(start, _)| self.end(*start) <= now)
    }

    /// The start of the bucket that a time belongs to.
    #[must_use]
    pub fn bucket(window: Duration, at: Timestamp) -> Timestamp {
        let width = Self::width(window);
        Timestamp::from_millis(at.as_millis().div_euclid(width).saturating_mul(width))
    }

    /// Spends so much now; returns the bucket that it went into.
    ///
    /// # Errors
    /// When there will be room for it, if nobody else spends; where it exceeds the limit by itself, that is never, and
    /// the time is the end of time.
    pub fn acquire(&mut self, now: Timestamp, limit: NonZeroU64, amount: u64) -> Result<Timestamp, Timestamp> {
        if amount > limit.get() {
            return Err(Timestamp::from_millis(i64::MAX));
        }
        self.forget(now);
        let mut over = (self.total + amount).saturating_sub(limit.get());
        if over > 0 {
            for (start, spent) in &self.buckets {
                over = over.saturating_sub(*spent);
                if over == 0 {
                    return Err(self.end(*start));
                }
            }
        }
        // A clock that went back must not open a bucket behind the last one: the row stays in order.
        let start = Self::bucket(self.window, now).max(self.buckets.back().map_or(now, |(start, _)| *start));
        let start = Self::bucket(self.window, start);
        match self.buckets.back_mut() {
            Some((last, spent)) if *last == start => *spent += amount,
            _ => self.buckets.push_back((start, amount)),
        }
        self.total += amount;
        Ok(start)
    }

    /// Gives back what was spent in a bucket and not used.
    pub fn release(&mut self, bucket: Timestamp, amount: u64) {
        if let Some((_, spent)) = self.buckets.iter_mut().find(|(start, _)| *start == bucket) {
            let amount = amount.min(*spent);
            *spent -= amount;
            self.total -= amount;
        }
    }

    /// The start of each bucket that still counts and what was spent in it, oldest first.
    pub fn buckets(&self) -> impl Iterator<Item = (Timestamp, u64)> + '_ {
        self.buckets.iter().copied()
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((start, spent)) = self.buckets.front().copied() {
            if self.end(start) > now {
                break;
            }
            self.total -= spent;
            self.buckets.pop_front();
        }
    }

    /// When what was spent in a bucket counts no more.
    fn end(&self, start: Timestamp) -> Timestamp {
        start + Duration::from_millis(Self::width(self.window).unsigned_abs()) + self.window
    }

    /// The width of a bucket in milliseconds.
    fn width(window: Duration) -> i64 {
        i64::try_from((window / BUCKETS).as_millis()).unwrap_or(i64::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limit(limit: u64) -> NonZeroU64 {
        NonZeroU64::new(limit).unwrap()
    }

    proptest! {
        #[test]
        fn no_window_exceeds_its_limit_and_what_is_told_comes_true(
            millis in 1u64..100_000,
            most in 1u64..20,
            steps in proptest::collection::vec((0i64..30_000, 1u64..6), 1..200),
        ) {
            let window = Duration::from_millis(millis);
            let (mut quota, mut now, mut log) = (SlidingWindow::new(window), 0, Vec::new());
            for (step, amount) in steps {
                now += step;
                match quota.acquire(Timestamp::from_millis(now), limit(most), amount) {
                    Ok(_) => log.push((now, amount)),
                    Err(at) if amount > most => prop_assert_eq!(at.as_millis(), i64::MAX),
                    Err(at) => {
                        let mut later = quota.clone();
                        prop_assert!(later.acquire(at - Duration::from_millis(1), limit(most), amount).is_err());
                        prop_assert!(later.acquire(at, limit(most), amount).is_ok());
                    }
                }
                let from = now - i64::try_from(millis).unwrap();
                let within: u64 = log.iter().filter(|(at, _)| *at >= from).map(|(_, amount)| amount).sum();
                prop_assert!(within <= most, "{} in the window before {}", within, now);
                prop_assert!(quota.buckets().count() <= 1_002);
            }
        }
    }

    #[test]
    fn what_is_given_back_can_be_spent_again() {
        let mut quota = SlidingWindow::new(Duration::from_secs(60));
        let now = Timestamp::from_millis(5_000);
        let bucket = quota.acquire(now, limit(3), 3).unwrap();
        assert!(quota.acquire(now, limit(3), 1).is_err());
        quota.release(bucket, 2);
        assert!(quota.acquire(now, limit(3), 2).is_ok());
        quota.release(Timestamp::from_millis(1), 2);
        assert!(quota.acquire(now, limit(3), 1).is_err());
    }
}
