//! What the store is, and whether what the file holds fits together.

mod contents;
mod counters;
mod orphans;

use mailkit_queue::{Durability, Health, Problem, ProblemKind, QueueError, Verification};
use rusqlite::Connection;

use self::orphans::ORPHANS;
use crate::batch::NO_QUEUE;
use crate::error::{Severity, StoreError};
use crate::store::SqliteQueue;

/// How many messages about its pages and indexes SQLite is asked for.
const MAX_INTEGRITY_LINES: u32 = 1_000;

impl SqliteQueue {
    pub(crate) fn describe(&self) -> Result<Health, QueueError> {
        self.fault().check()?;
        Ok(Health::new("sqlite", rusqlite::version(), Durability::Fsync).shared())
    }

    pub(crate) async fn verify_file(&self, repair: bool) -> Result<Verification, QueueError> {
        let before = self.find_problems().await?;
        // What is written into pages that are damaged may be lost, and harm others.
        let is_sound = before.problems.iter().all(|problem| problem.kind != ProblemKind::Structure);
        if !repair || before.is_ok() || !is_sound {
            return Ok(before);
        }
        self.writer().call(|batch| counters::repair(batch).map(Ok)).await?;
        for kind in ORPHANS {
            self.remove_orphans(kind).await?;
        }
        let mut after = self.find_problems().await?;
        after.repaired = count(&before).saturating_sub(count(&after));
        Ok(after)
    }

    async fn find_problems(&self) -> Result<Verification, QueueError> {
        let queue = self.queue();
        self.readers().call(move |conn| verify(conn, queue)).await
    }
}

fn count(found: &Verification) -> u64 {
    found.problems.len() as u64 + found.omitted
}

/// Reads all of the file, as it is at one moment.
fn verify(conn: &Connection, queue: i64) -> Result<Verification, StoreError> {
    let _snapshot = conn.unchecked_transaction()?;
    let mut found = Verification::default();
    for check in [integrity, counters::check, contents::check, orphans::check] {
        match check(conn, queue, &mut found) {
            Err(error) if error.severity() == Severity::Damaged => {
                found.add(Problem::new(ProblemKind::Structure, error.to_string()));
            }
            outcome => outcome?,
        }
    }
    Ok(found)
}

/// Has SQLite go through its pages, and compare each index with its table.
fn integrity(conn: &Connection, _queue: i64, found: &mut Verification) -> Result<(), StoreError> {
    let mut statement = conn.prepare(&format!("PRAGMA integrity_check({MAX_INTEGRITY_LINES})"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let line: String = row.get(0)?;
        if line != "ok" {
            let is_index = line.contains("index") && !line.contains("page");
            found.add(Problem::new(if is_index { ProblemKind::Index } else { ProblemKind::Structure }, line));
        }
    }
    Ok(())
}

/// Whether the store has the queue: one that is only looked at may be without it.
const fn is_there(queue: i64) -> bool {
    queue != NO_QUEUE
}
