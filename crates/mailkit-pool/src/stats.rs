//! What a pool has done, in numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::AcquireError;

/// The upper bounds of the histogram in [`PoolStats::waits`].
pub const WAIT_BOUNDS: [Duration; 8] = [
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];

/// What a pool has done and is doing. The figures are taken one after the other while the pool goes on.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PoolStats {
    /// Connections that are idle.
    pub idle: u32,
    /// Connections that somebody has.
    pub in_use: u32,
    /// Connections that are being opened.
    pub opening: u32,
    /// Connections that are being closed.
    pub closing: u32,
    /// Callers that wait for a connection.
    pub waiting: u32,
    /// How many connections were opened in all.
    pub opened: u64,
    /// How many openings came to nothing.
    pub failed: u64,
    /// How often a connection was handed out that had carried messages before.
    pub reused: u64,
    /// How many connections were closed, by reason.
    pub closed: Closed,
    /// How many callers got a connection.
    pub acquired: u64,
    /// How many callers got none.
    pub refused: u64,
    /// How long all callers have waited together.
    pub wait_total: Duration,
    /// How long the one who had to wait longest has waited.
    pub wait_max: Duration,
    /// How many callers waited up to the [`WAIT_BOUNDS`]; the last number is of those who waited longer.
    pub waits: [u64; WAIT_BOUNDS.len() + 1],
    /// For how long no connection is opened because the server refused.
    pub refused_for: Option<Duration>,
    /// Why the last opening failed; `None` once one has succeeded.
    pub last_failure: Option<Arc<mailkit_connection::Error>>,
}

impl PoolStats {
    /// Connections that are open: idle, in use and being closed.
    #[must_use]
    pub const fn open(&self) -> u32 {
        self.idle + self.in_use + self.closing
    }
}

/// How many connections were closed, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// Not needed for the idle timeout.
    pub idle: u64,
    /// Too old.
    pub lifetime: u64,
    /// Had carried as many messages as it may.
    pub used_up: u64,
    /// Found closed by the server while it was idle.
    pub dead: u64,
    /// Came back broken, or in the middle of a message.
    pub broken: u64,
    /// The pool was closed.
    pub shutdown: u64,
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Idle,
    Lifetime,
    UsedUp,
    Dead,
    Broken,
    Shutdown,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Open and not being closed.
    pub(crate) usable: AtomicU32,
    pub(crate) idle: AtomicU32,
    pub(crate) opening: AtomicU32,
    pub(crate) closing: AtomicU32,
    /// Those of `closing` that were of no use: they say nothing of the server's being reachable.
    pub(crate) useless: AtomicU32,
    pub(crate) waiting: AtomicU32,
    pub(crate) opened: AtomicU64,
    pub(crate) reused: AtomicU64,
    closed: [AtomicU64; 6],
    acquired: AtomicU64,
    refused: AtomicU64,
    /// Microseconds.
    wait_total: AtomicU64,
    wait_max: AtomicU64,
    waits: [AtomicU64; WAIT_BOUNDS.len() + 1],
}

impl Counters {
    pub(crate) fn closed(&self, reason: Reason) {
        if let Some(counter) = self.closed.get(reason as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn acquired<T>(&self, since: Instant, outcome: &Result<T, AcquireError>) {
        if outcome.is_err() {
            self.refused.fetch_add(1, Relaxed);
            return;
        }
        let waited = since.elapsed();
        let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.acquired.fetch_add(1, Relaxed);
        self.wait_total.fetch_add(micros, Relaxed);
        self.wait_max.fetch_max(micros, Relaxed);
        let bucket = WAIT_BOUNDS.iter().position(|bound| waited <= *bound).unwrap_or(WAIT_BOUNDS.len());
        if let Some(counter) = self.waits.get(bucket) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// All but what the gate knows.
    pub(crate) fn snapshot(&self) -> PoolStats {
        let idle = self.idle.load(Relaxed);
        let [idle_timeout, lifetime, used_up, dead, broken, shutdown] =
            self.closed.each_ref().map(|counter| counter.load(Relaxed));
        PoolStats {
            idle,
            in_use: self.usable.load(Relaxed).saturating_sub(idle),
            opening: self.opening.load(Relaxed),
            closing: self.closing.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            opened: self.opened.load(Relaxed),
            reused: self.reused.load(Relaxed),
            closed: Closed { idle: idle_timeout, lifetime, used_up, dead, broken, shutdown },
            acquired: self.acquired.load(Relaxed),
            refused: self.refused.load(Relaxed),
            wait_total: Duration::from_micros(self.wait_total.load(Relaxed)),
            wait_max: Duration::from_micros(self.wait_max.load(Relaxed)),
            waits: self.waits.each_ref().map(|counter| counter.load(Relaxed)),
            ..PoolStats::default()
        }
    }
}

/// Counts one more for as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    pub(crate) fn new(counter: &'a AtomicU32) -> Self {
        counter.fetch_add(1, Relaxed);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
