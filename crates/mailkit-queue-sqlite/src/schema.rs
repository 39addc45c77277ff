//! The tables of the file: made, brought up to date, and checked.

use rusqlite::Connection;

use crate::error::StoreError;

/// "mail", in ASCII: tells our files from those of other programs (offset 68 of the file).
pub(crate) const APPLICATION_ID: u32 = 0x6d61_696c;

/// What makes a file of version n+1 from one of version n.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

/// The version that this crate reads and writes (offset 60 of the file).
pub(crate) const VERSION: u32 = MIGRATIONS.len() as u32;

/// Makes the tables, or brings them up to date; does nothing where they are.
pub(crate) fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    if version(conn)? == VERSION {
        return Ok(());
    }
    let transaction = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive)?;
    let from = version(&transaction)?;
    if from == 0 && transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, u32>(0))? > 0 {
        return Err(StoreError::Broken("the file belongs to another program".into()));
    }
    for migration in MIGRATIONS.iter().skip(from as usize) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// Checks that the tables are those that this crate makes, and that each can be read at its beginning.
pub(crate) fn check(conn: &Connection) -> Result<(), StoreError> {
    let version = version(conn)?;
    if version > VERSION {
        return Err(newer(version));
    }
    let reference = Connection::open_in_memory()?;
    for migration in MIGRATIONS.iter().take(version as usize) {
        reference.execute_batch(migration)?;
    }
    if objects(conn)? != objects(&reference)? {
        return Err(StoreError::Broken("its tables are not those that mailkit makes".into()));
    }
    for (name, _) in objects(conn)?.iter().filter(|(_, sql)| sql.starts_with("CREATE TABLE")) {
        conn.prepare(&format!("SELECT * FROM {name} LIMIT 1"))?.query([])?.next()?;
    }
    Ok(())
}

/// The error for a file that a later version of this crate has written.
pub(crate) fn newer(version: u32) -> StoreError {
    StoreError::Broken(format!("the file is of version {version}, and this mailkit knows none after {VERSION}"))
}

/// The version of the file; 0 where no tables were made yet.
pub(crate) fn version(conn: &Connection) -> rusqlite::Result<u32> {
    conn.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn objects(conn: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = conn.prepare(
        "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY name",
    )?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
