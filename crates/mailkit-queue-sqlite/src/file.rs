//! Opening the file: its header is checked before SQLite opens it.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::StoreError;
use crate::file_identity::FileIdentity;
use crate::interrupt::Interrupt;
use crate::schema;

/// The time that a connection waits for the lock of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum size of a file that is checked completely when it is opened. It takes about 50 ms.
const MAX_FULL_CHECK: u64 = 16 << 20;
/// The page cache of the writer in KiB.
const WRITER_CACHE: i64 = 16 << 10;
/// The page cache of each reader in KiB.
const READER_CACHE: i64 = 1 << 10;
/// The first bytes of every SQLite file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Whether a missing store is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenMode {
    /// The store is created if the file does not exist or is empty.
    Create,
    /// The store must exist.
    Existing,
}

/// Opens and checks a store, or creates one, and returns the connection that writes.
pub(crate) fn open(
    path: &Path,
    mode: OpenMode,
    interrupt: &Interrupt,
) -> Result<(FileIdentity, Connection), StoreError> {
    open_at(path, mode, interrupt).map_err(|error| error.at(path))
}

fn open_at(path: &Path, mode: OpenMode, interrupt: &Interrupt) -> Result<(FileIdentity, Connection), StoreError> {
    let (identity, mut conn, is_store) = match open_for_writing(path, mode, interrupt) {
        // On an overlay file system, a file may get another inode when it is first opened for writing.
        Err(StoreError::FileReplaced(_)) => open_for_writing(path, mode, interrupt)?,
        opened => opened?,
    };
    if is_store || schema::version(&conn)? > 0 {
        check(&conn, &identity)?;
    } else if mode == OpenMode::Existing {
        return Err(empty(&identity));
    }
    schema::create(&mut conn)?;
    write_ahead(&conn)?;
    schema::drop_statistics(&conn)?;
    // The writer runs the checkpoints, since SQLite would hide their errors.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "fullfsync", true)?;
    conn.pragma_update(None, "checkpoint_fullfsync", true)?;
    conn.pragma_update(None, "journal_size_limit", 64 << 20)?;
    conn.pragma_update(None, "cache_size", -WRITER_CACHE)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok((identity, conn))
}

/// Opens the file at a path. The last value tells whether it is a store; if not, it is empty.
fn open_for_writing(
    path: &Path,
    mode: OpenMode,
    interrupt: &Interrupt,
) -> Result<(FileIdentity, Connection, bool), StoreError> {
    let identity = match mode {
        OpenMode::Create => FileIdentity::create(path)?,
        OpenMode::Existing => FileIdentity::existing_for_writing(path)?,
    };
    let is_store = inspect(&identity)?;
    let conn = connect(identity.path(), OpenFlags::SQLITE_OPEN_READ_WRITE, interrupt)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // A damaged file must not be changed when it is closed, and the errors of a checkpoint must be reported.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    identity.check_file()?;
    Ok((identity, conn, is_store))
}

/// Opens a connection that only reads.
pub(crate) fn open_reader(identity: &FileIdentity, interrupt: &Interrupt) -> Result<Connection, StoreError> {
    let conn = connect(identity.path(), OpenFlags::SQLITE_OPEN_READ_ONLY, interrupt)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    settle_reader(conn, identity)
}

/// Opens a store that may be damaged, for reading.
pub(crate) fn open_damaged(identity: &FileIdentity, interrupt: &Interrupt) -> Result<Connection, StoreError> {
    open_unchecked(identity, interrupt).map_err(|error| error.at(identity.path()))
}

/// The error for an empty file in the place of a store.
fn empty(identity: &FileIdentity) -> StoreError {
    StoreError::Missing(format!("the file {} is empty", identity.path().display()))
}

