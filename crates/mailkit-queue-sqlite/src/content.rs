//! Contents: small ones in the row of their message, large ones in chunks that are never in memory together.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use crc32fast::Hasher;
use mailkit_queue::{Chunks, Content, ContentSource, QueueError};
use rusqlite::params;

use crate::batch::Batch;
use crate::error::{Refusable, StoreError};
use crate::readers::Readers;
use crate::writer::Writer;

/// The maximum size of a content in the row of its message.
pub(crate) const INLINE: usize = 64 << 10;
/// The size of a chunk of a larger content.
const CHUNK: usize = 128 << 10;
/// The number of chunks of a content (2 MiB) after which the page cache of SQLite is released. Otherwise a large content would
/// fill it with pages that are not read again.
const CACHED_CHUNKS: i64 = 16;

/// The content of a new message, before its row is written.
#[derive(Debug)]
pub(crate) enum Body {
    /// The whole content.
    Inline { bytes: Bytes, crc: u32 },
    /// The chunks are in the file already.
    Staged(Staged),
}

impl Body {
    /// A body in memory.
    pub(crate) fn inline_of(bytes: Bytes) -> Self {
        let crc = crc32fast::hash(&bytes);
        Self::Inline { bytes, crc }
    }

    pub(crate) const fn size(&self) -> u64 {
        match self {
            Self::Inline { bytes, .. } => bytes.len() as u64,
            Self::Staged(staged) => staged.size,
        }
    }

    pub(crate) const fn crc(&self) -> u32 {
        match self {
            Self::Inline { crc, .. } => *crc,
            Self::Staged(staged) => staged.crc,
        }
    }

    pub(crate) const fn chunks(&self) -> Option<i64> {
        match self {
            Self::Inline { .. } => None,
            Self::Staged(staged) => Some(staged.content),
        }
    }

    pub(crate) fn inline(&self) -> Option<&[u8]> {
        match self {
            Self::Inline { bytes, .. } => Some(bytes),
            Self::Staged(_) => None,
        }
    }
}

/// Chunks in the file that belong to no message yet. They are removed when this is dropped, and by the maintenance if the
/// process has ended.
#[derive(Debug)]
pub(crate) struct Staged {
    content: i64,
    size: u64,
    crc: u32,
    writer: Writer,
}

impl Drop for Staged {
    fn drop(&mut self) {
        let content = self.content;
        self.writer.hint(move |batch| {
            // The chunks of a stored message are no longer in this table.
            let staged = batch.conn.prepare_cached("DELETE FROM staging WHERE content = ?")?.execute([content])?;
            if staged > 0 {
                remove(batch, content)?;
            }
            Ok(Ok(()))
        });
    }
}

/// Reads a content that is large or not in memory. If it is too large for a row, its chunks are written to the file, each with
/// an fsync that concurrent requests share. Blocks.
pub(crate) fn stage(content: &Content, writer: &Writer, room: u64) -> Result<Body, QueueError> {
    let mut staging_writer =
        Staging { writer, staged: None, number: 0, size: 0, whole: Hasher::new(), buffer: BytesMut::new() };
    for chunk in content.chunks().map_err(QueueError::Content)? {
        let chunk = chunk.map_err(QueueError::Content)?;
        staging_writer.add(&chunk)?;
        if staging_writer.size > room {
            let limit = format!("a message has more than the maximum of {room} octets");
            return Err(QueueError::Full { limit });
        }
    }
    staging_writer.finish()
}

/// The writer of the chunks of a content.
struct Staging<'a> {
    writer: &'a Writer,
    staged: Option<Staged>,
    number: i64,
    size: u64,
    whole: Hasher,
    buffer: BytesMut,
}

