//! Bringing the log back into the file.
//!
//! SQLite would do this by itself behind a commit, and hide what goes wrong: a failed fsync would be tried again, be
//! told that all is well, and the log with the only good copy would be written over.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::batch::WriterCache;
use crate::error::StoreError;
use crate::failpoint::step;

/// How many pages the log may have before it is brought into the file: about 16 MiB. So much room is needed on the disk, and
/// as much again for the file to grow: a log that has taken the last octet can only be brought into it once there is room.
const PAGES: i64 = 4_000;

/// Brings the log into the file where it has grown long. A reader in the middle of something puts that off.
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

/// Brings the log into the file where the disk is full: what has no room at the log's end may have it at its beginning.
pub(crate) fn make_room(conn: &Connection) -> Result<(), StoreError> {
    log_pages(conn, "PRAGMA wal_checkpoint(PASSIVE)")?;
    Ok(())
}

/// Brings the log into the file where it was removed, and is there only as long as it is open here. Waits for who reads:
/// a file into which a part of it was brought would be of use to nobody.
pub(crate) fn removed_log(conn: &Connection) -> Result<(), StoreError> {
    let is_busy: bool = conn.query_row("PRAGMA wal_checkpoint(FULL)", [], |row| row.get(0))?;
    if is_busy { Err(std::io::Error::from(std::io::ErrorKind::ResourceBusy).into()) } else { Ok(()) }
}

/// Brings all of the log into the file, and lets SQLite remove it; where others have the file open, the last of them
/// does what could not be done now.
pub(crate) fn all(conn: &mut Connection) -> Result<(), StoreError> {
    // To wait for a reader here would have all wait who write.
    conn.busy_handler(None::<fn(i32) -> bool>)?;
    let is_busy: bool = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if !is_busy {
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    }
    Ok(())
}

/// How many pages the log has.
fn log_pages(conn: &Connection, sql: &str) -> rusqlite::Result<i64> {
    conn.prepare_cached(sql)?.query_row([], |row| row.get(1))
}
