//! A file that is removed or replaced while it is open: nothing more is acknowledged, since it would be lost when the process
//! ends, and the data that was acknowledged before is kept if possible.

use std::path::Path;

use mailkit_queue::{Queue, QueueError};
use mailkit_queue_sqlite::SqliteQueue;

use crate::{message, open};

const FILE: &str = "the file was removed, moved or replaced while it was open";
const LOG: &str = "the write-ahead log of the file (-wal) was removed or replaced while it was open";
const INDEX: &str = "the index of the write-ahead log (-shm) was removed or replaced while it was open";

/// The reason why a call failed permanently.
fn reason<T: std::fmt::Debug>(outcome: Result<T, QueueError>) -> String {
    let error = outcome.unwrap_err();
    assert!(matches!(error, QueueError::Failed(_)), "{error:?}");
    std::error::Error::source(&error).unwrap().to_string()
}

/// The store stops with this reason.
async fn stops(path: &Path, lose: impl FnOnce(&Path)) -> String {
    let queue = open(path).await;
    for _ in 0..20 {
        queue.enqueue(message("before")).await.unwrap();
    }
    lose(path);
    let why = reason(queue.enqueue(message("after")).await);
    assert_eq!(reason(crate::try_lease(&queue).await), why);
    assert_eq!(reason(queue.stats().await), why);
    assert_eq!(reason(queue.close().await), why);
    why
}

async fn ready(path: &Path) -> u64 {
    open(path).await.stats().await.unwrap().ready
}

#[tokio::test]
async fn a_file_that_was_removed_stops_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let why = stops(&path, |path| std::fs::remove_file(path).unwrap()).await;
    assert!(why.starts_with(FILE), "{why}");
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
    assert!(why.await.starts_with(FILE));
    assert_eq!(std::fs::read(&path).unwrap(), b"a shopping list");
}

#[tokio::test]
async fn a_file_that_was_replaced_is_not_read_in_place_of_the_one_that_was_opened() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("mailkit.db"), folder.path().join("other.db"));
    open(&other).await.close().await.unwrap();
    let queue = open(&path).await;
    queue.enqueue(message("x")).await.unwrap();
    std::fs::rename(&other, &path).unwrap();
    assert!(reason(queue.stats().await).starts_with(FILE));
}

#[tokio::test]
async fn a_file_that_was_moved_has_all_that_was_acknowledged_when_its_log_is_moved_along() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("mailkit.db"), folder.path().join("moved.db"));
    let why = stops(&path, |path| std::fs::rename(path, &moved).unwrap()).await;
    assert!(
        why.ends_with("if it was moved, move its write-ahead log (-wal) with it before it is opened again"),
        "{why}"
    );
    let error = SqliteQueue::open(&path).await.unwrap_err();
    assert!(matches!(error, QueueError::Unusable(_)), "a new store would have the log removed: {error:?}");
    std::fs::rename(folder.path().join("mailkit.db-wal"), folder.path().join("moved.db-wal")).unwrap();
    assert_eq!(ready(&moved).await, 20);
}

#[tokio::test]
async fn a_log_that_was_removed_stops_the_store_and_what_was_acknowledged_is_kept() {
    // Another process that opens it meanwhile creates a new one, and cannot use it.
    for is_remade in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailkit.db");
        let lose = |_: &Path| {
            std::fs::remove_file(folder.path().join("mailkit.db-wal")).unwrap();
            if is_remade {
                std::fs::write(folder.path().join("mailkit.db-wal"), "").unwrap();
            }
        };
        assert_eq!(stops(&path, lose).await, LOG);
        assert_eq!(ready(&path).await, 20);
    }
}

