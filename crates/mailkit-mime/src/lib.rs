//! Mail messages: from typed headers and text to the bytes on the wire.
//!
//! [`Message::builder`] puts a message together, chooses its structure and reports every bad
//! field at once; [`Message::from_eml`] takes one that is finished. Either gives a [`Message`]: an
//! envelope, and content that is encoded while it is read, with its exact size known before.
//! [`Message::encode`] gives the form for what a server has.
//!
//! What holds for every message:
//!
//! - Line ends are CRLF, and the content ends in one.
//! - What was built is 7-bit unless an address or an attached message asks for more, with lines of
//!   at most 998 bytes and header lines of 78 where they can be folded (RFC 5322 §2.1.1). It has a
//!   Date and a Message-ID, which do not change once it is built.
//! - Bcc is in the envelope, never in the content.
//! - No control character goes from a field into the header.
//! - Attached files are never held in memory.
//!
//! What it does not do: it opens no sockets, does not parse the structure of a message, unless to convert it, and reads
//! neither clock nor randomness: both are handed in as [`Stamps`], or by a [`StampSource`]. It
//! reads attached files with blocking calls, so whoever is asynchronous gives [`Chunks`] a thread.
//!
//! ```
//! use mailkit_mime::{Message, Stamps};
//! use time::OffsetDateTime;
//!
//! let stamps = Stamps::new(OffsetDateTime::UNIX_EPOCH, 7); // the clock, and random bits
//! let message = Message::builder(stamps)
//!     .from("Ann <ann@example.com>")
//!     .to("Bob <bob@example.org>")
//!     .subject("Hello")
//!     .text("How are you?")
//!     .build()?;
//!
//! let mut file = Vec::new();
//! message.write_to(&mut file)?;
//! assert_eq!(Some(file.len() as u64), message.size());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod assemble;
mod builder;
mod content;
mod convert;
#[cfg(feature = "dkim")]
pub mod dkim;
mod eml;
mod encoded;
mod encoding;
mod error;
mod header;
mod layout;
mod message;
mod part;
mod source;
mod stamps;

pub use builder::{GivenAddresses, GivenMailbox, MessageBuilder};
pub use content::{Chunks, ContentReader};
pub use convert::{Conversion, ConvertError, Untouchable};
pub use eml::EmlNote;
pub use encoded::{BodyKind, Capabilities, Encoded};
pub use error::{BuildErrors, EmlError, EncodeError, FieldError, FieldProblem};
pub use header::list::{AutoSubmitted, ListUnsubscribe};
pub use message::Message;
pub use part::{Attachment, Disposition, MultipartKind, Part};
pub use source::{ContentSource, FileSource, TextSource, TextSourceError};
pub use stamps::{StampSource, Stamps};
