//! The quoted-printable encoding of bodies (RFC 2045 §6.7).

use super::marks::{BLOCK, Marker};

/// RFC 2045 §6.7 (5) allows 76; the last column stays free for the `=` of a soft break.
const LAST_COLUMN: usize = 75;

/// What each byte becomes when it is not written as it is; the fourth is overwritten, since four are
/// moved faster than three.
static ESCAPES: [[u8; 4]; 256] = {
    let mut escapes = [[b'='; 4]; 256];
    let digits = b"0123456789ABCDEF";
    let mut byte = 0;
    while byte < escapes.len() {
        escapes[byte] = [b'=', digits[byte >> 4], digits[byte & 15], 0];
        byte += 1;
    }
    escapes
};

/// How much text is encoded before it is appended.
const PIECE: usize = 4 * BLOCK;
/// Room for a piece and a blank before it: three bytes for one, and soft breaks after 73 of them at
/// the earliest. A power of two, so that a place in it needs no check.
const ROOM: usize = (3 * (PIECE + 1) + 3 * (3 * (PIECE + 1) / 73 + 1)).next_power_of_two();
/// The room, and behind it space for what the last copy writes too much.
type Room = [u8; ROOM + BLOCK];
/// A run is copied as a whole block, wherever in a block it starts; what is too much is overwritten.
const AHEAD: usize = 2 * BLOCK;

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
        self.encode(Marker::new(), input, |written| out.extend_from_slice(written));
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.end(|written| out.extend_from_slice(written));
    }

    /// How long a text becomes.
    pub(super) fn size_of(text: &[u8]) -> u64 {
        let mut size = 0;
        let mut encoder = Self::default();
        encoder.encode(Marker::new(), text, |written| size += written.len() as u64);
        encoder.end(|written| size += written.len() as u64);
        size
    }

    fn encode(&mut self, marker: Marker, input: &[u8], mut take: impl FnMut(&[u8])) {
        marker.run(
            #[inline(always)]
            || {
                let mut room = [0; ROOM + BLOCK];
                let mut rest = input;
                while !rest.is_empty() {
                    let mut line = self.resume(&mut room);
                    let (piece, behind) = rest.split_at(rest.len().min(PIECE));
                    for at in (0..piece.len()).step_by(BLOCK) {
                        line.block(marker, rest.get(at..).unwrap_or_default());
                    }
                    rest = behind;
                    self.blank = line.take_last_blank();
                    take(self.suspend(&line));
                }
            },
        );
    }

    fn end(&mut self, take: impl FnOnce(&[u8])) {
        if self.blank.is_none() {
            return;
        }
        let mut room = [0; ROOM + BLOCK];
        let mut line = self.resume(&mut room);
        line.escape_last_blank();
        take(self.suspend(&line));
    }

    fn resume<'a>(&mut self, room: &'a mut Room) -> Line<'a> {
        let mut line = Line { room, length: 0, column: self.column, after_cr: self.after_cr };
        if let Some(blank) = self.blank.take() {
            line.within_line(&[blank; AHEAD], 0, 1, 0);
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
    room: &'a mut Room,
    length: usize,
    column: usize,
    after_cr: bool,
}

impl Line<'_> {
    /// Encodes the block that the text starts with, or what there is of it.
    #[inline(always)]
    fn block(&mut self, marker: Marker, text: &[u8]) {
        let mut padded = [b' '; AHEAD];
        let ahead = match text.first_chunk() {
            Some(ahead) => ahead,
            None => {
                padded.iter_mut().zip(text).for_each(|(slot, &byte)| *slot = byte);
                &padded
            }
        };
        let marks = marker.marks(from(ahead, 0));
        let escapes = marks.escapes();
        let (mut ends, mut start) = (marks.ends, 0);
        while ends != 0 {
            let end = ends.trailing_zeros() as usize;
            ends &= ends - 1;
            self.within_line(ahead, start, end, escapes);
            self.end_line(byte_at(ahead, end) == b'\r');
            start = end + 1;
        }
        self.within_line(ahead, start, text.len().min(BLOCK), escapes);
    }

    #[inline(always)]
    fn end_line(&mut self, is_cr: bool) {
        if is_cr || !self.after_cr {
            self.escape_last_blank();
            self.put(b"\r\n", 2);
            self.column = 0;
        }
        self.after_cr = is_cr;
    }

    /// Encodes a line, or what a block holds of it: the bytes from `start` to `end`.
    #[inline(always)]
    fn within_line(&mut self, ahead: &[u8; AHEAD], mut start: usize, end: usize, escapes: u64) {
        while start < end {
            self.after_cr = false;
            let first = byte_at(ahead, start);
            if self.column == 0 && is_escaped_first(first) {
                self.escape(first);
                self.column = 3;
                start += 1;
            }
            let escapes = escapes & below(end) & !below(start);
            let length = end - start + 2 * escapes.count_ones() as usize;
            let free = LAST_COLUMN - self.column;
            if length <= free {
                self.column += length;
                self.write(ahead, start, end, escapes);
                return;
            }
            let broken = break_at(start, escapes, free);
            self.write(ahead, start, broken, escapes & below(broken));
            self.put(b"=\r\n", 3);
            self.column = 0;
            start = broken;
        }
    }

    /// Writes the bytes from `start` to `end`, and those that are marked as escapes.
    #[inline(always)]
    fn write(&mut self, ahead: &[u8; AHEAD], mut start: usize, end: usize, mut escapes: u64) {
        while escapes != 0 {
            let place = escapes.trailing_zeros() as usize;
            escapes &= escapes - 1;
            self.put(from(ahead, start), place - start);
            self.escape(byte_at(ahead, place));
            start = place + 1;
        }
        self.put(from(ahead, start), end - start);
    }

    #[inline(always)]
    fn escape(&mut self, byte: u8) {
        self.put(&ESCAPES[byte as usize], 3);
    }

    /// Writes so many of the bytes. All are copied, since a fixed number is copied fastest.
    #[inline(always)]
    fn put<const N: usize>(&mut self, bytes: &[u8; N], count: usize) {
        const { assert!(N <= BLOCK) };
        if let Some(slot) = self.room.get_mut(self.length % ROOM..).and_then(<[u8]>::first_chunk_mut) {
            *slot = *bytes;
        }
        self.length += count;
    }

    /// Takes back the blank that the line ends in so far.
    fn take_last_blank(&mut self) -> Option<u8> {
        let last = self.length.checked_sub(1).and_then(|last| self.room.get(last)).copied();
        let blank = last.filter(|&last| is_blank(last))?;
        self.length -= 1;
        self.column -= 1;
        Some(blank)
    }

    fn escape_last_blank(&mut self) {
        if let Some(blank) = self.take_last_blank() {
            self.within_line(&[blank; AHEAD], 0, 1, 1);
        }
    }
}

