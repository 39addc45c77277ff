//! Controls in a file: kept over a restart, and the same for all who have the file open.

use std::time::Duration;

use mailkit_queue::{Control, ControlPut, ControlValue, Expected, Queue, QueueError};
use mailkit_queue_sqlite::SqliteQueue;

use crate::open;

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
async fn a_store_without_the_queue_has_no_room_for_controls() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    drop(open(&path).await);
    let other = SqliteQueue::builder(&path).queue("other").existing().open().await.unwrap();
    assert_eq!(get(&other, "a").await, None);
    let put = other.control_put(&"a".parse().unwrap(), None, Expected::Any, None).await;
    assert!(matches!(put, Err(QueueError::Missing(_))), "{put:?}");
}
