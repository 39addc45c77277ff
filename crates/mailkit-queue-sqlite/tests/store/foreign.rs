//! A store from an untrusted source: objects that were added to the file do not run and change no mail.

use std::path::Path;
use std::time::Duration;

use mailkit_queue::{Queue, QueueError};
use mailkit_queue_sqlite::SqliteQueue;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{lease, message, open};

/// Adds a recipient to all mail that is stored later.
const EAVESDROPPER: &str = "CREATE TRIGGER sqliteXcopy AFTER INSERT ON message BEGIN \
     UPDATE message SET recipients = json_insert(recipients, '$[#]', json_object('address', 'eve@example.net')) \
     WHERE seq = NEW.seq; END";
/// Runs without end when a message is stored.
const ENDLESS: &str = "CREATE TRIGGER sqliteXloop AFTER INSERT ON message BEGIN \
     UPDATE message SET attempts = (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT max(i) FROM n); END";

/// A store with one message, changed by SQL.
async fn changed_by(sql: &str) -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    queue.enqueue(message("first")).await.unwrap();
    queue.close().await.unwrap();
    run(&path, sql);
    (folder, path)
}

fn run(path: &Path, sql: &str) {
    let conn = Connection::open(path).unwrap();
    conn.execute_batch(sql).unwrap();
}

/// SQL that changes the definition of an object without the checks of SQLite.
fn rewrite(name: &str, from: &str, to: &str) -> String {
    format!(
        "PRAGMA writable_schema = ON; \
         UPDATE sqlite_schema SET sql = replace(sql, '{from}', '{to}') WHERE name = '{name}'; PRAGMA writable_schema = RESET"
    )
}

/// The reason why the file is refused. The file is not changed.
async fn refused(path: &Path) -> String {
    let before = std::fs::read(path).unwrap();
    let error = SqliteQueue::open(path).await.unwrap_err();
    assert!(matches!(error, QueueError::Damaged(_)), "{error:?}");
    assert!(std::fs::read(path).unwrap() == before, "the file is left as it is");
    std::error::Error::source(&error).unwrap().to_string()
}

#[tokio::test]
async fn a_store_with_an_object_that_mailkit_does_not_make_is_refused_and_the_object_named() {
    for (sql, named) in [
        (EAVESDROPPER, "trigger `sqliteXcopy`"),
        (ENDLESS, "trigger `sqliteXloop`"),
        ("CREATE TRIGGER sqlite AFTER DELETE ON chunk BEGIN SELECT 1; END", "trigger `sqlite`"),
        ("CREATE TRIGGER message AFTER INSERT ON message BEGIN SELECT 1; END", "trigger `message`"),
        ("CREATE VIEW sqliteXmail AS SELECT * FROM mail", "view `sqliteXmail`"),
        ("CREATE TABLE sqliteXnotes (note TEXT)", "table `sqliteXnotes`"),
        ("CREATE INDEX sqliteXlower ON message (lower(recipients))", "index `sqliteXlower`"),
        ("CREATE UNIQUE INDEX one_size ON message (size) WHERE size > 0", "index `one_size`"),
        ("CREATE VIRTUAL TABLE words USING fts5(word)", "table `words`"),
        ("CREATE TABLE \"two\nlines\" (x)", "table `two\\nlines`"),
        ("CREATE TABLE child (seq REFERENCES message ON DELETE CASCADE)", "table `child`"),
    ] {
        let (_folder, path) = changed_by(sql).await;
        let why = refused(&path).await;
        assert!(why.starts_with(&format!("it has the {named}, which mailkit does not create")), "{why}");
        assert!(!why.contains('\n'), "{why}");
    }
}

#[tokio::test]
async fn a_store_whose_objects_are_not_written_as_mailkit_writes_them_is_refused() {
    let constraint =
        rewrite("message", "attempts INTEGER NOT NULL", "attempts INTEGER CHECK (abs(attempts) >= 0) NOT NULL");
    let collation = rewrite("message_by_id", "(queue, id)", "(queue, id COLLATE NOCASE)");
    let partial = rewrite("message_ready", "state = 1", "state > 1");
    let default = rewrite("message_body", "sender TEXT NOT NULL", "sender TEXT NOT NULL DEFAULT (hex(zeroblob(9)))");
    for (sql, named) in [
        (constraint.as_str(), "table `message`"),
        (&collation, "index `message_by_id`"),
        (&partial, "index `message_ready`"),
        (&default, "table `message_body`"),
        ("ALTER TABLE message_body ADD COLUMN shout TEXT GENERATED ALWAYS AS (upper(subject))", "table `message_body`"),
        ("DROP VIEW mail; CREATE VIEW mail AS SELECT * FROM message", "view `mail`"),
        (
            "DROP TABLE limit_usage; CREATE VIEW limit_usage AS SELECT 1 AS queue, 2 AS key, 3 AS bucket, 4 AS amount",
            "view `limit_usage`",
        ),
    ] {
        let (_folder, path) = changed_by(sql).await;
        assert_eq!(refused(&path).await, format!("its {named} is not the one that mailkit creates"));
    }
    let (_folder, path) = changed_by("DROP INDEX message_ready").await;
    assert_eq!(refused(&path).await, "its index `message_ready` is missing");
}

