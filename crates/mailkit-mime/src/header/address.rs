//! Address fields (RFC 5322 §3.4), with names beyond ASCII (RFC 2047 §5).

use mailkit_address::{AddressEntry, AddressList, Mailbox};

use super::encoded_word::{Place, looks_encoded, write_encoded};
use super::fold::{Folder, Overlong};
use super::parameter::quote;

/// A longer quoted name is encoded, since a quoted string is not folded.
const MAX_QUOTED: usize = 76;

/// Writes an address field (RFC 5322 §3.4), if there is an address; with raw UTF-8 where that is
/// allowed (RFC 6532).
#[inline]
pub(crate) fn write_list(out: &mut Vec<u8>, name: &str, list: &AddressList, utf8: bool) -> Result<(), Overlong> {
    if list.is_empty() {
        return Ok(());
    }
    let mut folder = Folder::start(out, name).utf8(utf8);
    write_entries(&mut folder, list);
    folder.finish()
}

pub(super) fn write_entries(folder: &mut Folder<'_>, list: &AddressList) {
    let mut entries = list.iter();
    while let Some(entry) = entries.next() {
        let comma = if entries.as_slice().is_empty() { "" } else { "," };
        match entry {
            AddressEntry::Mailbox(mailbox) => write_mailbox(folder, mailbox, comma),
            AddressEntry::Group(group) => write_group(folder, group.name(), group.members(), comma),
        }
    }
}

/// Writes a field with one mailbox.
pub(crate) fn write_one(out: &mut Vec<u8>, name: &str, mailbox: &Mailbox, utf8: bool) -> Result<(), Overlong> {
    let mut folder = Folder::start(out, name).utf8(utf8);
    write_mailbox(&mut folder, mailbox, "");
    folder.finish()
}

/// Writes `[display-name] <addr-spec>` or `addr-spec`, with `end` close behind.
fn write_mailbox(folder: &mut Folder<'_>, mailbox: &Mailbox, end: &str) {
    let quoted;
    let address = match mailbox.address().as_unquoted() {
        Some(text) => text,
        None => {
            quoted = mailbox.address().to_string();
            &quoted
        }
    };
    let length = 1 + address.len() + end.len();
    let Some(name) = mailbox.name() else {
        let out = folder.place(length, 0);
        out.push(b' ');
        out.extend_from_slice(address.as_bytes());
        out.extend_from_slice(end.as_bytes());
        return;
    };
    write_phrase(folder, name, "");
    let out = folder.place(length + 2, 0);
    out.extend_from_slice(b" <");
    out.extend_from_slice(address.as_bytes());
    out.push(b'>');
    if !end.is_empty() {
        out.extend_from_slice(end.as_bytes());
    }
}

fn write_group(folder: &mut Folder<'_>, name: &str, members: &[Mailbox], comma: &str) {
    write_phrase(folder, name, ":");
    let last_end = if comma.is_empty() { ";" } else { ";," };
    let mut members = members.iter().peekable();
    if members.peek().is_none() {
        folder.word(last_end);
    }
    while let Some(member) = members.next() {
        let end = if members.peek().is_some() { "," } else { last_end };
        write_mailbox(folder, member, end);
    }
}

/// Writes a name that something in angle brackets follows; an empty one is left out.
pub(super) fn write_phrase_before(folder: &mut Folder<'_>, name: &str) {
    if !name.is_empty() {
        write_phrase(folder, name, "");
    }
}

/// Writes a `phrase` (RFC 5322 §3.2.5).
#[inline(always)]
pub(super) fn write_phrase(folder: &mut Folder<'_>, phrase: &str, end: &str) {
    if end.is_empty() && phrase.len() <= folder.room_for_words() && is_atoms(phrase) {
        folder.word(phrase);
    } else {
        write_any_phrase(folder, phrase, end);
    }
}

/// Writes atoms where they say it all, a quoted string where that is enough, else encoded words.
fn write_any_phrase(folder: &mut Folder<'_>, phrase: &str, end: &str) {
    let utf8 = folder.is_utf8();
    let printable =
        if utf8 { phrase.chars().all(passes_raw) } else { phrase.bytes().all(|byte| matches!(byte, b' '..=b'~')) };
    if printable && !looks_encoded(phrase) {
        let is_atom = |atom: &str| {
            !atom.is_empty()
                && atom.len() <= MAX_QUOTED
                && atom.bytes().all(|byte| is_atext(byte) || (utf8 && !byte.is_ascii()))
        };
        if phrase.split(' ').all(is_atom) {
            let (before, last) = phrase.rsplit_once(' ').map_or((None, phrase), |(before, last)| (Some(before), last));
            before.into_iter().flat_map(|atoms| atoms.split(' ')).for_each(|atom| folder.word(atom));
            folder.word_of(&[last, end]);
            return;
        }
        let quoted = quote(phrase);
        if quoted.len() <= MAX_QUOTED {
            folder.word_of(&[&quoted, end]);
            return;
        }
    }
    write_encoded(folder, phrase, Place::Phrase);
    // RFC 2047 §5 (3): an encoded word in a phrase stands apart from any special.
    if !end.is_empty() {
        folder.word(end);
    }
}

