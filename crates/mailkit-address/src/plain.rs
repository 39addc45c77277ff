//! The form that nearly all addresses have, read in one go.
//!
//! `local@domain` and `Name <local@domain>`, with nothing that needs a second look: no quotes, no
//! comments, no blanks but one between the words of a name, and a domain in lower-case letters,
//! digits and hyphens. What is read here is read the same by the [`Cursor`](crate::scan::Cursor),
//! which decides on everything else, faults included.

use crate::address::{Address, MAX_ADDRESS_LEN, MAX_LOCAL_PART_LEN};
use crate::domain::{MAX_HOST_NAME_LEN, MAX_LABEL_LEN};
use crate::mailbox::{MAX_NAME_LEN, Mailbox};

const ATEXT: u8 = 1;
/// Of a word of a name: `atext`, also beyond ASCII, and dots.
const WORD: u8 = 2;
const LABEL: u8 = 4;
const DIGIT: u8 = 8;

static CLASSES: [u8; 256] = classes();

#[expect(clippy::indexing_slicing, reason = "computed by the compiler, which would stop at an index out of range")]
const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        classes[byte as usize] = match byte {
            b'a'..=b'z' => ATEXT | WORD | LABEL,
            b'0'..=b'9' => ATEXT | WORD | LABEL | DIGIT,
            b'-' => ATEXT | WORD | LABEL,
            b'A'..=b'Z' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'/' => ATEXT | WORD,
            b'=' | b'?' | b'^' | b'_' | b'`' | b'{' | b'|' | b'}' | b'~' => ATEXT | WORD,
            b'.' => WORD,
            // 0xC2 starts the control characters beyond ASCII.
            0x80..=0xC1 | 0xC3..=0xFF => WORD,
            _ => 0,
        };
        if byte == u8::MAX {
            return classes;
        }
        byte += 1;
    }
}

fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or_default()
}

fn is(byte: u8, wanted: u8) -> bool {
    class(byte) & wanted != 0
}

/// A mailbox at the start of a text, up to its end or the next element of a list; and the rest.
pub(crate) fn mailbox(text: &str) -> Option<(Mailbox, &str)> {
    let (name, text) = name(text).map_or((None, text), |(name, rest)| (Some(name), rest));
    let (address, mut rest) = address(text)?;
    if name.is_some() {
        rest = rest.strip_prefix('>')?;
    }
    let ends = matches!(rest.as_bytes().first(), None | Some(b',' | b';'));
    ends.then(|| (Mailbox::joined(name.map(Into::into), address), rest))
}

/// An address at the start of a text, and the rest: what follows may still make it another.
pub(crate) fn address(text: &str) -> Option<(Address, &str)> {
    let at = local_part_len(text.as_bytes())?;
    let domain = text.as_bytes().get(at + 1..).filter(|_| text.as_bytes().get(at) == Some(&b'@'))?;
    let (address, rest) = text.split_at_checked(at + 1 + domain_len(domain)?)?;
    let sound = at <= MAX_LOCAL_PART_LEN && address.len() <= MAX_ADDRESS_LEN;
    sound.then(|| (Address::plain(address, at), rest))
}

/// The words before an angle bracket, one blank apart and one before it; and what is behind it.
fn name(text: &str) -> Option<(&str, &str)> {
    let mut before = b' ';
    for (at, &byte) in text.as_bytes().iter().enumerate() {
        if !is(byte, WORD) && (byte != b' ' || before == b' ') {
            let ends = byte == b'<' && before == b' ' && at > 1 && at <= MAX_NAME_LEN;
            return if ends { Some((text.get(..at - 1)?, text.get(at + 1..)?)) } else { None };
        }
        before = byte;
    }
    None
}

/// Whether a text is `dot-atom-text` in ASCII.
pub(crate) fn is_local_part(text: &str) -> bool {
    local_part_len(text.as_bytes()) == Some(text.len())
}

/// `dot-atom-text` (RFC 5322 §3.2.3).
fn local_part_len(text: &[u8]) -> Option<usize> {
    let mut before = b'.';
    let mut length = 0;
    for &byte in text {
        if !is(byte, ATEXT) && (byte != b'.' || before == b'.') {
            break;
        }
        before = byte;
        length += 1;
    }
    (before != b'.').then_some(length)
}

