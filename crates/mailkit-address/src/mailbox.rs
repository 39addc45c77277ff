//! Mailboxes: an address with the name that people know it by.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::address::{Address, write_quoted};
use crate::error::{AddressError, AddressErrorKind, Fault};
use crate::path::angle_address;
use crate::plain;
use crate::scan::{Cursor, MAX_INPUT_LEN, Spacing, control_character, is_atext};
use crate::text::Text;

/// The longest display name of a mailbox or a group, in octets.
pub const MAX_NAME_LEN: usize = 4096;

/// An address and, if there is one, a display name (RFC 5322 §3.4).
///
/// The name is kept as text: without its quotes, UTF-8 as it is (RFC 6532), and
/// with RFC 2047 words untouched, since to decode them is the reader's task.
/// Spaces at its ends are dropped; an empty name is none.
///
/// One form is read beyond the grammar, since many programs write it and it can mean one thing
/// only: an address that stands as its own name (`ann@example.com <ann@example.com>`). It is
/// printed in quotes. Any other name with an `@` needs them.
///
/// ```
/// use mailkit_address::Mailbox;
///
/// let mailbox = Mailbox::parse(r#""Lee, Ann" <ann@example.com> (at home)"#)?;
/// assert_eq!(mailbox.name(), Some("Lee, Ann"));
/// assert_eq!(mailbox.to_string(), r#""Lee, Ann" <ann@example.com>"#);
///
/// let bare = Mailbox::parse("ann@example.com")?;
/// assert_eq!(bare.name(), None);
/// # Ok::<(), mailkit_address::AddressError>(())
/// ```
pub struct Mailbox {
    /// With the name in the same text.
    address: Address,
}

impl Mailbox {
    /// Joins a name and an address.
    ///
    /// # Errors
    ///
    /// A name with a control character, or longer than [`MAX_NAME_LEN`].
    ///
    /// ```
    /// use mailkit_address::{Address, Mailbox};
    ///
    /// let mailbox = Mailbox::new(Some("Ann Lee"), Address::parse("ann@example.com")?)?;
    /// assert_eq!(mailbox.to_string(), "Ann Lee <ann@example.com>");
    /// # Ok::<(), mailkit_address::AddressError>(())
    /// ```
    pub fn new(name: Option<&str>, address: Address) -> Result<Self, AddressError> {
        let name = match name {
            Some(name) => check_name(name).map_err(|fault| AddressError::new(fault, name))?,
            None => None,
        };
        Ok(Self::joined(name, address))
    }

    /// Reads an address, by [`Address::parse`], and joins it with a name.
    ///
    /// # Errors
    ///
    /// Whatever is no address, and the names that [`new`](Self::new) refuses.
    ///
    /// ```
    /// use mailkit_address::Mailbox;
    ///
    /// let mailbox = Mailbox::named("Lee, Ann", "ann@example.com")?;
    /// assert_eq!(mailbox.to_string(), r#""Lee, Ann" <ann@example.com>"#);
    /// # Ok::<(), mailkit_address::AddressError>(())
    /// ```
    pub fn named(name: &str, address: &str) -> Result<Self, AddressError> {
        match plain::address(address) {
            Some(at) if plain::is_name(name) => Ok(Self::from(Text::of_plain(name, address, at))),
            _ => Self::named_closely(name, address),
        }
    }

    #[cold]
    fn named_closely(name: &str, address: &str) -> Result<Self, AddressError> {
        Self::new(Some(name), Address::parse(address)?)
    }

    /// Reads a whole text as one mailbox: `Ann <ann@example.com>` or
    /// `ann@example.com`. Comments in parentheses are skipped.
    ///
    /// The text is one line. A header field, which may be folded, is read by
    /// [`AddressList::parse`](crate::AddressList::parse).
    ///
    /// # Errors
    ///
    /// Whatever is no single mailbox, with the place of the fault.
    pub fn parse(input: &str) -> Result<Self, AddressError> {
        Self::parse_whole(input).map_err(|fault| AddressError::new(fault, input))
    }

    /// The display name, without quotes.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.text().name()
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The address, by value.
    #[must_use]
    #[inline]
    pub fn into_address(self) -> Address {
        Address::from(self.address.into_text().without_name())
    }

    fn text(&self) -> &Text {
        self.address.text()
    }

    /// Joins an address and a name that is known to be one.
    fn joined(name: Option<&str>, address: Address) -> Self {
        match name {
            Some(name) => Self::from(address.text().under(name)),
            None => Self::from(address),
        }
    }

