//! The log of changes: written with each change of a state while somebody reads it.

use std::time::Duration;

use mailkit_queue::{
    AttemptSummary, CONSUMER_SILENCE, Changes, ConsumerName, Cursor, MAX_CONSUMERS, QueueError, State, StateChange,
    Tenant, Timestamp,
};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::batch::{Batch, NO_QUEUE, read_counts};
use crate::error::{Refusable, StoreError};
use crate::message::{Row, number, read_id};
use crate::store::SqliteQueue;

/// How many changes are kept for the slowest consumer before it is dropped.
const MAX_LOGGED: i64 = 10_000_000;
/// How often consumers are looked at that may be silent.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// How many changes one transaction removes. A consumer stores its cursor after 1,000 changes at the latest.
const MOST_REMOVED: i64 = 4_000;

/// What the queue's row says of the log. Changes are numbered without a gap.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogState {
    /// How many consumers are registered.
    pub(crate) consumers: i64,
    /// The number of the last change.
    pub(crate) last: i64,
    /// Changes up to this number are not shown: all consumers have passed them, or they were not logged.
    pub(crate) passed: i64,
    /// Changes up to this number are no longer in the file.
    pub(crate) removed: i64,
}

impl LogState {
    /// Whether changes are logged.
    pub(crate) const fn is_active(&self) -> bool {
        self.consumers > 0
    }

    pub(crate) fn write(&self, conn: &Connection, queue: i64) -> Result<(), StoreError> {
        let update =
            "UPDATE queue SET consumers = ?, last_change = ?, passed_change = ?, removed_change = ? WHERE id = ?";
        conn.prepare_cached(update)?.execute([self.consumers, self.last, self.passed, self.removed, queue])?;
        Ok(())
    }
}

impl SqliteQueue {
    pub(crate) async fn add_consumer(&self, name: &ConsumerName) -> Result<Cursor, QueueError> {
        let name = name.clone();
        self.writer().call(move |batch| register(batch, &name)).await
    }

    pub(crate) async fn write_cursor(&self, name: &ConsumerName, cursor: Cursor) -> Result<(), QueueError> {
        let name = name.clone();
        self.writer().call(move |batch| store_cursor(batch, &name, cursor)).await
    }

    pub(crate) async fn remove_consumer(&self, name: &ConsumerName) -> Result<(), QueueError> {
        let name = name.clone();
        // Others get their turn in between.
        while self
            .writer()
            .call({
                let name = name.clone();
                move |batch| drop_consumer(batch, &name).map(Ok)
            })
            .await?
        {}
        Ok(())
    }

    pub(crate) async fn read_changes(&self, after: Cursor, max: usize) -> Result<Changes, QueueError> {
        let (queue, max) = (self.queue(), max.min(Changes::MAX));
        self.readers().call(move |conn| read(conn, queue, after, max)).await
    }
}

/// Logs that a message goes from one state to another. What was tried stands in the table of attempts already.
pub(crate) fn log(batch: &mut Batch<'_>, row: &Row, from: Option<State>, to: State) -> Result<(), StoreError> {
    let log = batch.log_state()?;
    log.last += 1;
    let (change, queue) = (log.last, batch.context.queue);
    let insert = "INSERT INTO state_change (queue, number, id, previous, state, at, attempts, bucket) \
                  VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    batch.conn.prepare_cached(insert)?.execute(params![
        queue,
        change,
        row.id.to_string(),
        from.map(number),
        number(to),
        batch.now().as_millis(),
        row.lifecycle.attempts,
        row.bucket,
    ])?;
    if from == Some(State::Leased) {
        let add = "UPDATE state_change SET (route, outcome, class) = \
                   (SELECT route, outcome, class FROM attempt WHERE seq = ? AND number = ?) \
                   WHERE queue = ? AND number = ?";
        batch.conn.prepare_cached(add)?.execute(params![row.seq, row.lifecycle.fence, queue, change])?;
    }
    Ok(())
}

fn register(batch: &mut Batch<'_>, name: &ConsumerName) -> Refusable<Cursor> {
    let (conn, queue, now) = (batch.conn, batch.context.queue, batch.now());
    if queue == NO_QUEUE {
        return Ok(Err(QueueError::Missing("the store has no queue of that name".into())));
    }
    let seen = "UPDATE consumer SET seen_at = ? WHERE queue = ? AND name = ? RETURNING cursor";
    let stored = conn.prepare_cached(seen)?.query_row(params![now.as_millis(), queue, name.as_str()], |row| row.get(0));
    if let Some(stored) = stored.optional()? {
        return Ok(Ok(cursor_at(stored)));
    }
    if batch.counts()?.log.consumers >= MAX_CONSUMERS as i64 {
        let limit = format!("it has {MAX_CONSUMERS} consumers, as many as it may");
        return Ok(Err(QueueError::Full { limit }));
    }
    let log = batch.log_state()?;
    if !log.is_active() {
        // What was not logged lies between the cursors of before and this one.
        log.last += 1;
        log.passed = log.last;
    }
    log.consumers += 1;
    let cursor = log.last;
    let insert = "INSERT INTO consumer (queue, name, cursor, seen_at) VALUES (?, ?, ?, ?)";
    conn.prepare_cached(insert)?.execute(params![queue, name.as_str(), cursor, now.as_millis()])?;
    Ok(Ok(cursor_at(cursor)))
}

fn store_cursor(batch: &mut Batch<'_>, name: &ConsumerName, cursor: Cursor) -> Refusable<()> {
    let (queue, now) = (batch.context.queue, batch.now());
    let cursor = number_of(cursor).min(batch.counts()?.log.last);
    let update = "UPDATE consumer SET cursor = max(cursor, ?), seen_at = ? WHERE queue = ? AND name = ?";
    let changed = batch.conn.prepare_cached(update)?.execute(params![cursor, now.as_millis(), queue, name.as_str()])?;
    if changed == 0 {
        return Ok(Err(QueueError::UnknownConsumer(name.clone())));
    }
    pass(batch)?;
    remove(batch)?;
    Ok(Ok(()))
}

