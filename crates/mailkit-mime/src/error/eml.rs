//! Why bytes are no finished message.

use std::error::Error;
use std::fmt;
use std::io;

use mailkit_address::{AddressError, EnvelopeError};
use mailkit_address::{ErrorMessage, chained_display};

/// Why bytes are no finished message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmlError {
    /// There is no header at the start.
    NoHeader,
    /// A line of the header is neither a field nor the continuation of one.
    MalformedHeader {
        /// The line, from 1.
        line: u64,
        /// The line's start, fit to be shown.
        text: String,
    },
    /// A field that the envelope is made from holds no addresses that can be read.
    Address {
        /// The name of the field, as it is usually written.
        field: &'static str,
        /// What is wrong with it.
        error: AddressError,
    },
    /// An address holds bytes that are not UTF-8.
    NotUtf8 {
        /// The name of the field, as it is usually written.
        field: &'static str,
    },
    /// The file that holds the message cannot be read.
    Unreadable {
        /// What kind of failure it is.
        kind: io::ErrorKind,
        /// What the system says.
        reason: String,
    },
    /// No field names whom the message is from.
    NoSender,
    /// No field names whom the message goes to.
    NoRecipients,
}

impl EmlError {
    pub(crate) fn unreadable(error: io::Error) -> Self {
        Self::Unreadable { kind: error.kind(), reason: error.to_string() }
    }

    /// The same where so many lines stand in front of what was read.
    pub(crate) fn behind_lines(self, lines: u64) -> Self {
        match self {
            Self::MalformedHeader { line, text } => Self::MalformedHeader { line: line + lines, text },
            other => other,
        }
    }
}

impl ErrorMessage for EmlError {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeader => f.write_str("no header: a message starts with its header fields"),
            Self::MalformedHeader { line, text } => {
                write!(f, "line {line} is no header field, `{text}`: write it as `Name: value`")
            }
            Self::Address { field, .. } => {
                write!(f, "field {field} cannot be read: correct it or give an envelope")
            }
            Self::NotUtf8 { field } => {
                write!(f, "an address in field {field} is not UTF-8: correct it or give an envelope")
            }
            Self::Unreadable { reason, .. } => write!(f, "the file cannot be read: {reason}"),
            Self::NoSender => f.write_str("no sender: add a From field or give an envelope"),
            Self::NoRecipients => f.write_str("no recipients: add a To, Cc or Bcc field or give an envelope"),
        }
    }
}

chained_display!(EmlError);

impl Error for EmlError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Address { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// The only fault that an envelope can have.
impl From<EnvelopeError> for EmlError {
    fn from(_: EnvelopeError) -> Self {
        Self::NoRecipients
    }
}