    fn parse_whole(input: &str) -> Result<Self, Fault> {
        check_input(input)?;
        let mut cursor = Cursor::new(input, Spacing::Line);
        let mailbox = Self::scan(&mut cursor)?;
        cursor.expect_end()?;
        Ok(mailbox)
    }

    /// `mailbox = name-addr / addr-spec` (RFC 5322 §3.4), with the white space
    /// behind it.
    pub(crate) fn scan(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        match Self::scan_plain(cursor) {
            Some(mailbox) => Ok(mailbox),
            None => Self::scan_closely(cursor),
        }
    }

    /// Takes a mailbox of the form that nearly all have, if one stands here.
    pub(crate) fn scan_plain(cursor: &mut Cursor<'_>) -> Option<Self> {
        let (mailbox, rest) = plain::mailbox(cursor.rest())?;
        cursor.skip_to(rest);
        Some(mailbox)
    }

    /// The same as [`scan`](Self::scan), for a mailbox of any form.
    pub(crate) fn scan_closely(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let (name, address) = match lead(cursor)? {
            Lead::Group(position) => {
                return Err(Fault::new(AddressErrorKind::UnexpectedGroup, position));
            }
            Lead::Name => (phrase(cursor)?, angle_address(cursor)?),
            Lead::AddressAsName => {
                let (name, address) = address_as_name(cursor)?;
                (Some(name), address)
            }
            Lead::Address => {
                let start = cursor.position();
                let address = Address::scan(cursor);
                (None, address.map_err(|fault| find_unquoted_comma(cursor, start, fault))?)
            }
        };
        cursor.skip_space()?;
        Ok(Self::joined(name.as_deref(), address))
    }
}

impl From<Address> for Mailbox {
    /// A mailbox without a name.
    fn from(address: Address) -> Self {
        Self::from(address.into_text().without_name())
    }
}

impl From<Text> for Mailbox {
    fn from(text: Text) -> Self {
        Self { address: text.into() }
    }
}

impl Clone for Mailbox {
    fn clone(&self) -> Self {
        Self::from(self.text().copy_mailbox())
    }
}

impl FromStr for Mailbox {
    type Err = AddressError;

    fn from_str(input: &str) -> Result<Self, AddressError> {
        Self::parse(input)
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => {
                write_phrase(f, name)?;
                write!(f, " <{}>", self.address)
            }
            None => self.address.fmt(f),
        }
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("address", &self.address).field("name", &self.name()).finish()
    }
}

impl PartialEq for Mailbox {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address && self.name() == other.name()
    }
}

impl Eq for Mailbox {}

impl Hash for Mailbox {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address.hash(state);
        self.name().hash(state);
    }
}

