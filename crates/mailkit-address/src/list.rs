//! Address lists: the content of `To:`, `Cc:` and their like.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{AddressError, AddressErrorKind, Fault};
use crate::group::Group;
use crate::mailbox::{Lead, Mailbox, check_input, lead};
use crate::plain;
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

    fn into_mailboxes(self) -> impl Iterator<Item = Mailbox> {
        let (one, members) = match self {
            Self::Mailbox(mailbox) => (Some(mailbox), Vec::new()),
            Self::Group(group) => (None, group.into_members()),
        };
        one.into_iter().chain(members)
    }

    /// `address = mailbox / group` (RFC 5322 §3.4).
    fn scan(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        if let Some(mailbox) = Mailbox::scan_plain(cursor) {
            return Ok(Self::Mailbox(mailbox));
        }
        match lead(cursor)? {
            Lead::Group(_) => Group::scan(cursor).map(Self::Group),
            Lead::Name | Lead::AddressAsName | Lead::Address => Mailbox::scan_closely(cursor).map(Self::Mailbox),
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
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct AddressList {
    entries: Option<Entries>,
}

/// Most lists have one entry, which takes no memory of its own. Two and more stand apart, as a list moves often, and are
/// shared by clones, as those of a builder are.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Entries {
    One(AddressEntry),
    Many(Arc<Vec<AddressEntry>>),
}

impl AddressList {
    /// A list without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: None }
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
        Self::parse_spaced(input, Spacing::Folded)
    }

    /// The same for a text of one line: tabs and folds are refused.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse).
    ///
    /// ```
    /// use mailkit_address::{AddressErrorKind, AddressList};
    ///
    /// assert_eq!(AddressList::parse_line("ann@example.com, bob@example.org")?.len(), 2);
    ///
    /// let error = AddressList::parse_line("ann@example.com,\r\n bob@example.org").unwrap_err();
    /// assert_eq!(error.kind(), AddressErrorKind::ControlCharacter);
    /// # Ok::<(), mailkit_address::AddressError>(())
    /// ```
    pub fn parse_line(input: &str) -> Result<Self, AddressError> {
        Self::parse_spaced(input, Spacing::Line)
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
        let entry = entry.into();
        if let Some(Entries::Many(entries)) = &mut self.entries {
            Arc::make_mut(entries).push(entry);
            return;
        }
        self.entries = Some(match self.entries.take() {
            Some(Entries::One(first)) => Entries::Many(Arc::new(vec![first, entry])),
            _ => Entries::One(entry),
        });
    }

    /// Adds the entries of another list at the end.
    pub fn append(&mut self, more: Self) {
        match more.entries {
            None => {}
            _ if self.is_empty() => *self = more,
            Some(Entries::One(entry)) => self.push(entry),
            Some(Entries::Many(entries)) => self.extend(Arc::unwrap_or_clone(entries)),
        }
    }

    fn as_slice(&self) -> &[AddressEntry] {
        match &self.entries {
            None => &[],
            Some(Entries::One(entry)) => std::slice::from_ref(entry),
            Some(Entries::Many(entries)) => entries,
        }
    }

    /// All mailboxes in their order, those of groups included.
    pub fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        Mailboxes { entries: self.iter(), entry: Default::default() }
    }

    /// The same by value.
    pub fn into_mailboxes(self) -> impl Iterator<Item = Mailbox> {
        self.into_iter().flat_map(AddressEntry::into_mailboxes)
    }

    /// The first mailbox, by value.
    #[must_use]
    pub fn into_first(self) -> Option<Mailbox> {
        match self.into_only() {
            Ok(mailbox) => Some(mailbox),
            Err(list) => list.into_mailboxes().next(),
        }
    }

    /// The mailbox that is the only entry, or the list.
    pub(crate) fn into_only(self) -> Result<Mailbox, Self> {
        match self.entries {
            Some(Entries::One(AddressEntry::Mailbox(mailbox))) => Ok(mailbox),
            entries => Err(Self { entries }),
        }
    }

    /// How many entries there are; a group is one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_none()
    }

    /// The entries in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, AddressEntry> {
        self.as_slice().iter()
    }

    const fn one(entry: AddressEntry) -> Self {
        Self { entries: Some(Entries::One(entry)) }
    }

    fn parse_spaced(input: &str, spacing: Spacing) -> Result<Self, AddressError> {
        if let Some((mailbox, "")) = plain::mailbox(input) {
            return Ok(mailbox.into());
        }
        check_input(input)
            .and_then(|()| Self::scan(&mut Cursor::new(input, spacing)))
            .map_err(|fault| AddressError::new(fault, input))
    }

    /// `address-list = (address *("," address)) / obs-addr-list` (RFC 5322 §3.4,
    /// §4.4), up to the end of the input.
    fn scan(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        std::iter::from_fn(|| Self::scan_entry(cursor).transpose()).collect()
    }

    /// The next entry, and what follows it up to a comma.
    fn scan_entry(cursor: &mut Cursor<'_>) -> Result<Option<AddressEntry>, Fault> {
        cursor.skip_space()?;
        while cursor.eat(',') {
            cursor.skip_space()?;
        }
        if cursor.at_end() {
            return Ok(None);
        }
        let entry = AddressEntry::scan(cursor)?;
        match cursor.peek() {
            None | Some(',') => Ok(Some(entry)),
            Some(';') => Err(cursor.fault(AddressErrorKind::SemicolonForComma)),
            Some(_) => Err(cursor.fault(AddressErrorKind::UnexpectedCharacter)),
        }
    }
}

