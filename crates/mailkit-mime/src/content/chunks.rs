//! The content in pieces.

use std::fmt;
use std::io;

use bytes::Bytes;

use super::Row;
use super::body::{PIECE, Reading};
use super::reader::ContentReader;

/// A chunk holds at least this much, unless it is the last or a larger one follows unchanged.
const CHUNK: usize = 64 * 1024;
/// Finished bytes above this size are handed on without a copy.
const WORTH_SHARING: usize = 16 * 1024;
/// The most that is handed on at a time.
const MOST_SHARED: usize = 1024 * 1024;

/// The content of a message in pieces of bounded size, encoded as they are asked for.
///
/// Their sizes sum up to that of the message. Each is owned, so that it can be handed to a
/// socket; large parts in memory that need no encoding are shared, not copied. It may be sent to
/// a thread of its own, as files are read with blocking calls.
pub struct Chunks {
    row: Row,
    /// How much of the written text has gone out.
    at: usize,
    /// The next body.
    insert: usize,
    open: Option<Reading>,
    /// Finished bytes that come next.
    ready: Bytes,
    left: Option<u64>,
    failed: bool,
}

impl Chunks {
    pub(super) fn new(row: Row, left: Option<u64>) -> Self {
        let ready = row.between(0, 0);
        Self { at: ready.len(), row, insert: 0, open: None, ready, left, failed: false }
    }

    /// How many bytes are still to come, if the size of the content is known.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.left
    }

    /// The same as a reader.
    #[must_use]
    pub fn into_reader(self) -> ContentReader {
        ContentReader::new(self)
    }

    /// Goes on to the next body and the text behind it; false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        let Some(insert) = self.row.inserts().get(self.insert) else {
            return Ok(false);
        };
        self.insert += 1;
        match insert.body.ready() {
            Some(bytes) => self.ready = bytes.clone(),
            None => self.open = Some(insert.body.read()?),
        }
        Ok(true)
    }

    fn collect_chunk(&mut self) -> io::Result<Bytes> {
        let likely = self.left.and_then(|left| usize::try_from(left).ok()).unwrap_or(CHUNK).min(CHUNK + 2 * PIECE);
        let mut out = Vec::new();
        while out.len() < CHUNK {
            if self.ready.len() > WORTH_SHARING {
                if out.is_empty() {
                    return Ok(self.ready.split_to(self.ready.len().min(MOST_SHARED)));
                }
                break;
            }
            if out.capacity() == 0 {
                out.reserve(likely);
            }
            out.extend_from_slice(&std::mem::take(&mut self.ready));
            if let Some(reading) = &mut self.open {
                if !reading.step(&mut out)? {
                    self.open = None;
                }
            } else if self.at < self.row.inserts().get(self.insert).map_or(self.row.written.len(), |insert| insert.at) {
                self.ready = self.row.between(self.at, self.insert);
                self.at += self.ready.len();
            } else if !self.advance()? {
                break;
            }
        }
        Ok(Bytes::from(out))
    }
}

impl Iterator for Chunks {
    /// An error is one of the source that the content is read from; nothing follows it.
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match self.collect_chunk() {
            Ok(chunk) => {
                self.left = self.left.map(|left| left.saturating_sub(chunk.len() as u64));
                (!chunk.is_empty()).then_some(Ok(chunk))
            }
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}

impl std::iter::FusedIterator for Chunks {}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunks").field("remaining", &self.left).finish_non_exhaustive()
    }
}
