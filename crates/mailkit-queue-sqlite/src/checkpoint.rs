//! Checkpoints: copying the pages of the write-ahead log (WAL) into the database file.
//!
//! SQLite can run checkpoints after a commit on its own, but it hides their errors. After a failed fsync a second one may report
//! success although the pages were lost, and SQLite would then overwrite the WAL, which has the only good copy. So the writer
//! runs the checkpoints and stops the store at the first error.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::batch::WriterCache;
use crate::error::StoreError;
use crate::failpoint::step;

/// The number of pages in the WAL at which a checkpoint is due: about 16 MiB. The disk needs this space for the WAL and the same
/// again for the file to grow. If the WAL has filled the disk, a checkpoint succeeds only once there is space again.
const PAGES: i64 = 4_000;

/// Runs a checkpoint if the WAL is long enough. A reader with an open snapshot defers the pages that were written since.
pub(crate) fn when_due(conn: &Connection, cache: &mut WriterCache) -> Result<(), StoreError> {
    let pages = log_pages(conn, "PRAGMA wal_checkpoint(NOOP)")?;
    if pages < PAGES {
        cache.checkpoint_at = PAGES;
    }
    if pages < cache.checkpoint_at {
        return Ok(());
    }
    step("checkpoint")?;
    cache.checkpoint_at = log_pages(conn, "PRAGMA wal_checkpoint(PASSIVE)")? + PAGES;
    step("checkpointed")
}

/// Runs a checkpoint because the disk is full. After it SQLite can write the WAL from its beginning, which needs no new space.
pub(crate) fn make_room(conn: &Connection) -> Result<(), StoreError> {
    log_pages(conn, "PRAGMA wal_checkpoint(PASSIVE)")?;
    Ok(())
}

/// Runs a full checkpoint because the WAL was removed: its pages exist only while this process has it open. It waits for
/// readers, since a file with only some of the pages would be corrupt.
pub(crate) fn removed_log(conn: &Connection) -> Result<(), StoreError> {
    let is_busy: bool = conn.query_row("PRAGMA wal_checkpoint(FULL)", [], |row| row.get(0))?;
    if is_busy { Err(std::io::Error::from(std::io::ErrorKind::ResourceBusy).into()) } else { Ok(()) }
}

/// Runs the last checkpoint and lets SQLite remove the WAL. If another connection prevents that, the last one to close does it.
pub(crate) fn all(conn: &mut Connection) -> Result<(), StoreError> {
    // While the checkpoint waited for a reader, no process could write.
    conn.busy_handler(None::<fn(i32) -> bool>)?;
    let is_busy: bool = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if !is_busy {
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    }
    Ok(())
}

/// Runs a checkpoint statement and returns the number of pages in the WAL.
fn log_pages(conn: &Connection, sql: &str) -> rusqlite::Result<i64> {
    conn.prepare_cached(sql)?.query_row([], |row| row.get(1))
}
