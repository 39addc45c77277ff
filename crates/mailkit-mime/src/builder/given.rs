//! What the address methods of the builder take: text, or values that were read before.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use mailkit_address::{Address, AddressEntry, AddressError, AddressList, Group, Mailbox};

use crate::error::{FieldError, FieldProblem};
use crate::header::control_character;

/// Mailboxes and groups for an address field.
///
/// Made from text with commas, as in `Ann <ann@example.com>, bob@example.org`; from a name and an
/// address, `("Ann", "ann@example.com")`; or from values that were read before: [`Address`],
/// [`Mailbox`], [`Group`], [`AddressList`]. What cannot be read is reported when the message is
/// built.
///
/// ```
/// use mailkit_address::Mailbox;
/// use mailkit_mime::{Message, Stamps};
/// use time::macros::datetime;
///
/// let bob: Mailbox = "Bob <bob@example.org>".parse()?;
/// let message = Message::builder(Stamps::new(datetime!(2026-11-23 07:03 UTC), 1))
///     .from(("Lee, Ann", "ann@example.com")) // a name needs no quotes here
///     .to(bob)
///     .cc("eve@example.net, Dan <dan@example.net>")
///     .build()?;
/// assert_eq!(message.envelope().recipients().len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct GivenAddresses {
    pub(crate) list: AddressList,
    pub(crate) refused: Refusals,
}

/// The texts that could not be read: apart, as there are nearly never any, and shared by clones.
#[derive(Clone, Default)]
pub(crate) struct Refusals(Option<Arc<Vec<Refused>>>);

