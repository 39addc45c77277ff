//! Domains: host names in both of their forms, and address literals.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use crate::error::{AddressError, AddressErrorKind, Fault};
use crate::scan::{Cursor, Spacing};
use crate::text::Text;

/// The longest domain, in octets (RFC 5321 §4.5.3.1.2). A name is at most 253,
/// which is what the 255 octets of a name in DNS (RFC 1035 §2.3.4) leave for text.
pub const MAX_DOMAIN_LEN: usize = 255;

/// The longest label of a name, in octets of its A-label form (RFC 1035 §2.3.4).
pub const MAX_LABEL_LEN: usize = 63;

/// The longest host name, in octets as text.
pub(crate) const MAX_HOST_NAME_LEN: usize = 253;

/// The longest host name in U-labels, in octets: at most one character of four for each of the form for the wire.
pub(crate) const MAX_UNICODE_LEN: usize = 4 * MAX_HOST_NAME_LEN;

/// The longest text worth handing to UTS 46: no character takes more than four octets.
const MAX_UNMAPPED_LEN: usize = 4 * MAX_DOMAIN_LEN;

/// What UTS 46 takes for a dot.
const LABEL_SEPARATORS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];

/// The STD3 rules, but for the underscore.
const DENIED: AsciiDenyList = AsciiDenyList::new(true, "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~");

/// The part of an address behind the `@`, also the name that a peer gives in EHLO.
///
/// A name is checked and brought to one form by UTS 46: lower case, and U-labels
/// (`bücher.example`) beside A-labels (`xn--bcher-kva.example`). So two spellings
/// of one name are equal. The rules of STD3 hold, with one exception: an
/// underscore is accepted inside a label, since some hosts that do send mail have
/// one; it is refused at either end of a label, like a hyphen. A trailing dot
/// is refused, and so is an IPv4 address without brackets.
///
/// A literal keeps its brackets: `[192.0.2.1]`, `[IPv6:2001:db8::1]` or
/// `[tag:content]` (RFC 5321 §4.1.3). IP addresses are checked, and IPv6 is
/// printed in the form of RFC 5952.
///
/// ```
/// use mailkit_address::Domain;
///
/// let domain = Domain::parse("Bücher.Example")?;
/// assert_eq!(domain.as_ascii(), "xn--bcher-kva.example");
/// assert_eq!(domain.as_unicode(), "bücher.example");
/// assert_eq!(domain, Domain::parse("XN--BCHER-KVA.example")?);
///
/// assert!(Domain::parse("[IPv6:2001:db8::1]")?.is_literal());
/// # Ok::<(), mailkit_address::AddressError>(())
/// ```
pub struct Domain {
    /// With the rest of the address or the mailbox that it belongs to.
    text: Text,
}

impl Domain {
    /// Reads a whole text as a domain.
    ///
    /// # Errors
    ///
    /// Whatever is no domain, with the place of the fault.
    pub fn parse(input: &str) -> Result<Self, AddressError> {
        Self::parse_whole(input).map_err(|fault| AddressError::new(fault, input))
    }

    /// The form for the wire: a name in A-labels and lower case, or a literal
    /// with its brackets.
    #[must_use]
    pub fn as_ascii(&self) -> &str {
        self.text.domain()
    }

    /// The form for people: a name in U-labels, or a literal with its brackets.
    #[must_use]
    pub fn as_unicode(&self) -> &str {
        self.text.unicode().unwrap_or(self.as_ascii())
    }

