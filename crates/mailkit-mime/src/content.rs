//! What goes over the wire: laid out in a row, of known size, encoded while it is written.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::encoding::{TextEncoder, TextEncoding, is_canonical};

/// A chunk holds at least this much, unless it is the last or a larger one follows unchanged.
const CHUNK: usize = 64 * 1024;
/// How much text is encoded at a time.
const PIECE: usize = 32 * 1024;
/// Finished bytes above this size are handed on without a copy.
const WORTH_SHARING: usize = 16 * 1024;

/// What goes over the wire: finished bytes and text still to be encoded, one behind the other.
///
/// A message of any structure is laid out as such a row, so that writing it needs no recursion
/// and its size is known.
#[derive(Clone)]
pub(crate) struct Content {
    segments: Arc<[Segment]>,
    size: u64,
}

#[derive(Debug, Clone)]
enum Segment {
    Ready(Bytes),
    Text { source: Bytes, encoding: TextEncoding },
}

impl Segment {
    fn ends_a_line(&self) -> bool {
        match self {
            Self::Ready(bytes) => bytes.ends_with(b"\r\n"),
            Self::Text { encoding: TextEncoding::Base64, .. } => false,
            Self::Text { source, .. } => matches!(source.last(), Some(b'\r' | b'\n')),
        }
    }
}

impl Content {
    pub(crate) fn layout() -> Layout {
        Layout { segments: Vec::new(), size: 0 }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn chunks(&self) -> Chunks {
        Chunks { segments: Arc::clone(&self.segments), next: 0, open: None, left: self.size }
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        if let [Segment::Ready(bytes)] = &*self.segments {
            return bytes.clone();
        }
        let mut out = Vec::with_capacity(usize::try_from(self.size).unwrap_or_default());
        for segment in self.segments.iter() {
            match segment {
                Segment::Ready(bytes) => out.extend_from_slice(bytes),
                Segment::Text { source, encoding } => {
                    let mut encoder = encoding.encoder();
                    encoder.push(source, &mut out);
                    encoder.finish(&mut out);
                }
            }
        }
        Bytes::from(out)
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
    segments: Vec<Segment>,
    size: u64,
}

impl Layout {
    /// Appends bytes that are as they shall be.
    pub(crate) fn ready(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.size += bytes.len() as u64;
            self.segments.push(Segment::Ready(bytes));
        }
    }

    /// Appends text whose encoded size is known.
    pub(crate) fn text(&mut self, source: Bytes, encoding: TextEncoding, size: u64) {
        if !source.is_empty() {
            self.size += size;
            self.segments.push(Segment::Text { source, encoding });
        }
    }

    /// Appends whole lines that are finished, but for their line ends.
    pub(crate) fn lines(&mut self, source: Bytes) {
        if is_canonical(&source) {
            self.ready(source);
        } else {
            let size = TextEncoding::Identity.size_of(&source);
            self.text(source, TextEncoding::Identity, size);
        }
    }

    /// Ends the last line, if it has no end.
    pub(crate) fn finish(mut self) -> Content {
        if !self.segments.last().is_some_and(Segment::ends_a_line) {
            self.ready(Bytes::from_static(b"\r\n"));
        }
        Content { segments: self.segments.into(), size: self.size }
    }
}

/// The content of a message in pieces, encoded as they are asked for.
///
/// Their sizes sum up to [`Message::size`](crate::Message::size). Each is owned, so that it can
/// be handed to a socket; large parts that need no encoding are shared, not copied.
pub struct Chunks {
    segments: Arc<[Segment]>,
    next: usize,
    open: Option<(TextEncoder, Bytes)>,
    left: u64,
}

impl Chunks {
    /// How many bytes are still to come.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.left
    }

    /// Encodes the next piece of the open text, if one is open.
    fn encode(&mut self, out: &mut Vec<u8>) -> bool {
        let Some((encoder, rest)) = &mut self.open else {
            return false;
        };
        let piece = rest.split_to(rest.len().min(PIECE));
        encoder.push(&piece, out);
        if rest.is_empty() {
            encoder.finish(out);
            self.open = None;
        }
        true
    }

