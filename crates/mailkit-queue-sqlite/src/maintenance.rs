//! What time does to messages: done before anybody takes some.

use std::time::Duration;

use mailkit_queue::{State, Timestamp};
use rusqlite::params;

use crate::batch::Batch;
use crate::content;
use crate::error::StoreError;
use crate::keys;
use crate::message::Row;

/// How many messages one call moves on of each kind: the next call goes on.
const MOST: u32 = 500;
/// How many finished messages one call forgets by itself.
const MOST_FORGOTTEN: u32 = 100;
/// How many octets of content one call forgets before it leaves the rest to the next: all others wait for it.
const MOST_OCTETS: u64 = 64 << 20;
/// How long chunks of a content may be without a message before they count as left behind by a process that ended.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

const EXPIRED: &str = "INDEXED BY message_expiring WHERE message.queue = ? AND state < 2 AND expires_at <= ? \
                       ORDER BY expires_at LIMIT ?";
const DUE: &str =
    "INDEXED BY message_scheduled WHERE message.queue = ? AND state = 0 AND due <= ? ORDER BY due LIMIT ?";
const OVER: &str = "INDEXED BY message_leased WHERE message.queue = ? AND state = 2 AND leased_until <= ? \
                    ORDER BY leased_until LIMIT ?";
const FINISHED: &str = "INDEXED BY message_finished WHERE message.queue = ? AND state = ? AND finished_at <= ? \
                        ORDER BY finished_at LIMIT ?";
const OLD_KEYS: &str = "DELETE FROM idempotency WHERE (queue, key) IN (SELECT queue, key FROM idempotency \
                        WHERE queue = ? AND used_at <= ? ORDER BY used_at LIMIT ?)";

/// Lets time pass: what has expired is dead, what is due is ready.
pub(crate) fn promote_and_expire(batch: &mut Batch<'_>, now: Timestamp) -> Result<(), StoreError> {
    let (conn, queue, until) = (batch.conn, batch.context.queue, now.as_millis());
    for mut row in Row::all(conn, EXPIRED, params![queue, until, MOST])? {
        row.expire(now)?;
        row.write(batch)?;
    }
    for mut row in Row::all(conn, DUE, params![queue, until, MOST])? {
        row.open(row.due, now)?;
        row.write(batch)?;
    }
    Ok(())
}

/// Ends leases that have run out: the worker may have delivered the message, and nobody can know.
pub(crate) fn end_leases(batch: &mut Batch<'_>, now: Timestamp) -> Result<(), StoreError> {
    for mut row in Row::all(batch.conn, OVER, params![batch.context.queue, now.as_millis(), MOST])? {
        if row.hold && row.commit_point {
            row.hold(now)?;
        } else {
            row.open(row.due, now)?;
        }
        if !row.hold || row.state == State::Held {
            batch.count_ambiguous()?;
        }
        row.write(batch)?;
    }
    Ok(())
}

/// Forgets a few of what is kept no longer.
pub(crate) fn delete_old(batch: &mut Batch<'_>, now: Timestamp) -> Result<(), StoreError> {
    let finished = [State::Sent, State::Dead, State::Cancelled];
    delete_finished(batch, &finished, now - batch.context.settings.retention, MOST_FORGOTTEN)?;
    let unused = now - batch.context.settings.key_window;
    batch.conn.prepare_cached(OLD_KEYS)?.execute(params![batch.context.queue, unused.as_millis(), MOST_FORGOTTEN])?;
    clear_staging(batch, now)
}

/// Forgets up to so many messages that came into one of these terminal states until then, fewer where they are large;
/// returns how many.
pub(crate) fn delete_finished(
    batch: &mut Batch<'_>,
    states: &[State],
    until: Timestamp,
    most: u32,
) -> Result<u64, StoreError> {
    let (mut forgotten, mut octets) = (0, 0);
    for state in states {
        let number = crate::message::number(*state);
        let rows =
            Row::all(batch.conn, FINISHED, params![batch.context.queue, number, until.as_millis(), most - forgotten])?;
        for row in rows {
            if octets >= MOST_OCTETS {
                break;
            }
            remove(batch, &row)?;
            forgotten += 1;
            octets += row.size;
        }
    }
    Ok(forgotten.into())
}

/// Removes the chunks of a content that a process left behind when it ended.
pub(crate) fn clear_staging(batch: &Batch<'_>, now: Timestamp) -> Result<(), StoreError> {
    let select = "SELECT content FROM staging WHERE touched_at <= ? LIMIT 1";
    let until = (now - ABANDONED).as_millis();
    let left: Vec<i64> =
        batch.conn.prepare_cached(select)?.query_map([until], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for content in left {
        content::remove(batch, content)?;
        batch.conn.prepare_cached("DELETE FROM staging WHERE content = ?")?.execute([content])?;
    }
    Ok(())
}

fn remove(batch: &mut Batch<'_>, row: &Row) -> Result<(), StoreError> {
    let chunks: Option<Option<i64>> = {
        let mut statement = batch.conn.prepare_cached("SELECT chunks FROM message_body WHERE seq = ?")?;
        let mut rows = statement.query([row.seq])?;
        rows.next()?.map(|row| row.get(0)).transpose()?
    };
    if let Some(content) = chunks.flatten() {
        content::remove(batch, content)?;
    }
    if row.state != State::Sent {
        keys::release(batch, row)?;
    }
    for table in ["message_body", "attempt", "message"] {
        batch.conn.prepare_cached(&format!("DELETE FROM {table} WHERE seq = ?"))?.execute([row.seq])?;
    }
    batch.count(row, Some(row.state), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How SQLite goes about a statement.
    fn plan(sql: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailkit.db");
        let (_identity, conn) = crate::file::open(&path, crate::file::OpenMode::Create, &Default::default()).unwrap();
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let lines = statement.raw_query().mapped(|row| row.get::<_, String>(3));
        lines.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
    }

    #[test]
    fn what_time_does_is_found_by_its_time_however_many_wait() {
        for (condition, search) in [
            (EXPIRED, "message_expiring (queue=? AND expires_at<?)"),
            (DUE, "message_scheduled (queue=? AND due<?)"),
            (OVER, "message_leased (queue=? AND leased_until<?)"),
            (FINISHED, "message_finished (queue=? AND state=? AND finished_at<?)"),
        ] {
            let plan = plan(&format!("SELECT * FROM message {condition}"));
            assert_eq!(plan, format!("SEARCH message USING INDEX {search}"));
        }
        let keys = plan(OLD_KEYS);
        assert!(!keys.contains("SCAN") && keys.contains("idempotency_by_age (queue=? AND used_at<?)"), "{keys}");
    }
}
