//! Mail messages: from typed headers and text to the bytes on the wire.
//!
//! [`Message::builder`] puts a message together and reports every bad field at once;
//! [`Message::from_eml`] takes one that is finished. Either gives a [`Message`]: an envelope, and
//! content that is encoded while it is written, with its exact size known before.
//!
//! What holds for every message:
//!
//! - Line ends are CRLF, and the content ends in one.
//! - What was built is 7-bit unless an address asks for more, with lines of at most 998 bytes and
//!   header lines of 78 where they can be folded (RFC 5322 §2.1.1). It has a Date and a
//!   Message-ID, which do not change once it is built.
//! - Bcc is in the envelope, never in the content.
//! - No control character goes from a field into the header.
//!
//! What it does not do: it opens no sockets, does not parse the structure of a message, and reads
//! neither clock nor randomness: both are handed in as [`Stamps`], or by a [`StampSource`].
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
//! assert_eq!(file.len() as u64, message.size());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod assemble;
mod builder;
mod content;
#[cfg(feature = "dkim")]
pub mod dkim;
mod eml;
mod encoding;
mod error;
mod header;
mod message;
mod part;
mod stamps;

pub use builder::MessageBuilder;
pub use content::Chunks;
pub use error::{BuildErrors, EmlError, FieldError, FieldProblem};
pub use message::Message;
pub use stamps::{StampSource, Stamps};
