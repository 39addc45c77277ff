//! Limits over sliding windows: permits that workers acquire from the store, and the arithmetic that stores share.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::clock::Timestamp;

/// A request for a part of a limit, made before a message is sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct LimitRequest {
    /// The name of the limit. Workers that use the same name share the limit.
    pub key: String,
    /// The maximum in any window.
    pub limit: NonZeroU64,
    /// The length of the window.
    pub window: Duration,
    /// The amount that is asked for.
    pub amount: u64,
}

impl LimitRequest {
    /// A request for an amount of a limit.
    #[must_use]
    pub fn new(key: impl Into<String>, limit: NonZeroU64, window: Duration, amount: u64) -> Self {
        Self { key: key.into(), limit, window, amount }
    }
}

/// The answer to a request for permits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "workers must handle a new one; the variant may get more fields")]
pub enum Acquired {
    /// All limits had room.
    Permit(Permit),
    /// At least one limit has no room. Nothing was acquired.
    #[non_exhaustive]
    Full {
        /// When all limits will have room, if nobody else acquires permits. `None` if an amount exceeds its limit, so that
        /// there will never be room.
        retry_after: Option<Duration>,
    },
}

impl Acquired {
    /// No limit was acquired because one has no room.
    #[must_use]
    pub const fn full(retry_after: Option<Duration>) -> Self {
        Self::Full { retry_after }
    }

    /// The answer from the time at which there will be room, which is [`SlidingWindow::NEVER`] if there will be none.
    #[must_use]
    pub fn full_until(room_at: Timestamp, now: Timestamp) -> Self {
        Self::full((room_at < SlidingWindow::NEVER).then(|| room_at - now))
    }

    /// The permit. `None` if a limit has no room.
    #[must_use]
    pub fn permit(self) -> Option<Permit> {
        match self {
            Self::Permit(permit) => Some(permit),
            Self::Full { .. } => None,
        }
    }
}

/// The right to send a message under some limits. A worker that does not send the message releases it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permit {
    /// For each limit its key, the time of the bucket and the amount.
    pub acquired: Vec<(String, Timestamp, u64)>,
}

/// The number of buckets in a window. It bounds what is stored for a limit, however large the limit is.
const BUCKETS: u32 = 1_000;

/// The amounts that were acquired in the last window, in at most about a thousand buckets.
///
/// A bucket covers a thousandth of the window. Its amount counts until the end of the bucket is one window old. So no window
/// exceeds the limit, and an amount counts at most a thousandth of the window too long.
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
    /// The start and the amount of each bucket, oldest first.
    buckets: VecDeque<(Timestamp, u64)>,
    total: u64,
}

impl SlidingWindow {
    /// The end of time: there will never be room.
    pub const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);

    /// An empty window of that length.
    #[must_use]
    pub const fn new(window: Duration) -> Self {
        Self { window, buckets: VecDeque::new(), total: 0 }
    }

    /// A window from stored buckets: the start and the amount of each, oldest first.
    #[must_use]
    pub fn with_buckets(window: Duration, buckets: impl IntoIterator<Item = (Timestamp, u64)>) -> Self {
        let buckets: VecDeque<_> = buckets.into_iter().collect();
        let total = buckets.iter().map(|(_, amount)| amount).sum();
        Self { window, buckets, total }
    }

    /// The length of the window.
    #[must_use]
    pub const fn length(&self) -> Duration {
        self.window
    }

    /// Whether no amount counts any more, so that nothing has to be stored.
    #[must_use]
    pub fn is_clear(&self, now: Timestamp) -> bool {
        self.buckets.back().is_none_or(|(start, _)| self.end(*start) <= now)
    }

    /// The start of the bucket that contains a time.
    #[must_use]
    pub fn bucket(window: Duration, at: Timestamp) -> Timestamp {
        let width = Self::width(window);
        Timestamp::from_millis(at.as_millis().div_euclid(width).saturating_mul(width))
    }

    /// Acquires an amount, and returns the start of its bucket.
    ///
    /// # Errors
    /// The time at which there will be room, if nobody else acquires anything. [`NEVER`](Self::NEVER) if the amount exceeds
    /// the limit.
    pub fn acquire(&mut self, now: Timestamp, limit: NonZeroU64, amount: u64) -> Result<Timestamp, Timestamp> {
        if amount > limit.get() {
            return Err(Self::NEVER);
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
        // A clock that went back must not open a bucket before the last one: the buckets stay in order.
        let start = Self::bucket(self.window, now).max(self.buckets.back().map_or(now, |(start, _)| *start));
        let start = Self::bucket(self.window, start);
        match self.buckets.back_mut() {
            Some((last, spent)) if *last == start => *spent += amount,
            _ => self.buckets.push_back((start, amount)),
        }
        self.total += amount;
        Ok(start)
    }

    /// Releases an amount of a bucket that was not used.
    pub fn release(&mut self, bucket: Timestamp, amount: u64) {
        if let Some((_, spent)) = self.buckets.iter_mut().find(|(start, _)| *start == bucket) {
            let amount = amount.min(*spent);
            *spent -= amount;
            self.total -= amount;
        }
    }

    /// The start and the amount of each bucket that counts, oldest first.
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

    /// When the amount of a bucket stops to count.
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
        fn no_window_exceeds_its_limit_and_there_is_room_at_the_reported_time(
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
                    Err(at) if amount > most => prop_assert_eq!(at, SlidingWindow::NEVER),
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
    fn a_released_amount_can_be_acquired_again() {
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
