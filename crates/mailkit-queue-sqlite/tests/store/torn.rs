//! A power failure: data that was not synced is lost or torn, and everything before it is there.

use mailkit_queue::Queue;
use mailkit_queue_sqlite::SqliteQueue;

use crate::{message, open};

#[tokio::test]
async fn a_log_that_was_cut_anywhere_gives_the_transactions_before_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    let (path, log) = (folder.path().join("mailkit.db"), folder.path().join("mailkit.db-wal"));
    let queue = open(&path).await;
    let mut written = Vec::new();
    for at in 0..40 {
        let id = queue.enqueue(message(&"x".repeat(at * 200))).await.unwrap().id;
        written.push((id, std::fs::metadata(&log).unwrap().len()));
    }
    let (file, log) = (std::fs::read(&path).unwrap(), std::fs::read(&log).unwrap());
    for round in 0..60 {
        let cut = fastrand::usize(..=log.len());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailkit.db");
        std::fs::write(&path, &file).unwrap();
        let mut torn = log[..cut].to_vec();
        if round % 2 == 0 {
            // Sectors that the disk had not written yet.
            torn.resize(log.len(), 0);
        }
        std::fs::write(folder.path().join("mailkit.db-wal"), torn).unwrap();
        let queue = SqliteQueue::open(&path).await.unwrap();
        for (id, end) in &written {
            let is_there = queue.get(*id).await.unwrap().is_some();
            assert_eq!(is_there, *end <= cut as u64, "cut at {cut} of {}, {id} ends at {end}", log.len());
        }
        let count = written.iter().filter(|(_, end)| *end <= cut as u64).count();
        assert_eq!(queue.stats().await.unwrap().ready, count as u64);
        queue.enqueue(message("it goes on")).await.unwrap();
    }
}

#[tokio::test]
async fn a_checkpoint_that_was_cut_anywhere_loses_nothing() {
    const SECTOR: usize = 512;
    let folder = tempfile::tempdir().unwrap();
    let (path, log) = (folder.path().join("mailkit.db"), folder.path().join("mailkit.db-wal"));
    let queue = open(&path).await;
    let mut ids = Vec::new();
    for at in 0..40 {
        ids.push(queue.enqueue(message(&"x".repeat(at * 200))).await.unwrap().id);
    }
    let (before, log) = (std::fs::read(&path).unwrap(), std::fs::read(&log).unwrap());
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
    let after = std::fs::read(&path).unwrap();
    assert!(before.len() < after.len());
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailkit.db");
        let length = fastrand::usize(before.len()..=after.len());
        // Of each sector, the disk has what it was, what it shall be, or nothing yet.
        let sectors = (0..length).step_by(SECTOR).flat_map(|at| {
            let range = at..(at + SECTOR).min(length);
            let old = before.get(range.clone()).map_or_else(|| vec![0; range.len()], <[u8]>::to_vec);
            if fastrand::bool() { old } else { after[range].to_vec() }
        });
        std::fs::write(&path, sectors.collect::<Vec<_>>()).unwrap();
        std::fs::write(folder.path().join("mailkit.db-wal"), &log).unwrap();
        let queue = SqliteQueue::open(&path).await.unwrap();
        for id in &ids {
            assert!(queue.content(*id).await.unwrap().is_some());
        }
        assert_eq!(queue.stats().await.unwrap().ready, 40);
    }
}
