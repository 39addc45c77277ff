//! Text beyond ASCII in header fields (RFC 2047).

use super::fold::Folder;
use crate::encoding::{MAX_LINE, encode_base64, hex_escape};

/// RFC 2047 §2: the most characters in an encoded word.
const MAX_WORD: usize = 75;
/// `=?utf-8?q?` and `?=`.
const FRAME: usize = 12;
/// Enough for any one character, three bytes for each of its four.
const LEAST_ROOM: usize = FRAME + 12;

/// Where an encoded word stands: RFC 2047 §5 lets fewer characters pass in a phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// RFC 2047 §5 (1): an unstructured field.
    Text,
    /// RFC 2047 §5 (3): a display name.
    Phrase,
}

impl Place {
    fn passes(self, byte: u8) -> bool {
        match self {
            Self::Text => byte.is_ascii_graphic() && !matches!(byte, b'=' | b'?' | b'_'),
            Self::Phrase => byte.is_ascii_alphanumeric() || matches!(byte, b'!' | b'*' | b'+' | b'-' | b'/'),
        }
    }

    fn cost(self, byte: u8) -> usize {
        if byte == b' ' || self.passes(byte) { 1 } else { 3 }
    }
}

/// Writes unstructured text: plain words as they are, all others as encoded words.
///
/// A reader gets back every blank: runs of them, and those at either end, are encoded.
pub(crate) fn write_text(folder: &mut Folder<'_>, text: &str) {
    if text.is_empty() {
        return;
    }
    let words: Vec<&str> = text.split(' ').collect();
    let encoded = words_to_encode(&words);
    let mut at = 0;
    for run in encoded.chunk_by(|one, next| one == next) {
        let run_words = words.get(at..at + run.len()).unwrap_or_default();
        at += run.len();
        if run.first() == Some(&true) {
            write_encoded(folder, &run_words.join(" "), Place::Text);
        } else {
            for word in run_words {
                folder.word(word);
            }
        }
    }
}

/// Whether text has something that a reader would take for an encoded word.
pub(crate) fn looks_encoded(text: &str) -> bool {
    text.contains("=?")
}

/// Writes text as one or more encoded words, Q or B, whichever is shorter.
pub(crate) fn write_encoded(folder: &mut Folder<'_>, text: &str, place: Place) {
    let quoted: usize = text.bytes().map(|byte| place.cost(byte)).sum();
    let base64 = text.len().div_ceil(3) * 4;
    let mut rest = text;
    while !rest.is_empty() {
        let mut room = folder.room();
        if room < LEAST_ROOM {
            folder.fold();
            room = folder.room();
        }
        let room = room.min(MAX_WORD) - FRAME;
        let (now, later) = if quoted <= base64 {
            let (now, later) =
                rest.split_at(fitting(rest, room, |bytes| bytes.iter().map(|&byte| place.cost(byte)).sum()));
            folder.encoded_word(&q_word(now, place));
            (now, later)
        } else {
            let (now, later) = rest.split_at(fitting(rest, room / 4 * 3, <[u8]>::len));
            folder.encoded_word(&b_word(now));
            (now, later)
        };
        debug_assert!(!now.is_empty(), "the least room takes any character");
        rest = later;
    }
}

/// Marks the words that may not stand as they are.
fn words_to_encode(words: &[&str]) -> Vec<bool> {
    let needs = |word: &&str| {
        !word.bytes().all(|byte| byte.is_ascii_graphic()) || looks_encoded(word) || word.len() >= MAX_LINE
    };
    let mut encoded: Vec<bool> = words.iter().map(needs).collect();
    // An empty word stands for one blank too many: its neighbour carries it.
    for (at, _) in words.iter().enumerate().filter(|(_, word)| word.is_empty()) {
        let neighbour = if at + 1 < words.len() { at + 1 } else { at.saturating_sub(1) };
        for mark in [at, neighbour] {
            if let Some(mark) = encoded.get_mut(mark) {
                *mark = true;
            }
        }
    }
    encoded
}

/// The length of the longest start of `text`, in whole characters, whose cost is within `room`.
fn fitting(text: &str, room: usize, cost: impl Fn(&[u8]) -> usize) -> usize {
    let mut used = 0;
    for (at, character) in text.char_indices() {
        let mut buffer = [0; 4];
        used += cost(character.encode_utf8(&mut buffer).as_bytes());
        if used > room {
            return at;
        }
    }
    text.len()
}

