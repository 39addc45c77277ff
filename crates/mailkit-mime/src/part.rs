//! The parts that a message is structured into.

use bytes::Bytes;

use crate::content::Layout;
use crate::encoding::TextEncoding;
use crate::header;

/// A leaf of the message's structure: text and the fields that describe it (RFC 2045).
#[derive(Debug)]
pub(crate) struct TextPart {
    source: Bytes,
    encoding: TextEncoding,
    encoded_size: u64,
}

impl TextPart {
    /// Looks once at the text and chooses its encoding.
    pub(crate) fn plain(text: String) -> Self {
        let source = Bytes::from(text);
        let (encoding, encoded_size) = TextEncoding::choose(&source);
        Self { source, encoding, encoded_size }
    }

    /// Writes the fields that tell a reader how to read the part.
    pub(crate) fn write_head(&self, out: &mut Vec<u8>) {
        header::write_line(out, "Content-Type", "text/plain; charset=utf-8");
        header::write_line(out, "Content-Transfer-Encoding", self.encoding.token());
    }

    pub(crate) fn lay_out(self, layout: &mut Layout) {
        layout.text(self.source, self.encoding, self.encoded_size);
    }
}
