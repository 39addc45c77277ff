//! A queue in memory, which is lost when the process ends.
//!
//! One lock protects the store and is never held across an await. Every operation takes a number of steps that grows with the
//! logarithm of the number of messages. Each operation first runs the maintenance: due messages become ready, expired ones
//! become dead, and old finished ones are removed.

mod changes;
mod content;
mod controls;
mod entry;
mod index;
mod keys;
mod leasing;
mod limits;
mod queries;
mod ready;
mod recipients;
mod store;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use self::content::Prepared;
use self::store::Store;
use crate::change::{Changes, Cursor};
use crate::clock::{Clock, Timestamp};
use crate::content::Content;
use crate::control::{Control, ControlPut, ControlValue, Expected};
use crate::error::{EnqueueAllError, QueueError};
use crate::health::{Durability, Health, Verification};
use crate::id::QueueId;
use crate::lease::{LeaseRequest, LeaseToken, Leased};
use crate::limit::{Acquired, LimitRequest, Permit};
use crate::message::{Enqueued, NewMessage};
use crate::query::{Command, Filter, Page, Stats};
use crate::queue::Queue;
use crate::record::Record;
use crate::settings::QueueSettings;
use crate::settlement::Settlement;
use crate::state::State;
use crate::text::{ConsumerName, ControlKey};

/// The longest time that a worker waits before it leases again. A wake-up is lost if the worker that received it is dropped.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A queue in memory. It is cheap to clone, and all clones are the same queue.
///
/// Messages are lost when the process ends. It needs a tokio runtime with time. With [`Clock::tokio`], waiting follows a paused
/// clock of the runtime.
///
/// Memory is bounded. The settings limit the unfinished messages. The same limits apply to dead messages: beyond them the
/// oldest are removed before the end of their retention. Sent and cancelled messages have no content, and their number has
/// the same limit. A message keeps its last 50 attempts. The number of held messages has no limit, since each waits for an
/// operator.
///
/// ```
/// use std::num::NonZeroU32;
/// use std::time::Duration;
/// use mailkit_address::Envelope;
/// use mailkit_queue::{LeaseRequest, MemoryQueue, NewMessage, Queue};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let queue = MemoryQueue::new();
/// let envelope = Envelope::null_sender(vec!["bob@example.org".parse()?])?;
/// let enqueued = queue.enqueue(NewMessage::new(envelope, "Subject: hello\r\n\r\nHello.\r\n")).await?;
///
/// let leased = queue.lease(&LeaseRequest::new(NonZeroU32::MIN, Duration::from_secs(60))).await?;
/// assert_eq!(leased[0].id(), enqueued.id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryQueue {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Mutex<Store>,
    clock: Clock,
    max_bytes: u64,
    wake: Notify,
}

impl MemoryQueue {
    /// An empty queue with the system's clock and the default settings, except that finished messages stay for one hour.
    #[must_use]
    pub fn new() -> Self {
        let retention = Duration::from_secs(60 * 60);
        Self::with(QueueSettings { retention, ..QueueSettings::default() }, Clock::system())
    }

    /// An empty queue with these settings and this clock.
    #[must_use]
    pub fn with(settings: QueueSettings, clock: Clock) -> Self {
        let store = Mutex::new(Store::new(settings));
        Self { shared: Arc::new(Shared { store, clock, max_bytes: settings.max_bytes, wake: Notify::new() }) }
    }

    /// Locks the store, runs its maintenance, and returns it with the current time.
    fn store(&self) -> Result<(MutexGuard<'_, Store>, Timestamp), QueueError> {
        let poisoned = |_| QueueError::Failed("a thread panicked while it changed the queue".into());
        let mut store = self.shared.store.lock().map_err(poisoned)?;
        // Read under the lock, so that no operation sees an earlier time than the one before.
        let now = self.shared.clock.now();
        if store.run_maintenance(now) {
            self.wake();
        }
        Ok((store, now))
    }

    /// Wakes all waiting workers and the next one that waits.
    fn wake(&self) {
        self.shared.wake.notify_waiters();
        self.shared.wake.notify_one();
    }

    /// Wakes the waiting workers if a new state of a message concerns them. A scheduled message does, since their waiting
    /// time does not take it into account yet.
    fn wake_for(&self, states: &[Result<State, QueueError>]) {
        if states.iter().flatten().any(|state| !state.is_terminal()) {
            self.wake();
        }
    }

