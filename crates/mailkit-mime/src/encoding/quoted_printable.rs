//! The quoted-printable encoding of bodies (RFC 2045 §6.7).

use super::marks::{BLOCK, Marker, Marks};

/// RFC 2045 §6.7 (5) allows 76; the last column stays free for the `=` of a soft break.
const LAST_COLUMN: usize = 75;

/// What each byte becomes when it is not written as it is.
static ESCAPES: [[u8; 3]; 256] = {
    let mut escapes = [[b'='; 3]; 256];
    let digits = b"0123456789ABCDEF";
    let mut byte = 0;
    while byte < escapes.len() {
        escapes[byte] = [b'=', digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    escapes
};

/// How much text is encoded before it is appended.
const PIECE: usize = 4 * BLOCK;
/// Short runs are copied as so many bytes; what is too much is overwritten.
const SHORT: usize = 32;
/// Room for a piece and a blank before it: three bytes for one, soft breaks after 73 of them at
/// the earliest, and a short run.
const ROOM: usize = 3 * (PIECE + 1) + 3 * (3 * (PIECE + 1) / 73 + 1) + SHORT;

/// Encodes text as quoted-printable (RFC 2045 §6.7), line ends of any kind as CRLF.
///
/// What comes out does not depend on how the input was cut into pieces.
#[derive(Debug, Default)]
pub(crate) struct QuotedPrintable {
    column: usize,
    after_cr: bool,
    /// A blank at the end of a piece is written once it is known what follows.
    blank: Option<u8>,
}

impl QuotedPrintable {
    pub(crate) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        self.encode(input, |written| out.extend_from_slice(written));
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.end(|written| out.extend_from_slice(written));
    }

    /// How long a text becomes.
    pub(super) fn size_of(text: &[u8]) -> u64 {
        let mut size = 0;
        let mut encoder = Self::default();
        encoder.encode(text, |written| size += written.len() as u64);
        encoder.end(|written| size += written.len() as u64);
        size
    }

    fn encode(&mut self, input: &[u8], mut take: impl FnMut(&[u8])) {
        let marker = Marker::new();
        let mut room = [0; ROOM];
        for piece in input.chunks(PIECE) {
            let mut line = self.resume(&mut room);
            for (index, block) in piece.chunks(BLOCK).enumerate() {
                let marks = marker.marks_of_part(block);
                line.block(marks, block.len(), piece.get(index * BLOCK..).unwrap_or_default());
            }
            self.blank = line.take_last_blank();
            take(self.suspend(&line));
        }
    }

    fn end(&mut self, take: impl FnOnce(&[u8])) {
        let mut room = [0; ROOM];
        let mut line = self.resume(&mut room);
        line.escape_last_blank();
        take(self.suspend(&line));
    }

    fn resume<'a>(&mut self, room: &'a mut [u8; ROOM]) -> Line<'a> {
        let mut line = Line { room, length: 0, column: self.column, after_cr: self.after_cr };
        if let Some(blank) = self.blank.take() {
            line.literals(&[blank], 1);
        }
        line
    }

    fn suspend<'a>(&mut self, line: &'a Line<'_>) -> &'a [u8] {
        self.column = line.column;
        self.after_cr = line.after_cr;
        line.room.get(..line.length).unwrap_or_default()
    }
}

/// Lines being written.
struct Line<'a> {
    room: &'a mut [u8; ROOM],
    length: usize,
    column: usize,
    after_cr: bool,
}

