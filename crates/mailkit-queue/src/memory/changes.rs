//! The log of changes, kept while somebody reads it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::entry::Entry;
use crate::change::{CONSUMER_SILENCE, Changes, Cursor, MAX_CONSUMERS, StateChange};
use crate::clock::Timestamp;
use crate::error::QueueError;
use crate::state::State;
use crate::text::ConsumerName;

/// How many changes are kept for the slowest consumer before it is dropped.
const MAX_LOGGED: usize = 100_000;
/// How often consumers are looked at that may be silent.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// The changes since a consumer was registered, as far as not all consumers have passed them.
#[derive(Debug, Default)]
pub(super) struct ChangeLog {
    consumers: BTreeMap<ConsumerName, Consumer>,
    /// Numbered without a gap; the last one has the number `last`.
    changes: VecDeque<StateChange>,
    last: u64,
    check_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Consumer {
    cursor: Cursor,
    seen_at: Timestamp,
}

impl ChangeLog {
    /// Whether changes are logged.
    pub(super) fn is_active(&self) -> bool {
        !self.consumers.is_empty()
    }

    /// Logs that a message has come into the state that it is in.
    pub(super) fn log(&mut self, entry: &Entry, previous: Option<State>, now: Timestamp) {
        self.last += 1;
        let mut change = StateChange::new(Cursor::at(self.last), entry.id, previous, entry.lifecycle.state, now);
        change.attempts = entry.lifecycle.attempts;
        change.tenant = entry.tenant.clone();
        if previous == Some(State::Leased) {
            change.attempt = entry.attempt_of_lease();
        }
        self.changes.push_back(change);
        if self.changes.len() > MAX_LOGGED {
            self.drop_where("too far behind", |consumer, first| consumer.cursor < first);
        }
    }

    pub(super) fn register(&mut self, name: &ConsumerName, now: Timestamp) -> Result<Cursor, QueueError> {
        if let Some(consumer) = self.consumers.get_mut(name) {
            consumer.seen_at = now;
            return Ok(consumer.cursor);
        }
        if self.consumers.len() >= MAX_CONSUMERS {
            return Err(QueueError::Full { limit: format!("it has {MAX_CONSUMERS} consumers, as many as it may") });
        }
        if !self.is_active() {
            // What was not logged lies between the cursors of before and this one.
            self.last += 1;
        }
        let cursor = Cursor::at(self.last);
        self.consumers.insert(name.clone(), Consumer { cursor, seen_at: now });
        Ok(cursor)
    }

    pub(super) fn store_cursor(
        &mut self,
        name: &ConsumerName,
        cursor: Cursor,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        let last = Cursor::at(self.last);
        let consumer = self.consumers.get_mut(name).ok_or_else(|| QueueError::UnknownConsumer(name.clone()))?;
        consumer.cursor = consumer.cursor.max(cursor.min(last));
        consumer.seen_at = now;
        self.trim();
        Ok(())
    }

    pub(super) fn drop_consumer(&mut self, name: &ConsumerName) {
        self.consumers.remove(name);
        self.trim();
    }

    pub(super) fn read(&self, after: Cursor, max: usize) -> Changes {
        let first = self.first();
        // A cursor beyond the last change is of another queue.
        let after = after.min(Cursor::at(self.last));
        let skipped = usize::try_from(after.number().saturating_sub(first)).unwrap_or(usize::MAX);
        let changes: Vec<StateChange> =
            self.changes.iter().skip(skipped).take(max.min(Changes::MAX)).cloned().collect();
        let next = changes.last().map_or_else(|| after.max(Cursor::at(first)), |change| change.cursor);
        Changes::new(changes, next, after.number() < first || !self.is_active())
    }

    /// Drops consumers that were silent for too long.
    pub(super) fn drop_silent(&mut self, now: Timestamp) {
        if !self.is_active() || self.check_at.is_some_and(|at| at > now) {
            return;
        }
        self.check_at = Some(now + CHECK_INTERVAL);
        self.drop_where("silent for a week", |consumer, _| consumer.seen_at + CONSUMER_SILENCE <= now);
    }

    /// The number of the last change that is not in the log.
    fn first(&self) -> u64 {
        self.last - self.changes.len() as u64
    }

    fn drop_where(&mut self, why: &str, is_meant: impl Fn(&Consumer, Cursor) -> bool) {
        let first = Cursor::at(self.first() + 1);
        self.consumers.retain(|name, consumer| {
            let drops = is_meant(consumer, first);
            if drops {
                tracing::error!(consumer = %name, "a consumer of the queue's changes was dropped: it was {why}");
            }
            !drops
        });
        self.trim();
    }

    /// Forgets what all consumers have passed.
    fn trim(&mut self) {
        let passed = self.consumers.values().map(|consumer| consumer.cursor).min();
        let passed = passed.unwrap_or(Cursor::at(self.last));
        while self.changes.front().is_some_and(|change| change.cursor <= passed) {
            self.changes.pop_front();
        }
        if self.changes.is_empty() {
            self.changes.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::QueueId;

    #[test]
    fn a_consumer_that_is_too_far_behind_is_dropped_and_the_log_has_a_bound() {
        let (mut log, now) = (ChangeLog::default(), Timestamp::from_millis(0));
        let name = |name: &str| ConsumerName::new(name).unwrap();
        let start = log.register(&name("slow"), now).unwrap();
        log.register(&name("quick"), now).unwrap();
        let message = crate::NewMessage::new(
            mailkit_address::Envelope::null_sender(vec!["bob@example.org".parse().unwrap()]).unwrap(),
            "x",
        );
        let entry = Entry::new(message, "x".into(), QueueId::from_bits(1), now);
        for _ in 0..MAX_LOGGED {
            log.log(&entry, None, now);
        }
        log.store_cursor(&name("quick"), Cursor::at(log.last - 10), now).unwrap();
        assert_eq!(log.changes.len(), MAX_LOGGED);
        log.log(&entry, None, now);
        assert_eq!(log.changes.len(), 11);
        assert!(matches!(log.store_cursor(&name("slow"), start, now), Err(QueueError::UnknownConsumer(_))));
        assert!(log.read(start, 1).missed);
        assert_eq!(log.read(log.read(start, 1).next, 100).changes.len(), 10);
    }
}
