//! How long a lease is valid, by clocks that run while the process is stopped.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mailkit_queue::{LeaseToken, Timestamp};

/// A monotonic clock that runs while the process is stopped or the machine is suspended. Tests pass their own.
///
/// ```
/// use std::time::Duration;
/// use mailkit_dispatch::BootClock;
///
/// let stopped = BootClock::new(|| Duration::from_secs(42));
/// assert_eq!(stopped.now(), Duration::from_secs(42));
/// ```
#[derive(Clone)]
pub struct BootClock(Arc<dyn Fn() -> Duration + Send + Sync>);

impl BootClock {
    /// A clock whose function returns the time since any fixed moment.
    #[must_use]
    pub fn new(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The system's clock: `CLOCK_BOOTTIME` on Linux, elsewhere the monotonic clock, which stops during suspend on some
    /// systems.
    #[must_use]
    pub fn system() -> Self {
        #[cfg(unix)]
        {
            Self::new(since_boot)
        }
        #[cfg(not(unix))]
        {
            let start = std::time::Instant::now();
            Self::new(move || start.elapsed())
        }
    }

    /// The time since the clock's fixed moment.
    #[must_use]
    pub fn now(&self) -> Duration {
        (self.0)()
    }
}

#[cfg(unix)]
fn since_boot() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
    // Neither clock is ever below zero.
    Duration::try_from(rustix::time::clock_gettime(CLOCK)).unwrap_or_default()
}

impl Default for BootClock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for BootClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BootClock").field(&self.now()).finish()
    }
}

/// The readings of both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockReading {
    pub(crate) wall: Timestamp,
    pub(crate) boot: Duration,
}

/// A lease and its end by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseTerm {
    pub(crate) token: LeaseToken,
    wall_end: Timestamp,
    boot_end: Duration,
}

impl LeaseTerm {
    /// A lease that runs for `duration`. `requested_at` was read before the store was asked for it, so that the
    /// holder's lease is over no later than the store's.
    pub(crate) fn new(token: LeaseToken, requested_at: ClockReading, duration: Duration) -> Self {
        let ClockReading { wall, boot } = requested_at;
        Self { token, wall_end: wall + duration, boot_end: boot.saturating_add(duration) }
    }

    /// How long the lease still runs, by the clock that says less. Either may be wrong: the wall clock steps, and the
    /// other one, on systems without CLOCK_BOOTTIME, stops while the machine is suspended.
    pub(crate) fn remaining(&self, now: ClockReading) -> Duration {
        self.wall_remaining(now.wall).min(self.boot_end.saturating_sub(now.boot))
    }

    /// The same by the wall clock alone.
    pub(crate) fn wall_remaining(&self, now: Timestamp) -> Duration {
        self.wall_end - now
    }

    pub(crate) fn is_over(&self, now: ClockReading) -> bool {
        self.remaining(now).is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailkit_queue::QueueId;

    fn at(wall: i64, boot: u64) -> ClockReading {
        ClockReading { wall: Timestamp::from_millis(wall), boot: Duration::from_millis(boot) }
    }

    #[test]
    fn the_clock_that_says_less_decides() {
        let token = LeaseToken::new(QueueId::from_bits(1), 1);
        let term = LeaseTerm::new(token, at(10_000, 500), Duration::from_secs(5));
        let left = [
            (at(10_000, 500), 5_000),
            (at(14_000, 4_500), 1_000),
            // The wall clock was set back, the machine was suspended on a system without CLOCK_BOOTTIME.
            (at(1_000, 4_500), 1_000),
            (at(14_500, 500), 500),
            (at(15_000, 500), 0),
            (at(1_000, 5_500), 0),
        ];
        for (now, milliseconds) in left {
            assert_eq!(term.remaining(now), Duration::from_millis(milliseconds), "{now:?}");
            assert_eq!(term.is_over(now), milliseconds == 0, "{now:?}");
        }
    }

    #[test]
    fn the_clock_of_the_system_runs() {
        let clock = BootClock::system();
        let before = clock.now();
        assert!(clock.now() >= before && !before.is_zero());
    }
}
