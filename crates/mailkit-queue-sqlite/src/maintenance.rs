//! Maintenance before each lease: promotion of due messages, expiry, the end of leases, retention and orphaned content.

use std::time::Duration;

use mailkit_queue::transition::Event;
use mailkit_queue::{State, Timestamp};
use rusqlite::params;

use crate::batch::Batch;
use crate::changes;
use crate::content;
use crate::error::StoreError;
use crate::keys;
use crate::message::Row;

/// The maximum number of messages of each kind that one call changes. The next call continues.
const MAX_CHANGED: u32 = 500;
/// The maximum number of finished messages that one lease removes.
const MAX_REMOVED: u32 = 100;
/// The octets of content after which one call removes no more messages, since all other requests wait for it.
const MAX_OCTETS: u64 = 64 << 20;
/// The time after which chunks without a message are orphaned: the process that wrote them has ended.
const ORPHANED_AFTER: Duration = Duration::from_secs(60 * 60);

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

/// Makes expired messages dead and due messages ready.
pub(crate) fn promote_and_expire(batch: &mut Batch<'_>, now: Timestamp) -> Result<(), StoreError> {
    let (conn, queue, until) = (batch.conn, batch.context.queue, now.as_millis());
    for mut row in Row::all(conn, EXPIRED, params![queue, until, MAX_CHANGED])? {
        let change = row.transition(Event::Expire, now)?;
        row.apply(batch, &change)?;
    }
    for mut row in Row::all(conn, DUE, params![queue, until, MAX_CHANGED])? {
        let change = row.transition(Event::Promote, now)?;
        row.apply(batch, &change)?;
    }
    Ok(())
}

/// Ends the expired leases: the worker may have delivered the message.
pub(crate) fn end_leases(batch: &mut Batch<'_>, now: Timestamp) -> Result<(), StoreError> {
    for mut row in Row::all(batch.conn, OVER, params![batch.context.queue, now.as_millis(), MAX_CHANGED])? {
        let change = row.transition(Event::LeaseEnded, now)?;
        row.apply(batch, &change)?;
    }
    Ok(())
}

/// Removes finished messages, idempotency keys and orphaned chunks whose time is over, up to a maximum.
pub(crate) fn delete_old(batch: &mut Batch<'_>, now: Timestamp) -> Result<(), StoreError> {
    let finished = [State::Sent, State::Dead, State::Cancelled];
    delete_finished(batch, &finished, now - batch.context.settings.retention, MAX_REMOVED)?;
    let unused = now - batch.context.settings.key_window;
    batch.conn.prepare_cached(OLD_KEYS)?.execute(params![batch.context.queue, unused.as_millis(), MAX_REMOVED])?;
    changes::maintain(batch, now)?;
    clear_staging(batch, now)
}

/// Removes up to `most` messages that came into one of these terminal states until then, and returns their number. It removes
/// fewer if they are large.
pub(crate) fn delete_finished(
    batch: &mut Batch<'_>,
    states: &[State],
    until: Timestamp,
    most: u32,
) -> Result<u64, StoreError> {
    let (mut removed, mut octets) = (0, 0);
    for state in states {
        let number = crate::message::number(*state);
        let rows =
            Row::all(batch.conn, FINISHED, params![batch.context.queue, number, until.as_millis(), most - removed])?;
        for row in rows {
            if octets >= MAX_OCTETS {
                break;
            }
            remove(batch, &row)?;
            removed += 1;
            octets += row.size;
        }
    }
    Ok(removed.into())
}

/// Removes the chunks of one orphaned content.
pub(crate) fn clear_staging(batch: &Batch<'_>, now: Timestamp) -> Result<(), StoreError> {
    let select = "SELECT content FROM staging WHERE touched_at <= ? LIMIT 1";
    let until = (now - ORPHANED_AFTER).as_millis();
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
    if row.lifecycle.state != State::Sent {
        keys::release(batch, row)?;
    }
    for table in ["message_body", "attempt", "message"] {
        batch.conn.prepare_cached(&format!("DELETE FROM {table} WHERE seq = ?"))?.execute([row.seq])?;
    }
    batch.count(row, Some(row.lifecycle.state), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The query plan of a statement.
    fn plan(sql: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailkit.db");
        let (_identity, conn) = crate::file::open(&path, crate::file::OpenMode::Create, &Default::default()).unwrap();
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let lines = statement.raw_query().mapped(|row| row.get::<_, String>(3));
        lines.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
    }

    #[test]
    fn maintenance_finds_messages_by_an_index_on_their_time() {
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