/// A process that has created both may have written to the file.
#[tokio::test]
async fn a_log_that_was_removed_with_its_index_is_not_copied_into_a_file_that_another_process_has_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let mut file = Vec::new();
    let lose = |path: &Path| {
        file = std::fs::read(path).unwrap();
        for name in ["mailkit.db-wal", "mailkit.db-shm"] {
            std::fs::remove_file(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name), "").unwrap();
        }
    };
    assert_eq!(stops(&path, lose).await, LOG);
    assert!(std::fs::read(&path).unwrap() == file, "the file stays as it is");
}

#[tokio::test]
async fn a_log_that_was_removed_is_noticed_and_saved_also_when_the_store_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    queue.enqueue(message("before")).await.unwrap();
    std::fs::remove_file(folder.path().join("mailkit.db-wal")).unwrap();
    assert_eq!(reason(queue.close().await), LOG);
    assert_eq!(ready(&path).await, 1);
}

#[tokio::test]
async fn a_replaced_log_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let log = folder.path().join("mailkit.db-wal");
    let queue = open(&path).await;
    queue.enqueue(message("before")).await.unwrap();
    let file = std::fs::read(&path).unwrap();
    std::fs::remove_file(&log).unwrap();
    std::fs::write(&log, "of somebody else").unwrap();
    assert_eq!(reason(queue.enqueue(message("after")).await), LOG);
    assert_eq!(reason(queue.close().await), LOG);
    drop(queue);
    assert!(std::fs::read(&path).unwrap() == file, "the file stays as it is");
    assert_eq!(std::fs::read(&log).unwrap(), b"of somebody else");
}

#[tokio::test]
async fn a_log_that_was_removed_before_the_first_transaction_stops_the_store() {
    for put_another in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailkit.db");
        let log = folder.path().join("mailkit.db-wal");
        let first = open(&path).await;
        first.enqueue(message("before")).await.unwrap();
        first.close().await.unwrap();
        let queue = open(&path).await;
        std::fs::remove_file(&log).unwrap();
        if put_another {
            std::fs::write(&log, "").unwrap();
        }
        for _ in 0..2 {
            assert_eq!(reason(queue.enqueue(message("after")).await), LOG);
        }
        drop(queue);
        assert_eq!(ready(&path).await, 1);
    }
}

#[tokio::test]
async fn an_index_of_the_log_that_was_removed_stops_the_store_before_it_writes_over_the_mail_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let (index, log) = (folder.path().join("mailkit.db-shm"), folder.path().join("mailkit.db-wal"));
    let queue = open(&path).await;
    for _ in 0..5 {
        queue.enqueue(message("before")).await.unwrap();
    }
    std::fs::remove_file(&index).unwrap();
    let before = std::fs::read(&log).unwrap();
    assert_eq!(reason(queue.enqueue(message("after")).await), INDEX);
    assert!(std::fs::read(&log).unwrap() == before, "nothing was put where another process may have put its own");
    // Until it is closed, this process still has the removed index open.
    assert_eq!(reason(queue.close().await), INDEX);
    assert_eq!(ready(&path).await, 5);
}

/// A loop of symbolic links replaces a folder without permission, since root may search every folder.
#[cfg(unix)]
#[tokio::test]
async fn a_store_whose_file_cannot_be_checked_for_a_moment_continues() {
    let folder = tempfile::tempdir().unwrap();
    let (there, aside) = (folder.path().join("there"), folder.path().join("aside"));
    std::fs::create_dir(&there).unwrap();
    let queue = open(&there.join("mailkit.db")).await;
    queue.enqueue(message("x")).await.unwrap();
    std::fs::rename(&there, &aside).unwrap();
    std::os::unix::fs::symlink(&there, &there).unwrap();
    for _ in 0..2 {
        queue.enqueue(message("x")).await.unwrap();
    }
    std::fs::remove_file(&there).unwrap();
    std::fs::rename(&aside, &there).unwrap();
    queue.enqueue(message("x")).await.unwrap();
    queue.close().await.unwrap();
    assert_eq!(ready(&there.join("mailkit.db")).await, 4);
}
