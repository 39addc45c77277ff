//! What is behind the lock, and what time does to it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::entry::Entry;
use super::index::{Index, first_until};
use super::keys::Keys;
use super::quotas::Quotas;
use crate::clock::Timestamp;
use crate::error::QueueError;
use crate::id::QueueId;
use crate::message::{Enqueued, NewMessage};
use crate::query::Stats;
use crate::settings::QueueSettings;

/// All that the queue keeps. Whoever has the lock calls [`pass`](Self::pass) first.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) messages: BTreeMap<QueueId, Box<Entry>>,
    pub(super) index: Index,
    pub(super) quotas: Quotas,
    pub(super) ambiguous_total: u64,
    keys: Keys,
    settings: QueueSettings,
    last_id: QueueId,
}

impl Store {
    pub(super) fn new(settings: QueueSettings) -> Self {
        Self {
            messages: BTreeMap::new(),
            index: Index::default(),
            quotas: Quotas::default(),
            ambiguous_total: 0,
            keys: Keys::new(settings.key_window),
            settings,
            last_id: QueueId::from_bits(0),
        }
    }

    /// Lets time pass: what is due is ready, what has expired is dead, what was finished long ago is forgotten.
    /// Returns whether anything became ready. Leases are ended by who leases, so that a late settlement still counts
    /// while nobody has taken the message.
    pub(super) fn pass(&mut self, now: Timestamp) -> bool {
        while let Some(id) = first_until(&self.index.expiring, now) {
            self.change(id, |entry| entry.expire(now));
        }
        let mut any_ready = false;
        while let Some(id) = first_until(&self.index.scheduled, now) {
            any_ready = true;
            self.change(id, |entry| entry.open(entry.due, now));
        }
        self.forget(now - self.settings.retention);
        self.keep_bounds();
        self.keys.forget(now);
        any_ready
    }

    /// Changes a message and where it is found. Nothing happens where there is none of that name.
    pub(super) fn change<T>(&mut self, id: QueueId, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let entry = self.messages.get_mut(&id)?;
        self.index.remove(entry);
        let result = change(entry);
        self.index.insert(entry);
        Some(result)
    }

    /// Forgets those that were finished until then; returns how many. A held one waits for a person, and stays.
    pub(super) fn forget(&mut self, until: Timestamp) -> u64 {
        let mut count = 0;
        while let Some(id) = first_until(&self.index.done, until).or_else(|| first_until(&self.index.dead, until)) {
            self.remove(id);
            count += 1;
        }
        count
    }

    /// Forgets the oldest finished messages where there are too many.
    fn keep_bounds(&mut self) {
        let QueueSettings { max_messages, max_bytes, .. } = self.settings;
        while let Some((_, id)) = self.index.done.first().filter(|_| self.index.done.len() as u64 > max_messages) {
            self.remove(*id);
        }
        let too_many_dead = |index: &Index| index.dead.len() as u64 > max_messages || index.dead_bytes > max_bytes;
        while let Some((_, id)) = self.index.dead.first().filter(|_| too_many_dead(&self.index)) {
            self.remove(*id);
        }
    }

    fn remove(&mut self, id: QueueId) {
        if let Some(entry) = self.messages.remove(&id) {
            self.index.remove(&entry);
        }
    }

    /// Whether a message with so much content may come in: the one that its key stands for already, where there is one.
    pub(super) fn admit(&self, message: &NewMessage, size: u64) -> Result<Option<Enqueued>, QueueError> {
        if let Some(idempotency) = &message.idempotency
            && let Some(id) = self.keys.find(idempotency)?
        {
            return Ok(Some(Enqueued { id, duplicate: true }));
        }
        if let Some(id) = message.id.filter(|id| self.messages.contains_key(id)) {
            return Err(QueueError::Exists(id));
        }
        let QueueSettings { max_messages, max_bytes, .. } = self.settings;
        let full = |limit: String| Err(QueueError::Full { limit });
        if self.index.counts.unfinished() >= max_messages {
            return full(format!("it holds {max_messages} unfinished messages, as many as it may"));
        }
        if self.index.open_bytes.saturating_add(size) > max_bytes {
            let held = self.index.open_bytes;
            return full(format!(
                "it holds {held} octets of the {max_bytes} that it may, and {size} more are too many"
            ));
        }
        Ok(None)
    }

    /// Takes a message in.
    pub(super) fn enqueue(
        &mut self,
        message: NewMessage,
        content: Bytes,
        now: Timestamp,
    ) -> Result<Enqueued, QueueError> {
        if let Some(found) = self.admit(&message, content.len() as u64)? {
            return Ok(found);
        }
        let id = message.id.unwrap_or_else(|| self.next_id(now));
        if let Some(idempotency) = &message.idempotency {
            self.keys.insert(idempotency, id, message.created_at.unwrap_or(now));
        }
        let entry = Box::new(Entry::new(message, content, id, now));
        self.index.insert(&entry);
        self.messages.insert(id, entry);
        Ok(Enqueued { id, duplicate: false })
    }

    /// A name after all that were made here, so that within a millisecond too the order is that of enqueueing.
    fn next_id(&mut self, now: Timestamp) -> QueueId {
        let after = QueueId::from_bits(self.last_id.to_bits() + 1);
        // The highest bit of chance stays free: a row of names after this one is still of this millisecond.
        self.last_id = QueueId::new(now, fastrand::u128(..) >> 49).max(after);
        while self.messages.contains_key(&self.last_id) {
            self.last_id = QueueId::from_bits(self.last_id.to_bits() + 1);
        }
        self.last_id
    }

    /// How long until time brings something for a worker: a message that is due, or a lease that runs out.
    pub(super) fn next_event(&self, now: Timestamp) -> Option<Duration> {
        let rows = [&self.index.scheduled, &self.index.leased];
        rows.into_iter().filter_map(|row| row.first()).map(|(at, _)| *at - now).min()
    }

    pub(super) fn stats(&self, now: Timestamp) -> Stats {
        let oldest_ready = self.index.ready.oldest().map(|since| now - since);
        Stats { oldest_ready, ambiguous_total: self.ambiguous_total, ..self.index.counts }
    }
}
