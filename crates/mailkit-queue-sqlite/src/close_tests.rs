//! Closing a store while a statement runs without end.

use std::sync::mpsc;
use std::time::Duration;

use mailkit_queue::{Queue, QueueError};
use rusqlite::Connection;

use crate::error::StoreError;
use crate::store::SqliteQueue;

/// Reports that it has started, and runs a query without end.
fn endless(conn: &Connection, begun: &mpsc::Sender<()>) -> Result<(), StoreError> {
    begun.send(()).unwrap();
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    conn.query_row(endless, [], |_| Ok(()))?;
    Ok(())
}

fn interrupted(outcome: Result<(), QueueError>) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, QueueError::Unavailable(_)), "{error:?}");
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(why, "the store was closed, and the running statement was interrupted");
}

#[tokio::test]
async fn a_statement_that_runs_when_the_store_is_closed_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = SqliteQueue::open(&path).await.unwrap();
    let (begun, begins) = mpsc::channel();
    let writing = tokio::spawn({
        let (queue, begun) = (queue.clone(), begun.clone());
        async move { queue.writer().call(move |batch| endless(batch.conn, &begun).map(Ok)).await }
    });
    let reading = tokio::spawn({
        let queue = queue.clone();
        async move { queue.readers().call(move |conn| endless(conn, &begun)).await }
    });
    tokio::task::yield_now().await;
    for _ in 0..2 {
        begins.recv().unwrap();
    }
    // The paused clock does not advance while a blocking thread runs.
    tokio::time::pause();
    let closing = tokio::spawn({
        let queue = queue.clone();
        async move { queue.close().await }
    });
    tokio::task::yield_now().await;
    assert!(!closing.is_finished());
    tokio::time::advance(Duration::from_secs(6)).await;
    closing.await.unwrap().unwrap();
    interrupted(writing.await.unwrap());
    interrupted(reading.await.unwrap());
    drop(queue);
    let again = SqliteQueue::open(&path).await.unwrap();
    assert_eq!(again.stats().await.unwrap().ready, 0, "it is sound");
}