/// What stands at a place of the block and behind it. The remainder spares a check: at the end of the
/// block it gives another place, but nothing is left to be written from there.
#[inline(always)]
fn from(ahead: &[u8; AHEAD], place: usize) -> &[u8; BLOCK] {
    ahead.get(place % BLOCK..).and_then(<[u8]>::first_chunk).unwrap_or(&[0; BLOCK])
}

#[inline(always)]
fn byte_at(ahead: &[u8; AHEAD], place: usize) -> u8 {
    ahead.get(place % BLOCK).copied().unwrap_or_default()
}

/// The bits of the bytes before this one.
#[inline(always)]
fn below(place: usize) -> u64 {
    if place < BLOCK { (1 << place) - 1 } else { u64::MAX }
}

/// Where a line has to be broken that has so many columns free: before the byte that does not fit.
/// The first is at `start`.
fn break_at(start: usize, mut escapes: u64, mut free: usize) -> usize {
    let mut place = start;
    while escapes != 0 {
        let escape = escapes.trailing_zeros() as usize;
        escapes &= escapes - 1;
        if escape - place + 3 > free {
            return place + free.min(escape - place);
        }
        free -= escape - place + 3;
        place = escape + 1;
    }
    place + free
}

/// The most that text can become whose size without soft breaks is this.
pub(super) fn most(unbroken: u64) -> u64 {
    // A line is broken after 73 columns at the earliest; a dot or an F behind that is escaped.
    unbroken + (3 + 2) * (unbroken / (LAST_COLUMN as u64 - 2) + 1)
}

/// The longest that a line may become without a soft break.
pub(super) const UNBROKEN: usize = LAST_COLUMN;

/// `=XX`, as quoted-printable and the Q encoding write a byte.
pub(crate) const fn hex_escape(byte: u8) -> [u8; 3] {
    let [sign, high, low, _] = ESCAPES[byte as usize];
    [sign, high, low]
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

    /// What comes out on every processor.
    fn encode(pieces: &[&[u8]]) -> Vec<u8> {
        let [encoded, portable] = Marker::all().map(|marker| {
            let mut encoder = QuotedPrintable::default();
            let mut out = Vec::new();
            for piece in pieces {
                encoder.encode(marker, piece, |written| out.extend_from_slice(written));
            }
            encoder.finish(&mut out);
            out
        });
        assert_eq!(encoded, portable, "{pieces:?}");
        encoded
    }

    /// The same for a line without its end, a byte at a time.
    fn slowly(line: &[u8]) -> Vec<u8> {
        let (mut out, mut column) = (Vec::new(), 0);
        for (at, &byte) in line.iter().enumerate() {
            let is_last = at + 1 == line.len();
            let escaped = !matches!(byte, b'\t' | b' '..=b'~') || byte == b'=' || (is_last && is_blank(byte));
            if column + if escaped { 3 } else { 1 } > 75 {
                out.extend_from_slice(b"=\r\n");
                column = 0;
            }
            if escaped || (column == 0 && is_escaped_first(byte)) {
                out.extend_from_slice(format!("={byte:02X}").as_bytes());
                column += 3;
            } else {
                out.push(byte);
                column += 1;
            }
        }
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
            ("(3) blank alone", " \n\t\r\n\t", "=20\r\n=09\r\n=09"),
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
        fn writes_what_is_written_a_byte_at_a_time(
            text in "(?s)([ -~]{0,90}|[ \\t\\nF.=]{0,5}|\\x00|\\x7f|é|.){0,30}"
        ) {
            let text = text.replace('\r', "\n");
            let lines: Vec<_> = text.as_bytes().split(|&byte| byte == b'\n').map(slowly).collect();
            prop_assert_eq!(encode(&[text.as_bytes()]), lines.join(&b"\r\n"[..]));
        }

        #[test]
        fn does_not_depend_on_the_cuts(
            text in "(?s)[ \\t\\r\\nF.=aé]{0,600}", cuts in prop::collection::vec(0_usize..700, 0..6)
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
