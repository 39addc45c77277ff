//! Unusual paths: relative ones, links, URLs and hard links.

use std::path::{Path, PathBuf};

use mailkit_queue::{Queue, QueueError};
use mailkit_queue_sqlite::SqliteQueue;
use rusqlite::Connection;

use crate::{message, open};

/// Runs a test with a folder of its own as the working directory, in a process of its own.
fn in_a_folder(test: &str) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("MAILKIT_FOLDER") {
        return Some(folder.into());
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("places::{test}")]).current_dir(folder.path());
    let ended = command.env("MAILKIT_FOLDER", folder.path()).output().unwrap();
    let output = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && output.contains("1 passed"), "{output}");
    None
}

#[tokio::test]
async fn a_path_that_sqlite_would_take_for_a_url_or_memory_names_a_file() {
    let test = "a_path_that_sqlite_would_take_for_a_url_or_memory_names_a_file";
    let Some(folder) = in_a_folder(test) else { return };
    Connection::open(folder.join("other.db")).unwrap().execute_batch("CREATE TABLE list (item TEXT)").unwrap();
    for name in ["file:other.db", "file:other.db?mode=memory", ":memory:", "a?b#c%20d.db", " "] {
        let queue = open(Path::new(name)).await;
        let id = queue.enqueue(message("x")).await.unwrap().id;
        assert!(queue.get(id).await.unwrap().is_some());
        queue.close().await.unwrap();
        assert!(folder.join(name).is_file(), "{name}");
        assert!(open(Path::new(name)).await.get(id).await.unwrap().is_some());
    }
    let tables = "SELECT group_concat(name) FROM sqlite_schema";
    let conn = Connection::open(folder.join("other.db")).unwrap();
    assert_eq!(conn.query_row(tables, [], |row| row.get::<_, String>(0)).unwrap(), "list");
    assert!(matches!(SqliteQueue::open("").await, Err(QueueError::Unusable(_))));
}

