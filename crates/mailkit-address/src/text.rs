//! The one text that a mailbox, its address and its domain share.

use crate::address::MAX_ADDRESS_LEN;
use crate::domain::MAX_UNICODE_LEN;
use crate::mailbox::MAX_NAME_LEN;

// The limits let every place fit into 16 bits, and every place in an address into 8.
const _: () = assert!(MAX_ADDRESS_LEN <= u8::MAX as usize);
const _: () = assert!(MAX_NAME_LEN + MAX_UNICODE_LEN + MAX_ADDRESS_LEN + 2 <= u16::MAX as usize);

/// The longest name that may stand before an address which is under no name any more.
const LONGEST_KEPT: u16 = 64;

/// A name, a domain in U-labels and `local-part@domain`, in this order; the domain is always there.
///
/// To ask for memory costs more than to read what goes into it, so it is asked for once. Each value looks at its own
/// part only: an address taken out of a mailbox still has the name before it.
pub(crate) struct Text {
    whole: Box<str>,
    /// Where the domain starts, up to the end.
    domain: u16,
    /// The length of the name, which is at the start; 0 where there is none.
    name: u16,
    /// The length of the U-labels, which are close before the address; 0 where the form for the wire says it all.
    unicode: u16,
    /// The length of the local part and its `@`, which are close before the domain.
    local_part: u8,
    /// Whether the local part is `dot-atom-text` in ASCII, as nearly all are.
    is_plain: bool,
}

impl Text {
    /// A domain in its form for the wire, and in U-labels where they differ.
    pub(crate) fn of_domain(ascii: &str, unicode: Option<&str>) -> Self {
        let unicode = unicode.unwrap_or_default();
        Self {
            whole: joined([unicode, ascii]),
            domain: unicode.len() as u16,
            name: 0,
            unicode: unicode.len() as u16,
            local_part: 0,
            is_plain: false,
        }
    }

    /// The same domain behind a local part.
    pub(crate) fn behind(&self, local_part: &str, is_plain: bool) -> Self {
        let unicode = self.unicode().unwrap_or_default();
        Self {
            whole: joined([unicode, local_part, "@", self.domain()]),
            domain: (unicode.len() + local_part.len() + 1) as u16,
            name: 0,
            unicode: self.unicode,
            local_part: (local_part.len() + 1) as u8,
            is_plain,
        }
    }

    /// The same address under a name.
    pub(crate) fn under(&self, name: &str) -> Self {
        let domain = name.len() as u16 + self.unicode + u16::from(self.local_part);
        Self { whole: joined([name, self.nameless()]), domain, name: name.len() as u16, ..*self }
    }

    /// A plain address with its `@` at this place of it, under a name, which may be empty.
    #[inline]
    pub(crate) fn of_plain(name: &str, address: &str, at: usize) -> Self {
        Self::plain(joined([name, address]), name.len(), name.len(), name.len() + at)
    }

    /// What starts with a name and ends with a plain address: that starts at one place and has its `@` at another.
    pub(crate) fn plain(whole: Box<str>, name: usize, address: usize, at: usize) -> Self {
        Self {
            whole,
            domain: (at + 1) as u16,
            name: name as u16,
            unicode: 0,
            local_part: (at + 1 - address) as u8,
            is_plain: true,
        }
    }

    /// The name no longer counts: a short one stays where it is, which costs less than a copy without it.
    pub(crate) fn without_name(self) -> Self {
        if self.name > LONGEST_KEPT { self.copy_address() } else { Self { name: 0, ..self } }
    }

    pub(crate) fn copy_mailbox(&self) -> Self {
        Self { whole: self.whole.clone(), ..*self }
    }

    pub(crate) fn copy_address(&self) -> Self {
        let domain = self.unicode + u16::from(self.local_part);
        Self { whole: self.nameless().into(), domain, name: 0, ..*self }
    }

    pub(crate) fn copy_domain(&self) -> Self {
        Self::of_domain(self.domain(), self.unicode())
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.whole.get(..usize::from(self.name)).filter(|name| !name.is_empty())
    }

    pub(crate) fn domain(&self) -> &str {
        self.whole.get(usize::from(self.domain)..).unwrap_or_default()
    }

