//! The file: looked at before SQLite touches it, and opened.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::StoreError;
use crate::file_identity::FileIdentity;
use crate::interrupt::Interrupt;
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

/// Whether a store is made where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenMode {
    /// It is made, also of an empty file.
    Create,
    /// It must be there.
    Existing,
}

/// Opens a store and checks it, or makes a new one of an empty file; gives the connection that writes.
pub(crate) fn open(
    path: &Path,
    mode: OpenMode,
    interrupt: &Interrupt,
) -> Result<(FileIdentity, Connection), StoreError> {
    open_at(path, mode, interrupt).map_err(|error| error.at(path))
}

fn open_at(path: &Path, mode: OpenMode, interrupt: &Interrupt) -> Result<(FileIdentity, Connection), StoreError> {
    let (identity, mut conn, is_store) = match open_for_writing(path, mode, interrupt) {
        // Where layers lie over one another, a file may become another one when it is first opened for writing.
        Err(StoreError::FileReplaced(_)) => open_for_writing(path, mode, interrupt)?,
        opened => opened?,
    };
    if is_store || schema::version(&conn)? > 0 {
        check(&conn, &identity)?;
    } else if mode == OpenMode::Existing {
        return Err(empty(&identity));
    }
    schema::migrate(&mut conn)?;
    write_ahead(&conn)?;
    schema::drop_statistics(&conn)?;
    // A checkpoint is the writer's own work, since SQLite would hide its errors.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "fullfsync", true)?;
    conn.pragma_update(None, "checkpoint_fullfsync", true)?;
    conn.pragma_update(None, "journal_size_limit", 64 << 20)?;
    conn.pragma_update(None, "cache_size", -WRITER_CACHE)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok((identity, conn))
}

/// Opens the file at a path, and says whether it is a store or empty.
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
    // A file that is not sound must not be written to when it is closed, and errors of a checkpoint must be seen.
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

/// Opens a store as it is, to read what can be read of it.
pub(crate) fn open_damaged(identity: &FileIdentity, interrupt: &Interrupt) -> Result<Connection, StoreError> {
    open_as_it_is(identity, interrupt).map_err(|error| error.at(identity.path()))
}

/// The error for an empty file where a store is looked for.
fn empty(identity: &FileIdentity) -> StoreError {
    StoreError::Missing(format!("the file {} is empty", identity.path().display()))
}

fn open_as_it_is(identity: &FileIdentity, interrupt: &Interrupt) -> Result<Connection, StoreError> {
    let was_store = inspect(identity)?;
    let open = |path: &Path, flags| {
        let conn = connect(path, flags | OpenFlags::SQLITE_OPEN_READ_ONLY, interrupt)?;
        // A file that was cut short is read as far as it goes. The defensive mode would forbid that; what it guards against
        // needs a connection that writes.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, true)?;
        settle_reader(conn, identity)
    };
    let conn = match open(identity.path(), OpenFlags::empty()) {
        Err(error) if error.is_log_inaccessible() && identity.has_log() => {
            return Err(StoreError::UnusableFile(
                "nothing can be written beside the file, and its log (-wal) cannot be read without: copy the file and its -wal \
             to where you can write",
            ));
        }
        // Where nothing can be written, as on a medium for reading, nobody else writes either. SQLite is to know that.
        Err(error) if error.is_log_inaccessible() => {
            open(Path::new(&identity.immutable()), OpenFlags::SQLITE_OPEN_URI)?
        }
        opened => opened?,
    };
    // An empty file; or it was empty, and has been made a store since.
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
    conn.busy_handler(Some(wait_for_turn))?;
    // Without it, SQLite looks into the parameters when it plans, and plans again whenever they change.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(conn)
}

/// Has SQLite run nothing that stands in the file: it may come from elsewhere, and be changed while it is open. No
/// statement of this crate needs a trigger, a view or a foreign key.
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

/// Another process writes: its transaction is over in some milliseconds, and the next one is soon begun.
fn wait_for_turn(tries: i32) -> bool {
    let pause = Duration::from_micros(500);
    std::thread::sleep(pause);
    pause * tries.unsigned_abs() < PATIENCE
}

/// Whether it is a store, or an empty file. For another program's file, opening it could change it already.
fn inspect(identity: &FileIdentity) -> Result<bool, StoreError> {
    let header = &identity.header;
    let field = |at: usize| {
        header.get(at..at + 4).map(|bytes| bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    };
    // A power cut while the tables were made leaves zeros, and a journal by which SQLite takes all of it back.
    let unmade = header.iter().all(|byte| *byte == 0);
    if header.is_empty() || unmade && identity.beside("-journal").exists() {
        return Ok(false);
    }
    if !header.starts_with(MAGIC) {
        return Err(StoreError::Corrupt("the file is not one of SQLite's".into()));
    }
    if field(68) != Some(schema::APPLICATION_ID) {
        return Err(StoreError::Corrupt("the file belongs to another program".into()));
    }
    match field(60) {
        Some(version) if version > schema::VERSION => Err(schema::newer(version)),
        _ => Ok(true),
    }
}

/// Checks what costs little: that the file has its length, that the tables are ours, and all pages of a small file.
fn check(conn: &Connection, identity: &FileIdentity) -> Result<(), StoreError> {
    schema::check(conn)?;
    // Another process may write meanwhile, first to its log: where there is one, the file may be shorter.
    let before = identity.has_log();
    let pages: u64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    let size: u64 = conn.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let length = std::fs::metadata(identity.path())?.len();
    if !before && !identity.has_log() && length < pages * size {
        return Err(StoreError::Corrupt(format!("the file has {length} octets, and should have {}", pages * size)));
    }
    if length <= SMALL {
        let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(StoreError::Corrupt(verdict));
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
            Ok(_) => return Err(StoreError::Corrupt("the file system does not allow write-ahead logging".into())),
            Err(error) if start.elapsed() > PATIENCE => return Err(error.into()),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}
