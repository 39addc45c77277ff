//! The content of a queued message as a source that can be read again.

use std::fmt;
use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use mailkit_mime::ContentSource;
use mailkit_queue::{Chunks, Content};

/// Content in its store, or in memory.
pub(super) struct StoredContent(pub(super) Content);

impl ContentSource for StoredContent {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Reader { chunks: self.0.chunks()?, unread: Bytes::new() }))
    }
}

impl fmt::Debug for StoredContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

struct Reader {
    chunks: Chunks,
    /// What is left of the last chunk.
    unread: Bytes,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.unread.is_empty() {
            match self.chunks.next() {
                Some(chunk) => self.unread = chunk?,
                None => return Ok(0),
            }
        }
        let count = self.unread.len().min(buffer.len());
        self.unread.split_to(count).copy_to_slice(buffer.get_mut(..count).unwrap_or_default());
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_are_read_in_their_order_and_again() {
        let content = StoredContent(Content::from("abc"));
        for _ in 0..2 {
            let mut all = Vec::new();
            content.open().unwrap().read_to_end(&mut all).unwrap();
            assert_eq!(all, b"abc");
        }
    }
}
