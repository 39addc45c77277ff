//! Controls and the log of changes in a file: kept over a restart, and the same for all who have the file open.

use std::collections::HashMap;
use std::time::Duration;

use mailkit_queue::{
    Control, ControlPut, ControlValue, Cursor, Expected, Idempotency, Queue, QueueError, QueueId, State,
};
use mailkit_queue_sqlite::SqliteQueue;
use rusqlite::Connection;

use crate::{accepted, lease, message, open};

async fn put(queue: &SqliteQueue, key: &str, value: &'static str) -> u64 {
    let value = ControlValue::new(value).unwrap();
    match queue.control_put(&key.parse().unwrap(), Some(value), Expected::Any, None).await.unwrap() {
        ControlPut::Stored(version) => version,
        ControlPut::Mismatch(found) => panic!("{found:?}"),
    }
}

async fn get(queue: &SqliteQueue, key: &str) -> Option<Control> {
    queue.control_get(&key.parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn controls_are_kept_over_a_restart_and_each_queue_of_a_file_has_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    let version = put(&queue, "route/a/paused", "yes").await;
    queue.close().await.unwrap();
    let queue = open(&path).await;
    let kept = get(&queue, "route/a/paused").await.unwrap();
    assert_eq!((kept.value.as_bytes().as_ref(), kept.version), (&b"yes"[..], version));
    assert!(put(&queue, "route/a/paused", "no").await > version);
    let other = SqliteQueue::builder(&path).queue("other").open().await.unwrap();
    assert_eq!((get(&other, "route/a/paused").await, other.controls_version().await.unwrap()), (None, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_notices_a_control_that_another_process_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let (here, there) = (open(&path).await, open(&path).await);
    let start = tokio::time::Instant::now();
    for _ in 0..10 {
        tokio::join!(here.wait(), put(&there, "a", "x"));
        assert_eq!(here.controls_version().await.unwrap(), there.controls_version().await.unwrap());
    }
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
}

#[tokio::test]
async fn a_store_without_the_queue_has_no_room_for_controls_and_consumers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    drop(open(&path).await);
    let other = SqliteQueue::builder(&path).queue("other").existing().open().await.unwrap();
    assert_eq!(get(&other, "a").await, None);
    let put = other.control_put(&"a".parse().unwrap(), None, Expected::Any, None).await;
    assert!(matches!(put, Err(QueueError::Missing(_))), "{put:?}");
    let registered = other.register_consumer(&"a".parse().unwrap()).await;
    assert!(matches!(registered, Err(QueueError::Missing(_))), "{registered:?}");
    assert_eq!(other.changes(Cursor::default(), 10).await.unwrap().changes, []);
}

#[tokio::test]
async fn the_log_and_its_consumers_are_kept_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let (queue, name) = (open(&path).await, "test".parse().unwrap());
    let start = queue.register_consumer(&name).await.unwrap();
    let id = queue.enqueue(message("x")).await.unwrap().id;
    queue.close().await.unwrap();
    let queue = open(&path).await;
    for leased in lease(&queue).await {
        let settlement = accepted(&leased);
        queue.settle(leased.token, &settlement).await.unwrap();
    }
    assert_eq!(queue.register_consumer(&name).await.unwrap(), start);
    let log = queue.changes(start, 10).await.unwrap();
    let states: Vec<_> = log.changes.iter().map(|change| (change.id, change.state)).collect();
    assert_eq!(states, [(id, State::Ready), (id, State::Leased), (id, State::Sent)]);
    queue.store_cursor(&name, log.changes[0].cursor).await.unwrap();
    queue.close().await.unwrap();
    let queue = open(&path).await;
    let stored = queue.register_consumer(&name).await.unwrap();
    assert_eq!((stored, queue.changes(stored, 10).await.unwrap().changes.len()), (log.changes[0].cursor, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_of_another_process_appears_behind_a_cursor_that_was_handed_out() {
    const EACH: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let stores = [open(&path).await, open(&path).await];
    let reader = open(&path).await;
    // Stores that have written before learn of the consumer as well.
    for store in &stores {
        store.enqueue(message("before")).await.unwrap();
    }
    let mut cursor = reader.register_consumer(&"test".parse().unwrap()).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for store in stores.clone() {
        writers.spawn(async move {
            for _ in 0..EACH {
                store.enqueue(message("x")).await.unwrap();
                for leased in lease(&store).await {
                    let settlement = accepted(&leased);
                    store.settle(leased.token, &settlement).await.unwrap();
                }
            }
        });
    }
    let mut states: HashMap<QueueId, State> = HashMap::new();
    loop {
        let is_done = writers.is_empty();
        let page = reader.changes(cursor, 5).await.unwrap();
        if is_done && page.changes.is_empty() {
            break;
        }
        cursor = page.next;
        for change in page.changes {
            let before = states.insert(change.id, change.state);
            assert!(
                before == change.previous || before.is_none() && change.previous == Some(State::Ready),
                "{change:?}"
            );
        }
        while writers.try_join_next().is_some() {}
    }
    assert_eq!(states.len(), 2 * EACH + 2);
    assert!(states.values().all(|state| *state == State::Sent));
}

#[tokio::test]
async fn a_refused_batch_leaves_no_gap_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    let start = queue.register_consumer(&"test".parse().unwrap()).await.unwrap();
    let with_fingerprint = |fingerprint| {
        let mut message = message("x");
        message.idempotency = Some(Idempotency::new("a".parse().unwrap(), [fingerprint; 32]));
        message
    };
    queue.enqueue(with_fingerprint(1)).await.unwrap();
    for _ in 0..2 {
        let refused = queue.enqueue_all(vec![message("x"), message("x"), with_fingerprint(2)]).await.unwrap_err();
        assert_eq!(refused.index, Some(2));
        queue.enqueue(message("x")).await.unwrap();
    }
    let log = queue.changes(start, 10).await.unwrap().changes;
    let numbers: Vec<u64> = log.iter().map(|change| change.cursor.number() - start.number()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let conn = Connection::open(&path).unwrap();
    let last: u64 = conn.query_row("SELECT last_change FROM queue", [], |row| row.get(0)).unwrap();
    assert_eq!(last, log[2].cursor.number());
}

#[tokio::test]
async fn changes_that_nobody_needs_are_removed_some_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let (queue, name) = (open(&path).await, "test".parse().unwrap());
    let start = queue.register_consumer(&name).await.unwrap();
    let id = queue.enqueue(message("x")).await.unwrap().id;
    let conn = Connection::open(&path).unwrap();
    let many = format!(
        "WITH RECURSIVE numbers (n) AS (SELECT {0} UNION ALL SELECT n + 1 FROM numbers WHERE n < {0} + 8999) \
         INSERT INTO state_change (queue, number, id, state, at, attempts, bucket) SELECT 1, n, '{id}', 1, 0, 0, 1 FROM numbers; \
         UPDATE queue SET last_change = last_change + 9000",
        start.number() + 2,
    );
    conn.execute_batch(&many).unwrap();
    let count = || conn.query_row("SELECT count(*) FROM state_change", [], |row| row.get::<_, u32>(0)).unwrap();
    let page = queue.changes(start, usize::MAX).await.unwrap();
    assert_eq!((page.changes.len(), count()), (1_000, 9_001));
    queue.store_cursor(&name, page.next).await.unwrap();
    assert_eq!(count(), 8_001);
    queue.store_cursor(&name, Cursor::at(u64::MAX)).await.unwrap();
    assert_eq!(count(), 4_001, "not all in one transaction");
    assert_eq!(queue.changes(start, 10).await.unwrap().changes, []);
    // A lease goes on with it.
    lease(&queue).await;
    assert_eq!(count(), 2, "one was left, and the lease is a change");
    queue.drop_consumer(&name).await.unwrap();
    assert_eq!(count(), 0);
}
