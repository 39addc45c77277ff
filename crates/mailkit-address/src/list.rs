//! Address lists: the content of `To:`, `Cc:` and their like.

use std::fmt;
use std::str::FromStr;

use crate::error::{AddressError, AddressErrorKind, Fault};
use crate::group::Group;
use crate::mailbox::{Lead, Mailbox, check_input, lead};
use crate::scan::{Cursor, Spacing};

/// One element of an [`AddressList`]: `address` of RFC 5322 §3.4.
///
/// ```
/// use mailkit_address::{AddressEntry, AddressList};
///
/// let list = AddressList::parse("ann@example.com, Team: bob@example.org;")?;
/// let groups: Vec<_> = list
///     .iter()
///     .filter_map(|entry| match entry {
///         AddressEntry::Group(group) => Some(group.name()),
///         AddressEntry::Mailbox(_) => None,
///     })
///     .collect();
/// assert_eq!(groups, ["Team"]);
/// # Ok::<(), mailkit_address::AddressError>(())
/// ```
#[expect(clippy::exhaustive_enums, reason = "RFC 5322 §3.4 knows these two forms")]
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressEntry {
    /// A mailbox.
    Mailbox(Mailbox),
    /// A named group of mailboxes.
    Group(Group),
}

impl AddressEntry {
    /// The mailboxes of the entry: one, or those of the group.
    #[must_use]
    pub fn mailboxes(&self) -> &[Mailbox] {
        match self {
            Self::Mailbox(mailbox) => std::slice::from_ref(mailbox),
            Self::Group(group) => group.members(),
        }
    }

    /// `address = mailbox / group` (RFC 5322 §3.4).
    fn scan(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        if let Some(mailbox) = Mailbox::scan_plain(cursor) {
            return Ok(Self::Mailbox(mailbox));
        }
        match lead(cursor)? {
            Lead::Group(_) => Group::scan(cursor).map(Self::Group),
            Lead::Name | Lead::Address => Mailbox::scan_closely(cursor).map(Self::Mailbox),
        }
    }
}

impl From<Mailbox> for AddressEntry {
    fn from(mailbox: Mailbox) -> Self {
        Self::Mailbox(mailbox)
    }
}

impl From<Group> for AddressEntry {
    fn from(group: Group) -> Self {
        Self::Group(group)
    }
}

impl fmt::Display for AddressEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mailbox(mailbox) => mailbox.fmt(f),
            Self::Group(group) => group.fmt(f),
        }
    }
}

/// Mailboxes and groups with commas between them (RFC 5322 §3.4).
///
/// ```
/// use mailkit_address::AddressList;
///
/// let list = AddressList::parse("Ann <ann@example.com>,\r\n Team: bob@example.org, eve@example.net;")?;
/// assert_eq!(list.len(), 2);
/// assert_eq!(list.mailboxes().count(), 3);
/// # Ok::<(), mailkit_address::AddressError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct AddressList {
    entries: Vec<AddressEntry>,
}

impl AddressList {
    /// A list without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Reads a whole text as a list: the body of a header field, folded or not,
    /// without the CRLF at its end.
    ///
    /// Accepted beyond the grammar of today, and dropped: empty elements
    /// (`a@x,,b@x`), so an empty text is an empty list; source routes; white space
    /// and comments around the dots of an address (RFC 5322 §4.4). Tabs and
    /// CRLF count as white space only where they fold a line, and are never kept.
    ///
    /// # Errors
    ///
    /// Whatever is no list, with the place of the fault; a text longer than
    /// [`MAX_INPUT_LEN`](crate::MAX_INPUT_LEN).
    pub fn parse(input: &str) -> Result<Self, AddressError> {
        Self::parse_whole(input).map_err(|fault| AddressError::new(fault, input))
    }

    /// Adds an entry at the end.
    ///
    /// ```
    /// use mailkit_address::{AddressList, Group, Mailbox};
    ///
    /// let mut list = AddressList::new();
    /// list.push(Mailbox::parse("Ann <ann@example.com>")?);
    /// list.push(Group::new("Team", Vec::new())?);
    /// assert_eq!(list.to_string(), "Ann <ann@example.com>, Team:;");
    /// # Ok::<(), mailkit_address::AddressError>(())
    /// ```
    pub fn push(&mut self, entry: impl Into<AddressEntry>) {
        self.entries.push(entry.into());
    }