/// Returns whether changes are left that nobody needs.
fn drop_consumer(batch: &mut Batch<'_>, name: &ConsumerName) -> Result<bool, StoreError> {
    let delete = "DELETE FROM consumer WHERE queue = ? AND name = ?";
    if batch.conn.prepare_cached(delete)?.execute(params![batch.context.queue, name.as_str()])? > 0 {
        batch.log_state()?.consumers -= 1;
        pass(batch)?;
    }
    remove(batch)?;
    let log = batch.counts()?.log;
    Ok(log.removed < log.passed)
}

/// Drops consumers that were silent for too long or are too far behind, and removes changes that nobody needs.
pub(crate) fn maintain(batch: &mut Batch<'_>, now: Timestamp) -> Result<(), StoreError> {
    let log = batch.counts()?.log;
    if log.is_active() && batch.cache.consumers_check_at.is_none_or(|at| at <= now) {
        batch.cache.consumers_check_at = Some(now + CHECK_INTERVAL);
        drop_silent(batch, now)?;
    }
    if log.removed < log.passed { remove(batch) } else { Ok(()) }
}

fn drop_silent(batch: &mut Batch<'_>, now: Timestamp) -> Result<(), StoreError> {
    let (queue, last) = (batch.context.queue, batch.counts()?.log.last);
    let delete = "DELETE FROM consumer WHERE queue = ? AND (seen_at <= ? OR cursor < ?) RETURNING name, cursor < ?";
    let (until, behind) = ((now - CONSUMER_SILENCE).as_millis(), last - MAX_LOGGED);
    let dropped: Vec<(String, bool)> = batch
        .conn
        .prepare_cached(delete)?
        .query_map([queue, until, behind, behind], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (consumer, is_behind) in &dropped {
        let why = if *is_behind { "too far behind" } else { "silent for a week" };
        tracing::error!(consumer, "a consumer of the queue's changes was dropped: it was {why}");
        batch.log_state()?.consumers -= 1;
    }
    if dropped.is_empty() { Ok(()) } else { pass(batch) }
}

/// Notes up to which change all consumers have read.
fn pass(batch: &mut Batch<'_>) -> Result<(), StoreError> {
    let first = "SELECT min(cursor) FROM consumer WHERE queue = ?";
    let first: Option<i64> = batch.conn.prepare_cached(first)?.query_row([batch.context.queue], |row| row.get(0))?;
    let log = batch.log_state()?;
    log.passed = log.passed.max(first.unwrap_or(log.last));
    Ok(())
}

/// Removes some of the changes that nobody needs.
fn remove(batch: &mut Batch<'_>) -> Result<(), StoreError> {
    let queue = batch.context.queue;
    let log = batch.counts()?.log;
    let until = log.passed.min(log.removed + MOST_REMOVED);
    if until > log.removed {
        let delete = "DELETE FROM state_change WHERE queue = ? AND number > ? AND number <= ?";
        batch.conn.prepare_cached(delete)?.execute([queue, log.removed, until])?;
        batch.log_state()?.removed = until;
    }
    Ok(())
}

fn read(conn: &Connection, queue: i64, after: Cursor, max: usize) -> Result<Changes, StoreError> {
    let _snapshot = conn.unchecked_transaction()?;
    let log = read_counts(conn, queue)?.log;
    // A cursor beyond the last change is of another queue.
    let after = number_of(after).min(log.last);
    let from = after.max(log.passed);
    let select = "SELECT number, state_change.id, previous, state, at, attempts, ready_bucket.tenant, state_change.route, \
                  outcome, class FROM state_change LEFT JOIN ready_bucket ON ready_bucket.id = state_change.bucket \
                  WHERE state_change.queue = ? AND number > ? ORDER BY number LIMIT ?";
    let mut statement = conn.prepare_cached(select)?;
    let mut rows = statement.query(params![queue, from, max])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        changes.push(read_change(row)?);
    }
    let next = changes.last().map_or(cursor_at(from), |change| change.cursor);
    Ok(Changes::new(changes, next, after < log.passed || !log.is_active()))
}

fn read_change(row: &rusqlite::Row<'_>) -> Result<StateChange, StoreError> {
    let state = |number: usize| {
        State::ALL.get(number).copied().ok_or_else(|| StoreError::Corrupt(format!("there is no state {number}")))
    };
    let previous: Option<usize> = row.get(2)?;
    let at = Timestamp::from_millis(row.get(4)?);
    let previous = previous.map(state).transpose()?;
    let mut change = StateChange::new(cursor_at(row.get(0)?), read_id(row, 1)?, previous, state(row.get(3)?)?, at);
    change.attempts = row.get(5)?;
    if let Some(tenant) = row.get::<_, Option<String>>(6)? {
        change.tenant = Some(Tenant::new(tenant).map_err(|error| StoreError::Corrupt(error.to_string()))?);
    }
    if let (Some(route), Some(outcome)) = (row.get(7)?, row.get::<_, Option<String>>(8)?) {
        let outcome = outcome.parse().map_err(|error| StoreError::Corrupt(format!("{error}")))?;
        change.attempt = Some(AttemptSummary::new(route, outcome, row.get(9)?));
    }
    Ok(change)
}

fn cursor_at(number: i64) -> Cursor {
    Cursor::at(u64::try_from(number).unwrap_or(0))
}

fn number_of(cursor: Cursor) -> i64 {
    i64::try_from(cursor.number()).unwrap_or(i64::MAX)
}