impl PartialOrd for Mailbox {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Mailbox {
    fn cmp(&self, other: &Self) -> Ordering {
        self.address.cmp(&other.address).then_with(|| self.name().cmp(&other.name()))
    }
}

/// What the words at the start of an entry turn out to be.
pub(crate) enum Lead {
    /// The name before an angle bracket, or nothing before it.
    Name,
    /// An address without brackets or quotes, which is the name before an angle bracket.
    AddressAsName,
    /// The name of a group, whose colon stands at this place.
    Group(usize),
    /// The local part of an address.
    Address,
}

/// Looks over words until the character that tells what they are, and goes back
/// to where they start.
pub(crate) fn lead(cursor: &mut Cursor<'_>) -> Result<Lead, Fault> {
    cursor.skip_space()?;
    let start = cursor.position();
    skip_words(cursor)?;
    let lead = match cursor.peek() {
        Some('<') => Lead::Name,
        Some(':') => Lead::Group(cursor.position()),
        Some('@') if cursor.since(start).chars().all(is_in_name) => {
            cursor.take_while(is_in_address_as_name);
            cursor.skip_space()?;
            if cursor.peek() == Some('<') { Lead::AddressAsName } else { Lead::Address }
        }
        Some(c) if c.is_control() => {
            return Err(cursor.fault(AddressErrorKind::ControlCharacter));
        }
        _ => Lead::Address,
    };
    cursor.rewind(start);
    Ok(lead)
}

/// Skips the words that a name may be made of.
fn skip_words(cursor: &mut Cursor<'_>) -> Result<(), Fault> {
    loop {
        cursor.skip_space()?;
        if cursor.peek() == Some('"') {
            cursor.quoted_string()?;
        } else if cursor.take_while(is_in_name).is_empty() {
            return Ok(());
        }
    }
}

/// What a name without quotes is made of: atoms and dots (`obs-phrase` of RFC 5322 §4.1).
fn is_in_name(c: char) -> bool {
    is_atext(c) || c == '.'
}

fn is_in_address_as_name(c: char) -> bool {
    is_in_name(c) || c == '@'
}

/// An address as a name, and the address in angle brackets, if both are the same. If they differ, readers disagree on
/// which of them counts.
fn address_as_name(cursor: &mut Cursor<'_>) -> Result<(Box<str>, Address), Fault> {
    let start = cursor.position();
    let name = cursor.take_while(is_in_address_as_name);
    cursor.skip_space()?;
    let address = angle_address(cursor)?;
    match Address::parse(name) {
        Ok(same) if same.to_string().eq_ignore_ascii_case(&address.to_string()) => Ok((name.into(), address)),
        _ => Err(Fault::new(AddressErrorKind::AddressAsName, start)),
    }
}

/// What is wrong with text that was read as an address and is none: a comma outside quotes, if words, a comma and the
/// words before an angle bracket stand at `start`; else the fault that was found.
fn find_unquoted_comma(cursor: &mut Cursor<'_>, start: usize, found: Fault) -> Fault {
    if found.kind == AddressErrorKind::ControlCharacter {
        return found;
    }
    cursor.rewind(start);
    let mut skip = || skip_words(cursor).is_ok().then(|| (cursor.position(), cursor.eat(',')));
    match skip() {
        Some((comma, true)) if comma > start => {
            while let Some((_, true)) = skip() {}
            if cursor.peek() == Some('<') { Fault::new(AddressErrorKind::UnquotedComma, comma) } else { found }
        }
        _ => found,
    }
}

/// `phrase = 1*word / obs-phrase` (RFC 5322 §3.2.5, §4.1): words, and dots
/// between them, which people do write in their names. None where it is empty.
pub(crate) fn phrase(cursor: &mut Cursor<'_>) -> Result<Option<Box<str>>, Fault> {
    let start = cursor.position();
    let mut name = String::new();
    let mut apart = false;
    loop {
        apart |= cursor.skip_space()?;
        let quoted = cursor.peek() == Some('"');
        let word = if quoted { cursor.quoted_string()?.content } else { cursor.take_while(is_in_name).into() };
        if word.is_empty() && !quoted {
            break;
        }
        if !name.is_empty() && (apart || quoted) {
            name.push(' ');
        }
        name.push_str(&word);
        apart = quoted;
    }
    check_name(&name).map(|name| name.map(Into::into)).map_err(|fault| Fault::new(fault.kind, start))
}

/// A name as it is kept, or none where it is empty.
pub(crate) fn check_name(name: &str) -> Result<Option<&str>, Fault> {
    if plain::is_name(name) {
        return Ok(Some(name));
    }
    if let Some(position) = control_character(name) {
        return Err(Fault::new(AddressErrorKind::ControlCharacter, position));
    }
    let trimmed = name.trim_matches(' ');
    if trimmed.len() > MAX_NAME_LEN {
        return Err(Fault::new(AddressErrorKind::NameTooLong, 0));
    }
    Ok((!trimmed.is_empty()).then_some(trimmed))
}

/// Writes a name as atoms where they say it exactly, else as a quoted string.
pub(crate) fn write_phrase(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let is_atoms = name.split(' ').all(|atom| !atom.is_empty() && atom.chars().all(is_atext));
    if is_atoms { f.write_str(name) } else { write_quoted(f, name) }
}

pub(crate) fn check_input(input: &str) -> Result<(), Fault> {
    if input.len() > MAX_INPUT_LEN {
        return Err(Fault::new(AddressErrorKind::InputTooLong, MAX_INPUT_LEN));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_are_in_the_order_of_their_addresses_and_then_of_their_names() {
        let ordered = ["a@x.example", "Ann <a@x.example>", "Bob <a@x.example>", "b@x.example", "Ann <b@x.example>"]
            .map(|text| Mailbox::parse(text).unwrap());
        for (place, one) in ordered.iter().enumerate() {
            for (other_place, other) in ordered.iter().enumerate() {
                assert_eq!(one.cmp(other), place.cmp(&other_place), "{one} and {other}");
            }
        }
    }
}
