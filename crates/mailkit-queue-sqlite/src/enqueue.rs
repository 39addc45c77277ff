//! Storing messages.

use std::sync::Arc;

use mailkit_queue::transition::Lifecycle;
use mailkit_queue::{Enqueued, NewMessage, QueueError, State, Timestamp};

use crate::batch::{Batch, BucketKey};
use crate::content::{self, Body, INLINE};
use crate::details::NewRow;
use crate::error::Refusable;
use crate::keys;
use crate::message::Row;
use crate::store::SqliteQueue;

impl SqliteQueue {
    pub(crate) async fn store_message(&self, message: NewMessage) -> Result<Enqueued, QueueError> {
        let inline = message.content.in_memory().filter(|bytes| bytes.len() <= INLINE).cloned();
        let asked = Arc::new(message);
        let body = if let Some(bytes) = inline {
            Body::inline_of(bytes)
        } else {
            // Checked before the content is read, and again when the message is stored.
            let message = Arc::clone(&asked);
            let found = self.writer().call(move |batch| {
                let now = batch.now();
                admit(batch, &message, message.content.size().unwrap_or(0), now)
            });
            if let Some(found) = found.await? {
                return Ok(found);
            }
            let room = if asked.archive_of().is_some() { u64::MAX } else { self.settings().max_bytes };
            let (content, writer) = (asked.content.clone(), self.writer().clone());
            let taken = tokio::task::spawn_blocking(move || content::stage(&content, &writer, room)).await;
            taken.map_err(|panic| QueueError::Content(std::io::Error::other(panic)))??
        };
        let mut message = Arc::unwrap_or_clone(asked);
        let new_row = NewRow::new(&mut message)?;
        let bucket = (message.priority, message.tenant.take(), message.route.take());
        self.writer().call(move |batch| insert(batch, &message, &new_row, &bucket, &body)).await
    }
}

/// The duplicate of a new message by its key or its id. `None` if there is none.
fn find_same(batch: &Batch<'_>, message: &NewMessage, now: Timestamp) -> Refusable<Option<Enqueued>> {
    let (conn, queue) = (batch.conn, batch.context.queue);
    if let Some(key) = message.active_key(now, batch.context.settings.key_window)
        && let Some(found) = keys::find(batch, key, now)?
    {
        let id = match found {
            Ok(id) => id,
            Err(conflict) => return Ok(Err(conflict)),
        };
        // Only the key of a sent message stays after the message was removed.
        let state = Row::find(conn, queue, id)?.map_or(State::Sent, |row| row.lifecycle.state);
        return Ok(Ok(Some(Enqueued::duplicate(id, state))));
    }
    let Some(id) = message.id else { return Ok(Ok(None)) };
    let Some(row) = Row::find(conn, queue, id)? else { return Ok(Ok(None)) };
    let key = message.idempotency.as_ref().map(|idempotency| idempotency.key.as_str());
    Ok(match keys::of_message(conn, row.seq)?.as_deref() == key {
        true => Ok(Some(Enqueued::duplicate(id, row.lifecycle.state))),
        false => Err(QueueError::Exists(id)),
    })
}

/// Checks whether a message with `size` octets of content may be stored. Returns the duplicate, if there is one.
fn admit(batch: &mut Batch<'_>, message: &NewMessage, size: u64, now: Timestamp) -> Refusable<Option<Enqueued>> {
    match find_same(batch, message, now)? {
        Ok(None) => {}
        answered => return Ok(answered),
    }
    if let Err(expired) = message.check_expiry(now) {
        return Ok(Err(expired));
    }
    if message.archive_of().is_some() {
        return Ok(Ok(None));
    }
    let (max_messages, max_bytes) = (batch.context.settings.max_messages, batch.context.settings.max_bytes);
    let counts = batch.counts()?;
    let (messages, held) = (counts.unfinished().unsigned_abs(), counts.unfinished_bytes.unsigned_abs());
    let full = |limit: String| Ok(Err(QueueError::Full { limit }));
    if messages >= max_messages {
        return full(format!("it has {max_messages} unfinished messages, which is the maximum"));
    }
    if held.saturating_add(size) > max_bytes {
        return full(format!(
            "it has {held} octets of unfinished messages, and {size} more exceed the maximum of {max_bytes}"
        ));
    }
    Ok(Ok(None))
}

fn insert(
    batch: &mut Batch<'_>,
    message: &NewMessage,
    new_row: &NewRow,
    bucket: &BucketKey,
    body: &Body,
) -> Refusable<Enqueued> {
    let now = batch.now();
    match admit(batch, message, body.size(), now)? {
        Ok(None) => {}
        Ok(Some(found)) => return Ok(Ok(found)),
        Err(refused) => return Ok(Err(refused)),
    }
    if let Some(content) = body.chunks()
        && let Err(refused) = content::attach(batch, content)?
    {
        return Ok(Err(refused));
    }
    let id = message.id.unwrap_or_else(|| batch.next_id(now));
    let created_at = message.created_at.unwrap_or(now);
    let lifecycle = Lifecycle::enqueued(now, message.send_at, message.expires_at, message.on_ambiguous);
    let mut row = Row::new(id, batch.bucket(bucket)?, lifecycle, new_row.recipients.clone(), body.size(), created_at);
    row.insert(batch)?;
    new_row.insert(batch.conn, row.seq, message.idempotency.as_ref(), body)?;
    if let Some(key) = message.active_key(now, batch.context.settings.key_window) {
        keys::insert(batch, key, id, created_at.min(now))?;
    }
    Ok(Ok(Enqueued::new(id, row.lifecycle.state)))
}
