//! Idempotency keys and the messages that they stand for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::QueueError;
use crate::id::QueueId;
use crate::message::{Fingerprint, Idempotency};
use crate::text::IdempotencyKey;

/// The keys that stand for a message. The key of a sent message stays until its window ends.
#[derive(Debug)]
pub(super) struct Keys {
    window: Duration,
    used: BTreeMap<IdempotencyKey, Use>,
    by_end: BTreeSet<(Timestamp, IdempotencyKey)>,
}

/// The message that a key stands for, and the end of the window.
#[derive(Debug)]
struct Use {
    fingerprint: Fingerprint,
    id: QueueId,
    ends: Timestamp,
}

impl Keys {
    pub(super) const fn new(window: Duration) -> Self {
        Self { window, used: BTreeMap::new(), by_end: BTreeSet::new() }
    }

    pub(super) const fn window(&self) -> Duration {
        self.window
    }

    /// The message that the key stands for. `None` if the key is free.
    pub(super) fn find(&self, idempotency: &Idempotency) -> Result<Option<QueueId>, QueueError> {
        match self.used.get(idempotency.key.as_str()) {
            Some(found) if found.fingerprint != idempotency.fingerprint => {
                Err(QueueError::Conflict { key: idempotency.key.clone(), id: found.id })
            }
            found => Ok(found.map(|found| found.id)),
        }
    }

    /// Whether the key stands for that message.
    pub(super) fn stands_for(&self, key: &str, id: QueueId) -> bool {
        self.used.get(key).is_some_and(|found| found.id == id)
    }

    pub(super) fn insert(&mut self, idempotency: &Idempotency, id: QueueId, first_used: Timestamp) {
        let (key, ends) = (idempotency.key.clone(), first_used + self.window);
        self.by_end.insert((ends, key.clone()));
        self.used.insert(key, Use { fingerprint: idempotency.fingerprint, id, ends });
    }

    /// Frees a key if it stands for that message.
    pub(super) fn release(&mut self, key: &str, id: QueueId) {
        let Some((key, found)) = self.used.get_key_value(key).filter(|(_, found)| found.id == id) else { return };
        let end = (found.ends, key.clone());
        self.used.remove(&end.1);
        self.by_end.remove(&end);
    }

    /// Removes the keys whose window has ended.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while self.by_end.first().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, key)) = self.by_end.pop_first() {
                self.used.remove(&key);
            }
        }
    }
}