impl Staging<'_> {
    fn add(&mut self, mut chunk: &[u8]) -> Result<(), QueueError> {
        self.whole.update(chunk);
        self.size += chunk.len() as u64;
        while !chunk.is_empty() {
            let (now, later) = chunk.split_at(chunk.len().min(CHUNK - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            chunk = later;
            if self.buffer.len() == CHUNK {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes the buffer as a chunk.
    fn flush(&mut self) -> Result<(), QueueError> {
        let content = if let Some(staged) = &self.staged {
            staged.content
        } else {
            let content = self.writer.call_blocking(|batch| {
                let now = batch.now().as_millis();
                Ok(Ok(batch.conn.prepare_cached("INSERT INTO staging (touched_at) VALUES (?)")?.insert([now])?))
            })?;
            self.staged = Some(Staged { content, size: 0, crc: 0, writer: self.writer.clone() });
            content
        };
        let (data, number) = (self.buffer.split().freeze(), self.number);
        let crc = crc32fast::hash(&data);
        self.number += 1;
        self.writer.call_blocking(move |batch| write_chunk(batch, content, number, crc, &data))
    }

    fn finish(mut self) -> Result<Body, QueueError> {
        let crc = self.whole.clone().finalize();
        if self.staged.is_none() && self.buffer.len() <= INLINE {
            return Ok(Body::Inline { bytes: self.buffer.freeze(), crc });
        }
        if !self.buffer.is_empty() {
            self.flush()?;
        }
        let Some(mut staged) = self.staged else {
            return Err(StoreError::Corrupt("a content was not staged".into()).into());
        };
        (staged.size, staged.crc) = (self.size, crc);
        Ok(Body::Staged(staged))
    }
}

fn write_chunk(batch: &Batch<'_>, content: i64, number: i64, crc: u32, data: &[u8]) -> Refusable<()> {
    if number % CACHED_CHUNKS == CACHED_CHUNKS - 1 {
        batch.conn.execute_batch("PRAGMA shrink_memory")?;
    }
    let touch = "UPDATE staging SET touched_at = ? WHERE content = ?";
    if batch.conn.prepare_cached(touch)?.execute(params![batch.now().as_millis(), content])? == 0 {
        return Ok(Err(abandoned()));
    }
    let insert = "INSERT INTO chunk (content, number, crc, data) VALUES (?, ?, ?, ?)";
    batch.conn.prepare_cached(insert)?.execute(params![content, number, crc, data])?;
    Ok(Ok(()))
}

/// Records that the chunks of a content belong to a message now.
pub(crate) fn attach(batch: &Batch<'_>, content: i64) -> Refusable<()> {
    let staged = batch.conn.prepare_cached("DELETE FROM staging WHERE content = ?")?.execute([content])?;
    Ok(if staged > 0 { Ok(()) } else { Err(abandoned()) })
}

/// The error for chunks that the maintenance has removed as orphaned.
fn abandoned() -> QueueError {
    let message = "more than an hour passed between two chunks of it, and the first ones were removed as left behind";
    QueueError::Content(io::Error::new(io::ErrorKind::TimedOut, message))
}

/// Removes the chunks of a content.
pub(crate) fn remove(batch: &Batch<'_>, content: i64) -> Result<(), StoreError> {
    batch.conn.prepare_cached("DELETE FROM chunk WHERE content = ?")?.execute([content])?;
    Ok(())
}

/// Checks the size and the checksum of a content from a row.
pub(crate) fn check(bytes: Bytes, size: u64, crc: u32) -> Result<Content, &'static str> {
    if bytes.len() as u64 == size && crc32fast::hash(&bytes) == crc {
        Ok(bytes.into())
    } else {
        Err("the stored content is damaged: it does not have its checksum")
    }
}

/// A content in chunks, which is read from the file when it is needed.
pub(crate) fn stored(readers: &Readers, content: i64, size: u64, crc: u32) -> Content {
    Content::stored(Arc::new(StoredChunks { readers: readers.clone(), content, size, crc }), Some(size))
}

#[derive(Debug)]
struct StoredChunks {
    readers: Readers,
    content: i64,
    size: u64,
    crc: u32,
}

impl ContentSource for StoredChunks {
    fn open(&self) -> io::Result<Chunks> {
        let (readers, content, size, crc) = (self.readers.clone(), self.content, self.size, self.crc);
        let reader = ChunkReader { readers, content, number: 0, left: size, whole: Hasher::new(), crc };
        Ok(Box::new(reader))
    }
}

/// An iterator over the chunks of a content.
struct ChunkReader {
    readers: Readers,
    content: i64,
    number: i64,
    left: u64,
    whole: Hasher,
    crc: u32,
}

impl ChunkReader {
    fn next_chunk(&mut self) -> io::Result<Bytes> {
        let (content, number) = (self.content, self.number);
        let found = self.readers.run(|conn| {
            let select = "SELECT crc, data FROM chunk WHERE content = ? AND number = ?";
            let mut statement = conn.prepare_cached(select)?;
            let mut rows = statement.query([content, number])?;
            Ok(rows
                .next()?
                .map(|row| Ok::<_, rusqlite::Error>((row.get::<_, u32>(0)?, row.get::<_, Vec<u8>>(1)?)))
                .transpose()?)
        });
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the stored content is damaged");
        let Some((crc, data)) = found.map_err(io::Error::other)? else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the stored content is no longer there"));
        };
        self.number += 1;
        self.left = self.left.checked_sub(data.len() as u64).ok_or_else(damaged)?;
        self.whole.update(&data);
        let is_whole = self.left > 0 || self.whole.clone().finalize() == self.crc;
        if crc32fast::hash(&data) != crc || !is_whole || data.is_empty() {
            return Err(damaged());
        }
        Ok(data.into())
    }
}

impl Iterator for ChunkReader {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let chunk = self.next_chunk();
        if chunk.is_err() {
            self.left = 0;
        }
        Some(chunk)
    }
}
