//! Where the content of a part comes from: memory, a file, a reader.

mod file;
mod text;

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

pub use self::file::FileSource;
pub use self::text::{TextSource, TextSourceError};
use crate::error::{FieldError, FieldProblem};

/// Where the content of a part comes from, and what may happen to it on its way.
#[derive(Clone)]
pub(crate) enum Source {
    /// Text: its line ends become CRLF, everything else reaches the reader.
    Text(Bytes),
    /// The same, read when it is needed.
    StreamedText(TextSource),
    /// Bytes that reach the reader as they are.
    Bytes(Bytes),
    /// Lines of a finished message, which are never encoded (RFC 2046 §5.2.1).
    Lines(Bytes),
    /// A file that was not looked at.
    Path(PathBuf),
    /// A file as it was when the message was built. Not every system says when one was modified.
    File { path: Arc<Path>, length: u64, modified: Option<SystemTime> },
    /// Read once.
    Reader(Reader),
    /// Read from its start as often as it is asked for.
    Opened { source: Arc<dyn ContentSource>, length: Option<u64> },
}

/// Content that can be read from its start as often as needed, by code that may block.
pub trait ContentSource: Send + Sync + fmt::Debug {
    /// Opens it at its start.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, or is no longer what it was.
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;
}

/// Shows how much there is, and none of it: it is mail.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(bytes) => write!(f, "Text({} octets)", bytes.len()),
            Self::StreamedText(text) => write!(f, "StreamedText({} octets)", text.survey().length),
            Self::Bytes(bytes) => write!(f, "Bytes({} octets)", bytes.len()),
            Self::Lines(bytes) => write!(f, "Lines({} octets)", bytes.len()),
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::File { path, length, .. } => write!(f, "File({}, {length} octets)", path.display()),
            Self::Reader(reader) => f.debug_tuple("Reader").field(reader).finish(),
            Self::Opened { length, .. } => f.debug_struct("Opened").field("length", length).finish_non_exhaustive(),
        }
    }
}

/// A reader and how much it gives, where that is known.
#[derive(Clone)]
pub(crate) struct Reader {
    slot: Arc<Mutex<Option<Box<dyn Read + Send>>>>,
    length: Option<u64>,
}

impl Reader {
    pub(crate) fn new(reader: Box<dyn Read + Send>, length: Option<u64>) -> Self {
        Self { slot: Arc::new(Mutex::new(Some(reader))), length }
    }

    fn take(&self) -> Option<Box<dyn Read + Send>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn is_taken(&self) -> bool {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("length", &self.length).finish_non_exhaustive()
    }
}

