//! What goes over the wire: written text with bodies in between, encoded while it is read.

mod body;
mod chunks;
mod reader;

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;

use self::body::Body;
pub(crate) use self::body::{SMALL, Transfer, size_in_base64};
pub use self::chunks::Chunks;
pub use self::reader::ContentReader;
use crate::encoding::TextEncoding;
use crate::source::Source;

/// What goes over the wire: written text, and bodies that stand in it.
///
/// A message of any structure is laid out as such a row, so that to write it needs no recursion
/// and its size is known.
#[derive(Clone)]
pub(crate) struct Content {
    row: Row,
    size: Option<u64>,
}

/// Shared by its clones.
#[derive(Debug, Clone)]
struct Row {
    written: Bytes,
    /// Nothing where no body is apart: an empty row in an [`Arc`] would be counted by all threads in one place.
    inserts: Option<Arc<[Insert]>>,
}

/// A body that goes out before the byte at `at`.
#[derive(Debug)]
struct Insert {
    at: usize,
    body: Body,
}

impl Row {
    fn inserts(&self) -> &[Insert] {
        self.inserts.as_deref().unwrap_or_default()
    }

    /// The written text between two bodies, or before the first or behind the last.
    fn between(&self, start: usize, insert: usize) -> Bytes {
        let end = self.inserts().get(insert).map_or(self.written.len(), |insert| insert.at);
        self.written.slice(start.min(end)..end)
    }
}

impl Content {
    pub(crate) fn size(&self) -> Option<u64> {
        self.size
    }

    /// The start of the written text.
    pub(crate) fn written(&self, length: usize) -> &[u8] {
        self.row.written.get(..length).unwrap_or_default()
    }

    /// Whether all of it is in memory, so that making it waits for nothing.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.row.inserts().iter().all(|insert| insert.body.is_in_memory())
    }

    /// Content that is one body, which goes as it is.
    pub(crate) fn of(source: Source, size: Option<u64>) -> Self {
        let body = Body::new(source, Transfer::Raw);
        let inserts = Some(Arc::from([Insert { at: 0, body }]));
        Self { row: Row { written: Bytes::new(), inserts }, size }
    }

    /// Whether some of it can be read once only.
    pub(crate) fn reads_once(&self) -> bool {
        self.row.inserts().iter().any(|insert| insert.body.reads_once())
    }

    /// The same behind another text.
    pub(crate) fn behind(&self, text: &[u8]) -> Self {
        let later = |insert: &Insert| Insert { at: insert.at + text.len(), body: insert.body.clone() };
        let row = Row {
            written: Bytes::from([text, &self.row.written].concat()),
            inserts: self.row.inserts.as_deref().map(|inserts| inserts.iter().map(later).collect()),
        };
        Self { row, size: self.size.map(|size| size + text.len() as u64) }
    }

    pub(crate) fn chunks(&self) -> Chunks {
        Chunks::new(self.row.clone(), self.size)
    }

    pub(crate) fn write_to(&self, writer: &mut (impl Write + ?Sized)) -> io::Result<()> {
        self.chunks().try_for_each(|chunk| writer.write_all(&chunk?))
    }

    pub(crate) fn to_bytes(&self) -> io::Result<Bytes> {
        match self.row.inserts() {
            [] => return Ok(self.row.written.clone()),
            [only] if self.row.written.is_empty() => {
                if let Some(ready) = only.body.ready() {
                    return Ok(ready.clone());
                }
            }
            _ => {}
        }
        let size = self.size.and_then(|size| usize::try_from(size).ok()).unwrap_or_default();
        let mut out = Vec::with_capacity(size);
        let mut start = 0;
        for (number, insert) in self.row.inserts().iter().enumerate() {
            out.extend_from_slice(&self.row.between(start, number));
            insert.body.write_whole(&mut out)?;
            start = insert.at;
        }
        out.extend_from_slice(&self.row.between(start, self.row.inserts().len()));
        Ok(Bytes::from(out))
    }
}

/// A size, never the content: logs show it.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("size", &self.size).finish_non_exhaustive()
    }
}

/// A content that is being put together.
#[derive(Debug)]
pub(crate) struct Layout {
    written: Vec<u8>,
    inserts: Vec<Insert>,
    /// The size of the bodies.
    size: Option<u64>,
    /// Whether the last body ends a line.
    line_ended: bool,
}

impl Layout {
    pub(crate) fn new(written: Vec<u8>) -> Self {
        Self { written, inserts: Vec::new(), size: Some(0), line_ended: true }
    }

    /// The text so far, to go on with.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.written
    }

    /// Appends a body: encoded at once where it is small and in memory, else when it is read.
    pub(crate) fn body(&mut self, source: &Source, transfer: Transfer, size: Option<u64>) {
        if transfer.write_if_small(source, size, &mut self.written) {
            return;
        }
        let body = Body::new(source.clone(), transfer);
        self.size = self.size.zip(size).map(|(sum, size)| sum + size);
        self.line_ended = body.ends_a_line();
        self.inserts.push(Insert { at: self.written.len(), body });
    }

    /// Appends whole lines that are finished, but for their line ends.
    pub(crate) fn lines(&mut self, lines: Bytes) {
        let size = TextEncoding::Identity.size_of(&lines);
        self.body(&Source::Lines(lines.clone()), Transfer::identity(&lines, size), Some(size));
    }

    /// Ends the last line, if it has no end.
    pub(crate) fn end_line(&mut self) {
        let ended = match self.inserts.last() {
            Some(last) if last.at == self.written.len() => self.line_ended,
            _ => self.written.ends_with(b"\r\n"),
        };
        if !ended {
            self.written.extend_from_slice(b"\r\n");
        }
    }

    pub(crate) fn finish(mut self) -> Content {
        self.end_line();
        let size = self.size.map(|size| size + self.written.len() as u64);
        let inserts = (!self.inserts.is_empty()).then(|| self.inserts.into());
        Content { row: Row { written: Bytes::from(self.written), inserts }, size }
    }
}
