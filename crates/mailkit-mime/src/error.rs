//! Why no message came of what was given.

mod shown;

use std::error::Error;
use std::fmt;

use mailkit_address::{AddressError, EnvelopeError};

pub(crate) use self::shown::shown;

/// Everything that is wrong with the fields given to a [`MessageBuilder`](crate::MessageBuilder).
///
/// ```
/// use mailkit_mime::{Message, Stamps};
/// use time::macros::datetime;
///
/// let errors = Message::builder(Stamps::new(datetime!(2026-11-23 07:00 UTC), 1))
///     .from("ann")
///     .to("bob@example.org")
///     .header("X-Id", "1\r\nBcc: eve@example.net")
///     .build()
///     .unwrap_err();
/// let fields: Vec<_> = errors.iter().map(|error| error.field()).collect();
/// assert_eq!(fields, ["X-Id", "From"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildErrors {
    errors: Vec<FieldError>,
}

impl BuildErrors {
    pub(crate) fn new(errors: Vec<FieldError>) -> Self {
        Self { errors }
    }

    /// The errors: at least one.
    pub fn iter(&self) -> std::slice::Iter<'_, FieldError> {
        self.errors.iter()
    }
}

impl<'a> IntoIterator for &'a BuildErrors {
    type Item = &'a FieldError;
    type IntoIter = std::slice::Iter<'a, FieldError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for BuildErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.errors.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl Error for BuildErrors {}

/// One field that cannot be part of a message, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    field: String,
    value: String,
    problem: FieldProblem,
}

impl FieldError {
    pub(crate) fn new(field: &str, value: &str, problem: FieldProblem) -> Self {
        Self { field: shown(field), value: shown(value), problem }
    }

    /// The field: the name of a header field, or `text`, `envelope from`, `envelope to`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The value given, fit to be shown: shortened, and control characters escaped.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What is wrong with it.
    #[must_use]
    pub fn problem(&self) -> &FieldProblem {
        &self.problem
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, problem } = self;
        write!(f, "{field}: ")?;
        match problem {
            FieldProblem::Address(error) => error.fmt(f),
            FieldProblem::ControlCharacter { position } => {
                write!(f, "control character in `{value}` at {position}: remove it")
            }
            FieldProblem::Missing => f.write_str("no address: write it as name@example.com"),
            FieldProblem::NoRecipients => {
                f.write_str("no recipients: name at least one in to, cc, bcc or the envelope")
            }
            FieldProblem::Group => {
                write!(f, "group in `{value}`: name the mailboxes by themselves")
            }
            FieldProblem::NoSender => {
                write!(f, "several authors in `{value}`: say which of them is the sender")
            }
            FieldProblem::InvalidName => write!(
                f,
                "no name of a header field: use printable ASCII without blanks and colons, \
                 at most 997 bytes"
            ),
            FieldProblem::OwnField { method: Some(method) } => {
                write!(f, "a field of the builder: set it with `{method}`")
            }
            FieldProblem::OwnField { method: None } => {
                f.write_str("a field of the builder, which derives it from the content: leave it out")
            }
            FieldProblem::TooLong => write!(
                f,
                "`{value}` has a word too long for a line of 998 bytes: shorten it or put blanks \
                 where it may be folded"
            ),
            FieldProblem::InvalidMessageId => {
                write!(f, "no message identifier in `{value}`: write it as <left@right>, in ASCII")
            }
            FieldProblem::YearOutOfRange => {
                write!(f, "no date for a message in `{value}`: the year is from 1900 to 9999")
            }
            FieldProblem::NoStamps(reason) => {
                write!(f, "no clock or no randomness for it: {reason}")
            }
        }
    }
}

/// The text of an address error is part of this one's; [`FieldError::problem`] has it by itself.
impl Error for FieldError {}

/// The classes of [`FieldError`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldProblem {
    /// The text is no mailbox or no list of them.
    Address(AddressError),
    /// A C0 control character other than a tab, or DEL.
    ControlCharacter {
        /// Its place, as a byte offset in the value.
        position: usize,
    },
    /// The field must have an address and has none.
    Missing,
    /// Nobody is named to whom the message goes.
    NoRecipients,
    /// A group stands where only mailboxes may.
    Group,
    /// From has several mailboxes and there is no Sender (RFC 5322 §3.6.2).
    NoSender,
    /// The name of the field is none (RFC 5322 §2.2).
    InvalidName,
    /// The field is the builder's to write.
    OwnField {
        /// The method that sets it, where there is one.
        method: Option<&'static str>,
    },
    /// A word that does not fit into a line of 998 bytes (RFC 5322 §2.1.1).
    TooLong,
    /// The text is no message identifier (RFC 5322 §3.6.4).
    InvalidMessageId,
    /// A year that RFC 5322 §3.3 cannot express.
    YearOutOfRange,
    /// The [`StampSource`](crate::StampSource) failed, with its reason.
    NoStamps(String),
}

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
    /// No field names whom the message is from.
    NoSender,
    /// No field names whom the message goes to.
    NoRecipients,
}

impl fmt::Display for EmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeader => f.write_str("no header: a message starts with its header fields"),
            Self::MalformedHeader { line: 1, text } if text.starts_with("From ") => {
                write!(f, "line 1 is no header field but the separator of a mailbox file, `{text}`: remove it")
            }
            Self::MalformedHeader { line, text } => {
                write!(f, "line {line} is no header field, `{text}`: write it as `Name: value`")
            }
            Self::Address { field, .. } => {
                write!(f, "field {field} cannot be read: correct it or give an envelope")
            }
            Self::NotUtf8 { field } => {
                write!(f, "an address in field {field} is not UTF-8: correct it or give an envelope")
            }
            Self::NoSender => f.write_str("no sender: add a From field or give an envelope"),
            Self::NoRecipients => f.write_str("no recipients: add a To, Cc or Bcc field or give an envelope"),
        }
    }
}

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
