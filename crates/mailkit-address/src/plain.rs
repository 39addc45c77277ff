//! The form that nearly all addresses have, read in one go.
//!
//! `local@domain` and `Name <local@domain>`, with nothing that needs a second look: no quotes, no
//! comments, no blanks but one between the words of a name, and a domain in lower-case letters,
//! digits and hyphens. Those of letters and digits alone are seen eight bytes at a time
//! ([`glance`]), the others byte by byte. What is read here is read the same by the
//! [`Cursor`](crate::scan::Cursor), which decides on everything else, faults included.

use crate::address::MAX_ADDRESS_LEN;
use crate::domain::MAX_LABEL_LEN;
use crate::glance;
use crate::mailbox::{MAX_NAME_LEN, Mailbox};
use crate::text::Text;

const ATEXT: u8 = 1;
/// Of a word of a name: `atext`, also beyond ASCII, and dots.
const WORD: u8 = 2;
/// Of a label: a letter in lower case, or a digit.
const LETTER: u8 = 4;
const HYPHEN: u8 = 8;
/// Of a name that is no phrase: anything but control characters.
const NAME: u8 = 16;

static CLASSES: [u8; 256] = classes();

#[expect(clippy::indexing_slicing, reason = "computed by the compiler, which would stop at an index out of range")]
const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        classes[byte as usize] = match byte {
            b'a'..=b'z' | b'0'..=b'9' => ATEXT | WORD | LETTER | NAME,
            b'-' => ATEXT | WORD | HYPHEN | NAME,
            b'A'..=b'Z' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'/' => ATEXT | WORD | NAME,
            b'=' | b'?' | b'^' | b'_' | b'`' | b'{' | b'|' | b'}' | b'~' => ATEXT | WORD | NAME,
            b'.' => WORD | NAME,
            // 0xC2 starts the control characters beyond ASCII.
            0x80..=0xC1 | 0xC3..=0xFF => WORD | NAME,
            b' '..=b'~' => NAME,
            _ => 0,
        };
        if byte == u8::MAX {
            return classes;
        }
        byte += 1;
    }
}

fn is(byte: u8, wanted: u8) -> bool {
    CLASSES.get(usize::from(byte)).is_some_and(|class| class & wanted != 0)
}

/// A mailbox at the start of a text, up to its end or the next element of a list; and the rest.
pub(crate) fn mailbox(text: &str) -> Option<(Mailbox, &str)> {
    let bytes = text.as_bytes();
    let (name, start) = name(bytes).map_or((0, 0), |length| (length, length + " <".len()));
    let whole = if start == 0 { bytes } else { bytes.strip_suffix(b">").unwrap_or_default() };
    let (at, end) = match whole.get(start..).and_then(glance::address) {
        Some(at) => (start + at, whole.len()),
        None => address_at(bytes, start)?,
    };
    let rest = text.get(end..)?;
    let rest = if start == 0 { rest } else { rest.strip_prefix('>')? };
    if !matches!(rest.as_bytes().first(), None | Some(b',' | b';')) {
        return None;
    }
    Some((Mailbox::from(Text::plain(text.get(..end)?.into(), name, start, at)), rest))
}

/// Where the `@` is, if the whole text is an address.
pub(crate) fn address(text: &str) -> Option<usize> {
    let closely = || address_at(text.as_bytes(), 0).filter(|&(_, end)| end == text.len()).map(|(at, _)| at);
    glance::address(text.as_bytes()).or_else(closely)
}

/// Whether a text is a name just as it stands: no control character, no blank at its ends.
pub(crate) fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    (glance::is_name(bytes) || bytes.iter().all(|&byte| is(byte, NAME)))
        && !matches!(bytes, [] | [b' ', ..] | [.., b' '])
        && bytes.len() <= MAX_NAME_LEN
}

/// Whether a text is `dot-atom-text` in ASCII.
pub(crate) fn is_local_part(text: &str) -> bool {
    local_part_end(text.as_bytes(), 0) == Some(text.len())
}

/// An address that starts here: where its `@` is and where it ends. What follows may still make it another.
#[inline(always)]
fn address_at(text: &[u8], start: usize) -> Option<(usize, usize)> {
    let at = local_part_end(text, start)?;
    if text.get(at) != Some(&b'@') {
        return None;
    }
    let end = domain_end(text, at + 1)?;
    (end - start <= MAX_ADDRESS_LEN).then_some((at, end))
}

/// The length of the words before an angle bracket: one blank apart, and one before the bracket.
fn name(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let end = run(text, at, WORD);
        if end == at || text.get(end) != Some(&b' ') {
            return None;
        }
        at = end + 1;
        if text.get(at) == Some(&b'<') {
            return (end <= MAX_NAME_LEN).then_some(end);
        }
    }
}

/// `dot-atom-text` (RFC 5322 §3.2.3).
fn local_part_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let end = run(text, at, ATEXT);
        if end == at {
            return None;
        }
        if text.get(end) != Some(&b'.') {
            return Some(end);
        }
        at = end + 1;
    }
}

/// A host name that is in its one form already: lower case, no A-label, no number at its end. In an address of
/// [`MAX_ADDRESS_LEN`] it is short enough.
fn domain_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let mut end = run(text, at, LETTER);
        if text.get(end) == Some(&b'-') {
            end = run(text, end, LETTER | HYPHEN);
            let label = text.get(at..end)?;
            if label.starts_with(b"-") || label.starts_with(b"xn--") || label.ends_with(b"-") {
                return None;
            }
        }
        if end == at || end - at > MAX_LABEL_LEN {
            return None;
        }
        if text.get(end) != Some(&b'.') {
            let is_number = text.get(at..end)?.iter().rev().all(u8::is_ascii_digit);
            return (!is_number).then_some(end);
        }
        at = end + 1;
    }
}

/// Where the bytes of a class that start here end.
#[inline(always)]
fn run(text: &[u8], start: usize, class: u8) -> usize {
    let mut at = start;
    while text.get(at).is_some_and(|&byte| is(byte, class)) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::address::Address;
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
        if let Some(at) = address(text) {
            let found = Address::from(Text::of_plain("", text, at));
            let mut cursor = Cursor::new(text, Spacing::None);
            let wanted = Address::scan(&mut cursor).ok().filter(|_| cursor.at_end());
            prop_assert_eq!(wanted, Some(found), "{:?}", text);
        }
        Ok(mailbox(text).is_some())
    }

    #[test]
    fn what_nearly_all_addresses_look_like_is_plain() {
        let longest = format!("{}@{}.example", "a".repeat(182), "b".repeat(63));
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
        for (local, domain) in [(253, 1), (1, 64)] {
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
