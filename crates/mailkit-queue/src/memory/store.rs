//! What is behind the lock, and what time does to it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::entry::Entry;
use super::index::{Index, first_until};
use super::keys::Keys;
use super::limits::Limits;
use crate::clock::Timestamp;
use crate::error::QueueError;
use crate::id::QueueId;
use crate::message::{Enqueued, Fingerprint, IdempotencyKey, NewMessage};
use crate::query::Stats;
use crate::settings::QueueSettings;
use crate::state::State;

/// All that the queue keeps. Whoever has the lock calls [`run_maintenance`](Self::run_maintenance) first.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) messages: BTreeMap<QueueId, Box<Entry>>,
    pub(super) index: Index,
    pub(super) limits: Limits,
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
            limits: Limits::default(),
            ambiguous_total: 0,
            keys: Keys::new(settings.key_window),
            settings,
            last_id: QueueId::from_bits(0),
        }
    }

    /// Lets time pass: what is due is ready, what has expired is dead, what was finished long ago is forgotten.
    /// Returns whether anything became ready. Leases are ended by who leases, so that a late settlement still counts
    /// while nobody has taken the message.
    pub(super) fn run_maintenance(&mut self, now: Timestamp) -> bool {
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

    /// Forgets those whose retention is over. A held one waits for a person, and stays.
    fn forget(&mut self, until: Timestamp) {
        while let Some(id) = first_until(&self.index.done, until).or_else(|| first_until(&self.index.dead, until)) {
            self.remove(id);
        }
    }

    /// Forgets those that came into one of these terminal states until then; returns how many.
    pub(super) fn purge(&mut self, states: &[State], until: Timestamp) -> u64 {
        let finished = [&self.index.done, &self.index.dead, &self.index.held];
        let old = finished.into_iter().flat_map(|row| row.iter().take_while(|(at, _)| *at <= until));
        let old = old.map(|(_, id)| *id);
        let is_meant = |id: &QueueId| self.messages.get(id).is_some_and(|entry| states.contains(&entry.state));
        let ids: Vec<QueueId> = old.filter(is_meant).collect();
        ids.iter().for_each(|id| self.remove(*id));
        ids.len() as u64
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
            if entry.state != State::Sent {
                self.release_key(&entry);
            }
        }
    }

    /// Lets another message have the key of this one, which was cancelled, or is forgotten without having been sent.
    fn release_key(&mut self, entry: &Entry) {
        if let Some(idempotency) = &entry.idempotency {
            self.keys.release(&idempotency.key, entry.id);
        }
    }

    /// Takes a message back by hand.
    pub(super) fn cancel(&mut self, id: QueueId, now: Timestamp) -> Option<State> {
        let idempotency = self.messages.get(&id).and_then(|entry| entry.idempotency.clone());
        idempotency.into_iter().for_each(|idempotency| self.keys.release(&idempotency.key, id));
        self.change(id, |entry| {
            entry.finish(State::Cancelled, now);
            entry.state
        })
    }

    /// What the key of a message says of it, if the key stands for it.
    pub(super) fn fingerprint(&self, entry: &Entry) -> Option<Fingerprint> {
        let idempotency = entry.idempotency.as_ref()?;
        self.keys.stands_for(&idempotency.key, entry.id).then_some(idempotency.fingerprint)
    }

    /// The message that is in the queue already under the key or the id of a new one.
    fn find_same(&self, message: &NewMessage, now: Timestamp) -> Result<Option<Enqueued>, QueueError> {
        let duplicate = |id| {
            let entry = self.messages.get(&id);
            // A key outlives a message that was sent, and no other.
            Enqueued { id, duplicate: true, state: entry.map_or(State::Sent, |entry| entry.state) }
        };
        if let Some(idempotency) = message.active_key(now, self.keys.window())
            && let Some(id) = self.keys.find(idempotency)?
        {
            return Ok(Some(duplicate(id)));
        }
        let Some((id, entry)) = message.id.and_then(|id| Some((id, self.messages.get(&id)?))) else { return Ok(None) };
        let key =
            |idempotency: &Option<IdempotencyKey>| idempotency.as_ref().map(|idempotency| idempotency.key.clone());
        match key(&entry.idempotency) == key(&message.idempotency) {
            true => Ok(Some(duplicate(id))),
            false => Err(QueueError::Exists(id)),
        }
    }

    /// Whether a message with so much content may come in: the one that is there already, if there is one.
    pub(super) fn admit(
        &self,
        message: &NewMessage,
        size: u64,
        now: Timestamp,
    ) -> Result<Option<Enqueued>, QueueError> {
        if let Some(found) = self.find_same(message, now)? {
            return Ok(Some(found));
        }
        message.check_expiry(now)?;
        if message.archive_of().is_some() {
            return Ok(None);
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
        if let Some(found) = self.admit(&message, content.len() as u64, now)? {
            return Ok(found);
        }
        let id = message.id.unwrap_or_else(|| self.next_id(now));
        if let Some(idempotency) = message.active_key(now, self.keys.window()) {
            self.keys.insert(idempotency, id, message.created_at.map_or(now, |at| at.min(now)));
        }
        let entry = Box::new(Entry::new(message, content, id, now));
        self.index.insert(&entry);
        let state = entry.state;
        self.messages.insert(id, entry);
        Ok(Enqueued { id, duplicate: false, state })
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