    /// Reads the content of a message into memory, if the message may be stored.
    async fn prepare(&self, message: &NewMessage) -> Result<Prepared, QueueError> {
        if let Some(bytes) = message.content.in_memory() {
            return Ok(Prepared::Content(bytes.clone()));
        }
        let admitted = {
            let (store, now) = self.store()?;
            store.admit(message, message.content.size().unwrap_or(0), now)
        };
        Ok(match admitted.transpose() {
            Some(answer) => Prepared::Answered(answer),
            None => match content::read(message.content.clone(), self.shared.max_bytes).await {
                Ok(content) => Prepared::Content(content),
                Err(error) => Prepared::Answered(Err(error)),
            },
        })
    }

    /// The time after which a waiting worker has to lease again.
    fn pause(&self) -> Duration {
        let Ok((store, now)) = self.store() else { return LONGEST_WAIT };
        store.next_event(now).map_or(LONGEST_WAIT, |until| until.min(LONGEST_WAIT))
    }
}

impl Default for MemoryQueue {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    /// Content that is not in memory is read on a blocking thread, before anything is stored.
    async fn enqueue(&self, message: NewMessage) -> Result<Enqueued, QueueError> {
        let prepared = self.prepare(&message).await?;
        let (mut store, now) = self.store()?;
        let enqueued = store.enqueue(message, prepared, now)?;
        drop(store);
        self.wake();
        Ok(enqueued)
    }

    async fn enqueue_many(&self, messages: Vec<NewMessage>) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError> {
        let mut prepared = Vec::with_capacity(messages.len());
        for message in messages {
            let content = self.prepare(&message).await?;
            prepared.push((message, content));
        }
        let (mut store, now) = self.store()?;
        let results = prepared.into_iter().map(|(message, content)| store.enqueue(message, content, now)).collect();
        drop(store);
        self.wake();
        Ok(results)
    }

    async fn enqueue_all(&self, messages: Vec<NewMessage>) -> Result<Vec<Enqueued>, EnqueueAllError> {
        let mut prepared = Vec::with_capacity(messages.len());
        for (index, message) in messages.into_iter().enumerate() {
            match self.prepare(&message).await? {
                Prepared::Answered(Err(error)) => return Err(EnqueueAllError::refused(index, error)),
                content => prepared.push((message, content)),
            }
        }
        let (mut store, now) = self.store()?;
        let enqueued = store.enqueue_all(prepared, now)?;
        drop(store);
        self.wake();
        Ok(enqueued)
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Leased>, QueueError> {
        let (mut store, now) = self.store()?;
        let leased = store.lease(request, now);
        let is_more = !leased.is_empty() && !store.index.ready.is_empty();
        drop(store);
        if is_more {
            self.wake();
        }
        Ok(leased)
    }

    async fn wait(&self) {
        // Created before the store is read, so that every change after that wakes this worker.
        let woken = self.shared.wake.notified();
        // Woken or timed out: in both cases the caller leases.
        let _ = tokio::time::timeout(self.pause(), woken).await;
    }

    async fn renew(&self, leases: &[LeaseToken], duration: Duration) -> Result<Vec<LeaseToken>, QueueError> {
        let (mut store, now) = self.store()?;
        Ok(store.renew(leases, duration, now))
    }

    async fn record_commit_points(&self, leases: &[LeaseToken]) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        let (mut store, now) = self.store()?;
        Ok(leases.iter().map(|token| store.record_commit_point(*token, now)).collect())
    }

    async fn settle_many(
        &self,
        settlements: &[(LeaseToken, &Settlement)],
    ) -> Result<Vec<Result<State, QueueError>>, QueueError> {
        let (mut store, now) = self.store()?;
        let states: Vec<_> =
            settlements.iter().map(|(token, settlement)| store.settle(*token, settlement, now)).collect();
        drop(store);
        self.wake_for(&states);
        Ok(states)
    }

    async fn acquire(&self, requests: &[LimitRequest]) -> Result<Acquired, QueueError> {
        let (mut store, now) = self.store()?;
        Ok(store.limits.acquire(requests, now))
    }

    async fn release(&self, permit: Permit) -> Result<(), QueueError> {
        self.store()?.0.limits.release(permit);
        Ok(())
    }

