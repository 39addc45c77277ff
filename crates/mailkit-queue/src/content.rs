//! The content of a message: in memory, or in chunks from a source.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

/// An iterator over the chunks of a content. Each call of `next` may block.
pub type Chunks = Box<dyn Iterator<Item = io::Result<Bytes>> + Send>;

/// A source of content that can be read any number of times.
pub trait ContentSource: Send + Sync {
    /// Returns the chunks of the content from the beginning. Read them on a thread that may block.
    ///
    /// # Errors
    /// The content cannot be read, or no longer exists.
    fn open(&self) -> io::Result<Chunks>;
}

/// The content of a message: header and body with CRLF line ends.
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
    /// Content that is read from a source when it is needed, and its size in octets if that is known.
    #[must_use]
    pub fn stored(source: Arc<dyn ContentSource>, size: Option<u64>) -> Self {
        Self { size, source: Source::Stored(source) }
    }

    /// The size in octets. `None` if it is not known before the content is read.
    #[must_use]
    pub const fn size(&self) -> Option<u64> {
        self.size
    }

    /// The content, if it is in memory. `None` if it has to be read from a source.
    #[must_use]
    pub const fn in_memory(&self) -> Option<&Bytes> {
        match &self.source {
            Source::Memory(bytes) => Some(bytes),
            Source::Stored(_) => None,
        }
    }

    /// The chunks of the content from the beginning. Reading them may block.
    ///
    /// # Errors
    /// The content cannot be read.
    pub fn chunks(&self) -> io::Result<Chunks> {
        match &self.source {
            Source::Memory(bytes) => Ok(Box::new(std::iter::once(Ok(bytes.clone())))),
            Source::Stored(stored) => stored.open(),
        }
    }

    /// The whole content in memory. Reading it may block.
    ///
    /// # Errors
    /// The content cannot be read.
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

/// Shows the size and not the content, since it may be written to logs.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("size", &self.size).finish_non_exhaustive()
    }
}
