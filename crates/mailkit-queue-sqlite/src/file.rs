//! The file: looked at before SQLite touches it, and opened.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::StoreError;
use crate::schema;

/// How long a writer waits for another process to finish its transaction.
const PATIENCE: Duration = Duration::from_secs(10);
/// Files up to this size are checked whole when they are opened: it takes some 50 ms.
const SMALL: u64 = 16 << 20;
/// What the writer keeps of the file in memory, in KiB.
const WRITER_CACHE: i64 = 16 << 10;
/// What each reader keeps.
const READER_CACHE: i64 = 1 << 10;
/// The first bytes of every SQLite file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// What there is at a path.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// Nothing, or an empty file.
    Nothing,
    /// A store that this crate can read.
    Store,
}

/// Opens the store at a path and checks it, or makes a new one; gives the connection that writes.
pub(crate) fn open(path: &Path) -> Result<Connection, StoreError> {
    let mut conn = match look(path)? {
        Found::Nothing => connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?,
        Found::Store => {
            let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            // Until the file is known to be sound, closing it must not write to it.
            conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            check(&conn, path)?;
            conn
        }
    };
    schema::migrate(&mut conn)?;
    write_ahead(&conn)?;
    // A checkpoint is the writer's own work, since SQLite would hide its errors.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "fullfsync", true)?;
    conn.pragma_update(None, "checkpoint_fullfsync", true)?;
    conn.pragma_update(None, "journal_size_limit", 64 << 20)?;
    conn.pragma_update(None, "cache_size", -WRITER_CACHE)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

/// Opens a connection that only reads.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.pragma_update(None, "cache_size", -READER_CACHE)?;
    conn.set_prepared_statement_cache_capacity(16);
    Ok(conn)
}

/// Opens a store as it is, to read what can be read of it.
pub(crate) fn open_damaged(path: &Path) -> Result<Connection, StoreError> {
    match look(path)? {
        Found::Store => open_reader(path),
        Found::Nothing => Err(StoreError::Io(std::io::ErrorKind::NotFound.into())),
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let mut conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_handler(Some(wait_for_turn))?;
    // Without it, SQLite looks into the parameters when it plans, and plans again whenever they change.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(conn)
}

/// Another process writes: its transaction is over in some milliseconds, and the next one is soon begun.
fn wait_for_turn(tries: i32) -> bool {
    let pause = Duration::from_micros(500);
    std::thread::sleep(pause);
    pause * tries.unsigned_abs() < PATIENCE
}

/// Reads the first bytes of a file and says whether SQLite may open it: for another program's file, opening it could
/// change it already.
fn look(path: &Path) -> Result<Found, StoreError> {
    let mut header = Vec::with_capacity(100);
    match File::open(path) {
        Ok(file) => file.take(100).read_to_end(&mut header).map_err(StoreError::Io)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(StoreError::Io(error)),
    };
    let field = |at: usize| {
        header.get(at..at + 4).map(|bytes| bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    };
    // A power cut while the tables were made leaves zeros, and a journal by which SQLite takes all of it back.
    let unmade = header.iter().all(|byte| *byte == 0);
    if header.is_empty() || unmade && beside(path, "-journal").exists() {
        return Ok(Found::Nothing);
    }
    if !header.starts_with(MAGIC) {
        return Err(StoreError::Broken("the file is not one of SQLite's".into()));
    }
    if field(68) != Some(schema::APPLICATION_ID) {
        return Err(StoreError::Broken("the file belongs to another program".into()));
    }
    match field(60) {
        Some(version) if version > schema::VERSION => Err(schema::newer(version)),
        _ => Ok(Found::Store),
    }
}

/// Checks what costs little: that the file has its length, that the tables are ours, and all pages of a small file.
fn check(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    schema::check(conn)?;
    // Another process may write meanwhile, first to its log: where there is one, the file may be shorter.
    let logged = || std::fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len());
    let before = logged();
    let pages: u64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    let size: u64 = conn.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let length = std::fs::metadata(path).map_err(StoreError::Io)?.len();
    if before == 0 && logged() == 0 && length < pages * size {
        return Err(StoreError::Broken(format!("the file has {length} octets, and should have {}", pages * size)));
    }
    if length <= SMALL {
        let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(StoreError::Broken(verdict));
        }
    }
    Ok(())
}

/// Switches to write-ahead logging, which needs the file alone for a moment.
fn write_ahead(conn: &Connection) -> Result<(), StoreError> {
    let start = Instant::now();
    loop {
        match conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => return Err(StoreError::Broken("the file system does not allow write-ahead logging".into())),
            Err(error) if start.elapsed() > PATIENCE => return Err(error.into()),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The path of a file that SQLite keeps beside the store.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
