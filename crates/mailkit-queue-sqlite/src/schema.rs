//! The tables of the file: made, brought up to date, and compared with those that this crate makes.

use rusqlite::Connection;

use crate::error::StoreError;

/// "mail", in ASCII: tells our files from those of other programs (offset 68 of the file).
pub(crate) const APPLICATION_ID: u32 = 0x6d61_696c;

/// What makes a file of version n+1 from one of version n.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

/// The version that this crate reads and writes (offset 60 of the file).
pub(crate) const VERSION: u32 = MIGRATIONS.len() as u32;

/// What ANALYZE and `PRAGMA optimize` leave behind, which people run by hand: table names with their SQL.
const STATISTICS: [(&str, &str); 2] = [
    ("sqlite_stat1", "CREATE TABLE sqlite_stat1(tbl,idx,stat)"),
    ("sqlite_stat4", "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"),
];

/// The tables that hold messages: what is read of a damaged file.
const OF_MESSAGES: [&str; 6] = ["queue", "ready_bucket", "message", "message_body", "attempt", "chunk"];

/// Makes the tables, or brings them up to date; does nothing where they are.
pub(crate) fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    if version(conn)? == VERSION {
        return Ok(());
    }
    let transaction = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive)?;
    let from = version(&transaction)?;
    if from == 0 && transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, u32>(0))? > 0 {
        return Err(StoreError::Corrupt("the file belongs to another program".into()));
    }
    for migration in MIGRATIONS.iter().skip(from as usize) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// Checks that the file holds the objects that this crate makes, and no others, and that each table can be read at its
/// beginning.
///
/// What another program has put there could act on all mail: a trigger adds recipients, a generated column or an index
/// on an expression runs what it likes.
pub(crate) fn check(conn: &Connection) -> Result<(), StoreError> {
    let version = version(conn)?;
    if version > VERSION {
        return Err(newer(version));
    }
    let mut found = objects(conn)?;
    found.retain(|object| !object.is_statistics());
    let expected = reference(version)?;
    if let Some(fault) = difference(&found, &expected) {
        return Err(StoreError::Corrupt(fault));
    }
    let shared = "SELECT count(*) - count(DISTINCT rootpage) FROM sqlite_schema WHERE rootpage > 0";
    if conn.query_row(shared, [], |row| row.get::<_, u32>(0))? > 0 {
        return Err(StoreError::Corrupt("two of its tables or indexes begin on the same page".into()));
    }
    for object in expected.iter().filter(|object| object.kind == "table") {
        conn.prepare(&format!("SELECT * FROM {} LIMIT 1", object.name))?.query([])?.next()?;
    }
    Ok(())
}

/// Checks that what messages are read from, in a file that may be damaged, are the tables that this crate makes. Whatever
/// else is there is not touched by reading.
pub(crate) fn check_to_read(conn: &Connection) -> Result<(), StoreError> {
    let version = version(conn)?;
    let found = objects(conn)?;
    for object in reference(version.min(VERSION))?.iter().filter(|object| OF_MESSAGES.contains(&&*object.name)) {
        // A table whose row cannot be found is missed by the statement that reads from it.
        if let Some(other) = found.iter().find(|other| other.has_name_of(object) && *other != object) {
            return Err(StoreError::Corrupt(format!("its {} is not the one that mailkit makes", other.label())));
        }
    }
    Ok(())
}

/// Removes what ANALYZE has left: the statements are planned without it, and statistics from elsewhere could make each of
/// them read the whole file.
pub(crate) fn drop_statistics(conn: &Connection) -> Result<(), StoreError> {
    for object in objects(conn)?.iter().filter(|object| object.is_statistics()) {
        tracing::info!(table = object.name, "a table that ANALYZE made is removed from the queue's file");
        conn.execute_batch(&format!("DROP TABLE IF EXISTS {}", object.name))?;
    }
    Ok(())
}

/// The error for a file that a later version of this crate has written.
pub(crate) fn newer(version: u32) -> StoreError {
    StoreError::Corrupt(format!("the file is of version {version}, and this mailkit knows none after {VERSION}"))
}

