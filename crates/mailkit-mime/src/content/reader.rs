//! The content as a reader.

use std::fmt;
use std::io::{self, Read};

use bytes::{Buf as _, Bytes};

use super::Chunks;

/// The content of a message as a blocking reader; [`Chunks::into_reader`] makes it.
///
/// A content that could not be read never seems to have ended: every further read is an error.
pub struct ContentReader {
    chunks: Chunks,
    /// What is left of the last chunk.
    unread: Bytes,
    failed: bool,
}

impl ContentReader {
    pub(super) fn new(chunks: Chunks) -> Self {
        Self { chunks, unread: Bytes::new(), failed: false }
    }
}

impl Read for ContentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unread.is_empty() {
            if self.failed {
                return Err(io::Error::other("the content could not be read to its end"));
            }
            let next = self.chunks.next().transpose();
            self.failed = next.is_err();
            self.unread = next?.unwrap_or_default();
        }
        let count = self.unread.len().min(buffer.len());
        let (Some(now), Some(slot)) = (self.unread.get(..count), buffer.get_mut(..count)) else {
            return Ok(0);
        };
        slot.copy_from_slice(now);
        self.unread.advance(count);
        Ok(count)
    }
}

impl fmt::Debug for ContentReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentReader").field("unread", &self.unread.len()).finish_non_exhaustive()
    }
}
