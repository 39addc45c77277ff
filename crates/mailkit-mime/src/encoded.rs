//! A message in the form that one server takes.

use std::io::{self, Write};

use bytes::Bytes;

use crate::content::{Chunks, Content};

/// What a server has beyond plain SMTP, as far as the form of a message depends on it.
///
/// ```
/// use mailkit_mime::{BodyKind, Capabilities, Message, Stamps};
/// use time::macros::datetime;
///
/// let message = Message::builder(Stamps::new(datetime!(2026-11-23 07:03 UTC), 1))
///     .from("ann@example.com")
///     .to("bob@example.org")
///     .text("Grüße")
///     .build()?;
/// assert_eq!(message.encode(Capabilities::default())?.body(), BodyKind::SevenBit);
///
/// let server = Capabilities { eight_bit: true, ..Capabilities::default() };
/// let encoded = message.encode(server)?;
/// assert_eq!(encoded.body(), BodyKind::EightBit);
/// assert!(encoded.to_bytes()?.ends_with("Grüße\r\n".as_bytes()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "whoever connects writes it out; a new member shall be noticed")]
pub struct Capabilities {
    /// 8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// BINARYMIME, and with it CHUNKING (RFC 3030).
    pub binary: bool,
    /// SMTPUTF8 (RFC 6531). A server has to offer 8BITMIME beside it; if it does not, content goes in 7 bits.
    pub smtp_utf8: bool,
}

/// What bytes a content has (RFC 2045 §2.7 to §2.9), in the order of what they ask of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 2045 and RFC 3030 know these three")]
pub enum BodyKind {
    /// ASCII in lines of at most 998 bytes.
    SevenBit,
    /// Any bytes but NUL, in lines: BODY=8BITMIME.
    EightBit,
    /// Any bytes: BODY=BINARYMIME.
    Binary,
}

/// A message in the form that one server takes; [`Message::encode`](crate::Message::encode)
/// makes it. Nothing is read or copied until its content is asked for.
#[derive(Debug, Clone)]
pub struct Encoded {
    pub(crate) content: Content,
    pub(crate) body: BodyKind,
    pub(crate) smtp_utf8: bool,
}

impl Encoded {
    /// The exact size in bytes, before any dot-stuffing; nothing if an attachment comes from a
    /// reader of unknown size.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.content.size()
    }

    /// Whether all of it is in memory: then making the content waits for no file and no reader.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        self.content.is_in_memory()
    }

    /// Whether [`chunks`](Self::chunks) gives the content more than once: whether no attachment is a reader.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        !self.content.reads_once()
    }

    /// What to tell the server in BODY=.
    #[must_use]
    pub fn body(&self) -> BodyKind {
        self.body
    }

    /// Whether to tell the server SMTPUTF8.
    #[must_use]
    pub fn smtp_utf8(&self) -> bool {
        self.smtp_utf8
    }

    /// The content in pieces, encoded as they are asked for.
    #[must_use]
    pub fn chunks(&self) -> Chunks {
        self.content.chunks()
    }

    /// Writes the content.
    ///
    /// # Errors
    ///
    /// Those of the writer, and of the sources that the content is read from.
    pub fn write_to(&self, writer: &mut (impl Write + ?Sized)) -> io::Result<()> {
        self.content.write_to(writer)
    }

    /// The whole content, held in memory.
    ///
    /// # Errors
    ///
    /// Those of the sources that the content is read from.
    pub fn to_bytes(&self) -> io::Result<Bytes> {
        self.content.to_bytes()
    }
}
