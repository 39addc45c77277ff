//! What the address methods of the builder take: text, or values that were read before.

use std::borrow::Cow;

use mailkit_address::{Address, AddressEntry, AddressList, Group, Mailbox};

use crate::error::FieldProblem;
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
#[derive(Debug, Clone, Default)]
pub struct GivenAddresses {
    pub(crate) list: AddressList,
    pub(crate) refused: Vec<Refused>,
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
    pub(crate) fn add(&mut self, more: Self) {
        if self.is_empty() {
            *self = more;
        } else {
            self.list.extend(more.list);
            self.refused.extend(more.refused);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.refused.is_empty()
    }
}

impl Refused {
    fn new(text: &str, problem: FieldProblem) -> Self {
        Self { text: text.to_owned(), problem }
    }
}

fn read_list(text: &str) -> Result<AddressList, Refused> {
    check(text)?;
    match AddressList::parse(text) {
        Ok(list) if list.is_empty() => Err(Refused::new(text, FieldProblem::Missing)),
        Ok(list) => Ok(list),
        Err(error) => Err(Refused::new(text, FieldProblem::Address(error))),
    }
}

pub(crate) fn read_mailbox(text: &str) -> Result<Mailbox, Refused> {
    check(text)?;
    Mailbox::parse(text).map_err(|error| Refused::new(text, FieldProblem::Address(error)))
}

/// Joins a name, which is text and no phrase, and an address.
fn join(name: &str, address: &str) -> Result<Mailbox, Refused> {
    let refused = |text: &str, error| {
        check(text).err().unwrap_or_else(|| Refused::new(text, FieldProblem::Address(error)))
    };
    let parsed = Address::parse(address).map_err(|error| refused(address, error))?;
    Mailbox::new(Some(name), parsed).map_err(|error| refused(name, error))
}

/// Refuses what could end a line or hide one.
fn check(text: &str) -> Result<(), Refused> {
    match control_character(text) {
        Some(position) => Err(Refused::new(text, FieldProblem::ControlCharacter { position })),
        None => Ok(()),
    }
}

impl<L: Into<AddressList>> From<Result<L, Refused>> for GivenAddresses {
    fn from(read: Result<L, Refused>) -> Self {
        match read {
            Ok(list) => Self { list: list.into(), refused: Vec::new() },
            Err(refused) => Self { list: AddressList::new(), refused: vec![refused] },
        }
    }
}

macro_rules! from_text {
    ($($text:ty),*) => {$(
        impl From<$text> for GivenAddresses {
            fn from(text: $text) -> Self {
                read_list(&text).into()
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
        join(name.as_ref(), address.as_ref()).into()
    }
}

impl<N: AsRef<str>, A: AsRef<str>> From<(N, A)> for GivenMailbox {
    fn from((name, address): (N, A)) -> Self {
        Self(join(name.as_ref(), address.as_ref()))
    }
}

impl From<AddressList> for GivenAddresses {
    fn from(list: AddressList) -> Self {
        Self { list, refused: Vec::new() }
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