impl Refusals {
    const fn none() -> Self {
        Self(None)
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Refused> {
        self.0.as_deref().map_or(&[][..], Vec::as_slice).iter()
    }

    fn append(&mut self, more: Self) {
        if let Some(more) = more.0 {
            Arc::make_mut(self.0.get_or_insert_default()).extend(Arc::unwrap_or_clone(more));
        }
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl From<Refused> for Refusals {
    fn from(refused: Refused) -> Self {
        Self(Some(Arc::new(vec![refused])))
    }
}

impl<'a> IntoIterator for &'a Refusals {
    type Item = &'a Refused;
    type IntoIter = std::slice::Iter<'a, Refused>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One mailbox for a field: made from text, as in `Ann <ann@example.com>`; from a name and an
/// address; or from an [`Address`] or a [`Mailbox`] that was read before.
#[derive(Debug, Clone)]
pub struct GivenMailbox(pub(crate) Result<Mailbox, Refused>);

/// A text that could not be read, and why.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    pub(crate) text: String,
    pub(crate) problem: FieldProblem,
}

impl GivenAddresses {
    pub(crate) const fn none() -> Self {
        Self { list: AddressList::new(), refused: Refusals::none() }
    }

    pub(crate) fn add(&mut self, more: Self) {
        if self.is_empty() {
            *self = more;
        } else {
            self.list.append(more.list);
            self.refused.append(more.refused);
        }
    }

    /// What is wrong with the texts that could not be read. The errors name no field.
    ///
    /// ```
    /// use mailkit_mime::GivenAddresses;
    ///
    /// let given = GivenAddresses::from("Doe, Ann <ann@example.com>");
    /// assert_eq!(given.errors().count(), 1);
    /// ```
    pub fn errors(&self) -> impl Iterator<Item = FieldError> + '_ {
        self.refused.iter().map(Refused::error)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.refused.0.is_none()
    }
}

impl Default for GivenAddresses {
    fn default() -> Self {
        Self::none()
    }
}

impl GivenMailbox {
    /// What is wrong with the text, if it could not be read. The error names no field.
    #[must_use]
    pub fn error(&self) -> Option<FieldError> {
        self.0.as_ref().err().map(Refused::error)
    }
}

impl Refused {
    fn error(&self) -> FieldError {
        FieldError::new("", &self.text, self.problem.clone())
    }

    fn new(text: &str, problem: FieldProblem) -> Self {
        Self { text: text.to_owned(), problem }
    }
}

fn read_list(text: &str) -> GivenAddresses {
    match AddressList::parse_line(text) {
        Ok(list) if !list.is_empty() => list.into(),
        _ => read_list_closely(text).map_or_else(Into::into, Into::into),
    }
}

/// Reads a list that is no line of addresses: a tab is white space, too; else it says what is wrong.
#[cold]
fn read_list_closely(text: &str) -> Result<AddressList, Refused> {
    check(text)?;
    match AddressList::parse(text) {
        Ok(list) if list.is_empty() => Err(Refused::new(text, FieldProblem::Missing)),
        Ok(list) => Ok(list),
        Err(error) => Err(Refused::new(text, FieldProblem::Address(error))),
    }
}

pub(crate) fn read_mailbox(text: &str) -> Result<Mailbox, Refused> {
    Mailbox::parse(text)
        .map_err(|error| check(text).err().unwrap_or_else(|| Refused::new(text, FieldProblem::Address(error))))
}

/// Joins a name, which is text and no phrase, and an address.
#[inline]
fn join(name: &str, address: &str) -> Result<Mailbox, Refused> {
    Mailbox::named(name, address).map_err(|error| refuse_pair(name, address, error))
}

#[cold]
fn refuse_pair(name: &str, address: &str, error: AddressError) -> Refused {
    let (text, error) = match Address::parse(address) {
        Ok(_) => (name, error),
        Err(error) => (address, error),
    };
    check(text).err().unwrap_or_else(|| Refused::new(text, FieldProblem::Address(error)))
}

/// Refuses what could end a line or hide one.
fn check(text: &str) -> Result<(), Refused> {
    match control_character(text) {
        Some(position) => Err(Refused::new(text, FieldProblem::ControlCharacter { position })),
        None => Ok(()),
    }
}

impl From<Refused> for GivenAddresses {
    fn from(refused: Refused) -> Self {
        Self { list: AddressList::new(), refused: refused.into() }
    }
}

macro_rules! from_text {
    ($($text:ty),*) => {$(
        impl From<$text> for GivenAddresses {
            fn from(text: $text) -> Self {
                read_list(&text)
            }
        }

        impl From<$text> for GivenMailbox {
            fn from(text: $text) -> Self {
                Self(read_mailbox(&text))
            }
        }
    )*};
}

from_text!(&str, &String, String, Box<str>, Cow<'_, str>);

impl<N: AsRef<str>, A: AsRef<str>> From<(N, A)> for GivenAddresses {
    fn from((name, address): (N, A)) -> Self {
        join(name.as_ref(), address.as_ref()).map_or_else(Into::into, Into::into)
    }
}

impl<N: AsRef<str>, A: AsRef<str>> From<(N, A)> for GivenMailbox {
    fn from((name, address): (N, A)) -> Self {
        Self(join(name.as_ref(), address.as_ref()))
    }
}

impl From<AddressList> for GivenAddresses {
    fn from(list: AddressList) -> Self {
        Self { list, refused: Refusals::none() }
    }
}

impl From<Mailbox> for GivenAddresses {
    fn from(mailbox: Mailbox) -> Self {
        AddressList::from(mailbox).into()
    }
}

impl From<Address> for GivenAddresses {
    fn from(address: Address) -> Self {
        Mailbox::from(address).into()
    }
}

impl From<Group> for GivenAddresses {
    fn from(group: Group) -> Self {
        AddressList::from_iter([AddressEntry::from(group)]).into()
    }
}

impl From<Mailbox> for GivenMailbox {
    fn from(mailbox: Mailbox) -> Self {
        Self(Ok(mailbox))
    }
}

impl From<Address> for GivenMailbox {
    fn from(address: Address) -> Self {
        Mailbox::from(address).into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_beside_an_address_is_text_and_no_phrase() {
        for name in ["Lee, Ann", "Ann \"A.\" Lee", "J\u{fc}rgen", "a@b", "=?utf-8?q?x?="] {
            let given = GivenAddresses::from((name, "ann@example.com"));
            let mailboxes: Vec<_> = given.list.mailboxes().collect();
            assert_eq!(mailboxes.len(), 1, "{name}");
            assert_eq!(mailboxes[0].name(), Some(name));
        }
    }

    #[test]
    fn what_a_pair_may_not_hold_is_refused() {
        for (name, address, wanted) in [
            ("Ann\r\nBcc: eve@example.net", "ann@example.com", 3),
            ("Ann", "ann@example.com\r\nBcc: eve@example.net", 15),
            ("Ann", "ann@example.com\n", 15),
        ] {
            let refused = join(name, address).unwrap_err();
            assert_eq!(refused.problem, FieldProblem::ControlCharacter { position: wanted }, "{refused:?}");
        }
        for (name, address) in [("Ann", "ann"), ("Ann", "<ann@example.com>"), ("a\u{85}", "a@x.example"), ("", "")] {
            let refused = join(name, address).unwrap_err();
            assert!(matches!(refused.problem, FieldProblem::Address(_)), "{refused:?}");
        }
    }

    #[test]
    fn a_folded_list_is_not_taken_as_text() {
        let given = GivenAddresses::from("a@x.example,\r\n b@x.example");
        assert!(given.list.is_empty());
        assert_eq!(given.refused.iter().next().unwrap().problem, FieldProblem::ControlCharacter { position: 12 });
    }

    proptest! {
        #[test]
        fn a_pair_a_mailbox_and_its_text_are_the_same(name in "\\PC{0,20}", local_part in "[a-z\"\\\\ .@]{1,8}") {
            let domain = mailkit_address::Domain::parse("example.com").unwrap();
            let address = Address::new(&local_part, domain).unwrap();
            let mailbox = Mailbox::new(Some(&name), address.clone()).unwrap();
            let pair = GivenAddresses::from((&name, address.to_string()));
            let text = GivenAddresses::from(mailbox.to_string());
            prop_assert_eq!(&pair.list, &AddressList::from(mailbox));
            prop_assert_eq!(text.list, pair.list);
        }
    }
}
