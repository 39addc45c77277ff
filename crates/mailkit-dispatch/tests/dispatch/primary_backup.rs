//! A primary and a backup.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mailkit_dispatch::{BreakerState, Dispatcher, RouteSettings};
use mailkit_queue::{MemoryQueue, QueueId};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::server::{Server, enqueue, queue, start};

pub(crate) struct Two {
    pub(crate) queue: Arc<MemoryQueue>,
    pub(crate) primary: Arc<Server>,
    pub(crate) backup: Arc<Server>,
    pub(crate) dispatcher: Dispatcher,
}

/// A primary that has answered, and a backup.
pub(crate) async fn two() -> Two {
    let two = two_with(RouteSettings::new("primary"), RouteSettings::new("backup"));
    enqueue(&two.queue, 20).await;
    two.dispatcher.until_empty().await.unwrap();
    assert_eq!((two.primary.count(), two.backup.count()), (20, 0));
    two
}

pub(crate) fn two_with(primary_settings: RouteSettings, backup_settings: RouteSettings) -> Two {
    let (queue, primary, backup) = (queue(), Server::new(), Server::new());
    let dispatcher = start(&queue, &[(primary_settings, &primary), (backup_settings, &backup)]);
    Two { queue, primary, backup, dispatcher }
}

/// What was enqueued, and when.
pub(crate) type Fed = Vec<(QueueId, Instant)>;

/// A message every so often; gives back when each was enqueued.
pub(crate) fn feed(queue: &Arc<MemoryQueue>, number: usize, every: Duration) -> JoinHandle<Fed> {
    let queue = Arc::clone(queue);
    tokio::spawn(async move {
        let mut fed = Vec::new();
        for _ in 0..number {
            let ids = enqueue(&queue, 1).await;
            fed.push((ids[0], Instant::now()));
            sleep(every).await;
        }
        fed
    })
}

/// The longest that one of them waited for its first hand-out to one of the servers; for ever where it had none.
pub(crate) fn longest_wait(fed: &Fed, servers: &[&Server]) -> Duration {
    let mut came = HashMap::new();
    for (at, id, _) in servers.iter().flat_map(|server| server.seen.lock().unwrap().clone()) {
        let first = came.entry(id).or_insert(at);
        *first = at.min(*first);
    }
    let waits = fed.iter().map(|(id, at)| came.get(id).map_or(Duration::MAX, |came| *came - *at));
    waits.max().unwrap_or_default()
}

impl Two {
    pub(crate) fn breaker(&self) -> BreakerState {
        self.dispatcher.stats().routes[0].breaker
    }

    pub(crate) fn feed(&self, number: usize, every: Duration) -> JoinHandle<Fed> {
        feed(&self.queue, number, every)
    }

    pub(crate) fn longest_wait(&self, fed: &Fed) -> Duration {
        longest_wait(fed, &[&self.primary, &self.backup])
    }

    /// A message that goes over the route of that name only.
    pub(crate) async fn enqueue_for(&self, route: &str) {
        let mut pinned = crate::server::message(&["pinned@example.org"]);
        pinned.route = Some(route.to_owned());
        mailkit_queue::Queue::enqueue(&*self.queue, pinned).await.unwrap();
    }
}
