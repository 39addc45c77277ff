//! The schema of the file: its creation, its version, and the comparison with the expected objects.

use rusqlite::Connection;

use crate::error::StoreError;

/// "mail" in ASCII: distinguishes the files of mailkit from those of other programs (offset 68 of the file).
pub(crate) const APPLICATION_ID: u32 = 0x6d61_696c;

/// The statements that create the schema in an empty file.
const SCHEMA: &str = include_str!("schema.sql");

/// The version of the schema (offset 60 of the file). There are no migrations before the first release: a file of another
/// version is refused.
pub(crate) const VERSION: u32 = 2;

/// The tables that ANALYZE and `PRAGMA optimize` create, with their SQL. Operators may run these.
const STATISTICS: [(&str, &str); 2] = [
    ("sqlite_stat1", "CREATE TABLE sqlite_stat1(tbl,idx,stat)"),
    ("sqlite_stat4", "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"),
];

/// The tables with messages, which are read from a damaged file.
const OF_MESSAGES: [&str; 6] = ["queue", "ready_bucket", "message", "message_body", "attempt", "chunk"];

/// Creates the schema in an empty file. Does nothing if the file has the schema.
pub(crate) fn create(conn: &mut Connection) -> Result<(), StoreError> {
    if version(conn)? == VERSION {
        return Ok(());
    }
    let transaction = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive)?;
    if version(&transaction)? == VERSION {
        // Another process has created it meanwhile.
        return Ok(());
    }
    if transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, u32>(0))? > 0 {
        return Err(StoreError::Corrupt("the file belongs to another program".into()));
    }
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// Checks that the file has the objects that this crate creates, and no others, and that the beginning of each table can be read.
///
/// An object of another program could change all mail: a trigger can add recipients, and a generated column or an index on an
/// expression can run functions.
pub(crate) fn check(conn: &Connection) -> Result<(), StoreError> {
    let version = version(conn)?;
    check_version(version)?;
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

/// Checks that the tables with messages, in a file that may be damaged, are those that this crate creates. Other objects are not
/// used for reading.
pub(crate) fn check_to_read(conn: &Connection) -> Result<(), StoreError> {
    let version = version(conn)?;
    check_version(version)?;
    let found = objects(conn)?;
    for object in reference(version)?.iter().filter(|object| OF_MESSAGES.contains(&&*object.name)) {
        // A missing table is reported by the statement that reads from it.
        if let Some(other) = found.iter().find(|other| other.has_name_of(object) && *other != object) {
            return Err(StoreError::Corrupt(format!("its {} is not the one that mailkit creates", other.label())));
        }
    }
    Ok(())
}

/// Removes the tables of ANALYZE. The statements are planned without statistics, and wrong ones could make each statement read
/// the whole file.
pub(crate) fn drop_statistics(conn: &Connection) -> Result<(), StoreError> {
    for object in objects(conn)?.iter().filter(|object| object.is_statistics()) {
        tracing::info!(table = object.name, "a table that ANALYZE has created is removed from the queue's file");
        conn.execute_batch(&format!("DROP TABLE IF EXISTS {}", object.name))?;
    }
    Ok(())
}

/// Checks that the version of a file is the one of this crate, or 0 for a file without tables.
///
/// # Errors
/// [`StoreError::Incompatible`] with the command to run.
pub(crate) fn check_version(version: u32) -> Result<(), StoreError> {
    match version {
        0 | VERSION => Ok(()),
        1..VERSION => Err(StoreError::Incompatible(format!(
            "the file has schema version {version}, and this mailkit uses version {VERSION}: export its mail with the \
             mailkit that wrote it, by `mailkit queue export --queue sqlite:FILE > mail.ndjson`, move the file away, and \
             enqueue the mail by `mailkit enqueue --queue sqlite:FILE --ndjson mail.ndjson`"
        ))),
        _ => Err(StoreError::Incompatible(format!(
            "the file has schema version {version}, and this mailkit knows none after {VERSION}: use the mailkit that \
             wrote it, or a later one"
        ))),
    }
}

/// The version of the file. 0 if it has no tables yet.
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
    /// `None` for an index that SQLite has created for a PRIMARY KEY or UNIQUE.
    sql: Option<String>,
}

impl Object {
    fn is_statistics(&self) -> bool {
        let is_same = |(name, sql): &(&str, &str)| self.name == *name && self.sql.as_deref() == Some(sql);
        self.kind == "table" && self.table == self.name && STATISTICS.iter().any(is_same)
    }

    /// Whether a statement with the name of the other object refers to this one. SQLite ignores the case of ASCII letters in
    /// names, and a trigger may have the name of a table.
    fn has_name_of(&self, other: &Self) -> bool {
        (self.kind == "trigger") == (other.kind == "trigger") && self.name.eq_ignore_ascii_case(&other.name)
    }

    /// Kind and name on one line, with escapes.
    fn label(&self) -> String {
        let name: String = self.name.chars().take(60).collect();
        format!("{} `{}`", self.kind.escape_debug(), name.escape_debug())
    }
}

/// All objects, sorted by name.
fn objects(conn: &Connection) -> rusqlite::Result<Vec<Object>> {
    let mut statement = conn.prepare("SELECT name, type, tbl_name, sql FROM sqlite_schema")?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Object { name: row.get(0)?, kind: row.get(1)?, table: row.get(2)?, sql: row.get(3)? })
    };
    let mut objects: Vec<Object> = statement.query_map([], read)?.collect::<Result<_, _>>()?;
    objects.sort();
    Ok(objects)
}

/// The expected objects of a file: none if it has no tables yet.
fn reference(version: u32) -> Result<Vec<Object>, StoreError> {
    let created = Connection::open_in_memory()?;
    if version > 0 {
        created.execute_batch(SCHEMA)?;
    }
    Ok(objects(&created)?)
}

/// The first difference between the objects that were found and the expected ones. `None` if there is none.
fn difference(found: &[Object], expected: &[Object]) -> Option<String> {
    if let Some(object) = found.iter().find(|object| !expected.contains(object)) {
        let label = object.label();
        return Some(match expected.iter().any(|other| object.has_name_of(other)) {
            true => format!("its {label} is not the one that mailkit creates"),
            false => format!(
                "it has the {label}, which mailkit does not create: remove it with the sqlite3 program, or \
                 export the mail with `mailkit queue export`"
            ),
        });
    }
    let missing = expected.iter().find(|object| !found.contains(object));
    let missing = missing.map(|object| format!("its {} is missing", object.label()));
    missing.or_else(|| (found.len() != expected.len()).then(|| "an object is in it twice".to_owned()))
}

#[cfg(test)]
mod tests {
    /// A later migration must work on a connection without triggers, views and foreign keys.
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
