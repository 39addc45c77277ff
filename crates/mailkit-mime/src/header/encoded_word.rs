//! Text beyond ASCII in header fields (RFC 2047).

use memchr::{memchr, memrchr};

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
    /// How many characters each byte becomes in Q.
    fn costs(self) -> &'static [u8; 256] {
        match self {
            Self::Text => &COSTS_IN_TEXT,
            Self::Phrase => &COSTS_IN_PHRASE,
        }
    }

    fn cost(self, byte: u8) -> usize {
        usize::from(self.costs()[usize::from(byte)])
    }
}

static COSTS_IN_TEXT: [u8; 256] = costs(b"!\"#$%&'()*+,-./:;<>@[\\]^`{|}~");
static COSTS_IN_PHRASE: [u8; 256] = costs(b"!*+-/");

/// One for letters, digits, these signs and a space, which has a sign of its own; three for others.
const fn costs(signs: &[u8]) -> [u8; 256] {
    let mut costs = [3; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        if byte == b' ' || byte.is_ascii_alphanumeric() {
            costs[byte as usize] = 1;
        }
        byte += 1;
    }
    let mut at = 0;
    while at < signs.len() {
        costs[signs[at] as usize] = 1;
        at += 1;
    }
    costs
}

/// Writes unstructured text: plain words as they are, and all from the first that has to be encoded
/// to the last as encoded words, which is shorter than to begin anew at each.
///
/// A reader gets back every blank: runs of them, and those at either end, are encoded.
pub(crate) fn write_text(folder: &mut Folder<'_>, text: &str) {
    let run = if is_regular(text) && (text.is_ascii() || !folder.is_utf8()) {
        run_beyond_ascii(text)
    } else {
        run_of_words(text, folder.is_utf8())
    };
    let Some((start, end)) = run else {
        write_plain(folder, text);
        return;
    };
    // Of the blanks around the run, one each is left out: whoever reads puts it there.
    write_plain(folder, text.get(..start.saturating_sub(1)).unwrap_or_default());
    write_encoded(folder, text.get(start..end).unwrap_or_default(), Place::Text);
    write_plain(folder, text.get(end + 1..).unwrap_or_default());
}

/// Writes words that may stand as they are: all at once as soon as the rest fits.
fn write_plain(folder: &mut Folder<'_>, words: &str) {
    let mut rest = Some(words).filter(|words| !words.is_empty());
    while let Some(words) = rest {
        let blank = if folder.fits(words) { None } else { memchr(b' ', words.as_bytes()) };
        let (word, behind) = match blank.and_then(|at| words.split_at_checked(at)) {
            Some((word, behind)) => (word, behind.get(1..)),
            None => (words, None),
        };
        folder.word(word);
        rest = behind;
    }
}

/// Whether nothing but characters beyond ASCII has to be encoded: what most subjects are.
fn is_regular(text: &str) -> bool {
    let bytes = text.as_bytes();
    // Without a way out of the loops, many bytes are seen at a time.
    let printable = bytes.iter().fold(true, |all, &byte| all & (byte >= b' ') & (byte != 0x7f));
    let pairs = bytes.iter().zip(bytes.get(1..).unwrap_or_default());
    let marked = pairs.fold(false, |any, (&a, &b)| any | ((a == b' ') & (b == b' ')) | ((a == b'=') & (b == b'?')));
    let blank_end = matches!(bytes, [b' ', ..] | [.., b' ']);
    printable && !marked && !blank_end && bytes.len() < MAX_LINE
}

/// The words from the first to the last beyond ASCII.
fn run_beyond_ascii(text: &str) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let first = bytes.iter().position(|byte| !byte.is_ascii())?;
    let last = bytes.iter().rposition(|byte| !byte.is_ascii())?;
    let start = memrchr(b' ', bytes.get(..first)?).map_or(0, |at| at + 1);
    let end = memchr(b' ', bytes.get(last..)?).map_or(bytes.len(), |at| last + at);
    Some((start, end))
}

/// The words from the first to the last that has to be encoded, in any text.
///
/// An empty word stands for one blank too many: its neighbour carries it.
fn run_of_words(text: &str, utf8: bool) -> Option<(usize, usize)> {
    let (mut start, mut was_empty, mut run) = (0, false, None);
    loop {
        let (length, sound) = word_at(text.get(start..).unwrap_or_default(), utf8);
        let end = start + length;
        if !sound || length == 0 || was_empty || end + 1 == text.len() {
            run = Some((run.map_or(start, |(first, _)| first), end));
        }
        if end >= text.len() {
            return run.filter(|_| !text.is_empty());
        }
        (start, was_empty) = (end + 1, length == 0);
    }
}

