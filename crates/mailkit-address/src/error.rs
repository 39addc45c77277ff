//! What is wrong with an address, and where.

use std::error::Error;
use std::fmt::{self, Write as _};

use crate::OneLine;

/// How many bytes of the input an error shows on each side of the fault.
const SHOWN_AROUND: usize = 40;

/// The reason why a text is no address, with the text and the place in it.
///
/// ```
/// use mailkit_address::{Address, AddressErrorKind};
///
/// let error = Address::parse("ann").unwrap_err();
/// assert_eq!(error.kind(), AddressErrorKind::NoDomain);
/// assert_eq!(error.position(), 3);
/// assert_eq!(error.to_string(), "no domain in `ann` at 3: write it as name@example.com");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressError {
    kind: AddressErrorKind,
    input: Box<str>,
    position: usize,
}

impl AddressError {
    pub(crate) fn new(fault: Fault, input: &str) -> Self {
        Self { kind: fault.kind, input: excerpt(input, fault.position).into(), position: fault.position }
    }

    /// The class of the fault.
    #[must_use]
    pub fn kind(&self) -> AddressErrorKind {
        self.kind
    }

    /// The text that was parsed, fit to be shown: control characters are
    /// escaped, and of a long text only the part around the fault is kept,
    /// with `…` where it was cut.
    #[must_use]
    pub fn input(&self) -> &str {
        &self.input
    }

    /// The place of the fault, as a byte offset in the text that was parsed.
    ///
    /// It is the length of the text where the fault is that something is
    /// missing at its end.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (fault, advice) = self.kind.words();
        write!(f, "{fault} in `{}` at {}: {advice}", self.input, self.position)
    }
}

impl Error for AddressError {}

/// The classes of [`AddressError`].
///
/// ```
/// use mailkit_address::{Address, AddressErrorKind};
///
/// let error = Address::parse("ann@example.com\r\nDATA").unwrap_err();
/// assert_eq!(error.kind(), AddressErrorKind::ControlCharacter);
/// assert_eq!(error.position(), "ann@example.com".len());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressErrorKind {
    /// There is no text, or only white space and comments.
    Empty,
    /// The text is longer than [`MAX_INPUT_LEN`](crate::MAX_INPUT_LEN).
    InputTooLong,
    /// A C0 control character, DEL or a C1 control character.
    ControlCharacter,
    /// A character that may not stand at this place.
    UnexpectedCharacter,
    /// The address is complete and more text follows.
    TrailingText,
    /// A dot at the start, at the end, or next to another dot.
    MisplacedDot,
    /// Nothing stands before the `@`.
    NoLocalPart,
    /// The domain is missing.
    NoDomain,
    /// A name that is no valid host name, by UTS 46 or by its hyphens or
    /// underscores.
    InvalidDomain,
    /// A label is longer than [`MAX_LABEL_LEN`](crate::MAX_LABEL_LEN) in its
    /// A-label form.
    LabelTooLong,
    /// The domain is longer than [`MAX_DOMAIN_LEN`](crate::MAX_DOMAIN_LEN),
    /// or is a name that DNS cannot hold (253 octets).
    DomainTooLong,
    /// An address literal in square brackets that holds no valid IP address,
    /// nor a tag with content.
    InvalidLiteral,
    /// An IPv4 address stands where a name was expected.
    MissingSquareBrackets,
    /// The whole address is longer than
    /// [`MAX_ADDRESS_LEN`](crate::MAX_ADDRESS_LEN).
    AddressTooLong,
    /// An address that should stand in angle brackets does not.
    MissingAngleBrackets,
    /// An address stands as the name of another one, without quotes.
    AddressAsName,
    /// A semicolon stands between two addresses.
    SemicolonForComma,
    /// Words without an address stand before a comma, and a name with its address behind it: the comma is taken
    /// for the end of an address, and is often part of the name, as in `Doe, Ann <ann@example.com>`.
    UnquotedComma,
    /// A `<` without its `>`.
    UnclosedAngleBracket,
    /// A `[` without its `]`.
    UnclosedLiteral,
    /// A `"` without its partner.
    UnclosedQuote,
    /// A `(` without its `)`.
    UnclosedComment,
    /// Comments nested deeper than
    /// [`MAX_COMMENT_DEPTH`](crate::MAX_COMMENT_DEPTH).
    CommentTooDeep,
    /// A group has no name.
    NoGroupName,
    /// A display name is longer than [`MAX_NAME_LEN`](crate::MAX_NAME_LEN).
    NameTooLong,
    /// A group stands where one mailbox was expected.
    UnexpectedGroup,
    /// A group without its closing `;`.
    UnclosedGroup,
}

