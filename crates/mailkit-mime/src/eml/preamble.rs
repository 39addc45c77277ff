//! What programs put in front of the header of a saved message, which is no part of it.

use super::fields::first_line;
use super::notes::{EmlNote, EmlNotes};

/// What stands in front of a header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Preamble {
    /// Its length in octets.
    pub(super) length: usize,
    /// How many lines it has.
    pub(super) lines: u64,
    pub(super) notes: EmlNotes,
}

impl Preamble {
    /// Finds a byte order mark, and the lines `From …` and `>From …` with which mailbox files (RFC 4155) separate
    /// messages.
    pub(super) fn of(message: &[u8]) -> Self {
        let mut found = Self::default();
        if message.starts_with("\u{feff}".as_bytes()) {
            found.length = "\u{feff}".len();
            found.notes.add(EmlNote::ByteOrderMark);
        }
        loop {
            let (line, length) = first_line(message.get(found.length..).unwrap_or_default());
            if !is_separator(line) {
                return found;
            }
            found.length += length;
            found.lines += 1;
            found.notes.add(EmlNote::MailboxSeparator);
        }
    }
}

/// Whether a line separates messages. A field may have blanks before its colon (RFC 5322 §4.5): `From : ann@example.com`
/// is one.
fn is_separator(line: &[u8]) -> bool {
    let behind = line.strip_prefix(b">").unwrap_or(line).strip_prefix(b"From ");
    behind.is_some_and(|behind| !behind.trim_ascii_start().starts_with(b":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_no_separator_and_stands_in_front_of_nothing() {
        for header in ["From: a@x\n", "From : a@x\n", "From \t: a@x\n", "Fromage x\n", "", "\n", "From", "\nFrom a\n"] {
            assert_eq!(Preamble::of(header.as_bytes()), Preamble::default(), "{header:?}");
        }
        for (text, length, lines) in [
            ("\u{feff}A: b\n", 3, 0),
            ("From a@x Mon Nov 23 07:03:00 2026\r\nA: b\n", 35, 1),
            ("From a\r>From b\nA: b\n", 15, 2),
            ("\u{feff}From a\nFrom : b\n", 10, 1),
            ("From a", 6, 1),
        ] {
            let found = Preamble::of(text.as_bytes());
            assert_eq!((found.length, found.lines), (length, lines), "{text:?}");
        }
    }
}
