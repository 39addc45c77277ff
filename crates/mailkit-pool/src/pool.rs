//! The pool: waiting in turn for a connection, and being told when it is in vain.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Once};
use std::time::Duration;

use bb8::QueueStrategy;
use mailkit_connection::Connector;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout};

use crate::manager::Manager;
use crate::opening::Shared;
use crate::pooled::Pooled;
use crate::settings::{PoolSettings, SettingsError};
use crate::stats::{Counted, PoolStats};
use crate::{AcquireError, upkeep};

/// After how long without use a connection is asked for a sign of life (NOOP) before it is handed out: routers and
/// firewalls forget quiet connections without a word, and what went into one would be ambiguous.
const LONG_IDLE: Duration = Duration::from_secs(30);

/// How long that sign of life may take: many round trips.
const NOOP_LIMIT: Duration = Duration::from_secs(5);

/// How often bb8 is asked anew: it does not tell who waits that an opening failed.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Connections to one server, shared by all that send to it. Cheap to clone.
///
/// The first connection, and the first after one that failed, is opened alone; further ones side by side.
/// Dropped without [`close`](Self::close), it parts from the server in the background; where the runtime ends before that
/// is done, connections are cut off without a QUIT.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) bb8: bb8::Pool<Manager>,
    pub(crate) shared: Arc<Shared>,
    upkeep: Once,
}

impl Pool {
    /// A pool of connections that this connector opens. Opens nothing yet, and needs no runtime yet.
    ///
    /// # Errors
    /// [`SettingsError`] where the settings make no sense.
    pub fn new(connector: Connector, settings: PoolSettings) -> Result<Self, SettingsError> {
        settings.check()?;
        let shared = Arc::new(Shared::new(connector, settings));
        // Lifetimes, idle time and the number to be kept idle are upkeep's: bb8 would drop connections without a QUIT.
        let bb8 = bb8::Pool::builder()
            .max_size(settings.max_size.get())
            .min_idle(None)
            .max_lifetime(None)
            .idle_timeout(None)
            .connection_timeout(ASK_AGAIN)
            .retry_connection(false)
            .queue_strategy(QueueStrategy::Lifo)
            .build_unchecked(Manager { shared: Arc::clone(&shared) });
        Ok(Self { inner: Arc::new(Inner { bb8, shared, upkeep: Once::new() }) })
    }

    /// Takes a connection: an idle one at once, else whichever comes first of one that is given back and one that is
    /// opened. Those who have to wait are served in turn.
    ///
    /// Cancel safe: a connection that is being opened when the future is dropped is kept for the next.
    ///
    /// # Errors
    /// [`AcquireError`] where the server refuses or cannot be reached and nothing is open, where all connections stay in
    /// use, and where the pool was closed.
    pub async fn acquire(&self) -> Result<Pooled, AcquireError> {
        let shared = &self.inner.shared;
        self.inner.upkeep.call_once(|| upkeep::start(&self.inner));
        let (since, begun) = (Instant::now(), shared.gate.begun());
        let waiting = Counted::new(&shared.counters.waiting);
        let outcome = tokio::select! {
            biased;
            pooled = self.take() => pooled,
            error = self.in_vain(since, begun) => Err(error),
        };
        drop(waiting);
        shared.counters.acquired(since, &outcome);
        outcome
    }

    /// What the pool has done so far.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let Shared { counters, gate, .. } = &*self.inner.shared;
        PoolStats {
            failed: gate.failures(),
            refused_for: gate.refused_for(),
            last_failure: gate.last(),
            ..counters.snapshot()
        }
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &PoolSettings {
        &self.inner.shared.settings
    }

    /// What opens the connections.
    #[must_use]
    pub fn connector(&self) -> &Connector {
        &self.inner.shared.connector
    }

    /// Closes the pool: nobody gets a connection any more, those that are idle are parted from with QUIT, which takes
    /// 2 seconds at the most, and those in use when they come back.
    pub async fn close(&self) {
        self.inner.shared.close();
        upkeep::part_from_all(&self.inner.shared).await;
    }

    async fn take(&self) -> Result<Pooled, AcquireError> {
        let shared = &self.inner.shared;
        let turn = Arc::clone(&shared.turns).acquire_owned().await;
        let mut turn = turn.map_err(|_| AcquireError::Closed)?;
        loop {
            let mut pooled = self.next(turn).await;
            let Some(link) = pooled.link() else { return Err(AcquireError::Closed) };
            let (uses, idle) = (link.uses, link.idle_since.elapsed());
            if idle < LONG_IDLE || matches!(timeout(NOOP_LIMIT, pooled.noop()).await, Ok(Ok(()))) {
                shared.counters.reused.fetch_add(u64::from(uses > 0), Relaxed);
                return Ok(pooled);
            }
            turn = pooled.into_turn();
        }
    }

    /// The next connection. With a turn, there is an idle one, or a place to open one.
    async fn next(&self, turn: OwnedSemaphorePermit) -> Pooled {
        loop {
            if let Ok(slot) = self.inner.bb8.get_owned().await {
                return Pooled::new(slot, turn);
            }
        }
    }

    /// Waits until it is clear that no connection will come.
    async fn in_vain(&self, since: Instant, begun: u64) -> AcquireError {
        let Shared { counters, gate, settings, .. } = &*self.inner.shared;
        let mut news = self.inner.shared.news.subscribe();
        let limit = settings.acquire_timeout;
        // A limit beyond what the clock can tell is none: it is looked at now and then.
        let mut look = since.checked_add(limit).unwrap_or(since + LONG_IDLE);
        loop {
            if self.inner.shared.is_closed() {
                return AcquireError::Closed;
            }
            let (usable, closing) = (counters.usable.load(Relaxed), counters.closing.load(Relaxed));
            if let Some(error) = gate.verdict(since, begun).filter(|_| !self.inner.shared.stands()) {
                return error;
            }
            // Opening has time limits of its own, with better words. Where nothing is open, a connection is about to be opened,
            // or the gate says why not.
            let is_busy = usable > 0 || closing > 0 && counters.opening.load(Relaxed) == 0;
            if since.elapsed() >= limit && is_busy {
                return AcquireError::TimedOut { limit, in_use: usable + closing, last: gate.last() };
            }
            tokio::select! {
                _ = news.changed() => {}
                () = sleep_until(look) => look = Instant::now() + ASK_AGAIN,
            }
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = self.connector().config().endpoint();
        f.debug_struct("Pool").field("endpoint", endpoint).finish_non_exhaustive()
    }
}