impl AddressErrorKind {
    /// The fault in words, and what to do about it.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Empty => ("no address", "write it as name@example.com"),
            Self::InputTooLong => ("too long a text", "at most 1 MiB is read at once"),
            Self::ControlCharacter => ("control character", "remove it"),
            Self::UnexpectedCharacter => ("unexpected character", "remove it, or quote the part that holds it"),
            Self::TrailingText => ("more text after the end", "remove it: one is expected here"),
            Self::MisplacedDot => ("misplaced dot", "a dot only stands between other characters"),
            Self::NoLocalPart => ("nothing before the @", "write it as name@example.com"),
            Self::NoDomain => ("no domain", "write it as name@example.com"),
            Self::InvalidDomain => ("invalid domain name", "check its spelling"),
            Self::LabelTooLong => ("too long a label", "at most 63 octets are allowed between two dots"),
            Self::DomainTooLong => ("too long a domain", "at most 253 octets are allowed"),
            Self::InvalidLiteral => ("invalid address literal", "write it as [192.0.2.1] or [IPv6:2001:db8::1]"),
            Self::MissingSquareBrackets => ("IP address for a domain name", "write it in brackets, as [192.0.2.1]"),
            Self::AddressTooLong => ("too long an address", "at most 254 octets are allowed"),
            Self::MissingAngleBrackets => {
                ("no angle bracket", "write it as <name@example.com>, after a name if there is one")
            }
            Self::AddressAsName => {
                ("address as the name of another", "put the name in quotation marks, or a comma between two addresses")
            }
            Self::SemicolonForComma => ("semicolon behind an address", "put a comma between two addresses"),
            Self::UnquotedComma => (
                "no address before the comma",
                "if the comma is part of a name, put the name in quotation marks, as in \"Doe, Ann\" <ann@example.com>; \
                 else write the first address as name@example.com",
            ),
            Self::UnclosedAngleBracket => ("angle bracket without end", "close it with >"),
            Self::UnclosedLiteral => ("square bracket without end", "close it with ]"),
            Self::UnclosedQuote => ("quotation mark without end", "close it with \""),
            Self::UnclosedComment => ("comment without end", "close it with )"),
            Self::CommentTooDeep => ("comments nested too deep", "at most 32 levels are read"),
            Self::NoGroupName => ("group without a name", "write it as Name: a@example.com;"),
            Self::NameTooLong => ("too long a name", "at most 4096 octets are allowed"),
            Self::UnexpectedGroup => ("group", "one mailbox is expected here"),
            Self::UnclosedGroup => ("group without end", "close it with ;"),
        }
    }
}

/// A fault on its way out of the parser, not yet joined with its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: AddressErrorKind,
    pub(crate) position: usize,
}

impl Fault {
    pub(crate) fn new(kind: AddressErrorKind, position: usize) -> Self {
        Self { kind, position }
    }
}

/// The part of `input` around `position`, with what must not be shown escaped.
fn excerpt(input: &str, position: usize) -> String {
    let position = position.min(input.len());
    let start = floor_boundary(input, position.saturating_sub(SHOWN_AROUND));
    let end = floor_boundary(input, position + SHOWN_AROUND);
    let mut shown = String::new();
    if start > 0 {
        shown.push('…');
    }
    // Writing into a String cannot fail.
    let _ = write!(shown, "{}", OneLine(input.get(start..end).unwrap_or_default()));
    if end < input.len() {
        shown.push('…');
    }
    shown
}

/// The nearest character boundary at or before `index`.
fn floor_boundary(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MAX_ADDRESS_LEN, MAX_COMMENT_DEPTH, MAX_INPUT_LEN, MAX_LABEL_LEN, MAX_NAME_LEN};

    #[test]
    fn the_limits_in_the_words_are_those_in_force() {
        for (kind, limit) in [
            (AddressErrorKind::LabelTooLong, MAX_LABEL_LEN),
            (AddressErrorKind::DomainTooLong, crate::domain::MAX_HOST_NAME_LEN),
            (AddressErrorKind::AddressTooLong, MAX_ADDRESS_LEN),
            (AddressErrorKind::NameTooLong, MAX_NAME_LEN),
            (AddressErrorKind::CommentTooDeep, MAX_COMMENT_DEPTH),
            (AddressErrorKind::InputTooLong, MAX_INPUT_LEN >> 20),
        ] {
            let (_, advice) = kind.words();
            assert!(advice.split(' ').any(|word| word == limit.to_string()), "{advice}");
        }
    }

    #[test]
    fn an_excerpt_is_cut_between_characters_and_shows_controls_as_escapes() {
        let text = "é".repeat(100);
        let shown = excerpt(&text, 101);
        assert!(shown.starts_with("…é") && shown.ends_with("é…"));
        assert!(shown.len() <= 2 * SHOWN_AROUND + 8);
        assert_eq!(excerpt("a\r\n\u{0}\u{9f}", 1), "a\\r\\n\\u{0}\\u{9f}");
        assert_eq!(excerpt("\u{202e}a\u{2028}", 1), "\\u{202e}a\\u{2028}");
        assert_eq!(excerpt("a", usize::MAX), "a");
    }
}
