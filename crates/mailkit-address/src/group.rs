//! Groups: mailboxes under one name.

use std::fmt;
use std::sync::Arc;

use crate::error::{AddressError, AddressErrorKind, Fault};
use crate::mailbox::{Mailbox, check_name, phrase, write_phrase};
use crate::scan::Cursor;

/// Mailboxes under one name, maybe none: `Team: ann@example.com;` (RFC 5322 §3.4).
///
/// ```
/// use mailkit_address::Group;
///
/// let group = Group::new("Undisclosed recipients", Vec::new())?;
/// assert_eq!(group.to_string(), "Undisclosed recipients:;");
/// # Ok::<(), mailkit_address::AddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group {
    /// Apart, as nearly all entries of lists are mailboxes, and shared by clones.
    named: Arc<Named>,
}

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Named {
    name: Box<str>,
    members: Vec<Mailbox>,
}

impl Group {
    /// Joins a name and mailboxes. Spaces at the ends of the name are dropped.
    ///
    /// # Errors
    ///
    /// A name that is empty, holds a control character or is longer than
    /// [`MAX_NAME_LEN`](crate::MAX_NAME_LEN).
    pub fn new(name: &str, members: Vec<Mailbox>) -> Result<Self, AddressError> {
        check_name(name)
            .and_then(|name| name.ok_or(Fault::new(AddressErrorKind::NoGroupName, 0)))
            .map(|name| Self::of(name.into(), members))
            .map_err(|fault| AddressError::new(fault, name))
    }

    /// The name, without quotes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.named.name
    }

    /// The mailboxes, in their order.
    #[must_use]
    pub fn members(&self) -> &[Mailbox] {
        &self.named.members
    }

    pub(crate) fn into_members(self) -> Vec<Mailbox> {
        Arc::unwrap_or_clone(self.named).members
    }

    fn of(name: Box<str>, members: Vec<Mailbox>) -> Self {
        Self { named: Arc::new(Named { name, members }) }
    }

    /// `group = display-name ":" [group-list] ";" [CFWS]` (RFC 5322 §3.4), with
    /// the empty members of `obs-group-list` (§4.4).
    pub(crate) fn scan(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let start = cursor.position();
        let name = phrase(cursor)?.ok_or(Fault::new(AddressErrorKind::NoGroupName, start))?;
        let colon = cursor.position();
        cursor.eat(':');
        let mut members = Vec::new();
        loop {
            cursor.skip_space()?;
            if cursor.eat(',') {
                continue;
            }
            if cursor.eat(';') {
                break;
            }
            if cursor.at_end() {
                return Err(Fault::new(AddressErrorKind::UnclosedGroup, colon));
            }
            members.push(Mailbox::scan(cursor)?);
            if !matches!(cursor.peek(), None | Some(',' | ';')) {
                return Err(cursor.fault(AddressErrorKind::UnexpectedCharacter));
            }
        }
        cursor.skip_space()?;
        Ok(Self::of(name, members))
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("name", &self.name()).field("members", &self.members()).finish()
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_phrase(f, self.name())?;
        f.write_str(":")?;
        for (index, member) in self.members().iter().enumerate() {
            f.write_str(if index == 0 { " " } else { ", " })?;
            member.fmt(f)?;
        }
        f.write_str(";")
    }
}
