//! Idempotency keys, each for its window.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::QueueError;
use crate::id::QueueId;
use crate::message::{Fingerprint, IdempotencyKey};

/// The keys in use. They outlive their messages.
#[derive(Debug)]
pub(super) struct Keys {
    window: Duration,
    used: BTreeMap<Arc<str>, (Fingerprint, QueueId)>,
    by_end: BTreeSet<(Timestamp, Arc<str>)>,
}

impl Keys {
    pub(super) const fn new(window: Duration) -> Self {
        Self { window, used: BTreeMap::new(), by_end: BTreeSet::new() }
    }

    /// The message that was enqueued under the key.
    pub(super) fn find(&self, idempotency: &IdempotencyKey) -> Result<Option<QueueId>, QueueError> {
        match self.used.get(idempotency.key.as_str()) {
            Some((fingerprint, id)) if *fingerprint != idempotency.fingerprint => {
                Err(QueueError::Conflict { key: idempotency.key.clone(), id: *id })
            }
            found => Ok(found.map(|(_, id)| *id)),
        }
    }

    pub(super) fn insert(&mut self, idempotency: &IdempotencyKey, id: QueueId, first_used: Timestamp) {
        let key: Arc<str> = idempotency.key.as_str().into();
        self.by_end.insert((first_used + self.window, Arc::clone(&key)));
        self.used.insert(key, (idempotency.fingerprint, id));
    }

    /// Forgets those whose window is over.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while self.by_end.first().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, key)) = self.by_end.pop_first() {
                self.used.remove(&key);
            }
        }
    }
}
