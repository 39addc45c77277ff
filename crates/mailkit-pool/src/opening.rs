//! What a pool and its connections share, and how a connection is opened.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use mailkit_connection::{Cause, Connection, Connector, Error};
use mailkit_smtp::client::BeginError;
use tokio::sync::{Semaphore, watch};

use crate::gate::Gate;
use crate::link::Link;
use crate::manager::Berth;
use crate::settings::PoolSettings;
use crate::stats::{Counted, Counters, Reason};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) connector: Connector,
    pub(crate) settings: PoolSettings,
    pub(crate) gate: Gate,
    pub(crate) counters: Counters,
    /// A permit for each socket, from before it is opened until it is shut.
    sockets: Arc<Semaphore>,
    /// A permit for each connection that may be in use; who waits for one waits in turn.
    pub(crate) turns: Arc<Semaphore>,
    berths: Mutex<Vec<Weak<Berth>>>,
    /// Told when those who wait may have waited in vain.
    pub(crate) news: watch::Sender<()>,
    closed: AtomicBool,
}

/// No connection was opened; the gate knows why.
#[derive(Debug)]
pub(crate) struct NotOpened;

impl Shared {
    pub(crate) fn new(connector: Connector, settings: PoolSettings) -> Self {
        let places = usize::try_from(settings.max_size.get()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self {
            connector,
            settings,
            gate: Gate::new(),
            counters: Counters::default(),
            sockets: Arc::new(Semaphore::new(places)),
            turns: Arc::new(Semaphore::new(places)),
            berths: Mutex::default(),
            news: watch::Sender::new(()),
            closed: AtomicBool::new(false),
        }
    }

    /// Opens a connection, once there is a place for it and the server may be asked, if it is `needed` then.
    ///
    /// Cancel safe: what was opened is closed.
    pub(crate) async fn open(self: &Arc<Self>, needed: impl Fn() -> bool) -> Result<Box<Link>, NotOpened> {
        let socket = Arc::clone(&self.sockets).acquire_owned().await.map_err(|_| NotOpened)?;
        let pass = self.gate.enter(|| self.stands(), needed).await.ok_or(NotOpened)?;
        let opening = Counted::new(&self.counters.opening);
        let outcome = tokio::select! {
            outcome = self.connector.connect() => outcome,
            () = self.closing() => return Err(NotOpened),
        };
        let endpoint = self.connector.config().endpoint();
        let connection = match outcome.and_then(usable) {
            Ok(connection) => connection,
            Err(error) => {
                let reason = chain(&error);
                let pause = self.gate.failed(pass.number, error, !self.stands());
                drop((opening, pass));
                tracing::warn!(%endpoint, reason, ?pause, "no connection");
                self.news.send_replace(());
                return Err(NotOpened);
            }
        };
        tracing::debug!(%endpoint, peer = %connection.peer(), "a pooled connection was opened");
        let link = Box::new(Link::new(connection, Arc::clone(self), socket, pass.number));
        self.gate.opened();
        if self.is_closed() {
            link.part(Reason::Shutdown).await;
            return Err(NotOpened);
        }
        Ok(link)
    }

    /// A connection, opened by the pass of that number, ended before a message was answered on it.
    pub(crate) fn was_useless(&self, number: u64, error: Error) {
        let reason = chain(&error);
        let pause = self.gate.was_useless(number, error, !self.stands());
        let endpoint = self.connector.config().endpoint();
        tracing::warn!(%endpoint, reason, ?pause, "a connection ended before a message was answered on it");
        self.news.send_replace(());
    }

    /// Whether any connection stands at the server, other than those that were of no use.
    pub(crate) fn stands(&self) -> bool {
        let Counters { usable, closing, useless, .. } = &self.counters;
        usable.load(Relaxed) + closing.load(Relaxed) > useless.load(Relaxed)
    }

    /// A connection has gone. With the last one may go what others waited for.
    pub(crate) fn one_less(&self) {
        if !self.stands() && !self.gate.is_proven() {
            self.news.send_replace(());
        }
    }

    pub(crate) fn register(&self, berth: &Arc<Berth>) {
        let mut berths = self.lock_berths();
        berths.retain(|berth| berth.strong_count() > 0);
        berths.push(Arc::downgrade(berth));
    }

    /// The places in bb8's queue, and those whose connection is in use.
    pub(crate) fn berths(&self) -> Vec<Arc<Berth>> {
        self.lock_berths().iter().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Relaxed);
        self.turns.close();
        self.news.send_replace(());
    }

    /// Returns when the pool is closed.
    async fn closing(&self) {
        let mut news = self.news.subscribe();
        // It cannot fail: the sender is here.
        let _ = news.wait_for(|()| self.is_closed()).await;
    }

    fn lock_berths(&self) -> MutexGuard<'_, Vec<Weak<Berth>>> {
        self.berths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses a connection that is of no use from the start: the server has closed it, or spoken out of turn, behind its last
/// reply; or allows no message on it.
fn usable(mut connection: Connection) -> Result<Connection, Error> {
    if connection.is_alive() {
        return Ok(connection);
    }
    Err(connection.failure().unwrap_or_else(|| Cause::Begin(BeginError::UsedUp).into()))
}

/// The words of an error and of its sources.
fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |words, source| format!("{words}: {source}"))
}
