//! Content on its way into memory.

use std::io;

use bytes::{Bytes, BytesMut};

use crate::content::Content;
use crate::error::QueueError;

/// The whole content. What is not in memory yet is read on a thread that may block, and no further than there is room
/// for.
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
            return Err(QueueError::Full {
                limit: format!("a message has more than the {room} octets that it may hold"),
            });
        }
    }
    Ok(whole.freeze())
}
