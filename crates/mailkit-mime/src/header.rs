//! Header fields: names, folding, encoded words and the typed values.

pub(crate) mod address;
mod clusters;
pub(crate) mod date;
pub(crate) mod decode;
mod encoded_part;
pub(crate) mod encoded_word;
pub(crate) mod fold;
pub(crate) mod list;
pub(crate) mod message_id;
pub(crate) mod name;
pub(crate) mod parameter;
pub(crate) mod structured;

use self::fold::{Folder, Overlong};
use self::message_id::MessageId;

/// Writes a field that a caller named: ASCII as it is, folded at its blanks, so that structured
/// fields stay what they are; anything else as the grammar of the field lets it stand
/// ([`structured`]), or raw where that is allowed (RFC 6532).
pub(crate) fn write_custom(out: &mut Vec<u8>, name: &str, value: &str, utf8: bool) -> Result<(), Overlong> {
    let mut folder = Folder::start(out, name).utf8(utf8);
    let value = trim_blanks(value);
    if value.is_ascii() {
        write_words_and_blanks(&mut folder, value);
    } else {
        structured::write(&mut folder, name, value);
    }
    folder.finish()
}

/// Writes words with the blanks that are between them.
fn write_words_and_blanks(folder: &mut Folder<'_>, value: &str) {
    let (mut rest, mut blanks) = (value, " ");
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.find(is_blank).unwrap_or(rest.len()));
        folder.word_behind(blanks, &[word]);
        let next = after.trim_start_matches(is_blank);
        (blanks, rest) = (after.strip_suffix(next).unwrap_or(" "), next);
    }
}

/// Writes an unstructured field (RFC 5322 §3.2.5) so that all its text reads back.
#[inline]
pub(crate) fn write_text(out: &mut Vec<u8>, name: &str, text: &str, utf8: bool) -> Result<(), Overlong> {
    let mut folder = Folder::start(out, name).utf8(utf8);
    encoded_word::write_text(&mut folder, text);
    folder.finish()
}

/// Writes a field of identifiers (RFC 5322 §3.6.4), if there are any.
#[inline]
pub(crate) fn write_ids(out: &mut Vec<u8>, name: &str, ids: &[MessageId]) -> Result<(), Overlong> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut folder = Folder::start(out, name);
    for id in ids {
        folder.word(id.as_str());
    }
    folder.finish()
}

/// Writes a field of our own making that fits into one line: `start` is its name, a colon and a blank.
#[inline]
pub(crate) fn write_line(out: &mut Vec<u8>, start: &str, value: &str) {
    out.extend_from_slice(start.as_bytes());
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The place of the first C0 control character other than a tab, or DEL.
pub(crate) fn control_character(text: &str) -> Option<usize> {
    let forbidden = |byte: u8| byte.is_ascii_control() & (byte != b'\t');
    // Nearly no text has any.
    if any(text.as_bytes(), forbidden) { text.bytes().position(forbidden) } else { None }
}

/// Whether there is such a byte. The test has no branches, so that it is made of sixteen bytes at
/// once, and of some at the end twice.
#[inline]
fn any(bytes: &[u8], is_such: impl Fn(u8) -> bool) -> bool {
    let (blocks, rest) = bytes.as_chunks();
    let in_block = |block: &[u8; 16]| block.iter().fold(false, |any, &byte| any | is_such(byte));
    let in_rest = || match bytes.last_chunk() {
        Some(last) => in_block(last),
        None => rest.iter().any(|&byte| is_such(byte)),
    };
    blocks.iter().any(in_block) || (!rest.is_empty() && in_rest())
}

/// The text without the blanks around it.
fn trim_blanks(mut text: &str) -> &str {
    while let Some(rest) = text.strip_prefix([' ', '\t']).or_else(|| text.strip_suffix([' ', '\t'])) {
        text = rest;
    }
    text
}

/// `token` (RFC 2045 §5.1).
pub(crate) fn is_token(text: &str) -> bool {
    let tspecial = |byte: u8| b"()<>@,;:\\\"/[]?=".contains(&byte);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !tspecial(byte))
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn custom(value: &str) -> String {
        let mut out = Vec::new();
        write_custom(&mut out, "X-A", value, false).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_structured_value_stays_as_it_is() {
        for (value, wanted) in [
            ("<https://a.example/?q=?x?=>, <mailto:b>", "X-A: <https://a.example/?q=?x?=>, <mailto:b>"),
            ("  a  b\t", "X-A: a  b"),
            ("", "X-A:"),
            ("caf\u{e9}", "X-A: =?utf-8?b?Y2Fmw6k=?="),
        ] {
            assert_eq!(custom(value), format!("{wanted}\r\n"));
        }
    }

    #[test]
    fn rfc_5322_section_2_2_3_folding_keeps_the_blanks() {
        let value = format!("{}  \t{}", "a".repeat(60), "b".repeat(30));
        let wanted = format!("X-A: {}\r\n  \t{}\r\n", "a".repeat(60), "b".repeat(30));
        assert_eq!(custom(&value), wanted);
    }

    #[test]
    fn a_control_character_is_found_in_every_place_of_any_length() {
        for length in 0..=50 {
            let sound = "a\t".repeat(25)[..length].to_owned();
            assert_eq!(control_character(&sound), None, "{length}");
            for place in 0..length {
                for control in ["\r", "\n", "\0", "\x7f"] {
                    let mut text = sound.clone();
                    text.replace_range(place..=place, control);
                    assert_eq!(control_character(&text), Some(place), "{text:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn an_ascii_value_unfolds_to_itself(value in "[!-~]{1,100}([ \\t]{1,3}[!-~]{1,100}){0,10}") {
            let field = custom(&value);
            prop_assert!(field.lines().all(|line| !line.trim().is_empty()));
            prop_assert_eq!(field.replace("\r\n", ""), format!("X-A: {value}"));
        }
    }
}