impl Source {
    /// How many bytes it gives, where that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::Text(bytes) | Self::Bytes(bytes) | Self::Lines(bytes) => Some(bytes.len() as u64),
            Self::StreamedText(text) => Some(text.survey().length),
            Self::Path(_) => None,
            Self::File { length, .. } => Some(*length),
            Self::Reader(reader) => reader.length,
            Self::Opened { length, .. } => *length,
        }
    }

    /// Its bytes, if they are in memory.
    pub(crate) fn in_memory(&self) -> Option<&Bytes> {
        match self {
            Self::Text(bytes) | Self::Bytes(bytes) | Self::Lines(bytes) => Some(bytes),
            Self::StreamedText(_) | Self::Path(_) | Self::File { .. } | Self::Reader(_) | Self::Opened { .. } => None,
        }
    }

    /// The last octet of text, and of what is in memory; that of a line end for an empty streamed text.
    pub(crate) fn last_octet(&self) -> Option<u8> {
        match self {
            // An empty text stands behind the empty line that ends the header.
            Self::StreamedText(text) => text.survey().last.or(Some(b'\n')),
            _ => self.in_memory()?.last().copied(),
        }
    }

    /// Whether it was read and cannot be read again.
    pub(crate) fn is_used_up(&self) -> bool {
        matches!(self, Self::Reader(reader) if reader.is_taken())
    }

    /// Opens a file to see whether it can be read, and takes its length.
    pub(crate) fn look(&mut self) -> Result<(), FieldError> {
        let Self::Path(path) = self else {
            return Ok(());
        };
        let problem = match look_at(path) {
            Ok(Some(metadata)) => {
                let (length, modified) = (metadata.len(), metadata.modified().ok());
                *self = Self::File { path: Arc::from(path.as_path()), length, modified };
                return Ok(());
            }
            Ok(None) => FieldProblem::NotAFile,
            Err(error) => FieldProblem::unreadable(&error),
        };
        Err(FieldError::of_file("attachment", &path.to_string_lossy(), problem))
    }

    /// All of it, in memory. A reader is used up by it.
    pub(crate) fn read_whole(&self) -> io::Result<Bytes> {
        const STEP: usize = 64 * 1024;
        if let Some(bytes) = self.in_memory() {
            return Ok(bytes.clone());
        }
        let mut all = Vec::new();
        if let Some(mut stream) = self.open()? {
            loop {
                let start = all.len();
                all.resize(start + STEP, 0);
                let filled = stream.fill(all.get_mut(start..).unwrap_or_default())?;
                all.truncate(start + filled);
                if filled < STEP {
                    break;
                }
            }
        }
        Ok(Bytes::from(all))
    }

    /// Starts to read; what is in memory needs no reading.
    pub(crate) fn open(&self) -> io::Result<Option<Stream>> {
        match self {
            Self::Text(_) | Self::Bytes(_) | Self::Lines(_) => Ok(None),
            Self::StreamedText(text) => {
                let length = Some(text.survey().length);
                Ok(Some(Stream::new(text.open()?, "the text of the message".into(), length)))
            }
            Self::Path(path) => Err(about(path, &io::Error::from(io::ErrorKind::NotFound))),
            Self::File { path, length, modified } => {
                let file = File::open(path).map_err(|error| about(path, &error))?;
                let now = file.metadata().map_err(|error| about(path, &error))?;
                if now.len() != *length {
                    return Err(changed(&path.to_string_lossy(), *length, now.len()));
                }
                if now.modified().ok() != *modified {
                    return Err(rewritten(path));
                }
                Ok(Some(Stream::new(Box::new(file), path.to_string_lossy().into(), Some(*length))))
            }
            Self::Reader(reader) => {
                let taken = reader.take().ok_or_else(|| {
                    io::Error::other("the reader of an attachment was read already: it can be read once")
                })?;
                Ok(Some(Stream::new(taken, "the reader of an attachment".into(), reader.length)))
            }
            Self::Opened { source, length } => {
                Ok(Some(Stream::new(source.open()?, "the content of the message".into(), *length)))
            }
        }
    }
}

/// What is known of a regular file that can be opened. Its kind is asked first: to open a pipe would
/// wait for who writes to it.
fn look_at(path: &Path) -> io::Result<Option<Metadata>> {
    if !fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    File::open(path)?.metadata().map(Some)
}

/// A source being read, held to the length that it was known to have.
pub(crate) struct Stream {
    reader: Box<dyn Read + Send>,
    name: Box<str>,
    expected: Option<u64>,
    read: u64,
}

impl Stream {
    fn new(reader: Box<dyn Read + Send>, name: Box<str>, expected: Option<u64>) -> Self {
        Self { reader, name, expected, read: 0 }
    }

    /// Fills the buffer as far as the source goes, and says how much there was: less than the
    /// whole buffer only at the end.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(free) = buffer.get_mut(filled..).filter(|free| !free.is_empty()) {
            match self.reader.read(free) {
                Ok(0) => break,
                Ok(count) => filled += count.min(free.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(about(Path::new(&*self.name), &error)),
            }
        }
        self.read += filled as u64;
        let ended = filled < buffer.len();
        match self.expected {
            Some(expected) if self.read > expected || (ended && self.read < expected) => {
                Err(changed(&self.name, expected, self.read))
            }
            _ => Ok(filled),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("name", &self.name).field("read", &self.read).finish_non_exhaustive()
    }
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display()))
}

pub(crate) fn changed(name: &str, expected: u64, found: u64) -> io::Error {
    let (kind, how) = if found < expected {
        (io::ErrorKind::UnexpectedEof, "shorter")
    } else {
        (io::ErrorKind::InvalidData, "longer")
    };
    io::Error::new(
        kind,
        format!("{name} is {how} than when the message was built, {found} bytes instead of {expected}: build it again"),
    )
}

/// A signature, or a copy that was sent before, would be of other content.
pub(crate) fn rewritten(path: &Path) -> io::Error {
    let text = format!("{} was modified since the message was built: build it again", path.display());
    io::Error::new(io::ErrorKind::InvalidData, text)
}