impl Line<'_> {
    /// Encodes a block of so many bytes; `ahead` starts with it.
    fn block(&mut self, marks: Marks, length: usize, mut ahead: &[u8]) {
        let mut marked = marks.unprintable | marks.equals;
        let mut done = 0;
        while marked != 0 {
            let place = marked.trailing_zeros() as usize;
            marked &= marked - 1;
            self.literals(ahead, place - done);
            let Some((&byte, behind)) = ahead.get(place - done..).and_then(<[u8]>::split_first) else {
                return;
            };
            self.marked(byte);
            (ahead, done) = (behind, place + 1);
        }
        self.literals(ahead, length - done);
    }

    fn marked(&mut self, byte: u8) {
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        match byte {
            b'\n' if after_cr => {}
            b'\r' | b'\n' => {
                self.escape_last_blank();
                self.put(b"\r\n");
                self.column = 0;
            }
            _ => self.escape(byte),
        }
    }

    /// Writes so many bytes, none of which needs an escape for what it is.
    #[inline]
    fn literals(&mut self, ahead: &[u8], count: usize) {
        if count == 0 {
            return;
        }
        self.after_cr = false;
        let starts_escaped = self.column == 0 && ahead.first().is_some_and(|&first| is_escaped_first(first));
        if self.column + count <= LAST_COLUMN && !starts_escaped {
            self.copy(ahead, count);
        } else {
            self.literals_over_lines(ahead, count);
        }
    }

    fn literals_over_lines(&mut self, mut ahead: &[u8], mut count: usize) {
        while count > 0 {
            let free = count.min(LAST_COLUMN.saturating_sub(self.column));
            let now = match ahead.first() {
                _ if free == 0 => {
                    self.soft_break();
                    continue;
                }
                Some(&first) if self.column == 0 && is_escaped_first(first) => {
                    self.escape(first);
                    1
                }
                _ => {
                    self.copy(ahead, free);
                    free
                }
            };
            ahead = ahead.get(now..).unwrap_or_default();
            count -= now;
        }
    }

    #[inline]
    fn copy(&mut self, ahead: &[u8], count: usize) {
        let slot = self.room.get_mut(self.length..).unwrap_or_default();
        match (ahead.first_chunk::<SHORT>(), slot.first_chunk_mut::<SHORT>()) {
            (Some(from), Some(to)) if count <= SHORT => *to = *from,
            _ => {
                if let (Some(from), Some(to)) = (ahead.get(..count), slot.get_mut(..count)) {
                    to.copy_from_slice(from);
                }
            }
        }
        self.length += count;
        self.column += count;
    }

    fn escape(&mut self, byte: u8) {
        if self.column + 3 > LAST_COLUMN {
            self.soft_break();
        }
        self.put(&hex_escape(byte));
        self.column += 3;
    }

    /// Takes back the blank that the line ends in so far.
    fn take_last_blank(&mut self) -> Option<u8> {
        let last = self.length.checked_sub(1).and_then(|last| self.room.get(last)).copied();
        let blank = last.filter(|&last| self.column > 0 && is_blank(last))?;
        self.length -= 1;
        self.column -= 1;
        Some(blank)
    }

    fn escape_last_blank(&mut self) {
        if let Some(blank) = self.take_last_blank() {
            self.escape(blank);
        }
    }

    fn soft_break(&mut self) {
        self.put(b"=\r\n");
        self.column = 0;
    }

    fn put<const N: usize>(&mut self, bytes: &[u8; N]) {
        if let Some(slot) = self.room.get_mut(self.length..).and_then(|free| free.first_chunk_mut()) {
            *slot = *bytes;
        }
        self.length += N;
    }
}

/// How long a line becomes before soft breaks, without its end. `escapes` is the number of bytes
/// in it that are neither blanks nor printable ASCII, or are the sign `=`.
pub(super) fn unbroken_size(line: &[u8], escapes: usize) -> usize {
    let first = line.first().is_some_and(|&first| is_escaped_first(first));
    let last = line.last().is_some_and(|&last| is_blank(last));
    line.len() + 2 * (escapes + usize::from(first) + usize::from(last))
}

/// The most that text can become whose size without soft breaks is this.
pub(super) fn most(unbroken: u64) -> u64 {
    // A line is broken after 73 columns at the earliest; a dot or an F behind that is escaped.
    unbroken + (3 + 2) * (unbroken / (LAST_COLUMN as u64 - 2) + 1)
}

