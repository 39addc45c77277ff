//! Text beyond ASCII in header fields (RFC 2047).

use memchr::memchr;

use super::clusters::{floor, whole_clusters};
use super::encoded_part::{encoded_part, last_blank};
use super::fold::Folder;
use crate::encoding::{encode_base64, hex_escape};

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

/// What each byte becomes in `Q`: up to three characters, and behind them how many.
type Quoted = [[u8; 4]; 256];

static QUOTED_IN_TEXT: Quoted = quoted(b"!\"#$%&'()*+,-./:;<>@[\\]^`{|}~");
static QUOTED_IN_PHRASE: Quoted = quoted(b"!*+-/");

/// Letters, digits and these signs stay, and a space has a sign of its own (RFC 2047 §4.2).
const fn quoted(signs: &[u8]) -> Quoted {
    let mut quoted = [[0; 4]; 256];
    let mut byte = 0_u8;
    loop {
        let [sign, high, low] = hex_escape(byte);
        let passes = byte.is_ascii_alphanumeric() || contains(signs, byte);
        quoted[byte as usize] = if passes { [byte, 0, 0, 1] } else { [sign, high, low, 3] };
        if byte == u8::MAX {
            quoted[b' ' as usize] = [b'_', 0, 0, 1];
            return quoted;
        }
        byte += 1;
    }
}

const fn contains(signs: &[u8], byte: u8) -> bool {
    let mut at = 0;
    while at < signs.len() && signs[at] != byte {
        at += 1;
    }
    at < signs.len()
}

impl Place {
    fn quoted(self) -> &'static Quoted {
        match self {
            Self::Text => &QUOTED_IN_TEXT,
            Self::Phrase => &QUOTED_IN_PHRASE,
        }
    }
}

/// How many characters a byte becomes in `Q`.
fn cost(quoted: &Quoted, byte: u8) -> usize {
    usize::from(quoted[usize::from(byte)][3])
}

/// Writes unstructured text: plain words as they are, and all from the first that has to be encoded
/// to the last as encoded words, which is shorter than to begin anew at each.
///
/// A reader gets back every blank: runs of them, and those at either end, are encoded.
pub(crate) fn write_text(folder: &mut Folder<'_>, text: &str) {
    let Some((start, end)) = encoded_part(text, folder.is_utf8()) else {
        write_plain(folder, text);
        return;
    };
    // Of the blanks around the run, one each is left out: whoever reads puts it there.
    write_plain(folder, text.get(..start.saturating_sub(1)).unwrap_or_default());
    write_encoded(folder, text.get(start..end).unwrap_or_default(), Place::Text);
    write_plain(folder, text.get(end + 1..).unwrap_or_default());
}

/// Writes words that may stand as they are, a line at a time.
fn write_plain(folder: &mut Folder<'_>, words: &str) {
    let mut rest = words;
    while !rest.is_empty() {
        let (room, bytes) = (folder.room_for_words(), rest.as_bytes());
        let last =
            if rest.len() <= room { Some(rest.len()) } else { last_blank(bytes.get(..=room).unwrap_or_default()) };
        let end = last.or_else(|| memchr(b' ', bytes)).unwrap_or(rest.len());
        folder.word(rest.get(..end).unwrap_or_default());
        rest = rest.get(end + 1..).unwrap_or_default();
        if last.is_some() && !rest.is_empty() {
            folder.fold();
        }
    }
}

/// Whether text has something that a reader would take for an encoded word.
pub(crate) fn looks_encoded(text: &str) -> bool {
    let mut before = 0;
    text.bytes().any(|byte| std::mem::replace(&mut before, byte) == b'=' && byte == b'?')
}

