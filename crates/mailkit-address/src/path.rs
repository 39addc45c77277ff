//! Paths: what stands in angle brackets behind MAIL FROM and RCPT TO.

use std::fmt;
use std::str::FromStr;

use crate::address::Address;
use crate::domain::Domain;
use crate::error::{AddressError, AddressErrorKind, Fault};
use crate::scan::{Cursor, Spacing, is_atext};

const POSTMASTER: &str = "Postmaster";

/// Where a report about a message goes: `Reverse-path` of RFC 5321 §4.1.2.
///
/// ```
/// use mailkit_address::ReversePath;
///
/// assert_eq!(ReversePath::parse("<>")?, ReversePath::Null);
///
/// let (path, rest) = ReversePath::parse_prefix("<ann@example.com> SIZE=1")?;
/// assert_eq!(path.to_string(), "<ann@example.com>");
/// assert_eq!(rest, " SIZE=1");
/// # Ok::<(), mailkit_address::AddressError>(())
/// ```
#[expect(clippy::exhaustive_enums, reason = "RFC 5321 §4.1.2 knows these two forms")]
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReversePath {
    /// `<>`: no report shall be sent. Reports themselves travel with it.
    Null,
    /// Reports go to this address.
    Address(Address),
}

impl ReversePath {
    /// Reads a whole text as a path, in its angle brackets. A source route
    /// (`<@a,@b:ann@example.com>`, RFC 5321 appendix C) is dropped.
    ///
    /// # Errors
    ///
    /// Whatever is no path, with the place of the fault.
    pub fn parse(input: &str) -> Result<Self, AddressError> {
        whole(input, Self::scan)
    }

    /// Reads a path at the start of `input`; gives it and the text behind its
    /// closing bracket, which is not looked at.
    ///
    /// # Errors
    ///
    /// Whatever is no path, with the place of the fault.
    pub fn parse_prefix(input: &str) -> Result<(Self, &str), AddressError> {
        prefix(input, Self::scan)
    }

    /// The address, unless the path is null.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Address(address) => Some(address),
        }
    }

    /// `Reverse-path = Path / "<>"` (RFC 5321 §4.1.2).
    fn scan(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        if cursor.rest().starts_with("<>") {
            cursor.eat('<');
            cursor.eat('>');
            return Ok(Self::Null);
        }
        angle_address(cursor).map(Self::Address)
    }
}

impl From<Address> for ReversePath {
    fn from(address: Address) -> Self {
        Self::Address(address)
    }
}

impl From<Option<Address>> for ReversePath {
    /// No address is the null path.
    fn from(address: Option<Address>) -> Self {
        address.map_or(Self::Null, Self::Address)
    }
}

impl FromStr for ReversePath {
    type Err = AddressError;

    fn from_str(input: &str) -> Result<Self, AddressError> {
        Self::parse(input)
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Address(address) => write!(f, "<{address}>"),
        }
    }
}

/// Whom a message goes to: `Forward-path` of RFC 5321 §4.1.2.
///
/// ```
/// use mailkit_address::ForwardPath;
///
/// assert_eq!(ForwardPath::parse("<POSTMASTER>")?, ForwardPath::Postmaster);
///
/// let (path, rest) = ForwardPath::parse_prefix("<@relay.example:bob@example.org> NOTIFY=NEVER")?;
/// assert_eq!(path.to_string(), "<bob@example.org>");
/// assert_eq!(rest, " NOTIFY=NEVER");
///
/// assert!(ForwardPath::parse("<ann>").is_err());
/// # Ok::<(), mailkit_address::AddressError>(())
/// ```
#[expect(clippy::exhaustive_enums, reason = "RFC 5321 §4.1.1.3 knows these two forms")]
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ForwardPath {
    /// `<Postmaster>`, in any case and without a domain: whoever looks after the
    /// server that is spoken to.
    Postmaster,
    /// This address.
    Address(Address),
}

impl ForwardPath {
    /// Reads a whole text as a path, in its angle brackets. A source route
    /// (`<@a,@b:ann@example.com>`, RFC 5321 appendix C) is dropped.
    ///
    /// # Errors
    ///
    /// Whatever is no path, with the place of the fault.
    pub fn parse(input: &str) -> Result<Self, AddressError> {
        whole(input, Self::scan)
    }