/// The check runs once. The file may be changed later, or in a manner that the check does not find.
#[tokio::test]
async fn what_comes_into_the_file_while_it_is_open_does_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    run(&path, EAVESDROPPER);
    run(&path, ENDLESS);
    run(&path, "CREATE TABLE child (seq INTEGER REFERENCES message ON DELETE CASCADE)");
    let enqueued = tokio::time::timeout(Duration::from_secs(20), queue.enqueue(message("x"))).await.unwrap();
    let leased = lease(&queue).await;
    assert_eq!(leased[0].id(), enqueued.unwrap().id);
    let recipients: Vec<_> = leased[0].recipients().iter().map(ToString::to_string).collect();
    assert_eq!(recipients, ["bob@example.org"]);
    queue.close().await.unwrap();
}

#[tokio::test]
async fn what_an_operator_leaves_by_analyze_is_removed_and_mail_goes_on() {
    let (_folder, path) = changed_by("ANALYZE; UPDATE sqlite_stat1 SET stat = '1 1 1'").await;
    let queue = open(&path).await;
    assert_eq!(lease(&queue).await.len(), 1);
    queue.close().await.unwrap();
    let count = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'sqlite\\_stat%' ESCAPE '\\'";
    let left: u32 = Connection::open(&path).unwrap().query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn mail_is_recovered_from_a_store_with_foreign_objects_without_running_them() {
    let (_folder, path) = changed_by(ENDLESS).await;
    assert_eq!(SqliteQueue::recover(&path).unwrap().count(), 1);
    // The messages themselves are not read from another object.
    let endless = "DROP VIEW mail; ALTER TABLE message_body RENAME TO sqliteXmessage_body; CREATE VIEW message_body AS \
                   WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i AS seq FROM n";
    let (_folder, path) = changed_by(endless).await;
    let error = SqliteQueue::recover(&path).map(drop).unwrap_err();
    assert!(matches!(error, QueueError::Damaged(_)), "{error:?}");
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(why, "its view `message_body` is not the one that mailkit creates");
}

/// SQLite ignores the case of names: a statement with `message_body` finds `MESSAGE_BODY`. The names of triggers are separate.
#[tokio::test]
async fn mail_is_not_recovered_from_an_object_that_has_the_name_of_ours_in_another_case() {
    let virtual_table = "DROP VIEW mail; DROP TABLE message_body; CREATE VIRTUAL TABLE MESSAGE_BODY USING fts5(seq, sender,                          message_id, subject, tags, delivery, idempotency_key, traceparent, crc, chunks, content)";
    let (_folder, path) = changed_by(virtual_table).await;
    let error = SqliteQueue::recover(&path).map(drop).unwrap_err();
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(why, "its table `MESSAGE_BODY` is not the one that mailkit creates");
    let (_folder, path) = changed_by("CREATE TRIGGER message_body AFTER INSERT ON message BEGIN SELECT 1; END").await;
    assert_eq!(SqliteQueue::recover(&path).unwrap().count(), 1);
}

#[tokio::test]
async fn a_file_with_our_application_id_and_the_tables_of_another_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for version in [0, 2] {
        let path = folder.path().join(format!("{version}.db"));
        let sql = "CREATE TABLE list (item TEXT); INSERT INTO list VALUES ('milk'); PRAGMA application_id = 1835100524";
        run(&path, &format!("{sql}; PRAGMA user_version = {version}"));
        assert!(refused(&path).await.starts_with("it has the table `list`"));
    }
}

#[tokio::test]
async fn pages_and_text_of_another_size_and_encoding_hold_mail_as_well() {
    let folder = tempfile::tempdir().unwrap();
    for (name, sql) in [
        ("small", "PRAGMA page_size = 512"),
        ("large", "PRAGMA page_size = 65536"),
        ("utf16", "PRAGMA encoding = 'UTF-16le'"),
        ("vacuum", "PRAGMA auto_vacuum = FULL"),
    ] {
        let path = folder.path().join(name);
        // Without a table SQLite writes nothing.
        run(&path, &format!("{sql}; PRAGMA application_id = 1835100524; CREATE TABLE x (y); DROP TABLE x"));
        let queue = open(&path).await;
        queue.enqueue(message(&"x".repeat(200_000))).await.unwrap();
        assert_eq!(lease(&queue).await.len(), 1, "{name}");
        queue.close().await.unwrap();
    }
}