/// Whether a character beyond ASCII may stand raw (RFC 6532 §3.1). Some readers end a line at a
/// control character of C1 or at a separator of lines.
pub(super) fn passes_raw(character: char) -> bool {
    !character.is_control() && !matches!(character, '\u{2028}' | '\u{2029}')
}

/// Atoms with one blank between them, none of which looks encoded: what most names are.
fn is_atoms(phrase: &str) -> bool {
    let mut before = b' ';
    for byte in phrase.bytes() {
        let fits = match byte {
            b' ' => before != b' ',
            b'?' => before != b'=',
            _ => is_atext(byte),
        };
        if !fits {
            return false;
        }
        before = byte;
    }
    before != b' '
}

/// `atext` (RFC 5322 §3.2.3).
fn is_atext(byte: u8) -> bool {
    ATEXT[usize::from(byte)]
}

static ATEXT: [bool; 256] = {
    let mut atext = [false; 256];
    let mut byte = b'!';
    while byte < 0x7f {
        atext[byte as usize] =
            !matches!(byte, b'"' | b'(' | b')' | b',' | b'.' | b':'..=b'<' | b'>' | b'@' | b'['..=b']');
        byte += 1;
    }
    atext
};

#[cfg(test)]
mod tests {
    use mailkit_address::{Address, Group};
    use proptest::prelude::*;

    use super::*;

    fn field(list: &AddressList) -> String {
        let mut out = Vec::new();
        write_list(&mut out, "To", list, false).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn mailbox(name: &str) -> Mailbox {
        Mailbox::new(Some(name), Address::parse("a@example.com").unwrap()).unwrap()
    }

    #[test]
    fn rfc_5322_section_3_4_and_rfc_2047_section_5_3_names() {
        for (given, wanted) in [
            ("a@example.com", "To: a@example.com"),
            ("Ann Lee <a@example.com>", "To: Ann Lee <a@example.com>"),
            ("\"Lee, A. \\\"X\\\"\" <a@b.example>", "To: \"Lee, A. \\\"X\\\"\" <a@b.example>"),
            ("\"=?x?=\" <a@b.example>", "To: =?utf-8?b?PT94Pz0=?= <a@b.example>"),
            ("\"J\u{fc}rgen, L.\" <a@b.example>", "To: =?utf-8?b?SsO8cmdlbiwgTC4=?= <a@b.example>"),
            ("a@b\u{fc}cher.example", "To: a@xn--bcher-kva.example"),
            ("Team: a@x.example, B <b@x.example>;", "To: Team: a@x.example, B <b@x.example>;"),
            ("Team:;, c@x.example", "To: Team: ;, c@x.example"),
            ("T\u{ea}: a@x.example;", "To: =?utf-8?b?VMOq?= : a@x.example;"),
        ] {
            let list = AddressList::parse(given).unwrap();
            assert_eq!(field(&list), format!("{wanted}\r\n"), "{given}");
        }
    }

    #[test]
    fn rfc_5322_section_3_2_3_atext() {
        let wanted = b"!#$%&'*+-/=?^_`{|}~";
        for byte in 0..=u8::MAX {
            assert_eq!(is_atext(byte), byte.is_ascii_alphanumeric() || wanted.contains(&byte), "{byte:#x}");
        }
    }

    #[test]
    fn a_name_of_any_length_fits() {
        for name in ["x".repeat(4096), "x. ".repeat(1300), "\u{1f600}".repeat(1000)] {
            let text = field(&mailbox(&name).into());
            assert!(text.lines().all(|line| line.len() <= 78), "{text}");
        }
    }

    #[test]
    fn many_addresses_are_folded_between_them() {
        let list: AddressList = (0..500).map(|_| mailbox("Ann Lee")).collect();
        let text = field(&list);
        assert!(text.lines().all(|line| line.len() <= 78));
        assert_eq!(AddressList::parse(text.trim_start_matches("To:").trim_end()).unwrap(), list);
    }

    proptest! {
        /// The short way for names that are atoms and fit says what the long one says.
        #[test]
        fn a_name_is_written_the_same_in_one_piece(name in "[ A-Za-z=?.]{1,20}") {
            let write = |end: &str| {
                let mut out = Vec::new();
                let mut folder = Folder::start(&mut out, "To");
                write_phrase(&mut folder, &name, end);
                folder.end();
                String::from_utf8(out).unwrap()
            };
            let (one_piece, word_by_word) = (write(""), write(":"));
            prop_assert_eq!(one_piece, word_by_word.replace(" :\r\n", "\r\n").replace(":\r\n", "\r\n"));
        }

        #[test]
        fn an_ascii_list_parses_back(
            names in prop::collection::vec("[ -~]{1,30}", 1..8), group in any::<bool>()
        ) {
            let is_ascii_name = |name: &&str| !name.trim().is_empty() && !name.contains("=?");
            let names = names.iter().map(String::as_str).filter(is_ascii_name);
            // One is sound whatever the others are: an empty list is no field.
            let members: Vec<_> = names.chain(["Ann Lee"]).map(mailbox).collect();
            let list: AddressList = if group {
                [Group::new("G 1", members).unwrap()].into_iter().collect()
            } else {
                members.into_iter().collect()
            };
            let text = field(&list);
            let body = text.strip_prefix("To:").unwrap().strip_suffix("\r\n").unwrap();
            prop_assert_eq!(AddressList::parse(body).unwrap(), list);
        }
    }
}
