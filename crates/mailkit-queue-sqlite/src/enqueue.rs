//! Storing messages.

use mailkit_queue::{Enqueued, IdempotencyKey, NewMessage, QueueError, QueueId, State, Timestamp};
use rusqlite::params;

use crate::batch::{Batch, LaneName};
use crate::content::{self, Body, INLINE};
use crate::error::{Refusable, StoreError};
use crate::letter::Draft;
use crate::message::{Row, read_id};
use crate::store::SqliteQueue;

impl SqliteQueue {
    pub(crate) async fn store(&self, mut message: NewMessage) -> Result<Enqueued, QueueError> {
        let inline = message.content.in_memory().filter(|bytes| bytes.len() <= INLINE).cloned();
        let body = if let Some(bytes) = inline {
            Body::inline_of(bytes)
        } else {
            // Whether it may come in is asked before its content is read, and again when it is.
            let (size, key, id) = (message.content.size().unwrap_or(0), message.idempotency.clone(), message.id);
            let found = self.writer().call(move |batch| {
                let now = batch.now();
                admit(batch, key.as_ref(), id, size, now)
            });
            if let Some(found) = found.await? {
                return Ok(found);
            }
            let (content, writer, room) = (message.content.clone(), self.writer().clone(), self.settings().max_bytes);
            let taken = tokio::task::spawn_blocking(move || content::take_in(&content, &writer, room)).await;
            taken.map_err(|panic| QueueError::Content(std::io::Error::other(panic)))??
        };
        let draft = Draft::new(&mut message)?;
        let lane = (message.priority, message.tenant.take(), message.route.take());
        self.writer().call(move |batch| insert(batch, &message, &draft, &lane, &body)).await
    }
}

/// Whether a message may come in: the one that its key stands for already, where there is one.
fn admit(
    batch: &mut Batch<'_>,
    key: Option<&IdempotencyKey>,
    id: Option<QueueId>,
    size: u64,
    now: Timestamp,
) -> Refusable<Option<Enqueued>> {
    if let Some(key) = key
        && let Some(found) = find_key(batch, key, now)?
    {
        return Ok(found.map(|id| Some(Enqueued { id, duplicate: true })));
    }
    let queue = batch.context.queue;
    if let Some(id) = id
        && Row::find(batch.conn, queue, id)?.is_some()
    {
        return Ok(Err(QueueError::Exists(id)));
    }
    let (max_messages, max_bytes) = (batch.context.settings.max_messages, batch.context.settings.max_bytes);
    let counts = batch.counts()?;
    let (messages, held) = (counts.unfinished().unsigned_abs(), counts.unfinished_bytes.unsigned_abs());
    let full = |limit: String| Ok(Err(QueueError::Full { limit }));
    if messages >= max_messages {
        return full(format!("it holds {max_messages} unfinished messages, as many as it may"));
    }
    if held.saturating_add(size) > max_bytes {
        return full(format!("it holds {held} octets of the {max_bytes} that it may, and {size} more are too many"));
    }
    Ok(Ok(None))
}

/// The message that a key stands for, or the conflict with it.
fn find_key(
    batch: &Batch<'_>,
    key: &IdempotencyKey,
    now: Timestamp,
) -> Result<Option<Result<QueueId, QueueError>>, StoreError> {
    let select = "SELECT fingerprint, id, used_at FROM idempotency WHERE queue = ? AND key = ?";
    let mut statement = batch.conn.prepare_cached(select)?;
    let mut rows = statement.query(params![batch.context.queue, key.key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    if Timestamp::from_millis(row.get(2)?) + batch.context.settings.key_window <= now {
        return Ok(None);
    }
    let id = read_id(row, 1)?;
    let is_same = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)? == key.fingerprint;
    Ok(Some(if is_same { Ok(id) } else { Err(QueueError::Conflict { key: key.key.clone(), id }) }))
}

fn insert(
    batch: &mut Batch<'_>,
    message: &NewMessage,
    draft: &Draft,
    lane: &LaneName,
    body: &Body,
) -> Refusable<Enqueued> {
    let (now, key) = (batch.now(), message.idempotency.as_ref());
    match admit(batch, key, message.id, body.size(), now)? {
        Ok(None) => {}
        Ok(Some(found)) => return Ok(Ok(found)),
        Err(refused) => return Ok(Err(refused)),
    }
    if let Some(content) = body.chunks()
        && let Err(refused) = content::adopt(batch, content)?
    {
        return Ok(Err(refused));
    }
    let id = message.id.unwrap_or_else(|| batch.next_id(now));
    let created_at = message.created_at.unwrap_or(now);
    let mut row = Row::new(id, batch.lane(lane)?, draft.recipients.clone(), body.size(), created_at);
    row.hold = message.on_ambiguous == mailkit_queue::OnAmbiguous::Hold;
    row.expires_at = message.expires_at;
    row.due = message.send_at.map_or(now, |at| at.max(now));
    row.open_since = row.due;
    row.state = if row.due > now { State::Scheduled } else { State::Ready };
    row.insert(batch)?;
    draft.insert(batch.conn, row.seq, key, body)?;
    if let Some(key) = key {
        let insert = "INSERT OR REPLACE INTO idempotency (queue, key, fingerprint, id, used_at) VALUES (?, ?, ?, ?, ?)";
        batch.conn.prepare_cached(insert)?.execute(params![
            batch.context.queue,
            key.key,
            key.fingerprint,
            id.to_string(),
            created_at.as_millis(),
        ])?;
    }
    Ok(Ok(Enqueued { id, duplicate: false }))
}
