//! Reading the content of a message into memory.

use std::io;

use bytes::{Bytes, BytesMut};

use crate::content::Content;
use crate::error::QueueError;
use crate::message::Enqueued;

/// A message before it is stored.
#[derive(Debug)]
pub(super) enum Prepared {
    /// Its whole content.
    Content(Bytes),
    /// It is not to be stored: it is a duplicate, or was refused before its content was read.
    Answered(Result<Enqueued, QueueError>),
}

/// Returns the whole content. Content from a source is read on a blocking thread, up to `room` octets.
pub(super) async fn read(content: Content, room: u64) -> Result<Bytes, QueueError> {
    if let Some(bytes) = content.in_memory() {
        return Ok(bytes.clone());
    }
    let read = tokio::task::spawn_blocking(move || gather(&content, room)).await;
    read.unwrap_or_else(|panic| Err(QueueError::Content(io::Error::other(panic))))
}

fn gather(content: &Content, room: u64) -> Result<Bytes, QueueError> {
    let mut whole = BytesMut::new();
    for chunk in content.chunks().map_err(QueueError::Content)? {
        whole.extend_from_slice(&chunk.map_err(QueueError::Content)?);
        if whole.len() as u64 > room {
            return Err(QueueError::Full { limit: format!("a message has more than the maximum of {room} octets") });
        }
    }
    Ok(whole.freeze())
}
