//! Several stores on one file, as in several processes, and several queues in one file.

use std::time::Duration;

use mailkit_queue::{Queue, State};
use mailkit_queue_sqlite::SqliteQueue;

use crate::{accepted, lease, message, open};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_on_one_file_enqueue_and_deliver_each_message_once() {
    const EACH: usize = 150;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let stores = [open(&path).await, open(&path).await];
    let mut tasks = tokio::task::JoinSet::new();
    for store in stores.clone() {
        for _ in 0..10 {
            let store = store.clone();
            tasks.spawn(async move {
                for _ in 0..EACH / 10 {
                    store.enqueue(message("x")).await.unwrap();
                }
                0
            });
        }
        tasks.spawn(async move {
            let mut settled = 0;
            while store.stats().await.unwrap().sent < 2 * EACH as u64 {
                for leased in lease(&store).await {
                    let settlement = accepted(&leased);
                    assert_eq!(store.settle(leased.token, &settlement).await.unwrap(), State::Sent);
                    settled += 1;
                }
            }
            settled
        });
    }
    assert_eq!(tasks.join_all().await.iter().sum::<usize>(), 2 * EACH);
    let stats = stores[0].stats().await.unwrap();
    assert_eq!((stats.sent, stats.unfinished(), stats.ambiguous_total), (2 * EACH as u64, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_worker_notices_within_a_second_that_another_process_has_enqueued() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let (here, there) = (open(&path).await, open(&path).await);
    here.wait().await;
    let waiting = tokio::spawn(async move {
        while lease(&here).await.is_empty() {
            here.wait().await;
        }
    });
    there.enqueue(message("x")).await.unwrap();
    tokio::time::timeout(Duration::from_secs(1), waiting).await.unwrap().unwrap();
}

#[tokio::test]
async fn two_stores_share_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let stores = [open(&path).await, open(&path).await];
    let limit = std::num::NonZeroU64::new(10).unwrap();
    let request = [mailkit_queue::LimitRequest::new("route", limit, Duration::from_secs(86_400), 1)];
    let mut acquired = 0;
    for at in 0..20 {
        acquired += usize::from(stores[at % 2].acquire(&request).await.unwrap().permit().is_some());
    }
    assert_eq!(acquired, 10);
}

#[tokio::test]
async fn queues_of_one_file_do_not_see_one_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    let other = SqliteQueue::builder(&path).queue("other").open().await.unwrap();
    let id = other.enqueue(message("x")).await.unwrap().id;
    assert!(lease(&queue).await.is_empty());
    assert_eq!((queue.get(id).await.unwrap(), queue.stats().await.unwrap().ready), (None, 0));
    assert_eq!(lease(&other).await.len(), 1);
}

#[tokio::test]
async fn a_worker_without_mail_is_not_woken_by_its_own_polling() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(&folder.path().join("mailkit.db")).await;
    let mut pinned = message("x");
    pinned.route = Some("away".to_owned());
    queue.enqueue(pinned).await.unwrap();
    let mut request = mailkit_queue::LeaseRequest::new(std::num::NonZeroU32::MIN, Duration::from_secs(60));
    request.skip_routes.push("away".to_owned());
    for _ in 0..2 {
        assert!(queue.lease(&request).await.unwrap().is_empty());
        queue.wait().await;
    }
    let start = tokio::time::Instant::now();
    assert!(queue.lease(&request).await.unwrap().is_empty());
    queue.wait().await;
    assert!(start.elapsed() > Duration::from_millis(800), "woken after {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_many_create_at_once_is_one_store() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailkit.db");
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let path = path.clone();
            tasks.spawn(async move { open(&path).await.enqueue(message("x")).await.unwrap() });
        }
        tasks.join_all().await;
        assert_eq!(open(&path).await.stats().await.unwrap().ready, 8);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_does_not_wait_for_a_reader_and_delays_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let (here, there) = (open(&path).await, open(&path).await);
    here.enqueue(message("x")).await.unwrap();
    // A reader with a long transaction, which reads from the WAL.
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM mail").unwrap();
    here.enqueue(message("y")).await.unwrap();
    let start = tokio::time::Instant::now();
    let (closed, enqueued) = tokio::join!(there.close(), here.enqueue(message("z")));
    closed.unwrap();
    enqueued.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "waited for {:?}", start.elapsed());
    drop(reader);
    here.close().await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_that_another_process_enqueues_bit_by_bit_is_soon_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let (here, there) = (open(&path).await, open(&path).await);
    let start = tokio::time::Instant::now();
    for _ in 0..20 {
        // The look at the file is over before the message is in it.
        let ((), enqueued) = tokio::join!(here.wait(), there.enqueue(message("x")));
        enqueued.unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(3), "took {:?}", start.elapsed());
}
