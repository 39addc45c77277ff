//! A connection of a pool, counted from before it is opened until its socket is shut.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use mailkit_connection::{Cause, Connection, Error};
use mailkit_smtp::client;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use crate::opening::Shared;
use crate::stats::{Counters, Reason};

/// How long a connection must have been idle for a server to have lost it: servers that are short of places hang up
/// on idle clients after some seconds (Postfix under stress after 10).
pub(crate) const FRESH: Duration = Duration::from_secs(1);

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
    /// How long it had been idle when it was taken out last, to be used or closed.
    rested: Duration,
    /// Of the pass that it was opened by.
    number: u64,
    place: Place,
}

/// The place of a connection among those that may be open.
#[derive(Debug)]
struct Place {
    shared: Arc<Shared>,
    closing: bool,
    /// Whether it ended before a message was answered on it.
    useless: bool,
    _socket: OwnedSemaphorePermit,
}

impl Link {
    pub(crate) fn new(
        mut connection: Connection,
        shared: Arc<Shared>,
        socket: OwnedSemaphorePermit,
        number: u64,
    ) -> Self {
        connection.limit_transactions(shared.settings.messages_per_connection.get().into());
        shared.counters.opened.fetch_add(1, Relaxed);
        shared.counters.usable.fetch_add(1, Relaxed);
        let now = Instant::now();
        let place = Place { shared, closing: false, useless: false, _socket: socket };
        Self { connection, born: now, idle_since: now, uses: 0, rested: Duration::ZERO, number, place }
    }

    pub(crate) fn has_expired(&self) -> bool {
        self.born.elapsed() >= self.place.shared.settings.max_lifetime
    }

    /// Why it may not be handed out, looking at what has arrived.
    pub(crate) fn unfit_to_go(&mut self) -> Option<Reason> {
        self.rested = self.idle_since.elapsed();
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
        let useless = self.why_useless();
        let Self { connection, mut place, number, .. } = self;
        place.useless = useless.is_some();
        place.close(reason);
        if let Some(error) = useless {
            place.shared.was_useless(number, error);
        }
        async move {
            if timeout(PARTING, connection.quit()).await.is_err() {
                tracing::debug!("the server did not hear the goodbye");
            }
            drop(place);
        }
    }
}

impl Link {
    /// Notes that it came back, and lets the pool know where a message was answered on it.
    pub(crate) fn came_back(&mut self) {
        self.idle_since = Instant::now();
        self.uses += 1;
        if self.connection.has_answered() {
            self.place.shared.gate.answered();
        }
    }

    /// What ended it before a message was answered on it, where that counts as a failure to connect: the same would at once
    /// end the next one. One that died after it was kept idle for a while is an ordinary loss.
    fn why_useless(&self) -> Option<Error> {
        if self.connection.has_answered() {
            return None;
        }
        let error = self.connection.failure().filter(|error| !is_ours(error))?;
        if self.rested < FRESH {
            return Some(error);
        }
        self.place.shared.gate.died_idle();
        None
    }
}

/// Whether the conversation ended for a reason of this side: the content did not come, or was given up.
fn is_ours(error: &Error) -> bool {
    use client::Error::{Abandoned, Argument, ContentStalled};
    matches!(error.cause(), Cause::Session(Abandoned | Argument(_) | ContentStalled(_)))
}

impl Place {
    fn close(&mut self, reason: Reason) {
        let counters = &self.shared.counters;
        tracing::debug!(endpoint = %self.shared.connector.config().endpoint(), ?reason, "a pooled connection is closed");
        counters.closed(reason);
        counters.useless.fetch_add(u32::from(self.useless), Relaxed);
        counters.closing.fetch_add(1, Relaxed);
        counters.usable.fetch_sub(1, Relaxed);
        self.closing = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Counters { usable, closing, useless, .. } = &self.shared.counters;
        if self.closing { closing } else { usable }.fetch_sub(1, Relaxed);
        useless.fetch_sub(u32::from(self.useless && self.closing), Relaxed);
        self.shared.one_less();
    }
}
