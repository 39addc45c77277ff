//! Addresses: a local part and a domain.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::domain::Domain;
use crate::error::{AddressError, AddressErrorKind, Fault};
use crate::plain;
use crate::scan::{Cursor, Spacing, is_atext};
use crate::text::Text;

/// The longest address, in octets as printed: the 256 octets of a path
/// (RFC 5321 §4.5.3.1.3) without its angle brackets.
///
/// A local part has no limit of its own. RFC 5321 §4.5.3.1.1 lets a server refuse
/// more than 64 octets and asks it to take more where it can, and the senders of
/// mailing lists (VERP) are longer than that.
pub const MAX_ADDRESS_LEN: usize = 254;

/// Where mail goes: `local-part@domain`, the `Mailbox` of RFC 5321 §4.1.2.
///
/// The local part is kept exactly, in its case and without quotes: only the host
/// that it belongs to may read a meaning into it. It is printed in quotes only
/// where it needs them, so `"ann"@example.com` equals `ann@example.com`. An empty
/// local part and control characters are refused.
///
/// Addresses order by domain first, so that those of one domain stand together.
///
/// ```
/// use mailkit_address::Address;
///
/// let address = Address::parse(r#""a@b"@Example.com"#)?;
/// assert_eq!(address.local_part(), "a@b");
/// assert_eq!(address.domain().as_ascii(), "example.com");
/// assert_eq!(address.to_string(), r#""a@b"@example.com"#);
/// # Ok::<(), mailkit_address::AddressError>(())
/// ```
pub struct Address {
    /// With the local part in the same text.
    domain: Domain,
}

impl Address {
    /// Reads a whole text as an address: no white space, comment or angle bracket.
    ///
    /// # Errors
    ///
    /// Whatever is no address, with the place of the fault.
    pub fn parse(input: &str) -> Result<Self, AddressError> {
        if let Some(at) = plain::address(input) {
            return Ok(Self::from(Text::of_plain("", input, at)));
        }
        let mut cursor = Cursor::new(input, Spacing::None);
        Self::scan(&mut cursor)
            .and_then(|address| cursor.expect_end().map(|()| address))
            .map_err(|fault| AddressError::new(fault, input))
    }

    /// Joins a local part, given without quotes or backslashes, and a domain.
    ///
    /// # Errors
    ///
    /// A local part that is empty or holds a control character, and an address
    /// that is longer than [`MAX_ADDRESS_LEN`].
    ///
    /// ```
    /// use mailkit_address::{Address, Domain};
    ///
    /// let address = Address::new("ann lee", Domain::parse("example.com")?)?;
    /// assert_eq!(address.to_string(), r#""ann lee"@example.com"#);
    /// # Ok::<(), mailkit_address::AddressError>(())
    /// ```
    pub fn new(local_part: &str, domain: Domain) -> Result<Self, AddressError> {
        Self::join(local_part, domain).map_err(|fault| AddressError::new(fault, local_part))
    }

