//! Indexes of the messages by state and time.

use std::collections::BTreeSet;

use super::entry::Entry;
use super::ready::Ready;
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::query::Stats;
use crate::state::State;

type ByTime = BTreeSet<(Timestamp, QueueId)>;

/// The indexes of all messages. An entry is removed before it changes and inserted again afterwards.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) ready: Ready,
    /// Scheduled messages by their due time.
    pub(super) scheduled: ByTime,
    /// Leased messages by the expiry of the lease.
    pub(super) leased: ByTime,
    /// Ready and scheduled messages that have an expiry, by it.
    pub(super) expiring: ByTime,
    /// Sent and cancelled messages by the time at which they finished.
    pub(super) done: ByTime,
    /// Dead messages by the time at which they finished. They have an index of their own so that many sent messages do not
    /// displace them.
    pub(super) dead: ByTime,
    /// Held messages by the time at which they were held.
    pub(super) held: ByTime,
    /// The octets of unfinished messages.
    pub(super) open_bytes: u64,
    /// The octets of dead messages.
    pub(super) dead_bytes: u64,
    /// The number of messages in each state.
    pub(super) counts: Stats,
}

impl Index {
    pub(super) fn insert(&mut self, entry: &Entry) {
        *self.count(entry.lifecycle.state) += 1;
        if let Some(bytes) = self.bytes(entry.lifecycle.state) {
            *bytes += entry.size;
        }
        if let (Some(at), State::Ready | State::Scheduled) = (entry.lifecycle.expires_at, entry.lifecycle.state) {
            self.expiring.insert((at, entry.id));
        }
        if entry.lifecycle.state == State::Ready {
            self.ready.insert(entry);
        } else if let Some((by_time, at)) = self.by_time(entry) {
            by_time.insert((at, entry.id));
        }
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        *self.count(entry.lifecycle.state) -= 1;
        if let Some(bytes) = self.bytes(entry.lifecycle.state) {
            *bytes -= entry.size;
        }
        if let (Some(at), State::Ready | State::Scheduled) = (entry.lifecycle.expires_at, entry.lifecycle.state) {
            self.expiring.remove(&(at, entry.id));
        }
        if entry.lifecycle.state == State::Ready {
            self.ready.remove(entry);
        } else if let Some((by_time, at)) = self.by_time(entry) {
            by_time.remove(&(at, entry.id));
        }
    }

    fn by_time(&mut self, entry: &Entry) -> Option<(&mut ByTime, Timestamp)> {
        match entry.lifecycle.state {
            State::Scheduled => Some((&mut self.scheduled, entry.lifecycle.due)),
            State::Leased => Some((&mut self.leased, entry.lease_ends)),
            State::Sent | State::Cancelled => Some((&mut self.done, entry.lifecycle.finished_at?)),
            State::Dead => Some((&mut self.dead, entry.lifecycle.finished_at?)),
            State::Held => Some((&mut self.held, entry.lifecycle.finished_at?)),
            State::Ready => None,
        }
    }

    /// The counter of octets for messages in a state. `None` if the octets have no limit.
    const fn bytes(&mut self, state: State) -> Option<&mut u64> {
        match state {
            State::Scheduled | State::Ready | State::Leased => Some(&mut self.open_bytes),
            State::Dead => Some(&mut self.dead_bytes),
            State::Sent | State::Cancelled | State::Held => None,
        }
    }

    const fn count(&mut self, state: State) -> &mut u64 {
        match state {
            State::Scheduled => &mut self.counts.scheduled,
            State::Ready => &mut self.counts.ready,
            State::Leased => &mut self.counts.leased,
            State::Sent => &mut self.counts.sent,
            State::Dead => &mut self.counts.dead,
            State::Held => &mut self.counts.held,
            State::Cancelled => &mut self.counts.cancelled,
        }
    }
}

/// The first message of an index, if its time is not after `now`.
pub(super) fn first_until(by_time: &ByTime, now: Timestamp) -> Option<QueueId> {
    by_time.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
}