    async fn get(&self, id: QueueId) -> Result<Option<Record>, QueueError> {
        Ok(self.store()?.0.get(id))
    }

    /// Sent and cancelled messages have no content.
    async fn content(&self, id: QueueId) -> Result<Option<Content>, QueueError> {
        let (store, _) = self.store()?;
        let kept = |state| !matches!(state, State::Sent | State::Cancelled);
        Ok(store
            .messages
            .get(&id)
            .filter(|entry| kept(entry.lifecycle.state))
            .map(|entry| entry.content.clone().into()))
    }

    async fn list(&self, filter: &Filter) -> Result<Page, QueueError> {
        let (mut records, mut from) = (Vec::new(), filter.cursor);
        // One more than the limit tells whether there is another page.
        let limit = filter.page_size();
        let most = limit + 1;
        while records.len() < most {
            from = self.store()?.0.list(filter, from, most, &mut records);
            if from.is_none() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let is_more = records.len() > limit;
        records.truncate(limit);
        let next = records.last().filter(|_| is_more).map(|record| record.id);
        Ok(Page::new(records, next))
    }

    async fn apply_many(
        &self,
        ids: &[QueueId],
        command: Command,
    ) -> Result<Vec<Result<State, QueueError>>, QueueError> {
        let (mut store, now) = self.store()?;
        let states: Vec<_> = ids.iter().map(|id| store.apply(*id, command, now)).collect();
        drop(store);
        self.wake_for(&states);
        Ok(states)
    }

    async fn purge(&self, states: &[State], older_than: Duration) -> Result<u64, QueueError> {
        let (mut store, now) = self.store()?;
        Ok(store.purge(states, now - older_than))
    }

    async fn stats(&self) -> Result<Stats, QueueError> {
        let (store, now) = self.store()?;
        Ok(store.stats(now))
    }

    async fn control_get(&self, key: &ControlKey) -> Result<Option<Control>, QueueError> {
        let (store, now) = self.store()?;
        Ok(store.controls.get(key, now).cloned())
    }

    /// All controls together have up to 64 MiB.
    async fn control_put(
        &self,
        key: &ControlKey,
        value: Option<ControlValue>,
        expected: Expected,
        ttl: Option<Duration>,
    ) -> Result<ControlPut, QueueError> {
        let (mut store, now) = self.store()?;
        let before = store.controls.version();
        let put = store.controls.put(key, value, expected, ttl.map(|ttl| now + ttl), now);
        if store.controls.version() != before {
            self.wake();
        }
        put
    }

    async fn control_list(
        &self,
        prefix: &str,
        after: Option<&ControlKey>,
        limit: usize,
    ) -> Result<Vec<(ControlKey, Control)>, QueueError> {
        let (store, now) = self.store()?;
        Ok(store.controls.list(prefix, after, limit, now))
    }

    async fn controls_version(&self) -> Result<u64, QueueError> {
        Ok(self.store()?.0.controls.version())
    }

    async fn register_consumer(&self, name: &ConsumerName) -> Result<Cursor, QueueError> {
        let (mut store, now) = self.store()?;
        store.changes.register(name, now)
    }

    async fn store_cursor(&self, name: &ConsumerName, cursor: Cursor) -> Result<(), QueueError> {
        let (mut store, now) = self.store()?;
        store.changes.store_cursor(name, cursor, now)
    }

    async fn drop_consumer(&self, name: &ConsumerName) -> Result<(), QueueError> {
        self.store()?.0.changes.drop_consumer(name);
        Ok(())
    }

    /// Up to 100,000 changes are kept for the slowest consumer.
    async fn changes(&self, after: Cursor, max: usize) -> Result<Changes, QueueError> {
        Ok(self.store()?.0.changes.read(after, max))
    }

    async fn check(&self) -> Result<Health, QueueError> {
        drop(self.store()?);
        Ok(Health::new("memory", env!("CARGO_PKG_VERSION"), Durability::None))
    }

    /// Memory cannot be damaged without the whole process: there is nothing to compare.
    async fn verify(&self, _repair: bool) -> Result<Verification, QueueError> {
        drop(self.store()?);
        Ok(Verification::default())
    }

    fn clock(&self) -> &Clock {
        &self.shared.clock
    }
}