    /// The same as [`as_unicode`](Self::as_unicode), for callers that go on with a `Cow`.
    #[must_use]
    pub fn to_unicode(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.as_unicode())
    }

    /// Whether this is an address literal in square brackets.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.as_ascii().starts_with('[')
    }

    /// The IP address of a literal that holds one.
    ///
    /// ```
    /// use mailkit_address::Domain;
    ///
    /// assert!(Domain::parse("[192.0.2.1]")?.ip().is_some_and(|ip| ip.is_ipv4()));
    /// assert_eq!(Domain::parse("example.com")?.ip(), None);
    /// # Ok::<(), mailkit_address::AddressError>(())
    /// ```
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        let content = self.as_ascii().strip_prefix('[')?.strip_suffix(']')?;
        match content.strip_prefix("IPv6:") {
            Some(address) => address.parse().map(IpAddr::V6).ok(),
            None => content.parse().map(IpAddr::V4).ok(),
        }
    }

    /// What is known to be a domain, in its form for the wire.
    fn known(ascii: &str) -> Self {
        Self::from(Text::of_domain(ascii, None))
    }

    /// The text that the domain is part of.
    pub(crate) fn text(&self) -> &Text {
        &self.text
    }

    pub(crate) fn into_text(self) -> Text {
        self.text
    }

    fn parse_whole(input: &str) -> Result<Self, Fault> {
        if input.is_empty() {
            return Err(Fault::new(AddressErrorKind::NoDomain, 0));
        }
        let mut cursor = Cursor::new(input, Spacing::None);
        let domain = Self::scan(&mut cursor)?;
        if cursor.at_end() { Ok(domain) } else { Err(cursor.fault(AddressErrorKind::UnexpectedCharacter)) }
    }

    /// `Domain / address-literal` (RFC 5321 §4.1.2), also `domain` of RFC 5322 §3.4.1.
    pub(crate) fn scan(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        cursor.skip_space()?;
        let start = cursor.position();
        if cursor.eat('[') {
            return Self::scan_literal(cursor, start);
        }
        let name = cursor.dotted(is_name_character)?;
        if name.is_empty() {
            return Err(cursor.missing(AddressErrorKind::NoDomain));
        }
        Self::from_name(&name).map_err(|fault| {
            let offset = match name {
                Cow::Borrowed(_) => fault.position,
                Cow::Owned(_) => 0,
            };
            Fault::new(fault.kind, start + offset)
        })
    }

    /// `address-literal = "[" (IPv4-address-literal / IPv6-address-literal /
    /// General-address-literal) "]"` (RFC 5321 §4.1.3), behind its bracket.
    fn scan_literal(cursor: &mut Cursor<'_>, start: usize) -> Result<Self, Fault> {
        let content = cursor.take_while(is_literal_character);
        if !cursor.eat(']') {
            return Err(match cursor.peek() {
                None => Fault::new(AddressErrorKind::UnclosedLiteral, start),
                Some(_) => cursor.fault(AddressErrorKind::UnexpectedCharacter),
            });
        }
        let invalid = Fault::new(AddressErrorKind::InvalidLiteral, start);
        if let Ok(address) = Ipv4Addr::from_str(content) {
            return Ok(Self::from(IpAddr::V4(address)));
        }
        let (tag, value) = content.split_once(':').ok_or(invalid)?;
        if tag.eq_ignore_ascii_case("IPv6") {
            let address = Ipv6Addr::from_str(value).map_err(|_| invalid)?;
            return Ok(Self::from(IpAddr::V6(address)));
        }
        // Without its tag an IPv6 address would pass for a tag and a content.
        if !is_tag(tag) || value.is_empty() || Ipv6Addr::from_str(content).is_ok() {
            return Err(invalid);
        }
        if content.len() + 2 > MAX_DOMAIN_LEN {
            return Err(Fault::new(AddressErrorKind::DomainTooLong, start));
        }
        Ok(Self::known(&format!("[{content}]")))
    }

    /// A name without white space, whose dots are known to stand well.
    fn from_name(name: &str) -> Result<Self, Fault> {
        if name.len() > MAX_UNMAPPED_LEN {
            return Err(Fault::new(AddressErrorKind::DomainTooLong, 0));
        }
        if name.is_ascii() && !name.split('.').any(is_a_label) {
            check_name(name)?;
            return Ok(Self::known(&name.to_ascii_lowercase()));
        }
        let uts46 = Uts46::new();
        let ascii = uts46
            .to_ascii(name.as_bytes(), DENIED, Hyphens::CheckFirstLast, DnsLength::Verify)
            .map_err(|_| locate_invalid_label(name))?;
        check_name(&ascii).map_err(|fault| Fault::new(fault.kind, 0))?;
        let (unicode, _) = uts46.to_unicode(ascii.as_bytes(), DENIED, Hyphens::CheckFirstLast);
        Ok(Self::from(Text::of_domain(&ascii, Some(&*unicode).filter(|unicode| *unicode != ascii))))
    }
}

impl From<Text> for Domain {
    fn from(text: Text) -> Self {
        Self { text }
    }
}