/// The length of the word up to the next blank, and whether it may stand as it is.
fn word_at(text: &str, utf8: bool) -> (usize, bool) {
    let length = memchr(b' ', text.as_bytes()).unwrap_or(text.len());
    let word = text.get(..length).unwrap_or_default();
    let printable = word.bytes().all(|byte| byte.is_ascii_graphic()) || (utf8 && is_printable(word));
    (length, printable && !looks_encoded(word) && length < MAX_LINE)
}

/// Whether a word may stand as raw UTF-8 (RFC 6532 §3.2); control characters beyond ASCII may not.
fn is_printable(word: &str) -> bool {
    word.chars()
        .all(|character| if character.is_ascii() { character.is_ascii_graphic() } else { passes_raw(character) })
}

/// Whether a character beyond ASCII may stand raw (RFC 6532 §3.1). Some readers end a line at a
/// control character of C1 or at a separator of lines.
pub(crate) fn passes_raw(character: char) -> bool {
    !character.is_control() && !matches!(character, '\u{2028}' | '\u{2029}')
}

/// Whether text has something that a reader would take for an encoded word.
pub(crate) fn looks_encoded(text: &str) -> bool {
    let mut before = 0;
    text.bytes().any(|byte| std::mem::replace(&mut before, byte) == b'=' && byte == b'?')
}

/// Writes text as one or more encoded words, Q or B, whichever is shorter.
pub(crate) fn write_encoded(folder: &mut Folder<'_>, text: &str, place: Place) {
    let quoted: usize = text.bytes().map(|byte| place.cost(byte)).sum();
    let base64 = text.len().div_ceil(3) * 4;
    let is_quoted = quoted <= base64;
    let mut rest = text;
    while !rest.is_empty() {
        let mut room = folder.room();
        if room < LEAST_ROOM {
            folder.fold();
            room = folder.room();
        }
        let room = room.min(MAX_WORD) - FRAME;
        let end = match is_quoted {
            _ if quoted.min(base64) <= room => rest.len(),
            true => fitting(rest, room, place),
            false => floor(rest, room / 4 * 3),
        };
        let (now, later) = rest.split_at(end);
        let mut word = EncodedWord::new(if is_quoted { b'q' } else { b'b' });
        if is_quoted {
            word.write_q(now, place)
        } else {
            word.write_b(now)
        }
        folder.encoded_word(word.finish());
        debug_assert!(!now.is_empty(), "the least room takes any character");
        rest = later;
    }
}

/// The length of the longest start of `text`, in whole characters, whose cost is within `room`.
fn fitting(text: &str, room: usize, place: Place) -> usize {
    let mut used = 0;
    let over = text.bytes().position(|byte| {
        used += place.cost(byte);
        used > room
    });
    floor(text, over.unwrap_or(text.len()))
}

/// The last end of a character at or before `length`.
fn floor(text: &str, length: usize) -> usize {
    (0..=length.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default()
}

/// A word in the making, with the blank before it: longer than any by the rest of an escape.
struct EncodedWord {
    bytes: [u8; 1 + MAX_WORD + 3],
    length: usize,
}

impl EncodedWord {
    fn new(encoding: u8) -> Self {
        let mut bytes = [b' '; 1 + MAX_WORD + 3];
        let start = [b' ', b'=', b'?', b'u', b't', b'f', b'-', b'8', b'?', encoding, b'?'];
        if let Some(slot) = bytes.first_chunk_mut() {
            *slot = start;
        }
        Self { bytes, length: start.len() }
    }

    /// `Q` (RFC 2047 §4.2).
    fn write_q(&mut self, text: &str, place: Place) {
        for byte in text.bytes() {
            let (escape, length) = match byte {
                b' ' => ([b'_', 0, 0], 1),
                _ if place.cost(byte) == 1 => ([byte, 0, 0], 1),
                _ => (hex_escape(byte), 3),
            };
            if let Some(slot) = self.bytes.get_mut(self.length..).and_then(<[u8]>::first_chunk_mut) {
                *slot = escape;
            }
            self.length += length;
        }
    }

    /// `B` (RFC 2047 §4.1).
    fn write_b(&mut self, text: &str) {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        self.length += encode_base64(text.as_bytes(), room);
    }

    fn finish(&mut self) -> &[u8] {
        if let Some(slot) = self.bytes.get_mut(self.length..).and_then(<[u8]>::first_chunk_mut) {
            *slot = *b"?=";
        }
        self.bytes.get(..self.length + 2).unwrap_or_default()
    }
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
            ("\u{41f}\u{440} ok \u{432}", "S: =?utf-8?b?0J/RgCBvayDQsg==?=\r\n"),
            ("a caf\u{e9} everywhere, caf\u{e9} c", "S: a =?utf-8?q?caf=C3=A9_everywhere,_caf=C3=A9?= c\r\n"),
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
        fn the_run_of_a_regular_text_is_found_alike(text in "[a-c\u{e9}=? ]{0,12}|\\PC{0,12}") {
            if is_regular(&text) {
                prop_assert_eq!(run_beyond_ascii(&text), run_of_words(&text, false));
            }
        }

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