/// The longest that a line may become without a soft break.
pub(super) const UNBROKEN: usize = LAST_COLUMN;

/// `=XX`, as quoted-printable and the Q encoding write a byte.
pub(crate) fn hex_escape(byte: u8) -> [u8; 3] {
    ESCAPES[usize::from(byte)]
}

/// `From ` may gain a `>` in a mailbox file, and a line with only a dot ends SMTP's DATA: neither
/// can happen to a line that starts otherwise.
fn is_escaped_first(byte: u8) -> bool {
    matches!(byte, b'F' | b'.')
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(pieces: &[&[u8]]) -> Vec<u8> {
        let mut encoder = QuotedPrintable::default();
        let mut out = Vec::new();
        for piece in pieces {
            encoder.push(piece, &mut out);
        }
        encoder.finish(&mut out);
        out
    }

    #[test]
    fn rfc_2045_section_6_7_rules() {
        for (rule, given, wanted) in [
            ("(1) general", "\u{e9}\0\x7f", "=C3=A9=00=7F"),
            ("(1) the sign itself", "a=b", "a=3Db"),
            ("(2) literal", "!<>~", "!<>~"),
            ("(3) blank inside", "a b\tc", "a b\tc"),
            ("(3) blank at the end", "a \r\nb\t\r\nc  ", "a=20\r\nb=09\r\nc =20"),
            ("(3) blank alone", " \n\t", "=20\r\n=09"),
            ("(4) line ends", "a\nb\rc\r\nd", "a\r\nb\r\nc\r\nd"),
            ("mailbox files", "From x\nfoo\n.\n", "=46rom x\r\nfoo\r\n=2E\r\n"),
        ] {
            let encoded = String::from_utf8(encode(&[given.as_bytes()])).unwrap();
            assert_eq!(encoded, wanted, "{rule}");
        }
    }

    #[test]
    fn rfc_2045_section_6_7_rule_5_soft_breaks() {
        let encoded = encode(&["x".repeat(76).as_bytes()]);
        assert_eq!(encoded, format!("{}=\r\nx", "x".repeat(75)).as_bytes());
        let escapes = encode(&["=".repeat(26).as_bytes()]);
        assert_eq!(escapes, format!("{}=\r\n=3D", "=3D".repeat(25)).as_bytes());
        let blanks = encode(&[" ".repeat(77).as_bytes()]);
        assert_eq!(blanks, format!("{}=\r\n =20", " ".repeat(75)).as_bytes());
    }

    proptest! {
        #[test]
        fn decodes_to_the_canonical_text(text in "(?s)[ \\t\\r\\nFr.=a-eé€😀]{0,400}") {
            let encoded = encode(&[text.as_bytes()]);
            for line in encoded.split(|&byte| byte == b'\n') {
                prop_assert!(line.len() <= 77, "with its CR");
                prop_assert!(!line.starts_with(b"From ") && line != b".\r" && line != b".");
            }
            let decoded = quoted_printable::decode(&encoded, quoted_printable::ParseMode::Strict);
            let canonical = text.replace("\r\n", "\n").replace(['\r', '\n'], "\r\n");
            prop_assert_eq!(String::from_utf8(decoded.unwrap()).unwrap(), canonical);
        }

        #[test]
        fn does_not_depend_on_the_cuts(
            text in "(?s)[ \\t\\r\\nF.=aé]{0,200}", cuts in prop::collection::vec(0_usize..400, 0..6)
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut start = 0;
            let mut pieces = Vec::new();
            for cut in cuts {
                pieces.push(&bytes[start..cut]);
                start = cut;
            }
            pieces.push(&bytes[start..]);
            prop_assert_eq!(encode(&pieces), encode(&[bytes]));
        }
    }
}
