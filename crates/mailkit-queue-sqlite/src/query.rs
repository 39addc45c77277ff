//! Records, contents, lists and counts, read concurrently with the writer.

use mailkit_queue::{Attempt, Content, Filter, Page, QueueError, QueueId, Record, State, Stats, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use crate::batch::read_counts;
use crate::content;
use crate::details::{self, MessageDetails};
use crate::error::StoreError;
use crate::keys;
use crate::message::{self, Row};
use crate::recipients;
use crate::store::SqliteQueue;

impl SqliteQueue {
    pub(crate) async fn read_record(&self, id: QueueId) -> Result<Option<Record>, QueueError> {
        let queue = self.queue();
        self.readers()
            .call(move |conn| {
                let _snapshot = conn.unchecked_transaction()?;
                let condition = "WHERE message.queue = ? AND message.id = ?";
                let found = rows(conn, condition, &[Value::from(queue), Value::from(id.to_string())])?;
                let Some((row, details)) = found.into_iter().next() else { return Ok(None) };
                let (history, fingerprint) = (history(conn, row.seq)?, keys::fingerprint(conn, row.seq)?);
                let mut record = record(&row, details)?;
                (record.history, record.fingerprint) = (history, fingerprint);
                Ok(Some(record))
            })
            .await
    }

    pub(crate) async fn read_content(&self, id: QueueId) -> Result<Option<Content>, QueueError> {
        let (queue, readers) = (self.queue(), self.readers().clone());
        let found = self.readers().call(move |conn| {
            let select = "SELECT size, crc, chunks, content FROM message JOIN message_body USING (seq) \
                          WHERE message.queue = ? AND message.id = ?";
            let mut statement = conn.prepare_cached(select)?;
            let mut rows = statement.query(params![queue, id.to_string()])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let (size, crc): (u64, u32) = (row.get(0)?, row.get(1)?);
            Ok(Some(match row.get::<_, Option<i64>>(2)? {
                Some(chunks) => Ok(content::stored(&readers, chunks, size, crc)),
                None => content::check(row.get::<_, Option<Vec<u8>>>(3)?.unwrap_or_default().into(), size, crc),
            }))
        });
        let damaged = |why| QueueError::Content(std::io::Error::new(std::io::ErrorKind::InvalidData, why));
        found.await?.transpose().map_err(damaged)
    }

    pub(crate) async fn read_page(&self, filter: &Filter) -> Result<Page, QueueError> {
        let (queue, filter) = (self.queue(), filter.clone());
        self.readers().call(move |conn| page(conn, queue, &filter)).await
    }

    pub(crate) async fn read_stats(&self) -> Result<Stats, QueueError> {
        let (queue, now) = (self.queue(), self.now());
        self.readers()
            .call(move |conn| {
                let _snapshot = conn.unchecked_transaction()?;
                let counts = read_counts(conn, queue)?;
                let [scheduled, ready, leased, sent, dead, held, cancelled] = counts.states.map(i64::unsigned_abs);
                let oldest = "SELECT min((SELECT min(due) FROM message INDEXED BY message_ready \
                              WHERE message.bucket = ready_bucket.id AND state = 1)) \
                              FROM ready_bucket INDEXED BY ready_bucket_with_mail WHERE queue = ? AND ready > 0";
                let oldest: Option<i64> = conn.prepare_cached(oldest)?.query_row([queue], |row| row.get(0))?;
                let mut stats = Stats::default();
                (stats.scheduled, stats.ready, stats.leased) = (scheduled, ready, leased);
                (stats.sent, stats.dead, stats.held, stats.cancelled) = (sent, dead, held, cancelled);
                stats.oldest_ready = oldest.map(|due| now - Timestamp::from_millis(due));
                stats.ambiguous_total = counts.ambiguous.unsigned_abs();
                Ok(stats)
            })
            .await
    }
}

/// The maximum number of messages in a state that are read by the index of the state and sorted. If there are more, the index of
/// ids finds enough of them.
const MAX_SORTED: i64 = 5_000;

/// The number of characters of an address that SQLite compares.
const LONGEST_PATTERN: usize = 1_000;

/// One page of the messages that match a filter, newest first.
fn page(conn: &Connection, queue: i64, filter: &Filter) -> Result<Page, StoreError> {
    let _snapshot = conn.unchecked_transaction()?;
    let mut condition = String::from("WHERE message.queue = ?");
    let mut values = vec![Value::from(queue)];
    let mut index = "";
    if let Some(state) = filter.state {
        let number = message::number(state);
        if read_counts(conn, queue)?.states[number] <= MAX_SORTED {
            index = index_of(state);
            // The planner uses a partial index only if the number is in the statement.
            condition.push_str(&format!(" AND message.state = {number}"));
            condition.push_str(if state.is_terminal() { " AND message.finished_at IS NOT NULL" } else { "" });
        } else {
            condition.push_str(&format!(" AND +message.state = {number}"));
        }
    }
    let mut and = |text: &str, value: Value| {
        condition.push_str(text);
        values.push(value);
    };
    if let Some(cursor) = filter.cursor {
        and(" AND message.id < ?", Value::from(cursor.to_string()));
    }
    for (text, value) in exact_conditions(filter) {
        and(text, value);
    }
    // These conditions may match too many messages. The rest is compared below.
    if let Some(tag) = &filter.tag {
        let quoted = serde_json::to_string(tag).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        and(" AND instr(message_body.tags, ?) > 0", Value::from(quoted));
    }
    if let Some(recipient) = &filter.recipient {
        // SQLite's LIKE ignores the case of ASCII only, and limits the length of a pattern.
        let quoted = serde_json::to_string(recipient).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let ascii: String = quoted.chars().map(|char| if char.is_ascii() { char } else { '%' }).collect();
        let start = ascii.get(..ascii.len().min(LONGEST_PATTERN)).unwrap_or_default();
        and(" AND message.recipients LIKE ?", Value::from(format!("%{start}%")));
    }
    condition.push_str(" ORDER BY message.id DESC");
    let wanted = filter.recipient.as_ref().map(|recipient| recipient.to_lowercase());
    let matches = |record: &Record| {
        let mut addresses = record.recipients.iter().map(|recipient| recipient.address.to_string().to_lowercase());
        filter.tag.as_ref().is_none_or(|tag| record.tags.iter().any(|known| **known == **tag))
            && wanted.as_ref().is_none_or(|wanted| addresses.any(|address| address == *wanted))
    };
    let mut records = Vec::new();
    let is_more = each(conn, index, &condition, &values, |row, details| {
        let record = record(&row, details)?;
        if matches(&record) {
            if records.len() == filter.page_size() {
                return Ok(false);
            }
            records.push(record);
        }
        Ok(true)
    })?;
    let next = records.last().filter(|_| is_more).map(|record| record.id);
    Ok(Page::new(records, next))
}

/// The condition on the class of the last attempt.
const LAST_CLASS: &str =
    " AND (SELECT class FROM attempt WHERE attempt.seq = message.seq ORDER BY number DESC LIMIT 1) = ?";

/// The conditions of a filter that SQLite compares exactly.
fn exact_conditions(filter: &Filter) -> impl Iterator<Item = (&'static str, Value)> {
    let time = |at: Timestamp| Value::from(at.as_millis());
    [
        (" AND ready_bucket.tenant = ?", filter.tenant.clone().map(Value::from)),
        (" AND ready_bucket.route = ?", filter.route.clone().map(Value::from)),
        (" AND message_body.message_id = ?", filter.message_id.clone().map(Value::from)),
        (LAST_CLASS, filter.class.clone().map(Value::from)),
        (" AND message.created_at >= ?", filter.since.map(time)),
        (" AND message.created_at < ?", filter.until.map(time)),
    ]
    .into_iter()
    .filter_map(|(text, value)| Some((text, value?)))
}

/// The index of the messages in a state.
const fn index_of(state: State) -> &'static str {
    match state {
        State::Scheduled => "INDEXED BY message_scheduled",
        State::Ready => "INDEXED BY message_ready",
        State::Leased => "INDEXED BY message_leased",
        State::Sent | State::Dead | State::Held | State::Cancelled => "INDEXED BY message_finished",
    }
}

