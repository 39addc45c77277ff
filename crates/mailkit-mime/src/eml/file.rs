//! A finished message in a file or another source: its header is read, its body when it is sent.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use mailkit_address::Envelope;

use crate::content::Content;
use crate::encoding::{TextEncoder, TextEncoding};
use crate::error::EmlError;
use crate::message::{Message, Parts};
use crate::source::{ContentSource, Source};

/// How much is read at a time.
const PIECE: usize = 32 * 1024;

/// Reads the header, and looks at the body once.
pub(crate) fn read_source(source: Arc<dyn ContentSource>, envelope: Option<Envelope>) -> Result<Message, EmlError> {
    let header = source.open().and_then(|mut input| read_header(&mut input)).map_err(EmlError::unreadable)?;
    let body = Body { source, offset: header.len() as u64 };
    let (size, is_ascii) = body.survey().map_err(EmlError::unreadable)?;
    let parts = super::parts(&Bytes::from(header), envelope)?;
    if size == 0 {
        return Ok(Message::from(parts));
    }
    let header = parts.content.to_bytes().map_err(EmlError::unreadable)?;
    let source = Source::Opened { source: Arc::new(body), length: Some(size) };
    let content = Content::of(source, Some(size)).behind(&header);
    Ok(Message::from(Parts { content, needs_8bit: parts.needs_8bit || !is_ascii, ..parts }))
}

/// Reads up to the end of the empty line behind the header, or to the end.
fn read_header(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut header = Vec::new();
    let mut end = HeaderEnd::default();
    let mut piece = vec![0; PIECE];
    loop {
        let count = file.read(&mut piece)?;
        for (at, octet) in piece.iter().take(count).enumerate() {
            if end.is_behind(*octet) {
                header.extend_from_slice(piece.get(..at).unwrap_or_default());
                return Ok(header);
            }
        }
        header.extend_from_slice(piece.get(..count).unwrap_or_default());
        if count == 0 {
            return Ok(header);
        }
    }
}

/// Finds the end of a header: a CR, an LF and both together each end a line.
#[derive(Debug)]
struct HeaderEnd {
    line_is_empty: bool,
    after_cr: bool,
    ended: bool,
}

impl Default for HeaderEnd {
    fn default() -> Self {
        Self { line_is_empty: true, after_cr: false, ended: false }
    }
}

impl HeaderEnd {
    /// Whether this octet, the next one, is the first of the body.
    fn is_behind(&mut self, octet: u8) -> bool {
        let after_cr = std::mem::replace(&mut self.after_cr, octet == b'\r');
        if octet == b'\n' && after_cr {
            return false;
        }
        if self.ended {
            return true;
        }
        let ends_line = matches!(octet, b'\r' | b'\n');
        self.ended = ends_line && self.line_is_empty;
        self.line_is_empty = ends_line;
        false
    }
}

/// The body of a message behind its header, with CRLF line ends.
#[derive(Debug)]
struct Body {
    source: Arc<dyn ContentSource>,
    offset: u64,
}

impl Body {
    /// How long it is, and whether it is ASCII.
    fn survey(&self) -> io::Result<(u64, bool)> {
        let mut reader = self.open()?;
        let mut piece = vec![0; PIECE];
        let (mut size, mut is_ascii) = (0, true);
        loop {
            let count = reader.read(&mut piece)?;
            if count == 0 {
                return Ok((size, is_ascii));
            }
            size += count as u64;
            is_ascii &= piece.get(..count).unwrap_or_default().is_ascii();
        }
    }
}

impl ContentSource for Body {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let mut input = self.source.open()?;
        io::copy(&mut input.by_ref().take(self.offset), &mut io::sink())?;
        Ok(Box::new(Canonical::new(input)))
    }
}

/// Text whose line ends become CRLF, and that ends in one.
struct Canonical<R> {
    input: R,
    encoder: TextEncoder,
    piece: Box<[u8]>,
    out: Vec<u8>,
    taken: usize,
    /// The last octets that were written.
    last: u8,
    ended: bool,
}

impl<R: Read> Canonical<R> {
    fn new(input: R) -> Self {
        let encoder = TextEncoding::Identity.encoder();
        Self { input, encoder, piece: vec![0; PIECE].into(), out: Vec::new(), taken: 0, last: b'\n', ended: false }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.out.clear();
        self.taken = 0;
        while self.out.is_empty() && !self.ended {
            match self.input.read(&mut self.piece) {
                Ok(0) => {
                    self.ended = true;
                    if self.last != b'\n' {
                        self.out.extend_from_slice(b"\r\n");
                    }
                }
                Ok(count) => self.encoder.push(self.piece.get(..count).unwrap_or_default(), &mut self.out),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.last = self.out.last().copied().unwrap_or(self.last);
        Ok(())
    }
}

impl<R: Read> Read for Canonical<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.out.len() {
            self.fill()?;
        }
        let rest = self.out.get(self.taken..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(slot), Some(now)) = (buffer.get_mut(..count), rest.get(..count)) {
            slot.copy_from_slice(now);
        }
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn both(eml: &[u8]) -> (Result<Bytes, EmlError>, Result<Bytes, EmlError>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), eml).unwrap();
        let read = |message: Message| {
            let bytes = message.to_bytes().unwrap();
            assert_eq!(message.size(), Some(bytes.len() as u64));
            bytes
        };
        let from_memory = Message::from_eml(eml.to_vec(), None);
        let from_file = Message::from_eml_file(file.path(), None);
        if let (Ok(memory), Ok(file)) = (&from_memory, &from_file) {
            assert_eq!(memory.needs_8bit(), file.needs_8bit());
            assert_eq!(memory.needs_smtp_utf8(), file.needs_smtp_utf8());
        }
        (from_memory.map(read), from_file.map(read))
    }

    proptest! {
        #[test]
        fn a_file_gives_the_same_message_as_its_octets_in_memory(
            front in prop::sample::select(vec!["", "\u{feff}", "From a\n"]),
            rest in "(X: é\r\n|Bcc: c@d\n| x\r)?(\r\n|\n|\r|\n\r)?([ab.é\r\n]{0,40})"
        ) {
            let eml = format!("{front}From: a@x.example\r\nTo: b@y.example\n{rest}");
            let (memory, file) = both(eml.as_bytes());
            prop_assert_eq!(memory, file);
        }
    }

    #[test]
    fn a_file_that_was_changed_is_not_sent() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "From: a@x.example\nTo: b@y.example\n\nbody\n").unwrap();
        let message = Message::from_eml_file(file.path(), None).unwrap();
        std::fs::write(file.path(), "From: a@x.example\nTo: b@y.example\n\nanother body\n").unwrap();
        assert!(message.to_bytes().unwrap_err().to_string().contains("longer"));
    }
}