    fn collect_chunk(&mut self) -> Bytes {
        let likely = usize::try_from(self.left).unwrap_or(CHUNK).min(CHUNK + PIECE);
        let mut out = Vec::new();
        while out.len() < CHUNK {
            if self.encode(&mut out) {
                continue;
            }
            match self.segments.get(self.next) {
                None => break,
                Some(Segment::Ready(bytes)) if bytes.len() > WORTH_SHARING => {
                    if !out.is_empty() {
                        break;
                    }
                    self.next += 1;
                    return bytes.clone();
                }
                Some(Segment::Ready(bytes)) => {
                    out.reserve(likely.saturating_sub(out.len()));
                    out.extend_from_slice(bytes);
                }
                Some(Segment::Text { source, encoding }) => {
                    out.reserve(likely.saturating_sub(out.len()));
                    self.open = Some((encoding.encoder(), source.clone()));
                }
            }
            self.next += 1;
        }
        Bytes::from(out)
    }
}

impl Iterator for Chunks {
    /// An error is one of the source that the content is read from; nothing follows it.
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let chunk = self.collect_chunk();
        self.left -= chunk.len() as u64;
        (!chunk.is_empty()).then_some(Ok(chunk))
    }
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunks").field("remaining", &self.left).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn joined(content: &Content) -> Vec<u8> {
        content.chunks().map(Result::unwrap).collect::<Vec<_>>().concat()
    }

    #[test]
    fn small_segments_leave_as_one_chunk() {
        let mut layout = Content::layout();
        layout.ready(Bytes::from_static(b"A: b\r\n\r\n"));
        layout.text(Bytes::from_static(b"one\ntwo\n"), TextEncoding::Identity, 10);
        let content = layout.finish();
        let chunks: Vec<_> = content.chunks().map(Result::unwrap).collect();
        assert_eq!(chunks, ["A: b\r\n\r\none\r\ntwo\r\n"]);
    }

    #[test]
    fn large_finished_bytes_are_shared() {
        let large = Bytes::from("x".repeat(100_000) + "\r\n");
        let mut layout = Content::layout();
        layout.ready(Bytes::from_static(b"A: b\r\n\r\n"));
        layout.ready(large.clone());
        let chunks: Vec<_> = layout.finish().chunks().map(Result::unwrap).collect();
        assert_eq!(chunks.len(), 2);
        assert_eq!(chunks[1].as_ptr(), large.as_ptr());
    }

    #[test]
    fn chunks_are_bounded_however_long_the_text_is() {
        let text = Bytes::from("\u{e9}\n".repeat(300_000));
        for encoding in [TextEncoding::Identity, TextEncoding::QuotedPrintable, TextEncoding::Base64] {
            let mut layout = Content::layout();
            layout.text(text.clone(), encoding, encoding.size_of(&text));
            let content = layout.finish();
            let mut chunks = content.chunks();
            let mut sum = 0;
            while let Some(chunk) = chunks.next() {
                let chunk = chunk.unwrap();
                assert!(chunk.len() < CHUNK + 4 * PIECE);
                sum += chunk.len() as u64;
                assert_eq!(chunks.remaining(), content.size() - sum);
            }
            assert_eq!(sum, content.size());
            assert_eq!(joined(&content), content.to_bytes());
        }
    }

    proptest! {
        #[test]
        fn the_content_ends_its_last_line_once(text in "[a\\r\\n\u{e9}]{0,12}") {
            for encoding in [TextEncoding::Identity, TextEncoding::QuotedPrintable, TextEncoding::Base64] {
                let source = Bytes::from(text.clone());
                let mut layout = Content::layout();
                layout.ready(Bytes::from_static(b"A: b\r\n\r\n"));
                layout.text(source.clone(), encoding, encoding.size_of(&source));
                let content = layout.finish();
                let bytes = content.to_bytes();
                prop_assert!(is_canonical(&bytes));
                prop_assert_eq!(bytes.len() as u64, content.size());
                prop_assert_eq!(joined(&content), bytes);
            }
        }
    }
}
