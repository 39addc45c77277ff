//! Lists of messages, and the commands of operators.

use std::ops::Bound;

use super::entry::Entry;
use super::store::Store;
use crate::clock::Timestamp;
use crate::error::QueueError;
use crate::id::QueueId;
use crate::query::{Command, Filter};
use crate::record::Record;
use crate::state::State;
use crate::transition::{Event, transition};

/// The maximum number of messages that are compared with a filter before the lock is released for others.
const MAX_SCANNED: usize = 1_024;

impl Store {
    pub(super) fn get(&self, id: QueueId) -> Option<Record> {
        let entry = self.messages.get(&id)?;
        Some(Record { history: entry.history(), fingerprint: self.fingerprint(entry), ..entry.record() })
    }

    /// Adds matching records that are older than `from`, up to a total of `most`. Returns the id to continue from, or `None` at
    /// the end.
    pub(super) fn list(
        &self,
        filter: &Filter,
        from: Option<QueueId>,
        most: usize,
        found: &mut Vec<Record>,
    ) -> Option<QueueId> {
        let recipient = filter.recipient.as_ref().map(|recipient| recipient.to_lowercase());
        let matches = |entry: &Entry| {
            filter.state.is_none_or(|state| entry.lifecycle.state == state)
                && filter.tag.as_ref().is_none_or(|tag| entry.tags.iter().any(|known| **known == **tag))
                && filter.tenant.as_ref().is_none_or(|tenant| entry.tenant.as_deref() == Some(tenant))
                && filter.route.as_ref().is_none_or(|route| entry.route.as_deref() == Some(route))
                && filter.message_id.as_ref().is_none_or(|id| entry.message_id.as_ref() == Some(id))
                && filter.class.as_ref().is_none_or(|class| entry.last_class() == Some(class))
                && filter.since.is_none_or(|since| entry.created_at >= since)
                && filter.until.is_none_or(|until| entry.created_at < until)
                && recipient.as_ref().is_none_or(|recipient| entry.goes_to(recipient))
        };
        let older = (Bound::Unbounded, from.map_or(Bound::Unbounded, Bound::Excluded));
        let mut last = None;
        for (id, entry) in self.messages.range(older).rev().take(MAX_SCANNED) {
            if found.len() >= most {
                return last;
            }
            last = Some(*id);
            if matches(entry) {
                found.push(entry.record());
            }
        }
        last
    }

    pub(super) fn apply(&mut self, id: QueueId, command: Command, now: Timestamp) -> Result<State, QueueError> {
        let entry = self.messages.get(&id).ok_or(QueueError::Unknown(id))?;
        let changed = transition(&entry.lifecycle, Event::Command(command), now);
        let change = changed.map_err(|refused| QueueError::NotAllowed { id, command, state: refused.state })?;
        let state = change.after.state;
        self.change(id, None, now, |_| Some(change));
        Ok(state)
    }
}