    /// All mailboxes in their order, those of groups included.
    pub fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        self.entries.iter().flat_map(AddressEntry::mailboxes)
    }

    /// How many entries there are; a group is one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, AddressEntry> {
        self.entries.iter()
    }

    fn parse_whole(input: &str) -> Result<Self, Fault> {
        check_input(input)?;
        Self::scan(&mut Cursor::new(input, Spacing::Folded))
    }

    /// `address-list = (address *("," address)) / obs-addr-list` (RFC 5322 §3.4,
    /// §4.4), up to the end of the input.
    fn scan(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let mut entries = Vec::new();
        loop {
            cursor.skip_space()?;
            if cursor.eat(',') {
                continue;
            }
            if cursor.at_end() {
                return Ok(Self { entries });
            }
            entries.push(AddressEntry::scan(cursor)?);
            if !matches!(cursor.peek(), None | Some(',')) {
                return Err(cursor.fault(AddressErrorKind::UnexpectedCharacter));
            }
        }
    }
}

impl FromStr for AddressList {
    type Err = AddressError;

    fn from_str(input: &str) -> Result<Self, AddressError> {
        Self::parse(input)
    }
}

impl fmt::Display for AddressList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            entry.fmt(f)?;
        }
        Ok(())
    }
}

impl<T: Into<AddressEntry>> FromIterator<T> for AddressList {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        Self { entries: entries.into_iter().map(Into::into).collect() }
    }
}

impl<T: Into<AddressEntry>> Extend<T> for AddressList {
    fn extend<I: IntoIterator<Item = T>>(&mut self, entries: I) {
        self.entries.extend(entries.into_iter().map(Into::into));
    }
}

impl From<Mailbox> for AddressList {
    fn from(mailbox: Mailbox) -> Self {
        Self { entries: vec![mailbox.into()] }
    }
}

impl IntoIterator for AddressList {
    type Item = AddressEntry;
    type IntoIter = std::vec::IntoIter<AddressEntry>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'a> IntoIterator for &'a AddressList {
    type Item = &'a AddressEntry;
    type IntoIter = std::slice::Iter<'a, AddressEntry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Octets that the cursor moves over for each octet of the input: words are looked over
    /// once before they are read, and white space behind a word once more.
    const MOVES_PER_OCTET: usize = 4;

    #[test]
    fn the_work_is_linear_in_the_length_of_the_input() {
        let units = [
            "a@x,",
            "(",
            "(()",
            "()",
            "((\\))",
            "\"",
            "\"\" ",
            "\"a\\\"",
            ".",
            "a.",
            "a . ",
            "a (b) . ",
            "a ",
            "a",
            ",",
            "<",
            "<@a,",
            "@a,",
            "a:",
            "a:;,",
            "a:b@x,",
            "a <b@x>,",
            "a@[",
            "a@[1:2],",
            "\r\n ",
            "\r\n\t",
            "(a)(b) a@x (c) (d),",
            "a(((a)))@(b)x(c),",
            "é",
            "xn--",
            "a@é,",
        ];
        for unit in units {
            for (before, after) in [("", ""), ("a", "@x"), ("<", ">"), ("g: ", ";"), ("\"", "\"@x"), ("a@", "")] {
                for count in [100, 20_000] {
                    let text = format!("{before}{}{after}", unit.repeat(count));
                    let mut cursor = Cursor::new(&text, Spacing::Folded);
                    // What comes of it does not matter here, only what it costs.
                    let _ = AddressList::scan(&mut cursor);
                    assert!(
                        cursor.steps <= MOVES_PER_OCTET * text.len(),
                        "{} moves for {} octets of {before}{unit}{after}",
                        cursor.steps,
                        text.len()
                    );
                }
            }
        }
    }

    #[test]
    fn a_list_is_made_of_mailboxes_groups_and_other_lists() {
        let ann = Mailbox::parse("Ann <ann@example.com>").unwrap();
        let group = Group::new("Team", vec![ann.clone()]).unwrap();
        let mut list: AddressList = [ann.clone(), ann.clone()].into_iter().collect();
        list.push(group);
        list.extend(AddressList::from(ann));
        assert_eq!((list.len(), list.mailboxes().count()), (4, 4));
        assert_eq!((&list).into_iter().count(), list.into_iter().count());
    }
}
