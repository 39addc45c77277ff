//! The content of a message on its way into a queue and out of it: in memory, or chunk by chunk.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

/// Chunks of content, made while they are asked for by code that may block.
pub type Chunks = Box<dyn Iterator<Item = io::Result<Bytes>> + Send>;

/// Gives the chunks of a content from the start, as often as it is asked.
pub trait ContentSource: Send + Sync {
    /// Opens the content. The chunks may block: ask for them on a thread that may.
    ///
    /// # Errors
    /// Where the content cannot be read, or is no longer there.
    fn open(&self) -> io::Result<Chunks>;
}

/// The content of a message: a header and a body with CRLF line ends.
///
/// ```
/// use mailkit_queue::Content;
/// let content = Content::from("Subject: hello\r\n\r\nHello.\r\n");
/// assert_eq!(content.size(), Some(26));
/// assert_eq!(content.to_bytes()?, "Subject: hello\r\n\r\nHello.\r\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Content {
    size: Option<u64>,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Memory(Bytes),
    Stored(Arc<dyn ContentSource>),
}

impl Content {
    /// Content that is read where it is needed; the size in octets, where that is known.
    #[must_use]
    pub fn stored(source: Arc<dyn ContentSource>, size: Option<u64>) -> Self {
        Self { size, source: Source::Stored(source) }
    }

    /// How many octets it has, where that is known beforehand.
    #[must_use]
    pub const fn size(&self) -> Option<u64> {
        self.size
    }

    /// The content itself, where it is in memory.
    #[must_use]
    pub const fn in_memory(&self) -> Option<&Bytes> {
        match &self.source {
            Source::Memory(bytes) => Some(bytes),
            Source::Stored(_) => None,
        }
    }

    /// The content in chunks, from the start. They may block.
    ///
    /// # Errors
    /// Where the content cannot be read.
    pub fn chunks(&self) -> io::Result<Chunks> {
        match &self.source {
            Source::Memory(bytes) => Ok(Box::new(std::iter::once(Ok(bytes.clone())))),
            Source::Stored(stored) => stored.open(),
        }
    }

    /// The whole content, held in memory. May block.
    ///
    /// # Errors
    /// Where the content cannot be read.
    pub fn to_bytes(&self) -> io::Result<Bytes> {
        match &self.source {
            Source::Memory(bytes) => Ok(bytes.clone()),
            Source::Stored(stored) => {
                let mut whole = Vec::new();
                for chunk in stored.open()? {
                    whole.extend_from_slice(&chunk?);
                }
                Ok(whole.into())
            }
        }
    }
}

impl<T: Into<Bytes>> From<T> for Content {
    fn from(bytes: T) -> Self {
        let bytes = bytes.into();
        Self { size: Some(bytes.len() as u64), source: Source::Memory(bytes) }
    }
}

/// Its size, not the content: logs show it.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("size", &self.size).finish_non_exhaustive()
    }
}
