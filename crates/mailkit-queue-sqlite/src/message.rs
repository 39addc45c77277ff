//! The row of a message: its state and all that changes.

use std::sync::LazyLock;

use mailkit_queue::{LeaseToken, QueueId, RecipientRecord, RecipientStatus, State, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, params};

use crate::batch::Batch;
use crate::error::StoreError;
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
    pub(crate) state: State,
    pub(crate) due: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) fence: u64,
    pub(crate) leased_until: Option<Timestamp>,
    pub(crate) commit_point: bool,
    pub(crate) hold: bool,
    pub(crate) attempts: u32,
    pub(crate) created_at: Timestamp,
    /// When the message first became due, or when an operator retried or released it.
    pub(crate) open_since: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) size: u64,
    /// As JSON.
    recipients: String,
    /// The state in the file.
    stored: State,
}

impl Row {
    /// A new message. Its state is set before it is inserted.
    pub(crate) const fn new(id: QueueId, bucket: i64, recipients: String, size: u64, created_at: Timestamp) -> Self {
        Self {
            seq: 0,
            id,
            bucket,
            state: State::Ready,
            due: created_at,
            expires_at: None,
            fence: 0,
            leased_until: None,
            commit_point: false,
            hold: false,
            attempts: 0,
            created_at,
            open_since: created_at,
            finished_at: None,
            size,
            recipients,
            stored: State::Ready,
        }
    }

    /// Inserts the row, and counts the message.
    pub(crate) fn insert(&mut self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        let insert = "INSERT INTO message (queue, id, bucket, state, due, expires_at, hold, created_at, open_since, size, \
                      recipients) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        self.seq = batch.conn.prepare_cached(insert)?.insert(params![
            batch.context.queue,
            self.id.to_string(),
            self.bucket,
            number(self.state),
            self.due.as_millis(),
            self.expires_at.map(Timestamp::as_millis),
            self.hold,
            self.created_at.as_millis(),
            self.open_since.as_millis(),
            self.size,
            self.recipients,
        ])?;
        self.stored = self.state;
        batch.count(self, None, Some(self.state))
    }

    /// Reads the columns.
    pub(crate) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let time = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(Timestamp::from_millis));
        let number: usize = row.get(3)?;
        let state = State::ALL.get(number).copied().ok_or(rusqlite::Error::IntegralValueOutOfRange(3, 0))?;
        Ok(Self {
            seq: row.get(0)?,
            id: read_id(row, 1)?,
            bucket: row.get(2)?,
            state,
            due: Timestamp::from_millis(row.get(4)?),
            expires_at: time(5)?,
            fence: row.get(6)?,
            leased_until: time(7)?,
            commit_point: row.get(8)?,
            hold: row.get(9)?,
            attempts: row.get(10)?,
            created_at: Timestamp::from_millis(row.get(11)?),
            finished_at: time(12)?,
            size: row.get(13)?,
            recipients: row.get(14)?,
            open_since: Timestamp::from_millis(row.get(15)?),
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
        batch.conn.prepare_cached(update)?.execute(params![
            number(self.state),
            self.due.as_millis(),
            self.expires_at.map(Timestamp::as_millis),
            self.fence,
            self.leased_until.map(Timestamp::as_millis),
            self.commit_point,
            self.attempts,
            self.finished_at.map(Timestamp::as_millis),
            self.open_since.as_millis(),
            self.recipients,
            self.seq,
        ])?;
        let from = std::mem::replace(&mut self.stored, self.state);
        if from == self.state { Ok(()) } else { batch.count(self, Some(from), Some(self.state)) }
    }

    /// Whether the token is that of the current lease.
    pub(crate) fn is_leased_as(&self, token: LeaseToken) -> bool {
        self.state == State::Leased && self.fence == token.fence
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

    /// Makes the message ready or scheduled, or dead if it has expired.
    pub(crate) fn open(&mut self, due: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        self.due = due;
        self.finished_at = None;
        self.leased_until = None;
        self.state = if due > now { State::Scheduled } else { State::Ready };
        if self.expires_at.is_some_and(|at| at <= now) { self.expire(now) } else { Ok(()) }
    }

    /// Puts the message into a terminal state.
    pub(crate) const fn finish(&mut self, state: State, now: Timestamp) {
        self.state = state;
        self.leased_until = None;
        self.finished_at = Some(now);
    }

    /// Makes the message dead because it has expired.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.finish(State::Dead, now);
        self.set_open(None, "the message expired before it was delivered")
    }

    /// Holds the message: it may have been delivered to its open recipients.
    pub(crate) fn hold(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.finish(State::Held, now);
        self.set_open(
            Some(RecipientStatus::Ambiguous),
            "the worker was lost after the commit point: the message may have been delivered",
        )
    }

    /// Makes the message dead because it cannot be sent as it is in the file.
    pub(crate) fn give_up(&mut self, now: Timestamp, why: &str) -> Result<(), StoreError> {
        self.finish(State::Dead, now);
        self.set_open(Some(RecipientStatus::Permanent), why)
    }

    /// Sets the text of the open recipients, and their status if one is given.
    fn set_open(&mut self, status: Option<RecipientStatus>, text: &str) -> Result<(), StoreError> {
        let mut recipients = self.recipients()?;
        for recipient in recipients.iter_mut().filter(|recipient| recipient.status.is_open()) {
            recipient.status = status.unwrap_or(recipient.status);
            text.clone_into(&mut recipient.text);
        }
        self.set_recipients(&recipients)
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