fn open_unchecked(identity: &FileIdentity, interrupt: &Interrupt) -> Result<Connection, StoreError> {
    let was_store = inspect(identity)?;
    let open = |path: &Path, flags| {
        let conn = connect(path, flags | OpenFlags::SQLITE_OPEN_READ_ONLY, interrupt)?;
        // A truncated file is read up to its end. The defensive mode would refuse it, and guards only against connections that
        // write.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, true)?;
        settle_reader(conn, identity)
    };
    let conn = match open(identity.path(), OpenFlags::empty()) {
        Err(error) if error.is_log_inaccessible() && identity.has_log() => {
            return Err(StoreError::UnusableFile(
                "the folder is not writable, and SQLite needs that to read the write-ahead log (-wal): copy the file and its -wal \
             to a folder that is writable",
            ));
        }
        // On a read-only file system no other process writes either, and SQLite may assume that.
        Err(error) if error.is_log_inaccessible() => {
            open(Path::new(&identity.immutable()), OpenFlags::SQLITE_OPEN_URI)?
        }
        opened => opened?,
    };
    // The header was empty. The file is a store only if it was created since.
    if !was_store && schema::version(&conn)? == 0 {
        return Err(empty(identity));
    }
    schema::check_to_read(&conn)?;
    Ok(conn)
}

fn settle_reader(conn: Connection, identity: &FileIdentity) -> Result<Connection, StoreError> {
    identity.check_file()?;
    conn.pragma_update(None, "cache_size", -READER_CACHE)?;
    conn.set_prepared_statement_cache_capacity(16);
    Ok(conn)
}

fn connect(path: &Path, flags: OpenFlags, interrupt: &Interrupt) -> Result<Connection, StoreError> {
    let mut conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    distrust(&conn)?;
    interrupt.attach(&mut conn)?;
    conn.busy_handler(Some(wait_for_lock))?;
    // Otherwise SQLite plans a statement by its parameters, and plans it again whenever they change.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(conn)
}

/// Turns off triggers, views and foreign keys, which no statement of this crate needs. The file may be from an untrusted source,
/// and may be changed while it is open.
fn distrust(conn: &Connection) -> Result<(), StoreError> {
    for off in [
        DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER,
        DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW,
        DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY,
        DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA,
    ] {
        conn.set_db_config(off, false)?;
    }
    Ok(())
}

/// The busy handler: it waits for the transaction of another process, which takes some milliseconds.
fn wait_for_lock(tries: i32) -> bool {
    let pause = Duration::from_micros(500);
    std::thread::sleep(pause);
    pause * tries.unsigned_abs() < BUSY_TIMEOUT
}

/// Returns whether the file is a store; if not, it is empty. The file of another program is refused here, since SQLite may change
/// it when it opens it.
fn inspect(identity: &FileIdentity) -> Result<bool, StoreError> {
    let header = &identity.header;
    let field = |at: usize| {
        header.get(at..at + 4).map(|bytes| bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    };
    // After a power failure during the creation of the tables the file has zeros and a journal, by which SQLite rolls back.
    let unmade = header.iter().all(|byte| *byte == 0);
    if header.is_empty() || unmade && identity.beside("-journal").exists() {
        return Ok(false);
    }
    if !header.starts_with(MAGIC) {
        return Err(StoreError::Corrupt("the file is not an SQLite database".into()));
    }
    if field(68) != Some(schema::APPLICATION_ID) {
        return Err(StoreError::Corrupt("the file belongs to another program".into()));
    }
    match field(60) {
        Some(version) => schema::check_version(version).map(|()| true),
        None => Ok(true),
    }
}

/// Checks the schema, the length of the file, and all pages of a small file.
fn check(conn: &Connection, identity: &FileIdentity) -> Result<(), StoreError> {
    schema::check(conn)?;
    // Another process may write meanwhile. While there is a WAL, the file may be shorter.
    let before = identity.has_log();
    let pages: u64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    let size: u64 = conn.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let length = std::fs::metadata(identity.path())?.len();
    if !before && !identity.has_log() && length < pages * size {
        return Err(StoreError::Corrupt(format!("the file has {length} octets, and should have {}", pages * size)));
    }
    if length <= MAX_FULL_CHECK {
        let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(StoreError::Corrupt(verdict));
        }
    }
    Ok(())
}

/// Switches to write-ahead logging, which needs an exclusive lock for a moment.
fn write_ahead(conn: &Connection) -> Result<(), StoreError> {
    let start = Instant::now();
    loop {
        match conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => return Err(StoreError::Corrupt("the file system does not allow write-ahead logging".into())),
            Err(error) if start.elapsed() > BUSY_TIMEOUT => return Err(error.into()),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}