/// A host name that is in its one form already: lower case, no A-label, no number at its end.
fn domain_len(text: &[u8]) -> Option<usize> {
    let (mut length, mut start, mut classes) = (0, 0, DIGIT);
    for &byte in text {
        let class = class(byte);
        if class & LABEL != 0 {
            classes &= class;
        } else if byte == b'.' {
            if !is_label(text.get(start..length)?) {
                return None;
            }
            (start, classes) = (length + 1, DIGIT);
        } else {
            break;
        }
        length += 1;
    }
    let is_number = classes & DIGIT != 0;
    let sound = is_label(text.get(start..length)?) && !is_number && length <= MAX_HOST_NAME_LEN;
    sound.then_some(length)
}

/// Whether letters, digits and hyphens are a label as they stand.
fn is_label(label: &[u8]) -> bool {
    !matches!(label, [] | [b'-', ..] | [.., b'-'] | [b'x', b'n', b'-', b'-', ..]) && label.len() <= MAX_LABEL_LEN
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scan::{Cursor, Spacing};

    fn agrees(text: &str) -> Result<bool, TestCaseError> {
        for spacing in [Spacing::Line, Spacing::Folded] {
            if let Some((found, rest)) = mailbox(text) {
                let mut cursor = Cursor::new(text, spacing);
                let wanted = Mailbox::scan_closely(&mut cursor);
                prop_assert_eq!(wanted.ok(), Some(found), "{:?}", text);
                prop_assert_eq!(cursor.rest(), rest, "{:?}", text);
            }
        }
        if let Some((found, "")) = address(text) {
            let mut cursor = Cursor::new(text, Spacing::None);
            let wanted = Address::scan(&mut cursor).ok().filter(|_| cursor.at_end());
            prop_assert_eq!(wanted, Some(found), "{:?}", text);
        }
        Ok(mailbox(text).is_some())
    }

    #[test]
    fn what_nearly_all_addresses_look_like_is_plain() {
        let longest = format!("{}@{}.example", "a".repeat(64), "b".repeat(63));
        for text in
            ["ann@example.com", "a.b+c@x", "Ann <a@1.x>", "J\u{fc}rgen O'B. Gro\u{df} <j@b-c.example>", &longest]
        {
            assert!(agrees(text).unwrap(), "{text:?}");
        }
    }

    #[test]
    fn what_needs_a_closer_look_is_not_plain() {
        for text in [
            "",
            "<a@x>",
            " a@x",
            "a@x ",
            "a@X",
            "a@1.2.3.4",
            "a@7",
            "a@-x",
            "a@x-",
            "a@x..y",
            "a@x.",
            "a@.x",
            "a@a_b",
            "a@xn--bcher-kva",
            ".a@x",
            "a.@x",
            "a..b@x",
            "\u{e9}@x",
            "a@\u{e9}",
            "\"a\"@x",
            "A  B <a@x>",
            "A\u{85} <a@x>",
            "A<a@x>",
            "A <a@x",
            "A <a@x> ",
            "(c) a@x",
            "A: a@x;",
            "a@[1.2.3.4]",
            "a b@x",
        ] {
            assert!(!agrees(text).unwrap(), "{text:?}");
        }
        for (local, domain) in [(65, 1), (1, 64)] {
            let text = format!("{}@{}", "a".repeat(local), "b".repeat(domain));
            assert!(mailbox(&text).is_none());
        }
    }

    proptest! {
        #[test]
        fn a_closer_look_finds_the_same(
            text in "([A-Za-z.é]{1,3} ?|[!-~]|\\PC){0,3} ?<?[a-z.+-]{1,70}@([a-z0-9-]{1,64}\\.?){1,5}>?[ ,;]?[a@x]{0,3}"
        ) {
            agrees(&text)?;
        }

        #[test]
        fn a_closer_look_finds_the_same_in_plain_mailboxes(
            text in "(|([!#-'*+./-9A-Z^-~é\u{80}-\u{ff}]{1,9} ){1,3}<)[a-z.+-]{1,9}@([a-zA-Z0-9_-]{1,5}\\.){0,3}[a-z0-9-]{1,5}(|>|>,a|,b@x|;)"
        ) {
            agrees(&text)?;
        }
    }
}
