//! A connection of a pool, counted from before it is opened until its socket is shut.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use mailkit_connection::Connection;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use crate::opening::Shared;
use crate::stats::{Counters, Reason};

/// How long the farewell may take before the socket is shut without: while it lasts, no other takes the place.
const PARTING: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) connection: Connection,
    born: Instant,
    /// When it was opened, or came back last.
    pub(crate) idle_since: Instant,
    /// How often it has come back.
    pub(crate) uses: u64,
    place: Place,
}

/// The place of a connection among those that may be open.
#[derive(Debug)]
struct Place {
    shared: Arc<Shared>,
    closing: bool,
    _socket: OwnedSemaphorePermit,
}

impl Link {
    pub(crate) fn new(mut connection: Connection, shared: Arc<Shared>, socket: OwnedSemaphorePermit) -> Self {
        connection.limit_transactions(shared.settings.messages_per_connection.get().into());
        shared.counters.opened.fetch_add(1, Relaxed);
        shared.counters.usable.fetch_add(1, Relaxed);
        let now = Instant::now();
        let place = Place { shared, closing: false, _socket: socket };
        Self { connection, born: now, idle_since: now, uses: 0, place }
    }

    pub(crate) fn has_expired(&self) -> bool {
        self.born.elapsed() >= self.place.shared.settings.max_lifetime
    }

    /// Why it may not be handed out, looking at what has arrived.
    pub(crate) fn unfit_to_go(&mut self) -> Option<Reason> {
        if !self.connection.is_alive() {
            return Some(Reason::Dead);
        }
        self.has_expired().then_some(Reason::Lifetime)
    }

    /// Why it may not be kept.
    pub(crate) fn unfit_to_stay(&self) -> Option<Reason> {
        if self.connection.is_used_up() {
            return Some(Reason::UsedUp);
        }
        if !self.connection.is_clean() {
            return Some(Reason::Broken);
        }
        if self.place.shared.is_closed() {
            return Some(Reason::Shutdown);
        }
        self.has_expired().then_some(Reason::Lifetime)
    }

    /// Parts from the server in the background.
    pub(crate) fn retire(self, reason: Reason) {
        let parting = self.part(reason);
        // Without a runtime, as when the program ends, there is nobody to say goodbye: the socket is shut.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(parting);
        }
    }

    /// Parts from the server: QUIT, if no reply is awaited. Takes 2 seconds at the most.
    pub(crate) fn part(self, reason: Reason) -> impl Future<Output = ()> + Send + use<> {
        let Self { connection, mut place, .. } = self;
        place.close(reason);
        async move {
            if timeout(PARTING, connection.quit()).await.is_err() {
                tracing::debug!("the server did not hear the goodbye");
            }
            drop(place);
        }
    }
}

impl Place {
    fn close(&mut self, reason: Reason) {
        let counters = &self.shared.counters;
        tracing::debug!(endpoint = %self.shared.connector.config().endpoint(), ?reason, "a pooled connection is closed");
        counters.closed(reason);
        counters.closing.fetch_add(1, Relaxed);
        counters.usable.fetch_sub(1, Relaxed);
        self.closing = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Counters { usable, closing, .. } = &self.shared.counters;
        if self.closing { closing } else { usable }.fetch_sub(1, Relaxed);
        self.shared.one_less();
    }
}