/// Writes text as one or more encoded words, Q or B, whichever is shorter. Grapheme clusters, such as an emoji of several
/// characters or a letter with its marks, stay whole where they fit into one word: some readers show each word by itself.
pub(crate) fn write_encoded(folder: &mut Folder<'_>, text: &str, place: Place) {
    // B takes four characters for each three bytes.
    let is_shorter = |length: usize| length.saturating_sub(1) / 4 * 3 < text.len();
    // Often the bytes beyond ASCII alone are too many for Q.
    if is_shorter(text.len() + 2 * beyond_ascii(text.as_bytes())) {
        let quoted = place.quoted();
        let length = text.bytes().map(|byte| cost(quoted, byte)).sum();
        if is_shorter(length) {
            write_in_q(folder, text, length, quoted);
            return;
        }
    }
    write_in_b(folder, text);
}

/// How many of the first 255 bytes are not ASCII.
#[inline]
fn beyond_ascii(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let (rest, words) = bytes.get(..255).unwrap_or(bytes).as_rchunks();
    let start = match bytes.first_chunk() {
        Some(start) => u64::from_le_bytes(*start) & ((1 << (8 * rest.len())) - 1),
        None => rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    let tops = |word: u64| (word >> 7) & ONES;
    let sum = words.iter().fold(tops(start), |sum, word| sum + tops(u64::from_le_bytes(*word)));
    // The product adds up what is in the bytes.
    (sum.wrapping_mul(ONES) >> 56) as usize
}

/// `Q` (RFC 2047 §4.2), so long altogether.
fn write_in_q(folder: &mut Folder<'_>, text: &str, length: usize, quoted: &Quoted) {
    let mut rest = text;
    while !rest.is_empty() {
        let room = room(folder);
        let most = if length <= room { rest.len() } else { fitting(rest, room, quoted) };
        let end = whole_clusters(rest, most);
        if end == 0 {
            rest = write_in_a_new_line(folder, rest, most);
            continue;
        }
        let (now, later) = rest.split_at(end);
        write_word(folder, b'q', |word| {
            let mut length = 0;
            for byte in now.bytes() {
                let quoted = quoted[usize::from(byte)];
                if let Some(slot) = word.get_mut(length..).and_then(<[u8]>::first_chunk_mut) {
                    *slot = quoted;
                }
                length += usize::from(quoted[3]);
            }
            length
        });
        debug_assert!(!now.is_empty(), "the least room takes any character");
        rest = later;
    }
}

/// `B` (RFC 2047 §4.1).
fn write_in_b(folder: &mut Folder<'_>, text: &str) {
    let mut rest = text;
    while !rest.is_empty() {
        let most = room(folder) / 4 * 3;
        let end = whole_clusters(rest, most);
        if end == 0 {
            rest = write_in_a_new_line(folder, rest, most);
            continue;
        }
        rest = write_word_in_b(folder, rest, end);
    }
}

/// Goes on with a text whose first grapheme cluster does not fit here, and says what is left of it: first in a new line;
/// there in B, which is shorter for a cluster beyond ASCII; else by its characters, of which `most` octets fit.
#[cold]
fn write_in_a_new_line<'a>(folder: &mut Folder<'_>, text: &'a str, most: usize) -> &'a str {
    if !folder.is_at_line_start() {
        folder.fold();
        return text;
    }
    match whole_clusters(text, room(folder) / 4 * 3) {
        0 => write_word_in_b(folder, text, floor(text, most)),
        end => write_word_in_b(folder, text, end),
    }
}

/// Writes the start of a text as one word, and says what is left of it.
fn write_word_in_b<'a>(folder: &mut Folder<'_>, text: &'a str, end: usize) -> &'a str {
    let (now, later) = text.split_at(end);
    write_word(folder, b'b', |word| encode_base64(now.as_bytes(), word));
    debug_assert!(!now.is_empty(), "the least room takes any character");
    later
}

/// Has a word written where it belongs, in its frame: there is room for the longest, and for the
/// rest of an escape.
#[inline]
fn write_word(folder: &mut Folder<'_>, encoding: u8, write: impl FnOnce(&mut [u8; MAX_WORD]) -> usize) {
    let start = [b' ', b'=', b'?', b'u', b't', b'f', b'-', b'8', b'?', encoding, b'?'];
    let out = folder.place_encoded();
    out.extend_from_slice(&start);
    let length = out.len();
    out.extend_from_slice(&[0; MAX_WORD]);
    let written = out.last_chunk_mut().map_or(0, write);
    out.truncate(length + written);
    out.extend_from_slice(b"?=");
}

/// The room for what is encoded, in a new line if there is too little in this one.
fn room(folder: &mut Folder<'_>) -> usize {
    if folder.room() < LEAST_ROOM {
        folder.fold();
    }
    folder.room().min(MAX_WORD) - FRAME
}

/// The length of the longest start of `text`, in whole characters, whose cost is within `room`.
fn fitting(text: &str, room: usize, quoted: &Quoted) -> usize {
    let mut used = 0;
    let over = text.bytes().position(|byte| {
        used += cost(quoted, byte);
        used > room
    });
    floor(text, over.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;
    use crate::encoding::MAX_LINE;

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
                // The decoder drops blanks at an end of a line: a dot keeps them.
                let spaced = encoded.replace('_', " ") + ".";
                let mut bytes = quoted_printable::decode(spaced, quoted_printable::ParseMode::Strict).unwrap();
                assert_eq!(bytes.pop(), Some(b'.'));
                bytes
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

    /// A family, flags, a thumb with a skin tone, letters with marks, and one with more marks than a word can hold.
    fn clusters() -> [String; 6] {
        [
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{200d}\u{1f466}".to_owned(),
            "\u{1f1e9}\u{1f1ea}".to_owned(),
            "\u{1f44d}\u{1f3fd}".to_owned(),
            "e\u{301}\u{302}".to_owned(),
            "\u{915}\u{94d}\u{937}\u{93f}".to_owned(),
            format!("a{}", "\u{301}".repeat(200)),
        ]
    }

    #[test]
    fn a_grapheme_cluster_stays_whole_where_it_fits_into_a_word() {
        for cluster in &clusters()[..5] {
            for before in 0..80 {
                // Mostly ASCII is in Q, the rest in B.
                for (text, name) in [("a".repeat(before), "S"), ("\u{e9}".repeat(before), "Subject-Of-Many-Characters")]
                {
                    let text = format!("{text}{}", cluster.repeat(9));
                    let folded = field(name, &text);
                    let words = folded.split([' ', '\r', '\n']).filter_map(decode_word);
                    let whole: usize = words.map(|word| word.matches(cluster.as_str()).count()).sum();
                    assert_eq!(whole, 9, "{folded}");
                    assert_eq!(decode(&folded), text);
                    assert!(folded.lines().all(|line| line.len() <= 76), "{folded}");
                }
            }
        }
        let text = clusters().concat().repeat(3);
        assert_eq!(decode(&field("S", &text)), text);
    }

    #[test]
    fn blanks_alone_read_back() {
        for length in 1..100 {
            let blanks = " ".repeat(length);
            assert_eq!(decode(&field("A", &blanks)), blanks);
        }
    }

    #[test]
    fn rfc_5322_section_2_1_1_plain_words_stay_on_a_line_of_78() {
        let word = "x".repeat(70);
        for (text, wanted) in [
            (format!("{word} abcd"), format!("S: {word} abcd\r\n")),
            (format!("{word} abcd e"), format!("S: {word} abcd\r\n e\r\n")),
            (format!("{word} abcde"), format!("S: {word}\r\n abcde\r\n")),
            (format!("{word} abcde f"), format!("S: {word}\r\n abcde f\r\n")),
        ] {
            assert_eq!(field("S", &text), wanted);
        }
    }

    #[test]
    fn of_the_first_255_bytes_each_beyond_ascii_is_counted() {
        for length in 0..=300 {
            for place in 0..=length {
                for (others, one) in [(0x7f, 0x80), (0xff, b'a')] {
                    let mut bytes = vec![others; length];
                    // At the last place is none.
                    bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte = one);
                    let wanted = bytes.iter().take(255).filter(|byte| !byte.is_ascii()).count();
                    assert_eq!(beyond_ascii(&bytes), wanted, "{one:#x} at {place} of {length}");
                }
            }
        }
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
