//! Damage that is found while the store is in use, and recovery of a damaged file.

use std::io::{Read, Seek, SeekFrom, Write};
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use mailkit_queue::{LeaseRequest, Queue, QueueError, RecipientStatus, State};
use mailkit_queue_sqlite::SqliteQueue;
use rusqlite::Connection;

use crate::{lease, message, open};

/// Overwrites pages of a file, starting at this fraction of it.
fn overwrite(path: &Path, share: f64, pages: u64) {
    let mut file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let count = file.metadata().unwrap().len() / 4096;
    let first = (count as f64 * share) as u64;
    file.seek(SeekFrom::Start(first * 4096)).unwrap();
    file.write_all(&vec![0xa5; usize::try_from(pages * 4096).unwrap()]).unwrap();
}

#[tokio::test]
async fn a_content_without_its_checksum_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    let (bad, good) =
        (queue.enqueue(message("bad")).await.unwrap().id, queue.enqueue(message("good")).await.unwrap().id);
    Connection::open(&path).unwrap().execute("UPDATE message_body SET content = x'00' WHERE seq = 1", []).unwrap();
    let leased: Vec<_> = lease(&queue).await.iter().map(|leased| leased.id()).collect();
    assert_eq!(leased, [good]);
    let record = queue.get(bad).await.unwrap().unwrap();
    assert_eq!(record.state, State::Dead);
    assert_eq!(record.recipients[0].status, RecipientStatus::Permanent, "as a large one whose chunks are damaged");
    assert_eq!(record.recipients[0].text, "the stored content is damaged: it does not have its checksum");
    assert!(matches!(queue.content(bad).await, Err(QueueError::Content(_))));
}

#[tokio::test]
async fn a_worker_that_gets_nothing_because_the_first_message_is_damaged_leases_again_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let enqueuer = open(&path).await;
    enqueuer.enqueue(message("bad")).await.unwrap();
    enqueuer.enqueue(message("good")).await.unwrap();
    Connection::open(&path).unwrap().execute("UPDATE message_body SET content = x'00' WHERE seq = 1", []).unwrap();
    let worker = open(&path).await;
    let request = LeaseRequest::new(NonZeroU32::MIN, Duration::from_secs(60));
    assert!(worker.lease(&request).await.unwrap().is_empty());
    // Otherwise only its last poll, within a second, makes it lease.
    tokio::time::timeout(Duration::from_millis(600), worker.wait()).await.unwrap();
    assert_eq!(worker.lease(&request).await.unwrap().len(), 1);
}

#[tokio::test]
async fn damage_that_is_met_at_work_stops_the_store_and_the_file_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    // More than the part that is checked when it is opened.
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..400 {
        let queue = queue.clone();
        tasks.spawn(async move { queue.enqueue(message(&"x".repeat(50_000))).await.unwrap() });
    }
    tasks.join_all().await;
    queue.close().await.unwrap();
    let root: u64 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'message_ready'", [], |row| row.get(0))
        .unwrap();
    let queue = open(&path).await;
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start((root - 1) * 4096)).unwrap();
    file.write_all(&[0xa5; 4096]).unwrap();
    let before = std::fs::read(&path).unwrap();
    let request = LeaseRequest::new(NonZeroU32::MIN, Duration::from_secs(1));
    let error = queue.lease(&request).await.unwrap_err();
    assert!(matches!(error, QueueError::Damaged(_)), "{error:?}");
    assert!(matches!(queue.enqueue(message("more")).await, Err(QueueError::Damaged(_))));
    assert!(matches!(queue.stats().await, Err(QueueError::Damaged(_))));
    assert!(matches!(queue.close().await, Err(QueueError::Damaged(_))));
    drop(queue);
    assert!(std::fs::read(&path).unwrap() == before);
}

#[tokio::test]
async fn the_readable_messages_of_a_damaged_file_are_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    let mut ids = Vec::new();
    for at in 0..400 {
        ids.push(queue.enqueue(message(&format!("{at} {}", "x".repeat(2_000)))).await.unwrap().id);
    }
    queue.enqueue(message(&"y".repeat(300_000))).await.unwrap();
    queue.close().await.unwrap();
    assert_eq!(SqliteQueue::recover(&path).unwrap().count(), 401);

    overwrite(&path, 0.3, 8);
    overwrite(&path, 0.6, 8);
    assert!(matches!(SqliteQueue::open(&path).await, Err(QueueError::Damaged(_))));
    let before = std::fs::read(&path).unwrap();
    let mut recovery = SqliteQueue::recover(&path).unwrap();
    let mut found = 0;
    for message in recovery.by_ref() {
        found += 1;
        let content = message.content.to_bytes().unwrap();
        assert_eq!(content.len() as u64, message.record.size);
        assert_eq!(message.queue, "default");
    }
    assert!(found > 300, "{found} of 401");
    assert!(recovery.skipped() > 0);
    let mut after = Vec::new();
    std::fs::File::open(&path).unwrap().read_to_end(&mut after).unwrap();
    assert!(after == before, "the file is left as it is");
}

