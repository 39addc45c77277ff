//! One body: where it comes from and how it travels.

use std::io;

use bytes::Bytes;

use crate::encoding::{Base64Lines, TextEncoder, TextEncoding, base64_size};
use crate::source::Source;

/// Bodies of at most this size are encoded when the message is laid out.
pub(crate) const SMALL: u64 = 16 * 1024;
/// How much of a source is read at a time.
pub(super) const PIECE: usize = 48 * 1024;

/// What happens to a source on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// Nothing.
    Raw,
    /// Line ends become CRLF, and the encoding is for text.
    Text(TextEncoding),
    /// Every byte reaches the reader.
    Base64,
}

impl Transfer {
    /// Nothing to do but to make line ends CRLF, which makes text longer by each that is not: so
    /// text of the same size as before needs not even that.
    pub(crate) fn identity(text: &[u8], size: u64) -> Self {
        if size == text.len() as u64 { Self::Raw } else { Self::Text(TextEncoding::Identity) }
    }

    /// Encodes what is small and in memory.
    pub(super) fn write_if_small(self, source: &Source, size: Option<u64>, out: &mut Vec<u8>) -> bool {
        let (Some(bytes), Some(..=SMALL)) = (source.in_memory(), size) else {
            return false;
        };
        self.encoder().whole(bytes, out);
        true
    }

    fn encoder(self) -> Encoder {
        match self {
            Self::Raw => Encoder::Raw,
            Self::Text(encoding) => Encoder::Text(encoding.encoder()),
            Self::Base64 => Encoder::Base64(Box::default()),
        }
    }
}

/// A source and how it travels.
#[derive(Debug, Clone)]
pub(super) struct Body {
    source: Source,
    transfer: Transfer,
}

impl Body {
    pub(super) fn new(source: Source, transfer: Transfer) -> Self {
        Self { source, transfer }
    }

    pub(super) fn is_in_memory(&self) -> bool {
        self.source.in_memory().is_some()
    }

    pub(super) fn reads_once(&self) -> bool {
        matches!(self.source, Source::Reader(_))
    }

    /// The finished bytes, if they are in memory as they shall be.
    pub(super) fn ready(&self) -> Option<&Bytes> {
        self.source.in_memory().filter(|_| self.transfer == Transfer::Raw)
    }

    pub(super) fn ends_a_line(&self) -> bool {
        let last = self.source.last_octet();
        match self.transfer {
            Transfer::Base64 | Transfer::Text(TextEncoding::Base64) => false,
            Transfer::Raw | Transfer::Text(_) => matches!(last, Some(b'\r' | b'\n')),
        }
    }

    /// Encodes all of it.
    pub(super) fn write_whole(&self, out: &mut Vec<u8>) -> io::Result<()> {
        if let Some(bytes) = self.source.in_memory() {
            self.transfer.encoder().whole(bytes, out);
            return Ok(());
        }
        let mut reading = self.read()?;
        while reading.step(out)? {}
        Ok(())
    }

    /// Starts to encode it piece by piece.
    pub(super) fn read(&self) -> io::Result<Reading> {
        let input = match (self.source.in_memory(), self.source.open()?) {
            (_, Some(stream)) => Input::Stream(stream, vec![0; PIECE].into()),
            (Some(bytes), None) => Input::Memory(bytes.clone()),
            (None, None) => Input::Memory(Bytes::new()),
        };
        Ok(Reading { input, encoder: self.transfer.encoder() })
    }
}

/// How long bytes become in base64, where their number is known.
pub(crate) fn size_in_base64(source: &Source) -> Option<u64> {
    source.length().map(base64_size)
}

/// A body being encoded.
#[derive(Debug)]
pub(super) struct Reading {
    input: Input,
    encoder: Encoder,
}

#[derive(Debug)]
enum Input {
    Memory(Bytes),
    Stream(crate::source::Stream, Box<[u8]>),
}

#[derive(Debug)]
enum Encoder {
    Raw,
    Text(TextEncoder),
    Base64(Box<Base64Lines>),
}

impl Reading {
    /// Encodes the next piece; false once it was the last.
    pub(super) fn step(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        let more = match &mut self.input {
            Input::Memory(rest) => {
                let piece = rest.split_to(rest.len().min(PIECE));
                self.encoder.push(&piece, out);
                !rest.is_empty()
            }
            Input::Stream(stream, buffer) => {
                let filled = stream.fill(buffer)?;
                self.encoder.push(buffer.get(..filled).unwrap_or_default(), out);
                filled == buffer.len()
            }
        };
        if !more {
            self.encoder.finish(out);
        }
        Ok(more)
    }
}

impl Encoder {
    fn whole(mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.push(bytes, out);
        self.finish(out);
    }

    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Raw => out.extend_from_slice(bytes),
            Self::Text(encoder) => encoder.push(bytes, out),
            Self::Base64(encoder) => encoder.push(bytes, out),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Raw => {}
            Self::Text(encoder) => encoder.finish(out),
            Self::Base64(encoder) => encoder.finish(out),
        }
    }
}
