//! A file that goes away while it is open: what went into it would be gone with the process, so nothing is acknowledged.

use std::path::Path;

use mailkit_queue::{Queue, QueueError};

use crate::{message, open};

/// The store stops, and says why.
async fn stops(path: &Path, lose: impl FnOnce(&Path)) -> String {
    let queue = open(path).await;
    queue.enqueue(message("before")).await.unwrap();
    lose(path);
    let error = queue.enqueue(message("after")).await.unwrap_err();
    assert!(matches!(error, QueueError::Failed(_)), "{error:?}");
    assert!(matches!(crate::try_lease(&queue).await, Err(QueueError::Failed(_))));
    assert!(matches!(queue.stats().await, Err(QueueError::Failed(_))));
    std::error::Error::source(&error).unwrap().to_string()
}

#[tokio::test]
async fn a_file_that_was_removed_stops_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let why = stops(&path, |path| std::fs::remove_file(path).unwrap()).await;
    assert_eq!(why, "the file was removed, moved or replaced while it was open");
    assert!(!path.exists(), "none is made in its place");
}

#[tokio::test]
async fn a_file_that_was_replaced_stops_the_store_and_the_new_one_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let why = stops(&path, |path| {
        std::fs::rename(path, path.with_extension("old")).unwrap();
        std::fs::write(path, "a shopping list").unwrap();
    });
    assert_eq!(why.await, "the file was removed, moved or replaced while it was open");
    assert_eq!(std::fs::read(&path).unwrap(), b"a shopping list");
}

#[tokio::test]
async fn a_log_that_was_removed_stops_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let why = stops(&path, |_| std::fs::remove_file(folder.path().join("mailkit.db-wal")).unwrap()).await;
    assert_eq!(why, "the log of the file (-wal) was removed or replaced while it was open");
}
