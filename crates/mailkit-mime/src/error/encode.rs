//! Why a message cannot be encoded for a server.

use std::error::Error;
use std::fmt;

/// Why a message cannot be encoded for what a server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// An address has a local part beyond ASCII, or the header raw UTF-8, and the server lacks
    /// SMTPUTF8 (RFC 6531).
    NeedsSmtpUtf8,
    /// A finished message, or one that is attached, has bytes beyond ASCII and may not be
    /// encoded (RFC 2046 §5.2.1), and the server lacks 8BITMIME (RFC 6152).
    NeedsEightBit,
    /// The content of an attachment came from a reader, and was read.
    AlreadyRead,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeedsSmtpUtf8 => {
                "the message needs SMTPUTF8, which the server lacks: use addresses in ASCII or another server"
            }
            Self::NeedsEightBit => {
                "a finished message in it has bytes beyond ASCII, which need 8BITMIME, and the server lacks \
                 it: build that message here, attach it as a file, or use another server"
            }
            Self::AlreadyRead => {
                "an attachment came from a reader, which can be read once: give a file or bytes to send it again"
            }
        })
    }
}

impl Error for EncodeError {}