/// The version of the file; 0 where no tables were made yet.
pub(crate) fn version(conn: &Connection) -> rusqlite::Result<u32> {
    conn.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// A row of `sqlite_schema`: a table, an index, a view, a trigger, or a virtual table.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Object {
    name: String,
    kind: String,
    /// The table that an index or a trigger belongs to.
    table: String,
    /// `None` for an index that SQLite has made for a PRIMARY KEY or UNIQUE.
    sql: Option<String>,
}

impl Object {
    fn is_statistics(&self) -> bool {
        let is_same = |(name, sql): &(&str, &str)| self.name == *name && self.sql.as_deref() == Some(sql);
        self.kind == "table" && self.table == self.name && STATISTICS.iter().any(is_same)
    }

    /// Whether a statement that names the other means this one. SQLite ignores the case of ASCII letters in names, and a
    /// trigger may be called like a table.
    fn has_name_of(&self, other: &Self) -> bool {
        (self.kind == "trigger") == (other.kind == "trigger") && self.name.eq_ignore_ascii_case(&other.name)
    }

    /// Kind and name, on one line whatever the name is.
    fn label(&self) -> String {
        let name: String = self.name.chars().take(60).collect();
        format!("{} `{}`", self.kind.escape_debug(), name.escape_debug())
    }
}

/// All objects, in the order of their names.
fn objects(conn: &Connection) -> rusqlite::Result<Vec<Object>> {
    let mut statement = conn.prepare("SELECT name, type, tbl_name, sql FROM sqlite_schema")?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Object { name: row.get(0)?, kind: row.get(1)?, table: row.get(2)?, sql: row.get(3)? })
    };
    let mut objects: Vec<Object> = statement.query_map([], read)?.collect::<Result<_, _>>()?;
    objects.sort();
    Ok(objects)
}

/// The objects of a file of a version.
fn reference(version: u32) -> Result<Vec<Object>, StoreError> {
    let made = Connection::open_in_memory()?;
    for migration in MIGRATIONS.iter().take(version as usize) {
        made.execute_batch(migration)?;
    }
    Ok(objects(&made)?)
}

/// What is not as it should be.
fn difference(found: &[Object], expected: &[Object]) -> Option<String> {
    if let Some(object) = found.iter().find(|object| !expected.contains(object)) {
        let label = object.label();
        return Some(match expected.iter().any(|other| object.has_name_of(other)) {
            true => format!("its {label} is not the one that mailkit makes"),
            false => format!(
                "it has the {label}, which mailkit does not make: remove it with the sqlite3 program, or bring the mail \
                 out with `mailkit queue export`"
            ),
        });
    }
    let missing = expected.iter().find(|object| !found.contains(object));
    let missing = missing.map(|object| format!("its {} is missing", object.label()));
    missing.or_else(|| (found.len() != expected.len()).then(|| "an object is in it twice".to_owned()))
}

#[cfg(test)]
mod tests {
    /// What a later version may have to do, over a connection on which triggers, views and foreign keys are off.
    #[test]
    fn later_migrations_can_change_tables_indexes_and_views() {
        let folder = tempfile::tempdir().unwrap();
        let (_identity, conn) =
            crate::file::open(&folder.path().join("mailkit.db"), crate::file::OpenMode::Create, &Default::default())
                .unwrap();
        conn.execute("INSERT INTO queue (name) VALUES ('default')", []).unwrap();
        conn.execute_batch(
            "BEGIN EXCLUSIVE;
             ALTER TABLE queue ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
             ALTER TABLE ready_bucket RENAME COLUMN ready TO waiting;
             DROP VIEW mail;
             ALTER TABLE message_body RENAME TO body;
             CREATE TABLE copy AS SELECT * FROM queue;
             DROP TABLE limit_usage;
             DROP INDEX message_ready;
             CREATE INDEX message_ready ON message (bucket, due, seq) WHERE state = 1;
             CREATE VIEW mail AS SELECT id FROM message JOIN body USING (seq);
             UPDATE queue SET paused = 1;
             COMMIT",
        )
        .unwrap();
        let paused: u32 = conn.query_row("SELECT paused FROM queue", [], |row| row.get(0)).unwrap();
        assert_eq!(paused, 1);
    }
}
