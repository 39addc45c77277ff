//! The check of all that a file holds: it finds what is wrong, and repairs what needs no guess.

use std::path::Path;

use mailkit_queue::{Problem, ProblemKind, Queue, Verification};
use rusqlite::Connection;

use crate::{lease, message, open};

fn run(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

fn kinds(found: &Verification) -> Vec<ProblemKind> {
    found.problems.iter().map(|problem| problem.kind).collect()
}

#[tokio::test]
async fn wrong_counters_are_found_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    for _ in 0..3 {
        queue.enqueue(message("x")).await.unwrap();
    }
    let before = queue.stats().await.unwrap();
    run(
        &path,
        "UPDATE queue SET ready = 2, sent = 7, unfinished_bytes = 0, consumers = 1; UPDATE ready_bucket SET ready = 0",
    );
    let found = queue.verify(false).await.unwrap();
    assert_eq!(kinds(&found), [ProblemKind::Counter; 5], "{found:?}");
    assert_eq!(found.problems[0].text, "the counter of ready messages says 2, and there are 3");
    assert!(lease(&queue).await.is_empty(), "no bucket tells of mail");
    let repaired = queue.verify(true).await.unwrap();
    assert_eq!((repaired.is_ok(), repaired.repaired), (true, 5), "{repaired:?}");
    let after = queue.stats().await.unwrap();
    assert_eq!((after.ready, after.sent), (before.ready, before.sent));
    assert_eq!(lease(&queue).await.len(), 3);
    // What the writer remembers is what was repaired.
    queue.enqueue(message("x")).await.unwrap();
    assert!(queue.verify(false).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_damaged_or_missing_content_is_named_by_its_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    let mut ids = Vec::new();
    for size in [1, 1, 300_000, 300_000, 300_000] {
        ids.push(queue.enqueue(message(&"x".repeat(size))).await.unwrap().id);
    }
    run(
        &path,
        "UPDATE message_body SET content = x'00' WHERE seq = 2; \
         DELETE FROM chunk WHERE content = 1 AND number = 1; \
         UPDATE chunk SET data = zeroblob(10) WHERE content = 2 AND number = 0; \
         DELETE FROM chunk WHERE content = 3 AND number = 2",
    );
    let found = queue.verify(true).await.unwrap();
    let texts = [
        "the stored content is damaged: it does not have its checksum",
        "chunk 1 of the stored content is missing",
        "chunk 0 of the stored content is damaged: it does not have its checksum",
        "the stored content is damaged: 262144 of 300016 octets are there, in 2 chunks",
    ];
    let wanted: Vec<_> =
        ids[1..].iter().zip(texts).map(|(id, text)| Problem::new(ProblemKind::Content, text).of(*id)).collect();
    assert_eq!((found.problems, found.repaired), (wanted, 0));
}

#[tokio::test]
async fn a_message_that_has_lost_a_part_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(queue.enqueue(message("x")).await.unwrap().id);
    }
    run(
        &path,
        "DELETE FROM message_body WHERE seq = 1; UPDATE message SET recipients = 'x' WHERE seq = 2; \
         UPDATE message_body SET sender = 'nobody' WHERE seq = 3; UPDATE message SET bucket = 9 WHERE seq = 4",
    );
    let found = queue.verify(false).await.unwrap();
    let named: Vec<_> = found.problems.iter().filter_map(|problem| Some((problem.kind, problem.id?))).collect();
    assert_eq!(named, ids.iter().map(|id| (ProblemKind::Message, *id)).collect::<Vec<_>>(), "{found:?}");
    assert!(queue.stats().await.is_ok(), "the store goes on");
}

#[tokio::test]
async fn what_belongs_to_no_message_is_found_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    queue.enqueue(message("x")).await.unwrap();
    queue.enqueue(message(&"x".repeat(300_000))).await.unwrap();
    run(
        &path,
        "INSERT INTO message_body (seq, sender, crc, content) VALUES (70, '', 0, 'x'), (71, '', 0, 'x'); \
         INSERT INTO attempt (seq, number, at, route, outcome, text, recipients) VALUES (72, 1, 0, '', '', '', ''); \
         INSERT INTO chunk (content, number, crc, data) VALUES (73, 0, 0, 'x'), (73, 1, 0, 'x'), (74, 0, 0, 'x'); \
         INSERT INTO staging (content, touched_at) VALUES (74, 0)",
    );
    let found = queue.verify(false).await.unwrap();
    let texts: Vec<_> = found.problems.iter().map(|problem| problem.text.as_str()).collect();
    let wanted = [
        "2 bodies of messages belong to no message",
        "1 histories of attempts belong to no message",
        "1 contents belong to no message",
    ];
    assert_eq!((texts, kinds(&found)), (wanted.to_vec(), vec![ProblemKind::Orphan; 3]));
    let repaired = queue.verify(true).await.unwrap();
    assert_eq!((repaired.is_ok(), repaired.repaired), (true, 3), "{repaired:?}");
    let left = "SELECT (SELECT count(*) FROM message_body), (SELECT count(DISTINCT content) FROM chunk)";
    let left = Connection::open(&path).unwrap().query_row(left, [], |row| Ok((row.get(0)?, row.get(1)?)));
    assert_eq!(left, Ok((2, 2)), "a content that is being written stays");
}

#[tokio::test]
async fn an_index_that_does_not_agree_with_its_table_is_found_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    let id = queue.enqueue(message("x")).await.unwrap().id.to_string();
    queue.close().await.unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let places: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(id.as_bytes())).collect();
    for place in places {
        bytes[place + 25] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let queue = open(&path).await;
        let found = queue.verify(true).await.unwrap();
        assert!(kinds(&found).contains(&ProblemKind::Index), "{found:?}");
        queue.close().await.unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes, "the file is left as it is");
        bytes[place + 25] ^= 1;
    }
}
