//! Storing messages.

use std::sync::Arc;

use mailkit_queue::transition::Lifecycle;
use mailkit_queue::{EnqueueAllError, Enqueued, NewMessage, QueueError, State, Timestamp};

use crate::batch::{Batch, BucketKey};
use crate::content::{self, Body, INLINE};
use crate::details::NewRow;
use crate::error::Refusable;
use crate::keys;
use crate::message::Row;
use crate::store::SqliteQueue;

/// A message that is ready to be stored: what the writer needs is made before its turn comes.
struct Prepared {
    message: NewMessage,
    new_row: NewRow,
    bucket: BucketKey,
    body: Body,
}

/// A message after its content was read.
enum Preparation {
    Ready(Box<Prepared>),
    /// It is not to be stored: it is a duplicate, or was refused before its content was read.
    Answered(Result<Enqueued, QueueError>),
}

impl SqliteQueue {
    pub(crate) async fn store_messages(
        &self,
        messages: Vec<NewMessage>,
    ) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError> {
        let (mut ready, mut answers) = (Vec::with_capacity(messages.len()), Vec::with_capacity(messages.len()));
        for message in messages {
            answers.push(match self.prepare(message).await? {
                Preparation::Ready(prepared) => {
                    ready.push(prepared);
                    None
                }
                Preparation::Answered(answer) => Some(answer),
            });
        }
        let work = move |batch: &mut Batch<'_>| {
            ready.iter().map(|prepared| insert(batch, prepared)).collect::<Result<Vec<_>, _>>().map(Ok)
        };
        let mut stored = self.writer().call(work).await?.into_iter();
        Ok(answers.into_iter().filter_map(|answer| answer.or_else(|| stored.next())).collect())
    }

    pub(crate) async fn store_all_messages(&self, messages: Vec<NewMessage>) -> Result<Vec<Enqueued>, EnqueueAllError> {
        let mut preparations = Vec::with_capacity(messages.len());
        for (index, message) in messages.into_iter().enumerate() {
            preparations.push(match self.prepare(message).await? {
                Preparation::Ready(prepared) => Ok(prepared),
                Preparation::Answered(Ok(duplicate)) => Err(duplicate),
                Preparation::Answered(Err(refused)) => return Err(EnqueueAllError::refused(index, refused)),
            });
        }
        let work = move |batch: &mut Batch<'_>| {
            let stored = batch.all_or_nothing(|batch| {
                let mut enqueued = Vec::with_capacity(preparations.len());
                for (index, preparation) in preparations.iter().enumerate() {
                    let stored = match preparation {
                        Ok(prepared) => insert(batch, prepared)?,
                        Err(duplicate) => Ok(*duplicate),
                    };
                    match stored {
                        Ok(one) => enqueued.push(one),
                        Err(refused) => return Ok(Err(EnqueueAllError::refused(index, refused))),
                    }
                }
                Ok(Ok(enqueued))
            });
            stored.map(Ok)
        };
        self.writer().call(work).await?
    }

    /// Reads the content of a message, if the message may be stored.
    async fn prepare(&self, message: NewMessage) -> Result<Preparation, QueueError> {
        let inline = message.content.in_memory().filter(|bytes| bytes.len() <= INLINE).cloned();
        let asked = Arc::new(message);
        let body = if let Some(bytes) = inline {
            Body::inline_of(bytes)
        } else {
            // Checked before the content is read, and again when the message is stored.
            let message = Arc::clone(&asked);
            let admitted = self.writer().call(move |batch| {
                let now = batch.now();
                admit(batch, &message, message.content.size().unwrap_or(0), now).map(Ok)
            });
            if let Some(answer) = admitted.await?.transpose() {
                return Ok(Preparation::Answered(answer));
            }
            let room = if asked.archive_of().is_some() { u64::MAX } else { self.settings().max_bytes };
            let (content, writer) = (asked.content.clone(), self.writer().clone());
            let staged = tokio::task::spawn_blocking(move || content::stage(&content, &writer, room)).await;
            match staged.unwrap_or_else(|panic| Err(QueueError::Content(std::io::Error::other(panic)))) {
                Ok(body) => body,
                Err(refused @ (QueueError::Content(_) | QueueError::Full { .. })) => {
                    return Ok(Preparation::Answered(Err(refused)));
                }
                Err(error) => return Err(error),
            }
        };
        let mut message = Arc::unwrap_or_clone(asked);
        let new_row = NewRow::new(&mut message)?;
        let bucket = (message.priority, message.tenant.take(), message.route.take());
        Ok(Preparation::Ready(Box::new(Prepared { message, new_row, bucket, body })))
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

/// Stores a message. One that is refused has written nothing.
fn insert(batch: &mut Batch<'_>, prepared: &Prepared) -> Refusable<Enqueued> {
    let Prepared { message, new_row, bucket, body } = prepared;
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
