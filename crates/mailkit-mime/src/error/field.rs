//! What is wrong with one field, or one part.

use std::error::Error;
use std::fmt;
use std::io;

use mailkit_address::AddressError;

use super::EmlError;
use super::shown::{SHOWN, shown};

/// One field that cannot be part of a message, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    field: String,
    value: String,
    problem: FieldProblem,
    /// Apart, since most errors are about none.
    attachment: Option<Box<Attached>>,
}

/// Which attachment is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Attached {
    place: usize,
    name: String,
}

impl FieldError {
    pub(crate) fn new(field: &str, value: &str, problem: FieldProblem) -> Self {
        Self { field: shown(field, SHOWN), value: shown(value, SHOWN), problem, attachment: None }
    }

    /// An error about a file: its path is shown whole.
    pub(crate) fn of_file(field: &str, path: &str, problem: FieldProblem) -> Self {
        Self { field: shown(field, SHOWN), value: shown(path, usize::MAX), problem, attachment: None }
    }

    pub(crate) fn set_attachment(&mut self, place: usize, name: &str) {
        self.attachment = Some(Box::new(Attached { place, name: shown(name, SHOWN) }));
    }

    /// The same about an attachment, if it is about one.
    pub(crate) fn of_attachment(mut self, place: Option<usize>, name: &str) -> Self {
        if let Some(place) = place {
            self.set_attachment(place, name);
        }
        self
    }

    /// The field: the name of a header field, or `envelope from`, `envelope to`, `body`, `attachment`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The value given, fit to be shown: shortened, and control characters escaped.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Which attachment it is about, counted from 0 in the order in which they were added.
    #[must_use]
    pub fn attachment(&self) -> Option<usize> {
        self.attachment.as_ref().map(|attached| attached.place)
    }

    /// The name of that attachment, fit to be shown; empty where it has none.
    #[must_use]
    pub fn attachment_name(&self) -> &str {
        self.attachment.as_ref().map(|attached| attached.name.as_str()).unwrap_or_default()
    }

    /// What is wrong and what to do about it, without the name of the field.
    #[must_use]
    pub fn explanation(&self) -> impl fmt::Display + '_ {
        Explanation(self)
    }

    /// What is wrong with it.
    #[must_use]
    pub fn problem(&self) -> &FieldProblem {
        &self.problem
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Attached { place, name }) = self.attachment.as_deref() {
            write!(f, "attachment {}", place + 1)?;
            if !name.is_empty() {
                write!(f, " ({name})")?;
            }
            f.write_str(": ")?;
        }
        // The field of this name is none of a header, and is named already.
        if self.attachment.is_none() || self.field != "attachment" {
            write!(f, "{}: ", self.field)?;
        }
        self.explanation().fmt(f)
    }
}

/// An error without its field.
struct Explanation<'a>(&'a FieldError);

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FieldError { value, problem, .. } = self.0;
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
            FieldProblem::GivenTwice { method: Some(method) } => {
                write!(f, "given beside `{method}`, which writes this field: leave one of them out")
            }
            FieldProblem::GivenTwice { method: None } => {
                f.write_str("given twice, and a header has this field once: leave one of them out")
            }
            FieldProblem::NotAscii => write!(
                f,
                "`{value}` has characters beyond ASCII, which cannot stand in this field: percent-encode them in a \
                 URL, write a host name in its form with xn--, leave others out"
            ),
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
            _ => problem.show_of_part(value, f),
        }
    }
}

impl FieldProblem {
    pub(crate) fn unreadable(error: &io::Error) -> Self {
        Self::Unreadable { kind: error.kind(), reason: error.to_string() }
    }