    /// The local part as it is meant: without quotes or backslashes.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.text().local_part()
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The printed form, if the local part needs no quotes in it.
    ///
    /// ```
    /// use mailkit_address::Address;
    ///
    /// assert_eq!(Address::parse("ann@Example.com")?.as_unquoted(), Some("ann@example.com"));
    /// assert_eq!(Address::parse(r#""ann lee"@example.com"#)?.as_unquoted(), None);
    /// # Ok::<(), mailkit_address::AddressError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn as_unquoted(&self) -> Option<&str> {
        self.is_unquoted().then(|| self.text().address())
    }

    /// Whether only a server with SMTPUTF8 (RFC 6531) can take this address:
    /// its local part is not ASCII. The domain never asks for it, since it
    /// travels in A-labels.
    ///
    /// ```
    /// use mailkit_address::Address;
    ///
    /// assert!(Address::parse("zoë@example.com")?.needs_smtp_utf8());
    /// assert!(!Address::parse("ann@bücher.example")?.needs_smtp_utf8());
    /// # Ok::<(), mailkit_address::AddressError>(())
    /// ```
    #[must_use]
    pub fn needs_smtp_utf8(&self) -> bool {
        !self.text().is_plain() && !self.local_part().is_ascii()
    }

    /// The form for people: like the printed form, with the domain in U-labels.
    ///
    /// ```
    /// use mailkit_address::Address;
    ///
    /// let address = Address::parse("ann@xn--bcher-kva.example")?;
    /// assert_eq!(address.to_unicode(), "ann@bücher.example");
    /// # Ok::<(), mailkit_address::AddressError>(())
    /// ```
    #[must_use]
    pub fn to_unicode(&self) -> String {
        let mut text = String::with_capacity(self.local_part().len() + self.domain.as_unicode().len() + 3);
        // Writing into a String cannot fail.
        let _ = self.write(&mut text, self.domain.as_unicode());
        text
    }

    /// The text that the address is part of.
    pub(crate) fn text(&self) -> &Text {
        self.domain.text()
    }

    pub(crate) fn into_text(self) -> Text {
        self.domain.into_text()
    }

    /// Whether the local part is printed without quotes.
    fn is_unquoted(&self) -> bool {
        self.text().is_plain() || is_dot_string(self.local_part())
    }

    fn write(&self, out: &mut impl fmt::Write, domain: &str) -> fmt::Result {
        if self.is_unquoted() {
            out.write_str(self.local_part())?;
        } else {
            write_quoted(out, self.local_part())?;
        }
        out.write_char('@')?;
        out.write_str(domain)
    }

    /// `Mailbox = Local-part "@" (Domain / address-literal)` (RFC 5321 §4.1.2)
    /// and `addr-spec` (RFC 5322 §3.4.1): the spacing of the cursor tells which.
    pub(crate) fn scan(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        cursor.skip_space()?;
        let start = cursor.position();
        if cursor.at_end() {
            return Err(cursor.fault(AddressErrorKind::Empty));
        }
        let local_part = scan_local_part(cursor)?;
        if local_part.is_empty() {
            return Err(match cursor.peek() {
                Some('@') => Fault::new(AddressErrorKind::NoLocalPart, start),
                _ => cursor.missing(AddressErrorKind::Empty),
            });
        }
        cursor.skip_space()?;
        if !cursor.eat('@') {
            let is_next_word = cursor.spacing() != Spacing::None
                && cursor.peek().is_some_and(|c| is_local_part_character(c) || c == '"');
            return Err(if is_next_word {
                cursor.fault(AddressErrorKind::MissingAngleBrackets)
            } else {
                cursor.missing(AddressErrorKind::NoDomain)
            });
        }
        let domain = Domain::scan(cursor)?;
        Self::join(&local_part, domain).map_err(|fault| Fault::new(fault.kind, start))
    }

    fn join(local_part: &str, domain: Domain) -> Result<Self, Fault> {
        if local_part.is_empty() {
            return Err(Fault::new(AddressErrorKind::NoLocalPart, 0));
        }
        // Some readers end a line at the separators of Unicode.
        let ends_line = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        if let Some(position) = local_part.find(ends_line) {
            return Err(Fault::new(AddressErrorKind::ControlCharacter, position));
        }
        if local_part_len(local_part) + 1 + domain.as_ascii().len() > MAX_ADDRESS_LEN {
            return Err(Fault::new(AddressErrorKind::AddressTooLong, 0));
        }
        Ok(Self::from(domain.text().behind(local_part, plain::is_local_part(local_part))))
    }
}

impl From<Text> for Address {
    fn from(text: Text) -> Self {
        Self { domain: text.into() }
    }
}

/// Without the name of the mailbox that it may come from.
impl Clone for Address {
    fn clone(&self) -> Self {
        Self::from(self.text().copy_address())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(input: &str) -> Result<Self, AddressError> {
        Self::parse(input)
    }
}

/// Writes straight into the formatter: this runs for every RCPT.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, self.domain.as_ascii())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").field("domain", &self.domain).field("local_part", &self.local_part()).finish()
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.domain == other.domain && self.local_part() == other.local_part()
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.domain.hash(state);
        self.local_part().hash(state);
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> Ordering {
        self.domain.cmp(&other.domain).then_with(|| self.local_part().cmp(other.local_part()))
    }
}

/// `Local-part = Dot-string / Quoted-string` (RFC 5321 §4.1.2). The mixture of both
/// that `obs-local-part` allows is refused: mailers do not agree on what it means.
fn scan_local_part<'a>(cursor: &mut Cursor<'a>) -> Result<Cow<'a, str>, Fault> {
    if cursor.peek() != Some('"') {
        return cursor.dotted(is_local_part_character);
    }
    let quoted = cursor.quoted_string()?;
    match quoted.fold {
        Some(position) => Err(Fault::new(AddressErrorKind::ControlCharacter, position)),
        None => Ok(quoted.content),
    }
}

/// Writes `text` as a quoted string (RFC 5322 §3.2.4).
pub(crate) fn write_quoted(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for run in text.split_inclusive(['"', '\\']) {
        match run.strip_suffix(['"', '\\']) {
            Some(plain) => {
                out.write_str(plain)?;
                out.write_char('\\')?;
                out.write_str(run.get(plain.len()..).unwrap_or_default())?;
            }
            None => out.write_str(run)?,
        }
    }
    out.write_char('"')
}

/// The length of the local part as printed.
fn local_part_len(local_part: &str) -> usize {
    if is_dot_string(local_part) {
        local_part.len()
    } else {
        local_part.len() + local_part.matches(['"', '\\']).count() + 2
    }
}

/// `Dot-string = Atom *("." Atom)` (RFC 5321 §4.1.2).
fn is_dot_string(local_part: &str) -> bool {
    local_part.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_local_part_character))
}

/// `atext`, but for white space beyond ASCII: unquoted it would be a slip of
/// copying, and nobody could see it.
fn is_local_part_character(c: char) -> bool {
    is_atext(c) && !c.is_whitespace()
}
