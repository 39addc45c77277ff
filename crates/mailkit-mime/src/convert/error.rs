//! Why a message cannot be converted.

use std::error::Error;
use std::fmt;
use std::io;

use mailkit_address::{ErrorMessage, chained_display};

/// What must arrive as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Untouchable {
    /// `multipart/signed` (RFC 1847 §2.1).
    Signed,
    /// `multipart/encrypted` (RFC 1847 §2.2).
    Encrypted,
    /// A type of S/MIME or OpenPGP.
    Smime,
    /// A multipart whose boundary is missing, not ASCII, or in sections.
    Boundary,
    /// A part with an encoding that is not MIME's.
    Uuencode,
    /// Parts in more than 100 levels.
    TooDeep,
}

impl fmt::Display for Untouchable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signed => "a part of type multipart/signed, whose signature would break",
            Self::Encrypted => "a part of type multipart/encrypted, which must not be changed",
            Self::Smime => "an S/MIME or OpenPGP part, which must not be changed",
            Self::Boundary => "a multipart without a usable boundary",
            Self::Uuencode => "a uuencoded part with octets beyond ASCII",
            Self::TooDeep => "parts nested more than 100 levels deep",
        })
    }
}

/// Why a message with octets beyond ASCII was not converted for a server that takes none (RFC 6152 §3).
#[derive(Debug)]
#[non_exhaustive]
pub enum ConvertError {
    /// It has 8-bit content where nothing may be changed.
    Untouchable(Untouchable),
    /// A header field is longer than 1 MiB.
    FieldTooLong,
    /// It could not be read.
    Read(io::Error),
    /// An attachment comes from a reader, which can be read once; a conversion reads it more often.
    ReadsOnce,
}

impl ErrorMessage for ConvertError {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message needs 8BITMIME, which the server lacks, and cannot be converted")?;
        match self {
            Self::Untouchable(what) => write!(f, ": it has 8-bit content in {what}"),
            Self::FieldTooLong => f.write_str(": a header field is longer than 1 MiB"),
            Self::Read(_) => f.write_str(": it could not be read"),
            Self::ReadsOnce => f.write_str(": an attachment comes from a reader, which can be read once"),
        }
    }
}

impl Error for ConvertError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            _ => None,
        }
    }
}

chained_display!(ConvertError);