/// The mailboxes of entries: mostly one, whose only entry is a mailbox.
struct Mailboxes<'a> {
    entries: std::slice::Iter<'a, AddressEntry>,
    /// What is left of the entry before them.
    entry: std::slice::Iter<'a, Mailbox>,
}

impl<'a> Iterator for Mailboxes<'a> {
    type Item = &'a Mailbox;

    #[inline]
    fn next(&mut self) -> Option<&'a Mailbox> {
        loop {
            if let Some(mailbox) = self.entry.next() {
                return Some(mailbox);
            }
            self.entry = self.entries.next()?.mailboxes().iter();
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
        for (index, entry) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            entry.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for AddressList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<T: Into<AddressEntry>> FromIterator<T> for AddressList {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        let mut entries = entries.into_iter().map(Into::into).fuse();
        match (entries.next(), entries.next()) {
            (None, _) => Self::new(),
            (Some(one), None) => Self::one(one),
            (Some(first), Some(second)) => {
                let many = [first, second].into_iter().chain(entries).collect();
                Self { entries: Some(Entries::Many(Arc::new(many))) }
            }
        }
    }
}

impl<T: Into<AddressEntry>> Extend<T> for AddressList {
    fn extend<I: IntoIterator<Item = T>>(&mut self, entries: I) {
        let more = entries.into_iter().map(Into::into);
        match &mut self.entries {
            Some(Entries::Many(entries)) => Arc::make_mut(entries).extend(more),
            _ => *self = std::mem::take(self).into_iter().chain(more).collect(),
        }
    }
}

impl From<Mailbox> for AddressList {
    fn from(mailbox: Mailbox) -> Self {
        Self::one(mailbox.into())
    }
}

impl IntoIterator for AddressList {
    type Item = AddressEntry;
    type IntoIter = std::vec::IntoIter<AddressEntry>;

    fn into_iter(self) -> Self::IntoIter {
        match self.entries {
            None => Vec::new().into_iter(),
            Some(Entries::One(entry)) => vec![entry].into_iter(),
            Some(Entries::Many(entries)) => Arc::unwrap_or_clone(entries).into_iter(),
        }
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
    fn a_list_is_small() {
        assert_eq!(size_of::<AddressList>(), size_of::<Mailbox>());
    }

    #[test]
    fn a_list_is_made_of_mailboxes_groups_and_other_lists() {
        let ann = Mailbox::parse("Ann <ann@example.com>").unwrap();
        let group = Group::new("Team", vec![ann.clone()]).unwrap();
        let mut list: AddressList = [ann.clone(), ann.clone()].into_iter().collect();
        list.push(group);
        list.extend(AddressList::from(ann));
        assert_eq!((list.len(), list.mailboxes().count()), (4, 4));
        assert_eq!((&list).into_iter().count(), list.clone().into_iter().count());
        assert!(list.mailboxes().eq(list.clone().into_mailboxes().collect::<Vec<_>>().iter()));
        assert_eq!(list.mailboxes().next().cloned(), list.clone().into_first());
    }

    #[test]
    fn a_list_is_the_same_however_it_came_about() {
        let texts = ["a@x", "Team: b@x, c@x;", "d@x"];
        for count in 0..=texts.len() {
            let text = texts[..count].join(", ");
            let read = AddressList::parse(&text).unwrap();
            for split in 0..=count {
                let mut joined = AddressList::parse(&texts[..split].join(",")).unwrap();
                joined.append(AddressList::parse(&texts[split..count].join(",")).unwrap());
                assert_eq!((joined.len(), joined.to_string()), (count, text.clone()));
                assert_eq!(joined, read);
                assert_eq!(joined.clone().into_iter().collect::<AddressList>(), read);
                assert!(std::collections::HashSet::from([joined]).contains(&read));
            }
        }
    }
}