fn rows(conn: &Connection, condition: &str, values: &[Value]) -> Result<Vec<(Row, MessageDetails)>, StoreError> {
    let mut found = Vec::new();
    each(conn, "", condition, values, |row, details| {
        found.push((row, details));
        Ok(true)
    })?;
    Ok(found)
}

/// Calls `give` for each row until it returns `false`. Returns whether it did.
fn each(
    conn: &Connection,
    index: &str,
    condition: &str,
    values: &[Value],
    mut give: impl FnMut(Row, MessageDetails) -> Result<bool, StoreError>,
) -> Result<bool, StoreError> {
    let (position, details) = (message::COLUMNS, details::COLUMNS);
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {position}, {details} FROM message {index} JOIN message_body USING (seq) \
         JOIN ready_bucket ON ready_bucket.id = message.bucket {condition}"
    ))?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(columns) = rows.next()? {
        if !give(Row::read(columns)?, MessageDetails::read(columns, message::WIDTH)?)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The record of a message, without its history and fingerprint.
pub(crate) fn record(row: &Row, details: MessageDetails) -> Result<Record, StoreError> {
    let mut record = Record::new(row.id, row.lifecycle.state, details.sender, row.created_at);
    record.subject = details.subject;
    record.message_id = details.message_id;
    record.recipients = row.recipients()?;
    record.attempts = row.lifecycle.attempts;
    record.next_attempt_at = row.lifecycle.next_attempt_at();
    record.expires_at = row.lifecycle.expires_at;
    record.finished_at = row.lifecycle.finished_at;
    record.priority = details.priority;
    record.route = details.route;
    record.tenant = details.tenant;
    record.tags = details.tags;
    record.on_ambiguous = row.lifecycle.on_ambiguous;
    record.idempotency_key = details.idempotency_key;
    record.traceparent = details.traceparent;
    record.delivery = details.delivery;
    record.size = row.size;
    Ok(record)
}

/// The attempts of a message, oldest first.
pub(crate) fn history(conn: &Connection, seq: i64) -> Result<Vec<Attempt>, StoreError> {
    let select = "SELECT at, route, outcome, class, text, recipients FROM attempt WHERE seq = ? ORDER BY number";
    let mut statement = conn.prepare_cached(select)?;
    let mut rows = statement.query([seq])?;
    let mut history = Vec::new();
    while let Some(row) = rows.next()? {
        let outcome: String = row.get(2)?;
        let outcome = outcome.parse().map_err(|error| StoreError::Corrupt(format!("{error}")))?;
        let mut attempt = Attempt::new(Timestamp::from_millis(row.get(0)?), row.get::<_, String>(1)?, outcome);
        attempt.class = row.get(3)?;
        attempt.text = row.get(4)?;
        attempt.recipients = recipients::parse(row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?)?;
        history.push(attempt);
    }
    Ok(history)
}
