//! The envelope: whom a message is from and whom it goes to, for the servers.

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::address::Address;
use crate::list::AddressList;
use crate::mailbox::Mailbox;
use crate::path::ReversePath;

/// One reverse path and at least one recipient (RFC 5321 §2.3.1).
///
/// It says where a message goes, whatever its header says. A recipient that was
/// given twice is kept once, at its first place.
///
/// ```
/// use mailkit_address::{Address, Envelope};
///
/// let ann = Address::parse("ann@example.com")?;
/// let bob = Address::parse("bob@example.org")?;
/// let envelope = Envelope::new(ann, vec![bob.clone(), bob.clone()])?;
/// assert_eq!(envelope.recipients(), [bob]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Envelope {
    reverse_path: ReversePath,
    recipients: Recipients,
}

/// Most messages go to one. Many are shared: an envelope is cloned wherever its message goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Recipients {
    One(Address),
    Many(Arc<[Address]>),
}

impl Recipients {
    fn of(mut addresses: Vec<Address>) -> Self {
        match addresses.pop() {
            Some(only) if addresses.is_empty() => Self::One(only),
            last => {
                addresses.extend(last);
                Self::Many(addresses.into())
            }
        }
    }
}

impl Envelope {
    /// Joins a reverse path (an [`Address`], an `Option` of one, or a
    /// [`ReversePath`]) and recipients.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError::NoRecipients`] where there are none.
    pub fn new(reverse_path: impl Into<ReversePath>, recipients: Vec<Address>) -> Result<Self, EnvelopeError> {
        if recipients.is_empty() {
            return Err(EnvelopeError::NoRecipients);
        }
        let recipients = Recipients::of(without_duplicates(recipients));
        Ok(Self { reverse_path: reverse_path.into(), recipients })
    }

    /// The same for all mailboxes of a list, groups included; a single one takes no memory of its own.
    ///
    /// ```
    /// use mailkit_address::{AddressList, Envelope};
    ///
    /// let to = AddressList::parse("Ann <ann@example.com>, bob@example.org")?;
    /// assert_eq!(Envelope::for_list(None, to)?.recipients().len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`EnvelopeError::NoRecipients`] where there are none.
    pub fn for_list(reverse_path: impl Into<ReversePath>, list: AddressList) -> Result<Self, EnvelopeError> {
        match list.into_only() {
            Ok(only) => {
                Ok(Self { reverse_path: reverse_path.into(), recipients: Recipients::One(only.into_address()) })
            }
            Err(list) => Self::new(reverse_path, list.into_mailboxes().map(Mailbox::into_address).collect()),
        }
    }

    /// An envelope with the null reverse path, as reports have it.
    ///
    /// ```
    /// use mailkit_address::{Envelope, ReversePath};
    ///
    /// let envelope = Envelope::null_sender(vec!["ann@example.com".parse()?])?;
    /// assert_eq!(*envelope.reverse_path(), ReversePath::Null);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`EnvelopeError::NoRecipients`] where there are none.
    pub fn null_sender(recipients: Vec<Address>) -> Result<Self, EnvelopeError> {
        Self::new(ReversePath::Null, recipients)
    }

    /// Where a report about the message goes.
    #[must_use]
    pub fn reverse_path(&self) -> &ReversePath {
        &self.reverse_path
    }

    /// The recipients of the message: at least one, each once.
    #[must_use]
    pub fn recipients(&self) -> &[Address] {
        match &self.recipients {
            Recipients::One(address) => std::slice::from_ref(address),
            Recipients::Many(addresses) => addresses,
        }
    }

    /// The recipients alone. A single one is moved, not copied.
    pub fn into_recipients(self) -> impl Iterator<Item = Address> {
        let (only, many) = match self.recipients {
            Recipients::One(only) => (Some(only), None),
            Recipients::Many(addresses) => (None, Some(addresses)),
        };
        let many = many.into_iter().flat_map(|addresses| (0..).map_while(move |at| addresses.get(at).cloned()));
        only.into_iter().chain(many)
    }

    /// Whether any address asks for a server with SMTPUTF8 (RFC 6531).
    #[must_use]
    pub fn needs_smtp_utf8(&self) -> bool {
        self.reverse_path.address().into_iter().chain(self.recipients()).any(Address::needs_smtp_utf8)
    }
}

/// Why an [`Envelope`] was not made.
///
/// ```
/// use mailkit_address::{Envelope, EnvelopeError};
///
/// assert_eq!(Envelope::null_sender(Vec::new()), Err(EnvelopeError::NoRecipients));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// There is no recipient.
    NoRecipients,
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecipients => f.write_str("no recipients in the envelope: name at least one"),
        }
    }
}

impl Error for EnvelopeError {}

/// Up to so many recipients, to compare each with those before it is faster than to hash them.
const FEW: usize = 16;

fn without_duplicates(mut recipients: Vec<Address>) -> Vec<Address> {
    if recipients.len() <= FEW {
        let mut at = 1;
        while let Some((before, [address, ..])) = recipients.split_at_checked(at) {
            if before.contains(address) {
                recipients.remove(at);
            } else {
                at += 1;
            }
        }
        return recipients;
    }
    let mut seen = HashSet::with_capacity(recipients.len());
    let first: Vec<bool> = recipients.iter().map(|address| seen.insert(address)).collect();
    if seen.len() < recipients.len() {
        let mut first = first.into_iter();
        recipients.retain(|_| first.next().unwrap_or(true));
    }
    recipients
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<Address> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn an_envelope_without_recipients_is_not_made() {
        let error = Envelope::new(None, Vec::new()).unwrap_err();
        assert_eq!(error, EnvelopeError::NoRecipients);
        assert!(error.to_string().starts_with("no recipients"));
    }

    #[test]
    fn the_mailboxes_of_a_list_make_the_same_envelope() {
        for text in ["", "Team:;", "a@x", "Ann <a@x>, a@x", "Team: a@x;", "b@x, Team: a@x, b@x;"] {
            let list = AddressList::parse(text).unwrap();
            let given = list.mailboxes().map(|mailbox| mailbox.address().clone()).collect();
            assert_eq!(Envelope::for_list(None, list), Envelope::new(None, given), "{text}");
        }
    }

    #[test]
    fn a_recipient_given_twice_is_kept_once_at_its_first_place() {
        let given = addresses(&["b@x", "a@x", "\"b\"@X", "B@x", "a@x"]);
        let envelope = Envelope::null_sender(given).unwrap();
        assert_eq!(envelope.recipients(), addresses(&["b@x", "a@x", "B@x"]));
        assert_eq!(*envelope.reverse_path(), ReversePath::Null);
    }

    #[test]
    fn few_and_many_recipients_lose_their_duplicates_alike() {
        for count in [1, 2, FEW, FEW + 1, 3 * FEW] {
            let given = addresses(&(0..count).map(|at| ["a@x", "b@x", "c@x"][at % 3]).collect::<Vec<_>>());
            let wanted = addresses(&["a@x", "b@x", "c@x"][..count.min(3)]);
            assert_eq!(Envelope::null_sender(given).unwrap().recipients(), wanted, "{count}");
        }
    }

    #[test]
    fn one_local_part_beyond_ascii_asks_for_smtp_utf8() {
        let needs = |from: Option<&str>, to: &[&str]| {
            Envelope::new(from.map(|text| text.parse::<Address>().unwrap()), addresses(to)).unwrap().needs_smtp_utf8()
        };
        assert!(!needs(None, &["a@bücher.example"]));
        assert!(needs(None, &["a@x", "é@x"]));
        assert!(needs(Some("é@x"), &["a@x"]));
    }
}