    pub(crate) fn unicode(&self) -> Option<&str> {
        self.nameless().get(..usize::from(self.unicode)).filter(|unicode| !unicode.is_empty())
    }

    pub(crate) fn local_part(&self) -> &str {
        self.address().get(..usize::from(self.local_part).saturating_sub(1)).unwrap_or_default()
    }

    /// `local-part@domain`, without quotes.
    #[inline]
    pub(crate) fn address(&self) -> &str {
        self.whole.get(self.address_start()..).unwrap_or_default()
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// The U-labels and the address.
    fn nameless(&self) -> &str {
        self.whole.get(self.address_start() - usize::from(self.unicode)..).unwrap_or_default()
    }

    fn address_start(&self) -> usize {
        usize::from(self.domain) - usize::from(self.local_part)
    }
}

#[inline(always)]
fn joined<const N: usize>(parts: [&str; N]) -> Box<str> {
    let mut whole = String::with_capacity(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| whole.push_str(part));
    whole.into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crate::{Address, Domain, Mailbox};

    const ADDRESSES: [&str; 5] =
        ["ann@example.com", "\"ann lee\"@example.com", "é@bücher.example", "a@xn--bcher-kva.example", "a@[192.0.2.1]"];

    #[test]
    fn an_address_out_of_a_mailbox_is_the_same_as_one_read_alone() {
        for text in ADDRESSES {
            let alone = Address::parse(text).unwrap();
            let domain = Domain::parse(alone.domain().as_ascii()).unwrap();
            for name in ["", "Ann", "Jürgen", "Lee, Ann"] {
                let mailbox = Mailbox::named(name, text).unwrap();
                let copy = mailbox.address().clone();
                for address in [mailbox.address(), &copy, &mailbox.clone().into_address()] {
                    assert_eq!((address, address.domain()), (&alone, &domain));
                    assert_eq!(address.cmp(&alone), std::cmp::Ordering::Equal);
                    assert!(HashSet::from([address]).contains(&alone));
                    assert_eq!(address.to_string(), alone.to_string());
                    assert_eq!(address.to_unicode(), alone.to_unicode());
                    assert_eq!(address.as_unquoted(), alone.as_unquoted());
                    assert_eq!(address.domain().clone().as_unicode(), domain.as_unicode());
                }
            }
        }
    }

    #[test]
    fn an_address_forgets_the_name_that_it_was_under() {
        for text in ADDRESSES {
            let bare = Mailbox::parse(text).unwrap();
            let named = Mailbox::named("Ann", text).unwrap();
            assert_eq!((named.name(), bare.name()), (Some("Ann"), None));
            assert_ne!(named, bare);
            let again = Mailbox::from(named.clone().into_address());
            assert_eq!((again.name(), &again), (None, &bare));
            let other = Mailbox::new(Some("Bob"), named.into_address()).unwrap();
            assert_eq!((other.name(), other.address()), (Some("Bob"), bare.address()));
            assert_eq!(other.clone(), other);
        }
    }

    #[test]
    fn an_address_does_not_carry_a_long_name_along() {
        for length in [1, 64, 65, crate::MAX_NAME_LEN] {
            let mailbox = Mailbox::named(&"n".repeat(length), "ann@example.com").unwrap();
            let kept = mailbox.into_address().text().whole.len();
            assert!(kept <= 64 + "ann@example.com".len(), "{kept} bytes of a name of {length}");
        }
    }

    #[test]
    fn the_longest_parts_fit() {
        let name = "n".repeat(crate::MAX_NAME_LEN);
        let labels = [63, 63, 63, 1].map(|length| "b".repeat(length));
        let local_part = "a".repeat(crate::MAX_ADDRESS_LEN - 1 - labels.join(".").len());
        let text = format!("{local_part}@{}", labels.join("."));
        let mailbox = Mailbox::named(&name, &text).unwrap();
        assert_eq!((mailbox.name(), mailbox.address().local_part()), (Some(&*name), &*local_part));
        assert_eq!(mailbox.address().as_unquoted(), Some(&*text));
        assert_eq!(Mailbox::parse(&mailbox.to_string()), Ok(mailbox));
    }
}
