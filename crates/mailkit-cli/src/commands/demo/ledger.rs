//! What was sent and what arrived: a hash of the content for each Message-ID.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// What was sent and what arrived.
#[derive(Default)]
pub(super) struct Ledger {
    hasher: RandomState,
    entries: Mutex<HashMap<String, Entry>>,
}

/// One Message-ID.
#[derive(Default)]
struct Entry {
    sent: Option<u64>,
    sent_at: Option<Instant>,
    arrived: Vec<u64>,
    /// From the first time it was sent to its first arrival.
    took: Option<Duration>,
}

/// How sent and arrived compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Account {
    /// Messages that arrived, copies not counted.
    pub(super) arrived: usize,
    /// Sent and never arrived.
    pub(super) missing: usize,
    /// Arrived more than once.
    pub(super) doubled: usize,
    /// Arrived with other content.
    pub(super) altered: usize,
    /// Arrived and never sent.
    pub(super) strange: usize,
}

impl Account {
    pub(super) const fn is_whole(&self) -> bool {
        self.missing == 0 && self.doubled == 0 && self.altered == 0 && self.strange == 0
    }
}

impl Ledger {
    /// Notes what is about to be sent.
    pub(super) fn sent(&self, content: &[u8]) {
        let hash = self.hasher.hash_one(content);
        self.entry(content, |entry| {
            entry.sent = Some(hash);
            entry.sent_at = Some(Instant::now());
        });
    }

    /// Notes what arrived.
    pub(super) fn arrived(&self, content: &[u8]) {
        let hash = self.hasher.hash_one(content);
        self.entry(content, |entry| {
            entry.arrived.push(hash);
            entry.took = entry.took.or(entry.sent_at.map(|at| at.elapsed()));
        });
    }

    fn entry(&self, content: &[u8], change: impl FnOnce(&mut Entry)) {
        change(self.entries().entry(message_id(content)).or_default());
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long each message took to arrive, shortest first.
    pub(super) fn latencies(&self) -> Vec<Duration> {
        let mut latencies: Vec<_> = self.entries().values().filter_map(|entry| entry.took).collect();
        latencies.sort_unstable();
        latencies
    }

    /// Compares.
    pub(super) fn account(&self) -> Account {
        let entries = self.entries();
        let mut account = Account::default();
        for entry in entries.values() {
            account.arrived += usize::from(!entry.arrived.is_empty());
            account.doubled += usize::from(entry.arrived.len() > 1);
            match entry.sent {
                None => account.strange += 1,
                Some(_) if entry.arrived.is_empty() => account.missing += 1,
                Some(sent) => account.altered += usize::from(entry.arrived.iter().any(|arrived| *arrived != sent)),
            }
        }
        account
    }
}

/// The Message-ID in the header; empty where there is none.
fn message_id(content: &[u8]) -> String {
    let header = content.split(|byte| *byte == b'\n').take_while(|line| !line.trim_ascii().is_empty());
    let mut values = header.filter_map(|line| line.strip_prefix(b"Message-ID:"));
    String::from_utf8_lossy(values.next().unwrap_or_default().trim_ascii()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fate_of_a_message_is_counted() {
        let ledger = Ledger::default();
        let message = |id: &str, body: &str| format!("Message-ID: <{id}>\r\n\r\nMessage-ID: <no>\r\n{body}");
        for id in ["intact", "missing", "doubled", "altered"] {
            ledger.sent(message(id, "as sent").as_bytes());
        }
        for (id, body) in
            [("intact", "as sent"), ("doubled", "as sent"), ("doubled", "as sent"), ("altered", "x"), ("strange", "y")]
        {
            ledger.arrived(message(id, body).as_bytes());
        }
        assert_eq!(ledger.account(), Account { arrived: 4, missing: 1, doubled: 1, altered: 1, strange: 1 });
        assert!(!ledger.account().is_whole());
    }
}
