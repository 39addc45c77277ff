//! The details of a message, which do not change: written once, and read when it is leased or listed.

use std::str::FromStr;

use mailkit_address::{Address, ReversePath};
use mailkit_queue::{DeliveryOptions, Idempotency, IdempotencyKey, InvalidText, NewMessage, Tag, Tenant, Traceparent};
use rusqlite::{Connection, params};

use crate::content::Body;
use crate::delivery;
use crate::error::StoreError;
use crate::recipients;

/// The columns that [`MessageDetails::read`] reads.
pub(crate) const COLUMNS: &str = "message_body.sender, message_body.message_id, message_body.subject, message_body.tags, message_body.delivery, \
    message_body.idempotency_key, message_body.traceparent, ready_bucket.priority, ready_bucket.tenant, ready_bucket.route, message_body.crc, message_body.chunks";

/// The columns of a new message, created before the writer runs the request.
#[derive(Debug)]
pub(crate) struct NewRow {
    pub(crate) recipients: String,
    sender: String,
    message_id: Option<String>,
    subject: Option<String>,
    tags: Option<String>,
    delivery: Option<String>,
    traceparent: Option<Traceparent>,
}

impl NewRow {
    pub(crate) fn new(message: &mut NewMessage) -> Result<Self, StoreError> {
        let pending: Vec<_> = message.envelope.recipients().iter().cloned().map(recipients::pending).collect();
        Ok(Self {
            recipients: recipients::print(&pending)?,
            sender: message.envelope.reverse_path().address().map(Address::to_string).unwrap_or_default(),
            message_id: message.message_id.take(),
            subject: message.subject.take(),
            tags: delivery::print_tags(&message.tags)?,
            delivery: delivery::print(&message.delivery)?,
            traceparent: message.traceparent.take(),
        })
    }

    /// Writes the row of a new message.
    pub(crate) fn insert(
        &self,
        conn: &Connection,
        seq: i64,
        idempotency: Option<&Idempotency>,
        body: &Body,
    ) -> Result<(), StoreError> {
        let insert = "INSERT INTO message_body (seq, sender, message_id, subject, tags, delivery, idempotency_key, \
                      traceparent, crc, chunks, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        conn.prepare_cached(insert)?.execute(params![
            seq,
            self.sender,
            self.message_id,
            self.subject,
            self.tags,
            self.delivery,
            idempotency.map(|idempotency| idempotency.key.as_str()),
            self.traceparent.as_deref(),
            body.crc(),
            body.chunks(),
            body.inline(),
        ])?;
        Ok(())
    }
}

/// The details of a message, without its content.
#[derive(Debug)]
pub(crate) struct MessageDetails {
    pub(crate) sender: ReversePath,
    pub(crate) message_id: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) delivery: DeliveryOptions,
    pub(crate) idempotency_key: Option<IdempotencyKey>,
    pub(crate) traceparent: Option<Traceparent>,
    pub(crate) priority: mailkit_queue::Priority,
    pub(crate) tenant: Option<Tenant>,
    pub(crate) route: Option<String>,
    pub(crate) crc: u32,
    pub(crate) chunks: Option<i64>,
}

impl MessageDetails {
    /// The number of columns.
    pub(crate) const WIDTH: usize = 12;

    /// Reads the columns from index `at` on.
    pub(crate) fn read(row: &rusqlite::Row<'_>, at: usize) -> Result<Self, StoreError> {
        let sender = match row.get_ref(at)?.as_str().map_err(rusqlite::Error::from)? {
            "" => ReversePath::Null,
            address => Address::parse(address)
                .map(ReversePath::Address)
                .map_err(|error| StoreError::Corrupt(format!("the sender of a message is invalid: {error}")))?,
        };
        let text = |at: usize| row.get_ref(at)?.as_str_or_null().map_err(rusqlite::Error::from);
        let priority: usize = row.get(at + 7)?;
        Ok(Self {
            sender,
            message_id: row.get(at + 1)?,
            subject: row.get(at + 2)?,
            tags: delivery::parse_tags(text(at + 3)?)?,
            delivery: delivery::parse(text(at + 4)?)?,
            idempotency_key: parse(text(at + 5)?)?,
            traceparent: parse(text(at + 6)?)?,
            priority: *mailkit_queue::Priority::ALL
                .get(priority)
                .ok_or_else(|| StoreError::Corrupt(format!("there is no priority {priority}")))?,
            tenant: parse(text(at + 8)?)?,
            route: row.get(at + 9)?,
            crc: row.get(at + 10)?,
            chunks: row.get(at + 11)?,
        })
    }
}

/// Parses a column of validated text.
fn parse<T: FromStr<Err = InvalidText>>(text: Option<&str>) -> Result<Option<T>, StoreError> {
    text.map(str::parse)
        .transpose()
        .map_err(|error| StoreError::Corrupt(format!("a column of a message is invalid: {error}")))
}