/// Without the address that it may belong to.
impl Clone for Domain {
    fn clone(&self) -> Self {
        Self::from(self.text().copy_domain())
    }
}

impl FromStr for Domain {
    type Err = AddressError;

    fn from_str(input: &str) -> Result<Self, AddressError> {
        Self::parse(input)
    }
}

impl From<IpAddr> for Domain {
    /// The literal of an IP address.
    ///
    /// ```
    /// use std::net::{IpAddr, Ipv6Addr};
    ///
    /// use mailkit_address::Domain;
    ///
    /// assert_eq!(Domain::from(IpAddr::V6(Ipv6Addr::LOCALHOST)).as_ascii(), "[IPv6:::1]");
    /// ```
    fn from(address: IpAddr) -> Self {
        let ascii = match address {
            IpAddr::V4(address) => format!("[{address}]"),
            IpAddr::V6(address) => format!("[IPv6:{address}]"),
        };
        Self::known(&ascii)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_ascii())
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Domain").field(&self.as_ascii()).finish()
    }
}

/// All follows from the form for the wire.
impl PartialEq for Domain {
    fn eq(&self, other: &Self) -> bool {
        self.as_ascii() == other.as_ascii()
    }
}

impl Eq for Domain {}

impl Hash for Domain {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ascii().hash(state);
    }
}

impl PartialOrd for Domain {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Domain {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_ascii().cmp(other.as_ascii())
    }
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_' || (!c.is_ascii() && !c.is_control())
}

/// `dcontent` (RFC 5321 §4.1.3): printable US-ASCII but `[`, `\` and `]`.
fn is_literal_character(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '[' | '\\' | ']')
}

/// `Standardized-tag = Ldh-str` (RFC 5321 §4.1.3).
fn is_tag(tag: &str) -> bool {
    tag.ends_with(|c: char| c.is_ascii_alphanumeric()) && tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

fn is_a_label(label: &str) -> bool {
    label.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("xn--"))
}

/// What holds for every name in ASCII, with the place where it does not.
fn check_name(name: &str) -> Result<(), Fault> {
    if name.len() > MAX_HOST_NAME_LEN {
        return Err(Fault::new(AddressErrorKind::DomainTooLong, 0));
    }
    let mut start = 0;
    for label in name.split('.') {
        let end = start + label.len();
        if label.len() > MAX_LABEL_LEN {
            return Err(Fault::new(AddressErrorKind::LabelTooLong, start));
        }
        if label.starts_with(['-', '_']) {
            return Err(Fault::new(AddressErrorKind::InvalidDomain, start));
        }
        if label.ends_with(['-', '_']) {
            return Err(Fault::new(AddressErrorKind::InvalidDomain, end - 1));
        }
        start = end + 1;
    }
    // No top-level domain is a number (RFC 3696 §2): this is an IPv4 address, or meant to be one.
    match name.rsplit_once('.') {
        Some((_, last)) if last.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(Fault::new(AddressErrorKind::MissingSquareBrackets, 0))
        }
        _ => Ok(()),
    }
}

/// UTS 46 says only that a name is bad: finds the label that makes it so.
fn locate_invalid_label(name: &str) -> Fault {
    let map = |text: &str, length| {
        Uts46::new().to_ascii(text.as_bytes(), DENIED, Hyphens::CheckFirstLast, length).map(|ascii| ascii.len())
    };
    let mut start = 0;
    for label in name.split(LABEL_SEPARATORS) {
        let kind = match (map(label, DnsLength::Ignore), map(label, DnsLength::Verify)) {
            (Err(_), _) => Some(AddressErrorKind::InvalidDomain),
            (Ok(0), _) => Some(AddressErrorKind::MisplacedDot),
            (Ok(_), Err(_)) => Some(AddressErrorKind::LabelTooLong),
            (Ok(_), Ok(_)) => None,
        };
        if let Some(kind) = kind {
            return Fault::new(kind, start);
        }
        let separator = name.get(start + label.len()..).and_then(|rest| rest.chars().next());
        start += label.len() + separator.map_or(0, char::len_utf8);
    }
    // Each label is good, so it is their sum, or how they stand together (RFC 5893).
    match map(name, DnsLength::Ignore) {
        Ok(_) => Fault::new(AddressErrorKind::DomainTooLong, 0),
        Err(_) => Fault::new(AddressErrorKind::InvalidDomain, 0),
    }
}
