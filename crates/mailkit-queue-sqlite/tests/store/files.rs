//! Opening files of all kinds.

use std::path::Path;

use mailkit_queue::{Queue, QueueError};
use mailkit_queue_sqlite::SqliteQueue;
use rusqlite::Connection;

use crate::{accepted, lease, message, open};

/// Opens a file that must be refused, checks that it was not changed, and returns the reason.
async fn refused(path: &Path) -> String {
    let before = std::fs::read(path).unwrap();
    let error = SqliteQueue::open(path).await.unwrap_err();
    assert!(matches!(error, QueueError::Damaged(_)), "{error:?}");
    assert!(std::fs::read(path).unwrap() == before, "not an octet may change");
    let beside = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    let beside: Vec<_> = beside.filter(|name| !name.to_string_lossy().ends_with("-shm")).collect();
    assert!(beside.len() <= 2, "nothing is made beside it: {beside:?}");
    std::error::Error::source(&error).unwrap().to_string()
}

#[tokio::test]
async fn a_store_that_was_closed_is_one_file_and_has_everything_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    let (kept, sent) =
        (queue.enqueue(message("kept")).await.unwrap().id, queue.enqueue(message("sent")).await.unwrap().id);
    let leased = lease(&queue).await.into_iter().find(|leased| leased.id() == sent).unwrap();
    let settlement = accepted(&leased);
    queue.settle(leased.token, &settlement).await.unwrap();
    let record = queue.get(sent).await.unwrap();
    queue.close().await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let queue = open(&path).await;
    assert_eq!(queue.get(sent).await.unwrap(), record);
    assert_eq!(queue.content(kept).await.unwrap().unwrap().to_bytes().unwrap(), "Subject: x\r\n\r\nkept\r\n");
    assert!(matches!(queue.close().await, Ok(())));
    assert!(matches!(queue.enqueue(message("late")).await, Err(QueueError::Failed(_))));
}

#[tokio::test]
async fn an_empty_file_becomes_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    std::fs::write(&path, "").unwrap();
    open(&path).await.enqueue(message("x")).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    std::fs::write(&path, "a shopping list").unwrap();
    assert_eq!(refused(&path).await, "the file is not an SQLite database");

    std::fs::remove_file(&path).unwrap();
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE list (item TEXT); INSERT INTO list VALUES ('milk')")
        .unwrap();
    assert_eq!(refused(&path).await, "the file belongs to another program");
}

#[tokio::test]
async fn a_store_of_another_version_is_refused_with_what_to_do_and_left_as_it_is() {
    for (version, wanted) in [
        (
            1,
            "the file has schema version 1, and this mailkit uses version 2: export its mail with the mailkit that wrote it",
        ),
        (99, "the file has schema version 99, and this mailkit knows none after 2"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailkit.db");
        open(&path).await.close().await.unwrap();
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(&format!("PRAGMA journal_mode = DELETE; PRAGMA user_version = {version}")).unwrap();
        drop(conn);
        let before = std::fs::read(&path).unwrap();
        for error in [SqliteQueue::open(&path).await.unwrap_err(), SqliteQueue::recover(&path).map(drop).unwrap_err()] {
            assert!(matches!(error, QueueError::Incompatible(_)), "{error:?}");
            let why = std::error::Error::source(&error).unwrap().to_string();
            assert!(why.starts_with(wanted), "{why}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

#[tokio::test]
async fn a_store_whose_tables_were_changed_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    open(&path).await.close().await.unwrap();
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("PRAGMA journal_mode = DELETE; ALTER TABLE message_body ADD COLUMN colour TEXT").unwrap();
    drop(conn);
    assert_eq!(refused(&path).await, "its table `message_body` is not the one that mailkit creates");
}

#[tokio::test]
async fn a_store_that_was_cut_short_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    for _ in 0..50 {
        queue.enqueue(message(&"x".repeat(5_000))).await.unwrap();
    }
    queue.close().await.unwrap();
    let length = std::fs::metadata(&path).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length / 2).unwrap();
    refused(&path).await;
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let error = SqliteQueue::open(folder.path().join("none").join("mailkit.db")).await.unwrap_err();
    assert!(matches!(error, QueueError::Missing(_)), "{error:?}");
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(why, format!("there is no folder {}", folder.path().join("none").display()));
}

#[tokio::test]
async fn the_sqlite3_program_can_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    let id = queue.enqueue(message("x")).await.unwrap().id;
    let conn = Connection::open(&path).unwrap();
    let select = "SELECT id, state, recipients, priority FROM mail WHERE queue = 'default'";
    let row: (String, String, String, String) =
        conn.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
    let word = str::to_owned;
    assert_eq!(row, (id.to_string(), word("ready"), word("bob@example.org"), word("normal")));
}

#[tokio::test]
async fn a_filter_finds_a_recipient_that_is_longer_than_any_pattern_of_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(&folder.path().join("mailkit.db")).await;
    queue.enqueue(message("x")).await.unwrap();
    let filter = |recipient: String| mailkit_queue::Filter::new().with_recipient(recipient);
    assert_eq!(queue.list(&filter("bob@example.org".to_owned())).await.unwrap().records.len(), 1);
    let long = format!("{}@example.org", "b".repeat(60_000));
    assert!(queue.list(&filter(long)).await.unwrap().records.is_empty());
}

/// The file of another program after a crash: SQLite would roll back its transaction when it opens the file.
fn with_a_hot_journal(path: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("other.db");
    let conn = Connection::open(&live).unwrap();
    let begin = "PRAGMA cache_size = 2; CREATE TABLE list (item); INSERT INTO list VALUES (zeroblob(300000));
                 INSERT INTO list SELECT item FROM list; BEGIN; UPDATE list SET item = randomblob(300000)";
    conn.execute_batch(begin).unwrap();
    for suffix in ["", "-journal"] {
        std::fs::copy(format!("{}{suffix}", live.display()), format!("{}{suffix}", path.display())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn another_programs_file_that_many_open_at_once_stays_as_it_is() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.db");
        with_a_hot_journal(&path);
        let before = std::fs::read(&path).unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let path = path.clone();
            tasks.spawn(async move { SqliteQueue::open(&path).await.map(drop) });
        }
        for refused in tasks.join_all().await {
            assert!(matches!(refused, Err(QueueError::Damaged(_))), "{refused:?}");
        }
        assert!(std::fs::read(&path).unwrap() == before && folder.path().join("other.db-journal").exists());
    }
}
