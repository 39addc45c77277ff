//! The data behind the lock, and its maintenance.

use std::collections::BTreeMap;
use std::time::Duration;

use super::changes::ChangeLog;
use super::content::Prepared;
use super::controls::Controls;
use super::entry::Entry;
use super::index::{Index, first_until};
use super::keys::Keys;
use super::limits::Limits;
use crate::clock::Timestamp;
use crate::error::{EnqueueAllError, QueueError};
use crate::id::QueueId;
use crate::message::{Enqueued, Fingerprint, Idempotency, NewMessage};
use crate::query::Stats;
use crate::settings::QueueSettings;
use crate::settlement::Settlement;
use crate::state::State;
use crate::transition::{Change, Event, transition};

/// All data of the queue. [`run_maintenance`](Self::run_maintenance) is called first after each lock.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) messages: BTreeMap<QueueId, Box<Entry>>,
    pub(super) index: Index,
    pub(super) limits: Limits,
    pub(super) controls: Controls,
    pub(super) changes: ChangeLog,
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
            controls: Controls::default(),
            changes: ChangeLog::default(),
            ambiguous_total: 0,
            keys: Keys::new(settings.key_window),
            settings,
            last_id: QueueId::from_bits(0),
        }
    }

    /// Makes due messages ready and expired ones dead, and removes finished messages after their retention. Returns whether a
    /// message became ready.
    ///
    /// Expired leases are ended in `lease` only, so that a late settlement is accepted until the message is leased again.
    pub(super) fn run_maintenance(&mut self, now: Timestamp) -> bool {
        self.changes.drop_silent(now);
        while let Some(id) = first_until(&self.index.expiring, now) {
            if !self.apply_event(id, Event::Expire, now) {
                break;
            }
        }
        let mut any_ready = false;
        while let Some(id) = first_until(&self.index.scheduled, now) {
            any_ready = true;
            if !self.apply_event(id, Event::Promote, now) {
                break;
            }
        }
        self.forget(now - self.settings.retention);
        self.keep_bounds();
        self.keys.forget(now);
        any_ready
    }

    /// Applies an event. Returns whether the state of the message allowed it.
    pub(super) fn apply_event(&mut self, id: QueueId, event: Event<'_>, now: Timestamp) -> bool {
        self.change(id, None, now, |entry| transition(&entry.lifecycle, event, now).ok()).is_some()
    }

    /// Applies the change that `decide` returns, and updates the indexes, the counters and the idempotency key. Returns the
    /// message after the change. Returns `None` if there is no message with this id, or if `decide` returns `None`.
    ///
    /// `decide` must not change a field that an index uses in the present state of the message.
    pub(super) fn change(
        &mut self,
        id: QueueId,
        settlement: Option<&Settlement>,
        now: Timestamp,
        decide: impl FnOnce(&mut Entry) -> Option<Change>,
    ) -> Option<&Entry> {
        let entry = self.messages.get_mut(&id)?;
        let change = decide(entry)?;
        self.index.remove(entry);
        let previous = entry.lifecycle.state;
        entry.apply(&change, settlement, now);
        self.index.insert(entry);
        if self.changes.is_active() && entry.lifecycle.state != previous {
            self.changes.log(entry, Some(previous), now);
        }
        self.ambiguous_total += u64::from(change.is_ambiguous);
        if change.frees_key()
            && let Some(idempotency) = &entry.idempotency
        {
            self.keys.release(&idempotency.key, id);
        }
        Some(entry)
    }

    /// Removes messages after their retention. Held messages stay.
    fn forget(&mut self, until: Timestamp) {
        while let Some(id) = first_until(&self.index.done, until).or_else(|| first_until(&self.index.dead, until)) {
            self.remove(id);
        }
    }

    /// Removes messages that came into one of these terminal states until then, and returns their number.
    pub(super) fn purge(&mut self, states: &[State], until: Timestamp) -> u64 {
        let finished = [&self.index.done, &self.index.dead, &self.index.held];
        let old = finished.into_iter().flat_map(|by_time| by_time.iter().take_while(|(at, _)| *at <= until));
        let old = old.map(|(_, id)| *id);
        let is_meant =
            |id: &QueueId| self.messages.get(id).is_some_and(|entry| states.contains(&entry.lifecycle.state));
        let ids: Vec<QueueId> = old.filter(is_meant).collect();
        ids.iter().for_each(|id| self.remove(*id));
        ids.len() as u64
    }

    /// Removes the oldest finished messages beyond the limits.
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
            if entry.lifecycle.state != State::Sent {
                self.release_key(&entry);
            }
        }
    }

    /// Frees the key of a message that was cancelled, or is removed without having been sent.
    fn release_key(&mut self, entry: &Entry) {
        if let Some(idempotency) = &entry.idempotency {
            self.keys.release(&idempotency.key, entry.id);
        }
    }

    /// The fingerprint under the key of a message. `None` if the key does not stand for it.
    pub(super) fn fingerprint(&self, entry: &Entry) -> Option<Fingerprint> {
        let idempotency = entry.idempotency.as_ref()?;
        self.keys.stands_for(&idempotency.key, entry.id).then_some(idempotency.fingerprint)
    }

    /// The duplicate of a new message by its key or its id. `None` if there is none.
    fn find_same(&self, message: &NewMessage, now: Timestamp) -> Result<Option<Enqueued>, QueueError> {
        let duplicate = |id| {
            // Only the key of a sent message stays after the message was removed.
            Enqueued::duplicate(id, self.messages.get(&id).map_or(State::Sent, |entry| entry.lifecycle.state))
        };
        if let Some(idempotency) = message.active_key(now, self.keys.window())
            && let Some(id) = self.keys.find(idempotency)?
        {
            return Ok(Some(duplicate(id)));
        }
        let Some((id, entry)) = message.id.and_then(|id| Some((id, self.messages.get(&id)?))) else { return Ok(None) };
        let key = |idempotency: &Option<Idempotency>| idempotency.as_ref().map(|idempotency| idempotency.key.clone());
        match key(&entry.idempotency) == key(&message.idempotency) {
            true => Ok(Some(duplicate(id))),
            false => Err(QueueError::Exists(id)),
        }
    }

    /// Checks whether a message with `size` octets of content may be stored. Returns the duplicate, if there is one.
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
            return full(format!("it has {max_messages} unfinished messages, which is the maximum"));
        }
        if self.index.open_bytes.saturating_add(size) > max_bytes {
            let held = self.index.open_bytes;
            return full(format!(
                "it has {held} octets of unfinished messages, and {size} more exceed the maximum of {max_bytes}"
            ));
        }
        Ok(None)
    }

    /// Stores messages, or none of them if one is refused.
    pub(super) fn enqueue_all(
        &mut self,
        messages: Vec<(NewMessage, Prepared)>,
        now: Timestamp,
    ) -> Result<Vec<Enqueued>, EnqueueAllError> {
        let mut enqueued: Vec<Enqueued> = Vec::with_capacity(messages.len());
        for (index, (message, prepared)) in messages.into_iter().enumerate() {
            match self.insert(message, prepared, now) {
                Ok(one) => enqueued.push(one),
                Err(error) => {
                    enqueued.iter().filter(|one| !one.duplicate).for_each(|one| self.remove(one.id));
                    return Err(EnqueueAllError::refused(index, error));
                }
            }
        }
        // A refused batch logs nothing.
        enqueued.iter().for_each(|one| self.log_new(*one, now));
        Ok(enqueued)
    }

    /// Stores a message.
    pub(super) fn enqueue(
        &mut self,
        message: NewMessage,
        prepared: Prepared,
        now: Timestamp,
    ) -> Result<Enqueued, QueueError> {
        let enqueued = self.insert(message, prepared, now)?;
        self.log_new(enqueued, now);
        Ok(enqueued)
    }

    /// Logs the first state of a message, unless it is a duplicate.
    fn log_new(&mut self, enqueued: Enqueued, now: Timestamp) {
        if self.changes.is_active()
            && !enqueued.duplicate
            && let Some(entry) = self.messages.get(&enqueued.id)
        {
            self.changes.log(entry, None, now);
        }
    }

    /// Stores a message without an entry in the log of changes.
    fn insert(&mut self, message: NewMessage, prepared: Prepared, now: Timestamp) -> Result<Enqueued, QueueError> {
        let content = match prepared {
            Prepared::Content(content) => content,
            Prepared::Answered(answer) => return answer,
        };
        if let Some(found) = self.admit(&message, content.len() as u64, now)? {
            return Ok(found);
        }
        let id = message.id.unwrap_or_else(|| self.next_id(now));
        if let Some(idempotency) = message.active_key(now, self.keys.window()) {
            self.keys.insert(idempotency, id, message.created_at.map_or(now, |at| at.min(now)));
        }
        let entry = Box::new(Entry::new(message, content, id, now));
        self.index.insert(&entry);
        let state = entry.lifecycle.state;
        self.messages.insert(id, entry);
        Ok(Enqueued::new(id, state))
    }

    /// A new id, greater than all ids that were created here, so that ids of the same millisecond are in order as well.
    fn next_id(&mut self, now: Timestamp) -> QueueId {
        let after = QueueId::from_bits(self.last_id.to_bits() + 1);
        // The highest random bit stays zero, so that the ids that follow this one stay in this millisecond.
        self.last_id = QueueId::new(now, fastrand::u128(..) >> 49).max(after);
        while self.messages.contains_key(&self.last_id) {
            self.last_id = QueueId::from_bits(self.last_id.to_bits() + 1);
        }
        self.last_id
    }

    /// The time until the next message is due or the next lease expires.
    pub(super) fn next_event(&self, now: Timestamp) -> Option<Duration> {
        let indexes = [&self.index.scheduled, &self.index.leased];
        indexes.into_iter().filter_map(|by_time| by_time.first()).map(|(at, _)| *at - now).min()
    }

    pub(super) fn stats(&self, now: Timestamp) -> Stats {
        let oldest_ready = self.index.ready.oldest().map(|since| now - since);
        Stats { oldest_ready, ambiguous_total: self.ambiguous_total, ..self.index.counts }
    }
}
