//! The checks after processes were killed: no acknowledged message is lost, and each copy is explained.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use mailkit_queue::{Filter, Queue, QueueId, State};

use crate::child::{accepted, consumer, open, request};

/// What processes reported before they were killed.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The acknowledged messages, and whether each has the policy `hold`.
    acknowledged: HashMap<String, bool>,
    /// How often the server received each message.
    delivered: HashMap<String, u64>,
    /// The messages whose settlement was acknowledged.
    settled: HashSet<String>,
    /// The messages that the server had and that were not settled when the process was killed.
    in_flight: Vec<String>,
}

impl Told {
    /// Adds the report of one process.
    pub(crate) fn add(&mut self, lines: &[String]) {
        let mut open = HashSet::new();
        for line in lines {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["+", id, policy] => {
                    self.acknowledged.insert(id.to_owned(), policy == "hold");
                }
                [">", id] => {
                    *self.delivered.entry(id.to_owned()).or_default() += 1;
                    open.insert(id.to_owned());
                }
                ["=", id] => {
                    open.remove(id);
                    self.settled.insert(id.to_owned());
                }
                _ => {}
            }
        }
        self.in_flight.extend(open);
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Delivers the remaining messages, and compares the reports with the store. If `purged`, settled messages may have been
    /// removed.
    pub(crate) async fn check(mut self, path: &Path, hours: u64, purged: bool) {
        let queue = open(path, hours).await;
        loop {
            let leased = queue.lease(&request(100)).await.unwrap();
            if leased.is_empty() {
                break;
            }
            let mut settling = tokio::task::JoinSet::new();
            for leased in leased {
                leased.content.to_bytes().unwrap();
                *self.delivered.entry(leased.id().to_string()).or_default() += 1;
                let (queue, settlement) = (queue.clone(), accepted(&leased));
                settling.spawn(async move { queue.settle(leased.token, &settlement).await.unwrap() });
            }
            assert!(settling.join_all().await.iter().all(|state| *state == State::Sent));
        }
        let stats = queue.stats().await.unwrap();
        assert_eq!(stats.unfinished() + stats.dead + stats.cancelled, 0, "{stats:?}");

        let held = held(&queue).await;
        assert_eq!(held.len() as u64, stats.held);
        let in_flight: HashSet<&String> = self.in_flight.iter().collect();
        for (id, holds) in &self.acknowledged {
            let delivered = self.delivered.get(id).copied().unwrap_or_default();
            let forgotten =
                purged && self.settled.contains(id) || queue.get(id.parse().unwrap()).await.unwrap().is_some();
            assert!(forgotten, "{id} is lost");
            assert!(delivered > 0 || held.contains(id), "{id} was neither delivered nor held");
            assert!(!holds || delivered <= 1, "{id} is to be held, and went {delivered} times");
        }
        for id in &self.settled {
            assert!(!held.contains(id), "{id} was written down as sent");
        }
        let copies: u64 = self.delivered.values().map(|times| times - 1).sum();
        assert!(copies <= self.in_flight.len() as u64, "{copies} copies, {} in flight", self.in_flight.len());
        assert!(copies + stats.held <= stats.ambiguous_total, "{copies} copies, {stats:?}");
        for (id, times) in self.delivered.iter().filter(|(_, times)| **times > 1) {
            assert!(in_flight.contains(id), "{id} went {times} times, and was never in flight");
        }
        check_log(&queue, purged).await;
        let found = queue.verify(false).await.unwrap();
        assert!(found.is_ok(), "{found:?}");
        queue.close().await.unwrap();
    }
}

/// Compares the log of changes with the messages: each change goes on where the last one ended, and no last one is missing.
async fn check_log(queue: &impl Queue, purged: bool) {
    let mut cursor = queue.register_consumer(&consumer()).await.unwrap();
    let mut states: HashMap<QueueId, State> = HashMap::new();
    loop {
        let page = queue.changes(cursor, 1_000).await.unwrap();
        assert!(!page.missed);
        if page.changes.is_empty() {
            break;
        }
        for change in &page.changes {
            assert_eq!(states.insert(change.id, change.state), change.previous, "{change:?}");
        }
        cursor = page.next;
    }
    for (id, state) in states {
        let record = queue.get(id).await.unwrap();
        assert!(
            record.is_none() && purged || record.is_some_and(|record| record.state == state),
            "{id} is not {state}"
        );
    }
}

/// The ids of all messages that are held.
async fn held(queue: &impl Queue) -> HashSet<String> {
    let (mut filter, mut ids) = (Filter::new().with_state(State::Held).with_limit(Filter::MAX_LIMIT), HashSet::new());
    loop {
        let page = queue.list(&filter).await.unwrap();
        ids.extend(page.records.iter().map(|record| record.id.to_string()));
        filter.cursor = page.next;
        if page.next.is_none() {
            return ids;
        }
    }
}