#[test]
fn nothing_is_recovered_from_a_file_that_is_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    assert!(matches!(SqliteQueue::recover(&path), Err(QueueError::Missing(_))));
    std::fs::write(&path, "a shopping list").unwrap();
    assert!(matches!(SqliteQueue::recover(&path), Err(QueueError::Damaged(_))));
}

#[tokio::test]
async fn the_messages_left_in_a_truncated_file_are_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    for at in 0..400 {
        let size = if at == 3 { 300_000 } else { 2_000 };
        queue.enqueue(message(&"x".repeat(size))).await.unwrap();
    }
    queue.close().await.unwrap();
    let whole = std::fs::read(&path).unwrap();
    // Also in the middle of a page.
    let cut = &whole[..whole.len() * 7 / 10 + 1_000];
    std::fs::write(&path, cut).unwrap();
    assert!(matches!(SqliteQueue::open(&path).await, Err(QueueError::Damaged(_))));
    let found: Vec<_> = SqliteQueue::recover(&path).unwrap().collect();
    assert!(found.len() > 200, "{} of 400", found.len());
    assert!(found.iter().any(|message| message.content.to_bytes().unwrap().len() > 300_000));
    assert!(std::fs::read(&path).unwrap() == cut, "the file is left as it is");
}

#[tokio::test]
async fn a_message_that_could_not_be_settled_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    let id = queue.enqueue(message("x")).await.unwrap().id.to_string();
    queue.close().await.unwrap();
    let whole = std::fs::read(&path).unwrap();
    let places: Vec<_> = (0..whole.len()).filter(|at| whole[*at..].starts_with(id.as_bytes())).collect();
    assert_eq!(places.len(), 2, "its name is in its row and in the index");
    for place in places {
        let mut bytes = whole.clone();
        bytes[place + 25] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let error = crate::try_lease(&open(&path).await).await.unwrap_err();
        assert!(matches!(error, QueueError::Damaged(_)), "{error:?}");
        assert!(std::fs::read(&path).unwrap() == bytes, "the file is left as it is");
    }
}

#[tokio::test]
async fn mail_is_recovered_from_a_file_in_a_folder_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mail #1?.db");
    let queue = open(&path).await;
    queue.enqueue(message("x")).await.unwrap();
    queue.enqueue(message(&"y".repeat(300_000))).await.unwrap();
    queue.close().await.unwrap();
    // As on a read-only file system: SQLite cannot create the WAL, which it does even to read.
    std::fs::create_dir(folder.path().join("mail #1?.db-wal")).unwrap();
    assert!(matches!(SqliteQueue::open(&path).await, Err(QueueError::Unusable(_))));
    let contents: Vec<_> = SqliteQueue::recover(&path).unwrap().map(|message| message.content).collect();
    assert_eq!(contents.len(), 2);
    assert!(contents[1].to_bytes().unwrap().len() > 300_000);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_whose_log_cannot_be_read_where_it_is_says_what_to_copy() {
    let folder = tempfile::tempdir().unwrap();
    let (path, medium) = (folder.path().join("mailkit.db"), tempfile::tempdir().unwrap());
    let queue = open(&path).await;
    queue.enqueue(message("x")).await.unwrap();
    for name in ["mailkit.db", "mailkit.db-wal"] {
        std::fs::copy(folder.path().join(name), medium.path().join(name)).unwrap();
    }
    // As on a read-only file system: SQLite cannot create the index of the WAL.
    std::os::unix::fs::symlink(medium.path().join("none").join("none"), medium.path().join("mailkit.db-shm")).unwrap();
    let error = SqliteQueue::recover(medium.path().join("mailkit.db")).map(drop).unwrap_err();
    assert!(matches!(error, QueueError::Unusable(_)), "{error:?}");
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.ends_with("copy the file and its -wal to a folder that is writable"), "{why}");
}
