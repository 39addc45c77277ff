//! Text that is read while a message is encoded.

use std::error::Error;
use std::fmt;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use mailkit_address::{ErrorMessage, chained_display};

use super::{ContentSource, FileSource};
use crate::encoding::{TextEncoding, TextScan, TextSurvey};

/// How much is read at a time.
const PIECE: usize = 64 * 1024;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Text in UTF-8 that is not held in memory: it is read once when this is made, and again whenever a message with it is
/// encoded. A byte order mark in front is no part of the text.
///
/// For [`MessageBuilder::text_source`](crate::MessageBuilder::text_source) and
/// [`MessageBuilder::html_source`](crate::MessageBuilder::html_source).
#[derive(Debug, Clone)]
pub struct TextSource(Arc<Surveyed>);

#[derive(Debug)]
struct Surveyed {
    source: Arc<dyn ContentSource>,
    survey: TextSurvey,
    boundaries: Vec<u128>,
}

/// Why content cannot be the text of a message.
#[derive(Debug)]
#[non_exhaustive]
pub enum TextSourceError {
    /// It is not UTF-8.
    NotUtf8 {
        /// How many octets are valid, not counting a byte order mark.
        position: u64,
    },
    /// It cannot be read.
    Unreadable(io::Error),
}

impl ErrorMessage for TextSourceError {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 { position } => write!(f, "the text is not UTF-8 at byte {position}: save it as UTF-8"),
            Self::Unreadable(_) => f.write_str("the text cannot be read"),
        }
    }
}

impl Error for TextSourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotUtf8 { .. } => None,
            Self::Unreadable(error) => Some(error),
        }
    }
}

chained_display!(TextSourceError);

impl From<io::Error> for TextSourceError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl TextSource {
    /// Reads the text once, to know its size and which encoding it takes.
    ///
    /// # Errors
    ///
    /// Where it cannot be read or is not UTF-8.
    pub fn new(source: Arc<dyn ContentSource>) -> Result<Self, TextSourceError> {
        let mut scan = TextScan::default();
        each_piece(&mut open(&*source)?, |piece| scan.push(piece))?;
        let (survey, boundaries) = scan.finish(|| size_in_quoted_printable(&*source))?;
        Ok(Self(Arc::new(Surveyed { source, survey, boundaries })))
    }

    /// The text in a regular file.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn file(path: impl AsRef<Path>) -> Result<Self, TextSourceError> {
        Self::new(Arc::new(FileSource::new(path)?))
    }

    pub(crate) fn survey(&self) -> &TextSurvey {
        &self.0.survey
    }

    /// Whether a line may be a delimiter with a boundary of this number.
    pub(crate) fn has_boundary(&self, number: u128) -> bool {
        self.0.boundaries.contains(&number)
    }

    pub(crate) fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        open(&*self.0.source)
    }
}

/// Opens it behind a byte order mark.
fn open(source: &dyn ContentSource) -> io::Result<Box<dyn Read + Send>> {
    let mut input = source.open()?;
    let mut start = Vec::with_capacity(BYTE_ORDER_MARK.len());
    input.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut start)?;
    if start == BYTE_ORDER_MARK {
        start.clear();
    }
    Ok(Box::new(Cursor::new(start).chain(input)))
}

/// Reads the text to its end, in pieces that are UTF-8.
fn each_piece(input: &mut dyn Read, mut take: impl FnMut(&[u8])) -> Result<(), TextSourceError> {
    let mut buffer = vec![0; PIECE];
    let (mut kept, mut position) = (0, 0);
    loop {
        let count = match input.read(buffer.get_mut(kept..).unwrap_or_default()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let end = kept + count;
        let filled = buffer.get(..end).unwrap_or_default();
        let valid = match str::from_utf8(filled) {
            Ok(text) => text.len(),
            // A character goes on in the next piece.
            Err(error) if error.error_len().is_none() && count > 0 => error.valid_up_to(),
            Err(error) => return Err(TextSourceError::NotUtf8 { position: position + error.valid_up_to() as u64 }),
        };
        take(filled.get(..valid).unwrap_or_default());
        if count == 0 {
            return Ok(());
        }
        position += valid as u64;
        buffer.copy_within(valid..end, 0);
        kept = end - valid;
    }
}

fn size_in_quoted_printable(source: &dyn ContentSource) -> Result<u64, TextSourceError> {
    let mut encoder = TextEncoding::QuotedPrintable.encoder();
    let (mut size, mut out) = (0, Vec::new());
    each_piece(&mut open(source)?, |piece| {
        out.clear();
        encoder.push(piece, &mut out);
        size += out.len() as u64;
    })?;
    out.clear();
    encoder.finish(&mut out);
    Ok(size + out.len() as u64)
}

#[cfg(test)]
#[path = "text/tests.rs"]
mod tests;
