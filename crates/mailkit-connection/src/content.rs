//! The content of a message on its way to the connection: in memory, or read while it is sent.

mod chunks;
mod gate;

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

use chunks::Chunks;
use gate::Gate;

use crate::send_check::SendCheck;

/// How much of a reader's content is taken at a time. Two pieces are in memory at the most.
const PIECE: usize = 32 * 1024;

/// A message's content: header and body, with any line ends.
///
/// ```
/// use mailkit_connection::Content;
/// let small = Content::from("Subject: hello\r\n\r\nHello.\r\n");
/// assert_eq!(small.size(), Some(26));
/// ```
pub struct Content {
    size: Option<u64>,
    source: Source,
    /// Makes the source once more, where it is no memory and can be.
    remake: Option<Arc<Remake>>,
    gate: Option<Box<Gate>>,
    check: Option<SendCheck>,
}

type Remake = dyn Fn() -> Chunks + Send + Sync;

enum Source {
    Memory(Bytes),
    Reader(Box<Reader>),
    Chunks(Box<Chunks>),
}

impl Content {
    /// Content that is read while it is sent. The size in octets is what the server is told beforehand and what the
    /// reader is held to; without one, the server's limit shows only when it refuses.
    #[must_use]
    pub fn reader(reader: impl AsyncRead + Send + 'static, size: Option<u64>) -> Self {
        Self::of(Source::Reader(Box::new(Reader::new(Box::pin(reader), size))), size)
    }

    /// Content that is made while it is sent, by code that may block: it runs on a thread for blocking work, at most
    /// two pieces ahead. Pieces should have some tens of kilobytes. The size is as for [`reader`](Self::reader).
    ///
    /// ```
    /// use mailkit_connection::Content;
    /// let lines = (1..=3).map(|n| Ok(format!("line {n}\r\n").into()));
    /// assert_eq!(Content::chunks(lines, Some(24)).size(), Some(24));
    /// ```
    #[must_use]
    pub fn chunks(chunks: impl Iterator<Item = io::Result<Bytes>> + Send + 'static, size: Option<u64>) -> Self {
        Self::of(Source::Chunks(Box::new(Chunks::new(Box::new(chunks), size))), size)
    }

    /// As [`chunks`](Self::chunks), for content that can be made more than once: so it can go in several transactions,
    /// where the server limits the recipients of one.
    #[must_use]
    pub fn repeatable<I>(make: impl Fn() -> I + Send + Sync + 'static, size: Option<u64>) -> Self
    where
        I: Iterator<Item = io::Result<Bytes>> + Send + 'static,
    {
        let remake: Arc<Remake> = Arc::new(move || Chunks::new(Box::new(make()), size));
        let source = Source::Chunks(Box::new(remake()));
        Self { remake: Some(remake), ..Self::of(source, size) }
    }

    /// The same content, whose last piece leaves only once the future is done: before it, the message is not delivered,
    /// whatever happens. If the future fails, the content is given up as one that cannot be read.
    ///
    /// A queue writes down here that the message may be delivered from now on. A message that has to be divided, since the
    /// server limits the recipients of one, asks for a future each time.
    #[must_use]
    pub fn gated<F>(mut self, gate: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        self.gate = Some(Box::new(Gate::new(Arc::new(move || Box::pin(gate())))));
        self
    }

    /// Other content in the place of this one, with the same wait before its last piece and the same right to be sent.
    #[must_use]
    pub fn replaced_by(self, other: Self) -> Self {
        Self { gate: self.gate, check: self.check, ..other }
    }

    /// The same content, which leaves only while `is_valid` says so: asked whenever octets of it are about to be handed to
    /// the transport, so before the first and again before the last. Once it says no, nothing more leaves over the
    /// connection, the message is not delivered, and its outcome is [`Cause::Revoked`](crate::Cause::Revoked).
    ///
    /// A worker of a queue asks here whether its lease of the message still runs, and learns that content begins to leave:
    /// before the first call, nothing of it has. It is called often, and must not block.
    #[must_use]
    pub fn only_while(mut self, is_valid: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.check = Some(Arc::new(is_valid));
        self
    }

    /// Takes the check, for the connection to ask.
    pub(crate) const fn take_check(&mut self) -> Option<SendCheck> {
        self.check.take()
    }

    const fn of(source: Source, size: Option<u64>) -> Self {
        Self { size, source, remake: None, gate: None, check: None }
    }

    /// How many octets it has, where that is known beforehand.
    #[must_use]
    pub const fn size(&self) -> Option<u64> {
        self.size
    }

    /// The same content again, without copying it; `None` for what is read or made while it is sent, which goes once.
    #[must_use]
    pub fn again(&self) -> Option<Self> {
        let source = match (&self.source, &self.remake) {
            (Source::Memory(bytes), _) => Source::Memory(bytes.clone()),
            (Source::Chunks(_), Some(remake)) => Source::Chunks(Box::new(remake())),
            (Source::Reader(_) | Source::Chunks(_), _) => return None,
        };
        let gate = self.gate.as_ref().map(|gate| Box::new(gate.again()));
        let (remake, check) = (self.remake.clone(), self.check.clone());
        Some(Self { size: self.size, source, remake, gate, check })
    }

    /// Hands the next piece to `put`, with whether it is the last.
    pub(crate) fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
        put: impl FnOnce(&[u8], bool),
    ) -> Poll<io::Result<()>> {
        match &mut self.gate {
            Some(gate) => gate.poll_piece(context, &mut self.source, put),
            None => self.source.poll_piece(context, put),
        }
    }
}