    /// Reads a path at the start of `input`; gives it and the text behind its
    /// closing bracket, which is not looked at.
    ///
    /// # Errors
    ///
    /// Whatever is no path, with the place of the fault.
    pub fn parse_prefix(input: &str) -> Result<(Self, &str), AddressError> {
        prefix(input, Self::scan)
    }

    /// The address, unless it is the postmaster without a domain.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Postmaster => None,
            Self::Address(address) => Some(address),
        }
    }

    /// `Forward-path = Path`, or `"<Postmaster>"` (RFC 5321 §4.1.1.3).
    fn scan(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let start = cursor.position();
        if cursor.eat('<') && cursor.take_while(is_atext).eq_ignore_ascii_case(POSTMASTER) && cursor.eat('>') {
            return Ok(Self::Postmaster);
        }
        cursor.rewind(start);
        angle_address(cursor).map(Self::Address)
    }
}

impl From<Address> for ForwardPath {
    fn from(address: Address) -> Self {
        Self::Address(address)
    }
}

impl FromStr for ForwardPath {
    type Err = AddressError;

    fn from_str(input: &str) -> Result<Self, AddressError> {
        Self::parse(input)
    }
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => write!(f, "<{POSTMASTER}>"),
            Self::Address(address) => write!(f, "<{address}>"),
        }
    }
}

/// `Path = "<" [A-d-l ":"] Mailbox ">"` (RFC 5321 §4.1.2) and `angle-addr`
/// (RFC 5322 §3.4, §4.4): the spacing of the cursor tells which.
pub(crate) fn angle_address(cursor: &mut Cursor<'_>) -> Result<Address, Fault> {
    let open = cursor.position();
    if !cursor.eat('<') {
        return Err(cursor.fault(AddressErrorKind::MissingAngleBrackets));
    }
    cursor.skip_space()?;
    if cursor.peek() == Some('@') {
        source_route(cursor)?;
    }
    let address = Address::scan(cursor).map_err(|fault| match fault.kind {
        AddressErrorKind::Empty if cursor.at_end() => unclosed(open),
        _ => fault,
    })?;
    cursor.skip_space()?;
    if cursor.eat('>') {
        Ok(address)
    } else if cursor.at_end() {
        Err(unclosed(open))
    } else {
        Err(cursor.fault(AddressErrorKind::UnexpectedCharacter))
    }
}

/// `A-d-l ":"`, where `A-d-l = At-domain *("," At-domain)` (RFC 5321 §4.1.2):
/// checked and dropped.
fn source_route(cursor: &mut Cursor<'_>) -> Result<(), Fault> {
    loop {
        cursor.skip_space()?;
        let at = cursor.position();
        if !cursor.eat('@') {
            return Err(cursor.fault(AddressErrorKind::UnexpectedCharacter));
        }
        Domain::scan(cursor)?;
        cursor.skip_space()?;
        if cursor.eat(':') {
            return Ok(());
        }
        if !cursor.eat(',') {
            return Err(match cursor.peek() {
                // `<@example.com>` is no route but an address that lacks its start.
                None | Some('>') => Fault::new(AddressErrorKind::NoLocalPart, at),
                Some(_) => cursor.fault(AddressErrorKind::UnexpectedCharacter),
            });
        }
    }
}

fn unclosed(open: usize) -> Fault {
    Fault::new(AddressErrorKind::UnclosedAngleBracket, open)
}

type Scan<T> = fn(&mut Cursor<'_>) -> Result<T, Fault>;

fn whole<T>(input: &str, scan: Scan<T>) -> Result<T, AddressError> {
    let mut cursor = Cursor::new(input, Spacing::None);
    scan(&mut cursor)
        .and_then(|path| cursor.expect_end().map(|()| path))
        .map_err(|fault| AddressError::new(fault, input))
}

fn prefix<T>(input: &str, scan: Scan<T>) -> Result<(T, &str), AddressError> {
    let mut cursor = Cursor::new(input, Spacing::None);
    scan(&mut cursor).map(|path| (path, cursor.rest())).map_err(|fault| AddressError::new(fault, input))
}
