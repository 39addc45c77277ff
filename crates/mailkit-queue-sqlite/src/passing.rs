//! What time does to messages: done before anybody takes some.

use std::time::Duration;

use mailkit_queue::{State, Timestamp};
use rusqlite::params;

use crate::batch::Batch;
use crate::content;
use crate::error::StoreError;
use crate::message::Row;

/// How many messages one call moves on of each kind: the next call goes on.
const MOST: u32 = 500;
/// How many finished messages one call forgets by itself.
const MOST_FORGOTTEN: u32 = 100;
/// How long pieces of a content may be without a message before they count as left behind by a process that ended.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// Lets time pass: what has expired is dead, what is due is ready.
pub(crate) fn pass(batch: &mut Batch<'_>, now: Timestamp) -> Result<(), StoreError> {
    let (conn, queue, until) = (batch.conn, batch.context.queue, now.as_millis());
    let expired = "INDEXED BY message_expiring WHERE message.queue = ? AND expires_at IS NOT NULL AND state < 2 \
                   AND expires_at <= ? ORDER BY expires_at LIMIT ?";
    for mut row in Row::all(conn, expired, params![queue, until, MOST])? {
        row.expire(now)?;
        row.write(batch)?;
    }
    let due = "INDEXED BY message_scheduled WHERE message.queue = ? AND state = 0 AND due <= ? ORDER BY due LIMIT ?";
    for mut row in Row::all(conn, due, params![queue, until, MOST])? {
        row.open(row.due, now)?;
        row.write(batch)?;
    }
    Ok(())
}

/// Ends leases that have run out: the worker may have delivered the message, and nobody can know.
pub(crate) fn end_leases(batch: &mut Batch<'_>, now: Timestamp) -> Result<(), StoreError> {
    let over = "INDEXED BY message_leased WHERE message.queue = ? AND state = 2 AND leased_until <= ? \
                ORDER BY leased_until LIMIT ?";
    for mut row in Row::all(batch.conn, over, params![batch.context.queue, now.as_millis(), MOST])? {
        if row.hold && row.marked {
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
pub(crate) fn forget_some(batch: &mut Batch<'_>, now: Timestamp) -> Result<(), StoreError> {
    forget(batch, now - batch.context.settings.retention, MOST_FORGOTTEN)?;
    let keys = "DELETE FROM idempotency WHERE (queue, key) IN (SELECT queue, key FROM idempotency \
                WHERE queue = ? AND used_at <= ? ORDER BY used_at LIMIT ?)";
    let unused = now - batch.context.settings.key_window;
    batch.conn.prepare_cached(keys)?.execute(params![batch.context.queue, unused.as_millis(), MOST_FORGOTTEN])?;
    Ok(())
}

/// Forgets up to so many messages that were sent, dead or cancelled until then; returns how many.
pub(crate) fn forget(batch: &mut Batch<'_>, until: Timestamp, most: u32) -> Result<u64, StoreError> {
    let mut forgotten = 0;
    for state in [State::Sent, State::Dead, State::Cancelled] {
        let finished = "INDEXED BY message_finished WHERE message.queue = ? AND state > 2 AND state = ? \
                        AND finished_at <= ? ORDER BY finished_at LIMIT ?";
        let number = crate::message::number(state);
        let rows =
            Row::all(batch.conn, finished, params![batch.context.queue, number, until.as_millis(), most - forgotten])?;
        for row in rows {
            remove(batch, &row)?;
            forgotten += 1;
        }
    }
    Ok(forgotten.into())
}

/// Removes pieces of contents that a process left behind when it ended.
pub(crate) fn clear_staging(batch: &Batch<'_>, now: Timestamp) -> Result<(), StoreError> {
    let select = "SELECT content FROM staging WHERE touched_at <= ?";
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
        let mut statement = batch.conn.prepare_cached("SELECT chunks FROM letter WHERE seq = ?")?;
        let mut rows = statement.query([row.seq])?;
        rows.next()?.map(|row| row.get(0)).transpose()?
    };
    if let Some(content) = chunks.flatten() {
        content::remove(batch, content)?;
    }
    for table in ["letter", "attempt", "message"] {
        batch.conn.prepare_cached(&format!("DELETE FROM {table} WHERE seq = ?"))?.execute([row.seq])?;
    }
    batch.count(row, Some(row.state), None)
}
