//! What belongs to no message.

use std::sync::Arc;

use mailkit_queue::{Problem, ProblemKind, QueueError, Verification};
use rusqlite::Connection;

use crate::error::StoreError;
use crate::store::SqliteQueue;

/// How many of them one transaction removes: others get their turn in between.
const AT_ONCE: usize = 100;

/// A kind of row that must belong to a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrphanKind {
    /// What they are.
    name: &'static str,
    /// Selects the number of each that belongs to none.
    select: &'static str,
    /// Removes those of one number.
    delete: &'static str,
}

pub(super) const ORPHANS: [OrphanKind; 3] = [
    OrphanKind {
        name: "bodies of messages",
        select: "SELECT seq FROM message_body WHERE NOT EXISTS (SELECT 1 FROM message WHERE message.seq = message_body.seq)",
        delete: "DELETE FROM message_body WHERE seq = ?1 AND NOT EXISTS (SELECT 1 FROM message WHERE seq = ?1)",
    },
    OrphanKind {
        name: "histories of attempts",
        select: "SELECT DISTINCT seq FROM attempt WHERE NOT EXISTS (SELECT 1 FROM message WHERE message.seq = attempt.seq)",
        delete: "DELETE FROM attempt WHERE seq = ?1 AND NOT EXISTS (SELECT 1 FROM message WHERE seq = ?1)",
    },
    OrphanKind {
        name: "contents",
        select: "SELECT DISTINCT content FROM chunk WHERE content NOT IN (SELECT content FROM staging) \
                 AND content NOT IN (SELECT chunks FROM message_body WHERE chunks IS NOT NULL)",
        // What neither a message nor a writer has cannot be had by one later.
        delete: "DELETE FROM chunk WHERE content = ?1",
    },
];

pub(super) fn check(conn: &Connection, _queue: i64, found: &mut Verification) -> Result<(), StoreError> {
    for kind in ORPHANS {
        let select = format!("SELECT count(*) FROM ({})", kind.select);
        let count: u64 = conn.query_row(&select, [], |row| row.get(0))?;
        if count > 0 {
            let text = format!("{count} {} belong to no message", kind.name);
            found.add(Problem::new(ProblemKind::Orphan, text));
        }
    }
    Ok(())
}

impl SqliteQueue {
    /// Removes what belongs to no message.
    pub(super) async fn remove_orphans(&self, kind: OrphanKind) -> Result<(), QueueError> {
        let select = move |conn: &Connection| {
            let mut statement = conn.prepare(kind.select)?;
            Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?)
        };
        for some in self.readers().call(select).await?.chunks(AT_ONCE) {
            let some: Arc<[i64]> = some.into();
            let delete = self.writer().call(move |batch| {
                for number in some.iter() {
                    batch.conn.prepare_cached(kind.delete)?.execute([number])?;
                }
                Ok(Ok(()))
            });
            delete.await?;
        }
        Ok(())
    }
}