#[tokio::test]
async fn a_path_without_a_root_stays_the_same_when_the_working_directory_changes() {
    let test = "a_path_without_a_root_stays_the_same_when_the_working_directory_changes";
    let Some(folder) = in_a_folder(test) else { return };
    let queue = open(Path::new("mailkit.db")).await;
    std::fs::create_dir(folder.join("elsewhere")).unwrap();
    std::env::set_current_dir(folder.join("elsewhere")).unwrap();
    let id = queue.enqueue(message("x")).await.unwrap().id;
    assert!(queue.get(id).await.unwrap().is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn a_name_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(std::ffi::OsStr::from_bytes(b"mail\xff.db"));
    let id = open(&path).await.enqueue(message("x")).await.unwrap().id;
    assert!(open(&path).await.get(id).await.unwrap().is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_leads_to_one_store_also_where_its_log_is_long() {
    let folder = tempfile::tempdir().unwrap();
    let (link, path) = (folder.path().join("link.db"), folder.path().join("there").join("mailkit.db"));
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    // The target of the link does not exist yet.
    let queue = open(&link).await;
    for _ in 0..50 {
        queue.enqueue(message(&"x".repeat(5_000))).await.unwrap();
    }
    // The files as a killed process leaves them: most of the data is in the WAL.
    let dead = tempfile::tempdir().unwrap();
    for name in ["mailkit.db", "mailkit.db-wal"] {
        std::fs::copy(path.with_file_name(name), dead.path().join(name)).unwrap();
    }
    let link = dead.path().join("link.db");
    std::os::unix::fs::symlink(dead.path().join("mailkit.db"), &link).unwrap();
    assert_eq!(open(&link).await.stats().await.unwrap().ready, 50);
}

/// Each name would have its own WAL, and a process with one name would overwrite the data of a process with the other.
#[cfg(unix)]
#[tokio::test]
async fn a_file_with_two_names_is_opened_by_neither() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("mailkit.db"), folder.path().join("hard.db"));
    let queue = open(&path).await;
    queue.enqueue(message("x")).await.unwrap();
    std::fs::hard_link(&path, &link).unwrap();
    for name in [&link, &path] {
        let error = SqliteQueue::open(name).await.unwrap_err();
        assert!(matches!(error, QueueError::Unusable(_)), "{error:?}");
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(why.contains("hard link") && why.contains("remove the other name"), "{why}");
    }
    queue.enqueue(message("who has it open goes on")).await.unwrap();
    queue.close().await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(open(&link).await.stats().await.unwrap().ready, 2);
}

#[tokio::test]
async fn a_folder_is_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let refused = [SqliteQueue::open(folder.path()).await.map(drop), SqliteQueue::recover(folder.path()).map(drop)];
    for refused in refused {
        assert!(matches!(refused, Err(QueueError::Unusable(_))), "{refused:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_path_where_no_store_can_be_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("file"), "").unwrap();
    std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
    std::fs::create_dir(at("folder")).unwrap();
    for path in [
        at("file/mail.db"),
        at("loop"),
        at("folder"),
        at("none/"),
        at(&"long".repeat(100)),
        at("nul\0.db"),
        // Nobody may make a file there, root included.
        "/sys/mailkit.db".into(),
        "/dev/null".into(),
    ] {
        let opened = [
            SqliteQueue::open(&path).await.map(drop),
            SqliteQueue::builder(&path).existing().open().await.map(drop),
            SqliteQueue::recover(&path).map(drop),
        ];
        for (number, refused) in opened.into_iter().enumerate() {
            let error = refused.unwrap_err();
            // Where nothing is to be made, there may simply be nothing.
            let is_missing = number > 0 && matches!(error, QueueError::Missing(_));
            assert!(is_missing || matches!(error, QueueError::Unusable(_)), "{path:?}: {error:?}");
            let why = std::error::Error::source(&error).unwrap().to_string();
            assert!(why.contains(&*path.to_string_lossy()), "{path:?}: {why}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "nothing was made");
}

#[tokio::test]
async fn a_command_that_only_reads_creates_neither_a_store_nor_a_queue() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let look = async |name: &str| SqliteQueue::builder(&path).queue(name).existing().open().await;
    assert!(matches!(look("default").await, Err(QueueError::Missing(_))));
    assert!(!path.exists());
    std::fs::write(&path, "").unwrap();
    assert!(matches!(look("default").await, Err(QueueError::Missing(_))));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let queue = open(&path).await;
    let id = queue.enqueue(message("x")).await.unwrap().id;
    assert_eq!(look("default").await.unwrap().stats().await.unwrap().ready, 1);
    let other = look("news").await.unwrap();
    assert_eq!(other.stats().await.unwrap(), mailkit_queue::Stats::default());
    assert!(other.list(&mailkit_queue::Filter::default()).await.unwrap().records.is_empty());
    assert!(other.get(id).await.unwrap().is_none());
    let cancelled = other.apply(id, mailkit_queue::Command::Cancel).await;
    assert!(matches!(cancelled, Err(QueueError::Unknown(_))), "{cancelled:?}");
    assert_eq!(other.purge(&mailkit_queue::State::ALL, std::time::Duration::ZERO).await.unwrap(), 0);
    other.close().await.unwrap();
    queue.close().await.unwrap();
    let conn = Connection::open(&path).unwrap();
    assert_eq!(
        conn.query_row("SELECT group_concat(name) FROM queue", [], |row| row.get::<_, String>(0)).unwrap(),
        "default"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn mail_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    queue.enqueue(message("x")).await.unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
    }
}

/// If these locks are lost, SQLite before 3.51 believes that it is the last user, and removes the WAL of other processes. The
/// `sqlite3` program may do so.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_store_that_its_own_process_opens_again_keeps_its_locks() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    queue.enqueue(message("x")).await.unwrap();
    let file = format!(":{} ", std::fs::metadata(&path).unwrap().ino());
    let is_locked = || std::fs::read_to_string("/proc/locks").unwrap().contains(&file);
    assert!(is_locked());
    assert_eq!(SqliteQueue::recover(&path).unwrap().count(), 1);
    assert!(is_locked(), "POSIX: a process that closes any descriptor of a file loses its locks on it");
    open(&path).await.close().await.unwrap();
    assert!(is_locked());
    drop(queue);
    // The file may be opened again only when the thread of the store has ended, and no event tells when.
    let let_go = async {
        while is_locked() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), let_go).await.unwrap();
    assert_eq!(SqliteQueue::recover(&path).unwrap().count(), 1);
}