    /// Shows the problems that parts of the body have, and the fields of mailing lists.
    fn show_of_part(&self, value: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { reason, .. } => write!(f, "cannot read `{value}`: {reason}"),
            Self::NotAFile => write!(f, "`{value}` is no file: name a regular file"),
            Self::InvalidContentType => {
                write!(f, "no content type for a part in `{value}`: write it as type/subtype; name=value")
            }
            Self::InvalidContentId => {
                write!(f, "no content identifier in `{value}`: use printable ASCII without blanks and `<`, `>`")
            }
            Self::InvalidParameter => {
                write!(f, "no name of a parameter in `{value}`: use letters, digits and hyphens")
            }
            Self::RepeatedParameter => write!(f, "the parameter `{value}` stands there already: leave it out"),
            Self::NestedTooDeep => {
                write!(f, "parts nested in more than {} levels: flatten them", crate::part::MAX_DEPTH)
            }
            Self::EmptyMultipart => f.write_str("a multipart without parts: give it one or leave it out"),
            Self::TwoBodies => f.write_str("given beside text, html or other alternatives: make them parts of it"),
            Self::NotAMessage(error) => write!(f, "no message in `{value}`: {error}"),
            Self::UnsendableMessage { line } => write!(
                f,
                "line {line} of the message `{value}` is above 998 bytes or has a NUL, and it may not be \
                 encoded (RFC 2046 §5.2.1): attach it as application/octet-stream"
            ),
            Self::CompositeType => write!(
                f,
                "a part of the type `{value}` cannot be given as one file: attach a whole message as message/rfc822, \
                 or anything as application/octet-stream"
            ),
            Self::NeedsAscii { line } => write!(
                f,
                "line {line} of `{value}` has characters beyond ASCII, and content of this type may not be encoded (RFC \
                 3464 §2.1): leave them out, or use the type for UTF-8, message/global-delivery-status or \
                 message/global-disposition-notification"
            ),
            Self::InvalidUrl => {
                write!(f, "no URL in `{value}`: write it in printable ASCII without blanks, `<`, `>`, scheme first")
            }
            Self::NotHttps => {
                write!(f, "no https URL for one click in `{value}`: RFC 8058 asks for one")
            }
            Self::InvalidListId => {
                write!(f, "no list identifier in `{value}`: write it as `Name <list.example.com>`")
            }
            _ => f.write_str("not fit for a message"),
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
    /// The field may stand once, and would twice.
    GivenTwice {
        /// The method of the builder that writes the other one, where it is not a second call of the same.
        method: Option<&'static str>,
    },
    /// A value beyond ASCII in a field that holds no text but URLs, identifiers or keywords: an encoded word would be
    /// taken for part of them (RFC 2047 §5).
    NotAscii,
    /// A word that does not fit into a line of 998 bytes (RFC 5322 §2.1.1).
    TooLong,
    /// The text is no message identifier (RFC 5322 §3.6.4).
    InvalidMessageId,
    /// A year that RFC 5322 §3.3 cannot express.
    YearOutOfRange,
    /// The [`StampSource`](crate::StampSource) failed, with its reason.
    NoStamps(String),
    /// A file that cannot be opened or looked at.
    Unreadable {
        /// What kept it from being read.
        kind: io::ErrorKind,
        /// The same in words.
        reason: String,
    },
    /// The path is that of a directory, a socket or the like.
    NotAFile,
    /// The text is no content type (RFC 2045 §5.1).
    InvalidContentType,
    /// A content type that one part by itself cannot have: `multipart/…`, `message/partial`,
    /// `message/external-body`.
    CompositeType,
    /// Content of a type that is ASCII and never encoded, such as `message/delivery-status`
    /// (RFC 3464 §2.1), has a line beyond ASCII.
    NeedsAscii {
        /// The first such line, from 1.
        line: u64,
    },
    /// The text is no identifier for Content-ID (RFC 2045 §7).
    InvalidContentId,
    /// The name of a parameter is no token (RFC 2045 §5.1).
    InvalidParameter,
    /// A content type has a parameter twice, or one that the part writes itself.
    RepeatedParameter,
    /// Multiparts and attached messages nested in more than 100 levels.
    NestedTooDeep,
    /// A multipart has at least one part (RFC 2046 §5.1.1).
    EmptyMultipart,
    /// An explicit body was given, and text, html or other alternatives beside it.
    TwoBodies,
    /// What shall be attached as a message is none.
    NotAMessage(EmlError),
    /// A message that is attached has a line that cannot travel, and may not be encoded
    /// (RFC 2046 §5.2.1).
    UnsendableMessage {
        /// The first such line, from 1.
        line: u64,
    },
    /// The text is no URL that may stand in a field of a mailing list (RFC 2369 §2).
    InvalidUrl,
    /// One-click unsubscription takes an `https` URL (RFC 8058 §3.1).
    NotHttps,
    /// The text is no identifier of a list (RFC 2919 §3).
    InvalidListId,
}
