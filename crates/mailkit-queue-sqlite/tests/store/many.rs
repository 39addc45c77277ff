//! More messages at once than one run of the maintenance changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use mailkit_queue::{Clock, Queue, Timestamp};
use mailkit_queue_sqlite::SqliteQueue;

use crate::{lease, message};

/// A store whose clock shows the number, in milliseconds.
async fn store(folder: &tempfile::TempDir) -> (SqliteQueue, Arc<AtomicI64>) {
    let time = Arc::new(AtomicI64::new(1_000));
    let clock = Arc::clone(&time);
    let clock = Clock::new(move || Timestamp::from_millis(clock.load(Ordering::SeqCst)));
    (SqliteQueue::builder(folder.path().join("mailkit.db")).clock(clock).open().await.unwrap(), time)
}

async fn enqueue(queue: &SqliteQueue, count: usize, expires_at: Option<i64>) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (queue, mut message) = (queue.clone(), message("x"));
        message.expires_at = expires_at.map(Timestamp::from_millis);
        tasks.spawn(async move { queue.enqueue(message).await.unwrap() });
    }
    tasks.join_all().await;
}

#[tokio::test]
async fn none_of_many_that_expire_at_once_is_leased() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, time) = store(&folder).await;
    enqueue(&queue, 1_300, Some(2_000)).await;
    time.store(1_500, Ordering::SeqCst);
    enqueue(&queue, 1, None).await;
    time.store(2_000, Ordering::SeqCst);
    let mut leased = Vec::new();
    while leased.is_empty() {
        leased = lease(&queue).await;
        queue.wait().await;
    }
    assert_eq!(leased[0].message_expires_at, None);
    let stats = queue.stats().await.unwrap();
    assert_eq!((leased.len(), stats.dead, stats.unfinished()), (1, 1_300, 1));
}
