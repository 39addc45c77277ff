//! The row of a message: its state and all that changes.

use std::sync::LazyLock;

use mailkit_queue::transition::{Change, Event, Lifecycle};
use mailkit_queue::{LeaseToken, OnAmbiguous, QueueId, RecipientRecord, State, Timestamp, transition};
use rusqlite::types::Type;
use rusqlite::{Connection, params};

use crate::batch::Batch;
use crate::error::StoreError;
use crate::keys;
use crate::recipients;

/// The columns that [`Row::read`] reads.
pub(crate) const COLUMNS: &str = "message.seq, message.id, message.bucket, message.state, message.due, \
    message.expires_at, message.fence, message.leased_until, message.commit_point, message.hold, message.attempts, \
    message.created_at, message.finished_at, message.size, message.recipients, message.open_since";
/// The number of columns.
pub(crate) const WIDTH: usize = 16;

/// The state of a message and all that changes.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) seq: i64,
    pub(crate) id: QueueId,
    pub(crate) bucket: i64,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) leased_until: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) size: u64,
    /// As JSON.
    recipients: String,
    /// The state in the file.
    stored: State,
}

impl Row {
    /// A new message, which is inserted next.
    pub(crate) const fn new(
        id: QueueId,
        bucket: i64,
        lifecycle: Lifecycle,
        recipients: String,
        size: u64,
        created_at: Timestamp,
    ) -> Self {
        let stored = lifecycle.state;
        Self { seq: 0, id, bucket, lifecycle, leased_until: None, created_at, size, recipients, stored }
    }

    /// Inserts the row, and counts the message.
    pub(crate) fn insert(&mut self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        let insert = "INSERT INTO message (queue, id, bucket, state, due, expires_at, hold, created_at, open_since, size, \
                      recipients) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        self.seq = batch.conn.prepare_cached(insert)?.insert(params![
            batch.context.queue,
            self.id.to_string(),
            self.bucket,
            number(self.lifecycle.state),
            self.lifecycle.due.as_millis(),
            self.lifecycle.expires_at.map(Timestamp::as_millis),
            self.lifecycle.on_ambiguous == OnAmbiguous::Hold,
            self.created_at.as_millis(),
            self.lifecycle.open_since.as_millis(),
            self.size,
            self.recipients,
        ])?;
        batch.count(self, None, Some(self.stored))
    }

    /// Reads the columns.
    pub(crate) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let time = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(Timestamp::from_millis));
        let number: usize = row.get(3)?;
        let state = State::ALL.get(number).copied().ok_or(rusqlite::Error::IntegralValueOutOfRange(3, 0))?;
        let on_ambiguous = if row.get(9)? { OnAmbiguous::Hold } else { OnAmbiguous::Resend };
        let mut lifecycle = Lifecycle::new(state, Timestamp::from_millis(row.get(4)?), on_ambiguous);
        lifecycle.expires_at = time(5)?;
        lifecycle.fence = row.get(6)?;
        lifecycle.commit_point = row.get(8)?;
        lifecycle.attempts = row.get(10)?;
        lifecycle.finished_at = time(12)?;
        lifecycle.open_since = Timestamp::from_millis(row.get(15)?);
        Ok(Self {
            seq: row.get(0)?,
            id: read_id(row, 1)?,
            bucket: row.get(2)?,
            lifecycle,
            leased_until: time(7)?,
            created_at: Timestamp::from_millis(row.get(11)?),
            size: row.get(13)?,
            recipients: row.get(14)?,
            stored: state,
        })
    }

    /// The row of a message in a queue. `None` if the queue has no message with this id.
    pub(crate) fn find(conn: &Connection, queue: i64, id: QueueId) -> Result<Option<Self>, StoreError> {
        static SELECT: LazyLock<String> = LazyLock::new(|| select("WHERE message.queue = ? AND message.id = ?"));
        let mut statement = conn.prepare_cached(&SELECT)?;
        let mut rows = statement.query(params![queue, id.to_string()])?;
        Ok(rows.next()?.map(Self::read).transpose()?)
    }

    /// Reads the rows that meet a condition: the part of the statement behind FROM.
    pub(crate) fn all(
        conn: &Connection,
        condition: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<Self>, StoreError> {
        let mut statement = conn.prepare_cached(&select(condition))?;
        Ok(statement.query_map(params, Self::read)?.collect::<Result<_, _>>()?)
    }

    /// Updates the row, and counts the message if its state has changed.
    pub(crate) fn write(&mut self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        let update = "UPDATE message SET state = ?, due = ?, expires_at = ?, fence = ?, leased_until = ?, commit_point = ?, \
                      attempts = ?, finished_at = ?, open_since = ?, recipients = ? WHERE seq = ?";
        let Lifecycle { state, due, expires_at, fence, commit_point, attempts, finished_at, open_since, .. } =
            self.lifecycle;
        batch.conn.prepare_cached(update)?.execute(params![
            number(state),
            due.as_millis(),
            expires_at.map(Timestamp::as_millis),
            fence,
            self.leased_until.map(Timestamp::as_millis),
            commit_point,
            attempts,
            finished_at.map(Timestamp::as_millis),
            open_since.as_millis(),
            self.recipients,
            self.seq,
        ])?;
        let from = std::mem::replace(&mut self.stored, state);
        if from == state { Ok(()) } else { batch.count(self, Some(from), Some(state)) }
    }

    /// Whether the token is that of the current lease.
    pub(crate) fn is_leased_as(&self, token: LeaseToken) -> bool {
        self.lifecycle.state == State::Leased && self.lifecycle.fence == token.fence
    }

    /// The recipients and their status.
    pub(crate) fn recipients(&self) -> Result<Vec<RecipientRecord>, StoreError> {
        recipients::parse(&self.recipients)
    }

    /// Sets the recipients and their status.
    pub(crate) fn set_recipients(&mut self, recipients: &[RecipientRecord]) -> Result<(), StoreError> {
        self.recipients = recipients::print(recipients)?;
        Ok(())
    }

    /// What an event changes.
    pub(crate) fn transition(&self, event: Event<'_>, now: Timestamp) -> Result<Change, StoreError> {
        // An index led to this row, or its state was checked before.
        let invalid = |error| StoreError::Corrupt(format!("message {}: {error}", self.id));
        transition(&self.lifecycle, event, now).map_err(invalid)
    }

    /// Writes a change.
    pub(crate) fn apply(&mut self, batch: &mut Batch<'_>, change: &Change) -> Result<(), StoreError> {
        if change.changes_recipients() {
            let mut recipients = self.recipients()?;
            change.apply_to(&mut recipients, &[]);
            self.set_recipients(&recipients)?;
        }
        self.apply_lifecycle(batch, change)
    }

    /// Writes a change whose recipients are [set](Self::set_recipients) already.
    pub(crate) fn apply_lifecycle(&mut self, batch: &mut Batch<'_>, change: &Change) -> Result<(), StoreError> {
        self.lifecycle = change.after;
        if self.lifecycle.state != State::Leased {
            self.leased_until = None;
        }
        if change.is_ambiguous {
            batch.count_ambiguous()?;
        }
        if change.frees_key() {
            keys::release(batch, self)?;
        }
        self.write(batch)
    }
}

/// The number of a state in the file.
pub(crate) fn number(state: State) -> usize {
    state as usize
}

/// Reads the id of a message from a column.
pub(crate) fn read_id(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<QueueId> {
    let text = row.get_ref(at)?.as_str()?;
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error)))
}

fn select(condition: &str) -> String {
    format!("SELECT {COLUMNS} FROM message {condition}")
}