fn q_word(text: &str, place: Place) -> String {
    let mut word = String::with_capacity(MAX_WORD);
    word.push_str("=?utf-8?q?");
    for byte in text.bytes() {
        if byte == b' ' {
            word.push('_');
        } else if place.passes(byte) {
            word.push(char::from(byte));
        } else {
            word.extend(hex_escape(byte).map(char::from));
        }
    }
    word.push_str("?=");
    word
}

fn b_word(text: &str) -> String {
    let mut buffer = [0; MAX_WORD];
    let length = encode_base64(text.as_bytes(), &mut buffer);
    let mut word = String::with_capacity(MAX_WORD);
    word.push_str("=?utf-8?b?");
    word.extend(buffer.iter().take(length).copied().map(char::from));
    word.push_str("?=");
    word
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    fn field(name: &str, text: &str) -> String {
        let mut out = Vec::new();
        let mut folder = Folder::start(&mut out, name);
        write_text(&mut folder, text);
        folder.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Decodes one encoded word, strictly, and checks that it is whole by itself.
    fn decode_word(word: &str) -> Option<String> {
        let inner = word.strip_prefix("=?utf-8?")?.strip_suffix("?=")?;
        assert!(word.len() <= 75, "{word}");
        let bytes = match inner.split_once('?')? {
            ("b", encoded) => STANDARD.decode(encoded).unwrap(),
            ("q", encoded) => {
                let spaced = encoded.replace('_', " ");
                quoted_printable::decode(spaced, quoted_printable::ParseMode::Strict).unwrap()
            }
            _ => return None,
        };
        Some(String::from_utf8(bytes).expect("no character is cut in two"))
    }

    /// Reads a field back as RFC 2047 §6 says: blanks between two encoded words vanish.
    fn decode(field: &str) -> String {
        let unfolded = field.strip_suffix("\r\n").unwrap().replace("\r\n", "");
        let body = unfolded.split_once(':').unwrap().1;
        let mut text = String::new();
        let mut after_encoded = true;
        for word in body.strip_prefix(' ').unwrap_or(body).split(' ') {
            let decoded = decode_word(word);
            if !(text.is_empty() || (after_encoded && decoded.is_some())) {
                text.push(' ');
            }
            after_encoded = decoded.is_some();
            text.push_str(decoded.as_deref().unwrap_or(word));
        }
        text
    }

    #[test]
    fn rfc_2047_section_5_and_8_cases() {
        for (text, wanted) in [
            ("plain words, as (they) are", "S: plain words, as (they) are\r\n"),
            ("", "S:\r\n"),
            ("J\u{fc}rgen von dort", "S: =?utf-8?q?J=C3=BCrgen?= von dort\r\n"),
            ("\u{e9}_=? x", "S: =?utf-8?b?w6lfPT8=?= x\r\n"),
            ("a  b", "S: a =?utf-8?q?_b?=\r\n"),
            (" a", "S: =?utf-8?q?_a?=\r\n"),
            ("a ", "S: =?utf-8?q?a_?=\r\n"),
            ("=?utf-8?q?x?=", "S: =?utf-8?b?PT91dGYtOD9xP3g/PQ==?=\r\n"),
            ("\u{41f}\u{440} ok \u{432}", "S: =?utf-8?b?0J/RgA==?= ok =?utf-8?b?0LI=?=\r\n"),
            ("\u{e9} \u{e9}", "S: =?utf-8?b?w6kgw6k=?=\r\n"),
        ] {
            assert_eq!(field("S", text), wanted, "{text:?}");
        }
    }

    #[test]
    fn rfc_2047_section_2_a_word_has_at_most_75_characters_and_its_line_76() {
        let folded = field("Subject", &"\u{1f600}".repeat(40));
        for line in folded.lines() {
            assert!(line.len() <= 76, "{line}");
        }
        assert_eq!(decode(&folded), "\u{1f600}".repeat(40));
    }

    #[test]
    fn a_word_too_long_for_any_line_is_encoded() {
        let text = "x".repeat(5000);
        let folded = field("Subject", &text);
        assert!(folded.lines().all(|line| line.len() <= 76));
        assert_eq!(decode(&folded), text);
    }

    proptest! {
        #[test]
        fn any_text_reads_back_from_any_column(
            name in "[A-Za-z-]{1,120}", text in "([ -~\\t]{0,40}|\\PC){0,40}"
        ) {
            let folded = field(&name, &text);
            for line in folded.lines() {
                prop_assert!(line.len() <= MAX_LINE);
                prop_assert!(!line.trim().is_empty());
                prop_assert!(line.len() <= 76 || !line.contains("=?utf-8?"), "{}", line);
                prop_assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            }
            prop_assert_eq!(decode(&folded), text);
        }
    }
}
