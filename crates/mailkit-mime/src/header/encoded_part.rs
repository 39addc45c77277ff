//! Which part of an unstructured text has to be encoded (RFC 2047 §5).

use crate::encoding::MAX_LINE;

/// Where the words from the first to the last that has to be encoded start and end.
///
/// Looks from both sides: what lies between is encoded anyhow.
#[inline]
pub(super) fn encoded_part(text: &str, utf8: bool) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    // A word before a blank at the end is encoded with it.
    let end = if bytes.ends_with(b" ") { bytes.len() } else { end_of_unfit(bytes, utf8) };
    let part = (end > 0).then(|| {
        let first = start_of_unfit(bytes, utf8).min(bytes.len() - 1);
        let start = last_blank(bytes.get(..first).unwrap_or_default()).map_or(0, |at| at + 1);
        let behind = bytes.get(end..).unwrap_or_default();
        (start, end + behind.iter().position(|byte| *byte == b' ').unwrap_or(behind.len()))
    });
    if bytes.len() < MAX_LINE { part } else { with_long_words(text, part) }
}

/// The place of the last blank.
pub(super) fn last_blank(bytes: &[u8]) -> Option<usize> {
    bytes.iter().rposition(|byte| *byte == b' ')
}

/// Where the first byte is that has to be encoded.
fn start_of_unfit(bytes: &[u8], utf8: bool) -> usize {
    let mut at = 0;
    while let Some((before, [byte, ..])) = bytes.split_at_checked(at)
        && is_fit(before, *byte, utf8)
    {
        at += 1;
    }
    at
}

/// Where the last byte is that has to be encoded, and one more; 0 if none is.
fn end_of_unfit(bytes: &[u8], utf8: bool) -> usize {
    let mut rest = bytes;
    while let [before @ .., byte] = rest
        && is_fit(before, *byte, utf8)
    {
        rest = before;
    }
    rest.len()
}

/// Whether a byte may stand as it is; a blank behind another may not, for the sake of both words.
#[inline(always)]
fn is_fit(before: &[u8], byte: u8, utf8: bool) -> bool {
    match byte {
        // Most are letters.
        b'@'..=b'~' => true,
        b' ' => !matches!(before, [] | [.., b' ']),
        // A reader would take the word for an encoded one.
        b'?' => !before.ends_with(b"="),
        b'!'..=b'~' => true,
        0x80.. => utf8 && ends_fit(before, byte),
        _ => false,
    }
}

/// Whether a byte beyond ASCII does not end a character that may not stand raw ([`passes_raw`](super::address::passes_raw)).
fn ends_fit(before: &[u8], byte: u8) -> bool {
    match before {
        [.., 0xc2] => byte >= 0xa0,
        [.., 0xe2, 0x80] => !matches!(byte, 0xa8 | 0xa9),
        _ => true,
    }
}

/// Adds the words that are too long for any line.
fn with_long_words(text: &str, mut part: Option<(usize, usize)>) -> Option<(usize, usize)> {
    let mut start = 0;
    for word in text.split(' ') {
        let end = start + word.len();
        if word.len() >= MAX_LINE {
            part = part.map_or(Some((start, end)), |(first, last)| Some((first.min(start), last.max(end))));
        }
        start = end + 1;
    }
    part
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::encoded_word::looks_encoded;
    use super::*;
    use crate::header::address::passes_raw;

    /// The same as [`encoded_part`], by the rules for words: one is encoded if it may not stand as it
    /// is, if it is empty, behind an empty one, or before a blank at the end.
    fn word_by_word(text: &str, utf8: bool) -> Option<(usize, usize)> {
        let passes = |c: char| c.is_ascii_graphic() || (utf8 && !c.is_ascii() && passes_raw(c));
        let may_stand = |word: &str| word.chars().all(passes) && !looks_encoded(word) && word.len() < MAX_LINE;
        let (mut start, mut was_empty, mut part) = (0, false, None);
        for word in text.split(' ').filter(|_| !text.is_empty()) {
            let end = start + word.len();
            if !may_stand(word) || word.is_empty() || was_empty || text.get(end..) == Some(" ") {
                part = Some((part.map_or(start, |(first, _)| first), end));
            }
            (start, was_empty) = (end + 1, word.is_empty());
        }
        part
    }

    #[test]
    fn what_may_stand_raw_is_told_by_its_last_byte() {
        for character in '\u{80}'..=char::MAX {
            let mut bytes = [0; 4];
            let (last, before) = character.encode_utf8(&mut bytes).as_bytes().split_last().unwrap();
            assert_eq!(ends_fit(before, *last), passes_raw(character), "{character:?}");
        }
    }

    proptest! {
        #[test]
        fn what_has_to_be_encoded_is_found_from_both_sides(
            text in "[a-c\u{e9}=? ]{0,12}|[\\PC\\t\u{85}\u{2028} ]{0,12}", long in 0_usize..3, utf8 in any::<bool>()
        ) {
            let text = text.replacen('a', &"a".repeat([1, 996, 998][long]), 2);
            prop_assert_eq!(encoded_part(&text, utf8), word_by_word(&text, utf8));
        }
    }
}
