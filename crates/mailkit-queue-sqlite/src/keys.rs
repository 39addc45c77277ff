//! Idempotency keys and the messages that they stand for.

use mailkit_queue::{Fingerprint, Idempotency, QueueError, QueueId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::batch::Batch;
use crate::error::StoreError;
use crate::message::{Row, read_id};

/// The message that a key stands for, or the conflict with it. `None` if the key is free.
pub(crate) fn find(
    batch: &Batch<'_>,
    idempotency: &Idempotency,
    now: Timestamp,
) -> Result<Option<Result<QueueId, QueueError>>, StoreError> {
    let select = "SELECT fingerprint, id, used_at FROM idempotency WHERE queue = ? AND key = ?";
    let mut statement = batch.conn.prepare_cached(select)?;
    let mut rows = statement.query(params![batch.context.queue, idempotency.key.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    if Timestamp::from_millis(row.get(2)?) + batch.context.settings.key_window <= now {
        return Ok(None);
    }
    let id = read_id(row, 1)?;
    let is_same = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)? == idempotency.fingerprint;
    Ok(Some(if is_same { Ok(id) } else { Err(QueueError::Conflict { key: idempotency.key.clone(), id }) }))
}

/// Makes a key stand for a message that was enqueued at that time.
pub(crate) fn insert(
    batch: &Batch<'_>,
    idempotency: &Idempotency,
    id: QueueId,
    used_at: Timestamp,
) -> Result<(), StoreError> {
    let insert = "INSERT OR REPLACE INTO idempotency (queue, key, fingerprint, id, used_at) VALUES (?, ?, ?, ?, ?)";
    batch.conn.prepare_cached(insert)?.execute(params![
        batch.context.queue,
        idempotency.key.as_str(),
        idempotency.fingerprint,
        id.to_string(),
        used_at.as_millis(),
    ])?;
    Ok(())
}

/// Frees the key of a message. A key that stands for another message already is not changed.
pub(crate) fn release(batch: &Batch<'_>, row: &Row) -> Result<(), StoreError> {
    let delete = "DELETE FROM idempotency WHERE queue = ? AND id = ? \
                  AND key = (SELECT idempotency_key FROM message_body WHERE seq = ?)";
    batch.conn.prepare_cached(delete)?.execute(params![batch.context.queue, row.id.to_string(), row.seq])?;
    Ok(())
}

/// The key that a message was enqueued under.
pub(crate) fn of_message(conn: &Connection, seq: i64) -> Result<Option<String>, StoreError> {
    let select = "SELECT idempotency_key FROM message_body WHERE seq = ?";
    let found = conn.prepare_cached(select)?.query_row([seq], |row| row.get(0)).optional()?;
    Ok(found.flatten())
}

/// The fingerprint under the key of a message. `None` if the key does not stand for it.
pub(crate) fn fingerprint(conn: &Connection, seq: i64) -> Result<Option<Fingerprint>, StoreError> {
    let select = "SELECT idempotency.fingerprint FROM message JOIN message_body USING (seq) JOIN idempotency \
                  ON idempotency.queue = message.queue AND idempotency.key = message_body.idempotency_key \
                  AND idempotency.id = message.id WHERE message.seq = ?";
    Ok(conn.prepare_cached(select)?.query_row([seq], |row| row.get(0)).optional()?)
}
