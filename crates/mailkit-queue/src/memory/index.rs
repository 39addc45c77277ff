//! Where each message is found by its state and time.

use std::collections::BTreeSet;

use super::entry::Entry;
use super::ready::Ready;
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::query::Stats;
use crate::state::State;

type ByTime = BTreeSet<(Timestamp, QueueId)>;

/// Mirrors the messages: an entry is taken out before it is changed, and put in again after.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) ready: Ready,
    /// By the time they are due.
    pub(super) scheduled: ByTime,
    /// By the time the lease runs out.
    pub(super) leased: ByTime,
    /// Ready and scheduled ones that have a last moment, by it.
    pub(super) expiring: ByTime,
    /// Sent and cancelled ones, by when that was.
    pub(super) done: ByTime,
    /// Dead ones, by when that was: apart, so that much that is sent does not push them out.
    pub(super) dead: ByTime,
    /// Held ones, by when that was.
    pub(super) held: ByTime,
    /// Octets of unfinished messages.
    pub(super) open_bytes: u64,
    /// Octets of dead messages.
    pub(super) dead_bytes: u64,
    /// How many there are in each state.
    pub(super) counts: Stats,
}

impl Index {
    pub(super) fn insert(&mut self, entry: &Entry) {
        *self.count(entry.state) += 1;
        if let Some(bytes) = self.bytes(entry.state) {
            *bytes += entry.size;
        }
        if let (Some(at), State::Ready | State::Scheduled) = (entry.expires_at, entry.state) {
            self.expiring.insert((at, entry.id));
        }
        if entry.state == State::Ready {
            self.ready.insert(entry);
        } else if let Some((row, at)) = self.row(entry) {
            row.insert((at, entry.id));
        }
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        *self.count(entry.state) -= 1;
        if let Some(bytes) = self.bytes(entry.state) {
            *bytes -= entry.size;
        }
        if let (Some(at), State::Ready | State::Scheduled) = (entry.expires_at, entry.state) {
            self.expiring.remove(&(at, entry.id));
        }
        if entry.state == State::Ready {
            self.ready.remove(entry);
        } else if let Some((row, at)) = self.row(entry) {
            row.remove(&(at, entry.id));
        }
    }

    fn row(&mut self, entry: &Entry) -> Option<(&mut ByTime, Timestamp)> {
        match entry.state {
            State::Scheduled => Some((&mut self.scheduled, entry.due)),
            State::Leased => Some((&mut self.leased, entry.lease_ends)),
            State::Sent | State::Cancelled => Some((&mut self.done, entry.finished_at?)),
            State::Dead => Some((&mut self.dead, entry.finished_at?)),
            State::Held => Some((&mut self.held, entry.finished_at?)),
            State::Ready => None,
        }
    }

    /// Where the octets of a message are counted, if it has a bound.
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

/// The first of a row, where its time has come.
pub(super) fn first_until(row: &ByTime, now: Timestamp) -> Option<QueueId> {
    row.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
}
