//! What a sink has seen, in numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What a sink has seen, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections opened.
    pub connections: u64,
    /// Connections that are open now.
    pub open: usize,
    /// The most connections that were open at once.
    pub most_open: usize,
    /// Transactions begun: MAIL commands accepted.
    pub transactions: u64,
    /// Messages accepted.
    pub accepted: u64,
    /// Recipients of the messages accepted.
    pub recipients: u64,
    /// Octets of content of the messages accepted.
    pub octets: u64,
    /// Answers that a fail rule gave.
    pub refused: u64,
    /// How often clients waited for replies before they went on: round trips, as the peer sees them
    /// ([`mailkit_smtp::server::Server::turns`]).
    pub turns: u64,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    connections: AtomicU64,
    open: Arc<AtomicUsize>,
    most_open: AtomicUsize,
    pub(super) transactions: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) recipients: AtomicU64,
    pub(super) octets: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) turns: AtomicU64,
}

/// A connection that is open, counted until it is dropped.
#[derive(Debug)]
pub(super) struct OpenConnection {
    open: Arc<AtomicUsize>,
    number: usize,
}

impl OpenConnection {
    /// How many were open when this one had come.
    pub(super) const fn number(&self) -> usize {
        self.number
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Tally {
    pub(super) fn connect(&self) -> OpenConnection {
        add(&self.connections, 1);
        let number = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_open.fetch_max(number, Ordering::Relaxed);
        OpenConnection { open: Arc::clone(&self.open), number }
    }

    pub(super) fn counters(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            connections: read(&self.connections),
            open: self.open.load(Ordering::Relaxed),
            most_open: self.most_open.load(Ordering::Relaxed),
            transactions: read(&self.transactions),
            accepted: read(&self.accepted),
            recipients: read(&self.recipients),
            octets: read(&self.octets),
            refused: read(&self.refused),
            turns: read(&self.turns),
        }
    }
}

pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
