//! Controls: small values that all who use the queue share.

use std::time::Duration;

use mailkit_queue::{Control, ControlKey, ControlPut, ControlValue, Expected, QueueError, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::batch::{Batch, NO_QUEUE};
use crate::error::{Refusable, StoreError};
use crate::store::SqliteQueue;

/// How many controls one call lists at most.
const MAX_LISTED: usize = 1_000;
/// How many controls whose time is over one change removes.
const MOST_EXPIRED: u32 = 100;

const EXPIRED: &str = "DELETE FROM control WHERE (queue, key) IN (SELECT queue, key FROM control \
                       WHERE queue = ? AND expires_at <= ? ORDER BY expires_at LIMIT ?)";

impl SqliteQueue {
    pub(crate) async fn read_control(&self, key: &ControlKey) -> Result<Option<Control>, QueueError> {
        let (queue, key, now) = (self.queue(), key.clone(), self.now());
        self.readers().call(move |conn| find(conn, queue, &key, now)).await
    }

    pub(crate) async fn write_control(
        &self,
        key: &ControlKey,
        value: Option<ControlValue>,
        expected: Expected,
        ttl: Option<Duration>,
    ) -> Result<ControlPut, QueueError> {
        let key = key.clone();
        self.writer().call(move |batch| put(batch, &key, value.as_ref(), expected, ttl)).await
    }

    pub(crate) async fn read_controls(
        &self,
        prefix: &str,
        after: Option<&ControlKey>,
        limit: usize,
    ) -> Result<Vec<(ControlKey, Control)>, QueueError> {
        let (queue, now) = (self.queue(), self.now());
        let (prefix, after) = (prefix.to_owned(), after.map(|key| key.as_str().to_owned()));
        let limit = limit.min(MAX_LISTED);
        self.readers()
            .call(move |conn| list(conn, queue, &prefix, after.as_deref().unwrap_or_default(), limit, now))
            .await
    }

    pub(crate) async fn read_controls_version(&self) -> Result<u64, QueueError> {
        let queue = self.queue();
        self.readers().call(move |conn| version(conn, queue)).await
    }
}

fn put(
    batch: &mut Batch<'_>,
    key: &ControlKey,
    value: Option<&ControlValue>,
    expected: Expected,
    ttl: Option<Duration>,
) -> Refusable<ControlPut> {
    let (conn, queue, now) = (batch.conn, batch.context.queue, batch.now());
    let found = find(conn, queue, key, now)?;
    if !expected.is_met_by(found.as_ref()) {
        return Ok(Ok(ControlPut::Mismatch(found)));
    }
    if queue == NO_QUEUE {
        return Ok(Err(QueueError::Missing("the store has no queue of that name".into())));
    }
    conn.prepare_cached(EXPIRED)?.execute(params![queue, now.as_millis(), MOST_EXPIRED])?;
    if value.is_none() && found.is_none() {
        return Ok(Ok(ControlPut::Stored(version(conn, queue)?)));
    }
    let raise = "UPDATE queue SET controls_version = controls_version + 1 WHERE id = ? RETURNING controls_version";
    let version: u64 = conn.prepare_cached(raise)?.query_row([queue], |row| row.get(0))?;
    match value {
        Some(value) => {
            let store =
                "INSERT OR REPLACE INTO control (queue, key, value, version, expires_at) VALUES (?, ?, ?, ?, ?)";
            let expires_at = ttl.map(|ttl| (now + ttl).as_millis());
            let values = params![queue, key.as_str(), &value.as_bytes()[..], version, expires_at];
            conn.prepare_cached(store)?.execute(values)?;
        }
        None => {
            let remove = "DELETE FROM control WHERE queue = ? AND key = ?";
            conn.prepare_cached(remove)?.execute(params![queue, key.as_str()])?;
        }
    }
    batch.wake_workers();
    Ok(Ok(ControlPut::Stored(version)))
}

fn find(conn: &Connection, queue: i64, key: &ControlKey, now: Timestamp) -> Result<Option<Control>, StoreError> {
    let select = "SELECT value, version, expires_at FROM control WHERE queue = ? AND key = ?";
    let mut statement = conn.prepare_cached(select)?;
    let mut rows = statement.query(params![queue, key.as_str()])?;
    let found = rows.next()?.map(|row| read(row, 0)).transpose()?;
    Ok(found.filter(|control| !control.has_expired(now)))
}

fn list(
    conn: &Connection,
    queue: i64,
    prefix: &str,
    after: &str,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<(ControlKey, Control)>, StoreError> {
    let select =
        "SELECT value, version, expires_at, key FROM control WHERE queue = ? AND key >= ? AND key > ? ORDER BY key";
    let mut statement = conn.prepare_cached(select)?;
    // The later of both is where the search begins; the other one is then true of every row.
    let mut rows = statement.query(params![queue, prefix.max(after), after])?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        let key: String = row.get(3)?;
        if !key.starts_with(prefix) {
            break;
        }
        let control = read(row, 0)?;
        if !control.has_expired(now) {
            let key =
                ControlKey::new(key).map_err(|error| StoreError::Corrupt(format!("the key of a control: {error}")))?;
            found.push((key, control));
        }
    }
    Ok(found)
}

fn read(row: &rusqlite::Row<'_>, at: usize) -> Result<Control, StoreError> {
    let value: Vec<u8> = row.get(at)?;
    let value = ControlValue::new(value).map_err(|error| StoreError::Corrupt(format!("a control: {error}")))?;
    let expires_at: Option<i64> = row.get(at + 2)?;
    Ok(Control::new(value, row.get(at + 1)?, expires_at.map(Timestamp::from_millis)))
}

fn version(conn: &Connection, queue: i64) -> Result<u64, StoreError> {
    let select = "SELECT controls_version FROM queue WHERE id = ?";
    Ok(conn.prepare_cached(select)?.query_row([queue], |row| row.get(0)).optional()?.unwrap_or(0))
}