impl Source {
    fn poll_piece(&mut self, context: &mut Context<'_>, put: impl FnOnce(&[u8], bool)) -> Poll<io::Result<()>> {
        match self {
            Self::Memory(bytes) => {
                let piece = bytes.split_to(bytes.len().min(PIECE));
                put(&piece, bytes.is_empty());
                Poll::Ready(Ok(()))
            }
            Self::Reader(reader) => {
                let last = ready!(reader.poll_fill(context))?;
                put(&reader.ready, last);
                Poll::Ready(Ok(()))
            }
            Self::Chunks(chunks) => {
                let (piece, last) = ready!(chunks.poll_next(context))?;
                put(&piece, last);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl<T: Into<Bytes>> From<T> for Content {
    fn from(bytes: T) -> Self {
        let bytes = bytes.into();
        let size = Some(bytes.len() as u64);
        Self::of(Source::Memory(bytes), size)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Reads one piece ahead, so that the last one is known to be the last when it is sent.
struct Reader {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    ready: Vec<u8>,
    ahead: Vec<u8>,
    filled: usize,
    tally: Tally,
}

impl Reader {
    fn new(reader: Pin<Box<dyn AsyncRead + Send>>, size: Option<u64>) -> Self {
        Self { reader, ready: Vec::new(), ahead: vec![0; PIECE], filled: 0, tally: Tally::new(size) }
    }

    /// Moves a piece to `ready`; returns whether it is the last.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            if self.filled == PIECE {
                // Full: it may go once something, or the end, is known to be behind it.
                let mut next = [0; 1];
                let mut buffer = ReadBuf::new(&mut next);
                ready!(self.reader.as_mut().poll_read(context, &mut buffer))?;
                let more = buffer.filled().first().copied();
                self.take()?;
                self.filled = usize::from(more.is_some());
                if let (Some(first), Some(byte)) = (self.ahead.first_mut(), more) {
                    *first = byte;
                }
                return Poll::Ready(self.end_if(more.is_none()));
            }
            let mut buffer = ReadBuf::new(self.ahead.get_mut(self.filled..).unwrap_or_default());
            ready!(self.reader.as_mut().poll_read(context, &mut buffer))?;
            match buffer.filled().len() {
                0 => {
                    self.take()?;
                    self.filled = 0;
                    return Poll::Ready(self.end_if(true));
                }
                more => self.filled += more,
            }
        }
    }

    fn take(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.ready.extend_from_slice(self.ahead.get(..self.filled).unwrap_or_default());
        self.tally.add(self.filled)
    }

    fn end_if(&self, end: bool) -> io::Result<bool> {
        if end { self.tally.end().map(|()| end) } else { Ok(end) }
    }
}

/// Holds content to the size that was announced.
struct Tally {
    total: u64,
    size: Option<u64>,
}

impl Tally {
    const fn new(size: Option<u64>) -> Self {
        Self { total: 0, size }
    }

    fn add(&mut self, octets: usize) -> io::Result<()> {
        self.total += octets as u64;
        match self.size {
            Some(size) if self.total > size => Err(wrong_size("more than", size, size)),
            _ => Ok(()),
        }
    }

    fn end(&self) -> io::Result<()> {
        match self.size {
            Some(size) if self.total < size => Err(wrong_size("only", self.total, size)),
            _ => Ok(()),
        }
    }
}

fn wrong_size(word: &str, total: u64, size: u64) -> io::Error {
    let text = format!("the content has {word} {total} octets where {size} were announced");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    async fn read_all(mut content: Content) -> io::Result<(Vec<u8>, usize)> {
        let (mut whole, mut pieces, mut end) = (Vec::new(), 0, false);
        while !end {
            poll_fn(|context| {
                content.poll_piece(context, |piece, last| {
                    whole.extend_from_slice(piece);
                    pieces += 1;
                    end = last;
                })
            })
            .await?;
        }
        Ok((whole, pieces))
    }

    #[tokio::test]
    async fn the_last_piece_is_known_as_the_last() {
        for (size, pieces) in [(0, 1), (1, 1), (PIECE, 1), (PIECE + 1, 2), (3 * PIECE, 3)] {
            let bytes: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
            assert_eq!(read_all(Content::from(bytes.clone())).await.unwrap(), (bytes.clone(), pieces));
            let reader = io::Cursor::new(bytes.clone());
            let content = Content::reader(reader, Some(size as u64));
            assert_eq!(read_all(content).await.unwrap(), (bytes.clone(), pieces), "{size}");
            assert_eq!(read_all(Content::reader(io::Cursor::new(bytes), None)).await.unwrap().1, pieces);
        }
    }

    #[tokio::test]
    async fn chunks_are_made_on_another_thread_and_the_last_is_known_as_the_last() {
        for count in [0u32, 1, 2, 9] {
            let chunks = (0..count).map(|n| Ok(Bytes::from(vec![u8::try_from(n).unwrap(); 3])));
            let (whole, pieces) = read_all(Content::chunks(chunks, Some(u64::from(count) * 3))).await.unwrap();
            assert_eq!((whole.len(), pieces), (count as usize * 3, count.max(1) as usize));
        }
        let broken = [Ok(Bytes::from_static(b"abc")), Err(io::Error::other("the disk is gone"))];
        let error = read_all(Content::chunks(broken.into_iter(), None)).await.unwrap_err();
        assert_eq!(error.to_string(), "the disk is gone");
        let short = read_all(Content::chunks([Ok(Bytes::from_static(b"abc"))].into_iter(), Some(4))).await.unwrap_err();
        assert_eq!(short.to_string(), "the content has only 3 octets where 4 were announced");
    }

    #[tokio::test]
    async fn content_that_can_be_made_again_is_the_same_each_time() {
        let make = || (0..3).map(|n| Ok(Bytes::from(vec![n; 4])));
        let mut content = Content::repeatable(make, Some(12));
        for _ in 0..3 {
            let again = content.again().unwrap();
            assert_eq!(again.size(), Some(12));
            assert_eq!(read_all(content).await.unwrap().0, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
            content = again;
        }
    }

    #[tokio::test]
    async fn the_last_piece_waits_for_its_gate_and_no_other_does() {
        for size in [0, 1, PIECE, 3 * PIECE] {
            let open = Arc::new(tokio::sync::Semaphore::new(0));
            let opened = Arc::clone(&open);
            let mut content = Content::from(vec![7; size]).gated(move || {
                let opened = Arc::clone(&opened);
                async move { opened.acquire().await.map(drop).map_err(io::Error::other) }
            });
            let mut pieces = Vec::new();
            let mut context = Context::from_waker(std::task::Waker::noop());
            while content.poll_piece(&mut context, |piece, last| pieces.push((piece.len(), last))).is_ready() {}
            assert_eq!(pieces.len(), size.div_ceil(PIECE).saturating_sub(1), "{size}");
            open.add_permits(1);
            assert!(content.poll_piece(&mut context, |piece, last| pieces.push((piece.len(), last))).is_ready());
            assert_eq!(pieces.iter().map(|(length, _)| length).sum::<usize>(), size);
            assert!(pieces.last().unwrap().1);
        }
    }

    #[tokio::test]
    async fn a_gate_that_stays_shut_gives_the_content_up() {
        let content = Content::from("abc").gated(|| async { Err(io::Error::other("the store is away")) });
        let again = content.again().unwrap();
        for content in [content, again] {
            assert_eq!(read_all(content).await.unwrap_err().to_string(), "the store is away");
        }
    }

    #[tokio::test]
    async fn a_reader_that_shrank_or_grew_is_an_error() {
        let short = read_all(Content::reader(&b"abc"[..], Some(4))).await.unwrap_err();
        assert_eq!(short.to_string(), "the content has only 3 octets where 4 were announced");
        let long = read_all(Content::reader(&b"abcde"[..], Some(4))).await.unwrap_err();
        assert_eq!(long.to_string(), "the content has more than 4 octets where 4 were announced");
    }
}
