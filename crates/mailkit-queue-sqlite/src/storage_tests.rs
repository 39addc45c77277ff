//! Errors of the storage: a full disk and a failed fsync.

use std::num::NonZeroU32;
use std::time::Duration;

use mailkit_address::Envelope;
use mailkit_queue::{LeaseRequest, NewMessage, Queue, QueueError};
use rusqlite::ffi;
use rusqlite::limits::Limit;

use crate::error::StoreError;
use crate::store::SqliteQueue;

fn message() -> NewMessage {
    let to = vec!["bob@example.org".parse().unwrap()];
    NewMessage::new(Envelope::null_sender(to).unwrap(), "x".repeat(20_000))
}

fn one() -> LeaseRequest {
    LeaseRequest::new(NonZeroU32::MIN, Duration::from_secs(60))
}

/// Limits the growth of the file to this number of pages.
async fn limit(queue: &SqliteQueue, pages: i64) {
    let set = queue.writer().call(move |batch| {
        let now: i64 = batch.conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        batch.conn.pragma_update(None, "max_page_count", now + pages)?;
        Ok(Ok(()))
    });
    set.await.unwrap();
}

#[tokio::test]
async fn a_full_disk_refuses_new_mail_loses_none_and_takes_it_again_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let queue = SqliteQueue::open(folder.path().join("mailkit.db")).await.unwrap();
    let kept = queue.enqueue(message()).await.unwrap().id;
    limit(&queue, 12).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let queue = queue.clone();
        tasks.spawn(async move { queue.enqueue(message()).await });
    }
    let (stored, refused): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().partition(Result::is_ok);
    assert!(!stored.is_empty(), "what has room is stored, whatever it shared a transaction with");
    assert!(refused.iter().all(|error| matches!(error, Err(QueueError::Unavailable(_)))), "{refused:?}");
    assert!(!refused.is_empty());
    assert_eq!(queue.stats().await.unwrap().ready, 1 + stored.len() as u64);

    limit(&queue, 1_000).await;
    queue.enqueue(message()).await.unwrap();
    let leased = queue.lease(&one()).await.unwrap();
    assert_eq!(leased[0].id(), kept);
}

#[tokio::test]
async fn a_store_whose_file_system_failed_stops_and_keeps_saying_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = SqliteQueue::open(&path).await.unwrap();
    queue.enqueue(message()).await.unwrap();
    let failed = queue.writer().call::<(), _>(|_| {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_FSYNC), None);
        Err(StoreError::Sqlite(error))
    });
    assert!(matches!(failed.await, Err(QueueError::Failed(_))));
    assert!(matches!(queue.enqueue(message()).await, Err(QueueError::Failed(_))));
    assert!(matches!(queue.lease(&one()).await, Err(QueueError::Failed(_))));
    assert!(matches!(queue.stats().await, Err(QueueError::Failed(_))));
    assert!(matches!(queue.close().await, Err(QueueError::Failed(_))));
    let again = SqliteQueue::open(&path).await.unwrap();
    assert_eq!(again.stats().await.unwrap().ready, 1, "opened anew, it has what was acknowledged");
}

#[tokio::test]
async fn work_that_fails_for_a_while_is_done_again_without_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let queue = SqliteQueue::open(folder.path().join("mailkit.db")).await.unwrap();
    let full = || StoreError::Sqlite(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None));
    let failing = queue.writer().call::<(), _>(move |_| Err(full()));
    let (first, failed, last) = tokio::join!(queue.enqueue(message()), failing, queue.enqueue(message()));
    assert!(first.is_ok() && last.is_ok());
    assert!(matches!(failed, Err(QueueError::Unavailable(_))));
    assert_eq!(queue.stats().await.unwrap().ready, 2);
}

#[tokio::test]
async fn a_store_that_cannot_roll_a_transaction_back_stops() {
    let folder = tempfile::tempdir().unwrap();
    let queue = SqliteQueue::open(folder.path().join("mailkit.db")).await.unwrap();
    let failing = queue.writer().call::<(), _>(|batch| {
        // Too short for the word ROLLBACK.
        batch.conn.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, 5)?;
        Err(std::io::Error::from(std::io::ErrorKind::Interrupted).into())
    });
    let others = queue.enqueue(message());
    for error in [failing.await.unwrap_err(), others.await.unwrap_err(), queue.stats().await.unwrap_err()] {
        assert!(matches!(error, QueueError::Failed(_)), "{error:?}");
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(why, "a failed transaction could not be rolled back");
    }
}
